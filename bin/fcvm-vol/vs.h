/* SPDX-License-Identifier: MIT
 * The server of one volume: what its files share. It speaks the kernel's FUSE protocol itself,
 * because its peer is a guest: every length is checked before use, node ids and handles are looked
 * up and never trusted. Functions that answer a request return the size of the answer's body, which
 * they put in r->body, or -errno. */
#ifndef FCVM_VS_H
#define FCVM_VS_H

#include "vol_spec.h"

#include <limits.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define VS_DATA_MAX (1U << 20)                  /* of one READ or WRITE */
#define VS_MSG_MAX  (VS_DATA_MAX + (64U << 10)) /* a whole message */
#define VS_NAME_MAX 255
#define VS_NO_REPLY INT_MIN
#define VS_END      (INT_MIN + 1) /* the peer breaks the protocol: the session ends */

struct vs;

/* --- vs_nodes.c: what the guest knows of the tree -------------------------------------------- */

/* What the guest was last told, or may take for granted after a change of its own. */
struct vs_stamp {
	struct timespec mtime, ctime;
	off_t size;
};

struct vs_node {
	uint64_t id, generation;
	uint64_t lookups; /* the guest's references */
	uint32_t pins;    /* ours, while a request or a lock uses it */
	int fd;           /* O_PATH, or -1: closed to save descriptors */
	bool used;        /* since the hand passed by */
	mode_t type;      /* S_IFMT bits */
	dev_t dev;
	ino_t ino;
	struct vs_node *next; /* in its hash bucket */
	uint64_t parent;      /* where it can be found again */
	char *name;
	uint64_t told; /* when the guest was told of that place */
	struct vs_stamp stamp;
	int64_t own_ms; /* when the guest last changed it */
	int watch;      /* inotify's number, -1: none */
	struct vs_node *watch_next;
	atomic_bool lost;             /* the guest was told once that its name leads elsewhere */
	bool covered;                 /* the guest was told that it may keep the attributes */
	atomic_uint writing;          /* requests that change it just now */
	atomic_uint_fast64_t events;  /* changes by others, seen on it or in it */
	atomic_uint_fast64_t changes; /* of names in a directory, by the guest */
	uint32_t lists;               /* handles that add to the list of it that the guest keeps */
	uint64_t lists_at;            /* the count of all changes when the first of these began */
	struct vs_lock_owner *owners;
};

struct vs_nodes {
	pthread_mutex_t lock;
	struct vs_node **slots; /* by id; NULL: free */
	uint32_t n_slots, free_hint, live;
	struct vs_node **buckets;
	uint32_t n_buckets;
	uint32_t open, open_max; /* descriptors held by nodes */
	uint32_t hand, peak;
	uint64_t generation;
	dev_t dev;                                  /* of the root */
	void (*gone)(struct vs_node *n, void *ctx); /* is about to be freed; under the lock */
	void *ctx;
};

int vs_nodes_init(struct vs_nodes *t, int root_fd, uint32_t open_max); /* 0 or -errno */
void vs_nodes_free(struct vs_nodes *t);
/* The node of that id, pinned, or NULL. */
struct vs_node *vs_node_get(struct vs_nodes *t, uint64_t id);
void vs_node_put(struct vs_nodes *t, struct vs_node *n);
/* A descriptor (O_PATH) that stays open while the node is pinned, or -errno. */
int vs_node_fd(struct vs_nodes *t, struct vs_node *n);
/* The node of an open O_PATH descriptor, which it takes over, pinned; looked up by the guest
 * `lookups` times more. NULL: no memory. */
struct vs_node *vs_node_of(struct vs_nodes *t, int fd, const struct stat *st, uint64_t parent,
        const char *name, uint64_t lookups);
/* Notes where the guest sees the node now, and since when. */
void vs_node_place(
        struct vs_nodes *t, struct vs_node *n, uint64_t parent, const char *name, uint64_t told);
/* Takes a node in that is found by device and inode from now on; false: there is one of these. */
bool vs_node_join(struct vs_nodes *t, struct vs_node *n);
/* The node of a file if the guest knows it, pinned. */
struct vs_node *vs_node_find(struct vs_nodes *t, dev_t dev, ino_t ino);
/* false: the guest forgets more than it looked up. */
bool vs_node_forget(struct vs_nodes *t, uint64_t id, uint64_t n);
/* After EMFILE: closes some. Returns false if there was nothing to close. */
bool vs_nodes_shrink(struct vs_nodes *t);

/* vs_slots.c, under the lock: a free number, 0 without memory; a larger table; one no larger than
 * it must be. */
