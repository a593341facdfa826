/* SPDX-License-Identifier: MIT
 * A machine that is saved and goes on elsewhere, perhaps many times at once: being ready for that,
 * and what must be mended before anything of a user's runs. See random(4). */
#include "agent.h"
#include "cleanup.h"
#include "freeze.h"
#include "interface.h"
#include "status.h"

#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define ENTROPY_MIN 32
#define ENTROPY_MAX 256

void agent_set_clock(const json_t *message)
{
	json_int_t ns = json_integer_value(json_object_get(message, "time"));
	struct timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	if (ns > 0)
		clock_settime(CLOCK_REALTIME, &ts);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes written as pairs of hexadecimal digits: how many, or -1. */
static int from_hex(const char *text, unsigned char *out, size_t max)
{
	size_t n = text ? strlen(text) : 0;

	if (n % 2 || n / 2 > max)
		return -1;
	for (size_t i = 0; i < n / 2; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -1;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return (int)(n / 2);
}

/* The kernel mixes what it gets, and gives every CPU a new key at its next use. */
int agent_reseed(const struct agent *a, const json_t *message, struct err *e)
{
	const char *hex = json_string_value(json_object_get(message, "entropy"));
	union {
		struct rand_pool_info info;
		unsigned char room[sizeof(struct rand_pool_info) + ENTROPY_MAX];
	} pool;
	int n = from_hex(hex, (unsigned char *)pool.info.buf, ENTROPY_MAX);

	if (n < ENTROPY_MIN)
		return err_set(e, FCVM_EX_FAIL, "the host sent no entropy to resume with");
	pool.info.entropy_count = n * 8;
	pool.info.buf_size = n;
	if (ioctl(a->random, RNDADDENTROPY, &pool) < 0 || ioctl(a->random, RNDRESEEDCRNG) < 0)
		return err_sys(e, "cannot reseed the kernel's random numbers");
	return 0;
}

int agent_resume(struct agent *a, const json_t *message, struct err *e)
{
	if (json_object_get(message, "epoch"))
		return agent_wake_as_clone(a, message, e);
	if (!a->ready)
		return err_set(e, FCVM_EX_FAIL, "this machine was not made to be resumed");
	agent_set_clock(message);
	if (agent_reseed(a, message, e) < 0)
		return -1;
	a->resumed = true;
	agent_send(a, json_pack("{s:s}", "type", "RESUMED"));
	return 0;
}

int agent_template(struct agent *a, const json_t *message, struct err *e)
{
	const json_t *plan = json_object_get(message, "plan");
	auto_free char *text = plan ? json_dumps(plan, JSON_COMPACT) : NULL;

	if (!text || !a->have_image || a->plan || a->asked_ready)
		return err_set(e, FCVM_EX_FAIL, "this machine cannot become a template");
	a->asked_ready = true;
	agent_limit_memory();
	if (interface_apply(plan, &a->mtu, e) < 0)
		return -1;
	if (!a->failed && stage_ready(&a->stage, text, strlen(text), e) < 0)
		return -1;
	agent_check_ready(a);
	return 0;
}

void agent_check_ready(struct agent *a)
{
	if (!a->asked_ready || a->ready)
		return;
	if (a->failed)
		agent_fatal(a, &a->failure);
	if (!a->staged)
		return;
	sync(); /* else the scratch disk is written back just when a command starts */
	a->oom_before = agent_oom_kills();
	a->ready = true;
	agent_send(a, json_pack("{s:s}", "type", "READY"));
}
