#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Machines that fail: each failure has its own true line and fcvm's status, never a container's.

setup() {
	load ../lib/helper
	image=oci:$(hello_image)
}

assets() { # the kernel and initrd folders that setup chose
	kernel=$FCVM_DATA_DIR/kernels/$(sed -n 's/.*"kernel": *"\([0-9a-f]*\)".*/\1/p' "$FCVM_DATA_DIR/setup.json")
	initrd=$FCVM_DATA_DIR/initrds/$(sed -n 's/.*"initrd": *"\([0-9a-f]*\)".*/\1/p' "$FCVM_DATA_DIR/setup.json")
}

# An initrd whose /init is the shell text.
initrd_of() {
	local dir=$BATS_TEST_TMPDIR/ird
	mkdir -p "$dir/bin" "$dir/dev" "$dir/proc" "$dir/sys"
	cp /bin/busybox "$dir/bin/"
	printf '#!/bin/busybox sh\n%s\n' "$1" >"$dir/init"
	chmod 755 "$dir/init"
	mkdir -p "$BATS_TEST_TMPDIR/initrd"
	(cd "$dir" && find . | cpio -o -H newc -R 0:0 --quiet) >"$BATS_TEST_TMPDIR/initrd/initrd"
}

@test "a kernel panic is told as one, with the kernel's reason" {
	run --separate-stderr -125 timeout 120 fcvm run --cpus 1 --memory 256m --privileged "$image" -- \
		sh -c 'echo before; echo 2 >/proc/sys/vm/panic_on_oom; tail /dev/zero; sleep 60'
	is "$output" before
	is "$stderr" 'fcvm-boot: the guest kernel panicked: Out of memory: compulsory panic_on_oom is enabled'
}

@test "an agent that crashes is told apart from a kernel that panics" {
	assets
	initrd_of 'kill -SEGV $$; exit 1'
	run --separate-stderr -125 timeout 120 fcvm-boot selftest --kernel "$kernel" --initrd "$BATS_TEST_TMPDIR/initrd"
	is "$output" ''
	matches "$stderr" '^fcvm-boot: the guest agent crashed \(Attempted to kill init!'
}

@test "a guest that ends without a word has failed, and the console's end is shown" {
	assets
	initrd_of 'mount() { /bin/busybox mount "$@"; }; mount -t devtmpfs dev /dev; echo last words >/dev/ttyS0
		/bin/busybox stty -F /dev/ttyS0 echo; /bin/busybox reboot -f' # which is when they are sent
	run --separate-stderr -125 timeout 120 fcvm-boot selftest --kernel "$kernel" --initrd "$BATS_TEST_TMPDIR/initrd"
	is "${stderr_lines[0]}" 'fcvm-boot: the guest ended without reporting how the container did'
	has "$stderr" '| last words'
}

@test "an image that cannot be mounted is the agent's report, not a hang" {
	mkdir -p "$BATS_TEST_TMPDIR/img"
	head -c 1048576 /dev/zero >"$BATS_TEST_TMPDIR/img/root.sqfs"
	fcvm-plan make --config <(echo '{"config":{"Cmd":["true"]}}') --name x --memory 256m x >"$BATS_TEST_TMPDIR/plan"
	run --separate-stderr -125 timeout 120 fcvm-boot run --plan "$BATS_TEST_TMPDIR/plan" --image "$BATS_TEST_TMPDIR/img"
	is "$stderr" 'fcvm-boot: the guest agent failed: cannot mount the image: Invalid argument'
}

@test "more memory or processors than the host has are refused before anything starts" {
	run --separate-stderr -125 fcvm run --memory 900g "$image" true
	matches "$stderr" '^fcvm-boot: --memory 921600M: this host has [0-9]+M available: free some or ask for less$'
	run --separate-stderr -125 fcvm run --cpus 100 "$image" true
	matches "$stderr" '^fcvm-boot: --cpus 100: this host has [0-9]+$'
}

@test "a kernel file that is none is the monitor's error, said once" {
	assets
	mkdir -p "$BATS_TEST_TMPDIR/k"
	echo nonsense >"$BATS_TEST_TMPDIR/k/vmlinux"
	run --separate-stderr -125 timeout 60 fcvm-boot selftest --kernel "$BATS_TEST_TMPDIR/k" --initrd "$initrd"
	is "${#stderr_lines[@]}" 1
	matches "$stderr" '^fcvm-boot: qemu (failed with status|was ended)'
}

@test "a user or working directory that the image lacks is named" {
	run --separate-stderr -126 timeout 120 fcvm run --cpus 1 --memory 256m -u nobodyhere "$image" true
	is "$stderr" "fcvm-boot: no user 'nobodyhere' in the image's /etc/passwd"
	run --separate-stderr -126 timeout 120 fcvm run --cpus 1 --memory 256m -w /no/such "$image" true
	is "$stderr" 'fcvm-boot: workdir /no/such: No such file or directory'
}

@test "a working directory cannot lead out of the container" {
	local n
	for n in 3 5; do
		run --separate-stderr -126 timeout 120 fcvm run --cpus 1 --memory 256m -w "/proc/self/fd/$n/../../../.." "$image" ls
		is "$output" ''
		has "$stderr" "workdir /proc/self/fd/$n"
	done
}

@test "hostile account files of an image neither hang nor matter to others" {
	local dir=$BATS_TEST_TMPDIR/root
	mkdir -p "$dir/bin" "$dir/etc"
	cp /bin/busybox "$dir/bin/sh"
	mkfifo "$dir/etc/passwd"
	ln -s /dev/zero "$dir/etc/group"
	tar -C "$dir" -cf "$BATS_TEST_TMPDIR/layer.tar" .
	"$ROOT/t/lib/images/oci" "$BATS_TEST_TMPDIR/img" latest "$BATS_TEST_TMPDIR/layer.tar"
	run --separate-stderr -126 timeout 120 fcvm run --cpus 1 --memory 256m -u daemon "oci:$BATS_TEST_TMPDIR/img" sh -c true
	is "$stderr" "fcvm-boot: no user 'daemon' in the image's /etc/passwd"
	run -0 timeout 120 fcvm run --cpus 1 --memory 256m -u 7:8 "oci:$BATS_TEST_TMPDIR/img" sh -c 'echo fine'
	is "$output" fine
}
