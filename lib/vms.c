/* SPDX-License-Identifier: MIT */
#include "vms.h"
#include "cleanup.h"
#include "ended.h"
#include "json.h"
#include "name.h"
#include "num.h"
#include "rundir.h"
#include "status.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAMED_MAX 8 /* of the candidates in a message */

static void vm_clear(struct vm *vm)
{
	free(vm->name);
	free(vm->dir);
	json_decref(vm->state);
}

void vms_free(struct vms *vms)
{
	for (size_t i = 0; i < vms->n; i++)
		vm_clear(&vms->v[i]);
	free(vms->v);
	*vms = (struct vms){0};
}

static struct vm *add(struct vms *vms)
{
	struct vm *bigger = reallocarray(vms->v, vms->n + 1, sizeof *vms->v);

	if (!bigger)
		abort();
	vms->v = bigger;
	vms->v[vms->n] = (struct vm){0};
	return &vms->v[vms->n++];
}

static const struct vm *exactly(const struct vms *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->v[i].name, name))
			return &all->v[i];
	return NULL;
}

const char *vm_text(const struct vm *vm, const char *key)
{
	const char *text = json_string_value(json_object_get(vm->state, key));

	return text ? text : "";
}

json_int_t vm_number(const struct vm *vm, const char *key)
{
	return json_integer_value(json_object_get(vm->state, key));
}

