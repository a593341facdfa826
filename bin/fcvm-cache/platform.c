/* SPDX-License-Identifier: MIT */
#include "platform.h"
#include "status.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static void host(struct platform *p)
{
	static const char *const names[][3] = {
	        {"x86_64", "amd64", ""},
	        {"aarch64", "arm64", ""},
	        {"armv7l", "arm", "v7"},
	        {"armv6l", "arm", "v6"},
	        {"i686", "386", ""},
	};
	struct utsname u;

	*p = (struct platform){.os = "linux"};
	uname(&u);
	snprintf(p->arch, sizeof p->arch, "%.31s", u.machine);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(u.machine, names[i][0])) {
			strcpy(p->arch, names[i][1]);
			strcpy(p->variant, names[i][2]);
		}
}

static int part(const char **s, char *out, size_t size)
{
	size_t n = strcspn(*s, "/");

	if (!n || n >= size ||
	        strspn(*s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") < n)
		return -1;
	memcpy(out, *s, n);
	out[n] = 0;
	*s += n;
	if (**s == '/')
		return *++*s ? 0 : -1;
	return 0;
}

int platform_parse(const char *text, struct platform *p, struct err *e)
{
	const char *s = text;

	if (!text || !*text) {
		host(p);
		return 0;
	}
	*p = (struct platform){0};
	if (part(&s, p->os, sizeof p->os) < 0 || part(&s, p->arch, sizeof p->arch) < 0 ||
	        (*s && part(&s, p->variant, sizeof p->variant) < 0) || *s)
		return err_set(e, FCVM_EX_USAGE,
		        "--platform '%s': not of the form os/architecture[/variant]", text);
	if (!strcmp(p->arch, "x86_64"))
		strcpy(p->arch, "amd64");
	else if (!strcmp(p->arch, "aarch64"))
		strcpy(p->arch, "arm64");
	return 0;
}

void platform_text(const struct platform *p, char out[100])
{
	snprintf(out, 100, "%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "", p->variant);
}

static const char *get(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

int platform_suits(const struct platform *want, const json_t *have)
{
	const char *variant = get(have, "variant");

	if (strcmp(want->os, get(have, "os")) != 0 ||
	        strcmp(want->arch, get(have, "architecture")) != 0)
		return 0;
	if (!strcmp(want->variant, variant))
		return 3;
	/* arm64 without a variant is v8 */
	if (!strcmp(want->arch, "arm64") && (!*variant || !*want->variant) &&
	        (!strcmp(variant, "v8") || !strcmp(want->variant, "v8")))
		return 3;
	if (!*want->variant)
		return 1;
	return *variant ? 0 : 2;
}
