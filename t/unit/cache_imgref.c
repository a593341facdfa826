/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <fcvm-cache/imgref.h>
#include <fcvm-cache/platform.h>
#include <fcvm-cache/storage.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names(const char *text, const char *want)
{
	struct imgref r;
	struct err e = {0};

	imgref_parse(text, &r, &e);
	is_str(r.canonical ? r.canonical : e.text, want, "%s", text);
	imgref_free(&r);
}

static void refuses(const char *text)
{
	struct imgref r;
	struct err e = {0};

	ok(imgref_parse(text, &r, &e) < 0 && e.status, "'%s': %s", text, e.text);
	imgref_free(&r);
}

static void test_names(void)
{
	names("alpine", "docker://docker.io/library/alpine:latest");
	names("a/b:1", "docker://docker.io/a/b:1");
	names("host.example/a", "docker://host.example/a:latest");
	names("127.0.0.1:5000/a/b:t", "docker://127.0.0.1:5000/a/b:t");
	names("localhost:5000/a", "docker://localhost:5000/a:latest");
	names("docker://alpine:3", "docker://docker.io/library/alpine:3");
	names("a:t@sha256:" HEX, "docker://docker.io/library/a@sha256:" HEX);
	names("localhost/a", "containers-storage:localhost/a:latest");
	names("containers-storage:a", "containers-storage:docker.io/library/a:latest");
	names("dir:/tmp/../tmp/", "dir:/tmp");
	names("oci:/tmp:tag", "oci:/tmp:tag");
	names("oci:/tmp", "oci:/tmp");
}

static void test_refusals(void)
{
	static const char *const bad[] = {"", "a b", "-a", "a@sha256:12", "a:", "/a", "a//b", "a/",
	        "docker://", "docker-daemon:a", "https://host/a", "oci:", "dir:/no/such/dir", "a\n",
	        "host.example/", "oci-archive:/no/such/file:t"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refuses(bad[i]);
}

static void test_at_digest(void)
{
	struct imgref r;
	char *s;

	imgref_parse("docker://127.0.0.1:5000/a/b:t", &r, NULL);
	s = imgref_at_digest(&r, "sha256:" HEX);
	is_str(s, "docker://127.0.0.1:5000/a/b@sha256:" HEX, "the tag gives way, the port stays");
	free(s);
	imgref_free(&r);
}

static void finds(const char *text, const char *want)
{
	static const char images[] =
	        "[{\"id\":\"" HEX "\",\"digest\":\"sha256:" HEX "\",\"names\":"
	        "[\"localhost/web:latest\",\"docker.io/library/web:1\",\"host.example/x/y:2\"]},"
	        "{\"id\":\"../../etc\",\"names\":[\"localhost/evil:latest\"]},"
	        "{\"id\":5},7,{}]";
	char id[65] = "none";
	struct imgref r;

	imgref_parse(text, &r, NULL);
	storage_find_in(images, sizeof images - 1, &r, id);
	is_str(id, want, "storage has '%s'", text);
	imgref_free(&r);
}

static void test_storage(void)
{
	struct imgref r;
	char id[65];

	finds("web", HEX);
	finds("localhost/web", HEX);
	finds("web:1", HEX);
	finds("docker://web:1", HEX);
	finds("web:2", "none");
	finds("containers-storage:web", HEX);
	finds("host.example/x/y:2", HEX);
	finds("host.example/x/y@sha256:" HEX, HEX);
	finds("host.example/x/z@sha256:" HEX, "none");
	finds("localhost/evil", "none");
	imgref_parse("web", &r, NULL);
	is_int(storage_find_in("{", 1, &r, id), 0, "no JSON, no image");
	imgref_free(&r);
}

static void test_platform(void)
{
	json_t *arm =
	        json_pack("{s:s,s:s,s:s}", "os", "linux", "architecture", "arm", "variant", "v7");
	struct platform p;
	char text[100];

	ok(platform_parse("linux/arm/v7", &p, NULL) == 0 && platform_suits(&p, arm) == 3,
	        "exactly");
	ok(platform_parse("linux/arm", &p, NULL) == 0 && platform_suits(&p, arm) == 1,
	        "any variant");
	ok(platform_parse("linux/arm/v6", &p, NULL) == 0 && !platform_suits(&p, arm), "another");
	ok(platform_parse("linux/x86_64", &p, NULL) == 0 && !strcmp(p.arch, "amd64"),
	        "uname's name");
	ok(!platform_suits(&p, NULL) && !platform_suits(&p, arm), "none and another suit not");
	ok(platform_parse(NULL, &p, NULL) == 0 && *p.arch, "this machine");
	platform_text(&p, text);
	ok(strstr(text, "linux/") == text, "%s", text);
	ok(platform_parse("linux", &p, NULL) < 0 && platform_parse("linux/", &p, NULL) < 0 &&
	                platform_parse("a/b/c/d", &p, NULL) < 0 &&
	                platform_parse("/amd64", &p, NULL) < 0 &&
	                platform_parse("linux/amd64/", &p, NULL) < 0,
	        "malformed ones");
	json_decref(arm);
}

int main(void)
{
	test_names();
	test_refusals();
	test_at_digest();
	test_storage();
	test_platform();
	return done();
}
