#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# fcvm-setup and fcvm-doctor with stubs for what they call: nothing is fetched and nothing boots.
# shellcheck disable=SC2016,SC2154 # texts of stubs; variables that run sets

load ../lib/helper

setup() {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data CALLS=$BATS_TEST_TMPDIR/calls
	prefix=$BATS_TEST_TMPDIR
	mkdir -p "$prefix/libexec/fcvm" "$prefix/share/fcvm"
	cp -rL "$ROOT/share/kernels" "$prefix/share/fcvm/kernels"
	echo agent-one >"$prefix/libexec/fcvm/fcvm-agent"
	use_real fcvm-setup fcvm-doctor
	cp "$ROOT/build/bin/fcvm-plan" "$STUBS"
	PATH=$STUBS:$PATH
	cd "$prefix" || return
	: >"$CALLS"
	# names its results after the contents of what it is given
	stub fcvm-kernel '
		echo "kernel $*" >>"$CALLS"
		case $1 in
		--version) echo fcvm-kernel 9.9; exit ;;
		wanted) echo "${WANTED-one two?}"; exit ;;
		import)
			for file; do :; done
			[ -s "$file" ] || { echo "fcvm-kernel: $file: the file is empty" >&2; exit 101; }
			dir=$FCVM_DATA_DIR/kernels/k$(cksum <"$file" | tr -d " ")
			mkdir -p "$dir" && printf "{\n \"release\": \"6.9.0-test\"\n}\n" >"$dir/meta.json"
			;;
		initrd) dir=$FCVM_DATA_DIR/initrds/i$(cat "$3"/meta.json "$5" | cksum | tr -d " "); mkdir -p "$dir"; : >"$dir/initrd" ;;
		esac
		echo "$dir"'
	stub fcvm-boot '
		echo "boot $*" >>"$CALLS"
		case $1 in
		probe) echo "${ACCEL:-tcg}: because \"it\" said so" ;;
		selftest)
			case $* in *"--accel kvm"*) [ -z "$KVM_BROKEN" ] || { echo "fcvm-boot: silence" >&2; exit 125; } ;; esac
			[ -z "$BOOT_FAILS" ] || { echo "fcvm-boot: the guest did not answer" >&2; exit 125; }
			[ ! -p "$GATE" ] || read -r _ <"$GATE"
			echo 1234
			;;
		esac'
	stub apt-cache '[ -n "$NO_LISTS" ] || printf "Package: x\nDepends: linux-image-6.9.0-test (= 1), foo\n"'
	stub apt-get 'echo "apt-get $*" >>"$CALLS"; for p; do :; done; echo deb >"$p.deb"'
	stub uname 'case $1 in -m) echo x86_64 ;; *) echo 0.0-none ;; esac'
}

# A stub that waits at the gate must not outlive a test that failed.
teardown() {
	[[ ! -p $prefix/gate ]] || echo 7<>"$prefix/gate" >&7
}

entries() {
	find "$FCVM_DATA_DIR" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' '
}

calls() {
	grep -c "^$1" "$CALLS" || :
}

recorded() {
	perl -MJSON::PP -e 'local $/; print decode_json(<STDIN>)->{$ARGV[0]}' "$1" <"$FCVM_DATA_DIR/setup.json"
}

@test "the first setup fetches, imports, packs, boots and records" {
	run -0 --separate-stderr fcvm-setup
	is "$stderr" "fcvm-setup: ready: kernel 6.9.0-test, tcg, self-test 1.2 s"
	is "$output" ""
	has "$(cat "$CALLS")" "download linux-image-6.9.0-test"
	is "$(recorded release) $(recorded accel) $(recorded selftestMillis) $(recorded version) $(recorded profile)" \
		"6.9.0-test tcg 1234 9.9 debian"
	is "$(recorded accelReason)" 'because "it" said so'
	is "$(recorded agent)" "$(sha256sum <"$prefix/libexec/fcvm/fcvm-agent" | cut -d' ' -f1)"
	[[ -d $FCVM_DATA_DIR/kernels/$(recorded kernel) && -e $FCVM_DATA_DIR/initrds/$(recorded initrd)/initrd ]]
	is "$(entries)" "initrds kernels origins setup.json setup.lock "
}

