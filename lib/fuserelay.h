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

/* Words between messages, each with eight bytes of zeros, by which the stream comes to rest while
 * the machine is saved. After REST the relay sends nothing; the server answers every request but
 * those that wait for a lock, then says REST in its turn and sends nothing more. GO ends that; the
 * server answers it when it has sent what it had to say meanwhile: in a machine that goes on from
 * what was saved, all that the kernel must not believe any longer. */
#define FUSERELAY_REST "FCVMREST"
#define FUSERELAY_GO   "FCVMGOON"

#define FUSERELAY_WRITE_MAX (1 << 20)                          /* data of one WRITE or READ */
#define FUSERELAY_MAX       (FUSERELAY_WRITE_MAX + (64 << 10)) /* a whole message */

/* Asks the server for a session, and waits for its answer. 0, or -1 with e filled. */
int fuserelay_hello(int wire, struct err *e);

/* Lets the kernel read as much at once as a message has room for, on the FUSE mount at path (which
 * openat(2) would find; "": dirfd is the mount). The server is not asked: nobody may answer yet,
 * and the caller may be the one who must never wait. Without it reads are just smaller. */
void fuserelay_widen_reads(int dirfd, const char *path);

/* What is said on the control socket of a relay, one byte each: REST is answered with RESTED or
 * FAILED (the server is gone), GO with GONE_ON or FAILED once the kernel has taken all that the
 * server sent before its answer. GO may come before the answer to REST, which then does not. */
#define FUSERELAY_CTL_REST    'R'
#define FUSERELAY_CTL_RESTED  'r'
#define FUSERELAY_CTL_GO      'G'
#define FUSERELAY_CTL_GONE_ON 'g'
#define FUSERELAY_CTL_FAILED  'x'
#define FUSERELAY_CTL_CALM    'C' /* not answered */

/* Carries messages until the file system is unmounted: returns 0. If the stream ends before, every
 * request that is pending and every later one is answered with EIO, so that no process of the
 * guest waits for ever, and -1 is returned with e filled once it is unmounted: the process must
 * ignore SIGPIPE, which would end it before. Both descriptors are
 * blocking and stay the caller's. Threads carry the directions; where wire is no socket, and after
 * a failure to start them, they are left behind: the process is to end. control: a SOCK_SEQPACKET
 * socket for the bytes above, or -1; the relay's threads have the highest real-time priority from
 * REST until CALM, so that they work where nothing else gets a turn. */
int fuserelay_run(int dev, int wire, int control, struct err *e);

#endif
