/* SPDX-License-Identifier: MIT
 * fcvm-plan: image config and run flags to the plan. See fcvm-plan(1). */
#include "cleanup.h"
#include "json.h"
#include "msg.h"
#include "name.h"
#include "plan.h"
#include "status.h"

#include <fcntl.h>
#include <string.h>

static int run_options(int argc, char **argv, struct plan_opts *o, struct err *e)
{
	auto_free char *text = NULL;

	if (plan_options_parse(false, argc, argv, o, e) < 0)
		return -1;
	text = plan_options_shell(o);
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0)
		return err_sys(e, "cannot write the options");
	return 0;
}

static int run_make(int argc, char **argv, struct plan_opts *o, struct err *e)
{
	auto_json json_t *config = NULL, *plan = NULL;

	if (plan_options_parse(true, argc, argv, o, e) < 0)
		return -1;
	if (!o->config || !o->name || !*o->name)
		return err_set(e, FCVM_EX_USAGE, "make needs --config FILE and --name NAME");
	config = json_load_at(AT_FDCWD, o->config, e);
	if (!config)
		return -1;
	plan = plan_make(o, config, o->name, environ, e);
	if (!plan)
		return -1;
	json_print(plan);
	return fflush(stdout) != 0 ? err_sys(e, "cannot write the plan") : 0;
}

/* For the driver, which has no way to compare words: the known word that was probably meant. */
static int run_closest(int argc, char **argv, struct err *e)
{
	const char *hit;

	if (argc < 2)
		return err_set(e, FCVM_EX_USAGE, "closest needs WORD KNOWN...");
	hit = opt_closest(argv[1], (const char *const *)argv + 2);
	if (hit)
		puts(hit);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct opt none[] = {OPT_END};
	static const struct opt_spec spec = {.usage = "fcvm-plan options|make|closest ARGUMENTS...",
	        .summary = "Turns an image config and the flags of 'fcvm run' into a plan.",
	        .table = none};
	struct plan_opts o = {0};
	struct err e = {0};
	int i = opt_parse(&spec, argc, argv, NULL, &e), r = -1;

	if (i >= argc)
		opt_usage(&spec, &e, "no verb given");
	else if (i >= 0 && !strcmp(argv[i], "options"))
		r = run_options(argc - i, argv + i, &o, &e);
	else if (i >= 0 && !strcmp(argv[i], "make"))
		r = run_make(argc - i, argv + i, &o, &e);
	else if (i >= 0 && !strcmp(argv[i], "closest"))
		r = run_closest(argc - i, argv + i, &e);
	else if (i >= 0)
		opt_usage(&spec, &e, "unknown verb '%s'", argv[i]);
	plan_opts_free(&o);
	if (r < 0 && e.status != FCVM_EX_OK)
		return msg_err(&e);
	return FCVM_EX_OK;
}
