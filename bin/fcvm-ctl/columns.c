/* SPDX-License-Identifier: MIT */
#include "columns.h"
#include "cleanup.h"
#include "json.h"
#include "opt.h"
#include "show.h"
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMMAND_MAX 20 /* characters of a command that are shown */

static void put_list(FILE *out, const json_t *list, const char *between)
{
	const json_t *v;

	for (size_t i = 0; (v = json_array_get(list, i)); i++) {
		if (i)
			fputs(between, out);
		show_clean(out, json_is_string(v) ? json_string_value(v) : "?");
	}
}

static void put_name(FILE *out, const struct column_row *r)
{
	fputs(r->vm->name, out);
}

static void put_image(FILE *out, const struct column_row *r)
{
	show_clean(out, vm_text(r->vm, "image"));
}

/* Cuts after n characters of UTF-8; whether there were more. */
static bool cut(char *text, size_t n)
{
	for (char *p = text; *p; p++) {
		if (((unsigned char)*p & 0xc0) == 0x80 || n--)
			continue;
		*p = 0;
		return true;
	}
	return false;
}

static void put_command(FILE *out, const struct column_row *r)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *whole = open_memstream(&text, &size);
	bool shortened;

	if (!whole)
		abort();
	put_list(whole, json_object_get(r->vm->state, "command"), " ");
	fclose(whole);
	shortened = !r->no_trunc && cut(text, COMMAND_MAX);
	fprintf(out, "%s%s", text, shortened ? "..." : "");
}

static void put_created(FILE *out, const struct column_row *r)
{
	show_duration(out, r->now - vm_number(r->vm, "created"));
	fputs(" ago", out);
}

static void put_created_at(FILE *out, const struct column_row *r)
{
	json_int_t ns = vm_number(r->vm, "created");
	time_t s = (time_t)(ns / 1000000000);
	char day[64] = "", zone[64] = "";
	struct tm tm;

	if (ns < 0 || !localtime_r(&s, &tm))
		return;
	strftime(day, sizeof day, "%Y-%m-%d %H:%M:%S", &tm);
	strftime(zone, sizeof zone, "%z %Z", &tm);
	fprintf(out, "%s.%09d %s", day, (int)(ns % 1000000000), zone);
}

static void put_state(FILE *out, const struct column_row *r)
{
	show_clean(out, vm_text(r->vm, "state"));
}

static void put_status(FILE *out, const struct column_row *r)
{
	const char *state = vm_text(r->vm, "state"), *health = vm_text(r->vm, "health");
	json_int_t since = vm_number(r->vm, "started");
	bool paused = !strcmp(state, "paused");

	if (r->vm->ended) {
		fprintf(out, "Exited (%d) ", (int)vm_number(r->vm, "exit"));
		show_duration(out, r->now - vm_number(r->vm, "ended"));
		fputs(" ago", out);
	} else if (!strcmp(state, "starting")) {
		fputs("Starting", out);
	} else if (!strcmp(state, "stopping")) {
		fputs("Stopping", out);
	} else if (paused || !strcmp(state, "running")) {
		fputs("Up ", out);
		show_duration(out, r->now - (since ? since : vm_number(r->vm, "created")));
		if (paused)
			fputs(" (Paused)", out);
		else if (*health) {
			fputs(" (", out);
			show_clean(out, health);
			fputs(")", out);
		}
	} else {
		put_state(out, r);
	}
}

static void put_ports(FILE *out, const struct column_row *r)
{
	put_list(out, json_object_get(r->vm->state, "ports"), ", ");
}

static void put_labels(FILE *out, const struct column_row *r)
{
	json_t *labels = json_object_get(r->vm->state, "labels"), *v;
	const char *key;
	bool first = true;

	json_object_foreach(labels, key, v)
	{
		fputs(first ? "" : ",", out);
		show_clean(out, key);
		fputc('=', out);
		show_clean(out, json_is_string(v) ? json_string_value(v) : "?");
		first = false;
	}
}

static void put_pid(FILE *out, const struct column_row *r)
{
	fprintf(out, "%" PRId64, (int64_t)vm_number(r->vm, "pid"));
}

static void put_exit_code(FILE *out, const struct column_row *r)
{
	fprintf(out, "%" PRId64, (int64_t)vm_number(r->vm, "exit"));
}

static void put_health(FILE *out, const struct column_row *r)
{
	show_clean(out, vm_text(r->vm, "health"));
}

static const struct column {
	const char *name, *heading;
	void (*put)(FILE *out, const struct column_row *r);
} columns[] = {
        {"Name", "NAME", put_name},
        {"Names", "NAME", put_name},
        {"ID", "ID", put_name},
        {"Image", "IMAGE", put_image},
        {"Command", "COMMAND", put_command},
        {"Created", "CREATED", put_created},
        {"CreatedAt", "CREATED AT", put_created_at},
        {"RunningFor", "CREATED", put_created},
        {"Status", "STATUS", put_status},
        {"State", "STATE", put_state},
        {"Ports", "PORTS", put_ports},
        {"Labels", "LABELS", put_labels},
        {"Pid", "PID", put_pid},
        {"Health", "HEALTH", put_health},
        {"ExitCode", "EXIT CODE", put_exit_code},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

static int unknown(const char *field, struct err *e)
{
	const char *names[N_COLUMNS + 1] = {0};

	for (size_t i = 0; i < N_COLUMNS; i++)
		names[i] = columns[i].name;
	return tmpl_unknown(field, names, e);
}

static void put_json(FILE *out, const struct column *c, const struct column_row *r)
{
	auto_free char *text = NULL;
	auto_json json_t *v = NULL;
	size_t size = 0;
	FILE *plain = open_memstream(&text, &size);

	if (!plain)
		abort();
	c->put(plain, r);
	fclose(plain);
	v = json_string(text);
	show_json(out, v, JSON_COMPACT);
}

int column_field(FILE *out, const char *field, bool as_json, void *ctx, struct err *e)
{
	const struct column_row *r = ctx;
	const struct column *c = NULL;

	if (as_json && !*field) {
		if (r->vm)
			show_json(out, r->vm->state, JSON_COMPACT);
		return 0;
	}
	for (size_t i = 0; i < N_COLUMNS && !c; i++)
		if (!strcmp(columns[i].name, field))
			c = &columns[i];
	if (!c)
		return unknown(field, e);
	if (!r->vm)
		fputs(c->heading, out);
	else if (as_json)
		put_json(out, c, r);
	else
		c->put(out, r);
	return 0;
}
