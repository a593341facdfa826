#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
load ../lib/helper

IMAGES=$BATS_TEST_DIRNAME/../lib/images

setup_file() {
	# Nothing here is for a user's own podman or registries.
	export CONTAINERS_STORAGE_CONF=/dev/null
	# One small image for all tests here: two layers, an OCI layout.
	perl -I"$IMAGES" -MTar -e '
		print dir("."), dir("bin"), file("bin/sh", "#!\n", mode => 04755), file("gone", "x"),
			entry("bin/link", "2", "", link => "sh"), end_mark()' >"$BATS_FILE_TMPDIR/1.tar"
	perl -I"$IMAGES" -MTar -e '
		print file(".wh.gone", ""), file("new", "content"), end_mark()' >"$BATS_FILE_TMPDIR/2.tar"
	"$IMAGES/oci" --config '"Cmd":["sh"]' "$BATS_FILE_TMPDIR/img" t \
		"$BATS_FILE_TMPDIR/1.tar" "$BATS_FILE_TMPDIR/2.tar"
}

setup() {
	export FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	export FCVM_CACHE_TRACE=$BATS_TEST_TMPDIR/trace
	img=$BATS_TEST_TMPDIR/img
	cp -r "$BATS_FILE_TMPDIR/img" "$img"
	touch "$FCVM_CACHE_TRACE"
}

exports() { grep -c . "$FCVM_CACHE_TRACE" || :; }

# Everything in the cache but its lock file.
cached() { (cd "$FCVM_DATA_DIR" && find images refs tmp | sort); }

# The content of a file in an image directory.
content() { unsquashfs -cat "$1/root.sqfs" "$2"; }

# A skopeo that serves $img as every docker:// reference and writes down its calls.
registry_stub() {
	skopeo copy -q "oci:$img:t" "dir:$BATS_TEST_TMPDIR/served"
	stub skopeo "echo \"\$*\" >>$BATS_TEST_TMPDIR/calls
		for last; do :; done
		case \" \$* \" in
		*' inspect '*) cat $BATS_TEST_TMPDIR/served/manifest.json ;;
		*' copy '*) cp -r $BATS_TEST_TMPDIR/served \"\${last#dir:}\" ;;
		esac"
	PATH=$STUBS:$PATH
}
calls() { grep -c -- "$1" "$BATS_TEST_TMPDIR/calls" || :; }

@test "pull prints the directory of an image with a root file system and the config as it is" {
	run -0 fcvm-cache pull "oci:$img:t"
	is "${#lines[@]}" 1
	dir=$output id=$(basename "$output")
	is "$(content "$dir" new)" content
	is "$(sha256sum <"$dir/config.json")" "$id  -" "the id is the config's digest"
	cmp "$dir/config.json" "$img/blobs/sha256/$id"
	files=$(unsquashfs -lln "$dir/root.sqfs")
	has "$files" "-rwsr-xr-x 0/0"
	lacks "$files" gone
}

@test "the same image is found again under every source, without another export" {
	skopeo copy -q "oci:$img:t" "oci-archive:$BATS_TEST_TMPDIR/a.tar:t"
	skopeo copy -q "oci:$img:t" "dir:$BATS_TEST_TMPDIR/d"
	run -0 fcvm-cache pull "oci:$img:t"
	want=$output
	for source in "oci:$img" "oci-archive:$BATS_TEST_TMPDIR/a.tar" "dir:$BATS_TEST_TMPDIR/d"; do
		run -0 fcvm-cache pull "$source"
		is "$output" "$want" "$source"
	done
	is "$(exports)" 1
}

@test "a docker-archive is an image too" {
	skopeo copy -q "oci:$img:t" "docker-archive:$BATS_TEST_TMPDIR/a.tar:localhost/x:t"
	run -0 fcvm-cache pull "docker-archive:$BATS_TEST_TMPDIR/a.tar"
	is "$(content "$output" new)" content
	run -0 fcvm-cache pull "docker-archive:$BATS_TEST_TMPDIR/a.tar:localhost/x:t"
	is "$(exports)" 1
}

