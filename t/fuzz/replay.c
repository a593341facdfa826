/* SPDX-License-Identifier: MIT
 * Feeds stored cases to a fuzz target without a fuzzing compiler, so that a find once made stays
 * tested: every file of the given directories, or the given files. TAP on stdout. */
#include "tap.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *grow(uint8_t *old, size_t n)
{
	uint8_t *data = realloc(old, n);

	if (!data)
		abort();
	return data;
}

static void replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t n = 0, got;

	if (!f) {
		ok(false, "cannot open %s", path);
		return;
	}
	do {
		data = grow(data, n + 65536);
		got = fread(data + n, 1, 65536, f);
		n += got;
	} while (got > 0);
	fclose(f);
	/* An exact allocation lets the sanitizer see a read past the end; an empty input has none.
	 */
	data = grow(data, n ? n : 1);
	diag("%s (%zu bytes)", path, n);
	ok(LLVMFuzzerTestOneInput(data, n) == 0, "stored case %s", path);
	free(data);
}

static void replay_dir(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);

	ok(n > 2, "%s holds stored cases", dir);
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof path, "%s/%s", dir, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			replay_file(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int main(int argc, char **argv)
{
	struct stat st;

	for (int i = 1; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			replay_dir(argv[i]);
		else
			replay_file(argv[i]);
	}
	return done();
}
