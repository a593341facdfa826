#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# fcvm-kbuild with a source that builds in a second.
# shellcheck disable=SC2016 # texts of stubs

load ../lib/helper
load ../lib/kbuild

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	dir=$PWD/work src=$PWD/src.tar.xz
	fake_source "$PWD/src" 6.9.0
	printf '%s\n' '# why' 'CONFIG_ONE=y # first' 'CONFIG_TWO=n # second' 'CONFIG_TEXT="a b" # third' >config
}

# A build that waits at the gate must not outlive a test that failed.
teardown() {
	[[ ! -p src.gate ]] || echo 7<>src.gate >&7
}

kbuild() {
	"${shell[@]}" "$ROOT/build/bin/fcvm-kbuild" --source "$src" --config config --dir "$dir" --name test --jobs 2 "$@"
}

made() {
	wc -l <"$dir/linux/made"
}

@test "a build prints its directory, with kernel, configuration and what is built in" {
	run -0 --separate-stderr kbuild
	is "$output" "$dir/out"
	matches "$stderr" 'fcvm-kbuild: built 6\.9\.0-test in 0 min [0-9]+ s: 0\.[0-9] MiB'
	is "$(cat work/out/release)" 6.9.0-test
	is "$(cat work/out/modules.builtin)" kernel/drivers/char/one.ko
	is "$(grep -c . work/out/config)" 4 # asked for, the release, and what the source adds
	run -0 fcvm-kernel inspect work/out/vmlinux
	has "$output" 'release: 6.9.0-test'
	has "$output" 'direct boot: yes'
	is "$(ls work)" "$(printf '%s\n' boot configured id linux lock log options out source)"
}

@test "two builds have the same bytes, whatever the caller's environment, directory and jobs" {
	kbuild --quiet
	CALLER=me KBUILD_BUILD_USER=me KBUILD_BUILD_TIMESTAMP=now LOCALVERSION=x TZ=Asia/Tokyo MAKEFLAGS=-n dir=$PWD/other \
		run -0 kbuild --quiet --jobs 1
	cmp work/out/vmlinux other/out/vmlinux
	has "$(strings other/out/vmlinux)" 'fcvm@fcvm Mon May  6 07:08:09 UTC 2024 '
}

@test "--id prints what decides on the result, and comments do not" {
	run -0 kbuild --id
	first=$output
	has "$first" "source=$(sha256sum <src.tar.xz | cut -d' ' -f1) (src.tar.xz)"
	has "$first" "cc=$(gcc --version | head -n 1)"
	[[ ! -e work ]]
	sed -i 's/# first/# another reason/' config
	is "$(kbuild --id)" "$first"
	echo 'CONFIG_THREE=y # new' >>config
	[[ $(kbuild --id) != "$first" ]]
	[[ $(kbuild --id --name other) != "$(kbuild --id)" ]]
}

@test "a finished build is not done again; one of something else begins anew" {
	kbuild --quiet
	before=$(stat -c %i work/out/vmlinux)
	kbuild --quiet
	is "$(stat -c %i work/out/vmlinux)" "$before"
	echo 'CONFIG_THREE=y # new' >>config
	kbuild --quiet
	has "$(cat work/out/config)" CONFIG_THREE=y
}

@test "what was written before the machine's last start is not trusted" {
	kbuild --quiet
	echo elsewhen >work/boot
	: >work/out/vmlinux
	kbuild --quiet
	[[ -s work/out/vmlinux ]]
}

# Starts a build that waits at the gate, after its first objects.
begin() {
	mkfifo src.gate
	shell=(exec)
	kbuild >out 2>err &
	pid=$!
	wait_for 20 grep -qs two.o work/log
}

