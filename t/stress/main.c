/* SPDX-License-Identifier: MIT
 * fcvm-stress: random operations by many threads, against a model. See model.h. */
#include "err.h"
#include "model.h"
#include "msg.h"
#include "opt.h"
#include "status.h"
#include "xio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 256, COMPARE_EVERY = 1000 };

struct opts {
	uint64_t seed, threads, ops, seconds;
};

static const struct opt table[] = {
        {0, "seed", "N", "where the random numbers start (1)", OPT_U64, offsetof(struct opts, seed),
                false},
        {0, "threads", "N", "how many at once (4)", OPT_U64, offsetof(struct opts, threads), false},
        {0, "operations", "N", "how many each of them does (1000)", OPT_U64,
                offsetof(struct opts, ops), false},
        {0, "seconds", "N", "instead: how long", OPT_U64, offsetof(struct opts, seconds), false},
        OPT_END,
};

static const struct opt_spec spec = {
        .usage = "fcvm-stress [options] DIR [SAME-DIR]",
        .summary = "Works on DIR and compares it with what it should be; SAME-DIR shows the same "
                   "files.",
        .table = table,
};

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct run *run = w->run;
	time_t end = now() + (time_t)run->seconds;

	while (!run->failed && (run->seconds ? now() < end : w->done < run->ops)) {
		if (!operate(w))
			return NULL;
		w->done++;
		if (w->done % COMPARE_EVERY == 0 && !verify(w, run->dir))
			return NULL;
	}
	if (!run->failed)
		verify(w, run->dir);
	return NULL;
}

static int make_places(const struct run *run, unsigned threads, struct err *e)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/shared", run->dir);
	for (unsigned i = 0; i <= threads; i++) {
		if (mkdir(path, 0777) < 0)
			return err_sys(e, "%s", path);
		snprintf(path, sizeof path, "%s/w%u", run->dir, i);
	}
	return 0;
}

static int sync_all(const struct run *run, struct err *e)
{
	int fd = open(run->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	r = fd < 0 ? -1 : syncfs(fd);
	if (fd >= 0)
		close(fd);
	return r < 0 ? err_sys(e, "syncfs of %s", run->dir) : 0;
}

static uint64_t end_worker(struct worker *w)
{
	uint64_t left = 0;

	for (int i = 0; i < ENTRIES; i++)
		if (w->entries[i].node) {
			left++;
			drop_entry(w, i);
		}
	return left;
}

/* Everything is compared before anything is forgotten. */
static int run_threads(struct run *run, unsigned threads, const char *same, struct err *e)
{
	struct worker *w = calloc(threads, sizeof *w);
	pthread_t *ids = calloc(threads, sizeof *ids);
	uint64_t done = 0, left = 0;
	unsigned started = 0;

	for (; w && ids && started < threads; started++) {
		w[started].run = run;
		w[started].id = started;
		w[started].random = run->seed * 1000003 + started;
		if (pthread_create(&ids[started], NULL, work, &w[started]) != 0)
			break;
	}
	if (started < threads)
		run->failed = true;
	for (unsigned i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
	if (!run->failed && sync_all(run, e) < 0)
		run->failed = true;
	for (unsigned i = 0; i < started; i++) {
		if (!run->failed && same)
			verify(&w[i], same);
		done += w[i].done;
		left += end_worker(&w[i]);
	}
	free(w);
	free(ids);
	if (started < threads)
		return err_set(e, FCVM_EX_SYS, "cannot start %u threads", threads);
	if (run->failed)
		return e->text[0] ? -1
		                  : err_set(e, 1, "%s: not as it should be: it is left as it is",
		                            run->dir);
	printf("seed %ju: %ju operations by %u threads, %ju things compared%s\n",
	        (uintmax_t)run->seed, (uintmax_t)done, threads, (uintmax_t)left,
	        same ? " on both sides" : "");
	return 0;
}

static int remove_places(const struct run *run, unsigned threads, struct err *e)
{
	char path[PATH_MAX];
	int r = 0;

	snprintf(path, sizeof path, "%s/shared", run->dir);
	for (unsigned i = 0; i <= threads; i++) {
		if (remove_tree_at(AT_FDCWD, path) < 0)
			r = err_sys(e, "cannot remove %s", path);
		snprintf(path, sizeof path, "%s/w%u", run->dir, i);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct opts o = {.seed = 1, .threads = 4, .ops = 1000};
	struct run run = {.print = PTHREAD_MUTEX_INITIALIZER};
	struct err e = {.status = 0};
	int first = opt_parse(&spec, argc, argv, &o, &e);

	if (first < 0)
		return e.status == FCVM_EX_OK ? 0 : msg_err(&e);
	if (argc - first < 1 || argc - first > 2 || o.threads < 1 || o.threads > MOST_THREADS) {
		opt_usage(&spec, &e, "one or two directories, and 1 to %d threads, are needed",
		        MOST_THREADS);
		return msg_err(&e);
	}
	run.dir = argv[first];
	run.seed = o.seed;
	run.ops = o.ops;
	run.seconds = o.seconds;
	umask(0);
	if (make_places(&run, (unsigned)o.threads, &e) < 0 ||
	        run_threads(&run, (unsigned)o.threads, argv[first + 1], &e) < 0 ||
	        remove_places(&run, (unsigned)o.threads, &e) < 0)
		return msg_err(&e);
	return 0;
}
