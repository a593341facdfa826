#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Files between the host and a running container, as a user of podman cp sees them.

load ../lib/helper

setup_file() {
	image=oci:$(hello_image)
	NAME=$(vm_name)
	export NAME image
	fcvm run -d --name "$NAME" --cpus 1 --memory 256m -u 1000:50 "$image" -- \
		sh -c 'while :; do sleep 1; done' >/dev/null 3>&-
	cd "$BATS_FILE_TMPDIR" || return
	mkdir -p src/sub src/ro
	echo f >src/f
	chmod 640 src/f
	ln src/f src/hard
	echo s >src/sub/s
	ln -s f src/link
	ln -s ../../etc/passwd src/up
	printf x >"src/$(printf 'nfd-e\314\201')"
	printf y >"src/$(printf 'bad\377name')"
	mkdir "src/$(printf '%0120d' 1)"
	echo deep >"src/$(printf '%0120d' 1)/$(printf '%0200d' 2)"
	echo x >src/ro/x
	chmod 1770 src/sub
	chmod 555 src/ro
	touch -d 2001-02-03T04:05:06 src/f src/sub src/ro
}

teardown_file() {
	fcvm stop -t 0 "$NAME" >/dev/null || :
	chmod -R u+w "$BATS_FILE_TMPDIR"
}

setup() {
	cd "$BATS_FILE_TMPDIR" || return
	dir=/root/$BATS_TEST_NUMBER
	out=$BATS_TEST_TMPDIR
	in_vm "mkdir $dir"
}

in_vm() { timeout 60 fcvm exec -u 0 "$NAME" sh -c "$1"; }
copy() { timeout 120 fcvm cp "$@"; }

# Everything there is to see of a tree.
tree() {
	(cd "$1" && find . -printf '%y %m %n %p -> %l\n' | sort && find . -type f -exec sha256sum {} + | sort)
}

@test "a tree goes there and comes back the same" {
	copy src "$NAME:$dir/new"
	is "$(in_vm "stat -c '%u:%g %a %Y' $dir/new/f $dir/new/sub $dir/new/ro")" \
		$'1000:50 640 981173106\n1000:50 1770 981173106\n1000:50 555 981173106'
	copy "$NAME:$dir/new" "$out/back"
	is "$(tree "$out/back")" "$(tree src)"
	is "$(stat -c '%u %Y' "$out/back/f" "$out/back/ro")" "$(id -u) 981173106"$'\n'"$(id -u) 981173106"
	chmod -R u+w "$out"
}

@test "a name that is there is a directory to copy into, /. means the contents" {
	copy src "$NAME:$dir"
	copy src/. "$NAME:$dir/"
	copy src/sub/. "$NAME:$dir/sub2"
	is "$(in_vm "cd $dir && cat src/f f sub/s sub2/s; stat -c %a . sub2")" $'f\nf\ns\ns\n755\n1770'
	mkdir "$out/d"
	copy "$NAME:$dir/src/sub" "$out/d"
	copy "$NAME:$dir/src/sub/." "$out/d"
	copy "$NAME:$dir/src/sub/." "$out/e"
	is "$(cd "$out" && find d e | sort)" $'d\nd/s\nd/sub\nd/sub/s\ne\ne/s'
}

@test "links named on the command line are followed; on the host none is written through" {
	copy src/link "$NAME:$dir"
	in_vm "cd $dir && ln -s /nowhere/x dangling && ln -s link to && mkdir d && ln -s d into"
	is "$(in_vm "[ ! -L $dir/link ] && cat $dir/link")" f
	copy src/sub/s "$NAME:$dir/to"
	copy src/sub/s "$NAME:$dir/into"
	is "$(in_vm "cat $dir/link $dir/d/s; readlink $dir/to")" $'s\ns\nlink'
	run -125 copy src/f "$NAME:$dir/dangling"
	copy "$NAME:$dir/into" "$out/d"
	is "$(cat "$out/d/s")" s
	echo keep >"$out/victim"
	ln -s victim "$out/link"
	copy "$NAME:$dir/link" "$out/link"
	is "$(cat "$out/victim" "$out/link")" $'keep\ns'
	[[ ! -L $out/link ]]
}

