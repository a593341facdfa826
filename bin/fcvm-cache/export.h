/* SPDX-License-Identifier: MIT
 * From a manifest and blobs on disk to an image in the store. */
#ifndef CACHE_EXPORT_H
#define CACHE_EXPORT_H

#include "flatten.h"
#include "layout.h"
#include "store.h"

struct export_job {
	const struct layout *layout;
	const struct manifest *manifest;
	const char *digest; /* of the manifest */
	const char *source; /* canonical reference */
	const struct platform *platform;
	bool platform_wanted; /* the user named it: another one is refused */
	const struct flatten_limits *limits;
	cache_tick *tick;
	char **note;
};

/* Makes the image in t and commits it. The caller holds the image's lock. */
int export_image(struct store *s, struct store_tmp *t, const struct export_job *job, struct err *e);

/* FCVM_EX_SYS when the data directory has less than `need` bytes free. */
int export_check_space(const struct store *s, uint64_t need, struct err *e);

#endif
