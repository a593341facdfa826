# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For tests of snapshots: a data directory of the file's own, over the kernel, images and disks that
# all tests share, and one VM to take snapshots of; so the tests of a file run one after another.

setup_file() {
	export BATS_NO_PARALLELIZE_WITHIN_FILE=true # one VM, one name for clones
	fcvm setup
	IMAGE=oci:$(hello_image)
	fcvm-cache pull "$IMAGE"
	local data=$BATS_FILE_TMPDIR/data part
	mkdir "$data"
	for part in kernels initrds images refs locks tmp scratch setup.json; do
		[[ ! -e $FCVM_DATA_DIR/$part ]] || ln -s "$FCVM_DATA_DIR/$part" "$data/$part"
	done
	export IMAGE FCVM_DATA_DIR=$data FCVM_NO_SNAPSHOT=1
	source_vm
}

teardown_file() {
	fcvm stop --all -t 0
}

# start NAME OPTION… IMAGE COMMAND…: a small VM in the background.
start() {
	fcvm run -d --memory 128m --rootfs-size 64m --name "$@"
}

snapshots() {
	fcvm snapshot ls -q
}

# store: what is in the store, hidden names included, but for its lock.
store() {
	find "$FCVM_DATA_DIR/snapshots" -mindepth 1 -maxdepth 1 ! -name .lock -printf '%f\n' | sort
}

# pause_of VM: takes a snapshot of it, and says for how many microseconds that held it up.
pause_of() {
	fcvm snapshot create "$1" --json | sed -n 's/.*"pauseUsec": \([0-9]*\).*/\1/p'
}

# whole FILE: the numbers from 1 on, each once and in their order, and the word end.
whole() {
	local n
	is "$(tail -n1 "$1")" end "$1"
	n=$(($(wc -l <"$1") - 1))
	((n > 100)) || fail "only $n lines in $1"
	cmp <(head -n "$n" "$1") <(seq 1 "$n")
	echo "# ${1##*/}: $n lines" >&3
}

# typed_vm: a terminal with a VM of that name, in whose shell a variable was typed; it echoes no more.
typed_vm() {
	load ../lib/tmux
	open_terminal
	type_line "fcvm run -it --name typed --memory 128m --rootfs-size 64m --network none $IMAGE sh"
	until_shows '^/ #$'
	type_line 'word=before; stty -echo'
	until_shows '^/ # word=before; stty -echo$'
	until_shows '^/ #$' # else a clone would write the prompt
}
