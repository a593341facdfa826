/* SPDX-License-Identifier: MIT */
#include "template_key.h"
#include "cleanup.h"
#include "json.h"
#include "proto.h"
#include "status.h"
#include "strv.h"
#include "version.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define FORMAT 4 /* of what is in a template */

/* Kernel, initrd and image are not read again: a file that was replaced or changed has another
 * inode, size or time. */
static json_t *identity(const struct stat *st)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "device", (json_int_t)st->st_dev, "inode",
	        (json_int_t)st->st_ino, "size", (json_int_t)st->st_size, "mtime",
	        (json_int_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec, "ctime",
	        (json_int_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec);
}

static json_t *path_identity(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return identity(&st);
	err_sys(e, "cannot find %s", path);
	return NULL;
}

/* Its time of change is another whenever a snapshot links it, or lets go of it. */
static json_t *image_identity(const struct vmm_disk *d, struct err *e)
{
	struct stat st;
	json_t *id;

	if (fstat(d->fd, &st) < 0) {
		err_sys(e, "cannot read the image's attributes");
		return NULL;
	}
	id = identity(&st);
	json_object_del(id, "ctime");
	return id;
}

/* The line of /proc/cpuinfo with this word, of the first processor. */
static char *cpu_line(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	return at ? xasprintf("%.*s", (int)strcspn(at, "\n"), at) : xstrdup("");
}

/* A state is for the processor, its microcode aside, and the kernel that it was saved on. */
json_t *template_host(void)
{
	auto_free char *model = NULL, *flags = NULL;
	char hash[SHA256_HEX], text[16384];
	auto_fd int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read_full(fd, text, sizeof text - 1);
	struct utsname u;

	text[n > 0 ? n : 0] = 0;
	model = cpu_line(text, "model name");
	flags = cpu_line(text, "flags");
	sha256_hex(flags, strlen(flags), hash);
	uname(&u);
	return json_pack("{s:s, s:s, s:s, s:s}", "machine", u.machine, "release", u.release, "cpu",
	        model, "flags", hash);
}

json_t *template_key(const struct vmm_ops *ops, const struct vmm_config *c, const json_t *plan,
        char key[SHA256_HEX], struct err *e)
{
	auto_free char *monitor = ops->identity(e), *text = NULL;
	auto_json json_t *kernel = NULL, *initrd = NULL, *image = NULL, *doc = NULL;

	if (!monitor || !(kernel = path_identity(c->kernel, e)) ||
	        !(initrd = path_identity(c->initrd, e)) ||
	        !(image = image_identity(&c->disks[0], e)))
		return NULL;
	doc = json_pack("{s:i, s:s, s:i, s:s, s:s, s:s, s:s, s:O, s:O, s:O, s:I, s:I, s:I, s:I, "
	                "s:I, s:b, s:o, s:O?}",
	        "format", FORMAT, "version", FCVM_VERSION, "protocol", PROTO_VERSION, "hypervisor",
	        ops->name, "monitor", monitor, "accel", c->accel, "append",
	        c->append ? c->append : "", "kernel", kernel, "initrd", initrd, "image", image,
	        "cpus", (json_int_t)c->cpus, "memory", (json_int_t)c->memory, "disks",
	        (json_int_t)c->n_disks, "scratchSize", (json_int_t)c->scratch_size, "ports",
	        (json_int_t)c->n_ports, "network", c->tap >= 0, "host", template_host(), "linux",
	        json_object_get(plan, "linux"));
	text = doc ? json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text) {
		err_set(e, FCVM_EX_FAIL, "the kernel arguments are not valid UTF-8");
		return NULL;
	}
	sha256_hex(text, strlen(text), key);
	return steal_ptr(doc);
}
