/* SPDX-License-Identifier: MIT
 * A saved session of a volume's server, in whose place anything may be: loading it reads nothing
 * beyond it, and a file beside the share stays as it is. The first byte chooses how it is served.
 */
#include "fuzzshare.h"

#include <fcvm-vol/vs_save.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(struct vs *s, const uint8_t *data, size_t size, bool copied)
{
	/* An exact allocation lets the sanitizer see a read past the end. */
	char *exact = malloc(size + !size);
	struct vs_loss loss;

	if (!exact)
		abort();
	memcpy(exact, data, size);
	if (vs_load(s, exact, size, copied, &loss) == 0) {
		atomic_store(&s->ended, true); /* nobody reads what it says */
		vs_close_session(s);
	}
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct share sh;

	share_begin(
	        &sh, size && data[0] & 2 ? VS_CACHE_ALWAYS : VS_CACHE_AUTO, size && data[0] & 1);
	if (size)
		load(&sh.s, data + 1, size - 1, data[0] & 4);
	share_end(&sh);
	return 0;
}
