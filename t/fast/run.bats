#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A container in its own machine: streams, statuses, identity, as a user of podman run sees them.

setup() {
	load ../lib/helper
	image=oci:$(hello_image)
}

fc() { # a small machine: these tests say nothing about size
	timeout 120 fcvm run --cpus 1 --memory 256m "$@"
}

# A command line on a terminal of its own. timeout(1) would put the command in the background there.
terminal() {
	timeout -s KILL 120 script -qec "$1" /dev/null
}

@test "stdout, stderr and the exit status are the container's, byte for byte" {
	run --separate-stderr -7 fc "$image" -- sh -c 'echo out; echo err >&2; exit 7'
	is "$output" out
	is "$stderr" err
}

@test "64 MiB of random bytes go through cat and come back the same" {
	head -c 67108864 /dev/urandom >"$BATS_TEST_TMPDIR/in"
	fc -i "$image" cat <"$BATS_TEST_TMPDIR/in" >"$BATS_TEST_TMPDIR/out"
	cmp "$BATS_TEST_TMPDIR/in" "$BATS_TEST_TMPDIR/out"
}

@test "a missing command is 127, one that cannot be executed 126, each with one line" {
	run --separate-stderr -127 fc "$image" /no/such/command
	is "$output" ''
	is "$stderr" 'fcvm-boot: /no/such/command: no such command in the container'
	run --separate-stderr -126 fc "$image" /etc/passwd
	is "$stderr" 'fcvm-boot: /etc/passwd: cannot be executed: Permission denied'
}

@test "a command ended by a signal gives 128 plus its number" {
	run -137 fc --init "$image" sh -c 'kill -9 $$'
	run -143 fc --init "$image" sh -c 'kill -TERM $$'
}

@test "without -i the container's stdin is empty; with it, it ends where the caller's does" {
	run -0 fc "$image" -- sh -c 'wc -c' < <(echo unwanted)
	is "$output" 0
	run -0 fc -i "$image" -- sh -c 'wc -c; echo end' < <(printf 12345)
	is "$output" $'5\nend'
}

@test "what the container leaves unread or the caller has closed stops nothing" {
	run -3 fc -i "$image" -- sh -c 'exit 3' < <(head -c 3000000 /dev/zero)
	run -0 timeout 120 bash -c 'exec fcvm run -i --cpus 1 --memory 256m "$0" wc -c <&-' "$image"
	is "$output" 0
}

@test "a reader that goes away gives the container SIGPIPE, as a pipe would" {
	run --separate-stderr -0 bash -c "set -o pipefail; timeout 120 fcvm run --cpus 1 --memory 256m $image yes | head -n 2; [ \${PIPESTATUS[0]} = 141 ] || [ \${PIPESTATUS[0]} = 1 ]"
	is "$output" $'y\ny'
}

@test "output that cannot be delivered is a failure" {
	run -125 bash -c "timeout 120 fcvm run --cpus 1 --memory 256m $image echo lost 2>&1 >/dev/full"
	is "$output" "fcvm-ctl: cannot write the container's stdout: No space left on device"
}

@test "a caller who has made stdout non-blocking gets all of it" {
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	perl -e 'use Fcntl; fcntl(STDOUT, F_SETFL, fcntl(STDOUT, F_GETFL, 0) | O_NONBLOCK); exec @ARGV' \
		timeout 120 fcvm run --cpus 1 --memory 256m "$image" head -c 400000 /dev/zero >"$BATS_TEST_TMPDIR/fifo" 3>&- 4>&- &
	is "$(wc -c <"$BATS_TEST_TMPDIR/fifo")" 400000
	wait $!
}

@test "a terminal that every process has closed can be opened again; an unfinished line counts" {
	run -4 terminal "fcvm run -t --cpus 1 --memory 256m $image -- sh -c 'exec </dev/null >/dev/null 2>&1; sleep 0.3; echo again >/dev/console; exit 4'"
	has "$output" again
	run -0 bash -c "printf abc | timeout 120 fcvm run -it --cpus 1 --memory 256m $image cat"
	has "$output" abcabc
}

@test "user, groups, working directory, environment and host name are as asked" {
	run -0 fc -u 1000:50 -w /tmp -e A=1 -e B='two words' -h box --name "$(vm_name)" "$image" -- \
		sh -c 'id -u; id -g; pwd; echo "$A/$B/$HOME/$container"; hostname; cat /etc/hostname'
	is "$output" $'1000\n50\n/tmp\n1/two words//tmp/fcvm\nbox\nbox'
}

