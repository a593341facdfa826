/* SPDX-License-Identifier: MIT
 * The cache on disk, below the data directory:
 *   images/<id>/{root.sqfs, config.json, meta.json, lock}   id: the config's sha256
 *   refs/<sha256 of source and platform>.json               which image a reference meant
 *   locks/cache                                              byte-range locks; never unlinked
 *   tmp/<random>/{lock, …}                                   work in progress; dead once unlocked
 * An image appears by rename(2) when it is whole. Whoever uses one holds images/<id>/lock shared.
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include "err.h"
#include "json.h"
#include "platform.h"
#include "strv.h"

#include <stdbool.h>
#include <stdint.h>

struct store {
	char *path;
	int dirfd, images, refs, locks, tmp;
};

/* Makes what is missing. 0, or -1 with e filled. */
int store_open(struct store *s, struct err *e);
void store_close(struct store *s);

/* images */
bool store_has(const struct store *s, const char *id); /* whole, by its meta.json */
char *store_image_path(const struct store *s, const char *id);
/* meta.json; NULL with e filled. The caller frees. */
json_t *store_meta(const struct store *s, const char *id, struct err *e);
int store_image_ids(const struct store *s, struct strv *ids, struct err *e);
/* The only image whose id starts with the 12 or more digits in text: 1 and id; 0 none; -1 several.
 */
int store_find_id(const struct store *s, const char *text, char id[65], struct err *e);
/* Removes the image and the references to it; with `unwanted`, only if there is none. 1: it is gone
 * (or was not there), 0: kept, -1 with e filled: FCVM_EX_BUSY when somebody uses it. */
int store_image_remove(struct store *s, const char *id, bool unwanted, struct err *e);

/* references */
struct store_ref {
	json_t *doc; /* owns the strings */
	const char *source, *platform, *image, *manifest, *identity;
};
void store_ref_key(const char *canonical, const struct platform *p, char key[65]);
/* 1 and *r; 0: none, or not readable as one. */
int store_ref_load(const struct store *s, const char *key, struct store_ref *r);
void store_ref_free(struct store_ref *r);
int store_ref_save(
        const struct store *s, const char *key, const struct store_ref *r, struct err *e);
int store_ref_keys(const struct store *s, struct strv *keys, struct err *e);
/* How many references mean the image; with `drop` they go. -1 with e filled. */
int store_refs_to(const struct store *s, const char *id, bool drop, struct err *e);
int store_ref_remove(const struct store *s, const char *key, struct err *e);

/* An exclusive lock of that name. The descriptor that holds it, or -1 with e filled (FCVM_EX_BUSY
 * if it is taken and wait is false). */
int store_lock(const struct store *s, const char *kind, const char *name, bool wait, struct err *e);

/* work in progress */
struct store_tmp {
	char name[64];
	char *path;
	int dirfd, lock;
};
int store_tmp_make(struct store *s, struct store_tmp *t, struct err *e);
void store_tmp_drop(struct store *s, struct store_tmp *t);
/* Removes what dead processes left; how many directories, or -1 with e filled. */
int store_sweep(struct store *s, struct err *e);
/* Makes t's "img" directory the image. */
int store_commit(struct store *s, struct store_tmp *t, const char *id, struct err *e);

#endif
