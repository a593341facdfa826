/* SPDX-License-Identifier: MIT */
#include "manage.h"
#include "cleanup.h"
#include "dirs.h"
#include "import.h"
#include "json.h"
#include "lock.h"
#include "origins.h"
#include "report.h"
#include "status.h"
#include "store.h"
#include "strv.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_SHORT 12 /* digits of a key that people see */
#define KEY_LEAST 4

static const char *key_of(const json_t *kernel)
{
	return json_string_value(json_object_get(kernel, "key"));
}

static bool has_profile(const json_t *kernel, const char *name)
{
	json_t *profile;
	size_t i;

	json_array_foreach(json_object_get(kernel, "profiles"), i, profile)
	{
		if (!strcmp(json_string_value(profile), name))
			return true;
	}
	return false;
}

/* The key, which the caller frees, or NULL with e filled. */
static char *find(const char *name, struct err *e)
{
	auto_json json_t *list = kernel_list(e);
	const json_t *found = NULL, *kernel;
	size_t i, n = 0, len = strlen(name);
	bool prefix = len >= KEY_LEAST && strspn(name, "0123456789abcdef") == len;

	if (!list)
		return NULL;
	json_array_foreach(json_object_get(list, "kernels"), i, kernel)
	{
		if (!(prefix && !strncmp(key_of(kernel), name, len)) && !has_profile(kernel, name))
			continue;
		n++;
		found = kernel;
	}
	if (n == 1)
		return xstrdup(key_of(found));
	err_set(e, FCVM_EX_NOTFOUND,
	        n ? "%s: several kernels are meant: give more of the key: see 'fcvm kernel ls'"
	          : "%s: neither the beginning of one kernel's key nor a profile that one came "
	            "from: see 'fcvm kernel ls'",
	        name);
	return NULL;
}

/* fcvm-setup holds this lock while it works: what it is about to use must stay. */
static int lock_setup(struct err *e)
{
	auto_free char *data = dirs_data();
	auto_free char *path = xasprintf("%s/setup.lock", data);
	int fd = lock_file_at(AT_FDCWD, path, true, false);

	if (fd == -EWOULDBLOCK)
		return err_set(e, FCVM_EX_BUSY, "fcvm-setup is at work: try again when it is done");
	if (fd < 0) {
		errno = -fd;
		return err_sys(e, "cannot lock %s", path);
	}
	return fd;
}

int kernel_remove(const char *name, struct err *e)
{
	auto_store struct kernel_store s = KERNEL_STORE_CLOSED;
	auto_free char *key = find(name, e), *used = NULL;
	auto_json json_t *origins = NULL;
	auto_fd int lock = -1;

	if (!key)
		return -1;
	lock = lock_setup(e);
	if (lock < 0)
		return -1;
	used = kernel_in_use();
	if (used && !strcmp(used, key))
		return err_set(e, FCVM_EX_BUSY,
		        "%.*s is what VMs use: choose another with 'fcvm kernel use' first",
		        KEY_SHORT, key);
	if (kernel_store_open(KERNEL_STORE, &s, e) < 0 || kernel_store_drop(&s, key, e) < 0)
		return -1;
	origins = kernel_origins();
	kernel_origins_forget(origins, key);
	puts(key);
	return 0;
}

int kernel_use(const char *name, struct err *e)
{
	auto_free char *key = find(name, e), *program = dirs_program("setup");

	if (!key)
		return -1;
	execl(program, program, "--kernel-key", key, (char *)NULL);
	return err_sys(e, "cannot run %s", program);
}
