#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real programs on a volume that is mounted on the host.

load ../lib/helper
load ../lib/volmount

setup() {
	beside=$BATS_TEST_TMPDIR/beside
	mkdir "$beside"
	vol_mount
}

teardown() {
	vol_end
}

# on_volume FUNCTION [ARG…]: of t/lib/volumes.sh, in an empty directory of the volume
on_volume() {
	mkdir "$vol/mount/work"
	run timeout 280 sh "$ROOT/t/lib/volumes.sh" "$1" "$vol/mount/work" "$beside" "${@:2}"
	is "$status" 0 "$output"
}

@test "git clones, commits, packs and checks a repository of 2,000 files" {
	on_volume git_work 2000
	vol_unmount
	# The host sees what git left on the volume.
	run -0 git -c safe.directory='*' -C "$vol/plain/work/clone" status --porcelain
	is "$output" ''
}

@test "10,000 small files come and go" {
	on_volume small_files 10000
	is "$(find "$vol/plain/work" -mindepth 1 | wc -l)" 0
	vol_unmount
}

@test "two processes write to one sqlite database, in each journal mode" {
	on_volume sqlite 150 WAL
	rm -rf "$vol/mount/work"
	on_volume sqlite 50 DELETE
	vol_unmount
}

@test "a process on the volume and one on the host's own side exclude each other in sqlite" {
	# Not WAL: it shares memory, which the two sides have each for themselves.
	sqlite3 "$vol/plain/db" "CREATE TABLE t (who TEXT, i INTEGER, seen INTEGER);"
	sh "$ROOT/t/lib/volumes.sh" insert "$vol/plain/db" host 60 &
	local pid=$!
	sh "$ROOT/t/lib/volumes.sh" insert "$vol/mount/db" guest 60
	wait "$pid"
	is "$(sqlite3 "$vol/plain/db" 'PRAGMA integrity_check')" ok
	is "$(sqlite3 "$vol/plain/db" 'SELECT count(*), count(DISTINCT seen), max(seen) FROM t')" '120|120|119'
	vol_unmount
}

@test "tar and rsync bring a torture tree there and back, equal in everything" {
	local layer
	"$ROOT/t/lib/images/torture" "$BATS_TEST_TMPDIR/layers" 1000
	mkdir "$BATS_TEST_TMPDIR/tree"
	for layer in "$BATS_TEST_TMPDIR"/layers/01.tar "$BATS_TEST_TMPDIR"/layers/07.tar; do
		tar -C "$BATS_TEST_TMPDIR/tree" --xattrs --xattrs-include='user.*' --numeric-owner -xpf "$layer"
	done
	on_volume round_trips "$BATS_TEST_TMPDIR/tree"
	vol_unmount
}

@test "a C project builds in parallel, and again after a change" {
	on_volume c_project
	vol_unmount
}

@test "lines of two appending processes are all there and whole" {
	on_volume appenders 2000
	vol_unmount
}

@test "what fio writes, mapped too, it reads back" {
	on_volume fio_verify
	vol_unmount
}

@test "flock excludes the host and the volume in both directions" {
	local side other
	touch "$vol/plain/lock"
	for side in mount plain; do
		other=$([[ $side == mount ]] && echo plain || echo mount)
		mkfifo "$BATS_TEST_TMPDIR/$side"
		flock "$vol/$side/lock" sh -c 'echo held; read -r _ <"$0"' "$BATS_TEST_TMPDIR/$side" \
			>"$BATS_TEST_TMPDIR/$side.out" 3>&- &
		local pid=$!
		wait_for 10 grep -q held "$BATS_TEST_TMPDIR/$side.out"
		run -1 flock -n "$vol/$other/lock" true
		run -1 flock -n -s "$vol/$other/lock" true
		# Who waits gets it as soon as it is free.
		flock "$vol/$other/lock" touch "$BATS_TEST_TMPDIR/$other.got" 3>&- &
		local waiter=$!
		run ! test -e "$BATS_TEST_TMPDIR/$other.got"
		echo >"$BATS_TEST_TMPDIR/$side"
		wait "$pid" "$waiter"
		[[ -e $BATS_TEST_TMPDIR/$other.got ]] || fail "the waiting side did not get the lock"
		rm "$BATS_TEST_TMPDIR/$side" "$BATS_TEST_TMPDIR/$other.got"
	done
	vol_unmount
}

@test "what one side maps and writes the other reads" {
	truncate -s 1M "$vol/plain/mapped"
	fio --name=map --filename="$vol/mount/mapped" --ioengine=mmap --rw=write --bs=64k --size=1m --buffer_pattern=0x5a \
		--end_fsync=1 --output="$BATS_TEST_TMPDIR/fio"
	is "$(tr -d 'Z' <"$vol/plain/mapped" | wc -c)" 0 "bytes that the mapping did not write"
	tr '\0' 'q' </dev/zero | head -c 4096 | dd of="$vol/plain/mapped" bs=4096 seek=3 conv=notrunc status=none
	is "$(dd if="$vol/mount/mapped" bs=4096 skip=3 count=1 status=none | tr -d q | wc -c)" 0 "bytes that the host wrote"
	vol_unmount
}
