/* SPDX-License-Identifier: MIT
 * top: the processes of a container, as podman's descriptors name what there is to say of them. */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "show.h"
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 32
#define DEFAULT     "user,pid,ppid,pcpu,etime,tty,time,args"

struct opts {
	struct vms_selector who;
};
#define O(member) offsetof(struct opts, member)

static const struct opt table[] = {
        VMS_OPT_NAME(O(who)),
        VMS_OPT_PID(O(who)),
        VMS_OPT_LATEST(O(who)),
        OPT_END,
};
static const struct opt_spec spec = {
        .usage = "fcvm-ctl top [options] VM [DESCRIPTOR…]",
        .summary = "Lists the processes of a container.",
        .table = table,
};

struct process {
	const json_t *j;
	double hz, age; /* age: in seconds */
};

static json_int_t number(const struct process *p, const char *key)
{
	return json_integer_value(json_object_get(p->j, key));
}

static const char *text(const struct process *p, const char *key)
{
	const char *s = json_string_value(json_object_get(p->j, key));

	return s ? s : "";
}

static double cpu_seconds(const struct process *p)
{
	return (double)number(p, "cpuTicks") / p->hz;
}

/* As Go prints durations, but not finer than the hundredths that there are. */
static void put_time(FILE *out, double seconds)
{
	uint64_t whole = seconds > 0 && seconds < 1e15 ? (uint64_t)seconds : 0;
	double rest = seconds - (double)(whole - whole % 60);

	if (whole >= 3600)
		fprintf(out, "%" PRIu64 "h", whole / 3600);
	if (whole >= 60)
		fprintf(out, "%" PRIu64 "m", whole / 60 % 60);
	fprintf(out, "%.4gs", rest > 0 ? (double)(uint64_t)(rest * 100) / 100 : 0);
}

static void put_user(FILE *out, const struct process *p)
{
	if (number(p, "uid"))
		fprintf(out, "%" PRId64, (int64_t)number(p, "uid"));
	else
		fputs("root", out);
}

static void put_uid(FILE *out, const struct process *p)
{
	fprintf(out, "%" PRId64, (int64_t)number(p, "uid"));
}

static void put_pid(FILE *out, const struct process *p)
{
	fprintf(out, "%" PRId64, (int64_t)number(p, "pid"));
}

static void put_ppid(FILE *out, const struct process *p)
{
	fprintf(out, "%" PRId64, (int64_t)number(p, "ppid"));
}

static void put_pcpu(FILE *out, const struct process *p)
{
	fprintf(out, "%.3f", p->age > 0 ? cpu_seconds(p) / p->age * 100 : 0);
}

static void put_etime(FILE *out, const struct process *p)
{
	put_time(out, p->age);
}

static void put_cpu_time(FILE *out, const struct process *p)
{
	put_time(out, cpu_seconds(p));
}

/* From the number in proc(5): pseudo-terminals have eight major numbers. */
static void put_tty(FILE *out, const struct process *p)
{
	uint32_t nr = (uint32_t)number(p, "tty");
	unsigned major = nr >> 8 & 0xfff, minor = (nr & 0xff) | (nr >> 12 & 0xfff00);

	if (major >= 136 && major < 144)
		fprintf(out, "pts/%u", (major - 136) * 256 + minor);
	else if (major == 5 && minor == 1)
		fputs("console", out);
	else if (major == 4)
		fprintf(out, minor < 64 ? "tty%u" : "ttyS%u", minor < 64 ? minor : minor - 64);
	else if (major == 229)
		fprintf(out, "hvc%u", minor);
	else
		fputs("?", out);
}

static void put_args(FILE *out, const struct process *p)
{
	show_clean(out, text(p, "command"));
}

/* The first word, without its directories. */
static void put_comm(FILE *out, const struct process *p)
{
	auto_free char *word = xstrdup(text(p, "command"));
	const char *slash;

	word[strcspn(word, " ")] = 0;
	slash = strrchr(word, '/');
	show_clean(out, slash && slash[1] ? slash + 1 : word);
}

