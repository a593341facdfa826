/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <fcvm-cache/ftree.h>

#include <stdlib.h>
#include <string.h>

static struct ftree tree;
static struct layer_budget budget;
static struct err e;
static uint32_t ordinal;

static void begin(void)
{
	ftree_free(&tree);
	budget = (struct layer_budget){.max_entries = 1000, .max_bytes = 1000};
	e = (struct err){0};
	ftree_init(&tree, &budget);
}

static void layer(void)
{
	ftree_begin_layer(&tree);
	ordinal = 0;
}

static int put(const char *name, char type, const char *link)
{
	struct ltar_entry n = {.type = type, .name = name, .link = link, .mode = 0640};

	e = (struct err){0};
	return ftree_apply(&tree, &n, ordinal++, &e);
}

static int file(const char *name)
{
	return put(name, '0', "");
}

static bool there(const char *path)
{
	return ftree_find(&tree, path) != NULL;
}

static void test_whiteouts(void)
{
	begin();
	layer();
	file("a/one");
	file("a/two");
	file("b/deep/x");
	layer();
	file("a/.wh.one");
	file("b/.wh.deep");
	file(".wh.never-there");
	file("no/such/.wh.dir");
	ok(!there("a/one") && there("a/two"), "a whiteout removes its file only");
	ok(!there("b/deep"), "a whiteout removes a folder whole");
	ok(!there("no"), "a whiteout makes no parents");
	ok(!there("a/.wh.one"), "the marker is no file");
}

static void test_whiteout_spares_own_layer(void)
{
	begin();
	layer();
	file("d/old");
	file("f");
	layer();
	file("d/new");
	file(".wh.d");
	file("f");
	file(".wh.f");
	ok(there("d/new") && !there("d/old"), "the folder's own layer stays, the rest goes");
	ok(there("f"), "a file of the same layer stays");
}

static void test_opaque(void)
{
	begin();
	layer();
	file("d/old");
	file("d/sub/old");
	file("e/old");
	file("e/sub/old");
	layer();
	file("d/.wh..wh..opq");
	file("d/sub/new");
	file("e/sub/new");
	file("e/.wh..wh..opq");
	ok(!there("d/old") && !there("d/sub/old") && there("d/sub/new"), "the marker first");
	ok(!there("e/old") && !there("e/sub/old") && there("e/sub/new"), "the marker last");
	ok(there("d") && there("e"), "the folder itself stays");
}

static void test_replacing(void)
{
	struct ltar_entry dir = {.type = '5', .name = "d/", .link = "", .mode = 0700, .uid = 7};

	begin();
	layer();
	file("d/x");
	file("f");
	put("s", '2', "d");
	layer();
	ftree_apply(&tree, &dir, 0, &e);
	ok(there("d/x"), "a directory over a directory keeps what is in it");
	ok(ftree_find(&tree, "d")->ino->e.uid == 7, "its metadata is the newest");
	put("f/", '5', "");
	ok(ftree_is_dir(ftree_find(&tree, "f")), "a directory over a file");
	put("s/", '5', "");
	ok(ftree_is_dir(ftree_find(&tree, "s")) && !there("s/x"),
	        "a directory over a link to one replaces the link");
	file("d");
	ok(!there("d/x") && !ftree_is_dir(ftree_find(&tree, "d")), "a file over a directory");
	dir.name = "./";
	ok(ftree_apply(&tree, &dir, 9, &e) == 0 && tree.root->ino->e.mode == 0700,
	        "the root's own");
	dir.name = "/";
	dir.mode = 0750;
	ok(ftree_apply(&tree, &dir, 9, &e) == 0 && tree.root->ino->e.mode == 0750,
	        "by its absolute name");
}

