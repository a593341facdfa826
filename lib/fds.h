/* SPDX-License-Identifier: MIT
 * Messages with descriptors between processes that know each other, over a SOCK_SEQPACKET pair:
 * unix(7), SCM_RIGHTS; and the descriptors that a process keeps. */
#ifndef FCVM_FDS_H
#define FCVM_FDS_H

#include <stddef.h>
#include <sys/types.h>

#define FDS_MAX 4

/* Sends text with n_fds <= FDS_MAX descriptors: 0 or -errno. */
int fds_send(int sock, const void *text, size_t n, const int *fds, size_t n_fds);
/* Receives one message: its length or -errno; its descriptors are the caller's, and close-on-exec.
 * flags: MSG_DONTWAIT, or 0 to wait as the socket does. */
ssize_t fds_receive(int sock, void *text, size_t n, int fds[FDS_MAX], size_t *n_fds, int flags);

/* The n descriptors under the numbers from 3 on, close-on-exec, and no others but the standard
 * ones; where one is -1 there is none under its number. 0 or -errno. n <= FDS_SETTLE_MAX. */
int fds_settle(const int *fds, size_t n);
#define FDS_SETTLE_MAX 8

/* Closes all descriptors but the standard ones and those of keep[], which gets sorted. */
void fds_close_others(int *keep, size_t n);

#endif
