# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the measurements share: sourced with their arguments. Sets json (not empty: a row is a JSON
# object), here (this folder) and work (a directory of the measurement's own, which ends with it), and
# puts the built programs first in PATH. A measurement may define cleanup. What was measured lies in
# files of $work, one number a line.
# shellcheck disable=SC2034 # what is set here is the measurement's
set -eu

json=
[[ ${1:-} != --json ]] || json=1
bench=${0##*/}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$(cd "$here/../../build/bin" && pwd):$PATH
[[ -z ${FCVM_DATA_DIR:-} ]] || FCVM_DATA_DIR=$(realpath "$FCVM_DATA_DIR")
work=$(mktemp -d)
cd "$work" # podman takes no path of an image with capital letters
cleanup() { :; }
finish() {
	cleanup
	umount "$work/store/overlay" 2>/dev/null || :
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM PIPE

die() {
	echo "bench: $bench: $*" >&2
	exit 1
}
# quietly COMMAND…: its last lines are the reason if it fails; what it printed is in $work/log.
quietly() {
	"$@" >"$work/log" 2>&1 </dev/null || die "$*: $(tail -n 3 "$work/log")"
}

now() { echo "${EPOCHREALTIME/./}"; } # microseconds
ms_since() { echo $((($(now) - $1) / 1000)); }

# once FUNCTION…: in this order, the milliseconds of each to $work/FUNCTION.
once() {
	local f start
	for f; do
		start=$(now)
		quietly "$f"
		ms_since "$start" >>"$work/$f"
	done
}
# take_turns ROUNDS FUNCTION…: a round runs each once, so that a busy moment of the machine hits all; one
# more, that warms the caches, is not counted.
take_turns() {
	local i
	for ((i = 0; i <= $1; i++)); do
		once "${@:2}"
		((i)) || (cd "$work" && rm "${@:2}")
	done
}

median() { # FILE
	sort -n "$work/$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'; }

# row NAME UNIT OURS PEER THEIRS VERSIONS [KEY VALUE]…: KEY and VALUE are what else was measured. Where
# there is nothing to compare with, PEER is "-".
row() {
	local name=$1 unit=$2 ours=$3 peer=$4 theirs=$5 versions=$6 more='' x
	shift 6
	[[ $peer == - ]] || x=$(ratio "$ours" "$theirs")
	if [[ -n $json ]]; then
		[[ $peer == - ]] || more+=",\"peer\":\"$peer\",\"peerValue\":$theirs,\"ratio\":$x"
		while (($#)); do more+=",\"$1\":$2" && shift 2; done
		printf '{"name":"%s","unit":"%s","value":%s%s,"versions":"%s"}\n' "$name" "$unit" "$ours" "$more" "$versions"
	else
		[[ $peer == - ]] || more+=$(printf '   %-14s %9s %-6s %6s x' "$peer" "$theirs" "$unit" "$x")
		while (($#)); do more+="   $1 $2" && shift 2; done
		printf '%-32s %9s %-6s%s   %s\n' "$name" "$ours" "$unit" "$more" "$versions"
	fi
}

# --- those who are compared

# A data directory that is set up, VMs of its own, and an image in $work/image.
fcvm_ready() {
	export FCVM_DATA_DIR=${FCVM_DATA_DIR:-$here/../../build/t/data} FCVM_RUN_BASE=$work/run
	mkdir "$work/run"
	quietly fcvm setup
	quietly "$here/../../share/examples/hello-image" "$work/image"
}
setup_says() { # FIELD: setup.json has one member a line
	sed -n "s/^ *\"$1\": \"\\([^\"]*\\)\".*/\\1/p" "$FCVM_DATA_DIR/setup.json"
}
# QEMU's arguments for the accelerator, and the kernel's, as fcvm has them (arch_x86_64.c): accel, cpu, clock.
bare_ready() {
	local khz hz
	accel=kvm cpu=host clock=
	[[ $(setup_says accel) == tcg ]] || return 0
	accel=tcg,thread=multi,tb-size=64 cpu=max,erms=off,fsrm=off
	khz=$(awk -F ': ' '/^cpu MHz/ { printf "%.0f", $2 * 1000; exit }' /proc/cpuinfo)
	hz=$(setup_says append | sed -n 's/.*fcvm\.hz=\([0-9]*\).*/\1/p')
	clock="tsc_early_khz=$khz tsc=reliable${hz:+ lpj=$((khz * 1000 / hz))} maxcpus=1 noreplace-smp"
}

# With options that need neither delegated cgroups nor raised limits: podman, limits, and the image's id.
podman_ready() {
	read -ra podman <<<"${PEER_PODMAN-podman --cgroup-manager=cgroupfs --runtime runc}"
	podman+=(--root "$work/store" --runroot "$work/runroot")
	read -ra limits <<<"${PEER_PODMAN_RUN---ulimit nofile=1024:1024 --ulimit nproc=1000:1000}"
	quietly "${podman[@]}" pull -q oci:image
	podman_image=$(tail -n 1 "$work/log")
}
# runsc runs an unpacked bundle; each run needs a name of its own.
runsc_ready() {
	quietly umoci unpack --image "$work/image:latest" "$work/bundle"
	sed -i 's/"terminal": *true/"terminal":false/; s/"hello"/"true"/' "$work/bundle/config.json"
}
# shellcheck disable=SC2086 # words
peer_runsc() {
	runsc --root="$work/runsc.d" ${PEER_RUNSC---network=none --ignore-cgroups} run --bundle="$work/bundle" \
		"b$BASHPID-$RANDOM"
}

version_of() { # PROGRAM
	case $1 in
	fcvm) fcvm version ;;
	qemu) echo "$(qemu-system-x86_64 --version | sed -n '1s/.*version \([0-9.]*\).*/QEMU \1/p') ($(setup_says accel))" ;;
	podman) echo "$(podman --version | sed 's/ version//'), $(runc --version | sed -n '1s/ version//p')" ;;
	runsc) runsc --version | sed -n '1s/ version//p' ;;
	*) dpkg-query -W -f "$1 \${Version}" "$1" ;;
	esac
}
