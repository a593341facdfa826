#!/bin/sh
# SPDX-License-Identifier: MIT
# Part of fcvm-kbuild, which reads it in: source, configuration and the build itself. DIR has
#   lock        held, by compilers too, so that nobody works beside a build that was killed
#   id, boot    what is built here, and since which start of this machine; another: from the beginning
#   linux/      the source, complete when it has this name; make goes on in it
#   log         what make said
#   out/        the result, complete when it has this name
# shellcheck disable=SC2034,SC2154 # variables of fcvm-kbuild

# What make is told beside the configuration. It is part of the identity.
recipe='LC_ALL=C TZ=UTC LOCALVERSION= KBUILD_BUILD_USER=fcvm KBUILD_BUILD_HOST=fcvm KBUILD_BUILD_VERSION=1'

# --- before anything is made ----------------------------------------------------------------------

# Sets $found. Not with command -v: where busybox is the shell, that only says that it has one itself.
find_program() { # NAME
	was_ifs=$IFS IFS=:
	for folder in $PATH; do
		found=$folder/$1
		[ ! -x "$found" ] || break
	done
	IFS=$was_ifs
	[ -x "$found" ]
}

# Sets $tar, which must be GNU's.
check_tools() {
	missing='' packages=''
	while read -r tool package; do
		find_program "$tool" && continue
		missing="$missing $tool"
		case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
	done <<-END
		gcc gcc
		ld binutils
		strip binutils
		make make
		flex flex
		bison bison
		bc bc
		tar tar
		xz xz-utils
		dpkg-deb dpkg
		setsid util-linux
		flock util-linux
	END
	case "$missing " in
	*' gcc '*) packages="$packages libc6-dev libelf-dev" ;;
	*)
		echo '#include <gelf.h>' | gcc -E -x c - >/dev/null 2>&1 ||
			missing="$missing gelf.h" packages="$packages libelf-dev"
		;;
	esac
	find_program tar && tar=$found
	[ -n "$missing" ] || return 0
	sudo=
	[ "$(id -u)" = 0 ] || sudo='sudo '
	die 111 "a kernel's build needs what is not installed:$missing: run '${sudo}apt-get install$packages'"
}

# Sets $wanted: the options without the reasons.
read_options() {
	bad=$(grep -nvE '^(#.*)?$|^CONFIG_[A-Za-z0-9_]+=([yn]|-?[0-9]+|0x[0-9a-fA-F]+|"[^"\]*")( +#.*)?$' \
		"$config" | head -n 1)
	[ -z "$bad" ] || die 101 "$config: line ${bad%%:*} is not OPTION=VALUE with y, n, a number or \"text\""
	wanted=$(sed -n 's/^\(CONFIG_[A-Za-z0-9_]*=\("[^"]*"\|[^ ]*\)\).*/\1/p' "$config")
	[ -n "$wanted" ] || die 101 "$config: names no option"
	twice=$(printf '%s\n' "$wanted" | cut -d= -f1 | sort | uniq -d | head -n 1)
	[ -z "$twice" ] || die 101 "$config: $twice stands there twice"
}

# Sets $sum and $label, and for a package of the distribution $exact, which apt-get takes.
find_source() {
	exact=
	case $source in
	*/* | *.deb | *.tar | *.tar.?*)
		{ [ -f "$source" ] && [ -r "$source" ]; } || die 111 "cannot read the source $(plain "$source")"
		sum=$(sha256sum <"$source") || exit 111
		sum=${sum%% *} label=${source##*/}
		return
		;;
	-* | *[!a-z0-9+.-]*) die 100 "--source $(plain "$source"): neither a file nor a package's name" ;;
	esac
	command -v apt-get >/dev/null 2>&1 || die 111 "there is no apt-get here to fetch $source with"
	about=$(apt-cache show --no-all-versions "$source" 2>/dev/null </dev/null)
	exact=$(printf '%s\n' "$about" | sed -n 's/^Version: \([A-Za-z0-9.+:~-]*\)$/\1/p' | head -n 1)
	sum=$(printf '%s\n' "$about" | sed -n 's/^SHA256: \([0-9a-f]*\)$/\1/p' | head -n 1)
	{ [ -n "$exact" ] && [ ${#sum} = 64 ]; } ||
		die 111 "the package lists hold no $source: run 'apt-get update' first"
	label="$source $exact" exact=$source=$exact
}

# Sets $identity: all that decides on the bytes of the kernel.
identify() {
	hash=$(printf '%s\n' "$wanted" | sha256sum) || exit 111
	identity="source=$sum ($label)
config=${hash%% *}
name=$name
cc=$(gcc --version </dev/null | head -n 1)
ld=$(ld --version </dev/null | head -n 1)
make=$recipe"
}

# --- the directory --------------------------------------------------------------------------------

mib_free() {
	df -Pk -- "$dir" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }'
}

# What is there of this very build, and since this start of the machine, is used: what was written
# before a crash of the machine may be anything.
take_dir() {
	mkdir -p -- "$dir" 2>/dev/null
	dir=$(cd -- "$dir" 2>/dev/null && pwd) || die 111 "cannot make the directory $dir"
	(: >>"$dir/lock") 2>/dev/null || die 111 "cannot write in $dir"
	exec 9>>"$dir/lock"
	if ! flock -n 9; then
		step "waiting for another build in $dir"
		flock 9 || die 111 "cannot lock $dir/lock"
	fi
	boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
	work_id="$identity
skip=$skip"
	if [ "$(cat "$dir/id" 2>/dev/null)" != "$work_id" ] || [ "$(cat "$dir/boot" 2>/dev/null)" != "$boot" ]; then
		find "$dir" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} + || exit 111
		free=$(mib_free)
		[ -z "$space" ] || [ -z "$free" ] || [ "$free" -ge "$space" ] ||
			die 111 "not enough disk space: the build needs $space MiB, $free MiB are free in $dir: \
free some there, or use another directory"
		{ printf '%s\n' "$boot" >"$dir/boot" && printf '%s\n' "$work_id" >"$dir/id"; } 2>/dev/null ||
			die 111 "cannot write in $dir"
	fi
	rm -rf -- "$dir/tmp" "$dir/new"
	mkdir -- "$dir/tmp" || exit 111
}

