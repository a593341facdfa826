/* SPDX-License-Identifier: MIT */
#include "clone.h"
#include "cleanup.h"
#include "json.h"
#include "standby.h"
#include "status.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE         4096
#define IDENTITY_DIR "/identity"
#define BOOT_ID      "/proc/sys/kernel/random/boot_id"

/* What a clone is known by: files with one word each. */
enum { MACHINE_ID, BOOT };
static const struct {
	const char *path, *member; /* of RESUME */
	size_t size;
	const char *also; /* beside hexadecimal digits */
} words[] = {{IDENTITY_DIR "/machine-id", "machineId", 32, ""},
        {IDENTITY_DIR "/boot_id", "bootId", 36, "-"}};
#define N_WORDS (sizeof words / sizeof *words)

static const struct {
	const char *at; /* in the container */
	int word;
} covers[] = {
        {"/etc/machine-id", MACHINE_ID}, {"/var/lib/dbus/machine-id", MACHINE_ID}, {BOOT_ID, BOOT}};
#define N_COVERS (sizeof covers / sizeof *covers)
_Static_assert(N_WORDS == CLONE_WORDS && N_COVERS == CLONE_COVERS, "agent.h counts them");

static const char *text(const json_t *message, const char *key)
{
	const char *s = json_string_value(json_object_get(message, key));

	return s ? s : "";
}

/* A file of the agent's own, of that size, in memory. Where this machine is a clone itself the file
 * is there, and what it is attached to shows what is written to it. */
static char *identity_page(const char *path, size_t size)
{
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0444);
	char *page;

	if (fd < 0 || fchmod(fd, 0444) < 0 || ftruncate(fd, (off_t)size) < 0)
		return NULL;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return NULL;
	__atomic_fetch_or(page, 0, __ATOMIC_SEQ_CST); /* it is there to be written from here on */
	return page;
}

int clone_open_files(struct standby *s)
{
	if (mkdir(IDENTITY_DIR, 0755) < 0 && errno != EEXIST)
		return -1;
	for (size_t i = 0; i < N_WORDS; i++) {
		s->words[i] = identity_page(words[i].path, words[i].size + 1);
		if (!s->words[i])
			return -1;
	}
	for (size_t i = 0; i < N_COVERS; i++) {
		s->mounts[i] = open_tree(
		        AT_FDCWD, words[covers[i].word].path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (s->mounts[i] < 0)
			return -1;
	}
	return 0;
}

void clone_close_files(struct standby *s)
{
	for (size_t i = 0; i < N_WORDS; i++) {
		if (s->words[i])
			munmap(s->words[i], PAGE);
		s->words[i] = NULL;
	}
	for (size_t i = 0; i < N_COVERS; i++) {
		if (s->mounts[i] > 0)
			close(s->mounts[i]);
		s->mounts[i] = -1;
	}
}

/* A machine-id is the container's if it has one. Where this machine is a clone itself it may be the
 * new one already. */
static bool wants_cover(size_t which, int mount)
{
	struct stat have, new;

	if (lstat(covers[which].at, &have) < 0 || !S_ISREG(have.st_mode) ||
	        (covers[which].word == MACHINE_ID && have.st_size < 32))
		return false;
	return fstat(mount, &new) < 0 || have.st_dev != new.st_dev || have.st_ino != new.st_ino;
}

int clone_rehearse(struct clone_names *names, const int mounts[CLONE_COVERS])
{
	for (size_t i = 0; i < N_COVERS; i++)
		wants_cover(i, mounts[i]);
	clone_names_find(names);
	return access(BOOT_ID, F_OK);
}

/* To write a file of the container's could take a thread of the kernel's, so others lie over them.
 */
int clone_rename(const struct clone_names *names, const char *name, const char *old,
        const int mounts[CLONE_COVERS])
{
	for (size_t i = 0; i < N_COVERS; i++)
		if (wants_cover(i, mounts[i]) && move_mount(mounts[i], "", AT_FDCWD, covers[i].at,
		                                         MOVE_MOUNT_F_EMPTY_PATH) < 0)
			return -1;
	return clone_names_change(names, name, old);
}

/* The host's words: of the form that the kernel has for them, or nothing is made of them. */
static bool is_hex(const char *s, size_t n, const char *also)
{
	for (size_t i = 0; i < n; i++)
		if (!strchr("0123456789abcdef", s[i]) && !strchr(also, s[i]))
			return false;
	return strlen(s) == n;
}

static int take_words(const struct standby *s, const json_t *message, struct err *e)
{
	for (size_t i = 0; i < N_WORDS; i++) {
		const char *word = text(message, words[i].member);

		if (strnlen(word, words[i].size + 1) != words[i].size ||
		        !is_hex(word, words[i].size, words[i].also))
			return err_set(e, FCVM_EX_FAIL, "the host sent no identity for a clone");
		memcpy(s->words[i], word, words[i].size);
		s->words[i][words[i].size] = '\n';
	}
	return 0;
}

int clone_become(struct agent *a, const json_t *message, struct err *e)
{
	const json_t *plan = json_object_get(message, "plan");
	const struct standby *s = &a->freeze.standby;
	int r;

	if (!json_is_object(plan))
		return err_set(e, FCVM_EX_FAIL, "the host sent a message without a plan");
	r = agent_reseed(a, message, e);
	if (r == 0 && a->freeze.can_end_tcp && tcp_end_foreign() < 0)
		r = err_sys(e, "cannot end the TCP connections of the machine it was");
	if (r == 0)
		r = take_words(s, message, e);
	if (r == 0)
		r = standby_rename(a, text(plan, "hostname"), text(a->plan, "hostname"),
		        json_is_true(json_object_get(message, "exec")), e);
	if (r == 0) {
		json_decref(a->plan);
		a->plan = json_incref((json_t *)plan);
	}
	return r;
}
