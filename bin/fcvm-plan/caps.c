/* SPDX-License-Identifier: MIT
 * Capabilities as podman gives them: a default set, --cap-add and --cap-drop, everything for
 * --privileged; users other than root hold only what was added by name, as ambient capabilities. */
#include "cleanup.h"
#include "plan.h"
#include "status.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* All that Linux has, in podman's (ASCII) order. `standard`: a container has it by default. */
static const struct {
	const char *name;
	bool standard;
} caps[] = {
        {"CAP_AUDIT_CONTROL", false},
        {"CAP_AUDIT_READ", false},
        {"CAP_AUDIT_WRITE", false},
        {"CAP_BLOCK_SUSPEND", false},
        {"CAP_BPF", false},
        {"CAP_CHECKPOINT_RESTORE", false},
        {"CAP_CHOWN", true},
        {"CAP_DAC_OVERRIDE", true},
        {"CAP_DAC_READ_SEARCH", false},
        {"CAP_FOWNER", true},
        {"CAP_FSETID", true},
        {"CAP_IPC_LOCK", false},
        {"CAP_IPC_OWNER", false},
        {"CAP_KILL", true},
        {"CAP_LEASE", false},
        {"CAP_LINUX_IMMUTABLE", false},
        {"CAP_MAC_ADMIN", false},
        {"CAP_MAC_OVERRIDE", false},
        {"CAP_MKNOD", false},
        {"CAP_NET_ADMIN", false},
        {"CAP_NET_BIND_SERVICE", true},
        {"CAP_NET_BROADCAST", false},
        {"CAP_NET_RAW", false},
        {"CAP_PERFMON", false},
        {"CAP_SETFCAP", true},
        {"CAP_SETGID", true},
        {"CAP_SETPCAP", true},
        {"CAP_SETUID", true},
        {"CAP_SYSLOG", false},
        {"CAP_SYS_ADMIN", false},
        {"CAP_SYS_BOOT", false},
        {"CAP_SYS_CHROOT", true},
        {"CAP_SYS_MODULE", false},
        {"CAP_SYS_NICE", false},
        {"CAP_SYS_PACCT", false},
        {"CAP_SYS_PTRACE", false},
        {"CAP_SYS_RAWIO", false},
        {"CAP_SYS_RESOURCE", false},
        {"CAP_SYS_TIME", false},
        {"CAP_SYS_TTY_CONFIG", false},
        {"CAP_WAKE_ALARM", false},
};
#define N_CAPS (sizeof caps / sizeof *caps)
#define ALL    (((uint64_t)1 << N_CAPS) - 1)

struct collect {
	const char *option;
	uint64_t mask;
	bool all;
};

static int unknown(const char *option, const char *word, struct err *e)
{
	const char *names[N_CAPS + 1], *hit;
	auto_free char *upper = xstrdup(word);

	for (char *c = upper; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	for (size_t i = 0; i < N_CAPS; i++)
		names[i] = caps[i].name + 4;
	names[N_CAPS] = NULL;
	hit = opt_closest(upper, names);
	if (hit)
		return err_set(e, FCVM_EX_USAGE, "%s %s: unknown capability: did you mean %s?",
		        option, word, hit);
	return err_set(
	        e, FCVM_EX_USAGE, "%s %s: unknown capability: see capabilities(7)", option, word);
}

static int add_one(const char *word, void *ctx, struct err *e)
{
	struct collect *c = ctx;

	if (!strcasecmp(word, "all")) {
		c->all = true;
		return 0;
	}
	if (!strncasecmp(word, "CAP_", 4))
		word += 4;
	for (size_t i = 0; i < N_CAPS; i++) {
		if (!strcasecmp(word, caps[i].name + 4)) {
			c->mask |= (uint64_t)1 << i;
			return 0;
		}
	}
	return unknown(c->option, word, e);
}

static int collect(const struct strv *list, struct collect *c, struct err *e)
{
	for (size_t i = 0; i < list->n; i++)
		if (*list->v[i] && plan_each_part(list->v[i], add_one, c, e) < 0)
			return -1;
	return 0;
}

static int merge(
        const struct collect *add, const struct collect *drop, uint64_t *out, struct err *e)
{
	uint64_t both = add->all ? 0 : add->mask & drop->mask;

	if (add->all && drop->all)
		return err_set(
		        e, FCVM_EX_USAGE, "--cap-add ALL and --cap-drop ALL exclude each other");
	if (drop->all) {
		*out = add->mask;
		return 0;
	}
	for (size_t i = 0; i < N_CAPS; i++)
		if (both >> i & 1)
			return err_set(
			        e, FCVM_EX_USAGE, "%s is both added and dropped", caps[i].name);
	if (add->all)
		*out = ALL;
	*out = (*out & ~drop->mask) | (add->all ? 0 : add->mask);
	return 0;
}

static json_t *names(uint64_t mask)
{
	json_t *list = json_array();

	for (size_t i = 0; i < N_CAPS; i++)
		if (mask >> i & 1)
			json_array_append_new(list, json_string(caps[i].name));
	return list;
}

json_t *plan_caps(const struct plan_opts *o, const char *user, struct err *e)
{
	struct collect add = {.option = "--cap-add"}, drop = {.option = "--cap-drop"};
	uint64_t bounding = 0, own, raised;
	size_t login = user ? strcspn(user, ":") : 0;

	for (size_t i = 0; i < N_CAPS; i++)
		if (caps[i].standard)
			bounding |= (uint64_t)1 << i;
	if (collect(&o->cap_add, &add, e) < 0 || collect(&o->cap_drop, &drop, e) < 0)
		return NULL;
	if (o->privileged)
		bounding = ALL;
	else if (merge(&add, &drop, &bounding, e) < 0)
		return NULL;
	raised = add.all ? ALL : add.mask;
	if (login == 0 || (login == 1 && *user == '0') ||
	        (login == 4 && !strncmp(user, "root", 4))) {
		own = bounding;
		raised = 0;
	} else {
		own = raised &= bounding;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "bounding", names(bounding), "effective",
	        names(own), "permitted", names(own), "inheritable", names(raised), "ambient",
	        names(raised));
}
