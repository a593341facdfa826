#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a guest and its users see of a network, with a stand-in for the machine and for the internet.
# Needs root to make those.

load ../lib/helper
load ../lib/net
load ../lib/net-tests

own_address_known() { [[ -n $(own_address "$1") ]]; }

# Nothing of a guest whose processes had these pids: no process, link or table.
nothing_left() {
	local pid
	for pid; do gone "$pid" || return; done
	[[ $(on_host ip -br link | awk '{ print $1 }' | paste -sd ' ') == 'lo wire@if2' ]] &&
		[[ -z $(on_host nft list tables) ]]
}

@test "rootless: TCP, UDP and ping reach the world and the host, with both protocols" {
	outward rootless
}

@test "bridged: TCP, UDP and ping reach the world and the host, with both protocols" {
	outward bridged
}

@test "the program is the process that was started, and its status is passed on" {
	run -7 on_host fcvm-net --network none -- sh -c 'exit 7'
	run -137 on_host fcvm-net --network none -- sh -c 'kill -9 $$'
	on_host fcvm-net --network none -- sh -c 'echo $PPID' >"$BATS_TEST_TMPDIR/ppid"
	nsenter -n -t "$HOST_PID" -- fcvm-net --network rootless -- sh -c 'echo $$; exec sleep 60' \
		>"$BATS_TEST_TMPDIR/pid" 3>&- &
	servers+=($!)
	wait_for 10 test -s "$BATS_TEST_TMPDIR/pid"
	is "$(cat "$BATS_TEST_TMPDIR/pid")" $!
	run -127 on_host fcvm-net --network none -- nosuchprogram
	is "$output" 'fcvm-net: cannot run nosuchprogram: No such file or directory'
	run -126 on_host fcvm-net --network none -- /etc/passwd
}

@test "the program gets the TAP and no other descriptor, and its helpers are no children to wait for" {
	run -0 on_host fcvm-net --network rootless -p 8080:80 -- bash -c '
		((FCVM_TAP_FD >= 20)) && [[ $(readlink /proc/self/fd/$FCVM_TAP_FD) == /dev/net/tun ]] || exit 1
		ls -l /proc/self/fd | grep -cE "socket|eventpoll|netlink" >&2
		sleep 0.1 & wait
		echo waited' 3>&-
	has "$output" waited
	matches "$output" $'(^|\n)0\n'
}

@test "helpers hold neither the caller's pipes nor its locks" {
	local lock=$BATS_TEST_TMPDIR/lock pid=$BATS_TEST_TMPDIR/pid
	exec 8>"$lock"
	flock 8
	nsenter -n -t "$HOST_PID" -- fcvm-net --network rootless -p 8080:80 -- \
		sh -c "echo \$\$ >$pid; exec sleep 60 >/dev/null 2>&1 8>&-" 3>&- 2>&1 |
		cat 8>&- >"$BATS_TEST_TMPDIR/all" &
	local pipe=$!
	exec 8>&-
	wait_for 20 test -s "$pid"
	servers+=("$(cat "$pid")")
	wait_for 5 gone "$pipe"
	wait_for 5 flock -n "$lock" true
	kill -0 "${servers[0]}"
}

@test "a name is resolved over UDP and TCP, and by the next resolver if one is dead" {
	names rootless
}

@test "a resolver on the host's loopback address serves, and none at all is a failure said at once" {
	serve on_host -- dns 127.0.0.53 192.0.2.53
	run -0 in_guest --network bridged --dns 127.0.0.53 -- "$NETPEER" lookup 10.0.2.1 a.example
	is "$output" 192.0.2.53
	run -0 in_guest --network rootless --dns 127.0.0.99 -- "$NETPEER" lookup 10.0.2.1 a.example
	is "$output" 'error 2'
}

@test "resolvers and search list come from resolv.conf" {
	printf 'search one.example two.example\nnameserver 198.51.100.53\n' >"$BATS_TEST_TMPDIR/resolv.conf"
	run -0 on_host unshare -m sh -ec "
		mount --bind $BATS_TEST_TMPDIR/resolv.conf /etc/resolv.conf
		fcvm-net --network rootless --json -- $TAPGUEST $NETPEER lookup 10.0.2.1 a.example"
	has "$output" 192.0.2.99
	has "$(tr -d ' \n' <<<"$output")" '"search":["one.example","two.example"]'
}

@test "rootless: published ports answer on the own address, localhost and HOSTIP" {
	published rootless
}

@test "bridged: published ports answer on the own address, localhost and HOSTIP" {
	published bridged
	has "$(peer tcp "$(own_address g)" 8080 x)" 172.30.0.1
}

