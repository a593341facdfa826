/* SPDX-License-Identifier: MIT
 * stats: what VMs use of their machines, again and again. */
#include "act.h"
#include "cleanup.h"
#include "dirs.h"
#include "json.h"
#include "show.h"
#include "stats_show.h"
#include "status.h"
#include "strv.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define INTERVAL_MAX 1000000 /* seconds */
#define ANSWER_MS    2000    /* of a VM that is well */
#define DEFAULT_FORMAT                                                                         \
	"table {{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}" \
	"\t{{.PIDS}}\t{{.UpTime}}\t{{.AVGCPU}}"
/* The cursor hidden and lines cut off at the edge, and both undone. */
#define SCREEN_ON  "\033[?25l\033[?7l\033[H\033[2J"
#define SCREEN_OFF "\033[?7h\033[?25h"

struct opts {
	bool json, no_stream, no_reset, no_trunc;
	const char *format;
	uint64_t interval;
	struct vms_selector who;
};
#define O(member) offsetof(struct opts, member)

static const struct opt table[] = {
        {0, "format", "TEMPLATE", "json, or such as '{{.Name}} {{.CPUPerc}}'", OPT_STR, O(format),
                false},
        {0, "json", NULL, "print JSON", OPT_FLAG, O(json), false},
        {'i', "interval", "SECONDS", "between two tables (5)", OPT_U64, O(interval), false},
        {0, "no-reset", NULL, "do not clear the terminal between tables", OPT_FLAG, O(no_reset),
                false},
        {0, "no-stream", NULL, "print one table", OPT_FLAG, O(no_stream), false},
        {0, "no-trunc", NULL, "accepted: names are never cut", OPT_FLAG, O(no_trunc), true},
        VMS_OPT_NAME(O(who)),
        VMS_OPT_PID(O(who)),
        VMS_OPT_LATEST(O(who)),
        VMS_OPT_ALL(O(who)),
        OPT_END,
};
static const struct opt_spec spec = {
        .usage = "fcvm-ctl stats [options] [VM…]",
        .summary = "Prints how much VMs use of their machines; of all VMs, if none is named.",
        .table = table,
};

struct view {
	const struct opts *o;
	const char *format;
	struct subjects s;
	int signals;
	bool live; /* one table, redrawn in a terminal */
	int caught;
};

static void write_json(FILE *out, const struct view *v)
{
	auto_json json_t *list = json_array();

	for (size_t i = 0; i < v->s.n; i++)
		json_array_append_new(list, stats_json(&v->s.v[i]));
	show_json(out, list, JSON_INDENT(1));
	fputc('\n', out);
}

static int write_rows(FILE *out, const struct view *v, struct err *e)
{
	bool aligned = !strncmp(v->format, "table ", 6);
	const char *format = v->format + (aligned ? 6 : 0);
	auto_strv struct strv lines = {0};

	/* Also where no headings are wanted: a wrong field is wrong without any VM, too. */
	if (tmpl_line(format, stats_field, NULL, &lines, e) < 0)
		return -1;
	if (!aligned)
		strv_free(&lines);
	for (size_t i = 0; i < v->s.n; i++)
		if (tmpl_line(format, stats_field, &v->s.v[i], &lines, e) < 0)
			return -1;
	if (aligned)
		show_table(out, &lines);
	else
		for (size_t i = 0; i < lines.n; i++)
			fprintf(out, "%s\n", lines.v[i]);
	return 0;
}

/* Over what was there, as far as the screen goes. */
static void redraw(const char *text)
{
	struct winsize ws = {.ws_row = 0};
	unsigned row = 1;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || !ws.ws_row)
		ws.ws_row = 24;
	fputs("\033[H", stdout);
	while (*text && row++ < ws.ws_row) {
		size_t n = strcspn(text, "\n");

		printf("%.*s\033[K\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
	fputs("\033[J", stdout);
}

/* 1, or 0 if nobody reads it any more. */
static int show(const struct view *v, struct err *e)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r = 0;

	if (!out)
		return err_sys(e, "cannot print");
	if (v->o->json)
		write_json(out, v);
	else
		r = write_rows(out, v, e);
	fclose(out);
	if (r < 0)
		return -1;
	if (v->live)
		redraw(text);
	else
		fputs(text, stdout);
	if (fflush(stdout) == 0)
		return 1;
	return errno == EPIPE ? 0 : err_sys(e, "cannot write to stdout");
}

