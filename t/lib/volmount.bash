# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A directory mounted through fcvm-vol on this machine's own kernel, for tests that compare the two.

# vol_mount [OPTIONS]: $vol/plain is served at $vol/mount.
vol_mount() {
	# Other users must get there, which bats' own directories do not let them.
	vol=$(mktemp -d /tmp/fcvm-v.XXXXXX)
	chmod 755 "$vol"
	mkdir "$vol/plain" "$vol/mount"
	fcvm-vol mount ${1:+-o "$1"} "$vol/plain" "$vol/mount" >"$vol/log" 2>&1 </dev/null 3>&- 4>&- &
	vol_pid=$!
	wait_for 10 vol_is_mounted
}

vol_is_mounted() {
	gone "$vol_pid" && fail "fcvm-vol mount ended: $(cat "$vol/log")"
	mountpoint -q "$vol/mount"
}

# vol_unmount: the server ends with its mount, and without complaint.
vol_unmount() {
	local status=0
	umount "$vol/mount"
	wait "$vol_pid" || status=$?
	vol_pid=
	is "$status" 0 "fcvm-vol mount: $(cat "$vol/log")"
	is "$(cat "$vol/log")" ''
}

# For teardown: nothing stays mounted after a failure.
vol_end() {
	[[ -n ${vol:-} ]] || return 0
	if [[ -n ${vol_pid:-} ]]; then
		umount -l "$vol/mount" 2>/dev/null || :
		kill "$vol_pid" 2>/dev/null || :
		wait "$vol_pid" 2>/dev/null || :
	fi
	rm -rf "$vol"
}
