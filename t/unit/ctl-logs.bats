#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What fcvm-ctl prints of a container's log.

load ../lib/helper
load ../lib/ctl

setup() {
	fake_base
	out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
}

teardown() {
	fake_end
}

# A VM named web with an empty log.
log_vm() {
	fake_vm web '"state":"running"'
	log=$base/web/log
	mkdir -m 700 "$log"
	: >"$log/1"
}

# follow OPTION…: follows the log in the background; its pid in $follower.
follow() {
	[[ -e $out ]] || : >"$out"
	: >"$err"
	fcvm-ctl logs -f "$@" web >"$out" 2>"$err" 3>&- 5>&- &
	follower=$!
	fakes+=("$follower")
}

printed() { [[ $(<"$out") == "$1" ]]; }
has_open() { [[ $(readlink "/proc/$follower"/fd/*) == *"/web/log/$1"* ]]; }

@test "stdout goes to stdout and stderr to stderr, byte for byte" {
	log_vm
	{
		record out F one
		record err F oops
		record out P 'prompt> '
		record out F ''
		record err P $'\x1b[31m\xff'
		printf '2023-11-14T22:13:20.000000006Z stdout P a\0b\n'
	} >"$log/1"
	fcvm-ctl logs web >"$out" 2>"$err"
	cmp "$out" <(printf 'one\nprompt> \na\0b')
	cmp "$err" <(printf 'oops\n\x1b[31m\xff')
}

@test "segments are read in the order of their numbers, and what is no record is passed over" {
	log_vm
	record out F two >"$log/9"
	{ record out F three && echo garbage && head -c 70000 /dev/zero && echo && record out F four; } >"$log/10"
	{ record out F one && printf '2023-11-14T22:13'; } >"$log/1"
	record out F no >"$log/x"
	run -0 --separate-stderr fcvm-ctl logs web
	is "$output" $'one\ntwo\nthree\nfour'
	is "$stderr" ''
}

@test "--tail counts lines, not records, over all segments and both streams" {
	log_vm
	{ record out F 1 && record out F 2; } >"$log/1"
	{ record out P 3a && record err F 4 && record out F 3b; } >"$log/2"
	record err P 5 >"$log/3"
	tail_of() { fcvm-ctl logs "$@" web 2>&1; }
	is "$(tail_of --tail 4)" $'2\n3a4\n3b\n5'
	is "$(tail_of --tail 3)" $'3a4\n3b\n5'
	is "$(tail_of -n 2)" $'4\n5'
	is "$(tail_of --tail 1)" 5
	is "$(tail_of --tail 0)" ''
	is "$(tail_of --tail 99)" "$(tail_of)"
	is "$(tail_of --tail all)" "$(tail_of)"
	run -125 fcvm-ctl logs --tail x web
	is "$output" 'fcvm-ctl: --tail x: takes a number of lines, or all'
}

@test "--since and --until take times of all kinds" {
	log_vm
	local now
	now=$(date +%s)
	{
		record out F old 1700000000
		record out F hour $((now - 3600))
		record out F minute $((now - 60))
	} >"$log/1"
	between() { fcvm-ctl logs "$@" web | paste -sd ' '; }
	is "$(between --since 2023-11-14T22:13:21Z)" 'hour minute'
	is "$(between --since 2023-11-14T22:13:20Z)" 'old hour minute'
	is "$(between --since 2023-11-14T22:13:20.000000002Z)" 'hour minute'
	is "$(between --since 1h30m)" 'hour minute'
	is "$(between --since 30m)" minute
	is "$(between --until 30m)" 'old hour'
	is "$(between --until 1700000000.5)" old
	is "$(between --since 2h --until 30m)" hour
	is "$(between --since 2h --tail 1 --until 30m)" hour
	is "$(between --until 2023-11-14T23:13:20+01:00)" ''
	run -125 fcvm-ctl logs --since yesterday web
	is "$output" 'fcvm-ctl: --since yesterday: takes a time such as 2026-11-24T05:31:38Z, 1795498298 or 1h30m'
}

@test "-t begins each line with its time, and not each record" {
	log_vm
	{ record out F one && record out P tw && record out F o; } >"$log/1"
	is "$(fcvm-ctl logs -t web)" $'2023-11-14T22:13:20.000000001Z one\n2023-11-14T22:13:20.000000002Z two'
}

@test "a VM without a log has printed nothing; one that keeps none says so" {
	fake_vm web
	run -0 fcvm-ctl logs web
	is "$output" ''
	fake_vm mute '"state":"running","log":"none"'
	for option in -t -f; do
		run -125 fcvm-ctl logs "$option" mute
		is "$output" 'fcvm-ctl: the VM keeps no log (--log-driver none)'
	done
	is "$(fcvm-ctl logs -l 2>&1)" 'fcvm-ctl: the VM keeps no log (--log-driver none)'
	run -125 fcvm-ctl logs web mute
	is "$output" 'fcvm-ctl: this takes one VM, and 2 are meant'
}

@test "-f goes on over new segments until the container ended, and then lets the VM go" {
	log_vm
	record out F one >>"$log/1"
	fake_control web
	follow
	wait_for 5 printed one
	is "$(json '"$_->{type} $_->{hold}"' <"$BATS_TEST_TMPDIR/asked")" 'WAIT 1'
	record out P two >>"$log/1"
	wait_for 5 printed $'one\ntwo'
	record out F , >>"$log/1"
	record err F oops >"$log/2"
	rm "$log/1"
	wait_for 5 grep -qx oops "$err"
	# The container's last words, and its end before they are read.
	kill -STOP "$follower"
	record out F three >>"$log/2"
	record out F four >"$log/3"
	tell end
	kill -CONT "$follower"
	wait "$follower"
	is "$(<"$out")" $'one\ntwo,\nthree\nfour'
	is "$(<"$err")" oops
	wait_for 5 test -e "$BATS_TEST_TMPDIR/closed"
}

@test "-f ends when the VM dies without a word, having read what there is" {
	log_vm
	fake_control web
	follow
	wait_for 5 test -e "$BATS_TEST_TMPDIR/asked"
	wait_for 5 has_open 1
	kill -STOP "$follower"
	record out F last >"$log/2"
	tell drop
	kill -CONT "$follower"
	wait "$follower"
	is "$(<"$out")" last
}

@test "-f of a VM whose socket nobody answers prints what there is" {
	log_vm
	record out F one >"$log/1"
	fake_control web
	perl -MIO::Socket::UNIX -e 'chdir $ARGV[0]; unlink "control.sock"; IO::Socket::UNIX->new(Local => "control.sock", Listen => 1)' "$base/web"
	run -0 timeout 10 fcvm-ctl logs -f web
	is "$output" one
}

@test "segments that were removed before they were read are told of" {
	log_vm
	record out F one >>"$log/1"
	fake_control web
	follow
	wait_for 5 printed one
	kill -STOP "$follower"
	record out F two >>"$log/1"
	record out F three >"$log/2"
	record out F four >"$log/3"
	record out F five >"$log/4"
	rm "$log"/[123]
	tell end
	kill -CONT "$follower"
	wait "$follower"
	is "$(<"$out")" $'one\ntwo\nfive'
	is "$(<"$err")" 'fcvm-ctl: 2 parts of the log were gone before they could be read'
}

@test "-f loses nothing while its reader is slow" {
	log_vm
	mkfifo "$out"
	exec 5<>"$out"
	fake_control web
	follow
	local i wide
	printf -v wide %8000d 0
	# More than the pipe takes, and than is kept in memory.
	for i in {101..140}; do record out F "$i $wide"; done >>"$log/1"
	wait_for 5 has_open 1
	for i in {141..145}; do record out F "$i $wide"; done >"$log/2"
	wait_for 5 has_open 2
	record out F 146 >"$log/3"
	wait_for 5 has_open 3
	rm "$log"/[123]
	tell end
	sed /^146/q <"$out" | cut -c 1-3 >"$BATS_TEST_TMPDIR/seen"
	wait "$follower"
	is "$(<"$BATS_TEST_TMPDIR/seen")" "$(printf '%s\n' {101..146})"
	is "$(<"$err")" ''
}

@test "-f with --tail and --since begins there, and with --until ends there" {
	log_vm
	{ record out F 1 && record out F 2 && record out F 3; } >"$log/1"
	fake_control web
	follow --tail 1
	wait_for 5 printed 3
	record out F 4 >>"$log/1"
	wait_for 5 printed $'3\n4'
	tell end
	wait "$follower"
	rm "$base/web/control.sock"
	fake_control web
	run -0 timeout 10 fcvm-ctl logs -f --until "$(($(date +%s) + 1))" web
	is "$output" $'1\n2\n3\n4'
	tell drop
}

@test "a reader that leaves ends it quietly, also when nothing more is written" {
	log_vm
	{ record out F one && record out F two; } >"$log/1"
	fake_control web
	run -0 timeout 10 bash -c 'fcvm-ctl logs -f web | head -n 1; echo "${PIPESTATUS[0]}"'
	is "$output" $'one\n0'
	local i wide
	printf -v wide %8000d 0
	for i in {1..50}; do record out F "$wide"; done >"$log/1"
	rm "$base/web/control.sock"
	fake_control web
	for option in -t -f; do
		run -0 timeout 10 bash -c 'fcvm-ctl logs "$0" web | head -n 1 | wc -c; echo "${PIPESTATUS[0]}"' "$option"
		matches "$output" $'^80[0-9]{2}\n0$'
	done
}

@test "-f waits for a VM that is starting, and ends with one that does not start" {
	fake_vm web
	follow
	waiting() { [[ $(readlink "/proc/$follower"/fd/*) == *inotify* && $(<"/proc/$follower/wchan") == *poll* ]]; }
	wait_for 5 waiting
	log=$base/web/log
	fake_control web
	wait_for 5 test -e "$BATS_TEST_TMPDIR/asked"
	mkdir -m 700 "$log"
	record out F one >"$log/1"
	wait_for 5 printed one
	tell end
	wait "$follower"
	rm -r "$log" "$base/web/control.sock"
	follow
	wait_for 5 waiting
	kill "$holder"
	wait "$follower"
	is "$(<"$out")$(<"$err")" ''
}

@test "-f of a VM that starts without a log ends by itself" {
	fake_vm web
	follow
	fake_control web
	wait_for 5 test -e "$BATS_TEST_TMPDIR/asked"
	printf '{"state":"running","log":"none"}' >"$base/web/state.new"
	mv "$base/web/state.new" "$base/web/state.json"
	wait "$follower" && fail 'no error' || is "$?" 125
	is "$(<"$err")" 'fcvm-ctl: the VM keeps no log (--log-driver none)'
}

@test "a VM that is renamed while its log is followed is followed on" {
	log_vm
	fake_control web
	follow
	wait_for 5 test -e "$BATS_TEST_TMPDIR/asked"
	wait_for 5 has_open 1
	mv "$base/web" "$base/other"
	record out F one >"$base/other/log/2"
	wait_for 5 printed one
	tell end
	wait "$follower"
}
