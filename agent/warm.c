/* SPDX-License-Identifier: MIT
 * What a container's command reads at its start is read before the machine is saved: then it is in
 * the memory of every machine that is restored. Nothing depends on it: what is not there, or is no
 * regular file, is passed over. Formats: elf(5). */
#include "cleanup.h"
#include "stage.h"
#include "strv.h"
#include "xio.h"

#include <elf.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#define WARM_MAX ((size_t)16 << 20) /* bytes of one file */

/* Reads the file; its first bytes are in head. */
static void read_file(const char *path, char *head, size_t size)
{
	auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	auto_free char *rest = NULL;
	struct stat st;
	ssize_t n;

	memset(head, 0, size);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	n = read_full(fd, head, size - 1);
	rest = xcalloc(1, 65536);
	for (size_t done = 0; n > 0 && done < WARM_MAX; done += (size_t)n)
		n = read_full(fd, rest, 65536);
}

/* The path of the dynamic linker that an ELF file names, or "". */
static void interpreter(const char *head, size_t size, char *out, size_t out_size)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	*out = 0;
	memcpy(&eh, head, sizeof eh);
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64)
		return;
	for (unsigned i = 0; i < eh.e_phnum && i < 64; i++) {
		uint64_t at = eh.e_phoff + (uint64_t)i * sizeof ph;

		if (eh.e_phoff > size || at + sizeof ph > size)
			return;
		memcpy(&ph, head + at, sizeof ph);
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_offset < size && ph.p_filesz < out_size &&
		        ph.p_offset + ph.p_filesz <= size) {
			memcpy(out, head + ph.p_offset, ph.p_filesz);
			out[ph.p_filesz] = 0;
		}
		return;
	}
}

/* The command's file, and what the kernel or the linker will look for with it. */
static void warm_program(const char *path)
{
	static const char *const libraries[] = {
	        "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/etc/ld.so.cache"};
	char head[4096], linker[256] = "";

	read_file(path, head, sizeof head);
	if (head[0] == '#' && head[1] == '!') {
		char *name = head + 2 + strspn(head + 2, " ");

		name[strcspn(name, " \n")] = 0;
		snprintf(linker, sizeof linker, "%s", name);
		read_file(linker, head, sizeof head);
	}
	interpreter(head, sizeof head, linker, sizeof linker);
	if (!*linker)
		return;
	read_file(linker, head, sizeof head);
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
		read_file(libraries[i], head, sizeof head);
}

static const char *path_variable(const json_t *env)
{
	const json_t *v;
	size_t i;

	json_array_foreach(env, i, v)
	{
		const char *s = json_string_value(v);

		if (s && !strncmp(s, "PATH=", 5))
			return s + 5;
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

void stage_warm_command(const char *file, const void *process_json)
{
	const char *path = path_variable(json_object_get(process_json, "env"));

	if (strchr(file, '/')) {
		warm_program(file);
		return;
	}
	while (*path) {
		size_t n = strcspn(path, ":");
		auto_free char *full = xasprintf("%.*s/%s", (int)n, path, file);

		if (access(full, X_OK) == 0) {
			warm_program(full);
			return;
		}
		path += n + (path[n] == ':');
	}
}

void stage_warm(const void *plan_json)
{
	const json_t *process = json_object_get(plan_json, "process");
	const char *file = json_string_value(json_array_get(json_object_get(process, "args"), 0));
	char head[64];

	read_file("/etc/passwd", head, sizeof head);
	read_file("/etc/group", head, sizeof head);
	if (file && *file)
		stage_warm_command(file, process);
}
