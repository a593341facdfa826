#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Memory that a guest does not use any more is the host's again.

load ../lib/helper
load ../lib/templates

teardown() {
	fcvm rm --force -t 0 --ignore "$name" "$name-2" >/dev/null 2>&1 || :
	fcvm snapshot rm "$name" >/dev/null 2>&1 || :
}

# What the VMM has in memory of its own and of files, in KiB.
resident() {
	sed -n 's/^Rss:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$vmm/smaps_rollup"
}

below() {
	(($(resident) < $1))
}

start() { # OPTION…
	name=$(vm_name)
	fcvm run -d --name "$name" --network none --memory 512m --tmpfs /mem "$@" "$IMAGE" sleep 1000
}

# gives_back VM: what a file in its memory takes comes back when it is removed.
gives_back() {
	local full before
	vmm=$(fcvm inspect --format '{{.vmm.pid}}' "$1")
	before=$(resident)
	fcvm exec "$1" dd if=/dev/zero of=/mem/file bs=1M count=200
	full=$(resident)
	((full > before + 180 * 1024)) || fail "200 MiB took $((full - before)) KiB"
	fcvm exec "$1" rm /mem/file
	wait_for 60 below $((full - 170 * 1024)) || fail "$full KiB became $(resident)"
}

@test "what a machine frees is the host's again, whether it was booted or is from a template" {
	start
	gives_back "$name"
	fcvm rm -f -t 0 "$name"
	start --no-snapshot
	gives_back "$name"
}

@test "what a clone frees is its own memory: the snapshot stays as it was" {
	local memory sum
	start
	fcvm exec "$name" dd if=/dev/urandom of=/mem/random bs=1M count=100
	fcvm snapshot create "$name" --stop
	memory=$FCVM_DATA_DIR/snapshots/$name/memory
	sum=$(sha256sum <"$memory")
	fcvm snapshot run "$name" --name "$name-2" -d
	fcvm exec "$name-2" rm /mem/random
	gives_back "$name-2"
	is "$(sha256sum <"$memory")" "$sum"
}

@test "where a container's runtime answers system calls, a machine is booted, and a snapshot refused" {
	start
	fcvm snapshot create "$name" --stop
	run --separate-stderr -0 "$ROOT/build/t/listened" fcvm run --rm --network none "$IMAGE" echo here
	is "$output" here
	is "$stderr" ''
	run -125 "$ROOT/build/t/listened" fcvm snapshot run "$name" --rm --exec true
	has "$output" "cannot guard the machine's memory: a runtime answers system calls of this container already"
}
