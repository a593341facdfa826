#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# run --warm: a container that is started and well is kept for the next run that is equal, which is
# started and well at once.

load ../lib/helper
load ../lib/templates

teardown() {
	fcvm stop --ignore -t 0 "$one" "$two" >/dev/null
}

# Names of VMs; tests of this file run side by side.
one=one-$BATS_TEST_NUMBER two=two-$BATS_TEST_NUMBER

# A container that is well only after a while, and says each second how far it is. What it had counted
# shows whether it was started anew.
app='echo begun; sleep 1; i=0; touch /tmp/up; while :; do i=$((i + 1)); echo $i >/tmp/count; echo $i; sleep 0.2; done'

# warm NAME OPTION…: runs it, and waits until it is well.
warm() {
	local name=$1
	shift
	fcvm run -d --wait healthy --warm --network none --memory 128m --rootfs-size 64m --name "$name" \
		--health-cmd 'test -e /tmp/up' --health-interval 200ms "$@" "$IMAGE" sh -c "$app"
}

kinds() {
	fcvm template ls --json | python3 -c 'import json, sys
print(*sorted("warm" if t["warm"] else "new" for t in json.load(sys.stdin)["templates"]))'
}
kept() {
	[[ $(kinds) == "${1-new warm}" ]]
}

count() {
	fcvm exec "$1" cat /tmp/count
}

@test "an equal run goes on from the started container, as one of its own" {
	warm "$one" -e WORD=x
	wait_for 60 kept
	before=$(count "$one")
	run -0 warm "$two" -e WORD=x --label some=thing
	is "$(kinds)" 'new warm'
	lacks "$(fcvm logs "$two")" begun
	((before > 0 && $(count "$two") > 0))
	is "$(fcvm exec "$two" sh -c 'hostname; cat /proc/sys/kernel/hostname')" "$two"$'\n'"$two"
	[[ $(fcvm exec "$one" cat /proc/sys/kernel/random/uuid) != "$(fcvm exec "$two" cat /proc/sys/kernel/random/uuid)" ]]
	has "$(fcvm ls --format '{{.Names}} {{.Health}}')" "$two healthy"
	# The first has gone on, and lost nothing of its output.
	fcvm stop -t 0 "$one"
	fcvm logs "$one" >"$BATS_TEST_TMPDIR/log"
	is "$(tail -n +2 "$BATS_TEST_TMPDIR/log")" "$(seq "$(($(wc -l <"$BATS_TEST_TMPDIR/log") - 1))")"
}

@test "another variable, and it is started anew; so it is when the saved one is damaged" {
	warm "$one"
	wait_for 60 kept
	warm "$two" -e WORD=x
	has "$(fcvm logs "$two")" begun
	wait_for 60 kept 'new warm warm'
	fcvm stop -t 0 "$one" "$two"
	for key in $(templates); do
		printf x >>"$FCVM_DATA_DIR/templates/$key/memory"
	done
	run -0 --separate-stderr warm "$one"
	is "$output" "$one"
	is "$stderr" ''
	has "$(fcvm logs "$one")" begun
}

@test "in the foreground, its output goes on where it was" {
	warm "$one"
	wait_for 60 kept
	fcvm stop -t 0 "$one"
	mkfifo "$BATS_TEST_TMPDIR/out"
	fcvm run --rm --name "$two" --warm --network none --memory 128m --rootfs-size 64m --health-cmd 'test -e /tmp/up' \
		--health-interval 200ms "$IMAGE" sh -c "$app" >"$BATS_TEST_TMPDIR/out" &
	read -r first <"$BATS_TEST_TMPDIR/out"
	fcvm stop -t 0 "$two"
	((first > 0))
}

@test "anonymous volumes are kept with it: open files go on, and each run has its own" {
	app='echo begun; mkdir /data/d; exec 7<>/data/d/open; echo early >/data/early; sleep 1; i=0; touch /tmp/up
		while :; do i=$((i + 1)); echo $i >>/data/count; echo $i >&7; sleep 0.2; done'
	warm "$one" -v /data
	wait_for 60 kept
	fcvm exec "$one" sh -c 'echo late >/data/late; rm /data/early'
	run -0 --separate-stderr warm "$two" -v /data
	is "$stderr" ''
	lacks "$(fcvm logs "$two")" begun
	is "$(fcvm exec "$two" cat /data/early)" early
	run ! fcvm exec "$two" ls /data/late
	# Whoever writes goes on where it was, by its name and by the open file, and nobody else writes there.
	before=$(fcvm exec "$two" sh -c 'wc -l </data/count')
	more() { (($(fcvm exec "$two" sh -c 'wc -l </data/count') > before + 2)); }
	wait_for 30 more
	fcvm exec "$two" sh -c 'cat /data/count; echo; cat /data/d/open' >"$BATS_TEST_TMPDIR/counts"
	is "$(sed '/^$/,$d' "$BATS_TEST_TMPDIR/counts")" "$(seq "$(sed '/^$/,$d' "$BATS_TEST_TMPDIR/counts" | wc -l)")"
	is "$(sed '1,/^$/d' "$BATS_TEST_TMPDIR/counts")" "$(seq "$(sed '1,/^$/d' "$BATS_TEST_TMPDIR/counts" | wc -l)")"
	fcvm stop -t 0 "$one" "$two"
	fcvm template prune --all >/dev/null
	is "$(ls -A "$FCVM_DATA_DIR/templates")" lock
}

@test "a volume that cannot be had again is said, and the next run starts anew" {
	warm "$one" -v /data
	wait_for 60 kept
	fcvm stop -t 0 "$one"
	rm -rf "$FCVM_DATA_DIR"/templates/*/volume-0
	run -125 --separate-stderr warm "$two" -v /data
	has "$stderr" 'the started container cannot be gone on with: its volume-0: No such file or directory'
	run -0 warm "$two" -v /data
	has "$(fcvm logs "$two")" begun
}

@test "it has to be known when it is well" {
	run -125 fcvm run --warm --network none "$IMAGE" true
	is "$output" 'fcvm-plan: --warm needs to know when the container is well: say --health-cmd or --health-check'
	run -125 fcvm run --warm --no-snapshot --health-cmd true "$IMAGE" true
	is "$output" 'fcvm-plan: --warm and --no-snapshot exclude each other'
}
