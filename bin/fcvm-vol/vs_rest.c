/* SPDX-License-Identifier: MIT
 * A session comes to rest for as long as its machine is saved: every request is answered but those
 * that wait for a lock, and the wire is empty. What would be said meanwhile is said afterwards. */
#include "fuserelay.h"
#include "vs.h"

#include <stdlib.h>
#include <string.h>

#define KEPT_MAX (1U << 20) /* bytes of notifications; answers are few */

void vs_rest_init(struct vs *s)
{
	s->rest_state = (struct vs_rest){.resting = s->loaded};
	atomic_store(&s->rest_state.asked, s->loaded);
	pthread_mutex_init(&s->rest_state.telling, NULL);
}

void vs_rest_free(struct vs *s)
{
	free(s->rest_state.kept);
	pthread_mutex_destroy(&s->rest_state.telling);
}

void vs_rest_keep(struct vs *s, const char *msg, size_t n)
{
	struct vs_rest *r = &s->rest_state;
	bool notification = ((const struct fuse_out_header *)msg)->unique == 0;

	if (notification && r->n_kept + n > KEPT_MAX) {
		r->flooded = true;
		return;
	}
	if (r->n_kept + n > r->size) {
		char *more;

		r->size = (r->n_kept + n) * 2;
		more = realloc(r->kept, r->size);
		if (!more)
			abort();
		r->kept = more;
	}
	memcpy(r->kept + r->n_kept, msg, n);
	r->n_kept += n;
}

/* Under `out`. */
static void come_to_rest(struct vs *s)
{
	if (!atomic_load(&s->rest_state.asked) || s->rest_state.resting ||
	        atomic_load(&s->rest_state.active))
		return;
	vs_send_word(s, FUSERELAY_REST);
	s->rest_state.resting = true;
}

static void go_on(struct vs *s)
{
	struct vs_rest *r = &s->rest_state;
	bool flooded = r->flooded;

	atomic_store(&r->asked, false);
	r->resting = r->flooded = false;
	vs_put(s, r->kept, r->n_kept);
	free(r->kept);
	r->kept = NULL;
	r->n_kept = r->size = 0;
	if (flooded) {
		pthread_mutex_unlock(&s->out);
		vs_doubt_all(s);
		pthread_mutex_lock(&s->out);
	}
	vs_send_word(s, FUSERELAY_GO);
}

bool vs_rest_word(struct vs *s, const char *word)
{
	static const char zeros[8];
	bool rest = !memcmp(word, FUSERELAY_REST, 8);

	if (memcmp(word + 8, zeros, 8) != 0 || (!rest && memcmp(word, FUSERELAY_GO, 8) != 0))
		return false;
	pthread_mutex_lock(&s->out);
	if (rest) {
		atomic_store(&s->rest_state.asked, true);
		come_to_rest(s);
	} else {
		go_on(s);
	}
	pthread_mutex_unlock(&s->out);
	return true;
}

void vs_rest_begin(struct vs *s)
{
	atomic_fetch_add(&s->rest_state.active, 1);
}

void vs_rest_end(struct vs *s)
{
	if (atomic_fetch_sub(&s->rest_state.active, 1) != 1 || !atomic_load(&s->rest_state.asked))
		return;
	pthread_mutex_lock(&s->out);
	come_to_rest(s);
	pthread_mutex_unlock(&s->out);
}
