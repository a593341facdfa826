/* SPDX-License-Identifier: MIT
 * serve: keeps a snapshot for clones to come. Nobody removes or replaces it meanwhile, and what
 * they read of it is in memory, and locked there as far as that is allowed. */
#include "cleanup.h"
#include "json.h"
#include "meminfo.h"
#include "msg.h"
#include "pack.h"
#include "snapshot_tool.h"
#include "status.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

struct cached {
	uint64_t bytes, locked; /* of data: all that there is; what cannot leave memory */
	bool dropped;           /* the rest may not be locked */
};

/* The mapping stays as long as the process. Nothing of it is touched here, so that a file that is
 * cut short by somebody is an error of these calls, and no signal. */
static int keep_file(int fd, struct cached *c, struct err *e)
{
	struct stat st;
	uint64_t from, to = 0;
	char *map;

	if (fstat(fd, &st) < 0 || st.st_size == 0)
		return 0;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_sys(e, "cannot map the snapshot");
	while (pack_extent(fd, to, &from, &to)) {
		size_t n = (size_t)(to - from);

		if (!c->dropped && mlock(map + from, n) == 0) {
			c->locked += n;
			continue;
		}
		c->dropped = true;
		if (madvise(map + from, n, MADV_POPULATE_READ) < 0 &&
		        madvise(map + from, n, MADV_WILLNEED) < 0)
			return err_sys(e, "cannot read the snapshot");
	}
	return 0;
}

/* Those first that are read most. */
static const enum pack_member order[] = {PACK_MEMORY, PACK_STATE, PACK_SCRATCH, PACK_ROOT};
#define N_ORDER (sizeof order / sizeof *order)

static int keep_all(struct snapshot *found, struct cached *c, struct err *e)
{
	uint64_t free = meminfo_available();

	for (size_t i = 0; i < N_ORDER; i++)
		c->bytes += pack_data_bytes(*pack_file(&found->files, order[i]));
	if (free && c->bytes >= free) {
		msg("note: it has %" PRIu64 " MiB, and %" PRIu64
		    " MiB of memory are free: it is left on the disk",
		        c->bytes >> 20, free >> 20);
		return 0;
	}
	for (size_t i = 0; i < N_ORDER; i++) {
		int fd = *pack_file(&found->files, order[i]);

		if (fd >= 0 && keep_file(fd, c, e) < 0)
			return -1;
	}
	if (c->dropped)
		msg("note: %" PRIu64 " of its %" PRIu64
		    " MiB may be locked in memory: the kernel may drop the rest when that is "
		    "short (ulimit -l)",
		        c->locked >> 20, c->bytes >> 20);
	return 0;
}

static int say_ready(
        const struct tool_opts *o, const char *tag, const struct cached *c, struct err *e)
{
	auto_json json_t *doc = json_pack("{s:s, s:i, s:I, s:I}", "tag", tag, "pid", (int)getpid(),
	        "bytes", (json_int_t)c->bytes, "locked", (json_int_t)c->locked);

	if (o->json)
		json_print(doc);
	else if (!o->quiet)
		puts(tag);
	return fflush(stdout) == 0 ? 0 : err_sys(e, "cannot write to stdout");
}

int tool_serve(const struct snapshots *s, const struct tool_opts *o, char **words, struct err *e)
{
	static const int ends[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	const char *tag = tool_word(words, "serve", "snapshot's tag", e);
	struct cached c = {.bytes = 0};
	struct snapshot found;
	auto_fd int hold = -1;
	sigset_t set;
	int sig, r;

	if (!tag)
		return -1;
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	hold = snapshots_hold(s, tag, &found, e);
	if (hold < 0)
		return -1;
	r = keep_all(&found, &c, e);
	if (r == 0)
		r = say_ready(o, tag, &c, e);
	if (r == 0)
		sigwait(&set, &sig);
	snapshot_close(&found);
	return r < 0 ? -1 : FCVM_EX_OK;
}
