#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The page server, with processes that use it as a VMM does: with real faults of real memory.

load ../lib/helper

setup_file() {
	# `make soak` has its own: so many pages a thread (0: all), because all of 20 GiB is too much.
	export MIB=${MEM_MIB:-64} CLIENTS=${MEM_CLIENTS:-6} TOUCHES=${MEM_TOUCHES:-0}
	export memory=$BATS_FILE_TMPDIR/memory
	"$ROOT/build/t/memclient" make "$memory" "$MIB"
}

setup() {
	socket=$BATS_TEST_TMPDIR/mem.sock
	errors=$BATS_TEST_TMPDIR/errors
	pids=()
}

teardown() {
	local pid
	for pid in "${pids[@]}"; do
		kill -9 "$pid" || :
		wait "$pid" || :
	done 2>/dev/null
}

# serve [OPTION…]: starts a server and waits until it is ready; $server is its pid.
serve() {
	mkfifo "$BATS_TEST_TMPDIR/ready"
	fcvm-mem serve --socket "$socket" --memory "$memory" --ready-fd 9 "$@" \
		</dev/null >"$errors" 2>&1 9>"$BATS_TEST_TMPDIR/ready" 3>&- &
	server=$!
	pids+=("$server")
	is "$(cat "$BATS_TEST_TMPDIR/ready")" ready
	rm "$BATS_TEST_TMPDIR/ready"
}

end_server() {
	kill "$server"
	wait "$server"
}

touch_all() { # [OPTION…]
	"$ROOT/build/t/memclient" touch "$socket" "$MIB" "$@"
}

# start_machine NAME [OPTION…]: one that is connected and waits; $machine is its pid. resume NAME
# lets it go on.
start_machine() {
	mkfifo "$BATS_TEST_TMPDIR/$1.in"
	"$ROOT/build/t/memclient" touch "$socket" "$MIB" pause=1 "${@:2}" \
		<"$BATS_TEST_TMPDIR/$1.in" >"$BATS_TEST_TMPDIR/$1.out" 2>&1 3>&- &
	machine=$!
	pids+=("$machine")
	exec {fd}>"$BATS_TEST_TMPDIR/$1.in"
	printf -v "in_$1" '%s' "$fd"
	wait_for 20 grep -q connected "$BATS_TEST_TMPDIR/$1.out"
}
resume() {
	local name=in_$1
	echo >&"${!name}"
}

stat_of() { # FILTER of the first machine
	fcvm-mem stat --socket "$socket" --json | sed -n "s/^ *\"$1\": \([0-9]*\),*/\1/p" | head -1
}
machines() {
	fcvm-mem stat --socket "$socket" | sed -n 's/^machines\t\([0-9]*\) .*/\1/p'
}
has_machines() { [[ $(machines) == "$1" ]]; }

ended_by_kill() { # PID
	local status=0
	wait_for 20 gone "$1"
	wait "$1" || status=$?
	is "$status" 137 "status of process $1"
}

@test "every byte of many machines is right, touched at random by eight threads each" {
	serve
	local all=() i status=0
	for ((i = 0; i < CLIENTS; i++)); do
		touch_all threads=8 touches="$TOUCHES" regions=$((1 << i % 3)) >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
		all+=($!)
		pids+=($!)
	done
	for i in "${all[@]}"; do wait "$i" || status=$?; done
	is "$status" 0 "of the machines"
	is "$(cat "$BATS_TEST_TMPDIR"/out.* | sort | uniq -c | tr -s ' ')" " $CLIENTS ok"
	end_server
	is "$(cat "$errors")" ''
}

