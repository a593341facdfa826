#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# fcvm-setup with kernels that are built, and going from one kernel to another. The builds are real
# ones of a source that takes a second; nothing is fetched and nothing boots.
# shellcheck disable=SC2016,SC2154 # texts of stubs; variables that run sets

load ../lib/helper
load ../lib/kbuild

setup() {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data CALLS=$BATS_TEST_TMPDIR/calls
	prefix=$BATS_TEST_TMPDIR profiles=$BATS_TEST_TMPDIR/share/fcvm/kernels
	mkdir -p "$prefix/libexec/fcvm" "$prefix/share/fcvm"
	cp -rL "$ROOT/share/kernels" "$profiles"
	echo agent >"$prefix/libexec/fcvm/fcvm-agent"
	use_real fcvm-setup fcvm-kbuild fcvm-kernel
	PATH=$STUBS:$PATH
	cd "$prefix" || return
	: >"$CALLS"
	stub fcvm-boot '
		echo "boot $*" >>"$CALLS"
		case $1 in probe) echo "tcg: it is a test" ;; selftest) echo 1234 ;; esac'
	stub uname 'case $1 in -m) echo x86_64 ;; *) echo 0.0-none ;; esac'
	echo 'int main(void) { return 0; }' | gcc -static -x c -o "$prefix/libexec/fcvm/fcvm-agent" -
	fake_source "$prefix/src" 6.9.0
	lean lean
}

# A profile that is built.
lean() { # NAME [OPTION-LINE…]
	printf '%s\n' 'CONFIG_ONE=y # first' "${@:2}" >"$profiles/$1.config"
	printf '%s\n' "source=$prefix/src.tar.xz" "config=$1.config" want=one append=lean=1 >"$profiles/$1.conf"
}

teardown() {
	[[ ! -p $prefix/src.gate ]] || echo 7<>"$prefix/src.gate" >&7
}

recorded() {
	perl -MJSON::PP -e 'local $/; print decode_json(<STDIN>)->{$ARGV[0]}' "$1" <"$FCVM_DATA_DIR/setup.json"
}

entries() {
	find "$FCVM_DATA_DIR" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' '
}

@test "a profile with a source is built, imported, proved, and then the default" {
	run -0 --separate-stderr fcvm-setup --kernel-profile lean --jobs 2
	has "$stderr" "fcvm-kbuild: building src.tar.xz, 2 at a time"
	has "$stderr" "fcvm-kbuild: built 6.9.0-lean in 0 min "
	has "$stderr" "fcvm-setup: ready: kernel 6.9.0-lean, tcg, self-test 1.2 s"
	is "$(recorded profile) $(recorded release) $(recorded append) $(recorded source)" \
		"lean 6.9.0-lean lean=1 $prefix/src.tar.xz"
	is "$(entries)" "initrds kernels origins setup.json setup.lock " "what the build needed is left"
	run -0 fcvm-setup
	is "$output" "fcvm-setup: ready: kernel 6.9.0-lean, tcg, self-test 1.2 s" "built again"
}

@test "what a guest needs must be built in" {
	sed -i 's/want=one/want=one two/' "$profiles/lean.conf"
	run -101 fcvm-setup --quiet --kernel-profile lean
	has "$output" "module two is missing"
	[[ ! -e $FCVM_DATA_DIR/setup.json ]]
}

@test "going to another kernel and back builds and fetches nothing again" {
	fcvm-setup --quiet --kernel-profile lean
	first=$(recorded kernel)
	lean other 'CONFIG_TWO=y # second'
	fcvm-setup --quiet --kernel-profile other
	[[ $(recorded kernel) != "$first" ]]
	run -0 fcvm-setup --kernel-profile lean
	is "$output" "fcvm-setup: ready: kernel 6.9.0-lean, tcg, self-test 1.2 s"
	is "$(recorded kernel) $(recorded append)" "$first lean=1"
	run -0 fcvm-setup --kernel-profile other
	lacks "$output" building
}

@test "a reason that reads otherwise builds nothing, an option does, and so does another compiler" {
	fcvm-setup --quiet --kernel-profile lean
	first=$(recorded kernel)
	sed -i 's/# first/# another reason/' "$profiles/lean.config"
	run -0 fcvm-setup
	lacks "$output" building
	is "$(recorded kernel)" "$first"
	echo 'CONFIG_TWO=y # second' >>"$profiles/lean.config"
	run -0 fcvm-setup
	has "$output" building
	is "$(recorded kernel)" "$first" "the same bytes are another kernel"
	sed -i '$d' "$profiles/lean.config"
	stub gcc '[ "$1" != --version ] || { echo gcc 99; exit; }; exec /usr/bin/gcc "$@"'
	fcvm-setup --quiet --kernel-profile debian 2>/dev/null || :
	rm "$FCVM_DATA_DIR/setup.json"
	run -0 fcvm-setup --kernel-profile lean
	has "$output" building
	is "$(recorded kernel)" "$first"
}

