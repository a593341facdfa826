#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Many at once: one export for all, and nothing left when everything is killed in the middle.

setup() {
	load ../lib/helper
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run
	data=$BATS_TEST_TMPDIR/data
	mkdir -m 700 "$FCVM_RUN_BASE" "$data"
	# The kernel of the test run, an empty cache of its own.
	ln -s "$FCVM_DATA_DIR/kernels" "$FCVM_DATA_DIR/initrds" "$data/"
	cp "$FCVM_DATA_DIR/setup.json" "$data/"
	export FCVM_DATA_DIR=$data
	image=oci:$(hello_image)
}

@test "seventeen runs of one image that is not there yet export it once, and all succeed" {
	local i pids=() st=0
	export FCVM_CACHE_TRACE=$BATS_TEST_TMPDIR/trace
	for i in {1..17}; do
		timeout 250 fcvm run --cpus 1 --memory 128m "$image" -- sh -c "echo vm $i" \
			>"$BATS_TEST_TMPDIR/out.$i" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- 4>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || st=$?
	done
	is "$st" 0 "$(cat "$BATS_TEST_TMPDIR"/err.*)"
	is "$(cat "$BATS_TEST_TMPDIR"/out.* | sort -V)" "$(printf 'vm %s\n' {1..17})"
	is "$(grep -c export "$BATS_TEST_TMPDIR/trace")" 1
	wait_for 2 test "$(find "$FCVM_RUN_BASE" -mindepth 1 -maxdepth 1 ! -name .lock | wc -l)" = 0
}
