# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Runs the README's console examples as they stand. A block "```console TAG" holds commands ("$ …")
# and what they print; all of one README run in one directory, where `share` is the project's.

# readme_block TAG N: the text of the Nth block with that tag, empty when there is none.
readme_block() {
	awk -v tag="$1" -v want="$2" '
		$0 == "```console " tag { n++; on = n == want; next }
		/^```/ { on = 0 }
		on' "$ROOT/README.md"
}

# run_readme TAG DIRECTORY: fails at the first block whose transcript differs from its text.
run_readme() {
	local n=1 block
	cd "$2" || return
	ln -sfn "$ROOT/share" share
	while block=$(readme_block "$1" "$n") && [[ -n $block ]]; do
		# Every command line prints itself first, so that the output of all is the block again.
		awk -v q="'" '/^\$ / {
				shown = $0
				gsub(q, q "\\" q q, shown)
				print "printf " q "%s\\n" q " " q shown q
				print substr($0, 3)
			}' <<<"$block" >"block-$n.sh"
		sh "block-$n.sh" >"block-$n.out" 2>&1 </dev/null || :
		diff -u --label README.md --label printed <(echo "$block") "block-$n.out" >&2 ||
			fail "block $n of '$1' prints something else" || return
		n=$((n + 1))
	done
	((n > 1)) || fail "README.md has no block '$1'"
}
