/* SPDX-License-Identifier: MIT */
#include "fakefc.h"
#include "strv.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct conn {
	int fd;
	size_t n;
	char buf[HEAD_LINE_MAX * 16 + BODY_MAX + 1];
};

static const char keep_alive[] = "Server: Firecracker API\r\nConnection: keep-alive\r\n";

static void reply(int fd, int status, const char *body)
{
	if (!body)
		dprintf(fd, "HTTP/1.1 %d \r\n%s\r\n", status, keep_alive);
	else
		dprintf(fd,
		        "HTTP/1.1 %d \r\n%sContent-Type: application/json\r\nContent-Length: "
		        "%zu\r\n\r\n%s",
		        status, keep_alive, strlen(body), body);
}

static void hang_up(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->n = 0;
}

/* What is no HTTP gets an answer that is no JSON, as the real one's. */
static void not_http(struct conn *c, const char *why)
{
	char *body = xasprintf("{ \"error\": \"%s\nAll previous unanswered requests will be "
	                       "dropped.\" }",
	        why);

	reply(c->fd, 400, body);
	free(body);
	c->n = 0;
}

static void note(int status, const char *method, const char *path, const char *body, size_t n)
{
	const char *file = getenv("FAKEFC_LOG");
	const char *open_fd = getenv("FAKEFC_LOG_FD");
	int fd = open_fd ? fcntl(atoi(open_fd), F_DUPFD_CLOEXEC, 3)
	         : file  ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
	                 : -1;

	if (fd < 0)
		return;
	dprintf(fd, "%d %s %s%s%.*s\n", status, method, path, n ? " " : "", (int)n, body);
	close(fd);
}

/* True: the request was dealt with, badly. */
static bool misbehave(
        struct fake *f, struct conn *c, const char *method, const char *path, const char *body)
{
	char kind[16] = "", m[16] = "", p[200] = "", word[40] = "";

	if (sscanf(f->fault, "%15s %15s %199s %39s", kind, m, p, word) < 3 ||
	        strcmp(m, method) != 0 || strcmp(p, path) != 0 || !strstr(body, word))
		return false;
	if (!strcmp(kind, "refuse"))
		reply(c->fd, 400, "{\"fault_message\":\"refused for the test\"}");
	else if (!strcmp(kind, "die"))
		_exit(1);
	else if (!strcmp(kind, "half"))
		dprintf(c->fd, "HTTP/1.1 204 \r\nServer: Fire");
	else if (!strcmp(kind, "garbage"))
		dprintf(c->fd, "220 smtp.example ready\r\n\r\n");
	else if (!strcmp(kind, "close"))
		hang_up(c);
	else if (!strcmp(kind, "slow"))
		poll(NULL, 0, 700);
	return strcmp(kind, "slow") != 0;
}

static void serve(struct fake *f, struct conn *c, const char *method, const char *path,
        const char *body, size_t n)
{
	char *out;
	int status;

	if (misbehave(f, c, method, path, body))
		return;
	status = fake_request(f, method, path, body, n, &out);
	note(status, method, path, body, n);
	reply(c->fd, status, out);
	free(out);
	if (f->over)
		exit(1);
}

/* The length of the body, or -1. Lines beyond the limit are refused like the real one does. */
static long read_head(char *head, char *method, char *path, const char **why)
{
	char *save = NULL, *line = strtok_r(head, "\n", &save), end[16];
	long length = 0;

	if (!line || strlen(line) > HEAD_LINE_MAX - 1 ||
	        sscanf(line, "%15s %511s %15s", method, path, end) != 3 ||
	        strcmp(end, "HTTP/1.1") != 0)
		*why = "Invalid request line.";
	else if (strcmp(method, "GET") != 0 && strcmp(method, "PUT") != 0 &&
	         strcmp(method, "PATCH") != 0 && strcmp(method, "DELETE") != 0)
		*why = "Unsupported HTTP method.";
	while (!*why && (line = strtok_r(NULL, "\n", &save)) && *line != '\r') {
		if (strlen(line) > HEAD_LINE_MAX - 1 || !strchr(line, ':'))
			*why = "Invalid header.";
		else if (!strncasecmp(line, "content-length:", 15))
			length = strtol(line + 15, NULL, 10);
		else if (!strncasecmp(line, "transfer-encoding:", 18))
			*why = "Unsupported value for header.";
	}
	if (length < 0 || length > BODY_MAX)
		*why = "Payload size exceeds the limit.";
	return *why ? -1 : length;
}

static void speak(struct fake *f, struct conn *c)
{
	ssize_t n = read(c->fd, c->buf + c->n, sizeof c->buf - 1 - c->n);
	char method[16] = "", path[512] = "", *end, *head;
	const char *why = NULL;
	size_t size;
	long length;

	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->n += (size_t)n;
	c->buf[c->n] = 0;
	end = strstr(c->buf, "\r\n\r\n");
	if (!end) {
		if (c->n > HEAD_LINE_MAX && !memchr(c->buf, '\n', HEAD_LINE_MAX))
			not_http(c, "Invalid request line.");
		return;
	}
	size = (size_t)(end + 4 - c->buf);
	head = strndup(c->buf, size);
	length = read_head(head, method, path, &why);
	free(head);
	if (length < 0) {
		not_http(c, why);
	} else if (c->n > size + (size_t)length) {
		not_http(c, "Two requests at once: stricter than the real one.");
	} else if (c->n == size + (size_t)length) {
		c->n = 0;
		serve(f, c, method, path, end + 4, (size_t)length);
	}
}

