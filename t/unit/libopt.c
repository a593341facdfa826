/* SPDX-License-Identifier: MIT */
#include "opt.h"
#include "cleanup.h"
#include "status.h"
#include "tap.h"
#include "xio.h"

#include <fcntl.h>
#include <sys/mman.h>

struct opts {
	bool all, interactive;
	const char *name;
	struct strv env;
	uint64_t count, memory, cpus;
};

static const struct opt table[] = {{.kind = OPT_HEAD, .help = "First"},
        {'a', "all", NULL, "everything", OPT_FLAG, offsetof(struct opts, all), false},
        {'i', NULL, NULL, "talk", OPT_FLAG, offsetof(struct opts, interactive), false},
        {'n', "name", "NAME", "name it", OPT_STR, offsetof(struct opts, name), false},
        {'e', "env", "K=V", "set it", OPT_LIST, offsetof(struct opts, env), false},
        {0, "count", "N", "how many", OPT_U64, offsetof(struct opts, count), false},
        {'m', "memory", "SIZE", "how much", OPT_SIZE, offsetof(struct opts, memory), false},
        {0, "cpus", "N", "how fast", OPT_MILLI, offsetof(struct opts, cpus), false},
        {0, "cpu", "N", "how fast", OPT_MILLI, offsetof(struct opts, cpus), true}, OPT_END};
static const struct opt_spec spec = {"fcvm-x [options] NAME", "Tests options.", table};

#define MAX_ARGS 8

/* Parses the words (NULL-terminated), which stand behind a program name. */
static int parse(struct opts *o, struct err *e, const char *const *words)
{
	char *argv[MAX_ARGS + 1] = {(char *)"fcvm-x"};
	int argc = 1;

	for (; words[argc - 1] && argc < MAX_ARGS; argc++)
		argv[argc] = (char *)words[argc - 1];
	argv[argc] = NULL;
	*o = (struct opts){0};
	*e = (struct err){0};
	return opt_parse(&spec, argc, argv, o, e);
}
#define PARSE(...) parse(&o, &e, (const char *const[]){__VA_ARGS__, NULL})

static void forms(void)
{
	struct opts o;
	struct err e;

	is_int(PARSE("word"), 1, "parsing ends at the first word");
	is_int(PARSE("-a", "word", "-i"), 2, "options after it belong to it");
	ok(o.all && !o.interactive, "and are not taken");
	is_int(PARSE("--", "-a"), 2, "-- ends the options");
	is_int(PARSE("-"), 1, "a single dash is a word");
	is_int(PARSE("-ai"), 2, "flags are bundled");
	ok(o.all && o.interactive, "and all set");
	PARSE("--name", "v");
	is_str(o.name, "v", "--name V");
	PARSE("--name=v=w");
	is_str(o.name, "v=w", "--name=V, cut at the first =");
	PARSE("--name=");
	is_str(o.name, "", "an empty value is a value");
	PARSE("-n", "-a");
	is_str(o.name, "-a", "a value may look like an option");
	PARSE("-nv");
	is_str(o.name, "v", "-nV");
	PARSE("-n=v");
	is_str(o.name, "v", "-n=V");
	is_int(PARSE("-ainv", "w"), 2, "a value behind bundled flags");
	is_str(o.name, "v", "is taken");
	PARSE("--name", "a", "--name", "b");
	is_str(o.name, "b", "the last value wins");
	PARSE("--all=false");
	ok(!o.all, "a flag can be set false");
	PARSE("--all", "--all=false");
	ok(!o.all, "even after it was set");
	PARSE("--all=t", "-i=TRUE");
	ok(o.all && o.interactive, "with Go's words");
	PARSE("-ai", "--all=F", "-i=False");
	ok(!o.all && !o.interactive, "both ways");
	is_int(PARSE("--all=tRUE"), -1, "but no others");
	is_int(PARSE("-e", "A=1", "--env=B=2", "-eC=3"), 5, "a list option");
	is_int(o.env.n, 3, "keeps every value");
	is_str(o.env.v[2], "C=3", "in order");
	strv_free(&o.env);
}

