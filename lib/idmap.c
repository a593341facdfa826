/* SPDX-License-Identifier: MIT */
#include "idmap.h"
#include "cleanup.h"
#include "proc.h"
#include "strv.h"
#include "xio.h"

#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* The ranges of a user in /etc/subuid or /etc/subgid, by name or number, from id 1 on. */
static void subordinate(const char *path, struct idmap_range *out, size_t *n)
{
	char names[4096];
	struct passwd entry, *pw = NULL;
	auto_file FILE *f = fopen(path, "re");
	char line[256], number[16];
	uint32_t next = 1;

	if (getpwuid_r(getuid(), &entry, names, sizeof names, &pw) != 0)
		pw = NULL; /* by number, then */
	snprintf(number, sizeof number, "%u", getuid());
	while (f && *n < IDMAP_MAX && fgets(line, sizeof line, f)) {
		char *rest = line, *who = strsep(&rest, ":"), *end;
		unsigned long first = rest ? strtoul(rest, &end, 10) : 0;
		unsigned long count = rest && *end == ':' ? strtoul(end + 1, NULL, 10) : 0;

		if ((strcmp(who, number) != 0 && (!pw || strcmp(who, pw->pw_name) != 0)) ||
		        !first || !count || first + count > UINT32_MAX || next + count > UINT32_MAX)
			continue;
		out[(*n)++] = (struct idmap_range){next, (uint32_t)first, (uint32_t)count};
		next += (uint32_t)count;
	}
}

void idmap_own(struct idmap *m)
{
	*m = (struct idmap){
	        .uids = {{0, geteuid(), 1}}, .gids = {{0, getegid(), 1}}, .n_uids = 1, .n_gids = 1};
	subordinate("/etc/subuid", m->uids, &m->n_uids);
	subordinate("/etc/subgid", m->gids, &m->n_gids);
	/* Neither is of use without the other. */
	if (m->n_uids == 1 || m->n_gids == 1)
		m->n_uids = m->n_gids = 1;
}

static bool in_range(const struct idmap_range *r, size_t n, uint32_t id)
{
	for (size_t i = 0; i < n; i++)
		if (id >= r[i].outside && id - r[i].outside < r[i].count)
			return true;
	return false;
}

bool idmap_has(const struct idmap *m, uid_t uid, gid_t gid)
{
	return in_range(m->uids, m->n_uids, uid) && in_range(m->gids, m->n_gids, gid);
}

static int write_maps(pid_t pid, const char *file, const struct idmap_range *r, size_t n)
{
	char path[64], text[IDMAP_MAX * 40];
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%u %u %u\n", r[i].inside,
		        r[i].outside, r[i].count);
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	return write_existing(path, text);
}

static int run_helper(
        const char *program, pid_t pid, const struct idmap_range *r, size_t n, struct err *e)
{
	auto_strv struct strv argv = {0};
	auto_free char *out = NULL;

	strv_addl(&argv, program, NULL);
	strv_addf(&argv, "%d", pid);
	for (size_t i = 0; i < n; i++) {
		strv_addf(&argv, "%u", r[i].inside);
		strv_addf(&argv, "%u", r[i].outside);
		strv_addf(&argv, "%u", r[i].count);
	}
	return proc_output(argv.v, 4096, &out, e);
}

/* Without the helpers or subordinate ids, the kernel lets a user map the own id alone. */
static int own_id_alone(const struct idmap *m, pid_t pid, struct err *e)
{
	char path[64];
	int r;

	snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
	r = write_existing(path, "deny");
	if (r == 0)
		r = write_maps(pid, "uid_map", m->uids, 1);
	if (r == 0)
		r = write_maps(pid, "gid_map", m->gids, 1);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot map the ids of the server") : 0;
}

int idmap_write(const struct idmap *m, pid_t pid, struct err *e)
{
	int r;

	if (geteuid() != 0) {
		r = run_helper("newuidmap", pid, m->uids, m->n_uids, e);
		return r < 0 ? -1 : run_helper("newgidmap", pid, m->gids, m->n_gids, e);
	}
	r = write_maps(pid, "uid_map", m->uids, m->n_uids);
	if (r == 0)
		r = write_maps(pid, "gid_map", m->gids, m->n_gids);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot map the ids of a user namespace") : 0;
}

int idmap_write_own(const struct idmap *m, pid_t pid, struct err *e)
{
	/* Either has mapped all or nothing. */
	if (m->n_uids == 1 || run_helper("newuidmap", pid, m->uids, m->n_uids, e) < 0)
		return own_id_alone(m, pid, e);
	return run_helper("newgidmap", pid, m->gids, m->n_gids, e);
}

static void __attribute__((noreturn)) as_root(int sock, bool maps, int (*fn)(void *ctx), void *ctx)
{
	char byte = 0;
	int r = maps && unshare(CLONE_NEWUSER) < 0 ? -errno : 0;

	if (r == 0 && maps && (write(sock, &byte, 1) != 1 || read(sock, &byte, 1) != 1))
		r = -EPERM;
	if (r == 0)
		r = fn(ctx);
	(void)!write(sock, &r, sizeof r);
	_exit(0);
}

static int map_child(const struct idmap_child *c)
{
	struct idmap m;
	struct err e;
	char byte = 0;

	idmap_own(&m);
	return read(c->sock, &byte, 1) != 1 || idmap_write_own(&m, c->pid, &e) < 0 ||
	                       write(c->sock, &byte, 1) != 1
	               ? -EPERM
	               : 0;
}

int idmap_start(struct idmap_child *c, int (*fn)(void *ctx), void *ctx)
{
	auto_fd int ours = -1, theirs = -1;
	bool maps = geteuid() != 0;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	c->pid = fork();
	if (c->pid < 0)
		return -errno;
	if (c->pid == 0) {
		close(ours);
		as_root(theirs, maps, fn, ctx);
	}
	close(steal_fd(&theirs));
	c->sock = steal_fd(&ours);
	r = maps ? map_child(c) : 0;
	if (r < 0) {
		shutdown(c->sock, SHUT_WR); /* which ends its wait */
		idmap_end(c);
	}
	return r;
}

int idmap_end(struct idmap_child *c)
{
	int r;

	if (read_full(c->sock, &r, sizeof r) != sizeof r)
		r = -EIO;
	close(c->sock);
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

int idmap_run(int (*fn)(void *ctx), void *ctx)
{
	struct idmap_child c;
	struct idmap m;
	int r;

	idmap_own(&m);
	if (m.n_uids == 1)
		return -EPERM;
	r = idmap_start(&c, fn, ctx);
	return r < 0 ? r : idmap_end(&c);
}

struct place {
	int dir;
	const char *name;
};

static int remove_place(void *ctx)
{
	const struct place *p = ctx;

	return remove_tree_at(p->dir, p->name);
}

/* What containers of an ordinary user gave to their other users is of subordinate ids. */
int remove_tree_mapped(int dir, const char *name)
{
	struct place p = {dir, name};
	int r = remove_place(&p);

	return (r == -EACCES || r == -EPERM) && geteuid() != 0 ? idmap_run(remove_place, &p) : r;
}
