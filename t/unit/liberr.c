/* SPDX-License-Identifier: MIT */
#include "err.h"
#include "status.h"
#include "tap.h"

#include <errno.h>

static void setting(void)
{
	struct err e = {0};

	is_int(err_set(&e, FCVM_EX_DATA, "bad %s %d", "thing", 7), -1, "err_set returns -1");
	is_int(e.status, FCVM_EX_DATA, "the status is kept");
	is_str(e.text, "bad thing 7", "the text is formatted");
	is_int(err_set(NULL, FCVM_EX_DATA, "x"), -1, "nobody needs to want the text");
	is_int(err_sys(NULL, "x"), -1, "nor that of a system error");
	is_int(err_prefix(NULL, "x"), -1, "nor a prefix");
}

static void system_errors(void)
{
	struct err e = {0};

	errno = ENOENT;
	is_int(err_sys(&e, "cannot open %s", "f"), -1, "err_sys returns -1");
	is_str(e.text, "cannot open f: No such file or directory", "errno's text is appended");
	is_int(errno, ENOENT, "errno is kept");
	is_int(e.status, FCVM_EX_SYS, "the status is that of the system");
}

static void untrusted_text(void)
{
	struct err e = {0};
	char big[4096];

	err_set(&e, 1, "name %s",
	        "a\nb\x1b[2Jc\x7f"
	        "d\r");
	is_str(e.text, "name a?b?[2Jc?d?",
	        "control characters cannot forge lines or move a cursor");
	err_set(&e, 1, "%s", "\xc3\xa4");
	is_str(e.text, "\xc3\xa4", "UTF-8 is left alone");
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	err_set(&e, 1, "%s", big);
	is_int(strlen(e.text), sizeof e.text - 1, "a long text is cut");
	errno = EIO;
	err_sys(&e, "%s", big);
	is_int(strlen(e.text), sizeof e.text - 1, "so is a long system error");
}

static void prefixes(void)
{
	struct err e = {0};
	char big[1000];

	err_set(&e, FCVM_EX_BUSY, "why");
	is_int(err_prefix(&e, "layer %d", 3), -1, "err_prefix returns -1");
	is_str(e.text, "layer 3: why", "the prefix comes first");
	is_int(e.status, FCVM_EX_BUSY, "the status stays");
	memset(big, 'y', sizeof big);
	for (size_t n = sizeof e.text - 20; n < sizeof e.text + 20; n++) {
		err_set(&e, 1, "the reason");
		err_prefix(&e, "%.*s", (int)n, big);
		if (strlen(e.text) >= sizeof e.text)
			break;
	}
	ok(strlen(e.text) < sizeof e.text, "a prefix of any length stays inside");
	memset(e.text, 'z', sizeof e.text - 1);
	e.text[sizeof e.text - 1] = 0;
	err_prefix(&e, "p");
	ok(strncmp(e.text, "p: zzz", 6) == 0, "a full text gives way to its prefix");
}

int main(void)
{
	setting();
	system_errors();
	untrusted_text();
	prefixes();
	return done();
}
