#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../lib/helper
load ../lib/readme

@test "the README's examples with a VM print what it says" {
	"$ROOT/share/examples/hello-image" "$BATS_TEST_TMPDIR/hello"
	run_readme vm "$BATS_TEST_TMPDIR"
}
