#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# run -it, exec -it and attach in a real terminal: colours, size, full-screen programs, keys that
# signal, job control on both sides, detaching, and the terminal's modes afterwards.

# shellcheck disable=SC2016 # what is typed is expanded by a shell in the terminal

setup_file() {
	load ../lib/helper
	SHARED=$(vm_name)
	IMAGE=oci:$(hello_image)
	# Words for the command line in the terminal, which stays short so.
	OPTS='--cpus 1 --memory 256m -e PS1=in>'
	export SHARED IMAGE OPTS
	# shellcheck disable=SC2086
	fcvm run -dit --name "$SHARED" $OPTS "$IMAGE" cat </dev/null 3>&- 4>&-
}

teardown_file() {
	timeout 30 fcvm stop --time 0 "$SHARED"
}

setup() {
	load ../lib/helper
	load ../lib/tmux
	VM=$(vm_name)
	export VM
	open_terminal
}

teardown() {
	close_terminals
	timeout 30 fcvm stop --ignore --time 0 "$VM"
	wait_for 10 vm_gone
}

vm_gone() {
	[[ ! -e $FCVM_RUN_BASE/$VM ]]
}

running() {
	[[ $(of_vm state) == running ]]
}

of_vm() { # FIELD: of the state
	fcvm inspect --format "{{.$1}}" "$VM"
}

# The shell in the container is at its prompt, and knows job control.
begin_shell() { # VERB
	if [[ $1 == run ]]; then
		begin 'fcvm run -it --name $VM $OPTS $IMAGE sh'
	else
		begin 'fcvm exec -it $SHARED sh'
	fi
	until_shows '^in>$'
}

# Size at the start, and after each change of it, with nobody asking.
size_follows() { # COMMAND that takes a command for the container
	begin "$1 sh -c 'trap \"stty size\" WINCH; stty size; while :; do sleep 0.1; done'"
	until_shows '^24 80$'
	resize_terminal 100 30
	until_shows '^30 100$'
	resize_terminal 41 11
	until_shows '^11 41$'
}

# Ctrl-C, Ctrl-Z and Ctrl-D do to a shell in the container what they do to any.
keys_signal() {
	type_line 'sh -c "echo go; exec sleep 1000"'
	until_shows '^go$'
	keys C-c
	type_line 'echo was $?'
	until_shows '^was 130$'
	type_line 'cat -n'
	type_line first
	until_shows ' 1 +first$'
	keys C-z
	until_shows 'Stopped +cat -n$'
	type_line 'echo still $((6 * 7))'
	until_shows '^still 42$'
	type_line fg
	type_line second
	until_shows ' 2 +second$'
	keys C-d
	type_line 'echo the last; (exit 7)'
	until_shows '^the last$'
	until_shows '^in>$' # in raw mode again: before that, Ctrl-D would be lost
	keys C-d
}

@test "run -it: the size is the terminal's and follows it" {
	size_follows 'fcvm run -it --init --name $VM $OPTS $IMAGE'
	keys C-c
	ends 130
}

@test "exec -it: the size is the terminal's and follows it" {
	size_follows 'fcvm exec -it $SHARED'
	keys C-c
	ends 130
}

@test "run -it: a shell obeys Ctrl-C, Ctrl-Z and Ctrl-D; the status is its own" {
	begin_shell run
	is_raw
	keys_signal
	ends 7
}

@test "exec -it: a shell obeys Ctrl-C, Ctrl-Z and Ctrl-D; the status is its own" {
	begin_shell exec
	is_raw
	keys_signal
	ends 7
}

@test "run -it: colours and characters arrive; TERM is xterm unless -e TERM says the caller's" {
	begin 'fcvm run -it --name $VM $OPTS $IMAGE sh -c '\''printf "\033[1;31mred\033[42mgreen\033[0m 20 \342\202\254\n"; echo $TERM; read x'\'
	until_shows '^xterm$'
	has "$(screen -e)" $'\e[1m\e[31mred\e[42mgreen\e[0m'
	shows '^redgreen 20 €$'
	keys Enter
	ends 0
	begin 'TERM=vt220 fcvm exec -it -e TERM $SHARED sh -c '\''echo $TERM'\'
	until_shows '^vt220$'
	ends 0
}

@test "run -it: vi edits a file, and leaves the screen as it was" {
	begin_shell run
	type_line 'echo be$((1))fore; vi /tmp/file'
	until_shows '^- /tmp/file .*1/1'
	lacks "$(screen)" be1fore
	is "$(terminal_info alternate_on)" 1
	type_text 'ione'
	keys Enter
	type_text 'two'
	until_shows '^I /tmp/file .*2/2'
	is "$(screen | head -n 3)" $'one\ntwo\n~'
	keys Escape
	until_shows '^- /tmp/file'
	type_line ':wq'
	until_shows '^in>$'
	is "$(terminal_info alternate_on)" 0
	has "$(screen)" be1fore
	type_line 'clear; cat -n /tmp/file; exit'
	until_shows '^ +2 +two$'
	ends 0
	shows '^ +1 +one$'
}

