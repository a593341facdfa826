/* SPDX-License-Identifier: MIT
 * The container's environment. Values may be secrets: messages name the variable or the line,
 * never the value. */
#include "cleanup.h"
#include "envs.h"
#include "json.h"
#include "plan.h"
#include "status.h"
#include "xio.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int add_options(json_t *vars, const struct plan_opts *o, char **caller_env, struct err *e)
{
	for (size_t i = 0; i < o->env.n; i++) {
		auto_free char *entry = xstrdup(o->env.v[i]);

		if (envs_add(vars, entry, "--env", caller_env, e) < 0)
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
			return err_sys(e, "--env-file: cannot read %s", file);
		/* A pipe's text must be left for the plan itself. */
		if ((S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
		        envs_file(vars, file, caller_env, e) < 0)
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
		if (strchr(s, '=')) {
			auto_free char *copy = xstrdup(s);

			if (envs_add(vars, copy, "image config", NULL, e) < 0)
				return -1;
		}
	}
	return 0;
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
		if (envs_file(vars, o->env_file.v[i], caller_env, e) < 0)
			return NULL;
	if (add_options(vars, o, caller_env, e) < 0)
		return NULL;
	return envs_list(vars);
}
