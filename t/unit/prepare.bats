#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The driver and templates, with stubs in place of everything that pulls or boots: what is prepared is
# what would be run, and when a run must boot. Each test runs under dash and under busybox sh.

load ../lib/helper
load ../lib/driver

setup() {
	export LOG=$BATS_TEST_TMPDIR/log FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run
	unset FCVM_NO_SNAPSHOT
	mkdir -p "$FCVM_DATA_DIR" "$BATS_TEST_TMPDIR/image"
	echo '{}' >"$FCVM_DATA_DIR/setup.json"
	echo '{"config":{"Entrypoint":["ep"]}}' >"$BATS_TEST_TMPDIR/image/config.json"
	use_real fcvm-plan fcvm-rundir fcvm-ctl
	stub fcvm-cache "$RECORD cat >/dev/null; echo $BATS_TEST_TMPDIR/image"
	stub fcvm-net "$RECORD $REST"
	stub fcvm-boot "$RECORD cp \"\$FCVM_RUN_DIR/plan.json\" $BATS_TEST_TMPDIR/plan.json; echo key"
}

prepares() {
	run -0 fcvm prepare --memory 300m -p 8080:80 img cmd
	is "$output" key
	has "$(<"$LOG")" 'fcvm-cache[pull][img]'
	has "$(<"$LOG")" 'fcvm-net[--network][none][--]'
	has "$(tail -n 1 "$LOG")" 'fcvm-boot[template][--plan]'
	has "$(<"$BATS_TEST_TMPDIR/plan.json")" '"memory": 314572800'
	: >"$LOG"
	fcvm prepare --network none img
	lacks "$(<"$LOG")" fcvm-net
}
@test "prepare makes the template of the run with the same options" { both prepares; }

refuses() {
	run -125 fcvm prepare
	has "$output" 'no image given'
	run -125 fcvm prepare --memroy 1g img
	has "$output" 'did you mean --memory?'
	run -125 fcvm prepare --warm img
	is "$output" "fcvm: prepare runs no container, so it cannot keep one: use 'fcvm run --warm'"
	run -125 fcvm _prepare img
	is "$output" "fcvm: _prepare is internal: use 'fcvm prepare'"
	rm "$FCVM_DATA_DIR/setup.json"
	run -125 fcvm prepare img
	has "$output" "run 'fcvm setup' first"
	echo '{}' >"$FCVM_DATA_DIR/setup.json"
	is "$(<"$LOG")" ''
}
@test "prepare refuses what run would refuse" { both refuses; }

boots() {
	fcvm run --network none img
	lacks "$(<"$LOG")" --no-snapshot
	fcvm run --network none --no-snapshot img
	has "$(tail -n 1 "$LOG")" '[--no-snapshot]'
	: >"$LOG"
	FCVM_NO_SNAPSHOT=1 fcvm run --network none img
	has "$(tail -n 1 "$LOG")" '[--no-snapshot]'
	: >"$LOG"
	stub fcvm-strace 'echo initrd'
	fcvm run --network none --strace-agent img
	has "$(tail -n 1 "$LOG")" '[--no-snapshot]'
}
@test "a run boots if it was asked to, and for a trace of the agent" { both boots; }
