/* SPDX-License-Identifier: MIT
 * fcvm-kernel(1): what distributions ship as a kernel, made bootable. */
#include "import.h"
#include "initrd.h"
#include "json.h"
#include "manage.h"
#include "modules.h"
#include "msg.h"
#include "opt.h"
#include "report.h"
#include "status.h"

#include <errno.h>
#include <string.h>

struct opts {
	bool json;
	const char *modules, *member, *want;
	const char *kernel, *agent, *busybox;
};

static const struct opt table[] = {
        {0, "json", NULL, "print JSON", OPT_FLAG, offsetof(struct opts, json), false},
        {.help = "import", .kind = OPT_HEAD},
        {0, "modules", "DIR", "modules from this directory or package", OPT_STR,
                offsetof(struct opts, modules), false},
        {0, "member", "PATH", "the kernel's path inside the archive (also for inspect)", OPT_STR,
                offsetof(struct opts, member), false},
        {0, "want", "NAMES", "modules that a guest needs, in loading order; NAME? may be missing",
                OPT_STR, offsetof(struct opts, want), false},
        {.help = "initrd", .kind = OPT_HEAD},
        {0, "kernel", "DIR", "the imported kernel whose modules go in", OPT_STR,
                offsetof(struct opts, kernel), false},
        {0, "agent", "FILE", "the guest agent, a static program: becomes /init", OPT_STR,
                offsetof(struct opts, agent), false},
        {0, "busybox", "FILE", "a static busybox: becomes /bin/busybox", OPT_STR,
                offsetof(struct opts, busybox), false},
        OPT_END};

static const struct opt_spec spec = {
        "fcvm-kernel [options] import FILE | initrd | inspect FILE | ls | rm KERNEL | use KERNEL | "
        "wanted",
        "Turns distribution kernels into what a microVM boots.", table};

static int print_path(json_t *result, const struct opts *o, struct err *e)
{
	auto_json json_t *r = result;

	if (!r)
		return msg_err(e);
	if (o->json)
		json_print(r);
	else
		puts(json_string_value(json_object_get(r, "path")));
	return FCVM_EX_OK;
}

static int do_import(const struct opts *o, const char *file, struct err *e)
{
	struct kernel_import in = {
	        file, o->member, o->modules, o->want ? o->want : KERNEL_MODULES_WANTED};
	auto_strv struct strv notes = {0};
	json_t *result;

	progress("reading %s", file);
	result = kernel_import(&in, &notes, e);
	progress_end();
	for (size_t i = 0; i < notes.n && result; i++)
		msg("note: %s", notes.v[i]);
	return print_path(result, o, e);
}

static int do_initrd(const struct opts *o, const char *file, struct err *e)
{
	struct kernel_initrd in = {o->kernel, o->agent, o->busybox};

	(void)file;
	if (!o->kernel || !o->agent) {
		opt_usage(&spec, e, "initrd needs --kernel and --agent");
		return msg_err(e);
	}
	return print_path(kernel_initrd(&in, e), o, e);
}

static int do_inspect(const struct opts *o, const char *file, struct err *e)
{
	auto_json json_t *r = NULL;

	progress("reading %s", file);
	r = kernel_inspect(file, o->member, e);
	progress_end();
	if (!r)
		return msg_err(e);
	if (o->json)
		json_print(r);
	else
		kernel_print_inspect(r);
	return FCVM_EX_OK;
}

static int do_ls(const struct opts *o, const char *file, struct err *e)
{
	auto_json json_t *list = kernel_list(e);

	(void)file;
	if (!list)
		return msg_err(e);
	if (o->json)
		json_print(list);
	else
		kernel_print_list(list);
	return FCVM_EX_OK;
}

static int do_rm(const struct opts *o, const char *name, struct err *e)
{
	(void)o;
	return kernel_remove(name, e) < 0 ? msg_err(e) : FCVM_EX_OK;
}

static int do_use(const struct opts *o, const char *name, struct err *e)
{
	(void)o;
	kernel_use(name, e);
	return msg_err(e);
}

static int do_wanted(const struct opts *o, const char *file, struct err *e)
{
	auto_json json_t *list = json_pack("{s:s}", "wanted", KERNEL_MODULES_WANTED);

	(void)file;
	(void)e;
	if (o->json)
		json_print(list);
	else
		puts(KERNEL_MODULES_WANTED);
	return FCVM_EX_OK;
}

static const struct verb {
	const char *name;
	const char *word; /* that follows it, or NULL */
	int (*run)(const struct opts *o, const char *file, struct err *e);
} verbs[] = {{"import", "a file", do_import}, {"initrd", NULL, do_initrd},
        {"inspect", "a file", do_inspect}, {"ls", NULL, do_ls},
        {"rm", "a kernel: see 'fcvm kernel ls'", do_rm},
        {"use", "a kernel: see 'fcvm kernel ls'", do_use}, {"wanted", NULL, do_wanted}};

static const struct verb *find_verb(const char *name, struct err *e)
{
	const char *names[sizeof verbs / sizeof *verbs + 1] = {NULL}, *close;

	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
		names[i] = verbs[i].name;
	}
	close = opt_closest(name, names);
	if (close)
		err_set(e, FCVM_EX_USAGE, "unknown command %s: did you mean %s?", name, close);
	else
		opt_usage(&spec, e, "unknown command %s", name);
	return NULL;
}

/* Options may stand before the command, after it, and after its argument. Returns the command,
 * with *file its argument; NULL with e filled. */
static const struct verb *parse(
        int argc, char **argv, struct opts *o, const char **file, struct err *e)
{
	const struct verb *v = NULL;
	int words = 0;

	for (int at = 0;;) {
		/* what opt_parse() takes for the program's name was looked at already */
		int r = opt_parse(&spec, argc - at, argv + at, o, e);

		if (r < 0)
			return NULL;
		at += r;
		if (at >= argc)
			break;
		if (!v) {
			v = find_verb(argv[at], e);
			if (!v)
				return NULL;
		} else if (++words > (v->word != NULL)) {
			opt_usage(&spec, e, "%s: one word too many: %s", v->name, argv[at]);
			return NULL;
		} else {
			*file = argv[at];
		}
	}
	if (v && words == (v->word != NULL))
		return v;
	if (v)
		opt_usage(&spec, e, "%s needs %s", v->name, v->word);
	else
		opt_usage(&spec, e, "a command is missing");
	return NULL;
}

int main(int argc, char **argv)
{
	struct opts o = {0};
	struct err e = {0};
	const char *file = NULL;
	const struct verb *v = parse(argc, argv, &o, &file, &e);

	if (!v)
		return e.status == FCVM_EX_OK ? FCVM_EX_OK : msg_err(&e);
	return v->run(&o, file, &e);
}
