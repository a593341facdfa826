/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "cleanup.h"
#include "status.h"
#include "tap.h"
#include "tmpdir.h"
#include "xio.h"

#include <fcntl.h>

static json_t *parse(const char *text, struct err *e)
{
	return json_parse(text, strlen(text), "in.json", e);
}

static void refuses(const char *text, const char *why)
{
	struct err e = {0};
	auto_json json_t *doc = parse(text, &e);

	ok(!doc, "%s is refused", why);
	is_int(e.status, FCVM_EX_DATA, "%s: as bad data", why);
	ok(strncmp(e.text, "in.json: ", 9) == 0, "%s: the text names the source", why);
}

static void parsing(void)
{
	struct err e = {0};
	auto_json json_t *doc = parse("{\"a\":1}", &e);
	auto_free char *big = calloc(1, JSON_MAX_BYTES + 2);

	ok(doc, "an object is taken");
	refuses("[1]", "an array on top");
	refuses("\"text\"", "a string on top");
	refuses("{\"a\":1", "a cut object");
	refuses("{\"a\":1} x", "text after the object");
	refuses("{\"a\":1,\"a\":2}", "a repeated field");
	refuses("{\"a\":\"\\u0000\"}", "an escaped NUL");
	refuses("{\"a\":\"\xff\"}", "a string that is not UTF-8");
	refuses("", "nothing");
	memset(big, '[', 100000);
	refuses(big, "nesting without end");
	memset(big, ' ', JSON_MAX_BYTES + 1);
	memcpy(big, "{}", 2);
	refuses(big, "a document above the limit");
}

static void strings(void)
{
	auto_json json_t *doc =
	        json_pack("{s:s, s:n, s:i, s:s}", "s", "text", "null", "int", 3, "empty", "");
	const char *out = "before";
	struct err e = {0};

	is_int(json_get_str(doc, "s", &out, &e), 0, "a string field");
	is_str(out, "text", "is handed out");
	is_int(json_get_str(doc, "none", &out, &e), 0, "an absent field is no error");
	is_str(out, NULL, "but NULL");
	out = "before";
	is_int(json_get_str(doc, "null", &out, &e), 0, "nor is a null");
	is_str(out, NULL, "but NULL, too");
	is_int(json_get_str(doc, "empty", &out, &e), 0, "an empty string");
	is_str(out, "", "is one");
	is_int(json_get_str(doc, "int", &out, &e), -1, "another type is an error");
	is_str(e.text, "field 'int' is not a string", "that names the field");
	json_object_set_new(doc, "nul", json_stringn("a\0b", 3));
	is_int(json_get_str(doc, "nul", &out, &e), -1, "a NUL inside is an error");
	is_str(out, NULL, "and nothing is handed out");
}

static void files(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_json json_t *doc = json_pack("{s:s}", "k", "v"), *back = NULL, *none = NULL;
	struct err e = {0};

	is_int(json_save_at(d.fd, "x.json", doc, 0600), 0, "a document is saved");
	back = json_load_at(d.fd, "x.json", &e);
	ok(back && json_equal(doc, back), "and comes back equal");
	is_int(tmpdir_count(&d), 1, "no temporary file is left");
	none = json_load_at(d.fd, "none.json", &e);
	ok(!none, "a missing file is an error");
	is_int(e.status, FCVM_EX_SYS, "of the system");
	is_str(e.text, "cannot read none.json: No such file or directory", "that names it");
	is_int(json_save_at(d.fd, "no/x.json", doc, 0600), -ENOENT, "a missing folder is an error");
}

int main(void)
{
	parsing();
	strings();
	files();
	return done();
}
