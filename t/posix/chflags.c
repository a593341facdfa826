/* SPDX-License-Identifier: MIT
 * The flags of chattr(1), which are what Linux has of BSD's chflags. A file system without them
 * must say so, and nothing may be protected then. */
#include "posix.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

static int get_flags(const char *p, int *flags)
{
	int fd = open(p, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), r;

	if (fd < 0)
		return -1;
	r = ioctl(fd, FS_IOC_GETFLAGS, flags);
	open_close(fd);
	return r;
}

/* Adds and takes flags. */
static int change_flags(const char *p, int add, int take)
{
	int fd = open(p, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), r, flags = 0;

	if (fd < 0)
		return -1;
	r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags = (flags | add) & ~take;
	if (r == 0)
		r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	open_close(fd);
	return r;
}

static int open_for(const char *p, int flags)
{
	return open_close(open(p, flags | O_CLOEXEC, 0644));
}

static int do_write(struct suite *s, const char *p)
{
	(void)s;
	return open_for(p, O_WRONLY);
}

static int do_append(struct suite *s, const char *p)
{
	(void)s;
	return open_for(p, O_WRONLY | O_APPEND);
}

static int do_append_truncate(struct suite *s, const char *p)
{
	(void)s;
	return open_for(p, O_WRONLY | O_APPEND | O_TRUNC);
}

static int do_read(struct suite *s, const char *p)
{
	(void)s;
	return open_for(p, O_RDONLY);
}

static int do_truncate(struct suite *s, const char *p)
{
	(void)s;
	return truncate(p, 1);
}

static int do_chmod(struct suite *s, const char *p)
{
	(void)s;
	return chmod(p, 0755);
}

static int do_chown(struct suite *s, const char *p)
{
	(void)s;
	return lchown(p, (uid_t)-1, gid_of(OWNER));
}

static int do_times(struct suite *s, const char *p)
{
	const struct timespec t[2] = {{.tv_sec = 1}, {.tv_sec = 2}};

	(void)s;
	return utimensat(AT_FDCWD, p, t, 0);
}

static int do_now(struct suite *s, const char *p)
{
	(void)s;
	return utimensat(AT_FDCWD, p, NULL, 0);
}

static int do_link(struct suite *s, const char *p)
{
	return link(p, path(s, "%s/to/%s", s->base, fresh(s)));
}

static int do_rename(struct suite *s, const char *p)
{
	return rename(p, path(s, "%s/to/%s", s->base, fresh(s)));
}

static int do_unlink(struct suite *s, const char *p)
{
	(void)s;
	return unlink(p);
}

static int do_rmdir(struct suite *s, const char *p)
{
	(void)s;
	rmdir(path(s, "%s/d", p));
	unlink(path(s, "%s/f", p));
	return rmdir(p);
}

static int do_replace(struct suite *s, const char *p)
{
	char *q = path(s, "%s/to/%s", s->base, fresh(s));

	make_at(REG, q);
	return rename(q, p);
}

static int do_xattr(struct suite *s, const char *p)
{
	(void)s;
	return setxattr(p, "user.a", "v", 1, 0);
}

static int do_create(struct suite *s, const char *p)
{
	return open_for(path(s, "%s/new", p), O_WRONLY | O_CREAT | O_EXCL);
}

static int do_mkdir(struct suite *s, const char *p)
{
	return mkdir(path(s, "%s/newdir", p), 0755);
}

static int do_symlink(struct suite *s, const char *p)
{
	return symlink("x", path(s, "%s/newlink", p));
}

static int do_unlink_in(struct suite *s, const char *p)
{
	return unlink(path(s, "%s/f", p));
}

static int do_rmdir_in(struct suite *s, const char *p)
{
	return rmdir(path(s, "%s/d", p));
}

static int do_rename_in(struct suite *s, const char *p)
{
	return rename(path(s, "%s/f", p), path(s, "%s/g", p));
}

static int do_rename_into(struct suite *s, const char *p)
{
	char *q = path(s, "%s/to/%s", s->base, fresh(s));

	make_at(REG, q);
	return rename(q, path(s, "%s/h", p));
}

static int do_write_in(struct suite *s, const char *p)
{
	return open_for(path(s, "%s/f", p), O_WRONLY);
}

enum { BOTH = 1 << REG | 1 << DIRECTORY, FILES = 1 << REG, DIRS = 1 << DIRECTORY };

static const struct {
	const char *what;
	int (*run)(struct suite *s, const char *p);
	unsigned on;
	bool immutable, append; /* whether the flag refuses it */
} deeds[] = {{"reading", do_read, BOTH, false, false}, {"writing", do_write, FILES, true, true},
        {"appending", do_append, FILES, true, false},
        {"opening to append and truncate", do_append_truncate, FILES, true, true},
        {"truncating", do_truncate, FILES, true, true}, {"chmod", do_chmod, BOTH, true, true},
        {"chown", do_chown, BOTH, true, true}, {"setting times", do_times, BOTH, true, true},
        {"touching", do_now, BOTH, true, false}, {"linking", do_link, FILES, true, true},
        {"setting an xattr", do_xattr, BOTH, true, true},
        {"creating in", do_create, DIRS, true, false}, {"mkdir in", do_mkdir, DIRS, true, false},
        {"symlink in", do_symlink, DIRS, true, false},
        {"writing in", do_write_in, DIRS, false, false},
        {"renaming in", do_rename_in, DIRS, true, true},
        {"renaming into", do_rename_into, DIRS, true, false},
        {"unlink in", do_unlink_in, DIRS, true, true}, {"rmdir in", do_rmdir_in, DIRS, true, true},
        {"replacing", do_replace, FILES, true, true}, {"renaming", do_rename, BOTH, true, true},
        {"unlinking", do_unlink, FILES, true, true}, {"removing", do_rmdir, DIRS, true, true}};

