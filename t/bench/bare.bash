# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# bench.bash with bare QEMU that restores a saved machine, which is the limit of what fcvm can do. A saved
# machine is a directory with memory, state and scratch: a template's, a snapshot's,
# or that of bare_saved. Machines are of the devices that fcvm's have; disk is the first one's file, and
# cpus and mib are the measurement's, which has called bare_ready.
# shellcheck source=bench.bash
. "$(dirname "${BASH_SOURCE[0]}")/bench.bash"

bare_machine() { # MEMORY SHARE SCRATCH CHARDEV [ARGUMENT…]
	# shellcheck disable=SC2154 # the measurement's
	exec qemu-system-x86_64 -M microvm,rtc=on,suppress-vmdesc=on,memory-backend=ram -accel "$accel" -cpu "$cpu" \
		-smp "$cpus" -m "${mib}M" -object "memory-backend-file,id=ram,share=$2,size=${mib}M,mem-path=$1" \
		-nodefaults -no-user-config -display none -no-reboot -global migration.store-global-state=off \
		-global migration.send-configuration=off \
		-drive "id=disk0,file=$disk,format=raw,if=none,readonly=on,file.locking=off" -device virtio-blk-device,drive=disk0 \
		-drive "id=disk1,file=$3,format=raw,if=none,cache=unsafe" -device virtio-blk-device,drive=disk1 \
		-chardev "$4,id=agent" -device virtio-serial-device,max_ports=2 \
		-device virtserialport,chardev=agent,name=fcvm.agent -device virtio-rng-device \
		-device virtio-balloon-device,free-page-reporting=on \
		-chardev null,id=console -serial chardev:console "${@:5}"
}

# bare_memory DIR: sets memory to a copy of the machine's, because QEMU makes holes in the file that it maps
# where its guest gives memory back.
bare_memory() {
	memory=$work/memory.${1//\//_}
	[[ -e $memory ]] || cp --sparse=always "$1/memory" "$memory"
}

# bare_restored DIR WHAT: one that says a line when it is there and goes on until the end of stdin. WHAT is
# "runs", the guest's beginning, or a command for the shell of bare_saved, of which the first byte counts.
bare_restored() {
	local at line byte memory
	bare_memory "$1"
	at=$(mktemp -d -p "$work")
	cp --sparse=always --reflink=auto "$1/scratch" "$at/scratch"
	mkfifo "$at/port.in" "$at/port.out"
	if [[ $2 == runs ]]; then
		coproc BARE { bare_machine "$memory" off "$at/scratch" null -incoming defer -qmp stdio; }
	else
		coproc BARE { bare_machine "$memory" off "$at/scratch" "pipe,path=$at/port" -incoming defer -qmp stdio; }
	fi
	{
		echo '{"execute":"qmp_capabilities"}'
		echo "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"exec:cat $1/state\"}}"
	} >&"${BARE[1]}"
	if [[ $2 != runs ]]; then
		echo "$2" >"$at/port.in"
		read -r -N1 -t 60 byte <"$at/port.out" && echo "$byte"
	else
		# Nobody tells fcvm's agent to go on, for which that waits without sleeping.
		while read -r -t 60 line <&"${BARE[0]}"; do
			[[ $line != *'"error"'* ]] || echo "$line" >&2
			[[ $line == *'"RESUME"'* ]] || continue
			echo '{"execute":"stop"}' >&"${BARE[1]}"
			echo runs
			break
		done
	fi
	read -r line || :
	kill "$BARE_PID"
	wait "$BARE_PID" || :
	rm -r "$at"
}

# bare_saved DIR: boots fcvm's kernel with a shell that runs what comes through the port, and saves it.
bare_saved() {
	local line initrd
	mkdir -p "$1/initrd" && mkfifo "$1/port.in" "$1/port.out"
	truncate -s 1M "$1/scratch"
	cat >"$1/initrd/bench-init" <<-'END'
		#!/bin/busybox sh
		b=/bin/busybox
		$b mkdir -p /proc /sys /dev
		$b mount -t proc proc /proc
		$b mount -t devtmpfs dev /dev
		for m in /lib/fcvm/modules/*.ko; do $b insmod $m 2>/dev/null; done
		until set -- /dev/vport*p1 && [ -e "$1" ]; do :; done
		exec <>"$1" >&0
		echo ready
		while read -r line; do $b sh -c "$line"; done
	END
	chmod +x "$1/initrd/bench-init"
	initrd=$FCVM_DATA_DIR/initrds/$(setup_says initrd)/initrd
	(cat "$initrd" && cd "$1/initrd" && echo bench-init | cpio --quiet -o -H newc) >"$1/initrd.cpio"
	coproc BARE { bare_machine "$1/memory" on "$1/scratch" "pipe,path=$1/port" -qmp stdio \
		-kernel "$FCVM_DATA_DIR/kernels/$(setup_says kernel)/vmlinux" -initrd "$1/initrd.cpio" \
		-append "reboot=t panic=-1 quiet cryptomgr.notests $(setup_says append) $clock rdinit=/bench-init"; }
	exec 7<>"$1/port.in"
	read -r -t 60 line <"$1/port.out" || die "the bare machine says nothing"
	[[ $line == ready* ]] || die "the bare machine says '$line'"
	{
		echo '{"execute":"qmp_capabilities"}{"execute":"stop"}'
		echo "{\"execute\":\"xen-save-devices-state\",\"arguments\":{\"filename\":\"$1/state\"}}{\"execute\":\"quit\"}"
	} >&"${BARE[1]}"
	cat <&"${BARE[0]}" >"$1/qmp"
	wait "$BARE_PID" || die "the bare machine: $(tail -n 1 "$1/qmp")"
	exec 7>&-
}
