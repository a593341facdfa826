#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../lib/helper

setup() {
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run
	base=$FCVM_RUN_BASE
}

vm_dirs() { ls "$base"; }
nothing_left() { [[ -z $(vm_dirs) ]]; }

# hold NAME: a VM of that name in the background; its pid in $holder.
hold() {
	fcvm-rundir --name "$1" -- sleep 60 >/dev/null 2>&1 3>&- &
	holder=$!
	wait_for 5 test -s "$base/$1/lock"
	wait_for 5 grep -qx sleep "/proc/$holder/comm"
}

# The janitor of NAME in this test's base: by the title it gives itself and the lock that it watches.
janitor() {
	local p
	for p in $(pgrep -f "^fcvm-rundir: janitor of $1 *\$"); do
		[[ $(readlink "/proc/$p/fd/3") != "$FCVM_RUN_BASE/$1/lock"* ]] || echo "$p"
	done
}

@test "the program gets name, directory and lock, and keeps its process id" {
	run -0 fcvm-rundir --name web -- sh -c 'echo $$ "$FCVM_NAME" "$FCVM_RUN_DIR"; cat "$FCVM_RUN_DIR/lock"; readlink /proc/$$/fd/$FCVM_LOCK_FD; stat -c %a "$FCVM_RUN_DIR"'
	is "${lines[0]}" "${lines[1]} web $base/web"
	is "${lines[2]}" "$base/web/lock"
	is "${lines[3]}" 700
	is "$(stat -c %a "$base" "$base/.lock")" $'700\n600'
	wait_for 2 nothing_left
}

@test "without a name there is a friendly one" {
	run -0 fcvm-rundir sh -c 'echo "$FCVM_NAME"'
	matches "$output" '^[a-z]+_[a-z]+$'
}

@test "two hundred random names are all different at one time" {
	local i pids=()
	for i in {1..200}; do
		fcvm-rundir -- sleep 60 >/dev/null 2>&1 3>&- &
		pids+=($!)
	done
	all_there() { (($(vm_dirs | wc -l) == 200)); }
	wait_for 20 all_there
	is "$(fcvm-rundir --list | wc -l)" 200
	kill -9 "${pids[@]}"
	wait_for 10 nothing_left
}

@test "the status is the program's" {
	run -7 fcvm-rundir -- sh -c 'exit 7'
	run -137 fcvm-rundir -- sh -c 'kill -9 $$'
}

@test "a missing program is 127, one that is not executable 126, and nothing is left" {
	run -127 fcvm-rundir --name a nosuchprogram
	is "$output" 'fcvm-rundir: cannot run nosuchprogram: No such file or directory'
	run -126 fcvm-rundir --name a /etc/passwd
	is "$output" 'fcvm-rundir: cannot run /etc/passwd: Permission denied'
	is "$(vm_dirs)" ''
}

@test "its own failures are 125" {
	run -125 fcvm-rundir
	run -125 fcvm-rundir --nmae x true
	is "$output" 'fcvm-rundir: unknown option --nmae: did you mean --name?'
	local bad
	for bad in .x -- -x a/b 'a b' "$(printf '%064d' 0)" $'a\n'; do
		run -125 fcvm-rundir "--name=$bad" true
		has "$output" 'a name is 1 to 63 of'
	done
	fcvm-rundir "--name=$(printf '%063d' 0)" true
}

@test "a taken name is refused, and the holder is named" {
	hold web
	run -125 fcvm-rundir --name web true
	kill "$holder"
	is "$output" "fcvm-rundir: the name web is taken: process $holder (sleep) holds it: choose another with --name"
}

