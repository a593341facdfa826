/* SPDX-License-Identifier: MIT */
#include "tap.h"
#include "tmpdir.h"

#include <fcvm-mem/mem_order.h>
#include <fcvm-mem/mem_regions.h>

#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)
#define REGION(base, size, offset, page)                                            \
	"{\"base_host_virt_addr\":" #base ",\"size\":" #size ",\"offset\":" #offset \
	",\"page_size\":" #page ",\"page_size_kib\":" #page "}"

static void refuses(const char *text, uint64_t size, const char *why)
{
	struct mem_regions r;
	struct err e = {.text = ""};

	ok(mem_handshake(text, strlen(text), size, &r, &e) == -1 && strstr(e.text, why),
	        "refused: %.70s: %s", text, e.text);
}

static void test_handshake(void)
{
	static const char two[] = "[" REGION(1048576, 1048576, 0, 4096) "," REGION(
	        1073741824, 1048576, 1048576, 4096) "]";
	static const char old[] = "[{\"base_host_virt_addr\":4096,\"size\":4096,\"offset\":0,"
	                          "\"page_size_kib\":4096}]";
	struct mem_regions r;
	struct err e;
	size_t more = 0;

	is_int(mem_handshake(two, strlen(two), 2 * MIB, &r, &e), 0, "two regions");
	is_int(r.n, 2, "two of them");
	is_int(r.v[1].base, 1073741824, "the second's address");
	is_int(r.v[1].offset, MIB, "and where it is in the file");
	is_int(mem_handshake(old, strlen(old), 4096, &r, &e), 0, "the older name of page_size");
	is_int(r.v[0].page, 4096, "counts bytes");
	for (size_t n = 1; n < strlen(two); n++)
		more += mem_handshake(two, n, 2 * MIB, &r, &e) == 1;
	is_int(more, strlen(two) - 1, "every beginning of a description wants more");
}

static void test_refusals(void)
{
	char longest[MEM_HANDSHAKE_MAX + 1];

	refuses("[]", MIB, "describes no memory");
	refuses("{}", MIB, "describes no memory");
	refuses("7", MIB, "no JSON array");
	refuses("[7]", MIB, "region 0 has a field");
	refuses("[{}]", MIB, "region 0 has a field");
	refuses("[" REGION(-4096, 4096, 0, 4096) "]", 4096, "region 0 has a field");
	refuses("[" REGION(4096, 4096, 0, 8192) "]", 4096, "region 0 has a field");
	refuses("[" REGION(4096, 4096, 0, 0) "]", 4096, "region 0 has a field");
	refuses("[" REGION("4096", 4096, 0, 4096) "]", 4096, "region 0 has a field");
	refuses("[" REGION(4096.0, 4096, 0, 4096) "]", 4096, "region 0 has a field");
	refuses("[" REGION(99999999999999999999, 4096, 0, 4096) "]", 4096, "no JSON array");
	refuses("[" REGION(9223372036854771712, 4096, 0, 4096) "]", 4096, "region 0 has a field");
	refuses("[" REGION(4097, 4096, 0, 4096) "]", 4096, "whole pages");
	refuses("[" REGION(4096, 4095, 0, 4096) "]", 4096, "whole pages");
	refuses("[" REGION(4096, 0, 0, 4096) "]", 4096, "whole pages");
	refuses("[" REGION(4096, 2097152, 0, 2097152) "]", 2 * MIB, "whole pages");
	refuses("[" REGION(4096, 4096, 4096, 4096) "]", 8192, "not the next part");
	refuses("[" REGION(4096, 4096, 0, 4096) "]", 8192, "not of one snapshot");
	refuses("[" REGION(4096, 8192, 0, 4096) "]", 4096, "has a field");
	refuses("[" REGION(4096, 8192, 0, 4096) "," REGION(8192, 4096, 8192, 4096) "]", 12288,
	        "overlap");
	refuses("[" REGION(4096, 4096, 0, 4096) "] x", 4096, "no JSON array");
	memset(longest, ' ', sizeof longest);
	longest[0] = '[';
	longest[MEM_HANDSHAKE_MAX] = 0;
	refuses(longest, MIB, "too long");
	longest[0] = 0;
	for (int i = 0; i < 17; i++)
		strcat(longest, i ? ",[]" : "[[]");
	strcat(longest, "]");
	refuses(longest, MIB, "over 16 regions");
}

