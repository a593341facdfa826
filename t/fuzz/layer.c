/* SPDX-License-Identifier: MIT
 * Flattening: the input is cut into layers at every "\0LAYER\0", each is read as a tar and applied.
 * Whatever comes, the tree stays a tree, its budget holds, and what is written from it reads back
 * as the same names. */
#include <fcvm-cache/ftree.h>
#include <fcvm-cache/tarout.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char cut[] = "\0LAYER";

struct input {
	const uint8_t *p;
	size_t n;
};

static ssize_t next(void *ctx, const void **block, struct err *e)
{
	struct input *in = ctx;
	size_t n = in->n < 1000 ? in->n : 1000;

	(void)e;
	*block = in->p;
	in->p += n;
	in->n -= n;
	return (ssize_t)n;
}

/* A fuzzer does not find checksums: every block that could be a header gets a right one. */
static void mend(uint8_t *p, size_t n)
{
	for (; n >= 512; p += 512, n -= 512) {
		unsigned sum = 0;
		char text[8];

		if (memcmp(p + 257, "ustar", 5) != 0)
			continue;
		memset(p + 148, ' ', 8);
		for (int i = 0; i < 512; i++)
			sum += p[i];
		snprintf(text, sizeof text, "%06o", sum);
		memcpy(p + 148, text, 7);
	}
}

static void apply(struct ftree *t, const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct input in = {copy, n};
	struct layer_list list = {.n = 0};
	struct err e = {.text = ""};

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	mend(copy, n);
	layer_read(&list, &(struct ltar_src){next, &in}, t->budget, &e);
	ftree_begin_layer(t);
	for (size_t i = 0; i < list.n; i++)
		if (ftree_apply(t, &list.v[i], (uint32_t)i, &e) < 0 && !*e.text)
			abort(); /* a refusal says why */
	layer_list_free(&list);
	free(copy);
}

static void check_node(struct ftree *t, struct fnode *n)
{
	char path[FTREE_PATH_MAX + 1];

	ftree_path(n, path);
	if (ftree_find(t, path) != n || strlen(path) != n->path_len || n->ino->nlink == 0)
		abort();
	if (!strcmp(n->name, ".") || !strcmp(n->name, "..") || strchr(n->name, '/'))
		abort();
	if (n->child && !ftree_is_dir(n))
		abort();
}

/* Writes the tree's names as the packer gets them, and reads them back. */
static void round_trip(struct ftree *t, size_t count)
{
	int fd = memfd_create("tar", MFD_CLOEXEC);
	struct tarout *o = tarout_open(fd);
	const struct ltar_entry *got;
	char path[FTREE_PATH_MAX + 1];
	struct input in;
	struct ltar *back;
	off_t size;

	for (struct fnode *n = t->root; n; n = ftree_walk(n)) {
		struct ltar_entry e = n->ino->e;

		e.size = 0;
		ftree_path(n, path);
		if (tarout_entry(o, *path ? path : "./", &e, e.type, e.type == '2' ? e.link : NULL))
			abort();
	}
	if (tarout_end(o))
		abort();
	tarout_close(o);
	size = lseek(fd, 0, SEEK_END);
	in.n = (size_t)size;
	in.p = mmap(NULL, in.n, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (in.p == MAP_FAILED)
		abort();
	back = ltar_open(&(struct ltar_src){next, &(struct input){in.p, in.n}});
	for (struct fnode *n = t->root; n; n = ftree_walk(n)) {
		ftree_path(n, path);
		if (ltar_next(back, &got, NULL) != 1 ||
		        strcmp(got->name, *path ? path : "./") != 0 ||
		        strcmp(got->link, n->ino->e.type == '2' ? n->ino->e.link : "") != 0 ||
		        got->uid != n->ino->e.uid || got->mode != n->ino->e.mode)
			abort();
		count--;
	}
	if (count || ltar_next(back, &got, NULL) != 0)
		abort();
	ltar_close(back);
	munmap((void *)in.p, (size_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct layer_budget budget = {.max_entries = 2000, .max_bytes = 1 << 20};
	struct ftree t;
	size_t count = 0;

	ftree_init(&t, &budget);
	for (;;) {
		const uint8_t *end = size ? memmem(data, size, cut, sizeof cut) : NULL;
		size_t n = end ? (size_t)(end - data) : size;

		apply(&t, data, n);
		if (!end || t.layer > 20)
			break;
		data = end + sizeof cut;
		size -= n + sizeof cut;
	}
	for (struct fnode *n = t.root; n; n = ftree_walk(n), count++)
		check_node(&t, n);
	if (count > budget.max_entries + 1 || count != t.n_nodes + 1)
		abort();
	round_trip(&t, count);
	ftree_free(&t);
	return 0;
}
