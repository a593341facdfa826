/* SPDX-License-Identifier: MIT
 * From a message to the function that answers it. The table says how each request must look; what
 * does not look so ends the session, because the kernel of an honest guest sends nothing else. */
#include "vs.h"

#include <errno.h>
#include <string.h>

#define CHANGES 1   /* refused on a read-only volume */
#define NODE    2   /* the node must be known */
#define QUICK   4   /* never waits: the next message may wait for it */
#define NAMES1  8   /* one name of a directory entry */
#define NAMES2  16  /* two */
#define STRING1 32  /* one string of another kind */
#define TARGET  64  /* a name, then a string of another kind */
#define SLOW    128 /* may take as long as a disk does */

struct op {
	int (*fn)(struct vs_req *r);
	uint16_t fixed; /* bytes of arguments before the strings */
	uint16_t flags;
};

#define SIZE(t)  sizeof(struct t)
#define INIT_MIN 16 /* without flags2, as before 7.36 */

static const struct op ops[] = {
        [FUSE_LOOKUP] = {vs_lookup, 0, NODE | NAMES1},
        [FUSE_FORGET] = {vs_forget, SIZE(fuse_forget_in), QUICK},
        [FUSE_GETATTR] = {vs_getattr, SIZE(fuse_getattr_in), NODE},
        [FUSE_SETATTR] = {vs_setattr, SIZE(fuse_setattr_in), NODE | CHANGES},
        [FUSE_READLINK] = {vs_readlink, 0, NODE},
        [FUSE_SYMLINK] = {vs_symlink, 0, NODE | CHANGES | TARGET},
        [FUSE_MKNOD] = {vs_mknod, SIZE(fuse_mknod_in), NODE | CHANGES | NAMES1},
        [FUSE_MKDIR] = {vs_mkdir, SIZE(fuse_mkdir_in), NODE | CHANGES | NAMES1},
        [FUSE_UNLINK] = {vs_unlink, 0, NODE | CHANGES | NAMES1},
        [FUSE_RMDIR] = {vs_rmdir, 0, NODE | CHANGES | NAMES1},
        [FUSE_RENAME] = {vs_rename, SIZE(fuse_rename_in), NODE | CHANGES | NAMES2},
        [FUSE_LINK] = {vs_link, SIZE(fuse_link_in), NODE | CHANGES | NAMES1},
        [FUSE_OPEN] = {vs_open, SIZE(fuse_open_in), NODE},
        [FUSE_READ] = {vs_read, SIZE(fuse_read_in), NODE},
        [FUSE_WRITE] = {vs_write, SIZE(fuse_write_in), NODE | CHANGES},
        [FUSE_STATFS] = {vs_statfs, 0, NODE},
        [FUSE_RELEASE] = {vs_release, SIZE(fuse_release_in), NODE},
        [FUSE_FSYNC] = {vs_fsync, SIZE(fuse_fsync_in), NODE | SLOW},
        [FUSE_SETXATTR] = {vs_setxattr, SIZE(fuse_setxattr_in), NODE | CHANGES | STRING1},
        [FUSE_GETXATTR] = {vs_getxattr, SIZE(fuse_getxattr_in), NODE | STRING1},
        [FUSE_LISTXATTR] = {vs_listxattr, SIZE(fuse_getxattr_in), NODE},
        [FUSE_REMOVEXATTR] = {vs_removexattr, 0, NODE | CHANGES | STRING1},
        [FUSE_FLUSH] = {vs_flush, SIZE(fuse_flush_in), NODE},
        [FUSE_INIT] = {vs_init, INIT_MIN, QUICK},
        [FUSE_OPENDIR] = {vs_opendir, SIZE(fuse_open_in), NODE},
        [FUSE_READDIR] = {vs_readdir, SIZE(fuse_read_in), NODE},
        [FUSE_RELEASEDIR] = {vs_releasedir, SIZE(fuse_release_in), NODE},
        [FUSE_FSYNCDIR] = {vs_fsyncdir, SIZE(fuse_fsync_in), NODE | SLOW},
        [FUSE_GETLK] = {vs_getlk, SIZE(fuse_lk_in), NODE},
        [FUSE_SETLK] = {vs_setlk, SIZE(fuse_lk_in), NODE},
        [FUSE_SETLKW] = {vs_setlkw, SIZE(fuse_lk_in), NODE | QUICK},
        [FUSE_CREATE] = {vs_create, SIZE(fuse_create_in), NODE | CHANGES | NAMES1},
        [FUSE_INTERRUPT] = {vs_interrupt, SIZE(fuse_interrupt_in), SLOW},
        [FUSE_IOCTL] = {vs_ioctl, SIZE(fuse_ioctl_in), NODE},
        [FUSE_BATCH_FORGET] = {vs_batch_forget, SIZE(fuse_batch_forget_in), QUICK},
        [FUSE_FALLOCATE] = {vs_fallocate, SIZE(fuse_fallocate_in), NODE | CHANGES | SLOW},
        [FUSE_READDIRPLUS] = {vs_readdirplus, SIZE(fuse_read_in), NODE},
        [FUSE_RENAME2] = {vs_rename2, SIZE(fuse_rename2_in), NODE | CHANGES | NAMES2},
        [FUSE_LSEEK] = {vs_lseek, SIZE(fuse_lseek_in), NODE},
        [FUSE_COPY_FILE_RANGE] = {vs_copy_file_range, SIZE(fuse_copy_file_range_in),
                NODE | CHANGES | SLOW},
};

