#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# fcvm-kernel on small kernels made here: every packing, module sets, refusals.
# shellcheck disable=SC2154 # variables that run sets

load ../lib/helper

setup() {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	cd "$BATS_TEST_TMPDIR" || return
}

# elf FILE [MACHINE [NOTE-TYPE]]: an ELF "kernel" of some 300 KB; 62 is x86-64, 18 the PVH note.
elf() {
	perl -e '
		my ($machine, $note) = @ARGV;
		my $body = "Linux version 6.9.0-test (someone) 1\n";
		$body .= "line $_ " . ($_ * 2654435761 % 4294967296) . "\n" for 1 .. 15000;
		my $n = pack("VVV", 4, 8, $note) . "Xen\0" . pack("Q<", 0x1000000);
		my $f = pack("a4CCCCx8vvVQ<Q<Q<VvvvvvvV", "\x7fELF", 2, 1, 1, 0, 2, $machine, 1, 0, 64, 0,
			0, 64, 56, 2, 0, 0, 0);
		$f = substr($f, 0, 64);
		$f .= pack("VVQ<Q<Q<Q<Q<Q<", 1, 5, 4096, 0, 0, length $body, length $body, 4096);
		$f .= pack("VVQ<Q<Q<Q<Q<Q<", 4, 4, 512, 0, 0, length $n, length $n, 4);
		$f .= "\0" x (512 - length $f) . $n;
		print $f, "\0" x (4096 - length $f), $body;
	' "${2:-62}" "${3:-18}" >"$1"
}

# bzimage OUT PAYLOAD [UNPACKED]: the payload in a boot header; Linux appends the size of the
# unpacked file to all but gzip.
bzimage() {
	perl -e '
		my ($payload, $unpacked) = @ARGV;
		local $/;
		open my $in, "<:raw", $payload or die;
		my $p = <$in>;
		$p .= pack("V", -s $unpacked) if $unpacked;
		my $h = "\0" x 2048;
		substr($h, 0x1f1, 1) = chr 3;
		substr($h, 0x1fe, 8) = "\x55\xaa\xeb\x66HdrS";
		substr($h, 0x206, 2) = pack("v", 0x20f);
		substr($h, 0x20e, 2) = pack("v", 0x400);
		substr($h, 0x600, 32) = pack("a32", "6.9.0-test (someone) #1");
		substr($h, 0x248, 8) = pack("VV", 64, length $p);
		print $h, "c" x 64, $p, "tail" x 50;
	' "$2" ${3:+"$3"} >"$1"
}

# module DIR NAME [DEPENDS [RELEASE]]
module() {
	mkdir -p "$1/kernel/x"
	printf 'const char i[] __attribute__((section(".modinfo"), used)) = "license=GPL\\0depends=%s\\0vermagic=%s SMP";' \
		"${3:-}" "${4:-6.9.0-test}" | cc -c -x c -o "$1/kernel/x/$2.ko" -
}

# What the tests below ask for instead of the real list.
want=(--want "alpha gamma? delta")

# modules DIR: alpha needs beta, which needs base-x; delta is built in.
modules() {
	module "$1" alpha beta
	module "$1" beta base_x
	module "$1" base-x
	module "$1" unused
	echo kernel/x/delta.ko >"$1/modules.builtin"
}

# No entry, no temporary directory.
nothing_left() {
	is "$(find "$FCVM_DATA_DIR" -mindepth 2 ! -name .lock 2>/dev/null)" "" "left behind"
}

@test "every payload compression of a bzImage unpacks to the same bytes" {
	elf k
	gzip -nc k >k.gzip
	bzip2 -c k >k.bzip2
	xz --check=crc32 --x86 --lzma2=dict=1MiB -c k >k.xz
	lzma -c k >k.lzma
	lzop -9 -c k >k.lzo
	lz4 -l -9 -c k >k.lz4
	zstd -q -19 -c k >k.zstd
	cp k k.none
	for c in gzip bzip2 xz lzma lzo lz4 zstd none; do
		size=k
		[[ $c != gzip ]] || size=
		bzimage "bz.$c" "k.$c" $size
		run -0 --separate-stderr fcvm-kernel import "bz.$c"
		cmp "$output/vmlinux" k
		run -0 --separate-stderr fcvm-kernel inspect "bz.$c"
		has "$output" "compression: $c"
		has "$output" "release: 6.9.0-test"
	done
	is "$(fcvm-kernel ls --json | grep -c '"key"')" 1 "kernels in the store"
}

