#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The same image from every kind of source, each run in a machine.

setup_file() {
	load ../lib/helper
	# shellcheck source=../lib/images/registry.bash
	. "$ROOT/t/lib/images/registry.bash"
	registry_start "$BATS_FILE_TMPDIR/registry"
	export REGISTRY REGISTRY_PID
	# podman's storage, in a place of our own.
	local t=$BATS_FILE_TMPDIR
	printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\nrootless_storage_path = "%s"\n' \
		"$t/graph" "$t/runroot" "$t/graph" >"$t/storage.conf"
	export CONTAINERS_STORAGE_CONF=$t/storage.conf
	hello_image >/dev/null
}

teardown_file() {
	# shellcheck source=../lib/images/registry.bash
	. "$BATS_TEST_DIRNAME/../lib/images/registry.bash"
	registry_stop
}

setup() {
	load ../lib/helper
	# A cache of its own: what is in it came from the source under test.
	data=$BATS_TEST_TMPDIR/data
	mkdir -m 700 "$data"
	ln -s "$FCVM_DATA_DIR/kernels" "$FCVM_DATA_DIR/initrds" "$data/"
	cp "$FCVM_DATA_DIR/setup.json" "$data/"
	export FCVM_DATA_DIR=$data
	hello=$(hello_image)
}

runs() { # OPTIONS… IMAGE
	run --separate-stderr -5 timeout 120 fcvm run --cpus 1 --memory 256m "$@" -- \
		sh -c 'id -un; ls -d /bin/busybox /etc/passwd; exit 5'
	is "$output" $'root\n/bin/busybox\n/etc/passwd'
	is "${stderr?}" ''
}

@test "an OCI directory runs" {
	runs "oci:$hello"
}

@test "an OCI archive runs" {
	skopeo copy -q "oci:$hello" "oci-archive:$BATS_TEST_TMPDIR/a.tar"
	runs "oci-archive:$BATS_TEST_TMPDIR/a.tar"
}

@test "a docker archive runs" {
	skopeo copy -q "oci:$hello" "docker-archive:$BATS_TEST_TMPDIR/a.tar:localhost/hello:t"
	runs "docker-archive:$BATS_TEST_TMPDIR/a.tar"
}

@test "an image of podman's own storage runs" {
	skopeo copy -q "oci:$hello" containers-storage:localhost/fcvm-sources:t
	runs localhost/fcvm-sources:t
}

@test "an image of a registry runs, by tag and by digest" {
	local digest
	skopeo copy -q --dest-tls-verify=false "oci:$hello" "docker://$REGISTRY/hello:t"
	runs --tls-verify=false "$REGISTRY/hello:t"
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$REGISTRY/hello:t")
	runs --tls-verify=false "$REGISTRY/hello@$digest"
}
