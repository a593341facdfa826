#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# t/container with a stub for podman: which images it pulls, builds, pushes and runs.
# shellcheck disable=SC2016,SC2154 # texts of stubs; variables that run sets

load ../lib/helper

setup() {
	PROJECT=$BATS_TEST_TMPDIR/p
	mkdir -p "$PROJECT/t"
	cp "$ROOT/t/container" "$PROJECT/t/"
	echo one >"$PROJECT/t/deps"
	export CALLS=$BATS_TEST_TMPDIR/calls KEPT=$BATS_TEST_TMPDIR/kept
	: >"$KEPT"
	stub podman 'echo "$*" >>"$CALLS"
		for last; do :; done
		case $* in
		"--global pull "*) grep -qx "$last" "$KEPT" ;;
		"--global push "*) [ -z "$NO_PUSH" ] && echo "$last" >>"$KEPT" ;;
		esac'
	export PODMAN="$STUBS/podman --global" PODMAN_BUILD=--b PODMAN_RUN=--r BASE=base CACHE_REGISTRY=
}

container() {
	: >"$CALLS"
	run -0 "$PROJECT/t/container" test-unit
}

# The first word of each call, and the tag of the packages' image.
verbs() {
	sed 's/^--global //; s/ .*//' "$CALLS" | paste -sd ' '
}
tag() {
	grep -o 'reg/x:deps-[0-9a-f]*' "$CALLS" | sort -u
}

@test "without a cache the image is built on BASE and run" {
	container
	is "$(verbs)" "build run"
	has "$(cat "$CALLS")" "build --b --build-arg BASE=base --tag localhost/fcvm-test ."
	matches "$(tail -n 1 "$CALLS")" '^--global run --rm --r .*localhost/fcvm-test make --no-print-directory test-unit$'
}

@test "the packages are kept in the cache, and taken from there the next time" {
	export CACHE_REGISTRY=reg/x
	container
	is "$(verbs)" "pull build push build run"
	first=$(tag)
	has "$(cat "$CALLS")" "build --b --build-arg BASE=base --target deps --tag $first ."
	has "$(cat "$CALLS")" "build --b --build-arg BASE=$first --tag localhost/fcvm-test ."
	container
	is "$(verbs)" "pull build run"
	has "$(cat "$CALLS")" "build --b --build-arg BASE=$first --tag localhost/fcvm-test ."
	echo two >"$PROJECT/t/deps"
	container
	is "$(verbs)" "pull build push build run" "after a change of the packages"
	BASE=other container
	is "$(verbs)" "pull build push build run" "with another base"
	is "$(sort -u "$KEPT" | wc -l)" 3
}

@test "a cache that cannot be written is said and does not stop the tests" {
	CACHE_REGISTRY=reg/x NO_PUSH=1 container
	is "$(verbs)" "pull build push build run"
	has "$output" "reg/x:deps-"
	has "$output" "is not kept: it cannot be pushed"
}