@test "a vmlinux is taken plain and compressed whole" {
	elf k
	first=$(fcvm-kernel import k 2>/dev/null)
	cmp "$first/vmlinux" k
	gzip -k k && xz -k k && zstd -q k && bzip2 -k k && lz4 -lq k k.lz4 && lzop k
	for f in k.gz k.xz k.zst k.bz2 k.lz4 k.lzo; do
		is "$(fcvm-kernel import "$f" 2>/dev/null)" "$first" "$f"
	done
}

@test "packages of every kind give the same kernel, with modules in loading order" {
	elf k && bzip2 -k k && bzimage bz k.bz2 k
	mkdir -p root/boot root/lib/modules
	cp bz root/boot/vmlinuz-6.9.0-test
	modules root/lib/modules/6.9.0-test
	tar -C root -cf p.tar . && xz -k p.tar && zstd -q p.tar && gzip -k p.tar && bzip2 -k p.tar
	echo 2.0 >debian-binary && tar -cJf control.tar.xz debian-binary && cp p.tar.xz data.tar.xz
	ar rc p.deb debian-binary control.tar.xz data.tar.xz
	first=
	for f in p.tar p.tar.xz p.tar.zst p.tar.gz p.tar.bz2 p.deb; do
		run -0 --separate-stderr fcvm-kernel import "${want[@]}" "$f"
		is "$stderr" ""
		is "${first:=$output}" "$output" "$f"
	done
	cmp "$first/vmlinux" k
	is "$(ls "$first/modules")" $'00-base_x.ko\n01-beta.ko\n02-alpha.ko'
	cmp "$first/modules/02-alpha.ko" root/lib/modules/6.9.0-test/kernel/x/alpha.ko
	is "$(fcvm-kernel import "${want[@]}" --modules root k 2>&1)" "$first" "a directory above"
	is "$(fcvm-kernel import "${want[@]}" --modules root/lib/modules/6.9.0-test k)" "$first" "the directory"
	is "$(fcvm-kernel import "${want[@]}" --modules p.tar.xz k)" "$first" "another package"
}

@test "compressed modules are stored unpacked" {
	elf k
	modules plain && cp -r plain packed
	xz packed/kernel/x/alpha.ko && zstd -q --rm packed/kernel/x/beta.ko && gzip packed/kernel/x/base-x.ko
	first=$(fcvm-kernel import "${want[@]}" --modules plain k)
	is "$(fcvm-kernel import "${want[@]}" --modules packed k)" "$first"
	mkdir -p root/lib/modules root/boot
	cp -r packed root/lib/modules/6.9.0-test && cp k root/boot/vmlinux-6.9.0-test
	tar -C root -czf p.tgz .
	is "$(fcvm-kernel import "${want[@]}" p.tgz)" "$first"
}

@test "modules.dep decides where there is one" {
	elf k
	modules m
	printf 'kernel/x/alpha.ko: kernel/x/unused.ko kernel/x/base-x.ko\nkernel/x/base-x.ko:\nkernel/x/unused.ko:\n' >m/modules.dep
	run -0 fcvm-kernel import "${want[@]}" --modules m k
	is "$(ls "$output/modules")" $'00-base_x.ko\n01-unused.ko\n02-alpha.ko'
}

@test "a module in updates/ replaces the kernel's own of that name" {
	elf k
	mkdir -p root/boot && cp k root/boot/vmlinux-6.9.0-test
	m=root/lib/modules/6.9.0-test
	module $m alpha && module $m beta && module new alpha beta
	mkdir $m/updates && mv new/kernel/x/alpha.ko $m/updates/
	run -0 fcvm-kernel import --want alpha --modules $m k
	is "$(ls "$output/modules")" $'00-beta.ko\n01-alpha.ko'
	cmp "$output/modules/01-alpha.ko" $m/updates/alpha.ko
	tar -C root -cf p.tar .
	is "$(fcvm-kernel import --want alpha p.tar)" "$output"
}

