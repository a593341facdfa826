/* SPDX-License-Identifier: MIT */
#include "vms_opt.h"

#include <string.h>

int vms_opt_parse(const struct opt_spec *spec, int argc, char **argv, void *target,
        struct vms_selector *who, struct err *e)
{
	int at = 0, n = 0;

	for (;;) {
		int i = opt_parse(spec, argc - at, argv + at, target, e);

		if (i < 0)
			return -1;
		at += i;
		if (at >= argc || !strcmp(argv[at - 1], "--"))
			break;
		argv[1 + n++] = argv[at];
	}
	while (at < argc)
		argv[1 + n++] = argv[at++];
	who->words = argv + 1;
	who->n_words = (size_t)n;
	return 0;
}
