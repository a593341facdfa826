#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The driver with stubs in place of everything that pulls, boots or sets up; fcvm-plan, fcvm-ctl and
# fcvm-rundir are the real ones. Each test runs under dash and under busybox sh.

load ../lib/helper
load ../lib/driver

setup() {
	export LOG=$BATS_TEST_TMPDIR/log FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run
	unset FCVM_NO_SNAPSHOT
	mkdir -p "$FCVM_DATA_DIR" "$BATS_TEST_TMPDIR/image"
	echo '{}' >"$FCVM_DATA_DIR/setup.json"
	echo '{"config":{"Entrypoint":["ep"]}}' >"$BATS_TEST_TMPDIR/image/config.json"
	use_real fcvm-plan fcvm-rundir fcvm-ctl
	stub fcvm-cache "$RECORD cat >/dev/null; echo $BATS_TEST_TMPDIR/image"
	stub fcvm-net "$REST"
	stub fcvm-boot "$RECORD cp \"\$FCVM_RUN_DIR/plan.json\" $BATS_TEST_TMPDIR/plan.json"
}

left_behind() { ls "$FCVM_RUN_BASE"; }
nothing_left() { [[ -z $(left_behind) ]]; }

composes() {
	fcvm run --name web img -- cmd x
	is "$(<"$LOG")" "fcvm-cache[pull][img]
fcvm-boot[run][--plan][$FCVM_RUN_BASE/web/plan.json][--image][$BATS_TEST_TMPDIR/image]"
	has "$(<"$BATS_TEST_TMPDIR/plan.json")" '"name": "web"'
	wait_for 2 nothing_left
}
@test "run pulls, plans and boots, in that order" { both composes; }

same_words() {
	fcvm podman run img cmd
	is "$(sed -n 1p "$LOG")" 'fcvm-cache[pull][img]'
	run -125 fcvm podman build .
	is "$output" "fcvm: podman 'build' is not known here: see 'fcvm help'"
	FCVM_NO_SNAPSHOT=1 fcvm run --no-snapshot img cmd
}
@test "podman run is run, and other podman commands are refused" { both same_words; }

hostile_words() {
	fcvm run -e "A=x' \$(touch $BATS_TEST_TMPDIR/pwned) \"" "im'g \$(x)" -- 'a b' "it's" '"' \
		$'new\nline' '$(touch pwned)' '`x`' --name -x '' '*' '\' 'end '
	has "$(<"$LOG")" "fcvm-cache[pull][im'g \$(x)]"
	is "$(sed -n '/"args"/,/]/p' "$BATS_TEST_TMPDIR/plan.json")" '  "args": [
   "ep",
   "a b",
   "it'"'"'s",
   "\"",
   "new\nline",
   "$(touch pwned)",
   "`x`",
   "--name",
   "-x",
   "",
   "*",
   "\\",
   "end "
  ],'
	[[ ! -e $BATS_TEST_TMPDIR/pwned && ! -e pwned ]]
}
@test "the command's words arrive unchanged, whatever is in them" { both hostile_words; }

wraps() {
	fcvm run -P --name all img
	has "$(<"$LOG")" "fcvm-net[--network][rootless][--publish-exposed][$FCVM_RUN_BASE/all/plan.json][--]"
	: >"$LOG"
	fcvm run -p 127.0.0.1:80:80 -v "/a b/it's:/d" --map '/$(x)`y`:/e' -p 9:9/udp --net bridged --name n img
	local net="[--network][bridged][--publish][127.0.0.1:80:80][--publish][9:9/udp]"
	local volumes="[/a b/it's:/d][/\$(x)\`y\`:/e]"
	is "$(grep -E '^fcvm-(vol|net|boot)\[' "$LOG")" "fcvm-vol[--check]$volumes
fcvm-vol[--image-volumes][$FCVM_RUN_BASE/n/plan.json]${volumes}[--][$STUBS/fcvm-net]${net}[--][$STUBS/fcvm-boot][run][--plan][$FCVM_RUN_BASE/n/plan.json][--image][$BATS_TEST_TMPDIR/image]
fcvm-net${net}[--][$STUBS/fcvm-boot][run][--plan][$FCVM_RUN_BASE/n/plan.json][--image][$BATS_TEST_TMPDIR/image]
fcvm-boot[run][--plan][$FCVM_RUN_BASE/n/plan.json][--image][$BATS_TEST_TMPDIR/image]"
}
@test "the volumes are around the network, the network is around the machine" {
	stub fcvm-net "$RECORD $REST"
	stub fcvm-vol "$RECORD [ \"\$1\" != --check ] || exit 0; $REST"
	both wraps
}

