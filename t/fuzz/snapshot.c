/* SPDX-License-Identifier: MIT
 * A snapshot that comes as a file. Whatever is taken has a tag and documents; a refusal has a
 * reason.
 */
#include "fcvm-snapshot/pack.h"
#include "name.h"
#include "snapshots.h"
#include "xio.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIMIT  ((uint64_t)16 << 20)
#define FAILED "the process with the ids of the container has failed" /* voltar_end() */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The files of volumes are unpacked by a child, whose end says what it found. */
static void unpack(int fd, int dir)
{
	struct pack_in in = {.files = {.state = memfd_create("s", 0),
	                             .memory = memfd_create("m", 0),
	                             .scratch = memfd_create("d", 0),
	                             .volumes = memfd_create("v", 0),
	                             .root = memfd_create("r", 0)},
	        .dir = dir,
	        .limit = LIMIT};
	struct err e = {.text = ""};

	if (pack_read(fd, &in, &e) < 0) {
		if (!e.text[0] || strstr(e.text, FAILED))
			abort();
	} else if (!in.meta || !in.plan || !in.tag || !name_valid(in.tag)) {
		abort();
	}
	pack_in_free(&in);
	snapshot_files_close(&in.files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("archive", MFD_CLOEXEC), dir;
	char path[] = "/tmp/fcvm-fuzz.XXXXXX";

	signal(SIGPIPE, SIG_IGN);
	dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (dir < 0 || fd < 0 || write(fd, data, size) != (ssize_t)size ||
	        lseek(fd, 0, SEEK_SET) < 0)
		abort();
	unpack(fd, dir);
	close(dir);
	close(fd);
	remove_tree_at(AT_FDCWD, path);
	return 0;
}
