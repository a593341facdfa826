/* SPDX-License-Identifier: MIT */
#include "sqfs_mend.h"
#include "status.h"

#include <endian.h>
#include <lz4.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define BLOCK    8192 /* of metadata, uncompressed */
#define RAW      0x8000
#define NO_TABLE UINT64_MAX
#define LZ4      5

/* The superblock as it lies on disk (Linux: fs/squashfs/squashfs_fs.h), little endian. */
struct super {
	uint32_t magic, inodes, mtime, block_size, fragments;
	uint16_t compression, block_log, flags, ids, major, minor;
	uint64_t root, bytes, id_table, xattr_table, inode_table, dir_table, fragment_table,
	        export_table;
};
_Static_assert(sizeof(struct super) == 96, "the superblock has 96 bytes");

static int bad(struct err *e)
{
	return err_set(e, FCVM_EX_SYS, "tar2sqfs wrote a file that cannot be read");
}

static int mend_block(int fd, uint64_t at, int want, struct err *e)
{
	char packed[BLOCK + 64], plain[2 + BLOCK];
	uint16_t head;
	int n;

	if (pread(fd, &head, 2, (off_t)at) != 2)
		return bad(e);
	n = le16toh(head);
	if ((n & RAW) || n <= want)
		return 0;
	if (n > (int)sizeof packed || pread(fd, packed, (size_t)n, (off_t)at + 2) != n ||
	        LZ4_decompress_safe(packed, plain + 2, n, BLOCK) != want)
		return bad(e);
	head = htole16((uint16_t)(RAW | want));
	memcpy(plain, &head, 2);
	if (pwrite(fd, plain, (size_t)want + 2, (off_t)at) != want + 2)
		return err_sys(e, "cannot write the root file system");
	return 0;
}

/* A table of `bytes` bytes, whose blocks' places are listed at `index`. */
static int mend_table(int fd, uint64_t index, uint64_t bytes, struct err *e)
{
	for (uint64_t done = 0; done < bytes; done += BLOCK, index += 8) {
		uint64_t at, want = bytes - done < BLOCK ? bytes - done : BLOCK;

		if (pread(fd, &at, 8, (off_t)index) != 8)
			return bad(e);
		if (mend_block(fd, le64toh(at), (int)want, e) < 0)
			return -1;
	}
	return 0;
}

int sqfs_mend(int fd, struct err *e)
{
	struct super s;
	uint32_t xattrs;

	if (pread(fd, &s, sizeof s, 0) != sizeof s || le32toh(s.magic) != 0x73717368)
		return bad(e);
	if (le16toh(s.compression) != LZ4)
		return 0;
	if (mend_table(fd, le64toh(s.id_table), (uint64_t)4 * le16toh(s.ids), e) < 0)
		return -1;
	if (s.fragments && mend_table(fd, le64toh(s.fragment_table),
	                           (uint64_t)16 * le32toh(s.fragments), e) < 0)
		return -1;
	if (s.xattr_table == NO_TABLE)
		return 0;
	if (pread(fd, &xattrs, 4, (off_t)le64toh(s.xattr_table) + 8) != 4)
		return bad(e);
	return mend_table(fd, le64toh(s.xattr_table) + 16, (uint64_t)16 * le32toh(xattrs), e);
}
