#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Snapshots of the disk alone under fire.

load ../lib/helper
load ../lib/snapshots-disk

@test "another kernel is no hindrance, a damaged disk is" {
	cp -a --sparse=always "$FCVM_DATA_DIR/snapshots/base" "$FCVM_DATA_DIR/snapshots/bad"
	sed -i 's/"key": "[0-9a-f]*"/"key": "00"/; s/"release": "6[^"]*"/"release": "5.0"/' "$FCVM_DATA_DIR/snapshots/bad/meta.json"
	run -0 fcvm snapshot run bad --rm --exec 'cat /file'
	truncate -s -4096 "$FCVM_DATA_DIR/snapshots/bad/scratch"
	run -125 fcvm snapshot run bad
	has "$output" 'the snapshot bad is damaged: its scratch has'
	is "$(fcvm snapshot prune)" 'removed bad'
}

@test "killed at any step, the VM's own process or its helper leave the old one, and no writer waits" {
	for step in saved synced described; do
		fcvm stop -t 0 --ignore --name mortal >/dev/null
		FCVM_FAILPOINT=snapshot-$step fcvm snapshot run base --name mortal -d
		fcvm exec mortal sh -c 'echo new >/file'
		run fcvm snapshot create mortal --disk-only --tag base
		((status != 0)) || fail "$step: not killed"
		# The helper alone died: the disk is let go.
		fcvm exec mortal sh -c 'echo more >/file'
		is "$(fcvm exec mortal cat /file)" more
		fcvm snapshot prune
		is "$(store)" base
	done
	FCVM_FAILPOINT=snapshot-frozen fcvm snapshot run base --name clone -d
	run fcvm snapshot create clone --disk-only --tag base
	((status != 0))
	fcvm stop -t 0 mortal
	run -0 fcvm snapshot run base --rm --exec 'cat /file'
	is "$output" kept
	fcvm snapshot prune
	is "$(store)" base
}
