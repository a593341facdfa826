#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Whichever process of a network's set-up is killed, at whichever step: the host is as it was. The
# steps are those that the source names. Needs root to make a stand-in for the host.

load ../lib/helper
load ../lib/net

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true # the tests are on one host
	net_start
	wait_for 10 settled
}

# The wire has its own addresses.
settled() {
	[[ $(on_host ip -6 addr show dev wire) == *fe80::* && -z $(on_host ip -6 addr show tentative) ]]
}

teardown_file() { [[ -z ${HOST_PID:-} ]] || net_stop; }

setup() {
	net_as_root
	held_dir=$(mktemp -d /tmp/fcvm-held.XXXXXX)
	chmod 777 "$held_dir" # also for an ordinary user's processes
	held=$held_dir/held
	mapfile -t steps < <(grep -rhoE 'failpoint\("[a-z-]+"\)' "$ROOT/bin/fcvm-net" | cut -d'"' -f2 | sort -u)
	before=$(state)
}
teardown() {
	# shellcheck disable=SC2046 # words
	kill -9 $(marked) 2>/dev/null || :
	rm -rf "$held_dir"
}

# All of the host that a network could leave something in.
state() {
	on_host sh -c '
		ip -o link | sed "s/ qdisc.*//"
		ss -Hltun | sort # a process that ends lets go of its sockets last
		ip netns; ip route show table all; ip -6 route show table all; ip neigh show proxy; ip -6 maddr
		nft list ruleset
		grep nsfs /proc/self/mounts
		grep -o "@fcvm-net/.*" /proc/net/unix
		cd /proc/sys/net && grep . ipv4/ip_forward ipv6/conf/*/forwarding ipv6/conf/*/proxy_ndp'
}

# The processes of the present run, the first one first.
marked() {
	grep -lzsF "FCVM_FAILPOINT_FILE=$held" /proc/[0-9]*/environ | cut -d/ -f3 | sort -n || :
}

start() { # STEP OPTION…
	rm -f "$held"
	FCVM_FAILPOINT=$1 FCVM_FAILPOINT_FILE=$held FCVM_NAME=victim "${net_run[@]}" \
		"$ROOT/build/bin/fcvm-net" "${@:2}" -- true >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
	main=$!
	held_or_gone() { [[ -e $held ]] || gone "$main"; }
	wait_for 20 held_or_gone
	[[ -e $held ]]
}

nothing_left() { [[ -z $(marked) && $(state) == "$before" ]]; }

# kill_all EVERY OPTION…: at each step that these options pass, kills the first process, and the
# others, too, if EVERY.
kill_all() {
	local step victim count passed=0
	for step in "${steps[@]}"; do
		for ((victim = 0, count = 1; victim < count; victim++)); do
			if ! start "$step" "${@:2}"; then # it has ended without that step
				wait_for 5 nothing_left
				break
			fi
			passed=$((passed + !victim))
			mapfile -t pids < <(marked)
			[[ $1 != every ]] || count=${#pids[@]}
			# One more or less may be there than the last time, such as a process that is about
			# to become another.
			kill -9 "${pids[victim]:-$main}" 2>/dev/null || :
			rm -f "$held"
			wait_for 20 gone "$main"
			wait_for 5 nothing_left ||
				fail "at $step, after process $victim: $(diff <(echo "$before") <(state)) $(marked)"
			echo "$step" >>"$BATS_FILE_TMPDIR/passed"
		done
	done
	((passed > 8)) || fail "only $passed steps"
}

@test "rootless" { kill_all every --network rootless -p 8080:80 --net-name shop; }

@test "rootless, as an ordinary user" {
	net_as_user
	kill_all first -p 8080:80
}

@test "bridged" { kill_all first --network bridged -p 8080:80; }

@test "routed" { kill_all first --network routed -p 8080:80 --net-name shop; }

@test "none" { kill_all first --network none -p 8080:80; }

@test "every step was tried" {
	is "$(sort -u "$BATS_FILE_TMPDIR/passed")" "$(printf '%s\n' "${steps[@]}")"
}
