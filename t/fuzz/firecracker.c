/* SPDX-License-Identifier: MIT
 * What comes on Firecracker's API socket. An answer lies inside of what came, is the same when more
 * comes behind it, and its reason is one line. */
#include "firecracker_http.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct fc_answer a, again;
	char why[100];

	if (fc_answer_parse(text, size, &a) != 1)
		return 0;
	if (a.size > size || a.body < text || a.body + a.body_size != text + a.size ||
	        a.status < 200 || a.status > 599)
		abort();
	if (fc_answer_parse(text, a.size, &again) != 1 || again.size != a.size ||
	        (a.size && fc_answer_parse(text, a.size - 1, &again) == 1))
		abort();
	fc_answer_reason(&a, why, sizeof why);
	if (!*why || strlen(why) >= sizeof why || strpbrk(why, "\r\n"))
		abort();
	return 0;
}
