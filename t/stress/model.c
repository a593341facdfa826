/* SPDX-License-Identifier: MIT
 * The model: entries and nodes of one thread. */
#include "model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned pick(struct worker *w, unsigned n)
{
	uint64_t x = w->random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (unsigned)((x ^ x >> 31) % n);
}

int pick_entry(struct worker *w, unsigned kinds)
{
	unsigned start = pick(w, ENTRIES);

	for (unsigned i = 0; i < ENTRIES; i++) {
		unsigned at = (start + i) % ENTRIES;

		if (w->entries[at].node && w->entries[at].node->kind & kinds)
			return (int)at;
	}
	return -1;
}

int depth_of(const struct worker *w, int parent)
{
	int depth = 0;

	for (; parent >= 0; parent = w->entries[parent].parent)
		depth++;
	return depth;
}

int depth_below(const struct worker *w, int i)
{
	int most = 0;

	for (int j = 0; j < ENTRIES; j++)
		if (w->entries[j].node && is_below(w, j, i)) {
			int d = depth_of(w, j) - depth_of(w, i);

			most = d > most ? d : most;
		}
	return most;
}

int pick_parent(struct worker *w)
{
	unsigned where = pick(w, 4);
	int dir;

	if (where == 0)
		return OWN;
	if (where == 1)
		return SHARED;
	dir = pick_entry(w, DIR_NODE);
	return dir >= 0 && depth_of(w, dir) < MAX_DEPTH ? dir : OWN;
}

int new_entry(struct worker *w, int parent)
{
	static const char *const odd[] = {"", " with space", "\xff\xfe", "-\n-", "\xc3\xa9"};

	for (int i = 0; i < ENTRIES; i++)
		if (!w->entries[i].node) {
			struct entry *e = &w->entries[i];

			e->parent = parent;
			snprintf(e->name, sizeof e->name, "t%u-%u%s", w->id, w->names++,
			        odd[pick(w, 5)]);
			return i;
		}
	return -1;
}

struct node *new_node(enum kind kind, mode_t mode)
{
	struct node *n = calloc(1, sizeof *n);

	if (!n || (kind == FILE_NODE && !(n->data = calloc(1, MAX_SIZE))))
		abort();
	n->kind = kind;
	n->mode = mode;
	n->links = 1;
	return n;
}

void drop_entry(struct worker *w, int i)
{
	struct node *n = w->entries[i].node;

	w->entries[i].node = NULL;
	if (--n->links)
		return;
	free(n->data);
	free(n);
}

bool is_below(const struct worker *w, int i, int ancestor)
{
	for (i = w->entries[i].parent; i >= 0; i = w->entries[i].parent)
		if (i == ancestor)
			return true;
	return false;
}

bool has_children(const struct worker *w, int i)
{
	for (int j = 0; j < ENTRIES; j++)
		if (w->entries[j].node && w->entries[j].parent == i)
			return true;
	return false;
}

void parent_path(const struct worker *w, const char *root, int parent, char path[PATH_MAX])
{
	if (parent == OWN)
		snprintf(path, PATH_MAX, "%s/w%u", root, w->id);
	else if (parent == SHARED)
		snprintf(path, PATH_MAX, "%s/shared", root);
	else
		entry_path(w, root, parent, path);
}

void entry_path(const struct worker *w, const char *root, int i, char path[PATH_MAX])
{
	size_t n;

	parent_path(w, root, w->entries[i].parent, path);
	n = strlen(path);
	snprintf(path + n, PATH_MAX - n, "/%s", w->entries[i].name);
}

void note(struct worker *w, const char *fmt, ...)
{
	char *text = w->history[w->done % HISTORY];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof w->history[0], fmt, ap);
	va_end(ap);
}

bool fail(struct worker *w, const char *fmt, ...)
{
	uint64_t first = w->done >= HISTORY ? w->done - HISTORY + 1 : 0;
	va_list ap;

	/* Only the first: the others end because of it. */
	if (atomic_exchange(&w->run->failed, true))
		return false;
	pthread_mutex_lock(&w->run->print);
	fprintf(stderr,
	        "fcvm-stress: seed %ju, thread %u, operation %ju: ", (uintmax_t)w->run->seed, w->id,
	        (uintmax_t)w->done);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nits last operations:\n", stderr);
	for (uint64_t i = first; i <= w->done; i++)
		fprintf(stderr, "  %ju %s\n", (uintmax_t)i, w->history[i % HISTORY]);
	pthread_mutex_unlock(&w->run->print);
	return false;
}

bool did(struct worker *w, long result)
{
	return result >= 0 || fail(w, "%s", strerrorname_np(errno));
}
