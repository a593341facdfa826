/* SPDX-License-Identifier: MIT */
#include "cp_place.h"
#include "cleanup.h"
#include "cp_tool.h"
#include "json.h"
#include "status.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* $1: a path, $2: a name below it if it is a directory, $3: d if that is to be a directory, else f,
 * $4: not empty if another type there is to be removed. Prints one letter and the path without
 * symbolic links: d(irectory), f(ile), s(pecial), m(issing, but its directory is there), n(othing),
 * x (the name is taken by another type). */
static const char look[] = "if [ -d \"$1\" ]; then\n"
                           "	cd -P -- \"$1\" || exit\n"
                           "	n=./$2 t=\n"
                           "	if [ \"$2\" ] && { [ -e \"$n\" ] || [ -L \"$n\" ]; }; then\n"
                           "		t=f\n"
                           "		if [ -d \"$n\" ] && [ ! -L \"$n\" ]; then t=d; fi\n"
                           "	fi\n"
                           "	if [ \"$t\" ] && [ $t != $3 ]; then\n"
                           "		if [ ! \"$4\" ]; then echo x; exit; fi\n"
                           "		rm -rf -- \"$n\" || exit\n"
                           "	fi\n"
                           "	printf 'd%s\\n' \"$PWD\"\n"
                           "elif [ -f \"$1\" ]; then\n"
                           "	printf f; readlink -f -- \"$1\"\n"
                           "elif [ -e \"$1\" ]; then\n"
                           "	echo s\n"
                           "elif [ -L \"$1\" ]; then\n"
                           "	printf m; readlink -f -- \"$1\" || echo\n"
                           "else\n"
                           "	d=${1%/*}/ n=${1##*/}\n"
                           "	if [ \"$n\" ] && [ -d \"$d\" ] && cd -P -- \"$d\"; then printf "
                           "'m%s\\n' \"$PWD/$n\"; else echo n; fi\n"
                           "fi\n";

void place_parse(const char *word, struct place *p, char **vm_name)
{
	const char *colon = strchr(word, ':');
	size_t n;

	*p = (struct place){.vm = NULL};
	*vm_name = NULL;
	if (colon && *word != '/' && *word != '.') {
		*vm_name = xasprintf("%.*s", (int)(colon - word), word);
		word = colon + 1;
		p->path = xasprintf("%s%s", *word && *word != '/' ? "/" : "", word);
	} else {
		p->path = xstrdup(word);
		p->stream = !strcmp(word, "-");
	}
	n = strlen(p->path);
	if (n > 1 && p->path[n - 1] == '.' && p->path[n - 2] == '/') {
		p->contents = true;
		p->path[n - (n == 2 ? 1 : 2)] = 0;
	} else if (!strcmp(p->path, ".") || !strcmp(p->path, "/")) {
		p->contents = true;
	}
}

void place_free(struct place *p)
{
	free(p->path);
	free(p->dir);
	free(p->name);
}

/* Splits an absolute path. */
static void split(struct place *p, const char *path)
{
	const char *slash = strrchr(path, '/');

	p->name = xstrdup(slash ? slash + 1 : path);
	if (p->is_dir)
		p->dir = xstrdup(path);
	else
		p->dir = slash && slash > path ? strndup(path, (size_t)(slash - path))
		                               : xstrdup("/");
}

static int not_found(const struct place *p, struct err *e)
{
	return err_set(
	        e, FCVM_EX_NOTFOUND, "%s:%s: No such file or directory", p->vm->name, p->path);
}

static int special(const char *where, const struct place *p, struct err *e)
{
	return err_set(e, FCVM_EX_USAGE, "%s%s%s: neither a regular file nor a directory", where,
	        *where ? ":" : "", p->path);
}

static int taken(const struct place *p, const char *name, bool dir, struct err *e)
{
	return err_set(e, FCVM_EX_FAIL, "%s:%s: %s is there and is %s directory: see --overwrite",
	        p->vm->name, p->path, name, dir ? "no" : "a");
}