@test "gzip, zstd and plain layers make the same root file system" {
	roots=
	for how in gzip zstd plain; do
		"$IMAGES/oci" --$how "$BATS_TEST_TMPDIR/$how" t "$BATS_FILE_TMPDIR/1.tar" "$BATS_FILE_TMPDIR/2.tar"
		run -0 env FCVM_DATA_DIR="$BATS_TEST_TMPDIR/data.$how" fcvm-cache pull "oci:$BATS_TEST_TMPDIR/$how"
		roots+=$(unsquashfs -lln "$output/root.sqfs" | sha256sum)$'\n'
	done
	is "$(sort -u <<<"$roots" | grep -c .)" 1
}

@test "a hit starts no other program" {
	fcvm-cache pull "oci:$img:t"
	run -0 env PATH="$ROOT/build/bin" "$ROOT/build/bin/fcvm-cache" pull "oci:$img:t"
	is "$(exports)" 1
}

@test "a changed archive is looked at again" {
	skopeo copy -q "oci:$img:t" "oci-archive:$BATS_TEST_TMPDIR/a.tar:t"
	run -0 fcvm-cache pull "oci-archive:$BATS_TEST_TMPDIR/a.tar"
	first=$output
	rm "$BATS_TEST_TMPDIR/a.tar"
	"$IMAGES/oci" "$BATS_TEST_TMPDIR/other" t "$BATS_FILE_TMPDIR/1.tar"
	skopeo copy -q "oci:$BATS_TEST_TMPDIR/other:t" "oci-archive:$BATS_TEST_TMPDIR/a.tar:t"
	run -0 fcvm-cache pull "oci-archive:$BATS_TEST_TMPDIR/a.tar"
	[[ $output != "$first" ]]
	is "$(exports)" 2
}

@test "--pull says when the registry is asked" {
	registry_stub
	fcvm-cache pull registry.example/x
	is "$(calls inspect) $(calls copy)" "1 1" "a miss"
	fcvm-cache pull registry.example/x
	fcvm-cache pull --pull never registry.example/x
	is "$(calls .)" 2 "missing and never: not at all"
	fcvm-cache pull --pull always registry.example/x
	fcvm-cache pull --pull newer registry.example/x
	is "$(calls inspect) $(calls copy)" "3 1" "always and newer: only for the manifest"
	digest=sha256:$(sha256sum <"$BATS_TEST_TMPDIR/served/manifest.json" | cut -d' ' -f1)
	fcvm-cache pull "registry.example/x@$digest"
	fcvm-cache pull --pull always "registry.example/x@$digest"
	is "$(calls copy)" 1 "by digest: the same image"
	is "$(calls inspect)" 4 "by digest: nothing can have changed"
}

@test "--pull newer uses what is cached when the registry does not answer, always does not" {
	registry_stub
	run -0 fcvm-cache pull registry.example/x
	want=$output
	stub skopeo 'echo "time=x level=fatal msg=\"pinging: connection refused\"" >&2; exit 1'
	run -0 --separate-stderr fcvm-cache pull --pull newer registry.example/x
	is "$output" "$want"
	has "$stderr" "using the cached image"
	run -111 fcvm-cache pull --pull always registry.example/x
	is "$output" "fcvm-cache: docker://registry.example/x:latest: pinging: connection refused"
}

@test "--pull never on a miss is one line and status 102" {
	run -102 fcvm-cache pull --pull never registry.example/none
	is "${#lines[@]}" 1
	has "$output" "'registry.example/none' is not in the cache"
}

@test "a registry that sends another manifest than the digest names is refused" {
	registry_stub
	run -101 fcvm-cache pull "registry.example/x@sha256:$(printf '0%.0s' {1..64})"
	has "$output" "sent a manifest with digest"
	is "$(exports)" 0
}

