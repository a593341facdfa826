#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A volume in a VM answers as the file system below it does. Needs root: a user's volume has neither
# devices nor owners of its own choice.

load ../lib/helper

setup() {
	image=oci:$(hello_image)
	# Other users must get there.
	place=$(mktemp -d /tmp/fcvm-p.XXXXXX)
	chmod 755 "$place"
	share=$place/share
	out=$BATS_TEST_TMPDIR/out
	mkdir -p "$share/work" "$place/beside"
	cp "$ROOT/build/t/fcvm-posix" "$ROOT/build/t/fcvm-stress" "$ROOT/t/posix/all" "$share/"
}

teardown() {
	rm -rf "$place"
}

@test "all categories at once answer on a volume in a VM as on the host's file system" {
	"$ROOT/t/posix/all" "$ROOT/build/t/fcvm-posix" "$place/beside" "$out/plain"
	run timeout 280 fcvm run --rm --privileged -v "$share:/vol:dev,suid,exec" "$image" -- \
		sh /vol/all /vol/fcvm-posix /vol/work /vol/out
	is "$status" 0 "$output"
	run "$ROOT/t/posix/compare" "$out/plain" "$share/out" "$ROOT/t/posix/exceptions"
	is "$status" 0 "$(head -60 <<<"$output")"
	is "$(ls -A "$share/work")" ''
}

@test "random operations of many threads in a VM leave on the host what they should" {
	# The host looks at the end, before anything is removed: SAME-DIR is the volume once more.
	run timeout 280 fcvm run --rm -v "$share:/vol" -v "$share:/again" "$image" -- \
		/vol/fcvm-stress --seed 2 --threads 8 --operations 300 /vol/work /again/work
	is "$status" 0 "$output"
	has "$output" 'seed 2: 2400 operations by 8 threads'
	has "$output" 'on both sides'
	is "$(ls -A "$share/work")" ''
}
