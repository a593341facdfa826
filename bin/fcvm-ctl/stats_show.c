/* SPDX-License-Identifier: MIT */
#include "stats_show.h"
#include "cleanup.h"
#include "json.h"
#include "opt.h"
#include "show.h"
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN "--"

void stats_size(FILE *out, int64_t bytes, bool binary)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	static const char *const binary_units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double base = binary ? 1024 : 1000, n = (double)bytes;
	size_t i = 0;

	for (; n >= base && i < 6; i++)
		n /= base;
	fprintf(out, "%.4g%s", n, (binary ? binary_units : units)[i]);
}

static void put_pair(FILE *out, int64_t a, int64_t b, bool binary)
{
	stats_size(out, a, binary);
	fputs(" / ", out);
	stats_size(out, b, binary);
}

static void put_name(FILE *out, const struct subject *s)
{
	show_clean(out, s->name);
}

static void put_cpu(FILE *out, const struct subject *s)
{
	fprintf(out, "%.2f%%", subject_cpu(s));
}

static void put_average(FILE *out, const struct subject *s)
{
	fprintf(out, "%.2f%%", subject_cpu_average(s));
}

static void put_memory(FILE *out, const struct subject *s)
{
	put_pair(out, s->last.memory, s->last.memory_limit, false);
}

static void put_memory_bytes(FILE *out, const struct subject *s)
{
	put_pair(out, s->last.memory, s->last.memory_limit, true);
}

static void put_memory_part(FILE *out, const struct subject *s)
{
	double limit = (double)s->last.memory_limit;

	fprintf(out, "%.2f%%", limit > 0 ? (double)s->last.memory / limit * 100 : 0);
}

static void put_net(FILE *out, const struct subject *s)
{
	put_pair(out, s->last.net_in, s->last.net_out, false);
}

static void put_block(FILE *out, const struct subject *s)
{
	put_pair(out, s->last.block_in, s->last.block_out, false);
}

static void put_pids(FILE *out, const struct subject *s)
{
	fprintf(out, "%" PRId64, s->last.pids);
}

/* As Go prints durations. */
static void put_time(FILE *out, const struct subject *s)
{
	int64_t us = s->last.cpu_usec, min = us / 60000000;

	if (us < 1000000) {
		fprintf(out, us < 1000 ? "%gµs" : "%gms",
		        us < 1000 ? (double)us : (double)us / 1e3);
		return;
	}
	if (min >= 60)
		fprintf(out, "%" PRId64 "h", min / 60);
	if (min)
		fprintf(out, "%" PRId64 "m", min % 60);
	fprintf(out, "%.8gs", (double)(us % 60000000) / 1e6);
}

static const struct column {
	const char *name, *heading, *member;
	void (*put)(FILE *out, const struct subject *s);
} columns[] = {
        {"Name", "NAME", "name", put_name},
        {"ID", "ID", "id", put_name},
        {"CPUPerc", "CPU %", "cpu_percent", put_cpu},
        {"MemUsage", "MEM USAGE / LIMIT", "mem_usage", put_memory},
        {"MemUsageBytes", "MEM USAGE / LIMIT", NULL, put_memory_bytes},
        {"MemPerc", "MEM %", "mem_percent", put_memory_part},
        {"NetIO", "NET IO", "net_io", put_net},
        {"BlockIO", "BLOCK IO", "block_io", put_block},
        {"PIDS", "PIDS", "pids", put_pids},
        {"UpTime", "CPU TIME", "cpu_time", put_time},
        {"AVGCPU", "AVG CPU %", "avg_cpu", put_average},
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

static void put(FILE *out, const struct column *c, const struct subject *s)
{
	if (c->put == put_name || s->known)
		c->put(out, s);
	else
		fputs(UNKNOWN, out);
}

static json_t *value(const struct column *c, const struct subject *s)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	put(out, c, s);
	fclose(out);
	return json_string(text);
}

json_t *stats_json(const struct subject *s)
{
	json_t *j = json_object();

	for (size_t i = 0; i < N_COLUMNS; i++)
		if (columns[i].member)
			json_object_set_new(j, columns[i].member, value(&columns[i], s));
	return j;
}

static int unknown(const char *field, struct err *e)
{
	const char *names[N_COLUMNS + 1] = {0};

	for (size_t i = 0; i < N_COLUMNS; i++)
		names[i] = columns[i].name;
	return tmpl_unknown(field, names, e);
}

int stats_field(FILE *out, const char *field, bool as_json, void *ctx, struct err *e)
{
	const struct column *c = NULL;
	auto_json json_t *j = NULL;

	for (size_t i = 0; i < N_COLUMNS && !c; i++)
		if (!strcmp(columns[i].name, field))
			c = &columns[i];
	if (!c && !(as_json && !*field))
		return unknown(field, e);
	if (as_json && ctx) {
		j = c ? value(c, ctx) : stats_json(ctx);
		show_json(out, j, JSON_COMPACT);
	} else if (c && ctx) {
		put(out, c, ctx);
	} else if (c) {
		fputs(c->heading, out);
	}
	return 0;
}