@test "credentials and TLS options reach skopeo, but no secret its command line" {
	registry_stub
	echo 'me:secret' >"$BATS_TEST_TMPDIR/creds"
	fcvm-cache pull --creds-file "$BATS_TEST_TMPDIR/creds" --tls-verify=false registry.example/x
	has "$(<"$BATS_TEST_TMPDIR/calls")" "--authfile $FCVM_DATA_DIR/tmp/"
	has "$(<"$BATS_TEST_TMPDIR/calls")" "--src-tls-verify=false"
	has "$(<"$BATS_TEST_TMPDIR/calls")" "--tmpdir $FCVM_DATA_DIR/tmp/"
	lacks "$(<"$BATS_TEST_TMPDIR/calls")" secret
	run ! grep -rq "$(printf 'me:secret' | base64)" "$FCVM_DATA_DIR"
}

@test "names in podman's storage are found without starting anything" {
	run -0 fcvm-cache pull "oci:$img:t"
	want=$output
	mkdir -p "$BATS_TEST_TMPDIR/graph/overlay-images"
	printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\n' "$BATS_TEST_TMPDIR/graph" >"$BATS_TEST_TMPDIR/conf"
	printf '[{"id":"%s","names":["localhost/web:latest"]}]' "$(basename "$want")" \
		>"$BATS_TEST_TMPDIR/graph/overlay-images/images.json"
	export CONTAINERS_STORAGE_CONF=$BATS_TEST_TMPDIR/conf
	for name in web localhost/web containers-storage:localhost/web:latest; do
		run -0 env PATH="$ROOT/build/bin" "$ROOT/build/bin/fcvm-cache" pull "$name"
		is "$output" "$want"
	done
	is "$(exports)" 1
}

@test "an index is searched for the platform" {
	"$IMAGES/oci" --platform linux/arm64 "$img" t "$BATS_FILE_TMPDIR/1.tar"
	run -0 fcvm-cache pull --platform linux/arm64 "oci:$img:t"
	run -0 fcvm-cache inspect --platform linux/arm64 "oci:$img:t"
	has "$output" '"architecture": "arm64"'
	run -0 fcvm-cache pull --platform linux/amd64 "oci:$img:t"
	is "$(content "$output" new)" content
}

@test "an image for another platform than the one named is refused, else noted" {
	"$IMAGES/oci" --platform linux/s390x "$BATS_TEST_TMPDIR/z" t "$BATS_FILE_TMPDIR/1.tar"
	run -102 fcvm-cache pull --platform linux/amd64 "oci:$BATS_TEST_TMPDIR/z"
	has "$output" "is for linux/s390x, not for linux/amd64"
	run -0 --separate-stderr fcvm-cache pull "oci:$BATS_TEST_TMPDIR/z"
	has "$stderr" "is for linux/s390x"
	run -102 fcvm-cache pull --platform linux/amd64 "oci:$BATS_TEST_TMPDIR/z"
}

@test "hostile layers are refused by name and leave the cache as it was" {
	fcvm-cache pull "oci:$img:t"
	before=$(cached)
	mkdir "$BATS_TEST_TMPDIR/h"
	for kind in dotdot absolute hard-link-escape symlink-escape cut-in-content truncated \
		wrong-digest wrong-digest-gzip wrong-diff-id; do
		"$IMAGES/hostile" "$kind" "$BATS_TEST_TMPDIR/h/$kind"
		layer=$(grep -o 'sha256:[0-9a-f]*' "$BATS_TEST_TMPDIR/h/$kind/blobs/sha256/$(
			grep -o 'sha256:[0-9a-f]*' "$BATS_TEST_TMPDIR/h/$kind/index.json" | head -n 1 | cut -c8-
		)" | tail -n 1)
		run -101 fcvm-cache pull "oci:$BATS_TEST_TMPDIR/h/$kind"
		is "${#lines[@]}" 1 "$kind"
		has "$output" "layer $layer: "
	done
	is "$(cached)" "$before"
	is "$(ls "$BATS_TEST_TMPDIR")" $'data\nh\nimg\ntrace' "nothing was written beside it"
}

