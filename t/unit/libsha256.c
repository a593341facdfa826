/* SPDX-License-Identifier: MIT */
#include "sha256.h"
#include "cleanup.h"
#include "tap.h"
#include "xio.h"

#include <sys/mman.h>

/* The vectors are those of FIPS 180-4's examples. */
#define EMPTY     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void vectors(void)
{
	char hex[SHA256_HEX];
	struct sha256 *h = sha256_begin();

	sha256_hex("", 0, hex);
	is_str(hex, EMPTY, "the digest of nothing");
	sha256_hex("abc", 3, hex);
	is_str(hex, ABC, "the digest of abc");
	for (int i = 0; i < 1000; i++) {
		char part[1000];

		memset(part, 'a', sizeof part);
		sha256_add(h, part, sizeof part);
	}
	sha256_end(h, hex);
	is_str(hex, MILLION_A, "a million bytes in parts");
}

static void descriptors(void)
{
	auto_fd int fd = memfd_create("t", MFD_CLOEXEC);
	char hex[SHA256_HEX], part[100000];

	is_int(sha256_fd(fd, hex), 0, "an empty file has a digest");
	is_str(hex, EMPTY, "that of nothing");
	memset(part, 'a', sizeof part);
	for (int i = 0; i < 10; i++)
		write_full(fd, part, sizeof part);
	is_int(sha256_fd(fd, hex), 0, "at the end of the file there is nothing left");
	is_str(hex, EMPTY, "so reading goes on from the current position");
	lseek(fd, 0, SEEK_SET);
	sha256_fd(fd, hex);
	is_str(hex, MILLION_A, "a file larger than the buffer");
	is_int(sha256_fd(-1, hex), -EBADF, "an error of read(2) is returned");
}

static void digests(void)
{
	is_str(digest_hex("sha256:" ABC), ABC, "an OCI digest");
	is_str(digest_hex("sha256:" ABC "0"), NULL, "a digit too many");
	is_str(digest_hex("sha256:" ABC "/x"), NULL, "more behind the digits");
	is_str(digest_hex("sha256:abc"), NULL, "too few digits");
	is_str(digest_hex("sha512:" ABC), NULL, "another algorithm");
	is_str(digest_hex(ABC), NULL, "no algorithm");
	is_str(digest_hex(
	               "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
	        NULL, "capital digits, which OCI does not allow");
	is_str(digest_hex(
	               "sha256:../../../../../../../../../../../../../../../../../../../../../x"),
	        NULL, "a path");
	is_str(digest_hex(""), NULL, "nothing");
}

int main(void)
{
	vectors();
	descriptors();
	digests();
	return done();
}