@test "none: the guest reaches nobody, but its ports can be published" {
	serving_guest g --network none -p 8080:80
	is "$(err_of g)" 'fcvm-net: 8080 answers on localhost'
	has "$(peer tcp 127.0.0.1 8080 x)" 'from ::ffff:10.0.2.1: x'
	run -1 in_guest --network none -- "$NETPEER" tcp "$WORLD4" 7 x
	is "$output" 'Network is unreachable'
}

@test "ten guests publish the same port at once, each on its own address" {
	ten_guests
}

@test "a port that is not to be had is an error that names it" {
	serve on_host -- serve "$HOST4" 8090
	run -125 on_host fcvm-net --network rootless -p "$HOST4:8090:80" -- true
	is "$output" "fcvm-net: --publish $HOST4:8090:80: cannot listen: Address already in use"
	run -125 on_host fcvm-net --network rootless -p 192.0.2.200:8090:80 -- true
	is "$output" 'fcvm-net: --publish 192.0.2.200:8090:80: cannot listen: Cannot assign requested address'
	serve on_host -- serve 0.0.0.0 8091
	run -125 on_host fcvm-net --network rootless -p 8091:80 -- true
	has "$output" 'Address already in use'
	run -125 on_host fcvm-net --network none -p 80:80/sctp -- true
	has "$output" '--publish 80:80/sctp'
}

@test "the first connection waits for its server; later ones are reset where there is none any more" {
	guest g --network rootless -p 8080:80 -- sh -c "
		until [ -e $BATS_TEST_TMPDIR/go ]; do sleep 0.1; done
		$NETPEER serve :: 80 & p=\$!
		until [ -e $BATS_TEST_TMPDIR/stop ]; do sleep 0.1; done
		kill \$p; touch $BATS_TEST_TMPDIR/stopped; exec sleep 60"
	wait_for 20 own_address_known g
	peer tcp 127.0.0.1 8080 x >"$BATS_TEST_TMPDIR/first" 3>&- &
	local first=$!
	pending() { on_host ss -Htn dst 127.0.0.1:8080 | grep -q .; }
	wait_for 10 pending
	touch "$BATS_TEST_TMPDIR/go"
	wait "$first"
	has "$(<"$BATS_TEST_TMPDIR/first")" ': x'
	touch "$BATS_TEST_TMPDIR/stop"
	wait_for 10 test -e "$BATS_TEST_TMPDIR/stopped"
	local start=$SECONDS
	run -1 peer tcp 127.0.0.1 8080 x
	is "$output" 'Connection reset by peer'
	((SECONDS - start < 5))
}

@test "half-close and bulk pass" {
	serving_guest g --network none -p 8080:80
	local big
	big=$(head -c 100000 /dev/zero | tr '\0' x)
	is "$(peer tcp 127.0.0.1 8080 "$big" | wc -c)" $((100000 + $(wc -c <<<'echo from ::ffff:10.0.2.1: ')))
}

@test "five hundred connections, fifty at once: none is lost" {
	serving_guest g --network rootless -p 8080:80
	is "$(peer many "$(own_address g)" 8080 500 50)" 500
}

@test "frames with another MAC or IP address go nowhere" {
	run -0 in_guest --network rootless -- sh -ec "
		$NETPEER line $WORLD4 7 good
		ip addr add 10.0.2.77/24 dev eth0
		ip addr add fd00:0:0:2::77/64 dev eth0 nodad
		timeout 2 busybox ping -c1 -I 10.0.2.77 10.0.2.1 >/dev/null && echo spoofed
		timeout 2 busybox ping -c1 -I fd00:0:0:2::77 fd00:0:0:2::1 >/dev/null && echo spoofed
		ip link set eth0 address 02:fc:00:00:00:99
		ip neigh flush dev eth0
		timeout 2 busybox ping -c1 10.0.2.1 >/dev/null && echo spoofed
		ip link set eth0 address 02:fc:00:00:00:01
		busybox ping -c1 -W5 10.0.2.1 >/dev/null"
	lacks "$output" spoofed
	has "$output" good
}

@test "the guest reaches neither the host's loopback services nor the namespace's" {
	for mode in rootless bridged; do
		run -0 in_guest --network "$mode" -- sh -c "
			ip route add 127.0.0.2/32 via 10.0.2.1
			for a in 127.0.0.2 10.0.2.1 192.0.0.1 192.0.0.2 172.30.0.1 172.30.0.2; do
				timeout 2 $NETPEER line \$a 9 x
			done; true"
		lacks "$output" loopback
	done
}

@test "no spelling of the host's loopback address leads there" {
	local a tried
	for a in ::ffff:127.0.0.1 ::127.0.0.1 ::1 ::ffff:0:127.0.0.1; do
		guest g --network rootless -- sh -c "$NETPEER syn $a 9; $NETPEER line $HOST4 8 sent; exec sleep 60"
		wait_for 10 grep -q sent "$BATS_TEST_TMPDIR/g.out" || fail "$(err_of g)"
		tried=$(on_host ss -Htan 'dport = :9')
		is "$tried" '' "after a connection to $a"
		stop_servers
	done
}

