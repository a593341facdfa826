/* SPDX-License-Identifier: MIT */
#include "netmode.h"
#include "opt.h"
#include "status.h"

#include <string.h>

const char *netmode(const char *word, struct err *e)
{
	static const char *const ours[] = {"rootless", "bridged", "routed", "none", NULL};
	static const char *const podmans[][2] = {{"bridge", "bridged"}, {"podman", "bridged"},
	        {"pasta", "rootless"}, {"slirp4netns", "rootless"}};
	const char *near;

	for (size_t i = 0; ours[i]; i++)
		if (!strcmp(word, ours[i]))
			return ours[i];
	for (size_t i = 0; i < sizeof podmans / sizeof *podmans; i++)
		if (!strcmp(word, podmans[i][0]))
			return podmans[i][1];
	near = opt_closest(word, ours);
	if (!strcmp(word, "host"))
		err_set(e, FCVM_EX_USAGE,
		        "--network host: a machine has a kernel of its own, and so cannot be in "
		        "this host's network: publish ports with -p");
	else if (near)
		err_set(e, FCVM_EX_USAGE, "--network %s: did you mean %s?", word, near);
	else
		err_set(e, FCVM_EX_USAGE,
		        "--network %s: it is rootless, bridged, routed or none; a network of "
		        "machines is --net-name %s",
		        word, word);
	return NULL;
}
