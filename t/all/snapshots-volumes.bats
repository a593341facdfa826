#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Snapshots of VMs that have volumes: the VM loses nothing, a clone's open files are open, it sees
# what the host has changed meanwhile, and what two cannot have at once is said.

load ../lib/helper
load ../lib/snapshots

source_vm() {
	export SHARE=$BATS_FILE_TMPDIR/share
	mkdir -p "$SHARE/dir/sub"
	echo 'then' >"$SHARE/file"
	echo stays >"$SHARE/dir/stays"
	echo goes >"$SHARE/dir/goes"
	echo moves >"$SHARE/dir/moves"
	# One line after the other, each with the VM's name and a number, on the volume and on the disk. They
	# are of 16 bytes: the guest's kernel makes two writes of one that crosses a multiple of 4096.
	cat >"$SHARE/writer" <<'END'
exec 5>>/data/log 6>>/log
i=0
while [ ! -e /still ]; do
	i=$((i + 1))
	read name </proc/sys/kernel/hostname
	line=$(printf "%s %0$((14 - ${#name}))d" "$name" "$i")
	echo "$line" >&5
	echo "$line" >&6
done
sync
: >/synced
sync
sleep 100000
END
	start source --network none -v "$SHARE:/data" "$IMAGE" -- sh /data/writer
	wait_for 30 grep -q 'source 0*20$' "$SHARE/log"
}

teardown() {
	fcvm stop --ignore -t 0 --name clone >/dev/null
}

# lines FILE NAME: the numbers of the lines of that VM.
lines() {
	sed -n "s/^$2 0*//p" "$1"
}

@test "a VM that writes goes on without losing a line, and so does its clone, beside it" {
	fcvm snapshot create source
	run --separate-stderr -0 fcvm snapshot run source --name clone -d
	is "$stderr" ''
	is "$(fcvm exec clone readlink /proc/1/fd/5)" /data/log
	wait_for 30 grep -q '^clone ' "$SHARE/log"
	# shellcheck disable=SC2034 # eval's
	n=$(wc -l <"$SHARE/log")
	wait_for 30 eval '(($(wc -l <"$SHARE/log") > n + 20))'
	fcvm pause source clone
	cp "$SHARE/log" "$BATS_TEST_TMPDIR/log"
	fcvm unpause source clone
	run -1 grep -vE '^(source|clone) [0-9]+$' "$BATS_TEST_TMPDIR/log"
	# The line that was about to be written when the VM was saved, both write.
	lines "$BATS_TEST_TMPDIR/log" source | sort -n >"$BATS_TEST_TMPDIR/numbers"
	cmp <(uniq "$BATS_TEST_TMPDIR/numbers") <(seq 1 "$(tail -n1 "$BATS_TEST_TMPDIR/numbers")")
	(($(uniq -d "$BATS_TEST_TMPDIR/numbers" | wc -l) <= 1))
	first=$(lines "$BATS_TEST_TMPDIR/log" clone | head -n1)
	last=$(lines "$BATS_TEST_TMPDIR/log" clone | tail -n1)
	cmp <(lines "$BATS_TEST_TMPDIR/log" clone) <(seq "$first" "$last")
	# On the clone's own disk there is what was there before, and nothing twice.
	fcvm exec clone touch /still
	wait_for 60 fcvm exec clone test -e /synced
	fcvm exec clone cat /log >"$BATS_TEST_TMPDIR/own"
	sed 's/.* 0*//' "$BATS_TEST_TMPDIR/own" | cmp - <(seq 1 "$(wc -l <"$BATS_TEST_TMPDIR/own")")
	fcvm snapshot create clone --tag still
	run -0 e2fsck -fn "$FCVM_DATA_DIR/snapshots/still/scratch"
	fcvm stop -t 0 clone
	run --separate-stderr -0 fcvm snapshot run still --rm --exec 'cat /data/file; tail -n1 /log | cut -d" " -f1'
	is "$output" $'then\nclone'
	is "$stderr" ''
	fcvm snapshot rm still
}

@test "what the host has changed since is what a clone sees first" {
	fcvm exec source sh -c 'cat /data/file /data/dir/*; ls /data/dir /data/new' || true
	fcvm snapshot create source
	echo 'now and longer' >"$SHARE/file"
	mv "$SHARE/dir/moves" "$SHARE/dir/moved"
	rm "$SHARE/dir/goes"
	echo other >"$SHARE/dir/tmp" && mv "$SHARE/dir/tmp" "$SHARE/dir/stays"
	echo new >"$SHARE/new"
	run --separate-stderr -1 fcvm snapshot run source --rm --exec 'cat /data/file /data/new /data/dir/stays /data/dir/moved; ls /data/dir; cat /data/dir/goes'
	is "$output" $'now and longer\nnew\nother\nmoves\nmoved\nstays\nsub'
	has "$stderr" "can't open '/data/dir/goes': No such file or directory"
	rm "$SHARE/new"
}

