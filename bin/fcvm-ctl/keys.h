/* SPDX-License-Identifier: MIT
 * Detach keys as podman writes them: "ctrl-p,ctrl-q", "a,b"; "" for none. */
#ifndef CTL_KEYS_H
#define CTL_KEYS_H

#include "err.h"

#define KEYS_MAX 32

/* The bytes they send, NUL-terminated in out[KEYS_MAX + 1]; text NULL: the default. 0, or -1 with e
 * filled. */
int keys_parse(const char *text, char out[KEYS_MAX + 1], struct err *e);

#endif
