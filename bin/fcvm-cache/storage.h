/* SPDX-License-Identifier: MIT
 * Looks names up in podman's own storage (containers-storage.conf(5)) by reading its images.json,
 * which takes a millisecond where skopeo takes many. */
#ifndef CACHE_STORAGE_H
#define CACHE_STORAGE_H

#include "imgref.h"

#include <stddef.h>

/* 1: found; id receives 64 hex digits, which are the image config's digest. 0: not there (or the
 * storage is not there, or not for us). -1: e filled. */
int storage_find(const struct imgref *r, char id[65], struct err *e);

/* For tests: looks in one images.json. */
int storage_find_in(const char *json, size_t n, const struct imgref *r, char id[65]);

#endif
