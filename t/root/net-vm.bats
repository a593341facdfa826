#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Servers in VMs, with a stand-in for the machine and for the internet: what answers where, as soon
# as `run -d --wait healthy` has returned, and what a VM reaches. Needs root to make those.

setup_file() {
	load ../lib/helper
	load ../lib/net
	debian_image debian python3-minimal,redis-server,nginx-light,curl
	net_start_file
	local -A at=([world]=$WORLD4 [host]=$HOST4)
	serve in_world -- dns 198.51.100.53 "$WORLD4"
	local where
	for where in world host; do
		mkdir "$BATS_FILE_TMPDIR/$where"
		echo "the $where" >"$BATS_FILE_TMPDIR/$where/page"
		"$([[ $where == world ]] && echo in_world || echo on_host)" busybox httpd -f -p '[::]:80' \
			-h "$BATS_FILE_TMPDIR/$where" 3>&- &
		servers+=($!)
		wait_for 10 on_host curl -gsf "http://${at[$where]}/page" -o /dev/null
	done
	export file_servers=${servers[*]}
}

teardown_file() {
	load ../lib/net
	net_end_file
}

setup() {
	load ../lib/helper
	load ../lib/net
	image=oci:$ROOT/build/t/debian
	name=$(vm_name)
	servers=()
}

teardown() {
	fcvm rm --force -t 0 --ignore "$name" >/dev/null 2>&1 || :
}

# nginx, and a UDP server that answers "echo" and what it heard.
server='
echo "$(hostname)" >/var/www/html/name
nginx
exec python3 -c "
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind((\"::\", 9))
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(b\"echo \" + data, peer)
"'
# Both listen: the kernel lists UDP port 9.
healthy='curl -sf http://127.0.0.1/name && grep -q :0009 /proc/net/udp6'

web() { # OPTION…
	on_host timeout 200 fcvm run -d --wait healthy --name "$name" --cpus 1 --memory 512m --health-cmd "$healthy" \
		--health-interval 1s "$@" "$image" -- sh -c "$server" >/dev/null 2>"$BATS_TEST_TMPDIR/err" 3>&- 4>&- ||
		fail "$(cat "$BATS_TEST_TMPDIR/err")"
}

page() { on_host curl -gsS -m 20 "http://$1/name"; }
# All at the first try: no answer is a failure.
answers() { # HOST[:PORT-OF-TCP] ADDRESS PORT-OF-UDP
	is "$(page "$1")" "$name" "TCP $1"
	is "$(on_host "$NETPEER" udp "$2" "$3" hello)" 'echo hello' "UDP $2"
}
answers_everywhere() {
	local own
	own=$(fcvm inspect --format '{{.address}}' "$name")
	answers "$own:8080" "$own" 9009
	answers 127.0.0.1:8080 127.0.0.1 9009
	answers '[::1]:8080' ::1 9009
	answers "$HOST4:8081" "$HOST4" 9010
}

@test "rootless: nginx and a UDP server answer on the own address, localhost and HOSTIP, IPv4 and IPv6" {
	web --network rootless -p 8080:80 -p 9009:9/udp -p "$HOST4:8081:80" -p "$HOST4:9010:9/udp" \
		-p "[2001:db8:1::2]:8081:80" -p "[2001:db8:1::2]:9010:9/udp"
	answers_everywhere
	answers '[2001:db8:1::2]:8081' 2001:db8:1::2 9010
	is "$(in_world curl -sS -m 20 "http://$HOST4:8081/name")" "$name"
}

@test "bridged: nginx and a UDP server answer on the own addresses, localhost and HOSTIP" {
	web --network bridged -p 8080:80 -p 9009:9/udp -p "$HOST4:8081:80" -p "$HOST4:9010:9/udp"
	answers_everywhere
}

@test "from inside: a name, an address of either protocol, and the host" {
	local mode
	for mode in rootless bridged; do
		run -0 on_host timeout 200 fcvm run --rm --name "$name" --cpus 1 --memory 512m \
			--network "$mode" --dns 198.51.100.53 "$image" -- sh -c "
				for a in far.example $WORLD4 [$WORLD6] host.containers.internal; do
					curl -gsS -m 20 http://\$a/page
				done"
		is "$output" $'the world\nthe world\nthe world\nthe host' "$mode"
	done
}

# asks NETWORK: a VM of that network asks the server by its name. Of a name that no member has, the resolver
# says that it is the world's, where there is no such page.
asks() {
	run on_host timeout 200 fcvm run --rm --cpus 1 --memory 512m --net-name "$1" \
		--dns 198.51.100.53 "$image" -- curl -sSf -m 20 "http://$name/name"
}

@test "a VM reaches another of its network by name, and one of another network does not" {
	web --net-name shop
	asks shop
	is "$status $output" "0 $name"
	asks other
	[[ $status != 0 ]]
	has "$output" "curl: "
}
