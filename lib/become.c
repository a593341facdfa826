/* SPDX-License-Identifier: MIT */
#include "become.h"
#include "cleanup.h"
#include "json.h"
#include "status.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int become_tell(const json_t *doc, const char *file, bool print, struct err *e)
{
	const char *dir = getenv("FCVM_RUN_DIR");
	auto_fd int fd = -1;
	int r;

	if (print) {
		json_print(doc);
		if (fflush(stdout) != 0)
			return err_sys(e, "cannot write to stdout");
	}
	if (!dir || !*dir)
		return 0;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : json_put_at(fd, file, doc, 0600);
	errno = -r;
	return r < 0 ? err_sys(e, "cannot write %s/%s", dir, file) : 0;
}

int become(char *const *argv, struct err *e)
{
	int missing;

	execvp(argv[0], argv);
	missing = errno == ENOENT;
	err_sys(e, "cannot run %s", argv[0]);
	e->status = missing ? FCVM_EX_NOENT : FCVM_EX_NOEXEC;
	return -1;
}

int become_status(int status)
{
	return status == FCVM_EX_NOENT || status == FCVM_EX_NOEXEC ? status : FCVM_EX_FAIL;
}
