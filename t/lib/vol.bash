# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A volume that this machine's own kernel has mounted: SRC is the host's side, MNT the guest's.

SRC=${BATS_TEST_TMPDIR:-}/src
MNT=${BATS_TEST_TMPDIR:-}/mnt
# shellcheck disable=SC2034 # the caller's
VOLGUEST=$ROOT/build/t/volguest

# vol_mount [OPTION…]: serves SRC on MNT; SERVER is the process that a guest talks to.
vol_mount() {
	mkdir -p "$MNT"
	[[ -e $SRC ]] || mkdir "$SRC"
	fcvm-vol mount "$@" "$SRC" "$MNT" 3>&- 2>"$BATS_TEST_TMPDIR/mount.err" &
	MOUNTER=$!
	wait_for 20 mountpoint -q "$MNT"
	# shellcheck disable=SC2034 # the caller's
	SERVER=$(pgrep -P "$MOUNTER")
}

vol_unmount() {
	[[ -n ${MOUNTER:-} ]] || return 0
	kill -TERM "$MOUNTER" 2>/dev/null || :
	wait "$MOUNTER" || :
	MOUNTER=
}

# same PATH WANT: what the file holds in MNT.
holds() { [[ $(cat "$MNT/$1" 2>/dev/null) == "$2" ]]; }
missing() { [[ ! -e $MNT/$1 ]]; }
there() { [[ -e $MNT/$1 ]]; }
