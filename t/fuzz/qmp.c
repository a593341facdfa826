/* SPDX-License-Identifier: MIT
 * What QEMU's monitor may say, which a guest that took it over would choose: any bytes, in any
 * pieces, give messages that are objects, or an end. */
#include "qmp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = {.text = ""};
	size_t piece = size ? data[0] + 1u : 1;
	struct qmp q;
	int r = 0;

	qmp_init(&q, -1, 0);
	while (size && r >= 0) {
		json_t *message = NULL;
		size_t space, n;
		char *at = qmp_space(&q, &space);

		if (!space)
			abort();
		n = piece < size ? piece : size;
		n = n < space ? n : space;
		memcpy(at, data, n);
		qmp_filled(&q, n);
		data += n;
		size -= n;
		while ((r = qmp_next(&q, &message, &e)) > 0) {
			if (!json_is_object(message))
				abort();
			json_decref(message);
		}
		if (r < 0 && !e.text[0])
			abort();
	}
	qmp_free(&q);
	return 0;
}
