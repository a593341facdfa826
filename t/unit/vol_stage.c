/* SPDX-License-Identifier: MIT
 * The files of a volume are exchanged for those of a copy, all at once or not at all. */
#include "vol_server.h"
#include "tap.h"
#include "tmpdir.h"

#include <errno.h>
#include <sys/stat.h>

static void put(const struct tmpdir *d, const char *path, const char *data)
{
	if (write_file_at(d->fd, path, data, strlen(data), 0644) < 0)
		abort();
}

static void make_dir(const struct tmpdir *d, const char *path, mode_t mode)
{
	if (mkdirat(d->fd, path, 0755) < 0 || fchmodat(d->fd, path, mode, 0) < 0)
		abort();
}

static bool holds(const struct tmpdir *d, const char *path, const char *want, const char *what)
{
	char *data = NULL;
	int r = read_file_at(d->fd, path, 1000, &data, NULL);
	bool good = is_str(r < 0 ? NULL : data, want, "%s", what);

	free(data);
	return good;
}

/* A volume with two entries, and what vol_server_copy() would have put into a directory. */
static void fill(const struct tmpdir *volume, const struct tmpdir *copy)
{
	put(volume, "file", "now");
	make_dir(volume, "new", 0755);
	put(volume, "new/inner", "new");
	make_dir(copy, "data", 0750);
	put(copy, "data/file", "then");
	make_dir(copy, "data/dir", 0700);
	put(copy, "data/dir/inner", "deep");
	if (symlinkat("file", copy->fd, "data/link") < 0)
		abort();
}

static void test_exchange(void)
{
	auto_tmpdir struct tmpdir volume = tmpdir_make(), copy = tmpdir_make();
	char name[VOL_STAGED] = "", link[10] = "";
	struct stat st;

	fill(&volume, &copy);
	is_int(stage_copy(copy.fd, volume.fd, name), 0, "a copy is made ready");
	holds(&volume, "file", "now", "until then the files are those of now");
	is_int(tmpdir_count(&volume), 3, "beside them is what is ready");
	is_int(stage_exchange(volume.fd, name), 0, "they are exchanged");
	is_str(name, "", "and nothing is ready any more");
	is_int(tmpdir_count(&volume), 3, "there is nothing but what was then");
	holds(&volume, "file", "then", "a file");
	holds(&volume, "dir/inner", "deep", "one in a directory");
	is_int(readlinkat(volume.fd, "link", link, sizeof link - 1), 4, "a link");
	is_int(fstatat(volume.fd, "dir", &st, 0) == 0 ? st.st_mode & 07777 : 0, 0700,
	        "a directory's mode");
	is_int(fstat(volume.fd, &st) == 0 ? st.st_mode & 07777 : 0, 0750, "and the top's");
	holds(&copy, "data/file", "then", "the copy is still there");
}

static void test_drop(void)
{
	auto_tmpdir struct tmpdir volume = tmpdir_make(), copy = tmpdir_make();
	char name[VOL_STAGED] = "";

	fill(&volume, &copy);
	is_int(stage_copy(copy.fd, volume.fd, name), 0, "a copy is made ready");
	stage_drop(volume.fd, name);
	is_int(tmpdir_count(&volume), 2, "and forgotten");
	holds(&volume, "new/inner", "new", "the files are what they were");
	stage_drop(volume.fd, name);
	is_int(tmpdir_count(&volume), 2, "twice is once");
}

static void test_failures(void)
{
	auto_tmpdir struct tmpdir volume = tmpdir_make(), copy = tmpdir_make();
	char name[VOL_STAGED] = "", now[VOL_STAGED + 10];

	fill(&volume, &copy);
	is_int(stage_copy(volume.fd, volume.fd, name), -ENOENT, "what is no copy is not staged");
	is_str(name, "", "and has no name");
	is_int(tmpdir_count(&volume), 2, "and left nothing");
	stage_copy(copy.fd, volume.fd, name);
	snprintf(now, sizeof now, "%s/now", name);
	unlinkat(volume.fd, now, AT_REMOVEDIR);
	is_int(stage_exchange(volume.fd, name), -ENOENT, "an exchange that cannot be made fails");
	is_int(tmpdir_count(&volume), 2, "and leaves what there was");
	holds(&volume, "file", "now", "with its contents");
}

int main(void)
{
	if (chdir("/proc/self/fd") < 0) /* as in the server */
		abort();
	test_exchange();
	test_drop();
	test_failures();
	return done();
}