@test "a lock that the VM still has is not the clone's: that is said, and what relied on it fails" {
	local dir=$BATS_TEST_TMPDIR/locks
	mkdir "$dir"
	gcc -static -o "$dir/keeplock" "$ROOT/t/lib/keeplock.c"
	start holder --network none -v "$dir:/data" "$IMAGE" -- /data/keeplock /data/lock
	wait_for 30 test -s "$dir/lock"
	fcvm exec -d holder /data/keeplock /data/lock # waits for it
	wait_for 20 grep -q -- '-> FLOCK' /proc/locks
	fcvm snapshot create holder
	run --separate-stderr -0 fcvm snapshot run holder --name clone -d
	is "$stderr" "fcvm-vol: note: the volume at /data: locks that others have now, so that whoever had these files open can neither read nor write them (EIO): 1"
	wait_for 20 grep -q '^clone 5$' "$dir/lock.failed"
	# At most the line that was about to be written when the VM was saved has its name.
	(($(grep -vc '^clone 5$' "$dir/lock.failed") <= 1))
	# shellcheck disable=SC2034 # eval's
	n=$(wc -l <"$dir/lock")
	wait_for 20 eval '(($(wc -l <"$dir/lock") > n + 5))'
	is "$(sort -u "$dir/lock")" holder
	fcvm stop -t 0 clone
	fcvm stop -t 0 holder
	# Nobody has it now.
	run --separate-stderr -0 fcvm snapshot run holder --name clone -d
	is "$stderr" ''
	wait_for 20 grep -q clone "$dir/lock"
	wait_for 20 eval '[[ $(fcvm exec clone head -n1 /data/lock.map) == clone ]]'
	fcvm stop -t 0 clone
	is "$(head -n1 "$dir/lock.map")" clone
	fcvm snapshot rm holder
}

@test "several clones at once; one file and a read-only volume; each its own anonymous volume" {
	echo one >"$BATS_TEST_TMPDIR/one"
	start kinds --rm --network none -v "$BATS_TEST_TMPDIR/one:/etc/one:ro" -v "$SHARE:/ro:ro" -v /own -v named:/named "$IMAGE" -- \
		sh -c 'exec 3</etc/one; mkdir -p /own/a/b; echo mine >/own/a/b/file; ln /own/a/b/file /own/link; exec 4>>/own/log; echo shared >/named/file
			exec 5<>/named/gone; echo unnamed >&5; rm /named/gone
			while :; do echo x >&4; sleep 0.2; done'
	wait_for 30 fcvm exec kinds test -e /named/file -a -s /own/log
	fcvm snapshot create kinds
	fcvm exec kinds sh -c 'rm -r /own/a; echo later >/own/later'
	run --separate-stderr -0 fcvm snapshot run kinds --rm -n 2 --name clone --exec '
		cat /proc/1/fd/3 /proc/1/fd/5 /own/a/b/file /named/file; touch /ro/x /etc/one; n=$(stat -c %h /own/link); echo "$n"
		ls /own; echo mine >/own/mine; a=$(wc -l </own/log); sleep 1; [ $(wc -l </own/log) -gt $a ] && echo "goes on"'
	is "$(sort <<<"$output")" "$(printf '%s\n' one unnamed mine shared 2 a link log 'goes on' one unnamed mine shared 2 a link log 'goes on' | sort)"
	is "$(grep -c 'Read-only file system' <<<"$stderr")" 4
	is "$(fcvm exec kinds ls /own)" $'later\nlink\nlog'
	fcvm stop -t 0 kinds
	fcvm volume rm named
	run --separate-stderr -125 fcvm snapshot run kinds --rm --exec true
	is "$stderr" "fcvm-vol: the volume named is gone, which the snapshot's VM had at /named"
	fcvm snapshot rm kinds
	# The copies go with their machines and their snapshot.
	run -0 fcvm volume ls -q
	is "$output" ''
}

@test "what is missing or another is said before anything starts" {
	fcvm snapshot create source --tag other
	run --separate-stderr -125 fcvm snapshot export other "$BATS_TEST_TMPDIR/archive"
	is "$stderr" "fcvm-snapshot: the snapshot other cannot be exported: the volume at /data is $SHARE of this host"
	[[ ! -e $BATS_TEST_TMPDIR/archive ]]
	run --separate-stderr -125 fcvm snapshot run other -v /tmp:/more --rm --exec true
	is "$stderr" 'fcvm-clone: --volume /tmp:/more: a clone has the volumes of the VM that was saved, and no others'
	mv "$SHARE" "$SHARE.away"
	run --separate-stderr -125 fcvm snapshot run other --rm --name clone --exec true
	is "$stderr" "fcvm-vol: the volume's source $SHARE: No such file or directory"
	: >"$SHARE"
	run --separate-stderr -125 fcvm snapshot run other --rm --name clone --exec true
	is "$stderr" "fcvm-vol: the volume's source $SHARE is a file now, and was a directory when the VM was saved"
	rm "$SHARE"
	mv "$SHARE.away" "$SHARE"
	[[ ! -e $FCVM_RUN_BASE/clone ]]
	printf 'X' | dd of="$FCVM_DATA_DIR/snapshots/other/volumes" bs=1 seek=100 conv=notrunc status=none
	run --separate-stderr -125 fcvm snapshot run other --rm --exec true
	has "$stderr" 'the snapshot other is damaged: its volumes was changed'
	fcvm snapshot rm other
}

@test "killed while a volume is saved, the old one is there, and the next is made" {
	fcvm snapshot create source
	FCVM_FAILPOINT=snapshot-volume fcvm snapshot run source --name clone -d
	run fcvm snapshot create clone --tag source
	((status != 0))
	fcvm snapshot prune
	is "$(store | grep '^[.]')" ''
	run -0 fcvm snapshot run source --rm --exec 'cat /data/file'
	fcvm snapshot create source
}

@test "a VM with a volume is a template's, too" {
	FCVM_NO_SNAPSHOT='' FCVM_SNAPSHOT=1 fcvm run --rm --memory 128m --rootfs-size 64m --network none -v "$SHARE:/data" "$IMAGE" -- true
	run --separate-stderr -0 env FCVM_NO_SNAPSHOT='' FCVM_SNAPSHOT=1 FCVM_TRACE=1 fcvm run --rm --memory 128m --rootfs-size 64m --network none \
		-v "$SHARE:/data" "$IMAGE" -- cat /data/file
	has "$stderr" 'template: found'
}
