/* SPDX-License-Identifier: MIT
 * fcvm-vol: serves host directories to a VM, and runs the rest of the line. See fcvm-vol(1). */
#include "become.h"
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "opt.h"
#include "status.h"
#include "vol_clone.h"
#include "vol_keeper.h"
#include "vol_mount.h"
#include "vol_spec.h"
#include "volumes.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

struct opts {
	const char *image_volumes, *snapshot;
	bool remove, json, check;
};

static const struct opt table[] = {
        {0, "image-volumes", "PLAN", "an anonymous volume for each that this plan's image declares",
                OPT_STR, offsetof(struct opts, image_volumes), false},
        {0, "snapshot", "TAG", "the volumes of that snapshot, as its VM had them", OPT_STR,
                offsetof(struct opts, snapshot), false},
        {0, "rm", NULL, "remove anonymous volumes when PROGRAM has ended", OPT_FLAG,
                offsetof(struct opts, remove), false},
        {0, "check", NULL, "only say whether the volumes could be served; no PROGRAM", OPT_FLAG,
                offsetof(struct opts, check), false},
        {0, "json", NULL, "print on stdout what is served, before PROGRAM runs", OPT_FLAG,
                offsetof(struct opts, json), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-vol [options] [[SOURCE:]DIR[:OPTIONS]...] -- PROGRAM [ARG...]",
        .summary = "Serves directories and files of this host to a virtual machine, and runs "
                   "PROGRAM.\n'fcvm-vol mount SOURCE MOUNTPOINT' serves them to this host itself.",
        .table = table,
};

struct vols {
	struct vol_spec v[VOL_MAX];
	size_t n;
	struct volume_use uses[VOL_MAX];
	int locks[VOL_MAX];
	size_t n_locks;
	struct vol_clone *clone; /* NULL: they begin anew */
};

static int too_many(struct err *e)
{
	return err_set(e, FCVM_EX_USAGE, "more than %d volumes", VOL_MAX);
}

static bool has_target(const struct vols *all, const char *target)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->v[i].target, target))
			return true;
	return false;
}

/* What the command line puts there comes first. */
static int add_image_volumes(struct vols *all, const char *path, struct err *e)
{
	auto_json json_t *plan = json_load_at(AT_FDCWD, path, e);
	const json_t *list = json_object_get(plan, "volumes"), *dir;
	size_t i;

	if (!plan)
		return -1;
	json_array_foreach(list, i, dir)
	{
		struct vol_spec v;
		const char *text = json_string_value(dir);

		if (!text || strchr(text, ':'))
			return err_set(e, FCVM_EX_DATA, "%s: volumes holds no directory", path);
		if (vol_spec_parse(&v, text, e) < 0 || all->n == VOL_MAX) {
			vol_spec_free(&v);
			return all->n == VOL_MAX ? too_many(e) : -1;
		}
		if (has_target(all, v.target))
			vol_spec_free(&v);
		else
			all->v[all->n++] = v;
	}
	return 0;
}

/* Words up to "--"; returns the index of PROGRAM, or -1. */
static int take_words(struct vols *all, int i, int argc, char **argv, bool check, struct err *e)
{
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (all->n == VOL_MAX)
			return too_many(e);
		if (vol_spec_parse(&all->v[all->n++], argv[i], e) < 0)
			return -1;
	}
	if (check)
		return i < argc ? opt_usage(&spec, e, "--check runs no program") : i;
	if (i + 1 >= argc)
		return opt_usage(&spec, e, "no program given after --");
	return i + 1;
}

static int use_named(struct vols *all, struct vol_spec *v, bool temporary, struct err *e)
{
	struct volume_use *u = &all->uses[all->n_locks];
	bool anonymous = v->anonymous;

	if (volumes_use(anonymous ? "" : v->name, temporary && anonymous, u, e) < 0)
		return -1;
	all->locks[all->n_locks++] = u->lock;
	v->copy_up = v->copy_up && u->empty && !v->readonly; /* it could not */
	free(v->source);
	v->source = xstrdup(u->path);
	free(v->name);
	v->name = xstrdup(u->name);
	return temporary && anonymous ? volumes_janitor(u, e) : 0;
}

/* Host paths first: nothing is made for a line that cannot run. */
static int check_paths(struct vols *all, struct err *e)
{
	/* Those of a snapshot are in the order that its machine knows. */
	if (!all->clone && vol_specs_sort(all->v, all->n, e) < 0)
		return -1;
	for (size_t i = 0; i < all->n; i++)
		if ((!all->v[i].name && vol_spec_check(&all->v[i], e) < 0) ||
		        (all->clone && vol_clone_check(all->clone, i, &all->v[i], e) < 0))
			return -1;
	return 0;
}

