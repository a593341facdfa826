/* SPDX-License-Identifier: MIT
 * The container's environment. Values may be secrets: messages name the variable or the line,
 * never the value. */
#include "cleanup.h"
#include "json.h"
#include "plan.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENV_FILE_MAX ((size_t)4 << 20)
#define BLANKS       " \t"

static int set(json_t *vars, const char *name, size_t n, const char *value, struct err *e)
{
	json_t *v = json_string(value);

	if (!v || json_object_setn_new(vars, name, n, v) < 0)
		return err_set(e, FCVM_EX_USAGE,
		        "the variable %.*s is not valid UTF-8, which a plan cannot hold",
		        n > 60 ? 60 : (int)n, name);
	return 0;
}

/* What this chain of programs told itself is not part of the caller's environment. */
static bool internal(const char *entry)
{
	return !strncmp(entry, "FCVM_NAME=", 10) || !strncmp(entry, "FCVM_RUN_DIR=", 13) ||
	       !strncmp(entry, "FCVM_LOCK_FD=", 13);
}

/* name: exact, or with prefix = true the beginning. */
static int from_caller(json_t *vars, const char *name, bool prefix, char **caller, struct err *e)
{
	size_t n = strlen(name);

	for (; caller && *caller; caller++) {
		size_t own = strcspn(*caller, "=");

		if (own == 0 || !(*caller)[own] || internal(*caller))
			continue;
		if (strncmp(*caller, name, n) != 0 || (!prefix && own != n))
			continue;
		if (set(vars, *caller, own, *caller + own + 1, e) < 0)
			return -1;
	}
	return 0;
}

/* NAME=VALUE, NAME or NAME*. Only leading blanks are dropped, as podman does. */
static int add(json_t *vars, char *entry, const char *where, char **caller, struct err *e)
{
	size_t n;

	entry += strspn(entry, BLANKS);
	n = strlen(entry);
	if (n == 0)
		return 0;
	if (*entry == '=')
		return err_set(e, FCVM_EX_USAGE, "%s: a variable without a name", where);
	if (strchr(entry, '='))
		return set(vars, entry, strcspn(entry, "="), strchr(entry, '=') + 1, e);
	if (entry[n - 1] != '*')
		return from_caller(vars, entry, false, caller, e);
	entry[n - 1] = 0;
	return from_caller(vars, entry, true, caller, e);
}

int plan_env_lines(json_t *vars, char *text, const char *file, char **caller_env, struct err *e)
{
	unsigned number = 0;
	char *line, where[300];

	while ((line = strsep(&text, "\n"))) {
		size_t n = strlen(line);

		if (n && line[n - 1] == '\r')
			line[n - 1] = 0;
		number++;
		line += strspn(line, BLANKS);
		if (*line == '#')
			continue;
		snprintf(where, sizeof where, "%.250s: line %u", file, number);
		if (add(vars, line, where, caller_env, e) < 0)
			return -1;
	}
	return 0;
}

static int cannot_read(const char *file, int error, struct err *e)
{
	errno = error;
	return err_sys(e, "--env-file: cannot read %s", file);
}

static int add_file(json_t *vars, const char *file, char **caller_env, struct err *e)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int r = read_file_at(AT_FDCWD, file, ENV_FILE_MAX, &text, &n);

	if (r < 0)
		return cannot_read(file, -r, e);
	if (strlen(text) != n)
		return err_set(e, FCVM_EX_USAGE, "--env-file: %s holds a NUL byte", file);
	return plan_env_lines(vars, text, file, caller_env, e);
}

static int add_options(json_t *vars, const struct plan_opts *o, char **caller_env, struct err *e)
{
	for (size_t i = 0; i < o->env.n; i++) {
		auto_free char *entry = xstrdup(o->env.v[i]);

		if (add(vars, entry, "--env", caller_env, e) < 0)
			return -1;
	}
	return 0;
}

int plan_env_check(const struct plan_opts *o, char **caller_env, struct err *e)
{
	auto_json json_t *vars = json_object();
	struct stat st;

	for (size_t i = 0; i < o->env_file.n; i++) {
		const char *file = o->env_file.v[i];

		if (stat(file, &st) < 0 || access(file, R_OK) < 0)
			return cannot_read(file, errno, e);
		/* A pipe's text must be left for the plan itself. */
		if ((S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
		        add_file(vars, file, caller_env, e) < 0)
			return -1;
	}
	return add_options(vars, o, caller_env, e);
}

/* An image gives NAME=VALUE. Anything else is its fault, and nothing is taken from the caller. */
static int add_image(json_t *vars, const json_t *list, struct err *e)
{
	size_t i;
	json_t *entry;

	json_array_foreach(list, i, entry)
	{
		const char *s = json_string_value(entry);

		if (*s == '=')
			return err_set(e, FCVM_EX_DATA,
			        "image config: Env holds a variable without a name");
		if (strchr(s, '=') && set(vars, s, strcspn(s, "="), strchr(s, '=') + 1, e) < 0)
			return -1;
	}
	return 0;
}

static json_t *as_list(json_t *vars)
{
	json_t *list = json_array(), *value;
	const char *name;

	json_object_foreach(vars, name, value)
	{
		auto_free char *entry = xasprintf("%s=%s", name, json_string_value(value));

		json_array_append_new(list, json_string(entry));
	}
	return list;
}

json_t *plan_env(const struct plan_opts *o, const struct plan_image *im, const char *hostname,
        char **caller_env, struct err *e)
{
	auto_json json_t *vars = json_pack("{s:s, s:s, s:s, s:s}", "PATH",
	        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM", "xterm",
	        "container", "fcvm", "HOSTNAME", hostname);

	if (add_image(vars, im->env, e) < 0)
		return NULL;
	for (size_t i = 0; i < o->env_file.n; i++)
		if (add_file(vars, o->env_file.v[i], caller_env, e) < 0)
			return NULL;
	if (add_options(vars, o, caller_env, e) < 0)
		return NULL;
	return as_list(vars);
}