@test "a second setup does nothing and says that all is ready" {
	fcvm-setup --quiet
	: >"$CALLS"
	run -0 --separate-stderr fcvm-setup --json
	is "$stderr" "fcvm-setup: ready: kernel 6.9.0-test, tcg, self-test 1.2 s"
	is "$output" "$(cat "$FCVM_DATA_DIR/setup.json")"
	is "$(cat "$CALLS")" "kernel --version
kernel wanted"
}

@test "a new agent means a new initrd and a boot, but no new kernel" {
	fcvm-setup --quiet
	old=$(recorded initrd)
	echo agent-two >"$prefix/libexec/fcvm/fcvm-agent"
	: >"$CALLS"
	run -0 fcvm-setup --quiet
	is "$output" ""
	[[ $(recorded initrd) != "$old" ]]
	is "$(calls 'kernel import') $(calls apt-get) $(calls 'kernel initrd') $(calls 'boot selftest')" "0 0 1 1"
}

@test "what went missing is made again" {
	fcvm-setup --quiet
	rm -r "${FCVM_DATA_DIR:?}/initrds"
	fcvm-setup --quiet
	is "$(calls 'kernel import') $(calls 'kernel initrd')" "1 2"
	rm -r "${FCVM_DATA_DIR:?}/kernels"
	fcvm-setup --quiet
	is "$(calls 'kernel import')" 2
}

# A profile with the same package as Debian's, and whatever else is given.
profile() { # NAME [LINE…]
	printf '%s\n' package=linux-image-cloud-amd64 "${@:2}" >"$prefix/share/fcvm/kernels/$1.conf"
}

@test "a profile of the same kernel under another name changes the record only, and settles" {
	profile one
	profile two
	fcvm-setup --quiet --kernel-profile one
	run -0 fcvm-setup --quiet --kernel-profile two
	is "$(recorded profile) $(recorded accelReason)" 'two because "it" said so'
	is "$(calls 'kernel import') $(calls 'boot selftest')" "1 1"
	: >"$CALLS"
	run -0 fcvm-setup --quiet --kernel-profile two
	run -0 fcvm-setup --quiet
	is "$(recorded profile) $(grep -vc '^kernel [-w]' "$CALLS")" "two 0"
}

@test "a profile that differs in what it appends is proved with a boot, and settles" {
	profile one
	profile two 'append=a="b\\c" d'
	fcvm-setup --quiet --kernel-profile one
	run -0 fcvm-setup --quiet --kernel-profile two
	is "$(recorded profile): $(recorded append)" 'two: a="b\\c" d'
	is "$(calls 'kernel import') $(calls 'boot selftest')" "1 2"
	run -0 fcvm-setup --quiet
	is "$(calls 'boot selftest')" 2
	profile two append=e
	run -0 fcvm-setup --quiet
	is "$(recorded append) $(calls 'kernel import') $(calls 'boot selftest')" "e 1 3"
	echo agent-two >"$prefix/libexec/fcvm/fcvm-agent"
	rm "$prefix/share/fcvm/kernels/two.conf"
	run -0 fcvm-setup --quiet
	is "$(recorded append) $(recorded profile) $(calls 'kernel import')" "e two 1" "a profile that is gone"
}

@test "another list of wanted modules, or another package, means importing again" {
	profile one
	fcvm-setup --quiet --kernel-profile one
	WANTED="one three" run -0 fcvm-setup --quiet
	is "$(calls 'kernel import')" 2
	WANTED="one three" run -0 fcvm-setup --quiet
	is "$(calls 'kernel import')" 2
	profile one want=four
	WANTED="one three" run -0 fcvm-setup --quiet
	is "$(calls 'kernel import') $(calls 'kernel import --want four')" "3 1"
	WANTED=five run -0 fcvm-setup --quiet
	is "$(calls 'kernel import')" 3
	profile one want=four more=nine
	run -0 fcvm-setup --quiet
	is "$(calls 'kernel import') $(calls 'kernel import --want four nine')" "4 1"
	profile one package=other want=four
	run -0 fcvm-setup --quiet
	is "$(calls 'kernel import')" 5
	echo mine >mine.bin
	fcvm-setup --quiet --kernel mine.bin
	WANTED=six run -0 fcvm-setup --quiet
	is "$(recorded profile) $(calls 'kernel import')" "custom 6" "a kernel of the user's own stays"
}

