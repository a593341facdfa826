/* SPDX-License-Identifier: MIT */
#include "resolv.h"
#include "cleanup.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#define SEARCH_MAX 32 /* as glibc has no limit, but a guest's resolver may */

void resolv_init(struct resolv *r)
{
	memset(r, 0, sizeof *r);
	memset(r->udp, -1, sizeof r->udp);
}

/* getaddrinfo(3) for the sake of "fe80::1%eth0". */
static int add(struct resolv *r, const char *text)
{
	struct addrinfo want = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	                        .ai_family = AF_UNSPEC,
	                        .ai_socktype = SOCK_DGRAM},
	                *got;

	if (getaddrinfo(text, "53", &want, &got) != 0)
		return -EINVAL;
	if (r->n < RESOLV_MAX) {
		memcpy(&r->addr[r->n], got->ai_addr, got->ai_addrlen);
		r->len[r->n++] = got->ai_addrlen;
	}
	freeaddrinfo(got);
	return 0;
}

static void search_line(struct resolv *r, char **words)
{
	char *word;

	strv_free(&r->search);
	while (r->search.n < SEARCH_MAX && (word = strsep(words, " \t")))
		if (*word && strlen(word) < 254)
			strv_add(&r->search, word);
}

/* As glibc: the last of "search" and "domain" wins. */
static void line(struct resolv *r, char *text, bool servers)
{
	char *word = strsep(&text, " \t");

	if (!strcmp(word, "search") || !strcmp(word, "domain"))
		search_line(r, &text);
	else if (!strcmp(word, "nameserver") && servers)
		while ((word = strsep(&text, " \t")))
			if (*word) {
				add(r, word);
				break;
			}
}

int resolv_read(struct resolv *r, const struct strv *given, const char *path, struct err *e)
{
	auto_free char *text = NULL;
	char *next, *one;
	size_t len;

	if (given->n > RESOLV_MAX)
		return err_set(e, FCVM_EX_USAGE, "--dns: more than %d of them", RESOLV_MAX);
	for (size_t i = 0; i < given->n; i++)
		if (add(r, given->v[i]) < 0)
			return err_set(e, FCVM_EX_USAGE, "--dns %s: no IP address", given->v[i]);
	if (read_file_at(AT_FDCWD, path, 1 << 16, &text, &len) == 0)
		for (next = text; (one = strsep(&next, "\n"));)
			line(r, one, given->n == 0);
	if (r->n == 0)
		add(r, "127.0.0.1");
	return 0;
}

static bool open_one(struct resolv *r, size_t i)
{
	for (int k = 0; k < RESOLV_SOCKETS; k++) {
		int fd = socket(r->addr[i].ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		r->udp[i][k] = fd;
		if (fd < 0 || connect(fd, (struct sockaddr *)&r->addr[i], r->len[i]) < 0)
			return false;
	}
	return true;
}

static void close_one(struct resolv *r, size_t i)
{
	for (int k = 0; k < RESOLV_SOCKETS; k++) {
		if (r->udp[i][k] >= 0)
			close(r->udp[i][k]);
		r->udp[i][k] = -1;
	}
}

int resolv_open(struct resolv *r, struct err *e)
{
	size_t good = 0, n = r->n;

	for (size_t i = 0; i < n; i++) {
		r->addr[good] = r->addr[i];
		r->len[good] = r->len[i];
		if (open_one(r, good))
			good++;
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			return err_sys(e, "cannot make a socket for DNS");
		else
			close_one(r, good);
	}
	/* A host without any network: the guest hears that names cannot be resolved. */
	r->n = good;
	return 0;
}

void resolv_free(struct resolv *r)
{
	for (size_t i = 0; i < RESOLV_MAX; i++)
		close_one(r, i);
	strv_free(&r->search);
}
