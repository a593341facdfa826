/* SPDX-License-Identifier: MIT */
#include "templates.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "num.h"
#include "saved.h"
#include "status.h"
#include "strv.h"
#include "templates_own.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char *const file_names[] = {"state", "memory", "scratch", "volumes"};
#define FILES (sizeof file_names / sizeof *file_names)

int templates_open(struct templates *t, const char *data_dir, struct err *e)
{
	int r;

	*t = (struct templates){.path = xasprintf("%s/templates", data_dir), .dir = -1};
	r = mkdir_p(t->path, 0700);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make %s", t->path);
	}
	t->dir = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return t->dir < 0 ? err_sys(e, "cannot open %s", t->path) : 0;
}

void templates_close(struct templates *t)
{
	if (t->dir >= 0)
		close(t->dir);
	free(t->path);
	*t = (struct templates){.dir = -1};
}

/* One file for all locks, so that they need neither be removed nor pile up: a lock is one byte of
 * it, at an offset that 60 bits of the key give; the store's own is that of no key. */
int templates_lock(const struct templates *t, const char *key, bool wait, struct err *e)
{
	auto_fd int fd = openat(t->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char digits[16];
	int r;

	snprintf(digits, sizeof digits, "%.15s", key);
	range.l_start = (off_t)strtoull(digits, NULL, 16) + (*key != 0);
	do
		r = fd < 0 ? -1 : fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &range);
	while (r < 0 && fd >= 0 && errno == EINTR);
	if (r == 0)
		return steal_fd(&fd);
	err_sys(e, "cannot lock %s/lock", t->path);
	if (e && (errno == EAGAIN || errno == EACCES))
		e->status = FCVM_EX_BUSY;
	return -1;
}

static int *file_of(struct template_files *f, size_t i)
{
	int *const fds[FILES] = {&f->state, &f->memory, &f->scratch, &f->volumes};

	return fds[i];
}

void template_files_close(struct template_files *f)
{
	for (size_t i = 0; i < FILES; i++) {
		int *fd = file_of(f, i);

		if (*fd >= 0)
			close(*fd);
		*fd = -1;
	}
	if (f->dir >= 0)
		close(f->dir);
	f->dir = -1;
	json_decref(f->mounts);
	f->mounts = NULL;
}

static bool unchanged(int fd, const json_t *doc, const char *name)
{
	auto_json json_t *now = saved_stamp(fd);

	return now && json_equal(now, json_object_get(json_object_get(doc, "files"), name));
}

bool templates_find(const struct templates *t, const char *key, struct template_files *f)
{
	auto_fd int dir = openat(t->dir, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	auto_json json_t *doc = dir < 0 ? NULL : json_load_at(dir, TEMPLATE_META, NULL);
	bool good = doc != NULL;

	*f = (struct template_files)TEMPLATE_FILES_NONE;
	for (size_t i = 0; good && i < FILES; i++) {
		int fd = openat(
		        dir, file_names[i], (i == 1 ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);

		*file_of(f, i) = fd;
		good = fd >= 0 && unchanged(fd, doc, file_names[i]);
	}
	f->mounts = json_incref(json_object_get(doc, "volumes"));
	if (good && saved_hash_is(f->state, doc, "stateHash") &&
	        (!f->mounts || saved_hash_is(f->volumes, doc, "volumesHash"))) {
		futimens(dir, NULL);
		f->dir = steal_fd(&dir);
		return true;
	}
	template_files_close(f);
	return false;
}

int templates_begin(const struct templates *t, struct template_new *n, struct err *e)
{
	auto_fd int store = templates_lock(t, "", true, e);

	*n = (struct template_new){.dir = -1, .files = TEMPLATE_FILES_NONE};
	if (store < 0)
		return -1;
	templates_sweep(t);
	n->dir = saved_dir_new(
	        t->dir, TEMPLATE_NEW, n->name, sizeof n->name, "a template", t->path, e);
	if (n->dir < 0)
		return -1;
	for (size_t i = 0; i < FILES; i++) {
		*file_of(&n->files, i) =
		        openat(n->dir, file_names[i], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (*file_of(&n->files, i) < 0)
			return err_sys(e, "cannot make a template in %s", t->path);
	}
	failpoint("template-begun");
	return 0;
}

/* The description: what the machine is, and how the files were when they were complete. */
static json_t *describe(const struct template_new *n, const json_t *machine, const json_t *mounts)
{
	struct template_files f = n->files;
	json_t *files = json_object();
	char hash[SHA256_HEX], volumes[SHA256_HEX];
	bool good;

	good = lseek(f.state, 0, SEEK_SET) == 0 && sha256_fd(f.state, hash) == 0 &&
	       lseek(f.volumes, 0, SEEK_SET) == 0 && sha256_fd(f.volumes, volumes) == 0;
	for (size_t i = 0; i < FILES; i++)
		good = json_object_set_new(files, file_names[i], saved_stamp(*file_of(&f, i))) ==
		               0 &&
		       good;
	if (good)
		return json_pack("{s:i, s:I, s:s, s:o, s:O, s:O*, s:s*}", "fcvmTemplate", 1,
		        "created", (json_int_t)time(NULL), "stateHash", hash, "files", files,
		        "machine", machine, "volumes", mounts, "volumesHash",
		        mounts ? volumes : NULL);
	json_decref(files);
	return NULL;
}

/* In the place of another that may be there: out of the way first, so that at no time half of each
 * is found. */
static int put(const struct templates *t, struct template_new *n, const char *key)
{
	auto_fd int store = templates_lock(t, "", true, NULL);
	char old[TEMPLATE_NAME];
	int aside;

	if (store < 0)
		return -EIO;
	aside = templates_aside(t, key, old);
	if (aside < 0)
		return aside;
	failpoint("template-aside");
	if (renameat(t->dir, n->name, t->dir, key) < 0)
		return -errno;
	failpoint("template-renamed");
	n->name[0] = 0;
	if (aside)
		saved_drop(t->dir, old);
	return fsync(t->dir) < 0 ? -errno : 0;
}

int templates_keep(const struct templates *t, struct template_new *n, const char *key,
        const json_t *machine, const json_t *mounts, struct err *e)
{
	auto_json json_t *doc = NULL;
	int r = 0;

	for (size_t i = 0; i < FILES && r == 0; i++)
		r = saved_settle(*file_of(&n->files, i));
	/* Copies of volumes are of many files. */
	if (r == 0 && mounts && syncfs(n->dir) < 0)
		r = -errno;
	failpoint("template-synced");
	doc = r == 0 ? describe(n, machine, mounts) : NULL;
	if (r == 0)
		r = doc ? json_save_at(n->dir, TEMPLATE_META, doc, 0600) : -EIO;
	failpoint("template-described");
	if (r == 0)
		r = put(t, n, key);
	if (r == 0)
		return 0;
	errno = -r;
	return err_sys(e, "cannot keep a template in %s", t->path);
}

void templates_end(const struct templates *t, struct template_new *n)
{
	template_files_close(&n->files);
	if (n->dir >= 0) /* and its lock */
		close(n->dir);
	n->dir = -1;
	if (n->name[0])
		saved_drop(t->dir, n->name);
	n->name[0] = 0;
}

uint64_t templates_limit(void)
{
	const char *text = getenv("FCVM_TEMPLATE_LIMIT");
	uint64_t bytes;

	return text && num_size(text, 0, UINT64_MAX, &bytes) == 0 ? bytes : TEMPLATES_LIMIT;
}