static void put_state(FILE *out, const struct process *p)
{
	show_clean(out, text(p, "state"));
}

static const struct column {
	const char *name, *heading;
	void (*put)(FILE *out, const struct process *p);
} columns[] = {
        {"user", "USER", put_user},
        {"pid", "PID", put_pid},
        {"ppid", "PPID", put_ppid},
        {"pcpu", "%CPU", put_pcpu},
        {"etime", "ELAPSED", put_etime},
        {"tty", "TTY", put_tty},
        {"time", "TIME", put_cpu_time},
        {"args", "COMMAND", put_args},
        {"comm", "COMMAND", put_comm},
        {"state", "STATE", put_state},
        {"uid", "UID", put_uid},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

struct choice {
	const struct column *v[COLUMNS_MAX];
	size_t n;
};

static int choose_one(const char *name, struct choice *c, struct err *e)
{
	if (c->n == COLUMNS_MAX)
		return err_set(e, FCVM_EX_USAGE, "more than %d descriptors", COLUMNS_MAX);
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (!strcmp(columns[i].name, name)) {
			c->v[c->n++] = &columns[i];
			return 0;
		}
	return err_set(e, FCVM_EX_USAGE,
	        "unknown descriptor '%s': takes user, uid, pid, ppid, state, pcpu, etime, time, "
	        "tty, args and comm",
	        name);
}

/* Of a word, which may hold several with commas between. */
static int choose(const char *word, struct choice *c, struct err *e)
{
	auto_free char *copy = xstrdup(word);
	char *name, *save = NULL;

	for (name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save))
		if (choose_one(name, c, e) < 0)
			return -1;
	return 0;
}

static void add_row(struct strv *rows, const struct choice *c, const struct process *p)
{
	auto_free char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		abort();
	for (size_t i = 0; i < c->n; i++) {
		if (i)
			fputc('\t', out);
		if (p)
			c->v[i]->put(out, p);
		else
			fputs(c->v[i]->heading, out);
	}
	fclose(out);
	strv_add(rows, line);
}

static void print(const json_t *answer, const struct choice *c)
{
	const json_t *list = json_object_get(answer, "processes");
	double hz = (double)json_integer_value(json_object_get(answer, "ticksPerSecond"));
	double now = (double)json_integer_value(json_object_get(answer, "uptimeTicks"));
	auto_strv struct strv rows = {0};

	add_row(&rows, c, NULL);
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct process p = {.j = json_array_get(list, i), .hz = hz > 0 ? hz : 100};

		p.age = (now - (double)number(&p, "startTicks")) / p.hz;
		if (p.age < 0)
			p.age = 0;
		add_row(&rows, c, &p);
	}
	show_table(stdout, &rows);
}

static int top(struct vms_selector *who, struct err *e)
{
	size_t taken = who->names.n || who->pids.n || who->latest || !who->n_words ? 0 : 1;
	char **words = who->words + taken;
	size_t n = who->n_words - taken;
	auto_free char *base = dirs_run();
	struct choice c = {.n = 0};
	auto_json json_t *answer = NULL;
	auto_vms struct vms vms = {0};

	for (size_t i = 0; i < n; i++)
		if (choose(words[i], &c, e) < 0)
			return -1;
	if (!c.n && choose(DEFAULT, &c, e) < 0)
		return -1;
	who->n_words = taken;
	if (vms_resolve_one(base, who, &vms, e) < 0)
		return -1;
	answer = act_ask(&vms.v[0], act_request("TOP"), e);
	if (!answer)
		return -1;
	print(json_object_get(answer, "answer"), &c);
	return FCVM_EX_OK;
}

int ctl_top(int argc, char **argv, struct err *e)
{
	struct opts o = {.who = {.all = false}};
	int r = vms_opt_parse(&spec, argc, argv, &o, &o.who, e);

	if (r == 0)
		r = top(&o.who, e);
	vms_selector_free(&o.who);
	return r;
}