uint32_t vs_slot_free(struct vs_nodes *t);
bool vs_slots_more(struct vs_nodes *t);
bool vs_slots_fewer(struct vs_nodes *t); /* false: it is none smaller */

/* --- vs_handles.c: open files and directories ------------------------------------------------ */

struct vs_handle {
	uint64_t id;
	uint64_t node;
	uint32_t pins;
	bool closing;
	bool dir;
	int fd;
	int flags;            /* of open(2) */
	int error;            /* not 0: all that is done with it fails so */
	bool flocked;         /* flock(2) was called on it */
	bool keeps, listing;  /* of a directory: the guest keeps its list; counts in node->lists */
	int plain;            /* the same file without O_APPEND, for pages written back; -1 */
	pthread_mutex_t lock; /* of what follows */
	char *entries;        /* of a directory: what getdents64(2) gave */
	uint32_t at, filled;
	off_t next; /* the offset that `at` stands for */
};

struct vs_handles {
	pthread_mutex_t lock;
	struct vs_handle **slots;
	uint32_t n_slots, live;
	uint32_t *free_list; /* numbers of free slots */
	uint32_t n_free;
	uint32_t count; /* ever made: the upper half of an id */
};

void vs_handles_init(struct vs_handles *t);
void vs_handles_free(struct vs_handles *t);
/* Takes fd over. 0 or -errno (then fd is closed). */
int vs_handle_new(struct vs_handles *t, uint64_t node, int fd, int flags, bool dir, uint64_t *id);
/* Pinned, of that node and kind, or NULL: then vs_handle_error() says with what to answer. */
struct vs_handle *vs_handle_get(struct vs_handles *t, uint64_t id, uint64_t node, bool dir);
int vs_handle_error(struct vs_handles *t, uint64_t id);
void vs_handle_put(struct vs_handles *t, struct vs_handle *h);
/* Puts one into the place of its id, while nobody else uses the table: false if it cannot be there;
 * then, when all are in their places, counts what is free. */
bool vs_handle_restore(struct vs_handles *t, struct vs_handle *h);
void vs_handles_restored(struct vs_handles *t);
void vs_handle_destroy(struct vs_handle *h);
void vs_handle_close(struct vs_handles *t, uint64_t id, uint64_t node, bool dir);

/* --- vs_watch.c: changes by others ----------------------------------------------------------- */

struct vs_watch {
	int inotify; /* -1: nothing is watched */
	pthread_t thread;
	bool running;
	int stop; /* eventfd */
	pthread_mutex_t lock;
	struct vs_node **by_wd; /* buckets, by inotify's number; the nodes' lock guards them */
	uint32_t n_by_wd;
	struct vs_own *own; /* changes of the guest whose events are to come */
	uint64_t drains;
	struct vs_neg *neg; /* the last names that the guest was told do not exist */
	uint32_t neg_at;
	bool full; /* no watch left */
};

int vs_watch_init(struct vs *s);
void vs_watch_stop(struct vs *s);
/* Watches the node's own inode, for a directory what is in it as well. Whether it is watched. */
bool vs_watch_node(struct vs *s, struct vs_node *n, int fd);

/* The guest may have anything wrong: all that it knows is called back. */
void vs_doubt_all(struct vs *s);

/* The guest is about to change a name in that directory, with these events. */
struct vs_own {
	struct vs_own *next;
	uint64_t dir;
	uint32_t mask;
	uint64_t done; /* the drain in which it was done; 0: not yet */
	char name[VS_NAME_MAX + 1];
};
struct vs_own *vs_own_begin(
        struct vs *s, const struct vs_node *dir, const char *name, uint32_t mask);
/* ok false: it failed, so no event comes, and the guest may believe something wrong. */
void vs_own_end(struct vs *s, struct vs_node *dir, struct vs_own *o, bool ok);
/* Whether an event is one that was announced. */
bool vs_own_event(struct vs *s, uint64_t dir, const char *name, uint32_t mask);
/* The queue of events was read empty. */
void vs_own_drained(struct vs *s);
void vs_own_init(struct vs *s);
void vs_own_stop(struct vs *s);
/* The guest is told that there is no such name, and may remember it. */
void vs_told_missing(struct vs *s, uint64_t dir, const char *name);
void vs_forget_missing(struct vs *s);
/* Whether it was told so after `told`, a number of vs.told. */
bool vs_missing_since(struct vs *s, uint64_t dir, const char *name, uint64_t told);
/* Takes the name back from the guest unless it stands for what the guest was told, after `missing`.
 */
