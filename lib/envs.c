/* SPDX-License-Identifier: MIT
 * Values may be secrets: messages name the variable or the line, never the value. */
#include "envs.h"
#include "cleanup.h"
#include "front.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>

#define ENV_FILE_MAX ((size_t)4 << 20)
#define BLANKS       " \t"

static int set(json_t *vars, const char *name, size_t n, const char *value, struct err *e)
{
	json_t *v = json_string(value);

	if (!v || json_object_setn_new(vars, name, n, v) < 0)
		return err_set(e, FCVM_EX_USAGE,
		        "the variable %.*s is not valid UTF-8, which JSON cannot hold",
		        n > 60 ? 60 : (int)n, name);
	return 0;
}

/* What this chain of programs told itself is not part of the caller's environment. */
static bool internal(const char *entry)
{
	return !strncmp(entry, "FCVM_NAME=", 10) || !strncmp(entry, "FCVM_RUN_DIR=", 13) ||
	       !strncmp(entry, "FCVM_LOCK_FD=", 13) ||
	       !strncmp(entry, FRONT_ENV "=", sizeof FRONT_ENV);
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

int envs_add(json_t *vars, char *entry, const char *where, char **caller, struct err *e)
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

int envs_lines(json_t *vars, char *text, const char *file, char **caller_env, struct err *e)
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
		if (envs_add(vars, line, where, caller_env, e) < 0)
			return -1;
	}
	return 0;
}

static int cannot_read(const char *file, int error, struct err *e)
{
	errno = error;
	return err_sys(e, "--env-file: cannot read %s", file);
}

int envs_file(json_t *vars, const char *file, char **caller_env, struct err *e)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int r = read_file_at(AT_FDCWD, file, ENV_FILE_MAX, &text, &n);

	if (r < 0)
		return cannot_read(file, -r, e);
	if (strlen(text) != n)
		return err_set(e, FCVM_EX_USAGE, "--env-file: %s holds a NUL byte", file);
	return envs_lines(vars, text, file, caller_env, e);
}

json_t *envs_list(json_t *vars)
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
