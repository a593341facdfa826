#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What of Firecracker's back end takes its time: a guest that does not connect again. With the
# stand-in, whatever the machine has.

load ../lib/helper

setup() {
	load ../lib/firecracker.bash
	fake_firecracker
}

teardown() { kill_all; }

@test "a guest that does not connect again after a save ends its machine with a reason, as does a clone's" {
	local first status=0
	start_plain kept
	run -0 fcvm-snapshot create kept --tag warm
	stop kept "$machine"
	GUEST=stay-lost start_plain first
	first=$machine
	# It is saved all the same.
	run -0 fcvm-snapshot create first --tag cold
	fcvm-clone plan --name second warm >"$BATS_TEST_TMPDIR/second.plan"
	FAKEFC_GUEST=stay-lost run --separate-stderr timeout 100 fcvm-boot run --snapshot warm \
		--plan "$BATS_TEST_TMPDIR/second.plan" 3>&-
	refused 'the guest did not come up in time'
	wait "$first" || status=$?
	is "$status" 125
	has "$(cat "$BATS_TEST_TMPDIR/first.err")" 'the guest did not connect again after the machine was saved'
	nothing_left
}
