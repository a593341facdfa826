#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a guest sees of a volume, with this machine's own kernel as the guest. Needs root to mount.

load ../lib/helper
load ../lib/vol

teardown() { vol_unmount; }

@test "a file made on either side is on the other, with its owner and mode" {
	vol_mount
	echo host >"$SRC/a"
	is "$(cat "$MNT/a")" host
	install -d -m 777 "$MNT/w"
	cd "$MNT/w"
	setpriv --reuid 1234 --regid 2345 --clear-groups sh -ec "umask 027
		echo x >file
		mkdir dir
		ln -s nowhere link
		mkfifo pipe"
	cd /
	is "$(stat -c '%n %u:%g %a' "$SRC"/w/* | sed "s,$SRC/w/,,")" "dir 1234:2345 750
file 1234:2345 640
link 1234:2345 777
pipe 1234:2345 640"
}

@test "what the host changes is seen, however long the guest could have kept it" {
	vol_mount
	echo one >"$SRC/f"
	is "$(cat "$MNT/f")" one
	echo three >"$SRC/f"
	wait_for 5 holds f three
	is "$(stat -c %s "$MNT/f")" 6
	[[ ! -e $MNT/later ]]
	echo now >"$SRC/later"
	wait_for 5 holds later now
	rm "$SRC/later"
	wait_for 5 missing later
	mv "$SRC/f" "$SRC/g"
	wait_for 5 missing f
	holds g three
	chmod 600 "$SRC/g"
	wait_for 5 eval '[[ $(stat -c %a "$MNT/g") == 600 ]]'
	mkdir "$SRC/d"
	wait_for 5 there d
	is "$(ls "$MNT/d")" ''
	: >"$SRC/d/new"
	wait_for 5 there d/new
	is "$(ls "$MNT/d")" new
}

@test "whoever opens a file sees what the host has just put there, however new it is" {
	vol_mount
	run -0 perl "$ROOT/t/lib/late-edit.pl" "$SRC" "$MNT"
	is "$output" '0 0'
}

@test "an open file can be opened once more when its name is gone, whoever removed it" {
	vol_mount
	for side in "$SRC" "$MNT"; do
		echo there >"$MNT/f"
		exec {fd}<"$MNT/f"
		rm "$side/f"
		is "$(cat "/proc/self/fd/$fd")" there
		is "$(cat "/proc/self/fd/$fd")" there
		exec {fd}<&-
	done
}

@test "a name that is gone is in no list that is begun afterwards, whoever else is listing" {
	mkdir -p "$SRC/d"
	(cd "$SRC/d" && seq 400 | xargs touch)
	vol_mount
	run -0 perl "$ROOT/t/lib/stale-list.pl" "$MNT/d"
	is "$output" 401
}

@test "a file with a second name is right by the name that changed elsewhere" {
	vol_mount
	mkdir "$SRC/x"
	echo 1 >"$SRC/a"
	ln "$SRC/a" "$SRC/x/b"
	is "$(cat "$MNT/a")" 1
	echo 22 >"$SRC/x/b"
	wait_for 5 holds a 22
}

@test "what the guest itself writes stays in its cache" {
	vol_mount
	head -c 1000000 /dev/urandom >"$MNT/big"
	cmp "$MNT/big" "$SRC/big"
	strace -f -c -o "$BATS_TEST_TMPDIR/calls" -e trace=pread64 -p "$SERVER" 2>/dev/null 3>&- &
	local strace=$!
	wait_for 5 grep -q "TracerPid:[[:space:]]*$strace" "/proc/$SERVER/status"
	cat "$MNT/big" >/dev/null
	kill -INT $strace
	wait $strace || :
	lacks "$(cat "$BATS_TEST_TMPDIR/calls")" pread64
}

@test "cache=none asks each time, cache=always never" {
	vol_mount -o cache=none
	echo 1 >"$SRC/f"
	is "$(cat "$MNT/f")" 1
	echo 2 >"$SRC/f"
	is "$(cat "$MNT/f")" 2
	vol_unmount
	vol_mount -o cache=always
	is "$(cat "$MNT/f")" 2
	echo 3 >"$SRC/f"
	is "$(cat "$MNT/f")" 2
}

@test "locks exclude across the border, both ways, and waiting for one can be interrupted" {
	vol_mount
	: >"$SRC/lock"
	run -1 flock "$MNT/lock" flock -n "$SRC/lock" true
	run -1 flock "$SRC/lock" flock -n "$MNT/lock" true
	# shellcheck disable=SC2016 # perl
	run -0 perl -MFcntl=:DEFAULT,:flock -e 'use strict;
		my ($m, $s) = @ARGV;
		sysopen my $a, $m, O_RDWR; sysopen my $b, $s, O_RDWR;
		my $lock = pack "ssx4q2lx4", F_WRLCK, 0, 10, 5, 0;
		fcntl $a, F_SETLK, $lock or die "guest: $!";
		fcntl $b, 37, $lock and die "the host got a lock of the guest";
		my $get = pack "ssx4q2lx4", F_WRLCK, 0, 0, 100, 0;
		sysopen my $c, $m, O_RDONLY; close $c;
		fcntl $b, 37, $lock or die "closing any descriptor drops the locks: $!";
		$SIG{ALRM} = sub { die "interrupted\n" };
		alarm 1;
		eval { fcntl $a, F_SETLKW, $lock and die "the guest got a lock of the host\n" };
		die $@ if $@ ne "interrupted\n" && $@;
		print "done\n";' "$MNT/lock" "$SRC/lock"
	is "$output" 'done'
	exec {fd}<"$SRC/lock"
	flock $fd
	flock "$MNT/lock" touch "$MNT/got" {fd}<&- 3>&- &
	sleep 0.2
	[[ ! -e $SRC/got ]]
	exec {fd}<&-
	wait $!
	[[ -e $SRC/got ]]
}

