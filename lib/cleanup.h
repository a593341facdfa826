/* SPDX-License-Identifier: MIT
 * Scope-bound release of memory, descriptors and streams. A variable marked with one of these words
 * owns what it holds and must be initialised where it is declared (NULL or -1). Ownership leaves
 * through steal_ptr()/steal_fd(), which empty the variable. The handlers keep errno, so that a
 * failure being reported is not overwritten on the way out. */
#ifndef FCVM_CLEANUP_H
#define FCVM_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
	int saved = errno;
	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_fd_(const int *fd)
{
	int saved = errno;
	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_file_(FILE **f)
{
	int saved = errno;
	if (*f)
		fclose(*f);
	errno = saved;
}

#define auto_free __attribute__((cleanup(cleanup_free_)))
#define auto_fd   __attribute__((cleanup(cleanup_fd_)))
#define auto_file __attribute__((cleanup(cleanup_file_)))

static inline int steal_fd(int *fd)
{
	int v = *fd;
	*fd = -1;
	return v;
}

#define steal_ptr(p)                         \
	({                                   \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL;                  \
		stolen_;                     \
	})

#endif
