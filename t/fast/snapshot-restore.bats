#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A VM that goes back to a snapshot of itself: all of it is as it was, but for what tells it from the
# machine it was; and what cannot be done leaves it running.

load ../lib/helper
load ../lib/snapshots

source_vm() {
	start source -p 8080:80 "$IMAGE" -- sh -c 'httpd -f -h /etc & i=0; while :; do i=$((i + 1)); echo $i >/dev/shm/i; sleep 0.1; done'
	fcvm exec source sh -c 'echo then >/file; echo then >/dev/shm/file; echo 0123456789abcdef0123456789abcdef >/etc/machine-id'
	fcvm snapshot create source --tag base
}

count() { fcvm exec source cat /dev/shm/i; }
counts_on() {
	local before
	before=$(count)
	wait_for 20 eval "((\$(count) > ${before:-0}))"
}

vmm_pid() { fcvm inspect source | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["vmm"]["pid"])'; }

@test "memory, disk and processes are those of then; name, address and ports stay" {
	address=$(fcvm port source 80 | sed -n 's/.*-> \(127\.[0-9.]*\):8080/\1/p' | head -n1)
	is "$(curl -s -m 20 "http://$address:8080/hostname")" source
	fcvm exec source sh -c 'echo now >/file; echo now >/dev/shm/file; echo new >/new'
	fcvm exec -d source sleep 4321
	ask='cat /proc/sys/kernel/random/boot_id /etc/machine-id; head -c 64 /dev/urandom | md5sum'
	run -0 fcvm exec source sh -c "$ask"
	before=$output
	lock=$(cat "$FCVM_RUN_BASE/source/lock")
	is "$(fcvm restore --in-place source --tag base)" base
	is "$(fcvm exec source sh -c 'cat /file /dev/shm/file; ls /new 2>&1; ps | grep -c "sleep 432[1]"')" $'then\nthen\nls: /new: No such file or directory\n0'
	counts_on
	is "$(curl -s -m 20 "http://$address:8080/hostname")" source
	run -0 fcvm exec source sh -c "$ask; date +%s"
	for i in 0 1 2; do lacks "$before" "${lines[i]}"; done
	now=$(date +%s)
	((now - lines[3] <= 2 && lines[3] - now <= 2)) || fail "the clock is ${lines[3]}, and it is $now"
	is "$(cat "$FCVM_RUN_BASE/source/lock")" "$lock"
	is "$(fcvm ls -q)" source
	# And again, and saved anew from there.
	fcvm exec source sh -c 'echo again >/file'
	fcvm snapshot create source --tag again
	fcvm exec source sh -c 'echo later >/file'
	fcvm snapshot restore source --in-place --tag again -q
	is "$(fcvm exec source cat /file)" again
	fcvm snapshot restore source --in-place --tag base -q
	is "$(fcvm exec source cat /file)" 'then'
	fcvm snapshot rm again
}

@test "sessions end and say why; the log and the container's own clients go on" {
	fcvm exec source sleep 4321 2>"$BATS_TEST_TMPDIR/said" &
	session=$!
	wait_for 20 eval '[[ $(fcvm exec source ps) == *"sleep 4321"* ]]'
	fcvm restore --in-place source --tag base
	status=0
	wait "$session" || status=$?
	is "$status" 125
	has "$(cat "$BATS_TEST_TMPDIR/said")" 'the VM has gone back to the snapshot base'

	mkfifo "$BATS_TEST_TMPDIR/in"
	fcvm run -i --rm --memory 128m --rootfs-size 64m --name talker --network none "$IMAGE" sh -c 'n=0; while read -r l; do n=$((n + 1)); echo "$n $l"; done; echo end' \
		<"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out" &
	front=$!
	exec 7>"$BATS_TEST_TMPDIR/in"
	echo one >&7
	wait_for 30 eval '[[ $(cat $BATS_TEST_TMPDIR/out) == "1 one" ]]'
	fcvm snapshot create talker
	echo two >&7
	wait_for 20 eval '[[ $(tail -n1 $BATS_TEST_TMPDIR/out) == "2 two" ]]'
	fcvm restore --in-place talker
	echo three >&7
	wait_for 20 eval '[[ $(tail -n1 $BATS_TEST_TMPDIR/out) == "2 three" ]]'
	exec 7>&-
	wait "$front"
	is "$(cat "$BATS_TEST_TMPDIR/out")" $'1 one\n2 two\n2 three\nend'
	fcvm snapshot rm talker
}

@test "what does not fit is refused by name, and the VM goes on" {
	run -100 fcvm restore source --tag base
	has "$output" 'restore takes --in-place'
	run -102 fcvm restore --in-place nobody
	run -102 fcvm restore --in-place source --tag nothing
	has "$output" "there is no snapshot 'nothing'"
	start other --memory 160m --network none "$IMAGE" sleep 1000
	fcvm snapshot create other --stop
	run -101 fcvm restore --in-place source --tag other
	has "$output" 'cannot go back to the snapshot other: it is of another machine: its memory is 167772160, and here it is 134217728'
	start other "$IMAGE" sleep 1000
	fcvm snapshot create other
	run -101 fcvm restore --in-place source --tag other
	has "$output" 'it is of another VM: its command is another'
	fcvm snapshot create other --disk-only --stop
	run -101 fcvm restore --in-place source --tag other
	has "$output" "it has the disk alone: 'fcvm snapshot run' makes a VM from it"
	fcvm snapshot rm other
	counts_on
}

@test "a restore that fails leaves the VM as it was" {
	fcvm exec source sh -c 'echo now >/file'
	pid=$(vmm_pid)
	# A memory that is no machine's: what was restored does not answer, or ends.
	cp -a --sparse=always "$FCVM_DATA_DIR/snapshots/base" "$FCVM_DATA_DIR/snapshots/bad"
	time=$(stat -c %y "$FCVM_DATA_DIR/snapshots/base/memory")
	truncate -s 0 "$FCVM_DATA_DIR/snapshots/bad/memory"
	truncate -s 128m "$FCVM_DATA_DIR/snapshots/bad/memory"
	touch -d "$time" "$FCVM_DATA_DIR/snapshots/bad/memory"
	fcvm exec source sh -c 'i=0; while [ ! -e /stop ]; do echo $i; i=$((i + 1)); done; echo end' >"$BATS_TEST_TMPDIR/lines" &
	writer=$!
	run -125 fcvm restore --in-place source --tag bad
	has "$output" 'cannot go back to the snapshot bad: '
	is "$(vmm_pid)" "$pid"
	counts_on
	is "$(fcvm exec source cat /file)" now
	fcvm exec source touch /stop
	wait "$writer"
	is "$(tail -n1 "$BATS_TEST_TMPDIR/lines")" end
	cmp <(sed \$d "$BATS_TEST_TMPDIR/lines") <(seq 0 $(($(wc -l <"$BATS_TEST_TMPDIR/lines") - 2)))
	fcvm snapshot rm bad
	is "$(curl -s -m 20 "http://$(fcvm port source 80 | sed -n 's/.*-> \(127\.[0-9.]*:8080\)/\1/p' | head -n1)/hostname")" source
}
