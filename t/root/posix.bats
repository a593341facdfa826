#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A volume answers as the file system below it does: the conformance suite and the stress of t/posix
# and t/stress, on both.

load ../lib/helper
load ../lib/volmount

setup() {
	# Other users must get there.
	place=$(mktemp -d /tmp/fcvm-p.XXXXXX)
	chmod 755 "$place"
	posix=$ROOT/build/t/fcvm-posix
}

teardown() {
	vol_end
	rm -rf "$place"
}

@test "all categories at once answer on a volume as on the file system below it" {
	local out=$BATS_TEST_TMPDIR/out
	"$ROOT/t/posix/all" "$posix" "$place" "$out/plain"
	vol_mount
	"$ROOT/t/posix/all" "$posix" "$vol/mount" "$out/mount"
	run "$ROOT/t/posix/compare" "$out/plain" "$out/mount" "$ROOT/t/posix/exceptions"
	is "$status" 0 "$(head -60 <<<"$output")"
	is "$(ls -A "$vol/mount")" ''
	vol_unmount
}

@test "every category asks hundreds of things, each under a name of its own" {
	local category
	is "$("$posix" --list | wc -l)" 17
	for category in $("$posix" --list); do
		"$posix" "$place" "$category" >"$BATS_TEST_TMPDIR/$category.tap" ||
			[[ $? == 1 ]] || fail "$category: $(tail -1 "$BATS_TEST_TMPDIR/$category.tap")"
		sed -n 's/^ok [0-9]* - //p; s/^not ok [0-9]* - //p' "$BATS_TEST_TMPDIR/$category.tap" >"$BATS_TEST_TMPDIR/names"
		(($(wc -l <"$BATS_TEST_TMPDIR/names") >= 300)) || fail "$category: few assertions"
		is "$(sort "$BATS_TEST_TMPDIR/names" | uniq -d)" '' "$category: names that are twice"
	done
	is "$(ls -A "$place")" '' "what the categories left"
}

@test "the suite finds what a poor file system lacks" {
	mkdir "$place/ramfs"
	# Its own namespace: the mount goes with the shell. ramfs has no extended attributes.
	# shellcheck disable=SC2016 # the inner shell's words
	run -1 unshare -m sh -c 'mount -t ramfs none "$1" && "$2" "$1" granular' sh "$place/ramfs" "$posix"
	has "$output" 'not ok 1 - granular: a list'
	has "$output" '#   got EOPNOTSUPP, want success'
	lacks "$output" 'Bail out'
}

@test "random operations by many threads leave on both sides what they should" {
	vol_mount
	run -0 timeout 100 "$ROOT/build/t/fcvm-stress" --seed 1 --threads 8 --operations 1000 "$vol/mount" "$vol/plain"
	has "$output" 'seed 1: 8000 operations by 8 threads'
	has "$output" 'on both sides'
	is "$(ls -A "$vol/plain")" ''
	vol_unmount
}

@test "the stress sees one byte that is not as written" {
	# Something else writes into its files, time and again, until it notices.
	mkdir "$BATS_TEST_TMPDIR/d"
	"$ROOT/build/t/fcvm-stress" --threads 2 --seconds 60 "$BATS_TEST_TMPDIR/d" 2>"$BATS_TEST_TMPDIR/err" &
	local pid=$! status=0 file
	until gone "$pid"; do
		file=$(find "$BATS_TEST_TMPDIR/d" -type f -size +4k 2>/dev/null | shuf -n 1)
		[[ -z $file ]] || printf 'not the stress' | dd of="$file" bs=1 seek=1000 conv=notrunc status=none 2>/dev/null || :
	done
	wait "$pid" || status=$?
	is "$status" 1
	has "$(cat "$BATS_TEST_TMPDIR/err")" 'its last operations:'
	has "$(cat "$BATS_TEST_TMPDIR/err")" 'not as it should be'
}

# fake_pjdfstest: as large as a tree must be to be taken for one
fake_pjdfstest() {
	fake=$BATS_TEST_TMPDIR/fake
	mkdir -p "$fake/tests/mkdir"
	cat >"$fake/configure" <<'END'
#!/bin/sh
printf 'all:\n\techo "#!/bin/sh" >pjdfstest\n\techo "mkdir \\"\\$$1\\"" >>pjdfstest\n\tchmod 755 pjdfstest\n' >Makefile
END
	chmod 755 "$fake/configure"
	cat >"$fake/tests/mkdir/00.t" <<'END'
dir=$(dirname "$0")
echo "1..2"
"$dir/../../pjdfstest" made && echo "ok 1"
case $(pwd) in */mount) echo "not ok 2 - tried 'mkdir'" ;; *) echo "ok 2" ;; esac
END
}

@test "setup-pjdfstest builds what it is given, runs it on both, and shows where they differ" {
	fake_pjdfstest
	run -2 env WORK="$BATS_TEST_TMPDIR/work" make -s -C "$ROOT" setup-pjdfstest PJDFSTEST_DIR="$fake"
	has "$output" 'plain: 2 ok, 0 not ok'
	has "$output" 'mount: 1 ok, 1 not ok'
	has "$output" 'not ok: mkdir/00.t: 2'
	has "$output" '2 assertions, 1 differences, 0 exceptions, 1 wrong'
	run ! test -e "$fake/pjdfstest"
	run ! mountpoint -q "$BATS_TEST_TMPDIR/work/mount"
	[[ -d $BATS_TEST_TMPDIR/work/served/made ]] || fail "the volume was not what it ran on"
}

@test "setup-pjdfstest says what is wrong with what it is given" {
	run ! make -s -C "$ROOT" setup-pjdfstest
	has "$output" 'say where its sources are: make setup-pjdfstest PJDFSTEST_DIR='
	run ! make -s -C "$ROOT" setup-pjdfstest PJDFSTEST_DIR="$BATS_TEST_TMPDIR/none"
	has "$output" 'none: no such directory'
	mkdir "$BATS_TEST_TMPDIR/empty"
	run ! make -s -C "$ROOT" setup-pjdfstest PJDFSTEST_DIR="$BATS_TEST_TMPDIR/empty"
	has "$output" 'it lacks tests/ or configure.ac'
	mkdir "$BATS_TEST_TMPDIR/empty/tests"
	printf '#!/bin/sh\necho "no such compiler"; exit 1\n' >"$BATS_TEST_TMPDIR/empty/configure"
	chmod 755 "$BATS_TEST_TMPDIR/empty/configure"
	run ! env WORK="$BATS_TEST_TMPDIR/work" make -s -C "$ROOT" setup-pjdfstest PJDFSTEST_DIR="$BATS_TEST_TMPDIR/empty"
	has "$output" 'no such compiler'
	has "$output" 'it does not build'
}
