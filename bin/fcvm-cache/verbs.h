/* SPDX-License-Identifier: MIT
 * The verbs of fcvm-cache. Each prints its result on stdout and returns the exit status, or -1
 * with e filled. */
#ifndef CACHE_VERBS_H
#define CACHE_VERBS_H

#include "pull.h"

struct cache_opts {
	const char *pull, *platform, *authfile, *cert_dir, *creds_file;
	uint64_t max_entries, max_size;
	bool tls_verify, quiet, json, all;
};

typedef int verb_fn(struct store *s, const struct cache_opts *o, char **args, struct err *e);
verb_fn verb_ls, verb_inspect, verb_rm, verb_prune, verb_verify;

/* Everything known of an image: meta.json plus "path" and "references". NULL with e filled. */
json_t *verb_describe(const struct store *s, const char *id, struct err *e);

#endif
