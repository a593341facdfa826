/* SPDX-License-Identifier: MIT */
#include "shquote.h"

#include <stdlib.h>

static void quote(FILE *f, const char *s)
{
	putc('\'', f);
	for (; *s; s++) {
		if (*s == '\'')
			fputs("'\\''", f);
		else
			putc(*s, f);
	}
	putc('\'', f);
}

void shquote_assign(FILE *f, const char *name, const char *value)
{
	fprintf(f, "fcvm__%s=", name);
	quote(f, value ? value : "");
	putc('\n', f);
}

void shquote_assign_list(FILE *f, const char *name, const struct strv *words)
{
	char *text = NULL;
	size_t size;
	FILE *inner = open_memstream(&text, &size);

	for (size_t i = 0; i < words->n; i++) {
		if (i)
			putc(' ', inner);
		quote(inner, words->v[i]);
	}
	fclose(inner);
	shquote_assign(f, name, text);
	free(text);
}
