/* SPDX-License-Identifier: MIT
 * Kernel images and modules in memory: what is refused, and why, at every length and with every
 * kind of lie in the headers. */
#include "fcvm-kernel/image.h"
#include "fcvm-kernel/modinfo.h"
#include "fcvm-kernel/modules.h"
#include "status.h"
#include "tap.h"

#include <bzlib.h>
#include <lz4hc.h>
#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define MAX     ((size_t)1 << 20)
#define SETUP   1024 /* boot sector and one sector of setup */
#define PAYLOAD 16   /* payload_offset */

/* A PVH kernel of some 6 KB. */
static struct kernel_bytes make_elf(uint16_t machine)
{
	static const char banner[] = "Linux version 6.9.0-test (someone)";
	static const struct {
		Elf64_Nhdr h;
		char owner[4];
		uint32_t entry;
	} note = {{4, 4, 18}, "Xen", 0x1000000};
	struct kernel_bytes b = {xcalloc(1, 6000), 6000};
	Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
	        .e_type = ET_EXEC,
	        .e_machine = machine,
	        .e_phoff = sizeof h,
	        .e_phentsize = sizeof(Elf64_Phdr),
	        .e_phnum = 2};
	Elf64_Phdr load = {.p_type = PT_LOAD, .p_offset = 400, .p_filesz = 5600};
	Elf64_Phdr notes = {.p_type = PT_NOTE, .p_offset = 200, .p_filesz = sizeof note};

	memcpy(b.p, &h, sizeof h);
	memcpy(b.p + sizeof h, &load, sizeof load);
	memcpy(b.p + sizeof h + sizeof load, &notes, sizeof notes);
	memcpy(b.p + 200, &note, sizeof note);
	memcpy(b.p + 400, banner, sizeof banner);
	for (size_t i = 500; i < b.n; i++)
		b.p[i] = (uint8_t)(i * i >> 5);
	return b;
}

static void put32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static struct kernel_bytes wrap(const uint8_t *payload, size_t n)
{
	struct kernel_bytes b = {xcalloc(1, SETUP + PAYLOAD + n), SETUP + PAYLOAD + n};

	b.p[0x1f1] = 1;
	memcpy(b.p + 0x1fe, "\x55\xaa\xeb\x66HdrS\x0f\x02", 10);
	b.p[0x20f] = 1; /* kernel_version at 0x300 */
	memcpy(b.p + 0x300, "6.9.0-test (someone)", 21);
	put32(b.p + 0x248, PAYLOAD);
	put32(b.p + 0x24c, (uint32_t)n);
	memcpy(b.p + SETUP + PAYLOAD, payload, n);
	return b;
}

/* As the kernel's build makes the payload: compressed, then the length, but for gzip. */
static size_t pack(enum kernel_comp c, const struct kernel_bytes *elf, uint8_t *out, size_t room)
{
	unsigned bz_n = (unsigned)room;
	lzma_options_lzma preset;
	z_stream z = {.next_in = elf->p,
	        .avail_in = (uInt)elf->n,
	        .next_out = out,
	        .avail_out = (uInt)room};
	lzma_stream l = LZMA_STREAM_INIT;
	size_t n = 0;

	switch (c) {
	case KERNEL_COMP_GZIP:
		deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
		deflate(&z, Z_FINISH);
		deflateEnd(&z);
		return z.total_out;
	case KERNEL_COMP_BZIP2:
		BZ2_bzBuffToBuffCompress(
		        (char *)out, &bz_n, (char *)elf->p, (unsigned)elf->n, 9, 0, 0);
		n = bz_n;
		break;
	case KERNEL_COMP_XZ:
		lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, elf->p, elf->n, out, &n, room);
		break;
	case KERNEL_COMP_LZMA:
		lzma_lzma_preset(&preset, 6);
		if (lzma_alone_encoder(&l, &preset) == LZMA_OK) {
			l.next_in = elf->p;
			l.avail_in = elf->n;
			l.next_out = out;
			l.avail_out = room;
			if (lzma_code(&l, LZMA_FINISH) != LZMA_STREAM_END)
				abort();
		}
		n = l.total_out;
		lzma_end(&l);
		break;
	case KERNEL_COMP_LZ4:
		put32(out, 0x184c2102);
		n = (size_t)LZ4_compress_HC(
		        (char *)elf->p, (char *)out + 8, (int)elf->n, (int)room - 8, 9);
		put32(out + 4, (uint32_t)n);
		n += 8;
		break;
	case KERNEL_COMP_ZSTD:
		n = ZSTD_compress(out, room, elf->p, elf->n, 19);
		break;
	default:
		memcpy(out, elf->p, elf->n);
		n = elf->n;
	}
	put32(out + n, (uint32_t)elf->n);
	return n + 4;
}

