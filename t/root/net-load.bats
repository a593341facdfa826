#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Networks under load: many connections, many machines at once. Needs root to make a stand-in for the
# machine and for the internet.

load ../lib/helper
load ../lib/net

setup_file() {
	net_start_file
	serve in_world -- serve "$WORLD4" 7 world
	export file_servers=${servers[*]}
}

teardown_file() { net_end_file; }
setup() { servers=(); }
teardown() { stop_servers; }

@test "5000 connections out, 200 at once: none is lost" {
	for mode in rootless bridged; do
		run -0 in_guest --network "$mode" -- "$NETPEER" many "$WORLD4" 7 5000 200
		is "$output" 5000 "$mode"
	done
}

@test "5000 connections in, 200 at once: none is lost" {
	for mode in rootless bridged; do
		serving_guest "$mode" --network "$mode" -p 8080:80
		is "$(on_host "$NETPEER" many "$(own_address "$mode")" 8080 5000 200)" 5000 "$mode"
		stop_servers
	done
}

@test "one machine's end never hurts another's ports" {
	serving_guest stays -p 8080:80
	local own
	own=$(own_address stays)
	on_host "$NETPEER" many "$own" 8080 2000 20 >"$BATS_TEST_TMPDIR/good" 3>&- &
	local load=$!
	for _ in {1..10}; do on_host fcvm-net -p 8080:80 -- true 2>/dev/null; done
	wait "$load"
	is "$(<"$BATS_TEST_TMPDIR/good")" 2000
}

# many_at_once MODE: machines that start at once, each publishing one port; when all are there, each
# is asked, and all end at once.
many_at_once() {
	local i n=${NET_MACHINES:-20} addresses=()
	for ((i = 0; i < n; i++)); do
		guest "$1$i" --network "$1" -p 8080:80 -- "$NETPEER" serve :: 80 "guest$i"
	done
	for ((i = 0; i < n; i++)); do
		wait_for 120 grep -q ready "$BATS_TEST_TMPDIR/$1$i.out" || fail "$1 $i: $(err_of "$1$i")"
		addresses+=("$(own_address "$1$i")")
	done
	is "$(printf '%s\n' "${addresses[@]}" | sort -u | wc -l)" "$n" "$1: addresses"
	for ((i = 0; i < n; i++)); do
		has "$(on_host "$NETPEER" tcp "${addresses[i]}" 8080 x)" "guest$i from" "$1 $i"
	done
	stop_servers
	servers=()
}

nothing_left() { [[ $(all_there) == "$before" ]]; }
all_there() {
	on_host ip -o link
	on_host ip -o -4 addr
	on_host nft list ruleset
}

@test "many machines start and end at once, and no two have one address or name" {
	local before mode
	before=$(all_there)
	for mode in rootless bridged; do
		many_at_once "$mode"
		wait_for 20 nothing_left || fail "$mode: $(diff <(echo "$before") <(all_there))"
	done
}
