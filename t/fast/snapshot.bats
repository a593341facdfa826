#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Snapshots of a VM that runs: clones go on where it was, as machines of their own; what does not fit
# is refused, and says why.

load ../lib/helper
load ../lib/snapshots

source_vm() {
	start source --network none "$IMAGE" -- sh -c 'i=0; while :; do i=$((i + 1)); echo $i >/dev/shm/i; sleep 0.1; done'
	fcvm exec source sh -c 'echo 0123456789abcdef0123456789abcdef >/etc/machine-id
		echo kept >/file; cat /proc/sys/kernel/random/boot_id >/boot_id'
	fcvm snapshot create source --tag base
}

teardown() {
	fcvm stop --ignore -t 0 --name clone >/dev/null
}

count() { fcvm exec "$1" cat /dev/shm/i; }
counts_on() {
	local before
	before=$(count "$1")
	wait_for 20 eval "((\$(count $1) > ${before:-0}))"
}

@test "a clone goes on where the VM was, and so does the VM" {
	is "$(fcvm snapshot run base --name clone -d)" clone
	counts_on clone
	counts_on source
	is "$(fcvm exec clone cat /file)" kept
	run -0 fcvm ls --format '{{.Names}} {{.State}}'
	has "$output" 'clone running'
	is "$(fcvm exec clone cat /proc/1/cmdline | tr '\0' ' ')" "$(fcvm exec source cat /proc/1/cmdline | tr '\0' ' ')"
	fcvm exec clone sh -c 'echo mine >/file'
	is "$(fcvm exec source cat /file)" kept
}

@test "two clones differ from the VM and from each other where they must" {
	ask='cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid /etc/machine-id; hostname
		head -c 64 /dev/urandom | md5sum; cat /etc/hostname; grep -c "10.0.2.100\|127.0.1.1" /etc/hosts; date +%s'
	run -0 fcvm exec source sh -c "$ask"
	before=$output
	run -0 fcvm snapshot run base --name clone --rm --exec "$ask"
	one=("${lines[@]}")
	run -0 fcvm snapshot run base --rm --exec "$ask"
	now=$(date +%s)
	for i in 0 1 2 3 4 5; do
		[[ ${one[i]} != "${lines[i]}" ]] || fail "both have ${lines[i]}"
		lacks "$before" "${one[i]}"
		lacks "$before" "${lines[i]}"
	done
	is "${one[3]} ${one[5]}" 'clone clone'
	matches "${one[0]}" '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
	matches "${one[2]}" '^[0-9a-f]{32}$'
	is "${one[6]}" 1
	((now - lines[7] <= 2 && lines[7] - now <= 2)) || fail "the clock is ${lines[7]}, and it is $now"
}

@test "a clone of a clone is one of its own, too" {
	fcvm snapshot run base --name clone -d
	fcvm exec clone sh -c 'echo second >/file'
	fcvm snapshot create clone --tag second
	ask='cat /file /proc/sys/kernel/random/boot_id /etc/machine-id; hostname'
	run -0 fcvm exec clone sh -c "$ask"
	one=("${lines[@]}")
	run -0 fcvm snapshot run second --rm --exec "$ask"
	is "${lines[0]}" second
	for i in 1 2 3; do
		[[ ${one[i]} != "${lines[i]}" ]] || fail "both have ${lines[i]}"
	done
	fcvm snapshot rm second
}

@test "--exec has the command's output and status, and ends the clone" {
	run -7 --separate-stderr fcvm snapshot run base --name clone --exec 'echo out; echo err >&2; exit 7'
	is "$output" out
	is "$stderr" err
	run -127 fcvm snapshot run base --exec no-such-command
	is "$(fcvm ls -q)" source
}

# What a process can see of what it is; the pid namespace's numbers aside.
SELF='id; umask; env | sort; pwd; cat /proc/self/cgroup /proc/self/oom_score_adj; readlink /proc/self/fd/0
	grep -E "^(Cap|Sig[BIC]|NoNewPrivs|Groups|Seccomp|Cpus_allowed_list|PPid|NStgid)" /proc/$$/status | sed "/NStgid/s/.*/one/"
	ls /proc/self/fd; cut -d " " -f 18,19,40,41 /proc/$$/stat; cat /proc/$$/limits
	[ "$(cut -d " " -f 6 /proc/$$/stat)" = $$ ] && echo leads'