@test "more entries or bytes than allowed are refused before they fill memory" {
	"$IMAGES/hostile" bomb "$BATS_TEST_TMPDIR/bomb" 200000
	(
		ulimit -v 300000
		run -101 fcvm-cache pull --max-entries 50000 "oci:$BATS_TEST_TMPDIR/bomb"
		matches "$output" "layer sha256:[0-9a-f]{64}: entry 'd/[0-9]+': more than 50000 entries"
		run -101 fcvm-cache pull --max-size 1m "oci:$BATS_TEST_TMPDIR/bomb"
		has "$output" "unpacks to more than 1048576 bytes"
	)
	is "$(cached)" $'images\nrefs\ntmp'
}

@test "17 pulls of one uncached image at once make one export" {
	pids=()
	for i in {1..17}; do
		fcvm-cache pull "oci:$img:t" >"$BATS_TEST_TMPDIR/out.$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	is "$(exports)" 1
	is "$(cat "$BATS_TEST_TMPDIR"/out.* | sort -u | wc -l)" 1
}

@test "two images do not wait for each other" {
	"$IMAGES/oci" "$BATS_TEST_TMPDIR/other" t "$BATS_FILE_TMPDIR/1.tar"
	mkfifo "$BATS_TEST_TMPDIR/started" "$BATS_TEST_TMPDIR/go"
	stub tar2sqfs "echo >$BATS_TEST_TMPDIR/started; read -r _ <$BATS_TEST_TMPDIR/go; exec $(command -v tar2sqfs) \"\$@\""
	PATH=$STUBS:$PATH fcvm-cache pull "oci:$img:t" >"$BATS_TEST_TMPDIR/slow" 3>&- &
	pid=$!
	read -r _ <"$BATS_TEST_TMPDIR/started"
	run -0 timeout 20 fcvm-cache pull "oci:$BATS_TEST_TMPDIR/other"
	echo >"$BATS_TEST_TMPDIR/go"
	wait "$pid"
	[[ -d $(<"$BATS_TEST_TMPDIR/slow") ]]
}

@test "SIGKILL in the middle of an export leaves a directory that the next pull sweeps" {
	mkfifo "$BATS_TEST_TMPDIR/started"
	stub tar2sqfs "echo \$\$ >$BATS_TEST_TMPDIR/started; exec sleep 300"
	PATH=$STUBS:$PATH fcvm-cache pull "oci:$img:t" 3>&- &
	pid=$!
	read -r packer <"$BATS_TEST_TMPDIR/started"
	kill -KILL "$pid"
	wait "$pid" || :
	wait_for 10 gone "$packer"
	matches "$(cached)" $'^images\nrefs\ntmp\ntmp/pull\.[a-z0-5]*\n'
	run -0 fcvm-cache pull "oci:$img:t"
	is "$(content "$output" new)" content
	lacks "$(cached)" tmp/
	run -0 fcvm-cache verify
}

@test "a packer that fails is reported and leaves nothing" {
	stub tar2sqfs 'echo "out of luck" >&2; exit 3'
	PATH=$STUBS:$PATH run -111 fcvm-cache pull "oci:$img:t"
	has "$output" "tar2sqfs failed (status 3): out of luck"
	is "$(cached)" $'images\nrefs\ntmp'
}

@test "an image in use is removed by neither rm nor prune" {
	run -0 fcvm-cache pull "oci:$img:t"
	dir=$output
	exec 8<"$dir/lock"
	flock -s 8
	run -103 fcvm-cache rm "oci:$img:t"
	has "$output" "in use by a running VM"
	run -0 fcvm-cache prune --all
	has "$output" "kept: image $(basename "$dir" | cut -c1-12) is in use"
	[[ -f $dir/root.sqfs ]]
	exec 8<&-
	run -0 fcvm-cache rm "oci:$img:t"
	[[ ! -e $dir ]]
	is "$(cached)" $'images\nrefs\ntmp'
}

