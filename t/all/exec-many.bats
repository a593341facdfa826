#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Two hundred commands at once in one container.

setup() {
	load ../lib/helper
	name=$(vm_name)
}

teardown() {
	fcvm stop --ignore -t 0 "$name" >/dev/null
}

@test "two hundred execs at once all run, each with its own output and status" {
	local i st pids=() wrong=
	fcvm run -d --name "$name" --cpus 2 --memory 512m "oci:$(hello_image)" sleep 100000
	for ((i = 0; i < 200; i++)); do
		timeout 200 fcvm exec "$name" sh -c "echo out $i; echo err $i >&2; exit $((i % 100))" \
			>"$BATS_TEST_TMPDIR/out.$i" 2>"$BATS_TEST_TMPDIR/err.$i" 3>&- 4>&- &
		pids+=($!)
	done
	for ((i = 0; i < 200; i++)); do
		st=0
		wait "${pids[i]}" || st=$?
		[[ $st == $((i % 100)) && $(<"$BATS_TEST_TMPDIR/out.$i") == "out $i" &&
			$(<"$BATS_TEST_TMPDIR/err.$i") == "err $i" ]] ||
			wrong+="$i: $st $(<"$BATS_TEST_TMPDIR/err.$i")"$'\n'
	done
	is "$wrong" ''
	run -0 fcvm exec "$name" ps
	is "${#lines[@]}" 3 "$output"
}
