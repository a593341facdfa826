#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# fcvm-cache with real registries, podman's storage and large images.
load ../lib/helper
load ../lib/images/registry

IMAGES=$BATS_TEST_DIRNAME/../lib/images

setup_file() {
	local t=$BATS_FILE_TMPDIR
	export XDG_RUNTIME_DIR=$t/xdg # where skopeo and podman of a plain user keep things
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	# podman and skopeo with a storage of their own
	printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\nrootless_storage_path = "%s"\n' "$t/graph" "$t/runroot" "$t/graph" >"$t/storage.conf"
	export CONTAINERS_STORAGE_CONF=$t/storage.conf
	perl -I"$IMAGES" -MTar -e 'print dir("bin"), file("bin/x", "one", mode => 04755), end_mark()' >"$t/1.tar"
	perl -I"$IMAGES" -MTar -e 'print file("two", "two"), end_mark()' >"$t/2.tar"
	"$IMAGES/oci" "$t/img" t "$t/1.tar" "$t/2.tar"
	"$IMAGES/oci" "$t/new" t "$t/1.tar"
	"$IMAGES/oci" --platform linux/arm64 "$t/arm" t "$t/2.tar"
	registry_start "$t/registry"
	export REGISTRY REGISTRY_PID
}

teardown_file() {
	registry_stop
}

setup() {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	export FCVM_CACHE_TRACE=$BATS_TEST_TMPDIR/trace
	touch "$FCVM_CACHE_TRACE"
	img=$BATS_FILE_TMPDIR/img
}

# Everything in the cache but its lock file.
cached() { (cd "$FCVM_DATA_DIR" && find images refs tmp | sort); }
exports() { grep -c . "$FCVM_CACHE_TRACE" || :; }
push() { skopeo copy -q --dest-tls-verify=false "oci:$1:t" "docker://$REGISTRY/$2"; }
pull() { fcvm-cache pull --tls-verify=false "$@"; }
manifest_digest() { grep -o 'sha256:[0-9a-f]*' "$1/index.json" | head -n 1; }
requests() { grep -c "\"GET /v2/$1" "$BATS_FILE_TMPDIR/registry/log" || :; }

@test "a registry serves by tag and by digest" {
	push "$img" plain:t
	run -0 pull "docker://$REGISTRY/plain:t"
	want=$output
	run -0 pull "$REGISTRY/plain@$(manifest_digest "$img")"
	is "$output" "$want"
	is "$(basename "$want")" "$(sha256sum <"$want/config.json" | cut -d' ' -f1)"
	is "$(exports)" 1
	run -0 fcvm-cache verify
}

@test "a hit asks the registry nothing, newer sees a moved tag" {
	push "$img" moving:t
	run -0 pull "$REGISTRY/moving:t"
	old=$output
	push "$BATS_FILE_TMPDIR/new" moving:t
	before=$(requests moving)
	run -0 pull "$REGISTRY/moving:t"
	is "$output" "$old"
	is "$(requests moving)" "$before"
	run -0 pull --pull newer "$REGISTRY/moving:t"
	[[ $output != "$old" ]]
	run -0 pull --pull always "$REGISTRY/moving:t"
	is "$(exports)" 2
}

@test "a multi-platform index gives this platform's image, or the one asked for" {
	push "$img" multi:amd64
	push "$BATS_FILE_TMPDIR/arm" multi:arm64
	list=
	for arch in amd64 arm64; do
		m=$BATS_TEST_TMPDIR/$arch
		skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/multi:$arch" >"$m"
		list+=${list:+,}$(printf '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"platform":{"os":"linux","architecture":"%s"}}' \
			"$(sha256sum <"$m" | cut -d' ' -f1)" "$(stat -c %s "$m")" $arch)
	done
	type=application/vnd.oci.image.index.v1+json
	index="{\"schemaVersion\":2,\"mediaType\":\"$type\",\"manifests\":[$list]}"
	curl -sSf -X PUT -H "Content-Type: $type" --data-binary "$index" "http://$REGISTRY/v2/multi/manifests/all"
	for arch in amd64 arm64; do
		run -0 pull --platform "linux/$arch" "$REGISTRY/multi:all"
		has "$(<"$output/config.json")" "\"architecture\":\"$arch\""
	done
	run -0 pull "$REGISTRY/multi@sha256:$(printf %s "$index" | sha256sum | cut -d' ' -f1)"
	run -102 pull --platform linux/riscv64 "$REGISTRY/multi:all"
	has "$output" "no variant for platform linux/riscv64"
}

