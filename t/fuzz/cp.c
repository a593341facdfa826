/* SPDX-License-Identifier: MIT
 * An archive from a VM: whatever it is, nothing appears or changes outside of the destination. */
#include "cleanup.h"
#include "cp_flow.h"
#include "tmpdir.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void extract(int archive, struct flow f)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_free char *victim = NULL;
	auto_fd int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), to = -1;
	struct err e;
	size_t n;

	write_file_at(d.fd, "victim", "good", 4, 0600);
	mkdirat(d.fd, "in", 0700);
	if (symlinkat("..", d.fd, "in/up") < 0)
		abort();
	to = openat(d.fd, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lseek(archive, 0, SEEK_SET);
	f.from = FLOW_VM;
	f.from_fd = archive;
	f.to_fd = to;
	flow_run(&f, &e);
	if (fchdir(here) < 0 || tmpdir_count(&d) != 2 ||
	        read_file_at(d.fd, "victim", 100, &victim, &n) < 0 || n != 4 ||
	        memcmp(victim, "good", 4) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_fd int archive = memfd_create("archive", MFD_CLOEXEC);
	const struct rlimit small = {1 << 20, 1 << 20};

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	if (archive < 0 || write_full(archive, data, size) < 0)
		return 0;
	extract(archive, (struct flow){.overwrite = true});
	extract(archive, (struct flow){.name = "top"});
	extract(archive, (struct flow){.name = "x", .file = "y"});
	return 0;
}