@test "--force does everything again" {
	fcvm-setup --quiet
	fcvm-setup --quiet --force
	is "$(calls 'kernel import') $(calls 'boot selftest')" "2 2"
}

@test "--kernel takes a file or a URL, with its hash checked" {
	echo mine >mine.bin && sum=$(sha256sum <mine.bin | cut -d' ' -f1)
	mkdir mods
	run -0 fcvm-setup --kernel "$PWD/mine.bin" --modules mods --member x/y --sha256 "$sum"
	has "$(cat "$CALLS")" "kernel import --member x/y --modules mods -- $PWD/mine.bin"
	is "$(recorded profile) $(recorded source) $(calls apt-get)" "custom $PWD/mine.bin 0"
	run -0 fcvm-setup --kernel "$PWD/mine.bin"
	is "$(calls 'boot selftest')" 1 "boots for the same kernel"
	run -0 fcvm-setup --kernel="file://$PWD/mine.bin"
	run -101 fcvm-setup --kernel "$PWD/mine.bin" --sha256 "${sum/?/x}"
	has "$output" "mine.bin: has sha256 $sum, not x"
	run -0 fcvm-setup
	is "$(recorded profile)" custom "a later plain setup keeps it"
	run -111 fcvm-setup --kernel "file://$PWD/none"
	matches "$output" "^fcvm-setup: cannot fetch file://.*/none: curl: "
	: >nothing
	run -101 fcvm-setup --kernel nothing
	is "$output" "fcvm-kernel: nothing: the file is empty"
	run -100 fcvm-setup --kernel gopher://x
	has "$output" "not a file, nor"
}

@test "without package lists the host's own kernel serves, and a note says so" {
	printf 'package=linux-image-x\nhost_kernel=/none/%%r %s/boot-%%r\nhost_modules=%s/mod-%%r\nappend=quiet' \
		"$PWD" "$PWD" >"$prefix/share/fcvm/kernels/here.conf"
	echo hosts >boot-0.0-none && mkdir mod-0.0-none
	NO_LISTS=1 run -0 fcvm-setup --kernel-profile here
	is "${lines[0]}" "fcvm-setup: note: the package lists hold no linux-image-x: run 'apt-get update' first; taking this host's own kernel $PWD/boot-0.0-none instead"
	has "$(cat "$CALLS")" "import --modules $PWD/mod-0.0-none -- $PWD/boot-0.0-none"
	has "$(cat "$CALLS")" "--append quiet"
	is "$(recorded append) $(recorded profile)" "quiet here"
}

@test "a kernel that cannot be had is one line with what to do, and nothing is recorded" {
	NO_LISTS=1 run -111 fcvm-setup
	is "$output" "fcvm-setup: no guest kernel: the package lists hold no linux-image-cloud-amd64: run 'apt-get update' first (or pass --kernel FILE)"
	stub apt-get 'echo "E: no route" >&2; exit 100'
	run -111 fcvm-setup
	is "$output" "fcvm-setup: no guest kernel: apt-get cannot fetch linux-image-6.9.0-test: E: no route (or pass --kernel FILE)"
	is "$(entries)" "setup.lock "
}

@test "a self-test that fails is no setup; a KVM that boots nothing falls back to TCG" {
	BOOT_FAILS=1 run -125 fcvm-setup
	is "$output" "fcvm-boot: the guest did not answer"
	[[ ! -e $FCVM_DATA_DIR/setup.json ]]
	ACCEL=kvm KVM_BROKEN=1 run -0 fcvm-setup
	is "${lines[0]}" "fcvm-setup: note: kvm boots no guest: fcvm-boot: silence"
	is "$(recorded accel)" tcg
	ACCEL=kvm run -0 fcvm-setup --force
	is "$(recorded accel)" kvm
}

