/* SPDX-License-Identifier: MIT */
#include "template.h"
#include "assets.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "msg.h"
#include "signals.h"
#include "status.h"
#include "supervise.h"
#include "template_key.h"
#include "templates.h"
#include "trace.h"
#include "xio.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 20

/* The guest waits for a plan: called by supervise(). */
static int save(struct vmm *v, void *ctx, struct err *e)
{
	const struct template_new *n = ctx;

	failpoint("template-ready");
	return v->ops->save(v, n->files.state, n->files.memory, e);
}

/* What the guest may know of the first plan, which later ones share its memory with: no word of the
 * command but its file, no variable but PATH. */
static json_t *hints(const json_t *plan)
{
	const json_t *process = json_object_get(plan, "process"), *v;
	json_t *env = json_array();
	size_t i;

	json_array_foreach(json_object_get(process, "env"), i, v)
	{
		const char *text = json_string_value(v);

		if (text && !strncmp(text, "PATH=", 5))
			json_array_append_new(env, json_string(text));
	}
	return json_pack("{s:O?, s:{s:[O?], s:o}, s:{s:O?}}", "linux",
	        json_object_get(plan, "linux"), "process", "args",
	        json_array_get(json_object_get(process, "args"), 0), "env", env, "network", "mtu",
	        json_object_get(json_object_get(plan, "network"), "mtu"));
}

/* Boots the machine on the files of the new template until it is saved. */
static int boot(const struct template_wish *w, struct template_new *n, struct err *e)
{
	struct vmm_config c = *w->config;
	auto_json json_t *plan = hints(w->plan);
	char tail[2048] = "";
	struct supervise_opts so = {.volumes = -1,
	        .dir = -1,
	        .front = -1,
	        .lock = -1,
	        .accel = c.accel,
	        .memory = c.memory,
	        .cpus = c.cpus,
	        .ready_plan = plan,
	        .ready = save,
	        .ready_ctx = n,
	        .tail = tail,
	        .tail_size = sizeof tail};
	auto_fd int scratch = -1;
	struct vmm v;
	int r;

	if (assets_scratch(w->data_dir, c.scratch_size, &scratch, e) < 0)
		return -1;
	r = copy_sparse(scratch, n->files.scratch);
	if (r < 0 || ftruncate(n->files.memory, (off_t)c.memory) < 0) {
		errno = r < 0 ? -r : errno;
		return err_sys(e, "cannot write a template in %s", w->data_dir);
	}
	c.disks[1] = (struct vmm_disk){n->files.scratch, true};
	c.memory_file = n->files.memory;
	if (w->ops->start(&v, &c, e) < 0)
		return -1;
	r = supervise(&v, &so, e);
	vmm_close(&v);
	return r == 0 ? 0 : -1;
}

/* Alone with this key. */
static int make(const struct template_wish *w, const struct templates *t, const char *key,
        json_t *machine, struct err *e)
{
	struct template_new n;
	int r = templates_begin(t, &n, e);

	trace("template: booting");
	if (r == 0)
		r = boot(w, &n, e);
	trace("template: saved");
	if (r == 0) {
		json_object_set(machine, "reference", json_object_get(w->plan, "image"));
		r = templates_keep(t, &n, key, machine, NULL, e);
	}
	templates_end(t, &n);
	if (r == 0)
		templates_prune(t, templates_limit(), key, NULL, NULL, NULL);
	trace("template: kept");
	return r;
}

/* Waits for others that make this template, or for a signal. */
static int lock(const struct templates *t, const char *key, struct err *e)
{
	for (;;) {
		int fd = templates_lock(t, key, false, e), sig = signals_waiting();

		if (fd >= 0 || e->status != FCVM_EX_BUSY)
			return fd;
		if (sig)
			return err_set(e, FCVM_EX_SIGNAL + sig, "%s", "");
		poll(NULL, 0, WAIT_MS);
	}
}