static char *victim(struct suite *s, enum type t)
{
	char *p = make(s, t);

	if (t == DIRECTORY) {
		make_at(REG, path(s, "%s/f", p));
		must(lchown(path(s, "%s/f", p), uid_of(OWNER), gid_of(OWNER)));
		make_at(DIRECTORY, path(s, "%s/d", p));
	}
	give(p, OWNER);
	return p;
}

static void protection(struct suite *s, int missing)
{
	static const int flags[] = {FS_IMMUTABLE_FL, FS_APPEND_FL};
	static const char *const words[] = {"immutable", "append-only"};

	for (size_t i = 0; i < COUNT(deeds) * 8; i++) {
		size_t n = i / 8, f = i % 2;
		enum type t = i / 2 % 2 ? DIRECTORY : REG;
		enum who w = i / 4 % 2 ? OWNER : ROOT;
		bool refused = (f ? deeds[n].append : deeds[n].immutable) && !missing;
		char *p;

		if (!(deeds[n].on & 1U << t))
			continue;
		p = victim(s, t);
		expect(s, missing, change_flags(p, flags[f], 0), "making a %s %s, before %s by %s",
		        type_name(t), words[f], deeds[n].what, who_name(w));
		expect(s, refused ? EPERM : 0, AS(s, w, deeds[n].run(s, p)), "%s an %s %s by %s",
		        deeds[n].what, words[f], type_name(t), who_name(w));
		if (!exists(p))
			continue;
		change_flags(p, 0, flags[f]);
		if (refused)
			expect(s, 0, AS(s, w, deeds[n].run(s, p)),
			        "%s a %s that is not %s any more by %s", deeds[n].what,
			        type_name(t), words[f], who_name(w));
	}
}

static void who_may(struct suite *s, int missing)
{
	static const struct {
		const char *what;
		int flag;
		bool privileged;
	} all[] = {{"immutable", FS_IMMUTABLE_FL, true}, {"append-only", FS_APPEND_FL, true},
	        {"no dump", FS_NODUMP_FL, false}, {"no atime", FS_NOATIME_FL, false}};

	for (enum type t = REG; t <= DIRECTORY; t++) {
		for (size_t i = 0; i < COUNT(all); i++) {
			for (enum who w = ROOT; w < WHOS; w++) {
				bool may = w == ROOT || (w == OWNER && !all[i].privileged);
				char *p = victim(s, t);
				int flags = 0;

				must(chmod(p, 0777));
				expect(s,
				        missing ? missing
				        : may   ? 0
				                : EPERM,
				        AS(s, w, change_flags(p, all[i].flag, 0)),
				        "%s on a %s by %s", all[i].what, type_name(t), who_name(w));
				expect(s, missing, AS(s, w, get_flags(p, &flags)),
				        "%s on a %s by %s: reading", all[i].what, type_name(t),
				        who_name(w));
				same(s, !!(flags & all[i].flag), may && !missing,
				        "%s on a %s by %s: the flag", all[i].what, type_name(t),
				        who_name(w));
				change_flags(p, 0, all[i].flag);
			}
		}
	}
}

static void elsewhere(struct suite *s, int missing)
{
	int fd = must(open("/dev/null", O_RDONLY | O_CLOEXEC)), flags = 0;
	char *p = make(s, REG);

	expect(s, ENOTTY, ioctl(fd, FS_IOC_GETFLAGS, &flags), "flags of a device");
	must(close(fd));
	fd = must(open(p, O_PATH | O_CLOEXEC));
	expect(s, EBADF, ioctl(fd, FS_IOC_GETFLAGS, &flags), "flags by an O_PATH descriptor");
	must(close(fd));
	expect(s, EBADF, ioctl(fd, FS_IOC_GETFLAGS, &flags), "flags of a closed descriptor");
	fd = must(open(p, O_RDWR | O_CLOEXEC));
	must(unlink(p));
	expect(s, missing, ioctl(fd, FS_IOC_GETFLAGS, &flags), "flags of an unlinked file");
	must(close(fd));
	p = make_dir(s, 0700, OWNER);
	fd = must(open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	expect(s, missing, ioctl(fd, FS_IOC_GETFLAGS, &flags), "flags of a directory");
	expect(s, missing ? missing : EFAULT, ioctl(fd, FS_IOC_SETFLAGS, s->bad),
	        "flags at an unreadable address");
	must(close(fd));
	expect(s, ENOTTY, ({
		fd = must(open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		open_close(fd) < 0 ? -1
		                   : ioctl(must(open(make(s, REG), O_RDONLY | O_CLOEXEC)), 0x5401,
		                             s->longs[0]);
	}),
	        "a terminal's request to a file");
}

void cat_chflags(struct suite *s)
{
	int flags, missing;

	must(mkdir("to", 0777));
	must(chmod(".", 0777));
	missing = get_flags(make(s, REG), &flags) < 0 ? errno : 0;
	holds(s, missing == 0 || missing == ENOTTY || missing == EOPNOTSUPP,
	        "flags are there, or said to be missing");
	protection(s, missing);
	who_may(s, missing);
	elsewhere(s, missing);
}