@test "too little disk space is said before anything is fetched" {
	stub df 'printf "Filesystem 1024-blocks Used Available Capacity Mounted on\nx 1 1 %s 1%% /\n" "${FREE:-51200}"'
	run -111 fcvm-setup
	is "$output" "fcvm-setup: not enough disk space: $FCVM_DATA_DIR needs 256 MiB, 50 MiB are free: free some there, or set FCVM_DATA_DIR to a directory with more"
	FREE=1024 run -111 fcvm-setup
	has "$output" "needs 16 MiB, 1 MiB are free"
	is "$(calls apt-get)" 0
}

@test "setups at the same time work once" {
	for i in 1 2 3 4 5; do
		fcvm-setup 2>"out.$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	is "$(cat out.* | sort -u)" "fcvm-setup: ready: kernel 6.9.0-test, tcg, self-test 1.2 s"
	is "$(calls 'kernel import') $(calls 'boot selftest')" "1 1"
}

@test "a setup killed in its self-test leaves nothing running, and the next succeeds" {
	mkfifo gate
	GATE=$PWD/gate fcvm-setup &
	pid=$!
	wait_for 10 grep -q selftest "$CALLS"
	child=$(pgrep -P "$pid" -f selftest)
	kill -KILL "$pid"
	wait_for 5 gone "$child"
	[[ ! -e $FCVM_DATA_DIR/setup.json ]]
	run -0 fcvm-setup
	is "$(entries)" "initrds kernels origins setup.json setup.lock "
}

@test "an interrupted setup ends at once with the signal's status and cleans up" {
	mkfifo gate
	GATE=$PWD/gate fcvm-setup &
	pid=$!
	wait_for 10 grep -q selftest "$CALLS"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	is "$status" 143
	is "$(entries)" "initrds kernels origins setup.lock "
}

@test "a wrong command line names the option and suggests another" {
	run -100 fcvm-setup --forse
	is "$output" "fcvm-setup: unknown option --forse: did you mean --force?"
	run -100 fcvm-setup --zzz
	is "$output" "fcvm-setup: unknown option --zzz: see 'fcvm-setup --help'"
	run -100 fcvm-setup --kernel
	is "$output" "fcvm-setup: --kernel: needs a value: see 'fcvm-setup --help'"
	run -100 fcvm-setup --quiet=maybe
	is "$output" "fcvm-setup: --quiet=maybe: takes true or false"
	run -100 fcvm-setup word
	run -100 fcvm-setup --modules x
	run -100 fcvm-setup --kernel-profile nope
	is "$output" "fcvm-setup: --kernel-profile nope: there is no such profile: known: debian debian-docker micro"
	run -100 fcvm-setup --kernel-profile ../x
	run -100 fcvm-setup --jobs 0x
	is "$output" "fcvm-setup: --jobs 0x: takes a number from 1 to 9999"
	run -100 fcvm-setup --kernel-key ab --kernel-profile debian
	is "$output" "fcvm-setup: --kernel, --kernel-key and --kernel-profile exclude each other"
	run -102 fcvm-setup --kernel-key ab
	is "$output" "fcvm-setup: --kernel-key ab: there is no such kernel: see 'fcvm kernel ls'"
	run -100 fcvm-doctor --jsn
	is "$output" "fcvm-doctor: unknown option --jsn: did you mean --json?"
	is "$(fcvm-setup --version) $(fcvm-doctor --version)" "fcvm-setup 9.9 fcvm-doctor 9.9"
	is "$(fcvm-doctor --list-options)" "--json"
	for option in $(fcvm-setup --list-options); do
		has "$(fcvm-setup --help)" "      $option "
	done
}

@test "setup works under dash and busybox sh" {
	ready="fcvm-setup: ready: kernel 6.9.0-test, tcg, self-test 1.2 s"
	run -0 dash "$STUBS/fcvm-setup"
	is "$output" "$ready"
	rm -rf "${FCVM_DATA_DIR:?}"
	run -0 busybox sh "$STUBS/fcvm-setup"
	is "$output" "$ready"
	run -0 busybox sh "$STUBS/fcvm-setup"
	is "$output" "$ready"
}
