/* SPDX-License-Identifier: MIT
 * One case of a plan: image config and command line in, one part of the plan (or the error) out. */
#ifndef FCVM_PLAN_CASE_H
#define FCVM_PLAN_CASE_H

#include "cleanup.h"
#include "json.h"
#include "plan.h"
#include "status.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

struct plan_case {
	const char *line;   /* the words of the command line, '|' between them */
	const char *config; /* the image's "config" member; NULL: an image with only a Cmd */
	const char *part;   /* path into the plan; NULL: an error is expected */
	const char *want;   /* its JSON, or a part of the error's text */
};

static inline int plan_case_words(char *line, char **argv, int max)
{
	int n = 0;
	char *word;

	argv[n++] = (char *)"test";
	while (n < max - 1 && (word = strsep(&line, "|")))
		argv[n++] = word;
	argv[n] = NULL;
	return n;
}

/* The plan, or NULL with e filled. */
static inline json_t *plan_case_make(const struct plan_case *c, struct err *e)
{
	static char *caller[] = {(char *)"AA=caller", (char *)"PREX=1", (char *)"PREY=2=3",
	        (char *)"HOME=/home/me", (char *)"FCVM_NAME=internal",
	        (char *)"FCVM_RUN_DIR=internal", (char *)"FCVM_LOCK_FD=3", (char *)"FCVM_X=mine",
	        NULL};
	auto_free char *line = xstrdup(c->line),
	               *text = xasprintf("{\"os\":\"linux\",\"config\":%s}",
	                       c->config ? c->config : "{\"Cmd\":[\"cmd\"]}");
	auto_json json_t *config = json_parse(text, strlen(text), "test", e);
	struct plan_opts o = {0};
	json_t *plan = NULL;
	char *argv[64];
	int argc = plan_case_words(line, argv, 64);

	if (config && plan_options_parse(false, argc, argv, &o, e) == 0)
		plan = plan_make(&o, config, "web", caller, e);
	plan_opts_free(&o);
	return plan;
}

static inline json_t *plan_case_part(json_t *plan, const char *path)
{
	auto_free char *copy = xstrdup(path);
	char *rest = copy, *key;

	while (plan && (key = strsep(&rest, ".")))
		plan = json_object_get(plan, key);
	return plan;
}

static inline void plan_case_run(const struct plan_case *c)
{
	struct err e = {0};
	auto_json json_t *plan = plan_case_make(c, &e);
	auto_free char *got = NULL;

	if (!c->part) {
		if (!ok(!plan && strstr(e.text, c->want), "%s: refused: %s", c->line, c->want))
			diag("got %s", plan ? "a plan" : e.text);
		return;
	}
	if (!ok(plan, "%s: makes a plan", c->line)) {
		diag("%s", e.text);
		return;
	}
	got = json_dumps(
	        plan_case_part(plan, c->part), JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	is_str(got, c->want, "%s: %s", c->line, c->part);
}

#define PLAN_CASES(table)                                                        \
	for (size_t case_ = 0; case_ < sizeof(table) / sizeof *(table); case_++) \
	plan_case_run(&(table)[case_])

#endif
