/* SPDX-License-Identifier: MIT
 * The operations on the content of a file (content.c); false after a report. */
#ifndef FCVM_STRESS_OPERATIONS_H
#define FCVM_STRESS_OPERATIONS_H

#include "model.h"

bool write_some(struct worker *w);
bool append_some(struct worker *w);
bool read_some(struct worker *w);
bool set_size(struct worker *w);
bool allocate(struct worker *w);
bool write_mapped(struct worker *w);
bool unlinked_open(struct worker *w);

#endif
