/* SPDX-License-Identifier: MIT */
#include "export.h"
#include "cleanup.h"
#include "sha256.h"
#include "show.h"
#include "sqfs_mend.h"
#include "status.h"
#include "strv.h"
#include "version.h"
#include "xio.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SLACK ((uint64_t)32 << 20)

int export_check_space(const struct store *s, uint64_t need, struct err *e)
{
	int64_t have = disk_free(s->path);

	need += SLACK;
	if (have < 0 || (uint64_t)have >= need)
		return 0;
	return err_set(e, FCVM_EX_SYS,
	        "not enough disk space in %s: %" PRIu64 " MiB needed, %" PRIu64
	        " MiB free: free some (fcvm-cache prune --all) or set FCVM_DATA_DIR",
	        s->path, (need >> 20) + 1, (uint64_t)have >> 20);
}

struct blobs {
	struct cache_layer *v;
	size_t n;
	char *config;
	size_t config_size;
	json_t *config_doc;
	const char **diff_ids;
};

static void blobs_free(struct blobs *b)
{
	for (size_t i = 0; i < b->n; i++)
		close(b->v[i].fd);
	free(b->v);
	free(b->config);
	free(b->diff_ids);
	json_decref(b->config_doc);
}

static int read_config(const struct export_job *j, struct blobs *b, struct err *e)
{
	auto_fd int fd = -1;
	ssize_t n;

	if (j->manifest->config.size > JSON_MAX_BYTES)
		return err_set(e, FCVM_EX_DATA, "image config %s is larger than %zu bytes",
		        j->manifest->config.digest, JSON_MAX_BYTES);
	fd = layout_blob(j->layout, &j->manifest->config, e);
	if (fd < 0)
		return -1;
	b->config = xcalloc(1, (size_t)j->manifest->config.size + 1);
	n = read_full(fd, b->config, (size_t)j->manifest->config.size);
	if (n < 0) {
		errno = (int)-n;
		return err_sys(e, "cannot read the image config");
	}
	b->config_size = (size_t)n;
	return manifest_config(
	        j->manifest, b->config, b->config_size, &b->config_doc, &b->diff_ids, e);
}

static int check_platform(const struct export_job *j, const struct blobs *b, struct err *e)
{
	const char *os = json_string_value(json_object_get(b->config_doc, "os"));
	const char *arch = json_string_value(json_object_get(b->config_doc, "architecture"));
	char want[100];

	if (platform_suits(j->platform, b->config_doc) || !os || !arch)
		return 0;
	platform_text(j->platform, want);
	if (j->platform_wanted)
		return err_set(
		        e, FCVM_EX_NOTFOUND, "the image is for %s/%s, not for %s", os, arch, want);
	free(*j->note);
	*j->note = xasprintf("the image is for %s/%s, this machine is %s", os, arch, want);
	return 0;
}

static int open_blobs(const struct export_job *j, struct blobs *b, struct err *e)
{
	const struct manifest *m = j->manifest;

	if (read_config(j, b, e) < 0 || check_platform(j, b, e) < 0)
		return -1;
	b->v = xcalloc(m->n + 1, sizeof *b->v);
	for (size_t i = 0; i < m->n; i++) {
		int fd = layout_blob(j->layout, &m->layers[i], e);

		if (fd < 0)
			return err_prefix(e, "layer %s", m->layers[i].digest);
		b->v[b->n++] = (struct cache_layer){
		        fd, m->layers[i].digest, b->diff_ids[i], m->layers[i].size, -1};
	}
	return 0;
}

/* An estimate: a plain tar shrinks, a compressed one grows to about twice its size under lz4. */
static uint64_t space_for(const struct blobs *b)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < b->n; i++) {
		unsigned char magic[4] = {0};
		bool packed = pread(b->v[i].fd, magic, 4, 0) == 4 &&
		              ((magic[0] == 0x1f && magic[1] == 0x8b) || magic[0] == 0x28);

		sum += packed ? 2 * b->v[i].size : b->v[i].size;
	}
	return sum;
}

static void *sync_thread(void *arg)
{
	return fsync(*(int *)arg) < 0 ? arg : NULL;
}

