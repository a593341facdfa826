#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What fcvm-mem says of wrong input; what it does is in t/root/mem.bats.

load ../lib/helper

refused() { # STATUS TEXT ARGUMENT…
	run --separate-stderr fcvm-mem "${@:3}"
	is "$status" "$1" "${*:3}"
	has "$stderr" "$2"
	is "$(wc -l <<<"$stderr")" 1
	is "$output" ''
}

@test "wrong command lines are refused with what is wrong" {
	local s=$BATS_TEST_TMPDIR/s
	truncate -s 8192 "$BATS_TEST_TMPDIR/memory"
	refused 100 'a verb is missing'
	refused 100 "unknown verb 'fly'" fly
	refused 100 '--socket is missing' serve --memory x
	refused 100 '--memory is missing' serve --socket "$s"
	refused 100 'exclude each other' serve --socket "$s" --memory x --record a --replay b
	refused 100 '--clients: 1 to 1000' serve --socket "$s" --memory x --clients 0
	refused 100 '--clients: 1 to 1000' serve --socket "$s" --memory x --clients 1001
	refused 100 'no such descriptor' serve --socket "$s" --memory x --ready-fd 77
	refused 100 'needs a name' serve --socket "$s/" --memory "$BATS_TEST_TMPDIR/memory"
	refused 102 'no server at' stat --socket "$s"
	refused 111 'No such file' serve --socket "$s" --memory "$BATS_TEST_TMPDIR/none"
	refused 101 'no memory file' serve --socket "$s" --memory /dev/null
	[[ ! -e $s ]]
}

@test "a memory file or working set that cannot be is refused, and nothing is left" {
	local s=$BATS_TEST_TMPDIR/s m=$BATS_TEST_TMPDIR/memory
	printf 123 >"$m"
	refused 101 'not a file of whole pages' serve --socket "$s" --memory "$m"
	truncate -s 0 "$m"
	refused 101 'not a file of whole pages' serve --socket "$s" --memory "$m"
	truncate -s 8192 "$m"
	echo what >"$BATS_TEST_TMPDIR/set"
	refused 101 'no working set' serve --socket "$s" --memory "$m" --replay "$BATS_TEST_TMPDIR/set"
	refused 111 'cannot open the folder' serve --socket "$BATS_TEST_TMPDIR/no/s" --memory "$m"
	is "$(find "$BATS_TEST_TMPDIR" -type s | wc -l)" 0
}

@test "a server without machines answers, and goes when told" {
	local s=$BATS_TEST_TMPDIR/s m=$BATS_TEST_TMPDIR/memory
	truncate -s 8192 "$m"
	fcvm-mem serve --socket "$s" --memory "$m" 3>&- &
	local p=$!
	wait_for 10 test -S "$s"
	run -0 fcvm-mem stat --socket "$s"
	is "$output" "memory	$m
bytes	8192
machines	0 of 64
served	0
failed	0"
	is "$(stat -c %a "$s")" 600
	kill "$p"
	wait "$p"
	[[ ! -e $s ]]
	is "$(find "$BATS_TEST_TMPDIR" -mindepth 1 -maxdepth 1 -printf '%f\n')" memory
}