static void numbers(void)
{
	struct opts o;
	struct err e;

	PARSE("--count", "7", "-m", "2g", "--cpus=1.5");
	is_int(o.count, 7, "a number");
	is_int(o.memory, 2LL << 30, "a size");
	is_int(o.cpus, 1500, "thousandths");
	PARSE("--cpu", "2");
	is_int(o.cpus, 2000, "a second spelling");
	is_int(PARSE("--count", "x"), -1, "a word is no number");
	is_str(e.text, "--count x: not a number", "and the text names option and value");
	is_int(e.status, FCVM_EX_USAGE, "a usage error");
	is_int(PARSE("-m", "lots"), -1, "a word is no size");
	ok(strstr(e.text, "512m"), "and the text shows one");
	is_int(PARSE("--count", "99999999999999999999"), -1, "overflow is refused");
	ok(strstr(e.text, "too large"), "as that");
}

static void refusals(void)
{
	struct opts o;
	struct err e;

	is_int(PARSE("--nmae", "x"), -1, "an unknown option");
	is_str(e.text, "unknown option --nmae: did you mean --name?", "is answered by the closest");
	is_int(e.status, FCVM_EX_USAGE, "as a usage error");
	is_int(PARSE("--zzzzzz=3"), -1, "one close to nothing");
	is_str(e.text, "unknown option --zzzzzz: see 'fcvm-x --help'", "names the help");
	is_int(PARSE("-az"), -1, "an unknown letter in a bundle");
	ok(strstr(e.text, "-z"), "is named");
	is_int(PARSE("--name"), -1, "a missing value");
	ok(strstr(e.text, "--name: needs NAME"), "is said");
	is_int(PARSE("-n"), -1, "also behind a letter");
	is_int(PARSE("--all=maybe"), -1, "a flag takes no such word");
	is_int(PARSE("--al"), -1, "options are not abbreviated");
	is_int(PARSE("--"
	             "\nx"),
	        -1, "an unknown option with a newline");
	ok(!strchr(e.text, '\n'), "makes one line");
}

static void closest(void)
{
	static const char *const known[] = {"run", "stop", "snapshot", "snapshots", NULL};

	is_str(opt_closest("rnu", known), "run", "two letters changed");
	is_str(opt_closest("snapshto", known), "snapshot", "the nearest of two");
	is_str(opt_closest("zebra", known), NULL, "nothing close");
	is_str(opt_closest("x", (const char *const[]){NULL}), NULL, "nothing known");
}

/* What parsing the word prints on stdout. */
static char *printed(const char *word, int *result, struct err *e)
{
	auto_fd int out = memfd_create("out", MFD_CLOEXEC), saved = dup(1);
	char *text = calloc(1, 4096);
	struct opts o;

	fflush(stdout);
	dup2(out, 1);
	*result = parse(&o, e, (const char *const[]){word, NULL});
	fflush(stdout);
	dup2(saved, 1);
	if (!text || pread(out, text, 4095, 0) < 0)
		abort();
	return text;
}

static void answers(void)
{
	struct err e;
	int r;
	auto_free char *list = printed("--list-options", &r, &e);
	auto_free char *help = printed("--help", &r, &e);
	auto_free char *version = printed("--version", &r, &e);

	is_int(r, -1, "an answered option ends parsing");
	is_int(e.status, FCVM_EX_OK, "with success");
	is_str(list, "-a\n--all\n-i\n-n\n--name\n-e\n--env\n--count\n-m\n--memory\n--cpus\n--cpu\n",
	        "--list-options has every spelling");
	ok(!strncmp(version, "fcvm-x ", 7), "--version names the program");
	ok(strstr(help, "usage: fcvm-x [options] NAME\nTests options.\n"),
	        "--help starts with usage");
	ok(strstr(help, "\nFirst:\n  -a, --all"), "shows headings and options");
	ok(strstr(help, "  -m, --memory SIZE"), "and the words of values");
	ok(!strstr(help, "--cpu "), "but no second spelling");
}

int main(void)
{
	forms();
	numbers();
	refusals();
	closest();
	answers();
	return done();
}
