/* SPDX-License-Identifier: MIT
 * What is copied while the machine stands still. */
#include "boot_vol.h"
#include "cleanup.h"
#include "failpoint.h"
#include "json.h"
#include "saved.h"
#include "snapshot_own.h"
#include "xio.h"

/* One that is the machine's own, as its disk is. */
static int copy_volume(struct snapshot_job *j, size_t i, const json_t *volume, struct err *e)
{
	auto_fd int dir = -1;

	if (!vol_is_copied(volume))
		return 0;
	dir = saved_volume_new(j->warm ? j->warm_new.files.dir : j->files.dir, i, e);
	return dir < 0 ? -1 : vol_copy(j->job.m->o->volumes, i, dir, e);
}

/* What the servers of the volumes know, one behind the other, and where. */
static int save_volumes(struct snapshot_job *j, struct err *e)
{
	struct machine *m = j->job.m;
	auto_json json_t *list = json_deep_copy(m->o->mounts);
	uint64_t at = 0;
	json_t *volume;
	size_t i;

	json_array_foreach(list, i, volume)
	{
		int64_t n = vol_save(m->o->volumes, i, j->files.files.volumes, at, e);

		if (n < 0 || copy_volume(j, i, volume, e) < 0)
			return -1;
		json_object_set_new(volume, "at", json_integer((json_int_t)at));
		json_object_set_new(volume, "size", json_integer((json_int_t)n));
		at += (uint64_t)n;
		failpoint("snapshot-volume");
	}
	if (json_array_size(list))
		json_object_set(j->meta, "volumes", list);
	return 0;
}

int snapshot_save(struct snapshot_job *j, struct err *e)
{
	struct vmm *v = j->job.m->vmm;
	int r;

	j->stopped = true; /* whatever of it was done */
	if (v->ops->save(v, j->files.files.state, j->files.files.memory, e) < 0)
		return -1;
	failpoint("snapshot-stopped");
	if (save_volumes(j, e) < 0)
		return -1;
	r = copy_sparse(j->job.m->o->saving->scratch, j->files.files.scratch);
	failpoint("snapshot-saved");
	errno = -r;
	return r < 0 ? err_sys(e, "cannot copy the machine's disk") : 0;
}
