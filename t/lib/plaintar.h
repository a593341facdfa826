/* SPDX-License-Identifier: MIT
 * Uncompressed archives for tests of who reads them, with members as they are said. */
#ifndef FCVM_PLAINTAR_H
#define FCVM_PLAINTAR_H

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct member {
	const char *name, *data;
	int type; /* 0: a file */
	const char *link;
	int64_t size;          /* 0: that of data */
	int64_t uid;           /* 0: the caller's */
	const char *attribute; /* its name; NULL: none */
	size_t len;            /* of data; 0: it is text */
};

/* Up to a member without a name; in a memory file, which is at its end. */
static inline int plain_archive(const struct member *m)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct archive *a = archive_write_new();

	archive_write_set_format_pax(a);
	archive_write_open_fd(a, fd);
	for (; m->name; m++) {
		struct archive_entry *x = archive_entry_new();
		size_t n = m->len ? m->len : m->data ? strlen(m->data) : 0;

		archive_entry_set_pathname(x, m->name);
		archive_entry_set_filetype(x, m->type ? (unsigned)m->type : AE_IFREG);
		archive_entry_set_perm(x, m->type == AE_IFDIR ? 0755 : 0644);
		archive_entry_set_size(x, m->size ? m->size : (int64_t)n);
		archive_entry_set_uid(x, m->uid ? m->uid : geteuid());
		archive_entry_set_gid(x, getegid());
		if (m->size)
			archive_entry_sparse_add_entry(x, m->size - (int64_t)n, (int64_t)n);
		if (m->link && m->type == AE_IFLNK)
			archive_entry_set_symlink(x, m->link);
		else if (m->link)
			archive_entry_set_hardlink(x, m->link);
		if (m->attribute)
			archive_entry_xattr_add_entry(x, m->attribute, "x", 1);
		archive_write_header(a, x);
		for (int64_t i = 0; n && i < m->size - (int64_t)n; i++)
			archive_write_data(a, "", 1); /* and left out */
		archive_write_data(a, m->data, n);
		archive_entry_free(x);
	}
	archive_write_free(a);
	return fd;
}

#endif
