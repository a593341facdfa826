/* SPDX-License-Identifier: MIT */
#include "cp_flow.h"
#include "cleanup.h"
#include "cp_disk.h"
#include "cp_names.h"
#include "status.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define BLOCK   65536
#define SET_IDS 06000

struct run {
	const struct flow *f;
	struct archive *in, *out;
	struct archive_entry_linkresolver *links; /* of a directory that is read */
	struct names_open open;                   /* in an archive for a VM */
	char *half;                               /* a file on the disk that is being written */
	bool had_file;
	bool no_taker; /* the destination went away while the source was waited for */
	uint8_t in_buf[BLOCK], buf[BLOCK];
};

/* libarchive's own numbers of errors say no more than its text. */
static void failed(struct archive *a, const char *what, const char *name, struct err *e)
{
	const char *why = archive_error_string(a);
	int number = archive_errno(a);
	bool of_system = number > 0 && number != EILSEQ;

	err_set(e, FCVM_EX_FAIL, "cannot %s %s: %s%s%s", what, name, why ? why : "unknown failure",
	        of_system ? ": " : "", of_system ? strerror(number) : "");
}

static enum flow_end fail_in(const struct run *r, struct err *e)
{
	failed(r->in, "read", r->f->from == FLOW_DISK ? "the source" : "the archive", e);
	return r->no_taker ? FLOW_BAD_OUT : FLOW_BAD_IN;
}

static enum flow_end fail_out(const struct run *r, const char *name, struct err *e)
{
	failed(r->out, "write", name, e);
	return FLOW_BAD_OUT;
}

static enum flow_end refuse(struct err *e, const char *what, const char *path)
{
	err_set(e, FCVM_EX_DATA, "%s: %s", path ? path : "(no name)", what);
	return FLOW_REFUSED;
}

/* The entry's name at the destination, a new string; *out is NULL if it is the top and only the
 * contents are wanted. */
static enum flow_end rename_to(
        struct run *r, struct archive_entry *entry, char **out, struct err *e)
{
	const char *path = archive_entry_pathname(entry), *link = archive_entry_hardlink(entry);
	auto_free char *below = path ? names_below(path) : NULL, *name = NULL;

	*out = NULL;
	if (!below)
		return refuse(e, "the archive has a name that leaves its directory", path);
	if (r->f->file) {
		if (r->had_file || link || archive_entry_filetype(entry) != AE_IFREG)
			return refuse(e, "the archive has more than the one file", path);
		r->had_file = true;
		name = xstrdup(r->f->name);
	} else if (*below || r->f->name) {
		name = names_under(r->f->name, below);
	}
	if (link) {
		auto_free char *to = names_below(link), *moved = NULL;

		if (!to || !*to)
			return refuse(e, "the archive has a link that leaves its directory", path);
		moved = names_under(r->f->name, to);
		archive_entry_copy_hardlink(entry, moved);
	}
	if (name)
		archive_entry_copy_pathname(entry, name);
	*out = steal_ptr(name);
	return FLOW_DONE;
}

static bool is_wanted(const struct run *r, const struct archive_entry *entry)
{
	switch (archive_entry_filetype((struct archive_entry *)entry)) {
	case AE_IFSOCK:
		return false;
	case AE_IFCHR:
	case AE_IFBLK:
		return r->f->to == FLOW_STREAM;
	default:
		return true;
	}
}

static void own(const struct run *r, struct archive_entry *entry)
{
	archive_entry_set_uname(entry, NULL);
	archive_entry_set_gname(entry, NULL);
	archive_entry_xattr_clear(entry);
	archive_entry_acl_clear(entry);
	archive_entry_set_fflags(entry, 0, 0);
	if (r->f->chown) {
		archive_entry_set_uid(entry, r->f->uid);
		archive_entry_set_gid(entry, r->f->gid);
	}
	/* They would lend the caller's rights to whoever made the file in the VM. */
	if (r->f->to == FLOW_DISK)
		archive_entry_set_perm(entry, archive_entry_perm(entry) & ~(mode_t)SET_IDS);
}

