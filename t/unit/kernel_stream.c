/* SPDX-License-Identifier: MIT
 * Archives of kernels that would take much memory or time: long paths, many modules, entries that
 * unpack to a great deal. */
#include "fcvm-kernel/modules.h"
#include "fcvm-kernel/package.h"
#include "fcvm-kernel/stream.h"
#include "status.h"
#include "tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* An archive in memory, to be opened by its path. */
struct made {
	struct archive *a;
	int fd;
	char path[32];
};

static struct made begin(bool gzip)
{
	struct made m = {archive_write_new(), memfd_create("archive", MFD_CLOEXEC), ""};

	archive_write_set_format_pax(m.a);
	if (gzip)
		archive_write_add_filter_gzip(m.a);
	if (m.fd < 0 || archive_write_open_fd(m.a, m.fd) != ARCHIVE_OK)
		abort();
	snprintf(m.path, sizeof m.path, "/proc/self/fd/%d", m.fd);
	return m;
}

static void add(struct made *m, const char *path, size_t size)
{
	struct archive_entry *ent = archive_entry_new();
	auto_free char *zeros = xcalloc(1, size + 1);

	archive_entry_set_pathname(ent, path);
	archive_entry_set_filetype(ent, AE_IFREG);
	archive_entry_set_perm(ent, 0644);
	archive_entry_set_size(ent, (la_int64_t)size);
	if (archive_write_header(m->a, ent) != ARCHIVE_OK ||
	        archive_write_data(m->a, zeros, size) != (la_ssize_t)size)
		abort();
	archive_entry_free(ent);
}

static void finish(struct made *m)
{
	if (archive_write_free(m->a) != ARCHIVE_OK)
		abort();
}

/* "dir/dir/…/name" of n bytes. */
static char *long_path(size_t n, const char *name)
{
	char *p = xcalloc(1, n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = i % 100 == 99 ? '/' : 'd';
	memcpy(p + n - strlen(name), name, strlen(name));
	return p;
}

/* Goes through it: the entries, or -1 with e. */
static int walk(const char *path, uint64_t max, struct err *e)
{
	auto_stream struct kernel_stream *s = kernel_stream_open(path, max, e);
	struct kernel_entry ent;
	int n = 0, r = -1;

	while (s && (r = kernel_stream_next(s, &ent, e)) > 0)
		n++;
	return r < 0 ? -1 : n;
}

static void long_paths(void)
{
	struct made m = begin(false), huge = begin(true);
	auto_free char *longest = long_path(PATH_MAX - 1, "/x.ko");
	auto_free char *over = long_path(PATH_MAX, "/x.ko");
	auto_free char *most = long_path(900000, "lib/modules/x.ko");
	struct err e = {.text = ""};
	auto_package struct kernel_package pkg = {.entries = 0};

	add(&m, longest, 0);
	finish(&m);
	is_int(walk(m.path, 1 << 20, &e), 1, "the longest path there can be");
	close(m.fd);

	m = begin(false);
	add(&m, over, 0);
	finish(&m);
	is_int(walk(m.path, 1 << 20, &e), -1, "a path that is longer");
	is_str(e.text, "a path in it is longer than 4095 bytes", "why");
	is_int(e.status, FCVM_EX_DATA, "the data's fault");
	close(m.fd);

	add(&huge, most, 0);
	finish(&huge);
	is_int(kernel_package_read(huge.path, NULL, &pkg, &e), -1, "a package with such a path");
	is_str(e.text, "a path in it is longer than 4095 bytes", "why");
	is_int((int)pkg.mods.n, 0, "nothing of it is kept");
	close(huge.fd);
}

static void large_entries(void)
{
	struct made m = begin(true);
	struct err e = {.text = ""};

	add(&m, "first", 10);
	add(&m, "large", (size_t)64 << 20); /* 64 KiB packed */
	for (int i = 0; i < 2000; i++) {
		char name[32];

		snprintf(name, sizeof name, "after/%d", i);
		add(&m, name, (size_t)(i * 37 % 3000));
	}
	finish(&m);
	is_int(walk(m.path, (uint64_t)80 << 20, &e), 2002, "below the limit");
	is_int(walk(m.path, (uint64_t)16 << 20, &e), -1, "an entry that nobody reads counts");
	is_str(e.text, "unpacks to more than 16 MiB", "why");
	is_int(e.status, FCVM_EX_DATA, "the data's fault");
	is_int(walk("/nonexistent/file", 1, &e), -1, "no such file");
	is_int(e.status, FCVM_EX_SYS, "the system's fault");
	close(m.fd);
}

static void many_modules(void)
{
	auto_kmodset struct kmodset count = {.n = 0}, text = {.n = 0};
	auto_free char *path = long_path(4000, "/x.ko");
	auto_free char *list = long_path(4000, "x");
	struct err e = {.text = ""};
	struct kmod *m;
	size_t n = 0;

	while (n < 1000000 && kmodset_add(&count, "a/b.ko", &e))
		n++;
	is_int((int)n, 20000, "so many modules are taken");
	is_str(e.text, "more than 20000 modules", "then it is said");

	for (n = 0; n < 20000; n++) {
		m = kmodset_add(&text, path, &e);
		if (!m || kmodset_depends(&text, m, xstrdup(list), &e) < 0)
			break;
	}
	ok(n > 1000 && n < 2200, "long texts end at their own limit: %zu modules", n);
	is_str(e.text, "the paths and dependencies of its modules take more than 16 MiB", "why");
}

static int no_load(void *ctx, struct kmod *m, struct err *e)
{
	(void)ctx;
	return err_set(e, FCVM_EX_SYS, "%s was to be loaded", m->path);
}

/* The path of the one that is taken of two modules with one name. */
static const char *chosen(const char *one, const char *two)
{
	static char text[256];
	auto_kmodset struct kmodset set = {.n = 0};
	struct kmod_loader loader = {no_load, NULL};
	struct kmodlist list = {.n = 0};
	struct err e = {.text = ""};

	kmodset_add(&set, one, &e);
	kmodset_add(&set, two, &e);
	kmodset_resolve(&set, "x", &loader, &list, &e);
	snprintf(text, sizeof text, "%.*s", (int)strcspn(e.text, " "), e.text);
	return text;
}

static void equal_names(void)
{
	is_str(chosen("kernel/x.ko", "updates/x.ko"), "updates/x.ko", "an update counts");
	is_str(chosen("updates/dkms/x.ko.xz", "kernel/x.ko"), "updates/dkms/x.ko.xz",
	        "whichever comes first, however deep");
	is_str(chosen("usr/lib/modules/6.1/kernel/x.ko", "usr/lib/modules/6.1/updates/x.ko"),
	        "usr/lib/modules/6.1/updates/x.ko", "in a package too");
	is_str(chosen("kernel/updates/x.ko", "kernel/a/x.ko"), "kernel/a/x.ko",
	        "not another directory of that name");
	is_str(chosen("kernel/x.ko", "extra/x.ko"), "extra/x.ko", "else the first by path");
}

int main(void)
{
	long_paths();
	large_entries();
	many_modules();
	equal_names();
	return done();
}