@test "a write by another user clears set-user-id and set-group-id" {
	vol_mount
	cp /bin/true "$MNT/p"
	chmod 6777 "$MNT/p"
	is "$(stat -c %a "$SRC/p")" 6777
	cd "$MNT"
	setpriv --reuid 77 --regid 77 --clear-groups sh -c "echo x >>p"
	is "$(stat -c %a "$SRC/p")" 777
	chmod 6777 "$MNT/p"
	setpriv --reuid 77 --regid 77 --clear-groups sh -c ": >p"
	cd /
	is "$(stat -c %a "$SRC/p")" 777
}

@test "extended attributes, holes, sparse copies and file attributes are the file system's own" {
	vol_mount
	: >"$MNT/f"
	setfattr -n user.k -v v "$MNT/f"
	is "$(getfattr --absolute-names --only-values -n user.k "$SRC/f")" v
	setfattr -x user.k "$MNT/f"
	run -1 getfattr -n user.k "$SRC/f"
	head -c 100000 /dev/urandom >"$MNT/big"
	fallocate -p -o 4096 -l 65536 "$MNT/big"
	cp --sparse=always "$MNT/big" "$MNT/copy"
	cmp "$SRC/big" "$SRC/copy"
	is "$(stat -c %b "$SRC/copy")" "$(stat -c %b "$MNT/copy")"
	# Where there are no such attributes, there are none in the guest.
	local can=0
	chattr +i "$SRC/f" 2>/dev/null || can=1
	run -"$can" chattr -i "$MNT/f"
	run -"$can" chattr +ad "$MNT/f"
	is "$(lsattr "$MNT/f" 2>&1 | cut -d' ' -f1)" "$(lsattr "$SRC/f" 2>&1 | cut -d' ' -f1)"
	((can)) || run ! sh -c ": >'$SRC/f'"
	run -"$can" chattr -a "$MNT/f"
}

@test "a read-only volume takes no change" {
	mkdir "$SRC"
	echo a >"$SRC/a"
	vol_mount -o ro
	mount -o remount,rw "$MNT"
	run -1 touch "$MNT/b"
	has "$output" 'Read-only file system'
	run ! rm "$MNT/a"
	run ! chmod 600 "$MNT/a"
	run ! sh -c "echo x >>$MNT/a"
	is "$(ls "$SRC")" a
	is "$(cat "$SRC/a")" a
	chmod 0 "$SRC/a"
	is "$(cat "$MNT/a")" a
	# dac_read_search, fowner
	has "$(cat "/proc/$SERVER/status")" "CapPrm:	000000000000000c"
}

@test "a single file is a volume, and nothing beside it" {
	echo one >"$SRC"
	: >"$MNT"
	fcvm-vol mount "$SRC" "$MNT" 3>&- &
	MOUNTER=$!
	wait_for 20 mountpoint -q "$MNT"
	is "$(cat "$MNT")" one
	echo two >"$MNT"
	is "$(cat "$SRC")" two
	echo three >"$SRC"
	wait_for 5 eval '[[ $(cat "$MNT") == three ]]'
}

@test "20,000 files are walked and forgotten, and the server's descriptors and memory with them" {
	run timeout 200 "$ROOT/t/stress/walk" 20000 "$BATS_TEST_TMPDIR" 3>&-
	is "$status" 0 "$output"
	is "$(grep -c '^walk: 20000 files: ' <<<"$output")" 2
}

@test "when the server is killed, everything is an error at once and the mount can end" {
	vol_mount
	# Else a request at the wrong moment would end the one that answers them.
	((0x$(sed -n 's/^SigIgn:[[:space:]]*//p' "/proc/$MOUNTER/status") >> 12 & 1)) || fail 'SIGPIPE'
	echo a >"$SRC/a"
	exec {fd}<"$MNT/a"
	kill -KILL "$SERVER"
	run -1 timeout 10 cat "$MNT/b"
	has "$output" 'Input/output error'
	exec {fd}<&-
	umount "$MNT"
	wait "$MOUNTER" && fail 'no error'
	MOUNTER=
	has "$(cat "$BATS_TEST_TMPDIR/mount.err")" 'server'
}

