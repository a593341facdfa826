/* SPDX-License-Identifier: MIT
 * The store of snapshots in the data directory: running machines that were saved. One directory a
 * snapshot, named by its tag, with all that a clone needs: the machine's state, memory and disks,
 * and its plan (which may hold secrets: all is 0600). It appears complete or not at all, also in
 * the place of another of its tag; what is no longer as it was written is refused. */
#ifndef FCVM_SNAPSHOTS_H
#define FCVM_SNAPSHOTS_H

#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SNAPSHOT_PLAN   "plan.json"
#define SNAPSHOT_FORMAT 4
#define SNAPSHOT_DISK   "disk" /* "kind" of one without memory; the others are "memory" */
#define SNAPSHOT_ID     33     /* bytes of an id: 32 hexadecimal digits, random */

struct snapshots {
	char *path;
	int dir;
};

/* Makes the folder if need be. 0, or -1 with e filled; ends with snapshots_close(). */
int snapshots_open(struct snapshots *s, const char *data_dir, struct err *e);
void snapshots_close(struct snapshots *s);

struct snapshot_files {
	int state;   /* of the devices; -1 where only the disk was saved */
	int memory;  /* the guest's; likewise */
	int scratch; /* its disk: to be copied */
	int volumes; /* the sessions of its volumes' servers, in the machine's order; empty without;
	              * -1 likewise */
	int root;    /* the image's root file system; in the making: borrowed */
};
#define SNAPSHOT_FILES 5
#define SNAPSHOT_FILES_NONE        \
	{                          \
		-1, -1, -1, -1, -1 \
	}
void snapshot_files_close(struct snapshot_files *f);

/* One that was opened: its files and documents stay what they are, whatever becomes of the tag. */
struct snapshot {
	struct snapshot_files files; /* memory read-write, the others read-only */
	json_t *meta, *plan;
	int dir; /* with copies of volumes (saved_volume()) */
};
/* 0; or -1 with e filled: FCVM_EX_NOTFOUND there is none of this tag, FCVM_EX_DATA it is damaged,
 * and what of it. Ends with snapshot_close(). */
int snapshots_find(
        const struct snapshots *s, const char *tag, struct snapshot *found, struct err *e);
void snapshot_close(struct snapshot *found);

/* Whether only the disk was saved, by the description. */
bool snapshot_is_disk(const json_t *meta);
/* Whether there is one of this tag, damaged or not; and the message of who is refused for that. */
bool snapshots_has(const struct snapshots *s, const char *tag);
int snapshots_taken(const char *tag, struct err *e); /* -1 */

/* As snapshots_find(); and until the descriptor that is returned is closed, or the process ends,
 * the snapshot can be neither removed nor replaced. */
int snapshots_hold(
        const struct snapshots *s, const char *tag, struct snapshot *found, struct err *e);

/* 0 if nobody does; else -1 with e filled (FCVM_EX_BUSY), which says who. */
int snapshots_check_free(const struct snapshots *s, const char *tag, struct err *e);
/* Its process; 0: nobody's; -1: one of another pid namespace. */
pid_t snapshots_holder(const struct snapshots *s, const char *tag);

/* One in the making, under a name that nobody looks for and that is removed once its maker is dead;
 * its files are open for writing. */
struct snapshot_new {
	char name[32];
	int dir;
	struct snapshot_files files;
	bool no_replace; /* another of its tag is not to be replaced */
};
int snapshots_begin(const struct snapshots *s, struct snapshot_new *n, struct err *e);
/* It gets neither state nor memory nor sessions. */
void snapshots_disk_only(struct snapshot_new *n);
/* Syncs it and puts it in the place of one that may be there: at any time the old one or the new
 * one is found. FCVM_EX_BUSY: that one is held, or not to be replaced. meta (which gets "id" and
 * what the files are) and plan are borrowed. */
int snapshots_keep(const struct snapshots *s, struct snapshot_new *n, const char *tag, json_t *meta,
        const json_t *plan, struct err *e);
/* Gives it up, unless it was kept; ends it in any case. */
void snapshots_end(const struct snapshots *s, struct snapshot_new *n);

struct snapshot_entry {
	char *tag;
	uint64_t bytes; /* on disk, without the image */
	int64_t made;   /* CLOCK_REALTIME, seconds */
	json_t *meta;   /* NULL: damaged */
};
/* All of them, the newest first, in a malloc'd list of *n. */
int snapshots_list(
        const struct snapshots *s, struct snapshot_entry **list, size_t *n, struct err *e);
void snapshots_list_free(struct snapshot_entry *list, size_t n);

/* 1: removed; 0: there was none; -1 with e filled (FCVM_EX_BUSY: it is held). Machines that run
 * from it go on. */
int snapshots_remove(const struct snapshots *s, const char *tag, struct err *e);

/* Removes what killed processes left behind. */
int snapshots_sweep(const struct snapshots *s, struct err *e);

#endif
