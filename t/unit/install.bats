#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# `make install` gives a tree that works without the sources; `make uninstall` takes it away.

load ../lib/helper

make_to() { # TARGET PREFIX
	make -s -C "$ROOT" "$1" DESTDIR="$BATS_TEST_TMPDIR/dest" PREFIX="$2"
}

installed() {
	(cd "$BATS_TEST_TMPDIR/dest" && find . ! -type d | sort)
}

@test "install puts every part in its place, as files" {
	make_to install /opt/fcvm
	run -0 installed
	for file in "$ROOT"/build/bin/*; do
		has "$output" "./opt/fcvm/bin/${file##*/}"
	done
	has "$output" ./opt/fcvm/libexec/fcvm/fcvm-agent
	has "$output" ./opt/fcvm/share/man/man1/fcvm.1
	has "$output" ./opt/fcvm/share/bash-completion/completions/fcvm
	has "$output" ./opt/fcvm/share/fcvm/examples/hello-image
	for file in $(cd "$ROOT/share" && find kernels -type f); do
		has "$output" "./opt/fcvm/share/fcvm/$file"
	done
	is "$(find "$BATS_TEST_TMPDIR/dest" -type l)" '' "symbolic links"
	is "$(find "$BATS_TEST_TMPDIR/dest/opt/fcvm/bin" -type f ! -perm 755)" '' "programs of another mode"
}

@test "the installed copy works without the source tree" {
	make_to install /usr
	local bin=$BATS_TEST_TMPDIR/dest/usr/bin
	cd /
	run -0 env -i PATH="$bin:/usr/bin:/bin" HOME=/nonexistent fcvm version
	matches "$output" '^fcvm [0-9]+\.[0-9]+'
	run -0 env -i PATH="$bin:/usr/bin:/bin" HOME=/nonexistent fcvm-kernel --help
	has "$output" 'usage: fcvm-kernel'
	run -0 env -i PATH="/usr/bin:/bin" HOME=/nonexistent "$bin/fcvm" kernel --help
	has "$output" 'usage: fcvm-kernel'
	run ! grep -rlF "$ROOT/" "$bin" --include 'fcvm' --include 'fcvm-setup' --include 'fcvm-doctor'
}

@test "uninstall leaves nothing of ours and everything else" {
	local prefix=$BATS_TEST_TMPDIR/dest/opt/x
	mkdir -p "$prefix/bin" "$prefix/share/man/man1"
	touch "$prefix/bin/other" "$prefix/share/man/man1/other.1"
	make_to install /opt/x
	(($(installed | wc -l) > 10)) || fail "installed only $(installed)"
	make_to uninstall /opt/x
	is "$(installed)" $'./opt/x/bin/other\n./opt/x/share/man/man1/other.1'
	run ! test -e "$prefix/share/fcvm"
	run ! test -e "$prefix/libexec/fcvm"
}

@test "hello-image writes the same valid image each time" {
	"$ROOT/share/examples/hello-image" "$BATS_TEST_TMPDIR/a"
	(umask 077 && dash "$ROOT/share/examples/hello-image" "$BATS_TEST_TMPDIR/b")
	diff -r "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	run -0 skopeo inspect --config "oci:$BATS_TEST_TMPDIR/a:latest"
	has "$output" '"hello"'
	for blob in "$BATS_TEST_TMPDIR"/a/blobs/sha256/*; do
		is "$(sha256sum <"$blob")" "${blob##*/}  -"
	done
	run -1 "$ROOT/share/examples/hello-image" "$BATS_TEST_TMPDIR/a"
	is "$output" "hello-image: $BATS_TEST_TMPDIR/a exists already"
}
