#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A VM that goes back to a snapshot of itself, under fire.

load ../lib/helper
load ../lib/snapshots

source_vm() {
	start base --network none "$IMAGE" -- sh -c 'echo then >/file; while :; do sleep 1; done'
	wait_for 20 fcvm exec base test -e /file
	fcvm snapshot create base --stop
}

teardown() {
	[[ ! -v terminal ]] || close_terminals
	fcvm stop --ignore -t 0 --name clone >/dev/null
}

@test "killed at any step, the VM is as it was or gone, and nothing is left of the other machine" {
	local step
	disks() { find "/proc/$1/fd" -lname '*/scratch/*deleted*' | wc -l; }
	for step in copied stopped started resumed; do
		FCVM_FAILPOINT=rewind-$step fcvm snapshot run base --name clone -d
		fcvm exec clone sh -c 'echo now >/file'
		local main
		main=$(cat "$FCVM_RUN_BASE/clone/lock")
		before=$(disks "$main")
		run fcvm restore --in-place clone --tag base
		((status != 0)) || fail "$step: not killed"
		case $step in
		copied) # the helper
			is "$(fcvm exec clone cat /file)" now
			is "$(disks "$main")" "$before"
			fcvm stop -t 0 clone
			;;
		*)
			wait_for 20 eval '[[ ! -e $FCVM_RUN_BASE/clone ]]'
			;;
		esac
	done
}

@test "a client that is killed meanwhile leaves the VM as it was, or as it was to be" {
	local delay
	fcvm snapshot run base --name clone -d
	for delay in 0.01 0.05 0.1 0.2 0.4; do
		fcvm exec clone sh -c 'echo now >/file'
		timeout -s KILL $delay fcvm restore --in-place clone --tag base || true
		matches "$(fcvm exec clone cat /file)" '^(now|then)$'
	done
	fcvm restore --in-place clone --tag base
	is "$(fcvm exec clone cat /file)" 'then'
}

@test "a VM goes back many times, as fast as it is asked to" {
	fcvm snapshot run base --name clone -d
	for ((n = 0; n < 10; n++)); do
		fcvm exec clone sh -c "echo $n >/file; echo $n >/dev/shm/file"
		fcvm restore --in-place clone --tag base -q
		run -1 fcvm exec clone cat /dev/shm/file
	done
	is "$(fcvm exec clone cat /file)" 'then'
	main=$(cat "$FCVM_RUN_BASE/clone/lock")
	is "$(pgrep -P "$main" -c qemu)" 1
	fcvm stop -t 0 clone
	is "$(fcvm wait clone)" 137
}

@test "a terminal goes on at what was typed then" {
	typed_vm
	fcvm snapshot create typed
	type_line 'word=after; echo $word'
	until_shows 'after$'
	fcvm restore --in-place typed
	type_line 'echo $word-$word; stty size; exit 3'
	until_shows 'before-before$'
	until_shows 'outer>$'
	close_terminals
	is "$(fcvm wait typed)" 3
	fcvm snapshot rm typed
}
