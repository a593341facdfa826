/* SPDX-License-Identifier: MIT
 * Labels and annotations, comma-separated values, and strings that must be UTF-8. */
#include "cleanup.h"
#include "json.h"
#include "plan.h"
#include "status.h"

#include <string.h>

int plan_each_part(const char *list, int (*fn)(const char *part, void *ctx, struct err *e),
        void *ctx, struct err *e)
{
	auto_free char *copy = xstrdup(list);
	char *rest = copy, *part;

	while ((part = strsep(&rest, ",")))
		if (fn(part, ctx, e) < 0)
			return -1;
	return 0;
}

json_t *plan_string(const char *s, const char *what, struct err *e)
{
	json_t *v = json_string(s);

	if (!v)
		err_set(e, FCVM_EX_USAGE, "%s is not valid UTF-8, which a plan cannot hold", what);
	return v;
}

static int put(json_t *map, const char *name, size_t n, const char *value, const char *option,
        struct err *e)
{
	json_t *v = plan_string(value, option, e);

	if (!v)
		return -1;
	if (json_object_setn_new(map, name, n, v) < 0)
		return err_set(e, FCVM_EX_USAGE, "%s is not valid UTF-8, which a plan cannot hold",
		        option);
	return 0;
}

json_t *plan_labels(const struct plan_opts *o, const struct plan_image *im, struct err *e)
{
	auto_json json_t *map = im->labels ? json_deep_copy(im->labels) : json_object();

	for (size_t i = 0; i < o->label.n; i++) {
		const char *s = o->label.v[i], *eq = strchr(s, '=');

		if (!*s || eq == s) {
			err_set(e, FCVM_EX_USAGE, "--label '%s': a label without a name", s);
			return NULL;
		}
		if (put(map, s, strcspn(s, "="), eq ? eq + 1 : "", "--label", e) < 0)
			return NULL;
	}
	return steal_ptr(map);
}

static int annotation(const char *s, void *ctx, struct err *e)
{
	const char *eq = strchr(s, '=');

	if (!eq || eq == s)
		return err_set(e, FCVM_EX_USAGE, "--annotation '%s': not NAME=VALUE", s);
	return put(ctx, s, (size_t)(eq - s), eq + 1, "--annotation", e);
}

json_t *plan_annotations(const struct plan_opts *o, struct err *e)
{
	auto_json json_t *map = json_object();

	for (size_t i = 0; i < o->annotation.n; i++)
		if (plan_each_part(o->annotation.v[i], annotation, map, e) < 0)
			return NULL;
	return steal_ptr(map);
}
