/* SPDX-License-Identifier: MIT */
#include "fakefc.h"
#include "strv.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00) /* since Linux 6.1 */
#endif

#define MIB   ((size_t)1 << 20)
#define PAGE  ((size_t)4096)
#define EVERY 64 /* pages */
#define SOME  8  /* of the pages are looked at where each is a fault */

static uint64_t word_at(size_t offset)
{
	return offset / PAGE % EVERY ? 0 : (offset + 1) * 0x9e3779b97f4a7c15ULL;
}

static int no(char **why, const char *what)
{
	*why = xasprintf("%s: %s", what, strerror(errno));
	return -1;
}

/* All of it, as the real one does; a file of the size stays, any other is made that long. */
int fake_memory_write(const char *path, long mib, char **why)
{
	uint64_t *buf = calloc(1, MIB);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int r = fd < 0 ? -1 : ftruncate(fd, mib * (off_t)MIB);

	for (size_t at = 0; r == 0 && at < (size_t)mib * MIB; at += MIB) {
		for (size_t i = 0; i < MIB / sizeof *buf; i++)
			buf[i] = word_at(at + i * sizeof *buf);
		r = pwrite(fd, buf, MIB, (off_t)at) == (ssize_t)MIB ? 0 : -1;
	}
	if (r == 0)
		r = fsync(fd);
	if (r < 0)
		no(why, "Cannot create snapshot: Memory");
	if (fd >= 0)
		close(fd);
	free(buf);
	return r;
}

static int check(const volatile uint64_t *map, size_t size, size_t step, char **why)
{
	for (size_t at = 0; at < size; at += PAGE * step)
		for (size_t i = 0; i < PAGE / sizeof *map; i++)
			if (map[at / sizeof *map + i] != word_at(at + i * sizeof *map)) {
				*why = xasprintf("the page at %zu is not as it was saved", at);
				return -1;
			}
	return 0;
}

int fake_memory_map(const char *path, long mib, char **why)
{
	size_t size = (size_t)mib * MIB;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map = MAP_FAILED;

	if (fd >= 0 && fstat(fd, &st) == 0 && (size_t)st.st_size >= size)
		map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (map == MAP_FAILED)
		return no(why, "Failed to load guest memory");
	return check(map, size, 1, why);
}

/* The one message, with the one descriptor. Nothing is ever answered. */
static int describe(int sock, int uffd, const void *map, size_t size)
{
	char *text = xasprintf("[{\"base_host_virt_addr\":%" PRIuPTR
	                       ",\"size\":%zu,\"offset\":0,\"page_size\":4096,"
	                       "\"page_size_kib\":4096}]",
	        (uintptr_t)map, size);
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec v = {text, strlen(text)};
	struct msghdr m = {.msg_iov = &v,
	        .msg_iovlen = 1,
	        .msg_control = &control,
	        .msg_controllen = sizeof control};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &uffd, sizeof uffd);
	n = sendmsg(sock, &m, MSG_NOSIGNAL);
	free(text);
	return n < 0 ? -1 : 0;
}

static int open_uffd(void)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd = dev < 0 ? -1 : ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);

	if (dev >= 0)
		close(dev);
	return fd >= 0 ? fd : (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
}

int fake_memory_page(const char *path, long mib, char **why)
{
	size_t size = (size_t)mib * MIB;
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
	        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int uffd = open_uffd();
	struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE};
	struct uffdio_register all = {
	        .range = {(uintptr_t)map, size}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof to.sun_path) {
		errno = ENAMETOOLONG;
		return no(why, "UffdSocket");
	}
	strcpy(to.sun_path, path);
	if (map == MAP_FAILED || uffd < 0 || ioctl(uffd, UFFDIO_API, &api) < 0 ||
	        ioctl(uffd, UFFDIO_REGISTER, &all) < 0)
		return no(why, "Failed to load guest memory: userfaultfd");
	if (sock < 0 || connect(sock, (struct sockaddr *)&to, sizeof to) < 0 ||
	        describe(sock, uffd, map, size) < 0)
		return no(why, "Failed to load guest memory: cannot connect to the page server");
	/* Both stay open; faults come before the load is answered. */
	return check(map, size, SOME, why);
}
