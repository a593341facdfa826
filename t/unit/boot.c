/* SPDX-License-Identifier: MIT
 * fcvm-boot's parts that need no machine: the bounded console, the sinks, the host check. */
#include "console.h"
#include "err.h"
#include "host.h"
#include "sink.h"
#include "status.h"
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A console that is fed and then asked. */
static void console_of(struct console *c, const char *text, size_t n)
{
	int pair[2];

	if (console_open(c, -1) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	while (n) {
		size_t part = n < 4096 ? n : 4096;

		if (write(pair[1], text, part) != (ssize_t)part)
			abort();
		console_drain(c, pair[0]);
		text += part;
		n -= part;
	}
	close(pair[0]);
	close(pair[1]);
}

static void consoles(void)
{
	size_t n = CONSOLE_MAX * 3;
	char *big = malloc(n), out[300];
	struct console c;

	memset(big, 'a', n);
	memcpy(big + n - 60, "\n[1.2] Kernel panic - not syncing: \x1b[31mVFS: no root\r\n", 55);
	console_of(&c, big, n);
	ok(lseek(c.file, 0, SEEK_END) <= (off_t)CONSOLE_MAX, "the console's file is bounded");
	ok(console_panic(&c, out, sizeof out), "its newest text is what is kept");
	is_str(out, "?[31mVFS: no root", "a panic's reason is found, without control characters");
	console_close(&c);

	console_of(&c, "one\ntwo\n", 8);
	ok(!console_panic(&c, out, sizeof out), "no panic where there is none");
	console_tail(&c, out, sizeof out);
	is_str(out, "  | one\n  | two\n", "the tail is indented line by line");
	console_close(&c);
	free(big);
}

static void await(int wake)
{
	struct pollfd p = {.fd = wake, .events = POLLIN};
	uint64_t count;

	poll(&p, 1, 10000);
	if (read(wake, &count, sizeof count) < 0)
		return;
}

static void sinks(void)
{
	static char data[SINK_WINDOW], back[SINK_WINDOW];
	int p[2], wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	size_t got = 0, credit = 0;
	struct sink *s;

	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 7 + i / 256);
	if (pipe2(p, O_CLOEXEC) < 0)
		abort();
	s = sink_new(p[1], wake);
	ok(sink_put(s, data, sizeof data), "a sink takes a whole window at once");
	ok(!sink_put(s, data, 65537 + sizeof data), "and refuses what cannot fit");
	while (got < sizeof back) {
		ssize_t n = read(p[0], back + got, sizeof back - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	is_mem(back, got, data, sizeof data, "the bytes come out as they went in");
	while (credit < sizeof data) {
		await(wake);
		credit += sink_taken(s);
	}
	is_int(credit, sizeof data, "and are granted again");
	close(p[0]);
	sink_put(s, data, 10);
	while (!sink_broken(s))
		await(wake);
	ok(sink_put(s, data, 10), "a broken sink swallows what still comes");
	sink_finish(s);
	while (!sink_idle(s))
		await(wake);
	ok(true, "and becomes idle");
	sink_free(s);
	close(p[1]);
	close(wake);
}

static void hosts(void)
{
	struct err e;

	is_int(host_check(1, 1 << 20, &e), 0, "a small machine fits");
	is_int(host_check(1, (uint64_t)1 << 50, &e), -1, "one of a pebibyte does not");
	ok(strstr(e.text, "--memory") && strstr(e.text, "available"), "which is said: %s", e.text);
	is_int(host_check(100000, 1 << 20, &e), -1, "nor do a hundred thousand processors");
	ok(strstr(e.text, "--cpus 100000: this host has"), "which is said: %s", e.text);
	is_int(e.status, FCVM_EX_FAIL, "with fcvm's own status");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	consoles();
	sinks();
	hosts();
	return done();
}