# --- working --------------------------------------------------------------------------------------

# Runs a program in the background, so that a signal is seen, as a process group that ends with
# this one: the watcher reads from a pipe that only this process can close.
work() {
	rm -f -- "$dir/tmp/alive"
	mkfifo -- "$dir/tmp/alive" || exit 111
	setsid "$@" </dev/null >>"$dir/log" 2>&1 &
	child=$!
	# shellcheck disable=SC2016 # arguments of the inner shell
	sh -c 'read -r _ <"$0"; kill -KILL "-$1"' "$dir/tmp/alive" "$child" 2>/dev/null 9>&- &
	watcher=$!
	exec 8>"$dir/tmp/alive"
	wait "$child"
	status=$?
	end_work
	return "$status"
}

end_work() {
	[ -z "$ticker" ] || kill -KILL "$ticker" 2>/dev/null
	[ -z "$watcher" ] || kill -KILL "$watcher" 2>/dev/null
	[ -z "$watcher$ticker" ] || wait "$watcher" ${ticker:+"$ticker"} 2>/dev/null
	child='' watcher='' ticker=''
	exec 8>&-
}

clean_up() {
	trap - EXIT
	[ -z "$line" ] || printf '\r\033[K' >&2
	rm -rf -- "$dir/tmp" "$dir/new"
}

interrupted() { # SIGNAL
	trap '' HUP INT TERM
	[ -z "$child" ] || kill -TERM "-$child" 2>/dev/null
	[ -z "$child" ] || wait "$child"
	end_work
	[ -n "$quiet" ] || say "interrupted: the same command goes on from here"
	clean_up
	exit $((128 + $1))
}

# The first thing that went wrong, in one line.
failed() { # WHAT
	free=$(mib_free)
	if [ "${free:-9}" -lt 4 ] || grep -q 'No space left on device\|Disk quota exceeded' "$dir/log" 2>/dev/null; then
		die 111 "$1: the disk is full: free some space for $dir, and the same command goes on"
	fi
	why=$(grep -m 1 -E 'error:|Error:|^E:' "$dir/log" 2>/dev/null ||
		sed -n '/\*\*\*/ { /^make/x; p; q; }; h' "$dir/log" 2>/dev/null)
	[ -n "$why" ] || why=$(tail -n 1 "$dir/log" 2>/dev/null)
	die 111 "$1: $(plain "${why:-status $status}") (see $dir/log)"
}

# A line a second on a terminal, for as long as this shell lives.
tick() {
	[ -z "$quiet" ] && [ -t 2 ] || return 0
	line=1
	(
		exec 8>&- 9>&-
		while sleep 1 && kill -0 $$ 2>/dev/null; do
			made=$(grep -c '^  [A-Z]' "$dir/log") now=$(($(date +%s) - begin))
			part="$made files"
			[ -z "$steps" ] || part="$((made * 100 / (made > steps ? made : steps))) %"
			printf '\r\033[K%s: building %s: %s, %d:%02d' "$me" "$label" "$part" $((now / 60)) $((now % 60)) >&2
		done
	) &
	ticker=$!
}

# --- the parts ------------------------------------------------------------------------------------

