#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What is kept of VMs that have ended.

load ../lib/helper
load ../lib/ctl

setup() {
	fake_base
	ended job '"image":"localhost/app:1","command":["sh","-c","make"],"labels":{"a":"1"}' \
		"\"exit\":3,\"created\":$(ago 300),\"started\":$(ago 299),\"ended\":$(ago 125),\"error\":\"why\""
	ended old "\"exit\":0,\"created\":$(ago 4000),\"ended\":$(ago 3900),\"health\":\"healthy\""
}

teardown() {
	fake_end
}

@test "ls shows them with --all, and where only they can be meant" {
	fake_vm web "\"state\":\"running\",\"created\":$(ago 200),\"started\":$(ago 200)"
	is "$(fcvm-ctl ls -q)" web
	is "$(fcvm-ctl ls -qa | paste -sd ' ')" 'web job old'
	is "$(fcvm-ctl ls -q -n 2 | paste -sd ' ')" 'web job'
	is "$(fcvm-ctl ls -q -f status=exited | paste -sd ' ')" 'job old'
	is "$(fcvm-ctl ls -q -f exited=3)" job
	is "$(fcvm-ctl ls -qa -f label=a)" job
	run -125 fcvm-ctl ls -f exited=x
	is "$output" 'fcvm-ctl: --filter exited=x: not an exit status'
	run -0 fcvm-ctl ls -a
	matches "${lines[2]}" '^job   localhost/app:1  sh -c make  5 minutes ago +Exited \(3\) 2 minutes ago +$'
	is "$(fcvm-ctl ls -a --format '{{.Name}} {{.State}} {{.ExitCode}}' | tail -n 2)" $'job exited 3\nold exited 0'
	is "$(fcvm-ctl ls --json -a | json '$_->[1]{exit} . " " . $_->[1]{error}')" '3 why'
}

@test "wait, inspect, logs and stop answer for them; what needs a running VM does not" {
	record out F made >"$FCVM_DATA_DIR/ended/job/log/1"
	is "$(timeout 10 fcvm-ctl wait job old)" $'3\n0'
	is "$(fcvm-ctl wait -l)" 3
	is "$(fcvm-ctl wait -a)" ''
	is "$(fcvm-ctl inspect -f '{{.name}} {{.state}} {{.exit}} {{.error}} {{.tty}}' job)" 'job exited 3 why false'
	is "$(fcvm-ctl inspect -a -f '{{.name}}' | paste -sd ' ')" 'job old'
	is "$(fcvm-ctl logs job)" made
	is "$(timeout 10 fcvm-ctl logs -f jo)" made
	is "$(fcvm-ctl logs old)" ''
	is "$(timeout 10 fcvm-ctl stop job)" job
	is "$(fcvm-ctl stop -a)" ''
	for verb in 'exec job ls' 'attach job' 'kill job' 'pause job' 'restart job' 'stats job' 'top job' 'port job' \
		'rename job new'; do
		# shellcheck disable=SC2086 # words
		run -125 timeout 10 fcvm-ctl $verb
		has "$output" "no VM named 'job' is running: see 'fcvm ls'"
	done
}

@test "a VM that runs is meant first" {
	fake_vm job '"state":"running"'
	is "$(fcvm-ctl inspect -f '{{.state}}' job)" running
	is "$(fcvm-ctl ls -a --format '{{.Name}} {{.State}}')" $'job running\nold exited'
	fake_vm o '"state":"running"'
	is "$(fcvm-ctl inspect -f '{{.state}}' o)" running
}

@test "rm removes them, and VMs that run only when it is forced to" {
	is "$(fcvm-ctl rm old)" old
	is "$(ls "$FCVM_DATA_DIR/ended")" job
	fake_vm web '"state":"running"'
	run -125 --separate-stderr fcvm-ctl rm web job
	is "$output" job
	is "$stderr" 'fcvm-ctl: web is running: stop it first, or pass --force'
	run -125 --separate-stderr fcvm-ctl rm job
	is "$stderr" "fcvm-ctl: there is no VM named 'job': see 'fcvm ls --all'"
	run -0 fcvm-ctl rm --ignore job
	is "$output" ''
	ended again '"exit":0'
	is "$(fcvm-ctl rm -i job again --name none)" again
	run -125 --separate-stderr fcvm-ctl rm -t 3 web
	is "$stderr" 'fcvm-ctl: --time goes with --force'
	fake_control web
	fcvm-ctl rm -f web >"$BATS_TEST_TMPDIR/out" 3>&- &
	wait_for 5 test -e "$BATS_TEST_TMPDIR/asked"
	is "$(<"$BATS_TEST_TMPDIR/asked")" '{"type":"STOP"}'
	tell end
	kill "$holder"
	wait $!
	is "$(<"$BATS_TEST_TMPDIR/out")" web
}

@test "rm --all removes all that have ended" {
	is "$(fcvm-ctl rm -a | paste -sd ' ')" 'job old'
	is "$(ls "$FCVM_DATA_DIR/ended")" ''
	is "$(fcvm-ctl rm -a)" ''
}

@test "records that are damaged are not believed" {
	printf '{"exit":"3"}' >"$FCVM_DATA_DIR/ended/job/state.json"
	is "$(fcvm-ctl inspect -f '{{.exit}} {{.state}}' job)" '0 exited'
	rm "$FCVM_DATA_DIR/ended/job/state.json"
	run -125 fcvm-ctl inspect job
	is "$output" "fcvm-ctl: there is no VM named 'job': see 'fcvm ls --all'"
	mkdir "$FCVM_DATA_DIR/ended/.new"
	cp "$FCVM_DATA_DIR/ended/old/state.json" "$FCVM_DATA_DIR/ended/.new"
	is "$(fcvm-ctl ls -qa)" old
}

@test "a VM that ends while its log is asked for has it in the record" {
	fake_vm web '"state":"running"'
	mkdir "$base/web/log"
	record out F part >"$base/web/log/1"
	ended web '"exit":0'
	record out F whole >"$FCVM_DATA_DIR/ended/web/log/1"
	# As its directory is being removed: still locked, but without the lock's name.
	mv "$base/web/lock" "$BATS_TEST_TMPDIR/lock"
	for option in '' -f; do
		run -0 timeout 10 fcvm-ctl logs $option web
		is "$output" whole
	done
}