@test "an interrupted build ends at once, says so, and goes on where it was" {
	begin
	kill -TERM "$pid"
	status=0
	wait "$pid" || status=$?
	is "$status" 143
	has "$(cat err)" "fcvm-kbuild: interrupted: the same command goes on from here"
	is "$(cat out)" ""
	[[ ! -e work/out && ! -e work/new && ! -e work/tmp ]]
	is "$(made)" 2
	rm src.gate
	shell=()
	run -0 kbuild --quiet
	is "$(sort work/linux/made | tr '\n' ' ')" "four.o one.o three.o two.o " "an object was made twice"
}

@test "a killed build leaves no compiler behind, and the next goes on" {
	begin
	compilers=$(pgrep -f "$dir/linux")
	kill -KILL "$pid"
	for compiler in $compilers; do wait_for 10 gone "$compiler"; done
	[[ ! -e work/out ]]
	rm src.gate
	shell=()
	run -0 kbuild --quiet
	is "$(made)" 4
}

@test "builds in one directory at the same time work once" {
	for i in 1 2 3; do
		kbuild >"out.$i" 2>/dev/null &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	is "$(cat out.* | sort -u)" "$dir/out"
	is "$(made)" 4
}

@test "a full disk is one line with what to do, and the next build goes on" {
	begin
	echo 'cc1: fatal error: x.s: No space left on device' >src.gate.fail
	echo 7<>src.gate >&7
	status=0
	wait "$pid" || status=$?
	is "$status" 111
	has "$(tail -n 1 err)" "fcvm-kbuild: the build failed: the disk is full: free some space for $dir, and the same command goes on"
	[[ ! -e work/out ]]
	rm src.gate src.gate.fail
	shell=()
	run -0 kbuild --quiet
	is "$(made)" 4
}

@test "too little space is said before anything is unpacked" {
	stub df 'printf "Filesystem 1024-blocks\nx 1 1 102400 1%% /\n"'
	PATH=$STUBS:$PATH run -111 kbuild --space 900
	is "$output" "fcvm-kbuild: not enough disk space: the build needs 900 MiB, 100 MiB are free in $dir: free some there, or use another directory"
	is "$(ls work)" lock
}

@test "missing programs are named together, with the command that installs them" {
	mkdir path
	for tool in readlink id grep sed cut sort uniq head sha256sum tr gcc ld strip make tar xz dpkg-deb setsid flock; do
		ln -s "$(command -v "$tool")" path/
	done
	PATH=$PWD/path run -111 /bin/sh "$ROOT/build/bin/fcvm-kbuild" --source "$src" --config config --dir "$dir"
	matches "$output" "^fcvm-kbuild: a kernel's build needs what is not installed: flex bison bc: run '(sudo )?apt-get install flex bison bc'\$"
	rm path/gcc
	PATH=$PWD/path run -111 /bin/sh "$ROOT/build/bin/fcvm-kbuild" --source "$src" --config config --dir "$dir"
	matches "$output" "not installed: gcc flex bison bc: run '(sudo )?apt-get install gcc flex bison bc libc6-dev libelf-dev'\$"
	[[ ! -e work ]]
}

@test "an option that the source does not take is named" {
	echo 'CONFIG_UNKNOWN=y # ?' >>config
	run -101 kbuild --quiet
	is "$output" "fcvm-kbuild: config: CONFIG_UNKNOWN=y: this source makes it CONFIG_UNKNOWN=n: it has no such option, or lacks one that it depends on"
	sed -i 's/UNKNOWN=y/NEEDED=n/' config
	run -101 kbuild --quiet
	is "$output" "fcvm-kbuild: config: CONFIG_NEEDED=n: this source needs it: y"
	echo 'CONFIG X' >>config
	run -101 kbuild --quiet
	is "$output" 'fcvm-kbuild: config: line 6 is not OPTION=VALUE with y, n, a number or "text"'
	printf 'CONFIG_A=y\nCONFIG_A=n\n' >config
	run -101 kbuild --quiet
	is "$output" "fcvm-kbuild: config: CONFIG_A stands there twice"
}

