/* SPDX-License-Identifier: MIT */
#include "control.h"
#include "cleanup.h"
#include "clock.h"
#include "json.h"
#include "status.h"
#include "vms.h"
#include "xio.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static int check_peer(int fd, struct err *e)
{
	struct ucred peer;
	socklen_t n = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return err_sys(e, "cannot tell whose VM this is");
	if (peer.uid != geteuid() && peer.uid != 0)
		return err_set(e, FCVM_EX_FAIL, "this VM belongs to user %u", peer.uid);
	return 0;
}

int control_connect(const char *dir, struct control *c, struct err *e)
{
	auto_fd int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	*c = (struct control){.fd = -1};
	proto_in_init(&c->in, PROTO_GUEST);
	if (dir_fd < 0)
		return err_set(e, FCVM_EX_NOTFOUND, "the VM has ended");
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return err_sys(e, "cannot make a socket");
	/* The directory's own path may be longer than a socket's name can be. */
	snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/" CONTROL_NAME, dir_fd);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) {
		if (errno != ECONNREFUSED && errno != ENOENT)
			return err_sys(e, "cannot connect to the VM");
		if (errno == ENOENT && !vm_has_ended(dir_fd))
			return err_set(e, FCVM_EX_BUSY, "the VM is still starting");
		return err_set(e, FCVM_EX_NOTFOUND, "the VM has ended");
	}
	return check_peer(c->fd, e);
}

void control_close(struct control *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	proto_in_free(&c->in);
	proto_text_clear(&c->text);
}

int control_send(struct control *c, json_t *request, struct err *e)
{
	auto_json json_t *j = request;
	auto_free char *text = json_dumps(j, JSON_COMPACT);
	struct proto_out out = {0};
	int r = text ? proto_put_text(&out, 0, PROTO_CONTROL, text, strlen(text)) : -ENOBUFS;

	while (r == 0 && proto_pending(&out)) {
		ssize_t n = send(c->fd, out.buf + out.start, out.end - out.start, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			r = -errno;
		else if (n > 0)
			out.start += (size_t)n;
	}
	proto_out_free(&out);
	if (r == -EPIPE || r == -ECONNRESET)
		return 0; /* the answer, or its absence, tells more */
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot ask the VM");
	}
	return 0;
}

/* More bytes: 1; the end: 0; -1 with e filled. */
static int fill(struct control *c, int64_t until, struct err *e)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};
	size_t space;
	uint8_t *to = proto_in_space(&c->in, &space);
	ssize_t n;

	for (;;) {
		int64_t left = until < 0 ? -1 : until - clock_ms();

		if (until >= 0 && left <= 0)
			return err_set(e, FCVM_EX_FAIL, "the VM does not answer");
		n = poll(&p, 1, (int)left);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "cannot wait for the VM");
		if (n > 0)
			break;
	}
	n = recv(c->fd, to, space, 0);
	if (n < 0 && errno != ECONNRESET)
		return err_sys(e, "cannot hear the VM");
	if (n <= 0)
		return 0;
	proto_in_filled(&c->in, (size_t)n);
	return 1;
}

static json_t *message(struct control *c, struct err *e)
{
	json_t *j = json_parse(c->text.buf, c->text.len, "the VM's answer", e);
	const char *type = json_string_value(json_object_get(j, "type"));

	proto_text_clear(&c->text);
	if (type && !strcmp(type, "ERROR")) {
		const char *why = json_string_value(json_object_get(j, "error"));
		json_int_t status = json_integer_value(json_object_get(j, "status"));

		err_set(e, status > 0 && status < 256 ? (int)status : FCVM_EX_FAIL, "%s",
		        why ? why : "the VM refused without a reason");
		json_decref(j);
		return NULL;
	}
	return j;
}

json_t *control_receive(struct control *c, int timeout_ms, bool *ended, struct err *e)
{
	int64_t until = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
	struct frame f;
	int r;

	if (ended)
		*ended = false;
	for (;;) {
		while ((r = proto_next(&c->in, &f)) == 1) {
			if (f.type != PROTO_CONTROL || (r = proto_text_add(&c->text, &f)) < 0)
				r = -EPROTO;
			if (r != 0)
				break;
		}
		if (r == 1)
			return message(c, e);
		if (r < 0) {
			err_set(e, FCVM_EX_FAIL,
			        "the VM answered something that is not the protocol");
			return NULL;
		}
		r = fill(c, until, e);
		if (r == 0) {
			if (ended)
				*ended = true;
			err_set(e, FCVM_EX_NOTFOUND, "the VM has ended");
		}
		if (r <= 0)
			return NULL;
	}
}

json_t *control_ask(struct control *c, json_t *request, struct err *e)
{
	return control_send(c, request, e) < 0 ? NULL : control_receive(c, CONTROL_MS, NULL, e);
}
