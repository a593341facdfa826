/* SPDX-License-Identifier: MIT
 * Firecracker. It opens what it is told to by name, so its disks get the names of descriptors that
 * it inherits, always under the same numbers, and its sockets are in a directory that it inherits
 * in the same way: names that are short, and the same in every process that a snapshot is restored
 * in. */
#include "cleanup.h"
#include "firecracker_files.h"
#include "firecracker_own.h"
#include "firecracker_ports.h"
#include "firecracker_requests.h"
#include "guest_port.h"
#include "status.h"
#include "strv.h"
#include "vmm.h"
#include "xio.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PROGRAM    "firecracker"
#define TIMEOUT_MS 15000

static int check(char *version, size_t size, struct err *e)
{
	char *argv[] = {(char *)PROGRAM, (char *)"--version", NULL};
	auto_free char *out = NULL;
	struct fc_version v;
	const char *p;

	if (proc_output(argv, 65536, &out, e) < 0)
		return -1;
	p = strstr(out, "Firecracker v");
	if (!p || fc_version_parse(p + strlen("Firecracker "), &v) < 0)
		return err_set(e, FCVM_EX_FAIL, PROGRAM " does not say its version");
	snprintf(version, size, "%u.%u.%u", v.major, v.minor, v.patch);
	return fc_check_version(&v, e);
}