@test "what cannot be is refused with one line, and nothing is made" {
	local to=$out/none
	mkdir "$to"
	refused() { # MESSAGE ARGS…
		run --separate-stderr -125 copy "${@:2}"
		is "$stderr" "fcvm-cp: $1"
		is "$output" ''
	}
	refused 'nope: No such file or directory' nope "$NAME:/"
	refused "$NAME:/nope: No such file or directory" "$NAME:/nope" "$to"
	refused "$NAME:/no/such: No such file or directory" src/f "$NAME:/no/such"
	refused "$NAME:$dir/no/: No such file or directory" src/f "$NAME:$dir/no/"
	refused "$to/no/such: No such file or directory" "$NAME:/etc/passwd" "$to/no/such"
	refused "$NAME:/etc/passwd: must be a directory, as the source is" src "$NAME:/etc/passwd"
	refused 'src/f: must be a directory, as the source is' "$NAME:/etc" src/f
	refused '/dev/null: neither a regular file nor a directory' "$NAME:/etc/passwd" /dev/null
	refused "$NAME:/dev/null: neither a regular file nor a directory" "$NAME:/dev/null" "$to"
	refused "/etc: a directory cannot be copied into itself" "$NAME:/etc" "$NAME:/etc/x"
	refused "'$NAME:' has no path: see 'fcvm-cp --help'" "$NAME:" "$to"
	refused "neither side is in a VM: write VM:PATH: see 'fcvm-cp --help'" src "$to"
	refused "no VM named 'nosuch' is running: see 'fcvm ls'" nosuch:/x "$to"
	refused "$dir/bad"$'\377'": a path in a VM must be valid UTF-8, which JSON is limited to" src/f "$NAME:$dir/bad"$'\377'
	is "$(ls "$to")" ''
}

@test "directories and others replace each other only if told to" {
	echo file >"$out/x"
	in_vm "cd $dir && mkdir -p x/y a && echo b >a/b"
	run --separate-stderr -125 copy "$out/x" "$NAME:$dir"
	is "$stderr" "fcvm-cp: $NAME:$dir: x is there and is a directory: see --overwrite"
	copy --overwrite "$out/x" "$NAME:$dir"
	is "$(in_vm "cat $dir/x")" file
	mkdir -p "$out/a/b"
	run --separate-stderr -125 copy "$out/a" "$NAME:$dir"
	has "$stderr" b
	is "$(in_vm "cat $dir/a/b")" b
	mkdir "$out/d" "$out/d/x"
	run --separate-stderr -125 copy "$NAME:$dir/x" "$out/d"
	is "$stderr" 'fcvm-cp: x: it is there and is a directory: see --overwrite'
	copy --overwrite "$NAME:$dir/x" "$out/d"
	is "$(cat "$out/d/x")" file
}

@test "- is an archive on stdin or stdout, compressed or not" {
	tar -czf "$out/t.gz" -C src f sub
	copy - "$NAME:$dir" <"$out/t.gz"
	is "$(in_vm "cat $dir/f $dir/sub/s; stat -c %u $dir/f")" $'f\ns\n1000'
	is "$(copy "$NAME:$dir/sub" - | tar -t)" $'sub/\nsub/s'
	is "$(copy "$NAME:$dir/f" - | tar -xO)" f
	copy "$NAME:$dir/." - | copy - "$NAME:/tmp"
	is "$(in_vm 'cat /tmp/sub/s')" s
	run --separate-stderr -125 copy - "$NAME:$dir" < <(echo no archive)
	is "$stderr" 'fcvm-cp: cannot read the archive: Unrecognized archive format'
	run --separate-stderr -125 copy - "$NAME:$dir/none" <"$out/t.gz"
	is "$stderr" "fcvm-cp: $NAME:$dir/none: must be a directory when copying from stdin"
	run --separate-stderr -125 copy - "$NAME:$dir" < <(tar -cPf - -C src sub/../f)
	is "$stderr" 'fcvm-cp: sub/../f: the archive has a name that leaves its directory'
}

