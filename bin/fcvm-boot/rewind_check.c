/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "json.h"
#include "rewind.h"
#include "rewind_volumes.h"
#include "snapshot_meta.h"
#include "snapshots.h"
#include "status.h"
#include "strv.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

/* What the container runs, without the name that a clone has of its own. */
static json_t *process(const json_t *plan)
{
	json_t *p = json_deep_copy(json_object_get(plan, "process"));
	json_t *env = json_object_get(p, "env");

	for (size_t i = json_array_size(env); i > 0; i--) {
		const char *v = json_string_value(json_array_get(env, i - 1));

		if (v && !strncmp(v, "HOSTNAME=", 9))
			json_array_remove(env, i - 1);
	}
	return p;
}

static int check_plan(const json_t *now, const json_t *then, struct err *e)
{
	auto_json json_t *a = process(now), *b = process(then);
	const json_t *image = json_object_get(now, "image"), *was = json_object_get(then, "image");

	if (!json_equal(image, was))
		return err_set(e, FCVM_EX_DATA,
		        "it is of another VM: its image is %s, and here it is %s",
		        json_is_string(was) ? json_string_value(was) : "none",
		        json_is_string(image) ? json_string_value(image) : "none");
	if (!json_equal(json_object_get(a, "args"), json_object_get(b, "args")))
		return err_set(e, FCVM_EX_DATA, "it is of another VM: its command is another");
	if (!json_equal(a, b))
		return err_set(e, FCVM_EX_DATA,
		        "it is of another VM: its command has another environment, user, "
		        "terminal or other rights");
	return 0;
}

int rewind_check(const struct machine *m, const struct snapshot *found, struct err *e)
{
	if (snapshot_is_disk(found->meta))
		return err_set(e, FCVM_EX_DATA,
		        "it has the disk alone: 'fcvm snapshot run' makes a VM from it");
	if (snapshot_meta_check(found->meta, m->vmm->ops, m->o->saving->config, m->o->kernel, e) <
	        0)
		return -1;
	return check_plan(m->o->saving->plan, found->plan, e) < 0
	               ? -1
	               : rewind_volumes_check(m, found, e);
}

int rewind_same_file(int a, int b)
{
	auto_free char *x = xcalloc(1, CHUNK), *y = xcalloc(1, CHUNK);
	struct stat s, t;
	ssize_t n;

	if (fstat(a, &s) < 0 || fstat(b, &t) < 0)
		return -1;
	if (s.st_dev == t.st_dev && s.st_ino == t.st_ino)
		return 1;
	if (s.st_size != t.st_size)
		return 0;
	for (off_t at = 0; at < s.st_size; at += n) {
		n = pread(a, x, CHUNK, at);
		if (n <= 0 || pread(b, y, (size_t)n, at) != n)
			return -1;
		if (memcmp(x, y, (size_t)n) != 0)
			return 0;
	}
	return 1;
}