void vs_doubt(struct vs *s, struct vs_node *dir, const char *name, uint64_t missing);

/* --- vs_locks.c ------------------------------------------------------------------------------ */

struct vs_wait;

struct vs_locks {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct vs_wait *waits;
	uint32_t n_waits;
	uint32_t n_owners;
};

void vs_locks_init(struct vs *s);
void vs_locks_stop(struct vs *s); /* ends all that wait */
/* close(2) of a process: its POSIX locks on the file go. */
void vs_locks_drop(struct vs *s, struct vs_node *n, uint64_t owner);
/* Interrupts a wait. false: there is none of that number. */
bool vs_locks_interrupt(struct vs *s, uint64_t unique);

/* --- vs_rest.c: while the machine is saved --------------------------------------------------- */

struct vs_rest {
	atomic_uint active; /* messages being worked on */
	atomic_bool asked;  /* to come to rest, by the peer */
	bool resting;       /* nothing is sent; this and what follows under `out` */
	char *kept;         /* whole messages, to be sent afterwards */
	size_t n_kept, size;
	bool flooded; /* of notifications more than is kept: the guest may believe anything */
	pthread_mutex_t telling; /* from looking at what others have changed until it is told */
};

void vs_rest_init(struct vs *s);
void vs_rest_free(struct vs *s);
/* A word of the peer's between two messages (fuserelay.h), under `in`. false: there is no such. */
bool vs_rest_word(struct vs *s, const char *word);
/* One message is begun; is done. */
void vs_rest_begin(struct vs *s);
void vs_rest_end(struct vs *s);
/* Keeps a message until the session goes on. Under `out`. */
void vs_rest_keep(struct vs *s, const char *msg, size_t n);

/* --- vs.c: the session ----------------------------------------------------------------------- */

struct vs_req {
	struct vs *s;
	const struct fuse_in_header *h;
	const char *arg; /* the fixed part of the arguments; as large as the table says */
	const char *name, *name2;
	const char *data; /* what follows */
	size_t n_data;
	struct vs_node *node; /* pinned */
	char *body;           /* of the answer */
	/* When this moved since `seen`, the body may be old: the guest must not keep it. */
	atomic_uint_fast64_t *events;
	uint64_t seen;
	enum { VS_KEEP, VS_ENTRY, VS_ATTR, VS_ENTRIES } valid; /* where the body has timeouts */
};

struct vs {
	int root; /* O_PATH: the shared directory or file */
	bool file, readonly;
	enum vs_cache cache;
	struct vs_nodes nodes;
	struct vs_handles handles;
	struct vs_watch watch;
	struct vs_locks locks;
	struct vs_rest rest_state;
	bool loaded; /* the first session is open already (vs_load()) */
	int wire;
	pthread_mutex_t in, out; /* of the wire's directions */
	bool begun;              /* INIT was answered; under `in` */
	uint32_t flags;          /* as negotiated */
	char *rest;              /* received, not yet taken; under `in` */
	size_t n_rest;
	atomic_bool ended;
	atomic_uint_fast64_t told; /* counts what the guest is told of names */
	bool again;                /* it ended with the hello of the next; under `in` */
	uid_t uid;                 /* ours */
	gid_t gid;
	int threads;
};

/* Serves one session on the wire, from the hello to its end. Threads of it have the current
 * directory /proc/self/fd. root stays the caller's. 0, or -errno if it could not begin. */
int vs_serve(struct vs *s);
/* Sends an answer or a notification (unique 0): thread-safe. */
void vs_send(struct vs *s, uint64_t unique, int error, char *msg, size_t body);
/* The same; *sent becomes true at the moment at which it is sent or kept for later. */
void vs_send_once(struct vs *s, uint64_t unique, int error, char *msg, bool *sent);
/* A word of fuserelay.h. Under `out`. */
void vs_send_word(struct vs *s, const char *name);
/* Sends whole messages. Under `out`. */
void vs_put(struct vs *s, const char *msg, size_t n);
void vs_answer(struct vs_req *r, int result);
/* One message of n bytes in memory that is aligned to 8, and room for an answer of VS_MSG_MAX.
 * `release` is called once, as soon as the next message may be handled beside this one. false: the
 * session ends. */
bool vs_message(struct vs *s, const char *msg, size_t n, char *out, void (*release)(struct vs *s));
#define VS_FIRST 8192 /* read at once: most messages are smaller, and then one read is all */
/* One message into buf; what came beyond it is for the next thread. 0: the end. Under `in`. */
size_t vs_next_message(struct vs *s, char *buf);
/* Whether no other message is waiting. Under `in`. */
bool vs_alone(const struct vs *s);
int vs_open_session(struct vs *s); /* tables; 0 or -errno */
void vs_close_session(struct vs *s);