@test "the command of a clone is what a session of the container is, and what prepared it is not seen" {
	local options
	for options in '' '--user 1000:1001' '--cap-add SYS_PTRACE'; do
		# shellcheck disable=SC2086 # words
		start other --network none $options --ulimit nofile=500:600 -e A=b "$IMAGE" sleep 1000
		fcvm snapshot create other --tag self
		run -0 fcvm exec other sh -c "$SELF"
		diff <(sed 's/^HOSTNAME=other$/HOSTNAME=other-clone/' <<<"$output") \
			<(fcvm snapshot run self --name other-clone --rm --exec "$SELF") || fail "with '$options'"
		is "$(fcvm exec other ps | grep -vc PID)" 2 'processes, with ps'
		fcvm snapshot run self --name clone -d
		wait_for 5 eval '[[ $(fcvm exec clone ps | grep -vc PID) == 2 ]]'
		is "$(fcvm exec clone cat /proc/1/cmdline | tr '\0' ' ')" 'sleep 1000 '
		fcvm stop -t 0 clone other
		fcvm snapshot rm self
	done
}

@test "a clone's command whose user is gone fails as a session of the container does" {
	start other --network none --user user:1 "$IMAGE" sleep 1000
	fcvm exec --user 0 other sh -c 'grep -v user /etc/passwd >/p; cat /p >/etc/passwd'
	run fcvm exec other true
	local status_then=$status
	has "$output" "no user 'user'"
	fcvm snapshot create other --stop
	run -"$status_then" fcvm snapshot run other --rm --exec true
	has "$output" "no user 'user'"
	fcvm snapshot rm other
}

