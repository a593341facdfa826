/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "json.h"
#include "rundir.h"
#include "status.h"
#include "tap.h"
#include "tmpdir.h"
#include "vms.h"

#include <string.h>

/* A VM that lives until rundir_free(). state: NULL for none. */
static void start(const char *base, const char *name, const char *state, struct rundir *rd)
{
	auto_free char *path = NULL;
	struct err e = {0};

	if (rundir_reserve(base, name, rd, &e) < 0) {
		diag("%s", e.text);
		abort();
	}
	path = xasprintf("%s/" VMS_STATE, rd->dir);
	if (state && write_file_at(AT_FDCWD, path, state, strlen(state), 0600) < 0)
		abort();
}

/* The names, with blanks between; the caller frees. */
static char *names(const struct vms *vms)
{
	char *text = xstrdup("");

	for (size_t i = 0; i < vms->n; i++) {
		char *more = xasprintf("%s%s%s", text, i ? " " : "", vms->v[i].name);

		free(text);
		text = more;
	}
	return text;
}

static void states(const char *base)
{
	static const char *const bad[] = {NULL, "", "[]", "{", "{\"created\":\"x\"}",
	        "{\"image\":\"x\",\"labels\":[]}", "{\"image\":\"x\",\"ports\":{}}",
	        "{\"image\":\"x\",\"tty\":1}"};
	struct rundir rd;
	struct err e = {0};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		auto_vms struct vms vms = {0};

		start(base, "bad", bad[i], &rd);
		is_int(vms_load(base, NULL, &vms, &e), 0, "a VM with the state %s", bad[i]);
		if (ok(vms.n == 1, "is listed")) {
			is_str(vm_text(vms.v, "state"), "starting", "as starting");
			is_str(vm_text(vms.v, "image"), "", "with nothing believed");
			is_int(vm_number(vms.v, "pid"), getpid(), "and the lock's process");
			ok(vm_number(vms.v, "created") > 0, "and a time");
			is_str(vms.v->dir, rd.dir, "and its directory");
		}
		rundir_free(&rd);
	}
}

static void completed(const char *base)
{
	auto_vms struct vms vms = {0};
	struct rundir rd;
	struct err e = {0};

	start(base, "web",
	        "{\"name\":\"x\",\"state\":\"running\",\"cpus\":1.5,\"pid\":7,\"new\":1}", &rd);
	is_int(vms_load(base, NULL, &vms, &e), 0, "a state that lacks members");
	is_str(vm_text(vms.v, "state"), "running", "is taken as it is");
	is_str(vm_text(vms.v, "name"), "web", "but the directory has the name");
	is_int(vm_number(vms.v, "pid"), 7, "the state's process is the one that is shown");
	is_str(vm_text(vms.v, "log"), "file", "what is missing is filled in");
	ok(json_object_get(vms.v->state, "new"), "what is new stays");
	ok(json_is_object(json_object_get(vms.v->state, "labels")), "labels are there");
	rundir_free(&rd);
}

static void nothing(const char *base)
{
	auto_vms struct vms vms = {0};
	struct vms_selector latest = {.latest = true}, all = {.all = true};
	struct err e = {0};

	is_int(vms_load("/nonexistent/fcvm", NULL, &vms, &e), 0, "no base is no VM");
	is_int(vms_load(base, NULL, &vms, &e), 0, "an empty one neither");
	is_int(vms_resolve(base, &all, &vms, &e), 0, "all of none is none");
	is_int(vms.n, 0, "none");
	is_int(vms_resolve(base, &latest, &vms, &e), -1, "there is no latest");
	is_str(e.text, "no VM is running", "said so");
	is_int(e.status, FCVM_EX_NOTFOUND, "with its status");
}

/* Resolves and compares; want NULL: fails with that text. */
static void meant(const char *base, const struct vms_selector *s, const char *want, int status,
        const char *why)
{
	auto_vms struct vms vms = {0};
	auto_free char *got = NULL;
	struct err e = {0};
	int r = vms_resolve(base, s, &vms, &e);

	got = names(&vms);
	if (want) {
		is_int(r, 0, "resolved: %s", e.text);
		is_str(got, want, "%s", want);
	} else {
		is_int(r, -1, "not resolved");
		is_int(e.status, status, "with the status");
		is_str(e.text, why, "and the reason");
	}
}

