#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an unprivileged user gets. Needs root because a test has to become that user.

load ../lib/helper

setup() {
	home=$(mktemp -d /tmp/fcvm-u.XXXXXX)
	chown 12345:12345 "$home"
	cp -rL "$(hello_image)" "$home/hello"
	chown -R 12345:12345 "$home/hello"
	# As udev makes it; it may be root's alone here.
	mknod "$home/tun" c 10 200
	chmod 666 "$home/tun"
}

teardown() {
	rm -rf "$home"
}

# As a user that has no name, no group and no rights, with default directories below its home.
as_user() {
	# shellcheck disable=SC2016 # the inner shell's words
	unshare -m sh -c 'mount --bind "$0" /dev/net/tun && exec "$@"' "$home/tun" \
		env -u FCVM_DATA_DIR -u FCVM_RUN_BASE -u XDG_DATA_HOME HOME="$home" XDG_RUNTIME_DIR="$home/run" \
		setpriv --reuid 12345 --regid 12345 --clear-groups --bounding-set=-all --no-new-privs "$@"
}

@test "a user without any right sets up and runs a container, and nothing is left" {
	cd "$home"
	as_user mkdir -m 700 run
	as_user fcvm setup
	[[ -f $home/.local/share/fcvm/setup.json ]] || fail "no setup in the user's own directory"
	as_user mkdir share
	run -7 --separate-stderr as_user fcvm run -v "$home/share:/share" "oci:$home/hello" -- sh -c 'id -u
		touch /share/f && chown 1 /share/f; echo err >&2; exit 7'
	is "$output" 0
	# No subordinate ids: the file cannot be anybody else's.
	is "$stderr" $'chown: /share/f: Operation not permitted\nerr'
	is "$(stat -c %u:%g share/f)" 12345:12345
	is "$(find "$home/run/fcvm" -mindepth 1 ! -name .lock)" ''
}

@test "another user neither sees nor reaches a user's VM" {
	cd "$home"
	as_user mkdir -m 700 run
	as_user fcvm setup
	as_user fcvm run -d --name mine "oci:$home/hello" -- sleep 1000
	run -0 as_user fcvm ls -q
	is "$output" mine
	run -0 fcvm ls -q --filter name=^mine
	is "$output" ''
	# Whoever opens the way to the socket still does not get an answer from it.
	chmod -R o+rwX "$home"
	run -125 env FCVM_RUN_BASE="$home/run/fcvm" setpriv --reuid 12346 --regid 12346 --clear-groups \
		fcvm exec mine true
	chmod -R o-rwx "$home"
	has "$output" 'belongs to user 12345'
	as_user fcvm stop -t 0 mine
}

@test "a user's VM is saved with its volumes, and its clone has them" {
	cd "$home"
	as_user mkdir -m 700 run
	as_user fcvm setup
	as_user mkdir share
	as_user fcvm run -d --rm --name mine --memory 128m --rootfs-size 64m --network none -v "$home/share:/share" -v /own "oci:$home/hello" -- \
		sh -c 'mkdir /own/dir; echo own >/own/dir/file; exec 5>>/share/log; while :; do read n </proc/sys/kernel/hostname; echo $n >&5; sleep 0.1; done'
	wait_for 30 test -s share/log
	as_user fcvm snapshot create mine
	run --separate-stderr -0 as_user fcvm snapshot run mine --name clone --rm --exec \
		'cat /own/dir/file; until grep -q clone /share/log; do sleep 0.1; done; stat -c %u:%g /share/log'
	is "$output" $'own\n0:0'
	is "$stderr" ''
	as_user fcvm stop -t 0 mine
	as_user fcvm snapshot rm mine
	run -0 as_user fcvm volume ls -q
	is "$output" ''
}
