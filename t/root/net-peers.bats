#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Networks of machines that know each other by name, with a stand-in for the machine and for the
# internet. Needs root to make those.

load ../lib/helper
load ../lib/net

setup_file() {
	net_start_file
	serve in_world -- dns 198.51.100.53 192.0.2.99
	export file_servers=${servers[*]}
}

teardown_file() { net_end_file; }
setup() { servers=(); }
teardown() { stop_servers; }

# member NAME OPTION…: a guest that serves and is known as NAME.
member() {
	FCVM_NAME=$1 guest "$1" "${@:2}" -- "$NETPEER" serve :: 80 "$1"
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/$1.out" || fail "$(cat "$BATS_TEST_TMPDIR/$1".*)"
}

# ask NAME [OPTION…]: what the member of that name answers to another one.
ask() {
	FCVM_NAME=asker in_guest "${@:2}" --dns 198.51.100.53 -- sh -ec "
		a=\$($NETPEER lookup 10.0.2.1 $1)
		echo \$a
		$NETPEER line \$a 80 hello"
}

@test "members reach each other by name, whatever their uplinks are" {
	member web --network rootless --net-name shop
	member db --network bridged --net-name shop --network-alias sql
	for mode in rootless bridged none; do
		run -0 ask web --network "$mode" --net-name shop
		matches "$output" $'^10\.89\.[0-9]+\.[0-9]+\nweb from .*10\.89\.[0-9]+\.[0-9]+: hello$'
	done
	run -0 ask SQL --network rootless --net-name shop
	matches "$output" $'^10\.89\.0\.[0-9]+\ndb from .*: hello$'
}

@test "who is not in a network neither resolves nor reaches its members" {
	member web --net-name shop
	local at
	at=$(ask web --net-name shop | head -1)
	run -0 in_guest --net-name other --dns 198.51.100.53 -- "$NETPEER" lookup 10.0.2.1 web
	is "$output" 192.0.2.99
	for options in '' '--net-name other' '--network bridged'; do
		# shellcheck disable=SC2086 # words
		run in_guest $options -- timeout 3 "$NETPEER" line "$at" 80 x
		((status)) || fail "reached with '$options': $output"
	done
	run -0 ask web --net-name shop
}

@test "members do not reach each other's uplinks, namespaces or helpers" {
	member web --net-name shop
	run -0 in_guest --net-name shop -- sh -c "
		a=\$($NETPEER lookup 10.0.2.1 web)
		timeout 2 $NETPEER line \$a 53 x
		$NETPEER lookup \$a web
		ip route add 203.0.113.0/24 via 10.0.2.1
		timeout 2 $NETPEER line 10.89.0.1 80 x; true"
	lacks "$output" ': x'
	lacks "$output" 10.89
}

@test "a name that nobody has is asked of the resolvers; one's own is oneself; other types are empty" {
	run -0 in_guest --net-name shop --network-alias me --dns 198.51.100.53 -- sh -ec "
		$NETPEER lookup 10.0.2.1 a.example
		$NETPEER lookup 10.0.2.1 me"
	is "$output" $'192.0.2.99\n10.0.2.100'
	run -0 in_guest --net-name shop --network none -- "$NETPEER" lookup 10.0.2.1 a.example
	is "$output" 'error 2'
}

@test "the network outlives whoever began it, and goes with its last member" {
	local first second
	member first --net-name shop
	first=$guest_pid
	member second --net-name shop
	second=$guest_pid
	kill -9 "$first"
	wait_for 5 gone "$first"
	member third --net-name shop
	run -0 ask second --net-name shop
	run -0 ask third --net-name shop
	run -0 in_guest --net-name shop --network none -- "$NETPEER" lookup 10.0.2.1 first
	is "$output" 'error 2'
	kill -9 "$second" "$guest_pid"
	unheld() { ! on_host grep -q fcvm-net/network /proc/net/unix; }
	wait_for 5 unheld
	[[ $(on_host ip -br link | awk '{ print $1 }' | paste -sd ' ') == 'lo wire@if2' ]]
}

@test "twenty that start at once are all in one network" {
	local pids=() i
	for i in {1..20}; do
		FCVM_NAME=m$i guest "m$i" --network none --net-name shop -- "$NETPEER" serve :: 80 "m$i"
		pids+=("$guest_pid")
	done
	for i in {1..20}; do wait_for 60 grep -q ready "$BATS_TEST_TMPDIR/m$i.out"; done
	run -0 in_guest --network none --net-name shop -- sh -ec "
		for i in \$(seq 20); do $NETPEER line \$($NETPEER lookup 10.0.2.1 m\$i) 80 x; done"
	is "$(sed 's/ .*//' <<<"$output" | paste -sd ' ')" "$(printf 'm%s ' {1..20} | sed 's/ $//')"
}

@test "a network's name that another user has taken is refused" {
	nsenter -n -t "$HOST_PID" -- setpriv --reuid 12345 --regid 12345 --clear-groups perl -MSocket -e '
		socket my $s, AF_UNIX, SOCK_SEQPACKET, 0; bind $s, pack("Sa*", AF_UNIX, "\0fcvm-net/network/0.0/shop") or die;
		listen $s, 5; $| = 1; print "ready\n"; sleep 60' >"$BATS_TEST_TMPDIR/squatter" 3>&- &
	servers+=($!)
	wait_for 5 grep -q ready "$BATS_TEST_TMPDIR/squatter"
	run -125 in_guest --net-name shop -- true
	is "$output" 'fcvm-net: --net-name shop: a process of user 12345 has taken the name'
}

@test "wrong words are refused" {
	run -125 on_host fcvm-net --net-name a/b -- true
	has "$output" 'fcvm-net: --net-name a/b: a name is'
	run -125 on_host fcvm-net --network-alias x -- true
	is "$output" 'fcvm-net: --network-alias goes with --net-name'
	run -125 on_host fcvm-net --net-name a --network-alias 'x y' -- true
	has "$output" 'fcvm-net: --network-alias x y: a name is'
}

@test "an ordinary user has networks as well, and others do not get in" {
	mknod "$BATS_TEST_TMPDIR/tun" c 10 200
	chmod 666 "$BATS_TEST_TMPDIR/tun"
	chmod 755 "$BATS_TEST_TMPDIR"
	cp "$ROOT/build/bin/fcvm-net" "$TAPGUEST" "$NETPEER" "$BATS_TEST_TMPDIR"
	as() { # UID NAME ARGUMENT…
		nsenter -n -t "$HOST_PID" -- unshare -m sh -ec '
			mount --bind "$0/tun" /dev/net/tun
			mount --bind "$0" /mnt
			u=$1 FCVM_NAME=$2
			export FCVM_NAME
			shift 2
			exec setpriv --reuid "$u" --regid "$u" --clear-groups --bounding-set=-all --no-new-privs \
				/mnt/fcvm-net --network none --net-name shop -- /mnt/tapguest "$@"' "$BATS_TEST_TMPDIR" "$@" 3>&-
	}
	as 12345 web /mnt/netpeer serve :: 80 web >"$BATS_TEST_TMPDIR/web.out" 2>&1 &
	servers+=($!)
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/web.out" || fail "$(cat "$BATS_TEST_TMPDIR/web.out")"
	run -0 as 12345 asker sh -ec '/mnt/netpeer line $(/mnt/netpeer lookup 10.0.2.1 web) 80 hello'
	matches "$output" '^web from .*10\.89\.0\.3: hello$'
	run -0 as 12346 asker /mnt/netpeer lookup 10.0.2.1 web
	is "$output" 'error 2'
}
