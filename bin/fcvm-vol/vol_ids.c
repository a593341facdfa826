/* SPDX-License-Identifier: MIT
 * Whose files are whose. As root, ids are the same on both sides. An ordinary user's server has a
 * user namespace: the container's root is the caller, its other ids are the caller's subordinate
 * ones, and what is neither looks like nobody's and cannot be given. */
#include "cleanup.h"
#include "proc.h"
#include "status.h"
#include "vol_server.h"
#include "xio.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ids_needed(const struct vol_spec *v)
{
	return v->explicit_maps || geteuid() != 0;
}

/* The ranges of a user in /etc/subuid or /etc/subgid, by name or number, from id 1 on. */
static void subordinate(const char *path, struct vol_range *out, size_t *n)
{
	char names[4096];
	struct passwd entry, *pw = NULL;
	auto_file FILE *f = fopen(path, "re");
	char line[256], number[16];
	uint32_t next = 1;

	if (getpwuid_r(getuid(), &entry, names, sizeof names, &pw) != 0)
		pw = NULL; /* by number, then */
	snprintf(number, sizeof number, "%u", getuid());
	while (f && *n < VOL_MAPS && fgets(line, sizeof line, f)) {
		char *rest = line, *who = strsep(&rest, ":"), *end;
		unsigned long first = rest ? strtoul(rest, &end, 10) : 0;
		unsigned long count = rest && *end == ':' ? strtoul(end + 1, NULL, 10) : 0;

		if ((strcmp(who, number) != 0 && (!pw || strcmp(who, pw->pw_name) != 0)) ||
		        !first || !count || first + count > UINT32_MAX || next + count > UINT32_MAX)
			continue;
		out[(*n)++] = (struct vol_range){next, (uint32_t)first, (uint32_t)count};
		next += (uint32_t)count;
	}
}

static void default_maps(struct vol_idmap *m)
{
	m->uids[m->n_uids++] = (struct vol_range){0, geteuid(), 1};
	m->gids[m->n_gids++] = (struct vol_range){0, getegid(), 1};
	subordinate("/etc/subuid", m->uids, &m->n_uids);
	subordinate("/etc/subgid", m->gids, &m->n_gids);
	/* Neither is of use without the other. */
	if (m->n_uids == 1 || m->n_gids == 1)
		m->n_uids = m->n_gids = 1;
}

static int write_maps(pid_t pid, const char *file, const struct vol_range *r, size_t n)
{
	char path[64], text[VOL_MAPS * 40];
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof text - at, "%u %u %u\n", r[i].inside,
		        r[i].outside, r[i].count);
	snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
	return write_existing(path, text);
}

static int run_helper(
        const char *program, pid_t pid, const struct vol_range *r, size_t n, struct err *e)
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
static int own_id_alone(const struct vol_idmap *m, pid_t pid, struct err *e)
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

int ids_map(const struct vol_spec *v, pid_t pid, struct err *e)
{
	struct vol_idmap m = v->maps;
	int r;

	if (!v->explicit_maps)
		default_maps(&m);
	if (geteuid() == 0) {
		r = write_maps(pid, "uid_map", m.uids, m.n_uids);
		if (r == 0)
			r = write_maps(pid, "gid_map", m.gids, m.n_gids);
		errno = -r;
		return r < 0 ? err_sys(e, "cannot map the ids that idmap= names") : 0;
	}
	if (!v->explicit_maps &&
	        (m.n_uids == 1 || run_helper("newuidmap", pid, m.uids, m.n_uids, e) < 0))
		return own_id_alone(&m, pid, e);
	if (v->explicit_maps && run_helper("newuidmap", pid, m.uids, m.n_uids, e) < 0)
		return err_prefix(e, "idmap=: these ids are not yours to map (see /etc/subuid)");
	return run_helper("newgidmap", pid, m.gids, m.n_gids, e);
}