/* Opens the template, made by us or by whoever was first. */
static int have(const struct template_wish *w, const struct templates *t, const char *key,
        json_t *machine, struct template_files *f, struct err *e)
{
	auto_fd int held = -1;
	const char *what;
	int r = 0;

	if (templates_find(t, key, f))
		return 0;
	what = json_string_value(json_object_get(w->plan, "image"));
	progress("preparing %s for quick starts", what ? what : "the image");
	held = lock(t, key, e);
	if (held < 0)
		r = -1;
	else if (!templates_find(t, key, f)) {
		r = make(w, t, key, machine, e);
		if (r == 0 && !templates_find(t, key, f))
			r = err_set(
			        e, FCVM_EX_FAIL, "the template in %s was removed at once", t->path);
	}
	progress_end();
	return r;
}

static int restore(
        struct vmm *v, const struct template_wish *w, const struct template_files *f, struct err *e)
{
	struct vmm_config c = *w->config;
	auto_fd int scratch = -1;

	if (assets_scratch_like(w->data_dir, f->scratch, &scratch, e) < 0)
		return -1;
	c.disks[1] = (struct vmm_disk){scratch, true};
	c.memory_file = f->memory;
	c.state = f->state;
	trace("template: found");
	if (w->ops->start(v, &c, e) < 0)
		return -1;
	*w->scratch = steal_fd(&scratch);
	return 0;
}

/* What the monitor does not take is removed, unless it may be the pager's fault. */
int template_restore(struct vmm *v, const struct template_wish *w, const struct templates *t,
        const char *key, const struct template_files *f, struct err *e)
{
	int r = restore(v, w, f, e);

	if (r < 0 && !w->config->pager)
		templates_remove(t, key, NULL);
	return r;
}

/* A state that the monitor does not take is made anew, once. */
static int start(struct vmm *v, const struct template_wish *w, const struct templates *t,
        const char *key, json_t *machine, struct err *e)
{
	struct template_files f = TEMPLATE_FILES_NONE;
	int r = -1;

	for (int tries = 0; tries < 2 && r < 0; tries++) {
		if (have(w, t, key, machine, &f, e) < 0)
			return -1;
		r = template_restore(v, w, t, key, &f, e);
		template_files_close(&f);
		if (r < 0 && w->config->pager)
			break;
	}
	trace(r == 0 ? "template: restored" : "template: not restored");
	return r;
}

/* Whether it is the user's wish that this ends. */
static bool interrupted(const struct err *e)
{
	return e->status > FCVM_EX_SIGNAL;
}

int template_start(
        struct vmm *v, const struct template_wish *w, char key[SHA256_HEX], struct err *e)
{
	auto_json json_t *machine = NULL;
	struct templates t = {.dir = -1};
	int r = -1;

	if (templates_limit() == 0 || !w->ops->save)
		return 0;
	machine = template_key(w->ops, w->config, w->plan, key, e);
	if (machine && templates_open(&t, w->data_dir, e) == 0)
		r = start(v, w, &t, key, machine, e);
	templates_close(&t);
	if (r == 0)
		return 1;
	/* Whoever named a server of the memory is to hear if that is not used. */
	if (interrupted(e) || w->config->pager)
		return -1;
	/* The rest is the machine's or the image's fault: the boot will say it. */
	if (e->status == FCVM_EX_SYS)
		msg("this start cannot be a quick one: %s", e->text);
	return 0;
}

int template_make(const struct template_wish *w, char key[SHA256_HEX], struct err *e)
{
	auto_json json_t *machine = NULL;
	struct template_files f = TEMPLATE_FILES_NONE;
	struct templates t = {.dir = -1};
	int r = -1;

	if (!w->ops->save)
		return err_set(e, FCVM_EX_FAIL, "%s cannot save a machine here", w->ops->name);
	machine = template_key(w->ops, w->config, w->plan, key, e);
	if (machine && templates_open(&t, w->data_dir, e) == 0)
		r = have(w, &t, key, machine, &f, e);
	template_files_close(&f);
	templates_close(&t);
	return r;
}

void template_forget(const struct template_wish *w, const char *key)
{
	struct templates t = {.dir = -1};

	if (templates_open(&t, w->data_dir, NULL) == 0)
		templates_remove(&t, key, NULL);
	templates_close(&t);
}
