/* SPDX-License-Identifier: MIT
 * References to images, in the words of skopeo's transports (containers-transports(5)). */
#ifndef CACHE_IMGREF_H
#define CACHE_IMGREF_H

#include "err.h"

#include <stdbool.h>

enum imgref_kind {
	IMGREF_REGISTRY,       /* docker://[HOST/]NAME[:TAG][@DIGEST] */
	IMGREF_STORAGE,        /* containers-storage:NAME */
	IMGREF_OCI,            /* oci:DIR[:TAG] */
	IMGREF_OCI_ARCHIVE,    /* oci-archive:FILE[:TAG] */
	IMGREF_DOCKER_ARCHIVE, /* docker-archive:FILE[:REF] */
	IMGREF_DIR,            /* dir:DIR */
};

struct imgref {
	enum imgref_kind kind;
	bool plain;      /* written without a transport: podman's storage may have it */
	char *canonical; /* the whole, the same for every spelling; skopeo understands it */
	char *name;      /* registry, storage: normalised, with host and tag or digest */
	char *digest;    /* of a registry reference by digest: "sha256:…", else NULL */
	char *path;      /* local kinds: absolute */
	char *tag;       /* oci and archives: what follows the path, else NULL */
};

/* 0, or -1 with e filled: FCVM_EX_USAGE, or FCVM_EX_NOTFOUND for a path that does not exist. */
int imgref_parse(const char *text, struct imgref *r, struct err *e);
void imgref_free(struct imgref *r);
#define auto_imgref __attribute__((cleanup(imgref_free)))

/* A registry reference becomes the one of the same name in podman's storage. */
void imgref_to_storage(struct imgref *r);

/* "docker://HOST/NAME@digest" for exactly one manifest of a registry's repository. */
char *imgref_at_digest(const struct imgref *r, const char *digest);

#endif
