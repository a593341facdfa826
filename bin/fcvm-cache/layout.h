/* SPDX-License-Identifier: MIT
 * An image's manifest and blobs in a local directory: an OCI image layout (image-spec
 * image-layout.md) or skopeo's "dir:" form. Nothing in it is trusted: blobs are opened only as
 * regular files and checked against their digests by whoever reads them. */
#ifndef CACHE_LAYOUT_H
#define CACHE_LAYOUT_H

#include "manifest.h"

#include <stdbool.h>

struct layout {
	int dirfd;
	bool oci;
};

/* 0, or -1 with e filled (FCVM_EX_NOTFOUND when it is not there). layout_close() in both cases. */
int layout_open(struct layout *l, const char *path, bool oci, struct err *e);
void layout_close(struct layout *l);

/* sha256 of the top document, for telling cheaply whether anything changed. */
int layout_identity(const struct layout *l, char hex[65], struct err *e);

/* The image manifest for the tag (NULL: the only one) and platform: its parsed form and digest
 * ("sha256:…", 72 bytes). */
int layout_manifest(const struct layout *l, const char *tag, const struct platform *p,
        struct manifest *m, char digest[72], struct err *e);

/* A blob's descriptor, of exactly that size. -1 with e filled. */
int layout_blob(const struct layout *l, const struct manifest_blob *b, struct err *e);

#endif