@test "noise and floods of frames hurt nobody" {
	serving_guest other --network rootless -p 8080:80
	for mode in rootless bridged; do
		run -0 in_guest --network "$mode" -- sh -ec "
			$NETPEER junk 20000
			$NETPEER line $WORLD4 7 well"
		has "$output" ': well'
	done
	has "$(peer tcp "$(own_address other)" 8080 x)" ': x'
}

@test "bridged machines do not reach each other" {
	serving_guest g --network bridged -p 8080:80
	has "$(peer tcp "$(own_address g)" 8080 x)" 'x'
	run -1 in_guest --network bridged -- "$NETPEER" tcp "$(own_address g)" 8080 x
}

@test "whichever process is killed, nothing is left of it" {
	for mode in rootless bridged; do
		for victim in main keeper opener uplink passt; do
			[[ $mode-$victim != bridged-@(uplink|passt) ]] || continue
			serving_guest "$mode-$victim" --network "$mode" -p 8080:80
			local all main=$guest_pid target
			# shellcheck disable=SC2207 # words
			all=("$main" $(pgrep -P "$main") $(pgrep -P "$(pgrep -P "$main" | paste -sd ,)" || :))
			case $victim in
			main) target=$main ;;
			passt) target=$(pgrep -P "$(pgrep -P "$main" -x uplink)") ;;
			*) target=$(pgrep -P "$main" -x "$victim") ;;
			esac
			kill -9 "$target"
			wait_for 2 gone "$target"
			kill -9 "$main" 2>/dev/null || :
			wait_for 2 nothing_left "${all[@]}" || fail "after $victim of $mode: $(ps -o pid,stat,comm -p "${all[*]}"; on_host ip -br link)"
		done
	done
}

@test "the end of pasta is said on the program's standard error" {
	serving_guest g --network rootless
	kill -9 "$(pgrep -P "$(pgrep -P "$guest_pid" -x uplink)")"
	wait_for 5 grep -q 'pasta ended' "$BATS_TEST_TMPDIR/g.err"
	has "$(err_of g)" 'the guest has no network any more'
}

@test "thousands of packets wait for pasta, they are not lost" {
	run -0 on_host fcvm-net --network rootless --mtu 1500 -- bash -c '
		pasta=$(pgrep -P "$(pgrep -P $$ -x uplink)")
		ip neigh replace 192.0.0.1 lladdr 02:00:00:00:00:01 nud permanent dev uplink
		kill -STOP "$pasta"
		perl -MSocket -e "
			socket S, PF_INET, SOCK_DGRAM, 0;
			for (1 .. 5000) { send S, q(x), 0, pack_sockaddr_in(9, inet_aton(q(192.0.2.9))) or die qq(send: \$!\n) }"
		kill -CONT "$pasta"
		# The kernel counts one when pasta has read it.
		count() { sed -n "s/^ *uplink://p" /proc/net/dev | { read -r _ _ _ _ _ _ _ _ _ sent _ && echo "$sent"; }; }
		for ((i = 0; i < 500 && $(count) < 5000; i++)); do sleep 0.02; done
		cat /proc/net/dev'
	matches "$output" $'\n *uplink:( +[0-9]+){8} +[0-9]+ +[0-9]{4,} +0 +0 '
}

@test "a host that does not forward is told how to, and is not changed" {
	run -125 unshare -n sh -c 'ip link set lo up; echo 0 >/proc/sys/net/ipv4/ip_forward; fcvm-net --network bridged -- true; s=$?; cat /proc/sys/net/ipv4/ip_forward; exit $s'
	has "$output" 'run: sysctl net.ipv4.ip_forward=1'
	is "${lines[-1]}" 0
}

@test "net.json says what there is" {
	mkdir "$BATS_TEST_TMPDIR/run"
	FCVM_RUN_DIR=$BATS_TEST_TMPDIR/run on_host fcvm-net --network bridged -p 8080:80 --mtu 1400 \
		--add-host db:192.0.2.5 -- true
	is "$(stat -c %a "$BATS_TEST_TMPDIR/run/net.json")" 600
	has "$(tr -d ' \n' <"$BATS_TEST_TMPDIR/run/net.json")" '"ports":["172.30.0.2:8080->80/tcp","127.0.0.1:8080->80/tcp","[::1]:8080->80/tcp"]'
	has "$(tr -d ' \n' <"$BATS_TEST_TMPDIR/run/net.json")" '"hosts":[{"ip":"192.0.2.5","name":"db"},{"ip":"172.30.0.1","name":"host.containers.internal"}]'
}
