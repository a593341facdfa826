/* SPDX-License-Identifier: MIT */
#include "cleanup.h"
#include "status.h"
#include "vol_server.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/securebits.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the owner of all files may do with them (immutable ones are of root's chattr(1) alone), and
 * acting as another user; not the rights over the machine that root has besides. */
static const uint64_t changing = 1ULL << CAP_CHOWN | 1ULL << CAP_DAC_OVERRIDE | 1ULL << CAP_FSETID |
                                 1ULL << CAP_SETUID | 1ULL << CAP_SETGID | 1ULL << CAP_MKNOD |
                                 1ULL << CAP_SETFCAP | 1ULL << CAP_LINUX_IMMUTABLE;
/* Also of a read-only volume: any file can be read, without a new access time as well. */
static const uint64_t reading = 1ULL << CAP_DAC_READ_SEARCH | 1ULL << CAP_FOWNER;

static int keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct has[2];

	/* Becoming another user for a moment changes no capability. */
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NOROOT) < 0)
		return -1;
	for (int cap = 0; cap < 64; cap++)
		if (!(keep >> cap & 1) && prctl(PR_CAPBSET_READ, cap) == 1 &&
		        prctl(PR_CAPBSET_DROP, cap) < 0)
			return -1;
	if (syscall(SYS_capget, &head, has) < 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		has[i].permitted &= (uint32_t)(keep >> (32 * i));
		has[i].effective = has[i].permitted;
		has[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, has) < 0 ? -1 : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static const int calls[] = {
        /* the wire, the watch, the control socket */
        SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
        SCMP_SYS(shutdown), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(read), SCMP_SYS(write),
        SCMP_SYS(eventfd2), SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
        SCMP_SYS(inotify_rm_watch),
        /* files */
        SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(fstatfs),
        SCMP_SYS(statx), SCMP_SYS(memfd_create), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
        SCMP_SYS(lseek), SCMP_SYS(getdents64), SCMP_SYS(mkdirat), SCMP_SYS(mknodat),
        SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(linkat),
        SCMP_SYS(symlinkat), SCMP_SYS(readlinkat), SCMP_SYS(fchownat), SCMP_SYS(chmod),
        SCMP_SYS(fchmodat), SCMP_SYS(truncate), SCMP_SYS(ftruncate), SCMP_SYS(utimensat),
        SCMP_SYS(fallocate), SCMP_SYS(copy_file_range), SCMP_SYS(setxattr), SCMP_SYS(getxattr),
        SCMP_SYS(listxattr), SCMP_SYS(removexattr), SCMP_SYS(fcntl), SCMP_SYS(flock),
        SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(umask), SCMP_SYS(setfsuid),
        SCMP_SYS(setfsgid),
        /* threads and memory */
        SCMP_SYS(futex), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
        SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
        SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sigaltstack), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(gettid),
        SCMP_SYS(getpid), SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_gettime),
        SCMP_SYS(restart_syscall), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
        SCMP_SYS(prlimit64), SCMP_SYS(getrandom)};

/* Threads, but no process and no namespace; signals to its own threads alone. The system's newer
 * way to make a thread hides its arguments in memory, so it is said not to be there. */
static int with_arguments(scmp_filter_ctx f)
{
	static const unsigned long ioctls[] = {
	        FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR, FICLONE};
	const uint64_t new_ns = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
	                        CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	int r = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
	        SCMP_A0(SCMP_CMP_MASKED_EQ, new_ns | CLONE_THREAD, CLONE_THREAD));
	r |= seccomp_rule_add(
	        f, SCMP_ACT_ALLOW, SCMP_SYS(unshare), 1, SCMP_A0(SCMP_CMP_EQ, CLONE_FS, 0));
	r |= seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
	for (size_t i = 0; i < sizeof ioctls / sizeof *ioctls; i++)
		r |= seccomp_rule_add(
		        f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, ioctls[i], 0));
	return r;
}

static int filter_calls(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = f ? 0 : -ENOMEM;

	if (f) {
		seccomp_attr_set(
		        f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: many requests, many calls */
		for (size_t i = 0; i < sizeof calls / sizeof *calls && r == 0; i++)
			r = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
		if (r == 0)
			r = with_arguments(f);
		if (r == 0)
			r = seccomp_load(f);
		seccomp_release(f);
	}
	errno = r < 0 ? -r : 0;
	return r;
}

int confine_rights(bool readonly, struct err *e)
{
	if (keep_capabilities(readonly ? reading : reading | changing) < 0)
		return err_sys(e, "cannot give up the server's capabilities");
	/* What changed the credentials has disarmed it; who was killed before that is noticed by
	 * the control socket's end. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(e, "cannot die with the parent");
	if (filter_calls() != 0)
		return err_sys(e, "cannot restrict the server's system calls");
	return 0;
}
