/* SPDX-License-Identifier: MIT
 * Category open, its larger part: who may open what for what, and what each flag does. */
#ifndef FCVM_POSIX_OPEN_H
#define FCVM_POSIX_OPEN_H

#include "posix.h"

void open_rights(struct suite *s);
void open_flags(struct suite *s);

#endif