@test "17 pulls from a registry at once fetch and export once" {
	push "$img" many:t
	before=$(requests many/blobs)
	pids=()
	for i in {1..17}; do
		pull "$REGISTRY/many:t" >"$BATS_TEST_TMPDIR/out.$i" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	is "$(exports)" 1
	is "$(($(requests many/blobs) - before))" 3 "two layers and a config"
	is "$(cat "$BATS_TEST_TMPDIR"/out.* | sort -u | wc -l)" 1
}

@test "what the registry does not have is status 102, what it corrupts status 101" {
	run -102 pull "$REGISTRY/none:t"
	is "${#lines[@]}" 1
	push "$img" bad:t
	layer=$(grep -o 'sha256:[0-9a-f]*' "$img/blobs/sha256/$(manifest_digest "$img" | cut -c8-)" | tail -n 1 | cut -c8-)
	blob=$(echo "$BATS_FILE_TMPDIR"/registry/store/docker/registry/v2/blobs/sha256/*/"$layer"/data)
	cp "$blob" "$BATS_TEST_TMPDIR/saved"
	head -c "$(stat -c %s "$blob")" /dev/zero >"$blob"
	run -101 pull "$REGISTRY/bad:t"
	cp "$BATS_TEST_TMPDIR/saved" "$blob"
	has "$output" "$layer"
	is "$(cached)" $'images\nrefs\ntmp'
}

@test "a registry with passwords takes a credentials file or skopeo's auth file" {
	# the hash of "pw"
	# shellcheck disable=SC2016 # dollars of the hash
	hash=$(perl -e 'print crypt("pw", q($2y$05$abcdefghijklmnopqrstuu))')
	echo "me:$hash" >"$BATS_TEST_TMPDIR/htpasswd"
	(
		REGISTRY_PID=
		trap registry_stop EXIT
		registry_start "$BATS_TEST_TMPDIR/registry" \
			"auth: {htpasswd: {realm: test, path: $BATS_TEST_TMPDIR/htpasswd}}"
		skopeo copy -q --dest-tls-verify=false --dest-creds me:pw "oci:$img:t" "docker://$REGISTRY/secret:t"
		run -111 pull "$REGISTRY/secret:t"
		has "$output" "authentication required"
		echo me:pw >"$BATS_TEST_TMPDIR/creds"
		run -0 pull --creds-file "$BATS_TEST_TMPDIR/creds" "$REGISTRY/secret:t"
		run -0 pull --pull always --creds-file - "$REGISTRY/secret:t" <"$BATS_TEST_TMPDIR/creds"
		skopeo login -u me -p pw --tls-verify=false --authfile "$BATS_TEST_TMPDIR/auth" "$REGISTRY"
		run -0 pull --pull always --authfile "$BATS_TEST_TMPDIR/auth" "$REGISTRY/secret:t"
		run -0 env REGISTRY_AUTH_FILE="$BATS_TEST_TMPDIR/auth" \
			fcvm-cache pull --pull always --tls-verify=false "$REGISTRY/secret:t"
	)
}

@test "podman's images are found by name and read from its storage" {
	skopeo copy -q "oci:$img:t" "docker-archive:$BATS_TEST_TMPDIR/a.tar:localhost/mine:1"
	podman --cgroup-manager=cgroupfs load -q -i "$BATS_TEST_TMPDIR/a.tar"
	run -0 fcvm-cache pull localhost/mine:1
	want=$output
	is "$(unsquashfs -cat "$want/root.sqfs" bin/x two)" onetwo
	is "$(basename "$want")" "$(podman --cgroup-manager=cgroupfs images -q --no-trunc localhost/mine:1 | cut -c8-)"
	for name in mine:1 containers-storage:localhost/mine:1; do
		run -0 fcvm-cache pull "$name"
		is "$output" "$want"
	done
	is "$(exports)" 1
	run -102 fcvm-cache pull localhost/none
	is "${#lines[@]}" 1
}

@test "a hit of any source runs no other program" {
	local none=$BATS_TEST_TMPDIR/none
	push "$img" quick:t
	skopeo copy -q "oci:$img:t" "oci-archive:$BATS_TEST_TMPDIR/oa.tar:t"
	skopeo copy -q "oci:$img:t" "docker-archive:$BATS_TEST_TMPDIR/da.tar:localhost/quick:t"
	skopeo copy -q "oci:$img:t" "dir:$BATS_TEST_TMPDIR/dir"
	skopeo copy -q "oci:$img:t" containers-storage:localhost/quick:t
	for source in "docker://$REGISTRY/quick:t" "oci:$img:t" "oci-archive:$BATS_TEST_TMPDIR/oa.tar" \
		"docker-archive:$BATS_TEST_TMPDIR/da.tar" "dir:$BATS_TEST_TMPDIR/dir" localhost/quick:t; do
		pull "$source"
	done
	mkdir "$none"
	printf '#!/bin/sh\necho "$0 $*" >&2\nexit 1\n' >"$none/skopeo"
	cp "$none/skopeo" "$none/tar2sqfs"
	chmod 755 "$none"/*
	PATH=$none:$PATH
	run ! skopeo --version # so the next lines can fail
	for source in "docker://$REGISTRY/quick:t" "oci:$img:t" "oci-archive:$BATS_TEST_TMPDIR/oa.tar" \
		"docker-archive:$BATS_TEST_TMPDIR/da.tar" "dir:$BATS_TEST_TMPDIR/dir" localhost/quick:t; do
		run --separate-stderr -0 pull "$source"
		is "$stderr" ''
	done
}

@test "killed at any moment, the cache stays whole and the next pull succeeds" {
	"$IMAGES/bulk" "$BATS_TEST_TMPDIR/layers" 20
	"$IMAGES/oci" "$BATS_TEST_TMPDIR/bulk" t "$BATS_TEST_TMPDIR"/layers/*.tar
	push "$BATS_TEST_TMPDIR/bulk" bulk:t
	for ms in 005 020 040 060 080 100 130 160 200 250 300 400; do
		run timeout -s KILL "0.$ms" fcvm-cache pull --tls-verify=false "$REGISTRY/bulk:t"
		run -0 fcvm-cache verify
	done
	run -0 pull "$REGISTRY/bulk:t"
	run -0 fcvm-cache verify
	has "$output" ok
	run -0 fcvm-cache prune
	lacks "$(cached)" tmp/
}

@test "ten million empty entries are refused at the limit, in little memory" {
	"$IMAGES/hostile" bomb "$BATS_TEST_TMPDIR/bomb" 10000000
	(
		ulimit -v 600000
		run -101 fcvm-cache pull --max-entries 1000000 "oci:$BATS_TEST_TMPDIR/bomb"
		has "$output" "more than 1000000 entries"
	)
	is "$(cached)" $'images\nrefs\ntmp'
}

@test "every kind of hostile layer is refused by name and writes nothing" {
	mkdir "$BATS_TEST_TMPDIR/h"
	for kind in $("$IMAGES/hostile" --list | grep -vx bomb); do
		"$IMAGES/hostile" "$kind" "$BATS_TEST_TMPDIR/h/$kind"
		m=$(manifest_digest "$BATS_TEST_TMPDIR/h/$kind" | cut -c8-)
		layer=$(grep -o 'sha256:[0-9a-f]*' "$BATS_TEST_TMPDIR/h/$kind/blobs/sha256/$m" | tail -n 1)
		run -101 fcvm-cache pull "oci:$BATS_TEST_TMPDIR/h/$kind"
		is "${#lines[@]}" 1 "$kind"
		has "$output" "layer $layer: "
	done
	is "$(cached)" $'images\nrefs\ntmp'
	is "$(ls "$BATS_TEST_TMPDIR")" $'data\nh\ntrace'
}
