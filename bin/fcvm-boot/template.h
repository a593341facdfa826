/* SPDX-License-Identifier: MIT
 * A start from a template, which is made first if there is none: every start takes this path, and a
 * boot has the template as its one consumer. */
#ifndef FCVM_TEMPLATE_H
#define FCVM_TEMPLATE_H

#include "sha256.h"
#include "templates.h"
#include "vmm.h"

#include <jansson.h>

struct template_wish {
	const struct vmm_ops *ops;
	const struct vmm_config *config; /* its second disk (the scratch disk) is not opened yet */
	const char *data_dir;
	const json_t *plan; /* as the agent gets it */
	int *scratch;       /* receives the machine's disk; the caller closes it */
};

/* Starts the machine from its template. 1: it goes on from there, its agent waiting for RESUME; 0:
 * there can be no template: boot; -1 with e filled: a
 * signal ended the wait, or the page server that the configuration names cannot be used. *key: what
 * template_forget() takes. */
int template_start(
        struct vmm *v, const struct template_wish *w, char key[SHA256_HEX], struct err *e);

/* Starts the machine from the saved one of this key, whose files are borrowed. 0: it goes on from
 * there; -1 with e filled: it was not taken, and is removed. */
int template_restore(struct vmm *v, const struct template_wish *w, const struct templates *t,
        const char *key, const struct template_files *f, struct err *e);

/* Makes the template unless it is there: 0, or -1 with e filled. */
int template_make(const struct template_wish *w, char key[SHA256_HEX], struct err *e);

/* A machine from it did not come up: the next start shall make it anew. */
void template_forget(const struct template_wish *w, const char *key);

#endif
