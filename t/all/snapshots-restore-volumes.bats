#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A VM with volumes that goes back to a snapshot of itself: anonymous volumes go with it as its disk
# does, host directories and named volumes stay, files that were open are open.

load ../lib/helper
load ../lib/snapshots

# It writes without end to a file of two volumes that it has opened once, and to one that it has locked.
source_vm() {
	export SHARE=$BATS_FILE_TMPDIR/share
	mkdir -p "$SHARE"
	gcc -static -o "$SHARE/keeplock" "$ROOT/t/lib/keeplock.c"
	fcvm volume create kept
	start source --network none -v "$SHARE:/host" -v kept:/kept -v /own --mount type=volume,destination=/bare,ro "$IMAGE" -- sh -c '
		exec 5>>/host/log 6>>/own/log
		/host/keeplock /host/lock &
		while :; do echo line >&5; echo line >&6; sleep 0.1; done'
	wait_for 30 test -s "$SHARE/log" -a -s "$SHARE/lock"
	write 'then'
	fcvm exec source sh -c 'mkdir /own/dir; echo deep >/own/dir/file; chown 5:6 /own/dir; chmod 710 /own; ln -s dir/file /own/link'
	fcvm snapshot create source --tag base
}

# write WORD: into a file of each.
write() {
	fcvm exec source sh -c "for at in /host /kept /own ''; do echo $1 >\$at/file; done"
}
# goes_on: the files that are open grow, and the lock is held.
goes_on() {
	local at before
	for at in /host/log /own/log /host/lock; do
		before=$(fcvm exec source sh -c "wc -l <$at")
		wait_for 20 eval "((\$(fcvm exec source sh -c 'wc -l <$at') > $before))"
	done
	[[ ! -e $SHARE/lock.failed ]] || fail "$(cat "$SHARE/lock.failed")"
	run -1 flock -n "$SHARE/lock" true
}
own_is_of_then() {
	is "$(fcvm exec source sh -c 'cat /own/file /own/link /file; stat -c "%u:%g %a" /own/dir /own; ls -A /own')" \
		$'then\ndeep\nthen\n5:6 755\n0:0 710\ndir\nfile\nlink\nlog'
}

@test "anonymous volumes are those of then, the others have what they have, and open files go on" {
	write now
	fcvm exec source sh -c 'rm -r /own/dir /own/link; mkdir /own/new; chmod 755 /own; echo x >/own/new/file'
	run --separate-stderr -0 fcvm restore --in-place source --tag base
	is "$output" base
	is "$stderr" ''
	own_is_of_then
	is "$(fcvm exec source cat /host/file /kept/file)" $'now\nnow'
	is "$(cat "$SHARE/file")" now
	goes_on
	run -1 fcvm exec source touch /bare/file
	has "$output" 'Read-only file system'
	# Twice, and from a snapshot that was made after that.
	fcvm exec source sh -c 'echo again >/own/file'
	fcvm snapshot create source --tag again
	write later
	fcvm restore --in-place source --tag again -q
	is "$(fcvm exec source cat /own/file)" again
	fcvm restore --in-place source --tag base -q
	own_is_of_then
	goes_on
	fcvm snapshot rm again
}

@test "what the host has changed meanwhile is what the VM sees, and what is gone is stale, which is said" {
	echo first >"$SHARE/goes"
	fcvm exec -d source sh -c 'exec 7</host/goes; exec sleep 4322'
	wait_for 20 eval '[[ $(fcvm exec source ps) == *"sleep 4322"* ]]'
	fcvm exec source cat /host/goes
	fcvm snapshot create source --tag seen
	rm "$SHARE/goes"
	echo second >"$SHARE/goes2"
	run --separate-stderr -0 fcvm restore --in-place source --tag seen
	has "$stderr" 'note: open files and locks on its volumes that could not be had again: 1'
	is "$(fcvm exec source cat /host/goes2)" second
	run -1 fcvm exec source cat /host/goes
	has "$output" 'No such file'
	fcvm snapshot rm seen
	fcvm restore --in-place source --tag base -q
}

@test "a way back that fails leaves the volumes as they were" {
	write now
	cp -a --sparse=always "$FCVM_DATA_DIR/snapshots/base" "$FCVM_DATA_DIR/snapshots/bad"
	time=$(stat -c %y "$FCVM_DATA_DIR/snapshots/base/memory")
	truncate -s 0 "$FCVM_DATA_DIR/snapshots/bad/memory"
	truncate -s 128m "$FCVM_DATA_DIR/snapshots/bad/memory"
	touch -d "$time" "$FCVM_DATA_DIR/snapshots/bad/memory"
	run -125 fcvm restore --in-place source --tag bad
	has "$output" 'cannot go back to the snapshot bad: '
	is "$(fcvm exec source sh -c 'cat /own/file; ls -A /own | grep fcvm; cat /kept/file')" $'now\nnow'
	goes_on
	fcvm snapshot rm bad
}

@test "a VM with other volumes is refused, by the place of the first that differs" {
	start other --network none -v "$SHARE:/host:ro" -v kept:/kept -v /own --mount type=volume,destination=/bare,ro "$IMAGE" -- sleep 1000
	fcvm snapshot create other --stop
	run -101 fcvm restore --in-place source --tag other
	has "$output" "it is of another VM: its"
	fcvm snapshot rm other
	goes_on
}

@test "killed on the way, the VM is gone, and nothing is left of its copies" {
	local step volumes
	# shellcheck disable=SC2034 # eval's
	volumes=$(fcvm volume ls -q | wc -l)
	for step in staged loaded; do
		FCVM_FAILPOINT=rewind-$step fcvm snapshot run base --rm --name clone -d
		run fcvm restore --in-place clone --tag base
		((status != 0)) || fail "$step: not killed"
		wait_for 20 eval '[[ ! -e $FCVM_RUN_BASE/clone ]]'
		wait_for 20 eval '[[ $(fcvm volume ls -q | wc -l) == "$volumes" ]]'
	done
}
