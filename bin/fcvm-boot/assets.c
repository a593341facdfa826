/* SPDX-License-Identifier: MIT */
#include "assets.h"
#include "cleanup.h"
#include "json.h"
#include "lock.h"
#include "proc.h"
#include "sha256.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* A content-addressed file named in setup.json. */
static int asset_path(const char *data_dir, const json_t *doc, const char *key, const char *folder,
        const char *file, char **out, struct err *e)
{
	const char *id = json_string_value(json_object_get(doc, key));

	if (!id || strspn(id, "0123456789abcdef") != SHA256_HEX - 1 || id[SHA256_HEX - 1])
		return err_set(
		        e, FCVM_EX_FAIL, "setup.json names no %s: run 'fcvm setup' again", key);
	*out = xasprintf("%s/%s/%s/%s", data_dir, folder, id, file);
	if (access(*out, R_OK) < 0)
		return err_set(e, FCVM_EX_FAIL, "the guest %s is gone (%s): run 'fcvm setup' again",
		        key, *out);
	return 0;
}

static char *text_of(const json_t *doc, const char *key)
{
	const char *s = json_string_value(json_object_get(doc, key));

	return xstrdup(s ? s : "");
}

static json_t *about_kernel(const json_t *doc)
{
	return json_pack("{s:O?, s:O?, s:O?}", "key", json_object_get(doc, "kernel"), "profile",
	        json_object_get(doc, "profile"), "release", json_object_get(doc, "release"));
}

int assets_load(const char *data_dir, struct assets *a, struct err *e)
{
	auto_free char *path = xasprintf("%s/setup.json", data_dir);
	auto_json json_t *doc = NULL;

	*a = (struct assets){0};
	if (access(path, F_OK) < 0)
		return err_set(e, FCVM_EX_FAIL,
		        "no guest kernel: run 'fcvm setup' first, or pass --setup");
	doc = json_load_at(AT_FDCWD, path, e);
	if (!doc)
		return -1;
	if (asset_path(data_dir, doc, "kernel", "kernels", "vmlinux", &a->kernel, e) < 0 ||
	        asset_path(data_dir, doc, "initrd", "initrds", "initrd", &a->initrd, e) < 0) {
		assets_free(a);
		return -1;
	}
	a->accel = text_of(doc, "accel");
	a->append = text_of(doc, "append");
	a->about = about_kernel(doc);
	return 0;
}

void assets_free(struct assets *a)
{
	free(a->kernel);
	free(a->initrd);
	free(a->accel);
	free(a->append);
	json_decref(a->about);
	*a = (struct assets){0};
}

int assets_image(const char *image_dir, int *root, int *lock, struct err *e)
{
	auto_free char *file = xasprintf("%s/root.sqfs", image_dir);
	auto_free char *lock_file = xasprintf("%s/lock", image_dir);

	*lock = lock_file_at(AT_FDCWD, lock_file, false, true);
	if (*lock < 0) {
		errno = -*lock;
		return err_sys(e, "cannot lock the image %s", image_dir);
	}
	*root = open(file, O_RDONLY | O_CLOEXEC);
	if (*root < 0) {
		err_sys(e, "cannot open the image %s", file);
		close(steal_fd(lock));
		return -1;
	}
	return 0;
}

/* Debian keeps it in a folder that an ordinary user's PATH lacks. */
static const char *mke2fs(void)
{
	static const char *const places[] = {"/usr/sbin/mke2fs", "/sbin/mke2fs"};

	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return "mke2fs";
}

static int format(const char *path, uint64_t bytes, struct err *e)
{
	auto_free char *size = xasprintf("%lluk", (unsigned long long)bytes >> 10);
	char *argv[] = {(char *)(uintptr_t)mke2fs(), (char *)"-q", (char *)"-F", (char *)"-t",
	        (char *)"ext4", (char *)"-O", (char *)"^has_journal,^resize_inode,sparse_super2",
	        (char *)"-E", (char *)"lazy_itable_init=1,nodiscard,root_owner=0:0", (char *)"-m",
	        (char *)"0", (char *)"-L", (char *)"scratch", (char *)(uintptr_t)path, size, NULL};
	auto_free char *out = NULL;

	return proc_output(argv, 65536, &out, e);
}

static int sync_file(const char *path)
{
	auto_fd int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

/* The formatted model of that size, made under a lock by the first who needs it. */
static int model(const char *data_dir, uint64_t bytes, struct err *e)
{
	auto_free char *dir = xasprintf("%s/scratch", data_dir);
	auto_free char *path = xasprintf("%s/%llu.ext4", dir, (unsigned long long)bytes);
	auto_free char *making = xasprintf("%s/making.tmp", dir);
	auto_free char *lock_path = xasprintf("%s/lock", dir);
	auto_fd int lock = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd >= 0 || errno != ENOENT)
		return fd >= 0 ? fd : err_sys(e, "cannot open %s", path);
	r = mkdir_p(dir, 0700);
	lock = r < 0 ? r : lock_file_at(AT_FDCWD, lock_path, true, true);
	if (lock < 0) {
		errno = -lock;
		return err_sys(e, "cannot prepare %s", dir);
	}
	if (access(path, F_OK) < 0) {
		unlink(making); /* left by a run that was killed here */
		if (format(making, bytes, e) < 0) {
			unlink(making);
			return -1;
		}
		if (sync_file(making) < 0 || rename(making, path) < 0)
			return err_sys(e, "cannot keep %s", path);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(e, "cannot open %s", path);
}

int assets_scratch_empty(const char *data_dir, int *fd, struct err *e)
{
	auto_free char *dir = xasprintf("%s/scratch", data_dir);
	int r = mkdir_p(dir, 0700);

	*fd = r < 0 ? -1 : open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	return *fd < 0 ? err_sys(e, "cannot make a scratch disk in %s", dir) : 0;
}

int assets_scratch_like(const char *data_dir, int from, int *fd, struct err *e)
{
	auto_fd int to = -1;
	int r;

	if (assets_scratch_empty(data_dir, &to, e) < 0)
		return -1;
	r = copy_sparse(from, to);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot fill the scratch disk in %s/scratch", data_dir);
	}
	*fd = steal_fd(&to);
	return 0;
}

int assets_scratch(const char *data_dir, uint64_t bytes, int *fd, struct err *e)
{
	auto_fd int from = model(data_dir, bytes, e);

	return from < 0 ? -1 : assets_scratch_like(data_dir, from, fd, e);
}
