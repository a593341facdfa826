/* SPDX-License-Identifier: MIT */
#include "source.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <sys/stat.h>

#define HEAD ((size_t)1 << 20) /* a block of bzip2 must fit, or nothing comes out */

enum kind { KIND_IMAGE, KIND_PACKAGE };

/* Compressed files may be either: look at how the unpacked bytes begin. */
static enum kind kind_of(const uint8_t *p, size_t n)
{
	enum kernel_comp c = kernel_comp_sniff(p, n);
	uint8_t start[1024];
	size_t got;

	if (kernel_image_is(p, n))
		return KIND_IMAGE;
	if (kernel_package_is(p, n))
		return KIND_PACKAGE;
	if (c == KERNEL_COMP_NONE)
		return KIND_IMAGE; /* which says what is wrong with it */
	got = kernel_decompress_start(c, p, n, start, sizeof start);
	return kernel_package_is(start, got) ? KIND_PACKAGE : KIND_IMAGE;
}

static int open_regular(const char *file, uint64_t *size, struct err *e)
{
	auto_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int status = errno == ENOENT ? FCVM_EX_NOTFOUND : FCVM_EX_SYS;

		err_sys(e, "cannot open");
		if (e)
			e->status = status;
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		return err_set(e, FCVM_EX_DATA, "a directory, not a kernel");
	if (!S_ISREG(st.st_mode))
		return err_set(e, FCVM_EX_DATA, "not a regular file");
	*size = (uint64_t)st.st_size;
	return steal_fd(&fd);
}

static int read_image(const char *file, struct kernel_source *s, struct err *e)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int r = read_file_at(AT_FDCWD, file, KERNEL_IMAGE_MAX, &text, &n);

	if (r == -EFBIG)
		return kernel_comp_large(KERNEL_IMAGE_MAX, e);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot read");
	}
	return kernel_image_unpack((uint8_t *)text, n, KERNEL_IMAGE_MAX, &s->image, e);
}

static int read_package(
        const char *file, const char *member, bool whole, struct kernel_source *s, struct err *e)
{
	s->packed = true;
	if (kernel_package_read(file, member, &s->pkg, e) < 0)
		return -1;
	if (!s->pkg.image.p)
		return !whole ? 0
		              : err_set(e, FCVM_EX_DATA,
		                        "holds no kernel: no vmlinuz, vmlinux or bzImage among its "
		                        "%zu entries",
		                        s->pkg.entries);
	if (kernel_image_unpack(s->pkg.image.p, s->pkg.image.n, KERNEL_IMAGE_MAX, &s->image, e) < 0)
		return err_prefix(e, "%s", s->pkg.image_path);
	kernel_bytes_free(&s->pkg.image);
	return 0;
}

int kernel_source_read(
        const char *file, const char *member, bool whole, struct kernel_source *out, struct err *e)
{
	auto_free uint8_t *head = xcalloc(1, HEAD);
	auto_fd int fd = open_regular(file, &out->size, e);
	ssize_t n;
	int r;

	if (fd < 0)
		return err_prefix(e, "%s", file);
	n = read_full(fd, head, HEAD);
	if (n < 0) {
		errno = (int)-n;
		return err_sys(e, "%s: cannot read", file);
	}
	if (kind_of(head, (size_t)n) == KIND_PACKAGE)
		r = read_package(file, member, whole, out, e);
	else if (member)
		r = err_set(e, FCVM_EX_DATA, "no archive, so it has no member %s", member);
	else
		r = read_image(file, out, e);
	return r < 0 ? err_prefix(e, "%s", file) : 0;
}

void kernel_source_free(struct kernel_source *s)
{
	kernel_package_free(&s->pkg);
	kernel_image_free(&s->image);
}
