/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "columns.h"
#include "filter.h"
#include "json.h"
#include "show.h"
#include "status.h"
#include "tap.h"
#include "tmpl.h"
#include "when.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define NS  INT64_C(1000000000)
#define NOW (INT64_C(1795498298) * NS) /* 2026-11-24T05:31:38Z */

static void when(void)
{
	static const struct {
		const char *text;
		int64_t want;
	} good[] = {
	        {"0", 0},
	        {"1795498298", NOW},
	        {"1795498298.5", NOW + NS / 2},
	        {"1795498298.1234567891", NOW + 123456789},
	        {"10m", NOW - 600 * NS},
	        {"1h30m", NOW - 5400 * NS},
	        {"1.5h", NOW - 5400 * NS},
	        {"0.1ms", NOW - 100000},
	        {"3us2ns", NOW - 3002},
	        {"2d", NOW - 172800 * NS},
	        {"2026-11-24T05:31:38Z", NOW},
	        {"2026-11-24T06:31:38+01:00", NOW},
	        {"2026-11-24T01:01:38-04:30", NOW},
	        {"2026-11-24T05:31:38.25Z", NOW + NS / 4},
	        {"2026-11-24T07:31:38", NOW},
	        {"2026-11-24T07:31", NOW - 38 * NS},
	        {"2026-11-24", NOW - (7 * 3600 + 31 * 60 + 38) * NS},
	};
	static const char *const bad[] = {"", "x", "-1", "m", "10x", "10m5", "1..5h",
	        "2026-11-24T05:31:38+0100", "2026-11-24T05:31:38Zx", "2026-13-01", "2026-11",
	        "99999999999999999999", "99999999999h", "9999-01-01T00:00:00Z",
	        "9223372036854775807"};
	int64_t got = 0;

	setenv("TZ", "XXX-2", 1); /* two hours east of Greenwich */
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		is_int(when_parse(good[i].text, NOW, &got), 0, "%s is a time", good[i].text);
		is_int(got, good[i].want, "namely that");
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		is_int(when_parse(bad[i], NOW, &got), -EINVAL, "%s is none", bad[i]);
}

/* What fn writes, in a string that the caller frees. */
#define WRITTEN(out, call)                                  \
	({                                                  \
		char *text_ = NULL;                         \
		size_t size_;                               \
		FILE *out = open_memstream(&text_, &size_); \
		if (!out)                                   \
			abort();                            \
		call;                                       \
		fclose(out);                                \
		text_;                                      \
	})

static void durations(void)
{
	static const struct {
		int64_t s;
		const char *want;
	} cases[] = {{-5, "Less than a second"}, {0, "Less than a second"}, {1, "1 second"},
	        {2, "2 seconds"}, {59, "59 seconds"}, {60, "About a minute"},
	        {119, "About a minute"}, {120, "2 minutes"}, {3599, "59 minutes"},
	        {3600, "About an hour"}, {5399, "About an hour"}, {5400, "2 hours"},
	        {47 * 3600, "47 hours"}, {48 * 3600, "2 days"}, {13 * 86400, "13 days"},
	        {14 * 86400, "2 weeks"}, {60 * 86400, "2 months"}, {730 * 86400, "2 years"}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_free char *got = WRITTEN(out, show_duration(out, cases[i].s * NS));

		is_str(got, cases[i].want, "%d s", (int)cases[i].s);
	}
}

static void clean(void)
{
	static const char nasty[] = "a\tb\x1b[2J\x7f\xc2\x9b"
	                            "31m\xc3\xa9\n";
	auto_json json_t *doc = json_pack("{s:s}", "k", nasty), *again = NULL;
	auto_free char *plain = WRITTEN(out, show_clean(out, nasty));
	auto_free char *json = WRITTEN(out, show_json(out, doc, JSON_COMPACT));
	auto_free char *lines = WRITTEN(out, show_json(out, doc, JSON_INDENT(1)));

	is_str(plain, "a?b?[2J??31m\xc3\xa9?", "control characters are not shown");
	is_str(json, "{\"k\":\"a\\tb\\u001B[2J\\u007F\\u009B31m\xc3\xa9\\n\"}", "nor in JSON");
	again = json_loads(json, 0, NULL);
	ok(json_equal(doc, again), "which keeps its meaning");
	ok(strchr(lines, '\n') && !strstr(lines, "\\u000a"), "and its lines");
}

static void tables(void)
{
	auto_strv struct strv rows = {0};
	auto_free char *got = NULL;

	strv_addl(&rows, "NAME\tB\tC", "x\t\xc3\xa9\xc3\xa9\t", "longer\t\t|", NULL);
	got = WRITTEN(out, show_table(out, &rows));
	is_str(got, "NAME    B   C\nx       \xc3\xa9\xc3\xa9  \nlonger      |\n",
	        "columns are aligned");
}

