# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# For tests of snapshots of the disk alone (instead of snapshots.bash, after helper): a VM that writes,
# and a snapshot of its disk.

load ../lib/snapshots

source_vm() {
	start source --network none "$IMAGE" -- sh -c 'echo run >>/runs; : >/log; while :; do echo line >>/log; sleep 0.05; done'
	fcvm exec source sh -c 'echo kept >/file; mkdir /dir; echo 0123456789abcdef0123456789abcdef >/etc/machine-id'
	fcvm snapshot create source --disk-only --tag base
}

teardown() {
	fcvm stop --ignore -t 0 --name clone >/dev/null
}