@test "pages that are given back are zero, and stay what they become, under load" {
	serve
	local all=() i status=0
	for i in 1 2 3; do
		touch_all threads=4 remove=1 regions=2 touches=$((64 * 32)) >"$BATS_TEST_TMPDIR/out.$i" 2>&1 3>&- &
		all+=($!)
		pids+=($!)
	done
	for i in "${all[@]}"; do wait "$i" || status=$?; done
	is "$status" 0 "of the machines: $(cat "$BATS_TEST_TMPDIR"/out.*)"
	start_machine a threads=1 remove=1 touches=2000 hold=1
	resume a
	wait_for 60 grep -q ok "$BATS_TEST_TMPDIR/a.out"
	(($(stat_of removed) > 0 && $(stat_of zeroed) > 0)) || fail "$(fcvm-mem stat --socket "$socket")"
	is "$(cat "$errors")" ''
}

@test "a machine whose server is killed is ended at once, with a message, and the socket goes" {
	serve
	start_machine a
	first=$machine
	start_machine b
	wait_for 10 has_machines 2
	kill -9 "$server"
	ended_by_kill "$first"
	ended_by_kill "$machine"
	gone_socket() { [[ ! -e $socket ]]; }
	wait_for 10 gone_socket
	wait_for 10 grep -q "the server has ended, and with it the 2 machines" "$errors"
	has "$(cat "$errors")" "$first"
}

@test "a machine ends when the keeper does, and so does the server" {
	serve
	start_machine a
	wait_for 10 has_machines 1
	keeper=$(pgrep -P "$server")
	is "$(cat "/proc/$keeper/comm")" fcvm-mem-keeper
	kill -9 "$keeper"
	ended_by_kill "$machine"
	local status=0
	wait "$server" || status=$?
	is "$status" 111
	has "$(cat "$errors")" 'the keeper has ended'
	[[ ! -e $socket ]]
}

@test "a server that is told to end ends its machines, and leaves neither socket nor keeper" {
	serve
	start_machine a
	wait_for 10 has_machines 1
	keeper=$(pgrep -P "$server")
	end_server
	ended_by_kill "$machine"
	gone "$keeper"
	[[ ! -e $socket ]]
	has "$(cat "$errors")" '1 machine ended with the server'
}

@test "a machine that is killed is forgotten, and the others go on" {
	serve
	start_machine a
	first=$machine
	start_machine b
	wait_for 10 has_machines 2
	kill -9 "$first"
	wait_for 10 has_machines 1
	resume b
	wait "$machine"
	has "$(cat "$BATS_TEST_TMPDIR/b.out")" ok
	wait_for 10 has_machines 0
	is "$(cat "$errors")" ''
}

@test "a machine that cannot be served is ended and named, and nobody else notices" {
	serve --clients 2
	start_machine good
	good=$machine
	bad() { # WHY OPTION…
		run touch_all "${@:2}" pause=1 hold=1 < <(sleep 20 && echo)
		is "$status" 137 "${*:2}"
		wait_for 10 grep -q -- "$1" "$errors"
	}
	bad 'describes no memory' say='[]'
	bad 'no JSON array' say='[{"base":'$'\x01'']'
	bad 'not of one snapshot' say='[{"base_host_virt_addr":4096,"size":4096,"offset":0,"page_size":4096}]'
	bad 'sent no userfaultfd' fd=none
	bad 'is no userfaultfd' fd=pipe
	bad 'closed the connection' close=1
	bad 'it forked' fork=1
	start_machine more
	bad 'as many machines as --clients allows' threads=1
	# Who only connects, or speaks of something else, is no machine.
	run -0 fcvm-mem stat --socket "$socket"
	has "$output" $'machines\t2 of 2'
	resume good
	wait "$good"
	has "$(cat "$BATS_TEST_TMPDIR/good.out")" ok
}

@test "a description may come in pieces" {
	serve
	run -0 touch_all split=1 threads=1 touches=100
	is "$output" ok
}

@test "a memory file that shrinks ends those that need the rest of it, and not the server" {
	cp "$memory" "$BATS_TEST_TMPDIR/own"
	memory=$BATS_TEST_TMPDIR/own serve
	start_machine a threads=2
	truncate -s 4096 "$BATS_TEST_TMPDIR/own"
	resume a
	ended_by_kill "$machine"
	wait_for 10 grep -q 'the memory file has become shorter' "$errors"
	wait_for 10 has_machines 0
	end_server
}

