/* SPDX-License-Identifier: MIT
 * Mode, owner and group of what is made. */
#include "posix.h"

static void modes(struct suite *s, const struct maker *m)
{
	static const mode_t asked[] = {0, 0777, 0644, 0600, 0400, 0200, 0100, 0111, 0222, 0444,
	        01777, 02755, 04755, 06711, 07777},
	                    masks[] = {0, 022, 077, 0777, 027, 0111, 0222, 07777};
	mode_t takes = m->makes == DIRECTORY ? 01777 : 07777;

	for (size_t i = 0; i < COUNT(asked); i++) {
		for (size_t j = 0; j < COUNT(masks); j++) {
			char *p = fresh(s);
			int got;

			umask(masks[j]);
			got = m->make(p, asked[i]);
			umask(0);
			if (got < 0)
				suite_errno(s, errno, 0, __LINE__,
				        "%s with mode %04o and umask %04o", m->name, asked[i],
				        masks[j]);
			else
				same(s, mode_of(p), asked[i] & takes & ~(masks[j] & 0777),
				        "%s with mode %04o and umask %04o", m->name, asked[i],
				        masks[j]);
		}
	}
}

static void facts(struct suite *s, const struct maker *m)
{
	char *dir = make_dir(s, 01777, ROOT), *p = path(s, "%s/x", dir);
	nlink_t links = links_of(dir);
	struct stat st;

	expect(s, 0, m->make(p, 0755), "%s in a sticky directory", m->name);
	st = look(p);
	same(s, st.st_mode & S_IFMT, type_bits(m->makes), "%s makes a %s", m->name,
	        type_name(m->makes));
	same(s, st.st_mode & S_ISVTX, 0, "%s does not inherit the sticky bit", m->name);
	same(s, st.st_nlink, m->makes == DIRECTORY ? 2 : 1, "%s: its links", m->name);
	same(s, links_of(dir), links + (m->makes == DIRECTORY), "%s: the links of its directory",
	        m->name);
	if (m->makes != DIRECTORY)
		same(s, st.st_size, 0, "%s: its size", m->name);
	same(s, st.st_dev, look(dir).st_dev, "%s: its device", m->name);
	holds(s, st.st_ino != look(dir).st_ino && st.st_ino != 0, "%s: its inode number", m->name);
	holds(s, !later(st.st_mtim, st.st_ctim) && !later(st.st_atim, st.st_ctim),
	        "%s: its times are of one moment", m->name);
	same(s, listed(dir, "x"), 1, "%s: its entry", m->name);
}

static void owners(struct suite *s, const struct maker *m, mode_t of_dir)
{
	const char *where = of_dir & S_ISGID ? "a setgid directory" : "a directory";

	for (enum who w = ROOT; w < WHOS; w++) {
		char *dir = make_dir(s, of_dir, OWNER), *p = path(s, "%s/x", dir);
		bool inherits = of_dir & S_ISGID;
		struct stat st;

		if (!expect(s, 0, AS(s, w, m->make(p, 0640)), "%s in %s by %s", m->name, where,
		            who_name(w)))
			continue;
		st = look(p);
		same(s, st.st_uid, uid_of(w), "%s in %s by %s: its user", m->name, where,
		        who_name(w));
		same(s, st.st_gid, inherits ? gid_of(OWNER) : gid_of(w),
		        "%s in %s by %s: its group", m->name, where, who_name(w));
		same(s, st.st_mode & 07777,
		        0640 | (inherits && m->makes == DIRECTORY ? S_ISGID : 0),
		        "%s in %s by %s: its mode", m->name, where, who_name(w));
	}
}

/* Who is not in the group that a file inherits cannot make a setgid program of that group. */
static void set_group(struct suite *s, const struct maker *m)
{
	if (m->makes == DIRECTORY)
		return;
	for (enum who w = ROOT; w < WHOS; w++) {
		char *dir = make_dir(s, 02777, OWNER), *p = path(s, "%s/x", dir),
		     *q = path(s, "%s/y", dir), *plain = make_dir(s, 0777, ROOT),
		     *r = path(s, "%s/z", plain);

		if (m->makes == CHR || m->makes == BLK)
			break;
		must(AS(s, w, m->make(p, 02711)));
		same(s, mode_of(p), w == OTHER ? 0711 : 02711,
		        "%s of a setgid program in a setgid directory by %s", m->name, who_name(w));
		must(AS(s, w, m->make(q, 02700)));
		same(s, mode_of(q), 02700, "%s with setgid but not executable by %s", m->name,
		        who_name(w));
		must(AS(s, w, m->make(r, 06711)));
		same(s, mode_of(r), 06711, "%s of a setgid program of an own group by %s", m->name,
		        who_name(w));
	}
}

void create_matrix(struct suite *s, const struct maker *m)
{
	modes(s, m);
	facts(s, m);
	if (m->makes == CHR || m->makes == BLK)
		return; /* for root alone */
	owners(s, m, 0777);
	owners(s, m, 02777);
	set_group(s, m);
}
