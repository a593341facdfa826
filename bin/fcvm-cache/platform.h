/* SPDX-License-Identifier: MIT
 * os/architecture/variant, in the names of the OCI image specification (those of GOOS, GOARCH). */
#ifndef CACHE_PLATFORM_H
#define CACHE_PLATFORM_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>

struct platform {
	char os[32], arch[32], variant[32]; /* variant may be "" */
};

/* "os/arch[/variant]", or NULL for this machine. 0, or -1 with e filled (FCVM_EX_USAGE). */
int platform_parse(const char *text, struct platform *p, struct err *e);

/* "os/arch[/variant]" */
void platform_text(const struct platform *p, char out[100]);

/* Does the object's os, architecture (and variant, if wanted) suit? 0: no; more is better. */
int platform_suits(const struct platform *want, const json_t *have);

#endif
