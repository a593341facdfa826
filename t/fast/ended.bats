#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is kept of a container that has ended.

load ../lib/helper

setup() {
	image=oci:$(hello_image)
	name=$(vm_name)
	export FCVM_DATA_DIR
}

teardown() {
	fcvm rm --force -t 0 --ignore "$name" >/dev/null
}

vm() {
	timeout 120 fcvm run --name "$name" --cpus 1 --memory 256m "$@"
}
field() {
	fcvm inspect --format "{{.$1}}" "$name"
}

has_said() {
	[[ $(fcvm logs "$name") == "$1" ]]
}

@test "log and exit status are kept, and go with rm" {
	run -7 vm "$image" -- sh -c 'echo out; echo err >&2; exit 7'
	is "$(fcvm logs "$name" 2>/dev/null)" out
	is "$(fcvm logs "$name" 2>&1 >/dev/null)" err
	is "$(fcvm wait "$name")" 7
	is "$(fcvm ls -a -f "name=^$name\$" --format '{{.State}} {{.ExitCode}} {{.Command}}')" \
		'exited 7 sh -c echo out; echo...'
	is "$(field state) $(field exit) $(field error)" 'exited 7 '
	is "$(fcvm ls -q -f "name=^$name\$")" ''
	is "$(fcvm rm "$name")" "$name"
	run -125 fcvm logs "$name"
	is "$output" "fcvm-ctl: there is no VM named '$name': see 'fcvm ls --all'"
}

@test "--rm keeps nothing, not even of the last of that name" {
	vm "$image" true
	is "$(field exit)" 0
	run -3 vm --rm "$image" -- sh -c 'exit 3'
	run -125 fcvm inspect "$name"
	run -125 vm --rm --restart always "$image" true
	has "$output" '--rm and --restart always exclude each other'
}

@test "the log of a container in the background is whole at once when wait returns" {
	vm -d "$image" -- sh -c 'seq 1 20000; exit 5' >/dev/null
	is "$(fcvm wait "$name")" 5
	is "$(fcvm logs "$name" | sha256sum)" "$(seq 1 20000 | sha256sum)"
	is "$(field exit)" 5
}

@test "one that ends as soon as it was left is kept as well, and waited for at any moment" {
	local i busy=()
	quick() {
		for ((i = 0; i < 5; i++)); do
			fcvm run -d --name "$name-$1" --network none --memory 128m "$image" -- sh -c 'echo built; exit 3'
			echo "$(fcvm wait "$name-$1") $(fcvm logs "$name-$1")"
			fcvm rm "$name-$1"
		done
	}
	for i in 1 2 3; do
		quick "$i" >"$BATS_TEST_TMPDIR/$i" 2>&1 3>&- &
		busy+=($!)
	done
	wait "${busy[@]}"
	for i in 1 2 3; do
		is "$(sort "$BATS_TEST_TMPDIR/$i" | uniq -c | tr -s ' ')" " 5 3 built
 10 $name-$i"
	done
}

@test "the next of that name replaces it" {
	run -1 vm "$image" -- sh -c 'echo one; exit 1'
	vm "$image" echo two
	is "$(fcvm logs "$name") $(fcvm wait "$name")" 'two 0'
}

@test "a machine that fails has its reason kept, one that is killed leaves nothing" {
	vm -d "$image" -- sh -c 'echo here; exec sleep 1000' >/dev/null
	wait_for 20 has_said here
	kill -KILL "$(fcvm inspect --format '{{.vmm.pid}}' "$name")"
	is "$(fcvm wait "$name")" 125
	gone_from_ls() { [[ $(field state) == exited ]]; }
	wait_for 20 gone_from_ls
	has "$(field error)" 'was ended by signal 9'
	is "$(fcvm logs "$name")" here
	vm -d "$image" sleep 1000 >/dev/null
	kill -KILL "$(field pid)"
	none() { ! fcvm inspect "$name" >/dev/null 2>&1; }
	wait_for 20 none
}

@test "a command that cannot run has told its caller, and is not kept" {
	run -127 vm "$image" /no/such
	run -125 fcvm inspect "$name"
}
