/* SPDX-License-Identifier: MIT
 * From a reference to an image in the cache. */
#ifndef CACHE_PULL_H
#define CACHE_PULL_H

#include "flatten.h"
#include "store.h"

#include <stdbool.h>

enum pull_policy { PULL_MISSING, PULL_ALWAYS, PULL_NEWER, PULL_NEVER };

struct pull_opts {
	enum pull_policy policy;
	const char *platform; /* NULL: this machine's */
	const char *authfile, *cert_dir;
	const char *creds_file; /* "user:password" in a file, "-": stdin */
	bool tls_verify;
	struct flatten_limits limits;
	cache_tick *tick;
};

struct pull_result {
	char id[65];
	char manifest[72];
	char *source; /* canonical reference */
	char *path;
	char *note;    /* something the user should know, or NULL */
	bool exported; /* this call made the image */
};

/* The name of a policy; FCVM_EX_USAGE in e for another word. */
int pull_policy_parse(const char *word, enum pull_policy *out, struct err *e);

/* 0, or -1 with e filled. pull_result_free() in both cases. */
int pull_image(struct store *s, const char *ref, const struct pull_opts *o, struct pull_result *r,
        struct err *e);
void pull_result_free(struct pull_result *r);

/* The cached image that a reference or image id means, without looking at its source: 1 and id,
 * 0 none, -1. key receives the reference's key or "". */
int pull_find(struct store *s, const char *ref, const char *platform, char id[65], char key[65],
        struct err *e);

#endif
