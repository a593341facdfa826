#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The comparison of two runs of the conformance suite, and what its programs refuse.

load ../lib/helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir plain other
	compare=$ROOT/t/posix/compare
}

# answers DIR LINE…: what a category said there
answers() {
	local dir=$1 i=0 line
	shift
	for line; do
		i=$((i + 1))
		printf '%s\n' "${line/ok /ok $i - }"
	done >"$dir/c"
	echo "1..$i" >>"$dir/c"
}

@test "equal answers are equal, also where both are wrong" {
	answers plain 'ok c: a' 'not ok c: b'
	answers other 'ok c: a' 'not ok c: b'
	run -0 "$compare" plain other
	is "$output" '2 assertions, 0 differences, 0 exceptions, 0 wrong'
}

@test "a difference either way is named" {
	answers plain 'ok c: a' 'not ok c: b'
	answers other 'not ok c: a' 'ok c: b'
	run -1 "$compare" plain other
	has "$output" 'not ok: c: a'
	has "$output" 'ok only here: c: b'
}

@test "a named exception is none, and one that does not occur is" {
	answers plain 'ok c: a b' 'ok c: d' 'not ok c: e'
	answers other 'not ok c: a b' 'ok c: d' 'not ok c: e'
	printf '# why\nc: a *\n' >exceptions
	run -0 "$compare" plain other exceptions
	is "$output" '3 assertions, 1 differences, 1 exceptions, 0 wrong'
	echo 'c: d' >>exceptions
	run -1 "$compare" plain other exceptions
	has "$output" 'exception that does not occur: c: d'
	printf 'c: a *\nc: [x]\n' >exceptions
	run -1 "$compare" plain other exceptions
	has "$output" 'exception for no assertion: c: [x]'
	# Where the file system below does not hold it either, the exception says nothing.
	printf 'c: a *\nc: e\n' >exceptions
	run -0 "$compare" plain other exceptions
}

@test "a run that is cut short, lost or empty is not equal" {
	answers plain 'ok c: a' 'ok c: b'
	answers other 'ok c: a'
	run -1 "$compare" plain other
	has "$output" 'missing: c: b'
	answers other 'ok c: a' 'ok c: b' 'ok c: new'
	run -1 "$compare" plain other
	has "$output" 'new: c: new'
	printf 'ok 1 - c: a\nBail out! disk\n' >other/c
	run -1 "$compare" plain other
	has "$output" 'Bail out! disk'
	has "$output" 'other/c: it did not end'
	rm other/c
	run -1 "$compare" plain other
	has "$output" 'other/c: No such file'
	rm plain/c
	run -1 "$compare" plain other
	has "$output" 'nothing was compared'
}

@test "a name that is there twice is wrong" {
	answers plain 'ok c: a' 'ok c: a'
	answers other 'ok c: a' 'ok c: a'
	run -1 "$compare" plain other
	has "$output" "two assertions 'c: a'"
}

@test "fcvm-posix and fcvm-stress refuse what they cannot do" {
	run -100 "$ROOT/build/t/fcvm-posix"
	has "$output" 'usage: fcvm-posix DIR CATEGORY'
	run -100 "$ROOT/build/t/fcvm-posix" . nonsense
	has "$output" 'no category nonsense'
	run -2 "$ROOT/build/t/fcvm-posix" ./missing mkdir
	run -100 "$ROOT/build/t/fcvm-stress" --threads 0 .
	has "$output" '1 to 256 threads'
	run -111 "$ROOT/build/t/fcvm-stress" ./missing
	has "$output" './missing/shared: No such file or directory'
}
