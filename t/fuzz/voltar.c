/* SPDX-License-Identifier: MIT
 * Files of a volume that come as a stream: nothing gets out of their directory, a refusal has a
 * reason, and what was taken can be written again.
 */
#include "fcvm-snapshot/voltar.h"
#include "xio.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM ((uint64_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unpack(int fd, int top)
{
	struct voltar_room room = {.bytes = ROOM};
	struct err e = {.text = ""};
	uint64_t n;

	if (voltar_read(fd, top, &room, &e) < 0) {
		if (!e.text[0])
			abort();
	} else if (geteuid() == 0 && voltar_write(top, -1, &n, &e) < 0) {
		abort();
	}
}

/* All that there is beside the directory is a file, as it was. */
static void check(int dir)
{
	DIR *d = opendir_at(dir, ".");
	struct stat st;
	int n = 0;

	while (d && readdir(d))
		n++;
	if (n != 4 || fstatat(dir, "beside", &st, 0) < 0 || st.st_size != 1 || st.st_nlink != 1 ||
	        st.st_mode != (S_IFREG | 0600))
		abort();
	closedir(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/fcvm-fuzz.XXXXXX";
	int fd = memfd_create("stream", MFD_CLOEXEC), dir, top = -1;

	if (!mkdtemp(path))
		abort();
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0 && mkdirat(dir, "top", 0700) == 0)
		top = openat(dir, "top", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top < 0 || write_file_at(dir, "beside", "x", 1, 0600) < 0 || fd < 0 ||
	        write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	unpack(fd, top);
	check(dir);
	close(top);
	close(dir);
	close(fd);
	remove_tree_at(AT_FDCWD, path);
	return 0;
}
