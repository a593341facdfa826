#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The guest kernel that is set up has what container tools ask for, or it is named why not.

setup_file() {
	load ../lib/helper
	export CONFIG=$BATS_FILE_TMPDIR/config PROFILE LIST=$ROOT/t/lib/check-config.list
	PROFILE=$(sed -n 's/^ *"profile": "\(.*\)",$/\1/p' "$FCVM_DATA_DIR/setup.json")
	case $PROFILE in
	debian*) # no /proc/config.gz there, but a file in the package
		local release package=$BATS_FILE_TMPDIR/package
		release=$(sed -n 's/^ *"release": "\(.*\)",$/\1/p' "$FCVM_DATA_DIR/setup.json")
		mkdir "$package"
		(cd "$package" && apt-get -q -o APT::Sandbox::User=root download "linux-image-$release" >&2)
		dpkg-deb --fsys-tarfile "$package"/*.deb | tar -xO "./boot/config-$release" >"$CONFIG"
		;;
	*)
		fcvm run --cpus 1 --memory 256m "oci:$(hello_image)" zcat /proc/config.gz >"$CONFIG"
		;;
	esac
	grep -q '^CONFIG_NET=y' "$CONFIG" || fail "no configuration of profile $PROFILE"
}

setup() {
	load ../lib/helper
}

# Named exceptions of Debian's kernel, which profiles debian and debian-docker take as it is: its
# clones get their random numbers from the agent alone.
debian_lacks() {
	[[ $1 == VMGENID ]]
}

has_option() { # A|B
	local option
	for option in ${1//|/ }; do
		! grep -qE "^CONFIG_$option=[ym]" "$CONFIG" || return 0
	done
	return 1
}

@test "the kernel has what container tools ask for" {
	local option who lacking=()
	while read -r option who; do
		[[ $option == [A-Z]* ]] || continue
		has_option "$option" && continue
		[[ $PROFILE == debian* ]] && debian_lacks "$option" && continue
		lacking+=("$option ($who)")
	done <"$LIST"
	is "${lacking[*]}" ''
}

@test "what micro leaves out is left out, for a reason" {
	local option why
	while read -r option why; do
		[[ $option == -* ]] || continue
		[[ -n $why ]] || fail "no reason for $option"
		[[ $PROFILE != micro ]] || ! has_option "${option#-}" || fail "$option is there: the list is old"
	done <"$LIST"
}

@test "micro has all that it asks for built in, and every option of it has a reason" {
	local line
	while IFS= read -r line; do
		[[ $line == CONFIG_* ]] || continue
		[[ $line == *' # '?* ]] || fail "no reason: $line"
		[[ $PROFILE == micro ]] || continue
		line=${line%% #*}
		if [[ $line == *=n ]]; then
			! grep -q "^${line%=n}=" "$CONFIG" || fail "${line%=n} is on"
		else
			grep -qxF "$line" "$CONFIG" || fail "not as asked: $line"
		fi
	done <"$ROOT/share/kernels/micro.config"
	[[ $PROFILE != micro ]] || ! grep -q '=m$' "$CONFIG" || fail "$(grep -m 3 '=m$' "$CONFIG")"
}
