/* SPDX-License-Identifier: MIT
 * The volumes of a snapshot that is an archive: those of the machine's own (anonymous ones), which
 * are as much of it as its disk. The archive has the member "volumes" then, and for each of them
 * that can be written a member with its files (voltar.h). */
#ifndef FCVM_SNAPSHOT_PACK_VOLUMES_H
#define FCVM_SNAPSHOT_PACK_VOLUMES_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many a snapshot has, by its description. */
size_t pack_volumes_count(const json_t *meta);
/* The name of the member with the files of volume i. False: it has none. */
bool pack_volume_member(const json_t *meta, size_t i, char name[32]);

/* Whether all can be in an archive. 0, or -1 with e filled: FCVM_EX_FAIL, and which one cannot be.
 */
int pack_volumes_own(const json_t *meta, struct err *e);
/* The description without what their places on this host were. A new reference. */
json_t *pack_volumes_meta(const json_t *meta);

/* Whether the description in an archive, which is not to be trusted, is one that
 * pack_volumes_meta() makes. *sessions: the bytes of the member "volumes". 0, or -1 with e filled.
 */
int pack_volumes_check(const json_t *meta, uint64_t *sessions, struct err *e);

#endif
