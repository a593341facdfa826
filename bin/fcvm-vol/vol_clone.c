/* SPDX-License-Identifier: MIT */
#include "vol_clone.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "saved.h"
#include "status.h"
#include "strv.h"
#include "volumes.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const char *text(const json_t *volume, const char *key)
{
	const char *s = json_string_value(json_object_get(volume, key));

	return s ? s : "";
}

static int read_one(struct vol_clone *c, size_t i, const json_t *volume, off_t end,
        struct vol_spec *v, struct err *e)
{
	json_int_t at = json_integer_value(json_object_get(volume, "at"));
	json_int_t size = json_integer_value(json_object_get(volume, "size"));
	bool anonymous = json_is_true(json_object_get(volume, "anonymous"));
	const char *name = text(volume, "name");

	if (at < 0 || size < 0 || size > end || at > end - size)
		return err_set(e, FCVM_EX_DATA, "its volumes are damaged");
	c->saved[i].at = at;
	c->saved[i].size = (size_t)size;
	c->saved[i].copied = anonymous;
	c->saved[i].copy = -1;
	c->file[i] = !strcmp(text(volume, "type"), "file");
	return vol_spec_make(v, text(volume, "source"),
	        anonymous ? ""
	        : *name   ? name
	                  : NULL,
	        text(volume, "destination"), text(volume, "words"), e);
}

static int read_all(
        struct vol_clone *c, struct snapshot *s, struct vol_spec *v, size_t *n, struct err *e)
{
	const json_t *list = json_object_get(s->meta, "volumes"), *volume;
	const char *id = text(s->meta, "id");
	int fd = s->files.volumes;
	struct stat st;
	size_t i;

	if (json_array_size(list) > VOL_MAX || strlen(id) != SNAPSHOT_ID - 1 || fstat(fd, &st) < 0)
		return err_set(e, FCVM_EX_DATA, "its volumes are damaged");
	memcpy(c->id, id, SNAPSHOT_ID);
	json_array_foreach(list, i, volume)
	{
		(*n)++;
		if (read_one(c, i, volume, st.st_size, &v[i], e) < 0)
			return -1;
		c->saved[i].fd = fd;
		if (c->saved[i].copied && !v[i].readonly)
			c->saved[i].copy = saved_volume(s->dir, i, e);
		if (c->saved[i].copied && !v[i].readonly && c->saved[i].copy < 0)
			return -1;
	}
	s->files.volumes = -1;
	c->dir = s->dir;
	s->dir = -1;
	return 0;
}

int vol_clone_read(
        struct vol_clone *c, const char *tag, struct vol_spec *v, size_t *n, struct err *e)
{
	auto_free char *data = dirs_data();
	struct snapshots s = {.dir = -1};
	struct snapshot found = {.files = SNAPSHOT_FILES_NONE, .dir = -1};
	int r = snapshots_open(&s, data, e);

	*n = 0;
	if (r == 0)
		r = snapshots_find(&s, tag, &found, e);
	if (r == 0 && read_all(c, &found, v, n, e) < 0)
		r = err_prefix(e, "the snapshot %s", tag);
	snapshot_close(&found);
	snapshots_close(&s);
	return r;
}

int vol_clone_check(const struct vol_clone *c, size_t i, const struct vol_spec *v, struct err *e)
{
	if (v->name && !v->anonymous && !volumes_exists(v->name))
		return err_set(e, FCVM_EX_DATA,
		        "the volume %s is gone, which the snapshot's VM had at %s", v->name,
		        v->target);
	if (!v->name && v->file != c->file[i])
		return err_set(e, FCVM_EX_DATA,
		        "the volume's source %s is a %s now, and was a %s when the VM was saved",
		        v->source, v->file ? "file" : "directory", v->file ? "directory" : "file");
	return 0;
}

char (*vol_clone_lost(const struct vol_clone *c, size_t n))[VOL_LOST_MAX]
{
	void *all = c ? mmap(NULL, n * VOL_LOST_MAX, PROT_READ | PROT_WRITE,
	                        MAP_SHARED | MAP_ANONYMOUS, -1, 0)
	              : MAP_FAILED;

	return all == MAP_FAILED ? NULL : all;
}