@test "a module that is needed and missing is one line that names it" {
	elf k
	modules m
	run -101 fcvm-kernel import --want "alpha omega" --modules m k
	is "$output" "fcvm-kernel: m: module omega is missing: it is neither among the 4 modules nor built in"
	rm m/kernel/x/base-x.ko
	run -101 fcvm-kernel import "${want[@]}" --modules m k
	is "$output" "fcvm-kernel: m: module beta needs base_x, which is missing"
	module m base-x alpha
	run -101 fcvm-kernel import "${want[@]}" --modules m k
	has "$output" "modules need each other in a circle"
	is "${#lines[@]}" 1
	nothing_left
}

@test "modules of another kernel release are refused" {
	elf k
	module m alpha "" 6.8.0-other
	run -101 fcvm-kernel import --want alpha --modules m k
	is "$output" "fcvm-kernel: m: module alpha is for kernel 6.8.0-other, the kernel is 6.9.0-test"
	nothing_left
}

@test "a kernel that comes without modules is taken, and a note says so" {
	elf k
	run -0 --separate-stderr fcvm-kernel import k
	is "$stderr" "fcvm-kernel: note: k brings no modules: the guest can only use what this kernel has built in"
	is "$(ls "$output/modules")" ""
}

@test "a kernel without the PVH note is taken, and a note says so" {
	elf k 62 17
	run -0 --separate-stderr fcvm-kernel import k
	has "$stderr" "note: k has no PVH note"
	grep -q '"directBoot": false' "$output/meta.json"
}

@test "truncated files are refused in one line and leave nothing" {
	elf k && gzip -k k && bzimage bz k.gz
	mkdir boot && cp bz boot/vmlinuz && tar -cJf p.tar.xz boot
	echo 2.0 >debian-binary && cp p.tar.xz data.tar.xz && ar rc p.deb debian-binary data.tar.xz
	for f in k bz p.tar.xz p.deb; do
		size=$(stat -c %s "$f")
		# the last 200 bytes of bz are beyond its payload
		for cut in 1 3 100 520 600 3000 $((size / 2)) $((size - 300)); do
			head -c "$cut" "$f" >part
			run -101 fcvm-kernel import part
			is "${#lines[@]}" 1 "lines for $f at $cut: $output"
			matches "$output" '^fcvm-kernel: part: '
		done
	done
	nothing_left
}

@test "foreign files are refused by name" {
	: >empty
	elf arm 183 && elf other 21 && echo hello >text && gzip -k text && tar -cf t.tar text
	cp "$ROOT/build/bin/fcvm-kernel" program
	run -101 fcvm-kernel import empty
	is "$output" "fcvm-kernel: empty: the file is empty"
	run -101 fcvm-kernel import arm
	is "$output" "fcvm-kernel: arm: built for aarch64, not for x86_64"
	run -101 fcvm-kernel import other
	is "$output" "fcvm-kernel: other: built for another machine, not for x86_64"
	for f in text text.gz; do
		run -101 fcvm-kernel import $f
		is "$output" "fcvm-kernel: $f: not a kernel: neither a bzImage nor an ELF vmlinux, nor an archive of one"
	done
	run -101 fcvm-kernel import t.tar
	is "$output" "fcvm-kernel: t.tar: holds no kernel: no vmlinuz, vmlinux or bzImage among its 1 entries"
	run -101 fcvm-kernel import program
	is "$output" "fcvm-kernel: program: an ELF program, but not a Linux kernel"
	run -101 fcvm-kernel import /dev/zero
	is "$output" "fcvm-kernel: /dev/zero: not a regular file"
	run -102 fcvm-kernel import none
	is "$output" "fcvm-kernel: none: cannot open: No such file or directory"
	nothing_left
}

@test "of several kernels in an archive --member chooses one" {
	elf boot-a && mkdir boot && cp boot-a boot/vmlinux-a && cp boot-a boot/vmlinuz-b && ln -s vmlinux-a boot/vmlinux
	tar -cf p.tar boot
	run -101 fcvm-kernel import p.tar
	has "$output" "p.tar: holds several kernels: choose one with --member, such as boot/vmlinu"
	run -0 --separate-stderr fcvm-kernel import --member ./boot/vmlinuz-b p.tar
	run -101 fcvm-kernel import --member boot/vmlinux p.tar
	is "$output" "fcvm-kernel: p.tar: boot/vmlinux is no regular file but a link to vmlinux-a"
	run -101 fcvm-kernel import --member nope p.tar
	is "$output" "fcvm-kernel: p.tar: holds no member nope"
}
