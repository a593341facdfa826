#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Volumes of an ordinary user with subordinate ids. Needs root because a test has to make that user.

load ../lib/helper

setup() {
	user=fcvm-t$BASHPID
	home=$(mktemp -d /tmp/fcvm-i.XXXXXX)
	chmod 755 "$home"
	useradd --system --no-create-home --home-dir "$home" --shell /bin/sh "$user"
	# Far from those that others may have been given.
	usermod --add-subuids 3000000000-3000065535 --add-subgids 3100000000-3100065535 "$user"
	mkdir "$home/own" "$home/run"
	chown "$user:" "$home/own" "$home/run"
	chmod 700 "$home/run"
}

teardown() {
	userdel "$user"
	rm -rf "$home"
}

as_user() {
	env -u FCVM_DATA_DIR -u FCVM_RUN_BASE -u XDG_DATA_HOME HOME="$home/own" XDG_RUNTIME_DIR="$home/run" \
		setpriv --reuid "$user" --regid "$user" --init-groups "$@"
}

@test "in a machine of an ordinary user, files can be given to the subordinate ids and to nobody else" {
	local image=$home/own/hello
	mkdir -p "$home/own/.local/share/fcvm" "$home/own/src" "$home/own/other"
	cp -r "$FCVM_DATA_DIR"/{kernels,initrds,setup.json} "$home/own/.local/share/fcvm/"
	cp -rL "$(hello_image)" "$image"
	chown -R "$user:" "$home/own"
	chown 3000000005:3100000005 "$home/own/other"
	chmod 700 "$home/own/other"
	run --separate-stderr -0 as_user fcvm run --rm --network none -v "$home/own/src:/data" -v kept:/kept \
		-v "$home/own/other:/other:idmap=uids=3000000005-0-1;gids=3100000005-0-1" "oci:$image" -- sh -c '
		cd /data && touch mine given group far && mkdir dir
		chown 999:2000 given && chown :1 group && chown 65536:65536 far && chown 1000:1000 dir
		chown 65537 mine || echo "beyond: $?"
		chgrp 65537 mine || echo "group beyond: $?"
		su user -s /bin/sh -c "touch dir/by-user"
		stat -c "%n %u:%g" mine given group far dir dir/by-user
		touch /other/new && chown 1 /other/new || echo "not in idmap: $?"
		stat -c "%n %u:%g" /other/new
		mkdir -p /kept/private/more && chown -R 70:70 /kept && chmod 700 /kept /kept/private'
	is "$output" "beyond: 1
group beyond: 1
mine 0:0
given 999:2000
group 0:1
far 65536:65536
dir 1000:1000
dir/by-user 1000:1000
not in idmap: 1
/other/new 0:0"
	has "$stderr" 'mine: Operation not permitted'
	cd "$home/own/src"
	is "$(stat -c '%n %u:%g' mine given group far dir dir/by-user)" "mine $(id -u "$user"):$(id -g "$user")
given 3000000998:3100001999
group $(id -u "$user"):3100000000
far 3000065535:3100065535
dir 3000000999:3100000999
dir/by-user 3000000999:3100000999"
	is "$(stat -c %u:%g "$home/own/other/new")" 3000000005:3100000005
	# A volume whose root belongs to another user of the container can be used again, and removed.
	run -0 as_user fcvm run --rm --network none -v kept:/kept "oci:$image" -- stat -c '%n %u %a' /kept/private
	is "$output" '/kept/private 70 700'
	as_user fcvm volume rm kept
	is "$(as_user fcvm volume ls -q)" ''
	[[ ! -e $home/own/.local/share/fcvm/volumes/kept ]]
}

@test "an anonymous volume with files of others is saved, given to clones and removed" {
	local image=$home/own/hello data=$home/own/.local/share/fcvm
	mkdir -p "$data"
	cp -r "$FCVM_DATA_DIR"/{kernels,initrds,setup.json} "$data/"
	cp -rL "$(hello_image)" "$image"
	chown -R "$user:" "$home/own"
	as_user fcvm run -d --rm --name mine --memory 128m --rootfs-size 64m --network none -v /own "oci:$image" -- \
		sh -c 'mkdir -p /own/private/more; echo x >/own/private/f; chown -R 70:71 /own; chmod 700 /own /own/private; : >/ready; sleep 1000'
	wait_for 60 as_user fcvm exec mine test -e /ready
	as_user fcvm snapshot create mine
	run -0 --separate-stderr as_user fcvm snapshot run mine --rm --exec 'stat -c "%n %u:%g %a" /own /own/private /own/private/f; cat /own/private/f'
	is "$output" $'/own 70:71 700\n/own/private 70:71 700\n/own/private/f 70:71 644\nx'
	is "$stderr" ''
	as_user fcvm stop -t 0 mine
	# As a file they have the ids of the container: the same for root, and for nobody without so many.
	as_user fcvm snapshot export -q mine - >"$home/archive"
	as_user fcvm snapshot rm mine
	[[ $(zstd -qdc "$home/archive" | tar -xOf - volume-0.tar | tar --numeric-owner -tvf - private/f) == *' 70/71 '* ]]
	as_user fcvm snapshot import -q - <"$home/archive"
	run -0 --separate-stderr as_user fcvm snapshot run mine --rm --exec 'stat -c "%n %u:%g %a" /own /own/private /own/private/f; cat /own/private/f'
	is "$output" $'/own 70:71 700\n/own/private 70:71 700\n/own/private/f 70:71 644\nx'
	FCVM_DATA_DIR=$home/root fcvm snapshot import -q - <"$home/archive"
	is "$(stat -c %u:%g "$home/root/snapshots/mine/volume-0/data/private/f")" 70:71
	as_user fcvm snapshot rm mine
	usermod --del-subuids 3000000000-3000065535 "$user"
	run -125 as_user fcvm snapshot import -q - <"$home/archive"
	has "$output" "is of user 70 and group 71 of the container, and you have no ids for these: see /etc/subuid, /etc/subgid"
	usermod --add-subuids 3000000000-3000065535 "$user"
	is "$(find "$data/snapshots" -mindepth 1 ! -name .lock)" ''
	wait_for 20 eval '[[ -z $(as_user fcvm volume ls -q) ]]'
}