static int make_dir(struct firecracker *f, int dir, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	int r;

	f->parent = dir >= 0 ? fcntl(dir, F_DUPFD_CLOEXEC, 3)
	                     : open(tmp && *tmp ? tmp : "/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->parent < 0)
		return err_sys(e, "cannot open the folder for firecracker's sockets");
	r = mkdtemp_at(f->parent, "vmm", f->name, sizeof f->name, 0700);
	if (r < 0) {
		*f->name = 0;
		errno = -r;
		return err_sys(e, "cannot make a folder for firecracker's sockets");
	}
	f->base = openat(f->parent, f->name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (f->base >= 0)
		f->dir = fcntl(f->base, F_DUPFD_CLOEXEC, 3);
	return f->dir < 0 ? err_sys(e, "cannot open the folder for firecracker's sockets") : 0;
}

static void close_all(struct vmm *v)
{
	struct firecracker *f = v->own;
	const int fds[] = {f ? f->log : -1, f ? f->metrics : -1, f ? f->dir : -1, f ? f->base : -1,
	        f ? f->parent : -1};

	if (!f)
		return;
	if (f->ports > 0) {
		kill(f->ports, SIGKILL);
		waitpid(f->ports, NULL, 0);
	}
	fc_api_close(&f->api);
	fc_tap_back(&f->tap);
	fc_jail_end(&f->jail);
	if (f->name[0])
		remove_tree_at(f->parent, f->name);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The descriptors that it inherits, under the numbers where it finds them. */
static int number_fds(
        const struct firecracker *f, const struct vmm_config *c, int log, int *keep, struct err *e)
{
	int from[FC_FD_END - FC_FD_DIR], n = 0;

	for (int i = 0; i < FC_FD_END - FC_FD_DIR; i++)
		from[i] = -1;
	from[0] = f->dir;
	from[FC_FD_LOG - FC_FD_DIR] = log;
	from[FC_FD_METRICS - FC_FD_DIR] = f->metrics;
	from[FC_FD_STATE - FC_FD_DIR] = c->state;
	from[FC_FD_MEMORY - FC_FD_DIR] = c->state >= 0 ? c->memory_file : -1;
	for (size_t i = 0; i < c->n_disks; i++)
		from[FC_FD_DISK - FC_FD_DIR + (int)i] = c->disks[i].fd;
	for (int i = 0; i < FC_FD_END - FC_FD_DIR; i++) {
		int to = FC_FD_DIR + i;

		if (from[i] < 0)
			continue;
		if (fcntl(to, F_GETFD) >= 0 || dup3(from[i], to, O_CLOEXEC) < 0) {
			err_set(e, FCVM_EX_FAIL,
			        "descriptor %d, which firecracker needs, is in use", to);
			while (n > 0)
				close(keep[--n]);
			return -1;
		}
		keep[n++] = to;
	}
	return n;
}

static int start_free(struct vmm *v, struct firecracker *f, const struct vmm_config *c,
        char *const *argv, struct proc_opts *o, struct err *e)
{
	int keep[FC_FD_END - FC_FD_DIR], pipes[2] = {-1, -1}, r;

	if (f->log < 0 && pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "cannot make a pipe");
	if (f->log < 0)
		f->log = pipes[0];
	o->keep = keep;
	r = o->n_keep = number_fds(f, c, pipes[1] < 0 ? f->log : pipes[1], keep, e);
	if (r >= 0)
		r = proc_start(&v->proc, argv, o, e);
	for (int i = 0; i < o->n_keep; i++)
		close(keep[i]);
	if (pipes[1] >= 0)
		close(pipes[1]);
	return r;
}

static int spawn(struct vmm *v, struct firecracker *f, const struct vmm_config *c, struct err *e)
{
	char api[48], log[32], metrics[32];
	char *argv[12] = {(char *)PROGRAM, (char *)"--api-sock", api, (char *)"--log-path", log,
	        (char *)"--level", (char *)(uintptr_t)(f->metrics < 0 ? "Warning" : "Info")};
	int n = 7;
	struct proc_opts o = {.in = -1, .err = v->log, .new_session = true};
	int pair[2], r;

	snprintf(api, sizeof api, FC_FD_PATH "/" FC_API_NAME, FC_FD_DIR);
	snprintf(log, sizeof log, FC_FD_PATH, FC_FD_LOG);
	snprintf(metrics, sizeof metrics, FC_FD_PATH, FC_FD_METRICS);
	if (f->metrics >= 0) {
		argv[n++] = (char *)"--metrics-path";
		argv[n++] = metrics;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make the console's socket");
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	v->console = pair[0];
	o.out = pair[1];
	if (f->jail.uid) {
		r = fc_jail_start(&f->jail, c, &v->proc, argv, &o, e);
	} else { /* a jailer says that itself */
		argv[n++] = (char *)"--id";
		argv[n++] = (char *)"fcvm";
		r = start_free(v, f, c, argv, &o, e);
	}
	close(pair[1]);
	return r;
}

/* What it has to say on its failure: the last line on stderr, else that of the log. */
static void add_words(struct vmm *v, const struct firecracker *f, struct err *e)
{
	char said[400];
	auto_fd int copy = memfd_create("log", MFD_CLOEXEC);
	char buf[4096];
	ssize_t n;

	proc_last_line(v->log, said, sizeof said);
	while (!*said && f->log >= 0 && (n = read(f->log, buf, sizeof buf)) > 0)
		if (write_full(copy, buf, (size_t)n) < 0)
			break;
	if (!*said && copy >= 0)
		proc_last_line(copy, said, sizeof said);
	if (*said) {
		auto_free char *text = xstrdup(e->text);

		err_set(e, e->status, "%s: %s", text, said);
	}
}

/* All that the guest may connect to is there before it runs. */
static int set_up(struct vmm *v, struct firecracker *f, const struct vmm_config *c, struct err *e)
{
	struct vmm_config inside = *c;

	v->listen = fc_listen(f->dir, GUEST_PORT_AGENT, e);
	if (v->listen < 0)
		return -1;
	f->ports = fc_join(f->dir, c->ports, c->n_ports, e);
	if (f->ports < 0)
		return -1;
	if (f->jail.uid) {
		if (fc_jail_own_sockets(&f->jail, f->dir, c->ports, c->n_ports, e) < 0)
			return -1;
		inside.kernel = "/" FC_JAIL_KERNEL;
		inside.initrd = "/" FC_JAIL_INITRD;
	}
	if (fc_api_connect(&f->api, f->dir, FC_API_NAME, &v->proc, TIMEOUT_MS, e) < 0 ||
	        fc_api_version(&f->api, e) < 0 || fc_check_version(&f->api.version, e) < 0)
		return -1;
	if (c->state >= 0)
		return fc_vmm_load(f, v, c, e);
	return fc_boot(&f->api, &inside, f->tap.fd >= 0 ? f->tap.device.ifr_name : NULL, e);
}

static int prepare(struct firecracker *f, const struct vmm_config *c, struct err *e)
{
	if (make_dir(f, c->dir, e) < 0 || fc_files_open(&f->log, &f->metrics, e) < 0)
		return -1;
	if (c->jailed && fc_jail_make(&f->jail, c, f->base, &f->dir, &f->log, f->metrics, e) < 0)
		return -1;
	return c->tap < 0 ? 0 : fc_tap_lend(&f->tap, c->tap, f->jail.uid, e);
}

static int start(struct vmm *v, const struct vmm_config *c, struct err *e)
{
	struct firecracker *f = xcalloc(1, sizeof *f);

	*v = vmm_none(&vmm_firecracker);
	v->own = f;
	v->memory_size = c->memory;
	*f = (struct firecracker){.api.fd = -1,
	        .log = -1,
	        .metrics = -1,
	        .parent = -1,
	        .base = -1,
	        .dir = -1,
	        .tap = FC_TAP_NONE,
	        .jail = FC_JAIL_NONE};
	v->log = memfd_create("firecracker.log", MFD_CLOEXEC);
	if (strcmp(c->accel, "kvm") != 0) {
		err_set(e, FCVM_EX_FAIL,
		        "--hypervisor " PROGRAM ": it needs KVM, and this is %s: "
		        "see 'fcvm doctor', or use --hypervisor qemu",
		        c->accel);
	} else if (v->log < 0) {
		err_sys(e, "cannot make a memory file");
	} else if (prepare(f, c, e) == 0 && spawn(v, f, c, e) == 0) {
		if (set_up(v, f, c, e) == 0)
			return 0;
		proc_kill(&v->proc, SIGKILL);
		proc_wait(&v->proc);
		add_words(v, f, e);
	}
	vmm_close(v);
	return -1;
}

static char *identity(struct err *e)
{
	return vmm_program_identity(PROGRAM, e);
}

static void kill_now(struct vmm *v)
{
	proc_kill(&v->proc, SIGKILL);
}

/* Its own exit statuses; 0 is a restart of the guest, whatever led to it. */
static const char *explain(int status)
{
	static const struct {
		int status;
		const char *why;
	} known[] = {{1, "its own words tell more"}, {2, "it came to what it does not expect"},
	        {148, "its system call filter stopped it"}, {149, "a bus error: SIGBUS"},
	        {150, "it crashed: SIGSEGV"}, {151, "a file became too large: SIGXFSZ"},
	        {152, "it was configured wrongly"}, {153, "it was started with wrong arguments"},
	        {154, "it used too much CPU time: SIGXCPU"}, {156, "its terminal went: SIGHUP"},
	        {157, "it crashed: SIGILL"}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].status == status)
			return known[i].why;
	return NULL;
}

const struct vmm_ops vmm_firecracker = {.name = PROGRAM,
        .check = check,
        .identity = identity,
        .start = start,
        .save = fc_vmm_save,
        .go_on = fc_vmm_go_on,
        .ends_ports = true,
        .pages = true,
        .jails = true,
        .kill = kill_now,
        .close = close_all,
        .explain = explain};