static enum flow_end contents(
        struct run *r, struct archive_entry *entry, const char *name, struct err *e)
{
	int64_t left = archive_entry_size(entry);

	while (left > 0) {
		size_t want = left < BLOCK ? (size_t)left : BLOCK;
		ssize_t n = archive_read_data(r->in, r->buf, want);

		if (n < 0)
			return fail_in(r, e);
		if (n == 0) {
			refuse(e, "it became shorter while it was read", name);
			return FLOW_BAD_IN;
		}
		if (archive_write_data(r->out, r->buf, (size_t)n) != n)
			return fail_out(r, name, e);
		left -= n;
	}
	return FLOW_DONE;
}

static enum flow_end write_entry(struct run *r, struct archive_entry *entry, struct err *e)
{
	auto_free char *name = xstrdup(archive_entry_pathname(entry));
	bool has_data = archive_entry_filetype(entry) == AE_IFREG &&
	                !archive_entry_hardlink(entry) && archive_entry_size(entry) > 0;
	enum flow_end end = FLOW_DONE;

	if (!has_data)
		archive_entry_set_size(entry, 0);
	if (r->f->to == FLOW_DISK &&
	        disk_clear(name, archive_entry_filetype(entry) == AE_IFDIR, r->f->overwrite, e) < 0)
		return FLOW_REFUSED;
	/* A warning is as bad: it is how a link in the way or a mode that was not set is told. */
	if (archive_write_header(r->out, entry) != ARCHIVE_OK)
		return fail_out(r, name, e);
	if (has_data) {
		r->half = xstrdup(name);
		end = contents(r, entry, name, e);
	}
	if (end == FLOW_DONE && archive_write_finish_entry(r->out) != ARCHIVE_OK)
		end = fail_out(r, name, e);
	if (end == FLOW_DONE) {
		free(r->half);
		r->half = NULL;
	}
	return end;
}

/* Directories that are complete before an entry of that name. */
static enum flow_end close_dirs(struct run *r, const char *name, struct err *e)
{
	enum flow_end end = FLOW_DONE;
	struct archive_entry *dir;

	while (end == FLOW_DONE && (dir = names_leave(&r->open, name))) {
		auto_free char *again = xasprintf("%s/.", archive_entry_pathname(dir));

		archive_entry_copy_pathname(dir, again);
		end = write_entry(r, dir, e);
		archive_entry_free(dir);
	}
	return end;
}

static enum flow_end one(struct run *r, struct archive_entry *entry, struct err *e)
{
	auto_free char *name = NULL;
	enum flow_end end;

	if (!is_wanted(r, entry))
		return FLOW_DONE;
	end = rename_to(r, entry, &name, e);
	if (end != FLOW_DONE || !name)
		return end;
	own(r, entry);
	/* Of a disk, the contents of a directory do not follow it at once. */
	if (r->f->to == FLOW_VM && r->f->from != FLOW_DISK)
		end = close_dirs(r, name, e);
	if (end == FLOW_DONE)
		end = write_entry(r, entry, e);
	if (end == FLOW_DONE && r->f->to == FLOW_VM && archive_entry_filetype(entry) == AE_IFDIR)
		names_enter(&r->open, entry, name);
	return end;
}

static enum flow_end all(struct run *r, struct err *e)
{
	struct archive_entry *entry = archive_entry_new2(r->in), *spare = NULL;
	enum flow_end end = FLOW_DONE;

	while (end == FLOW_DONE) {
		int got = archive_read_next_header2(r->in, entry);

		if (got == ARCHIVE_EOF)
			break;
		/* Of an archive, a warning says that names have no meaning in this locale. */
		if (got < ARCHIVE_WARN || (got != ARCHIVE_OK && r->f->from == FLOW_DISK)) {
			end = fail_in(r, e);
			break;
		}
		if (r->links)
			archive_entry_linkify(r->links, &entry, &spare);
		end = one(r, entry, e);
		if (r->f->from == FLOW_DISK && archive_entry_filetype(entry) == AE_IFDIR &&
		        !r->f->file)
			archive_read_disk_descend(r->in);
		archive_entry_clear(entry);
	}
	archive_entry_free(entry);
	if (end == FLOW_DONE && r->f->file && !r->had_file)
		end = (refuse(e, "the archive is empty", r->f->file), FLOW_BAD_IN);
	if (end == FLOW_DONE)
		end = close_dirs(r, NULL, e);
	return end;
}

