#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The same command lines with podman and with fcvm: standard output, standard error and status must be
# the same. The cases are tables in t/lib/podman/cases; expected differences are stated there, with the
# reason, and printed here.
load ../lib/helper

setup_file() {
	# shellcheck source=../lib/podman/fixture.bash
	. "$ROOT/t/lib/podman/fixture.bash"
	export COMPARE_DIR=$BATS_FILE_TMPDIR/compare
	mkdir "$COMPARE_DIR"
	fixture_make "$COMPARE_DIR"
}

teardown_file() {
	# shellcheck source=../lib/podman/fixture.bash
	. "$ROOT/t/lib/podman/fixture.bash"
	fixture_clean "$COMPARE_DIR"
}

compare() { # GROUP
	# What podman leaves in the background must not hold bats' descriptors.
	run "$ROOT/t/lib/podman/compare" "$1" 3>&- 4>&-
	printf '%s\n' "$output" | grep '^# ' >&3 || :
	[[ $status == 0 ]] || fail "$output"
}

@test "a command's end has podman's status and as many words" {
	compare statuses
}

@test "standard streams carry what podman's carry" {
	compare streams
}

@test "variables, working directory, entrypoint and command are podman's" {
	compare environment
}

@test "users, capabilities, devices and files are podman's" {
	compare identity
}

@test "a terminal behaves as podman's" {
	compare terminal
}

@test "exec: statuses and standard streams are podman's" {
	compare exec-streams
}

@test "exec: variables, users, rights and terminals are podman's" {
	compare exec-identity
}

@test "kill, stop and exec act on a container as podman's do" {
	compare exec-life
}
