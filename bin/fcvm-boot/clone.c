/* SPDX-License-Identifier: MIT */
#include "clone.h"
#include "failpoint.h"
#include "json.h"
#include "snapshot_meta.h"
#include "status.h"
#include "trace.h"

/* What kernel, monitor and processors there are is no matter: the machine boots. */
static int take_disk(struct build *b, struct err *e)
{
	const json_t *machine = json_object_get(b->snapshot.meta, "machine");
	json_int_t size = json_integer_value(json_object_get(machine, "scratchSize"));

	if ((uint64_t)size != b->config.scratch_size)
		return err_set(e, FCVM_EX_FAIL,
		        "the snapshot cannot be run here: its disk is not of the size that its "
		        "plan "
		        "asks for");
	if (assets_scratch_like(b->data, b->snapshot.files.scratch, &b->scratch, e) < 0)
		return -1;
	failpoint("clone-opened");
	return 0;
}

int clone_start(struct vmm *v, struct build *b, const json_t *plan, struct err *e)
{
	const json_t *meta = b->snapshot.meta;
	const struct snapshot_files *f = &b->snapshot.files;

	if (!json_equal(json_object_get(plan, "snapshot"), json_object_get(meta, "id")))
		return err_set(e, FCVM_EX_FAIL, "the snapshot was replaced just now: try again");
	if (snapshot_is_disk(meta))
		return take_disk(b, e);
	if (!b->ops->save)
		return err_set(e, FCVM_EX_FAIL, "%s cannot restore a machine here", b->ops->name);
	if (snapshot_meta_check(meta, b->ops, &b->config, b->assets.about, e) < 0) {
		e->status = FCVM_EX_FAIL;
		return err_prefix(e, "the snapshot cannot be run here");
	}
	if (assets_scratch_like(b->data, f->scratch, &b->scratch, e) < 0)
		return -1;
	b->config.disks[1] = (struct vmm_disk){b->scratch, true};
	b->config.memory_file = f->memory;
	b->config.state = f->state;
	trace("snapshot: found");
	failpoint("clone-opened");
	if (b->ops->start(v, &b->config, e) < 0)
		return -1;
	trace("snapshot: restored");
	failpoint("clone-started");
	return 1;
}
