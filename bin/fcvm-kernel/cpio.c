/* SPDX-License-Identifier: MIT */
#include "cpio.h"
#include "status.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#define RECORD 1024 /* above what header, name and padding of one file take */

static int add(struct archive *a, const struct kernel_file *f, int64_t ino)
{
	struct archive_entry *ent = archive_entry_new();
	int r;

	if (!ent)
		abort();
	archive_entry_set_pathname(ent, f->path);
	archive_entry_set_mode(ent, f->mode);
	archive_entry_set_size(ent, (la_int64_t)f->n);
	archive_entry_set_uid(ent, 0);
	archive_entry_set_gid(ent, 0);
	archive_entry_set_mtime(ent, 0, 0);
	archive_entry_set_ino64(ent, ino);
	archive_entry_set_nlink(ent, S_ISDIR(f->mode) ? 2 : 1);
	archive_entry_set_dev(ent, 0);
	r = archive_write_header(a, ent);
	archive_entry_free(ent);
	if (r == ARCHIVE_OK && f->n && archive_write_data(a, f->data, f->n) != (la_ssize_t)f->n)
		r = ARCHIVE_FATAL;
	return r;
}

int kernel_cpio_pack(
        const struct kernel_file *files, size_t n, struct kernel_bytes *out, struct err *e)
{
	struct archive *a = archive_write_new();
	size_t size = 10240 + RECORD, used = 0;
	int r;

	for (size_t i = 0; i < n; i++)
		size += files[i].n + RECORD;
	out->p = malloc(size);
	if (!a || !out->p)
		abort();
	r = archive_write_set_format_cpio_newc(a);
	if (r == ARCHIVE_OK)
		r = archive_write_open_memory(a, out->p, size, &used);
	for (size_t i = 0; i < n && r == ARCHIVE_OK; i++)
		r = add(a, &files[i], (int64_t)i + 1);
	if (r == ARCHIVE_OK)
		r = archive_write_close(a);
	if (r != ARCHIVE_OK) {
		err_set(e, FCVM_EX_SYS, "cannot pack the initrd: %s", archive_error_string(a));
		kernel_bytes_free(out);
	}
	out->n = used;
	archive_write_free(a);
	return r == ARCHIVE_OK ? 0 : -1;
}
