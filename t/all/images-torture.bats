#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Twelve layers that use every rule, 100,000 files: the same, file by file, as umoci unpacks them.
load ../lib/helper

IMAGES=$BATS_TEST_DIRNAME/../lib/images
export CONTAINERS_STORAGE_CONF=/dev/null

@test "an image of 12 layers and 100,000 files equals what umoci unpacks" {
	[[ $(id -u) = 0 ]] || skip "umoci makes owners and device nodes only as root"
	cd "$BATS_TEST_TMPDIR"
	export FCVM_DATA_DIR=$PWD/data
	"$IMAGES/torture" layers
	"$IMAGES/oci" img t layers/*.tar
	run -0 fcvm-cache pull "oci:img:t"
	unsquashfs -quiet -no-progress -d ours "$output/root.sqfs"
	umoci unpack --image img:t theirs
	# umoci gives the present time to the root and to directories without an entry
	made_up=(. implied implied/a implied/a/b)
	"$IMAGES/list" ours "${made_up[@]}" >got
	"$IMAGES/list" theirs/rootfs "${made_up[@]}" >want
	(($(grep -c ' 100[0-7]* ' want) >= 100000)) || fail "only $(wc -l <want) files"
	diff want got
	# the parts that must be there for this to mean anything
	for part in ' 104755 ' 'security.capability=01000002' 'names/%ff%fe%80raw' 'e%cc%81' \
		"names/$(printf 'n%.0s' {1..255}) " 'dev/c 20620 ' 'dev/b 60660 ' 'links=3'; do
		grep -qF -- "$part" want || fail "the image has no $part"
	done
}

@test "so does one whose layers were too large to keep uncompressed" {
	[[ $(id -u) = 0 ]] || skip "needs a small file system of its own"
	cd "$BATS_TEST_TMPDIR"
	"$IMAGES/torture" layers 24000
	"$IMAGES/oci" img t layers/*.tar
	run -0 env FCVM_DATA_DIR="$PWD/large" fcvm-cache pull oci:img:t
	want=$(unsquashfs -lln "$output/root.sqfs" | sha256sum)
	# a quarter of 44 MiB does not hold the layers
	run -0 unshare -m sh -c 'mkdir small && mount -t tmpfs -o size=44m tmpfs small &&
		dir=$(FCVM_DATA_DIR=$PWD/small fcvm-cache pull oci:img:t) && unsquashfs -lln "$dir/root.sqfs" | sha256sum'
	is "$output" "$want"
}
