/* SPDX-License-Identifier: MIT
 * The same server without a VM: the host's own kernel is the guest. */
#include "vol_mount.h"
#include "cleanup.h"
#include "fuserelay.h"
#include "opt.h"
#include "status.h"
#include "vol_server.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_S 2 /* for files that are open when it is asked to end */

struct opts {
	struct strv options;
};

static const struct opt table[] = {
        {'o', "options", "OPTION[,...]", "as those of a volume: ro, cache=none, ...", OPT_LIST,
                offsetof(struct opts, options), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-vol mount [options] SOURCE MOUNTPOINT",
        .summary = "Serves a directory or file to this machine's own kernel, until unmounted.",
        .table = table,
};

static int mount_it(int dev, const char *at, const struct vol_spec *v, struct err *e)
{
	unsigned long flags = v->readonly ? MS_RDONLY : 0;
	char text[160];

	for (size_t i = 0; i < v->options.n; i++)
		flags |= !strcmp(v->options.v[i], "noexec")   ? MS_NOEXEC
		         : !strcmp(v->options.v[i], "nosuid") ? MS_NOSUID
		                                              : MS_NODEV;
	snprintf(text, sizeof text,
	        "fd=%d,rootmode=%s,user_id=%u,group_id=%u,allow_other,default_permissions,max_read="
	        "%d",
	        dev, v->file ? "100000" : "40000", geteuid(), getegid(), FUSERELAY_WRITE_MAX);
	if (mount("fcvm-vol", at, "fuse", flags, text) == 0)
		return 0;
	if (errno == EPERM)
		return err_set(e, FCVM_EX_FAIL,
		        "cannot mount on %s: this needs root, or a user and mount namespace of "
		        "one's own "
		        "(unshare -rm)",
		        at);
	return err_sys(e, "cannot mount on %s", at);
}

struct ender {
	const char *at;
	sigset_t signals;
};

static void *ender(void *arg)
{
	const struct timespec patience = {.tv_sec = PATIENCE_S};
	const struct ender *en = arg;
	int sig;

	if (sigwait(&en->signals, &sig) != 0)
		return NULL;
	umount2(en->at, MNT_DETACH);
	nanosleep(&patience, NULL);
	_exit(FCVM_EX_OK); /* with it the connection ends, for whoever still has a file open */
}

static int serve(const struct vol_spec *v, const char *at, int dev, int wire, struct err *e)
{
	struct ender en = {.at = at};
	pthread_t t;

	sigemptyset(&en.signals);
	sigaddset(&en.signals, SIGTERM);
	sigaddset(&en.signals, SIGINT);
	sigaddset(&en.signals, SIGHUP);
	if (fuserelay_hello(wire, e) < 0)
		return -1;
	pthread_sigmask(SIG_BLOCK, &en.signals, NULL);
	if (mount_it(dev, at, v, e) < 0)
		return -1;
	if (pthread_create(&t, NULL, ender, &en) != 0) {
		umount2(at, MNT_DETACH);
		return err_set(e, FCVM_EX_SYS, "cannot start a thread");
	}
	pthread_detach(t);
	fuserelay_widen_reads(AT_FDCWD, at);
	return fuserelay_run(dev, wire, -1, e);
}

static int start(const struct vol_spec *v, const char *at, struct err *e)
{
	auto_fd int dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	struct vol_server server = VOL_SERVER_NONE;
	int pair[2], r;

	if (dev < 0)
		return err_sys(e, "cannot open /dev/fuse");
	if (vol_server_start(v, NULL, 0, &server, e) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make a socket pair");
	signal(SIGPIPE, SIG_IGN); /* a server that died is EIO for each request, not our end */
	r = vol_server_session(&server, pair[1]);
	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot reach the volume's server");
	}
	return serve(v, at, dev, pair[0], e);
}

int vol_mount(int argc, char **argv, struct err *e)
{
	struct vol_spec v = {0};
	struct opts o = {0};
	int i = opt_parse(&spec, argc, argv, &o, e), r = -1;

	if (i < 0)
		return -1;
	if (argc - i != 2)
		return opt_usage(&spec, e, "SOURCE and MOUNTPOINT are to be given");
	v.source = xstrdup(argv[i]);
	r = 0;
	for (size_t k = 0; k < o.options.n && r == 0; k++)
		r = vol_spec_options(&v, o.options.v[k], e);
	if (r == 0)
		r = vol_spec_check(&v, e);
	if (r == 0)
		r = start(&v, argv[i + 1], e);
	vol_spec_free(&v);
	strv_free(&o.options);
	return r < 0 ? -1 : FCVM_EX_OK;
}
