# shellcheck shell=bash disable=SC2154 # bats sets output, stderr and status
# SPDX-License-Identifier: MIT
# Firecracker as the hypervisor, with the strict stand-in of t/lib/fakefc in its place: a data
# directory that is enough for it, and how a machine is started and what it leaves.

# In setup().
fake_firecracker() {
	local id
	id=$(printf '%064d' 1)
	# Of this test's own: those of a file run at once.
	export PATH=$ROOT/build/t/fakefc:$PATH FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	export FAKEFC_LOG=$BATS_TEST_TMPDIR/requests TMPDIR=$BATS_TEST_TMPDIR/tmp
	unset FAKEFC_VERSION FAKEFC_FAULT FAKEFC_GUEST FCVM_PAGER FCVM_HYPERVISOR FCVM_VMM_DIR
	image=$BATS_TEST_TMPDIR/image
	plan=$BATS_TEST_TMPDIR/plan.json
	mkdir -p "$TMPDIR" "$image" "$FCVM_DATA_DIR/kernels/$id" "$FCVM_DATA_DIR/initrds/$id"
	printf '\177ELF' >"$FCVM_DATA_DIR/kernels/$id/vmlinux"
	echo initrd >"$FCVM_DATA_DIR/initrds/$id/initrd"
	echo image >"$image/root.sqfs"
	: >"$image/lock"
	printf '{"kernel":"%s","initrd":"%s","accel":"kvm","append":""}' "$id" "$id" \
		>"$FCVM_DATA_DIR/setup.json"
	templates=$FCVM_DATA_DIR/templates
	pids=() before=() # what runs fcvm-boot
	write_plan firecracker
}

# In teardown(): what a test that failed left running.
kill_all() {
	local pid
	for pid in "${pids[@]}"; do
		kill -9 "$pid" && wait "$pid"
	done 2>/dev/null || :
}

write_plan() { # HYPERVISOR [MACHINE-MEMBER]
	printf '{"fcvmPlan":1,"name":"","machine":{"cpus":1,"memory":134217728,"rootfsSize":16777216,
		"hypervisor":"%s","accel":""%s},"process":{"args":["true"]},"fcvm":{}}' "$1" "${2:+,$2}" >"$plan"
}

# shellcheck disable=SC2120 # options are for callers elsewhere
boot() { # [OPTION…]
	run --separate-stderr timeout 60 fcvm-boot run --no-snapshot --plan "$plan" --image "$image" "$@" 3>&-
	nothing_left
}

# A container that says a line and ends with 7; the monitor refuses nothing.
boots_well() {
	# shellcheck disable=SC2119 # none
	FAKEFC_GUEST=exit=7 boot
	is "$status" 7 "$stderr"
	is "$output" 'hello from the stand-in'
	is "$stderr" ''
	is "$(grep -vc '^20[04] ' "$FAKEFC_LOG")" 0 "$(cat "$FAKEFC_LOG")"
}

nothing_left() {
	is "$(find "$TMPDIR" -mindepth 1)" '' "files that are left"
	wait_for 5 no_monitors
}
no_monitors() { [[ -z $(monitors) ]]; }

# This test's alone.
monitors() {
	local pid
	for pid in $(pgrep -f 'firecracker|fcvm-boot|jailer'); do
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

restore() { # [OPTION…]: a start from a template, made before if there is none
	run --separate-stderr timeout 60 fcvm-boot run --plan "$plan" --image "$image" "$@" 3>&-
	nothing_left
}

good() {
	is "$status" 0 "$stderr"
	is "$output" 'hello from the stand-in'
}

template() { find "$templates" -mindepth 1 -maxdepth 1 -type d; }

# start NAME [COMMAND…]: a machine in the background that stays; its process is $machine.
start() {
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run
	mkdir -p "$FCVM_RUN_BASE" && chmod 700 "$FCVM_RUN_BASE"
	rm -f "$BATS_TEST_TMPDIR/$1".{out,err}
	FAKEFC_GUEST=${GUEST:-stay} fcvm-rundir --name "$1" -- "${before[@]}" fcvm-boot run "${@:2}" \
		</dev/null >"$BATS_TEST_TMPDIR/$1.out" 2>"$BATS_TEST_TMPDIR/$1.err" 3>&- &
	machine=$!
	pids+=("$machine")
	wait_for 20 said "$1"
}
said() {
	[[ ! -s $BATS_TEST_TMPDIR/$1.err ]] || cat "$BATS_TEST_TMPDIR/$1.err"
	[[ -s $BATS_TEST_TMPDIR/$1.out ]]
}
start_plain() { # NAME
	sed -i 's/"name":"[^"]*"/"name":"'"$1"'"/' "$plan"
	start "$1" --no-snapshot --plan "$plan" --image "$image"
}
clone() { # NAME TAG
	fcvm-clone plan --name "$1" "$2" >"$BATS_TEST_TMPDIR/$1.plan"
	start "$1" --snapshot "$2" --plan "$BATS_TEST_TMPDIR/$1.plan"
}

stop() { # NAME PID
	local status=0
	fcvm-ctl stop --name "$1" -t 10 >/dev/null
	wait "$2" || status=$?
	is "$status" 143 "status of $1: $(cat "$BATS_TEST_TMPDIR/$1.err")"
	is "$(cat "$BATS_TEST_TMPDIR/$1.out")" 'hello from the stand-in'
}

serves() { fcvm-mem stat --socket "$FCVM_PAGER" >/dev/null 2>&1; }

# Needs userfaultfd(2), which an ordinary user has where the host allows it.
pager() { # MEMORY
	[[ -r /dev/userfaultfd || $(sysctl -n vm.unprivileged_userfaultfd) == 1 ]] || skip "no userfaultfd"
	export FCVM_PAGER=$BATS_TEST_TMPDIR/pager
	fcvm-mem serve --socket "$FCVM_PAGER" --memory "$1" </dev/null >"$BATS_TEST_TMPDIR/pager.out" 2>&1 3>&- &
	server=$!
	pids+=("$server")
	wait_for 20 serves
}