static struct kernel_bytes make_bzimage(enum kernel_comp c, const struct kernel_bytes *elf)
{
	uint8_t packed[16384];
	size_t n = pack(c, elf, packed, sizeof packed - 4);

	return wrap(packed, n);
}

/* Returns what unpacking said; "" for success. The input is given in its own allocation, so that
 * a read past its end is seen. */
static const char *verdict(const uint8_t *p, size_t n, size_t max)
{
	static struct err e;
	auto_image struct kernel_image img = {.format = NULL};
	auto_free uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, p, n);
	e.text[0] = 0;
	if (kernel_image_unpack(copy, n, max, &img, &e) == 0)
		return "";
	if (img.elf.p)
		return "something was left behind";
	return e.text[0] && e.status == FCVM_EX_DATA ? e.text : "no reason was given";
}

static void every_compression(void)
{
	auto_bytes struct kernel_bytes elf = make_elf(EM_X86_64);

	for (int c = KERNEL_COMP_NONE; c <= KERNEL_COMP_ZSTD; c++) {
		const char *name = kernel_comp_name((enum kernel_comp)c);
		auto_bytes struct kernel_bytes bz = {0};
		auto_image struct kernel_image img = {.format = NULL};
		struct err e = {.text = ""};
		size_t accepted = 0;

		if (c == KERNEL_COMP_LZO)
			continue; /* nothing here packs it: kernel.bats does */
		bz = make_bzimage((enum kernel_comp)c, &elf);
		is_int(kernel_image_unpack(bz.p, bz.n, MAX, &img, &e), 0, "%s unpacks", name);
		is_mem(img.elf.p, img.elf.n, elf.p, elf.n, "%s: the same bytes", name);
		is_int(img.comp, c, "%s is recognised", name);
		is_str(img.release, "6.9.0-test", "%s: release", name);
		ok(img.direct, "%s: PVH note", name);
		for (size_t cut = 0; cut < bz.n; cut++)
			accepted += !*verdict(bz.p, cut, MAX);
		is_int(accepted, 0, "%s: no shorter file is accepted", name);
		for (size_t i = SETUP + PAYLOAD; i < bz.n; i += 7) {
			bz.p[i] ^= 0x20;
			verdict(bz.p, bz.n, MAX); /* for the sanitizers */
			bz.p[i] ^= 0x20;
		}
		is_str(verdict(bz.p, bz.n, elf.n), "", "%s: a limit just met", name);
		is_str(verdict(bz.p, bz.n, elf.n - 1),
		        c == KERNEL_COMP_NONE ? "unpacks to more than 0 MiB"
		                              : "bzImage payload: unpacks to more than 0 MiB",
		        "%s: a limit just missed", name);
	}
}

static void lying_headers(void)
{
	auto_bytes struct kernel_bytes elf = make_elf(EM_X86_64);
	auto_bytes struct kernel_bytes bz = make_bzimage(KERNEL_COMP_XZ, &elf);
	const uint32_t n = (uint32_t)(bz.n - SETUP - PAYLOAD);

	put32(bz.p + 0x248, 0xfffffff0);
	ok(strstr(verdict(bz.p, bz.n, MAX), "truncated: the bzImage payload would end at byte"),
	        "an offset beyond the file");
	put32(bz.p + 0x248, PAYLOAD);
	put32(bz.p + 0x24c, 0xffffffff);
	ok(strstr(verdict(bz.p, bz.n, MAX), "truncated: the bzImage payload would end at byte"),
	        "a length beyond the file");
	put32(bz.p + 0x24c, 0);
	is_str(verdict(bz.p, bz.n, MAX), "the bzImage header names no payload", "no length");
	put32(bz.p + 0x24c, n - 1);
	is_str(verdict(bz.p, bz.n, MAX), "3 stray bytes after the compressed payload",
	        "a length short by one");
	put32(bz.p + 0x24c, n);
	put32(bz.p + 0x248, PAYLOAD - 1);
	ok(*verdict(bz.p, bz.n, MAX), "an offset short by one");
	put32(bz.p + 0x248, PAYLOAD);
	put32(bz.p + bz.n - 4, 5999);
	is_str(verdict(bz.p, bz.n, MAX),
	        "the payload unpacks to 6000 bytes, not to the 5999 it names",
	        "an unpacked length that is wrong");
	put32(bz.p + bz.n - 4, 6000);
	is_str(verdict(bz.p, bz.n, MAX), "", "and it was only that");
	bz.p[0x206] = 7;
	is_str(verdict(bz.p, bz.n, MAX),
	        "a bzImage of boot protocol 2.07: too old, 2.08 or later is needed",
	        "protocol 2.07");
	bz.p[0x206] = 0xff;
	bz.p[0x20e] = bz.p[0x20f] = 0xff;
	ok(!strstr(verdict(bz.p, bz.n, MAX), "release"),
	        "a version text beyond the file is no failure");
}

