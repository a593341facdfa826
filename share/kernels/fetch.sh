#!/bin/sh
# SPDX-License-Identifier: MIT
# Part of fcvm-setup, which reads it in: kernel profiles, and getting the kernel that one names or
# has built. Uses
# fcvm-setup's own functions (die, note, step, work, escape and others) and variables.
# shellcheck disable=SC2034,SC2154 # variables of fcvm-setup

# Reads share/kernels/NAME.conf into conf_* variables.
read_profile() {
	case $1 in
	*/* | .* | '') die 100 "--kernel-profile $1: not the name of a profile" ;;
	esac
	[ -f "$profiles/$1.conf" ] ||
		die 100 "--kernel-profile $1: there is no such profile: $(known_profiles)"
	conf_description='' conf_package='' conf_url='' conf_sha256='' conf_member='' conf_want=''
	conf_append='' conf_host_kernel='' conf_host_modules='' conf_source='' conf_config='' conf_skip=''
	conf_space='' conf_steps='' conf_more=''
	while IFS='=' read -r key value || [ -n "$key" ]; do
		case $key in
		'' | '#'*) ;;
		description | package | url | sha256 | member | want | append | host_kernel | host_modules | \
			more | source | config | skip | space | steps)
			eval "conf_$key=\$value"
			;;
		*) die 100 "$profiles/$1.conf: unknown key '$key'" ;;
		esac
	done <"$profiles/$1.conf"
}

known_profiles() {
	for f in "$profiles"/*.conf; do
		[ -f "$f" ] || continue
		f=${f##*/}
		printf '%s\n' "${f%.conf}"
	done | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//; s/^/known: /; s/^$/none is installed/'
}

# What is to be had: sets name, append and request, which tells all that decides on the kernel.
# Without options that is what is recorded, with the profile as it reads now; but a kernel of the
# user's own cannot be had again, nor one whose profile is gone: these stay.
want_kernel() {
	append='' request='' name=custom
	own_kernel && return
	[ -z "$use" ] || { want_key && return; }
	name=${profile:-$had_profile}
	if [ -z "$profile" ] && { [ "$name" = custom ] || [ ! -f "$profiles/$name.conf" ]; }; then
		append=$(unescape "$had_append") request=$(unescape "$had_request")
		[ -z "$had_kernel" ] || return 0
		name=debian
	fi
	read_profile "$name"
	append=${conf_append-}
	want=${conf_want-}
	[ -n "$want" ] || want=$("$bindir/fcvm-kernel" wanted) || exit
	want=$want${conf_more:+ $conf_more}
	if [ -n "$conf_source" ]; then
		request="source=$conf_source config=$(hash_file "$profiles/$conf_config") name=$name want=$want" || exit
		return
	fi
	request="package=$conf_package url=$conf_url sha256=$conf_sha256 member=$conf_member \
host_kernel=$conf_host_kernel host_modules=$conf_host_modules want=$want"
}

hash_file() {
	sum=$(sha256sum 2>/dev/null <"$1") || die 111 "cannot read $1"
	printf '%s' "${sum%% *}"
}

# The same for a kernel that is named by its key: as the profile that it came from was then.
want_key() {
	case $use in *[!0-9a-f]* | '') die 100 "--kernel-key $use: not a key: see 'fcvm kernel ls'" ;; esac
	[ -f "$data/kernels/$use/meta.json" ] || die 102 "--kernel-key $use: there is no such kernel: see 'fcvm kernel ls'"
	if [ "$use" = "$had_kernel" ]; then
		name=$had_profile append=$(unescape "$had_append") request=$(unescape "$had_request")
	elif origin=$(find_origin kernel "$use"); then
		name=$(unescape "$(field "$origin" profile)") append=$(unescape "$(field "$origin" append)")
		request=$(unescape "$(field "$origin" request)") source=$(unescape "$(field "$origin" source)")
	fi
}

# The recorded kernel is the one to be had.
have_kernel() {
	[ -z "$force" ] && ! own_kernel && [ -n "$had_kernel" ] || return
	[ "$had_kernel" = "${use:-$had_kernel}" ] && [ "$(escape "$request")" = "$had_request" ]
}