static void templates(void)
{
	static const struct {
		const char *template, *want; /* an error begins with --format */
	} cases[] = {
	        {"{{.a}}", "x?y"},
	        {"{{ .a }}", "x?y"},
	        {"-{{.b.c}}-\\t\\n\\\\\\q{", "-7-\t\n\\\\q{"},
	        {"{{.t}} {{.n}} {{.n.deep}} {{.f}}", "true <no value> <no value> 1.5"},
	        {"{{.l}} {{.b}}", "[1,\"z\"] {\"c\":7}"},
	        {"{{json .a}} {{ json  .b }}", "\"x\\ny\" {\"c\":7}"},
	        {"}}{", "}}{"},
	        {"", ""},
	        {"{{.zz}}", "--format: there is no field .zz"},
	        {"{{.b.zz}}", "--format: there is no field .b.zz"},
	        {"{{.a.zz}}", "--format: there is no field .a.zz"},
	        {"x{{.a", "--format: '{{' without '}}': {{.a"},
	        {"{{a}}", "--format: {{a}} is not supported, only {{.Field}} and {{json .Field}}"},
	        {"{{.a .b}}", "--format: {{.a .b}} is not supported, only {{.Field}} and {{json "
	                      ".Field}}"},
	        {"{{}}", "--format: {{}} is not supported, only {{.Field}} and {{json .Field}}"},
	        {"{{json}}",
	                "--format: {{json}} is not supported, only {{.Field}} and {{json .Field}}"},
	};
	auto_json json_t *doc = json_pack("{s:s, s:{s:i}, s:b, s:n, s:f, s:[i,s]}", "a", "x\ny",
	        "b", "c", 7, "t", 1, "n", "f", 1.5, "l", 1, "z");
	auto_free char *all = NULL;
	struct err e = {0};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int r = 0;
		auto_free char *got = WRITTEN(
		        out, r = tmpl_expand(cases[i].template, tmpl_json_path, doc, out, &e));
		bool wrong = !strncmp(cases[i].want, "--format", 8);

		is_int(r, wrong ? -1 : 0, "the template %s", cases[i].template);
		is_str(wrong ? e.text : got, cases[i].want, "expands to, or says");
	}
	all = WRITTEN(out, tmpl_expand("{{json .}}", tmpl_json_path, doc, out, &e));
	ok(!strncmp(all, "{\"a\":", 5), "a full stop is all there is: %s", all);
}

static struct vm *example(json_t *state)
{
	static struct vm vm;

	vm = (struct vm){.name = (char *)"web1", .state = state};
	return &vm;
}

static void filters(void)
{
	static const struct {
		const char *a, *b;
		int want; /* -1: an error */
	} cases[] = {
	        {"name=web", NULL, 1},
	        {"name=^eb", NULL, 0},
	        {"name=^w.*1$", NULL, 1},
	        {"name=[", NULL, -1},
	        {"id=web", NULL, 1},
	        {"id=eb1", NULL, 0},
	        {"label=k", NULL, 1},
	        {"label=k=v", NULL, 1},
	        {"label=k=w", NULL, 0},
	        {"label=k=", NULL, 0},
	        {"label=e=", NULL, 1},
	        {"label=z", NULL, 0},
	        {"status=running", NULL, 1},
	        {"status=paused", NULL, 0},
	        {"status=exited", NULL, 0},
	        {"status=runnin", NULL, -1},
	        {"health=none", NULL, 1},
	        {"health=healthy", NULL, 0},
	        {"health=x", NULL, -1},
	        {"ancestor=localhost/x/app:1", NULL, 1},
	        {"ancestor=app", NULL, 1},
	        {"ancestor=x/app", NULL, 1},
	        {"ancestor=app:1", NULL, 1},
	        {"ancestor=pp", NULL, 0},
	        {"ancestor=ap", NULL, 0},
	        {"ancestor=app:2", NULL, 0},
	        {"ancestor=", NULL, 0},
	        {"name=zz", "name=web", 1},
	        {"name=web", "name=zz", 1},
	        {"name=web", "status=paused", 0},
	        {"name=web", "status=running", 1},
	        {"nam=web", NULL, -1},
	        {"name", NULL, -1},
	        {"pod=x", NULL, -1},
	};
	auto_json json_t *state = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "image",
	        "localhost/x/app:1", "state", "running", "health", "", "labels", "k", "v", "e", "");

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_strv struct strv f = {0};
		struct err e = {0};
		int got;

		strv_addl(&f, cases[i].a, cases[i].b, NULL);
		got = filter_check(&f, &e);
		if (!got)
			got = filter_match(&f, example(state));
		is_int(got, cases[i].want, "%s %s", cases[i].a, cases[i].b ? cases[i].b : "");
	}
}

static void status(void)
{
	static const struct {
		const char *state, *health, *want;
	} cases[] = {{"starting", "", "Starting"}, {"running", "", "Up 2 minutes"},
	        {"running", "healthy", "Up 2 minutes (healthy)"},
	        {"running", "starting", "Up 2 minutes (starting)"},
	        {"paused", "healthy", "Up 2 minutes (Paused)"}, {"stopping", "", "Stopping"},
	        {"od\x1b"
	         "d",
	                "", "od?d"}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		auto_json json_t *state = json_pack("{s:s, s:s, s:I, s:I}", "state", cases[i].state,
		        "health", cases[i].health, "created", (json_int_t)(NOW - 500 * NS),
		        "started", (json_int_t)(NOW - 130 * NS));
		struct column_row row = {.vm = example(state), .now = NOW};
		auto_free char *got = WRITTEN(out, column_field(out, "Status", false, &row, NULL));

		is_str(got, cases[i].want, "the status of a VM that is %s", cases[i].want);
	}
}

int main(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	when();
	durations();
	clean();
	tables();
	templates();
	filters();
	status();
	return done();
}
