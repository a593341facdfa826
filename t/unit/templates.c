/* SPDX-License-Identifier: MIT
 * The store of templates: complete or not there, whatever happens while one is made; and the key,
 * which every ingredient of a machine changes. */
#include "proto.h"
#include "status.h"
#include "strv.h"
#include "tap.h"
#include "template_key.h"
#include "templates.h"
#include "tmpdir.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define KEY1 "1111111111111111111111111111111111111111111111111111111111111111"
#define KEY2 "2222222222222222222222222222222222222222222222222222222222222222"

static void write_files(const struct template_new *n, const char *word)
{
	const int fds[] = {n->files.state, n->files.memory, n->files.scratch};

	for (size_t i = 0; i < 3; i++)
		if (write_full(fds[i], word, strlen(word)) < 0)
			abort();
}

static int make(const struct templates *t, const char *key, const char *word)
{
	json_t *machine = json_pack("{s:s}", "reference", word);
	struct template_new n;
	struct err e;
	int r = templates_begin(t, &n, &e);

	if (r == 0) {
		write_files(&n, word);
		r = templates_keep(t, &n, key, machine, NULL, &e);
	}
	templates_end(t, &n);
	json_decref(machine);
	return r;
}

/* The state of the template as text; "" if there is none. */
static const char *found(const struct templates *t, const char *key, char *text, size_t size)
{
	struct template_files f;
	ssize_t n = 0;

	if (templates_find(t, key, &f))
		n = read(f.state, text, size - 1);
	text[n > 0 ? n : 0] = 0;
	template_files_close(&f);
	return text;
}

static void keeping(struct templates *t, struct tmpdir *d)
{
	char text[40], path[200];
	struct template_new n;
	struct err e;

	is_str(found(t, KEY1, text, sizeof text), "", "nothing is found in an empty store");
	is_int(make(t, KEY1, "one"), 0, "a template is kept");
	is_str(found(t, KEY1, text, sizeof text), "one", "and found");
	is_int(make(t, KEY1, "two"), 0, "another takes its place");
	is_str(found(t, KEY1, text, sizeof text), "two", "and is found instead");
	is_int(tmpdir_count(d), 1, "all of it is in one folder");

	is_int(templates_begin(t, &n, &e), 0, "one is begun");
	write_files(&n, "half");
	is_str(found(t, KEY2, text, sizeof text), "", "and not found before it is complete");
	templates_end(t, &n);
	snprintf(path, sizeof path, "%s/templates/%s", d->path, KEY1);
	is_int(templates_remove(t, KEY1, &e), 1, "a template is removed");
	is_int(templates_remove(t, KEY1, &e), 0, "once");
	ok(access(path, F_OK) < 0, "and gone");
}

