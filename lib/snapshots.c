/* SPDX-License-Identifier: MIT */
#include "snapshots.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "lock.h"
#include "name.h"
#include "saved.h"
#include "sha256.h"
#include "snapshots_own.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/random.h>

static const char *const file_names[SNAPSHOT_FILES] = {
        "state", "memory", "scratch", "volumes", "root.sqfs"};
enum { STATE, MEMORY, SCRATCH, VOLUMES, ROOT };

int snapshots_open(struct snapshots *s, const char *data_dir, struct err *e)
{
	int r;

	*s = (struct snapshots){.path = xasprintf("%s/snapshots", data_dir), .dir = -1};
	r = mkdir_p(s->path, 0700);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make %s", s->path);
	}
	s->dir = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->dir < 0 ? err_sys(e, "cannot open %s", s->path) : 0;
}

void snapshots_close(struct snapshots *s)
{
	if (s->dir >= 0)
		close(s->dir);
	free(s->path);
	*s = (struct snapshots){.dir = -1};
}

int snapshots_lock(const struct snapshots *s, struct err *e)
{
	int fd = lock_file_at(s->dir, SNAPSHOT_LOCK, true, true);

	if (fd >= 0)
		return fd;
	errno = -fd;
	return err_sys(e, "cannot lock %s", s->path);
}

static int *file_of(struct snapshot_files *f, size_t i)
{
	int *const fds[SNAPSHOT_FILES] = {
	        &f->state, &f->memory, &f->scratch, &f->volumes, &f->root};

	return fds[i];
}

