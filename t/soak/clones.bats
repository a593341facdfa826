#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Many clones of one warmed server at once: each has the data, and nothing that must be its own is
# another's as well. CLONES (50) of a VM with 1 GiB.

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	load ../lib/helper
	debian_image debian-redis redis-server
	clones=${CLONES:-50} keys=100000
	fcvm run -d --name warm --cpus 1 --memory 1g -p 6379:6379 "oci:$ROOT/build/t/debian-redis" -- \
		redis-server --bind '*' --protected-mode no --save '' --hz 1
	wait_for 60 eval '[[ $(fcvm exec warm redis-cli ping) == PONG ]]'
	fcvm exec warm redis-cli eval "for i = 1, $keys do redis.call('set', 'key' .. i, 'value' .. i) end" 0
	fcvm exec warm sh -c 'echo 0123456789abcdef0123456789abcdef >/etc/machine-id'
	fcvm snapshot create warm --tag warm --stop
	local start=${EPOCHREALTIME/./}
	fcvm snapshot run warm -n "$clones" --name clone -d >/dev/null
	echo "# $clones clones after $(((${EPOCHREALTIME/./} - start) / 1000)) ms" >&3
	export clones keys
}

teardown_file() {
	load ../lib/helper
	fcvm stop --all -t 0
	fcvm snapshot rm warm
}

setup() {
	load ../lib/helper
}

# everywhere COMMAND: a file of each clone's name with what it said.
everywhere() {
	local i
	for ((i = 1; i <= clones; i++)); do
		fcvm exec "clone-$i" sh -c "$1" >"$BATS_TEST_TMPDIR/clone-$i"
	done
}

@test "all answer with the right data, on addresses of their own, and their clocks are right" {
	local i where=()
	for ((i = 1; i <= clones; i++)); do
		where+=("$(fcvm port clone-$i 6379 | sed -n 's/.*-> \(127\.[0-9.]*:6379\)/\1/p' | head -n1)=$(
			python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["vmm"]["pid"])' "$FCVM_RUN_BASE/clone-$i/state.json"
		)")
	done
	is "$(printf '%s\n' "${where[@]%=*}" | sort -u | wc -l)" "$clones"
	run "$ROOT/t/lib/redis-clones" "$keys" "${where[@]}"
	is "$status" 0 "$output"
	echo "# no clock is wrong by more than $output ms" >&3
	awk -v ms="$output" 'BEGIN { exit !(ms < 50) }' || fail "a clock may be wrong by $output ms"
}

@test "names, ids and random numbers of all differ" {
	everywhere 'cat /etc/machine-id /proc/sys/kernel/random/boot_id; hostname
		for i in 1 2 3 4 5; do cat /proc/sys/kernel/random/uuid; done'
	is "$(cat "$BATS_TEST_TMPDIR"/clone-* | wc -l)" $((clones * 8))
	is "$(cat "$BATS_TEST_TMPDIR"/clone-* | sort -u | wc -l)" $((clones * 8))
}

@test "no sixteen bytes of a million random ones of each are in another's" {
	everywhere 'head -c 1000000 /dev/urandom'
	python3 - "$BATS_TEST_TMPDIR"/clone-* <<'END'
import sys
seen = set()
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    assert len(data) == 1000000, (path, len(data))
    mine = {data[i:i + 16] for i in range(0, len(data), 16)}
    assert not mine & seen, path
    seen |= mine
END
}

@test "they share what they have not changed" {
	local kib
	kib=$("$ROOT/t/lib/pss" "$FCVM_RUN_BASE")
	echo "# $((kib >> 10)) MiB for $clones clones of 1 GiB, $((kib / clones >> 10)) MiB each" >&3
	((kib < clones * (256 << 10))) || fail "$kib KiB"
}
