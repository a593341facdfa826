/* SPDX-License-Identifier: MIT */
#include "opt.h"
#include "num.h"
#include "status.h"
#include "version.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_end(const struct opt *o)
{
	return !o->name && !o->help;
}

static size_t edit_distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[64];

	if (n >= 64 || strlen(a) >= 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diag = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t best = diag + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diag = row[j];
			row[j] = best;
		}
	}
	return row[n];
}

const char *opt_closest(const char *word, const char *const *known)
{
	size_t best = strlen(word) / 3 + 1, d;
	const char *hit = NULL;

	for (; *known; known++) {
		d = edit_distance(word, *known);
		if (d <= best && (!hit || d < best)) {
			best = d;
			hit = *known;
		}
	}
	return hit;
}

static int unknown(const struct opt_spec *spec, const char *name, struct err *e)
{
	const char *names[128], *hit;
	size_t n = 0;

	for (const struct opt *o = spec->table; !is_end(o) && n < 127; o++)
		if (o->kind != OPT_HEAD && o->name)
			names[n++] = o->name;
	names[n] = NULL;
	hit = opt_closest(name, names);
	if (hit)
		return err_set(
		        e, FCVM_EX_USAGE, "unknown option --%s: did you mean --%s?", name, hit);
	return opt_usage(spec, e, "unknown option --%s", name);
}

/* The length of "fcvm-x" or, with a verb of its own help, "fcvm-x verb" in the usage line. */
static int command_length(const char *usage)
{
	size_t program = strcspn(usage, " "), n = program;

	if (usage[n] == ' ' && islower((unsigned char)usage[n + 1]))
		n += 1 + strcspn(usage + n + 1, " ");
	return (int)(memchr(usage, '|', n) ? program : n);
}

int opt_usage(const struct opt_spec *spec, struct err *e, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(e, FCVM_EX_USAGE, "%s: see '%.*s --help'", text, command_length(spec->usage),
	        spec->usage);
}

static void print_help(const struct opt_spec *spec)
{
	printf("usage: %s\n%s\n", spec->usage, spec->summary);
	for (const struct opt *o = spec->table; !is_end(o); o++) {
		char left[64], letter[8] = "    ";

		if (o->kind == OPT_HEAD) {
			printf("\n%s:\n", o->help);
			continue;
		}
		if (o->hidden)
			continue;
		if (o->letter)
			snprintf(letter, sizeof letter, "-%c%s", o->letter, o->name ? ", " : "");
		snprintf(left, sizeof left, "%s%s%s%s%s", letter, o->name ? "--" : "",
		        o->name ? o->name : "", o->arg ? " " : "", o->arg ? o->arg : "");
		if (strlen(left) > 27)
			printf("  %s\n  %-28s%s\n", left, "", o->help);
		else
			printf("  %-28s%s\n", left, o->help);
	}
}

static void list_options(const struct opt_spec *spec)
{
	for (const struct opt *o = spec->table; !is_end(o); o++) {
		if (o->kind == OPT_HEAD)
			continue;
		if (o->letter)
			printf("-%c\n", o->letter);
		if (o->name)
			printf("--%s\n", o->name);
	}
}

static bool answered(const struct opt_spec *spec, const char *name, struct err *e)
{
	if (!strcmp(name, "help"))
		print_help(spec);
	else if (!strcmp(name, "version"))
		printf("%.*s %s\n", (int)strcspn(spec->usage, " "), spec->usage, FCVM_VERSION);
	else if (!strcmp(name, "list-options"))
		list_options(spec);
	else
		return false;
	fflush(stdout);
	err_set(e, FCVM_EX_OK, "%s", "");
	return true;
}

static const struct opt *find(const struct opt_spec *spec, char letter, const char *name, size_t n)
{
	for (const struct opt *o = spec->table; !is_end(o); o++) {
		if (o->kind == OPT_HEAD)
			continue;
		if (letter ? o->letter == letter
		           : o->name && strlen(o->name) == n && !strncmp(o->name, name, n))
			return o;
	}
	return NULL;
}

static bool one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static int set_flag(const char *shown, const char *value, bool *target, struct err *e)
{
	/* The spellings of podman, which are those of Go. */
	static const char *const on[] = {"true", "1", "t", "T", "TRUE", "True", NULL};
	static const char *const off[] = {"false", "0", "f", "F", "FALSE", "False", NULL};

	if (!value || one_of(value, on))
		*target = true;
	else if (one_of(value, off))
		*target = false;
	else
		return err_set(e, FCVM_EX_USAGE, "%s=%s: takes true or false", shown, value);
	return 0;
}

