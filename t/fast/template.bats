#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Starts from templates: the same as boots, but quick; made once, made anew when anything of the
# machine is another, and never in the way of a start.

load ../lib/helper
load ../lib/templates

@test "the first run makes the template, the next starts from it" {
	export FCVM_TRACE=1
	run -0 --separate-stderr quick "$IMAGE" echo one
	is "$output" one
	has "$(phases)" 'template: booting'
	has "$(phases)" 'template: restored'
	is "$(templates | wc -l)" 1
	run -3 --separate-stderr quick -e WORD=two "$IMAGE" sh -c 'echo $WORD; exit 3'
	is "$output" two
	lacks "$(phases)" 'template: booting'
	has "$(phases)" 'template: restored'
	is "$(templates | wc -l)" 1
}

@test "prepare makes it ahead, with a network, too" {
	export FCVM_TRACE=1
	run -0 --separate-stderr fcvm prepare --memory 256m "$IMAGE"
	is "$output" "$(templates)"
	run -0 --separate-stderr fcvm prepare --memory 256m "$IMAGE"
	lacks "$(phases)" 'template: booting'
	run -0 --separate-stderr fcvm run --rm --memory 256m "$IMAGE" cat /sys/class/net/eth0/operstate
	matches "$output" 'up|unknown'
	lacks "$(phases)" 'template: booting'
}

@test "a snapshot, which links the image, leaves its template good" {
	local vm
	vm=$(vm_name)
	fcvm run -d --name "$vm" --network none --memory 128m "$IMAGE" sleep 1000
	fcvm snapshot create "$vm" --tag it --stop
	FCVM_TRACE=1 run -0 --separate-stderr fcvm run --rm --network none --memory 128m "$IMAGE" true
	lacks "$(phases)" 'template: booting'
}

@test "--no-snapshot and FCVM_NO_SNAPSHOT boot, and so does a limit of 0" {
	run -0 quick --no-snapshot "$IMAGE" echo cold
	is "$output" cold
	FCVM_NO_SNAPSHOT=1 run -0 quick "$IMAGE" echo cold
	FCVM_TEMPLATE_LIMIT=0 run -0 quick "$IMAGE" echo cold
	is "$(templates)" ''
}

@test "two machines from one template differ where they must" {
	fcvm prepare --network none --memory 256m "$IMAGE"
	ask='cat /proc/sys/kernel/random/uuid /proc/sys/kernel/random/boot_id
		head -c 64 /dev/urandom | md5sum; hostname; date +%s; ls -a /'
	run -0 quick --name "$(vm_name)" "$IMAGE" sh -c "$ask; echo mine >/mine"
	one=("${lines[@]}")
	run -0 quick --name "$(vm_name)" "$IMAGE" sh -c "$ask"
	for i in 0 1 2 3; do
		[[ ${one[i]} != "${lines[i]}" ]] || fail "both have ${lines[i]}"
	done
	now=$(date +%s)
	((now - lines[4] <= 2)) || fail "the clock is ${lines[4]}, and it is $now"
	lacks "$output" mine
}

@test "a damaged template is made anew, without a word" {
	key=$(fcvm prepare --network none --memory 256m "$IMAGE")
	printf x >>"$FCVM_DATA_DIR/templates/$key/memory"
	run -0 --separate-stderr quick "$IMAGE" echo well
	is "$output" well
	is "$stderr" ''
	# A state that QEMU does not take, though the store finds nothing wrong with it.
	state=$FCVM_DATA_DIR/templates/$key/state
	size=$(stat -c %s "$state")
	time=$(stat -c %y "$state")
	dd if=/dev/zero of="$state" bs=1 count=8 conv=notrunc status=none
	touch -d "$time" "$state"
	sed -i "s/\"stateHash\": *\"[0-9a-f]*\"/\"stateHash\":\"$(sha256sum <"$state" | cut -d' ' -f1)\"/" \
		"$FCVM_DATA_DIR/templates/$key/template.json"
	is "$(stat -c %s "$state")" "$size"
	FCVM_TRACE=1 run -0 --separate-stderr quick "$IMAGE" echo well
	is "$output" well
	has "$(phases)" 'template: booting'
	is "$(templates)" "$key"
}

@test "what a run hides or shows is the same from a template" {
	ask='sort -u /proc/mounts; cat /sys/firmware/*; ls /proc /sys /dev; cat /sys/fs/cgroup/memory.max | cut -c1-4
		touch /proc/sys/kernel/hostname; cat /etc/hosts /etc/resolv.conf; id; ulimit -n; env | sort'
	for options in '' --privileged '--tmpfs /work --read-only' '--user user --init'; do
		# shellcheck disable=SC2086 # words
		run quick --name same --hostname same $options "$IMAGE" sh -c "exec 2>&1; $ask" </dev/null
		warm=$output
		# shellcheck disable=SC2086
		run quick --no-snapshot --name same --hostname same $options "$IMAGE" sh -c "exec 2>&1; $ask" </dev/null
		is "$(grep -v '^[0-9]*$' <<<"$warm")" "$(grep -v '^[0-9]*$' <<<"$output")" "with '$options'"
	done
}

@test "templates are listed, removed and pruned" {
	key=$(fcvm prepare --network none --memory 256m "$IMAGE")
	other=$(fcvm prepare --network none --memory 256m --cpus 1 "$IMAGE")
	run -0 fcvm template ls
	has "$output" "${key:0:12}"
	has "$output" "$IMAGE"
	fcvm template ls --json | python3 -c 'import json, sys
t = json.load(sys.stdin)["templates"]
assert len(t) == 2 and t[0]["memory"] == 256 << 20 and 0 < t[0]["bytes"] < 256 << 20, t'
	run -0 fcvm template rm "${key:0:8}"
	is "$output" "removed ${key:0:12}"
	is "$(templates)" "$other"
	run -102 fcvm template rm "$key"
	has "$output" "there is no template '$key'"
	run -0 fcvm template prune
	is "$(templates)" "$other"
	run -0 fcvm template prune --all
	is "$(templates)" ''
	is "$(ls -A "$FCVM_DATA_DIR/templates")" lock
}

@test "a run that is interrupted while the template is made leaves nothing" {
	fcvm run --rm --network none --memory 256m "$IMAGE" sleep 100 &
	front=$!
	wait_for 30 compgen -G "$FCVM_DATA_DIR/templates/.new*/memory"
	kill -TERM "$front"
	status=0
	wait "$front" || status=$?
	is "$status" 143
	is "$(templates)" ''
	is "$(ls -A "$FCVM_DATA_DIR/templates")" lock
}