static int find(struct view *v, bool first, struct err *e)
{
	const struct vms_selector *who = &v->o->who;
	auto_free char *base = dirs_run();
	auto_vms struct vms vms = {0};

	if ((first ? vms_resolve(base, who, &vms, e) : vms_load(base, NULL, &vms, e)) < 0)
		return -1;
	subjects_update(&v->s, &vms, first || who->all);
	return 0;
}

static void screen(const struct view *v, bool on)
{
	if (!v->live)
		return;
	fputs(on ? SCREEN_ON : SCREEN_OFF, stdout);
	fflush(stdout);
}

/* A stop leaves the terminal as it was, and is made good afterwards. */
static void on_signal(struct view *v)
{
	struct signalfd_siginfo si;

	while (read(v->signals, &si, sizeof si) == sizeof si) {
		if (si.ssi_signo != SIGTSTP) {
			v->caught = (int)si.ssi_signo;
			continue;
		}
		screen(v, false);
		raise(SIGSTOP);
		screen(v, true);
	}
}

/* 1: the next table is due; 0: that was all. */
static int pause_until(struct view *v, const struct timespec *due)
{
	for (;;) {
		struct timespec now, left;
		struct pollfd p[] = {{.fd = v->signals, .events = POLLIN}, {.fd = STDOUT_FILENO}};

		clock_gettime(CLOCK_MONOTONIC, &now);
		left.tv_sec = due->tv_sec - now.tv_sec;
		left.tv_nsec = due->tv_nsec - now.tv_nsec;
		if (left.tv_nsec < 0) {
			left.tv_nsec += 1000000000;
			left.tv_sec--;
		}
		if (left.tv_sec < 0 || ppoll(p, 2, &left, NULL) == 0)
			return 1;
		if (p[0].revents)
			on_signal(v);
		if (v->caught || p[1].revents & (POLLERR | POLLNVAL))
			return 0;
	}
}

static int loop(struct view *v, struct err *e)
{
	uint64_t ms = v->o->interval * 1000;
	int more = 1;

	while (more > 0) {
		struct timespec due;

		clock_gettime(CLOCK_MONOTONIC, &due);
		due.tv_sec += (time_t)v->o->interval;
		if (find(v, false, e) < 0)
			return -1;
		while (!subjects_ask(&v->s, (int)(ms < ANSWER_MS ? ms : ANSWER_MS), v->signals)) {
			on_signal(v);
			if (v->caught)
				return 0;
		}
		more = show(v, e);
		if (more <= 0 || v->o->no_stream || !v->s.n)
			return more < 0 ? -1 : 0;
		more = pause_until(v, &due);
	}
	return more;
}

static int watch_signals(struct err *e)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		sigaddset(&set, ours[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_sys(e, "cannot watch signals") : fd;
}

static int stats(struct opts *o, struct err *e)
{
	struct view v = {.o = o, .format = o->format, .signals = -1};
	int r;

	if (o->format && !strcmp(o->format, "json"))
		o->json = true;
	if (!o->format || !strcmp(o->format, "table"))
		v.format = DEFAULT_FORMAT;
	if (!o->interval || o->interval > INTERVAL_MAX)
		return err_set(e, FCVM_EX_USAGE, "--interval: takes 1 to %d", INTERVAL_MAX);
	if (!o->who.n_words && !o->who.names.n && !o->who.pids.n && !o->who.latest)
		o->who.all = true;
	v.live = !o->no_stream && !o->no_reset && !o->json && isatty(STDOUT_FILENO);
	r = find(&v, true, e);
	if (r == 0 && (v.signals = watch_signals(e)) < 0)
		r = -1;
	if (r == 0) {
		screen(&v, true);
		r = loop(&v, e);
		screen(&v, false);
	}
	subjects_free(&v.s);
	if (v.signals >= 0)
		close(v.signals);
	return r < 0 ? -1 : v.caught ? FCVM_EX_SIGNAL + v.caught : FCVM_EX_OK;
}

int ctl_stats(int argc, char **argv, struct err *e)
{
	struct opts o = {.interval = 5};
	int r = vms_opt_parse(&spec, argc, argv, &o, &o.who, e);

	if (r == 0)
		r = stats(&o, e);
	vms_selector_free(&o.who);
	return r;
}
