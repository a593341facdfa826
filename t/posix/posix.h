/* SPDX-License-Identifier: MIT
 * fcvm-posix: what a file system answers, as assertions with stable names, so that the output of
 * two file systems can be compared line by line. A category is one file with one function; what
 * every operation on a path has in common is asked by the matrices (path.c, access.c, create.c,
 * times.c).
 *
 *   expect(s, EACCES, AS(s, OTHER, mkdir(p, 0755)), "…")   an error, or 0
 *   same(s, got, want, "…")    holds(s, cond, "…")          must(mkdir(p, 0755))  preparation
 *
 * Preparation that fails ends the program with "Bail out!". Names come from fresh() and are
 * relative to a directory of the program's own, so that any number can run beside each other. */
#ifndef FCVM_POSIX_H
#define FCVM_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { NAMES = 1024, PATHS = PATH_MAX + 512 };

struct suite {
	const char *category;
	int run, failed;
	unsigned serial, buffers;
	char base[PATH_MAX]; /* the directory that all names are relative to */
	char *bad;           /* an address that nobody may read; what is before it may be */
	char names[NAMES][16];
	char longs[16][PATHS];
	bool mounts;         /* ro/ and tmp/ are there */
	bool protects_links; /* fs.protected_hardlinks */
};

/* --- results ------------------------------------------------------------------------------- */

#define expect(s, want, expr, ...)                                   \
	({                                                           \
		long result_ = (long)(expr);                         \
		int errno_ = result_ < 0 ? errno : 0;                \
		suite_errno(s, errno_, want, __LINE__, __VA_ARGS__); \
	})
#define same(s, got, want, ...) \
	suite_int(s, (intmax_t)(got), (intmax_t)(want), __LINE__, __VA_ARGS__)
#define holds(s, cond, ...) suite_ok(s, !!(cond), __LINE__, __VA_ARGS__)
#define must(expr)          suite_must((expr), __FILE__, __LINE__, #expr)

bool suite_ok(struct suite *s, bool good, int line, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
bool suite_errno(struct suite *s, int got, int want, int line, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));
bool suite_int(struct suite *s, intmax_t got, intmax_t want, int line, const char *fmt, ...)
        __attribute__((format(printf, 5, 6)));
int suite_must(long result, const char *file, int line, const char *what);
void suite_bail(const char *file, int line, const char *what, int err) __attribute__((noreturn));
/* "ENOENT"; "success" for 0 */
const char *errno_word(int err);

/* --- users --------------------------------------------------------------------------------- */

/* OWNER owns what is asked about, MEMBER has its group, EXTRA has it as a supplementary group. */
enum who { ROOT, OWNER, MEMBER, EXTRA, OTHER, WHOS };

const char *who_name(enum who w);
uid_t uid_of(enum who w);
gid_t gid_of(enum who w);
void become(enum who w);

#define AS(s, who, expr)                 \
	({                               \
		become(who);             \
		errno = 0;               \
		long as_ = (long)(expr); \
		int kept_ = errno;       \
		become(ROOT);            \
		errno = kept_;           \
		as_;                     \
	})

/* --- things -------------------------------------------------------------------------------- */

enum type { REG, DIRECTORY, FIFO, SOCK, CHR, BLK, LNK, TYPES };

const char *type_name(enum type t);
mode_t type_bits(enum type t);

/* A name that nothing has yet; valid for the next NAMES calls. */
char *fresh(struct suite *s);
/* printf into one of a few long buffers. */
char *path(struct suite *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `n` bytes of c, in a long buffer */
char *repeat(struct suite *s, char c, size_t n);
/* A path of exactly n bytes that leads to `name`. */
char *long_path(struct suite *s, size_t n, const char *name);

/* Makes a thing of that type, with mode 0644 (0755), at p or under a fresh name. */
void make_at(enum type t, const char *p);
char *make(struct suite *s, enum type t);
char *make_dir(struct suite *s, mode_t mode, enum who owner);
/* A file with that content, owner and mode */
char *make_file(struct suite *s, const char *text, mode_t mode, enum who owner);
void give(const char *p, enum who owner);
bool exists(const char *p);
struct stat look(const char *p); /* lstat that must succeed */
mode_t mode_of(const char *p);   /* permission bits */
nlink_t links_of(const char *p);
off_t size_of(const char *p);
/* Whether the directory has an entry of exactly that name. */
bool listed(const char *dir, const char *name);
int open_close(int fd); /* closes it, keeping errno and the result */
/* Removes a tree, with what flags and modes protect. */
void remove_tree(const char *p);

/* --- time ---------------------------------------------------------------------------------- */

bool later(struct timespec a, struct timespec b);
bool equal_time(struct timespec a, struct timespec b);
/* Waits until the clock of the file system has passed all that it stamped so far. */
void tick(struct suite *s);

/* --- operations on a path ------------------------------------------------------------------ */

enum {
	CREATES = 1,    /* makes the last name, which must not be there */
	NOFOLLOW = 2,   /* works on a symbolic link itself */
	REMOVES = 4,    /* takes the last name away */
	NO_AT = 8,      /* knows no directory descriptor */
	WRITES = 16,    /* changes content: its mtime, too */
	QUIET = 32,     /* changes nothing */
	OWN_SLASH = 64, /* answers names that end in "/" or "." in its own way */
};

struct op {
	const char *name;
	int (*run)(struct suite *s, int dir, const char *p); /* -1 and errno */
	enum type on;                                        /* what it works on, or makes */
	unsigned is;
};

/* What op needs at p, for `who` to do it. */
void prepare(struct suite *s, const struct op *op, const char *p, enum who who);
/* Runs it; the result is `want`, and the name is there or not as that says. */
bool attempt_as(struct suite *s, enum who who, const struct op *op, int want, const char *p,
        const char *fmt, ...) __attribute__((format(printf, 6, 7)));
#define attempt(s, op, want, p, ...) attempt_as(s, ROOT, op, want, p, __VA_ARGS__)

void path_matrix(struct suite *s, const struct op *op);
void at_matrix(struct suite *s, const struct op *op);
void access_matrix(struct suite *s, const struct op *op);
void sticky_matrix(struct suite *s, const struct op *op, const enum type *types, size_t n);
void times_matrix(struct suite *s, const struct op *op);
void readonly_matrix(struct suite *s, const struct op *op);
/* All of them but the sticky one. */
void op_matrix(struct suite *s, const struct op *op);

/* --- operations that make something with a mode -------------------------------------------- */

struct maker {
	const char *name;
	int (*make)(const char *p, mode_t mode);
	enum type makes;
};

void create_matrix(struct suite *s, const struct maker *m);

/* --- operations that set the size of a file ------------------------------------------------ */

typedef int sizer(const char *p, off_t size); /* -1 and errno */

sizer truncate_path;
void size_matrix(struct suite *s, const char *name, sizer *set);
void running_matrix(struct suite *s, const char *name, sizer *set);

/* --- categories ---------------------------------------------------------------------------- */

typedef void category(struct suite *s);

category cat_chflags, cat_chmod, cat_chown, cat_ftruncate, cat_granular, cat_link, cat_mkdir,
        cat_mkfifo, cat_mknod, cat_open, cat_posix_fallocate, cat_rename, cat_rmdir, cat_symlink,
        cat_truncate, cat_unlink, cat_utimensat;

#endif
