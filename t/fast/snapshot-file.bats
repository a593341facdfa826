#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Snapshots as files: out of one store, into another, whole or not at all.

load ../lib/helper
load ../lib/snapshots

source_vm() {
	start source --network none "$IMAGE" -- sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/dev/shm/i; sleep 0.1; done'
	fcvm exec source sh -c 'echo kept >/file'
	fcvm snapshot create source --tag base
	fcvm stop -t 0 source
	ARCHIVE=$BATS_FILE_TMPDIR/base.tar.zst
	fcvm snapshot export base "$ARCHIVE"
	export ARCHIVE
}

# other_store: a data directory with the same kernel, and nothing else.
other_store() {
	local data=$BATS_TEST_TMPDIR/other
	mkdir "$data"
	for part in kernels initrds setup.json; do ln -s "$FCVM_DATA_DIR/$part" "$data/$part"; done
	FCVM_DATA_DIR=$data
}

@test "an exported snapshot runs from another data directory, with its memory and its disk" {
	other_store
	is "$(fcvm snapshot import "$ARCHIVE")" base
	run -0 fcvm snapshot run base --rm --exec 'cat /file; read -r a </dev/shm/i; sleep 1; read -r b </dev/shm/i; echo $((b > a))'
	is "$output" $'kept\n1'
	is "$(fcvm snapshot import "$ARCHIVE" --tag second --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["tag"])')" second
	is "$(snapshots | sort | paste -sd ' ')" 'base second'
}

@test "it goes through a pipe; both ways are refused on a terminal" {
	other_store
	# shellcheck disable=SC2031
	fcvm snapshot import - <"$ARCHIVE"
	is "$(fcvm snapshot export base - | fcvm snapshot import - --tag piped)" piped
	run -100 script -qec 'fcvm snapshot export base -' /dev/null
	has "$output" 'stdout is a terminal'
	run -100 script -qec 'fcvm snapshot import -' /dev/null
	has "$output" 'stdin is a terminal'
}

@test "holes stay holes, in the archive and in the store" {
	other_store
	fcvm snapshot import -q "$ARCHIVE"
	size=$(stat -c %s "$FCVM_DATA_DIR/snapshots/base/memory")
	is "$size" $((128 << 20))
	used=$(($(stat -c %b "$FCVM_DATA_DIR/snapshots/base/memory") * 512))
	((used < size * 3 / 4)) || fail "$used bytes of memory on the disk"
	(($(stat -c %s "$ARCHIVE") < used)) || fail 'the archive is not smaller'
	# Any tar unpacks it to the same.
	zstd -qdc "$ARCHIVE" | tar -xOf - memory | cmp - "$FCVM_DATA_DIR/snapshots/base/memory"
	is "$(zstd -qdc "$ARCHIVE" | tar -tf - | paste -sd ' ')" 'meta.json plan.json state root.sqfs scratch memory manifest.json'
}

