#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Firecracker as the hypervisor, from the command line to the container's status, with the strict
# stand-in of t/lib/fakefc in its place: what it does not accept fails the run.

load ../lib/helper

setup() {
	load ../lib/firecracker.bash
	fake_firecracker
}

@test "a container runs: its output and its status come through, and nothing is left" {
	boots_well
	is "$(awk '{ print $2, $3 }' "$FAKEFC_LOG")" "GET /version
PUT /machine-config
PUT /boot-source
PUT /drives/disk0
PUT /drives/disk1
PUT /vsock
PUT /entropy
PUT /balloon
PUT /actions"
	has "$(cat "$FAKEFC_LOG")" '"vcpu_count":1'
	has "$(grep boot-source "$FAKEFC_LOG")" 'reboot=k'
	has "$(grep disk0 "$FAKEFC_LOG")" '"is_read_only":true'
	has "$(grep disk1 "$FAKEFC_LOG")" '"is_read_only":false'
}

@test "every release that is known to do what is asked takes the whole sequence" {
	for version in 1.7.0 1.9.1 1.12.0 1.13.1 1.14.0 1.16.1; do
		FAKEFC_VERSION=$version boot
		is "$status" 0 "$version: $stderr"
	done
}

@test "an older release, and a program that is none, are refused by name" {
	FAKEFC_VERSION=1.6.0 boot
	refused 'firecracker 1.6.0 is too old: 1.7 or newer is needed'
	FAKEFC_VERSION='what' boot
	refused 'firecracker does not say its version'
	PATH=$STUBS:$PATH
	stub firecracker 'exit 3'
	boot
	refused 'firecracker ended as it started'
}

@test "a request that is refused is named with the reason" {
	for request in 'PUT /machine-config' 'PUT /drives/disk1' 'PUT /vsock' 'PUT /actions'; do
		FAKEFC_FAULT="refuse $request" boot
		refused "$request: refused with status 400: refused for the test"
	done
}

@test "the end of the process is told apart in every phase" {
	FAKEFC_FAULT=start boot
	refused 'firecracker ended as it started: Error: it ends for the test'
	for request in 'GET /version' 'PUT /boot-source' 'PUT /entropy' 'PUT /actions'; do
		FAKEFC_FAULT="die $request" boot
		refused "$request: firecracker"
	done
	FAKEFC_GUEST=status=148 boot
	refused 'firecracker failed with status 148 (its system call filter stopped it)'
	FAKEFC_GUEST=status=1 boot
	refused 'Error: RunWithApi(MicroVMStoppedWithError(1))'
	FAKEFC_GUEST=signal boot
	refused 'firecracker was ended by signal 11'
}

@test "answers that are cut off, no answers at all, or slow" {
	FAKEFC_FAULT='close PUT /vsock' boot
	refused 'PUT /vsock: firecracker closed the connection without an answer'
	FAKEFC_FAULT='garbage PUT /vsock' boot
	refused "PUT /vsock: firecracker's answer is not understood"
	FAKEFC_FAULT='slow PUT /vsock' boot
	is "$status" 0 "$stderr"
	is "$output" 'hello from the stand-in'
}

@test "a panic and a silent end are failures, though the process exits with 0" {
	FAKEFC_GUEST=panic boot
	refused 'the guest kernel panicked: fake reason'
	FAKEFC_GUEST=silent boot
	is "$status" 125
	has "$stderr" 'the guest ended without reporting how the container did'
	has "$stderr" '| fake guest boots'
}

@test "its log and metrics are kept in files where FCVM_VMM_DIR says so" {
	export FCVM_VMM_DIR=$BATS_TEST_TMPDIR/vmm
	boot
	refused "FCVM_VMM_DIR: cannot make $FCVM_VMM_DIR/firecracker."
	mkdir "$FCVM_VMM_DIR"
	boot
	is "$status" 0 "$stderr"
	is "$(cat "$FCVM_VMM_DIR"/firecracker.*.log)" 'the stand-in logs'
	is "$(cat "$FCVM_VMM_DIR"/firecracker.*.metrics)" '{"utc_timestamp_ms":1}'
	FAKEFC_FAULT='die PUT /vsock' boot
	refused 'PUT /vsock: firecracker closed the connection without an answer: the stand-in logs'
}

@test "what it cannot have is refused before it is asked" {
	boot --append "$(printf 'x%.0s' {1..1600})"
	refused 'the kernel arguments are too long for firecracker'
	boot --accel tcg
	refused '--hypervisor firecracker: it needs KVM, and this is tcg'
}

@test "it is the default where it is installed and KVM works, and nowhere else" {
	write_plan ''
	boot
	is "$output" 'hello from the stand-in' "with KVM"
	PATH=$STUBS:$PATH
	stub qemu-system-x86_64 'echo qemu was chosen >&2; exit 9'
	boot --accel tcg
	has "$stderr" 'qemu was chosen'
	write_plan qemu
	boot
	has "$stderr" 'qemu was chosen'
	write_plan xen
	boot
	refused '--hypervisor xen: not known: use qemu or firecracker'
	write_plan ''
	FCVM_HYPERVISOR=qemu boot
	has "$stderr" 'qemu was chosen'
	FCVM_HYPERVISOR=xen boot
	refused 'FCVM_HYPERVISOR: xen: not known: use qemu or firecracker'
}

@test "SIGKILL of fcvm-boot leaves no process, and nothing of the run directory" {
	local long
	long=$(printf 'long%.0s' {1..40})
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/$long
	FAKEFC_FAULT='half PUT /vsock' fcvm-rundir --name killed -- fcvm-boot run --plan "$plan" --image "$image" </dev/null 3>&- &
	local pid=$!
	asked() { grep -q disk1 "$FAKEFC_LOG"; }
	wait_for 20 asked
	[[ -n $(monitors) ]]
	[[ -S $(find "$FCVM_RUN_BASE/killed" -name vsock_1024) ]]
	{ monitors && echo "$pid"; } | xargs kill -9 2>/dev/null || :
	none() { [[ -z $(monitors) ]]; }
	wait_for 10 none
	none_left() { [[ ! -e $FCVM_RUN_BASE/killed ]]; }
	wait_for 10 none_left
}