@test "a build that fails is one line with the compiler's first error" {
	echo 'fs/x.c:12:3: error: no such thing' >src.gate.fail
	run -111 kbuild --quiet
	is "$output" "fcvm-kbuild: the build failed: fs/x.c:12:3: error: no such thing (see $dir/log)"
	echo "x/Kconfig:7: can't open file y" >src.gate.fail
	run -111 kbuild --quiet
	is "$output" "fcvm-kbuild: the build failed: x/Kconfig:7: can't open file y (see $dir/log)"
}

@test "what is no kernel source is refused, and parts can be left out" {
	run -0 kbuild --quiet --skip 'sound/*.[ch] [a-c]*/*'
	[[ -d work/linux/sound/skipped && ! -e work/linux/sound/skipped/a.c && -e work/linux/k.c ]]
	head -c 300 src.tar.xz >cut.tar.xz && src=$PWD/cut.tar.xz
	run -111 kbuild --quiet
	has "$output" "fcvm-kbuild: cannot unpack cut.tar.xz: "
	mkdir x && : >x/y && tar -cf none.tar x && src=$PWD/none.tar
	run -101 kbuild --quiet
	is "$output" "fcvm-kbuild: none.tar: holds no kernel source"
	src=$PWD/absent.tar run -111 kbuild --quiet
	is "$output" "fcvm-kbuild: cannot read the source $PWD/absent.tar"
}

@test "a package is fetched by its exact version and checked" {
	fake_source "$PWD/deb" 6.9.0 "$PWD/x.deb"
	export SUM DEB=$PWD/x.deb
	SUM=$(sha256sum <x.deb | cut -d' ' -f1)
	stub apt-cache 'echo "Version: 6.9.0-1"; echo "SHA256: $SUM"'
	stub apt-get 'case $* in *"download linux-source-6.9=6.9.0-1") cp "$DEB" linux-source.deb ;; *) echo "E: $*" >&2; exit 100 ;; esac'
	src=linux-source-6.9
	PATH=$STUBS:$PATH run -0 kbuild --quiet
	has "$(cat work/id)" "source=$SUM (linux-source-6.9 6.9.0-1)"
	SUM=$(sha256sum </dev/null | cut -d' ' -f1)
	PATH=$STUBS:$PATH run -101 kbuild --quiet
	matches "$output" '^fcvm-kbuild: linux-source-6.9 6.9.0-1: has sha256 [0-9a-f]*, not '
	stub apt-get 'echo "E: no route" >&2; exit 100'
	PATH=$STUBS:$PATH run -111 kbuild --quiet
	is "$output" "fcvm-kbuild: apt-get cannot fetch linux-source-6.9=6.9.0-1: E: no route (see $dir/log)"
	stub apt-cache :
	PATH=$STUBS:$PATH run -111 kbuild --quiet
	is "$output" "fcvm-kbuild: the package lists hold no linux-source-6.9: run 'apt-get update' first"
}

@test "a wrong command line names the option" {
	run -100 kbuild --jobs 0
	is "$output" "fcvm-kbuild: --jobs 0: takes a number from 1 to 1024"
	run -100 kbuild --jbos 2
	is "$output" "fcvm-kbuild: unknown option --jbos: did you mean --jobs?"
	run -100 kbuild --name a/b
	run -100 kbuild word
	run -100 kbuild --quiet=yes
	run -100 kbuild --space
	run -100 fcvm-kbuild --source x --config config
	has "$output" "--dir is needed"
	run -100 fcvm-kbuild --source 'x y' --config config --dir d
	has "$output" "neither a file nor a package's name"
	[[ ! -e work && ! -e d ]]
	for option in $(fcvm-kbuild --list-options); do
		has "$(fcvm-kbuild --help)" "      $option "
	done
}

@test "it works under dash and busybox sh" {
	for shell in dash 'busybox sh'; do
		read -ra shell <<<"$shell"
		run -0 kbuild --quiet
		is "$output" "$dir/out"
		rm -rf work
	done
}
