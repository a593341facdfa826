/* SPDX-License-Identifier: MIT */
#include "imgref.h"
#include "cleanup.h"
#include "sha256.h"
#include "status.h"
#include "strv.h"

#include <limits.h>
#include <string.h>

static int local(const char *text, const char *prefix, enum imgref_kind kind, struct imgref *r,
        struct err *e)
{
	const char *rest = text + strlen(prefix), *colon = strchr(rest, ':');
	bool tags = kind != IMGREF_DIR;
	size_t len = tags && colon ? (size_t)(colon - rest) : strlen(rest);
	auto_free char *path = strndup(rest, len);

	if (!path || !*path)
		return err_set(e, FCVM_EX_USAGE, "image '%s': no path after '%s'", text, prefix);
	r->kind = kind;
	r->path = realpath(path, NULL);
	if (!r->path) {
		err_sys(e, "image '%s'", text);
		if (e && (errno == ENOENT || errno == ENOTDIR))
			e->status = FCVM_EX_NOTFOUND;
		return -1;
	}
	if (tags && colon && colon[1])
		r->tag = xstrdup(colon + 1);
	r->canonical =
	        xasprintf("%s%s%s%s", prefix, r->path, r->tag ? ":" : "", r->tag ? r->tag : "");
	return 0;
}

static int bad_name(const char *text, struct err *e)
{
	return err_set(e, FCVM_EX_USAGE,
	        "image '%s': not a name of the form [HOST[:PORT]/]NAME[:TAG][@sha256:…]", text);
}

/* "host.example/…", "host:5000/…" and "localhost/…" begin with a host, "library/x" does not. */
static bool has_host(const char *name)
{
	size_t n = strcspn(name, "/");

	return name[n] && (memchr(name, '.', n) || memchr(name, ':', n) ||
	                          (n == 9 && !memcmp(name, "localhost", 9)));
}

static char *with_host(const char *name)
{
	if (has_host(name))
		return xstrdup(name);
	return xasprintf("docker.io/%s%s", strchr(name, '/') ? "" : "library/", name);
}

/* name: without transport. */
static int registry(const char *text, const char *name, struct imgref *r, struct err *e)
{
	static const char set[] =
	        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@[]";
	auto_free char *full = with_host(name);
	char *at = strchr(full, '@'), *slash, *colon;

	if (!*name || strspn(name, set) != strlen(name) || strchr("/.-:@", *name) ||
	        strstr(name, "//") || strlen(name) > 500)
		return bad_name(text, e);
	if (at) {
		*at = 0;
		if (!digest_hex(at + 1))
			return bad_name(text, e);
		r->digest = xstrdup(at + 1);
	}
	slash = strrchr(full, '/');
	colon = strchr(slash, ':');
	if (!slash[1] || slash[1] == ':' || (colon && !colon[1]))
		return bad_name(text, e);
	if (colon && r->digest) /* both: the digest alone says which */
		*colon = 0;
	if (r->digest)
		r->name = xasprintf("%s@%s", full, r->digest);
	else
		r->name = xasprintf("%s%s", full, colon ? "" : ":latest");
	r->kind = IMGREF_REGISTRY;
	r->canonical = xasprintf("docker://%s", r->name);
	return 0;
}

void imgref_to_storage(struct imgref *r)
{
	free(r->canonical);
	r->kind = IMGREF_STORAGE;
	r->canonical = xasprintf("containers-storage:%s", r->name);
}

int imgref_parse(const char *text, struct imgref *r, struct err *e)
{
	static const struct {
		const char *prefix;
		enum imgref_kind kind;
	} locals[] = {
	        {"oci:", IMGREF_OCI},
	        {"oci-archive:", IMGREF_OCI_ARCHIVE},
	        {"docker-archive:", IMGREF_DOCKER_ARCHIVE},
	        {"dir:", IMGREF_DIR},
	};
	static const char *const others[] = {"docker-daemon:", "ostree:", "sif:", "tarball:", NULL};
	static const char storage[] = "containers-storage:";

	*r = (struct imgref){0};
	for (size_t i = 0; i < sizeof locals / sizeof *locals; i++)
		if (!strncmp(text, locals[i].prefix, strlen(locals[i].prefix)))
			return local(text, locals[i].prefix, locals[i].kind, r, e);
	for (size_t i = 0; others[i]; i++)
		if (!strncmp(text, others[i], strlen(others[i])))
			return err_set(e, FCVM_EX_USAGE,
			        "image '%s': transport '%s' is not supported", text, others[i]);
	if (!strncmp(text, "docker://", 9))
		return registry(text, text + 9, r, e);
	if (!strncmp(text, storage, sizeof storage - 1)) {
		if (registry(text, text + sizeof storage - 1, r, e) < 0)
			return -1;
		/* podman looks an unqualified name up under localhost/ first: storage_find() does
		 */
		r->plain = !has_host(text + sizeof storage - 1);
		imgref_to_storage(r);
		return 0;
	}
	if (strstr(text, "://"))
		return bad_name(text, e);
	r->plain = true;
	if (registry(text, text, r, e) < 0)
		return -1;
	if (!strncmp(r->name, "localhost/", 10))
		imgref_to_storage(r);
	return 0;
}

void imgref_free(struct imgref *r)
{
	free(r->canonical);
	free(r->name);
	free(r->digest);
	free(r->path);
	free(r->tag);
	*r = (struct imgref){0};
}

char *imgref_at_digest(const struct imgref *r, const char *digest)
{
	size_t n = strcspn(r->name, "@");

	if (!r->name[n]) { /* cut the tag: the last colon after the last slash */
		const char *slash = strrchr(r->name, '/');

		n = (size_t)(slash - r->name) + strcspn(slash, ":");
	}
	return xasprintf("docker://%.*s@%s", (int)n, r->name, digest);
}
