/* SPDX-License-Identifier: MIT
 * The guest's network interface. Its addresses are those of every guest, so a machine that is
 * restored elsewhere needs none of this again. */
#include "interface.h"
#include "guest_net.h"
#include "rtnl.h"
#include "xio.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <net/if.h>

#define INTERFACE "eth0"
#define MTU       1500 /* unless the plan has another */
#define MTU_MIN   1280
#define MTU_MAX   65535

static int address(
        struct rtnl *r, int index, int family, const char *own, int prefix, const char *gateway)
{
	struct in6_addr a, via; /* the larger of the two */
	int e;

	if (inet_pton(family, own, &a) != 1 || inet_pton(family, gateway, &via) != 1)
		return -EINVAL;
	e = rtnl_address(r, index, family, &a, prefix);
	return e < 0 ? e : rtnl_default_route(r, index, family, &via);
}

bool interface_exists(void)
{
	return if_nametoindex(INTERFACE) > 0;
}

int interface_prepare(struct err *e)
{
	struct rtnl r = RTNL_NONE;
	int index, n = rtnl_open(&r, 0);

	index = n < 0 ? n : rtnl_index(&r, INTERFACE);
	if (index == -ENODEV) {
		rtnl_close(&r);
		return 0;
	}
	/* As other container engines have it: ping needs no rights. */
	write_existing("/proc/sys/net/ipv4/ping_group_range", "0 2147483647");
	n = index < 0 ? index : rtnl_up(&r, index, 0, NULL);
	if (n == 0)
		n = address(&r, index, AF_INET, GUEST_IP4, GUEST_PREFIX4, GUEST_GATEWAY4);
	if (n == 0)
		n = address(&r, index, AF_INET6, GUEST_IP6, GUEST_PREFIX6, GUEST_GATEWAY6);
	rtnl_close(&r);
	errno = -n;
	return n < 0 ? err_sys(e, "cannot set up the network") : 0;
}

int interface_apply(const void *plan_json, unsigned *last, struct err *e)
{
	const json_t *network = json_object_get(plan_json, "network");
	json_int_t mtu = json_integer_value(json_object_get(network, "mtu"));
	struct rtnl r = RTNL_NONE;
	int index, n;

	if (mtu < MTU_MIN || mtu > MTU_MAX)
		mtu = MTU;
	if ((unsigned)mtu == (*last ? *last : MTU))
		return 0;
	n = rtnl_open(&r, 0);
	index = n < 0 ? n : rtnl_index(&r, INTERFACE);
	n = index < 0 ? index : rtnl_up(&r, index, (unsigned)mtu, NULL);
	rtnl_close(&r);
	if (n == 0)
		*last = (unsigned)mtu;
	errno = -n;
	return n < 0 && n != -ENODEV ? err_sys(e, "cannot set the network's MTU") : 0;
}
