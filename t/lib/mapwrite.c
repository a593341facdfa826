/* SPDX-License-Identifier: MIT
 * Writes into a file through a shared mapping, and ends without syncing anything. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0644) : -1;
	char *p;

	if (fd < 0 || ftruncate(fd, 65536) < 0)
		return 1;
	p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return 1;
	strcpy(p + 40000, "through a mapping");
	return 0;
}
