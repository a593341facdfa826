/* SPDX-License-Identifier: MIT
 * front: runs the rest of the line as a VM's process, behind this one. */
#include "act.h"
#include "become.h"
#include "cleanup.h"
#include "front.h"
#include "keys.h"
#include "num.h"
#include "status.h"
#include "streams.h"
#include "xio.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct opts {
	const char *detach, *keys, *cidfile;
};
#define O(member) offsetof(struct opts, member)

static const struct opt table[] = {
        {0, "detach", "WHEN", "started or healthy: then print the VM's name and leave it", OPT_STR,
                O(detach), false},
        {0, "detach-keys", "KEYS", "what leaves the VM running (ctrl-p,ctrl-q)", OPT_STR, O(keys),
                false},
        {0, "cidfile", "FILE", "write the VM's name there; it must not exist yet", OPT_STR,
                O(cidfile), false},
        OPT_END,
};
static const struct opt_spec spec = {
        .usage = "fcvm-ctl front [options] -- PROGRAM [ARG…]",
        .summary = "Runs PROGRAM as a VM's process and carries its standard streams.",
        .table = table,
};

/* The VM lives as long as its own process does, not this one. */
static void drop_lock(void)
{
	const char *text = getenv("FCVM_LOCK_FD");
	uint64_t fd;

	if (text && num_u64(text, 3, INT_MAX, &fd) == 0)
		close((int)fd);
}

static int write_cidfile(const char *path, const char *name, struct err *e)
{
	auto_fd int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1;

	if (!path)
		return 0;
	if (fd < 0 && errno == EEXIST)
		return err_set(e, FCVM_EX_FAIL,
		        "--cidfile %s: the file exists: another VM may use it: remove it first",
		        path);
	if (fd < 0 || write_full(fd, name, strlen(name)) < 0)
		return err_sys(e, "--cidfile: cannot write %s", path);
	return 0;
}

static int stand_in_front(
        pid_t child, int fd, const struct opts *o, const char *keys, struct err *e)
{
	const char *name = getenv("FCVM_NAME");
	struct streams_opts so = {.child = child, .detach_keys = keys, .timeout_ms = -1};
	struct control c = {.fd = fd};
	struct streams_end end;

	if (o->detach)
		so.leave = strcmp(o->detach, "healthy") ? DETACH_STARTED : DETACH_HEALTHY;
	proto_in_init(&c.in, PROTO_GUEST);
	if (streams_run(&c, &so, &end, e) < 0)
		return -1;
	if (end.detached && o->detach)
		puts(name ? name : "");
	return end.detached ? FCVM_EX_OK : end.status;
}

int ctl_front(int argc, char **argv, struct err *e)
{
	const char *name = getenv("FCVM_NAME");
	struct opts o = {.detach = NULL};
	char keys[KEYS_MAX + 1];
	int at = opt_parse(&spec, argc, argv, &o, e), fd = -1;
	pid_t child;

	if (at < 0)
		return -1;
	if (at >= argc)
		return opt_usage(&spec, e, "front needs a program to run");
	if (o.detach && strcmp(o.detach, "started") && strcmp(o.detach, "healthy"))
		return opt_usage(&spec, e, "--detach %s: started or healthy", o.detach);
	if (keys_parse(o.keys, keys, e) < 0 || write_cidfile(o.cidfile, name ? name : "", e) < 0)
		return -1;
	child = front_split(&fd, e);
	if (child < 0)
		return -1;
	if (child == 0)
		return become(argv + at, e);
	drop_lock();
	return stand_in_front(child, fd, &o, keys, e);
}
