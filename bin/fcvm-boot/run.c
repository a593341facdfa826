/* SPDX-License-Identifier: MIT */
#include "run.h"
#include "assets.h"
#include "build.h"
#include "cleanup.h"
#include "clone.h"
#include "front.h"
#include "json.h"
#include "boot_net.h"
#include "boot_vol.h"
#include "num.h"
#include "probe.h"
#include "rundir.h"
#include "signals.h"
#include "status.h"
#include "streams.h"
#include "strv.h"
#include "supervise.h"
#include "template.h"
#include "trace.h"
#include "warm.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>

/* What the run directory gives: where state, log and socket go, and the lock whose end frees the
 * name. */
struct place {
	int dir; /* -1 outside of a run directory */
	int lock;
	int front;
	pid_t front_pid;
};

static int take_place(struct place *p, struct err *e)
{
	const char *dir = getenv("FCVM_RUN_DIR"), *lock = getenv("FCVM_LOCK_FD");
	uint64_t fd;

	*p = (struct place){.dir = -1, .lock = -1, .front = -1};
	if (!dir || !lock)
		return 0;
	if (num_u64(lock, 3, INT_MAX, &fd) < 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(e, FCVM_EX_FAIL, "FCVM_LOCK_FD is not the lock of a run directory");
	p->lock = (int)fd; /* this process is the last that holds it */
	p->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return p->dir < 0 ? err_sys(e, "cannot open the run directory %s", dir) : 0;
}

/* By hand, without `fcvm run`, there is no front yet: then this process becomes it. Returns its
 * status, or -1 in the machine's own process. */
static int have_front(struct place *p, struct err *e)
{
	struct streams_opts o = {.timeout_ms = -1};
	struct streams_end end;
	struct control c = {.fd = -1};

	p->front = front_inherited();
	p->front_pid = getppid();
	if (p->front >= 0)
		return -1;
	o.child = front_split(&c.fd, e);
	if (o.child < 0)
		return FCVM_EX_FAIL;
	if (o.child == 0) {
		p->front = front_inherited();
		return -1;
	}
	if (p->lock >= 0)
		close(p->lock);
	p->lock = -1;
	net_leave();
	proto_in_init(&c.in, PROTO_GUEST);
	return streams_run(&c, &o, &end, e) < 0 ? FCVM_EX_FAIL : end.status;
}

static void leave_place(struct place *p)
{
	if (p->lock >= 0)
		rundir_release(p->lock, NULL);
	if (p->dir >= 0)
		close(p->dir);
}

static struct template_wish wish(const struct build *b, const json_t *plan, int *scratch)
{
	return (struct template_wish){.ops = b->ops,
	        .config = &b->config,
	        .data_dir = b->data,
	        .plan = plan,
	        .scratch = scratch};
}

/* How the machine is to begin: from a snapshot, a startup template, a template, or with a boot. */
struct start {
	const struct run_opts *o;
	struct template_wish wish;
	char key[SHA256_HEX]; /* of the template, if it is one */
	bool template, warmed;
	struct warm warm; /* asked for, if it has a machine */
};

/* 1: restored; 0: it has to boot; -1 with e filled. */
static int start_saved(struct start *s, struct vmm *v, struct build *b, struct err *e)
{
	int r;

	if (s->o->snapshot)
		return clone_start(v, b, s->wish.plan, e);
	if (s->o->no_snapshot)
		return 0;
	if (warm_wanted(s->wish.plan) && b->ops->save && warm_key(&s->warm, &s->wish, e) < 0)
		return -1;
	if (s->warm.machine && warm_start(v, &s->wish, &s->warm)) {
		memcpy(s->key, s->warm.key, sizeof s->key);
		return s->template = s->warmed = true;
	}
	r = template_start(v, &s->wish, s->key, e);
	s->template = r == 1;
	return r;
}

static int boot_cold(struct vmm *v, struct build *b, struct err *e)
{
	if (b->scratch < 0 && assets_scratch(b->data, b->config.scratch_size, &b->scratch, e) < 0)
		return -1;
	b->config.disks[1] = (struct vmm_disk){b->scratch, true};
	return b->ops->start(v, &b->config, e);
}

/* Once the machine has its ends. */
static int connect_volumes(struct start *s, struct vol *vol, struct err *e)
{
	int r = s->warmed ? warm_volumes(&s->warm, vol, e) : 0;

	template_files_close(&s->warm.from);
	if (r < 0)
		return err_prefix(e, "the started container cannot be gone on with");
	return vol_connect(vol, e);
}

/* What is in the run directory, and what is made of it for the guest. */
struct plans {
	const json_t *raw, *complete;
};

static int boot_plan(const struct plans *plans, const struct run_opts *o, const struct place *place,
        const struct net *net, struct vol *vol, char *tail, size_t tail_size, struct err *e)
{
	const json_t *plan = plans->complete;
	bool resumed = false;
	struct supervise_opts so = {.plan = plan,
	        .net = net->doc,
	        .volumes = vol->keeper,
	        .mounts = json_object_get(vol->doc, "volumes"),
	        .dir = place->dir,
	        .front = place->front,
	        .front_pid = place->front_pid,
	        .lock = place->lock,
	        .resumed = &resumed,
	        .exec = o->snapshot ? o->exec : NULL,
	        .tail = tail,
	        .tail_size = tail_size};
	struct saving saving = {.plan = plans->raw};
	struct start start = {.o = o, .warm = {.from = TEMPLATE_FILES_NONE}};
	struct build b;
	struct vmm v;
	int r, status = FCVM_EX_FAIL;

	signals_hold(); /* until supervise() looks at them */
	r = build_read(plan, o, net->tap, &b, e);
	if (r == 0) {
		so.accel = b.config.accel;
		so.memory = b.config.memory;
		so.cpus = b.config.cpus;
		so.kernel = build_kernel(&b, o);
		b.config.dir = place->dir;
		b.config.ports = vol->ports;
		b.config.n_ports = vol->n;
		start.wish = wish(&b, plan, &b.scratch);
		r = start_saved(&start, &v, &b, e);
	}
	so.restored = r == 1;
	so.healthy = start.warmed;
	so.clone = r == 1 && (o->snapshot || start.warmed);
	if (r == 0)
		r = boot_cold(&v, &b, e);
	if (r >= 0 && connect_volumes(&start, vol, e) < 0) {
		vmm_end(&v);
		r = -1;
	}
	if (r >= 0) {
		saving.data = b.data;
		saving.config = &b.config;
		saving.root = b.root;
		saving.scratch = b.scratch;
		saving.warm = start.warm.machine && !start.warmed ? &start.warm : NULL;
		so.saving = &saving;
		status = supervise(&v, &so, e);
		vmm_close(&v);
		trace("machine: ended");
	} else if (e->status > FCVM_EX_SIGNAL) {
		status = e->status;
	}
	if (start.template && !resumed)
		template_forget(&start.wish, start.key);
	warm_free(&start.warm);
	build_free(&b);
	return status;
}

int run_template(const struct run_opts *o, struct err *e)
{
	auto_json json_t *plan = json_load_at(AT_FDCWD, o->plan, e);
	struct net net = {.tap = -1};
	char key[SHA256_HEX];
	int r = plan ? net_take(-1, &net, e) : -1;

	if (r == 0) {
		struct build b;

		signals_hold();
		r = build_read(plan, o, net.tap, &b, e);
		if (r == 0) {
			struct template_wish w = wish(&b, plan, &b.scratch);

			r = template_make(&w, key, e);
		}
		build_free(&b);
	}
	net_free(&net);
	if (r == 0)
		puts(key);
	return r == 0 ? 0 : e->status > FCVM_EX_SIGNAL ? e->status : FCVM_EX_FAIL;
}

static int boot_in_net(const json_t *plan, const struct run_opts *o, const struct place *place,
        char *tail, size_t tail_size, struct err *e)
{
	auto_json json_t *complete = NULL;
	int status = FCVM_EX_FAIL;
	struct vol vol = {.keeper = -1};
	struct net net;

	if (net_take(place->dir, &net, e) == 0 && vol_take(place->dir, &vol, e) == 0 &&
	        vol_open(&vol, e) == 0) {
		complete = net_complete(plan, &net);
		if (o->snapshot && vol.n &&
		        !json_equal(json_object_get(vol.doc, "snapshot"),
		                json_object_get(plan, "snapshot")))
			err_set(e, FCVM_EX_FAIL, "the snapshot was replaced just now: try again");
		else if (vol_complete(complete, &vol, e) == 0)
			status = boot_plan(&(struct plans){plan, complete}, o, place, &net, &vol,
			        tail, tail_size, e);
	}
	vol_free(&vol);
	net_free(&net);
	return status;
}

int run_plan(const struct run_opts *o, char *tail, size_t tail_size, struct err *e)
{
	auto_json json_t *plan = json_load_at(AT_FDCWD, o->plan, e);
	struct place place = {.dir = -1, .lock = -1};
	int status = FCVM_EX_FAIL;

	if (plan && take_place(&place, e) == 0) {
		status = have_front(&place, e);
		if (status < 0)
			status = boot_in_net(plan, o, &place, tail, tail_size, e);
	}
	leave_place(&place);
	return status;
}

int run_selftest(const struct run_opts *o, char *tail, size_t tail_size, struct err *e)
{
	auto_free char *kernel = xasprintf("%s/vmlinux", o->kernel);
	auto_free char *initrd = xasprintf("%s/initrd", o->initrd);
	struct supervise_opts so = {.volumes = -1,
	        .dir = -1,
	        .front = -1,
	        .lock = -1,
	        .tail = tail,
	        .tail_size = tail_size};
	struct vmm_config c = {.kernel = kernel,
	        .initrd = initrd,
	        .accel = o->accel,
	        .append = o->append,
	        .tap = -1,
	        .memory_file = -1,
	        .state = -1,
	        .dir = -1,
	        .cpus = 1,
	        .memory = 256 << 20};
	const struct vmm_ops *ops;
	struct timespec t0, t1;
	struct vmm v;
	char why[200];
	long ms;

	if (!c.accel)
		c.accel = probe_accelerator(why, sizeof why);
	if (build_check_accel(c.accel, e) < 0)
		return FCVM_EX_FAIL;
	ops = vmm_find(NULL, c.accel, e);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	if (!ops || ops->start(&v, &c, e) < 0)
		return FCVM_EX_FAIL;
	supervise(&v, &so, e);
	vmm_close(&v);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	if (e->status)
		return e->status;
	ms = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
	if (o->json)
		printf("{\"accel\":\"%s\",\"milliseconds\":%ld}\n", c.accel, ms);
	else
		printf("%ld\n", ms);
	return 0;
}
