/* SPDX-License-Identifier: MIT */
#include "warm.h"
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "saved.h"
#include "status.h"
#include "strv.h"
#include "template_key.h"

#include <string.h>
#include <unistd.h>

bool warm_wanted(const json_t *plan)
{
	return json_is_true(json_object_get(json_object_get(plan, "fcvm"), "warm"));
}

/* HOSTNAME=… in the environment, where it is no more than the machine's name. */
static void drop_hostname(json_t *plan, const char *name)
{
	json_t *process = json_copy(json_object_get(plan, "process")), *env = json_array();
	auto_free char *own = xasprintf("HOSTNAME=%s", name);
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(process, "env"), i, v)
	{
		if (strcmp(json_string_value(v) ? json_string_value(v) : "", own) != 0)
			json_array_append(env, (json_t *)v);
	}
	json_object_set_new(process, "env", env);
	json_object_set_new(plan, "process", process);
}

/* What a machine is called it is told as it goes on, and how it is spoken of (labels, when it is
 * removed) is the host's. The rest of the plan its processes may have seen. */
static json_t *essence(const json_t *plan)
{
	static const char *const aside[] = {"name", "image", "labels", "annotations", "machine"};
	json_t *all = json_copy((json_t *)plan), *fcvm = json_copy(json_object_get(plan, "fcvm"));
	const char *name = json_string_value(json_object_get(plan, "name"));
	const char *host = json_string_value(json_object_get(plan, "hostname"));

	if (name && host && !strcmp(name, host)) {
		drop_hostname(all, name);
		json_object_del(all, "hostname");
	}
	for (size_t i = 0; i < sizeof aside / sizeof *aside; i++)
		json_object_del(all, aside[i]);
	json_object_del(fcvm, "remove");
	json_object_set_new(all, "fcvm", fcvm);
	return all;
}

int warm_key(struct warm *w, const struct template_wish *wish, struct err *e)
{
	auto_json json_t *plan = essence(wish->plan), *all = NULL;
	auto_free char *text = NULL;

	w->machine = template_key(wish->ops, wish->config, wish->plan, w->key, e);
	if (!w->machine)
		return -1;
	json_object_set_new(w->machine, "warm", json_true());
	all = json_pack("{s:O, s:O}", "machine", w->machine, "plan", plan);
	text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return err_set(e, FCVM_EX_FAIL, "the plan is not valid UTF-8");
	sha256_hex(text, strlen(text), w->key);
	json_object_set(w->machine, "reference", json_object_get(wish->plan, "image"));
	return 0;
}

void warm_free(struct warm *w)
{
	json_decref(w->machine);
	w->machine = NULL;
	template_files_close(&w->from);
}

int warm_start(struct vmm *v, const struct template_wish *wish, struct warm *w)
{
	struct templates t = {.dir = -1};
	struct err e;
	int r = 0;

	if (wish->ops->save && templates_open(&t, wish->data_dir, &e) == 0 &&
	        templates_find(&t, w->key, &w->from))
		r = template_restore(v, wish, &t, w->key, &w->from, &e) == 0;
	templates_close(&t);
	return r;
}

static int go_on_with(
        const struct warm *w, const struct vol *vol, size_t i, const json_t *m, struct err *e)
{
	const char *at = json_string_value(json_object_get(m, "destination"));
	bool copied = vol_is_copied(m);
	auto_fd int dir = copied ? saved_volume(w->from.dir, i, e) : -1;
	struct vol_session then = vol_session_of(m, w->from.volumes, dir);
	int64_t lost;

	if (copied && dir < 0)
		return -1;
	lost = vol_load(vol->keeper, i, &then, e);
	if (lost > 0)
		msg("note: the volume at %s: open files that could not be kept, and are stale "
		    "(ESTALE): %lld",
		        at ? at : "?", (long long)lost);
	return lost < 0 ? err_prefix(e, "the volume at %s", at ? at : "?") : 0;
}

int warm_volumes(const struct warm *w, const struct vol *vol, struct err *e)
{
	const json_t *m;
	size_t i;

	json_array_foreach(w->from.mounts, i, m)
	{
		if (i == vol->n)
			return err_set(e, FCVM_EX_DATA, "what was kept has other volumes");
		if (go_on_with(w, vol, i, m, e) < 0)
			return -1;
	}
	return 0;
}

int warm_begin(struct warm_new *n, const struct warm *w, const char *data_dir, struct err *e)
{
	struct template_files there;

	*n = (struct warm_new)WARM_NEW_NONE;
	if (templates_open(&n->store, data_dir, e) < 0)
		return -1;
	n->lock = templates_lock(&n->store, w->key, false, e);
	if (n->lock < 0)
		return e->status == FCVM_EX_BUSY ? 0 : -1;
	if (templates_find(&n->store, w->key, &there)) {
		template_files_close(&there);
		return 0;
	}
	return templates_begin(&n->store, &n->files, e) < 0 ? -1 : 1;
}

int warm_keep(struct warm_new *n, const struct warm *w, const json_t *mounts, struct err *e)
{
	if (templates_keep(&n->store, &n->files, w->key, w->machine, mounts, e) < 0)
		return -1;
	templates_prune(&n->store, templates_limit(), w->key, NULL, NULL, NULL);
	return 0;
}

void warm_end(struct warm_new *n)
{
	if (n->store.dir >= 0)
		templates_end(&n->store, &n->files);
	templates_close(&n->store);
	if (n->lock >= 0)
		close(n->lock);
	n->lock = -1;
}
