#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Kernel profile micro, built for real. Minutes of all processors, so it is in no other target.

setup_file() {
	load ../lib/helper
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true # the first test builds what the others start
	export MICRO=$ROOT/build/t/data-micro AGAIN=$BATS_FILE_TMPDIR/again
}

setup() {
	load ../lib/helper
	export FCVM_DATA_DIR=$MICRO
}

recorded() {
	sed -n "s/^ *\"$1\": \"\\(.*\\)\",\$/\\1/p" "$FCVM_DATA_DIR/setup.json"
}

@test "an interrupted build goes on, and its kernel starts" {
	rm -rf "$MICRO"
	fcvm setup --kernel-profile micro 2>"$BATS_TEST_TMPDIR/err" &
	pid=$!
	wait_for 3600 grep -qs ' CC .*kernel/fork.o' "$MICRO/build/log"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	is "$status" 143
	[[ ! -e $MICRO/setup.json && -d $MICRO/build/linux ]]
	run -0 fcvm setup --kernel-profile micro
	echo "# $(grep built <<<"$output")" >&3
	is "$(recorded profile)" micro
	[[ ! -e $MICRO/build ]]
}

@test "a container runs on it, and inspect tells so" {
	image=oci:$(hello_image)
	run -0 fcvm run --memory 256m "$image" uname -r
	is "$output" "$(recorded release)"
	matches "$output" '-micro$'
	name=$(vm_name)
	fcvm run -d --name "$name" --memory 256m "$image" -- sleep 1000
	run -0 fcvm inspect --format '{{.kernel.profile}} {{.kernel.release}}' "$name"
	is "$output" "micro $(recorded release)"
	fcvm stop -t 0 "$name"
}

@test "another build has the same bytes" {
	first=$(recorded kernel)
	FCVM_DATA_DIR=$AGAIN
	fcvm setup --quiet --kernel-profile micro
	is "$(recorded kernel)" "$first"
}
