/* SPDX-License-Identifier: MIT */
#include "dirs.h"
#include "strv.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

static char *absolute(const char *path)
{
	char cwd[PATH_MAX];

	if (*path == '/' || !getcwd(cwd, sizeof cwd))
		return xstrdup(path);
	return xasprintf("%s/%s", cwd, path);
}

char *dirs_data(void)
{
	if (env("FCVM_DATA_DIR"))
		return absolute(env("FCVM_DATA_DIR"));
	if (geteuid() == 0)
		return xstrdup("/var/lib/fcvm");
	if (env("XDG_DATA_HOME"))
		return xasprintf("%s/fcvm", env("XDG_DATA_HOME"));
	return xasprintf("%s/.local/share/fcvm", env("HOME") ? env("HOME") : "/tmp");
}

char *dirs_run(void)
{
	if (env("FCVM_RUN_BASE"))
		return absolute(env("FCVM_RUN_BASE"));
	if (geteuid() == 0)
		return xstrdup("/run/fcvm");
	if (env("XDG_RUNTIME_DIR"))
		return xasprintf("%s/fcvm", env("XDG_RUNTIME_DIR"));
	return xasprintf("/tmp/fcvm-%u/fcvm", (unsigned)geteuid());
}

static char *beside_bin(const char *what)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *slash;

	if (n <= 0)
		return xasprintf("/usr/local/%s/fcvm", what);
	exe[n] = 0;
	slash = strrchr(exe, '/');
	*slash = 0;
	slash = strrchr(exe, '/');
	if (slash)
		*slash = 0;
	return xasprintf("%s/%s/fcvm", exe, what);
}

char *dirs_share(void)
{
	return beside_bin("share");
}

char *dirs_libexec(void)
{
	return beside_bin("libexec");
}

char *dirs_program(const char *name)
{
	char *stem = beside_bin("bin"), *path = xasprintf("%s-%s", stem, name);

	free(stem);
	return path;
}
