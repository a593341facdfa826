/* SPDX-License-Identifier: MIT */
#include "dirs.h"
#include "cleanup.h"
#include "strv.h"
#include "tap.h"

static void is_path(char *got, const char *want, const char *what)
{
	is_str(got, want, "%s", what);
	free(got);
}

static void clear(void)
{
	unsetenv("FCVM_DATA_DIR");
	unsetenv("FCVM_RUN_BASE");
	unsetenv("XDG_DATA_HOME");
	unsetenv("XDG_RUNTIME_DIR");
	setenv("HOME", "/home/u", 1);
}

static void chosen(void)
{
	auto_free char *cwd = getcwd(NULL, 0), *there = xasprintf("%s/rel", cwd);

	setenv("FCVM_DATA_DIR", "/d/data", 1);
	setenv("FCVM_RUN_BASE", "/d/run", 1);
	is_path(dirs_data(), "/d/data", "FCVM_DATA_DIR decides");
	is_path(dirs_run(), "/d/run", "FCVM_RUN_BASE decides");
	setenv("FCVM_DATA_DIR", "rel", 1);
	is_path(dirs_data(), there, "a relative path is made absolute");
	clear();
}

static void of_root(void)
{
	setenv("XDG_DATA_HOME", "/x", 1);
	setenv("XDG_RUNTIME_DIR", "/x", 1);
	setenv("FCVM_DATA_DIR", "", 1);
	is_path(dirs_data(), "/var/lib/fcvm", "root's data, whatever XDG says");
	is_path(dirs_run(), "/run/fcvm", "root's run directory");
	clear();
}

static void of_a_user(void)
{
	auto_free char *run = xasprintf("/tmp/fcvm-%u/fcvm", (unsigned)geteuid());

	is_path(dirs_data(), "/home/u/.local/share/fcvm", "a user's data without XDG");
	is_path(dirs_run(), run, "a user's run directory without XDG");
	setenv("XDG_DATA_HOME", "/x/data", 1);
	setenv("XDG_RUNTIME_DIR", "/x/run", 1);
	is_path(dirs_data(), "/x/data/fcvm", "a user's data with XDG");
	is_path(dirs_run(), "/x/run/fcvm", "a user's run directory with XDG");
	clear();
}

static void beside_the_program(void)
{
	auto_free char *share = dirs_share(), *libexec = dirs_libexec();
	size_t n = strlen(share), m = strlen(libexec);

	ok(share[0] == '/' && n > 11 && !strcmp(share + n - 11, "/share/fcvm"), "share: %s", share);
	ok(m > 13 && !strcmp(libexec + m - 13, "/libexec/fcvm"), "libexec: %s", libexec);
	ok(!strstr(share, "/unit/") && !strstr(share, "/bin/"), "beside the folder, not in it");
}

int main(void)
{
	clear();
	chosen();
	if (geteuid() == 0) {
		of_root();
		if (seteuid(65534) < 0)
			return 1;
		of_a_user();
		if (seteuid(0) < 0)
			return 1;
	} else {
		of_a_user();
	}
	beside_the_program();
	return done();
}