@test "rm takes a name away and the image with its last one" {
	skopeo copy -q "oci:$img:t" "dir:$BATS_TEST_TMPDIR/d"
	fcvm-cache pull "oci:$img:t"
	run -0 fcvm-cache pull "dir:$BATS_TEST_TMPDIR/d"
	dir=$output
	run -0 fcvm-cache rm "oci:$img:t"
	[[ -d $dir ]]
	run -0 fcvm-cache rm "$(basename "$dir" | cut -c1-12)"
	[[ ! -e $dir ]]
	run -102 fcvm-cache rm no/such
}

@test "prune removes what no reference means any more" {
	run -0 fcvm-cache pull "oci:$img:t"
	old=$output
	rm -r "$img"
	"$IMAGES/oci" "$img" t "$BATS_FILE_TMPDIR/1.tar"
	run -0 fcvm-cache pull "oci:$img:t"
	new=$output
	run -0 fcvm-cache prune --json
	has "$output" "$(basename "$old")"
	[[ ! -e $old && -d $new ]]
	run -0 fcvm-cache prune --all
	[[ ! -e $new ]]
}

@test "verify finds damage, and the next pull mends it" {
	run -0 fcvm-cache pull "oci:$img:t"
	dir=$output
	run -0 fcvm-cache verify
	is "$output" "$(basename "$dir" | cut -c1-12) ok"
	printf x | dd of="$dir/root.sqfs" bs=1 seek=200 conv=notrunc status=none
	run -1 fcvm-cache verify
	has "$output" "damaged: root.sqfs has digest"
	run -1 fcvm-cache verify --json "oci:$img:t"
	has "$output" '"ok": false'
	truncate -s 100 "$dir/root.sqfs"
	run -0 fcvm-cache pull "oci:$img:t"
	is "$output" "$dir"
	run -0 fcvm-cache verify
}

@test "ls and inspect show what is cached, as text and as JSON" {
	fcvm-cache pull "oci:$img:t"
	run -0 fcvm-cache ls
	has "$output" "oci:$img:t"
	run -0 fcvm-cache ls --json
	has "$output" '"references": ['
	id=$(fcvm-cache ls -q)
	run -0 fcvm-cache inspect "$id"
	has "$output" '"Cmd": ['
	run -102 fcvm-cache inspect no/such
}

@test "too little disk space is said before work begins" {
	# a file system of 8 MiB in a namespace of our own
	run -111 unshare -rm sh -c "mount -t tmpfs -o size=8m tmpfs '$BATS_TEST_TMPDIR' 2>/dev/null ||
		exit 42; FCVM_DATA_DIR='$BATS_TEST_TMPDIR/data' fcvm-cache pull 'oci:$BATS_FILE_TMPDIR/img:t'"
	matches "$output" "not enough disk space in .*: [0-9]+ MiB needed, [0-9]+ MiB free"
}

@test "layers that are not distributed, schema 1 and other documents are refused by name" {
	m=$(grep -o 'sha256:[0-9a-f]*' "$img/index.json" | head -n 1 | cut -c8-)
	mkdir "$BATS_TEST_TMPDIR/d"
	sed 's/image.layer.v1/image.layer.nondistributable.v1/' "$img/blobs/sha256/$m" >"$BATS_TEST_TMPDIR/d/manifest.json"
	run -101 fcvm-cache pull "dir:$BATS_TEST_TMPDIR/d"
	has "$output" "is not distributed with the image"
	echo '{"schemaVersion":1}' >"$BATS_TEST_TMPDIR/d/manifest.json"
	run -101 fcvm-cache pull "dir:$BATS_TEST_TMPDIR/d"
	has "$output" "schema 1"
	echo '[]' >"$BATS_TEST_TMPDIR/d/manifest.json"
	run -101 fcvm-cache pull "dir:$BATS_TEST_TMPDIR/d"
	has "$output" "not a JSON object"
	run -102 fcvm-cache pull "dir:$BATS_TEST_TMPDIR/none"
}

@test "a wrong verb, option or number of words is a usage error" {
	run -100 fcvm-cache pul x
	has "$output" "did you mean 'pull'?"
	run -100 fcvm-cache pull
	run -100 fcvm-cache pull --pull sometimes x
	run -100 fcvm-cache pull --platform linux x
	run -100 fcvm-cache
}
