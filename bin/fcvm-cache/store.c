/* SPDX-License-Identifier: MIT */
#include "store.h"
#include "cleanup.h"
#include "dirs.h"
#include "sha256.h"
#include "status.h"
#include "xio.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int folder(const struct store *s, const char *name, struct err *e)
{
	int fd;

	if (mkdirat(s->dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make %s/%s", s->path, name);
	fd = openat(s->dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "cannot open %s/%s", s->path, name) : fd;
}

int store_open(struct store *s, struct err *e)
{
	int r;

	*s = (struct store){dirs_data(), -1, -1, -1, -1, -1};
	r = mkdir_p(s->path, 0755);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make %s (FCVM_DATA_DIR)", s->path);
	}
	s->dirfd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return err_sys(e, "cannot open %s", s->path);
	if ((s->images = folder(s, "images", e)) < 0 || (s->refs = folder(s, "refs", e)) < 0 ||
	        (s->locks = folder(s, "locks", e)) < 0 || (s->tmp = folder(s, "tmp", e)) < 0)
		return -1;
	return 0;
}

void store_close(struct store *s)
{
	const int fds[] = {s->dirfd, s->images, s->refs, s->locks, s->tmp};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(s->path);
	s->path = NULL;
}

/* One file for all locks, so that they need neither be removed nor pile up: a lock is one byte of
 * it, at an offset that 60 bits of the name's hash give. Owned by the descriptor, as flock(2)'s. */
int store_lock(const struct store *s, const char *kind, const char *name, bool wait, struct err *e)
{
	auto_free char *what = xasprintf("%s-%s", kind, name);
	auto_fd int fd = openat(s->locks, "cache", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char hex[SHA256_HEX];
	int r;

	sha256_hex(what, strlen(what), hex);
	hex[15] = 0;
	range.l_start = (off_t)strtoull(hex, NULL, 16);
	do
		r = fd < 0 ? -1 : fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
	while (r < 0 && fd >= 0 && errno == EINTR);
	if (r == 0)
		return steal_fd(&fd);
	err_sys(e, "cannot lock %s/locks/cache", s->path);
	if (e && (errno == EAGAIN || errno == EACCES))
		e->status = FCVM_EX_BUSY;
	return -1;
}

/* The names in a directory for which keep() says so; suffix bytes are cut off their ends. */
static int names_in(int dirfd, bool (*keep)(const char *), size_t suffix, struct strv *out)
{
	DIR *d = opendir_at(dirfd, ".");
	struct dirent *ent;

	if (!d)
		return -1;
	while ((ent = readdir(d)))
		if (keep(ent->d_name))
			strv_addf(out, "%.*s", (int)(strlen(ent->d_name) - suffix), ent->d_name);
	closedir(d);
	return 0;
}

static bool is_hex64(const char *name)
{
	return strspn(name, "0123456789abcdef") == 64 && !name[64];
}

static bool is_ref(const char *name)
{
	return strspn(name, "0123456789abcdef") == 64 && !strcmp(name + 64, ".json");
}

int store_image_ids(const struct store *s, struct strv *ids, struct err *e)
{
	return names_in(s->images, is_hex64, 0, ids) < 0
	               ? err_sys(e, "cannot list %s/images", s->path)
	               : 0;
}

int store_ref_keys(const struct store *s, struct strv *keys, struct err *e)
{
	return names_in(s->refs, is_ref, 5, keys) < 0 ? err_sys(e, "cannot list %s/refs", s->path)
	                                              : 0;
}

char *store_image_path(const struct store *s, const char *id)
{
	return xasprintf("%s/images/%s", s->path, id);
}

json_t *store_meta(const struct store *s, const char *id, struct err *e)
{
	auto_free char *file = xasprintf("%s/meta.json", id);

	return json_load_at(s->images, file, e);
}

bool store_has(const struct store *s, const char *id)
{
	auto_json json_t *meta = store_meta(s, id, NULL);
	auto_free char *root = xasprintf("%s/root.sqfs", id);
	auto_free char *config = xasprintf("%s/config.json", id);
	struct stat st;

	return meta && faccessat(s->images, config, R_OK, 0) == 0 &&
	       fstatat(s->images, root, &st, 0) == 0 &&
	       st.st_size == json_integer_value(json_object_get(meta, "rootSize"));
}

int store_find_id(const struct store *s, const char *text, char id[65], struct err *e)
{
	auto_strv struct strv ids = {0};
	size_t n = strlen(text);
	int hits = 0;

	if (!strncmp(text, "sha256:", 7))
		text += 7, n -= 7;
	if (n < 12 || n > 64 || strspn(text, "0123456789abcdef") != n)
		return 0;
	if (store_image_ids(s, &ids, e) < 0)
		return -1;
	for (size_t i = 0; i < ids.n; i++)
		if (!strncmp(ids.v[i], text, n)) {
			memcpy(id, ids.v[i], 65);
			hits++;
		}
	if (hits > 1)
		return err_set(
		        e, FCVM_EX_USAGE, "image id %s is not unique: write more of it", text);
	return hits;
}

void store_ref_key(const char *canonical, const struct platform *p, char key[65])
{
	char text[100];
	auto_free char *all = NULL;

	platform_text(p, text);
	all = xasprintf("%s\n%s", canonical, text);
	sha256_hex(all, strlen(all), key);
}

int store_ref_load(const struct store *s, const char *key, struct store_ref *r)
{
	auto_free char *file = xasprintf("%s.json", key);

	*r = (struct store_ref){.doc = json_load_at(s->refs, file, NULL)};
	if (r->doc && json_get_str(r->doc, "source", &r->source, NULL) == 0 &&
	        json_get_str(r->doc, "platform", &r->platform, NULL) == 0 &&
	        json_get_str(r->doc, "image", &r->image, NULL) == 0 &&
	        json_get_str(r->doc, "manifest", &r->manifest, NULL) == 0 &&
	        json_get_str(r->doc, "identity", &r->identity, NULL) == 0 && r->source &&
	        r->platform && r->image && is_hex64(r->image) && r->manifest && r->identity)
		return 1;
	store_ref_free(r);
	return 0;
}

void store_ref_free(struct store_ref *r)
{
	json_decref(r->doc);
	*r = (struct store_ref){0};
}

int store_ref_save(const struct store *s, const char *key, const struct store_ref *r, struct err *e)
{
	auto_free char *file = xasprintf("%s.json", key);
	auto_json json_t *doc = json_pack("{s:s,s:s,s:s,s:s,s:s}", "source", r->source, "platform",
	        r->platform, "image", r->image, "manifest", r->manifest, "identity", r->identity);
	int n = doc ? json_save_at(s->refs, file, doc, 0600) : -EINVAL;

	if (n == 0)
		return 0;
	errno = -n;
	return err_sys(e, "cannot write %s/refs/%s", s->path, file);
}

int store_ref_remove(const struct store *s, const char *key, struct err *e)
{
	auto_free char *file = xasprintf("%s.json", key);

	if (unlinkat(s->refs, file, 0) == 0 || errno == ENOENT)
		return 0;
	return err_sys(e, "cannot remove %s/refs/%s", s->path, file);
}

int store_refs_to(const struct store *s, const char *id, bool drop, struct err *e)
{
	auto_strv struct strv keys = {0};
	int n = 0;

	if (store_ref_keys(s, &keys, e) < 0)
		return -1;
	for (size_t i = 0; i < keys.n; i++) {
		struct store_ref r;
		bool same;

		if (!store_ref_load(s, keys.v[i], &r))
			continue;
		same = !strcmp(r.image, id);
		store_ref_free(&r);
		n += same;
		if (same && drop && store_ref_remove(s, keys.v[i], e) < 0)
			return -1;
	}
	return n;
}