static void test_hard_links(void)
{
	struct finode *old;

	begin();
	layer();
	file("one");
	put("two", '1', "one");
	old = ftree_find(&tree, "one")->ino;
	is_int(old->nlink, 2, "two names");
	layer();
	file("one");
	put("three", '1', "./two");
	put("four", '1', "one");
	ok(ftree_find(&tree, "three")->ino == old, "the old file lives on under its other name");
	is_int(old->nlink, 2, "still two names");
	ok(ftree_find(&tree, "four")->ino == ftree_find(&tree, "one")->ino,
	        "a link to the new one");
	file(".wh.two");
	file(".wh.three");
	is_int(old->nlink, 1, "a whiteout spares the link of its own layer");
	ok(put("x", '1', "nowhere") < 0 && strstr(e.text, "'x'"), "to nothing: %s", e.text);
	ok(put("x", '1', "../one") < 0, "out of the root: %s", e.text);
	put("dir/", '5', "");
	ok(put("x", '1', "dir") < 0, "to a directory: %s", e.text);
	ok(put("one", '1', "one") < 0, "to itself: %s", e.text);
}

static void test_symlinks(void)
{
	begin();
	layer();
	put("usr/lib/", '5', "");
	put("lib", '2', "usr/lib");
	put("abs", '2', "/lib/../lib");
	put("up", '2', "../etc");
	put("out", '2', "/not/here");
	put("loop", '2', "loop");
	layer();
	ok(file("lib/a") == 0 && there("usr/lib/a"), "through a relative link");
	ok(file("abs/b") == 0 && there("usr/lib/b"), "through absolute and relative ones");
	ok(file("lib/.wh.a") == 0 && there("usr/lib/a"), "a whiteout spares its layer there too");
	ok(put("h", '1', "lib/a") == 0, "a hard link's target may");
	ok(file("up/x") < 0 && strstr(e.text, "'up/x'"), "above the root: %s", e.text);
	ok(file("out/x") < 0, "to nowhere: %s", e.text);
	ok(file("loop/x") < 0, "for ever: %s", e.text);
	ok(file("out/.wh.x") == 0, "a whiteout of what is not there is nothing");
	ok(!there("not") && !there("etc"), "nothing was made on the way");
}

static void test_names(void)
{
	char name[260];

	begin();
	layer();
	ok(file("../x") < 0 && strstr(e.text, "entry '../x'"), "%s", e.text);
	ok(file("a/../b") < 0, "%s", e.text);
	ok(file("/x") < 0, "%s", e.text);
	ok(file("x/.wh..") < 0 && file("x/.wh.") < 0 && file("x/.wh...") < 0, "%s", e.text);
	ok(file(".") < 0, "%s", e.text);
	memset(name, 'n', sizeof name);
	name[256] = 0;
	ok(file(name) < 0, "256 bytes");
	name[255] = 0;
	ok(file(name) == 0 && there(name), "255 bytes");
	ok(file("./a//b/./c") == 0 && there("a/b/c"), "dots and doubled slashes say nothing");
	is_int(ftree_find(&tree, "a/b")->ino->e.mode, 0755, "parents without entries");
	ok(put("s", '2', "") < 0, "%s", e.text);
}

static void test_limit(void)
{
	begin();
	budget.max_entries = 3;
	layer();
	ok(file("a/b/c") == 0, "two implied directories");
	ok(file("d/e/f") < 0 && strstr(e.text, "--max-entries"), "count too: %s", e.text);
}

static void test_paths(void)
{
	char path[FTREE_PATH_MAX + 1];
	int n = 0;

	begin();
	layer();
	file("a/b/c");
	file("d");
	for (struct fnode *p = tree.root; p; p = ftree_walk(p)) {
		ftree_path(p, path);
		n += ftree_find(&tree, path) == p;
	}
	is_int(n, 5, "the walk sees each once, with the path it is found by");
}

int main(void)
{
	test_whiteouts();
	test_whiteout_spares_own_layer();
	test_opaque();
	test_replacing();
	test_hard_links();
	test_symlinks();
	test_names();
	test_limit();
	test_paths();
	ftree_free(&tree);
	return done();
}
