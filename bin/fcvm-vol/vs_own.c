/* SPDX-License-Identifier: MIT
 * The guest's own changes of names, whose events say nothing new, and the names that it knows to be
 * missing, which have to be called back by name. */
#include "vs_save.h"
#include "strv.h"

#include <stdlib.h>
#include <string.h>

#define NEG_MAX 8192 /* names remembered as missing */

struct vs_neg {
	uint64_t dir, told;
	char *name;
};

struct vs_own *vs_own_begin(
        struct vs *s, const struct vs_node *dir, const char *name, uint32_t mask)
{
	struct vs_own *o;

	if (dir->watch < 0)
		return NULL;
	o = malloc(sizeof *o);
	if (!o)
		return NULL; /* taken for another's, which is never wrong */
	o->dir = dir->id;
	o->mask = mask;
	o->done = 0;
	memcpy(o->name, name, strlen(name) + 1);
	pthread_mutex_lock(&s->watch.lock);
	o->next = s->watch.own;
	s->watch.own = o;
	pthread_mutex_unlock(&s->watch.lock);
	return o;
}

static void remove_own(struct vs_watch *w, struct vs_own *o)
{
	struct vs_own **at = &w->own;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	free(o);
}

/* All events of a change are in the queue when it returns, so after two rounds of reading the queue
 * empty none is to come. One that failed may have failed because of another's change, whose event
 * it took for its own. */
void vs_own_end(struct vs *s, struct vs_node *dir, struct vs_own *o, bool ok)
{
	char name[VS_NAME_MAX + 1];

	atomic_fetch_add(&dir->changes, 1);
	if (!o)
		return;
	memcpy(name, o->name, sizeof name);
	pthread_mutex_lock(&s->watch.lock);
	if (ok && o->mask)
		o->done = s->watch.drains + 2;
	else
		remove_own(&s->watch, o);
	pthread_mutex_unlock(&s->watch.lock);
	if (!ok)
		vs_doubt(s, dir, name, 0);
}

bool vs_own_event(struct vs *s, uint64_t dir, const char *name, uint32_t mask)
{
	struct vs_own *o;
	bool found = false;

	pthread_mutex_lock(&s->watch.lock);
	for (o = s->watch.own; o && !found; o = o->next) {
		if (o->dir != dir || !(o->mask & mask) || strcmp(o->name, name) != 0)
			continue;
		o->mask &= ~mask;
		found = true;
		if (!o->mask && o->done) {
			remove_own(&s->watch, o);
			break;
		}
	}
	pthread_mutex_unlock(&s->watch.lock);
	return found;
}

void vs_own_drained(struct vs *s)
{
	struct vs_own *o, *next;

	pthread_mutex_lock(&s->watch.lock);
	s->watch.drains++;
	for (o = s->watch.own; o; o = next) {
		next = o->next;
		if (o->done && o->done <= s->watch.drains)
			remove_own(&s->watch, o);
	}
	pthread_mutex_unlock(&s->watch.lock);
}

/* --- names that the guest knows to be missing ------------------------------------------------ */

/* It may have come to be since, by the guest itself. */
static void take_back(struct vs *s, const struct vs_neg *n)
{
	struct vs_node *dir = vs_node_get(&s->nodes, n->dir);

	if (dir)
		vs_doubt(s, dir, n->name, n->told);
	vs_node_put(&s->nodes, dir);
}

void vs_told_missing(struct vs *s, uint64_t dir, const char *name)
{
	struct vs_watch *w = &s->watch;
	struct vs_neg old = {0};

	pthread_mutex_lock(&w->lock);
	if (w->neg) {
		struct vs_neg *n = &w->neg[w->neg_at++ % NEG_MAX];

		old = *n;
		n->dir = dir;
		n->told = atomic_fetch_add(&s->told, 1) + 1;
		n->name = xstrdup(name);
	}
	pthread_mutex_unlock(&w->lock);
	/* What is not remembered here must not be remembered there. */
	if (old.name && (old.dir != dir || strcmp(old.name, name) != 0))
		take_back(s, &old);
	free(old.name);
}

bool vs_missing_since(struct vs *s, uint64_t dir, const char *name, uint64_t told)
{
	bool found = false;

	pthread_mutex_lock(&s->watch.lock);
	for (uint32_t i = 0; s->watch.neg && i < NEG_MAX && !found; i++) {
		const struct vs_neg *n = &s->watch.neg[i];

		found = n->name && n->dir == dir && n->told > told && !strcmp(n->name, name);
	}
	pthread_mutex_unlock(&s->watch.lock);
	return found;
}

void vs_forget_missing(struct vs *s)
{
	for (uint32_t i = 0; i < NEG_MAX; i++) {
		struct vs_neg n;

		pthread_mutex_lock(&s->watch.lock);
		n = s->watch.neg[i];
		s->watch.neg[i].name = NULL;
		pthread_mutex_unlock(&s->watch.lock);
		if (n.name)
			take_back(s, &n);
		free(n.name);
	}
}

void vs_missing_save(struct vs *s, struct vs_pack *p)
{
	size_t gap = vs_put_gap(p);
	uint32_t count = 0;

	pthread_mutex_lock(&s->watch.lock);
	for (uint32_t i = 0; s->watch.neg && i < NEG_MAX; i++) {
		const struct vs_neg *n = &s->watch.neg[i];

		if (!n->name)
			continue;
		vs_put_u64(p, n->dir);
		vs_put_u64(p, n->told);
		vs_put_blob(p, n->name, strlen(n->name));
		count++;
	}
	pthread_mutex_unlock(&s->watch.lock);
	vs_fill_gap(p, gap, count);
}

void vs_own_init(struct vs *s)
{
	s->watch.neg = xcalloc(NEG_MAX, sizeof *s->watch.neg);
}

void vs_own_stop(struct vs *s)
{
	while (s->watch.own)
		remove_own(&s->watch, s->watch.own);
	for (uint32_t i = 0; s->watch.neg && i < NEG_MAX; i++)
		free(s->watch.neg[i].name);
	free(s->watch.neg);
}
