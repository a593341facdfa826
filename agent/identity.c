/* SPDX-License-Identifier: MIT
 * Who the container's command runs as: users and groups looked up in the image's own /etc/passwd
 * and /etc/group, capabilities and limits from the plan. */
#include "cleanup.h"
#include "num.h"
#include "stage.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define ACCOUNTS_MAX ((off_t)16 << 20)
#define ID_MAX       ((uint64_t)UINT32_MAX - 1) /* (uid_t)-1 means "no change" to the kernel */

static bool numeric(const char *s, unsigned *id)
{
	uint64_t v;

	if (num_u64(s, 0, ID_MAX, &v) < 0)
		return false;
	*id = (unsigned)v;
	return true;
}

/* A file of the image's that holds accounts: a regular one of sane size, or nothing. A pipe or a
 * device would be read for ever. */
static FILE *accounts(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > ACCOUNTS_MAX)
		return NULL;
	return fdopen(steal_fd(&fd), "r");
}

/* Fills uid, gid and home from the image's passwd line of that name or number. */
static bool find_user(const char *name, bool by_id, struct identity *id, char *login, size_t size)
{
	auto_file FILE *f = accounts("/etc/passwd");
	struct passwd *pw;

	while (f && (pw = fgetpwent(f))) {
		if (by_id ? pw->pw_uid != id->uid : strcmp(pw->pw_name, name) != 0)
			continue;
		id->uid = pw->pw_uid;
		id->gid = pw->pw_gid;
		snprintf(id->home, sizeof id->home, "%s",
		        pw->pw_dir && *pw->pw_dir ? pw->pw_dir : "/");
		snprintf(login, size, "%s", pw->pw_name);
		return true;
	}
	return false;
}

static bool find_group(const char *name, unsigned *gid)
{
	auto_file FILE *f = accounts("/etc/group");
	struct group *gr;

	while (f && (gr = fgetgrent(f))) {
		if (strcmp(gr->gr_name, name) == 0) {
			*gid = gr->gr_gid;
			return true;
		}
	}
	return false;
}

static void supplementary(const char *login, struct identity *id)
{
	auto_file FILE *f = accounts("/etc/group");
	struct group *gr;

	while (f && (gr = fgetgrent(f))) {
		for (char **m = gr->gr_mem; *m; m++) {
			if (strcmp(*m, login) != 0 ||
			        id->n_groups == sizeof id->groups / sizeof *id->groups)
				continue;
			id->groups[id->n_groups++] = gr->gr_gid;
			break;
		}
	}
}

int identity_resolve(const char *spec, struct identity *id, struct err *e)
{
	auto_free char *user = xstrdup(spec ? spec : "");
	char *group = strchr(user, ':');
	char login[256] = "";
	bool by_id;

	*id = (struct identity){.home = "/"};
	if (group)
		*group++ = 0;
	by_id = !*user || numeric(user, &id->uid);
	if (!find_user(user, by_id, id, login, sizeof login) && !by_id)
		return err_set(e, FCVM_EX_NOEXEC, "no user '%s' in the image's /etc/passwd", user);
	if (group && *group) {
		if (!numeric(group, &id->gid) && !find_group(group, &id->gid))
			return err_set(e, FCVM_EX_NOEXEC, "no group '%s' in the image's /etc/group",
			        group);
	} else if (*login) {
		supplementary(login, id);
	}
	return 0;
}

void identity_add_group(struct identity *id)
{
	for (size_t i = 0; i < id->n_groups; i++)
		if (id->groups[i] == id->gid)
			return;
	if (id->n_groups == sizeof id->groups / sizeof *id->groups)
		id->n_groups--;
	memmove(id->groups + 1, id->groups, id->n_groups * sizeof *id->groups);
	id->groups[0] = id->gid;
	id->n_groups++;
}