static void test_removal(void)
{
	struct mem_regions r = {.n = 2,
	        .v = {{.base = 0x10000, .size = 0x100000, .page = 4096},
	                {.base = 0x800000, .size = 0x400000, .offset = 0x100000, .page = 2 << 20}}};

	is_int(mem_regions_track(&r), 0, "room for the bits");
	ok(!mem_region_at(&r, 0xffff) && !mem_region_at(&r, 0x110000), "addresses outside");
	ok(mem_region_at(&r, 0x10000) == &r.v[0] && mem_region_at(&r, 0x10ffff) == &r.v[0] &&
	                mem_region_at(&r, 0xbfffff) == &r.v[1],
	        "addresses inside");
	ok(mem_region_of(&r, 0xfffff) == &r.v[0] && mem_region_of(&r, 0x100000) == &r.v[1] &&
	                !mem_region_of(&r, 0x500000),
	        "offsets");
	is_int(mem_remove(&r, 0x11000, 0x13000), 0x2000, "two pages go");
	is_int(mem_remove(&r, 0x12000, 0x14000), 0x1000, "one more, and one again");
	ok(!mem_is_gone(&r.v[0], 0) && mem_is_gone(&r.v[0], 1) && mem_is_gone(&r.v[0], 3) &&
	                !mem_is_gone(&r.v[0], 4),
	        "those and no other");
	is_int(mem_alike(&r.v[0], 0, 100), 1, "one page before them");
	is_int(mem_alike(&r.v[0], 1, 100), 3, "the three");
	is_int(mem_alike(&r.v[0], 4, 1000), 252, "to the region's end");
	is_int(mem_remove(&r, 0, UINT64_MAX), 0x100000 - 0x3000 + 0x400000, "all that is left");
	is_int(mem_remove(&r, 0x800000, 0x800000), 0, "an empty range");
	is_int(mem_remove(&r, 0x900000, 0x800000), 0, "one that is backwards");
	mem_regions_free(&r);
}

static void parses(const char *text, int want, size_t parts, const char *why)
{
	struct mem_order o;
	struct err e = {.text = ""};
	int r = mem_order_parse(text, strlen(text), MIB, &o, &e);

	ok(r == want && o.n == parts && strstr(e.text, why), "working set: %.50s: %s", text,
	        e.text);
	mem_order_free(&o);
}

static void test_order(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	char path[sizeof d.path + 8];
	struct mem_order o = {0}, back;
	struct err e = {.text = ""};

	snprintf(path, sizeof path, "%s/order", d.path);
	mem_order_add(&o, 8192, 4096);
	mem_order_add(&o, 12288, 4096);
	mem_order_add(&o, 0, 4096);
	is_int(o.n, 2, "neighbours are one part");
	is_int(mem_order_save(path, MIB, &o), 0, "written");
	is_int(mem_order_load(path, MIB, &back, &e), 0, "read");
	ok(back.n == 2 && back.v[0].offset == 8192 && back.v[0].length == 8192 &&
	                back.v[1].offset == 0,
	        "the same");
	mem_order_free(&back);
	ok(mem_order_load(path, 2 * MIB, &back, &e) < 0 && strstr(e.text, "belongs to"),
	        "another memory file: %s", e.text);
	mem_order_free(&o);
	parses("fcvm-workingset 1 1048576\n", 0, 0, "");
	parses("fcvm-workingset 1 1048576\n0 1048576\n", 0, 1, "");
	parses("fcvm-workingset 1 1048576\n0 4096\n4096 4096\n0 4096\n", 0, 2, "");
	parses("", -1, 0, "no working set");
	parses("fcvm-workingset 2 1048576\n", -1, 0, "no working set");
	parses("fcvm-workingset 1 1048576", -1, 0, "cut off");
	parses("fcvm-workingset 1 1048576\n0 4096", -1, 0, "cut off");
	parses("fcvm-workingset 1 1048576\n0 4096\n\n", -1, 0, "line 3");
	parses("fcvm-workingset 1 1048576\n0 4095\n", -1, 0, "line 2");
	parses("fcvm-workingset 1 1048576\n1 4096\n", -1, 0, "line 2");
	parses("fcvm-workingset 1 1048576\n1044480 8192\n", -1, 0, "line 2");
	parses("fcvm-workingset 1 1048576\n-1 4096\n", -1, 0, "line 2");
	parses("fcvm-workingset 1 1048576\n4096\n", -1, 0, "line 2");
}

int main(void)
{
	test_handshake();
	test_refusals();
	test_removal();
	test_order();
	return done();
}
