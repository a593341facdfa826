/* SPDX-License-Identifier: MIT */
#include "package.h"
#include "decompress.h"
#include "image.h"
#include "modinfo.h"
#include "status.h"
#include "stream.h"

#include <string.h>

#define KEEP_MAX ((size_t)128 << 20)
#define TEXT_MAX ((size_t)8 << 20)

/* Reading one archive. */
struct scan {
	struct kernel_stream *in;
	struct kernel_package *pkg;
	const char *member;
	size_t kept; /* bytes of modules in memory */
	char *other; /* a second kernel image */
	struct err *e;
};

bool kernel_package_is(const uint8_t *p, size_t n)
{
	static const char ar[] = "!<arch>\n", tar[] = "ustar";
	const size_t at = 257; /* of tar's magic */

	return (n >= sizeof ar - 1 && !memcmp(p, ar, sizeof ar - 1)) ||
	       (n >= at + sizeof tar - 1 && !memcmp(p + at, tar, sizeof tar - 1));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

static bool is_kernel(const char *path)
{
	static const char *const names[] = {"vmlinuz", "vmlinux", "bzImage"};
	static const char *const not [] = {
	        ".debug", ".sig", ".sha256", ".json", ".config", ".h", ".lds", ".bin"};
	const char *base = base_name(path);
	bool yes = false;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		yes |= !strncmp(base, names[i], strlen(names[i]));
	for (size_t i = 0; yes && i < sizeof not / sizeof *not ; i++)
		yes = !ends_with(base, not [i]);
	return yes && !strstr(path, "usr/lib/debug/");
}

static int take_image(struct scan *sc, const char *path)
{
	if (sc->pkg->image.p) {
		if (!sc->other)
			sc->other = xstrdup(path);
		return 0;
	}
	sc->pkg->image_path = xstrdup(path);
	return kernel_stream_read(sc->in, KERNEL_IMAGE_MAX, &sc->pkg->image, sc->e);
}

static int take_module(struct scan *sc, const char *path)
{
	struct kmod *m = kmodset_add(&sc->pkg->mods, path, sc->e);
	auto_bytes struct kernel_bytes found = {0}, plain = {0};
	struct kernel_modinfo info = {0};

	if (!m || kernel_stream_read(sc->in, KERNEL_MODULE_MAX, &found, sc->e) < 0)
		return -1;
	if (kernel_comp_sniff(found.p, found.n) == KERNEL_COMP_NONE) {
		if (kernel_modinfo_read(found.p, found.n, &info, sc->e) < 0)
			return err_prefix(sc->e, "%s", path);
	} else {
		if (kernel_decompress(kernel_comp_sniff(found.p, found.n), found.p, found.n,
		            KERNEL_MODULE_MAX, &plain, NULL, sc->e) < 0 ||
		        kernel_modinfo_read(plain.p, plain.n, &info, sc->e) < 0)
			return err_prefix(sc->e, "%s", path);
	}
	if (kmodset_depends(&sc->pkg->mods, m, info.depends, sc->e) < 0)
		return -1;
	if (sc->kept + found.n <= KEEP_MAX) {
		sc->kept += found.n;
		m->data = found;
		found = (struct kernel_bytes){0};
	}
	return 0;
}

static int take_text(struct scan *sc, char **to)
{
	struct kernel_bytes b = {0};

	if (kernel_stream_read(sc->in, TEXT_MAX, &b, sc->e) < 0)
		return -1;
	free(*to);
	*to = strndup(b.p ? (char *)b.p : "", b.n);
	kernel_bytes_free(&b);
	if (!*to)
		abort();
	return 0;
}

static int take_entry(struct scan *sc, const struct kernel_entry *ent)
{
	const char *base = base_name(ent->path);

	if (sc->member ? !strcmp(ent->path, sc->member) : ent->regular && is_kernel(ent->path)) {
		if (!ent->regular)
			return err_set(sc->e, FCVM_EX_DATA, "%s is no regular file%s%s", ent->path,
			        ent->link ? " but a link to " : "", ent->link ? ent->link : "");
		return take_image(sc, ent->path);
	}
	if (!ent->regular || !strstr(ent->path, "lib/modules/"))
		return 0;
	if (!strcmp(base, "modules.builtin"))
		return take_text(sc, &sc->pkg->builtin);
	if (!strcmp(base, "modules.dep"))
		return take_text(sc, &sc->pkg->dep);
	if (strstr(base, ".ko")) {
		auto_free char *name = kmod_name(base);

		return name ? take_module(sc, ent->path) : 0;
	}
	return 0;
}

static int check_image(const struct scan *sc)
{
	if (sc->other)
		return err_set(sc->e, FCVM_EX_DATA,
		        "holds several kernels: choose one with --member, such as %s or %s",
		        sc->pkg->image_path, sc->other);
	if (sc->member && !sc->pkg->image.p)
		return err_set(sc->e, FCVM_EX_DATA, "holds no member %s", sc->member);
	return 0;
}

int kernel_package_read(
        const char *file, const char *member, struct kernel_package *pkg, struct err *e)
{
	auto_stream struct kernel_stream *in = kernel_stream_open(file, KERNEL_STREAM_MAX, e);
	struct scan sc = {.in = in, .pkg = pkg, .e = e};
	struct kernel_entry ent;
	int r;

	if (!in)
		return -1;
	if (member)
		sc.member = member + strspn(member, "./");
	while ((r = kernel_stream_next(in, &ent, e)) > 0) {
		pkg->entries++;
		r = take_entry(&sc, &ent);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = check_image(&sc);
	free(sc.other);
	if (r < 0)
		return -1;
	if (pkg->builtin)
		kmodset_builtin(&pkg->mods, pkg->builtin);
	if (pkg->dep)
		kmodset_dep(&pkg->mods, pkg->dep);
	return 0;
}

int kernel_package_fill(const char *file, const struct kmodlist *list, struct err *e)
{
	auto_stream struct kernel_stream *in = NULL;
	struct kernel_entry ent;
	size_t missing = 0;

	for (size_t i = 0; i < list->n; i++)
		missing += !list->v[i]->data.p;
	if (missing && !(in = kernel_stream_open(file, KERNEL_STREAM_MAX, e)))
		return -1;
	while (missing) {
		if (kernel_stream_next(in, &ent, e) <= 0)
			return err_set(e, FCVM_EX_DATA, "changed while it was read");
		for (size_t i = 0; i < list->n && ent.regular; i++) {
			struct kmod *m = list->v[i];

			if (m->data.p || strcmp(m->path, ent.path) != 0)
				continue;
			if (kernel_stream_read(in, KERNEL_MODULE_MAX, &m->data, e) < 0)
				return -1;
			missing--;
		}
	}
	return 0;
}

void kernel_package_free(struct kernel_package *pkg)
{
	kernel_bytes_free(&pkg->image);
	free(pkg->image_path);
	free(pkg->dep);
	free(pkg->builtin);
	kmodset_free(&pkg->mods);
}