static int set_rlimits(const json_t *limits, struct err *e)
{
	static const struct {
		const char *name;
		int resource;
	} names[] = {{"RLIMIT_AS", RLIMIT_AS}, {"RLIMIT_CORE", RLIMIT_CORE},
	        {"RLIMIT_CPU", RLIMIT_CPU}, {"RLIMIT_DATA", RLIMIT_DATA},
	        {"RLIMIT_FSIZE", RLIMIT_FSIZE}, {"RLIMIT_LOCKS", RLIMIT_LOCKS},
	        {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	        {"RLIMIT_NICE", RLIMIT_NICE}, {"RLIMIT_NOFILE", RLIMIT_NOFILE},
	        {"RLIMIT_NPROC", RLIMIT_NPROC}, {"RLIMIT_RSS", RLIMIT_RSS},
	        {"RLIMIT_RTPRIO", RLIMIT_RTPRIO}, {"RLIMIT_RTTIME", RLIMIT_RTTIME},
	        {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING}, {"RLIMIT_STACK", RLIMIT_STACK}};
	size_t i;
	json_t *l;

	json_array_foreach(limits, i, l)
	{
		const char *type = json_string_value(json_object_get(l, "type"));
		struct rlimit r = {
		        .rlim_cur = (rlim_t)json_integer_value(json_object_get(l, "soft")),
		        .rlim_max = (rlim_t)json_integer_value(json_object_get(l, "hard"))};
		size_t k = 0, n = sizeof names / sizeof *names;

		while (k < n && (!type || strcmp(names[k].name, type) != 0))
			k++;
		if (k == n)
			return err_set(e, FCVM_EX_FAIL, "unknown limit %s", type ? type : "");
		if (setrlimit((__rlimit_resource_t)names[k].resource, &r) < 0)
			return err_sys(e, "cannot set %s", type);
	}
	return 0;
}

/* The capability names of one set, as a bit mask. Names this kernel does not know are left out. */
static uint64_t cap_mask(const json_t *set)
{
	uint64_t mask = 0;
	size_t i;
	json_t *name;

	json_array_foreach(set, i, name)
	{
		cap_value_t v;

		if (json_is_string(name) && cap_from_name(json_string_value(name), &v) == 0 &&
		        v < 64)
			mask |= (uint64_t)1 << v;
	}
	return mask;
}

static int set_flag(cap_t caps, cap_flag_t flag, uint64_t mask)
{
	for (cap_value_t v = 0; v <= cap_max_bits() - 1; v++)
		if ((mask >> v & 1) && cap_set_flag(caps, flag, 1, &v, CAP_SET) < 0)
			return -1;
	return 0;
}

static int make_caps(struct identity *id, const json_t *caps, struct err *e)
{
	id->ambient = cap_mask(json_object_get(caps, "ambient"));
	id->caps = cap_init();
	if (!id->caps ||
	        set_flag(id->caps, CAP_PERMITTED, cap_mask(json_object_get(caps, "permitted"))) <
	                0 ||
	        set_flag(id->caps, CAP_EFFECTIVE, cap_mask(json_object_get(caps, "effective"))) <
	                0 ||
	        set_flag(id->caps, CAP_INHERITABLE,
	                cap_mask(json_object_get(caps, "inheritable"))) < 0)
		return err_sys(e, "cannot name the capabilities");
	return 0;
}

static int set_caps(const struct identity *id, struct err *e)
{
	if (cap_set_proc(id->caps) < 0)
		return err_sys(e, "cannot set the capabilities");
	for (cap_value_t v = 0; id->ambient && v < cap_max_bits(); v++)
		if ((id->ambient >> v & 1) && cap_set_ambient(v, CAP_SET) < 0)
			return err_sys(e, "cannot raise an ambient capability");
	return 0;
}

static int drop_bounding(uint64_t keep, struct err *e)
{
	for (cap_value_t v = 0; v < cap_max_bits(); v++)
		if (!(keep >> v & 1) && cap_drop_bound(v) < 0)
			return err_sys(e, "cannot drop a capability");
	return 0;
}

int identity_limit(struct identity *id, const void *process_json, struct err *e)
{
	const json_t *process = process_json;
	const json_t *caps = json_object_get(process, "capabilities");

	if (make_caps(id, caps, e) < 0 ||
	        drop_bounding(cap_mask(json_object_get(caps, "bounding")), e) < 0)
		return -1;
	return setgroups(id->n_groups, id->groups) < 0
	               ? err_sys(e, "cannot have the groups of user %u", id->uid)
	               : 0;
}

int identity_assume(const struct identity *id, const void *process_json, struct err *e)
{
	const json_t *process = process_json;

	if (set_rlimits(json_object_get(process, "rlimits"), e) < 0)
		return -1;
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return err_sys(e, "cannot keep capabilities");
	if (setresgid(id->gid, id->gid, id->gid) < 0 || setresuid(id->uid, id->uid, id->uid) < 0)
		return err_sys(e, "cannot become user %u:%u", id->uid, id->gid);
	if (set_caps(id, e) < 0)
		return -1;
	if (json_is_true(json_object_get(process, "noNewPrivileges")) &&
	        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, "cannot set no_new_privs");
	return 0;
}