static int set(const struct opt *o, const char *shown, const char *value, void *base, struct err *e)
{
	void *p = (char *)base + o->offset;
	int r;

	switch (o->kind) {
	case OPT_FLAG:
		return set_flag(shown, value, p, e);
	case OPT_STR:
		*(const char **)p = value;
		return 0;
	case OPT_LIST:
		strv_add(p, value);
		return 0;
	case OPT_U64:
		r = num_u64(value, 0, UINT64_MAX, p);
		break;
	case OPT_SIZE:
		r = num_size(value, 0, INT64_MAX, p);
		break;
	case OPT_MILLI:
		r = num_milli(value, 0, INT64_MAX, p);
		break;
	default:
		return -1;
	}
	if (r == -ERANGE)
		return err_set(e, FCVM_EX_USAGE, "%s %s: the number is too large", shown, value);
	if (r < 0)
		return err_set(e, FCVM_EX_USAGE, "%s %s: not a %s", shown, value,
		        o->kind == OPT_SIZE ? "size such as 512m or 2g" : "number");
	return 0;
}

/* One --word. *i is moved past a separate value. */
static int parse_long(
        const struct opt_spec *spec, int argc, char **argv, int *i, void *target, struct err *e)
{
	const char *name = argv[*i] + 2, *value;
	size_t n = strcspn(name, "=");
	const struct opt *o;
	char shown[80];

	value = name[n] == '=' ? name + n + 1 : NULL;
	snprintf(shown, sizeof shown, "--%.*s", (int)n, name);
	o = find(spec, 0, name, n);
	if (!o) {
		if (!value && answered(spec, name, e))
			return -1;
		return unknown(spec, shown + 2, e);
	}
	if (o->kind != OPT_FLAG && !value) {
		if (*i + 1 >= argc)
			return opt_usage(spec, e, "%s: needs %s", shown, o->arg);
		value = argv[++*i];
	}
	return set(o, shown, value, target, e);
}

/* One -word: bundled flags, then perhaps an option whose value is the rest or the next word. */
static int parse_short(
        const struct opt_spec *spec, int argc, char **argv, int *i, void *target, struct err *e)
{
	for (const char *p = argv[*i] + 1; *p; p++) {
		const struct opt *o = find(spec, *p, NULL, 0);
		char shown[3] = {'-', *p, 0};
		const char *value = NULL;

		if (!o)
			return opt_usage(spec, e, "unknown option -%c", *p);
		if (o->kind != OPT_FLAG) {
			if (p[1])
				value = p + 1 + (p[1] == '=');
			else if (*i + 1 < argc)
				value = argv[++*i];
			else
				return opt_usage(spec, e, "%s: needs %s", shown, o->arg);
		} else if (p[1] == '=') {
			value = p + 2;
		}
		if (set(o, shown, value, target, e) < 0)
			return -1;
		if (value)
			return 0;
	}
	return 0;
}

int opt_parse(const struct opt_spec *spec, int argc, char **argv, void *target, struct err *e)
{
	int i;

	for (i = 1; i < argc; i++) {
		int r;

		if (!strcmp(argv[i], "--"))
			return i + 1;
		if (argv[i][0] != '-' || !argv[i][1])
			return i;
		r = argv[i][1] == '-' ? parse_long(spec, argc, argv, &i, target, e)
		                      : parse_short(spec, argc, argv, &i, target, e);
		if (r < 0)
			return -1;
	}
	return i;
}

int opt_verb(const struct opt_spec *spec, const char *word, const char *const *verbs, struct err *e)
{
	const char *close = opt_closest(word, verbs);

	for (int i = 0; verbs[i]; i++)
		if (!strcmp(verbs[i], word))
			return i;
	return opt_usage(spec, e, "unknown verb '%s'%s%s%s", word, close ? " (did you mean '" : "",
	        close ? close : "", close ? "'?)" : "");
}

int opt_parse_mixed(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct strv *words, struct err *e)
{
	int i = 1;

	while (i <= argc) {
		int at = opt_parse(spec, argc - i + 1, argv + i - 1, target, e);

		if (at < 0)
			return -1;
		i += at - 1;
		if (i >= argc)
			break;
		strv_add(words, argv[i++]);
	}
	return 0;
}
