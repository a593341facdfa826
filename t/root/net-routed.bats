#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Routed networks and addresses that the user chooses, with a stand-in for the machine and for the
# internet. Needs root to make those.

load ../lib/helper
load ../lib/net

setup_file() {
	net_start_file
	serve in_world -- serve "$WORLD4" 7 world
	serve in_world -- serve "$WORLD6" 7 world
	export file_servers=${servers[*]}
}

teardown_file() { net_end_file; }
setup() { servers=(); }
teardown() { stop_servers; }

# of NAME MEMBER: of the guest's net.json.
of() { sed -n "s/^ *\"$2\": \"\(.*\)\",\{0,1\}\$/\1/p" "$BATS_TEST_TMPDIR/$1/net.json"; }

# known NAME OPTION…: a guest that serves, and whose net.json is there.
known() {
	mkdir -p "$BATS_TEST_TMPDIR/$1"
	FCVM_RUN_DIR=$BATS_TEST_TMPDIR/$1 serving_guest "$@"
}

@test "routed: the guest has an address of the host's prefix, and is seen under it" {
	known g --network routed -p 8080:80
	local own
	own=$(of g address6)
	matches "$own" '^2001:db8:1:'
	has "$(in_world "$NETPEER" tcp "$own" 8080 in)" ': in'
	has "$(on_host "$NETPEER" tcp "$own" 8080 in)" ': in'
	has "$(on_host "$NETPEER" tcp "$(of g address)" 8080 four)" ': four'
	run -1 in_world "$NETPEER" tcp "$own" 80 unpublished
	run -0 in_guest --network routed -- sh -ec "
		$NETPEER line $WORLD6 7 out
		$NETPEER line $WORLD4 7 out
		busybox ping -c1 -W5 $WORLD6 >/dev/null"
	matches "$output" $'world from 2001:db8:1:[0-9a-f:]+: out\nworld from 203.0.113.2: out'
	lacks "$output" 2001:db8:1::2
}

@test "routed: nothing of the host is changed, and nothing is left" {
	state() { on_host sh -c 'ip -o link | sed "s/ qdisc.*//"; ip route; ip -6 route; ip -6 neigh show proxy; ip -6 maddr show wire; nft list ruleset; sysctl -a --pattern "net.ipv[46].conf.(all|wire)" 2>/dev/null'; }
	local before
	# What the test before this one ran may be on its way out.
	alone() { [[ $(on_host ip -o link) != *fcvm* ]]; }
	wait_for 30 alone
	before=$(state)
	known g --network routed -p 8080:80
	is "$(on_host ip -6 neigh show proxy)" ''
	is "$(on_host cat /proc/sys/net/ipv6/conf/all/proxy_ndp /proc/sys/net/ipv6/conf/wire/proxy_ndp)" $'0\n0'
	kill -9 "$guest_pid"
	same() { [[ $(state) == "$before" ]]; }
	wait_for 5 same || diff <(echo "$before") <(state)
}

@test "routed says what the host lacks" {
	refused() { # TEXT SETUP
		run -125 unshare -n sh -ec "
			ip link set lo up
			ip link add wire type veth peer name end; ip link set wire up; ip link set end up
			echo 1 >/proc/sys/net/ipv4/ip_forward
			$2
			fcvm-net --network routed -- true"
		is "$output" "fcvm-net: --network routed$1"
	}
	refused ': this host has no route to the IPv6 internet: use --network bridged' ''
	refused " needs a global IPv6 address (2000::/3), but this host's on wire is fd00:1::2: use --network bridged" \
		'ip addr add fd00:1::2/64 dev wire nodad; ip route add default via fd00:1::1'
	refused ' needs a whole IPv6 /64, but this host has only 2001:db8::2/128 on wire: use --network bridged' \
		'ip addr add 2001:db8::2/128 dev wire nodad; ip -6 route add default dev wire'
	refused ': this host forwards no IPv6 packets: run: sysctl net.ipv6.conf.wire.accept_ra=2 net.ipv6.conf.all.forwarding=1' \
		'ip addr add 2001:db8::2/64 dev wire nodad; ip route add default via 2001:db8::1'
	run -125 on_host setpriv --reuid 12345 --regid 12345 --clear-groups fcvm-net --network routed -- true
	is "$output" 'fcvm-net: --network routed needs root: use --network rootless'
}

