#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# How a running machine ends when it is signalled or killed: the container hears it first, and
# nothing is left whatever was killed.

setup() {
	load ../lib/helper
	image=oci:$(hello_image)
	name=$(vm_name)
	out=$BATS_TEST_TMPDIR/out
}

teardown() {
	[[ -z ${vm-} ]] || kill -KILL "$vm" 2>/dev/null || true
}

# Starts a container in the background and waits until it says that it runs. vm is the pid.
start() { # OPTIONS… -- COMMAND…
	local before after
	split "$@"
	fcvm run --name "$name" --cpus 1 --memory 256m "${before[@]}" "$image" "${after[@]}" >"$out" 2>"$out.err" 3>&- 4>&- &
	vm=$!
	wait_for 60 grep -q ready "$out"
}

# The process in front, the machine's own, the VMM, the network's helpers and pasta; and the janitor,
# which is nobody's child.
processes() {
	local own helpers
	own=$(pgrep -P "$vm")
	helpers=$(pgrep -d , -P "$own") || true
	{
		echo "$vm"
		echo "$own"
		pgrep -P "$own,${helpers:-$own}" || true
		pgrep -f "janitor of $name\$" || true
	} | sort -un
}

vmm_gone() {
	! vmm
}

# The VMM is a child of the machine's own process, which is one of $vm.
vmm() {
	pgrep -P "$(pgrep -P "$vm")" -f qemu-system
}

all_gone() {
	local p
	for p in "$@"; do
		gone "$p" || return 1
	done
}
nothing_left() {
	all_gone "$@" && [[ ! -e $FCVM_RUN_BASE/$name ]]
}

@test "SIGTERM reaches the container, whose own status is the end" {
	start -- sh -c 'trap "echo got it; exit 9" TERM; echo ready; while :; do sleep 0.1; done'
	kill -TERM "$vm"
	local st=0
	wait "$vm" || st=$?
	is "$st" 9
	is "$(tail -n 1 "$out")" 'got it'
}

@test "SIGINT and other signals reach it too" {
	start -- sh -c 'trap "echo usr" USR1; trap "echo int; exit 3" INT; echo ready; while :; do sleep 0.1; done'
	kill -USR1 "$vm"
	wait_for 20 grep -q usr "$out"
	kill -INT "$vm"
	local st=0
	wait "$vm" || st=$?
	is "$st" 3
}

@test "a container that ignores SIGTERM is killed after its stop time-out" {
	start --stop-timeout 1 -- sh -c 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
	kill -TERM "$vm"
	local st=0
	wait "$vm" || st=$?
	is "$st" 137
}

@test "a signal before the guest is up ends at once" {
	fcvm run --name "$name" "$image" sleep 1000 >"$out" 2>&1 3>&- 4>&- &
	vm=$!
	wait_for 30 vmm
	kill -TERM "$vm"
	local st=0
	wait "$vm" || st=$?
	is "$st" 143
	wait_for 2 nothing_left "$vm"
}

@test "a name in use is refused, naming who holds it, and is free when the machine ends" {
	start -- sh -c 'echo ready; sleep 1000'
	run --separate-stderr -125 fcvm run --name "$name" "$image" true
	has "$stderr" "$name"
	has "$stderr" "$vm"
	local all
	mapfile -t all < <(processes)
	kill -KILL "$vm"
	wait "$vm" || true
	wait_for 2 all_gone "${all[@]}"
	run -0 timeout 120 fcvm run --name "$name" --cpus 1 --memory 256m "$image" true
}

