#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a running container uses, and its processes.

load ../lib/helper
load ../lib/ctl

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true # the tests measure one VM
	image=oci:$(hello_image)
	NAME=$(vm_name)
	export NAME image
	fcvm run -d --name "$NAME" --cpus 1 --memory 256m "$image" -- \
		sh -c 'sleep 100000 & echo both; wait' >/dev/null 3>&-
	wait_for 30 both
}

both() {
	[[ $(fcvm logs "$NAME") == both ]]
}

teardown_file() {
	fcvm stop -t 0 "$NAME" >/dev/null || :
}

@test "one table has podman's columns" {
	run --separate-stderr -0 fcvm stats --no-stream "$NAME"
	matches "${lines[0]}" '^NAME +CPU % +MEM USAGE / LIMIT +MEM % +NET IO +BLOCK IO +PIDS +CPU TIME +AVG CPU %$'
	matches "${lines[1]}" "^$NAME +[0-9.]+% +[0-9.]+MB / [0-9.]+MB +[0-9.]+% +[0-9.]+k?B / [0-9.]+k?B +[0-9.]+[kM]?B / [0-9.]+[kM]?B +2 "
	run --separate-stderr -0 fcvm stats --no-stream --json "$NAME"
	is "$(json '@$_ . " $_->[0]{name} $_->[0]{pids}"' <<<"$output")" "1 $NAME 2"
	run --separate-stderr -125 fcvm stats --no-stream --format '{{.Nam}}' "$NAME"
	is "$stderr" 'fcvm-ctl: --format: there is no field .Nam: did you mean .Name?'
}

@test "the numbers are those of the container's own cgroup" {
	fcvm exec "$NAME" dd if=/dev/zero of=/dev/shm/held bs=1M count=40 2>/dev/null
	fcvm exec -d "$NAME" sleep 100001
	local -A cgroup
	while read -r key value; do cgroup[$key]=$value; done < <(fcvm exec --vm "$NAME" sh -c 'cd /sys/fs/cgroup/container
		for f in memory.current pids.current; do echo $f $(cat $f); done; grep usage_usec cpu.stat')
	run -0 fcvm stats --no-stream --json "$NAME"
	is "$(json '$_->[0]{pids}' <<<"$output")" "${cgroup[pids.current]}"
	is "$(json '$_->[0]{cpu_time} =~ /^([0-9.]+)(m?)s$/ ? sprintf("%d", 1e6 * $1 / ($2 ? 1e3 : 1) + 0.5) : $_' <<<"$output")" \
		"${cgroup[usage_usec]}"
	# Memory that processors hold ready for the cgroup comes and goes.
	awk -v got="$(json '$_->[0]{mem_usage}' <<<"$output")" -v want="${cgroup[memory.current]}" 'BEGIN {
		if (got !~ /MB \//) exit 1
		d = got * 1e6 - want
		exit d < -1e6 || d > 1e6
	}' || fail "$output, but ${cgroup[memory.current]}"
	fcvm exec "$NAME" sh -c 'rm /dev/shm/held; kill $(ps | sed -n "s/^ *\([0-9]*\) .*[s]leep 100001$/\1/p")'
}

@test "a busy processor is seen, and an idle one" {
	fcvm exec -d "$NAME" dd if=/dev/zero of=/dev/null
	run -0 bash -c "timeout 60 fcvm-ctl stats -i 2 --format '{{.CPUPerc}}' $NAME | head -n 2"
	((${lines[1]%.*} > 60)) || fail "$output"
	fcvm exec "$NAME" killall -9 dd
	run -0 bash -c "timeout 60 fcvm-ctl stats -i 2 --format '{{.CPUPerc}}' $NAME | head -n 2"
	((${lines[1]%.*} < 40)) || fail "$output"
	lacks "$output" $'\033'
}

@test "on a terminal it is redrawn until Ctrl-C, and the cursor comes back" {
	run -0 bash -c "(sleep 1; printf '\\003'; sleep 2) | timeout 60 script -qec 'trap : INT; fcvm-ctl stats -i 1 $NAME; echo status \$?' /dev/null"
	has "$output" $'\033[?25l'
	has "$output" "$NAME"
	matches "$output" $'\033\\[\\?25h'
	has "${output##*$'\033'}" 'status 130'
}

@test "a VM that hangs is shown without numbers and holds nobody up" {
	local vmm start=$SECONDS
	vmm=$(fcvm inspect --format '{{.vmm.pid}}' "$NAME")
	kill -STOP "$vmm"
	run -0 timeout 30 fcvm stats --no-stream "$NAME"
	kill -CONT "$vmm"
	matches "${lines[1]}" "^$NAME +-- +-- +-- +-- +-- +-- +-- +--\$"
	((SECONDS - start < 10))
}

@test "top lists the processes, with podman's columns or those asked for" {
	run -0 fcvm top "$NAME"
	matches "${lines[0]}" '^USER +PID +PPID +%CPU +ELAPSED +TTY +TIME +COMMAND$'
	matches "${lines[1]}" '^root +1 +0 +[0-9]+\.[0-9]{3} +[0-9ms.]+ +\? +[0-9.]+s +sh -c sleep 100000 & echo both; wait$'
	run -0 fcvm top -l pid,comm state
	matches "${lines[0]}" '^PID +COMMAND +STATE$'
	matches "${lines[1]}" '^1 +sh +S$'
	run --separate-stderr -125 fcvm top "$NAME" pdi
	matches "$stderr" "^fcvm-ctl: unknown descriptor 'pdi': takes user, "
}

@test "stats end when the last VM does" {
	local name
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run # not the latest of the other tests
	name=$(vm_name)
	fcvm run -d --name "$name" --cpus 1 --memory 256m "$image" -- sleep 1000 3>&-
	timeout 60 fcvm-ctl stats -i 1 "$name" >"$BATS_TEST_TMPDIR/out" 3>&- 4>&- &
	wait_for 20 grep -q "^$name" "$BATS_TEST_TMPDIR/out"
	fcvm kill "$name"
	wait $!
}