@test "run -it: Ctrl-P Ctrl-Q leaves the VM running, attach joins it again" {
	begin 'fcvm run -it --name $VM $OPTS $IMAGE sh -c "stty -echo; echo up; cat -n; exit 4"'
	until_shows '^up$'
	keys C-p C-q
	ends 0
	has "$(fcvm ls --format '{{.Name}} {{.State}}')" "$VM running"
	begin 'fcvm attach $VM'
	wait_for 20 is_raw
	type_line again
	until_shows '^ +1 +again$'
	keys C-d
	ends 4
	wait_for 10 vm_gone
}

@test "run -it --detach-keys: other keys detach, the default ones are the container's" {
	begin 'fcvm run -it --detach-keys ctrl-x,y --name $VM $OPTS $IMAGE sh -c "stty raw -echo; echo up; exec xxd -c 4 -l 4"'
	until_shows 'up$'
	keys C-p C-q C-x
	type_text x
	until_shows '1011 1878'
	ends 0
}

@test "exec -it: detach keys leave the command running, a lone Ctrl-P reaches it" {
	begin 'fcvm exec -it $SHARED sh -c "stty raw -echo; echo up; xxd -c 4 -l 4; exec sleep 7654"'
	until_shows 'up$'
	keys C-p
	type_text abc
	until_shows '1061 6263'
	keys C-p C-q
	ends 0
	has "$(fcvm exec "$SHARED" ps)" 'sleep 7654'
}

# Two terminals, both attached. The second is the one that is meant at the end.
attach_twice() {
	begin 'fcvm attach $SHARED'
	wait_for 20 is_raw
	open_terminal second
	begin 'fcvm attach $SHARED'
	wait_for 20 is_raw
}

@test "attach: two terminals see the output, and what is typed on the first" {
	attach_twice
	fcvm exec "$SHARED" sh -c 'echo to all >/proc/1/fd/1'
	until_shows '^to all$'
	use_terminal main
	until_shows '^to all$'
	type_line typed
	until_shows '^typed$'
	keys C-p C-q
	ends 0
	use_terminal second
	until_shows '^typed$'
}

@test "attach: when the one that may type leaves, it is the next one's turn" {
	attach_twice
	open_terminal third
	begin 'fcvm attach $SHARED'
	wait_for 20 is_raw
	use_terminal main
	keys C-p C-q
	ends 0
	use_terminal second
	type_line 'of the second'
	until_shows '^of the second$'
	use_terminal third
	until_shows '^of the second$'
}

@test "attach: the detach keys leave a second terminal, too" {
	attach_twice
	keys C-p C-q
	ends 0
}

@test "a machine that is killed gives the terminal back" {
	begin_shell run
	is_raw
	kill -KILL "$(of_vm pid)"
	ends 125
	shows "fcvm-ctl: the machine's process was ended by signal 9 \\(Killed\\)\$"
}

@test "run -it: SIGTERM of the process in front is the container's, and gives the terminal back" {
	begin 'fcvm run -it --name $VM $OPTS $IMAGE sh -c "trap \"exit 9\" TERM; echo up; while :; do sleep 0.1; done"'
	until_shows '^up$'
	is_raw
	kill -TERM "$(of_vm front)"
	ends 9
}

@test "a command that cannot be run leaves the terminal alone" {
	begin 'fcvm run -it --name $VM $OPTS $IMAGE /no/such'
	ends 127
	shows '^fcvm-boot: /no/such: no such command in the container$'
	begin 'fcvm exec -it $SHARED /no/such'
	ends 127
	shows '^fcvm-ctl: /no/such: no such command in the container$'
}

# Starts COMMAND in the terminal's background, and waits until it is stopped. Its pid is job.
begin_background() { # COMMAND
	type_line "stty -g >main.before; $1 & echo \$! >job"
	wait_for 10 test -s "$BATS_TEST_TMPDIR/job"
	job=$(<"$BATS_TEST_TMPDIR/job")
	wait_for 60 stopped "$job"
}

stopped() { # PID
	[[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") == T ]]
}

@test "run -it in the terminal's background is stopped, and fg goes on with it" {
	begin_background 'fcvm run -it --name $VM $OPTS $IMAGE sh'
	type_line jobs
	until_shows '^\[1\]. +Stopped'
	type_line 'fg; echo $? >main.status; stty -g >main.after'
	wait_for 20 is_raw
	type_line 'stty size; exit 5'
	until_shows '^24 80$'
	ends 5
}

@test "run -it that is stopped in the terminal's background ends when it is killed" {
	begin_background 'fcvm run -it --init --name $VM $OPTS $IMAGE sleep 1000'
	wait_for 60 running
	type_line 'kill %1'
	wait_for 20 gone "$job"
	type_line 'wait %1; echo $? >main.status; stty -g >main.after'
	ends 143
	wait_for 10 vm_gone
}

@test "exec -it that is stopped in the terminal's background ends when it is killed" {
	begin_background 'fcvm exec -it $SHARED sleep 1000'
	type_line 'kill %1'
	wait_for 20 gone "$job"
	type_line 'wait %1; echo $? >main.status; stty -g >main.after'
	ends 143
}
