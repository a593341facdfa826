/* SPDX-License-Identifier: MIT
 * What a machine says to fcvm-vol(1) on FCVM_VOL_FD, a SOCK_SEQPACKET socket, with a descriptor:
 * the stream of a volume's session, which is le32 index alone, or the file of a saved machine.
 * Numbers are little-endian. What fcvm-vol says that does not begin with a zero byte is text: a
 * server has ended. */
#ifndef FCVM_VOLWIRE_H
#define FCVM_VOLWIRE_H

#include <stdint.h>

#define VOLWIRE_SAVE 1 /* the volume's session is written to the file from `at` on */
#define VOLWIRE_COPY 2 /* the volume's files are copied into the directory */
/* The session that the file has at `at` is gone on with, once there is a stream; one that is there
 * ends. A second descriptor is a directory with the files that the volume, which is empty, gets. */
#define VOLWIRE_LOAD 3
/* Of a volume that is a copy, while its machine stands still: what the directory has is made ready
 * to be its files, which VOLWIRE_LOAD makes it; or it is not wanted any more. */
#define VOLWIRE_STAGE   4
#define VOLWIRE_UNSTAGE 5

struct volwire_order {
	uint32_t index, what;
	uint64_t at;
	uint64_t size;   /* of LOAD */
	uint64_t copied; /* of LOAD: the files are a copy of those that the session is about */
};

struct volwire_answer {
	uint32_t zero, index;
	int64_t result; /* bytes, or of LOAD what could not be had again; or -errno */
};

#endif
