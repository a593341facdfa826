#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# fcvm-kernel's store (locking, sweeping, concurrent use) and the initrd.

load ../lib/helper

setup_file() {
	export PARTS=$BATS_FILE_TMPDIR
	# "Linux version" and a PVH note make an ELF program a kernel.
	cat >"$PARTS/k.c" <<-'END'
		const char v[] = "Linux version 6.9.0-test (someone)";
		__asm__(".section .note.Xen,\"a\",@note\n.long 4, 8, 18\n.asciz \"Xen\"\n.quad 0\n.text\n");
		int main(void) { return v[0]; }
	END
	cc -static -o "$PARTS/k" "$PARTS/k.c"
	echo 'int main(void) { return 0; }' | cc -static -x c -o "$PARTS/agent" -
	echo 'int main(void) { return 1; }' | cc -static -x c -o "$PARTS/busybox" -
	echo 'int main(void) { return 1; }' | cc -x c -o "$PARTS/dynamic" -
	mkdir "$PARTS/m"
	for name in one two; do
		printf 'const char i[] __attribute__((section(".modinfo"), used)) = "depends=%s\\0vermagic=6.9.0-test x";' \
			"$([[ $name == two ]] || echo two)" | cc -c -x c -o "$PARTS/m/$name.ko" -
	done
}

setup() {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	cd "$BATS_TEST_TMPDIR" || return
	import=(import --want one --modules "$PARTS/m" "$PARTS/k")
}

import() {
	fcvm-kernel "${import[@]}"
}

@test "imports of one kernel at the same time end with one entry, for all of them" {
	for i in 1 2 3 4 5 6 7 8; do
		import >"out.$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	is "$(cat out.* | sort -u | wc -l)" 1
	is "$(ls "$FCVM_DATA_DIR/kernels")" "$(basename "$(cat out.1)")"
	is "$(find "$FCVM_DATA_DIR/kernels" -name '.tmp*')" ""
	cmp "$(cat out.1)/vmlinux" "$PARTS/k"
}

@test "what a killed import left is swept by the next, but not while its maker is at work" {
	mkdir -p "$FCVM_DATA_DIR/kernels/.tmp.left/modules"
	: >"$FCVM_DATA_DIR/kernels/.tmp.left/vmlinux"
	exec 8>"$FCVM_DATA_DIR/kernels/.lock"
	flock 8
	fcvm-kernel "${import[@]}" >out 8>&- &
	pid=$!
	# it waits for the lock: /proc/locks shows a blocked request
	wait_for 10 grep -q -- "-> FLOCK .* $pid " /proc/locks
	[[ -e $FCVM_DATA_DIR/kernels/.tmp.left/vmlinux ]]
	exec 8>&-
	wait "$pid"
	[[ ! -e $FCVM_DATA_DIR/kernels/.tmp.left ]]
	cmp "$(cat out)/vmlinux" "$PARTS/k"
}

@test "an import killed while it writes leaves no entry, and the next one succeeds" {
	mkdir -p "$FCVM_DATA_DIR/kernels"
	for _ in 1 2 3 4 5; do
		fcvm-kernel "${import[@]}" >out 2>&1 &
		pid=$!
		while [[ -d /proc/$pid ]] && ! compgen -G "$FCVM_DATA_DIR/kernels/.tmp.*" >/dev/null; do :; done
		kill -KILL "$pid" 2>/dev/null || :
		wait "$pid" 2>/dev/null || :
		for entry in "$FCVM_DATA_DIR"/kernels/*; do
			[[ ! -e $entry ]] || grep -q '"release": "6.9.0-test"' "$entry/meta.json"
		done
		dir=$(import)
		cmp "$dir/vmlinux" "$PARTS/k"
		is "$(find "$FCVM_DATA_DIR/kernels" -mindepth 1 -maxdepth 1 ! -name .lock)" "$dir"
		rm -rf "$dir"
	done
}

@test "an import is on disk, the names of its modules too, before it appears" {
	run -0 strace -y -o trace -e trace=fsync,fdatasync,rename,renameat,renameat2 fcvm-kernel "${import[@]}"
	entry=${output##*/}
	last=$(grep -n "\"$entry\"" trace | head -n 1 | cut -d: -f1)
	for part in modules ''; do
		synced=$(grep -nE "sync\([0-9]+<[^>]*/\.tmp\.[^/>]*${part:+/$part}>\) += 0" trace | tail -n 1 | cut -d: -f1)
		[[ -n $synced && $synced -lt $last ]] || fail "no sync of /$part: $(cat trace)"
	done
	tail -n +"$((last + 1))" trace | grep -qE "sync\([0-9]+<$FCVM_DATA_DIR/kernels>\) += 0"
}

@test "a full disk is one line and leaves nothing" {
	mkdir -p "$FCVM_DATA_DIR/kernels"
	# vmlinux is some 700 KB; a file of more than 100 KB is refused as a full disk would refuse it
	small_disk() (
		ulimit -f 100
		trap "" XFSZ
		import
	)
	run -111 small_disk
	matches "$output" '^fcvm-kernel: cannot write vmlinux in [^:]*: File too large$'
	is "$(ls -A "$FCVM_DATA_DIR/kernels")" .lock
}

