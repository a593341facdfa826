/* SPDX-License-Identifier: MIT
 * keeplock FILE: waits for flock(2) on FILE, then appends the machine's name ten times a second. A
 * write that fails is a line in FILE.failed: the name and errno. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
	char path[4096], line[100];
	struct utsname u;

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return 1;
	snprintf(path, sizeof path, "%s.failed", argv[1]);
	for (;; usleep(100000)) {
		uname(&u);
		snprintf(line, sizeof line, "%.60s\n", u.nodename);
		if (write(fd, line, strlen(line)) < 0) {
			FILE *f;

			snprintf(line, sizeof line, "%.60s %d\n", u.nodename, errno);
			f = fopen(path, "a");
			if (f && fputs(line, f) >= 0)
				fclose(f);
		}
	}
}