@test "the container is alone: process 1, its own mounts, no sight of the machine's disks" {
	run -0 fc "$image" -- sh -c 'echo $$; ls /dev | tr "\n" " "; echo; cat /proc/self/cgroup; grep -c . /proc/mounts >/dev/null && ls /initrd /image /scratch 2>&1 | grep -c "No such"'
	is "${lines[0]}" 1
	is "${lines[1]}" 'core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero '
	is "${lines[2]}" '0::/'
	is "${lines[3]}" 3
}

@test "capabilities are podman's defaults, and as --cap-add, --cap-drop and --privileged say" {
	run -0 fc "$image" -- grep -E 'CapEff|CapBnd' /proc/self/status
	is "$output" $'CapEff:\t00000000800405fb\nCapBnd:\t00000000800405fb'
	run -0 fc --cap-drop all --cap-add net_admin "$image" -- grep CapEff /proc/self/status
	is "$output" $'CapEff:\t0000000000001000'
	run -0 fc --privileged "$image" -- sh -c 'grep CapEff /proc/self/status; [ -b /dev/vda ] && echo disks; mkdir /sys/fs/cgroup/x && echo cgroups'
	is "$output" $'CapEff:\t000001ffffffffff\ndisks\ncgroups'
}

@test "--read-only keeps the root as it is but leaves places to write; --tmpfs adds one" {
	run -0 fc --read-only --tmpfs /data:size=1m,mode=700 "$image" -- \
		sh -c 'touch /x 2>&1; touch /tmp/a /run/b /data/c && echo wrote; stat -c %a /data; df -k /data | tail -n 1 | cut -c 1-30'
	has "$output" "/x: Read-only file system"
	has "$output" wrote
	matches "$output" $'\n700\ntmpfs +1024'
}

@test "--init reaps and ends with the command's status; --ulimit sets limits" {
	run -5 fc --init --ulimit nofile=123:456 "$image" -- sh -c 'cat /proc/1/comm; ulimit -n; ulimit -Hn; exit 5'
	is "$output" $'fcvm-init\n123\n456'
}

@test "-t gives a terminal on one stream, with the caller's size" {
	run -4 terminal "stty rows 33 cols 77; fcvm run -it --cpus 1 --memory 256m $image -- sh -c 'stty size; test -t 0 && test -t 1 && test -t 2 && echo tty; echo err >&2; exit 4'"
	has "$output" '33 77'
	has "$output" tty
	has "$output" err
}

@test "in the background of a terminal it is stopped, and a signal still ends it" {
	local name
	name=$(vm_name)
	# timeout(1) is such a background: after 2 s it sends SIGTERM and SIGCONT, and its status is 124.
	run -0 terminal "timeout 2 fcvm run -it --stop-timeout 1 --name $name --cpus 1 --memory 256m $image cat; echo status \$?"
	has "$output" 'status 124'
	[[ ! -e $FCVM_RUN_BASE/$name ]]
}

@test "the scratch disk has the size that was asked for, and a full one is the container's error" {
	run -1 fc --rootfs-size 64m "$image" -- dd if=/dev/zero of=/big bs=1M
	has "$output" 'No space left on device'
}

@test "a container that takes all memory is killed, with 137 and the reason" {
	run --separate-stderr -137 fc "$image" -- tail /dev/zero
	is "$stderr" 'fcvm-boot: the container was ended because memory ran out: the machine has 256 MiB: give it more with --memory'
}

@test "a fraction of a processor is a quota in the guest" {
	run -0 timeout 120 fcvm run --cpus 0.5 --memory 256m "$image" -- cat /sys/fs/cgroup/cpu.max
	is "$output" '50000 100000'
}

@test "the guest's clock is the host's, and its random numbers are its own" {
	run -0 fc "$image" -- sh -c 'date +%s; cat /proc/sys/kernel/random/uuid'
	(($(date +%s) - lines[0] < 60 && $(date +%s) - lines[0] >= 0)) || fail "guest ${lines[0]}, host $(date +%s)"
	matches "${lines[1]}" '^[0-9a-f-]{36}$'
}

@test "--strace-agent traces the agent on stderr and leaves stdout alone" {
	run --separate-stderr -0 fc --strace-agent "$image" -- echo out
	is "$output" out
	# Kernel micro has all built in.
	grep -q '"profile": *"micro"' "$FCVM_DATA_DIR/setup.json" || has "$stderr" 'finit_module('
	has "$stderr" 'mount("/dev/vda", "/image", "squashfs", MS_RDONLY, NULL) = 0'
}
