# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For tests of the driver with stubs around it: `fcvm` is the driver under the shell at hand.

# Stubs log their name, then each argument in brackets.
# shellcheck disable=SC2016,SC2034 # a stub's; the caller's
RECORD='{ printf "%s" "${0##*/}"; printf "[%s]" "$@"; echo; } >>"$LOG";'

# A tool that runs the rest of its line.
# shellcheck disable=SC2016,SC2034 # a stub's; the caller's
REST='while [ "$1" != -- ]; do shift; done; shift; exec "$@"'

# both COMMAND…: with the driver under one shell, then the other; the log starts empty.
both() {
	local shell
	for shell in "$(command -v dash)" "$(command -v busybox) sh"; do
		{ echo "#!$shell" && sed 1d "$ROOT/bin/fcvm"; } >"$STUBS/fcvm"
		chmod 755 "$STUBS/fcvm"
		: >"$LOG"
		echo "under $shell:"
		"$@"
	done
}

fcvm() { "$STUBS/fcvm" "$@"; }
