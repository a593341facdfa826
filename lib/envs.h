/* SPDX-License-Identifier: MIT
 * Environment variables as podman's --env and --env-file take them, collected in an object {name:
 * value}, in which the last value of a name wins. Functions return 0, or -1 with e filled (status
 * FCVM_EX_USAGE; FCVM_EX_SYS for a file that cannot be read). */
#ifndef FCVM_ENVS_H
#define FCVM_ENVS_H

#include "err.h"
#include "strv.h"

#include <jansson.h>

/* NAME=VALUE; NAME, the caller's value if there is one; NAME*, all of the caller's that begin so.
 * Only leading blanks are dropped, as podman does. entry is changed; `where` names it in errors. */
int envs_add(json_t *vars, char *entry, const char *where, char **caller, struct err *e);

/* The lines of an environment file. text is changed. */
int envs_lines(json_t *vars, char *text, const char *file, char **caller, struct err *e);
int envs_file(json_t *vars, const char *file, char **caller, struct err *e);

/* ["NAME=VALUE", ...] in the order of their first mention. */
json_t *envs_list(json_t *vars);

#endif
