#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the documentation says is what the programs do.

load ../lib/helper

programs() {
	find "$ROOT/build/bin" -type f -printf '%f\n' | sort
}

# Completes the last of the given words as a shell would.
complete_words() {
	local COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY
	# shellcheck source=share/completions/bash/fcvm
	. "$ROOT/share/completions/bash/fcvm"
	_fcvm
	printf '%s\n' "${COMPREPLY[@]}"
}

# The words that may follow a program's name, and nothing for "none".
subcommands() {
	complete_words "$1" '' | sed '/^$/d'
}

# Those whose options are in the program's own page: fcvm's others have pages of their own.
documented_subcommands() {
	if [[ $1 == fcvm ]]; then echo run; else subcommands "$1"; fi
}

# Every option that a program takes, with each of its subcommands; --help and its like aside.
options_of() {
	local sub
	{
		"$1" --list-options 2>/dev/null
		for sub in $(documented_subcommands "$1"); do
			"$1" "$sub" --list-options 2>/dev/null
		done
	} </dev/null | options_only
}

options_only() {
	grep '^-' | grep -vxE -- '--help|--version|--list-options' | sort -u
}

# The options that a page lists: ".It Fl e , -env Ar K=V" has -e and --env.
options_in_page() {
	awk '$1 == ".It" {
		flag = 0
		for (i = 2; i <= NF; i++) {
			if ($i == "Fl") flag = 1
			else if ($i ~ /^[A-Z][a-z]$/ || $i == "=") flag = 0
			else if (flag && $i !~ /^[,|]$/) print "-" $i
		}
	}' "$1" | options_only
}

# The options that completing a dash offers.
options_completed() {
	local sub
	{
		complete_words "$1" -
		for sub in $(documented_subcommands "$1"); do
			complete_words "$1" "$sub" -
		done
	} | options_only
}

# The options of `run` are documented once, in fcvm(1).
options_for_page() {
	case $1 in
	fcvm-plan) comm -23 <(options_of fcvm-plan) <(options_of fcvm) ;;
	*) options_of "$1" ;;
	esac
}

@test "every program has a man page and a completion" {
	for tool in $(programs); do
		[[ -f $ROOT/man/$tool.1 ]] || fail "no man/$tool.1"
		[[ -f $ROOT/share/completions/bash/$tool ]] || fail "no completion of $tool"
		grep -q "^\.Nm $tool\$" "$ROOT/man/$tool.1" || fail "man/$tool.1 does not name $tool"
	done
	for file in "$ROOT"/share/completions/bash/*; do
		[[ -x $ROOT/build/bin/${file##*/} ]] || fail "$file completes no program"
		run -0 bash -c ". '$file' && complete -p '${file##*/}'"
	done
}

@test "a man page lists the options of its program and no other" {
	for tool in $(programs); do
		diff -u --label "the program's" --label "man/$tool.1" \
			<(options_for_page "$tool") <(options_in_page "$ROOT/man/$tool.1") >&2 ||
			fail "options of $tool"
	done
}

@test "fcvm run has options, and its page has as many" {
	(($(options_of fcvm | wc -l) > 30)) || fail "run has only: $(options_of fcvm)"
	for option in --name --env -e --user --read-only --memory --no-snapshot; do
		options_in_page "$ROOT/man/fcvm.1" | grep -qx -- "$option" || fail "fcvm.1 lacks $option"
	done
}

@test "completion offers the options of each program and no other" {
	for tool in $(programs); do
		diff -u --label "the program's" --label completed \
			<(options_of "$tool") <(options_completed "$tool") >&2 || fail "options of $tool"
	done
}

@test "completion offers the subcommands that exist" {
	for tool in $(programs); do
		for sub in $(subcommands "$tool"); do
			grep -q "^\.\(It\|Ss\|Nm\|Cm\).*\b$sub\b" "$ROOT/man/$tool.1" ||
				[[ -x $ROOT/build/bin/fcvm-$sub ]] || fail "$tool $sub is in no page"
		done
	done
	is "$(complete_words fcvm ver)" version
	is "$(complete_words fcvm podman r | sort | paste -sd ' ')" 'rename restart rm run'
	is "$(complete_words fcvm att)" attach
	is "$(complete_words fcvm cache pul)" pull
	is "$(complete_words fcvm run --pull n | sort | paste -sd ' ')" 'never newer'
}

@test "--help and --version answer on stdout with status 0" {
	for tool in $(programs); do
		for option in --help --version; do
			run -0 --separate-stderr "$tool" "$option"
			[[ -n $output ]] || fail "$tool $option says nothing"
			is "$stderr" '' "$tool $option on stderr"
		done
	done
}

@test "an unknown option is named, with the status of a usage error" {
	for tool in $(programs); do
		run --separate-stderr "$tool" --no-such-option
		[[ $status == 100 || $status == 125 ]] || fail "$tool: status $status"
		has "$stderr" no-such-option
		is "$(wc -l <<<"$stderr")" 1 "lines of $tool"
		is "$output" '' "stdout of $tool"
	done
}

@test "pages refer to pages that exist" {
	for page in "$ROOT"/man/*.[1-8]; do
		while read -r name section; do
			case $name in
			fcvm*) [[ -f $ROOT/man/$name.$section ]] || fail "${page##*/} refers to $name($section)" ;;
			esac
		done < <(sed -n 's/^\.Xr \([^ ]*\) \([1-8]\).*/\1 \2/p' "$page")
		grep -q '^\.Sh SEE ALSO' "$page" || fail "${page##*/} has no SEE ALSO"
	done
}

@test "pages of programs have the sections that a reader expects" {
	for page in "$ROOT"/man/*.1; do
		for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
			grep -q "^\.Sh $section\$" "$page" || fail "${page##*/} has no $section"
		done
	done
}

@test "every make target that the documents mention is in make help" {
	run -0 make -s -C "$ROOT" help
	local help=$output
	# shellcheck disable=SC2016 # backquotes of Markdown
	for target in $(grep -ohE '(^|`|run: |exec )make [a-z][a-z-]*' "$ROOT"/README.md "$ROOT"/CONTRIBUTING.md \
		"$ROOT"/.github/workflows/*.yml "$ROOT"/.ci/run | sed 's/.*make //' | sort -u); do
		grep -qE "^ +$target " <<<"$help" || fail "make $target is not in make help"
	done
	for target in $(make -C "$ROOT" -pnq 2>/dev/null | sed -n 's/^\.PHONY: //p'); do
		grep -qE "^ +$target " <<<"$help" || fail "$target has no help"
	done
}

@test "files that the documents name exist" {
	local path
	# shellcheck disable=SC2016 # backquotes of Markdown
	for path in $(grep -ohE '`[A-Za-z.]+/[A-Za-z0-9_./-]+`' "$ROOT"/*.md | tr -d '`' | sort -u); do
		case $path in
		build/* | localhost/* | */NAME.c) continue ;;
		esac
		[[ -e $ROOT/$path || -e $ROOT/build/$path ]] || fail "$path does not exist"
	done
}