@test "of fifty reservations of one name at once exactly one wins" {
	local i pids=() won=0
	mkfifo "$BATS_TEST_TMPDIR/go"
	for i in {1..50}; do
		# The winner stays until it is told to go, so that nobody can come after it.
		fcvm-rundir --name web -- sh -c 'read -r _ <"$0"' "$BATS_TEST_TMPDIR/go" \
			>/dev/null 2>>"$BATS_TEST_TMPDIR/err" 3>&- &
		pids+=($!)
	done
	all_refused() { (($(wc -l <"$BATS_TEST_TMPDIR/err") == 49)); }
	wait_for 20 all_refused
	echo >"$BATS_TEST_TMPDIR/go"
	for i in "${pids[@]}"; do
		wait "$i" && won=$((won + 1))
	done
	is "$won" 1
	is "$(grep -c 'the name web is taken' "$BATS_TEST_TMPDIR/err")" 49
	wait_for 2 nothing_left
}

@test "names can be taken again at once, while others sweep" {
	local i sweepers=()
	for i in 1 2; do
		(while [[ ! -e $BATS_TEST_TMPDIR/stop ]]; do fcvm-rundir --sweep; done) 3>&- &
		sweepers+=($!)
	done
	for i in {1..150}; do
		fcvm-rundir --name web -- sh -c '[ -f "$FCVM_RUN_DIR/lock" ] && : >"$FCVM_RUN_DIR/x"' ||
			{ touch "$BATS_TEST_TMPDIR/stop" && fail "run $i"; }
	done
	touch "$BATS_TEST_TMPDIR/stop"
	wait "${sweepers[@]}"
}

@test "a killed holder's directory is gone within two seconds" {
	hold web
	echo secret >"$base/web/plan.json"
	mkdir "$base/web/deep"
	kill -9 "$holder"
	wait_for 2 nothing_left
	no_janitor() { [[ -z $(janitor web) ]]; }
	wait_for 2 no_janitor
}

@test "a child that kept the lock keeps the VM alive" {
	fcvm-rundir --name web -- sh -c 'sleep 60 >/dev/null 2>&1 & echo $!' >"$BATS_TEST_TMPDIR/pid" 3>&-
	run -125 fcvm-rundir --name web true
	kill -9 "$(<"$BATS_TEST_TMPDIR/pid")"
	wait_for 2 nothing_left
}

@test "with the janitor killed as well, the next command sweeps" {
	hold web
	kill -9 "$(janitor web)"
	kill -9 "$holder"
	wait "$holder" || true
	is "$(vm_dirs)" web 'the remains are there'
	fcvm-rundir --name other true
	[[ ! -e $base/web ]]
}

@test "a directory half made by a killed process is swept" {
	fcvm-rundir true
	mkdir -p "$base/half" "$base/full/x"
	(umask 077 && : >"$base/full/lock")
	mkdir "$base/more" && (umask 077 && echo 4711 >"$base/more/lock")
	fcvm-rundir --sweep
	wait_for 2 nothing_left
}

@test "what is not a VM's directory is left alone" {
	fcvm-rundir true
	wait_for 2 nothing_left
	mkdir -p "$base/data/deep" "$base/locked" "$base/linked" "$base/open" "$base/dir/lock"
	echo keep | tee "$base/file" "$base/data/x" "$base/locked/lock" >"$base/linked/x"
	chmod 600 "$base/locked/lock"
	ln -s x "$base/linked/lock"
	echo 12 >"$base/open/lock"
	chmod 644 "$base/open/lock"
	before=$(find "$base" | sort)
	fcvm-rundir --sweep
	is "$(fcvm-rundir --list)" ''
	fcvm-rundir --name web true
	wait_for 2 test ! -e "$base/web"
	is "$(find "$base" | sort)" "$before"
	run -125 fcvm-rundir --name data true
	has "$output" 'the name data is in use by a directory'
	is "$(<"$base/data/x")" keep
}

@test "a base with other things in it is refused by every command, and stays as it is" {
	mkdir -m 700 "$base"
	mkdir "$base/empty" && echo keep >"$base/file"
	local words
	for words in --list --sweep true; do
		run -125 fcvm-rundir "$words"
		is "$output" "fcvm-rundir: $base is not empty and not a run directory of fcvm: set FCVM_RUN_BASE to another"
	done
	is "$(find "$base" -printf '%P ' | tr ' ' '\n' | sort | paste -sd ' ')" ' empty file'
}