static void odd_elf_files(void)
{
	auto_bytes struct kernel_bytes elf = make_elf(EM_X86_64), arm = make_elf(EM_AARCH64);
	Elf64_Ehdr good, h;

	memcpy(&good, elf.p, sizeof good);
	is_str(verdict(elf.p, elf.n, MAX), "", "a plain vmlinux is taken");
	is_str(verdict(arm.p, arm.n, MAX), "built for aarch64, not for x86_64", "another machine");
#define LIE(field, value, what)                              \
	do {                                                 \
		h = good;                                    \
		h.field = value;                             \
		memcpy(elf.p, &h, sizeof h);                 \
		ok(*verdict(elf.p, elf.n, MAX), "%s", what); \
	} while (0)
	LIE(e_phoff, UINT64_MAX, "a segment table past everything");
	LIE(e_phoff, 6000 - 100, "a segment table past the end");
	LIE(e_phnum, 0xffff, "more segments than fit");
	LIE(e_phnum, 0, "no segments");
	LIE(e_phentsize, 1, "tiny segment headers");
	LIE(e_shnum, 1, "sections without a table");
	LIE(e_type, ET_REL, "an object file");
	LIE(e_ident[EI_CLASS], ELFCLASS32, "32 bits");
	LIE(e_ident[EI_DATA], ELFDATA2MSB, "big-endian");
	memcpy(elf.p, &good, sizeof good);
	memset(elf.p + sizeof good + offsetof(Elf64_Phdr, p_filesz), 0xff, 8);
	ok(strstr(verdict(elf.p, elf.n, MAX), "truncated"), "a segment of 2^64-1 bytes");
}

static void notes_and_foreign_files(void)
{
	auto_bytes struct kernel_bytes elf = make_elf(EM_X86_64);
	auto_image struct kernel_image img = {.format = NULL};
	uint8_t arm[64] = {0};
	struct err e;

	elf.p[200 + 8] = 17; /* another type of note */
	is_int(kernel_image_unpack(elf.p, elf.n, MAX, &img, &e), 0, "no PVH note is no failure");
	ok(!img.direct, "but known");
	elf.p[200 + 4] = 0xff; /* a note that is longer than its segment */
	elf.p[200 + 8] = 1;
	is_str(verdict(elf.p, elf.n, MAX), "", "a note past its segment is not followed");
	memset(elf.p + 400, 0, 40);
	is_str(verdict(elf.p, elf.n, MAX), "an ELF program, but not a Linux kernel",
	        "neither note nor banner");
	memcpy(arm + 56, "ARM\x64", 4);
	is_str(verdict(arm, sizeof arm, MAX), "built for aarch64, not for x86_64",
	        "an arm64 Image");
	is_str(verdict(arm, 0, MAX), "the file is empty", "nothing");
}

static void lzo_blocks(void)
{
	/* four literals "abcd", 3 bytes from 4 back (M2), then the end mark */
	static const uint8_t good[] = {21, 'a', 'b', 'c', 'd', 0x4c, 0, 0x11, 0, 0};
	uint8_t out[7];
	size_t accepted = 0;

	is_int(kernel_lzo1x(good, sizeof good, out, 7), 0, "literals and a match");
	is_mem(out, 7, "abcdabc", 7, "unpack");
	is_int(kernel_lzo1x(good, sizeof good, out, 6), -1, "too much for the block");
	for (size_t n = 0; n < sizeof good; n++) {
		auto_free uint8_t *cut = malloc(n + !n);

		if (!cut)
			abort();
		memcpy(cut, good, n);
		accepted += kernel_lzo1x(cut, n, out, 7) == 0;
	}
	is_int(accepted, 0, "no shorter block is accepted");
	is_int(kernel_lzo1x((const uint8_t[]){0x40, 9, 0x11, 0, 0}, 5, out, 7), -1,
	        "a match before the start");
}

