#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Machines that Firecracker's stand-in saves and restores: templates and snapshots, with the memory
# mapped or from fcvm-mem. What is not as it was saved, or comes by a connection that the save has
# ended, fails the run.

load ../lib/helper

setup() {
	load ../lib/firecracker.bash
	fake_firecracker
}

teardown() { kill_all; }

@test "a first start makes a template and goes on from it, a second one only goes on" {
	restore
	good
	is "$stderr" ''
	is "$(requests | tail -7)" "PUT /entropy
PUT /balloon
PUT /actions
PATCH /vm
PUT /snapshot/create
GET /version
PUT /snapshot/load"
	: >"$FAKEFC_LOG"
	FAKEFC_GUEST=exit=7 restore
	is "$status" 7 "$stderr"
	is "$stderr" ''
	is "$(requests)" "GET /version
PUT /snapshot/load"
	has "$(cat "$FAKEFC_LOG")" '"backend_type":"File","backend_path":"/proc/self/fd/207"'
	# What the guest does not use of its memory takes no room.
	is "$(stat -c %s "$(template)/memory")" 134217728
	(($(stat -c %b "$(template)/memory") * 512 < 5000000))
}

@test "a release that cannot be told a new device or path goes on under the old ones" {
	local version
	for version in 1.7.0 1.12.0 1.16.1; do
		rm -rf "$templates"
		FAKEFC_VERSION=$version restore
		good
	done
}

@test "a machine that runs is saved and goes on, and clones go on from there" {
	start_plain first
	local first=$machine
	run -0 fcvm-snapshot create first --tag warm
	is "$output" warm
	run -0 fcvm-snapshot create first --tag again
	clone second warm
	local second=$machine
	clone third warm
	local third=$machine
	# A clone is saved as well as another.
	run -0 fcvm-snapshot create third --tag later
	clone fourth later
	local fourth=$machine
	stop fourth "$fourth"
	stop second "$second"
	stop third "$third"
	stop first "$first"
	nothing_left
	is "$(grep -vc '^20[04] ' "$FAKEFC_LOG")" 0 "$(cat "$FAKEFC_LOG")"
}

@test "a save that fails leaves the machine as it was" {
	local what
	for what in 'PUT /snapshot/create' 'PATCH /vm Paused'; do
		FAKEFC_FAULT="refuse $what" start_plain first
		run fcvm-snapshot create first --tag warm
		((status != 0))
		has "$output" "${what% Paused}: refused with status 400: refused for the test"
		stop first "$machine"
		nothing_left
	done
	is "$(fcvm-snapshot ls | tail -n +2)" '' "what was kept"
}

@test "a machine with volumes, whose streams a save would end, is not saved and goes on" {
	mkdir "$BATS_TEST_TMPDIR/share"
	# shellcheck disable=SC2034 # of start
	before=(fcvm-vol "$BATS_TEST_TMPDIR/share:/data" --)
	start_plain first
	run fcvm-snapshot create first --tag warm
	((status != 0))
	has "$output" "this VM's hypervisor cannot save one with volumes: it would end their streams"
	stop first "$machine"
	nothing_left
}

# ends TEXT: the machine has, with this reason.
ends() {
	local status=0
	wait "$machine" || status=$?
	is "$status" 125
	has "$(cat "$BATS_TEST_TMPDIR/first.err")" "$1"
	nothing_left
}

@test "a process that ends while it saves is told as such, and nothing of it is kept" {
	local what
	for what in 'PATCH /vm Paused' 'PUT /snapshot/create' 'PATCH /vm Resumed'; do
		FAKEFC_FAULT="die $what" start_plain first
		run fcvm-snapshot create first --tag warm
		((status != 0)) || fail "$what: $output"
		ends 'firecracker failed with status 1'
	done
	FAKEFC_FAULT="refuse PATCH /vm Resumed" start_plain first
	run fcvm-snapshot create first --tag warm
	ends 'the machine cannot go on: PATCH /vm: refused with status 400: refused for the test'
	is "$(fcvm-snapshot ls | tail -n +2)" '' "what was kept"
}

