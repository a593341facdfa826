/* SPDX-License-Identifier: MIT */
#include "posix.h"

#include <signal.h>
#include <sys/resource.h>

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	(void)dir;
	return truncate(p, 4);
}

static void types(struct suite *s)
{
	static const int want[] = {0, EISDIR, EINVAL, EINVAL, EINVAL, EINVAL};

	for (enum type t = REG; t < LNK; t++) {
		char *p = make(s, t), *l = fresh(s);

		must(symlink(p, l));
		expect(s, want[t], truncate(p, 10), "truncate of a %s", type_name(t));
		expect(s, want[t], truncate(l, 20), "truncate to 20 through a symlink to a %s",
		        type_name(t));
		expect(s, EINVAL, truncate(p, -1), "truncate of a %s to -1", type_name(t));
	}
}

static void rights(struct suite *s)
{
	for (enum who w = ROOT; w < WHOS; w++) {
		for (mode_t bits = 0; bits < 8; bits++) {
			mode_t rest = ~bits & 7, m = w <= OWNER  ? bits << 6 | rest << 3 | rest
			                             : w < OTHER ? rest << 6 | bits << 3 | rest
			                                         : rest << 6 | rest << 3 | bits;
			bool may = w == ROOT || bits & 2;
			char *p = make_file(s, "content", m, OWNER);

			expect(s, may ? 0 : EACCES, AS(s, w, truncate(p, 3)),
			        "truncate with bits %o by %s", bits, who_name(w));
			same(s, size_of(p), may ? 3 : 7, "truncate with bits %o by %s: the size",
			        bits, who_name(w));
		}
	}
}

/* The file size limit of the process, and of the file system */
static void limits(struct suite *s)
{
	struct rlimit old, low = {.rlim_cur = 65536};
	char *p = make_file(s, "x", 0644, ROOT);

	must(getrlimit(RLIMIT_FSIZE, &old));
	low.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	must(setrlimit(RLIMIT_FSIZE, &low));
	expect(s, 0, truncate(p, 65536), "truncate to the limit");
	expect(s, EFBIG, truncate(p, 65537), "truncate beyond the limit");
	same(s, size_of(p), 65536, "beyond the limit: the size");
	must(setrlimit(RLIMIT_FSIZE, &old));
	signal(SIGXFSZ, SIG_DFL);
	expect(s, 0, truncate(p, 65537), "truncate when the limit is gone");
	expect(s, EFBIG, truncate(p, INT64_MAX), "truncate to the largest number");
	expect(s, 0, truncate(p, 1LL << 40), "truncate to a tebibyte");
	same(s, size_of(p), 1LL << 40, "a tebibyte: the size");
	holds(s, look(p).st_blocks < 1000, "a tebibyte: it is sparse");
	expect(s, 0, truncate(p, 0), "truncate to nothing");
	same(s, look(p).st_blocks, 0, "nothing: no blocks");
}

void cat_truncate(struct suite *s)
{
	static const struct op op = {"truncate", run, REG, NO_AT | WRITES};

	op_matrix(s, &op);
	size_matrix(s, "truncate", truncate_path);
	types(s);
	rights(s);
	limits(s);
	running_matrix(s, "truncate", truncate_path);
}
