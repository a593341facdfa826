/* SPDX-License-Identifier: MIT
 * Between the files of templates.h. */
#ifndef FCVM_TEMPLATES_OWN_H
#define FCVM_TEMPLATES_OWN_H

#include "templates.h"

#define TEMPLATE_META "template.json"
#define TEMPLATE_NEW  ".new"  /* + random: being made while its directory is locked */
#define TEMPLATE_OLD  ".old." /* + key: to be removed */

/* Removes what nobody is making any more. The store's own lock (that of the key "") is held. */
void templates_sweep(const struct templates *t);

#endif