@test "the working set of the first machine is recorded whole, and put in place ahead for others" {
	serve --record "$BATS_TEST_TMPDIR/set"
	run -0 touch_all threads=1 touches=500
	wait_for 10 test -s "$BATS_TEST_TMPDIR/set"
	run -0 touch_all threads=1 # a second machine changes nothing
	end_server
	is "$(head -1 "$BATS_TEST_TMPDIR/set")" "fcvm-workingset 1 $((MIB << 20))"
	is "$(awk 'NR > 1 { n += $2 } END { print n / 4096 }' "$BATS_TEST_TMPDIR/set")" 500
	is "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'set*' | wc -l)" 1
	serve --replay "$BATS_TEST_TMPDIR/set"
	start_machine a threads=1
	ahead() { [[ $(stat_of prefetched) == $((500 * 4096)) ]]; }
	wait_for 20 ahead
	is "$(stat_of faults)" 0
	resume a
	wait "$machine"
	has "$(cat "$BATS_TEST_TMPDIR/a.out")" ok
}

@test "what is put in place ahead does not undo what a machine gave back" {
	printf 'fcvm-workingset 1 %s\n0 %s\n' $((MIB << 20)) $((MIB << 20)) >"$BATS_TEST_TMPDIR/set"
	serve --replay "$BATS_TEST_TMPDIR/set"
	run -0 touch_all threads=8 remove=1 touches=$((64 * 16))
	is "$output" ok
}

@test "many machines cost the server little, and themselves what they touch" {
	serve
	local i
	for i in 1 2 3 4 5; do
		start_machine "m$i" threads=1 touches=100 hold=1
		resume "m$i"
		wait_for 30 grep -q ok "$BATS_TEST_TMPDIR/m$i.out"
		(($(awk '/^RssAnon:/ { print $2 }' "/proc/$machine/status") < 4096)) ||
			fail "machine: $(cat "/proc/$machine/status")"
	done
	(($(awk '/^RssAnon:/ { print $2 }' "/proc/$server/status") < 4096)) ||
		fail "server: $(cat "/proc/$server/status")"
}

@test "machines with pages of 2 MiB are served" {
	local had small
	had=$(cat /proc/sys/vm/nr_hugepages)
	small=64
	echo $((had + small / 2)) >/proc/sys/vm/nr_hugepages
	if (($(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo) < small / 2)); then
		echo "$had" >/proc/sys/vm/nr_hugepages
		skip "the host has no $((small / 2)) free huge pages"
	fi
	head -c "${small}M" "$memory" >"$BATS_TEST_TMPDIR/small"
	MIB=$small memory=$BATS_TEST_TMPDIR/small
	serve
	run touch_all page=2097152 threads=4 remove=1 touches=200
	echo "$had" >/proc/sys/vm/nr_hugepages
	is "$status" 0
	is "$output" ok
}

@test "a socket that a live server has is refused, one that a dead one left is taken over" {
	serve
	run --separate-stderr fcvm-mem serve --socket "$socket" --memory "$memory"
	is "$status" 103
	has "$stderr" 'another server has it'
	keeper=$(pgrep -P "$server")
	kill -STOP "$keeper" # it must not tidy up, so that something is left
	kill -9 "$server" "$keeper"
	wait_for 10 gone "$keeper"
	[[ -S $socket ]]
	serve
	run -0 touch_all threads=1 touches=10
	echo file >"$BATS_TEST_TMPDIR/file"
	run --separate-stderr fcvm-mem serve --socket "$BATS_TEST_TMPDIR/file" --memory "$memory"
	is "$status" 103
	is "$(cat "$BATS_TEST_TMPDIR/file")" file
}
