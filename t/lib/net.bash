# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A host and the internet for tests of fcvm-net, as two network namespaces on one wire, so that the
# machine's own network stays untouched: `on_host` and `in_world` run commands there. The host is
# 203.0.113.2 and 2001:db8:1::2; the world is 203.0.113.1 and 2001:db8:1::1, with 198.51.100.7,
# 198.51.100.53 and 2001:db8:2::7 behind it. Processes of a test file die with it.

NETPEER=$ROOT/t/lib/netpeer
TAPGUEST=$ROOT/build/t/tapguest
WORLD4=198.51.100.7 WORLD6=2001:db8:2::7 HOST4=203.0.113.2 GATEWAY=203.0.113.1

# net_holder VAR: a process that keeps a new network namespace; its pid in VAR.
net_holder() {
	unshare -n sleep infinity 3>&- 4>&- &
	printf -v "$1" %s $!
	wait_for 5 net_apart $!
}

net_apart() { [[ $(readlink "/proc/$1/ns/net") != "$(readlink /proc/self/ns/net)" ]]; }

net_start() {
	net_holder HOST_PID
	net_holder WORLD_PID
	export HOST_PID WORLD_PID
	on_host sh -ec "
		ip link set lo up
		ip link add wire type veth peer name wire netns $WORLD_PID
		ip link set wire up
		ip addr add $HOST4/24 dev wire
		ip addr add 2001:db8:1::2/64 dev wire nodad
		sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
			net.ipv4.ping_group_range='0 2147483647'"
	in_world sh -ec "
		ip link set lo up
		ip link set wire up
		ip addr add $GATEWAY/24 dev wire
		ip addr add 2001:db8:1::1/64 dev wire nodad
		for a in $WORLD4 198.51.100.53 198.51.100.54; do ip addr add \$a/32 dev lo; done
		ip addr add $WORLD6/128 dev lo nodad"
	on_host sh -ec "
		ip route add default via $GATEWAY
		ip route add default via 2001:db8:1::1"
}

net_stop() {
	kill -9 "$HOST_PID" "$WORLD_PID"
}

on_host() { nsenter -n -t "$HOST_PID" -- "$@"; }

# What runs a guest's fcvm-net on the host: as root, or, after net_as_user, as somebody without any
# right, who has /dev/net/tun as udev makes it.
net_as_root() { net_run=(nsenter -n -t "$HOST_PID" --); }
net_as_user() {
	local tun=$BATS_FILE_TMPDIR/tun
	[[ -e $tun ]] || mknod -m 666 "$tun" c 10 200
	# shellcheck disable=SC2016 # the inner shell's
	net_run=(nsenter -n -t "$HOST_PID" -- unshare -m sh -ec '
		mount --bind "$0" /dev/net/tun
		exec setpriv --reuid 12345 --regid 12345 --clear-groups --bounding-set=-all --no-new-privs "$@"'
		"$tun")
}
in_world() { nsenter -n -t "$WORLD_PID" -- "$@"; }

# serve WORD… -- NETPEER-ARGUMENTS…: a server; its pid is added to $servers, its output is a file.
serve() {
	local before after
	split "$@"
	local out=$BATS_TEST_TMPDIR/serve.$RANDOM$RANDOM
	"${before[@]}" "$NETPEER" "${after[@]}" >"$out" 2>&1 3>&- &
	servers+=($!)
	wait_for 10 grep -q ready "$out" || fail "netpeer ${after[*]}: $(cat "$out")"
}

# guest NAME OPTIONS… -- PROGRAM…: a guest that runs in the background until the test ends; its pid
# is in $guest_pid, what it writes in $BATS_TEST_TMPDIR/NAME.{out,err}.
guest() {
	local name=$1 before after
	split "${@:2}"
	[[ -v net_run ]] || net_as_root
	"${net_run[@]}" fcvm-net "${before[@]}" -- "$TAPGUEST" "${after[@]}" >"$BATS_TEST_TMPDIR/$name.out" \
		2>"$BATS_TEST_TMPDIR/$name.err" 3>&- &
	export guest_pid=$!
	servers+=("$guest_pid")
}

# serving_guest NAME OPTIONS…: the same, with an echo server on port 80.
serving_guest() {
	guest "$@" -- "$NETPEER" serve :: 80
	wait_for 20 grep -q ready "$BATS_TEST_TMPDIR/$1.out" || fail "$(cat "$BATS_TEST_TMPDIR/$1".*)"
}

# in_guest OPTIONS… -- PROGRAM…: a guest that runs the program, in the foreground.
in_guest() {
	local before after
	split "$@"
	[[ -v net_run ]] || net_as_root
	"${net_run[@]}" fcvm-net "${before[@]}" -- "$TAPGUEST" "${after[@]}"
}

# A function in the background is a shell, whose child is what was started.
stop_servers() {
	local pid
	for pid in "${servers[@]}"; do
		pkill -KILL -P "$pid" || :
		kill -KILL "$pid" 2>/dev/null || :
	done
}

# For a file whose tests share one host: net_start_file begins its setup_file, which then starts
# servers of the file and ends with `export file_servers=${servers[*]}`; net_end_file is its
# teardown_file.
net_start_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true
	net_start
	servers=()
}
net_end_file() {
	# shellcheck disable=SC2206 # words
	servers=(${file_servers-})
	stop_servers
	[[ -z ${HOST_PID:-} ]] || net_stop
}

# err_of NAME: what the guest's fcvm-net said.
err_of() { cat "$BATS_TEST_TMPDIR/$1.err"; }

# own_address NAME: the VM's own address, from its first note.
own_address() {
	sed -n 's/.* answers on \([0-9.]*\).*/\1/p' "$BATS_TEST_TMPDIR/$1.err" | head -1
}