void snapshot_files_close(struct snapshot_files *f)
{
	for (size_t i = 0; i < SNAPSHOT_FILES; i++) {
		int *fd = file_of(f, i);

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
}

void snapshot_close(struct snapshot *found)
{
	snapshot_files_close(&found->files);
	json_decref(found->meta);
	json_decref(found->plan);
	if (found->dir >= 0)
		close(found->dir);
	*found = (struct snapshot){.files = SNAPSHOT_FILES_NONE, .dir = -1};
}

bool snapshot_is_disk(const json_t *meta)
{
	const char *kind = json_string_value(json_object_get(meta, "kind"));

	return kind && !strcmp(kind, SNAPSHOT_DISK);
}

static bool is_part(size_t i, const json_t *meta)
{
	return i == SCRATCH || i == ROOT || !snapshot_is_disk(meta);
}

bool snapshots_has(const struct snapshots *s, const char *tag)
{
	return name_valid(tag) && faccessat(s->dir, tag, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int snapshots_taken(const char *tag, struct err *e)
{
	return err_set(e, FCVM_EX_BUSY,
	        "there is a snapshot '%s' already: --force replaces it, --tag gives another name",
	        tag);
}

static int check_file(int fd, const json_t *meta, const char *name, struct err *e)
{
	const json_t *then = json_object_get(json_object_get(meta, "files"), name);
	auto_json json_t *now = saved_stamp(fd);

	if (now && json_equal(json_object_get(now, "size"), json_object_get(then, "size")) == 0)
		return err_set(e, FCVM_EX_DATA, "its %s has %lld bytes and not %lld", name,
		        (long long)json_integer_value(json_object_get(now, "size")),
		        (long long)json_integer_value(json_object_get(then, "size")));
	if (!now || !json_equal(now, then))
		return err_set(e, FCVM_EX_DATA, "its %s was changed", name);
	return 0;
}

static int open_snapshot(int dir, struct snapshot *found, struct err *e)
{
	found->meta = json_load_at(dir, SNAPSHOT_META, e);
	found->plan = found->meta ? json_load_at(dir, SNAPSHOT_PLAN, e) : NULL;
	if (!found->plan)
		return -1;
	if (json_integer_value(json_object_get(found->meta, "fcvmSnapshot")) != SNAPSHOT_FORMAT)
		return err_set(e, FCVM_EX_DATA, "it is of another version of fcvm");
	for (size_t i = 0; i < SNAPSHOT_FILES; i++) {
		int fd;

		if (!is_part(i, found->meta))
			continue;
		fd = openat(dir, file_names[i],
		        (i == MEMORY ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);

		*file_of(&found->files, i) = fd;
		if (fd < 0)
			return err_sys(e, "its %s", file_names[i]);
		if (check_file(fd, found->meta, file_names[i], e) < 0)
			return -1;
	}
	if (snapshot_is_disk(found->meta))
		return 0;
	if (!saved_hash_is(found->files.state, found->meta, "stateHash"))
		return err_set(e, FCVM_EX_DATA, "its state was changed");
	if (!saved_hash_is(found->files.volumes, found->meta, "volumesHash"))
		return err_set(e, FCVM_EX_DATA, "what is known of its volumes was changed");
	return 0;
}

int snapshots_find(
        const struct snapshots *s, const char *tag, struct snapshot *found, struct err *e)
{
	auto_fd int dir = -1;

	*found = (struct snapshot){.files = SNAPSHOT_FILES_NONE, .dir = -1};
	if (name_valid(tag))
		dir = openat(s->dir, tag, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	else
		errno = ENOENT;
	if (dir < 0 && errno == ENOENT)
		return err_set(e, FCVM_EX_NOTFOUND,
		        "there is no snapshot '%s': 'fcvm snapshots' lists them", tag);
	if (dir < 0)
		return err_sys(e, "cannot open the snapshot %s/%s", s->path, tag);
	if (open_snapshot(dir, found, e) == 0) {
		found->dir = steal_fd(&dir);
		return 0;
	}
	snapshot_close(found);
	err_prefix(e, "the snapshot %s is damaged", tag);
	if (e)
		e->status = FCVM_EX_DATA;
	return -1;
}

int snapshots_begin(const struct snapshots *s, struct snapshot_new *n, struct err *e)
{
	auto_fd int store = snapshots_lock(s, e);

	*n = (struct snapshot_new){.dir = -1, .files = SNAPSHOT_FILES_NONE};
	if (store < 0)
		return -1;
	snapshots_clean(s);
	n->dir = saved_dir_new(
	        s->dir, SNAPSHOT_NEW, n->name, sizeof n->name, "a snapshot", s->path, e);
	if (n->dir < 0)
		return -1;
	for (size_t i = 0; i < ROOT; i++) {
		*file_of(&n->files, i) =
		        openat(n->dir, file_names[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (*file_of(&n->files, i) < 0)
			return err_sys(e, "cannot make a snapshot in %s", s->path);
	}
	failpoint("snapshot-begun");
	return 0;
}

void snapshots_disk_only(struct snapshot_new *n)
{
	static const size_t none[] = {STATE, MEMORY, VOLUMES};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		int *fd = file_of(&n->files, none[i]);

		unlinkat(n->dir, file_names[none[i]], 0);
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
}

/* The image's file: a link to it where there can be one. What has lost all its names gets a copy.
 */
static int keep_root(const struct snapshot_new *n)
{
	char path[40];
	auto_fd int fd = -1;
	int r;

	snprintf(path, sizeof path, "/proc/self/fd/%d", n->files.root);
	if (linkat(AT_FDCWD, path, n->dir, file_names[ROOT], AT_SYMLINK_FOLLOW) == 0)
		return 0;
	fd = openat(n->dir, file_names[ROOT], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : copy_sparse(n->files.root, fd);
	return r < 0 ? r : saved_settle(fd);
}

static void make_id(char id[SNAPSHOT_ID])
{
	unsigned char bytes[(SNAPSHOT_ID - 1) / 2] = {0};

	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		abort();
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

static int describe(const struct snapshot_new *n, json_t *meta)
{
	char state[SHA256_HEX], volumes[SHA256_HEX], id[SNAPSHOT_ID];
	bool disk = snapshot_is_disk(meta);
	json_t *files = json_object();

	make_id(id);
	for (size_t i = 0; i < SNAPSHOT_FILES; i++) {
		auto_fd int fd = -1;

		if (!is_part(i, meta))
			continue;
		fd = openat(n->dir, file_names[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0 || json_object_set_new(files, file_names[i], saved_stamp(fd)) < 0 ||
		        (i == STATE && sha256_fd(fd, state) < 0) ||
		        (i == VOLUMES && sha256_fd(fd, volumes) < 0)) {
			json_decref(files);
			return -EIO;
		}
	}
	json_object_set_new(meta, "fcvmSnapshot", json_integer(SNAPSHOT_FORMAT));
	json_object_set_new(meta, "id", json_string(id));
	if (disk) {
		json_object_del(meta, "stateHash");
		json_object_del(meta, "volumesHash");
	} else {
		json_object_set_new(meta, "stateHash", json_string(state));
		json_object_set_new(meta, "volumesHash", json_string(volumes));
	}
	json_object_set_new(meta, "files", files);
	return 0;
}

/* Both names change at once where the file system can; elsewhere the old one is out of the way for
 * a moment, and snapshots_clean() puts it back if nothing came. */
static int place(const struct snapshots *s, struct snapshot_new *n, const char *tag)
{
	char old[sizeof SNAPSHOT_OLD + NAME_MAX_LEN];

	if (renameat2(s->dir, n->name, s->dir, tag, RENAME_NOREPLACE) == 0) {
		n->name[0] = 0;
	} else if (renameat2(s->dir, n->name, s->dir, tag, RENAME_EXCHANGE) < 0) {
		snprintf(old, sizeof old, SNAPSHOT_OLD "%s", tag);
		if (renameat(s->dir, tag, s->dir, old) < 0 && errno != ENOENT)
			return -errno;
		failpoint("snapshot-aside");
		if (renameat(s->dir, n->name, s->dir, tag) < 0)
			return -errno;
		saved_drop(s->dir, old);
		n->name[0] = 0;
	}
	failpoint("snapshot-renamed");
	return fsync(s->dir) < 0 ? -errno : 0;
}

static int put(const struct snapshots *s, struct snapshot_new *n, const char *tag, struct err *e)
{
	auto_fd int store = snapshots_lock(s, e);
	int r;

	if (store < 0 || snapshots_check_free(s, tag, e) < 0)
		return -1;
	if (n->no_replace && snapshots_has(s, tag))
		return snapshots_taken(tag, e);
	r = place(s, n, tag);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot keep a snapshot in %s", s->path) : 0;
}

int snapshots_keep(const struct snapshots *s, struct snapshot_new *n, const char *tag, json_t *meta,
        const json_t *plan, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < ROOT && r == 0; i++)
		if (is_part(i, meta))
			r = saved_settle(*file_of(&n->files, i));
	/* Copies of volumes are of many files. */
	if (r == 0 && json_object_get(meta, "volumes") && syncfs(n->dir) < 0)
		r = -errno;
	failpoint("snapshot-synced");
	if (r == 0)
		r = keep_root(n);
	if (r == 0)
		r = describe(n, meta);
	if (r == 0)
		r = json_save_at(n->dir, SNAPSHOT_PLAN, plan, 0600);
	if (r == 0)
		r = json_save_at(n->dir, SNAPSHOT_META, meta, 0600);
	failpoint("snapshot-described");
	if (r == 0)
		return put(s, n, tag, e);
	errno = -r;
	return err_sys(e, "cannot keep a snapshot in %s", s->path);
}

void snapshots_end(const struct snapshots *s, struct snapshot_new *n)
{
	n->files.root = -1;
	snapshot_files_close(&n->files);
	if (n->dir >= 0) /* and its lock */
		close(n->dir);
	n->dir = -1;
	if (n->name[0])
		saved_drop(s->dir, n->name);
	n->name[0] = 0;
}
