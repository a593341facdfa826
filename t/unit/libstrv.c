/* SPDX-License-Identifier: MIT */
#include "strv.h"
#include "tap.h"

#include <stdlib.h>

static void growing(void)
{
	auto_strv struct strv sv = {0};
	char buf[] = "own";
	bool terminated = true;

	ok(sv.v == NULL && sv.n == 0, "an empty vector owns nothing");
	strv_add(&sv, buf);
	buf[0] = 'X';
	is_str(sv.v[0], "own", "strings are copied");
	strv_addf(&sv, "%d-%s", 5, "x");
	is_str(sv.v[1], "5-x", "and formatted");
	strv_addl(&sv, "a", "", "c", NULL);
	is_int(sv.n, 5, "several are added at once");
	is_str(sv.v[3], "", "an empty string is one");
	for (int i = 0; i < 1000; i++) {
		strv_addf(&sv, "%d", i);
		terminated = terminated && sv.v[sv.n] == NULL;
	}
	ok(terminated, "it is NULL-terminated after every addition");
	is_str(sv.v[1004], "999", "the last of many is there");
}

static void freeing(void)
{
	struct strv sv = {0};

	strv_free(&sv);
	ok(sv.v == NULL, "freeing an empty vector is harmless");
	strv_addl(&sv, "a", "b", NULL);
	strv_free(&sv);
	ok(sv.v == NULL && sv.n == 0, "a freed vector is empty");
	strv_add(&sv, "again");
	is_str(sv.v[0], "again", "and can be used again");
	strv_free(&sv);
	strv_addl(&sv, NULL);
	ok(sv.n == 0, "an empty list adds nothing");
	strv_free(&sv);
}

static void allocation(void)
{
	char *s = xasprintf("%s/%d", "a", 1), *d = xstrdup(s);
	/* cppcheck-suppress invalidFunctionArg */
	unsigned char *z = xcalloc(0, 8);

	is_str(s, "a/1", "xasprintf formats");
	is_str(d, "a/1", "xstrdup copies");
	ok(z != NULL, "xcalloc of nothing is still a pointer");
	free(s);
	free(d);
	free(z);
}

int main(void)
{
	growing();
	freeing();
	allocation();
	return done();
}
