/* SPDX-License-Identifier: MIT
 * memclient make FILE MIB: writes a memory file whose every word tells where it is.
 * memclient touch SOCKET MIB [options]: does what a VMM does with a page server: memory in regions,
 * one userfaultfd, one message, a connection that stays open; then threads touch all of it in
 * random order, every byte is compared, and "ok" and what was asked for is printed.
 *   threads=N regions=N page=4096|2097152 touches=N (0: every page once)
 *   remove=1   pages are written, given back and must be zero then, at random and all the time
 *   pause=1    "connected" is printed first, and touching begins when a line comes on stdin
 *   hold=1     stays, once all is touched, until stdin ends
 *   latency=1  prints the nanoseconds of each first touch: p50 and p99, and those of all together
 *   seed=N     the same random order as all with this number
 *   say=TEXT   sends this instead of the description; fd=none|pipe instead of the userfaultfd
 *   split=1    sends the description in two pieces; close=1: closes the connection after it
 *   fork=1     asks for, and causes, events that nobody expects */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

struct conf {
	uint64_t size;
	long threads, regions, page, touches, remove, pause, hold, latency, split, close, fork,
	        seed;
	const char *say, *fd;
	char *at[16]; /* of each region */
	uint64_t part;
	int uffd, sock;
};

struct worker {
	struct conf *c;
	pthread_t thread;
	uint64_t first, n; /* its pages */
	uint64_t seed;
	uint8_t *state; /* of each page: */
	uint32_t *ns;   /* latency= */
	const char *wrong;
};
enum { FILED, ZERO, WRITTEN };

