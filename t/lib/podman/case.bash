# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
# Runs one case with each engine and compares. See `compare` for the fields.

count=0 bad=0 expected=0 container='' running=''

# --- command lines --------------------------------------------------------------------------------

# words ENGINE run|exec ARGUMENT…: sets argv. The limits are those that podman can set anywhere.
words() {
	local engine=$1 verb=$2 word
	shift 2
	argv=("$engine" "$verb")
	if [[ $verb == run ]]; then
		argv+=(--network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000)
		[[ $engine == podman ]] || argv+=(--cpus 1 --memory 256m)
	fi
	for word; do
		case $engine:$word in
		podman:IMAGE) argv+=(localhost/cmp:plain) ;;
		podman:ENTRY) argv+=(localhost/cmp:entry) ;;
		fcvm:IMAGE) argv+=("oci:$dir/image:plain") ;;
		fcvm:ENTRY) argv+=("oci:$dir/image:entry") ;;
		*:NAME) argv+=("$container") ;;
		*) argv+=("$word") ;;
		esac
	done
}

# container ARGUMENT…: the one that the exec_ lines after it use, with both engines.
container() {
	container_end
	container=cmp-$$-$RANDOM
	container_args=("$@")
}

# Started when the first case needs it, so that a pattern which selects none starts nothing.
container_start() {
	local engine
	[[ -z ${container_runs:-} ]] || return 0
	container_runs=1
	for engine in "${engines[@]}"; do
		words "$engine" run -d --name "$container" "${container_args[@]}"
		"${argv[@]}" </dev/null >"$work/container" 2>&1 ||
			{ echo "$engine: the container for exec does not start: $(<"$work/container")" && exit 1; }
	done
}

container_end() {
	local engine
	[[ -n ${container_runs:-} ]] || return 0
	container_runs=''
	for engine in "${engines[@]}"; do
		case $engine in
		podman) podman rm --force --time 0 "$container" ;;
		fcvm) fcvm kill "$container" ;;
		esac >/dev/null 2>&1
	done
}

# --- one engine -----------------------------------------------------------------------------------

# Opens the case's standard streams.
streams() {
	case ${stdin:-null} in
	null) exec </dev/null ;;
	closed) exec <&- ;;
	open) exec <"$work/fifo" ;;
	text:*) exec < <(printf %b "${stdin#text:}") ;;
	file:*) exec <"${stdin#file:}" ;;
	zeros:*) exec < <(head -c "${stdin#zeros:}" /dev/zero) ;;
	*) echo "stdin=$stdin?" && exit 2 ;;
	esac
	case ${stdout:-exact} in
	closed) exec >&- ;;
	full) exec >/dev/full ;;
	*) exec >"$1.stdout" ;;
	esac
	case ${stderr:-exact} in
	closed) exec 2>&- ;;
	*) exec 2>"$1.stderr" ;;
	esac
}

# one ENGINE: runs argv; leaves $work/ENGINE.{stdout,stderr,status}.
one() {
	local base=$work/$1 limit=${limit:-60} start=$SECONDS pid
	: >"$base.stdout"
	: >"$base.stderr"
	if [[ -n ${tty:-} ]]; then
		# timeout(1) would put the command in the background of a terminal inside it.
		argv=(timeout -s KILL "$limit" script -qec "stty rows 33 cols 77; exec ${argv[*]@Q}" /dev/null)
	else
		argv=(timeout -k 5 "$limit" "${argv[@]}")
	fi
	exec 7<>"$work/fifo"
	(
		streams "$base"
		exec "${argv[@]}" 7>&-
	) &
	pid=$! running=$!
	if [[ -n ${ready:-} ]]; then
		until grep -q -e "$ready" "$base.stdout" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
		eval "$act"
	fi
	wait "$pid" 2>/dev/null
	printf %s $? >"$base.status"
	running=''
	exec 7>&-
	((SECONDS - start < limit)) || echo "does not end within $limit s" >"$base.status"
}

# For act=.
type_in() { printf %b "$1" >&7; }
signal() { kill -s "$1" "$(pgrep -P "$pid")"; }
peer() { # exec ARGUMENT…, or another verb of the engine's
	local argv
	words "$engine" "$@"
	timeout -k 5 30 "${argv[@]}" </dev/null >/dev/null 2>&1
}

# --- comparing ------------------------------------------------------------------------------------

# show FILE: its bytes on one line, shortened.
show() {
	local text size
	size=$(stat -c %s "$1")
	text=$(head -c 300 "$1" | tr '\000' '@' && echo x)
	printf %q "${text%x}"
	((size <= 300)) || printf ' … %d bytes, sha256 %.12s' "$size" "$(sha256sum <"$1")"
}

# differ FIELD: why $work/podman.FIELD and fcvm.FIELD are not what the case asks for; nothing if they
# are.
differ() {
	local p=$work/podman.$1 f=$work/fcvm.$1 mode=$1 n want=fcvm_$1
	mode=${!mode:-exact}
	[[ $1 != status ]] || mode=exact
	if [[ -v $want ]]; then
		printf %s "${!want}" | cmp -s - "$f" || echo "fcvm does not do what the table says: $(printf %q "${!want}")"
		[[ -n ${racy:-} ]] || ! cmp -s "$p" "$f" || echo 'listed as a difference, and is none'
		return
	fi
	case $mode in
	any) ;;
	line | some)
		for n in "$p" "$f"; do
			[[ -s $n ]] || echo "nothing from ${n##*/}"
			[[ $mode == some || $(wc -l <"$n") == 1 ]] || echo "not one line from ${n##*/}"
		done
		grep -q '^fcvm[-a-z]*: ' "$f" || echo 'no message of fcvm'
		;;
	*) cmp -s "$p" "$f" || cmp "$p" "$f" 2>&1 | sed "s|$work/||g" ;;
	esac
}

# one_case KIND ID ARGUMENT…
one_case() {
	local kind=$1 id=$2 engine field text failed='' argv
	shift 2
	[[ $id =~ $pattern ]] || return 0
	count=$((count + 1))
	case $kind in
	run) local container=cmp-$$-$count ;; # no name is used twice: podman removes in the background
	exec) container_start ;;
	esac
	for engine in "${engines[@]}"; do
		words "$engine" "$kind" "$@"
		one "$engine"
	done
	# What podman itself does is stated, so that two failures for two reasons are no agreement.
	if [[ " ${engines[*]} " == *' podman '* ]]; then
		[[ $(<"$work/podman.status") == "${status:-0}" ]] ||
			failed+="  podman's status is not ${status:-0}"$'\n'
	fi
	for field in status stdout stderr; do
		((${#engines[@]} == 2)) || break
		text=$(differ "$field")
		[[ -z $text ]] || failed+="  $field: $text"$'\n'
	done
	if [[ -n $failed ]]; then
		bad=$((bad + 1))
		printf 'DIFFERS %s: %s\n%s' "$id" "$kind $(printf '%q ' "$@")" "$failed"
	elif [[ -n ${why:-}${racy:-} ]]; then
		expected=$((expected + 1))
		echo "# expected: $id: ${why:-at times, $racy}"
	fi
	[[ -n $verbose || -n $failed ]] || return 0
	[[ -n $failed ]] || echo "$id:"
	for field in status stdout stderr; do
		for engine in "${engines[@]}"; do
			printf '    %-6s %-6s %s\n' "$field" "$engine" "$(show "$work/$engine.$field")"
		done
	done
}

# Reasons that several cases have.
runc='runc ends with 1 where the kernel refuses a program that may be executed'

run() { one_case run "$@"; }
exec_() { one_case exec "$@"; }