@test "--ip and --ip6 choose the machine's own address" {
	known r --ip 127.5.6.7 -p 8080:80
	is "$(of r address)" 127.5.6.7
	has "$(on_host "$NETPEER" tcp 127.5.6.7 8080 x)" ': x'
	known b --network bridged --ip 172.30.1.6 --ip6 fdfc:30::106 -p 8080:80
	is "$(of b address) $(of b address6)" '172.30.1.6 fdfc:30::106'
	has "$(on_host "$NETPEER" tcp 172.30.1.6 8080 x)" ': x'
	has "$(on_host "$NETPEER" tcp fdfc:30::106 8080 x)" ': x'
	known n --network routed --ip6 2001:db8:1::beef -p 8080:80
	has "$(in_world "$NETPEER" tcp 2001:db8:1::beef 8080 x)" ': x'
}

@test "addresses to which the host has a way of its own are left to it" {
	on_host ip route add 172.30.0.0/29 dev wire
	known b --network bridged -p 8080:80
	is "$(of b address)" 172.30.0.10
	run -125 on_host fcvm-net --network bridged --ip 172.30.0.2 -- true
	is "$output" 'fcvm-net: --ip 172.30.0.2: this host has a route to such an address'
	stop_servers
	on_host ip route add 172.30.0.0/16 dev wire
	run -125 on_host fcvm-net --network bridged -- true
	is "$output" 'fcvm-net: --network bridged: this host has routes of its own to all of 172.30.0.0/16: use --network rootless'
	on_host ip route del 172.30.0.0/16
	on_host ip route del 172.30.0.0/29
}

@test "an address that is taken or impossible is refused by name" {
	known r --ip 127.5.6.8
	known b --network bridged --ip 172.30.2.2
	known n --network routed --ip6 2001:db8:1::cafe
	serve on_host -- serve 127.5.6.9 8080
	refused() { # TEXT OPTION…
		run -125 on_host fcvm-net "${@:2}" -- true
		is "$output" "fcvm-net: $1"
	}
	refused '--ip 127.5.6.8: another machine has this address' --ip 127.5.6.8
	refused '--ip 127.5.6.9: another process listens there on a port that is to be published' --ip 127.5.6.9 -p 8080:80
	refused '--ip 127.0.0.1: with --network rootless it is of 127.0.0.0/8, but not 127.0.0.1' --ip 127.0.0.1
	refused '--ip x: no IPv4 address' --ip x
	refused '--ip6 127.0.0.2: no IPv6 address' --ip6 127.0.0.2
	refused '--ip6: with --network rootless a machine has no IPv6 address of its own' --ip6 ::2
	refused '--ip: with --network none a machine has no address of its own' --network none --ip 127.0.0.2
	refused '--ip 172.30.2.2: another machine has this address' --network bridged --ip 172.30.2.2
	refused '--ip6 fdfc:30::202: another machine has this address' --network bridged --ip6 fdfc:30::202
	has "$(on_host fcvm-net --network bridged --ip 172.30.2.3 -- true 2>&1)" 'with --network bridged it is 172.30.X.Y'
	has "$(on_host fcvm-net --network bridged --ip 172.30.9.2 --ip6 fdfc:30::6 -- true 2>&1)" 'with --network bridged it is fdfc:30::XY'
	refused "--ip6 2001:db8:9::1: it is not of this host's prefix 2001:db8:1::/64" --network routed --ip6 2001:db8:9::1
	refused '--ip6 2001:db8:1::cafe: the address is in use on this host' --network routed --ip6 2001:db8:1::cafe
	refused '--ip6 2001:db8:1::2: the address is in use on this host' --network routed --ip6 2001:db8:1::2
}

@test "ports and addresses are free for the next machine as soon as one has ended or was killed" {
	local options
	again() {
		run on_host fcvm-net "$@" -- true
		is "$status $output" '0 ' "$*"
	}
	for options in '--ip 127.5.6.10 -p 127.0.0.1:8080:80' '--network bridged --ip 172.30.2.6 -p 127.0.0.1:8080:80' \
		'--network routed --ip6 2001:db8:1::f00d -p 127.0.0.1:8080:80'; do
		for _ in {1..15}; do
			# shellcheck disable=SC2086 # words
			again $options
		done
		# shellcheck disable=SC2086
		known killed $options
		kill -9 "$guest_pid"
		# shellcheck disable=SC2086
		again $options
	done
}

@test "podman's words for networks are understood, and host is refused with the reason" {
	for word in bridge podman; do
		run -0 on_host fcvm-net --network "$word" --json -- true
		has "$output" '"mode": "bridged"'
	done
	run -125 on_host fcvm-net --network host -- true
	has "$output" 'fcvm-net: --network host: a machine has a kernel of its own'
	run -125 on_host fcvm-net --network backend -- true
	has "$output" 'a network of machines is --net-name backend'
}
