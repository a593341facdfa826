/* SPDX-License-Identifier: MIT */
#include "fakefc.h"
#include "strv.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool fake_id_good(const char *id)
{
	for (const char *c = id; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			return false;
	return *id && strlen(id) <= 64;
}

static bool type_good(const json_t *v, char type)
{
	switch (type) {
	case 's':
		return json_is_string(v);
	case 'i':
		return json_is_integer(v) && json_integer_value(v) >= 0;
	case 'b':
		return json_is_boolean(v);
	case 'o':
		return json_is_object(v);
	default:
		return json_is_array(v);
	}
}

char *fake_fields(const json_t *o, const char *list, unsigned minor)
{
	char *copy = xstrdup(list), *save = NULL, *why = NULL;
	json_t *left = json_copy((json_t *)(uintptr_t)o);

	if (!json_is_object(o))
		why = xstrdup("expected an object");
	for (char *w = strtok_r(copy, " ", &save); w && !why; w = strtok_r(NULL, " ", &save)) {
		char *colon = strchr(w, ':'), *since = strchr(w, '@');
		const json_t *v;

		*colon = 0;
		v = json_object_get(o, w);
		if (since && (unsigned)strtoul(since + 1, NULL, 10) > minor)
			continue;
		if (!v && strchr(colon + 1, '!'))
			why = xasprintf("missing field `%s`", w);
		else if (v && !type_good(v, colon[1]))
			why = xasprintf("invalid type for field `%s`", w);
		json_object_del(left, w);
	}
	if (!why && json_object_size(left))
		why = xasprintf("unknown field `%s`", json_object_iter_key(json_object_iter(left)));
	json_decref(left);
	free(copy);
	return why;
}
