#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Snapshots under fire: a VM that is at work loses nothing, whatever is killed leaves the old or the
# new, and a clone's connections are its own.

load ../lib/helper
load ../lib/snapshots

source_vm() {
	start source -p 8080:80 "$IMAGE" -- sh -c 'httpd -f -h /etc & while :; do sleep 1; done'
}

teardown() {
	[[ ! -v terminal ]] || close_terminals
	fcvm stop --ignore -t 0 --name clone >/dev/null
}

@test "twenty snapshots in a row: nothing of what goes in and out is lost or doubled" {
	local out=$BATS_TEST_TMPDIR/out back=$BATS_TEST_TMPDIR/back
	# What the VM writes by itself, what it gets and sends back, and connections from outside.
	fcvm exec source sh -c 'i=0; while [ ! -e /stop ]; do i=$((i + 1)); echo $i; done; echo end' >"$out" &
	writer=$!
	{
		i=0
		while [[ ! -e $BATS_TEST_TMPDIR/stop ]]; do echo $((++i)); done
		echo end
	} | fcvm exec -i source cat >"$back" &
	reader=$!
	address=$(fcvm inspect --format '{{.address}}' source)
	for ((n = 0; n < 20; n++)); do
		pause_of source >>"$BATS_TEST_TMPDIR/pauses"
		is "$(curl -s -m 20 "http://$address:8080/hostname")" source
	done
	touch "$BATS_TEST_TMPDIR/stop"
	fcvm exec source touch /stop
	wait "$writer"
	wait "$reader"
	for file in "$out" "$back"; do whole "$file"; done
	echo "# pauses in us: $(sort -n "$BATS_TEST_TMPDIR/pauses" | paste -sd ' ')" >&3
	is "$(store)" source
	fcvm snapshot rm source
}

@test "a connection of the VM lives on in it, and is over at once in a clone" {
	local conn=$BATS_TEST_TMPDIR/conn
	mkfifo "$conn"
	start talker -p 7001:7000 "$IMAGE" -- sh -c 'nc -l -p 7000 >/got; echo closed $? >>/got; while :; do sleep 1; done'
	address=$(fcvm inspect --format '{{.address}}' talker)
	python3 -c 'import socket, sys
s = socket.create_connection((sys.argv[1], 7001))
for line in sys.stdin: s.sendall(line.encode())' "$address" <"$conn" &
	client=$!
	exec 7>"$conn" # opens when its reader does
	echo one >&7
	wait_for 20 eval '[[ $(fcvm exec talker cat /got) == one ]]'
	fcvm snapshot create talker
	fcvm snapshot run talker --name clone -d
	wait_for 20 eval '[[ $(fcvm exec clone cat /got) == "one"*closed* ]]'
	echo two >&7
	wait_for 20 eval '[[ $(fcvm exec talker cat /got) == "one"$'"'\\n'"'"two" ]]'
	kill "$client"
	exec 7>&-
	fcvm stop -t 0 talker
	fcvm snapshot rm talker
}

@test "a clone publishes the VM's ports on an address of its own, or others" {
	fcvm snapshot create source
	fcvm snapshot run source --name clone -d
	address=$(fcvm port clone 80 | sed -nE 's/^(.*[^0-9.])?(127[.][0-9.]*):8080/\2/p' | head -n1)
	is "$(curl -s -m 20 "http://$address:8080/hostname")" clone
	lacks "$(fcvm port source)" "$address"
	fcvm stop -t 0 clone
	fcvm snapshot run source --name clone -p 127.0.0.1:18087:80 -d
	is "$(curl -s -m 20 http://127.0.0.1:18087/hostname)" clone
	is "$(fcvm port clone)" '80/tcp -> 127.0.0.1:18087'
	fcvm stop -t 0 clone
	fcvm snapshot run source --name clone --network none -d
	is "$(fcvm exec clone hostname)" clone
	fcvm snapshot rm source
}

@test "a VM with a terminal: the clone has it, at what was typed" {
	typed_vm
	fcvm snapshot create typed --stop
	until_shows 'outer>$'
	type_line 'clear; fcvm snapshot run typed --name clone'
	wait_for 30 fcvm exec clone true # what is typed before is the outer shell's
	type_line 'echo $word-$word; hostname'
	until_shows '^before-before$'
	until_shows '^clone$'
	type_line 'exit 3'
	until_shows 'outer>$'
	close_terminals
	is "$(fcvm wait clone)" 3
	fcvm snapshot rm typed
}

