/* SPDX-License-Identifier: MIT
 * fcvm-stress: each thread makes files as its random numbers say, in a directory of its own and
 * under names of its own in one that all share, and keeps in memory what must be there. Whatever
 * differs ends the run with the thread's last operations. */
#ifndef FCVM_STRESS_MODEL_H
#define FCVM_STRESS_MODEL_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ENTRIES = 96, HISTORY = 24, MAX_SIZE = 256 << 10, OWN = -1, SHARED = -2, MAX_DEPTH = 5 };

enum kind { FILE_NODE = 1, DIR_NODE = 2, LINK_NODE = 4 };

/* A file has as many entries as links. */
struct node {
	enum kind kind;
	unsigned links;
	mode_t mode;
	unsigned char *data; /* MAX_SIZE bytes, for a file */
	size_t size;
	char target[64];
	unsigned char xattr[64];
	size_t xattr_size; /* 0: none */
};

struct entry {
	struct node *node; /* NULL: free */
	int parent;        /* an entry that is a directory, OWN or SHARED */
	char name[48];
};

struct run {
	const char *dir;
	uint64_t seed, ops, seconds;
	atomic_bool failed;
	pthread_mutex_t print;
};

struct worker {
	struct run *run;
	unsigned id;
	uint64_t random, done;
	unsigned names;
	char history[HISTORY][192];
	struct entry entries[ENTRIES];
};

/* From 0 to n - 1 */
unsigned pick(struct worker *w, unsigned n);

/* An entry of one of these kinds, or -1 */
int pick_entry(struct worker *w, unsigned kinds);
/* A directory for something new, or to move something into */
int pick_parent(struct worker *w);
/* A free entry with a new name in that directory, or -1 */
int new_entry(struct worker *w, int parent);
struct node *new_node(enum kind kind, mode_t mode);
/* The entry goes, and its node with its last one. */
void drop_entry(struct worker *w, int i);
bool is_below(const struct worker *w, int i, int ancestor);
bool has_children(const struct worker *w, int i);
int depth_below(const struct worker *w, int i);
int depth_of(const struct worker *w, int parent);
/* Every path below `root`, which is the run's directory seen in any way */
void entry_path(const struct worker *w, const char *root, int i, char path[PATH_MAX]);
void parent_path(const struct worker *w, const char *root, int parent, char path[PATH_MAX]);

/* What is done next, for the report. */
void note(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Reports and ends the run: false, always. */
bool fail(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Whether a system call did what it must; its errno is reported. */
bool did(struct worker *w, long result);

/* One random operation; false after a report. */
bool operate(struct worker *w);
/* All of one thread's things below root are as the model says. */
bool verify(struct worker *w, const char *root);
bool verify_file(struct worker *w, const char *root, int i);
bool verify_dir(struct worker *w, const char *root, int parent);

#endif