/* --- the requests ---------------------------------------------------------------------------- */

int vs_init(struct vs_req *r);
int vs_lookup(struct vs_req *r);
int vs_forget(struct vs_req *r);
int vs_batch_forget(struct vs_req *r);
int vs_getattr(struct vs_req *r);
int vs_setattr(struct vs_req *r);
int vs_readlink(struct vs_req *r);
int vs_symlink(struct vs_req *r);
int vs_mknod(struct vs_req *r);
int vs_mkdir(struct vs_req *r);
int vs_unlink(struct vs_req *r);
int vs_rmdir(struct vs_req *r);
int vs_rename(struct vs_req *r);
int vs_rename2(struct vs_req *r);
int vs_link(struct vs_req *r);
int vs_create(struct vs_req *r);
int vs_open(struct vs_req *r);
int vs_read(struct vs_req *r);
int vs_write(struct vs_req *r);
int vs_statfs(struct vs_req *r);
int vs_release(struct vs_req *r);
int vs_fsync(struct vs_req *r);
int vs_setxattr(struct vs_req *r);
int vs_getxattr(struct vs_req *r);
int vs_listxattr(struct vs_req *r);
int vs_removexattr(struct vs_req *r);
int vs_flush(struct vs_req *r);
int vs_opendir(struct vs_req *r);
int vs_readdir(struct vs_req *r);
int vs_readdirplus(struct vs_req *r);
int vs_releasedir(struct vs_req *r);
int vs_fsyncdir(struct vs_req *r);
int vs_getlk(struct vs_req *r);
int vs_setlk(struct vs_req *r);
int vs_setlkw(struct vs_req *r);
int vs_interrupt(struct vs_req *r);
int vs_ioctl(struct vs_req *r);
int vs_fallocate(struct vs_req *r);
int vs_lseek(struct vs_req *r);
int vs_copy_file_range(struct vs_req *r);

/* vs_entry.c: answers with attributes. */
void vs_fill_attr(const struct vs *s, const struct stat *st, struct fuse_attr *a);
/* The guest is told of the node: fills the entry at out, with timeouts. */
void vs_fill_entry(struct vs *s, struct vs_node *parent, struct vs_node *n, const struct stat *st,
        struct fuse_entry_out *out);
/* Answers with what a name stands for now, and unpins the node. */
int vs_entry(struct vs_req *r, struct vs_node *n, const struct stat *st);
/* Begins to notice changes by others, before the file is looked at. */
void vs_mark(struct vs_req *r, struct vs_node *of);
/* Opens the node (O_PATH) at its place below an open directory, if it is still there, or -errno. */
int vs_find_again(const struct vs_node *n, int dir);
/* Looks the name up: the node is pinned and counted as looked up once. 0 or -errno. */
int vs_find(struct vs *s, struct vs_node *parent, const char *name, struct vs_node **n,
        struct stat *st);
/* After a change of the guest's: what is there now is what it knows. */
void vs_restamp(struct vs *s, struct vs_node *n, int fd);
void vs_stamp(struct vs *s, struct vs_node *n, const struct stat *st);
bool vs_stamp_is(const struct vs_stamp *a, const struct stat *st);
/* The directory in which the guest knows the node, pinned, and its name there; or NULL. */
struct vs_node *vs_place(struct vs *s, const struct vs_node *n, char name[VS_NAME_MAX + 1]);
/* Whether that name leads elsewhere by now. True once a place. */
bool vs_lost(struct vs *s, struct vs_node *n);
/* Whether the guest knows the file as it is. Under the nodes' lock. */
bool vs_is_known(const struct vs_node *n, const struct stat *st);
/* For how long the guest may keep the attributes, in seconds. */
uint64_t vs_attr_valid(const struct vs *s, const struct vs_node *n, const struct stat *st);
/* Notifications: nobody waits for their effect. */
void vs_tell_inode(struct vs *s, uint64_t id, int64_t off, int64_t len);
void vs_tell_entry(struct vs *s, uint64_t dir, const char *name);

/* "N" for a descriptor, to be opened in /proc/self/fd. */
struct vs_fdname {
	char s[16];
};
struct vs_fdname vs_fdname(int fd);
/* Clears set-uid and set-gid as a write by an ordinary user does. 0 or -errno. */
int vs_kill_suid(const struct vs_req *r, int fd);
/* Opens the node for real. */
int vs_reopen(struct vs *s, struct vs_node *n, int flags);

#endif