/* Digest and write-out at the same time. */
static int seal(const struct store_tmp *t, char hex[SHA256_HEX], uint64_t *size, struct err *e)
{
	auto_fd int fd = openat(t->dirfd, "img/root.sqfs", O_RDWR | O_CLOEXEC);
	pthread_t thread;
	struct stat st;
	void *failed = NULL;
	int r, threaded;

	if (fd < 0 || fchmod(fd, 0600) < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "cannot open the new root file system");
	if (sqfs_mend(fd, e) < 0)
		return -1;
	threaded = pthread_create(&thread, NULL, sync_thread, &fd) == 0;
	r = sha256_fd(fd, hex);
	if (threaded)
		pthread_join(thread, &failed);
	else
		failed = sync_thread(&fd);
	*size = (uint64_t)st.st_size;
	if (r < 0)
		errno = -r;
	return r < 0 || failed ? err_sys(e, "cannot sync the new root file system") : 0;
}

/* What the config says it is for; what was asked for where it does not say. */
static void platform_of(const struct export_job *j, const json_t *config, char out[100])
{
	const char *os = json_string_value(json_object_get(config, "os"));
	const char *arch = json_string_value(json_object_get(config, "architecture"));
	const char *variant = json_string_value(json_object_get(config, "variant"));

	if (os && arch)
		snprintf(out, 100, "%.31s/%.31s%s%.31s", os, arch, variant && *variant ? "/" : "",
		        variant ? variant : "");
	else
		platform_text(j->platform, out);
}

static json_t *describe(const struct export_job *j, const struct blobs *b, const char *id,
        const char *root_hex, uint64_t size)
{
	json_t *layers = json_array(), *doc;
	char digest[80], platform[100], when[SHOW_UTC];

	for (size_t i = 0; i < j->manifest->n; i++)
		json_array_append_new(layers, json_string(j->manifest->layers[i].digest));
	snprintf(digest, sizeof digest, "sha256:%s", root_hex);
	platform_of(j, b->config_doc, platform);
	show_utc(when, time(NULL));
	doc = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:o,s:s}", "image", id, "manifest", j->digest,
	        "source", j->source, "platform", platform, "pulled", when, "rootSize",
	        (json_int_t)size, "rootDigest", digest, "layers", layers, "version", FCVM_VERSION);
	return doc;
}

static int finish(const struct export_job *j, struct store_tmp *t, const struct blobs *b,
        const char *id, struct err *e)
{
	auto_json json_t *meta = NULL;
	char hex[SHA256_HEX];
	uint64_t size = 0;
	int r, lock;

	if (seal(t, hex, &size, e) < 0)
		return -1;
	meta = describe(j, b, id, hex, size);
	lock = openat(t->dirfd, "img/lock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	r = lock < 0 ? -errno : close(lock);
	if (!r)
		r = write_file_at(t->dirfd, "img/config.json", b->config, b->config_size, 0600);
	if (!r)
		r = meta ? json_save_at(t->dirfd, "img/meta.json", meta, 0600) : -EINVAL;
	if (!r)
		return 0;
	errno = -r;
	return err_sys(e, "cannot write the image's description");
}

/* For tests that count exports: $FCVM_CACHE_TRACE names a file to add a line to. */
static void trace(const char *id)
{
	const char *path = getenv("FCVM_CACHE_TRACE");
	auto_fd int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0)
		dprintf(fd, "export %s\n", id);
}

int export_image(struct store *s, struct store_tmp *t, const struct export_job *j, struct err *e)
{
	const char *id = digest_hex(j->manifest->config.digest);
	auto_free char *root = xasprintf("%s/img/root.sqfs", t->path);
	struct blobs b = {0};
	int r = open_blobs(j, &b, e);

	if (!r)
		r = export_check_space(s, space_for(&b), e);
	if (!r && mkdirat(t->dirfd, "img", 0700) < 0)
		r = err_sys(e, "cannot make %s/img", t->path);
	if (!r) {
		trace(id);
		r = flatten_layers(b.v, b.n, j->limits, t->path, root, j->tick, e);
	}
	if (!r)
		r = finish(j, t, &b, id, e);
	if (!r)
		r = store_commit(s, t, id, e);
	blobs_free(&b);
	return r;
}
