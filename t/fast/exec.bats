#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Further processes in a running container. What they have in common with podman's is compared with it
# in all/podman.bats.

setup_file() {
	load ../lib/helper
	NAME=exec-$BASHPID
	export NAME
	fcvm run -d --name "$NAME" --cpus 1 --memory 256m -e BOTH=run "oci:$(hello_image)" -- \
		sh -c 'while :; do sleep 1; done'
}

teardown_file() {
	load ../lib/helper
	fcvm stop -t 0 "$NAME"
}

setup() {
	load ../lib/helper
}

ex() {
	timeout 60 fcvm exec "$@"
}

# Lines of ps in the container that have this text.
running() {
	ex "$NAME" ps | grep -c -- "$1" || true
}
none_runs() {
	[[ $(running "$1") == 0 ]]
}

@test "streams and status are the command's, byte for byte" {
	run --separate-stderr -9 ex "$NAME" sh -c 'echo out; echo err >&2; exit 9'
	is "$output" out
	is "$stderr" err
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	ex -i "$NAME" cat <"$BATS_TEST_TMPDIR/in" | cmp - "$BATS_TEST_TMPDIR/in"
}

@test "a VM is meant by its name, the beginning of it, or an option" {
	run -0 ex "${NAME%?}" echo prefix
	run -0 ex --name "$NAME" echo name
	run -0 ex --pid "$(fcvm inspect --format '{{.pid}}' "$NAME")" echo pid
	is "$output" pid
	run -125 ex no-such-vm true
	is "$output" "fcvm-ctl: no VM named 'no-such-vm' is running: see 'fcvm ls'"
}

@test "it returns when the command ends, though others hold its pipes" {
	local t=$SECONDS
	run -0 ex "$NAME" sh -c 'sleep 50 & echo x'
	is "$output" x
	run -0 ex -t "$NAME" sh -c 'sleep 50 & echo y'
	has "$output" y
	((SECONDS - t < 40)) || fail "it took $((SECONDS - t)) s"
}

@test "a client that is killed leaves no process in the guest" {
	local p
	fcvm exec "$NAME" sh -c 'sleep 1001 & sleep 1002' 3>&- 4>&- &
	p=$!
	wait_for 30 some_run
	kill -KILL "$p"
	wait_for 20 none_runs 'sleep 100[12]'
}
some_run() { [[ $(running 'sleep 1002') != 0 ]]; }

@test "a signal to the client reaches the command" {
	local p st=0
	fcvm exec "$NAME" sh -c 'trap "echo got it; exit 6" TERM; echo ready; while :; do sleep 0.1; done' \
		>"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
	p=$!
	wait_for 30 grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -TERM "$p"
	wait "$p" || st=$?
	is "$st" 6
}

@test "--timeout kills the command, with 124" {
	run -124 ex --timeout 1 "$NAME" sleep 1003
	wait_for 20 none_runs 'sleep 1003'
}

@test "--detach leaves the command running; what is wrong with it is still said" {
	run -0 ex -d "$NAME" sleep 1004
	some() { [[ $(running 'sleep 1004') == 1 ]]; }
	wait_for 20 some
	run -127 ex -d "$NAME" /no/such
	has "$output" '/no/such: no such command'
}

@test "--vm is the machine itself, outside of the container" {
	run -0 ex --vm "$NAME" sh -c 'ls -d /rootfs/bin; echo $$'
	is "${lines[0]}" /rootfs/bin
	((lines[1] > 1))
	run -0 ex --vm -it "$NAME" tty
	has "$output" /dev/pts/
	run -127 ex --vm "$NAME" no-such-applet
}

@test "a stopped reader holds back its own command only, in bounded memory" {
	local fifo=$BATS_TEST_TMPDIR/fifo peak pid
	mkfifo "$fifo"
	fcvm exec "$NAME" head -c 1073741824 /dev/zero >"$fifo" 3>&- 4>&- &
	exec 7<"$fifo"
	is "$(head -c 1000000 <&7 | wc -c)" 1000000
	run -0 ex "$NAME" echo free
	is "$output" free
	pid=$(fcvm inspect --format '{{.pid}}' "$NAME")
	peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status")
	((peak < 32768)) || fail "fcvm-boot took $peak KiB"
	exec 7<&-
	wait_for 20 none_runs 'head -c'
}

@test "processes of an exec are in the container's cgroup and namespaces" {
	run -0 ex "$NAME" sh -c 'cat /proc/self/cgroup; hostname; ls /proc | grep -c "^1$"'
	is "${lines[0]}" '0::/'
	is "${lines[2]}" 1
	run -0 ex --vm "$NAME" sh -c 'cat /sys/fs/cgroup/container/cgroup.procs | wc -l'
	((output >= 2))
}
