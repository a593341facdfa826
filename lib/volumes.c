/* SPDX-License-Identifier: MIT */
#include "volumes.h"
#include "cleanup.h"
#include "clock.h"
#include "dirs.h"
#include "idmap.h"
#include "json.h"
#include "lock.h"
#include "name.h"
#include "show.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define NAME_BYTES 32 /* of an anonymous one, in hexadecimal */

/* DATA/volumes, locked for as long as *lock is open. */
static int open_all(int *lock, struct err *e)
{
	auto_free char *data = dirs_data(), *path = xasprintf("%s/volumes", data);
	auto_fd int dir = -1;
	int r = mkdir_p(path, 0700);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot make %s", path);
	}
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*lock = dir < 0 ? -1 : lock_file_at(dir, ".lock", true, true);
	if (dir < 0 || *lock < 0) {
		if (dir >= 0)
			errno = -*lock;
		return err_sys(e, "cannot lock %s", path);
	}
	return steal_fd(&dir);
}

/* An anonymous volume's name is longer than a VM's may be. */
static bool good_name(const char *name)
{
	return name_valid(name) || (strlen(name) == 2 * NAME_BYTES &&
	                                   strspn(name, "0123456789abcdef") == 2 * NAME_BYTES);
}

static int random_name(char *out)
{
	unsigned char raw[NAME_BYTES];

	if (getrandom(raw, sizeof raw, 0) != sizeof raw)
		return -1;
	for (size_t i = 0; i < sizeof raw; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

static json_t *label_object(const struct strv *labels)
{
	json_t *o = json_object();

	for (size_t i = 0; labels && i < labels->n; i++) {
		const char *word = labels->v[i], *eq = strchrnul(word, '=');
		auto_free char *name = strndup(word, (size_t)(eq - word));

		json_object_set_new(o, name, json_string(*eq ? eq + 1 : ""));
	}
	return o;
}

static json_t *description(
        const char *name, const struct strv *labels, bool anonymous, bool temporary)
{
	char when[SHOW_UTC];

	show_utc(when, time(NULL));
	return json_pack("{s:s, s:s, s:s, s:o, s:{}, s:s, s:b, s:b}", "Name", name, "Driver",
	        "local", "CreatedAt", when, "Labels", label_object(labels), "Options", "Scope",
	        "local", "Anonymous", (int)anonymous, "Temporary", (int)temporary);
}

/* Under a temporary name first, so that a volume is never seen half-made. */
static int make(int all, const char *name, json_t *doc, struct err *e)
{
	char tmp[64];
	auto_fd int dir = -1;
	int r = mkdtemp_at(all, ".new", tmp, sizeof tmp, 0755);

	if (r == 0) {
		dir = openat(all, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || mkdirat(dir, "_data", 0755) < 0)
			r = -errno;
	}
	if (r == 0)
		r = json_save_at(dir, "volume.json", doc, 0600);
	if (r == 0 && renameat(all, tmp, all, name) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	remove_tree_at(all, tmp);
	errno = -r;
	return err_sys(e, "cannot make the volume %s", name);
}

static bool is_empty(int dir)
{
	DIR *d = opendir_at(dir, "_data");
	const struct dirent *de;
	bool empty = d != NULL;

	while (d && empty && (de = readdir(d)))
		empty = !strcmp(de->d_name, ".") || !strcmp(de->d_name, "..");
	if (d)
		closedir(d);
	return empty;
}

static bool exists(int all, const char *name)
{
	return faccessat(all, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int volumes_use(const char *name, bool temporary, struct volume_use *u, struct err *e)
{
	auto_free char *data = dirs_data();
	char fresh[2 * NAME_BYTES + 1];
	auto_fd int lock = -1, dir = -1;
	auto_fd int all = open_all(&lock, e);
	bool anonymous = !*name;

	if (all < 0)
		return -1;
	if (anonymous && random_name(fresh) < 0)
		return err_sys(e, "cannot choose a name for a volume");
	if (anonymous)
		name = fresh;
	if (!good_name(name))
		return err_set(e, FCVM_EX_USAGE, "'%s' is no name of a volume: " NAME_RULE, name);
	if (!exists(all, name)) {
		auto_json json_t *doc = description(name, NULL, anonymous, temporary);

		if (make(all, name, doc, e) < 0)
			return -1;
	}
	dir = openat(all, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	u->lock = dir < 0 ? -errno : lock_file_at(dir, "lock", false, false);
	if (u->lock < 0) {
		errno = -u->lock;
		return err_sys(e, "cannot use the volume %s", name);
	}
	u->empty = is_empty(dir);
	u->path = xasprintf("%s/volumes/%s/_data", data, name);
	u->name = xstrdup(name);
	return 0;
}

bool volumes_exists(const char *name)
{
	auto_free char *data = dirs_data(), *path = xasprintf("%s/volumes/%s/_data", data, name);

	return good_name(name) && faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

int volumes_create(const char *name, const struct strv *labels, struct err *e)
{
	auto_json json_t *doc = description(name, labels, false, false);
	auto_fd int lock = -1;
	auto_fd int all = open_all(&lock, e);

	if (all < 0)
		return -1;
	if (!good_name(name))
		return err_set(e, FCVM_EX_USAGE, "'%s' is no name of a volume: " NAME_RULE, name);
	if (exists(all, name))
		return err_set(e, FCVM_EX_BUSY, "there is a volume %s already", name);
	return make(all, name, doc, e);
}

/* Under the lock of all, a volume whose own lock nobody has cannot be taken into use. */
static int remove_unused(int all, const char *name, struct err *e)
{
	auto_fd int dir = openat(all, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	auto_fd int lock = -1;
	int r;

	if (dir < 0)
		return err_set(e, FCVM_EX_NOTFOUND, "there is no volume %s", name);
	lock = lock_file_at(dir, "lock", true, false);
	if (lock == -EWOULDBLOCK)
		return err_set(e, FCVM_EX_BUSY, "the volume %s is in use by a VM", name);
	if (lock < 0) {
		errno = -lock;
		return err_sys(e, "cannot lock the volume %s", name);
	}
	r = remove_tree_mapped(all, name);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot remove the volume %s", name) : 0;
}

int volumes_remove(const char *name, struct err *e)
{
	auto_fd int lock = -1;
	auto_fd int all = open_all(&lock, e);

	if (all < 0)
		return -1;
	if (!good_name(name))
		return err_set(e, FCVM_EX_NOTFOUND, "there is no volume '%s'", name);
	return remove_unused(all, name, e);
}

/* --- the janitor of a temporary volume ------------------------------------------------------- */

static void __attribute__((noreturn)) clean_up(const struct volume_use *u)
{
	auto_free char *file =
	        xasprintf("%.*slock", (int)(strlen(u->path) - strlen("_data")), u->path);
	int lock = open(file, O_RDWR | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_IGN);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (lock < 0 || dup2(lock, 3) < 0 || chdir("/") < 0)
		_exit(1);
	close_range(4, ~0U, 0);
	while (flock(3, LOCK_EX) < 0)
		if (errno != EINTR)
			_exit(1);
	close(3);
	_exit(volumes_remove(u->name, NULL) < 0 ? 1 : 0);
}

int volumes_janitor(const struct volume_use *u, struct err *e)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		setsid();
		if (fork() == 0)
			clean_up(u);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return err_sys(e, "cannot start the janitor of the volume %s", u->name);
	return 0;
}

/* --- listing --------------------------------------------------------------------------------- */

/* NULL: no volume, or one that is being removed. */
static json_t *describe(int all, const char *data, const char *name)
{
	auto_free char *path = xasprintf("%s/volumes/%s/_data", data, name);
	auto_fd int dir = openat(all, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	json_t *doc = dir < 0 ? NULL : json_load_at(dir, "volume.json", NULL);
	auto_fd int lock = -1;

	if (!doc)
		return NULL;
	lock = lock_file_at(dir, "lock", true, false);
	json_object_set_new(doc, "Name", json_string(name));
	json_object_set_new(doc, "Mountpoint", json_string(path));
	json_object_set_new(doc, "InUse", json_boolean(lock == -EWOULDBLOCK));
	return doc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_of(int all, struct strv *names)
{
	DIR *d = opendir_at(all, ".");
	const struct dirent *de;

	while (d && (de = readdir(d)))
		if (good_name(de->d_name))
			strv_add(names, de->d_name);
	if (d)
		closedir(d);
	if (names->n)
		qsort(names->v, names->n, sizeof *names->v, by_name);
}

json_t *volumes_list(struct err *e)
{
	auto_free char *data = dirs_data();
	auto_strv struct strv names = {0};
	auto_fd int lock = -1;
	auto_fd int all = open_all(&lock, e);
	json_t *list;

	if (all < 0)
		return NULL;
	list = json_array();
	names_of(all, &names);
	for (size_t i = 0; i < names.n; i++) {
		json_t *doc = describe(all, data, names.v[i]);

		if (json_is_true(json_object_get(doc, "Temporary")) &&
		        !json_is_true(json_object_get(doc, "InUse"))) {
			remove_unused(all, names.v[i], NULL);
			json_decref(doc);
		} else if (doc) {
			json_array_append_new(list, doc);
		}
	}
	return list;
}
