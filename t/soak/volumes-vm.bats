#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real programs on a volume of a machine. `make soak` sets the sizes that take an emulated one minutes.

setup_file() {
	load ../lib/helper
	debian_image debian-volumes git,sqlite3,rsync,redis-server,attr,make,gcc,libc6-dev,fio,gawk
}

setup() {
	load ../lib/helper
	image=oci:$ROOT/build/t/debian-volumes
	# Others must get there.
	place=$(mktemp -d /tmp/fcvm-p.XXXXXX)
	chmod 755 "$place"
	share=$place/share
	mkdir -p "$share/work"
	cp "$ROOT/t/lib/volumes.sh" "$share/"
	patience=$((${BATS_TEST_TIMEOUT:-300} - 20))
}

teardown() {
	rm -rf "$place"
}

vm() { # COMMAND…: with the volume at /vol
	timeout "$patience" fcvm run --rm --privileged --network none --memory 768m --rootfs-size 4g -v "$share:/vol" \
		"$image" -- "$@"
}

@test "git in a machine clones, commits, packs and checks a repository, and the host reads it" {
	run vm sh /vol/volumes.sh git_work /vol/work /tmp "${GIT_FILES:-150}"
	is "$status" 0 "$output"
	run -0 git -c safe.directory='*' -C "$share/work/clone" status --porcelain
	is "$output" ''
	run -0 git -c safe.directory='*' -C "$share/work/clone" fsck --full --strict
}

@test "small files come and go in a machine" {
	run vm sh /vol/volumes.sh small_files /vol/work /tmp "${SMALL_FILES:-400}"
	is "$status" 0 "$output"
	is "$(ls -A "$share/work")" ''
}

# everywhere SCRIPT: in two machines and on the host at once; $0 is a name for each.
everywhere() {
	local who pids=() s=0
	for who in one two; do
		vm sh -c "$1" "$who" >"$BATS_TEST_TMPDIR/$who" 2>&1 3>&- 4>&- &
		pids+=($!)
	done
	(cd "$share" && sh -c "${1//\/vol\//$share/}" here) >"$BATS_TEST_TMPDIR/here" 2>&1 3>&- 4>&- &
	pids+=($!)
	for who in "${pids[@]}"; do
		wait "$who" || s=$?
	done
	is "$s" 0 "$(cat "$BATS_TEST_TMPDIR"/{one,two,here})"
}

# What `insert` and its like in several places did to one database.
database_is_right() { # TRANSACTIONS
	is "$(sqlite3 "$share/work/db" 'PRAGMA integrity_check')" ok
	is "$(sqlite3 "$share/work/db" 'SELECT count(*), count(DISTINCT seen), max(seen) FROM t')" "$1|$1|$(($1 - 1))"
}

@test "two machines and the host write to one sqlite database, one transaction at a time" {
	sqlite3 "$share/work/db" 'CREATE TABLE t (who TEXT, i INTEGER, seen INTEGER)'
	# shellcheck disable=SC2016 # the inner shell's
	everywhere 'sh /vol/volumes.sh insert /vol/work/db "$0" 25'
	database_is_right 75
}

@test "two machines and the host write to one sqlite database with a write-ahead log" {
	# The log's index would be memory that the machines have each for themselves. With exclusive locking
	# there is none; sqlite then does not wait for others, so each session is under a lock.
	sqlite3 "$share/work/db" 'PRAGMA journal_mode=WAL; CREATE TABLE t (who TEXT, i INTEGER, seen INTEGER)' >/dev/null
	# shellcheck disable=SC2016
	everywhere 'for i in $(seq 8); do
		flock /vol/work/lock sh /vol/volumes.sh insert_exclusive /vol/work/db "$0" 1 || exit
	done'
	database_is_right 24
}

@test "lines that two machines and the host append are all there and whole, under a lock" {
	# Where a line goes is the guest's choice, so O_APPEND alone does not keep machines apart.
	# shellcheck disable=SC2016
	everywhere 'for i in $(seq 100); do flock /vol/work/lock sh -c "echo $0 $i of a hundred >>/vol/work/log"; done'
	is "$(sort -u "$share/work/log" | wc -l)" 300
	is "$(grep -cE '^(one|two|here) [0-9]+ of a hundred$' "$share/work/log")" 300
}

@test "lines that two processes of a machine append are all there and whole" {
	run vm sh /vol/volumes.sh appenders /vol/work /tmp 100
	is "$status" 0 "$output"
}

@test "what redis acknowledged with fsync is there after it was killed" {
	run vm sh /vol/volumes.sh redis_aof /vol/work /tmp 200
	is "$status" 0 "$output"
}

@test "tar and rsync bring a torture tree there and back in a machine, equal in everything" {
	"$ROOT/t/lib/images/torture" "$BATS_TEST_TMPDIR/layers" "${TORTURE_FILES:-100}"
	mkdir "$share/layers"
	cp "$BATS_TEST_TMPDIR"/layers/0[17].tar "$share/layers/"
	# shellcheck disable=SC2016
	run vm sh -c 'mkdir /tree /beside
		for layer in /vol/layers/*; do
			tar -C /tree --xattrs --xattrs-include="user.*" --numeric-owner -xpf "$layer" || exit
		done
		sh /vol/volumes.sh round_trips /vol/work /beside /tree'
	is "$status" 0 "$output"
}

@test "a C project builds in parallel in a machine, and again after a change" {
	run vm sh /vol/volumes.sh c_project /vol/work /tmp "${C_FILES:-6}"
	is "$status" 0 "$output"
}

@test "what fio writes in a machine, mapped too, it reads back" {
	run vm sh /vol/volumes.sh fio_verify /vol/work /tmp "${FIO_SIZE:-512k}"
	is "$status" 0 "$output"
}