@test "owners are kept with -a=false, and options choose the VM" {
	copy -a=false src/f "$NAME:$dir/f"
	is "$(in_vm "stat -c %u $dir/f")" "$(id -u)"
	copy --pause=false --name "$NAME" src/f ":$dir/g"
	copy -l ":$dir/g" "$out/g"
	is "$(cat "$out/g")" f
	copy "$NAME:$dir" "$NAME:$dir-2"
	is "$(in_vm "cat $dir-2/g")" f
}

@test "200 MB and 5,000 files come back the same" {
	head -c 209715200 /dev/urandom >"$out/big"
	copy "$out/big" "$NAME:$dir/big"
	copy "$NAME:$dir/big" "$out/back"
	cmp "$out/big" "$out/back"
	rm "$out/big" "$out/back"
	local i
	for i in {1..5000}; do
		((i > 50)) || mkdir -p "$out/many/$((i % 50))"
		echo "$i" >"$out/many/$((i % 50))/$i"
	done
	copy "$out/many" "$NAME:$dir/many"
	copy "$NAME:$dir/many" "$out/many2"
	diff -r "$out/many" "$out/many2"
	in_vm "rm -r $dir"
}

@test "the whole system comes without what the kernel shows in it" {
	copy "$NAME:/" "$out/all"
	is "$(cat "$out/all/etc/passwd")" "$(in_vm 'cat /etc/passwd')"
	[[ ! -e $out/all/proc && ! -e $out/all/sys && ! -e $out/all/dev ]]
	chmod -R u+w "$out"
}

@test "an interrupted copy leaves no process, here or there" {
	mkfifo "$out/fifo"
	timeout 60 fcvm-cp - "$NAME:$dir" <"$out/fifo" 3>&- 4>&- &
	local pid=$!
	exec 9>"$out/fifo"
	tar -cf - src/sub | head -c 600 >&9
	# Other tests copy into this VM at the same time.
	local it="ps | grep -q '[t]ar -xpf .* -C $dir'"
	wait_for 20 in_vm "$it"
	kill -INT "$(pgrep -P "$pid" fcvm-cp)"
	wait "$pid" && fail 'it ended well'
	exec 9>&-
	wait_for 20 in_vm "! $it"
}

@test "a VM that ends in the middle is one line and a failure" {
	local name sup pid status=0
	export FCVM_RUN_BASE=$out/run # not the latest of the other tests
	name=$(vm_name)
	fcvm run -d --name "$name" --cpus 1 --memory 256m "$image" -- sleep 1000 3>&-
	mkfifo "$out/fifo"
	timeout 60 fcvm-cp "$name:/proc/1/root/dev/zero" - 3>&- && fail 'a device'
	fcvm exec "$name" dd if=/dev/zero of=/big bs=1M count=150 2>/dev/null
	sup=$(fcvm inspect --format '{{.vmm.pid}}' "$name")
	timeout 60 fcvm-cp "$name:/big" - >"$out/fifo" 2>"$out/err" 3>&- 4>&- &
	pid=$!
	exec 9<"$out/fifo"
	is "$(head -c 1000000 <&9 | wc -c)" 1000000
	kill -9 "$sup"
	cat <&9 >/dev/null
	exec 9<&-
	wait "$pid" || status=$?
	is "$status" 125
	is "$(wc -l <"$out/err")" 1
	matches "$(cat "$out/err")" "^fcvm-cp: $name: "
}
