/* SPDX-License-Identifier: MIT
 * Files that have several names, met one name after the other: under which they came first. */
#ifndef FCVM_LINKS_H
#define FCVM_LINKS_H

#include <sys/stat.h>

struct links {
	void *tree; /* tsearch(3); NULL: none yet */
};

/* The name that the file was added under, which stays the tree's; NULL: it was not, or has no other
 * name. */
const char *links_find(const struct links *l, const struct stat *st);
/* A copy of the name is kept for the file, unless it has one already, or no other name. */
void links_add(struct links *l, const struct stat *st, const char *name);
void links_free(struct links *l);

#endif
