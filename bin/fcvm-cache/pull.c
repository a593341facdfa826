/* SPDX-License-Identifier: MIT */
#include "pull.h"
#include "cleanup.h"
#include "creds.h"
#include "export.h"
#include "imgref.h"
#include "sha256.h"
#include "skopeo.h"
#include "status.h"
#include "storage.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* One pull on its way. */
struct pull {
	struct store *s;
	const struct pull_opts *o;
	struct pull_result *r;
	struct err *e;
	struct imgref ref;
	struct platform platform;
	char key[65];
	char identity[160]; /* of a local source; what is recorded with the reference */
	char storage_id[65];
	struct store_tmp tmp;
	struct skopeo_opts skopeo;
	char *authfile; /* made from creds_file */
	struct layout layout;
	struct manifest manifest;
	char digest[72];
};

int pull_policy_parse(const char *word, enum pull_policy *out, struct err *e)
{
	static const char *const names[] = {"missing", "always", "newer", "never"};

	for (int i = 0; i < 4; i++)
		if (!strcmp(word, names[i])) {
			*out = (enum pull_policy)i;
			return 0;
		}
	return err_set(
	        e, FCVM_EX_USAGE, "--pull '%s': not one of missing, always, newer, never", word);
}

void pull_result_free(struct pull_result *r)
{
	free(r->source);
	free(r->path);
	free(r->note);
	*r = (struct pull_result){0};
}

