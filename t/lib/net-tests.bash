# shellcheck shell=bash disable=SC2154,SC2001 # $output is that of run; sed is for many lines
# SPDX-License-Identifier: MIT
# What is tested of networks for root and for ordinary users alike; needs ../lib/net.

# The frame of a file of them: who answers in the world and on the host is there for all its tests.
setup_file() {
	net_start_file
	serve in_world -- serve "$WORLD4" 7 world
	serve in_world -- serve "$WORLD6" 7 world
	serve in_world -- dns 198.51.100.53 192.0.2.99
	serve on_host -- serve "$HOST4" 8 host
	serve on_host -- serve 127.0.0.1 9 loopback
	export file_servers=${servers[*]}
}

teardown_file() { net_end_file; }
setup() { servers=(); }
teardown() { stop_servers; }

peer() { on_host "$NETPEER" "$@"; }

outward() { # MODE
	run -0 in_guest --network "$1" --dns 198.51.100.53 -- sh -ec "
		$NETPEER line $WORLD4 7 a
		$NETPEER udp $WORLD4 7 b
		$NETPEER line $WORLD6 7 c
		$NETPEER udp $WORLD6 7 d
		busybox ping -c1 -W5 $WORLD4 >/dev/null
		busybox ping -c1 -W5 $WORLD6 >/dev/null
		$NETPEER line $HOST4 8 e"
	is "$(sed 's/ from.*:/:/' <<<"$output" | paste -sd ' ')" 'world: a world: b world: c world: d host: e'
}

published() { # MODE
	serving_guest g --network "$1" -p 8080:80 -p 8081:80/udp -p "$HOST4:8082:80" \
		-p "[2001:db8:1::2]:8083:80" -p 0.0.0.0:8084:80/udp
	local own
	own=$(own_address g)
	is "$(err_of g)" "fcvm-net: 8080 answers on $own and on localhost
fcvm-net: 8081/udp answers on $own and on localhost"
	for a in "$own" 127.0.0.1 ::1; do
		has "$(peer tcp "$a" 8080 tcp)" 'tcp'
		has "$(peer udp "$a" 8081 udp)" 'udp'
	done
	has "$(in_world "$NETPEER" tcp "$HOST4" 8082 four)" four
	has "$(in_world "$NETPEER" tcp 2001:db8:1::2 8083 six)" six
	has "$(in_world "$NETPEER" udp "$HOST4" 8084 any)" any
}

names() { # MODE
	for dns in '--dns 198.51.100.53' '--dns 198.51.100.54 --dns 198.51.100.53' \
		'--dns 203.0.113.77 --dns 198.51.100.53'; do
		# shellcheck disable=SC2086 # words
		run -0 in_guest --network "$1" $dns -- sh -ec "
			$NETPEER lookup 10.0.2.1 a.example
			$NETPEER lookup fd00:0:0:2::1 a.example
			$NETPEER lookup 10.0.2.1 a.example tcp
			$NETPEER lookup fd00:0:0:2::1 a.example tcp"
		is "$output" "$(printf '192.0.2.99\n%.0s' 1 2 3 4)" "$dns"
	done
}

ten_guests() {
	local addresses=()
	for i in {1..10}; do guest "g$i" --network rootless -p 8080:80 -- "$NETPEER" serve :: 80 "guest$i"; done
	for i in {1..10}; do
		wait_for 60 grep -q ready "$BATS_TEST_TMPDIR/g$i.out" || fail "$(err_of "g$i")"
		addresses+=("$(own_address "g$i")")
		has "$(peer tcp "${addresses[-1]}" 8080 x)" "guest$i from"
	done
	is "$(printf '%s\n' "${addresses[@]}" | sort -u | wc -l)" 10
	is "$(cat "$BATS_TEST_TMPDIR"/g*.err | grep -c 'and on')" 1 'guests on localhost'
	is "$(cat "$BATS_TEST_TMPDIR"/g*.err | grep -c 'localhost:8080 is taken')" 9
}