/* Of archive_read_open(3). A source that says nothing must not hide that nobody takes it. */
static la_ssize_t read_stream(struct archive *a, void *ctx, const void **data)
{
	struct run *r = ctx;
	struct pollfd p[] = {{.fd = r->f->from_fd, .events = POLLIN},
	        {.fd = r->f->to == FLOW_DISK ? -1 : r->f->to_fd}};
	ssize_t n;

	*data = r->in_buf;
	do {
		n = poll(p, 2, -1);
		r->no_taker = n > 0 && !p[0].revents;
		if (n > 0 && !r->no_taker)
			n = read(r->f->from_fd, r->in_buf, sizeof r->in_buf);
	} while (n < 0 && errno == EINTR);
	if (n >= 0 && !r->no_taker)
		return n;
	archive_set_error(a, r->no_taker ? EPIPE : errno, "cannot read");
	return -1;
}

static int open_in(struct run *r, struct err *e)
{
	const struct flow *f = r->f;
	auto_free char *path = f->file ? xasprintf("./%s", f->file) : xstrdup(".");
	int got;

	if (f->from == FLOW_DISK) {
		if (fchdir(f->from_fd) < 0)
			return err_sys(e, "cannot enter the source's directory");
		r->links = archive_entry_linkresolver_new();
		archive_entry_linkresolver_set_strategy(r->links, ARCHIVE_FORMAT_TAR_GNUTAR);
		archive_read_disk_set_symlink_hybrid(r->in);
		archive_read_disk_set_behavior(r->in, ARCHIVE_READDISK_NO_ACL |
		                                              ARCHIVE_READDISK_NO_XATTR |
		                                              ARCHIVE_READDISK_NO_FFLAGS);
		got = archive_read_disk_open(r->in, path);
	} else {
		archive_read_support_format_tar(r->in);
		if (f->from == FLOW_STREAM)
			archive_read_support_filter_all(r->in);
		got = archive_read_open(r->in, r, NULL, read_stream, NULL);
	}
	return got == ARCHIVE_OK ? 0 : (fail_in(r, e), -1);
}

/* The tar in a VM knows the names of GNU's format only. */
static int open_out(struct run *r, struct err *e)
{
	if (r->f->to == FLOW_DISK)
		return disk_open(r->out, r->f->to_fd, e);
	archive_write_set_format_gnutar(r->out);
	archive_write_set_bytes_in_last_block(r->out, 1);
	if (archive_write_open_fd(r->out, r->f->to_fd) != ARCHIVE_OK)
		return fail_out(r, "the archive", e), -1;
	return 0;
}

enum flow_end flow_run(const struct flow *f, struct err *e)
{
	auto_free struct run *r = xcalloc(1, sizeof *r);
	enum flow_end end = FLOW_REFUSED;

	r->f = f;
	r->in = f->from == FLOW_DISK ? archive_read_disk_new() : archive_read_new();
	r->out = f->to == FLOW_DISK ? archive_write_disk_new() : archive_write_new();
	if (!r->in || !r->out)
		abort();
	if (open_in(r, e) == 0 && open_out(r, e) == 0)
		end = all(r, e);
	names_free(&r->open);
	if (end == FLOW_DONE && archive_write_close(r->out) != ARCHIVE_OK)
		end = fail_out(r, "the last of it", e);
	archive_write_free(r->out);
	archive_read_free(r->in);
	if (r->links)
		archive_entry_linkresolver_free(r->links);
	if (r->half && f->to == FLOW_DISK)
		disk_remove(r->half);
	free(r->half);
	return end;
}
