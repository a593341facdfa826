/* SPDX-License-Identifier: MIT
 * The client of Firecracker's API: its parser alone, and its sequences against the stand-in, which
 * checks them as the real server does. */
#include "cleanup.h"
#include "firecracker_api.h"
#include "firecracker_http.h"
#include "firecracker_requests.h"
#include "guest_port.h"
#include "tap.h"
#include "tmpdir.h"
#include "xio.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK_204 "HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n"

static void parses(const char *text, int want, int status, const char *body)
{
	struct fc_answer a;
	int r = fc_answer_parse(text, strlen(text), &a);

	ok(r == want && (r != 1 || (a.status == status && a.body_size == strlen(body) &&
	                                   !memcmp(a.body, body, a.body_size))),
	        "an answer: %.60s", text);
}

static void test_parser(void)
{
	static const char whole[] = "HTTP/1.1 400 \r\nContent-Length: 4\r\n\r\nwhat";
	size_t more = 0;
	char *big;
	struct fc_answer a;
	char why[40];

	parses(OK_204, 1, 204, "");
	parses(whole, 1, 400, "what");
	parses("HTTP/1.1 200 OK\r\ncontent-length:  2 \r\n\r\n{}{}", 1, 200, "{}");
	parses("HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n", 1, 204, "");
	for (size_t n = 0; n < strlen(whole); n++)
		more += fc_answer_parse(whole, n, &a) == 0;
	is_int(more, strlen(whole), "every beginning wants more");
	parses("HTTP/2 204 \r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 20\r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 100 Continue\r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 2040\r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 200 \r\nno colon\r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 200 \r\nContent-Length: -1\r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 200 \r\nContent-Length: 9999999\r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 200 \r\nContent-Length: 99999999999999999999\r\n\r\n", -1, 0, "");
	parses("HTTP/1.1 200 \r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", -1, 0, "");
	parses("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n", -1, 0, "");
	big = malloc(FC_HEAD_MAX);
	memset(big, 'a', FC_HEAD_MAX);
	is_int(fc_answer_parse(big, FC_HEAD_MAX, &a), -1, "a head without an end");
	free(big);
	a = (struct fc_answer){.body = "{\"fault_message\":\"too\\nbad\"}", .body_size = 28};
	fc_answer_reason(&a, why, sizeof why);
	is_str(why, "too bad", "a reason");
	a = (struct fc_answer){.body = "{ \"error\": \"x\ny\" }", .body_size = 18};
	fc_answer_reason(&a, why, sizeof why);
	is_str(why, "{ \"error\": \"x y\" }", "one that is no JSON");
	fc_answer_reason(&(struct fc_answer){.body = "", .body_size = 0}, why, sizeof why);
	is_str(why, "no reason given", "none");
}

static void test_names(void)
{
	struct fc_version v;

	ok(fc_version_parse("v1.16.1", &v) == 0 && v.minor == 16 && v.patch == 1, "v1.16.1");
	ok(fc_version_parse("1.17.0-dev", &v) == 0 && v.minor == 17, "1.17.0-dev");
	ok(fc_version_has(&v, 1, 7) && fc_version_has(&v, 1, 17) && !fc_version_has(&v, 1, 18) &&
	                !fc_version_has(&v, 2, 0),
	        "what it has");
	ok(fc_version_parse("", &v) < 0 && fc_version_parse("1.2", &v) < 0 &&
	                fc_version_parse("1..2", &v) < 0 && fc_version_parse("a.b.c", &v) < 0,
	        "no versions");
	is_int(guest_port_number("fcvm.agent"), 1024, "the agent's number");
	is_int(guest_port_number("fcvm.vol23"), 1123, "a volume's");
	ok(guest_port_number("fcvm.vol") < 0 && guest_port_number("fcvm.vol100") < 0 &&
	                guest_port_number("fcvm.vol-1") < 0 && guest_port_number("") < 0,
	        "no numbers");
}

