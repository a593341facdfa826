/* SPDX-License-Identifier: MIT
 * Carries FUSE messages between the kernel and a server that is reached through a byte stream (a
 * socket, or the port of a machine). Nothing is re-encoded: messages are those of linux/fuse.h,
 * each framed by the length it begins with. */
#ifndef FCVM_FUSERELAY_H
#define FCVM_FUSERELAY_H

#include "err.h"

/* What both ends say before the first message, once per session. The first four bytes are no
 * possible length of a message, so that a new session can begin between two messages. */
#define FUSERELAY_HELLO   "FCVMVOL1" /* then the version and flags, 32 bits little-endian each */
#define FUSERELAY_VERSION 1
#define FUSERELAY_REFUSED 0x80000000u /* flag of the answer */
#define FUSERELAY_HELLO_N 16

#define FUSERELAY_WRITE_MAX (1 << 20)                          /* data of one WRITE or READ */
#define FUSERELAY_MAX       (FUSERELAY_WRITE_MAX + (64 << 10)) /* a whole message */

/* Asks the server for a session, and waits for its answer. 0, or -1 with e filled. */
int fuserelay_hello(int wire, struct err *e);

/* Lets the kernel read as much at once as a message has room for, on the FUSE mount at path (which
 * openat(2) would find; "": dirfd is the mount). The server is not asked: nobody may answer yet,
 * and the caller may be the one who must never wait. Without it reads are just smaller. */
void fuserelay_widen_reads(int dirfd, const char *path);

/* Carries messages until the file system is unmounted: returns 0. If the stream ends before, every
 * request that is pending and every later one is answered with EIO, so that no process of the
 * guest waits for ever, and -1 is returned with e filled once it is unmounted. Both descriptors are
 * blocking and stay the caller's. Threads carry the directions; where wire is no socket, and after
 * a failure to start them, they are left behind: the process is to end. */
int fuserelay_run(int dev, int wire, struct err *e);

#endif