@test "a signal ends a machine at once whose process does not answer" {
	local status=0 start
	FAKEFC_FAULT='hang PUT /snapshot/create' fcvm-boot run --plan "$plan" --image "$image" \
		</dev/null >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	pids+=($!)
	wait_for 20 requested 'PATCH /vm'
	start=$SECONDS
	kill $!
	wait $! || status=$?
	is "$status" 143 "$(cat "$BATS_TEST_TMPDIR/out")"
	((SECONDS - start < 10)) || fail "it took $((SECONDS - start)) s"
	nothing_left
	is "$(find "$templates" -mindepth 1 -type d)" ''
}
requested() { [[ $(requests | tail -1) == "$1" ]]; }

@test "a template that cannot be made or restored costs no start: the machine is booted" {
	local fault boots
	while read -r boots fault; do
		rm -rf "$templates"
		: >"$FAKEFC_LOG"
		FAKEFC_FAULT=$fault restore
		good
		is "$(requests | grep -c 'PUT /actions')" "$boots" "boots with: $fault"
	done <<-END
		2 refuse PUT /snapshot/create
		2 die PUT /snapshot/create
		2 close PUT /snapshot/create
		3 refuse PUT /snapshot/load
		3 die PUT /snapshot/load
		3 garbage PUT /snapshot/load
		1 slow PUT /snapshot/load
	END
}

@test "machines that go on have their memory from fcvm-mem where FCVM_PAGER says so" {
	restore
	good
	pager "$(template)/memory"
	: >"$FAKEFC_LOG"
	restore
	good
	has "$(cat "$FAKEFC_LOG")" '"backend_type":"Uffd","backend_path":"/proc/self/fd/200/pager"'
	restore
	good
	has "$(fcvm-mem stat --socket "$FCVM_PAGER")" 'served	2'
	is "$(cat "$BATS_TEST_TMPDIR/pager.out")" ''
}

@test "clones share a server, and end with it, saying so" {
	start_plain first
	local first=$machine
	run -0 fcvm-snapshot create first --tag warm
	pager "$FCVM_DATA_DIR/snapshots/warm/memory"
	clone second warm
	local second=$machine
	clone third warm
	local third=$machine pid status
	has "$(fcvm-mem stat --socket "$FCVM_PAGER")" 'machines	2 of 64'
	run -0 fcvm-snapshot create third --tag later
	kill -9 "$server"
	for pid in "$second" "$third"; do
		status=0
		wait "$pid" || status=$?
		is "$status" 125
	done
	has "$(cat "$BATS_TEST_TMPDIR/second.err")" "firecracker was ended by signal 9 (Killed): its memory was served by fcvm-mem at $FCVM_PAGER"
	unset FCVM_PAGER
	clone fourth later
	stop fourth "$machine"
	stop first "$first"
	nothing_left
}

@test "without its server, or with that of another memory, nothing is restored" {
	restore
	good
	export FCVM_PAGER=$BATS_TEST_TMPDIR/none
	start_plain first
	run -0 fcvm-snapshot create first --tag warm
	stop first "$machine"
	fcvm-clone plan --name second warm >"$plan"
	run --separate-stderr fcvm-boot run --snapshot warm --plan "$plan"
	refused "FCVM_PAGER: $ROOT/build/bin/fcvm-mem failed (status 102): fcvm-mem: no server at $FCVM_PAGER"
	pager "$(template)/memory"
	run --separate-stderr fcvm-boot run --snapshot warm --plan "$plan"
	refused "FCVM_PAGER: the server at $FCVM_PAGER serves the memory of another machine: $(template)/memory"
	write_plan qemu
	run --separate-stderr fcvm-boot run --no-snapshot --plan "$plan" --image "$image"
	refused 'FCVM_PAGER: qemu does without, it maps a machine'\''s memory: unset it'
}
