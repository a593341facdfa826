# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What both engines work on: one image layout, files for --env-file and stdin, and a podman whose
# storage and configuration are its own.

# fixture_make DIR: fills it, and sets the environment in which podman uses it.
fixture_make() {
	local dir=$1 here images
	here=$(dirname "${BASH_SOURCE[0]}")
	images=$here/../images
	fixture_podman "$dir"
	fixture_image "$dir" "$images" "$here/../../../share/examples/hello-image" || return
	fixture_files "$dir/files"
	skopeo copy -q "oci:$dir/image:plain" containers-storage:localhost/cmp:plain &&
		skopeo copy -q "oci:$dir/image:entry" containers-storage:localhost/cmp:entry
}

# Everything of podman's is below DIR, and nothing of the machine's configuration counts: neither
# cgroups nor limits may be changed on every machine that runs the tests.
fixture_podman() {
	local dir=$1
	export CONTAINERS_STORAGE_CONF=$dir/storage.conf CONTAINERS_CONF=$dir/containers.conf
	[[ ! -e $dir/storage.conf ]] || return 0
	printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\nrootless_storage_path = "%s"\n' \
		"$dir/graph" "$dir/runroot" "$dir/graph" >"$CONTAINERS_STORAGE_CONF"
	# The capabilities are those of the file that the distribution's podman comes with.
	cat >"$CONTAINERS_CONF" <<-END
		[containers]
		log_driver = "k8s-file"
		default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE",
			"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
		[engine]
		cgroup_manager = "cgroupfs"
		runtime = "runc"
		events_logger = "none"
		tmp_dir = "$dir/tmp"
	END
}

# The busybox of hello-image, and above it users, groups and programs that cannot be run.
fixture_image() {
	local dir=$1 images=$2 hello=$3 base
	"$hello" "$dir/hello" || return
	base=$(find "$dir/hello/blobs" -type f -size +100k)
	perl -I"$images" -MTar -e '
		print file("etc/passwd", join "", map { "$_\n" } "root:x:0:0:root:/root:/bin/sh",
				"user:x:1000:1000::/home/user:/bin/sh", "many:x:1001:1001::/home/none:/bin/sh"),
			file("etc/group", join "", map { "$_\n" } "root:x:0:", "user:x:1000:", "many:x:1001:",
				"extra:x:2000:many", "more:x:2001:user,many", "alone:x:2002:"),
			dir("home"), dir("home/user", uid => 1000, gid => 1000), dir("work"), dir("opt"),
			file("work/plain", "#!/bin/sh\necho never\n", mode => 0644),
			file("work/orphan", "#!/no/interpreter\n", mode => 0755),
			file("work/headless", "echo headless\n", mode => 0755),
			file("work/tool", "#!/bin/sh\necho tool of /work \"\$@\"\n", mode => 0755),
			file("opt/tool", "#!/bin/sh\necho tool of /opt \"\$@\"\n", mode => 0755),
			file("work/private", "secret\n", mode => 0600), dir("vol"), file("vol/a", "of the image\n"),
			entry("work/link", "2", "", link => "/opt"), end_mark()' >"$dir/extra.tar"
	# shellcheck disable=SC2016 # expanded in the container
	"$images/oci" --config '"Env":["PATH=/bin:/opt","FROM_IMAGE=image","BOTH=image"],"Cmd":["sh","-c","echo the default command in $(pwd)"],"WorkingDir":"/work"' \
		"$dir/image" plain "$base" "$dir/extra.tar" &&
		"$images/oci" --config '"Env":["PATH=/bin"],"Entrypoint":["/bin/echo","entry"],"Cmd":["default","words"],"User":"many"' \
			"$dir/image" entry "$base" "$dir/extra.tar"
}

fixture_files() {
	mkdir "$1"
	printf '%s\n' '# a comment' 'FILE=from file' '' 'BOTH=file' 'CALLER' 'ABSENT' 'QUOTED="as it is"' \
		'EMPTY=' 'HASH=a # b' >"$1/env"
	printf '%s\n' 'FILE=from second file' 'TWICE=1' 'TWICE=2' >"$1/env2"
	perl -e 'print map { chr } 0 .. 255, reverse 0 .. 255' >"$1/bytes"
	: >"$1/empty"
}

# fixture_clean DIR: podman ends what it still runs, and what it does in the background has ended too.
fixture_clean() {
	local dir=$1 end=$((SECONDS + 20))
	[[ -e $dir/storage.conf ]] || return 0
	podman rm --force --all --time 0 >/dev/null
	while pgrep -f "$dir/(graph|runroot|tmp)" >/dev/null; do
		((SECONDS < end)) || { echo "podman's processes do not end" >&2 && return 1; }
		sleep 0.05
	done
}
