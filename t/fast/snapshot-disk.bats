#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Snapshots of the disk alone: the container's files of then, in a machine that boots.

load ../lib/helper
load ../lib/snapshots-disk

@test "the container begins anew with the files of then, and the VM goes on writing" {
	fcvm exec source sh -c 'echo later >/file'
	# shellcheck disable=SC2034 # eval's
	n=$(fcvm exec source wc -l /log | cut -d' ' -f1)
	wait_for 20 eval '(($(fcvm exec source wc -l /log | cut -d" " -f1) > n))'
	is "$(fcvm snapshot run base --name clone -d)" clone
	is "$(fcvm exec clone cat /file)" kept
	is "$(fcvm exec clone sh -c 'test -d /dir; hostname; wc -l </runs')" $'clone\n2'
	[[ $(fcvm exec clone cat /proc/sys/kernel/random/boot_id) != "$(fcvm exec source cat /proc/sys/kernel/random/boot_id)" ]]
	fcvm exec clone sh -c 'echo mine >/file'
	is "$(fcvm exec source cat /file)" later
	run -0 e2fsck -fn "$FCVM_DATA_DIR/snapshots/base/scratch"
}

@test "--exec has the command's output and status, and several clones run at once" {
	run -7 fcvm snapshot run base --name clone --exec 'cat /file; exit 7'
	is "$output" kept
	run -0 fcvm snapshot run base -n 2 --rm --exec 'cat /file'
	is "$output" $'kept\nkept'
}

@test "it is small, tells its kind, and goes through a file" {
	is "$(ls "$FCVM_DATA_DIR/snapshots/base" | paste -sd ' ')" 'meta.json plan.json root.sqfs scratch'
	matches "$(fcvm snapshots)" 'base +disk +source'
	has "$(fcvm snapshot inspect base)" '"kind": "disk"'
	fcvm snapshot export base "$BATS_TEST_TMPDIR/file"
	is "$(fcvm snapshot import "$BATS_TEST_TMPDIR/file" --tag copy)" copy
	run -0 fcvm snapshot run copy --rm --exec 'cat /file'
	is "$output" kept
	fcvm snapshot rm copy
}
