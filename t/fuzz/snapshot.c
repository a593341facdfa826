/* SPDX-License-Identifier: MIT
 * A snapshot that comes as a file. Whatever is taken has a tag and documents; a refusal has a
 * reason.
 */
#include "fcvm-snapshot/pack.h"
#include "name.h"
#include "snapshots.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIMIT ((uint64_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct pack_in in = {.files = {.state = memfd_create("s", 0),
	                             .memory = memfd_create("m", 0),
	                             .scratch = memfd_create("d", 0),
	                             .volumes = -1,
	                             .root = memfd_create("r", 0)},
	        .limit = LIMIT};
	struct err e = {.text = ""};

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	if (pack_read(fd, &in, &e) < 0) {
		if (!e.text[0])
			abort();
	} else if (!in.meta || !in.plan || !in.tag || !name_valid(in.tag)) {
		abort();
	}
	pack_in_free(&in);
	snapshot_files_close(&in.files);
	close(fd);
	return 0;
}
