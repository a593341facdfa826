/* SPDX-License-Identifier: MIT
 * Image manifests, indexes and configs: OCI image-spec v1 and Docker's schema 2. All are untrusted
 * and bounded (json.h). */
#ifndef CACHE_MANIFEST_H
#define CACHE_MANIFEST_H

#include "cleanup.h"
#include "err.h"
#include "json.h"
#include "platform.h"

#include <stdint.h>

struct manifest_blob {
	const char *digest; /* checked: "sha256:" and 64 digits */
	uint64_t size;
};

struct manifest {
	json_t *doc; /* owns the strings below */
	bool index;  /* then the rest is empty */
	struct manifest_blob config;
	struct manifest_blob *layers; /* oldest first */
	size_t n;
	uint64_t total; /* bytes of all layers */
};

/* `what` names the document in errors. 0, or -1 with e filled. */
int manifest_parse(struct manifest *m, const char *text, size_t n, const char *what, struct err *e);
void manifest_free(struct manifest *m);
#define auto_manifest __attribute__((cleanup(manifest_free)))

/* The manifest of an index that suits the platform best, borrowed from m. */
int manifest_choose(const struct manifest *m, const struct platform *p, struct manifest_blob *out,
        struct err *e);

/* A descriptor's digest and size. 0, or -1 with e filled. */
int manifest_blob(
        const json_t *descriptor, const char *what, struct manifest_blob *out, struct err *e);

/* Checks the image config against its manifest and gives its diff_ids (m->n of them; borrowed from
 * *config, which the caller frees). */
int manifest_config(const struct manifest *m, const char *text, size_t n, json_t **config,
        const char ***diff_ids, struct err *e);

#endif
