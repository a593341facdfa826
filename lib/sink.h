/* SPDX-License-Identifier: MIT
 * One of the caller's output descriptors. It may block for as long as its reader likes, and it is
 * shared with other processes, so it must not be made non-blocking: a thread of its own does the
 * writing, fed through a buffer as large as the credit that was granted for it. */
#ifndef FCVM_SINK_H
#define FCVM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_WINDOW ((size_t)256 << 10) /* bytes that may wait for the reader */

struct sink; /* opaque */

/* Starts the writer for fd. wake_fd (an eventfd, borrowed) is signalled whenever something was
 * written or the sink broke. NULL if no thread can be made. */
struct sink *sink_new(int fd, int wake_fd);
/* Takes n bytes; false if they exceed the room that sink_new() and sink_taken() announced. */
bool sink_put(struct sink *s, const void *data, size_t n);
/* Nothing more comes. */
void sink_finish(struct sink *s);
/* Bytes written since the last call: credit to grant anew. */
size_t sink_taken(struct sink *s);
/* The reader is gone (EPIPE or another error); what is put from now on is dropped. */
bool sink_broken(struct sink *s);
/* The errno of the write that failed; 0 if none did, or if it was EPIPE (a reader may leave). */
int sink_error(struct sink *s);
/* Finished, and everything was written or dropped. */
bool sink_idle(struct sink *s);
/* Waits for nothing: a writer that is blocked is left to die with the process. */
void sink_free(struct sink *s);

#endif
