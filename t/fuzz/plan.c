/* SPDX-License-Identifier: MIT
 * Command lines and image configs. Input: words, one a line, up to a NUL byte, then the config. */
#include "cleanup.h"
#include "json.h"
#include "envs.h"
#include "plan.h"

#include <string.h>

#define WORDS 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Options that print, or that read files of this machine. */
static bool outside(const char *word)
{
	return !strncmp(word, "--help", 6) || !strncmp(word, "--version", 9) ||
	       !strncmp(word, "--list-options", 14) || !strncmp(word, "--env-file", 10);
}

/* What the shell would make of the first assignment must be the image again. */
static void check_quoting(const struct plan_opts *o)
{
	auto_free char *text = plan_options_shell(o);
	const char *p = text + strlen("fcvm__image='"), *want = o->image;

	for (; *want; want++) {
		if (*want == '\'') {
			if (strncmp(p, "'\\''", 4) != 0)
				abort();
			p += 4;
		} else if (*p++ != *want) {
			abort();
		}
	}
	if (strncmp(p, "'\n", 2) != 0)
		abort();
}

/* A plan must survive the way to the agent, within its limits. */
static void check_plan(const json_t *plan)
{
	auto_free char *text = json_dumps(plan, JSON_COMPACT);
	auto_json json_t *again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const json_t *process = json_object_get(plan, "process");

	if (!again || !json_equal(plan, again))
		abort();
	if (json_array_size(json_object_get(process, "args")) == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *caller[] = {(char *)"A=1", (char *)"B=2", NULL};
	size_t line = strnlen((const char *)data, size), rest = line < size ? line + 1 : size;
	auto_free char *words = strndup((const char *)data, line);
	auto_free char *env = strndup((const char *)data + rest, size - rest);
	auto_json json_t *config = json_parse((const char *)data + rest, size - rest, "fuzz", NULL);
	auto_json json_t *vars = json_object(), *plan = NULL;
	char *argv[WORDS + 1] = {(char *)"fuzz"}, *p = words, *word;
	struct plan_opts o = {0};
	struct err e = {0};
	int argc = 1;

	while (argc < WORDS && (word = strsep(&p, "\n"))) {
		if (outside(word))
			return 0;
		argv[argc++] = word;
	}
	envs_lines(vars, env, "fuzz", caller, &e);
	if (plan_options_parse(false, argc, argv, &o, &e) == 0) {
		check_quoting(&o);
		plan = config ? plan_make(&o, config, "fuzz", caller, &e) : NULL;
		if (plan)
			check_plan(plan);
	}
	plan_opts_free(&o);
	return 0;
}
