/* SPDX-License-Identifier: MIT */
#include "posix.h"

static int run(struct suite *s, int dir, const char *p)
{
	(void)s;
	return dir == AT_FDCWD ? mkfifo(p, 0644) : mkfifoat(dir, p, 0644);
}

static int make_it(const char *p, mode_t mode)
{
	return mkfifo(p, mode);
}

static void works(struct suite *s)
{
	char *p = make(s, FIFO), *other = fresh(s), buf[8] = "";
	int in, out;
	struct stat st;

	expect(s, ENXIO, open_close(open(p, O_WRONLY | O_NONBLOCK | O_CLOEXEC)),
	        "writing without a reader");
	in = must(open(p, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	same(s, read(in, buf, sizeof buf), 0, "reading without a writer is the end");
	out = must(open(p, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	expect(s, EAGAIN, read(in, buf, sizeof buf), "reading of an empty fifo");
	same(s, write(out, "hello", 5), 5, "writing");
	same(s, read(in, buf, sizeof buf), 5, "reading");
	holds(s, memcmp(buf, "hello", 5) == 0, "what was written is read");
	expect(s, ESPIPE, lseek(in, 0, SEEK_SET), "seeking in a fifo");
	expect(s, EINVAL, ftruncate(out, 0), "ftruncate of a fifo");
	must(fstat(in, &st));
	holds(s, S_ISFIFO(st.st_mode), "fstat says that it is a fifo");
	must(link(p, other));
	same(s, links_of(p), 2, "a fifo has links");
	must(unlink(p));
	must(close(out));
	out = must(open(other, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	same(s, write(out, "again", 5), 5, "writing through another link");
	same(s, read(in, buf, sizeof buf), 5, "reading what came through another link");
	must(unlink(other));
	same(s, write(out, "gone", 4), 4, "writing when its last link is gone");
	same(s, read(in, buf, sizeof buf), 4, "reading when its last link is gone");
	must(close(out));
	same(s, read(in, buf, sizeof buf), 0, "the end when the last writer has gone");
	must(close(in));
}

static void rights(struct suite *s)
{
	static const int ways[] = {O_RDONLY | O_NONBLOCK, O_RDWR | O_NONBLOCK};

	for (enum who w = OWNER; w < WHOS; w++) {
		for (unsigned bits = 0; bits < 8; bits++) {
			unsigned rest = ~bits & 7;
			char *p = make(s, FIFO);

			give(p, OWNER);
			must(chmod(p, w == OWNER  ? bits << 6 | rest << 3 | rest
			              : w < OTHER ? rest << 6 | bits << 3 | rest
			                          : rest << 6 | rest << 3 | bits));
			for (size_t i = 0; i < COUNT(ways); i++) {
				unsigned need = i ? 6 : 4;

				expect(s, (bits & need) == need ? 0 : EACCES,
				        AS(s, w, open_close(open(p, ways[i] | O_CLOEXEC))),
				        "opening a fifo for %s with bits %o by %s",
				        i ? "both" : "reading", bits, who_name(w));
			}
		}
	}
}

void cat_mkfifo(struct suite *s)
{
	static const struct op op = {"mkfifo", run, FIFO, CREATES};
	static const struct maker maker = {"mkfifo", make_it, FIFO};

	op_matrix(s, &op);
	create_matrix(s, &maker);
	works(s);
	rights(s);
}
