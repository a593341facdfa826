/* SPDX-License-Identifier: MIT
 * Files that appear when they are complete, in the place of another only if that is wanted. */
#include "fcvm-snapshot/outfile.h"
#include "tap.h"
#include "tmpdir.h"

#include <string.h>

static void outfiles(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	char path[100];
	struct outfile f;
	struct err e;

	snprintf(path, sizeof path, "%s/file", d.path);
	is_int(outfile_open(&f, path, false, &e), 0, "a file is begun");
	is_int(tmpdir_count(&d), 0, "and not to be seen");
	is_int(outfile_keep(&f, &e), 0, "it is kept");
	outfile_end(&f);
	is_int(tmpdir_count(&d), 1, "and seen");
	is_int(outfile_open(&f, path, false, &e), -1, "it is not replaced");
	ok(strstr(e.text, "is there already: --force replaces it") != NULL, "unless asked for");
	outfile_end(&f);
	is_int(outfile_open(&f, path, true, &e), 0, "with --force");
	is_int(write(f.fd, "new", 3), 3, "there is");
	is_int(outfile_keep(&f, &e), 0, "a new one");
	outfile_end(&f);
	is_int(tmpdir_count(&d), 1, "and nothing else");
	/* One that appears meanwhile stays. */
	unlink(path);
	is_int(outfile_open(&f, path, false, &e), 0, "another is begun");
	close(open(path, O_CREAT | O_WRONLY, 0600));
	is_int(outfile_keep(&f, &e), -1, "and not put over one that came meanwhile");
	outfile_end(&f);
	snprintf(path, sizeof path, "%s/.file.fcvm-0123456789abcdef", d.path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	snprintf(path, sizeof path, "%s/file", d.path);
	outfile_open(&f, path, true, &e);
	outfile_end(&f);
	is_int(tmpdir_count(&d), 1, "what a killed one left is removed");
}

int main(void)
{
	outfiles();
	return done();
}