@test "the server has an empty root, no way to the network, few rights, and dies with its parent" {
	vol_mount
	is "$(ls -A "/proc/$SERVER/root/")" ''
	is "$(nsenter -n -t "$SERVER" ip -br link | grep -vc '^lo ')" 0
	has "$(cat "/proc/$SERVER/status")" "Seccomp:	2"
	has "$(cat "/proc/$SERVER/status")" "NoNewPrivs:	1"
	# chown, dac_override, dac_read_search, fowner, fsetid, setgid, setuid, linux_immutable,
	# mknod, setfcap
	has "$(cat "/proc/$SERVER/status")" "CapBnd:	00000000880002df"
	kill -KILL "$MOUNTER"
	wait "$MOUNTER" || :
	wait_for 5 gone "$SERVER"
	umount "$MNT"
	MOUNTER=
}

@test "idmap= shows the host's ids as the container's" {
	mkdir "$SRC"
	: >"$SRC/mine"
	: >"$SRC/other"
	chown 1000:1000 "$SRC" "$SRC/mine"
	vol_mount -o 'idmap=uids=1000-0-1#5000-1-10;gids=1000-0-1#5000-1-10'
	is "$(stat -c %u:%g "$MNT/mine")" 0:0
	is "$(stat -c %u:%g "$MNT/other")" 65534:65534
	: >"$MNT/new"
	is "$(stat -c %u:%g "$SRC/new")" 1000:1000
	chown 3:3 "$MNT/new"
	is "$(stat -c %u:%g "$SRC/new")" 5002:5002
	run -1 chown 77 "$MNT/new"
	has "$output" 'Operation not permitted'
}

@test "fcvm-vol serves a program's volumes, says when a server is killed, and leaves nothing" {
	export FCVM_RUN_DIR=$BATS_TEST_TMPDIR/run FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	mkdir "$SRC" "$MNT" "$FCVM_RUN_DIR" "$BATS_TEST_TMPDIR/b"
	echo a >"$SRC/a"
	run -3 fcvm-vol "$SRC:/b/c:ro,noexec" "$BATS_TEST_TMPDIR/b:/b" named:/n "$SRC/a:/file" -- \
		"$VOLGUEST" 3 "$MNT" sh -c "cat $MNT/a; exit 3"
	is "$output" a
	is "$(tr -d ' \n' <"$FCVM_RUN_DIR/volumes.json")" "{\"volumes\":[$(
		for v in "true|/b||rw|false|directory|$BATS_TEST_TMPDIR/b" \
			"false|/file||rw|false|file|$SRC/a" \
			"true|/n|named|rw|false|directory|$FCVM_DATA_DIR/volumes/named/_data" \
			"false|/b/c||ro\",\"noexec|true|directory|$SRC"; do
			IFS='|' read -r copy at name opts ro type source <<<"$v"
			[[ $name ]] || copy=false
			[[ $opts == rw ]] && words='' || words=ro,noexec
			printf '{"anonymous":false,"copyUp":%s,"destination":"%s","name":"%s","options":["%s"],"readonly":%s,"source":"%s","type":"%s","words":"%s"}\n' \
				"$copy" "$at" "$name" "$opts" "$ro" "$source" "$type" "$words"
		done | paste -sd,
	)]}"
	run -0 --separate-stderr fcvm-vol "$SRC:/data" -- sh -c "
		$VOLGUEST 0 $MNT - & guest=\$!
		until mountpoint -q $MNT; do sleep 0.05; done
		kill -KILL \$(pgrep -P \$(pgrep -P \$\$ -x keeper) -x volume)
		wait \$guest"
	is "$stderr" 'the volume at /data: its server was killed by signal 9'
}

@test "an anonymous volume goes with its program, a named one stays, and one in use is not removed" {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	run -0 fcvm-vol --rm /a keep:/b -- fcvm-volume ls -q
	is "$(wc -l <<<"$output")" 2
	matches "$output" '^[0-9a-f]{64}
keep$'
	wait_for 10 eval '[[ $(fcvm-volume ls -q) == keep ]]'
	run -103 fcvm-vol keep:/b -- fcvm-volume rm keep
	is "$output" 'fcvm-volume: the volume keep is in use by a VM'
	wait_for 10 fcvm-volume rm keep # its keeper ends after the program
	is "$(fcvm-volume ls -q)" ''
}

@test "a session is saved while a server is at work, with its locks and nothing half done" {
	mkdir "$SRC" "$MNT"
	echo a >"$SRC/a"
	run -0 --separate-stderr env SAVE="$BATS_TEST_TMPDIR/saved" fcvm-vol "$SRC:/data" -- "$VOLGUEST" 0 "$MNT" sh -c "
		exec 7>>$MNT/lock && flock 7
		for w in 1 2 3 4; do (while [ -e $MNT/a ]; do cat $MNT/a; echo \$w >>$MNT/log; done) >/dev/null 2>&1 & done
		until [ -s $MNT/log ]; do sleep 0.05; done"
	is "$stderr" ''
	is "$(head -c 8 "$BATS_TEST_TMPDIR/saved")" FCVMVOLS
	grep -q lock "$BATS_TEST_TMPDIR/saved"
	is "$(grep -vc '^[1-4]$' "$SRC/log")" 0
}