/* --- against the stand-in --- */

struct fake {
	struct tmpdir d;
	struct proc proc;
	struct fc_api api;
};

/* Where ours is, but for its last three parts: build/asan/unit/NAME. */
static void own_program(char *self, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", self, size - 1);

	for (int i = 0; n > 0 && i < 3; i++)
		*strrchr(self, '/') = 0;
}

static void fake_start(struct fake *f, const char *version)
{
	char self[400] = "", program[480], sock[100];
	char *argv[] = {program, (char *)"--api-sock", sock, NULL};
	struct proc_opts o = {.in = -1, .out = -1, .err = 2};
	struct err e = {.text = ""};

	own_program(self, sizeof self);
	snprintf(program, sizeof program, "%s/t/fakefc/firecracker", self);
	f->d = tmpdir_make();
	snprintf(sock, sizeof sock, "%s/api", f->d.path);
	setenv("FAKEFC_VERSION", version, 1);
	if (proc_start(&f->proc, argv, &o, &e) < 0 ||
	        fc_api_connect(&f->api, f->d.fd, "api", &f->proc, 10000, &e) < 0 ||
	        fc_api_version(&f->api, &e) < 0) {
		diag("%s", e.text);
		abort();
	}
}

static void test_socket_in_use(void)
{
	char self[400] = "", program[480], sock[100];
	char *argv[] = {program, (char *)"--api-sock", sock, NULL};
	auto_fd int log = memfd_create("log", MFD_CLOEXEC);
	struct proc_opts o = {.in = -1, .out = -1, .err = log};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	struct err e = {.text = ""};
	struct fc_api api;
	struct proc p;
	char said[200];
	int ws;

	own_program(self, sizeof self);
	snprintf(program, sizeof program, "%s/t/fakefc/firecracker", self);
	snprintf(sock, sizeof sock, "%s/api", d.path);
	if (put_file_at(d.fd, "api", "", 0, 0600) < 0 || proc_start(&p, argv, &o, &e) < 0)
		abort();
	ok(fc_api_connect(&api, d.fd, "api", &p, 10000, &e) < 0 &&
	                strstr(e.text, "ended as it started"),
	        "a socket in use: %s", e.text);
	fc_api_close(&api);
	ws = proc_wait(&p);
	proc_last_line(log, said, sizeof said);
	ok(WIFEXITED(ws) && WEXITSTATUS(ws) == 1 && strstr(said, "Address already in use"),
	        "which it says: %s", said);
}

static int fake_end(struct fake *f)
{
	proc_kill(&f->proc, SIGKILL);
	fc_api_close(&f->api);
	tmpdir_remove(&f->d);
	return proc_wait(&f->proc);
}

/* %s in the text is the directory. */
static json_t *call_body(const struct fake *f, const char *body)
{
	const char *at = strstr(body, "%s");
	char text[600];

	snprintf(text, sizeof text, "%.*s%s%s", at ? (int)(at - body) : 0, body,
	        at ? f->d.path : "", at ? at + 2 : body);
	return json_loads(text, 0, NULL);
}

