/* SPDX-License-Identifier: MIT */
#include "firecracker_http.h"
#include "json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *find_end(const char *text, size_t n)
{
	return n < 4 ? NULL : memmem(text, n < FC_HEAD_MAX ? n : FC_HEAD_MAX, "\r\n\r\n", 4);
}

static bool digits(const char *p, size_t n, size_t max, size_t *out)
{
	*out = 0;
	if (!n || n > 9)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (size_t)(p[i] - '0');
	}
	return *out <= max;
}

static int status_line(const char *p, size_t n, int *status)
{
	size_t code;

	if (n < 12 || (memcmp(p, "HTTP/1.1 ", 9) != 0 && memcmp(p, "HTTP/1.0 ", 9) != 0) ||
	        !digits(p + 9, 3, 599, &code) || code < 200 || (n > 12 && p[12] != ' '))
		return -1;
	*status = (int)code;
	return 0;
}

/* One header line. The length may be given once; an encoding changes what the length means. */
static int header(const char *p, size_t n, struct fc_answer *a, bool *has_length)
{
	static const char length[] = "content-length:", encoding[] = "transfer-encoding:";

	if (n >= strlen(encoding) && !strncasecmp(p, encoding, strlen(encoding)))
		return -1;
	if (n < strlen(length) || strncasecmp(p, length, strlen(length)) != 0)
		return memchr(p, ':', n) ? 0 : -1;
	p += strlen(length);
	n -= strlen(length);
	while (n && (*p == ' ' || *p == '\t'))
		p++, n--;
	while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	if (*has_length || !digits(p, n, FC_BODY_MAX, &a->body_size))
		return -1;
	*has_length = true;
	return 0;
}

int fc_answer_parse(const char *text, size_t n, struct fc_answer *a)
{
	const char *end = find_end(text, n), *p = text;
	bool first = true, has_length = false;

	*a = (struct fc_answer){0};
	if (!end)
		return n < FC_HEAD_MAX ? 0 : -1;
	while (p < end + 2) {
		const char *eol = memmem(p, (size_t)(end + 2 - p), "\r\n", 2);
		size_t len = (size_t)(eol - p);

		if (memchr(p, 0, len) || (first ? status_line(p, len, &a->status)
		                                : header(p, len, a, &has_length)) < 0)
			return -1;
		first = false;
		p = eol + 2;
	}
	if (a->status == 204)
		a->body_size = 0;
	a->body = end + 4;
	a->size = (size_t)(a->body - text) + a->body_size;
	return n >= a->size;
}

void fc_answer_reason(const struct fc_answer *a, char *out, size_t size)
{
	auto_json json_t *doc =
	        a->body_size ? json_parse(a->body, a->body_size, "answer", NULL) : NULL;
	const char *text = json_string_value(json_object_get(doc, "fault_message"));
	size_t n = a->body_size;

	if (!text)
		text = json_string_value(json_object_get(doc, "error"));
	if (text)
		n = strlen(text);
	else
		text = a->body;
	if (n >= size)
		n = size - 1;
	if (n)
		memcpy(out, text, n);
	out[n] = 0;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)out[i] < ' ' || out[i] == 127)
			out[i] = ' ';
	if (strspn(out, " ") == n)
		snprintf(out, size, "no reason given");
}
