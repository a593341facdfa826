/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "cleanup.h"
#include "status.h"
#include "xio.h"

#include <string.h>

json_t *json_parse(const char *text, size_t n, const char *what, struct err *e)
{
	json_error_t je;
	json_t *doc;

	if (n > JSON_MAX_BYTES) {
		err_set(e, FCVM_EX_DATA, "%s: larger than %zu bytes", what, JSON_MAX_BYTES);
		return NULL;
	}
	doc = json_loadb(text, n, JSON_REJECT_DUPLICATES, &je);
	if (!doc) {
		err_set(e, FCVM_EX_DATA, "%s: not JSON: line %d: %s", what, je.line, je.text);
		return NULL;
	}
	if (!json_is_object(doc)) {
		json_decref(doc);
		err_set(e, FCVM_EX_DATA, "%s: not a JSON object", what);
		return NULL;
	}
	return doc;
}

json_t *json_load_at(int dirfd, const char *path, struct err *e)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int r = read_file_at(dirfd, path, JSON_MAX_BYTES, &text, &n);

	if (r < 0) {
		errno = -r;
		err_sys(e, "cannot read %s", path);
		return NULL;
	}
	return json_parse(text, n, path, e);
}

int json_get_str(const json_t *obj, const char *key, const char **out, struct err *e)
{
	const json_t *v = json_object_get(obj, key);

	*out = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return err_set(e, FCVM_EX_DATA, "field '%s' is not a string", key);
	if (strlen(json_string_value(v)) != json_string_length(v))
		return err_set(e, FCVM_EX_DATA, "field '%s' holds a NUL byte", key);
	*out = json_string_value(v);
	return 0;
}

int json_save_at(int dirfd, const char *path, const json_t *doc, unsigned mode)
{
	auto_free char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS);

	if (!text)
		return -ENOMEM;
	return write_file_at(dirfd, path, text, strlen(text), mode);
}

int json_put_at(int dirfd, const char *path, const json_t *doc, unsigned mode)
{
	auto_free char *text = json_dumps(doc, JSON_INDENT(1) | JSON_SORT_KEYS);

	return text ? put_file_at(dirfd, path, text, strlen(text), mode) : -ENOMEM;
}

void json_print(const json_t *doc)
{
	json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
	putchar('\n');
}