static int look_in_vm(struct place *p, const char *below, bool dir, bool overwrite, struct err *e)
{
	char answer[PATH_MAX + 16];
	auto_strv struct strv args = {0};
	ssize_t n;

	strv_addl(&args, "sh", "-c", look, "sh", *p->path ? p->path : "/", below ? below : "",
	        dir ? "d" : "f", overwrite ? "o" : "", NULL);
	n = tool_output(p->vm, &args, true, answer, sizeof answer, e);
	if (n < 0)
		return -1;
	if (n > 0 && answer[n - 1] == '\n')
		answer[--n] = 0;
	if (strlen(answer) != (size_t)n || (n > 1 && answer[1] != '/'))
		return err_set(e, FCVM_EX_FAIL, "%s: an answer is malformed", p->vm->name);
	if (answer[0] == 's')
		return special(p->vm->name, p, e);
	if (answer[0] == 'x')
		return taken(p, below, dir, e);
	p->exists = answer[0] == 'd' || answer[0] == 'f';
	p->is_dir = answer[0] == 'd';
	if ((!p->exists && answer[0] != 'm') || n < 2)
		return not_found(p, e);
	split(p, answer[1] == '/' && answer[2] == '/' ? answer + 2 : answer + 1);
	return 0;
}

/* The name of a directory or file on the host as it is written, if that is a name. */
static int host_name(struct place *p, struct err *e)
{
	char real[PATH_MAX];
	size_t n = strlen(p->path);
	auto_free char *path = NULL;
	const char *base;

	while (n > 1 && p->path[n - 1] == '/')
		n--;
	path = strndup(p->path, n);
	base = strrchr(path, '/');
	base = base ? base + 1 : path;
	if (p->is_dir && (!*base || !strcmp(base, ".") || !strcmp(base, ".."))) {
		if (!realpath(path, real))
			return err_sys(e, "%s", p->path);
		split(p, real);
		return 0;
	}
	p->name = xstrdup(base);
	if (p->is_dir)
		p->dir = xstrdup(path);
	else
		p->dir = base == path ? xstrdup(".") : strndup(path, (size_t)(base - path));
	return 0;
}

static int look_on_host(struct place *p, struct err *e)
{
	struct stat st;
	size_t n = strlen(p->path);

	p->exists = stat(p->path, &st) == 0;
	if (!p->exists && (errno != ENOENT || n == 0 || p->path[n - 1] == '/'))
		return err_sys(e, "%s", p->path);
	p->is_dir = p->exists && S_ISDIR(st.st_mode);
	if (p->exists && !p->is_dir && !S_ISREG(st.st_mode))
		return special("", p, e);
	if (p->contents && p->exists && !p->is_dir) {
		errno = ENOTDIR;
		return err_sys(e, "%s/.", p->path);
	}
	if (host_name(p, e) < 0)
		return -1;
	if (!p->exists && (stat(p->dir, &st) < 0 || !S_ISDIR(st.st_mode)))
		return err_sys(e, "%s", p->path);
	return 0;
}

int place_source(struct place *p, struct err *e)
{
	if (p->stream)
		return 0;
	if ((p->vm ? look_in_vm(p, NULL, false, false, e) : look_on_host(p, e)) < 0)
		return -1;
	if (p->vm && (!p->exists || (p->contents && !p->is_dir)))
		return not_found(p, e);
	if (!p->exists) {
		errno = ENOENT;
		return err_sys(e, "%s", p->path);
	}
	return 0;
}

int place_destination(struct place *p, const struct place *source, bool overwrite, struct err *e)
{
	const char *below = source->contents || source->stream ? NULL : source->name;
	auto_json json_t *utf8 = below ? json_string(below) : NULL; /* else tar will complain */
	int r;

	if (p->stream)
		return 0;
	if (!utf8)
		below = NULL;
	r = p->vm ? look_in_vm(p, below, source->is_dir, overwrite, e) : look_on_host(p, e);
	if (r < 0)
		return -1;
	if (p->contents && !p->is_dir) {
		errno = p->exists ? ENOTDIR : ENOENT;
		return err_sys(e, "%s/.", p->path);
	}
	if (source->stream && !p->is_dir)
		return err_set(e, FCVM_EX_USAGE,
		        "%s:%s: must be a directory when copying from stdin", p->vm->name, p->path);
	if (source->is_dir && p->exists && !p->is_dir)
		return err_set(e, FCVM_EX_USAGE, "%s%s%s: must be a directory, as the source is",
		        p->vm ? p->vm->name : "", p->vm ? ":" : "", p->path);
	return 0;
}
