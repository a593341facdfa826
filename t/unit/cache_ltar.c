/* SPDX-License-Identifier: MIT */
#include "status.h"
#include "tap.h"

#include "cache_tar.h"
#include <fcvm-cache/ltar_pax.h>

static struct tar_mem mem;
static struct err e;
static struct ltar *tar;

static void begin(void)
{
	mem.n = mem.at = 0;
	e = (struct err){0};
}

/* The first entry, or NULL. */
static const struct ltar_entry *first(void)
{
	const struct ltar_entry *n = NULL;

	ltar_close(tar);
	tar = ltar_open(&(struct ltar_src){tar_next, &mem});
	return ltar_next(tar, &n, &e) > 0 ? n : NULL;
}

static void test_plain(void)
{
	const struct ltar_entry *n;
	const void *data;
	size_t len, total = 0;

	begin();
	tar_file(&mem, "a/b", "hello");
	tar_put(&mem, "d/", 0, "", 0);
	n = first();
	ok(n && n->type == '0', "a file");
	is_str(n->name, "a/b", "its name");
	is_int(n->mode, 0644, "its mode");
	is_int(n->uid, 1, "its owner");
	is_int(n->gid, 2, "its group");
	is_int(n->mtime, 100, "its time");
	is_int((long)n->size, 5, "its size");
	is_int((long)n->offset, 512, "where its content is");
	while (ltar_data(tar, &data, &len, &e) > 0)
		total += len;
	is_int((long)total, 5, "all of its content");
	ok(ltar_next(tar, &n, &e) == 1 && n->type == '5', "type NUL and a slash is a directory");
	is_int(ltar_next(tar, &n, &e), 0, "a missing end mark is no error");
}

static void test_every_block_size(void)
{
	int good = 0;

	begin();
	tar_file(&mem, "one", "1234567890");
	tar_pax(&mem, "12 path=two\n", 12);
	tar_file(&mem, "x", "z");
	for (mem.step = 1; mem.step <= 1024; mem.step++) {
		const struct ltar_entry *n = NULL;

		mem.at = 0;
		first();
		good += ltar_next(tar, &n, &e) == 1 && !strcmp(n->name, "two") && n->size == 1;
	}
	mem.step = 0;
	is_int(good, 1024, "the blocks' sizes do not matter");
}

/* "LENGTH KEY=VALUE\n" into out; returns its length, which has two digits here. */
static size_t record(char *out, const char *key, const void *value, size_t n)
{
	size_t len = 3 + strlen(key) + 1 + n + 1;
	int head = sprintf(out, "%02zu %s=", len, key);

	memcpy(out + head, value, n);
	out[len - 1] = '\n';
	return len;
}

static void test_pax(void)
{
	const struct ltar_entry *n;
	char records[1024];
	struct ltar_xattr x;
	size_t at = 0, len = 0;

	begin();
	len += record(records + len, "path", "caf\x65\xcc\x81/\xff\xfe raw", 13);
	len += record(records + len, "uid", "4000000000", 10);
	len += record(records + len, "size", "3", 1);
	len += record(records + len, "mtime", "-1.5", 4);
	len += record(records + len, "SCHILY.xattr.user.a", "v\0=\xff\n", 5);
	len += record(records + len, "SCHILY.xattr.user.b", "x", 1);
	len += record(records + len, "SCHILY.xattr.user.b", "", 0);
	len += record(records + len, "comment", "ignored", 7);
	tar_pax(&mem, records, len);
	tar_put(&mem, "other", '0', "", 0);
	tar_data(&mem, "abc", 3);
	n = first();
	ok(n, "read: %s", e.text);
	if (!n)
		return;
	is_str(n->name, "caf\x65\xcc\x81/\xff\xfe raw", "names are bytes, not normalised");
	ok(n->uid == 4000000000u, "a large owner");
	is_int((long)n->size, 3, "the header's size gives way");
	is_int(n->mtime, -2, "a negative time rounds down");
	ok(ltar_xattr(n->xattrs, n->xattrs_len, &at, &x), "an attribute");
	is_str(x.name, "user.a", "its name");
	ok(x.size == 5 && !memcmp(x.value, "v\0=\xff\n", 5), "its bytes");
	ok(ltar_xattr(n->xattrs, n->xattrs_len, &at, &x) && x.size == 0, "an empty one");
	ok(!ltar_xattr(n->xattrs, n->xattrs_len, &at, &x), "no more");
}