static void resolve(const char *base)
{
	static char *words[] = {(char *)"web", (char *)"we", (char *)"w", (char *)"d", (char *)"",
	        (char *)"web3", (char *)"web2", (char *)"web"};
	struct strv web = {0}, we = {0}, pid12 = {0}, pid13 = {0}, pid14 = {0}, pid99 = {0},
	            pidx = {0}, own = {0};
	struct rundir rd[4];

	start(base, "web", "{\"created\":10,\"pid\":12,\"vmm\":{\"pid\":13}}", &rd[0]);
	start(base, "web2", "{\"created\":30,\"front\":14}", &rd[1]);
	start(base, "db", "{\"created\":20,\"pid\":12}", &rd[2]);
	start(base, "zz", "{\"created\":30,\"pid\":1,\"vmm\":{\"pid\":\"13\"}}", &rd[3]);
	strv_add(&web, "web");
	strv_add(&we, "we");
	strv_add(&pid12, "13");
	strv_add(&pid13, "14");
	strv_add(&pid14, "1");
	strv_add(&pid99, "999999");
	strv_add(&pidx, "0");
	strv_addf(&own, "%d", getpid());

	meant(base, &(struct vms_selector){.all = true}, "web2 zz db web", 0, NULL);
	meant(base, &(struct vms_selector){.latest = true}, "web2", 0, NULL);
	meant(base, &(struct vms_selector){.words = words, .n_words = 1}, "web", 0, NULL);
	meant(base, &(struct vms_selector){.words = words + 1, .n_words = 1}, NULL,
	        FCVM_EX_NOTFOUND, "'we' is the beginning of several VMs' names: web2, web");
	meant(base, &(struct vms_selector){.words = words + 3, .n_words = 1}, "db", 0, NULL);
	meant(base, &(struct vms_selector){.words = words + 4, .n_words = 1}, NULL,
	        FCVM_EX_NOTFOUND, "no VM named '' is running: see 'fcvm ls'");
	meant(base, &(struct vms_selector){.words = words + 5, .n_words = 1}, NULL,
	        FCVM_EX_NOTFOUND, "no VM named 'web3' is running: see 'fcvm ls'");
	meant(base, &(struct vms_selector){.words = words + 6, .n_words = 2}, "web2 web", 0, NULL);
	meant(base, &(struct vms_selector){.words = words, .n_words = 1, .names = web}, "web", 0,
	        NULL);
	meant(base, &(struct vms_selector){.names = we}, NULL, FCVM_EX_NOTFOUND,
	        "no VM named 'we' is running: see 'fcvm ls'");
	meant(base, &(struct vms_selector){.pids = pid12}, "web", 0, NULL);
	meant(base, &(struct vms_selector){.pids = pid13}, "web2", 0, NULL);
	meant(base, &(struct vms_selector){.pids = pid14}, "zz", 0, NULL);
	meant(base, &(struct vms_selector){.pids = own}, "web2", 0, NULL);
	meant(base, &(struct vms_selector){.pids = pid99}, NULL, FCVM_EX_NOTFOUND,
	        "process 999999 is no running VM's: see 'fcvm ls'");
	meant(base, &(struct vms_selector){.pids = pidx}, NULL, FCVM_EX_USAGE,
	        "--pid 0: not the number of a process");
	meant(base, &(struct vms_selector){0}, NULL, FCVM_EX_USAGE,
	        "no VM given: name one, or see 'fcvm ls'");
	meant(base, &(struct vms_selector){.all = true, .names = web}, NULL, FCVM_EX_USAGE,
	        "--all and --latest go with no name and no other choice");
	meant(base, &(struct vms_selector){.all = true, .latest = true}, NULL, FCVM_EX_USAGE,
	        "--all and --latest go with no name and no other choice");

	for (size_t i = 0; i < 4; i++)
		rundir_free(&rd[i]);
	strv_free(&web);
	strv_free(&we);
	strv_free(&pid12);
	strv_free(&pid13);
	strv_free(&pid14);
	strv_free(&pid99);
	strv_free(&pidx);
	strv_free(&own);
}

static void one(const char *base)
{
	static char *words[] = {(char *)"a", (char *)"b"};
	struct vms_selector two = {.words = words, .n_words = 2};
	auto_vms struct vms vms = {0};
	struct rundir a, b;
	struct err e = {0};

	start(base, "a", NULL, &a);
	start(base, "b", NULL, &b);
	is_int(vms_resolve_one(base, &two, &vms, &e), -1, "one VM is not two");
	is_str(e.text, "this takes one VM, and 2 are meant", "said so");
	two.n_words = 1;
	is_int(vms_resolve_one(base, &two, &vms, &e), 0, "but is one");
	rundir_free(&a);
	rundir_free(&b);
}

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_free char *base = xasprintf("%s/run", d.path);

	nothing(base);
	states(base);
	completed(base);
	resolve(base);
	one(base);
	return done();
}
