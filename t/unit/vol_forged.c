/* SPDX-License-Identifier: MIT
 * What is loaded in the place of a saved session: nothing that is written there leads out of the
 * share, and what nobody can have saved is refused. */
#include "volsaved.h"

static int load(const struct tmpdir *d, const void *data, size_t n)
{
	struct client *c = malloc(sizeof *c);
	struct vs_loss loss;
	int r;

	prepare(c, d, false, VS_CACHE_AUTO);
	r = vs_load(&c->vs, data, n, false, &loss);
	if (r == 0)
		vs_close_session(&c->vs);
	close(c->wire);
	close(c->vs.wire);
	close(c->vs.root);
	free(c);
	return r;
}

static void put_node(
        struct vs_pack *p, uint64_t id, uint64_t parent, const char *name, uint32_t type)
{
	vs_put_u64(p, id);
	vs_put_u64(p, 1);
	vs_put_u64(p, 1);
	vs_put_u32(p, type);
	for (int i = 0; i < 3; i++)
		vs_put_u64(p, 0);
	vs_put_u32(p, 0);
	vs_put_u64(p, parent);
	vs_put_blob(p, name, strlen(name));
	vs_put_u64(p, 0);
	for (int i = 0; i < 2; i++) {
		vs_put_u64(p, 0);
		vs_put_u32(p, 0);
	}
	vs_put_u64(p, 0);
	vs_put_u32(p, VS_WATCHED);
}

static struct vs_pack head(uint32_t nodes)
{
	struct vs_pack p = {.n = 0};

	vs_put_bytes(&p, VS_SAVE_MAGIC, 8);
	vs_put_u32(&p, VS_SAVE_VERSION);
	vs_put_u32(&p, 1);
	vs_put_u32(&p, 0);
	for (int i = 0; i < 3; i++)
		vs_put_u64(&p, 1);
	vs_put_u32(&p, 1);
	vs_put_u32(&p, nodes);
	put_node(&p, 1, 0, "", S_IFDIR);
	return p;
}

/* No missing names, contents, handles, locks, waits; nothing kept. */
static int load_pack(const struct tmpdir *d, struct vs_pack *p)
{
	int r;

	for (int i = 0; i < 7; i++)
		vs_put_u32(p, 0);
	r = load(d, p->data, p->n);
	free(p->data);
	return r;
}

static void one_node(const struct tmpdir *d, const char *what, uint64_t id, const char *name,
        uint32_t type, int want)
{
	struct vs_pack p = head(2);

	put_node(&p, id, 1, name, type);
	is_int(load_pack(d, &p), want, "%s", what);
}

static void forged(const struct tmpdir *d)
{
	struct vs_pack p = head(1);

	is_int(load_pack(d, &p), 0, "the least that there is");
	one_node(d, "a node", 2, "file", S_IFREG, 0);
	one_node(d, "the name ..", 2, "..", S_IFDIR, -EBADMSG);
	one_node(d, "a name with a slash", 2, "../beside", S_IFREG, -EBADMSG);
	one_node(d, "a second root", 1, "", S_IFDIR, -EBADMSG);
	one_node(d, "node 0", 0, "file", S_IFREG, -EBADMSG);
	one_node(d, "a number without bounds", 1ULL << 40, "file", S_IFREG, -EBADMSG);
	one_node(d, "no type", 2, "file", 0, -EBADMSG);
	one_node(d, "a link that is said to be a directory", 2, "link", S_IFDIR, 0);
	p = head(3);
	put_node(&p, 2, 3, "a", S_IFDIR);
	put_node(&p, 3, 2, "b", S_IFDIR);
	is_int(load_pack(d, &p), 0, "a circle is nowhere");
	p = head(2);
	put_node(&p, 2, 2, "a", S_IFDIR);
	is_int(load_pack(d, &p), 0, "nor is one that is in itself");
	p = head(0xffffffff);
	is_int(load_pack(d, &p), -EBADMSG, "four thousand million nodes");
	p = head(1);
	vs_put_u32(&p, 0);
	vs_put_u32(&p, 0xffffffff);
	is_int(load_pack(d, &p), -EBADMSG, "as many contents");
	p = head(2);
	put_node(&p, 2, 1, "file", S_IFREG);
	vs_put_u32(&p, 0);
	vs_put_u32(&p, 0);
	vs_put_u32(&p, 1);
	for (int i = 0; i < 2; i++) /* a handle of slot 4095 of a number that is none */
		vs_put_u64(&p, 0xffffffffULL);
	is_int(load_pack(d, &p), -EBADMSG, "a handle of no node");
}

static void damaged(const struct tmpdir *d)
{
	struct client *c = malloc(sizeof *c);
	auto_free char *data = NULL;
	int cut = 0, fd;
	uint64_t file, fh;
	ssize_t size;

	begin(c, d, false);
	file = look(c, 1, "file");
	fh = open_it(c, file, FUSE_OPEN, O_RDWR);
	lock_it(c, file, fh, true, false);
	look(c, 1, "missing");
	fd = save(c, &size);
	data = content(fd, size);
	stop(c);
	free(c);
	is_int(load(d, data, (size_t)size), 0, "whole");
	for (ssize_t n = 0; n < size; n++)
		cut += load(d, data, (size_t)n) == -EBADMSG;
	is_int(cut, size, "cut anywhere, it is refused");
	for (ssize_t n = 0; n < size; n++) {
		data[n] ^= 0x41;
		load(d, data, (size_t)size);
		data[n] ^= 0x41;
	}
	is_int(load(d, data, (size_t)size), 0, "with any byte changed, nothing happens to others");
}

int main(void)
{
	auto_tmpdir struct tmpdir d = tmpdir_make();
	auto_free char *beside = NULL;
	size_t n;

	if (mkdirat(d.fd, "share", 0755) < 0 || symlinkat("../beside", d.fd, "share/link") < 0 ||
	        chdir("/proc/self/fd") < 0)
		abort();
	write_file(&d, "beside", "secret");
	write_file(&d, "share/file", "text");
	forged(&d);
	damaged(&d);
	if (read_file_at(d.fd, "beside", 64, &beside, &n) < 0)
		abort();
	is_str(beside, "secret", "what is beside the share stays");
	return done();
}
