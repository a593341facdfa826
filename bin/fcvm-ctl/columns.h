/* SPDX-License-Identifier: MIT
 * What `ls` can show of a VM, by the names that podman's templates have for it. */
#ifndef CTL_COLUMNS_H
#define CTL_COLUMNS_H

#include "tmpl.h"
#include "vms.h"

struct column_row {
	const struct vm *vm; /* NULL: the headings */
	int64_t now;         /* nanoseconds since the epoch */
	bool no_trunc;
};

tmpl_field column_field; /* ctx: a struct column_row */

#endif
