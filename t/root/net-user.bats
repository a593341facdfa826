#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What an ordinary user's guests have of a network, with a stand-in for the machine and for the
# internet. Needs root to make those, and to become that user.

load ../lib/helper
load ../lib/net
load ../lib/net-tests

setup() {
	servers=() # of lib/net.bash
	export servers
	net_as_user
}

@test "without any privilege: TCP, UDP and ping reach the world and the host, with both protocols" {
	outward rootless
	run -0 "${net_run[@]}" fcvm-net -- sh -c 'id -u; grep CapEff /proc/self/status'
	is "$output" $'12345\nCapEff:\t0000000000000000'
}

@test "published ports answer on the own address, localhost and HOSTIP" {
	published rootless
}

@test "a name is resolved over UDP and TCP, and by the next resolver if one is dead" {
	names rootless
}

@test "ten guests publish the same port at once, each on its own address" {
	ten_guests
}

@test "5000 connections each way, 200 at once: none is lost" {
	run -0 in_guest -- "$NETPEER" many "$WORLD4" 7 5000 200
	is "$output" 5000
	serving_guest g -p 8080:80
	is "$(on_host "$NETPEER" many "$(own_address g)" 8080 5000 200)" 5000
}

@test "the host's loopback services are not reached" {
	run -1 in_guest -- "$NETPEER" tcp 10.0.2.1 9 x
	run -1 in_guest -- "$NETPEER" tcp 127.0.0.1 9 x
}

@test "bridged and routed networks are root's" {
	for mode in bridged routed; do
		run -125 "${net_run[@]}" fcvm-net --network "$mode" -- true
		has "$output" "--network $mode needs root: use --network rootless"
	done
}