@test "SIGKILL of any one process of a machine leaves nothing, and a failure status" {
	local all victim n=1 i st comm
	for ((i = 0; i < n; i++)); do
		: >"$out"
		start -- sh -c 'echo ready; sleep 1000'
		mapfile -t all < <(processes)
		n=${#all[@]}
		((n == 8)) || fail "expected the front, fcvm-boot, the VMM, three helpers of the network, pasta and the janitor, found: $(ps -o pid=,args= "${all[@]}")"
		victim=${all[i]}
		comm=$(tr '\0' ' ' <"/proc/$victim/cmdline")
		kill -KILL "$victim"
		if [[ $comm == *janitor* || $comm == fcvm-net:* || $comm == pasta* ]]; then
			# The machine does not need it to run.
			gone "$vm" && fail "the machine died with its $comm"
			kill -KILL "$vm"
		fi
		st=0
		wait "$vm" || st=$?
		((st != 0)) || fail "status 0 after the end of $comm"
		if [[ $comm == *janitor* ]]; then
			wait_for 2 all_gone "${all[@]}"
			fcvm-rundir --sweep # what the next command does
		fi
		wait_for 2 nothing_left "${all[@]}"
	done
}

@test "SIGKILL of all processes of a machine at once leaves nothing to the next command" {
	local all st=0
	start -- sh -c 'echo ready; sleep 1000'
	mapfile -t all < <(processes)
	kill -KILL "${all[@]}"
	wait "$vm" || st=$?
	is "$st" 137
	wait_for 2 all_gone "${all[@]}"
	fcvm-rundir --sweep
	nothing_left "${all[@]}"
}

@test "a VMM that dies is a failure that says so" {
	start -- sh -c 'echo ready; sleep 1000'
	kill -KILL "$(vmm)"
	local st=0
	wait "$vm" || st=$?
	is "$st" 125
	is "$(cat "$out.err")" 'fcvm-boot: qemu was ended by signal 9 (Killed)'
}

@test "a slow reader holds back its own container, in bounded memory" {
	local peak fifo=$BATS_TEST_TMPDIR/fifo
	mkfifo "$fifo"
	fcvm run --name "$name" --cpus 1 --memory 256m "$image" -- sh -c 'head -c 67108864 /dev/zero; echo finished >&2' >"$fifo" 2>"$out" 3>&- 4>&- &
	vm=$!
	exec 7<"$fifo"
	head -c 1000 <&7 >/dev/null
	head -c 20000000 <&7 | tail -c 1 >/dev/null
	peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$vm/status")
	((peak < 32768)) || fail "fcvm-boot took $peak KiB"
	! grep -q finished "$out" || fail "the container wrote more than was read"
	is "$(head -c 67108864 <&7 | wc -c)" "$((67108864 - 20001000))"
	exec 7<&-
	wait "$vm"
	is "$(cat "$out")" finished
}

@test "output that the reader takes only after the container has ended is whole" {
	local fifo=$BATS_TEST_TMPDIR/fifo st=0
	mkfifo "$fifo"
	# 256 KiB may wait in fcvm-boot and 4 KiB in this pipe; the rest is less than the 64 KiB of the
	# pipe in the guest. So all is written though nobody reads, and some of it not yet sent.
	fcvm run --name "$name" --cpus 1 --memory 256m "$image" -- \
		sh -c 'head -c 325000 /dev/zero; echo written >&2; exit 4' >"$fifo" 2>"$out" 3>&- 4>&- &
	vm=$!
	exec 7<"$fifo"
	perl -e 'open my $f, "<&=", 7; fcntl($f, 1031, 4096) or die "F_SETPIPE_SZ: $!"'
	wait_for 60 grep -q written "$out"
	is "$(wc -c <&7)" 325000
	exec 7<&-
	wait "$vm" || st=$?
	is "$st" 4
}

@test "a signal while output waits for its reader ends the wait, and is the status" {
	local fifo=$BATS_TEST_TMPDIR/fifo st=0
	mkfifo "$fifo"
	fcvm run --name "$name" --cpus 1 --memory 256m --stop-timeout 1 "$image" -- \
		sh -c 'head -c 260000 /dev/zero; echo written >&2' >"$fifo" 2>"$out" 3>&- 4>&- &
	vm=$!
	exec 7<"$fifo"
	wait_for 60 grep -q written "$out"
	wait_for 20 vmm_gone
	kill -TERM "$vm"
	wait "$vm" || st=$?
	exec 7<&-
	is "$st" 143
}

@test "a signal ends a container whose output nobody reads, in bounded time" {
	local fifo=$BATS_TEST_TMPDIR/fifo st=0
	mkfifo "$fifo"
	fcvm run --name "$name" --cpus 1 --memory 256m --stop-timeout 1 "$image" -- \
		sh -c 'trap "" TERM; echo ready >&2; yes' >"$fifo" 2>"$out" 3>&- 4>&- &
	vm=$!
	exec 7<"$fifo"
	wait_for 60 grep -q ready "$out"
	kill -TERM "$vm"
	wait "$vm" || st=$?
	exec 7<&-
	is "$st" 137
	has "$(cat "$out")" 'its output was not read'
}

@test "under nohup the end of the terminal does not reach the container" {
	trap '' HUP
	start -- sh -c 'trap "echo hup" HUP; trap "echo usr" USR1; echo ready; while :; do sleep 0.1; done'
	trap - HUP
	kill -HUP "$vm"
	kill -USR1 "$vm" # arrives after the other would have
	wait_for 20 grep -q usr "$out"
	lacks "$(cat "$out")" hup
	kill -KILL "$vm"
}
