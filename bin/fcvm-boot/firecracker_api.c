/* SPDX-License-Identifier: MIT */
#include "firecracker_api.h"
#include "cleanup.h"
#include "clock.h"
#include "firecracker_http.h"
#include "json.h"
#include "num.h"
#include "signals.h"
#include "status.h"
#include "strv.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECT_EVERY_MS 2
#define LOOK_MS          100   /* for a signal */
#define BODY_MAX         51200 /* what the server takes if not told otherwise */
#define BUF_SIZE         (FC_HEAD_MAX + FC_BODY_MAX)

static bool has_ended(const struct proc *p)
{
	struct pollfd e = {.fd = p->pidfd, .events = POLLIN};

	return poll(&e, 1, 0) > 0;
}

static int try_connect(int dir, const char *name)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/%s", dir, name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		return -errno;
	return steal_fd(&fd);
}

int fc_api_connect(struct fc_api *a, int dir, const char *name, const struct proc *p,
        int timeout_ms, struct err *e)
{
	int64_t until = clock_ms() + timeout_ms;

	*a = (struct fc_api){.fd = -1, .proc = p, .timeout_ms = timeout_ms};
	a->buf = malloc(BUF_SIZE);
	if (!a->buf)
		return err_sys(e, "cannot hold the answers of firecracker");
	for (;;) {
		struct pollfd end = {.fd = p->pidfd, .events = POLLIN};

		a->fd = try_connect(dir, name);
		if (a->fd >= 0)
			return 0;
		if (a->fd != -ENOENT && a->fd != -ECONNREFUSED && a->fd != -EAGAIN) {
			errno = -a->fd;
			return err_sys(e, "cannot connect to firecracker");
		}
		if (clock_ms() >= until)
			return err_set(e, FCVM_EX_FAIL, "firecracker does not open its API socket");
		if (poll(&end, 1, CONNECT_EVERY_MS) > 0)
			return err_set(e, FCVM_EX_FAIL, "firecracker ended as it started");
	}
}

void fc_api_close(struct fc_api *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	free(a->buf);
	a->buf = NULL;
}

/* 0 when the connection is ready; the answer of a process that has just ended may still be there,
 * so that is looked at first. */
static int wait_for(struct fc_api *a, short events, int64_t until, struct err *e)
{
	for (;;) {
		struct pollfd p[2] = {
		        {.fd = a->fd, .events = events}, {.fd = a->proc->pidfd, .events = POLLIN}};
		int64_t left = until - clock_ms();
		int r = poll(p, 2, left > LOOK_MS ? LOOK_MS : left > 0 ? (int)left : 0), sig;

		if (r == 0 && (sig = signals_waiting()))
			return err_set(e, FCVM_EX_SIGNAL + sig, "%s", "");
		if (r < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for firecracker");
		if (p[0].revents)
			return 0;
		if (r > 0)
			return err_set(e, FCVM_EX_FAIL, "firecracker ended without an answer");
		if (left <= 0)
			return err_set(e, FCVM_EX_FAIL, "firecracker does not answer in %d ms",
			        a->timeout_ms);
	}
}

static int send_all(struct fc_api *a, const char *text, size_t n, int64_t until, struct err *e)
{
	while (n) {
		ssize_t sent = send(a->fd, text, n, MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return err_set(e, FCVM_EX_FAIL, "firecracker %s",
			        has_ended(a->proc) ? "has ended" : "closed the connection");
		if (sent < 0 && wait_for(a, POLLOUT, until, e) < 0)
			return -1;
		if (sent > 0) {
			text += sent;
			n -= (size_t)sent;
		}
	}
	return 0;
}

static int receive(struct fc_api *a, struct fc_answer *answer, int64_t until, struct err *e)
{
	int r;

	a->n = 0; /* one request at a time: whatever came unasked is not an answer to this one */
	while ((r = fc_answer_parse(a->buf, a->n, answer)) == 0) {
		ssize_t n;

		if (wait_for(a, POLLIN, until, e) < 0)
			return -1;
		n = recv(a->fd, a->buf + a->n, BUF_SIZE - a->n, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return err_set(e, FCVM_EX_FAIL,
			        "firecracker closed the connection %s an answer",
			        a->n ? "within" : "without");
		a->n += (size_t)n;
	}
	return r > 0 ? 0 : err_set(e, FCVM_EX_FAIL, "firecracker's answer is not understood");
}

static int check(const struct fc_answer *answer, json_t **doc, struct err *e)
{
	char reason[500];

	if (answer->status != 200 && answer->status != 204) {
		fc_answer_reason(answer, reason, sizeof reason);
		return err_set(
		        e, FCVM_EX_FAIL, "refused with status %d: %s", answer->status, reason);
	}
	if (!doc)
		return 0;
	*doc = json_parse(answer->body, answer->body_size, "firecracker's answer", e);
	return *doc ? 0 : -1;
}

/* Head and body in one piece, which the server reads as one. */
static char *request(const char *method, const char *path, const char *body)
{
	if (!body)
		return xasprintf("%s %s HTTP/1.1\r\nHost: localhost\r\n"
		                 "Accept: application/json\r\n\r\n",
		        method, path);
	return xasprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
	                 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	        method, path, strlen(body), body);
}

int fc_api_call(struct fc_api *a, const char *method, const char *path, json_t *body,
        json_t **answer, struct err *e)
{
	auto_json json_t *j = body;
	auto_free char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	auto_free char *whole = NULL;
	int64_t until = clock_ms() + a->timeout_ms;
	struct fc_answer got;

	if ((j && !text) || (text && strlen(text) > BODY_MAX))
		return err_set(e, FCVM_EX_FAIL, "%s %s: the request is too long", method, path);
	whole = request(method, path, text);
	if (send_all(a, whole, strlen(whole), until, e) == 0 && receive(a, &got, until, e) == 0 &&
	        check(&got, answer, e) == 0)
		return 0;
	return e->status > FCVM_EX_SIGNAL ? -1 : err_prefix(e, "%s %s", method, path);
}

int fc_version_parse(const char *text, struct fc_version *v)
{
	unsigned parts[3];

	if (*text == 'v')
		text++;
	for (int i = 0; i < 3; i++) {
		size_t n = strspn(text, "0123456789");
		char number[8];
		uint64_t value;

		snprintf(number, sizeof number, "%.*s", n < 7 ? (int)n : 7, text);
		if (num_u64(number, 0, 99999, &value) < 0 || (i < 2 && text[n] != '.'))
			return -1;
		parts[i] = (unsigned)value;
		text += n + (i < 2);
	}
	*v = (struct fc_version){parts[0], parts[1], parts[2]};
	return 0;
}

bool fc_version_has(const struct fc_version *v, unsigned major, unsigned minor)
{
	return v->major > major || (v->major == major && v->minor >= minor);
}

int fc_api_version(struct fc_api *a, struct err *e)
{
	auto_json json_t *doc = NULL;
	const char *text;

	if (fc_api_call(a, "GET", "/version", NULL, &doc, e) < 0)
		return -1;
	text = json_string_value(json_object_get(doc, "firecracker_version"));
	if (!text || fc_version_parse(text, &a->version) < 0)
		return err_set(e, FCVM_EX_FAIL, "firecracker does not say its version");
	return 0;
}
