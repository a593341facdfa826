/* SPDX-License-Identifier: MIT */
#include "rewind_volumes.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "saved.h"
#include "status.h"

#include <string.h>

static const json_t *list(const struct snapshot *s)
{
	return json_object_get(s->meta, "volumes");
}

static const json_t *volume(const struct snapshot *s, size_t i)
{
	return json_array_get(list(s), i);
}

static const char *place(const json_t *v)
{
	const char *at = json_string_value(json_object_get(v, "destination"));

	return at ? at : "?";
}

/* What says which volume it is, and how it is served. Each machine has its own anonymous ones. */
static json_t *essence(const json_t *v)
{
	json_t *x = json_copy((json_t *)(uintptr_t)v);

	json_object_del(x, "at");
	json_object_del(x, "size");
	json_object_del(x, "copyUp"); /* of one that was empty then */
	if (json_is_true(json_object_get(v, "anonymous"))) {
		json_object_del(x, "source");
		json_object_del(x, "name");
	}
	return x;
}

int rewind_volumes_check(const struct machine *m, const struct snapshot *found, struct err *e)
{
	const json_t *now;
	size_t i;

	json_array_foreach(m->o->mounts, i, now)
	{
		auto_json json_t *a = essence(now), *b = essence(volume(found, i));

		if (strcmp(place(now), place(b)) != 0)
			return err_set(e, FCVM_EX_DATA,
			        "it is of another VM: a volume of it is at %s, and here one is at "
			        "%s",
			        place(b), place(now));
		if (!json_equal(a, b))
			return err_set(e, FCVM_EX_DATA,
			        "it is of another VM: its volume at %s is another, or has other "
			        "options",
			        place(now));
	}
	return 0;
}

static int stage(const struct rewind_volumes *v, size_t i, struct err *e)
{
	auto_fd int dir = -1;

	if (!vol_is_copied(volume(v->found, i)))
		return 0;
	dir = saved_volume(v->found->dir, i, e);
	return dir < 0 ? -1 : vol_stage(v->m->o->volumes, i, dir, e);
}

int rewind_volumes_begin(struct rewind_volumes *v, const struct machine *m,
        const struct snapshot *found, struct err *e)
{
	v->m = m;
	v->found = found;
	v->streams = (struct vol){.keeper = m->o->volumes, .n = json_array_size(m->o->mounts)};
	for (size_t i = 0; i < v->streams.n; i++)
		v->streams.ports[i].fd = v->streams.servers[i] = -1;
	for (; v->staged < v->streams.n; v->staged++) {
		if (stage(v, v->staged, e) < 0)
			return err_prefix(e, "the volume at %s", place(volume(found, v->staged)));
		failpoint("rewind-staged");
	}
	return vol_open(&v->streams, e);
}

void rewind_volumes_end(struct rewind_volumes *v)
{
	struct err e;

	for (size_t i = 0; i < v->staged; i++)
		if (vol_is_copied(volume(v->found, i)))
			vol_unstage(v->m->o->volumes, i, v->found->dir, &e);
	v->staged = 0;
	v->streams.keeper = -1; /* the machine's */
	vol_free(&v->streams);
}

int64_t rewind_volumes_go_on(struct rewind_volumes *v, struct err *e)
{
	int64_t lost = 0;

	for (size_t i = 0; i < v->streams.n; i++) {
		const json_t *x = volume(v->found, i);
		const struct vol_session then = vol_session_of(x, v->found->files.volumes, -1);
		int64_t n = vol_load(v->m->o->volumes, i, &then, e);

		if (n < 0)
			return err_prefix(e, "the volume at %s", place(x));
		lost += n;
		failpoint("rewind-loaded");
	}
	v->staged = 0;
	return vol_connect(&v->streams, e) < 0 ? -1 : lost;
}
