/* SPDX-License-Identifier: MIT */
#include "keys.h"
#include "cleanup.h"
#include "status.h"
#include "strv.h"

#include <string.h>
#include <strings.h>

/* One key, or 0 if it is none. */
static char key(const char *word)
{
	if (strlen(word) == 1)
		return *word;
	if (strncasecmp(word, "ctrl-", 5) != 0 || strlen(word) != 6)
		return 0;
	if ((word[5] >= '@' && word[5] <= '_') || (word[5] >= 'a' && word[5] <= 'z'))
		return (char)(word[5] & 0x1f);
	return 0;
}

int keys_parse(const char *text, char out[KEYS_MAX + 1], struct err *e)
{
	auto_free char *copy = xstrdup(text ? text : "ctrl-p,ctrl-q");
	char *rest = copy, *word;
	size_t n = 0;

	out[0] = 0;
	if (!*copy)
		return 0;
	while ((word = strsep(&rest, ","))) {
		if (n == KEYS_MAX || !(out[n++] = key(word)))
			return err_set(e, FCVM_EX_USAGE,
			        "--detach-keys %s: keys are single letters or ctrl-X, with commas "
			        "between",
			        text);
	}
	out[n] = 0;
	return 0;
}
