/* SPDX-License-Identifier: MIT
 * The relays of the volumes while the machine is saved, and in a clone. */
#include "clock.h"
#include "fuserelay.h"
#include "status.h"
#include "volume.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define REST_MS 20000 /* for what the servers are at: a disk may be slow */
#define WAKE_MS 10000

static void tell(const struct volumes *v, char byte)
{
	for (size_t i = 0; i < v->n; i++)
		send(v->relays[i], &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Waits for that answer of one relay; older ones are passed over. */
static int hear(int relay, char wanted, int64_t until)
{
	struct pollfd p = {.fd = relay, .events = POLLIN};

	for (;;) {
		int64_t left = until - clock_ms();
		char byte = 0;
		ssize_t n;

		if (poll(&p, 1, left > 0 ? (int)left : 0) == 0)
			return -ETIMEDOUT;
		n = recv(relay, &byte, 1, MSG_DONTWAIT);
		if (n == 0 || byte == FUSERELAY_CTL_FAILED)
			return -EPIPE;
		if (byte == wanted)
			return 0;
	}
}

int volumes_rest(struct volumes *v, struct err *e)
{
	int64_t until = clock_ms() + REST_MS;
	char old;

	for (size_t i = 0; i < v->n; i++)
		while (recv(v->relays[i], &old, 1, MSG_DONTWAIT) > 0)
			;
	v->resting = v->n > 0;
	tell(v, FUSERELAY_CTL_REST);
	for (size_t i = 0; i < v->n; i++) {
		int r = hear(v->relays[i], FUSERELAY_CTL_RESTED, until);

		if (r == -ETIMEDOUT)
			return err_set(e, FCVM_EX_FAIL, "a volume does not come to rest");
		if (r < 0)
			return err_set(e, FCVM_EX_FAIL, "a volume's server is gone");
	}
	return 0;
}

void volumes_go_on(struct volumes *v, bool wait)
{
	int64_t until = clock_ms() + WAKE_MS;

	if (!v->resting)
		return;
	v->resting = false;
	tell(v, FUSERELAY_CTL_GO);
	for (size_t i = 0; wait && i < v->n; i++)
		hear(v->relays[i], FUSERELAY_CTL_GONE_ON, until);
}

void volumes_calm(struct volumes *v)
{
	tell(v, FUSERELAY_CTL_CALM);
}
