#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Firecracker in its jailer's jail, with strict stand-ins for both: what is reachable in there, that
# machines are saved and restored in and out of it, and that nothing is left whatever is killed.

load ../lib/helper

# All jails of the host are looked at.
setup_file() { export BATS_NO_PARALLELIZE_WITHIN_FILE=true; }

setup() {
	load ../lib/firecracker.bash
	fake_firecracker
	write_plan firecracker '"jailer":true'
	umask 077 # as in fcvm run
}

teardown() {
	fcvm stop --all -t 0 >/dev/null 2>&1 || :
	kill_all
	is "$(grep -F "$BATS_TEST_TMPDIR" /proc/self/mountinfo)" '' mounts
	wait_for 10 no_jails
}

# Processes of users that only jails have.
jailed() {
	ps -eo pid=,uid=,args= | awk '$2 >= 1879048192 && $2 < 1879113728'
}
no_jails() { [[ -z $(jailed) ]]; }

# The jail's process, of the only one.
inside() { jailed | awk '{ print $1; exit }'; }

@test "a container runs in a jail: a user of its own, the same requests, nothing left" {
	boots_well
	has "$(grep boot-source "$FAKEFC_LOG")" '"kernel_image_path":"/kernel","initrd_path":"/initrd"'
	has "$(grep disk0 "$FAKEFC_LOG")" '"path_on_host":"/proc/self/fd/202"'
}

@test "in the jail is nothing of the host but what the machine needs" {
	start_plain first
	local pid
	pid=$(inside)
	is "$(cd "/proc/$pid/root" && find . ! -name '2[01][0-9]' | sort | tr '\n' ' ')" \
		'. ./dev ./dev/kvm ./dev/net ./dev/net/tun ./dev/userfaultfd ./firecracker ./initrd ./kernel ./proc ./proc/self ./proc/self/fd ./proc/self/fd/200/api ./proc/self/fd/200/vsock ./proc/self/fd/200/vsock_1024 ./run '
	is "$(cat "/proc/$pid/root/proc/self/fd/202")" image
	run -1 dd if=/dev/null of="/proc/$pid/root/proc/self/fd/202"
	has "$output" 'Read-only file system'
	is "$(awk '/^(CapEff|NoNewPrivs)/ { print $2 }' "/proc/$pid/status" | head -1)" 0000000000000000
	# Two jails have two users.
	start second --no-snapshot --plan "$plan" --image "$image"
	is "$(jailed | awk '{ print $2 }' | sort -u | wc -l)" 2
	kill "${pids[@]}"
	wait "${pids[@]}" || :
	nothing_left
}

@test "templates are made and restored in jails and out of them" {
	restore
	good
	restore
	good
	has "$(tail -1 "$FAKEFC_LOG")" '204 PUT /snapshot/load'
	write_plan firecracker
	: >"$FAKEFC_LOG"
	restore
	good
	is "$(requests)" "GET /version
PUT /snapshot/load"
	rm -rf "$templates"
	restore
	good
	write_plan firecracker '"jailer":true'
	: >"$FAKEFC_LOG"
	restore
	good
	is "$(requests)" "GET /version
PUT /snapshot/load"
	pager "$(template)/memory"
	restore
	good
	has "$(fcvm-mem stat --socket "$FCVM_PAGER")" 'served	1'
}

@test "a machine in a jail is saved and goes on, and so do its clones; what was saved is root's again" {
	start_plain first
	local first=$machine
	run -0 fcvm-snapshot create first --tag warm
	run -0 fcvm-snapshot create first --tag again
	is "$(stat -c %u "$FCVM_DATA_DIR/snapshots/warm"/{state,memory} | sort -u)" 0
	# Neither does the jail keep what it was lent.
	is "$(stat -c %s "/proc/$(inside)/root/proc/self/fd"/{209,210} | sort -u)" 0
	clone second again
	stop second "$machine"
	stop first "$first"
	nothing_left
}

