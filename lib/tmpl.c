/* SPDX-License-Identifier: MIT */
#include "tmpl.h"
#include "cleanup.h"
#include "opt.h"
#include "show.h"
#include "status.h"

#include <string.h>

#define BLANK " \t"

static void trim(char *s)
{
	size_t n = strlen(s);

	while (n && strchr(BLANK, s[n - 1]))
		s[--n] = 0;
}

/* What is between the braces. */
static int action(char *text, tmpl_field *field, void *ctx, FILE *out, struct err *e)
{
	char *p = text + strspn(text, BLANK);
	bool as_json = false;

	trim(p);
	if (!strncmp(p, "json", 4) && p[4] && strchr(BLANK, p[4])) {
		as_json = true;
		p += 5 + strspn(p + 5, BLANK);
	}
	if (p[0] != '.' || p[strcspn(p, BLANK)])
		return err_set(e, FCVM_EX_USAGE,
		        "--format: {{%s}} is not supported, only {{.Field}} and {{json .Field}}",
		        text);
	return field(out, p + 1, as_json, ctx, e);
}

/* A backslash and what follows it; where it ends. */
static const char *escape(const char *p, FILE *out)
{
	static const char from[] = "tn\\", to[] = "\t\n\\";
	const char *hit = p[1] ? strchr(from, p[1]) : NULL;

	fputc(hit ? to[hit - from] : '\\', out);
	return p + (hit ? 2 : 1);
}

int tmpl_expand(const char *p, tmpl_field *field, void *ctx, FILE *out, struct err *e)
{
	while (*p) {
		size_t plain = strcspn(p, "\\{");

		fwrite(p, 1, plain, out);
		p += plain;
		if (*p == '\\') {
			p = escape(p, out);
		} else if (p[0] == '{' && p[1] == '{') {
			const char *end = strstr(p, "}}");
			auto_free char *text = end ? strndup(p + 2, (size_t)(end - p) - 2) : NULL;

			if (!text)
				return err_set(
				        e, FCVM_EX_USAGE, "--format: '{{' without '}}': %s", p);
			if (action(text, field, ctx, out, e) < 0)
				return -1;
			p = end + 2;
		} else if (*p) {
			fputc(*p++, out);
		}
	}
	return 0;
}

static int print_value(FILE *out, const json_t *v, bool as_json)
{
	if (as_json || json_is_object(v) || json_is_array(v))
		show_json(out, v, JSON_COMPACT);
	else if (json_is_string(v))
		show_clean(out, json_string_value(v));
	else if (!v || json_is_null(v))
		fputs("<no value>", out);
	else
		show_json(out, v, 0);
	return 0;
}

int tmpl_json_path(FILE *out, const char *field, bool as_json, void *ctx, struct err *e)
{
	const json_t *v = ctx;
	const char *p = field;

	while (*p && v && !json_is_null(v)) {
		size_t n = strcspn(p, ".");
		auto_free char *key = strndup(p, n);

		v = key ? json_object_get(v, key) : NULL;
		if (!v)
			return err_set(e, FCVM_EX_USAGE, "--format: there is no field .%s", field);
		p += n + (p[n] == '.');
	}
	return print_value(out, v, as_json);
}

int tmpl_line(const char *tmpl, tmpl_field *field, void *ctx, struct strv *lines, struct err *e)
{
	auto_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return err_sys(e, "cannot print");
	r = tmpl_expand(tmpl, field, ctx, out, e);
	fclose(out);
	if (r == 0)
		strv_add(lines, text);
	return r;
}

int tmpl_unknown(const char *field, const char *const *names, struct err *e)
{
	const char *close = opt_closest(field, names);

	return err_set(e, FCVM_EX_USAGE, "--format: there is no field .%s%s%s%s", field,
	        close ? ": did you mean ." : "", close ? close : "", close ? "?" : "");
}