@test "ls and inspect tell what there is, for people and as JSON" {
	run -0 fcvm-kernel ls
	is "${#lines[@]}" 1
	dir=$(import)
	run -0 fcvm-kernel ls
	matches "${lines[1]}" '^[0-9a-f]{12}  6\.9\.0-test +0M +2  -$'
	run -0 fcvm-kernel ls --json
	has "$output" "\"path\": \"$dir\""
	run -0 fcvm-kernel inspect --json "$PARTS/k"
	has "$output" '"format": "vmlinux"'
	has "$output" '"directBoot": true'
}

@test "an initrd holds agent, busybox and modules in order, and nothing of this host" {
	kernel=$(import)
	run -0 fcvm-kernel initrd --kernel "$kernel" --agent "$PARTS/agent" --busybox "$PARTS/busybox"
	is "$(cpio --quiet -it <"$output/initrd")" "bin
bin/busybox
dev
init
lib
lib/fcvm
lib/fcvm/modules
lib/fcvm/modules/00-two.ko
lib/fcvm/modules/01-one.ko
proc
sys"
	is "$(cpio --quiet -itvn <"$output/initrd" | awk '{ print $1, $3, $4, $NF }' | sed -n '2p;4p;8p')" \
		"-rwxr-xr-x 0 0 bin/busybox
-rwxr-xr-x 0 0 init
-rw-r--r-- 0 0 lib/fcvm/modules/00-two.ko"
	mkdir x && cd x
	cpio --quiet -id <"$output/initrd"
	cmp init "$PARTS/agent"
	cmp bin/busybox "$PARTS/busybox"
	cmp lib/fcvm/modules/01-one.ko "$PARTS/m/one.ko"
}

@test "the same initrd has the same key and bytes anywhere, and is made once" {
	kernel=$(import)
	args=(initrd --kernel "$kernel" --busybox "$PARTS/busybox")
	first=$(fcvm-kernel "${args[@]}" --agent "$PARTS/agent")
	before=$(stat -c '%i %z' "$first/initrd")
	cp "$PARTS/agent" other && touch -d 2001-01-01 other && chmod 700 other
	is "$(fcvm-kernel "${args[@]}" --agent other)" "$first"
	is "$(stat -c '%i %z' "$first/initrd")" "$before"
	second=$(FCVM_DATA_DIR=$PWD/elsewhere fcvm-kernel "${args[@]}" --agent other)
	is "${second##*/}" "${first##*/}"
	cmp "$first/initrd" "$second/initrd"
	third=$(fcvm-kernel "${args[@]}" --agent "$PARTS/busybox")
	[[ $third != "$first" ]]
}

@test "an initrd of what cannot run in the guest is refused" {
	kernel=$(import)
	run -101 fcvm-kernel initrd --kernel "$kernel" --agent "$PARTS/dynamic"
	is "$output" "fcvm-kernel: $PARTS/dynamic: not statically linked, so it cannot run in the guest"
	echo '#!/bin/sh' >script
	run -101 fcvm-kernel initrd --kernel "$kernel" --agent script
	is "$output" "fcvm-kernel: script: not an ELF file"
	run -102 fcvm-kernel initrd --kernel "$kernel" --agent nothing
	is "$output" "fcvm-kernel: cannot read nothing: No such file or directory"
	run -102 fcvm-kernel initrd --kernel nowhere --agent "$PARTS/agent"
	has "$output" "cannot open the kernel directory nowhere"
	echo x >>"$kernel/modules/00-two.ko"
	run -101 fcvm-kernel initrd --kernel "$kernel" --agent "$PARTS/agent"
	is "$output" "fcvm-kernel: $kernel: modules/00-two.ko is damaged: import the kernel again"
	is "$(find "$FCVM_DATA_DIR/initrds" -mindepth 1 ! -name .lock 2>/dev/null)" ""
}

@test "a wrong command line names what is wrong" {
	run -100 fcvm-kernel
	has "$output" "a command is missing"
	run -100 fcvm-kernel imprt k
	is "$output" "fcvm-kernel: unknown command imprt: did you mean import?"
	run -100 fcvm-kernel import
	has "$output" "import needs a file"
	run -100 fcvm-kernel import a b
	has "$output" "one word too many: b"
	run -100 fcvm-kernel import --moduls x k
	is "$output" "fcvm-kernel: unknown option --moduls: did you mean --modules?"
	run -100 fcvm-kernel initrd --kernel k
	has "$output" "initrd needs --kernel and --agent"
	run -100 fcvm-kernel wanted x
	has "$output" "wanted: one word too many: x"
}

@test "wanted is what import looks for when it is not told" {
	run -0 fcvm-kernel wanted
	has " $output " " virtio_blk "
	is "$(fcvm-kernel wanted --json | perl -MJSON::PP -e 'local $/; print decode_json(<STDIN>)->{wanted}')" "$output"
	run -101 fcvm-kernel import --modules "$PARTS/m" "$PARTS/k"
	has "$output" "module $(fcvm-kernel wanted | cut -d" " -f1) is missing"
}
