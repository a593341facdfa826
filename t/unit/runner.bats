#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The test runner must not report success that is none. It runs here in a small project of its own.

load ../lib/helper

setup() {
	PROJECT=$BATS_TEST_TMPDIR/p
	mkdir -p "$PROJECT/t/unit" "$PROJECT/t/fuzz" "$PROJECT/build/asan/unit"
	cp "$ROOT/t/run" "$PROJECT/t/"
}

# A C unit test: its source need only exist, its program prints what is given.
program() { # NAME SCRIPT
	touch "$PROJECT/t/unit/$1.c"
	printf '#!/bin/sh\n%s\n' "$2" >"$PROJECT/build/asan/unit/$1"
	chmod 755 "$PROJECT/build/asan/unit/$1"
}

bats_file() { # NAME TEXT
	printf '%s\n' "$2" >"$PROJECT/t/unit/$1.bats"
}

run_suite() {
	run --separate-stderr "$PROJECT/t/run" unit
	last=${lines[-1]}
	echo "$output"
}

@test "passing programs and bats files are counted together" {
	program a 'echo "ok 1 - x"; echo "ok 2 - y"; echo 1..2'
	bats_file b $'@test "one: (a) [b] $c" { true; }\n@test "two" { true; }'
	run_suite
	is "$last" '4 passed, 0 failed'
	is "$status" 0
}

@test "a failing test fails the run and shows why" {
	program a 'echo "ok 1 - x"; echo "not ok 2 - y"; echo "#   the reason"; echo 1..2; exit 1'
	bats_file b $'@test "two" { echo because; false; }'
	run_suite
	is "$last" '1 passed, 2 failed'
	is "$status" 1
	has "$output" 'the reason'
	has "$output" 'because'
}

@test "a program that ends early, lies or crashes is a failure" {
	program early 'echo "ok 1 - x"; exit 0'
	program short 'echo "ok 1 - x"; echo 1..2'
	program crash 'echo "ok 1 - x"; echo 1..1; kill -SEGV $$'
	program hides 'echo "not ok 1 - x"; echo 1..1; exit 0'
	program silent 'exit 0'
	run_suite
	is "$last" '3 passed, 6 failed'
	has "$output" 'early.c: ended without a plan'
	has "$output" 'short.c: planned 2 tests, reported 1'
	has "$output" 'crash.c: exit status 139'
	has "$output" 'hides.c: exit status 0 though tests failed'
	has "$output" 'silent.c: ended without a plan'
	is "$status" 1
}

@test "a program that was not built is a failure" {
	touch "$PROJECT/t/unit/unbuilt.c"
	run_suite
	is "$last" '0 passed, 1 failed'
	is "$status" 1
}

@test "a bats file that does not load is a failure" {
	program good 'echo "ok 1 - x"; echo 1..1'
	bats_file broken $'load nowhere\n@test "never" { true; }'
	run_suite
	is "$status" 1
	matches "$last" '^1 passed, [1-9][0-9]* failed$'
}

@test "a bats file with a syntax error or a failing setup_file is a failure" {
	bats_file a $'@test "good" { true; }'
	bats_file b $'setup_file() { false; }\n@test "never" { true; }'
	run_suite
	is "$status" 1
	bats_file b $'@test "never" { if; }'
	run_suite
	is "$status" 1
}

@test "a bats test that ends the process is a failure" {
	bats_file a $'@test "leaves" { exit 0; }\n@test "kills" { kill -9 $$; }\n@test "good" { true; }'
	run_suite
	is "$status" 1
}

@test "a bats test that cannot be ended is a failure that shows what ran, and no others" {
	# Out of bats' reach, and with the pipe open that the test reads: bats alone would wait for ever.
	bats_file a $'@test "hangs" { x=$(setsid sleep 1000.5 &); }\n@test "good" { true; }'
	BATS_TEST_TIMEOUT=3 run_suite
	is "$status" 1
	has "$output" 'no test began or ended for 6 s'
	has "$output" 'sleep 1000'
	run ! pgrep -f 'sleep 1000.5'
}

@test "skipped tests are counted and their reasons printed" {
	bats_file a $'@test "later" { skip "the reason"; }\n@test "now" { true; }'
	run_suite
	is "$last" '1 passed, 0 failed, 1 skipped'
	has "$output" 'the reason'
	is "$status" 0
}

@test "no test at all is a failure" {
	run_suite
	is "$last" '0 passed, 0 failed'
	is "$status" 1
	program a 'echo "ok 1 - x"; echo 1..1'
	FILTER=nothing run_suite
	is "$status" 1
}

