/* SPDX-License-Identifier: MIT */
#include "boot_net.h"
#include "cleanup.h"
#include "json.h"
#include "num.h"
#include "status.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

int net_take(int dir, struct net *net, struct err *e)
{
	const char *tap = getenv("FCVM_TAP_FD");
	uint64_t fd;

	*net = (struct net){.tap = -1};
	if (!tap)
		return 0;
	if (num_u64(tap, 3, INT_MAX, &fd) < 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_set(e, FCVM_EX_FAIL, "FCVM_TAP_FD is not a network of fcvm-net");
	net->tap = (int)fd;
	unsetenv("FCVM_TAP_FD");
	if (dir < 0)
		return 0;
	net->doc = json_load_at(dir, "net.json", e);
	return net->doc ? 0 : -1;
}

void net_free(struct net *net)
{
	if (net->tap >= 0)
		close(net->tap);
	json_decref(net->doc);
	*net = (struct net){.tap = -1};
}

void net_leave(void)
{
	struct err e;
	struct net net;

	net_take(-1, &net, &e);
	net_free(&net);
}

/* What the user said of the look-up of names wins; hosts add up. */
static void merge(json_t *network, const json_t *doc)
{
	json_t *hosts = json_object_get(network, "hosts");

	json_array_extend(hosts, json_object_get(doc, "hosts"));
	if (!json_array_size(json_object_get(network, "search")))
		json_object_set(network, "search", json_object_get(doc, "search"));
	json_object_set(network, "dns", json_object_get(doc, "dns"));
	json_object_set(network, "mtu", json_object_get(doc, "mtu"));
}

json_t *net_complete(const json_t *plan, const struct net *net)
{
	json_t *all = json_copy((json_t *)plan);
	json_t *network = json_deep_copy(json_object_get(plan, "network"));

	if (!network)
		network = json_pack("{s:[], s:[], s:[]}", "hosts", "search", "options");
	json_object_set_new(network, "interface", json_boolean(net->tap >= 0));
	if (net->doc)
		merge(network, net->doc);
	json_object_set_new(all, "network", network);
	return all;
}
