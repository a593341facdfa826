#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# fcvm-doctor in a host made of stubs: PATH holds them and a few basic programs, nothing else.
# shellcheck disable=SC2016,SC2154 # texts of stubs; variables that run sets

load ../lib/helper

setup() {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	prefix=$BATS_TEST_TMPDIR
	mkdir -p "$prefix/libexec/fcvm" "$FCVM_DATA_DIR/kernels/k1" "$FCVM_DATA_DIR/initrds/i1"
	echo agent >"$prefix/libexec/fcvm/fcvm-agent"
	: >"$FCVM_DATA_DIR/kernels/k1/vmlinux"
	: >"$FCVM_DATA_DIR/initrds/i1/initrd"
	printf '{\n "accel": "tcg",\n "agent": "%s",\n "initrd": "i1",\n "kernel": "k1",\n "release": "6.9.0-test"\n}\n' \
		"$(sha256sum <"$prefix/libexec/fcvm/fcvm-agent" | cut -d' ' -f1)" >"$FCVM_DATA_DIR/setup.json"
	use_real fcvm-doctor
	for tool in fcvm-kernel fcvm-cache fcvm-plan fcvm-rundir fcvm-ctl fcvm-net fcvm-vol qemu-system-x86_64 skopeo tar2sqfs mke2fs \
		busybox unshare newuidmap pasta nft apt-get; do
		stub "$tool" :
	done
	stub fcvm-boot 'echo "${PROBE-kvm: it runs}"'
	stub df 'printf "Filesystem 1024-blocks\nx 1 1 %s 1%% /\n" "${FREE_KIB:-9000000}"'
	stub id 'case $1 in -u) echo "${AS:-0}" ;; *) echo joe ;; esac'
	stub uname 'echo "${MACHINE:-x86_64}"'
	cd "$prefix" || return
	mkdir basic
	for tool in sh sed awk grep head tr readlink sha256sum dirname; do
		ln -s "$(command -v "$tool")" basic/
	done
}

doctor() {
	PATH=$STUBS:$prefix/basic "$STUBS/fcvm-doctor" "$@"
}

# The line about one thing.
about() {
	grep " $1: " <<<"$output"
}

@test "a host that has everything can run containers" {
	run -0 doctor
	lacks "$output" FAIL
	is "$(about qemu)" "ok    qemu: $STUBS/qemu-system-x86_64"
	is "$(about accelerator)" "ok    accelerator: kvm: it runs"
	is "$(about setup)" "ok    setup: kernel 6.9.0-test, tcg"
	is "$(about disk)" "ok    disk: 8789 MiB free for $FCVM_DATA_DIR"
}

@test "each program that is lacking is named, with the package that has it" {
	while read -r tool what package level; do
		mv "$STUBS/$tool" away
		run doctor
		matches "$(about "$what")" "^$level +$what: no $tool: run 'apt-get install $package'\$"
		is "$status" "$([[ $level == warn ]] && echo 0 || echo 1)" "$tool"
		mv away "$STUBS/$tool"
	done <<-END
		qemu-system-x86_64 qemu qemu-system-x86 FAIL
		skopeo skopeo skopeo FAIL
		tar2sqfs squashfs squashfs-tools-ng FAIL
		pasta pasta passt FAIL
	END
	rm "$STUBS/fcvm-cache" "$STUBS/busybox"
	run -1 doctor
	is "$(about fcvm)" "FAIL  fcvm: lacks fcvm-cache: install fcvm again: run 'make install'"
	is "$(about busybox)" "FAIL  busybox: not installed: run 'apt-get install busybox-static'"
}

@test "a file system's maker that is not the one that the cache runs does not count" {
	mv "$STUBS/tar2sqfs" "$STUBS/sqfstar"
	run -1 doctor
	is "$(about squashfs)" "FAIL  squashfs: no tar2sqfs: run 'apt-get install squashfs-tools-ng'"
}

@test "what fcvm finds in sbin is there, although a user's PATH lacks sbin" {
	rm "$STUBS/mke2fs" "$STUBS/nft" # this host has both
	AS=12345 run -0 doctor
	matches "$(about e2fsprogs)" '^ok    e2fsprogs: (/usr)?/sbin/mke2fs$'
	matches "$(about nftables)" '^ok    nftables: (/usr)?/sbin/nft$'
}

@test "a busybox that needs a dynamic loader is not good enough" {
	rm "$STUBS/busybox"
	echo 'int main(void) { return 0; }' | cc -x c -o "$STUBS/busybox" -
	run -1 doctor
	has "$(about busybox)" "is not static: run 'apt-get install busybox-static'"
	echo 'int main(void) { return 0; }' | cc -static -x c -o "$STUBS/busybox" -
	run -0 doctor
}

@test "a slow accelerator is a warning, a probe that fails is not" {
	PROBE="tcg: no /dev/kvm" run -0 doctor
	matches "$(about accelerator)" "^warn  accelerator: tcg: no /dev/kvm: "
	PROBE="" run -1 doctor
	is "$(about accelerator)" "FAIL  accelerator: fcvm-boot probe fails: run '$STUBS/fcvm-boot probe'"
}

@test "too little space is named with what to do" {
	FREE_KIB=102400 run -1 doctor
	is "$(about disk)" "FAIL  disk: 100 MiB free for $FCVM_DATA_DIR: free some there, or set FCVM_DATA_DIR"
	FREE_KIB=1024000 run -0 doctor
	matches "$(about disk)" "^warn  disk: 1000 MiB"
}

@test "a setup that is missing, broken or old is named" {
	echo newer >"$prefix/libexec/fcvm/fcvm-agent"
	run -0 doctor
	is "$(about setup)" "warn  setup: made with another guest agent: run 'fcvm setup'"
	rm "$FCVM_DATA_DIR/initrds/i1/initrd"
	run -1 doctor
	is "$(about setup)" "FAIL  setup: the guest kernel or initrd is gone: run 'fcvm setup'"
	rm "$FCVM_DATA_DIR/setup.json"
	run -1 doctor
	is "$(about setup)" "FAIL  setup: no guest kernel in $FCVM_DATA_DIR: run 'fcvm setup'"
}

@test "what only users need is asked of users, and their fixes begin with sudo" {
	rm "$STUBS/pasta"
	AS=12345 run doctor
	matches "$(about subids)" "^warn  subids: no ids for joe in /etc/subuid and /etc/subgid: run 'sudo usermod --add-subuids "
	has "$(about pasta)" "no pasta: run 'sudo apt-get install passt'"
	stub pasta :
	run doctor
	lacks "$output" subids
	stub unshare 'exit 1'
	run -0 doctor
	has "$(about namespaces)" "user namespaces are refused: run 'sysctl -w"
	MACHINE=riscv64 run -1 doctor
	has "$(about machine)" "riscv64: only x86_64"
}

@test "--json says the same as one object" {
	PROBE='tcg: a "quoted" \ reason' run -0 doctor --json
	is "$(perl -MJSON::PP -e 'local $/; my $d = decode_json(<STDIN>);
		my ($a) = grep { $_->{what} eq "accelerator" } @{$d->{checks}};
		print "$d->{ok} $a->{level} $a->{detail}"' <<<"$output")" '1 warn tcg: a "quoted" \ reason'
	rm "$STUBS/skopeo"
	run -1 doctor --json
	has "$output" '"ok": false'
}
