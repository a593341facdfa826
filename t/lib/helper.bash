# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Loaded by every bats file (`load ../lib/helper`). Puts the built programs first in PATH and keeps
# everything that tests make away from the user's own data: t/run chooses FCVM_DATA_DIR and
# FCVM_TEST_BASE; these defaults serve a bats file that is run by hand. Each file has running VMs of
# its own, so that `fcvm ls` or --latest in one never sees those of another that runs beside it.

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
export PATH="$ROOT/build/bin:$PATH"
export FCVM_DATA_DIR=${FCVM_DATA_DIR:-$ROOT/build/t/data}
export FCVM_TEST_BASE=${FCVM_TEST_BASE:-/tmp/fcvm-t.$(id -u)}
FCVM_RUN_BASE=${BATS_TEST_FILENAME##*/}
export FCVM_RUN_BASE=$FCVM_TEST_BASE/${FCVM_RUN_BASE%.bats}
export LC_ALL=C.UTF-8
mkdir -p "$FCVM_DATA_DIR" "$FCVM_RUN_BASE" "$ROOT/build/t"
chmod 700 "$FCVM_RUN_BASE"

# fail TEXT: ends the test, saying why.
fail() {
	printf '%s\n' "$*" >&2
	return 1
}

# is GOT WANT [WHAT]: equal strings, both shown when they are not.
is() {
	[[ $1 == "$2" ]] || fail "${3:-values differ}
 got: $(printf '%q' "$1")
want: $(printf '%q' "$2")"
}

# has TEXT PART / lacks TEXT PART: substring tests that show the text.
has() {
	[[ $1 == *"$2"* ]] || fail "no '$2' in: $1"
}
lacks() {
	[[ $1 != *"$2"* ]] || fail "'$2' is in: $1"
}

# matches TEXT REGEX: extended regular expression, the whole text shown when it does not match.
matches() {
	[[ $1 =~ $2 ]] || fail "no match for /$2/ in: $1"
}

# wait_for SECONDS COMMAND…: until the command succeeds. Time running out fails the test; nothing
# depends on how long the wait was.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || fail "timed out waiting for: $*" || return
		sleep 0.05
	done
}

# gone PID: no such process, or only its zombie.
gone() {
	local state
	[[ -r /proc/$1/stat ]] || return 0
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
	[[ -z $state || $state == Z ]]
}

# split "$@": the words before "--" in the caller's array before, those after it in after.
split() {
	before=()
	while [[ $1 != -- ]]; do before+=("$1") && shift; done
	# shellcheck disable=SC2034 # the caller's
	after=("${@:2}")
}

# A name for a VM that no other test uses.
vm_name() {
	printf 't%s-%s-%s' "$BATS_SUITE_TEST_NUMBER" "$BASHPID" "$RANDOM"
}

# stub NAME [SCRIPT]: a program in $STUBS that does what the sh text says (default: prints its
# arguments, one a line). Tools look for each other beside themselves, so a tool under test is
# copied there with use_real.
STUBS=${BATS_TEST_TMPDIR:-${BATS_FILE_TMPDIR:-/nonexistent}}/bin
stub() {
	mkdir -p "$STUBS"
	printf '#!/bin/sh\n%s\n' "${2:-printf '%s\\n' \"\$@\"}" >"$STUBS/$1"
	chmod 755 "$STUBS/$1"
}
use_real() {
	mkdir -p "$STUBS"
	local tool
	for tool; do
		cp "$ROOT/build/bin/$tool" "$STUBS/$tool" || return
	done
}

# The path of an OCI image directory with busybox in it, made once for all tests. Its default
# command says hello.
hello_image() {
	local dir=$ROOT/build/t/hello
	(
		flock 9
		[[ -f $dir/index.json ]] || "$ROOT/share/examples/hello-image" "$dir"
	) 9>"$ROOT/build/t/.hello.lock" || return
	printf '%s\n' "$dir"
}

# debian_image NAME PACKAGE,…: an image of Debian with these packages, in build/t/NAME, made once and
# already in the cache.
debian_image() {
	local dir=$ROOT/build/t/$1 rootfs=$BATS_FILE_TMPDIR/rootfs.tar
	if [[ ! -f $dir/index.json ]]; then
		mmdebstrap --quiet --variant=minbase --include="$2" \
			--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
			bookworm "$rootfs"
		rm -rf "$dir.tmp" "$dir"
		"$ROOT/t/lib/images/oci" --zstd --config '"Cmd":["sh"]' "$dir.tmp" latest "$rootfs"
		mv "$dir.tmp" "$dir"
	fi
	fcvm-cache pull --quiet "oci:$dir" >/dev/null
}