@test "a built kernel serves although what built it is gone" {
	fcvm-setup --quiet --kernel-profile lean
	rm "$FCVM_DATA_DIR/setup.json" src.tar.xz
	run -0 fcvm-setup --kernel-profile lean
	is "$output" "fcvm-setup: ready: kernel 6.9.0-lean, tcg, self-test 1.2 s"
	rm -rf "${FCVM_DATA_DIR:?}/kernels"
	run -111 fcvm-setup
	is "$output" "fcvm-kbuild: cannot read the source $prefix/src.tar.xz"
}

@test "an interrupted build leaves the kernel that was, and the same command goes on" {
	lean other
	fcvm-setup --quiet --kernel-profile other
	before=$(cat "$FCVM_DATA_DIR/setup.json")
	lean lean 'CONFIG_TWO=y # second'
	mkfifo src.gate
	fake_source "$prefix/src" 6.9.1
	fcvm-setup --kernel-profile lean 2>err &
	pid=$!
	wait_for 20 grep -qs two.o "$FCVM_DATA_DIR/build/log"
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	is "$status" 143
	has "$(cat err)" "fcvm-kbuild: interrupted: the same command goes on from here"
	is "$(cat "$FCVM_DATA_DIR/setup.json")" "$before"
	is "$(wc -l <"$FCVM_DATA_DIR/build/linux/made")" 2
	rm src.gate
	run -0 fcvm-setup --quiet --kernel-profile lean
	is "$(recorded release)" 6.9.1-lean
	is "$(entries)" "initrds kernels origins setup.json setup.lock "
}

@test "a setup killed while it builds leaves nothing running" {
	mkfifo src.gate
	fcvm-setup --kernel-profile lean 2>err &
	pid=$!
	wait_for 20 grep -qs two.o "$FCVM_DATA_DIR/build/log"
	compilers=$(pgrep -f "$FCVM_DATA_DIR/build/linux")
	kill -KILL "$pid"
	for compiler in $compilers; do wait_for 10 gone "$compiler"; done
	rm src.gate
	run -0 fcvm-setup --quiet --kernel-profile lean
	is "$(recorded release)" 6.9.0-lean
}

@test "too little disk space for a build is said at once" {
	stub df 'printf "Filesystem 1024-blocks\nx 1 1 512000 1%% /\n"'
	echo space=1000 >>"$profiles/lean.conf"
	run -111 fcvm-setup --kernel-profile lean
	is "$output" "fcvm-setup: not enough disk space: $FCVM_DATA_DIR needs 1064 MiB, 500 MiB are free: free some there, or set FCVM_DATA_DIR to a directory with more"
	is "$(entries)" "setup.lock "
}

@test "kernel use goes to a kernel that is there, by key or profile; rm removes others" {
	fcvm-setup --quiet --kernel-profile lean
	first=$(recorded kernel)
	lean other
	fcvm-setup --quiet --kernel-profile other
	run -0 fcvm-kernel ls
	is "$(awk 'NR > 1 { print $1, $2, $4, $5, $6 }' <<<"$output" | sort -k 2)" "${first:0:12} 6.9.0-lean 0 lean 
$(recorded kernel | cut -c 1-12) 6.9.0-other 0 other (default)"
	run -0 fcvm-kernel use "${first:0:12}"
	is "$(recorded kernel) $(recorded profile) $(recorded append)" "$first lean lean=1"
	run -103 fcvm-kernel rm "$first"
	is "$output" "fcvm-kernel: ${first:0:12} is what VMs use: choose another with 'fcvm kernel use' first"
	run -0 fcvm-kernel use other
	run -0 fcvm-kernel rm "${first:0:8}"
	is "$output" "$first"
	run -0 fcvm-kernel ls
	is "${#lines[@]}" 2
	run -102 fcvm-kernel use lean
	is "$output" "fcvm-kernel: lean: neither the beginning of one kernel's key nor a profile that one came from: see 'fcvm kernel ls'"
	run -0 fcvm-setup
	is "$(recorded profile)" other
}
