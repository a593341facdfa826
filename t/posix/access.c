/* SPDX-License-Identifier: MIT
 * Who may do an operation in which directory, relative to which descriptor, and that nobody may on
 * a read-only mount. */
#include "posix.h"

/* The mode that gives `bits` to the class of `who` and the opposite to all others, so that an
 * answer by the wrong class is a wrong answer. */
static mode_t mode_for(enum who who, unsigned bits)
{
	unsigned rest = ~bits & 7;

	if (who == OWNER)
		return bits << 6 | rest << 3 | rest;
	if (who == MEMBER || who == EXTRA)
		return rest << 6 | bits << 3 | rest;
	return rest << 6 | rest << 3 | bits;
}

void access_matrix(struct suite *s, const struct op *op)
{
	unsigned need = op->is & (CREATES | REMOVES) ? 3 : 1;

	for (enum who w = OWNER; w <= OTHER; w++) {
		char *closed, *p;

		for (unsigned bits = 0; bits < 8; bits++) {
			char *dir = make_dir(s, 0755, OWNER);

			p = path(s, "%s/%s", dir, fresh(s));
			prepare(s, op, p, w);
			must(chmod(dir, mode_for(w, bits)));
			attempt_as(s, w, op, (bits & need) == need ? 0 : EACCES, p,
			        "by %s with bits %o of its directory", who_name(w), bits);
		}
		closed = make_dir(s, 0755, OWNER);
		p = path(s, "%s/in", closed);
		must(mkdir(p, 0777));
		p = path(s, "%s/in/%s", closed, fresh(s));
		prepare(s, op, p, w);
		must(chmod(closed, mode_for(w, 6)));
		attempt_as(s, w, op, EACCES, p, "by %s below a directory that it may not search",
		        who_name(w));
	}
	for (unsigned bits = 0; bits < 8; bits++) {
		char *dir = make_dir(s, 0755, OWNER), *p = path(s, "%s/x", dir);

		prepare(s, op, p, OWNER);
		must(chmod(dir, bits << 6));
		attempt(s, op, 0, p, "by root with bits %o of its directory", bits);
	}
}

void at_matrix(struct suite *s, const struct op *op)
{
	char here[PATH_MAX], *dir = make(s, DIRECTORY), *moved = fresh(s), *name,
	                     *file = make(s, REG);
	int fd, place, plain;

	if (op->is & NO_AT)
		return;
	fd = must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	place = must(open(dir, O_PATH | O_CLOEXEC));
	plain = must(open(file, O_RDONLY | O_CLOEXEC));
	must(getcwd(here, sizeof here) ? 0 : -1);
	name = fresh(s);
	prepare(s, op, path(s, "%s/%s", dir, name), ROOT);
	expect(s, 0, op->run(s, fd, name), "%s relative to a directory", op->name);
	name = fresh(s);
	prepare(s, op, path(s, "%s/%s", dir, name), ROOT);
	expect(s, 0, op->run(s, place, name), "%s relative to an O_PATH descriptor", op->name);
	name = path(s, "%s/%s", here, fresh(s));
	prepare(s, op, name, ROOT);
	expect(s, 0, op->run(s, 9999, name), "%s of an absolute path needs no descriptor",
	        op->name);
	name = fresh(s);
	expect(s, EBADF, op->run(s, 9999, name), "%s relative to no descriptor", op->name);
	expect(s, ENOTDIR, op->run(s, plain, name), "%s relative to a file", op->name);
	must(rename(dir, moved));
	name = fresh(s);
	prepare(s, op, path(s, "%s/%s", moved, name), OTHER);
	expect(s, 0, op->run(s, fd, name), "%s relative to a directory that was moved", op->name);
	name = fresh(s);
	prepare(s, op, path(s, "%s/%s", moved, name), OTHER);
	must(chmod(moved, 0766));
	expect(s, EACCES, AS(s, OTHER, op->run(s, fd, name)),
	        "%s relative to a directory that may not be searched", op->name);
	remove_tree(moved);
	must(mkdir(dir, 0755));
	expect(s, ENOENT, op->run(s, fd, fresh(s)), "%s relative to a directory that is gone",
	        op->name);
	close(fd);
	close(place);
	close(plain);
}

/* In a sticky directory only root, its owner and the owner of the entry may take it away. */
void sticky_matrix(struct suite *s, const struct op *op, const enum type *types, size_t n)
{
	static const enum who all[] = {ROOT, OWNER, OTHER};

	for (size_t i = 0; i < n * 27; i++) {
		struct op this = *op;
		enum who actor = all[i % 3], of_dir = all[i / 3 % 3], of_entry = all[i / 9 % 3];
		bool may = actor == ROOT || actor == of_dir || actor == of_entry;
		char *dir = make_dir(s, 01777, of_dir), *p = path(s, "%s/x", dir);

		this.on = types[i / 27];
		prepare(s, &this, p, of_entry);
		attempt_as(s, actor, &this, may ? 0 : EPERM, p,
		        "of a %s of %s by %s in a sticky directory of %s", type_name(this.on),
		        who_name(of_entry), who_name(actor), who_name(of_dir));
	}
}

void readonly_matrix(struct suite *s, const struct op *op)
{
	char *name = fresh(s), *p = path(s, "rw/%s", name);

	if (!s->mounts || op->is & QUIET)
		return;
	prepare(s, op, p, ROOT);
	attempt(s, op, EROFS, path(s, "ro/%s", name), "on a read-only mount");
	attempt(s, op, 0, p, "beside a read-only mount of the same directory");
	name = fresh(s);
	p = path(s, "rw/%s", name);
	prepare(s, op, p, OWNER);
	attempt_as(
	        s, OWNER, op, EROFS, path(s, "ro/%s", name), "on a read-only mount by the owner");
}

void op_matrix(struct suite *s, const struct op *op)
{
	path_matrix(s, op);
	at_matrix(s, op);
	access_matrix(s, op);
	times_matrix(s, op);
	readonly_matrix(s, op);
}