static void newcomer(struct conn *conns, int listener)
{
	struct sockaddr_un from;
	socklen_t n = sizeof from;
	int fd = accept4(listener, (struct sockaddr *)&from, &n, SOCK_CLOEXEC);

	for (int i = 0; i < CONNS_MAX && fd >= 0; i++)
		if (conns[i].fd < 0) {
			conns[i].fd = fd;
			return;
		}
	reply(fd, 503, "{ \"error\": \"Too many open connections\" }");
	close(fd);
}

static void end_with_guest(pid_t guest)
{
	int ws;

	if (guest <= 0 || waitpid(guest, &ws, WNOHANG) != guest)
		return;
	if (WIFSIGNALED(ws)) {
		signal(WTERMSIG(ws), SIG_DFL);
		raise(WTERMSIG(ws));
	}
	if (WEXITSTATUS(ws))
		dprintf(2, "Error: RunWithApi(MicroVMStoppedWithError(%d))\n", WEXITSTATUS(ws));
	exit(WEXITSTATUS(ws));
}

static void loop(struct fake *f, int listener)
{
	struct conn *conns = calloc(CONNS_MAX, sizeof *conns);

	for (int i = 0; i < CONNS_MAX; i++)
		conns[i].fd = -1;
	for (;;) {
		struct pollfd p[CONNS_MAX + 1] = {{.fd = listener, .events = POLLIN}};

		for (int i = 0; i < CONNS_MAX; i++)
			p[i + 1] = (struct pollfd){.fd = conns[i].fd, .events = POLLIN | POLLRDHUP};
		if (poll(p, CONNS_MAX + 1, f->guest > 0 ? 5 : -1) > 0) {
			if (p[0].revents)
				newcomer(conns, listener);
			for (int i = 0; i < CONNS_MAX; i++)
				if (p[i + 1].revents & (POLLRDHUP | POLLHUP | POLLERR))
					hang_up(&conns[i]);
				else if (p[i + 1].revents)
					speak(f, &conns[i]);
		}
		end_with_guest(f->guest);
	}
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof at.sun_path)
		errno = ENAMETOOLONG;
	strncpy(at.sun_path, path, sizeof at.sun_path - 1);
	if (strlen(path) >= sizeof at.sun_path || fd < 0 ||
	        bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 10) < 0) {
		dprintf(2, "Error: RunWithApi(FailedToBindSocket(\"%s\")): %s\n", path,
		        strerror(errno));
		exit(1);
	}
	return fd;
}

static bool known(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcasecmp(word, *list))
			return true;
	return false;
}

static void metrics(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0)
		exit(1);
	dprintf(fd, "{\"utc_timestamp_ms\":1}\n");
	close(fd);
}

/* Both of those are checked as the real one does: by panic and by its own status. */
static const char *arguments(int argc, char **argv, int *log)
{
	static const char *const takes[] = {"--api-sock", "--id", "--log-path", "--metrics-path",
	        "--level", "--start-time-us", "--start-time-cpu-us", "--parent-cpu-time-us", NULL};
	static const char *const levels[] = {
	        "Off", "Error", "Warn", "Warning", "Info", "Debug", "Trace", NULL};
	const char *socket_path = "/run/firecracker.socket";

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 >= argc || !known(argv[i], takes)) {
			dprintf(2, "Error: ParseArguments: %s\n", argv[i]);
			exit(153);
		}
		if (!strcmp(argv[i], "--api-sock"))
			socket_path = argv[i + 1];
		if (!strcmp(argv[i], "--level") && !known(argv[i + 1], levels))
			exit(152);
		if (!strcmp(argv[i], "--log-path"))
			*log = open(argv[i + 1], O_CREAT | O_RDWR | O_NONBLOCK | O_CLOEXEC, 0600);
		if (!strcmp(argv[i], "--log-path") && *log < 0)
			exit(1);
		if (!strcmp(argv[i], "--log-path"))
			dprintf(*log, "the stand-in logs\n");
		if (!strcmp(argv[i], "--metrics-path"))
			metrics(argv[i + 1]);
		for (const char *c = argv[i + 1]; !strcmp(argv[i], "--id") && *c; c++)
			if ((!isalnum((unsigned char)*c) && *c != '-') || strlen(argv[i + 1]) > 64)
				abort();
	}
	return socket_path;
}

int main(int argc, char **argv)
{
	const char *fault = getenv("FAKEFC_FAULT"), *version = getenv("FAKEFC_VERSION");
	int log = -1;
	struct fake f = {.guest_state = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE,
	                         MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	        .drives = json_object(),
	        .nets = json_object(),
	        .mem_mib = 128,
	        .vsock_fd = -1};

	signal(SIGPIPE, SIG_IGN);
	if (!version)
		version = "1.16.1";
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("Firecracker v%s\n\nSupported snapshot data format versions: v9.0.0\n",
		        version);
		return 0;
	}
	f.minor = strchr(version, '.') ? (unsigned)strtoul(strchr(version, '.') + 1, NULL, 10) : 0;
	snprintf(f.fault, sizeof f.fault, "%s", fault ? fault : "");
	if (!strcmp(f.fault, "start")) {
		dprintf(2, "Error: it ends for the test\n");
		return 1;
	}
	if (!strcmp(f.fault, "deaf"))
		pause();
	loop(&f, listen_at(arguments(argc, argv, &log)));
}
