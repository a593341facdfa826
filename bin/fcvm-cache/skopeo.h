/* SPDX-License-Identifier: MIT
 * Runs skopeo: the one program here that speaks to registries and knows every transport. */
#ifndef CACHE_SKOPEO_H
#define CACHE_SKOPEO_H

#include "index.h"
#include "platform.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct skopeo_opts {
	const char *authfile; /* NULL: skopeo's own look-up */
	const char *cert_dir;
	const char
	        *tmpdir; /* for what it unpacks on the way; swept with the rest if it is killed */
	bool tls_verify;
	struct platform platform;
};

/* The raw manifest of a reference in malloc'd *text. -1 with e filled. */
int skopeo_inspect(
        const char *ref, const struct skopeo_opts *o, char **text, size_t *n, struct err *e);

/* Copies the image byte for byte into a new "dir:" layout at path. expect: bytes to come, for the
 * progress shown (0: not known). */
int skopeo_copy(const char *ref, const struct skopeo_opts *o, const char *path, uint64_t expect,
        cache_tick *tick, struct err *e);

#endif
