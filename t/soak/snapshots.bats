#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# SNAPSHOTS (100) snapshots of one VM that is at work all the time: sessions in both directions, a
# connection through a published port and new ones, a volume, its own disk and the container's output. Nothing
# of it is lost or there twice.

load ../lib/helper
load ../lib/snapshots

setup_file() {
	local image
	image=oci:$(hello_image)
	mkdir "$BATS_FILE_TMPDIR/share"
	fcvm run -d --name busy --cpus 1 --memory 256m --rootfs-size 256m -p 8080:80 -p 7001:7000 \
		-v "$BATS_FILE_TMPDIR/share:/share" "$image" -- sh -c '
		httpd -f -h /etc &
		nc -l -p 7000 -e cat &
		count() { i=0; while [ ! -e /stop ]; do i=$((i + 1)); echo $i; done; echo end; }
		count >/share/log &
		count >/log &
		count
		wait
		exec sleep 1000'
	address=$(fcvm inspect --format '{{.address}}' busy)
	export address
}

teardown_file() {
	fcvm rm -f -t 0 --ignore busy
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
}

# echoes: numbers through one connection until ./stop is there; each comes back before the next is sent.
echoes() {
	python3 -c '
import os, socket, sys
s = socket.create_connection((sys.argv[1], 7001), 60)
f, n = s.makefile("rw"), 0
while not os.path.exists("stop"):
    n += 1
    print(n, file=f, flush=True)
    back = f.readline()
    assert back == f"{n}\n", (n, back)
print(n)' "$address"
}

@test "nothing of a VM's work is lost or doubled" {
	local writer reader echoer n
	fcvm exec busy sh -c 'i=0; while [ ! -e /stop ]; do i=$((i + 1)); echo $i; done; echo end' >out &
	writer=$!
	{
		i=0
		while [[ ! -e stop ]]; do echo $((++i)); done
		echo end
	} | fcvm exec -i busy cat >back &
	reader=$!
	echoes >echoed 3>&- &
	echoer=$!
	for ((n = 1; n <= ${SNAPSHOTS:-100}; n++)); do
		pause_of busy >>pauses
		is "$(curl -sS -m 20 "http://$address:8080/hostname")" busy "snapshot $n"
	done
	touch stop
	fcvm exec busy touch /stop
	wait "$writer"
	wait "$reader"
	wait "$echoer"
	(($(<echoed) > 100))
	for file in /log /share/log; do
		wait_for 60 eval '[[ $(fcvm exec busy tail -n1 '"$file"') == end ]]'
	done
	wait_for 60 eval '[[ $(fcvm logs busy | tail -n1) == end ]]'
	fcvm exec busy cat /log >disk
	fcvm logs busy >logged
	cp "$BATS_FILE_TMPDIR/share/log" shared
	for file in out back disk shared logged; do whole "$file"; done
	is "$(wc -l <pauses)" "${SNAPSHOTS:-100}"
	sort -n pauses | awk '{ v[NR] = $1 } END { printf "# pause: p50 %d us, max %d us\n", v[int((NR + 1) / 2)], v[NR] }' >&3
	fcvm snapshot rm busy
}