static void die(const char *what)
{
	fprintf(stderr, "memclient: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t word_at(uint64_t offset)
{
	return (offset + 1) * 0x9e3779b97f4a7c15ULL;
}

static uint64_t next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static int make(const char *path, uint64_t size)
{
	static uint64_t buf[MIB / 8];
	FILE *f = fopen(path, "we");

	if (!f)
		die(path);
	for (uint64_t at = 0; at < size; at += MIB) {
		for (uint64_t i = 0; i < MIB / 8; i++)
			buf[i] = word_at(at + i * 8);
		if (fwrite(buf, MIB, 1, f) != 1)
			die(path);
	}
	return fclose(f) ? 2 : 0;
}

static volatile uint64_t *page_at(const struct conf *c, uint64_t page)
{
	uint64_t offset = page * (uint64_t)c->page;

	return (volatile uint64_t *)(c->at[offset / c->part] + offset % c->part);
}

/* The word of a page in that state. */
static uint64_t expected(int state, uint64_t offset)
{
	return state == FILED ? word_at(offset) : state == ZERO ? 0 : ~word_at(offset);
}

static int same(const struct conf *c, uint64_t page, int state)
{
	volatile uint64_t *p = page_at(c, page);
	uint64_t at = page * (uint64_t)c->page;

	for (uint64_t i = 0; i < (uint64_t)c->page / 8; i++)
		if (p[i] != expected(state, at + i * 8))
			return 0;
	return 1;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int touch(struct worker *w, uint64_t page)
{
	int64_t start = now_ns();
	volatile uint64_t *p = page_at(w->c, page);

	(void)*(p + next(&w->seed) % ((uint64_t)w->c->page / 8));
	if (w->ns)
		w->ns[page - w->first] = (uint32_t)(now_ns() - start);
	if (same(w->c, page, w->state[page - w->first]))
		return 0;
	w->wrong = "a page is not what it must be";
	return -1;
}

/* Writes some pages, gives a range of them back. */
static void give_back(struct worker *w, uint64_t page)
{
	uint64_t left = w->first + w->n - page, n = 1 + next(&w->seed) % 32;

	if (n > left)
		n = left;
	/* Ranges must not cross regions, which are apart. */
	n = n > w->c->part / (uint64_t)w->c->page - page % (w->c->part / (uint64_t)w->c->page) ? 1
	                                                                                       : n;
	for (uint64_t i = page; i < page + n; i += 3) {
		volatile uint64_t *p = page_at(w->c, i);

		for (uint64_t j = 0; j < (uint64_t)w->c->page / 8; j++)
			p[j] = ~word_at(i * (uint64_t)w->c->page + j * 8);
		w->state[i - w->first] = WRITTEN;
	}
	if (next(&w->seed) % 4 == 0)
		return;
	if (madvise((void *)(uintptr_t)page_at(w->c, page), n * (uint64_t)w->c->page,
	            MADV_DONTNEED) < 0)
		die("madvise");
	memset(w->state + (page - w->first), ZERO, n);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t *order = calloc(w->n, sizeof *order);
	uint64_t touches = w->c->touches ? (uint64_t)w->c->touches : w->n;

	if (!order)
		die("memory");
	for (uint64_t i = 0; i < w->n; i++)
		order[i] = w->first + i;
	for (uint64_t i = w->n; i-- > 1;) {
		uint64_t j = next(&w->seed) % (i + 1), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (uint64_t i = 0; i < touches && !w->wrong; i++) {
		uint64_t page = order[i % w->n];

		if (w->c->remove && next(&w->seed) % 8 == 0)
			give_back(w, page);
		touch(w, page);
	}
	free(order);
	return NULL;
}

static void map_memory(struct conf *c)
{
	int huge = c->page == 4096 ? 0 : MAP_HUGETLB | 21 << 26;

	c->part = c->size / (uint64_t)c->regions;
	for (long i = 0; i < c->regions; i++) {
		c->at[i] = mmap(NULL, c->part, PROT_READ | PROT_WRITE,
		        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | huge, -1, 0);
		if (c->at[i] == MAP_FAILED)
			die("mmap");
	}
}

static void register_memory(struct conf *c)
{
	struct uffdio_api api = {.api = UFFD_API,
	        .features = UFFD_FEATURE_EVENT_REMOVE | (c->fork ? UFFD_FEATURE_EVENT_FORK : 0)};
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

	c->uffd = dev >= 0 ? ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK)
	                   : (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (c->uffd < 0 || ioctl(c->uffd, UFFDIO_API, &api) < 0)
		die("userfaultfd");
	for (long i = 0; i < c->regions; i++) {
		struct uffdio_register r = {.range = {.start = (uintptr_t)c->at[i], .len = c->part},
		        .mode = UFFDIO_REGISTER_MODE_MISSING};

		if (ioctl(c->uffd, UFFDIO_REGISTER, &r) < 0)
			die("UFFDIO_REGISTER");
	}
}

static void send_with_fd(int sock, const char *text, size_t n, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *h;

		m.msg_control = control;
		m.msg_controllen = sizeof control;
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(h), &fd, sizeof fd);
	}
	if (sendmsg(sock, &m, MSG_NOSIGNAL) < 0)
		die("sendmsg");
}

static void shake_hands(struct conf *c, const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[4096] = "[";
	int fd = c->uffd, p[2];
	size_t n;

	snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
	c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->sock < 0 || connect(c->sock, (struct sockaddr *)&to, sizeof to) < 0)
		die(path);
	for (long i = 0; i < c->regions; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text),
		        "%s{\"base_host_virt_addr\":%llu,\"size\":%llu,\"offset\":%llu,"
		        "\"page_size\":%ld,\"page_size_kib\":%ld}",
		        i ? "," : "", (unsigned long long)(uintptr_t)c->at[i],
		        (unsigned long long)c->part, (unsigned long long)i * c->part, c->page,
		        c->page);
	strcat(text, "]");
	if (c->say)
		snprintf(text, sizeof text, "%s", c->say);
	if (c->fd && !strcmp(c->fd, "pipe"))
		fd = pipe(p) == 0 ? p[0] : -1;
	else if (c->fd)
		fd = -1;
	n = c->split ? strlen(text) / 2 : strlen(text);
	send_with_fd(c->sock, text, n, fd);
	if (c->split)
		send_with_fd(c->sock, text + n, strlen(text) - n, -1);
	if (c->close)
		close(c->sock);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_latency(struct worker *w, long n)
{
	uint64_t total = 0, sum = 0;
	uint32_t *all;

	for (long i = 0; i < n; i++)
		total += w[i].n;
	all = calloc(total, sizeof *all);
	total = 0;
	for (long i = 0; all && i < n; i++)
		for (uint64_t j = 0; j < w[i].n; j++)
			if (w[i].ns[j])
				all[total++] = w[i].ns[j];
	if (!all || !total)
		die("no touches");
	qsort(all, total, sizeof *all, compare);
	for (uint64_t i = 0; i < total; i++)
		sum += all[i];
	printf("p50 %u p99 %u all %llu\n", all[total / 2], all[total * 99 / 100],
	        (unsigned long long)sum);
	free(all);
}

static int run_workers(struct conf *c)
{
	struct worker w[64] = {0};
	uint64_t pages = c->size / (uint64_t)c->page;
	int wrong = 0;

	for (long i = 0; i < c->threads; i++) {
		w[i] = (struct worker){.c = c,
		        .first = pages * (uint64_t)i / (uint64_t)c->threads,
		        .seed = (uint64_t)(c->seed ? c->seed : getpid()) * 1000003 + (uint64_t)i +
		                1};
		w[i].n = pages * (uint64_t)(i + 1) / (uint64_t)c->threads - w[i].first;
		w[i].state = calloc(w[i].n, 1);
		w[i].ns = c->latency ? calloc(w[i].n, sizeof *w[i].ns) : NULL;
		if (!w[i].state || pthread_create(&w[i].thread, NULL, work, &w[i]))
			die("thread");
	}
	for (long i = 0; i < c->threads; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].wrong) {
			printf("wrong: %s\n", w[i].wrong);
			wrong = 1;
		}
	}
	if (c->latency && !wrong)
		print_latency(w, c->threads);
	return wrong;
}