@test "the disk of a clone is whole, and open files are open" {
	start disk --network none "$IMAGE" -- sh -c 'exec 5>/log; i=0
		while [ ! -e /still ]; do i=$((i + 1)); echo $i >&5; mkdir /d$i; echo $i >/d$i/f; done
		sync; : >/synced; sync; sleep 100000'
	wait_for 30 fcvm exec disk test -e /d20/f
	fcvm snapshot create disk
	fcvm snapshot run disk --name clone -d
	# shellcheck disable=SC2034 # eval's
	last=$(fcvm exec clone tail -n1 /log)
	wait_for 30 eval '(($(fcvm exec clone tail -n1 /log) > last))'
	fcvm pause clone
	fcvm unpause clone
	n=$(fcvm exec clone wc -l /log | cut -d' ' -f1)
	cmp <(fcvm exec clone head -n "$n" /log) <(seq 1 "$n")
	for i in 1 7 20; do is "$(fcvm exec clone cat "/d$i/f")" "$i"; done
	# What was in the page cache when it was saved, and what was on the disk, are of one time.
	fcvm exec clone touch /still
	wait_for 60 fcvm exec clone test -e /synced
	fcvm snapshot create clone --tag still
	run -0 e2fsck -fn "$FCVM_DATA_DIR/snapshots/still/scratch"
	fcvm stop -t 0 disk
	fcvm snapshot rm disk still
}

# Everything that a step of making one may kill: in the VM's own process, and in its helper.
@test "killed at any step of making one, the old or the new is there and the space comes back" {
	start victim --network none "$IMAGE" -- sh -c 'echo old >/mark; while :; do sleep 1; done'
	wait_for 20 fcvm exec victim test -e /mark
	fcvm snapshot create victim
	for step in begun base frozen stopped saved thawed synced described renamed; do
		fcvm stop -t 0 --ignore --name mortal >/dev/null
		FCVM_FAILPOINT=snapshot-$step fcvm snapshot run victim --name mortal -d
		fcvm exec mortal sh -c 'echo new >/mark'
		status=0
		fcvm snapshot create mortal --tag victim || status=$?
		((status != 0)) || fail "$step: not killed"
		run -0 fcvm snapshot run victim --rm --exec 'cat /mark'
		case $step in
		renamed) is "$output" new "after $step" ;;
		*) is "$output" old "after $step" ;;
		esac
		fcvm snapshot prune
		is "$(store | grep '^[.]')" '' "after $step"
		# The next one is made as if nothing had been; the helper's death leaves the VM alone.
		case $step in
		base | synced | described | renamed) is "$(fcvm exec mortal cat /mark)" new ;;
		esac
		fcvm snapshot create victim
	done
	fcvm stop -t 0 --ignore --name mortal >/dev/null
	fcvm stop -t 0 victim
}

@test "killed while it is restored or removed, a snapshot is whole or gone, and nothing is left" {
	fcvm snapshot create source --tag once
	for step in opened started; do
		FCVM_FAILPOINT=clone-$step run fcvm snapshot run once --name clone -d
		((status != 0)) || fail "$step: not killed"
		wait_for 20 eval '[[ ! -e $FCVM_RUN_BASE/clone ]]'
	done
	run -0 fcvm snapshot run once --rm --exec 'echo fine'
	has "$output" fine
	FCVM_FAILPOINT=snapshot-removing run fcvm snapshot rm once
	((status != 0))
	lacks "$(snapshots)" once
	fcvm snapshot prune
	lacks "$(store)" gone
}

@test "a client, or the VM, that is killed meanwhile leaves the old one" {
	start old --network none "$IMAGE" -- sh -c 'echo old >/mark; while :; do sleep 1; done'
	wait_for 20 fcvm exec old test -e /mark
	fcvm snapshot create old
	fcvm exec old sh -c 'echo new >/mark'
	timeout -s KILL 0.05 fcvm snapshot create old || true
	is "$(fcvm exec old cat /mark)" new
	run -0 fcvm snapshot run old --rm --exec 'cat /mark'
	matches "$output" '^(old|new)$'
	fcvm snapshot create old &
	client=$!
	kill -KILL "$(fcvm inspect old --format '{{.Pid}}' 2>/dev/null || cat "$FCVM_RUN_BASE/old/lock")"
	wait "$client" || true
	run -0 fcvm snapshot run old --rm --exec 'cat /mark'
	matches "$output" '^(old|new)$'
	fcvm snapshot prune
	has "$(store)" old
	lacks "$(store)" .new
	fcvm snapshot rm old
}