@test "log and metrics go to their files, out of the jail" {
	export FCVM_VMM_DIR=$BATS_TEST_TMPDIR/vmm
	mkdir "$FCVM_VMM_DIR"
	boot
	good
	is "$(cat "$FCVM_VMM_DIR"/firecracker.*.log)" 'the stand-in logs'
	is "$(cat "$FCVM_VMM_DIR"/firecracker.*.metrics)" '{"utc_timestamp_ms":1}'
}

@test "from the command line: a container, a template and clones, with a network" {
	local hello
	hello=oci:$(hello_image)
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run FAKEFC_TAP=1 FCVM_SNAPSHOT=1
	mkdir -m 700 "$FCVM_RUN_BASE"
	for i in 1 2; do
		run --separate-stderr timeout 100 fcvm run --jailer --hypervisor firecracker --rm "$hello" true 3>&-
		good
	done
	is "$(requests | grep -c '/snapshot/load')" 2
	FAKEFC_GUEST=stay run -0 --separate-stderr timeout 100 fcvm run -d --name first --jailer --hypervisor firecracker "$hello" true 3>&-
	run -0 fcvm snapshot create first --tag warm
	FAKEFC_GUEST=stay run --separate-stderr timeout 100 fcvm snapshot run warm -d --count 2 --name clone 3>&-
	is "$status" 0 "$stderr"
	is "$(fcvm ls --format '{{.Names}} {{.State}}' | sort | tr '\n' ' ')" 'clone-1 running clone-2 running first running '
	is "$(jailed | wc -l)" 6 "processes with jails' users: $(jailed)"
	fcvm stop -t 5 first clone-1 clone-2
	wait_for 10 no_jails
}

@test "the network's device is handed over and comes back" {
	export FAKEFC_TAP=1
	local how
	for how in '"jailer":true' '"jailer":false'; do
		rm -rf "$templates"
		write_plan firecracker "$how"
		# A template takes the device, the machine that goes on from it again.
		run --separate-stderr timeout 60 fcvm-net --network none -- \
			fcvm-boot run --plan "$plan" --image "$image" 3>&-
		good
		has "$(cat "$FAKEFC_LOG")" '"network_overrides":[{"iface_id":"net","host_dev_name":"fcvm0"}]'
	done
}

# The processes of a machine: the one in front, the machine's own, firecracker, and the first one of
# its pid namespace.
victims() {
	local own
	own=$(pgrep -P "$machine" fcvm-boot)
	echo "$machine $own $(inside) $(pgrep -P "$own" fcvm-boot-jail)"
}

@test "SIGKILL of any process of it leaves no process, mount, file or name" {
	local i all
	none_left() { [[ ! -e $FCVM_RUN_BASE/first ]]; }
	for i in 0 1 2 3; do
		start_plain first
		read -ra all <<<"$(victims)"
		is "${#all[@]}" 4 "processes: ${all[*]}"
		kill -9 "${all[i]}"
		wait "$machine" || :
		wait_for 10 no_jails
		wait_for 10 none_left
		nothing_left
		for victim in "${all[@]}"; do wait_for 10 gone "$victim"; done
	done
	is "$(find "$FCVM_DATA_DIR/scratch" -name '.jail*')" ''
}

@test "what a killed process left of a disk's name is removed by the next one" {
	mkdir -p "$FCVM_DATA_DIR/scratch"
	echo >"$FCVM_DATA_DIR/scratch/.jail.0badcafe"
	boot
	good
	[[ ! -e $FCVM_DATA_DIR/scratch/.jail.0badcafe ]]
}

@test "no jail for others than root, or with another hypervisor" {
	write_plan qemu '"jailer":true'
	boot
	refused '--jailer: qemu has none: use --hypervisor firecracker, with KVM'
	write_plan firecracker '"jailer":true'
	PATH=${PATH//$ROOT\/build\/t\/fakefc:/}
	mkdir -p "$STUBS"
	cp "$ROOT/build/t/fakefc/firecracker" "$STUBS"
	PATH=$STUBS:$PATH
	boot
	refused 'cannot run jailer: No such file or directory'
}
