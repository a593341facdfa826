/* SPDX-License-Identifier: MIT
 * Access control lists: their form, and what is no list. */
#include "acl.h"

#include <stdarg.h>

static void put(struct acl *a, uint64_t value, unsigned bytes)
{
	while (bytes--) {
		a->bytes[a->size++] = value & 0xff;
		value >>= 8;
	}
}

void acl_add(struct acl *a, unsigned tag, unsigned bits, unsigned id)
{
	put(a, tag, 2);
	put(a, bits, 2);
	put(a, id, 4);
}

struct acl acl_of(const char *fmt, ...)
{
	struct acl a = {.size = 0};
	char text[256], *save = NULL;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	put(&a, 2, 4);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		bool named = word[2] != ':';
		unsigned tag = word[0] == 'u'   ? 1
		               : word[0] == 'g' ? 4
		               : word[0] == 'm' ? 0x10
		                                : 0x20;

		acl_add(&a, named ? tag * 2 : tag, (unsigned)(strrchr(word, ':')[1] - '0'),
		        named ? (unsigned)strtoul(word + 2, NULL, 10) : UINT32_MAX);
	}
	return a;
}

int acl_set(const char *p, const char *name, struct acl a)
{
	return setxattr(p, name, a.bytes, a.size, 0);
}

bool acl_is(const char *p, const char *name, struct acl want)
{
	struct acl got;
	ssize_t n = getxattr(p, name, got.bytes, sizeof got.bytes);

	return n == (ssize_t)want.size && memcmp(got.bytes, want.bytes, want.size) == 0;
}

/* Each is wrong in one way. */
void acl_wrong(struct suite *s)
{
	static const struct {
		const char *what;
		struct {
			unsigned tag, bits, id;
		} e[5];
	} all[] = {{"without an owner", {{4, 0, -1}, {0x20, 0, -1}}},
	        {"without a group", {{1, 6, -1}, {0x20, 0, -1}}},
	        {"without others", {{1, 6, -1}, {4, 0, -1}}},
	        {"with two owners", {{1, 6, -1}, {1, 6, -1}, {4, 0, -1}, {0x20, 0, -1}}},
	        {"with two groups", {{1, 6, -1}, {4, 0, -1}, {4, 0, -1}, {0x20, 0, -1}}},
	        {"with two others", {{1, 6, -1}, {4, 0, -1}, {0x20, 0, -1}, {0x20, 0, -1}}},
	        {"with a user and no mask", {{1, 6, -1}, {2, 4, 2004}, {4, 0, -1}, {0x20, 0, -1}}},
	        {"with a group and no mask", {{1, 6, -1}, {4, 0, -1}, {8, 4, 3004}, {0x20, 0, -1}}},
	        {"in the wrong order", {{4, 0, -1}, {1, 6, -1}, {0x20, 0, -1}}},
	        {"with others first", {{0x20, 0, -1}, {1, 6, -1}, {4, 0, -1}}},
	        {"with two masks",
	                {{1, 6, -1}, {4, 0, -1}, {0x10, 7, -1}, {0x10, 7, -1}, {0x20, 0, -1}}},
	        {"with an unknown tag", {{1, 6, -1}, {4, 0, -1}, {0x40, 7, -1}, {0x20, 0, -1}}},
	        {"with tag 3", {{1, 6, -1}, {3, 6, 5}, {4, 0, -1}, {0x20, 0, -1}}},
	        {"with bit 010", {{1, 010, -1}, {4, 0, -1}, {0x20, 0, -1}}},
	        {"with all bits", {{1, 0xffff, -1}, {4, 0, -1}, {0x20, 0, -1}}}};

	for (size_t i = 0; i < COUNT(all); i++) {
		struct acl a = acl_of("%s", "");
		char *p = make(s, REG), *dir = make(s, DIRECTORY);

		for (size_t j = 0; j < COUNT(all[i].e) && all[i].e[j].tag; j++)
			acl_add(&a, all[i].e[j].tag, all[i].e[j].bits, all[i].e[j].id);
		expect(s, EINVAL, acl_set(p, ACL_ACCESS, a), "a list %s", all[i].what);
		expect(s, EINVAL, acl_set(dir, ACL_DEFAULT, a), "a default list %s", all[i].what);
		same(s, mode_of(p), 0644, "a list %s: the mode", all[i].what);
	}
	for (size_t size = 1; size < 28; size++) {
		struct acl a = acl_of("u::6 g::4 o::4");

		a.size = size;
		/* The head alone is an empty list, which takes the list away. */
		expect(s, size == 4 ? 0 : EINVAL, acl_set(make(s, REG), ACL_ACCESS, a),
		        "a list of %zu bytes", size);
	}
	for (unsigned version = 0; version < 5; version++) {
		struct acl a = acl_of("u::6 g::4 o::4");

		a.bytes[0] = (unsigned char)version;
		expect(s, version == 2 ? 0 : EOPNOTSUPP, acl_set(make(s, REG), ACL_ACCESS, a),
		        "a list of version %u", version);
	}
}
