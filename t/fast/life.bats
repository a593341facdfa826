#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A container in the background: its beginning, state, log and end, as other commands see them.

setup() {
	load ../lib/helper
	image=oci:$(hello_image)
	name=$(vm_name)
}

teardown() {
	fcvm stop --ignore -t 0 "$name" >/dev/null
}

start() { # OPTIONS… -- COMMAND…
	local before after
	split "$@"
	timeout 120 fcvm run -d --name "$name" --cpus 1 --memory 256m "${before[@]}" "$image" "${after[@]}"
}

state() {
	fcvm inspect --format "{{.$1}}" "$name"
}
state_is() {
	[[ $(state "$1" 2>/dev/null) == "$2" ]]
}
log_has() {
	fcvm logs "$name" 2>&1 | grep -q -- "$1"
}
left() {
	[[ -e $FCVM_RUN_BASE/$name ]]
}

LOOP='trap "exit 4" TERM; echo ready; while :; do sleep 0.1; done'

@test "run -d prints the name and returns when the container runs; stop waits for its end" {
	run --separate-stderr -0 start -- sh -c "$LOOP"
	is "$output" "$name"
	is "$stderr" ''
	state_is state running
	run -0 fcvm ls --filter "name=^$name\$" --format '{{.Names}} {{.State}}'
	is "$output" "$name running"
	run -0 fcvm stop "$name"
	is "$output" "$name"
	! left
}

@test "run -d of a command that cannot run has its status and its line" {
	run --separate-stderr -127 start -- /no/such
	is "$output" ''
	is "$stderr" 'fcvm-boot: /no/such: no such command in the container'
}

@test "what the container writes is in its log, stream by stream, until it ends" {
	start -- sh -c 'echo out; echo err >&2; until [ -e /go ]; do sleep 0.1; done; printf part; sleep 1000'
	wait_for 20 log_has err # which stream comes first is left to chance
	fcvm exec "$name" touch /go
	wait_for 20 log_has part
	run --separate-stderr -0 fcvm logs "$name"
	is "$output" $'out\npart'
	is "$stderr" err
	run --separate-stderr -0 fcvm logs --tail 1 -t "$name"
	matches "$output" '^[0-9-]{10}T[0-9:.]+Z part$'
}

@test "the log is bounded, and following it loses nothing" {
	start --log-opt max-size=64k -- sh -c 'echo begin; until [ -e /go ]; do sleep 0.1; done; i=0
		while [ $i -lt 6000 ]; do i=$((i+1)); echo "line $i of a text that is long enough"; done'
	timeout 100 fcvm logs -f "$name" >"$BATS_TEST_TMPDIR/followed" 3>&- 4>&- &
	local p=$!
	wait_for 30 grep -q begin "$BATS_TEST_TMPDIR/followed"
	fcvm exec "$name" touch /go
	wait "$p"
	is "$(wc -l <"$BATS_TEST_TMPDIR/followed")" 6001
	is "$(tail -n 1 "$BATS_TEST_TMPDIR/followed")" 'line 6000 of a text that is long enough'
}

@test "the end of a container gives each command that waits for it a right answer" {
	local t=$BATS_TEST_TMPDIR pids=() st=()
	start -- sh -c 'echo begin; until [ -e /go ]; do sleep 0.1; done; echo end; exit 5'
	wait_for 20 log_has begin # attach shows what comes after it has come
	fcvm wait "$name" >"$t/wait" 3>&- 4>&- &
	pids+=($!)
	fcvm logs -f "$name" >"$t/logs" 3>&- 4>&- &
	pids+=($!)
	fcvm exec "$name" sleep 1000 3>&- 4>&- &
	pids+=($!)
	fcvm attach --no-stdin "$name" >"$t/attach" 3>&- 4>&- &
	pids+=($!)
	mkfifo "$t/open" # nothing comes from it, until the test ends
	exec 8<>"$t/open"
	fcvm exec -i "$name" sh -c 'echo joined; cat' >"$t/cat" <"$t/open" 3>&- 4>&- 8>&- &
	pids+=($!)
	fcvm cp - "$name:/tmp" < <(head -c 600 /dev/zero; exec cat "$t/open" 8>&-) 2>"$t/cp" 3>&- 4>&- 8>&- &
	pids+=($!)
	fcvm stop -t 100 "$name" >"$t/stop" 3>&- 4>&- & # a shell that is process 1 ignores SIGTERM
	pids+=($!)
	wait_for 30 grep -q joined "$t/cat"
	wait_for 30 grep -q begin "$t/logs"
	joined() { [[ $(fcvm exec "$name" ps | grep -c -e 'sleep 1000' -e 'tar -xpf') == 2 ]]; }
	wait_for 30 joined
	wait_for 30 state_is state stopping
	fcvm exec -d "$name" touch /go # whose own end the container's may overtake
	for p in "${pids[@]}"; do
		local s=0
		wait "$p" || s=$?
		st+=("$s")
	done
	is "${st[*]}" '0 0 137 5 137 125 0'
	is "$(<"$t/stop")" "$name"
	matches "$(<"$t/cp")" "^fcvm-cp: $name: [^"$'\n'"]*$"
	is "$(<"$t/wait")" 5
	is "$(<"$t/logs")" $'begin\nend'
	is "$(<"$t/attach")" end
	wait_for 5 not_left
}
not_left() { ! left; }