/* What the stand-in must refuse, so that it is known that it would. */
static void test_strictness(void)
{
	static const struct {
		const char *method, *path, *body, *why;
	} bad[] = {{"PUT", "/machine-config", "{\"vcpu_count\":1}", "missing field"},
	        {"PUT", "/machine-config", "{\"vcpu_count\":33,\"mem_size_mib\":1}", "vCPU number"},
	        {"PUT", "/machine-config", "{\"vcpu_count\":\"1\",\"mem_size_mib\":1}",
	                "invalid type"},
	        {"PUT", "/machine-config", "{\"vcpu_count\":1,\"mem_size_mib\":1,\"x\":1}",
	                "unknown field `x`"},
	        {"POST", "/machine-config", "{}", "Unsupported HTTP method"},
	        {"PATCH", "/entropy", "{}", "Invalid request method"},
	        {"PUT", "/entropy", NULL, "Empty PUT"},
	        {"PUT", "/balloon", "{\"amount_mib\":0}", "missing field"},
	        {"PUT", "/balloon", "{\"amount_mib\":4096,\"deflate_on_oom\":true}",
	                "more memory than"},
	        {"PUT", "/nothing", "{}", "Invalid request"},
	        {"PUT", "/drives/a-b",
	                "{\"drive_id\":\"a-b\",\"is_root_device\":false,\"path_on_host\":\"/\"}",
	                "id from the path"},
	        {"PUT", "/drives/a",
	                "{\"drive_id\":\"b\",\"is_root_device\":false,\"path_on_host\":\"/\"}",
	                "id from the path"},
	        {"PUT", "/drives/a",
	                "{\"drive_id\":\"a\",\"is_root_device\":false,\"path_on_host\":\"%s/no\"}",
	                "BackingFile"},
	        {"PUT", "/network-interfaces/n",
	                "{\"iface_id\":\"n\",\"host_dev_name\":\"0123456789abcdef\"}",
	                "invalid interface"},
	        {"PUT", "/boot-source", "{\"kernel_image_path\":\"/dev/null\"}", "kernel"},
	        {"PUT", "/vsock", "{\"guest_cid\":3,\"uds_path\":\"%s/api\"}", "UnixBind"},
	        {"PUT", "/actions", "{\"action_type\":\"InstanceStart\"}", "without kernel"},
	        {"PUT", "/actions", "{\"action_type\":\"FlushMetrics\"}", "before starting"},
	        {"PATCH", "/vm", "{\"state\":\"Paused\"}", "before starting"},
	        {"PUT", "/snapshot/create", "{\"snapshot_path\":\"a\",\"mem_file_path\":\"b\"}",
	                "before starting"}};
	struct fake f;
	struct err e;

	fake_start(&f, "1.16.1");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		json_t *body = bad[i].body ? call_body(&f, bad[i].body) : NULL;

		e.text[0] = 0;
		ok(fc_api_call(&f.api, bad[i].method, bad[i].path, body, NULL, &e) < 0 &&
		                strstr(e.text, bad[i].why),
		        "%s %s is refused: %s", bad[i].method, bad[i].path, e.text);
	}
	ok(fc_api_call(&f.api, "PUT", "/entropy", json_object(), NULL, &e) == 0,
	        "the connection is as good as before");
	fake_end(&f);
}

static void put_file(const struct fake *f, const char *name, const char *text)
{
	if (put_file_at(f->d.fd, name, text, strlen(text), 0600) < 0)
		abort();
}

static void boot(struct fake *f, char *vsock, size_t size)
{
	struct err e = {.text = ""};
	json_t *body;

	put_file(f, "kernel", "\177ELF");
	body = call_body(f, "{\"kernel_image_path\":\"%s/kernel\"}");
	snprintf(vsock, size, "%s/v", f->d.path);
	if (fc_api_call(&f->api, "PUT", "/boot-source", body, NULL, &e) < 0 ||
	        fc_api_call(&f->api, "PUT", "/network-interfaces/net",
	                json_pack("{s:s, s:s}", "iface_id", "net", "host_dev_name", "tap0"), NULL,
	                &e) < 0 ||
	        fc_api_call(&f->api, "PUT", "/vsock",
	                json_pack("{s:i, s:s}", "guest_cid", 3, "uds_path", vsock), NULL, &e) < 0 ||
	        fc_api_call(&f->api, "PUT", "/actions",
	                json_pack("{s:s}", "action_type", "InstanceStart"), NULL, &e) < 0) {
		diag("%s", e.text);
		abort();
	}
}

