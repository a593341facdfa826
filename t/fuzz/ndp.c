/* SPDX-License-Identifier: MIT
 * What neighbours on the host's link send to a routed machine's helper. */
#include "ndp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ndp n = {
	        .mac = {2, 0, 0, 0, 0, 9}, .address.s6_addr = {0x20, 1, 0xd, 0xb8, [15] = 5}};
	uint8_t out[NDP_ADVERT];
	bool everybody;

	/* An answer is about the address, and to whoever asked or to all nodes. */
	if (ndp_answer(&n, data, size, out, &everybody) &&
	        (memcmp(out + 48, &n.address, 16) != 0 ||
	                (!everybody && memcmp(out + 24, data + 8, 16) != 0)))
		abort();
	return 0;
}
