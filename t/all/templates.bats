#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Templates under fire: many at once, killed half-way, and machines that differ in one thing.

load ../lib/helper
load ../lib/templates

@test "seventeen first runs at once make one template" {
	local pids=() pid
	export FCVM_TRACE=1
	for ((i = 0; i < 17; i++)); do
		quick --memory 128m "$IMAGE" cat /proc/sys/kernel/random/uuid \
			>"$BATS_TEST_TMPDIR/out$i" 2>"$BATS_TEST_TMPDIR/err$i" </dev/null 3>&- 4>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	is "$(cat "$BATS_TEST_TMPDIR"/err* | grep -c 'template: booting')" 1
	is "$(templates | wc -l)" 1
	is "$(cat "$BATS_TEST_TMPDIR"/out* | sort -u | wc -l)" 17
}

@test "runs of other machines have templates of their own" {
	quick "$IMAGE" true
	quick --cpus 1 "$IMAGE" true
	quick --privileged "$IMAGE" true
	quick --rootfs-size 1g "$IMAGE" true
	is "$(templates | wc -l)" 4
}

# another OPTION…: fcvm-boot finds no template of the machine that these options change.
another() {
	local before
	before=$(templates | wc -l)
	fcvm-boot template --plan "$BATS_TEST_TMPDIR/plan.json" --image "$dir" "$@"
	is "$(templates | wc -l)" $((before + 1)) "templates after $*"
}

@test "another kernel, initrd, kernel argument or hypervisor is another machine" {
	dir=$(fcvm-cache pull "$IMAGE")
	fcvm-plan make --config "$dir/config.json" --name x --memory 128m --network none "$IMAGE" true \
		>"$BATS_TEST_TMPDIR/plan.json"
	another
	id=$(sed -n 's/^ *"kernel": *"\([0-9a-f]*\)".*/\1/p' "$FCVM_DATA_DIR/setup.json")
	cp "$FCVM_DATA_DIR/kernels/$id/vmlinux" "$BATS_TEST_TMPDIR/vmlinux"
	another --kernel "$BATS_TEST_TMPDIR/vmlinux"
	id=$(sed -n 's/^ *"initrd": *"\([0-9a-f]*\)".*/\1/p' "$FCVM_DATA_DIR/setup.json")
	cp "$FCVM_DATA_DIR/initrds/$id/initrd" "$BATS_TEST_TMPDIR/initrd"
	another --initrd "$BATS_TEST_TMPDIR/initrd"
	another --append fcvm.test
	stub qemu-system-x86_64 "exec $(command -v qemu-system-x86_64) \"\$@\""
	PATH=$STUBS:$PATH another
}

@test "killed at any step of making one, the old or the new is there and the space comes back" {
	for step in begun ready synced described aside renamed; do
		FCVM_FAILPOINT=template-$step run quick "$IMAGE" true
		((status != 0)) || fail "$step: not killed"
		run -0 quick "$IMAGE" echo fine
		is "$output" fine
		is "$(templates | wc -l)" 1 "after $step"
		is "$(ls -A "$FCVM_DATA_DIR/templates" | wc -l)" 2 "after $step"
		fcvm template prune --all --quiet
	done
}
