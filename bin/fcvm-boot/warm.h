/* SPDX-License-Identifier: MIT
 * Startup templates (`fcvm run --warm`): a machine that was saved while its container ran and was
 * well, for the next run that is equal in all but its names. They are in the store of templates,
 * and what holds for those holds for them: nothing depends on one being there. */
#ifndef FCVM_WARM_H
#define FCVM_WARM_H

#include "boot_vol.h"
#include "template.h"
#include "templates.h"

#include <stdbool.h>

struct warm {
	char key[SHA256_HEX];
	json_t *machine;            /* what the store keeps as its description */
	struct template_files from; /* what a machine was started from */
};

/* Whether the plan asks for it. */
bool warm_wanted(const json_t *plan);

/* The key of the wish's machine with its plan. 0, or -1 with e filled; ends with warm_free(). */
int warm_key(struct warm *w, const struct template_wish *wish, struct err *e);
void warm_free(struct warm *w);

/* Starts the machine from its startup template. 1: it goes on from there, and waits to be told who
 * it is (supervise.h's clone); 0: there is none. */
int warm_start(struct vmm *v, const struct template_wish *wish, struct warm *w);
/* Then, before its volumes are connected: they become what they were. 0, or -1 with e filled. */
int warm_volumes(const struct warm *w, const struct vol *vol, struct err *e);

/* A startup template in the making. */
struct warm_new {
	struct templates store;
	struct template_new files;
	int lock; /* nobody else makes this one; -1: none is in the making */
};
#define WARM_NEW_NONE                                                                     \
	{                                                                                 \
		.store = {.dir = -1}, .files = {.dir = -1, .files = TEMPLATE_FILES_NONE}, \
		.lock = -1                                                                \
	}
/* 1: its files are open for writing; 0: it is there, or somebody makes it; -1 with e filled. Ends
 * with warm_end() in any case. */
int warm_begin(struct warm_new *n, const struct warm *w, const char *data_dir, struct err *e);
/* Puts it in its place with its volumes (or NULL), and makes room in the store: 0, or -1 with e
 * filled. */
int warm_keep(struct warm_new *n, const struct warm *w, const json_t *mounts, struct err *e);
void warm_end(struct warm_new *n);

#endif
