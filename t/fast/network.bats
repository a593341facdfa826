#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A container's network as its user sees it. What fcvm-net does for a guest is tested without VMs.

load ../lib/helper

setup() {
	image=oci:$(hello_image)
	name=$(vm_name)
}

teardown() {
	fcvm rm --force -t 0 --ignore "$name" "$name-2" >/dev/null 2>&1 || :
}

# A web server whose page is the VM's name; options come before.
site() {
	timeout 120 fcvm run -d --name "$name" --cpus 1 --memory 256m "$@" "$image" -- \
		sh -c 'mkdir /www; hostname >/www/name; exec httpd -f -p 80 -h /www' 3>&- 4>&-
}

run_in() { # OPTION… -- COMMAND…
	local before after
	split "$@"
	timeout 120 fcvm run --rm --name "$name" --cpus 1 --memory 256m "${before[@]}" "$image" -- "${after[@]}"
}

page() { curl -gsS -m 30 "http://$1/name"; }

# HOST:PORT of the published port for 80 on an address that matches.
where() { fcvm port "$name" 80/tcp | grep -m 1 -e "$1"; }

@test "a published port answers at once, on an address of its own and on localhost" {
	run --separate-stderr -0 site -p 80
	is "$output" "$name"
	matches "$stderr" '^fcvm-net: [0-9]+ answers on 127\.[0-9.]+ and on localhost$'
	local own
	own=$(fcvm inspect --format '{{.address}}' "$name")
	is "$(page "$(where "^$own:")")" "$name"
	is "$(page "$(where '^127\.0\.0\.1:')")" "$name"
	is "$(page "$(where '^\[::1\]:')")" "$name"
	has "$(fcvm ls -f "name=^$name\$" --format '{{.Ports}}')" "$own:"
	local at
	at=$(where "^$own:")
	fcvm stop -t 0 "$name"
	refused() { ! page "$at" 2>/dev/null; }
	wait_for 2 refused
}

@test "two VMs publish one port, each on its own address" {
	local port other
	site -p 80 >/dev/null
	port=$(where '^127\.0\.0\.1:')
	port=${port##*:}
	other=$(timeout 120 fcvm run -d --name "$name-2" --cpus 1 --memory 256m -p "$port:80" "$image" -- \
		sh -c 'mkdir /www; echo other >/www/name; exec httpd -f -p 80 -h /www' 2>&1 3>&- 4>&-)
	matches "$other" "^fcvm-net: $port answers on 127\.[0-9.]+; localhost:$port is taken"
	is "$(page "localhost:$port")" "$name"
	is "$(page "$(fcvm inspect --format '{{.address}}' "$name-2"):$port")" other
	name=$name-3 run -125 run_in -p "127.0.0.1:$port:80" -- true
	has "$output" "fcvm-net: --publish 127.0.0.1:$port:80: cannot listen: Address already in use"
}

@test "a port is free as soon as its VM has ended, or rm has returned" {
	local port
	site -p 80 >/dev/null
	port=$(where '^127\.0\.0\.1:')
	port=${port##*:}
	for _ in 1 2 3 4; do
		fcvm rm --force -t 0 "$name"
		run -0 run_in -p "127.0.0.1:$port:80" -- true
		run -0 site -p "$port:80"
		lacks "$output" taken
	done
}

@test "what is exposed is published with -P, and once only" {
	site -P --expose 80 --expose 81/udp >/dev/null 2>&1
	is "$(page "$(where '^127\.0\.0\.1:')")" "$name"
	is "$(fcvm port "$name" 81/udp | wc -l)" 3
}

@test "hosts and resolver files say what the options say" {
	run -0 run_in --hostname here --add-host a.test:192.0.2.1 --add-host gw:host-gateway --dns-search ex.test \
		--dns-option ndots:2 -- cat /etc/hosts /etc/resolv.conf
	has "$output" $'192.0.2.1\ta.test'
	has "$output" $'10.0.2.100\there '"$name"
	has "$output" $'search ex.test\nnameserver 10.0.2.1\noptions ndots:2'
	is "$(grep -c -e gw$ -e host.containers.internal <<<"$output")" 2
	run -0 run_in --network none --add-host a.test:192.0.2.1 -- sh -c 'cat /etc/hosts /etc/resolv.conf; ls /sys/class/net'
	has "$output" $'192.0.2.1\ta.test'
	lacks "$output" nameserver
	is "${lines[-1]}" lo
}

@test "many connections at once are all answered, and none hangs while the container restarts" {
	site -p 80 >/dev/null
	local at
	at=$(where '^127\.0\.0\.1:')
	is "$(page "$at")" "$name"
	seq 100 | xargs -P 20 -I % curl -sS -m 60 "http://$at/name" >"$BATS_TEST_TMPDIR/all"
	is "$(sort <"$BATS_TEST_TMPDIR/all" | uniq -c | sed 's/^ *//')" "100 $name"
	fcvm restart -t 0 "$name" >/dev/null 3>&- &
	local restart=$! bad=0 st
	while kill -0 "$restart" 2>/dev/null; do
		st=0
		curl -sS -m 20 "http://$at/name" >/dev/null 2>&1 || st=$?
		((st != 28)) || bad=1 # its time was over
	done
	wait "$restart"
	((!bad)) || fail 'a connection hung'
	answers() { [[ $(page "$at" 2>/dev/null) == "$name" ]]; }
	wait_for 30 answers
}

@test "wrong options of the network are one line and nothing starts" {
	refused() { # MESSAGE OPTION…
		run -125 run_in "${@:2}" -- true
		has "$output" "$1"
	}
	refused "--network bridgd: did you mean bridged?" --network bridgd
	refused "--network host: a machine has a kernel of its own" --network host
	refused "--net-name 'a/b': a name is" --net-name a/b
	refused "--network-alias goes with --net-name" --network-alias a
	refused "--ip 'x': not an IPv4 address" --ip x
	refused "--dns 'x': not an address" --dns x
	refused "--add-host 'a': not NAME:ADDRESS" --add-host a
	refused "--mtu: from 1280 to 65520" --mtu 100
	refused "--expose '80/sctp': not PORT" --expose 80/sctp
	refused "fcvm-net: --publish " -p 99999:80
}