@test "names that the user has changed stay the user's" {
	fcvm exec source sh -c 'cp /etc/hosts /old; { echo "10.9.9.9	db"; cat /old; printf "10.9.9.8 no-end"; } >/etc/hosts'
	fcvm snapshot create source --tag names
	for name in clone a-much-longer-name-than-the-other-one x; do
		run -0 fcvm snapshot run names --name "$name" --rm --exec 'cat /etc/hosts; echo; cat /etc/hostname; wc -c </etc/hostname'
		has "$output" $'10.9.9.9\tdb\n'
		has "$output" $'127.0.1.1\t'"$name"$'\n'
		has "$output" $'10.9.9.8 no-end\n'"$name"$'\n'$((${#name} + 1))
		lacks "$output" source
	done
	fcvm exec source sh -c 'cat /old >/etc/hosts'
	fcvm snapshot rm names
}

@test "a container that kills or stops all that it finds is saved or refused, and goes on" {
	local how
	for how in KILL STOP; do
		start killer --network none "$IMAGE" -- sh -c "while :; do
			for p in /proc/[0-9]*; do p=\${p#/proc/}; [ \$p = 1 ] || kill -$how \$p; done; done 2>/dev/null"
		for _ in 1 2 3 4 5 6; do
			run fcvm snapshot create killer --tag killer
			[[ $status == 0 || $output == *'try again'* || $output == *'cannot prepare the container'* ]] ||
				fail "$how: $status: $output"
			[[ $status != 0 ]] || is "$(fcvm snapshot run killer --name clone -d)" clone
			fcvm stop --ignore -t 0 clone >/dev/null
		done
		is "$(fcvm ls -f name=killer --format '{{.State}}')" running
		fcvm stop -t 0 killer
		! snapshots | grep -qx killer || fcvm snapshot rm killer
	done
}

@test "--count runs several at once, under numbered names" {
	run -0 fcvm snapshot run base --name many -n 3 -d
	is "$(sort <<<"$output" | paste -sd ' ')" 'many-1 many-2 many-3'
	for i in 1 2 3; do counts_on many-$i; done
	fcvm stop -t 0 many-1 many-2 many-3
	run -0 fcvm snapshot run base -n 3 --rm --exec hostname
	is "$(sort -u <<<"$output" | wc -l)" 3
	run -125 fcvm snapshot run base -n 2
	has "$output" 'several clones at once share no terminal'
}

@test "--stop ends the VM when it is saved, and its clone goes on" {
	start other --network none "$IMAGE" sh -c 'echo begun; while :; do sleep 1; done'
	is "$(fcvm snapshot create other --stop)" other
	run -0 fcvm ls -q
	lacks "$output" other
	is "$(fcvm wait other)" 0
	run -0 fcvm snapshot run other --name clone --exec 'cat /proc/1/cmdline'
	has "$output" begun
	fcvm snapshot rm other
}

# sleepers VM: the processes of the session below, by number.
sleepers() {
	fcvm exec "$1" ps | sed -n 's/^ *\([0-9]*\).*sleep 4321$/\1/p'
}

@test "an exec session of the VM lives on in it, and is gone in a clone" {
	fcvm exec source sleep 4321 &
	session=$!
	wait_for 20 eval '[[ -n $(sleepers source) ]]'
	fcvm snapshot create source --tag session
	fcvm snapshot run session --name clone -d
	is "$(sleepers clone)" ''
	fcvm exec source kill "$(sleepers source)"
	status=0
	wait "$session" || status=$?
	is "$status" 143
	fcvm snapshot rm session
}

@test "a container that is paused is saved so, and its clone is let go on" {
	fcvm pause source
	fcvm snapshot create source --tag paused
	fcvm unpause source
	counts_on source
	fcvm snapshot run paused --name clone -d
	run -0 fcvm ls --format '{{.Names}} {{.State}}'
	has "$output" 'clone paused'
	fcvm unpause clone
	counts_on clone
	fcvm snapshot rm paused
}

@test "snapshots are listed, inspected, replaced and removed" {
	fcvm snapshot create source
	id=$(fcvm snapshot inspect source | sed -n 's/.*"id": "\(.*\)",*$/\1/p')
	matches "$id" '^[0-9a-f]{32}$'
	run -0 fcvm snapshot create source --json
	has "$output" '"tag": "source"'
	[[ $(fcvm snapshot inspect source | sed -n 's/.*"id": "\(.*\)",*$/\1/p') != "$id" ]]
	run -0 fcvm snapshots
	has "$output" base
	has "$output" "$IMAGE"
	fcvm snapshots --json | python3 -c 'import json, sys
s = json.load(sys.stdin)["snapshots"]
assert {x["tag"] for x in s} == {"base", "source"} and s[0]["memory"] == 128 << 20, s
assert all(0 < x["bytes"] < 128 << 20 and x["vm"] == "source" for x in s), s'
	run -0 fcvm snapshot rm source
	is "$output" 'removed source'
	run -102 fcvm snapshot rm source
	has "$output" "there is no snapshot 'source'"
	run -125 fcvm snapshot run source
	has "$output" "there is no snapshot 'source'"
	is "$(store)" base
}

@test "what is wrong with a request is said in one line" {
	run -102 fcvm snapshot create nobody
	has "$output" "no VM named 'nobody' is running"
	run -125 fcvm snapshot create source --tag 'a/b'
	has "$output" 'a/b: a name is 1 to 63 of'
	run -125 fcvm snapshot run base -p 80:80
	has "$output" 'has no network interface'
	run -100 fcvm snapshot creat source
	has "$output" "did you mean 'create'?"
	is "$(store)" base
}

# altered EXPRESSION: a snapshot "bad", which is base but for its description.
altered() {
	rm -rf "$FCVM_DATA_DIR/snapshots/bad"
	cp -a --sparse=always "$FCVM_DATA_DIR/snapshots/base" "$FCVM_DATA_DIR/snapshots/bad"
	[[ $# == 0 ]] || sed -i "$1" "$FCVM_DATA_DIR/snapshots/bad/meta.json"
}

@test "a snapshot of another kind of machine is refused, and what differs is named" {
	altered 's/"release": "6[^"]*\(cloud\|micro\)[^"]*"/"release": "5.0"/; s/"key": "[0-9a-f]*"/"key": "00"/'
	run -125 fcvm snapshot run bad
	matches "$output" 'cannot be run here: it is of another machine: its kernel is 5.0, and here it is 6'
	for change in 's/"accel": "[a-z]*"/"accel": "hvf"/ accelerator' 's/"cpus": [0-9]*/"cpus": 64/ processors' \
		's/"memory": [0-9]*,/"memory": 7,/ memory' 's/"protocol": [0-9]*/"protocol": 99/ protocol' \
		's/"ports": [0-9]*/"ports": 9/ volumes' 's/"hypervisor": "[a-z]*"/"hypervisor": "other"/ hypervisor'; do
		altered "${change% *}"
		run -125 fcvm snapshot run bad
		has "$output" "its ${change##* }" || has "$output" "${change##* }"
		has "$output" 'it is of another machine'
	done
	altered 's/"monitor": "[^"]*"/"monitor": "x"/; s/"monitorVersion": "[^"]*"/"monitorVersion": "1.0"/'
	run -125 fcvm snapshot run bad
	has "$output" "its hypervisor's version is 1.0, and here it is"
	altered 's/"monitor": "[^"]*"/"monitor": "x"/'
	run -0 fcvm snapshot run bad --exec true
	fcvm snapshot rm bad
}

@test "a damaged snapshot is refused, and what of it is damaged is named; prune removes it" {
	for file in state memory scratch root.sqfs; do
		altered
		rm "$FCVM_DATA_DIR/snapshots/bad/$file"
		run -125 fcvm snapshot run bad
		has "$output" "the snapshot bad is damaged: its $file"
		altered
		truncate -s -4096 "$FCVM_DATA_DIR/snapshots/bad/$file"
		run -125 fcvm snapshot run bad
		has "$output" "the snapshot bad is damaged: its $file has"
	done
	altered
	time=$(stat -c %y "$FCVM_DATA_DIR/snapshots/bad/state")
	printf x | dd of="$FCVM_DATA_DIR/snapshots/bad/state" bs=1 seek=99 conv=notrunc status=none
	touch -d "$time" "$FCVM_DATA_DIR/snapshots/bad/state"
	run -125 fcvm snapshot run bad
	has "$output" 'its state was changed'
	is "$(fcvm snapshot prune)" 'removed bad'
	is "$(snapshots)" base
}
