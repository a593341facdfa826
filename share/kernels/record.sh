#!/bin/sh
# SPDX-License-Identifier: MIT
# Part of fcvm-setup, which reads it in: setup.json, which tells what VMs use, and origins/*.json, of
# which each tells what kernel some profile gave. One member a line.
# shellcheck disable=SC2034,SC2154 # variables of fcvm-setup

# The string or number after "key" in a file with one key a line, as written below. Without other
# programs: it is on the path of every start that finds all done.
field() { # FILE KEY
	while IFS= read -r text; do
		case $text in
		*"\"$2\": "*)
			text=${text#*\": } && text=${text%,} && text=${text#\"}
			printf '%s' "${text%\"}"
			return
			;;
		esac
	done <"$1"
}

# had_append and had_request as they stand there, escaped.
load_record() {
	had_kernel='' had_initrd='' had_agent='' had_version='' had_profile='' had_append='' had_request=''
	[ -f "$record" ] || return 0
	had_kernel=$(field "$record" kernel)
	had_initrd=$(field "$record" initrd)
	had_agent=$(field "$record" agent)
	had_version=$(field "$record" version)
	had_profile=$(field "$record" profile)
	had_append=$(field "$record" append)
	had_request=$(field "$record" request)
	[ -f "$data/kernels/${had_kernel:-none}/meta.json" ] || had_kernel=
	[ -f "$data/initrds/${had_initrd:-none}/initrd" ] || had_initrd=
}

hash_agent() {
	sum=$(sha256sum <"$agent") || die 111 "cannot read $agent"
	printf '%s' "${sum%% *}"
}

# The recorded self-test was of this agent and version, with these words for the kernel.
is_proved() {
	[ -z "$force" ] && [ "$had_agent" = "$agent_hash" ] && [ "$had_version" = "$version" ] &&
		[ "$(escape "$append")" = "$had_append" ]
}

# Nothing to do.
is_ready() {
	have_kernel && [ -n "$had_initrd" ] && is_proved && [ "$name" = "$had_profile" ]
}

report() {
	took=$(field "$record" selftestMillis)
	[ -n "$quiet" ] || say "ready: kernel $(field "$record" release), $(field "$record" accel), \
self-test $((${took:-0} / 1000)).$((${took:-0} % 1000 / 100)) s"
	[ -z "$json" ] || cat "$record"
}

escape() {
	printf '%s' "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'
}

unescape() {
	printf '%s' "$1" | sed 's/\\\(.\)/\1/g'
}

write_record() {
	cat >"$tmp/setup.json" <<-END || die 111 "cannot write $tmp/setup.json"
		{
		 "accel": "$accel",
		 "accelReason": "$(escape "$reason")",
		 "agent": "$agent_hash",
		 "append": "$(escape "$append")",
		 "initrd": "$initrd_key",
		 "kernel": "$kernel_key",
		 "profile": "$(escape "$name")",
		 "release": "$(escape "$release")",
		 "request": "$(escape "$request")",
		 "selftestMillis": $millis,
		 "source": "$(escape "$source")",
		 "version": "$version"
		}
	END
	sync -- "$tmp/setup.json" 2>/dev/null || :
	mv -f -- "$tmp/setup.json" "$record" || die 111 "cannot write $record"
}

# --- where kernels came from ----------------------------------------------------------------------

# The file that tells of a profile's kernel as it was asked for; of a kernel of the user's own, by
# its hash.
origin_file() {
	case $name in
	custom) sum=$kernel_key ;;
	*) sum= ;;
	esac
	sum=$(printf '%s\n' "$name" "$request" "$sum" | sha256sum) || exit 111
	printf '%s/origins/%s.json' "$data" "${sum%% *}"
}

# Sets kernel_key, had_id and source if the file tells of a kernel that is there still.
load_origin() { # FILE
	kernel_key=''
	[ -f "$1" ] || return
	key=$(field "$1" kernel)
	[ -n "$key" ] && [ -f "$data/kernels/$key/meta.json" ] || return
	kernel_key=$key had_id=$(field "$1" id) source=$(unescape "$(field "$1" source)")
}

# The first file in which this member has this value.
find_origin() { # KEY VALUE
	for file in "$data"/origins/*.json; do
		[ -f "$file" ] && [ "$(field "$file" "$1")" = "$2" ] && printf '%s' "$file" && return
	done
	return 1
}

write_origin() {
	origin=$(origin_file) || exit
	mkdir -p -- "$data/origins" 2>/dev/null
	cat >"$tmp/origin.json" <<-END || die 111 "cannot write $tmp/origin.json"
		{
		 "append": "$(escape "$append")",
		 "id": "$id",
		 "kernel": "$kernel_key",
		 "profile": "$(escape "$name")",
		 "request": "$(escape "$request")",
		 "source": "$(escape "$source")"
		}
	END
	mv -f -- "$tmp/origin.json" "$origin" || die 111 "cannot write $origin"
}