/* The short forms whose meaning depends on how many literals came before. */
static void lzo_states(void)
{
	uint8_t in[2100] = {0}, out[2060], want[2060];
	size_t n = 0;

	for (size_t i = 0; i < sizeof want; i++)
		want[i] = (uint8_t)(i * 7 + (i >> 8));
	in[8] = 246; /* a zero and 7 * 255 + 246 + 18 = 2049 literals */
	memcpy(in + 9, want, 2049);
	n = 9 + 2049 + 2;
	in[n - 2] = 2; /* after a run: 3 bytes from 2049 back, then 2 literals */
	in[n++] = 'x';
	in[n++] = 'y';
	in[n++] = 4; /* after 2 literals: 2 bytes from 2 back */
	in[n++] = 0;
	in[n] = 0x11;
	n += 3;
	memcpy(want + 2049, want, 3);
	memcpy(want + 2052, "xyxy", 4);
	is_int(kernel_lzo1x(in, n, out, 2056), 0, "a long run and short matches");
	is_mem(out, 2056, want, 2056, "unpack");
}

static int no_load(void *ctx, struct kmod *m, struct err *e)
{
	(void)ctx;
	return err_set(e, FCVM_EX_SYS, "%s was to be loaded", m->name);
}

/* Resolves on a set of a, b, c-d, e where "e" is built in; "" or the names in order. */
static const char *resolve(const char *dep, const char *want)
{
	static char text[1024];
	static const char *const files[] = {"k/a.ko", "k/b.ko.xz", "k/c-d.ko.zst", "no.txt", "e.k"};
	auto_kmodset struct kmodset set = {.n = 0};
	auto_free char *copy = xstrdup(dep), *builtin = xstrdup("kernel/fs/e.ko\n\nodd line\n");
	struct kmod_loader loader = {no_load, NULL};
	struct kmodlist list = {.n = 0};
	struct err e = {.text = ""};
	size_t n = 0;

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (!kmodset_add(&set, files[i], &e) && i < 3)
			return e.text[0] ? "a module was refused" : "?";
	kmodset_builtin(&set, builtin);
	kmodset_dep(&set, copy);
	if (kmodset_resolve(&set, want, &loader, &list, &e) < 0) {
		snprintf(text, sizeof text, "%s", e.text);
		return text;
	}
	text[0] = 0;
	for (size_t i = 0; i < list.n; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s ", list.v[i]->name);
	return text;
}

static void module_order(void)
{
	const char *dep =
	        "k/a.ko: k/b.ko.xz k/c-d.ko.zst\nk/b.ko.xz: k/c-d.ko.zst\nk/c-d.ko.zst:\n";

	is_str(resolve(dep, "a"), "c_d b a ", "what is needed comes first");
	is_str(resolve(dep, "c-d, a a"), "c_d b a ", "each once, spelled either way");
	is_str(resolve(dep, "e nothing? a"), "c_d b a ", "built in, or optional and missing");
	is_str(resolve(dep, ""), "", "nothing wanted");
	is_str(resolve(dep, "nothing"),
	        "module nothing is missing: it is neither among the 3 modules nor built in",
	        "a missing one is named");
	is_str(resolve("k/a.ko: x.ko\n", "a"), "module a needs x, which is missing",
	        "a missing one that another needs");
	is_str(resolve("k/a.ko: e.ko\n", "a"), "a ", "needing what is built in");
	is_str(resolve("k/a.ko: k/b.ko\nk/b.ko: k/a.ko\n", "a"),
	        "modules need each other in a circle: a", "a circle");
	is_str(resolve("no colon\n: :\nx:y\nk/a.ko:\n", "a"), "a ", "odd lines are passed over");
	is_str(resolve("", "a"), "a was to be loaded", "what nobody tells, the module must");
}

static void module_names(void)
{
	auto_free char *a = kmod_name("x/virtio-rng.ko.xz"), *b = kmod_name("a/b.ko.lz9"),
	               *c = kmod_name(".ko"), *d = kmod_name("a b.ko"), *f = kmod_name("x\n.ko");

	is_str(a, "virtio_rng", "a path to a name");
	ok(!b && !c && !d && !f, "what is no module's name is refused");
}

int main(void)
{
	every_compression();
	lying_headers();
	odd_elf_files();
	notes_and_foreign_files();
	lzo_blocks();
	lzo_states();
	module_order();
	module_names();
	return done();
}
