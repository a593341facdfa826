/* SPDX-License-Identifier: MIT */
#include "mem_order.h"
#include "cleanup.h"
#include "mem_regions.h"
#include "num.h"
#include "status.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC    "fcvm-workingset 1 "
#define LINE_MAX 44 /* two numbers, a space and a newline */

int mem_order_add(struct mem_order *o, uint64_t offset, uint64_t length)
{
	struct mem_run *last = o->n ? &o->v[o->n - 1] : NULL;

	if (last && last->offset + last->length == offset) {
		last->length += length;
		return 0;
	}
	if (o->n >= MEM_ORDER_MAX / LINE_MAX)
		return -EFBIG;
	if (o->n == o->room) {
		size_t room = o->room ? 2 * o->room : 256;
		struct mem_run *v = realloc(o->v, room * sizeof *v);

		if (!v)
			return -ENOMEM;
		o->v = v;
		o->room = room;
	}
	o->v[o->n++] = (struct mem_run){offset, length};
	return 0;
}

void mem_order_free(struct mem_order *o)
{
	free(o->v);
	*o = (struct mem_order){0};
}

static int parse_line(char *line, uint64_t size, struct mem_run *run)
{
	char *space = strchr(line, ' ');

	if (!space)
		return -1;
	*space = 0;
	if (num_u64(line, 0, size, &run->offset) < 0 ||
	        num_u64(space + 1, MEM_PAGE, size, &run->length) < 0)
		return -1;
	return run->offset % MEM_PAGE || run->length % MEM_PAGE || run->length > size - run->offset
	               ? -1
	               : 0;
}

/* text is ours to cut up. */
static int parse(char *text, uint64_t size, struct mem_order *o, struct err *e)
{
	char *next = text, *line = strsep(&next, "\n");
	uint64_t for_size;
	size_t n = 1;

	if (strncmp(line, MAGIC, strlen(MAGIC)) != 0 ||
	        num_u64(line + strlen(MAGIC), 0, UINT64_MAX, &for_size) < 0)
		return err_set(e, FCVM_EX_DATA, "it is no working set of version 1");
	if (for_size != size)
		return err_set(e, FCVM_EX_DATA,
		        "it belongs to a memory file of %llu bytes, this one has %llu",
		        (unsigned long long)for_size, (unsigned long long)size);
	while ((line = strsep(&next, "\n"))) {
		struct mem_run run;

		n++;
		if (!*line && !next)
			return 0;
		if (parse_line(line, size, &run) < 0)
			return err_set(
			        e, FCVM_EX_DATA, "line %zu is no part of the memory file", n);
		if (mem_order_add(o, run.offset, run.length) < 0)
			return err_set(e, FCVM_EX_DATA, "it is too long");
	}
	return err_set(e, FCVM_EX_DATA, "it is cut off");
}

int mem_order_parse(const char *text, size_t n, uint64_t size, struct mem_order *o, struct err *e)
{
	auto_free char *copy = NULL;
	int r;

	*o = (struct mem_order){0};
	if (n > MEM_ORDER_MAX || memchr(text, 0, n))
		return err_set(e, FCVM_EX_DATA, "it is too long, or no text");
	copy = strndup(text, n);
	if (!copy)
		return err_sys(e, "cannot hold it");
	r = parse(copy, size, o, e);
	if (r < 0)
		mem_order_free(o);
	return r;
}

int mem_order_load(const char *path, uint64_t size, struct mem_order *o, struct err *e)
{
	auto_free char *text = NULL;
	size_t n = 0;
	int r = read_file_at(AT_FDCWD, path, MEM_ORDER_MAX, &text, &n);

	if (r < 0) {
		errno = -r;
		return err_sys(e, "cannot read %s", path);
	}
	if (mem_order_parse(text, n, size, o, e) < 0)
		return err_prefix(e, "%s", path);
	return 0;
}

int mem_order_save(const char *path, uint64_t size, const struct mem_order *o)
{
	auto_free char *text = malloc(sizeof MAGIC + LINE_MAX + o->n * LINE_MAX);
	char *at = text;

	if (!text)
		return -ENOMEM;
	at += sprintf(at, MAGIC "%llu\n", (unsigned long long)size);
	for (size_t i = 0; i < o->n; i++)
		at += sprintf(at, "%llu %llu\n", (unsigned long long)o->v[i].offset,
		        (unsigned long long)o->v[i].length);
	return write_file_at(AT_FDCWD, path, text, (size_t)(at - text), 0644);
}
