/* SPDX-License-Identifier: MIT */
#include "skopeo.h"
#include "child.h"
#include "cleanup.h"
#include "json.h"
#include "status.h"
#include "strv.h"
#include "xio.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* skopeo writes logrus lines: the text in msg="…", the cause last. */
static void unwrap(char *line)
{
	char *msg = strstr(line, "msg=\""), *out = line;

	if (!msg)
		return;
	for (msg += 5; *msg && *msg != '"'; msg++) {
		if (*msg == '\\' && msg[1])
			msg++;
		*out++ = *msg;
	}
	*out = 0;
}

/* skopeo's status is 1 for everything; the words tell a missing image from a broken one. */
static int status_of(const char *line)
{
	static const char *const missing[] = {"manifest unknown", "name unknown", "not found",
	        "no such file", "does not resolve to an image ID", "identifier is not an image",
	        "no image found", NULL};
	static const char *const broken[] = {"does not match", "did not match", "unexpected EOF",
	        "invalid checksum", "gzip: invalid", "invalid tar header", "blob size mismatch",
	        "Invalid manifest", "unexpected end of JSON", NULL};

	for (size_t i = 0; broken[i]; i++)
		if (strstr(line, broken[i]))
			return FCVM_EX_DATA;
	for (size_t i = 0; missing[i]; i++)
		if (strstr(line, missing[i]))
			return FCVM_EX_NOTFOUND;
	return FCVM_EX_SYS;
}

static int start(struct child *c, const struct strv *argv, int out, struct err *e)
{
	if (child_start(c, argv->v, -1, out, e) == 0)
		return 0;
	if (e && e->status == FCVM_EX_NOENT)
		err_set(e, FCVM_EX_SYS, "cannot run skopeo: install the package skopeo");
	return -1;
}

static int end(struct child *c, const char *ref, struct err *e)
{
	char line[600];
	int st = child_end(c, line, sizeof line, e);

	if (st <= 0)
		return st;
	unwrap(line);
	if (!*line)
		return err_set(e, FCVM_EX_SYS, "%s: skopeo failed (status %d)", ref, st);
	return err_set(e, status_of(line), "%s: %s", ref, line);
}

/* before: "src-" for copy, whose options name the side. */
static void common(struct strv *argv, const struct skopeo_opts *o, const char *side)
{
	if (o->authfile)
		strv_addl(argv, "--authfile", o->authfile, NULL);
	if (o->cert_dir) {
		strv_addf(argv, "--%scert-dir", side);
		strv_add(argv, o->cert_dir);
	}
	if (!o->tls_verify)
		strv_addf(argv, "--%stls-verify=false", side);
}

static void program(struct strv *argv, const struct skopeo_opts *o)
{
	strv_addl(argv, "skopeo", "--override-os", o->platform.os, "--override-arch",
	        o->platform.arch, NULL);
	if (o->tmpdir)
		strv_addl(argv, "--tmpdir", o->tmpdir, NULL);
	if (*o->platform.variant)
		strv_addl(argv, "--override-variant", o->platform.variant, NULL);
}

int skopeo_inspect(
        const char *ref, const struct skopeo_opts *o, char **text, size_t *n, struct err *e)
{
	auto_strv struct strv argv = {0};
	auto_fd int out = memfd_create("manifest", MFD_CLOEXEC);
	struct child c;
	struct stat st;

	if (out < 0)
		return err_sys(e, "cannot make a memory file");
	program(&argv, o);
	strv_addl(&argv, "inspect", "--raw", NULL);
	common(&argv, o, "");
	strv_add(&argv, ref);
	if (start(&c, &argv, out, e) < 0 || end(&c, ref, e) < 0)
		return -1;
	if (fstat(out, &st) < 0)
		return err_sys(e, "cannot read skopeo's output");
	if ((size_t)st.st_size > JSON_MAX_BYTES)
		return err_set(e, FCVM_EX_DATA, "%s: the manifest is larger than %zu bytes", ref,
		        JSON_MAX_BYTES);
	*n = (size_t)st.st_size;
	*text = xcalloc(1, *n + 1);
	lseek(out, 0, SEEK_SET);
	if (read_full(out, *text, *n) == (ssize_t)*n)
		return 0;
	return err_sys(e, "cannot read skopeo's output");
}

static uint64_t bytes_in(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *ent;
	uint64_t sum = 0;

	while (d && (ent = readdir(d))) {
		struct stat st;

		if (fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		        S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
	}
	if (d)
		closedir(d);
	return sum;
}

int skopeo_copy(const char *ref, const struct skopeo_opts *o, const char *path, uint64_t expect,
        cache_tick *tick, struct err *e)
{
	auto_strv struct strv argv = {0};
	struct child c;

	program(&argv, o);
	strv_addl(&argv, "copy", "--quiet", NULL);
	common(&argv, o, "src-");
	strv_add(&argv, ref);
	strv_addf(&argv, "dir:%s", path);
	if (start(&c, &argv, -1, e) < 0)
		return -1;
	while (!child_poll(&c, 200))
		if (tick)
			tick("fetching", bytes_in(path), expect);
	return end(&c, ref, e);
}