@test "a removal goes through the lock last, so that one cut short is taken up again" {
	hold web
	touch "$base/web/zz" "$base/web/aa"
	kill -9 "$(janitor web)" "$holder"
	wait "$holder" || true
	run -0 strace -f -e trace=unlinkat fcvm-rundir --sweep
	is "$(sed -n 's/^unlinkat([0-9]*, "\([a-z]*\)", .*= 0$/\1/p' <<<"$output" | tail -n 2 | paste -sd ' ')" 'lock web'
}

@test "a leashed program ends with its parent, and gets its words and status through" {
	run -7 bash -c 'fcvm-rundir --leash $$ -- sh -c "exit \$1" sh 7; exit $?'
	run -127 bash -c 'fcvm-rundir --leash $$ nosuchprogram; exit $?'
	run -125 fcvm-rundir --leash 1 true
	is "$output" 'fcvm-rundir: --leash 1: that is not the parent process'
	run -125 fcvm-rundir --leash $$ --name web true
	bash -c 'echo $$; fcvm-rundir --leash $$ -- sleep 60 & echo $!; wait' >"$BATS_TEST_TMPDIR/pids" 3>&- &
	two_lines() { (($(wc -l <"$BATS_TEST_TMPDIR/pids") == 2)); }
	wait_for 5 two_lines
	local parent child
	{ read -r parent && read -r child; } <"$BATS_TEST_TMPDIR/pids"
	wait_for 5 grep -qx sleep "/proc/$child/comm"
	kill -KILL "$parent"
	wait_for 2 gone "$child"
	[[ ! -e $base ]]
}

@test "the janitor holds no pipe, no terminal and no child of the program's" {
	local j out
	IFS= read -r -t 5 -d '' out < <(fcvm-rundir --name first -- true 3>&-) ||
		(($? <= 128)) || fail 'the pipe stays open'
	is "$out" ''
	hold web
	j=$(janitor web)
	is "$(readlink "/proc/$j/fd/0" "/proc/$j/fd/1" "/proc/$j/fd/2" | sort -u)" /dev/null
	is "$(ls "/proc/$j/fd" | wc -l)" 5
	is "$(readlink "/proc/$j/cwd")" /
	is "$(<"/proc/$j/comm")" fcvm-rundir
	[[ $(ps -o ppid= -p "$j") -ne $holder ]]
	[[ $(ps -o sid= -p "$j") -ne $(ps -o sid= -p "$holder") ]]
	is "$(ps -o pid= --ppid "$holder")" '' 'the program has no child'
	kill -TERM "$j"
	kill -INT "$j"
	kill -HUP "$j"
	[[ -d /proc/$j ]]
	kill "$holder"
	wait_for 2 nothing_left
}

@test "the janitor's title hides the command line" {
	fcvm-rundir --name web -- sleep 61.0451 3>&- &
	holder=$!
	wait_for 5 test -s "$base/web/lock"
	wait_for 5 grep -qx sleep "/proc/$holder/comm"
	local j
	j=$(janitor web)
	[[ -n $j ]] || fail 'no process has the title'
	lacks "$(tr '\0' ' ' <"/proc/$j/cmdline")" 61.0451
	kill "$holder"
}

@test "--list shows running VMs, for people and as JSON" {
	is "$(fcvm-rundir --list)" ''
	[[ ! -e $base ]]
	hold web
	is "$(fcvm-rundir --list)" "web	$holder"
	is "$(fcvm-rundir --list --json | tr -d ' \n')" "[{\"name\":\"web\",\"pid\":$holder}]"
	kill "$holder"
}

@test "a base that is not ours alone is refused" {
	mkdir -m 777 "$base"
	run -125 fcvm-rundir true
	has "$output" "is open to others (mode 777): run 'chmod 700 $base'"
	rmdir "$base"
	mkdir -m 700 "$base.real"
	ln -s "$base.real" "$base"
	run -125 fcvm-rundir true
	has "$output" 'cannot open the run directory'
}
