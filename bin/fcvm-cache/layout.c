/* SPDX-License-Identifier: MIT */
#include "layout.h"
#include "sha256.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define INDEX_DEPTH 4

int layout_open(struct layout *l, const char *path, bool oci, struct err *e)
{
	l->oci = oci;
	l->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dirfd >= 0 &&
	        faccessat(l->dirfd, oci ? "index.json" : "manifest.json", F_OK, 0) == 0)
		return 0;
	if (errno == ENOENT || errno == ENOTDIR)
		return err_set(e, FCVM_EX_NOTFOUND, "'%s' is not %s: it has no %s", path,
		        oci ? "an OCI image layout" : "a dir: image",
		        oci ? "index.json" : "manifest.json");
	return err_sys(e, "cannot open '%s'", path);
}

void layout_close(struct layout *l)
{
	if (l->dirfd >= 0)
		close(l->dirfd);
	l->dirfd = -1;
}

/* FIFOs and devices must not stop us: open without waiting, then look. */
static int open_file(int dirfd, const char *path, uint64_t *size)
{
	auto_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*size = (uint64_t)st.st_size;
	return steal_fd(&fd);
}

static int read_text(int dirfd, const char *path, char **text, size_t *n, struct err *e)
{
	uint64_t size;
	auto_fd int fd = open_file(dirfd, path, &size);

	if (fd < 0) {
		errno = -fd;
		return err_sys(e, "cannot read %s", path);
	}
	if (size > JSON_MAX_BYTES)
		return err_set(
		        e, FCVM_EX_DATA, "%s is larger than %zu bytes", path, JSON_MAX_BYTES);
	*text = xcalloc(1, (size_t)size + 1);
	*n = (size_t)size;
	if (read_full(fd, *text, *n) == (ssize_t)*n)
		return 0;
	return err_set(e, FCVM_EX_DATA, "%s changed while it was read", path);
}

int layout_identity(const struct layout *l, char hex[65], struct err *e)
{
	auto_free char *text = NULL;
	size_t n;

	if (read_text(l->dirfd, l->oci ? "index.json" : "manifest.json", &text, &n, e) < 0)
		return -1;
	sha256_hex(text, n, hex);
	return 0;
}

static void blob_path(const struct layout *l, const char *digest, char out[100])
{
	snprintf(out, 100, "%s%s", l->oci ? "blobs/sha256/" : "", digest_hex(digest));
}

int layout_blob(const struct layout *l, const struct manifest_blob *b, struct err *e)
{
	char path[100];
	uint64_t size;
	int fd;

	blob_path(l, b->digest, path);
	fd = open_file(l->dirfd, path, &size);
	if (fd < 0)
		return err_set(e, FCVM_EX_DATA, "blob %s: %s", b->digest, strerror(-fd));
	if (size == b->size)
		return fd;
	close(fd);
	return err_set(e, FCVM_EX_DATA,
	        "blob %s has %" PRIu64 " bytes, the manifest says %" PRIu64 "%s", b->digest, size,
	        b->size, size < b->size ? ": it is truncated" : "");
}

/* In an OCI layout's index.json: the descriptor that carries the tag, or the only one. */
static int tagged(const json_t *list, const char *tag, const struct platform *p,
        struct manifest_blob *out, struct err *e)
{
	const json_t *d, *found = NULL, *last = NULL;
	size_t i, hits = 0;
	int rank = 0;

	json_array_foreach(list, i, d)
	{
		const char *name = json_string_value(json_object_get(
		        json_object_get(d, "annotations"), "org.opencontainers.image.ref.name"));
		const json_t *have = json_object_get(d, "platform");
		int r = have ? platform_suits(p, have) : 1;

		if (tag && (!name || strcmp(name, tag) != 0))
			continue;
		hits++;
		last = d;
		if (r > rank) {
			rank = r;
			found = d;
		} else if (r == rank && r && !tag) {
			return err_set(e, FCVM_EX_USAGE,
			        "the layout holds several images: name one, as in oci:DIR:TAG");
		}
	}
	if (hits == 1) /* one for another platform: whoever asked for it gets it */
		found = last;
	if (!found)
		return err_set(e, FCVM_EX_NOTFOUND, "the layout has no image %s%s",
		        tag ? "tagged " : "for this platform", tag ? tag : "");
	return manifest_blob(found, "index.json", out, e);
}

/* The document at a digest: checked, parsed. */
static int load(
        const struct layout *l, const struct manifest_blob *b, struct manifest *m, struct err *e)
{
	auto_free char *text = NULL;
	char path[100], hex[SHA256_HEX];
	size_t n;

	if (l->oci)
		blob_path(l, b->digest, path);
	else
		snprintf(path, sizeof path, "%s.manifest.json", digest_hex(b->digest));
	if (read_text(l->dirfd, path, &text, &n, e) < 0)
		return -1;
	sha256_hex(text, n, hex);
	if (strcmp(hex, digest_hex(b->digest)) != 0)
		return err_set(e, FCVM_EX_DATA,
		        "manifest %s does not match: the content has sha256:%s", b->digest, hex);
	return manifest_parse(m, text, n, b->digest, e);
}

/* Follows indexes until there is an image. */
static int descend(const struct layout *l, const struct platform *p, struct manifest *m,
        char digest[72], struct err *e)
{
	for (int depth = 0; m->index; depth++) {
		struct manifest below = {0};
		struct manifest_blob b;
		int r;

		if (depth == INDEX_DEPTH)
			return err_set(e, FCVM_EX_DATA, "indexes are nested too deeply");
		if (manifest_choose(m, p, &b, e) < 0)
			return -1;
		snprintf(digest, 72, "%s", b.digest);
		r = load(l, &b, &below, e);
		manifest_free(m);
		*m = below;
		if (r < 0)
			return -1;
	}
	return 0;
}

int layout_manifest(const struct layout *l, const char *tag, const struct platform *p,
        struct manifest *m, char digest[72], struct err *e)
{
	const char *top = l->oci ? "index.json" : "manifest.json";
	auto_free char *text = NULL;
	auto_json json_t *index = NULL;
	struct manifest_blob b;
	char hex[SHA256_HEX];
	size_t n;

	*m = (struct manifest){0};
	if (read_text(l->dirfd, top, &text, &n, e) < 0)
		return -1;
	if (l->oci) {
		index = json_parse(text, n, top, e);
		if (!index || tagged(json_object_get(index, "manifests"), tag, p, &b, e) < 0)
			return -1;
		snprintf(digest, 72, "%s", b.digest);
		if (load(l, &b, m, e) < 0)
			return -1;
	} else {
		sha256_hex(text, n, hex);
		snprintf(digest, 72, "sha256:%s", hex);
		if (manifest_parse(m, text, n, top, e) < 0)
			return -1;
	}
	return descend(l, p, m, digest, e);
}
