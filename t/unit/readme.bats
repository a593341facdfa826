#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../lib/helper
load ../lib/readme

@test "the README's examples without a VM print what it says" {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	run_readme host "$BATS_TEST_TMPDIR"
}