static void test_gnu(void)
{
	char name[300], *h;
	const struct ltar_entry *n;

	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	begin();
	tar_put(&mem, "././@LongLink", 'L', "", sizeof name);
	tar_data(&mem, name, sizeof name);
	tar_put(&mem, "././@LongLink", 'K', "", 4);
	tar_data(&mem, "lnk", 4);
	h = tar_put(&mem, "x", '2', "short", 0);
	memcpy(h + 108, "\x80\0\0\0\xee\x6b\x28\0", 8); /* base-256 uid 4,000,000,000 */
	tar_checksum(h);
	n = first();
	ok(n && !strcmp(n->name, name), "a long name");
	ok(n && !strcmp(n->link, "lnk"), "a long link");
	ok(n && n->uid == 4000000000u, "a base-256 number");
}

static void test_prefix(void)
{
	const struct ltar_entry *n;
	char *h;

	begin();
	h = tar_put(&mem, "base", '0', "", 0);
	memcpy(h + 345, "some/dir", 8);
	tar_checksum(h);
	n = first();
	is_str(n ? n->name : "", "some/dir/base", "ustar's prefix");
}

static void refused(const char *part, const char *what)
{
	const struct ltar_entry *n = first();
	int r = 1;

	while (n && r > 0)
		r = ltar_next(tar, &n, &e);
	ok((!n || r < 0) && strstr(e.text, part), "%s: %s", what, e.text);
	is_int(e.status, FCVM_EX_DATA, "it is the data's fault");
}

static void test_refusals(void)
{
	const struct ltar_entry *last;
	char *h;

	begin();
	tar_put(&mem, "f", '0', "", 1000);
	tar_data(&mem, "short", 5);
	refused("truncated in or after entry 'f'", "content cut off");
	begin();
	tar_file(&mem, "f", "x");
	mem.n += 100;
	refused("truncated", "header cut off");
	begin();
	tar_put(&mem, "f", '0', "", 5);
	tar_data(&mem, "whole", 5);
	mem.n -= 512 - 5;
	last = first();
	ok(last && last->size == 5, "an entry whose padding is cut off");
	is_int(ltar_next(tar, &last, &e), 0, "is the last");
	begin();
	h = tar_put(&mem, "f", '0', "", 0);
	h[0] = 'g';
	refused("not a tar header", "wrong checksum");
	begin();
	tar_put(&mem, "f", 'S', "", 0);
	refused("unknown entry type 0x53", "old GNU sparse");
	begin();
	tar_pax(&mem, "22 GNU.sparse.major=1\n", 22);
	tar_file(&mem, "f", "");
	refused("sparse", "pax sparse");
	begin();
	tar_put(&mem, "x", 'x', "", LTAR_SPECIAL_MAX + 1);
	refused("too large", "an endless extended header");
	begin();
	tar_pax(&mem, "12 path=a\0b\n", 12);
	refused("NUL", "a NUL in a name");
	begin();
	tar_pax(&mem, "13 path=ab\n", 11);
	refused("malformed", "a record longer than its header");
	begin();
	tar_pax(&mem, "25 size=99999999999999999\n99999", 25);
	refused("malformed", "a record without a newline");
	begin();
	h = tar_put(&mem, "f", '0', "", 0);
	memset(h + 124, 0xff, 12);
	tar_checksum(h);
	refused("malformed size", "a negative size");
	begin();
	h = tar_put(&mem, "f", '0', "", 0);
	memset(h + 108, '9', 8);
	tar_checksum(h);
	refused("malformed owner", "no octal number");
}

int main(void)
{
	test_plain();
	test_every_block_size();
	test_pax();
	test_gnu();
	test_prefix();
	test_refusals();
	ltar_close(tar);
	return done();
}