static int prepare(struct vols *all, bool temporary, struct err *e)
{
	if (check_paths(all, e) < 0)
		return -1;
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].name && (use_named(all, &all->v[i], temporary, e) < 0 ||
		                              vol_spec_check(&all->v[i], e) < 0))
			return -1;
	return 0;
}

static json_t *document(const struct vols *all)
{
	json_t *list = json_array();

	for (size_t i = 0; i < all->n; i++)
		json_array_append_new(list, vol_spec_json(&all->v[i]));
	return json_pack(
	        "{s:o, s:s*}", "volumes", list, "snapshot", all->clone ? all->clone->id : NULL);
}

static int tell(const struct vols *all, bool print, struct err *e)
{
	auto_json json_t *doc = document(all);

	return become_tell(doc, "volumes.json", print, e);
}

/* PROGRAM's end is out of the way of a shell's redirections. */
static int inherit(int *fd, struct err *e)
{
	char number[16];
	int kept = fcntl(*fd, F_DUPFD, INHERITED_FD_MIN);

	close(*fd);
	*fd = kept;
	snprintf(number, sizeof number, "%d", kept);
	return kept < 0 || setenv("FCVM_VOL_FD", number, 1) < 0 ? err_sys(e, "cannot keep a socket")
	                                                        : 0;
}

/* What a clone cannot go on with is said, and no failure: it is as when a file server was away. */
static void say_lost(const struct vols *all, char (*lost)[VOL_LOST_MAX])
{
	for (size_t i = 0; lost && i < all->n; i++)
		if (*lost[i])
			msg("note: the volume at %s: %s", all->v[i].target, lost[i]);
}

static int serve(struct vols *all, char *title, size_t title_size, struct err *e)
{
	char(*lost)[VOL_LOST_MAX] = vol_clone_lost(all->clone, all->n);
	struct vol_keeper k = {.v = all->v,
	        .n = all->n,
	        .locks = all->locks,
	        .n_locks = all->n_locks,
	        .saved = all->clone ? all->clone->saved : NULL,
	        .lost = lost,
	        .title = title,
	        .title_size = title_size};
	int pair[2], r;

	if (all->clone && !lost)
		return err_sys(e, "cannot start the volumes");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "cannot make a socket pair");
	k.machine = pair[1];
	r = vol_keeper_start(&k, e);
	close(pair[1]);
	if (r < 0)
		return -1;
	say_lost(all, lost);
	return inherit(&pair[0], e);
}

/* The words, or the snapshot's. */
static int take(struct vols *all, const struct opts *o, int i, int argc, char **argv, struct err *e)
{
	i = take_words(all, i, argc, argv, o->check, e);
	if (i < 0)
		return -1;
	if (o->snapshot && (all->n || o->image_volumes))
		return opt_usage(&spec, e, "--snapshot has its own volumes");
	if (o->snapshot) {
		all->clone = xcalloc(1, sizeof *all->clone);
		if (vol_clone_read(all->clone, o->snapshot, all->v, &all->n, e) < 0)
			return -1;
	}
	if (o->image_volumes && add_image_volumes(all, o->image_volumes, e) < 0)
		return -1;
	return i;
}

static int run(int argc, char **argv, struct err *e)
{
	struct vols *all = xcalloc(1, sizeof *all);
	struct opts o = {0};
	size_t title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
	int i = opt_parse(&spec, argc, argv, &o, e);

	if (i < 0)
		return -1;
	/* The parser has eaten the "--" that ends the options where no volume comes first. */
	if (i > 0 && i < argc && !strcmp(argv[i - 1], "--"))
		i--;
	i = take(all, &o, i, argc, argv, e);
	if (i < 0)
		return -1;
	if (o.check)
		return check_paths(all, e);
	unsetenv("FCVM_VOL_FD");
	if (all->n && (prepare(all, o.remove, e) < 0 || tell(all, o.json, e) < 0 ||
	                      serve(all, argv[0], title_size, e) < 0))
		return -1;
	return become(argv + i, e);
}

int main(int argc, char **argv)
{
	struct err e = {0};

	std_fds_open();
	if (argc > 1 && !strcmp(argv[1], "mount")) {
		int status = vol_mount(argc - 1, argv + 1, &e);

		return status >= 0 || e.status == FCVM_EX_OK ? FCVM_EX_OK : msg_err(&e);
	}
	if (run(argc, argv, &e) == 0 || e.status == FCVM_EX_OK)
		return FCVM_EX_OK;
	msg_err(&e);
	return become_status(e.status);
}
