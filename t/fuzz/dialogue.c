/* SPDX-License-Identifier: MIT
 * What a hostile guest may send to the host: any byte stream leaves the host's side of the
 * conversation standing, with at most a violation noted. */
#include "supervise.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *plan = json_pack("{s:{s:b}}", "process", "terminal", 0);
	struct supervise_opts o = {.plan = plan};
	struct vmm v = {.listen = -1, .console = -1, .log = -1};
	struct machine m = {.vmm = &v, .o = &o, .deadline_ms = -1, .stdin_open = true};
	int pair[2];

	if (size > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		json_decref(plan);
		return 0;
	}
	v.agent = pair[0];
	proto_in_init(&m.in);
	if (write(pair[1], data, size) == (ssize_t)size) {
		close(pair[1]);
		while (!m.agent_closed && !m.violation)
			dialogue_receive(&m);
		dialogue_outputs(&m);
	}
	close(pair[0]);
	proto_in_free(&m.in);
	proto_out_free(&m.out);
	proto_text_clear(&m.control);
	proto_text_clear(&m.exit_text);
	json_decref(plan);
	return 0;
}