/* Something about a local source that changes when it does, had without reading it. */
static int identify(struct pull *p)
{
	struct layout l = {-1, p->ref.kind == IMGREF_OCI};
	struct stat st;
	char hex[SHA256_HEX];
	int r;

	switch (p->ref.kind) {
	case IMGREF_REGISTRY:
		return 0;
	case IMGREF_STORAGE:
		memcpy(p->identity, p->storage_id, sizeof p->storage_id);
		return 0;
	case IMGREF_OCI:
	case IMGREF_DIR:
		r = layout_open(&l, p->ref.path, l.oci, p->e);
		if (!r)
			r = layout_identity(&l, hex, p->e);
		layout_close(&l);
		if (!r)
			snprintf(p->identity, sizeof p->identity, "sha256:%s", hex);
		return r;
	default:
		if (stat(p->ref.path, &st) < 0)
			return err_sys(p->e, "image '%s'", p->ref.canonical);
		snprintf(p->identity, sizeof p->identity, "file:%ju:%ju:%jd:%jd.%ld:%jd.%ld",
		        (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, (intmax_t)st.st_size,
		        (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		        (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
		return 0;
	}
}

static int record(struct pull *p, const char *id, const char *manifest)
{
	char platform[100];
	struct store_ref ref = {.source = p->ref.canonical,
	        .platform = platform,
	        .image = id,
	        .manifest = manifest,
	        .identity = p->identity};

	platform_text(&p->platform, platform);
	memcpy(p->r->id, id, 64);
	snprintf(p->r->manifest, sizeof p->r->manifest, "%s", manifest);
	return store_ref_save(p->s, p->key, &ref, p->e);
}

/* An image already cached may be for another platform than the one asked for. */
static bool suits(const struct pull *p, const char *id)
{
	auto_json json_t *meta = store_meta(p->s, id, NULL);
	const char *text = json_string_value(json_object_get(meta, "platform"));
	struct platform have;

	if (!p->o->platform || !text || platform_parse(text, &have, NULL) < 0)
		return true;
	return !strcmp(have.os, p->platform.os) && !strcmp(have.arch, p->platform.arch) &&
	       (!*have.variant || !*p->platform.variant ||
	               !strcmp(have.variant, p->platform.variant));
}

/* An image that is cached under its id, though not under this reference. */
static int adopt(struct pull *p, const char *id)
{
	auto_json json_t *meta = store_meta(p->s, id, NULL);
	const char *manifest = json_string_value(json_object_get(meta, "manifest"));

	return record(p, id, manifest ? manifest : "") < 0 ? -1 : 1;
}

/* 1: the cache has it, and the source cannot have changed, or need not be asked. */
static int hit(struct pull *p, bool trust_registry)
{
	struct store_ref ref;
	int r = 0;

	if (store_ref_load(p->s, p->key, &ref)) {
		bool same = p->ref.kind == IMGREF_REGISTRY ? trust_registry || p->ref.digest
		                                           : !strcmp(ref.identity, p->identity);

		if (same && store_has(p->s, ref.image) && suits(p, ref.image)) {
			memcpy(p->r->id, ref.image, 64);
			snprintf(p->r->manifest, sizeof p->r->manifest, "%s", ref.manifest);
			r = 1;
		}
		store_ref_free(&ref);
	}
	if (!r && *p->storage_id && store_has(p->s, p->storage_id) && suits(p, p->storage_id))
		r = adopt(p, p->storage_id);
	return r;
}

static int fetch(struct pull *p, const char *from, uint64_t expect)
{
	auto_free char *src = xasprintf("%s/src", p->tmp.path);

	if (skopeo_copy(from, &p->skopeo, src, expect, p->o->tick, p->e) < 0)
		return -1;
	return layout_open(&p->layout, src, false, p->e);
}

/* The manifest that a registry has for the reference and platform now. */
static int ask_registry(struct pull *p)
{
	auto_free char *text = NULL, *one = NULL;
	char hex[SHA256_HEX];
	struct manifest_blob b;
	size_t n;

	if (skopeo_inspect(p->ref.canonical, &p->skopeo, &text, &n, p->e) < 0)
		return -1;
	sha256_hex(text, n, hex);
	snprintf(p->digest, sizeof p->digest, "sha256:%s", hex);
	if (p->ref.digest && strcmp(p->ref.digest, p->digest) != 0)
		return err_set(p->e, FCVM_EX_DATA,
		        "%s: the registry sent a manifest with digest %s", p->ref.canonical,
		        p->digest);
	if (manifest_parse(&p->manifest, text, n, p->ref.canonical, p->e) < 0)
		return -1;
	if (!p->manifest.index)
		return 0;
	if (manifest_choose(&p->manifest, &p->platform, &b, p->e) < 0)
		return err_prefix(p->e, "%s", p->ref.canonical);
	snprintf(p->digest, sizeof p->digest, "%s", b.digest);
	manifest_free(&p->manifest);
	free(steal_ptr(text));
	one = imgref_at_digest(&p->ref, p->digest);
	if (skopeo_inspect(one, &p->skopeo, &text, &n, p->e) < 0)
		return -1;
	sha256_hex(text, n, hex);
	if (strcmp(hex, digest_hex(p->digest)) != 0)
		return err_set(p->e, FCVM_EX_DATA,
		        "%s: the registry sent a manifest with digest sha256:%s", one, hex);
	if (manifest_parse(&p->manifest, text, n, one, p->e) < 0)
		return -1;
	return p->manifest.index ? err_set(p->e, FCVM_EX_DATA, "%s: an index inside an index", one)
	                         : 0;
}

static int resolve(struct pull *p)
{
	auto_free char *by_id = NULL;
	const char *from = p->ref.canonical;
	struct stat st;

	switch (p->ref.kind) {
	case IMGREF_REGISTRY:
		return ask_registry(p);
	case IMGREF_OCI:
	case IMGREF_DIR:
		if (layout_open(&p->layout, p->ref.path, p->ref.kind == IMGREF_OCI, p->e) < 0)
			return -1;
		break;
	case IMGREF_STORAGE:
		if (*p->storage_id)
			from = by_id = xasprintf("containers-storage:@%s", p->storage_id);
		if (fetch(p, from, 0) < 0)
			return -1;
		break;
	default:
		if (stat(p->ref.path, &st) == 0 &&
		        export_check_space(p->s, (uint64_t)st.st_size, p->e) < 0)
			return -1;
		if (fetch(p, from, 0) < 0)
			return -1;
	}
	return layout_manifest(&p->layout,
	        p->ref.tag && p->ref.kind == IMGREF_OCI ? p->ref.tag : NULL, &p->platform,
	        &p->manifest, p->digest, p->e);
}

/* Registry blobs: exactly the manifest that was resolved. */
static int download(struct pull *p)
{
	auto_free char *one = imgref_at_digest(&p->ref, p->digest);
	struct manifest got;
	char digest[72];
	int r;

	/* the blobs, and about twice that for the root file system */
	if (export_check_space(p->s, 3 * p->manifest.total, p->e) < 0 ||
	        fetch(p, one, p->manifest.total) < 0)
		return -1;
	r = layout_manifest(&p->layout, NULL, &p->platform, &got, digest, p->e);
	manifest_free(&got);
	if (!r && strcmp(digest, p->digest) != 0)
		r = err_set(p->e, FCVM_EX_DATA, "%s: skopeo brought manifest %s", one, digest);
	return r;
}

static int take_lock(struct pull *p, const char *kind, const char *name)
{
	int fd = store_lock(p->s, kind, name, false, p->e);

	if (fd >= 0 || p->e->status != FCVM_EX_BUSY)
		return fd;
	if (p->o->tick)
		p->o->tick("waiting for another pull of this image", 0, 0);
	return store_lock(p->s, kind, name, true, p->e);
}

static int make(struct pull *p)
{
	const char *id = digest_hex(p->manifest.config.digest);
	auto_fd int lock = take_lock(p, "image", id);
	struct export_job job = {
	        .layout = &p->layout,
	        .manifest = &p->manifest,
	        .digest = p->digest,
	        .source = p->ref.canonical,
	        .platform = &p->platform,
	        .platform_wanted = p->o->platform,
	        .limits = &p->o->limits,
	        .tick = p->o->tick,
	        .note = &p->r->note,
	};

	if (lock < 0)
		return -1;
	if (!store_has(p->s, id)) {
		if (p->ref.kind == IMGREF_REGISTRY && download(p) < 0)
			return -1;
		if (export_image(p->s, &p->tmp, &job, p->e) < 0)
			return err_prefix(p->e, "%s", p->ref.canonical);
		p->r->exported = true;
	} else if (!suits(p, id)) {
		return err_set(p->e, FCVM_EX_NOTFOUND, "%s: the image is not for platform %s",
		        p->ref.canonical, p->o->platform);
	}
	return record(p, id, p->digest);
}

static int miss(struct pull *p)
{
	auto_fd int lock = take_lock(p, "ref", p->key);
	int r;

	if (lock < 0)
		return -1;
	r = hit(p, p->o->policy == PULL_MISSING); /* whoever held the lock may have brought it */
	if (r)
		return r < 0 ? -1 : 0;
	store_sweep(p->s, NULL); /* what cannot be swept now is no reason to fail */
	if (store_tmp_make(p->s, &p->tmp, p->e) < 0)
		return -1;
	if (p->o->creds_file) {
		p->authfile = creds_authfile(
		        p->o->creds_file, p->ref.name ? p->ref.name : "", p->tmp.path, p->e);
		if (!p->authfile)
			return -1;
		p->skopeo.authfile = p->authfile;
	}
	p->skopeo.tmpdir = p->tmp.path;
	r = resolve(p);
	if (r < 0 && p->o->policy == PULL_NEWER && hit(p, true) > 0) {
		p->r->note = xasprintf("using the cached image: %s", p->e->text);
		return 0;
	}
	return r < 0 ? -1 : make(p);
}

static int locate(struct pull *p, const char *text)
{
	bool local_first = p->o->policy == PULL_MISSING || p->o->policy == PULL_NEVER;

	if (imgref_parse(text, &p->ref, p->e) < 0)
		return -1;
	if (p->ref.kind == IMGREF_STORAGE || (p->ref.plain && local_first)) {
		int r = storage_find(&p->ref, p->storage_id, p->e);

		if (r < 0)
			return -1;
		if (r && p->ref.kind == IMGREF_REGISTRY)
			imgref_to_storage(&p->ref);
	}
	store_ref_key(p->ref.canonical, &p->platform, p->key);
	return identify(p);
}

static int run(struct pull *p, const char *text)
{
	int r;

	if (platform_parse(p->o->platform, &p->platform, p->e) < 0)
		return -1;
	p->skopeo = (struct skopeo_opts){.authfile = p->o->authfile,
	        .cert_dir = p->o->cert_dir,
	        .tls_verify = p->o->tls_verify,
	        .platform = p->platform};
	if (locate(p, text) < 0)
		return -1;
	r = hit(p, p->o->policy == PULL_MISSING || p->o->policy == PULL_NEVER);
	if (r == 0 && p->ref.kind == IMGREF_REGISTRY && p->ref.plain) {
		r = store_find_id(p->s, text, p->r->id, p->e);
		if (r > 0)
			return 0;
	}
	if (r)
		return r < 0 ? -1 : 0;
	if (p->o->policy == PULL_NEVER)
		return err_set(p->e, FCVM_EX_NOTFOUND,
		        "image '%s' is not in the cache, and --pull never forbids fetching it",
		        text);
	return miss(p);
}

int pull_image(struct store *s, const char *text, const struct pull_opts *o, struct pull_result *r,
        struct err *e)
{
	struct pull p = {.s = s,
	        .o = o,
	        .r = r,
	        .e = e,
	        .layout = {-1, false},
	        .tmp = {.dirfd = -1, .lock = -1}};
	int status;

	*r = (struct pull_result){0};
	status = run(&p, text);
	if (!status) {
		r->path = store_image_path(s, r->id);
		r->source = xstrdup(p.ref.canonical);
	}
	layout_close(&p.layout);
	manifest_free(&p.manifest);
	store_tmp_drop(s, &p.tmp);
	free(p.authfile);
	imgref_free(&p.ref);
	return status;
}