@test "LIST names the tests and runs none, FILTER selects by those names" {
	program a 'echo "ok 1 - x"; echo 1..1; touch ran'
	bats_file b $'@test "one (first)" { touch ran; }\n@test "one" { true; }\n@test "two" { true; }'
	LIST=1 run_suite
	is "$output" $'unit/a.c\nunit/b.bats: one (first)\nunit/b.bats: one\nunit/b.bats: two'
	[[ ! -e $PROJECT/ran ]]
	FILTER='b.bats: one$' run_suite
	is "$last" '1 passed, 0 failed'
	FILTER='one \(' run_suite
	is "$last" '1 passed, 0 failed'
	FILTER='^unit/' run_suite
	is "$last" '4 passed, 0 failed'
}

@test "a number of jobs that is none is refused before anything runs" {
	program a 'echo "ok 1 - x"; echo 1..1; touch ran'
	for n in 0 -1 x 1x 00; do
		JOBS=$n run -2 timeout 20 "$PROJECT/t/run" unit
		is "$output" "t/run: JOBS=$n: a number from 1 on"
	done
	[[ ! -e $PROJECT/ran ]]
	JOBS=1 run_suite
	is "$last" '1 passed, 0 failed'
}

@test "STREAM shows the output as it comes" {
	program a 'echo "ok 1 - x"; echo 1..1'
	STREAM=1 run_suite
	has "$output" 'ok 1 - x'
	is "$status" 0
}

@test "what a VM tier leaves behind is a failure" {
	mkdir -p "$PROJECT/t/fast" "$PROJECT/build/bin"
	printf '#!/bin/sh\nexit 0\n' >"$PROJECT/build/bin/fcvm"
	chmod 755 "$PROJECT/build/bin/fcvm"
	# shellcheck disable=SC2016
	printf '%s\n' '@test "leaks" {' 'mkdir "$FCVM_RUN_BASE/web"' \
		"sleep 1000 </dev/null >/dev/null 2>&1 3>&- & echo \$! >'$PROJECT/pid'; disown" '}' \
		>"$PROJECT/t/fast/a.bats"
	run "$PROJECT/t/run" fast
	kill "$(<"$PROJECT/pid")"
	has "$output" 'not ok fast: no process is left'
	has "$output" 'sleep 1000'
	has "$output" 'not ok fast: no run directory is left'
	is "$status" 1
}

@test "a guest that cannot be set up is a failure, and its tests are not run" {
	mkdir -p "$PROJECT/t/fast" "$PROJECT/build/bin"
	printf '#!/bin/sh\necho no kernel; exit 111\n' >"$PROJECT/build/bin/fcvm"
	chmod 755 "$PROJECT/build/bin/fcvm"
	printf '@test "never" { touch ran; }\n' >"$PROJECT/t/fast/a.bats"
	run "$PROJECT/t/run" fast
	has "$output" 'no kernel'
	has "$output" '1 tests of fast'
	is "${lines[-1]}" '0 passed, 1 failed'
	is "$status" 1
	[[ ! -e $PROJECT/ran ]]
}

@test "a tier whose hypervisor is not here is skipped by name, or fails where it was asked for alone" {
	mkdir -p "$PROJECT/t/fast" "$PROJECT/build/bin"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\ntouch ran\n[ "$FCVM_HYPERVISOR" = "$WANTED" ]\n' >"$PROJECT/build/bin/fcvm"
	printf '#!/bin/sh\necho "tcg: no KVM"\n' >"$PROJECT/build/bin/fcvm-boot"
	chmod 755 "$PROJECT/build/bin"/*
	printf '@test "runs" { true; }\n@test "on" { [[ $FCVM_HYPERVISOR == "$WANTED" ]]; }\n' >"$PROJECT/t/fast/a.bats"
	program a 'echo "ok 1 - x"; echo 1..1'
	HYPERVISOR=xen run -2 "$PROJECT/t/run" fast
	is "$output" 't/run: HYPERVISOR=xen: use qemu or firecracker'
	PATH=/usr/bin:/bin HYPERVISOR=firecracker run -0 "$PROJECT/t/run" --able unit fast
	has "$output" 'skipped: fast: these 2 tests need Firecracker, which is not in PATH'
	is "${lines[-1]}" '1 passed, 0 failed, 2 skipped'
	stub firecracker
	PATH=$STUBS:$PATH HYPERVISOR=firecracker run -1 "$PROJECT/t/run" fast
	has "$output" 'not ok fast: needs KVM (tcg: no KVM)'
	[[ ! -e $PROJECT/ran ]]
	printf '#!/bin/sh\necho "kvm: fine"\n' >"$PROJECT/build/bin/fcvm-boot"
	WANTED=firecracker PATH=$STUBS:$PATH HYPERVISOR=firecracker run -0 "$PROJECT/t/run" fast
	WANTED=qemu HYPERVISOR=qemu run -0 "$PROJECT/t/run" fast
	WANTED='' run -0 "$PROJECT/t/run" fast
}