static void damage(struct templates *t, struct tmpdir *d, const char *file, const char *how)
{
	char path[200], text[40];
	struct timespec before[2] = {{0}, {0}};
	struct stat st;
	int fd;

	if (make(t, KEY1, "sound") < 0)
		abort();
	snprintf(path, sizeof path, "%s/templates/%s/%s", d->path, KEY1, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		abort();
	if (!strcmp(how, "cut") && ftruncate(fd, 2) < 0)
		abort();
	if (!strcmp(how, "removed") && unlink(path) < 0)
		abort();
	if (!strcmp(how, "changed") && pwrite(fd, "X", 1, 1) != 1)
		abort();
	if (!strcmp(how, "hidden")) { /* a disk that lost a block would look like this */
		before[0] = before[1] = st.st_mtim;
		if (pwrite(fd, "X", 1, 1) != 1 || futimens(fd, before) < 0)
			abort();
	}
	close(fd);
	is_str(found(t, KEY1, text, sizeof text), "", "a template is not used whose %s was %s",
	        file, how);
}

/* A process that is killed at the named step of making KEY1 anew. */
static void killed_at(struct templates *t, const char *step, const char *then)
{
	struct tmpdir inner = {.fd = t->dir};
	char text[40];
	struct err e;
	int ws;
	pid_t pid;

	templates_prune(t, 0, NULL, NULL, NULL, &e);
	make(t, KEY1, "old");
	pid = fork();
	if (pid == 0) {
		setenv("FCVM_FAILPOINT", step, 1);
		make(t, KEY1, "new");
		_exit(0);
	}
	ok(waitpid(pid, &ws, 0) == pid && WIFSIGNALED(ws), "killed: %s", step);
	is_str(found(t, KEY1, text, sizeof text), then, "leaves the %s one",
	        *then ? then : "way free for a");
	is_int(make(t, KEY2, "other"), 0, "and the next is made");
	is_int(make(t, KEY1, "again"), 0, "this one, too");
	is_str(found(t, KEY1, text, sizeof text), "again", "and found");
	is_int(templates_prune(t, 0, NULL, NULL, NULL, &e), 0, "and after a prune");
	snprintf(inner.path, sizeof inner.path, "%s", t->path);
	is_int(tmpdir_count(&inner), 1, "nothing is left but the lock");
}

static void limits(struct templates *t)
{
	struct template_entry *list;
	struct timespec past[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};
	char text[40];
	struct err e;
	size_t n;

	make(t, KEY1, "first");
	make(t, KEY2, "second");
	utimensat(t->dir, KEY1, past, 0);
	utimensat(t->dir, KEY2, past, 0);
	found(t, KEY1, text, sizeof text);
	is_int(templates_list(t, &list, &n, &e), 0, "templates are listed");
	is_int((int)n, 2, "all of them");
	is_str(list[0].key, KEY2, "the one used longest ago first");
	ok(list[0].bytes > 0 && list[0].bytes < 1 << 20, "with what they take on disk");
	is_int(templates_prune(t, list[1].bytes, NULL, NULL, NULL, &e), 0, "with room for one");
	is_str(found(t, KEY1, text, sizeof text), "first", "the last used stays");
	is_str(found(t, KEY2, text, sizeof text), "", "the other goes");
	templates_list_free(list, n);
	templates_prune(t, 0, KEY1, NULL, NULL, &e);
	is_str(found(t, KEY1, text, sizeof text), "first", "the one to be spared is spared");
}

static void locks(struct templates *t)
{
	struct err e = {.text = ""};
	int one = templates_lock(t, KEY1, false, &e), two = templates_lock(t, KEY2, false, &e);

	ok(one >= 0 && two >= 0, "two keys do not wait for each other");
	is_int(templates_lock(t, KEY1, false, &e), -1, "one key has one builder");
	is_int(e.status, FCVM_EX_BUSY, "and that is told apart");
	close(one);
	close(two);
	one = templates_lock(t, KEY1, false, &e);
	ok(one >= 0, "a lock ends with its descriptor");
	close(one);
}

static char *identity_one(struct err *e)
{
	(void)e;
	return xstrdup("monitor 1");
}

static char *identity_two(struct err *e)
{
	(void)e;
	return xstrdup("monitor 2");
}

static char last_key[SHA256_HEX];

static void key_of(
        const struct vmm_ops *ops, const struct vmm_config *c, const json_t *plan, const char *what)
{
	char key[SHA256_HEX];
	struct err e = {.text = ""};
	json_t *doc = template_key(ops, c, plan, key, &e);

	if (what)
		ok(doc && strcmp(key, last_key) != 0, "another machine: %s", what);
	else
		snprintf(last_key, sizeof last_key, "%s", key);
	json_decref(doc);
}

static int file(const struct tmpdir *d, const char *name, const char *text)
{
	int fd = openat(d->fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write_full(fd, text, strlen(text)) < 0)
		abort();
	return fd;
}

#define VARY(member, value, what)                 \
	do {                                      \
		struct vmm_config other = c;      \
		other.member = value;             \
		key_of(&ops, &other, plan, what); \
	} while (0)

static void keys(const struct tmpdir *d)
{
	struct vmm_ops ops = {.name = "one", .identity = identity_one}, other_ops = ops;
	json_t *plan =
	        json_pack("{s:{s:[s]}, s:s}", "linux", "maskedPaths", "/proc/kcore", "name", "a");
	json_t *privileged = json_pack("{s:{s:[]}}", "linux", "maskedPaths");
	json_t *named =
	        json_pack("{s:{s:[s]}, s:s}", "linux", "maskedPaths", "/proc/kcore", "name", "b");
	char kernel[100], other_kernel[100], again[SHA256_HEX];
	int image = file(d, "image", "image"), other_image = file(d, "image2", "image");
	struct vmm_config c = {.kernel = kernel,
	        .initrd = kernel,
	        .append = "",
	        .accel = "tcg",
	        .cpus = 1,
	        .memory = 1 << 30,
	        .disks = {{image, false}},
	        .n_disks = 2,
	        .scratch_size = 1 << 20,
	        .tap = -1};
	struct err e;

	close(file(d, "kernel", "kernel"));
	close(file(d, "kernel2", "kernel"));
	snprintf(kernel, sizeof kernel, "%s/kernel", d->path);
	snprintf(other_kernel, sizeof other_kernel, "%s/kernel2", d->path);
	key_of(&ops, &c, plan, NULL);
	json_decref(template_key(&ops, &c, named, again, &e));
	is_str(again, last_key, "what a run is told later is no part of the machine");
	VARY(kernel, other_kernel, "kernel");
	VARY(initrd, other_kernel, "initrd");
	VARY(append, "debug", "kernel arguments");
	VARY(accel, "kvm", "accelerator");
	VARY(cpus, 2, "CPUs");
	VARY(memory, 2 << 20, "memory");
	VARY(disks[0].fd, other_image, "image");
	VARY(n_disks, 3, "disks");
	VARY(scratch_size, 2 << 20, "size of the scratch disk");
	VARY(tap, 0, "network");
	key_of(&ops, &c, privileged, "masked paths");
	other_ops.name = "two";
	key_of(&other_ops, &c, plan, "hypervisor");
	other_ops = ops;
	other_ops.identity = identity_two;
	key_of(&other_ops, &c, plan, "hypervisor's program");
	close(file(d, "kernel", "KERNEL"));
	key_of(&ops, &c, plan, "kernel of the same name");
	close(image);
	close(other_image);
	json_decref(plan);
	json_decref(privileged);
	json_decref(named);
}

int main(void)
{
	static const char *const files[] = {"state", "memory", "scratch", "template.json"};
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_tmpdir struct tmpdir k = tmpdir_make();
	struct templates t;
	struct err e;

	is_int(templates_open(&t, d.path, &e), 0, "the store is made");
	keeping(&t, &d);
	for (size_t i = 0; i < 4; i++) {
		damage(&t, &d, files[i], "removed");
		damage(&t, &d, files[i], "cut");
	}
	damage(&t, &d, "memory", "changed");
	damage(&t, &d, "state", "hidden");
	killed_at(&t, "template-begun", "old");
	killed_at(&t, "template-synced", "old");
	killed_at(&t, "template-described", "old");
	killed_at(&t, "template-aside", "");
	killed_at(&t, "template-renamed", "new");
	limits(&t);
	locks(&t);
	keys(&k);
	templates_close(&t);
	return done();
}
