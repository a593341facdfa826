/* SPDX-License-Identifier: MIT
 * Whose files are whose. As root, ids are the same on both sides. An ordinary user's server has a
 * user namespace: the container's root is the caller, its other ids are the caller's subordinate
 * ones, and what is neither looks like nobody's and cannot be given. */
#include "vol_server.h"

#include <unistd.h>

bool ids_needed(const struct vol_spec *v)
{
	return v->explicit_maps || geteuid() != 0;
}

int ids_map(const struct vol_spec *v, pid_t pid, struct err *e)
{
	struct idmap own;

	if (!v->explicit_maps) {
		idmap_own(&own);
		return idmap_write_own(&own, pid, e);
	}
	if (idmap_write(&v->maps, pid, e) == 0)
		return 0;
	return geteuid() == 0
	               ? err_prefix(e, "idmap=")
	               : err_prefix(e, "idmap=: these ids are not yours to map (see /etc/subuid)");
}