fetch() {
	[ ! -f "$dir/source" ] || return 0
	if [ -z "$exact" ]; then
		cp -- "$source" "$dir/new" 2>"$dir/log" || failed "cannot copy $label"
	else
		step "fetching $label"
		mkdir -- "$dir/tmp/deb" || exit 111
		: >"$dir/log"
		# the user that apt would change to cannot write there
		# shellcheck disable=SC2016 # arguments of the inner shell
		work sh -c 'cd "$0" && exec "$@"' "$dir/tmp/deb" apt-get -o APT::Sandbox::User=root download "$exact" ||
			failed "apt-get cannot fetch $exact"
		mv -- "$dir"/tmp/deb/*.deb "$dir/new" || die 111 "apt-get fetched no file for $exact"
	fi
	got=$(sha256sum <"$dir/new") || exit 111
	[ "${got%% *}" = "$sum" ] || die 101 "$label: has sha256 ${got%% *}, not $sum"
	mv -- "$dir/new" "$dir/source" || exit 111
}

# A .deb holds a tar archive of the source in usr/src.
unpack() {
	[ ! -d "$dir/linux" ] || return 0
	step "unpacking $label"
	: >"$dir/log"
	archive=$dir/source
	if [ "$(head -c 7 "$archive")" = '!<arch>' ]; then
		work dpkg-deb -x "$archive" "$dir/tmp/deb" || failed "cannot unpack $label"
		archive=
		for file in "$dir"/tmp/deb/usr/src/linux-source-*.tar*; do
			[ ! -f "$file" ] || archive=$file
		done
		[ -n "$archive" ] || die 101 "$label: holds no usr/src/linux-source-*.tar*"
	fi
	top=$("$tar" -tf "$archive" 2>/dev/null | head -n 1)
	top=${top#./} && top=${top%%/*}
	set -f
	set -- --anchored
	for pattern in $skip; do
		set -- "$@" "--exclude=$top/$pattern"
	done
	set +f
	mkdir -- "$dir/new" || exit 111
	work "$tar" -xf "$archive" --no-same-owner --strip-components=1 "$@" -C "$dir/new" || failed "cannot unpack $label"
	{ [ -f "$dir/new/Makefile" ] && [ -f "$dir/new/Kconfig" ]; } || die 101 "$label: holds no kernel source"
	rm -rf -- "$dir/tmp/deb"
	mv -- "$dir/new" "$dir/linux" || exit 111
}

# Nothing of the caller's environment but where programs are reaches the build.
make_kernel() {
	# shellcheck disable=SC2086 # words
	work env -i PATH="$PATH" HOME="$dir/tmp" TMPDIR="$dir/tmp" $recipe \
		KBUILD_BUILD_TIMESTAMP="$(LC_ALL=C date -u -r "$dir/linux/Kconfig")" make -C "$dir/linux" "$@"
}

# Each option must come out as it was asked for: one that lacks what it depends on would be dropped
# without a word.
configure() {
	[ ! -f "$dir/configured" ] || return 0
	step "configuring"
	: >"$dir/log"
	{
		printf '%s\n' "$wanted"
		printf 'CONFIG_LOCALVERSION="%s"\n' "${name:+-$name}"
	} >"$dir/options" || die 111 "cannot write $dir/options"
	make_kernel KCONFIG_ALLCONFIG="$dir/options" allnoconfig || failed "cannot configure"
	while IFS= read -r text; do
		key=${text%%=*}
		have=$(grep "^$key=" "$dir/linux/.config")
		case $text in
		*=n) [ -z "$have" ] || die 101 "$config: $text: this source needs it: ${have#*=}" ;;
		*) [ "$have" = "$text" ] || die 101 "$config: $text: this source makes it ${have:-$key=n}: \
it has no such option, or lacks one that it depends on" ;;
		esac
	done <"$dir/options"
	: >"$dir/configured" || exit 111
}

build() {
	[ ! -d "$dir/out" ] || { release=$(cat "$dir/out/release") && return; }
	fetch
	unpack
	configure
	[ -n "$jobs" ] || jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || jobs=1
	step "building $label, $jobs at a time"
	: >"$dir/log"
	tick
	make_kernel -j "$jobs" vmlinux || failed "the build failed"
	keep || failed "cannot finish"
	mv -- "$dir/new" "$dir/out" || exit 111
}

# What the guest needs of it, and what tells about it.
keep() {
	mkdir -- "$dir/new" && strip -o "$dir/new/vmlinux" "$dir/linux/vmlinux" 2>>"$dir/log" || return
	for file in modules.builtin .config include/config/kernel.release; do
		cp -- "$dir/linux/$file" "$dir/new/${file##*[./]}" 2>>"$dir/log" || return
	done
	mv -- "$dir/new/builtin" "$dir/new/modules.builtin" && release=$(cat "$dir/new/release")
}
