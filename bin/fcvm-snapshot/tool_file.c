/* SPDX-License-Identifier: MIT
 * export and import: a snapshot as a file, and back. */
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "msg.h"
#include "name.h"
#include "outfile.h"
#include "pack.h"
#include "pack_volumes.h"
#include "saved.h"
#include "snapshot_tool.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MEMORY_MAX ((rlim_t)1 << 30) /* of the reader, whatever an archive claims */

static void tick(uint64_t done, uint64_t total)
{
	progress_bytes("snapshot", done, total);
}

static pack_tick *ticker(const struct tool_opts *o)
{
	return o->quiet ? NULL : tick;
}

static void done(const struct tool_opts *o)
{
	if (!o->quiet)
		progress_end();
}

/* --- export --- */

static int to_stdout(
        struct snapshot *found, const struct tool_opts *o, const char *tag, struct err *e)
{
	int r;

	if (o->json)
		return err_set(e, FCVM_EX_USAGE, "--json would mix with the archive on stdout");
	if (isatty(STDOUT_FILENO))
		return err_set(e, FCVM_EX_USAGE, "stdout is a terminal: the archive is binary");
	r = pack_write(found, tag, STDOUT_FILENO, ticker(o), e);
	done(o);
	return r;
}

static int to_file(struct snapshot *found, const struct tool_opts *o, const char *tag,
        const char *path, struct err *e)
{
	struct outfile f = OUTFILE_NONE;
	struct stat st = {0};
	int r = outfile_open(&f, path, o->force, e);

	if (r == 0)
		r = pack_write(found, tag, f.fd, ticker(o), e);
	done(o);
	if (r == 0)
		r = outfile_keep(&f, e);
	if (r == 0 && o->json) {
		auto_json json_t *doc = NULL;

		fstat(f.fd, &st);
		doc = json_pack("{s:s, s:s, s:I}", "tag", tag, "file", path, "bytes",
		        (json_int_t)st.st_size);
		json_print(doc);
	}
	outfile_end(&f);
	return r;
}

int tool_export(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	struct snapshot found;
	const char *path;
	int r;

	if (!words[0] || !words[1] || words[2])
		return err_set(e, FCVM_EX_USAGE, "export takes a tag and a file (- is stdout)");
	path = words[1];
	if (snapshots_find(s, words[0], &found, e) < 0)
		return -1;
	if (pack_volumes_own(found.meta, e) < 0) {
		snapshot_close(&found);
		return err_prefix(e, "the snapshot %s cannot be exported", words[0]);
	}
	r = !strcmp(path, "-") ? to_stdout(&found, o, words[0], e)
	                       : to_file(&found, o, words[0], path, e);
	snapshot_close(&found);
	return r < 0 ? -1 : FCVM_EX_OK;
}

/* --- import --- */

static int take_tag(
        const struct snapshots *s, const struct tool_opts *o, const char *tag, struct err *e)
{
	if (!name_valid(tag))
		return err_set(e, FCVM_EX_USAGE, "%s: %s", tag, NAME_RULE);
	if (!o->force && snapshots_has(s, tag))
		return snapshots_taken(tag, e);
	return 0;
}

static int keep(const struct snapshots *s, const struct tool_opts *o, struct snapshot_new *n,
        struct pack_in *in, struct err *e)
{
	const char *tag = o->tag ? o->tag : in->tag;
	int r;

	if (take_tag(s, o, tag, e) < 0)
		return -1;
	r = saved_settle(n->files.root);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot keep the image in %s", s->path);
	}
	if (snapshot_is_disk(in->meta))
		snapshots_disk_only(n);
	n->no_replace = !o->force;
	failpoint("import-read");
	if (snapshots_keep(s, n, tag, in->meta, in->plan, e) < 0)
		return -1;
	if (o->json) {
		auto_json json_t *doc =
		        json_pack("{s:s, s:O}", "tag", tag, "id", json_object_get(in->meta, "id"));

		json_print(doc);
	} else if (!o->quiet) {
		puts(tag);
	}
	return 0;
}

static int open_source(const char *path, struct err *e)
{
	int fd;

	if (strcmp(path, "-") != 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? err_sys(e, "cannot open %s", path) : fd;
	}
	if (isatty(STDIN_FILENO))
		return err_set(e, FCVM_EX_USAGE, "stdin is a terminal, and no archive");
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? err_sys(e, "cannot read stdin") : fd;
}

static int import(const struct snapshots *s, const struct tool_opts *o, const char *path, int fd,
        struct err *e)
{
	struct snapshot_new n;
	struct pack_in in = {.limit = o->limit, .tick = ticker(o)};
	int64_t room = disk_free(s->path);
	int r;

	if (!in.limit)
		in.limit = room > 0 ? (uint64_t)room : 0;
	r = snapshots_begin(s, &n, e);
	if (r == 0) {
		n.files.root = openat(n.dir, ".", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
		if (n.files.root < 0)
			r = err_sys(e, "cannot make a file in %s", s->path);
	}
	in.files = n.files;
	in.dir = n.dir;
	if (r == 0) {
		r = pack_read(fd, &in, e);
		done(o);
		if (r < 0)
			err_prefix(e, "%s", strcmp(path, "-") != 0 ? path : "stdin");
	}
	if (r == 0)
		r = keep(s, o, &n, &in, e);
	if (n.files.root >= 0)
		close(n.files.root);
	snapshots_end(s, &n);
	pack_in_free(&in);
	return r;
}

int tool_import(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	const char *path = tool_word(words, "import", "file (- is stdin)", e);
	struct rlimit most = {MEMORY_MAX, MEMORY_MAX};
	auto_fd int fd = -1;

	if (!path || (o->tag && take_tag(s, o, o->tag, e) < 0))
		return -1;
	fd = open_source(path, e);
	if (fd < 0)
		return -1;
	setrlimit(RLIMIT_DATA, &most);
	return import(s, o, path, fd, e) < 0 ? -1 : FCVM_EX_OK;
}