# Sets $file to the package's .deb, or $why and fails.
fetch_package() { # PACKAGE
	command -v apt-get >/dev/null 2>&1 || {
		why="there is no apt-get here to fetch $1 with"
		return 1
	}
	work apt-cache show --no-all-versions "$1"
	[ -s "$tmp/out" ] || {
		why="the package lists hold no $1: run 'apt-get update' first"
		return 1
	}
	real=$(grep '^Depends:' "$tmp/out" | grep -o 'linux-image-[0-9][^ ,|(]*' | head -n 1)
	step "fetching ${real:-$1}"
	mkdir -- "$tmp/deb" || exit 111
	# the user that apt would change to cannot write there
	# shellcheck disable=SC2016 # arguments of the inner shell
	work sh -c 'cd "$0" && exec "$@"' "$tmp/deb" apt-get -o APT::Sandbox::User=root download "${real:-$1}" || {
		why="apt-get cannot fetch ${real:-$1}: $(tail -n 1 "$tmp/err" | tr -d '\000-\037')"
		return 1
	}
	for file in "$tmp"/deb/*.deb; do
		[ -f "$file" ] && return
	done
	why="apt-get fetched no file"
	return 1
}

# Sets $file and $modules to the running kernel's, if they can be read.
host_kernel() {
	r=$(uname -r)
	mod=$(printf '%s' "${conf_host_modules-}" | sed "s|%r|$r|g")
	for file in ${conf_host_kernel-}; do
		file=$(printf '%s' "$file" | sed "s|%r|$r|g")
		[ -f "$file" ] && [ -r "$file" ] && [ -d "$mod" ] && modules=$mod && return
	done
	return 1
}

fetch_url() { # URL
	case $1 in
	https://* | http://* | file://*) ;;
	*) die 100 "$1: not a file, nor an https, http or file URL" ;;
	esac
	command -v curl >/dev/null 2>&1 ||
		die 111 "curl is not installed: run 'apt-get install curl', or fetch $1 yourself"
	step "fetching $1"
	file=$tmp/kernel
	work curl -fsSL --proto '=https,http,file' -o "$file" -- "$1" ||
		die 111 "cannot fetch $1: $(tail -n 1 "$tmp/err" | tr -d '\000-\037')"
}

check_sum() {
	[ -n "$sha256" ] || return 0
	sum=$(sha256sum <"$file") || exit 111
	[ "${sum%% *}" = "$sha256" ] || die 101 "$source: has sha256 ${sum%% *}, not $sha256"
}

# Sets $file, $source and perhaps $modules.
find_kernel() {
	if own_kernel; then
		source=$kernel file=$kernel
		case $kernel in *://*) fetch_url "$kernel" ;; esac
		return
	fi
	sha256=${conf_sha256-} member=${conf_member-}
	if [ -n "${conf_url-}" ]; then
		source=$conf_url
		fetch_url "$conf_url"
	elif fetch_package "${conf_package-}"; then
		source=${file##*/}
	elif host_kernel; then
		note "$why; taking this host's own kernel $file instead"
		source=$file
	else
		die 111 "no guest kernel: $why (or pass --kernel FILE)"
	fi
}

# --- building -------------------------------------------------------------------------------------

# With the words for fcvm-kbuild that tell what is to be built.
kbuild() {
	set -- "$@" --source "$conf_source" --config "$profiles/$conf_config" --name "$name"
	# shellcheck disable=SC2086 # the leash is some words or none
	$leash "$bindir/fcvm-kbuild" "$@" </dev/null >"$tmp/out" 9>&- &
	child=$!
	wait "$child"
	status=$?
	child=
	return "$status"
}

# Sets $id, the hash of all that decides on a built kernel.
identify() {
	kbuild --id 2>"$tmp/err" || return
	id=$(sha256sum <"$tmp/out") || exit 111
	id=${id%% *}
}

# Sets $file, $modules and $source. What fcvm-kbuild says is for the user as it comes.
build_kernel() {
	[ -x "$bindir/fcvm-kbuild" ] || die 111 "fcvm-kbuild is not installed beside $me (in $bindir)"
	[ -d "$data/build" ] || check_space "$((${conf_space:-0} + 64))"
	set -- --dir "$data/build"
	[ -z "$jobs" ] || set -- "$@" --jobs "$jobs"
	[ -z "$conf_skip" ] || set -- "$@" --skip "$conf_skip"
	[ -z "$conf_space" ] || set -- "$@" --space "$conf_space"
	[ -z "$conf_steps" ] || set -- "$@" --steps "$conf_steps"
	[ -z "$quiet" ] || set -- "$@" --quiet
	[ -z "$line" ] || printf '\r\033[K' >&2
	line=
	kbuild "$@" || exit "$status"
	modules=$(cat "$tmp/out") source=$conf_source
	file=$modules/vmlinux
}

# --- the kernel -----------------------------------------------------------------------------------

# Sets $kernel_key to that of a kernel that was had before for the same request. Of a built one the
# source and the compiler are the same as well, unless that cannot be told here any more.
had_before() {
	[ -z "$force" ] && ! own_kernel || return
	origin=$(origin_file) || exit
	if [ -z "$conf_source" ]; then
		load_origin "$origin"
		return
	fi
	if ! identify; then
		load_origin "$origin" && id=$had_id && return
		give_up
	fi
	load_origin "$origin" && [ "$had_id" = "$id" ] && return
	origin=$(find_origin id "$id") && load_origin "$origin" && return
	kernel_key=
	return 1
}

# Sets $kernel_key.
get_kernel() {
	if [ -n "$use" ]; then
		kernel_key=$use
		[ -n "$source" ] || source=$(unescape "$(field "$record" source)")
		return
	fi
	if have_kernel; then
		kernel_key=$had_kernel
		source=$(unescape "$(field "$record" source)")
		[ -f "$(origin_file)" ] || write_origin
		return
	fi
	if had_before; then
		write_origin
		return
	fi
	if [ -n "$conf_source" ] && ! own_kernel; then
		[ -n "$id" ] || identify || give_up
		build_kernel
	else
		check_space 256
		find_kernel
		check_sum
	fi
	step "importing $source"
	set -- import
	[ -z "$member" ] || set -- "$@" --member "$member"
	[ -z "$modules" ] || set -- "$@" --modules "$modules"
	[ -z "${conf_want-}${conf_more-}" ] || set -- "$@" --want "$want"
	work_or_die "$bindir/fcvm-kernel" "$@" -- "$file"
	kernel_key=$(sed 's|.*/||' "$tmp/out")
	write_origin
}