/* A name that stays in its directory. */
static bool good_name(const char *s, size_t n)
{
	return n > 0 && !memchr(s, '/', n) && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

/* Takes the next string off the data. 0, -ENAMETOOLONG, or VS_END. */
static int string(struct vs_req *r, bool is_name, size_t max, const char **out)
{
	const char *end = memchr(r->data, 0, r->n_data);
	size_t n = end ? (size_t)(end - r->data) : 0;

	if (!end || (is_name && !good_name(r->data, n)))
		return VS_END;
	*out = r->data;
	r->data += n + 1;
	r->n_data -= n + 1;
	return n > max ? -ENAMETOOLONG : 0;
}

static int strings(struct vs_req *r, unsigned flags)
{
	int first = 0, second = 0;

	if (flags & (NAMES1 | NAMES2 | TARGET))
		first = string(r, true, VS_NAME_MAX, &r->name);
	if (flags & STRING1)
		first = string(r, false, VS_NAME_MAX, &r->name);
	if (first != VS_END && flags & NAMES2)
		second = string(r, true, VS_NAME_MAX, &r->name2);
	if (first != VS_END && flags & TARGET)
		second = string(r, false, PATH_MAX - 1, &r->name2);
	return second == VS_END || first == 0 ? second : first;
}

static size_t fixed_size(const struct vs *s, uint32_t opcode, const struct op *op)
{
	if (opcode == FUSE_SETXATTR && !(s->flags & FUSE_SETXATTR_EXT))
		return FUSE_COMPAT_SETXATTR_IN_SIZE;
	return op->fixed;
}

/* Names first, node second: a malformed message has no answer. */
static int serve(struct vs_req *r, const struct op *op)
{
	size_t fixed = fixed_size(r->s, r->h->opcode, op);
	int result;

	if (r->n_data < fixed)
		return VS_END;
	r->arg = r->data;
	r->data += fixed;
	r->n_data -= fixed;
	result = strings(r, op->flags);
	if (result < 0)
		return result;
	if (op->flags & CHANGES && r->s->readonly)
		return -EROFS;
	if (op->flags & NODE && !(r->node = vs_node_get(&r->s->nodes, r->h->nodeid)))
		return -ESTALE;
	return op->fn(r);
}

static const struct op *find_op(const struct vs *s, uint32_t opcode)
{
	const struct op *op = opcode < sizeof ops / sizeof *ops ? &ops[opcode] : NULL;

	if (!op || !op->fn)
		return NULL;
	return s->begun || opcode == FUSE_INIT ? op : NULL;
}

static int result_of(struct vs_req *r, const struct op *op)
{
	if (op)
		return serve(r, op);
	return r->h->opcode == FUSE_DESTROY ? 0 : -ENOSYS;
}

bool vs_message(struct vs *s, const char *msg, size_t n, char *out, void (*release)(struct vs *s))
{
	const struct fuse_in_header *h = (const void *)msg;
	struct vs_req r = {.s = s,
	        .h = h,
	        .data = msg + sizeof *h,
	        .body = out + sizeof(struct fuse_out_header)};
	bool wellformed = n >= sizeof *h && h->len == n && (s->begun || h->opcode == FUSE_INIT);
	const struct op *op = wellformed ? find_op(s, h->opcode) : NULL;
	bool keep = op && (op->flags & QUICK || (!(op->flags & SLOW) && vs_alone(s)));
	int result = VS_END;

	if (!keep)
		release(s);
	if (wellformed) {
		r.n_data = n - sizeof *h;
		result = result_of(&r, op);
	}
	if (result != VS_NO_REPLY && result != VS_END)
		vs_answer(&r, result);
	vs_node_put(&s->nodes, r.node);
	if (keep)
		release(s);
	return result != VS_END;
}
