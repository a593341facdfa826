/* SPDX-License-Identifier: MIT */
#include "pack_volumes.h"
#include "json.h"
#include "snapshots.h"
#include "status.h"
#include "vol_spec.h"

#include <stdio.h>
#include <string.h>

static const char *text(const json_t *volume, const char *key)
{
	const char *s = json_string_value(json_object_get(volume, key));

	return s ? s : "";
}

size_t pack_volumes_count(const json_t *meta)
{
	return json_array_size(json_object_get(meta, "volumes"));
}

bool pack_volume_member(const json_t *meta, size_t i, char name[32])
{
	const json_t *volume = json_array_get(json_object_get(meta, "volumes"), i);

	snprintf(name, 32, "volume-%zu.tar", i);
	return !json_is_true(json_object_get(volume, "readonly"));
}

/* As the machine's server was told of it; vol_spec_free() ends it in any case. */
static int read_spec(const json_t *volume, struct vol_spec *v, struct err *e)
{
	int r = vol_spec_make(v, "", "", text(volume, "destination"), text(volume, "words"), e);

	if (r < 0 && e)
		e->status = FCVM_EX_DATA;
	return r;
}

static int is_own(const json_t *volume, struct err *e)
{
	const char *at = text(volume, "destination"), *name = text(volume, "name");
	struct vol_spec v;
	int r = 0;

	if (!json_is_true(json_object_get(volume, "anonymous")))
		return *name ? err_set(e, FCVM_EX_FAIL,
		                       "the volume at %s is the volume %s of this host", at, name)
		             : err_set(e, FCVM_EX_FAIL, "the volume at %s is %s of this host", at,
		                       text(volume, "source"));
	r = read_spec(volume, &v, e);
	if (r == 0 && v.explicit_maps)
		r = err_set(
		        e, FCVM_EX_FAIL, "the volume at %s has idmap=, with ids of this host", at);
	vol_spec_free(&v);
	return r;
}

int pack_volumes_own(const json_t *meta, struct err *e)
{
	const json_t *volume;
	size_t i;

	json_array_foreach(json_object_get(meta, "volumes"), i, volume)
	{
		if (is_own(volume, e) < 0)
			return -1;
	}
	return 0;
}

json_t *pack_volumes_meta(const json_t *meta)
{
	json_t *copy = json_deep_copy(meta), *volume;
	size_t i;

	json_array_foreach(json_object_get(copy, "volumes"), i, volume)
	{
		json_object_set_new(volume, "source", json_string(""));
		json_object_set_new(volume, "name", json_string(""));
	}
	return copy;
}

/* Whether nothing but what the server is told of it is there, in just that way. */
static bool is_described(const json_t *volume, const struct vol_spec *v, uint64_t at)
{
	json_t *size = json_object_get(volume, "size"),
	       *copy_up = json_object_get(volume, "copyUp");
	auto_json json_t *want = vol_spec_json(v);

	if (!json_is_integer(size) || json_integer_value(size) < 0 || !json_is_boolean(copy_up))
		return false;
	json_object_set_new(want, "source", json_string(""));
	json_object_set_new(want, "name", json_string(""));
	json_object_set_new(want, "at", json_integer((json_int_t)at));
	json_object_set(want, "size", size);
	json_object_set(want, "copyUp", copy_up);
	return json_equal(want, volume);
}

static int check_one(const json_t *volume, const struct vol_spec *v, uint64_t at, struct err *e)
{
	if (!json_is_true(json_object_get(volume, "anonymous")) || v->explicit_maps)
		return err_set(e, FCVM_EX_DATA, "it is of another host");
	if (!is_described(volume, v, at))
		return err_set(e, FCVM_EX_DATA, "it is not described as it must be");
	return 0;
}

static int check_all(
        const json_t *list, struct vol_spec v[VOL_MAX], uint64_t *sessions, struct err *e)
{
	const json_t *volume;
	size_t i;

	json_array_foreach(list, i, volume)
	{
		uint64_t size;
		int r = read_spec(volume, &v[i], e);

		if (r == 0)
			r = check_one(volume, &v[i], *sessions, e);
		for (size_t k = 0; k < i && r == 0; k++)
			if (!strcmp(v[k].target, v[i].target))
				r = err_set(e, FCVM_EX_DATA, "it is at the place of another");
		if (r < 0)
			return err_prefix(e, "its volume %zu", i);
		size = (uint64_t)json_integer_value(json_object_get(volume, "size"));
		if (size > INT64_MAX - *sessions)
			return err_set(
			        e, FCVM_EX_DATA, "its volume %zu has no size that can be", i);
		*sessions += size;
	}
	return 0;
}

int pack_volumes_check(const json_t *meta, uint64_t *sessions, struct err *e)
{
	const json_t *list = json_object_get(meta, "volumes");
	const json_t *ports = json_object_get(json_object_get(meta, "machine"), "ports");
	struct vol_spec v[VOL_MAX] = {0};
	size_t n = json_array_size(list);
	int r;

	*sessions = 0;
	if (!list)
		return 0;
	if (!n || n > VOL_MAX || snapshot_is_disk(meta) ||
	        json_integer_value(ports) != (json_int_t)n)
		return err_set(
		        e, FCVM_EX_DATA, "its machine cannot have the volumes that it names");
	r = check_all(list, v, sessions, e);
	for (size_t i = 0; i < n; i++)
		vol_spec_free(&v[i]);
	return r;
}
