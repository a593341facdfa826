/* SPDX-License-Identifier: MIT
 * Results, users, names and things of the conformance suite. */
#include "posix.h"

#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

/* --- results ------------------------------------------------------------------------------- */

static bool __attribute__((format(printf, 4, 0)))
result(struct suite *s, bool good, int line, const char *fmt, va_list ap)
{
	s->run++;
	s->failed += !good;
	printf("%sok %d - %s: ", good ? "" : "not ", s->run, s->category);
	vprintf(fmt, ap);
	putchar('\n');
	if (!good)
		printf("#   line %d of %s\n", line, s->category);
	return good;
}

bool suite_ok(struct suite *s, bool good, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result(s, good, line, fmt, ap);
	va_end(ap);
	return good;
}

const char *errno_word(int err)
{
	const char *name = strerrorname_np(err);

	return err == 0 ? "success" : name ? name : "an unknown error";
}

bool suite_errno(struct suite *s, int got, int want, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result(s, got == want, line, fmt, ap);
	va_end(ap);
	if (got != want)
		printf("#   got %s, want %s\n", errno_word(got), errno_word(want));
	return got == want;
}

bool suite_int(struct suite *s, intmax_t got, intmax_t want, int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	result(s, got == want, line, fmt, ap);
	va_end(ap);
	if (got != want)
		printf("#   got %jd (0%jo), want %jd (0%jo)\n", got, (uintmax_t)got, want,
		        (uintmax_t)want);
	return got == want;
}

void suite_bail(const char *file, int line, const char *what, int err)
{
	printf("Bail out! %s:%d: %s: %s\n", file, line, what, errno_word(err));
	exit(2);
}

int suite_must(long got, const char *file, int line, const char *what)
{
	if (got < 0)
		suite_bail(file, line, what, errno);
	return (int)got;
}

/* --- users --------------------------------------------------------------------------------- */

enum { THE_GROUP = 3001 };

const char *who_name(enum who w)
{
	static const char *const names[] = {"root", "the owner", "a member of the group",
	        "a supplementary member", "another user"};

	return names[w];
}

uid_t uid_of(enum who w)
{
	return w == ROOT ? 0 : (uid_t)(2000 + w);
}

gid_t gid_of(enum who w)
{
	return w == ROOT ? 0 : w <= MEMBER ? THE_GROUP : (gid_t)(3000 + w);
}

/* The saved ids stay root's, so that the way back is open; the effective capabilities go with the
 * effective user. */
void become(enum who w)
{
	static const gid_t extra = THE_GROUP;
	uid_t uid = uid_of(w);
	gid_t gid = gid_of(w);

	must(setresuid(0, 0, 0));
	must(setgroups(w == EXTRA, &extra));
	must(setresgid(gid, gid, 0));
	if (uid)
		must(setresuid(uid, uid, 0));
}

/* --- things -------------------------------------------------------------------------------- */

const char *type_name(enum type t)
{
	static const char *const names[] = {
	        "file", "directory", "fifo", "socket", "char device", "block device", "symlink"};

	return names[t];
}

mode_t type_bits(enum type t)
{
	static const mode_t bits[] = {
	        S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFLNK};

	return bits[t];
}

char *fresh(struct suite *s)
{
	char *name = s->names[s->serial % NAMES];

	snprintf(name, sizeof s->names[0], "n%u", s->serial++);
	return name;
}

static char *long_buffer(struct suite *s)
{
	return s->longs[s->buffers++ % COUNT(s->longs)];
}

char *path(struct suite *s, const char *fmt, ...)
{
	char *buf = long_buffer(s);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, PATHS, fmt, ap);
	va_end(ap);
	return buf;
}

char *repeat(struct suite *s, char c, size_t n)
{
	char *buf = long_buffer(s);

	memset(buf, c, n);
	buf[n] = 0;
	return buf;
}

char *long_path(struct suite *s, size_t n, const char *name)
{
	char *buf = long_buffer(s);
	size_t tail = strlen(name), fill = n - tail;

	for (size_t i = 0; i < fill; i++)
		buf[i] = i % 2 || i == fill - 1 ? '/' : '.';
	memcpy(buf + fill, name, tail + 1);
	return buf;
}

void make_at(enum type t, const char *p)
{
	switch (t) {
	case REG:
		must(close(must(open(p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644))));
		break;
	case DIRECTORY:
		must(mkdir(p, 0755));
		break;
	case LNK:
		must(symlink("nowhere", p));
		break;
	default:
		must(mknod(p, type_bits(t) | 0644,
		        t == CHR   ? makedev(1, 3)
		        : t == BLK ? makedev(7, 200)
		                   : 0));
	}
}

char *make(struct suite *s, enum type t)
{
	char *p = fresh(s);

	make_at(t, p);
	return p;
}

void give(const char *p, enum who owner)
{
	must(lchown(p, uid_of(owner), gid_of(owner)));
}

char *make_dir(struct suite *s, mode_t mode, enum who owner)
{
	char *p = make(s, DIRECTORY);

	give(p, owner);
	must(chmod(p, mode));
	return p;
}

char *make_file(struct suite *s, const char *text, mode_t mode, enum who owner)
{
	char *p = fresh(s);
	int fd = must(open(p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	must(write(fd, text, strlen(text)));
	must(close(fd));
	give(p, owner);
	must(chmod(p, mode));
	return p;
}

bool exists(const char *p)
{
	struct stat st;

	return lstat(p, &st) == 0;
}

struct stat look(const char *p)
{
	struct stat st;

	must(lstat(p, &st));
	return st;
}

mode_t mode_of(const char *p)
{
	return look(p).st_mode & 07777;
}

nlink_t links_of(const char *p)
{
	return look(p).st_nlink;
}

off_t size_of(const char *p)
{
	return look(p).st_size;
}

bool listed(const char *dir, const char *name)
{
	DIR *d = opendir(dir);
	bool found = false;

	must(d ? 0 : -1);
	for (struct dirent *e; !found && (e = readdir(d));)
		found = strcmp(e->d_name, name) == 0;
	closedir(d);
	return found;
}

int open_close(int fd)
{
	int kept = errno;

	if (fd >= 0)
		close(fd);
	errno = kept;
	return fd < 0 ? -1 : 0;
}

static int remove_one(const char *p, const struct stat *st, int kind, struct FTW *f)
{
	(void)f;
	if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) {
		int fd = open(p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), flags = 0;

		if (fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 &&
		        flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) {
			flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
			ioctl(fd, FS_IOC_SETFLAGS, &flags);
		}
		open_close(fd);
	}
	return kind == FTW_DP || kind == FTW_D ? rmdir(p) : unlink(p);
}

void remove_tree(const char *p)
{
	nftw(p, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