static void restores(const char *version, const struct fc_restore *r, const char *why)
{
	struct fake f;
	struct err e = {.text = ""};
	int got, ws;

	fake_start(&f, version);
	got = fc_restore(&f.api, r, &e);
	ok(*why ? got < 0 && strstr(e.text, why) : got == 0, "restore with %s: %s", version,
	        *why ? e.text : "done");
	if (*why && strstr(why, "Load"))
		poll(&(struct pollfd){.fd = f.proc.pidfd, .events = POLLIN}, 1, 10000);
	ws = fake_end(&f);
	if (*why && strstr(why, "Load"))
		ok(WIFEXITED(ws) && WEXITSTATUS(ws) == 1, "and the process ends with 1");
}

static void test_snapshot(void)
{
	struct fake f;
	struct err e = {.text = ""};
	char vsock[100], other[100], state[100], memory[100], junk[100], pager[100];
	struct fc_restore r = {.state = state, .memory = memory};
	auto_fd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	setenv("FAKEFC_GUEST", "wait", 1);
	fake_start(&f, "1.16.1");
	snprintf(state, sizeof state, "%s/state", f.d.path);
	snprintf(memory, sizeof memory, "%s/memory", f.d.path);
	snprintf(other, sizeof other, "%s/v2", f.d.path);
	snprintf(junk, sizeof junk, "%s/kernel", f.d.path);
	snprintf(pager, sizeof pager, "%s/pager", f.d.path);
	strcpy(at.sun_path, pager);
	boot(&f, vsock, sizeof vsock);
	ok(fc_api_call(&f.api, "PUT", "/snapshot/create",
	           json_pack("{s:s, s:s}", "snapshot_path", state, "mem_file_path", memory), NULL,
	           &e) < 0 &&
	                strstr(e.text, "while running"),
	        "a guest that runs cannot be saved: %s", e.text);
	ok(fc_pause(&f.api, &e) == 0 && fc_create(&f.api, state, memory, 128 << 20, &e) == 0,
	        "saved");
	ok(fc_resume(&f.api, &e) == 0 && fc_resume(&f.api, &e) == 0, "resumed, and again: %s",
	        e.text);
	restores("1.16.1", &r, "Load snapshot error: Cannot create backend for vsock");
	unlink(vsock);
	restores("1.7.0", &r, "");
	unlink(vsock);
	r.tap = "tap7";
	restores("1.11.0", &r,
	        "cannot restore a machine with another network device: 1.12 or newer");
	restores("1.12.0", &r, "");
	r.vsock = other;
	restores("1.15.0", &r, "another vsock path: 1.16 or newer");
	r.clock_realtime = true;
	restores("1.16.0", &r, "");
	r = (struct fc_restore){.state = state, .pager = pager};
	unlink(vsock);
	restores("1.16.0", &r, "Load snapshot error: Failed to load guest memory");
	if (bind(sock, (struct sockaddr *)&at, sizeof at) < 0)
		abort();
	restores("1.16.0", &r, "Load snapshot error: Failed to load guest memory");
	r = (struct fc_restore){.state = junk, .memory = memory};
	restores("1.16.0", &r, "Load snapshot error: Failed to get snapshot state");
	unsetenv("FAKEFC_GUEST");
	fake_end(&f);
}

static void test_deadlines(void)
{
	struct fake f;
	struct err e = {.text = ""};

	setenv("FAKEFC_FAULT", "half PUT /entropy", 1);
	fake_start(&f, "1.16.1");
	f.api.timeout_ms = 50;
	ok(fc_api_call(&f.api, "PUT", "/entropy", json_object(), NULL, &e) < 0 &&
	                strstr(e.text, "does not answer in 50 ms"),
	        "half an answer is none: %s", e.text);
	proc_kill(&f.proc, SIGKILL);
	ok(fc_api_call(&f.api, "PUT", "/entropy", json_object(), NULL, &e) < 0,
	        "nor from the dead: %s", e.text);
	fake_end(&f);
	unsetenv("FAKEFC_FAULT");
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_parser();
	test_names();
	test_strictness();
	test_snapshot();
	test_deadlines();
	test_socket_in_use();
	return done();
}
