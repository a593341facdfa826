/* SPDX-License-Identifier: MIT
 * pingpong serve PORT: answers each byte with one, on connections one after another.
 * pingpong HOST PORT COUNT: prints the half and the 99 of 100 quickest of COUNT round trips, in
 * microseconds: "p50 N p99 N". */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int must(int r, const char *what)
{
	if (r >= 0)
		return r;
	fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void at_once(int fd)
{
	int on = 1;

	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
}

static void serve(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), on = 1;

	must(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
	must(bind(fd, (struct sockaddr *)&a, sizeof a), "bind");
	must(listen(fd, 8), "listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		int c = must(accept(fd, NULL, NULL), "accept");
		char byte;

		at_once(c);
		while (read(c, &byte, 1) == 1 && write(c, &byte, 1) == 1)
			;
		close(c);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void ask(const char *host, const char *port, size_t count)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	double *us = calloc(count, sizeof *us);

	if (!us || inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		fprintf(stderr, "pingpong: %s\n", us ? host : "no memory");
		exit(1);
	}
	must(connect(fd, (struct sockaddr *)&a, sizeof a), "connect");
	at_once(fd);
	for (size_t i = 0; i < count; i++) {
		char byte = 'x';

		us[i] = now();
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1) {
			fprintf(stderr, "pingpong: the connection ended\n");
			exit(1);
		}
		us[i] = now() - us[i];
	}
	qsort(us, count, sizeof *us, compare);
	printf("p50 %.0f p99 %.0f\n", us[count / 2], us[count * 99 / 100]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve")) {
		serve(argv[2]);
	} else if (argc == 4 && atoi(argv[3]) > 0) {
		ask(argv[1], argv[2], (size_t)atoi(argv[3]));
	} else {
		fprintf(stderr, "usage: pingpong serve PORT | HOST PORT COUNT\n");
		return 2;
	}
	return 0;
}
