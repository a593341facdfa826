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
#define VOLWIRE_LOAD                                                                    \
	3 /* before there is a stream: the session that the file has at `at` is gone on \
	   * with; if the volume is a copy, the directory is the second descriptor */

struct volwire_order {
	uint32_t index, what;
	uint64_t at, size; /* size: of LOAD */
};

struct volwire_answer {
	uint32_t zero, index;
	int64_t result; /* bytes, or of LOAD what could not be had again; or -errno */
};

#endif