@test "stop kills what does not stop in time; a container that ends meanwhile has its own status" {
	start --stop-timeout 60 -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	fcvm wait "$name" >"$BATS_TEST_TMPDIR/wait" 3>&- 4>&- &
	run -0 fcvm stop -t 1 "$name"
	wait $!
	is "$(<"$BATS_TEST_TMPDIR/wait")" 137
	start -- sh -c "$LOOP"
	wait_for 20 log_has ready
	fcvm wait "$name" >"$BATS_TEST_TMPDIR/wait" 3>&- 4>&- &
	run -0 fcvm stop "$name"
	wait $!
	is "$(<"$BATS_TEST_TMPDIR/wait")" 4
}

@test "kill sends a signal; pause holds everything and stop still works" {
	start -- sh -c 'trap "echo usr" USR1; trap "exit 4" TERM; echo ready; while :; do sleep 0.1; done'
	wait_for 20 log_has ready
	run -0 fcvm kill -s USR1 "$name"
	wait_for 20 log_has usr
	run -0 fcvm pause "$name"
	state_is state paused
	run -125 fcvm exec "$name" true
	has "$output" 'the container is paused'
	run -125 fcvm pause "$name"
	run -0 fcvm unpause "$name"
	run -0 fcvm exec "$name" true
	fcvm pause "$name"
	run -0 fcvm stop "$name"
	! left
}

@test "restart runs the container again with its files; --restart does so by itself" {
	start -- sh -c 'echo x >>/runs; wc -l </runs; trap "exit 0" TERM; while :; do sleep 0.1; done'
	run -0 fcvm restart "$name"
	wait_for 20 log_has 2
	is "$(state restarts)" 1
	fcvm stop "$name"
	run -3 fcvm run --name "$name" --restart on-failure:2 --cpus 1 --memory 256m "$image" -- \
		sh -c 'echo x >>/runs; wc -l </runs; exit 3'
	is "$output" $'1\n2\n3'
	run -125 fcvm run --rm --restart always "$image" true
	is "$output" 'fcvm-plan: --rm and --restart always exclude each other'
}

@test "rename moves name, state and directory; --replace and --cidfile are podman's" {
	start -- sh -c "$LOOP"
	fcvm rename "$name" "x$name"
	run -125 fcvm exec "$name" true
	run -0 fcvm exec "x$name" true
	is "$(fcvm inspect --format '{{.name}}' "x$name")" "x$name"
	fcvm rename "x$name" "$name"
	local before
	before=$(state pid)
	start --replace --cidfile "$BATS_TEST_TMPDIR/cid" -- sh -c "$LOOP"
	[[ $(state pid) != "$before" ]]
	is "$(<"$BATS_TEST_TMPDIR/cid")" "$name"
	run -125 start --cidfile "$BATS_TEST_TMPDIR/cid" --name other -- true
	has "$output" 'the file exists'
}

@test "health is starting, then healthy, then unhealthy, as the probe says" {
	start --health-cmd 'test -e /well' --health-interval 200ms --health-retries 2 \
		--health-start-period 60s -- sh -c "$LOOP"
	is "$(state health)" starting
	fcvm exec "$name" touch /well
	wait_for 20 state_is health healthy
	run -0 fcvm ls --filter health=healthy --format '{{.Names}} {{.Status}}'
	matches "$output" "$name Up .* \(healthy\)"
	fcvm exec "$name" rm /well
	wait_for 20 state_is health unhealthy
}

@test "--wait healthy returns once it is; a probe is killed at its limit, one at a time" {
	start --wait healthy --health-cmd 'echo x >>/probes; [ $(wc -l </probes) -ge 2 ] || sleep 1005' \
		--health-interval 100ms --health-timeout 1s -- sh -c "$LOOP"
	state_is health healthy
	run -0 fcvm exec "$name" ps -o args
	run ! grep -x 'sleep 1005' <<<"$output" # the next probe's shell has it among its words
}

@test "--health-check asks a server in the guest" {
	start --wait healthy --health-check http://127.0.0.1:8080/ready --health-interval 200ms -- \
		sh -c 'mkdir /www; echo yes >/www/ready; trap "exit 0" TERM; sleep 1; httpd -f -p 8080 -h /www & while :; do sleep 0.1; done'
	state_is health healthy
}

@test "SIGKILL of a detached machine's process leaves nothing, and who waits hears of it" {
	start -- sh -c "$LOOP"
	local boot vmm code=0
	boot=$(state pid)
	vmm=$(state vmm.pid)
	fcvm exec "$name" sleep 1000 2>"$BATS_TEST_TMPDIR/err" 3>&- 4>&- &
	local p=$!
	joined() { [[ $(fcvm exec "$name" ps | grep -c 'sleep 1000') == 1 ]]; }
	wait_for 30 joined
	kill -KILL "$boot"
	wait "$p" || code=$?
	is "$code" 125
	has "$(<"$BATS_TEST_TMPDIR/err")" 'the VM has ended'
	wait_for 2 gone "$vmm"
	wait_for 2 not_left
}

@test "ls shows one that is starting, and one that hangs holds nobody up" {
	start -- sh -c "$LOOP"
	local boot
	boot=$(state pid)
	kill -STOP "$boot"
	run -0 timeout 5 fcvm ls --format '{{.Names}} {{.State}}'
	has "$output" "$name running"
	run -125 timeout 30 fcvm pause "$name"
	has "$output" 'does not answer'
	kill -CONT "$boot"
}