static int64_t lock_time(int dir_fd)
{
	struct stat st;

	if (fstatat(dir_fd, "lock", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* What is known of a VM without a state; also the type of each member. */
static json_t *unknown_state(const struct vm *vm, int dir_fd)
{
	json_t *j = json_pack(
	        "{s:s, s:s, s:[], s:I, s:i, s:i, s:i, s:s, s:s, s:s, s:i, s:i, s:{s:s, s:i, s:s}, "
	        "s:i, s:i, s:i, s:{}, s:[], s:s, s:b, s:s}",
	        "name", vm->name, "image", "", "command", "created", (json_int_t)lock_time(dir_fd),
	        "started", 0, "ended", 0, "exit", 0, "error", "", "state", "starting", "health", "",
	        "pid", (int)vm->pid, "front", 0, "vmm", "name", "", "pid", 0, "accel", "", "cpus",
	        0, "memory", 0, "restarts", 0, "labels", "ports", "address", "", "tty", 0, "log",
	        "file");

	if (!j)
		abort();
	return j;
}

static bool same_type(const json_t *a, const json_t *b)
{
	return json_typeof(a) == json_typeof(b) || (json_is_boolean(a) && json_is_boolean(b)) ||
	       (json_is_number(a) && json_is_number(b));
}

/* Takes the reference of state. A member of another type than it should have makes all of it
 * worthless. */
static json_t *complete(json_t *state, json_t *defaults)
{
	auto_json json_t *d = defaults;
	const char *key;
	json_t *want;

	json_object_foreach(d, key, want)
	{
		const json_t *got = json_object_get(state, key);

		if (got && !same_type(got, want)) {
			json_decref(state);
			return json_incref(d);
		}
	}
	json_object_update_missing(state, d);
	json_object_set(state, "name", json_object_get(d, "name"));
	return state;
}

static bool load_state(struct vm *vm)
{
	auto_fd int dir_fd = open(vm->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	json_t *state, *defaults;

	if (dir_fd < 0)
		return errno != ENOENT;
	state = json_load_at(dir_fd, VMS_STATE, NULL);
	if (!state && vm_has_ended(dir_fd))
		return false;
	defaults = unknown_state(vm, dir_fd);
	vm->state = state ? complete(state, defaults) : defaults;
	return true;
}

struct listing {
	struct vms *vms;
	const char *base;
};

static void note(const char *name, pid_t pid, void *ctx)
{
	const struct listing *l = ctx;
	struct vm *vm = add(l->vms);

	vm->name = xstrdup(name);
	vm->dir = xasprintf("%s/%s", l->base, name);
	vm->pid = pid;
}

/* A record without a state is just being removed. */
static void load_record(struct vms *vms, const char *path, const char *name)
{
	struct vm vm = {.dir = xasprintf("%s/%s", path, name), .ended = true};
	auto_fd int dir_fd = open(vm.dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	json_t *state = dir_fd < 0 ? NULL : json_load_at(dir_fd, VMS_STATE, NULL);

	vm.name = xstrdup(name);
	if (state) {
		vm.state = complete(state, unknown_state(&vm, dir_fd));
		json_object_set_new(vm.state, "state", json_string("exited"));
		*add(vms) = vm;
	} else {
		vm_clear(&vm);
	}
}

static void load_records(const char *data, struct vms *vms)
{
	auto_free char *path = xasprintf("%s/" ENDED_DIR, data);
	DIR *d = opendir(path);
	struct dirent *ent;

	while (d && (ent = readdir(d)))
		if (name_valid(ent->d_name) && !exactly(vms, ent->d_name))
			load_record(vms, path, ent->d_name);
	if (d)
		closedir(d);
}

static int newest_first(const void *a, const void *b)
{
	json_int_t x = vm_number(a, "created"), y = vm_number(b, "created");

	if (x != y)
		return x < y ? 1 : -1;
	return strcmp(((const struct vm *)a)->name, ((const struct vm *)b)->name);
}

static int load_running(const char *base, struct vms *out, struct err *e)
{
	char real[PATH_MAX];
	struct listing l = {out, real};
	size_t kept = 0;

	if (!realpath(base, real))
		return errno == ENOENT ? 0 : err_sys(e, "cannot resolve %s", base);
	if (rundir_list(base, note, &l, e) < 0) {
		vms_free(out);
		return -1;
	}
	for (size_t i = 0; i < out->n; i++) {
		if (load_state(&out->v[i]))
			out->v[kept++] = out->v[i];
		else
			vm_clear(&out->v[i]);
	}
	out->n = kept;
	return 0;
}

/* The running ones first: one that ends meanwhile has its record before its directory goes. */
int vms_load(const char *base, const char *data, struct vms *out, struct err *e)
{
	*out = (struct vms){0};
	if (load_running(base, out, e) < 0)
		return -1;
	if (data)
		load_records(data, out);
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, newest_first);
	return 0;
}

/* --- who is meant ------------------------------------------------------------------------------
 */

static void choose(const struct vm *vm, struct vms *out)
{
	struct vm *copy;

	for (size_t i = 0; i < out->n; i++)
		if (!strcmp(out->v[i].name, vm->name))
			return;
	copy = add(out);
	copy->name = xstrdup(vm->name);
	copy->dir = xstrdup(vm->dir);
	copy->ended = vm->ended;
	copy->pid = vm->pid;
	copy->state = json_incref(vm->state);
}

static int no_such(const struct vms_selector *s, const char *name, struct err *e)
{
	if (s->missing_ok)
		return 0;
	if (s->data)
		return err_set(e, FCVM_EX_NOTFOUND,
		        "there is no VM named '%s': see 'fcvm ls --all'", name);
	return err_set(e, FCVM_EX_NOTFOUND, "no VM named '%s' is running: see 'fcvm ls'", name);
}

static int ambiguous(const struct vms *all, const char *word, struct err *e)
{
	char list[NAMED_MAX * 68] = "";
	size_t len = strlen(word), n = 0;

	for (size_t i = 0; i < all->n; i++) {
		size_t at = strlen(list);

		if (strncmp(all->v[i].name, word, len) != 0 || n++ >= NAMED_MAX)
			continue;
		snprintf(list + at, sizeof list - at, "%s%s", at ? ", " : "", all->v[i].name);
	}
	return err_set(e, FCVM_EX_NOTFOUND, "'%s' is the beginning of several VMs' names: %s%s",
	        word, list, n > NAMED_MAX ? ", …" : "");
}

static int choose_word(const struct vms *all, const struct vms_selector *s, const char *word,
        struct vms *out, struct err *e)
{
	const struct vm *hit = exactly(all, word);
	size_t len = strlen(word);

	if (hit) {
		choose(hit, out);
		return 0;
	}
	for (size_t i = 0; len && i < all->n; i++) {
		if (strncmp(all->v[i].name, word, len) != 0)
			continue;
		if (hit)
			return ambiguous(all, word, e);
		hit = &all->v[i];
	}
	if (!hit)
		return no_such(s, word, e);
	choose(hit, out);
	return 0;
}

static bool has_process(const struct vm *vm, json_int_t pid)
{
	const json_t *vmm = json_object_get(vm->state, "vmm");

	return vm->pid == pid || vm_number(vm, "pid") == pid || vm_number(vm, "front") == pid ||
	       json_integer_value(json_object_get(vmm, "pid")) == pid;
}

static int choose_pid(const struct vms *all, const struct vms_selector *s, const char *word,
        struct vms *out, struct err *e)
{
	uint64_t pid;

	if (num_u64(word, 1, INT_MAX, &pid) < 0)
		return err_set(e, FCVM_EX_USAGE, "--pid %s: not the number of a process", word);
	for (size_t i = 0; i < all->n; i++) {
		if (has_process(&all->v[i], (json_int_t)pid)) {
			choose(&all->v[i], out);
			return 0;
		}
	}
	if (s->missing_ok)
		return 0;
	return err_set(e, FCVM_EX_NOTFOUND, "process %s is no running VM's: see 'fcvm ls'", word);
}

static int choose_named(
        const struct vms *all, const struct vms_selector *s, struct vms *out, struct err *e)
{
	for (size_t i = 0; i < s->n_words; i++)
		if (choose_word(all, s, s->words[i], out, e) < 0)
			return -1;
	for (size_t i = 0; i < s->names.n; i++) {
		const struct vm *hit = exactly(all, s->names.v[i]);

		if (hit)
			choose(hit, out);
		else if (no_such(s, s->names.v[i], e) < 0)
			return -1;
	}
	for (size_t i = 0; i < s->pids.n; i++)
		if (choose_pid(all, s, s->pids.v[i], out, e) < 0)
			return -1;
	return 0;
}

static int choose_latest(
        const struct vms *all, const struct vms_selector *s, struct vms *out, struct err *e)
{
	if (!all->n && s->missing_ok)
		return 0;
	if (!all->n)
		return err_set(e, FCVM_EX_NOTFOUND,
		        s->data ? "there is no VM, nor has one been kept" : "no VM is running");
	choose(&all->v[0], out);
	return 0;
}

int vms_resolve(const char *base, const struct vms_selector *s, struct vms *out, struct err *e)
{
	size_t named = s->n_words + s->names.n + s->pids.n;
	auto_vms struct vms all = {0};
	int r;

	*out = (struct vms){0};
	if (!named && !s->all && !s->latest)
		return err_set(e, FCVM_EX_USAGE, "no VM given: name one, or see 'fcvm ls'");
	if (!!named + s->all + s->latest > 1)
		return err_set(
		        e, FCVM_EX_USAGE, "--all and --latest go with no name and no other choice");
	if (vms_load(base, s->data, &all, e) < 0)
		return -1;
	if (s->all) {
		*out = all;
		all = (struct vms){0};
		return 0;
	}
	r = s->latest ? choose_latest(&all, s, out, e) : choose_named(&all, s, out, e);
	if (r < 0)
		vms_free(out);
	return r;
}

int vms_resolve_one(const char *base, const struct vms_selector *s, struct vms *out, struct err *e)
{
	if (vms_resolve(base, s, out, e) < 0)
		return -1;
	if (out->n == 1)
		return 0;
	err_set(e, FCVM_EX_USAGE, "this takes one VM, and %zu are meant", out->n);
	vms_free(out);
	return -1;
}
