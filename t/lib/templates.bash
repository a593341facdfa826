# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For tests of starts from templates: a data directory of each test's own, so that it sees its own
# templates only, over the kernel, images and disks that all tests share.

setup_file() {
	fcvm setup
	IMAGE=oci:$(hello_image)
	fcvm-cache pull "$IMAGE"
	export IMAGE
}

setup() {
	# Templates of this test's own, over the machine's kernel and images.
	data=$BATS_TEST_TMPDIR/data
	mkdir "$data"
	for part in kernels initrds images refs locks tmp scratch setup.json; do
		[[ ! -e $FCVM_DATA_DIR/$part ]] || ln -s "$FCVM_DATA_DIR/$part" "$data/$part"
	done
	export FCVM_DATA_DIR=$data
	unset FCVM_NO_SNAPSHOT
}

quick() {
	fcvm run --rm --network none --memory 256m "$@"
}

templates() {
	fcvm template ls -q
}

# phases: what FCVM_TRACE said of a start, without the times.
# shellcheck disable=SC2154 # bats'
phases() {
	sed -n 's/^fcvm-trace: [0-9]* //p' <<<"$stderr"
}
