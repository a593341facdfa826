#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Directories and files of the host in a container, as its user and the host's see them.

setup() {
	load ../lib/helper
	image=oci:$(hello_image)
	name=$(vm_name)
	dir=$BATS_TEST_TMPDIR/share
	mkdir "$dir"
}

teardown() {
	fcvm stop --ignore -t 0 "$name" >/dev/null
}

vm() { # OPTIONS… -- COMMAND…
	local before after
	split "$@"
	timeout 120 fcvm run --rm --name "$name" --cpus 1 --memory 256m "${before[@]}" "$image" "${after[@]}"
}

@test "a directory is the host's in both directions, with types, modes and owners" {
	echo 'from the host' >"$dir/host"
	ln -s host "$dir/link"
	install -m 750 -d "$dir/sub"
	run --separate-stderr -0 vm -v "$dir:/data" -- sh -c 'cd /data && cat link && stat -c %a sub &&
		echo "from the guest" >sub/guest && chmod 640 sub/guest && chown 0:0 sub/guest && mkfifo pipe &&
		ln sub/guest hard && mv host moved'
	is "$output" $'from the host\n750'
	is "$stderr" ''
	is "$(<"$dir/sub/guest")" 'from the guest'
	is "$(stat -c '%a %h' "$dir/hard")" '640 2'
	[[ -p $dir/pipe && -e $dir/moved && ! -e $dir/host ]]
	is "$(stat -c %u "$dir/sub/guest")" "$(id -u)"
}

@test "a change on the host is what the guest sees next, whatever it has looked at before" {
	echo one >"$dir/file"
	vm -d -v "$dir:/data" -- sh -c 'while [ ! -e /data/end ]; do sleep 0.1; done'
	is "$(fcvm exec "$name" cat /data/file)" one
	echo two and more >"$dir/file"
	is "$(fcvm exec "$name" cat /data/file)" 'two and more'
	echo three >"$dir/new" && mv "$dir/new" "$dir/file"
	is "$(fcvm exec "$name" cat /data/file)" three
	rm "$dir/file"
	run -1 fcvm exec "$name" cat /data/file
	run -1 fcvm exec "$name" ls /data/later
	echo there >"$dir/later"
	is "$(fcvm exec "$name" ls /data/later)" /data/later
	is "$(fcvm exec "$name" ls /data)" later
	touch "$dir/end"
	wait_for 20 gone_all
}

@test "one file; a directory in it that is missing is made; several volumes lie in each other" {
	echo secret >"$BATS_TEST_TMPDIR/one"
	mkdir "$dir/inner"
	run --separate-stderr -1 vm -v "$BATS_TEST_TMPDIR/one:/etc/deep/one:ro" -v "$dir/inner:/a/b/c" -v "$dir:/a" -- \
		sh -c 'cat /etc/deep/one; touch /a/b/c/x; ls -d /a/inner/x; echo no >/etc/deep/one' </dev/null
	is "$output" $'secret\n/a/inner/x'
	has "$stderr" 'Read-only file system'
	is "$(<"$BATS_TEST_TMPDIR/one")" secret
}

@test "a read-only volume cannot be changed, noexec and nosuid hold" {
	echo 'echo run' >"$dir/script" && chmod 755 "$dir/script"
	run --separate-stderr -0 vm -v "$dir:/data:ro,noexec" -- sh -c '
		touch /data/x 2>/dev/null || echo refused
		rm /data/script 2>/dev/null || echo kept
		/data/script 2>/dev/null || echo "no exec"
		mount | grep " /data "'
	has "$output" $'refused\nkept\nno exec\n'
	matches "$output" '/data type fuse \(ro,.*noexec'
}

@test "what is wrong with a volume is said before anything starts" {
	run --separate-stderr -125 vm -v "$dir/missing:/data" -- true
	is "$output" ''
	is "$stderr" "fcvm-vol: the volume's source $dir/missing: No such file or directory"
	run --separate-stderr -125 vm -v "$dir:data" -- true
	has "$stderr" data
	run --separate-stderr -125 vm -v "$dir:/data:rx" -- true
	has "$stderr" rx
	run --separate-stderr -125 vm -v "$dir:/a" -v "$dir:/a/" -- true
	has "$stderr" /a
	[[ ! -e $FCVM_RUN_BASE/$name ]]
}

@test "a named volume stays, and begins with what the image has" {
	run -0 vm -v "$name:/etc" -- sh -c 'grep -c root /etc/passwd; echo kept >/etc/mine'
	is "$output" 1
	run -0 vm -v "$name:/data" -- cat /data/mine /data/passwd
	has "$output" kept
	has "$output" root
	run -0 fcvm volume ls -q
	has "$output" "$name"
	run -0 fcvm volume rm "$name"
	run -0 fcvm volume ls -q
	lacks "$output" "$name"
}

@test "a new volume that is read-only is there, and empty" {
	run -0 vm -v "$name:/etc:ro" -- sh -c 'ls -A /etc; touch /etc/x 2>&1 || :'
	is "$output" 'touch: /etc/x: Read-only file system'
	fcvm volume rm "$name"
}

@test "what was written through a mapping is on the host when the run has ended" {
	gcc -static -o "$dir/mapwrite" "$ROOT/t/lib/mapwrite.c"
	run -0 vm -v "$dir:/data" -- /data/mapwrite /data/mapped
	is "$(tr -d '\0' <"$dir/mapped")" 'through a mapping'
	is "$(stat -c %s "$dir/mapped")" 65536
}

@test "a container that runs again has its volumes" {
	vm -d -v "$dir:/data" -- sh -c 'echo run >>/data/runs; sleep 1000'
	wait_for 20 test -e "$dir/runs"
	run -0 fcvm restart -t 0 "$name"
	two_runs() { [[ $(wc -l <"$dir/runs") == 2 ]]; }
	wait_for 20 two_runs
	run -0 fcvm inspect "$name"
	has "$output" "\"destination\": \"/data\""
}

gone_all() { [[ ! -e $FCVM_RUN_BASE/$name && -z $(servers) ]]; }
servers() { # the processes that serve volumes of the VM
	local p
	for p in /proc/[0-9]*; do
		grep -qz "^FCVM_NAME=$name$" "$p/environ" 2>/dev/null && [[ $(<"$p/comm") == volume ]] && echo "${p#/proc/}"
	done
	return 0
}

@test "the server of a volume is killed: EIO in the guest, and the run ends with a message" {
	echo x >"$dir/file"
	vm --stop-timeout 1 -v "$dir:/data" -- sh -c 'exec 3</data/file; echo ready; while cat /data/file >/dev/null; do :; done
		cat /data/file; sleep 1000' >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" 3>&- 4>&- &
	local p=$! s=0 pids
	wait_for 60 grep -q ready "$BATS_TEST_TMPDIR/out"
	mapfile -t pids < <(servers)
	kill -9 "${pids[@]}"
	wait "$p" || s=$?
	is "$s" 125
	has "$(<"$BATS_TEST_TMPDIR/err")" "can't open '/data/file': Input/output error"
	has "$(<"$BATS_TEST_TMPDIR/err")" 'fcvm-boot: '
	wait_for 5 gone_all
}
