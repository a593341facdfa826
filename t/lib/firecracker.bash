# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Firecracker as the hypervisor, with the strict stand-in of t/lib/fakefc in its place: a data
# directory that is enough for it, and how a machine is started and what it leaves.

# In setup().
fake_firecracker() {
	export PATH=$ROOT/build/t/fakefc:$PATH FCVM_DATA_DIR=$BATS_FILE_TMPDIR/data
	export FAKEFC_LOG=$BATS_TEST_TMPDIR/requests TMPDIR=$BATS_TEST_TMPDIR/tmp
	unset FAKEFC_VERSION FAKEFC_FAULT FAKEFC_GUEST FCVM_PAGER
	mkdir -p "$TMPDIR"
	image=$BATS_FILE_TMPDIR/image
	plan=$BATS_TEST_TMPDIR/plan.json
	if [[ ! -d $image ]]; then
		local id
		id=$(printf '%064d' 1)
		mkdir -p "$image" "$FCVM_DATA_DIR/kernels/$id" "$FCVM_DATA_DIR/initrds/$id"
		printf '\177ELF' >"$FCVM_DATA_DIR/kernels/$id/vmlinux"
		echo initrd >"$FCVM_DATA_DIR/initrds/$id/initrd"
		echo image >"$image/root.sqfs"
		: >"$image/lock"
		printf '{"kernel":"%s","initrd":"%s","accel":"kvm","append":""}' "$id" "$id" \
			>"$FCVM_DATA_DIR/setup.json"
	fi
	write_plan firecracker
}

write_plan() { # HYPERVISOR [MACHINE-MEMBER]
	printf '{"fcvmPlan":1,"name":"","machine":{"cpus":1,"memory":134217728,"rootfsSize":16777216,
		"hypervisor":"%s","accel":""%s},"process":{"args":["true"]},"fcvm":{}}' "$1" "${2:+,$2}" >"$plan"
}

boot() { # [OPTION…]
	run --separate-stderr timeout 60 fcvm-boot run --no-snapshot --plan "$plan" --image "$image" "$@" 3>&-
	nothing_left
}

nothing_left() {
	is "$(find "$TMPDIR" -mindepth 1)" '' "files that are left"
	wait_for 5 no_monitors
}
no_monitors() { [[ -z $(monitors) ]]; }

# This test's alone.
monitors() {
	local pid
	for pid in $(pgrep 'firecracker|fcvm-boot|jailer'); do
		! grep -qzxF "TMPDIR=$TMPDIR" "/proc/$pid/environ" 2>/dev/null || echo "$pid"
	done
}

refused() { # TEXT
	is "$status" 125 "status of: $stderr"
	has "$stderr" "$1"
	is "$(wc -l <<<"$stderr")" 1 "lines of: $stderr"
	is "$output" ''
}

requests() { # of the log, without bodies
	awk '{ print $2, $3 }' "$FAKEFC_LOG"
}
