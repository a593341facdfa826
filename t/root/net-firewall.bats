#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A network beside firewalls of others: none of their rules is touched, and one that drops is named
# with the command that mends it. Needs root to make a stand-in for the host.

load ../lib/helper
load ../lib/net

setup() {
	servers=() # of lib/net.bash
	export servers
	net_start
	serve in_world -- serve "$WORLD4" 7 world
	serve in_world -- serve "$WORLD6" 7 world
}
teardown() {
	stop_servers
	[[ -z ${HOST_PID:-} ]] || net_stop
}

# Without counters, which traffic changes.
rules() { on_host nft --stateless list ruleset; }

# What docker and podman leave behind, by iptables-nft and ip6tables-nft.
container_rules() { # POLICY
	on_host sh -ec "
		for t in iptables-nft ip6tables-nft; do
			\$t -P FORWARD $1
			\$t -N DOCKER-USER && \$t -A DOCKER-USER -j RETURN
			\$t -N DOCKER
			\$t -A FORWARD -j DOCKER-USER
			\$t -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
			\$t -A FORWARD -o docker0 -j DOCKER
			\$t -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
		done
		iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
		iptables-nft -t nat -N NETAVARK-HOSTPORT-DNAT
		iptables-nft -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j NETAVARK-HOSTPORT-DNAT
		iptables-nft -t nat -A NETAVARK-HOSTPORT-DNAT -p tcp --dport 9090 -j DNAT --to-destination 10.88.0.2:80"
}

talks() { # MODE
	run -0 in_guest --network "$1" -- sh -ec "
		$NETPEER line $WORLD4 7 four
		$NETPEER line $WORLD6 7 six"
	has "$output" ': four'
	has "$output" ': six'
}

@test "rules of other container engines stay as they are, and nothing is in the other's way" {
	container_rules ACCEPT
	local before
	before=$(rules)
	for mode in rootless bridged routed; do
		talks "$mode"
		lacks "$output" firewall
	done
	serving_guest g --network bridged -p 8080:80
	has "$(on_host "$NETPEER" tcp "$(own_address g)" 8080 x)" ': x'
	has "$(rules)" "$before"
	kill -9 "$guest_pid"
	same() { [[ $(rules) == "$before" ]]; }
	wait_for 5 same
}

# The commands of the messages so far.
mend() {
	sed -n "s/.*: allow it: nft '\(.*\)'\$/\1/p" "$BATS_TEST_TMPDIR/g.err" >"$BATS_TEST_TMPDIR/mend"
	[[ -s $BATS_TEST_TMPDIR/mend ]] && on_host nft -f "$BATS_TEST_TMPDIR/mend"
}

@test "a forward policy of drop is named, and what the message says mends it" {
	container_rules DROP
	on_host nft 'table inet own { chain fw { type filter hook forward priority 10; policy accept; ct state invalid drop; counter reject; }; }'
	for mode in bridged routed; do
		guest g --network "$mode" -- "$NETPEER" line "$WORLD4" 7 x
		wait_for 20 gone "$guest_pid"
		lacks "$(cat "$BATS_TEST_TMPDIR/g.out")" ': x'
		is "$(grep -c 'may drop what fcvm0 sends: allow it' "$BATS_TEST_TMPDIR/g.err")" 3
		for table in 'ip filter' 'ip6 filter' 'inet own'; do
			has "$(err_of g)" "fcvm-net: the firewall table $table of this host may drop"
		done
		# Without privileges nothing is forwarded, so nothing is dropped.
		talks rootless
		lacks "$output" firewall
	done
	mend
	for mode in bridged routed; do
		talks "$mode"
		lacks "$output" firewall
	done
}

@test "a host that only lets answers in has rootless networks and published ports" {
	on_host nft 'table inet own { chain in { type filter hook input priority 0; policy drop; iif lo accept; ct state established,related accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept; }; chain fw { type filter hook forward priority 0; policy drop; }; }'
	talks rootless
	serving_guest g -p 8080:80
	has "$(on_host "$NETPEER" tcp 127.0.0.1 8080 x)" ': x'
	has "$(on_host "$NETPEER" tcp "$(own_address g)" 8080 x)" ': x'
}

@test "a resolver of systemd-resolved's kind serves all networks" {
	serve on_host -- dns 127.0.0.53 192.0.2.53
	printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example\n' >"$BATS_TEST_TMPDIR/resolv.conf"
	for mode in rootless bridged routed; do
		run -0 on_host unshare -m sh -ec "
			mount --bind $BATS_TEST_TMPDIR/resolv.conf /etc/resolv.conf
			fcvm-net --network $mode -- $TAPGUEST sh -c '
				$NETPEER lookup 10.0.2.1 a.example; $NETPEER lookup 10.0.2.1 a.example tcp
				$NETPEER lookup fd00:0:0:2::1 a.example'"
		is "$output" $'192.0.2.53\n192.0.2.53\n192.0.2.53'
	done
}