static void option(struct conf *c, const char *word)
{
	const struct {
		const char *name;
		long *to;
	} numbers[] = {{"threads=", &c->threads}, {"regions=", &c->regions}, {"page=", &c->page},
	        {"touches=", &c->touches}, {"remove=", &c->remove}, {"pause=", &c->pause},
	        {"hold=", &c->hold}, {"latency=", &c->latency}, {"split=", &c->split},
	        {"close=", &c->close}, {"fork=", &c->fork}, {"seed=", &c->seed}};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!strncmp(word, numbers[i].name, strlen(numbers[i].name))) {
			*numbers[i].to = strtol(strchr(word, '=') + 1, NULL, 10);
			return;
		}
	if (!strncmp(word, "say=", 4))
		c->say = word + 4;
	else if (!strncmp(word, "fd=", 3))
		c->fd = word + 3;
	else
		die(word);
}

int main(int argc, char **argv)
{
	struct conf c = {.threads = 8, .regions = 1, .page = 4096};
	int wrong;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4)
		return 2;
	if (!strcmp(argv[1], "make"))
		return make(argv[2], (uint64_t)strtoul(argv[3], NULL, 10) * MIB);
	c.size = (uint64_t)strtoul(argv[3], NULL, 10) * MIB;
	for (int i = 4; i < argc; i++)
		option(&c, argv[i]);
	if (c.threads < 1 || c.threads > 64 || c.regions < 1 || c.regions > 16)
		return 2;
	map_memory(&c);
	register_memory(&c);
	shake_hands(&c, argv[2]);
	if (c.pause) {
		puts("connected");
		getchar();
	}
	if (c.fork && fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	wrong = run_workers(&c);
	puts(wrong ? "failed" : "ok");
	while (c.hold && getchar() != EOF)
		;
	return wrong;
}