@test "the machine's own volumes are in the archive, with all their files and what is open" {
	local own=$BATS_TEST_TMPDIR/own.tar dir=$BATS_TEST_TMPDIR/unpacked look before
	look='cd /own; stat -c "%n %u:%g %a %h %F %Y" d d/f link d/sym fifo; stat -c "%u:%g %a" .; cat d/sym /proc/1/fd/4; ls -A /ro'
	start own --rm --network none -v /own -v :/ro:ro "$IMAGE" -- sh -c 'cd /own; mkdir d; echo content >d/f; ln d/f link
		ln -s ../link d/sym; mkfifo fifo; chown -R 70:4711 /own; chown -h 0:5 d/sym; chmod 2750 d; chmod 4711 d/f
		exec 3>>/own/log 4<>/own/gone; echo "no name" >&4; rm /own/gone; while :; do echo x >&3; sleep 0.2; done'
	wait_for 30 fcvm exec own test -s /own/log
	before=$(fcvm exec own sh -c "$look")
	has "$before" 'd/f 70:4711 4711 2 regular file'
	fcvm snapshot create -q own
	fcvm stop -t 0 own
	fcvm snapshot export own - | zstd -qdc >"$own"
	fcvm snapshot rm -q own
	is "$(tar -tf "$own" | paste -sd ' ')" \
		'meta.json plan.json state root.sqfs scratch memory volumes volume-0.tar manifest.json'
	has "$(tar -xOf "$own" volume-0.tar | tar --numeric-owner -tvf -)" '70/4711'
	# Nothing of it stays when that is killed, or a host's directory is said to be in it.
	other_store
	killed_at import-read fcvm snapshot import "$own"
	fcvm snapshot prune -q
	is "$(store)" ''
	mkdir "$dir" && tar -C "$dir" -xf "$own"
	sed -i 's|"anonymous": true|"anonymous": false|; s|"source": ""|"source": "/etc"|' "$dir/meta.json"
	run -101 fcvm snapshot import - < <(tar -C "$dir" -c meta.json plan.json)
	has "$output" 'stdin: its volume 0: it is of another host'
	is "$(store)" ''
	fcvm snapshot import -q "$own"
	run --separate-stderr -0 fcvm snapshot run own --rm --exec "$look; "'a=$(wc -l <log); sleep 1; echo $(($(wc -l <log) > a))'
	is "$output" "$before"$'\n1'
	is "$stderr" ''
	wait_for 20 eval '[[ -z $(fcvm volume ls -q) ]]'
}

@test "nothing is replaced without --force" {
	run -103 fcvm snapshot export base "$ARCHIVE"
	has "$output" 'base.tar.zst is there already: --force replaces it'
	run -103 fcvm snapshot import "$ARCHIVE"
	has "$output" "there is a snapshot 'base' already: --force replaces it, --tag gives another name"
	run -103 fcvm snapshot import "$ARCHIVE" --tag base
	id=$(fcvm snapshot inspect base | sed -n 's/.*"id": "\(.*\)",*$/\1/p')
	cp "$ARCHIVE" "$BATS_TEST_TMPDIR/copy"
	run -0 fcvm snapshot export base "$BATS_TEST_TMPDIR/copy" --force --json
	has "$output" '"tag": "base"'
	fcvm snapshot import "$BATS_TEST_TMPDIR/copy" --force
	[[ $(fcvm snapshot inspect base | sed -n 's/.*"id": "\(.*\)",*$/\1/p') != "$id" ]]
	run -100 fcvm snapshot export base "$BATS_TEST_TMPDIR"
	has "$output" 'is no plain file'
	run -111 fcvm snapshot export base "$BATS_TEST_TMPDIR/no/where"
	has "$output" 'cannot open the directory'
	run -102 fcvm snapshot export none "$BATS_TEST_TMPDIR/none"
	[[ ! -e $BATS_TEST_TMPDIR/none ]]
}

@test "what is wrong with an archive is said, and nothing of it is kept" {
	other_store
	local bad=$BATS_TEST_TMPDIR/bad
	head -c 100000 "$ARCHIVE" >"$bad"
	run -101 fcvm snapshot import "$bad"
	has "$output" 'bad: it is damaged, cut short'
	echo text >"$bad"
	run -101 fcvm snapshot import "$bad"
	zstd -qdc "$ARCHIVE" >"$bad"
	# One byte of the memory.
	python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(f.read().index(b"kept\n\0")); f.write(b"K")' "$bad"
	run -101 fcvm snapshot import "$bad"
	has "$output" 'its memory is not what its manifest says'
	run -101 fcvm snapshot import "$ARCHIVE" --limit 8m
	has "$output" 'unpacks to more than 8 MiB, which is the limit'
	run -111 fcvm snapshot import "$BATS_TEST_TMPDIR/nothing"
	is "$(store)" ''
}

