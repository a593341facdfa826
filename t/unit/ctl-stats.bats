#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Ports and use of VMs that only look alive.

load ../lib/helper
load ../lib/ctl

setup() {
	fake_base
}

@test "ports are printed as podman does" {
	fake_vm web '"ports":["127.0.0.1:8080->80/tcp","0.0.0.0:53->53/udp","9000-9001->90-91/tcp","[::1]:700->70/tcp","81/tcp"]'
	is "$(fcvm-ctl port web)" '80/tcp -> 127.0.0.1:8080
53/udp -> 0.0.0.0:53
90/tcp -> 0.0.0.0:9000
91/tcp -> 0.0.0.0:9001
70/tcp -> [::1]:700'
	is "$(fcvm-ctl port web 80)" 127.0.0.1:8080
	is "$(fcvm-ctl port web 91/tcp)" 0.0.0.0:9001
	is "$(fcvm-ctl port -l 53/udp)" 0.0.0.0:53
	fake_vm other
	is "$(fcvm-ctl port other)" ''
	is "$(fcvm-ctl port -a | head -n 1)" $'web\t80/tcp -> 127.0.0.1:8080'
}

@test "a port that is not published, or none at all, is refused" {
	fake_vm web '"ports":["127.0.0.1:8080->80/tcp"]'
	run -125 fcvm-ctl port web 81
	is "$output" 'fcvm-ctl: failed to find published port "81"'
	run -125 fcvm-ctl port web 80/udp
	is "$output" 'fcvm-ctl: failed to find published port "80/udp"'
	run -125 fcvm-ctl port web abc
	is "$output" 'fcvm-ctl: abc: not a port: write it as 80 or 80/udp'
	run -125 fcvm-ctl port web 80/tcp/x
	is "$output" 'fcvm-ctl: 80/tcp/x: not a port: write it as 80 or 80/udp'
	run -125 fcvm-ctl port
	is "$output" "fcvm-ctl: no VM given: name one, or see 'fcvm ls'"
}

@test "a state that is not about ports is no port" {
	fake_vm web '"ports":[7,"->","x->y/z","1->2","1-3->2-3/tcp","99999->1/tcp","5:5->5/tcp\u001b"]'
	is "$(fcvm-ctl port web)" '5/tcp? -> 5:5'
}

@test "stats without VMs are headings, and a VM that does not answer has no numbers" {
	run -0 --separate-stderr timeout 10 fcvm-ctl stats
	matches "$output" '^NAME +CPU %[^'$'\n'']*AVG CPU %$'
	is "$(fcvm-ctl stats --json)" '[]'
	run -125 fcvm-ctl stats web
	is "$output" "fcvm-ctl: no VM named 'web' is running: see 'fcvm ls'"
	run -125 fcvm-ctl stats -i 0
	is "$output" 'fcvm-ctl: --interval: takes 1 to 1000000'
	fake_vm web '"state":"running"'
	is "$(timeout 10 fcvm-ctl stats --no-stream --format '{{.Name}} {{.CPUPerc}}')" 'web --'
	perl -MIO::Socket::UNIX -e 'chdir $ARGV[0]; $l = IO::Socket::UNIX->new(Local => "control.sock", Listen => 1); sleep 60' \
		"$base/web" >/dev/null 2>&1 3>&- &
	wait_for 5 test -S "$base/web/control.sock"
	is "$(timeout 10 fcvm-ctl stats --no-stream --format '{{.Name}} {{.PIDS}}' web)" 'web --'
	kill "$!" "$holder"
}
