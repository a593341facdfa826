/* SPDX-License-Identifier: MIT
 * Between the files of templates.h. */
#ifndef FCVM_TEMPLATES_OWN_H
#define FCVM_TEMPLATES_OWN_H

#include "templates.h"

#define TEMPLATE_META "template.json"
#define TEMPLATE_NAME 32      /* bytes of such a name: */
#define TEMPLATE_NEW  ".new"  /* + random: being made while its directory is locked */
#define TEMPLATE_OLD  ".old." /* + random: to be removed */

/* Gives the template another name, if there is one, under which saved_drop() is to remove it: 1; 0:
 * there is none; or -errno. The store's own lock is held, as below. */
int templates_aside(const struct templates *t, const char *key, char old[TEMPLATE_NAME]);

/* Removes what nobody is making any more. The store's own lock (that of the key "") is held. */
void templates_sweep(const struct templates *t);

#endif