lacks_tools() {
	rm -f "$STUBS/fcvm-net"
	run -125 fcvm run img
	is "$output" "fcvm: fcvm-net is not installed beside fcvm (in $STUBS)"
	run -125 fcvm run --network none --map /a:/b img
	is "$output" 'fcvm: --volume needs fcvm-vol, which is not installed beside fcvm'
	is "$(<"$LOG")" '' 'nothing was started'
	fcvm run --network none img
}
@test "an option whose tool is not installed is refused before anything starts" { both lacks_tools; }

no_setup() {
	run -125 fcvm run img
	is "$output" "fcvm: no guest kernel: run 'fcvm setup' first, or pass --setup"
	is "$(<"$LOG")" '' 'nothing was started'
	[[ ! -e $FCVM_RUN_BASE ]]
}
@test "without setup, run says what to do and does nothing" {
	rm "$FCVM_DATA_DIR/setup.json"
	both no_setup
}

# Whoever runs the tests, the driver is told this.
as_root() {
	stub fcvm-plan "\"$ROOT/build/bin/fcvm-plan\" \"\$@\" || exit
		[ \"\$1\" != options ] || echo fcvm__root=$1"
}

setup_on_demand() {
	rm -f "$FCVM_DATA_DIR/setup.json"
	fcvm run --setup img
	is "$(sed -n 1p "$LOG")" 'fcvm-setup[]'
	has "$(<"$LOG")" 'fcvm-boot[run]'
	: >"$LOG"
	fcvm run --setup img
	lacks "$(<"$LOG")" fcvm-setup
}
@test "--setup sets up when that was not done yet" {
	stub fcvm-setup "$RECORD echo '{}' >\"\$FCVM_DATA_DIR/setup.json\""
	as_root 0
	both setup_on_demand
}

setup_as_root() {
	run -125 fcvm run --setup img
	is "$output" "fcvm: --setup is refused for root, whose set-up changes $FCVM_DATA_DIR for all of the system: run 'fcvm setup' first"
	is "$(<"$LOG")" '' 'nothing was started'
}
@test "--setup is refused for root, with the reason" {
	rm "$FCVM_DATA_DIR/setup.json"
	as_root 1
	stub fcvm-setup "$RECORD"
	both setup_as_root
}

statuses() {
	local n
	for n in 0 1 7 125 126 127 137; do
		stub fcvm-boot "exit $n"
		run -$n fcvm run img
		is "$output" ''
	done
}
@test "the status is the one fcvm-boot ends with" { both statuses; }

pull_fails() {
	run -125 fcvm run --name web img
	is "$output" 'fcvm-cache: no such image'
	lacks "$(<"$LOG")" fcvm-boot
	wait_for 2 nothing_left
}
@test "a failed pull is 125 with the tool's own line, and leaves nothing" {
	stub fcvm-cache "echo 'fcvm-cache: no such image' >&2; exit 102"
	both pull_fails
}

plan_fails() {
	run -125 fcvm run img
	is "$output" 'fcvm-plan: no command or entrypoint provided, and no CMD or ENTRYPOINT from image'
	lacks "$(<"$LOG")" fcvm-boot
	run -125 fcvm run --memroy 1g img
	is "$output" 'fcvm-plan: unknown option --memroy: did you mean --memory?'
	run -125 fcvm run
	is "$output" "fcvm-plan: no image given: see 'fcvm run --help'"
	wait_for 2 nothing_left
}
@test "an image without a command and a mistyped option are 125 with one line" {
	echo '{"config":{}}' >"$BATS_TEST_TMPDIR/image/config.json"
	both plan_fails
}

stdin_kept() {
	is "$(printf 'all\nof it' | { fcvm run -i img && cat; })" $'all\nof it'
}
@test "standard input is the container's: no other tool reads of it" {
	both stdin_kept
}

in_front() {
	fcvm run -d --name web --cidfile /c --detach-keys a,b img
	is "$(<"$LOG")" "fcvm-ctl[front][--detach][started][--detach-keys][a,b][--cidfile][/c][--][$STUBS/fcvm][_start][-d][--name][web][--cidfile][/c][--detach-keys][a,b][img]"
	: >"$LOG"
	fcvm run -d --wait healthy --replace --name web img
	is "$(<"$LOG")" "fcvm-ctl[stop][--ignore][--name][web]
fcvm-ctl[front][--detach][healthy][--][$STUBS/fcvm][_start][-d][--wait][healthy][--replace][--name][web][img]"
}
@test "what is said of the foreground goes to fcvm-ctl front; --replace stops the VM of that name first" {
	stub fcvm-ctl "$RECORD"
	both in_front
}

verbs() {
	local verb
	for verb in exec attach ls ps logs stop kill pause unpause wait inspect stats top port rename restart rm; do
		fcvm "$verb" -x 'a b'
		fcvm podman "$verb" -x 'a b'
		is "$(<"$LOG")" "fcvm-ctl[$verb][-x][a b]
fcvm-ctl[$verb][-x][a b]"
		: >"$LOG"
	done
	fcvm cp a b:/
	fcvm podman cp a b:/
	is "$(<"$LOG")" $'fcvm-cp[a][b:/]\nfcvm-cp[a][b:/]'
}
@test "the verbs of running VMs are fcvm-ctl's, with or without the word podman" {
	stub fcvm-ctl "$RECORD"
	stub fcvm-cp "$RECORD"
	both verbs
}

private() {
	(umask 000 && fcvm run img)
	is "$(<"$BATS_TEST_TMPDIR/modes")" $'700\n600'
}
@test "the run directory and the plan are the user's alone" {
	stub fcvm-boot "stat -c %a \"\$FCVM_RUN_DIR\" \"\$FCVM_RUN_DIR/plan.json\" >$BATS_TEST_TMPDIR/modes"
	both private
}

pull_options() {
	fcvm run --pull newer --platform linux/arm64 --authfile 'a b' --tls-verify=false img
	is "$(sed -n 1p "$LOG")" \
		'fcvm-cache[pull][--pull][newer][--platform][linux/arm64][--authfile][a b][--tls-verify=false][img]'
}
@test "the options about the image go to fcvm-cache" { both pull_options; }

interrupt() { # SIGNAL STATUS
	local driver status=0 cache=$BATS_TEST_TMPDIR/cache
	rm -f "$cache"
	# Background commands of a script ignore SIGINT, and a shell cannot undo that by itself.
	env --default-signal=INT "$STUBS/fcvm" run img >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	driver=$!
	wait_for 5 test -s "$cache"
	kill "-$1" "$driver"
	wait "$driver" || status=$?
	is "$status" "$2"
	is "$(<"$BATS_TEST_TMPDIR/said")" ''
	gone "$(<"$cache")" || fail 'fcvm-cache runs on'
	wait_for 2 nothing_left
}
# kill -KILL of the driver: nothing is left of it, nor of what it had started.
killed() { # MARK
	local driver
	rm -f "$BATS_TEST_TMPDIR/$1"
	"$STUBS/fcvm" run --name web --setup img >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	driver=$!
	wait_for 5 test -s "$BATS_TEST_TMPDIR/$1"
	kill -KILL "$driver"
	wait_for 2 gone "$(<"$BATS_TEST_TMPDIR/$1")"
	wait_for 2 nothing_left
	"$STUBS/fcvm-rundir" --name web -- true
}
killed_pull() { killed cache; }
@test "a killed driver leaves no pull behind, and the name is free" {
	stub fcvm-cache "echo \$\$ >$BATS_TEST_TMPDIR/cache; exec sleep 60"
	both killed_pull
}

signalled_setup() {
	local driver status=0 mark=$BATS_TEST_TMPDIR/setup
	rm -f "$mark"
	"$STUBS/fcvm" run --setup img >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	driver=$!
	wait_for 5 test -s "$mark"
	kill -TERM "$driver"
	wait "$driver" || status=$?
	is "$status" 143
	wait_for 2 gone "$(<"$mark")"
	mkdir -p "$FCVM_RUN_BASE"
	killed setup
}
@test "a signal to run --setup ends the set-up as well" {
	rm "$FCVM_DATA_DIR/setup.json"
	as_root 0
	stub fcvm-setup "echo \$\$ >$BATS_TEST_TMPDIR/setup; exec sleep 60"
	both signalled_setup
}

# Every variable of the driver's own, and of the options that it evals, under the bare names too.
callers_environment() {
	local names word
	names='image name pull platform authfile tls_verify setup no_snapshot strace_agent hypervisor
		accel network net_args vol_args data_dir root options self bindir image_dir id v f tool near'
	names+=" $(grep -o '\bfcvm__[a-z_]*' "$ROOT/bin/fcvm" | sort -u | sed 's/^fcvm__//' | paste -sd ' ')"
	for word in $names; do export "$word=mine of $word"; done
	stub fcvm-boot "$RECORD cp \"\$FCVM_RUN_DIR/plan.json\" '$BATS_TEST_TMPDIR/plan.json'; env >'$BATS_TEST_TMPDIR/env'"
	stub fcvm-cache "env >'$BATS_TEST_TMPDIR/env.cache'; echo '$BATS_TEST_TMPDIR/image'"
	# shellcheck disable=SC2046,SC2086 # a list of words
	fcvm run --name n --authfile a --pull never --platform p $(printf -- '-e %s ' $names) img
	for word in $names; do
		has "$(<"$BATS_TEST_TMPDIR/plan.json")" "\"$word=mine of $word\""
		grep -qx "$word=mine of $word" "$BATS_TEST_TMPDIR/env" || fail "$word for fcvm-boot"
		grep -qx "$word=mine of $word" "$BATS_TEST_TMPDIR/env.cache" || fail "$word for fcvm-cache"
	done
}
@test "the caller's environment is not changed by the driver's own variables" {
	both callers_environment
}

unwritable() { # FILE
	run -125 fcvm run --name web --strace-agent img
	is "$output" "fcvm: cannot write $FCVM_RUN_BASE/web/$1"
	lacks "$(<"$LOG")" fcvm-boot
	wait_for 2 nothing_left
}
@test "a file of the run directory that cannot be written is 125 with one line" {
	stub fcvm-strace 'echo initrd'
	stub fcvm-cache "mkdir \"\$FCVM_RUN_DIR/initrd\"; echo $BATS_TEST_TMPDIR/image"
	both unwritable initrd
	stub fcvm-cache "mkdir \"\$FCVM_RUN_DIR/plan.json\"; echo $BATS_TEST_TMPDIR/image"
	both unwritable plan.json
	mv "$STUBS/fcvm-rundir" "$STUBS/real-rundir"
	stub fcvm-rundir "[ \"\$1\" = --name ] || exec \"\${0%/*}/real-rundir\" \"\$@\"
		exec \"\${0%/*}/real-rundir\" \"\$1\" \"\$2\" -- sh -c 'mkdir \"\$FCVM_RUN_DIR/image\"; shift 3; exec \"\$@\"' sh \"\$@\""
	both unwritable image
}

interrupts() {
	interrupt INT 130
	interrupt TERM 143
}
@test "a signal during the pull ends it at once, and nothing is left" {
	stub fcvm-cache "echo \$\$ >$BATS_TEST_TMPDIR/cache; exec sleep 60"
	both interrupts
}

name_taken() {
	local holder
	"$STUBS/fcvm-rundir" --name web -- sleep 60 3>&- &
	holder=$!
	wait_for 5 test -s "$FCVM_RUN_BASE/web/lock"
	run -125 fcvm run --name web img
	kill "$holder"
	matches "$output" "^fcvm-rundir: the name web is taken: process $holder \([a-z-]+\) holds it: choose another with --name\$"
	is "$(<"$LOG")" '' 'nothing was pulled'
	wait_for 2 nothing_left
}
@test "a taken name is refused before the pull" { both name_taken; }

other_tools() {
	fcvm thing -x 'a b' ''
	is "$(<"$LOG")" 'fcvm-thing[-x][a b][]'
	fcvm help thing
	is "$(sed -n 2p "$LOG")" 'fcvm-thing[--help]'
	run -125 fcvm thnig
	is "$output" "fcvm: 'thnig' is not a command: did you mean thing? see 'fcvm help'"
	run -125 fcvm ../x
	is "$output" "fcvm: '../x' is not a command: see 'fcvm help'"
	run -125 fcvm --frob
	is "$output" "fcvm: unknown option --frob: see 'fcvm help'"
}
@test "fcvm X runs fcvm-X, and an unknown X is one line with a suggestion" {
	stub fcvm-thing "$RECORD"
	both other_tools
}

help_texts() {
	local version
	version=$(sed -n 's/.*FCVM_VERSION "\(.*\)"/\1/p' "$ROOT/lib/version.h")
	is "$(fcvm version)/$(fcvm --version)" "fcvm $version/fcvm $version"
	has "$(fcvm help)" 'usage: fcvm COMMAND'
	has "$(fcvm help run)" 'usage: fcvm run [options] IMAGE [--] [COMMAND...]'
	is "$(fcvm run --help)" "$(fcvm help run)"
	run -125 fcvm
	has "$output" 'usage: fcvm COMMAND'
}
@test "version and help answer" { both help_texts; }

finds_itself() {
	local link=$BATS_TEST_TMPDIR/link shell
	shell=$(sed -n '1s/^#!//p' "$STUBS/fcvm")
	mkdir -p "$link"
	ln -sfn ../bin/fcvm "$link/fcvm"
	has "$(PATH=$link:$PATH command fcvm version)" 'fcvm '
	has "$(cd "$STUBS" && $shell fcvm version)" 'fcvm '
	has "$(cd "$STUBS/.." && $shell bin/fcvm version)" 'fcvm '
	(cd "$STUBS/.." && $shell bin/fcvm run img)
	has "$(<"$LOG")" 'fcvm-boot[run]'
}
@test "the tools are found through a symbolic link and by a relative path" { both finds_itself; }