@test "an archive of another kind of machine is imported, and refused when it is to run" {
	other_store
	fcvm snapshot import -q "$ARCHIVE"
	sed -i 's/"release": "6[^"]*\(cloud\|micro\)[^"]*"/"release": "5.0"/; s/"key": "[0-9a-f]*"/"key": "00"/' \
		"$FCVM_DATA_DIR/snapshots/base/meta.json"
	fcvm snapshot export base "$BATS_TEST_TMPDIR/strange"
	fcvm snapshot rm base
	fcvm snapshot import -q "$BATS_TEST_TMPDIR/strange"
	run -125 fcvm snapshot run base
	has "$output" 'its kernel is 5.0, and here it is 6'
}

@test "a snapshot that is served is neither removed nor replaced, and whose it is is said" {
	other_store
	fcvm snapshot import -q "$ARCHIVE"
	fcvm snapshot serve base --json >"$BATS_TEST_TMPDIR/ready" 2>"$BATS_TEST_TMPDIR/said" &
	server=$!
	wait_for 20 eval '[[ $(cat $BATS_TEST_TMPDIR/ready) == *tag* ]]'
	python3 -c 'import json, sys
r = json.load(sys.stdin)
assert r["tag"] == "base" and r["pid"] == int(sys.argv[1]) and 0 < r["locked"] <= r["bytes"], r' "$server" <"$BATS_TEST_TMPDIR/ready"
	for command in 'rm base' 'prune --all' "import --force $ARCHIVE"; do
		# shellcheck disable=SC2086 # words
		run -103 fcvm snapshot $command
		has "$output" "the snapshot base is held by fcvm-snapshot, process $server: end that first"
	done
	has "$(fcvm snapshot ls --json)" "\"heldBy\": $server"
	run -0 fcvm snapshot run base --rm --exec 'cat /file'
	is "$output" kept
	kill "$server"
	wait "$server"
	has "$(fcvm snapshot ls --json)" '"heldBy": 0'
	# Whose holder was killed is free as well.
	fcvm snapshot serve base -q &
	server=$!
	wait_for 20 eval '[[ $(fcvm snapshot ls --json) != *\"heldBy\":\ 0* ]]'
	kill -KILL "$server"
	wait "$server" || true
	fcvm snapshot rm base
	run -102 fcvm snapshot serve base
}

# killed_at STEP COMMAND…
killed_at() {
	FCVM_FAILPOINT=$1 run "${@:2}"
	((status == 137)) || fail "$1: not killed: $status $output"
}

@test "killed at any step of an export, the old file is there or the new, and no other" {
	local dir=$BATS_TEST_TMPDIR/out ref=$BATS_TEST_TMPDIR/ref
	mkdir "$dir"
	fcvm snapshot export base "$ref"
	for step in begun data synced renamed; do
		killed_at export-$step fcvm snapshot export base "$dir/file"
		case $step in
		renamed) cmp "$dir/file" "$ref" && rm "$dir/file" ;;
		esac
		is "$(ls -A "$dir")" '' "after $step"
	done
	for step in begun data synced linked renamed; do
		echo old >"$dir/file"
		killed_at export-$step fcvm snapshot export base --force "$dir/file"
		case $step in
		renamed) cmp "$dir/file" "$ref" ;;
		*) is "$(cat "$dir/file")" old "after $step" ;;
		esac
	done
	fcvm snapshot export base --force "$dir/file"
	is "$(ls -A "$dir")" file
}

@test "killed at any step of an import, the old snapshot is there or the new, and the space comes back" {
	other_store
	local step
	for step in snapshot-begun import-read snapshot-synced snapshot-described snapshot-renamed; do
		killed_at $step fcvm snapshot import "$ARCHIVE"
		case $step in
		*renamed) is "$(snapshots)" base ;;
		*) is "$(snapshots)" '' "after $step" ;;
		esac
		fcvm snapshot prune
		is "$(store | grep '^[.]')" '' "after $step"
	done
	id=$(fcvm snapshot inspect base | sed -n 's/.*"id": "\(.*\)",*$/\1/p')
	for step in import-read snapshot-described; do
		killed_at $step fcvm snapshot import --force "$ARCHIVE"
		is "$(fcvm snapshot inspect base | sed -n 's/.*"id": "\(.*\)",*$/\1/p')" "$id"
	done
	fcvm snapshot prune
	is "$(store)" base
}
