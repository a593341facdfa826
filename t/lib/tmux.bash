# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Real terminals for tests (`load ../lib/tmux`, after helper): interactive bashes in a tmux server
# that the test has for itself. Neither the caller's terminal and TERM nor its shell or tmux
# configuration matter.

# mux COMMAND…: of the private server, whose socket goes with the test's directory.
mux() {
	env -u TMUX TMUX_TMPDIR="$BATS_TEST_TMPDIR" TERM=xterm tmux -L t -f /dev/null "$@" 3>&- 4>&-
}

# open_terminal [NAME]: 80x24, with bash at its prompt ("outer>") in the test's directory and the
# test's environment. It is now the terminal that the functions below mean.
open_terminal() {
	terminal=${1:-main}
	mux new-session -d -s "$terminal" -x 80 -y 24 -c "$BATS_TEST_TMPDIR" \
		env PS1='outer>' HISTFILE= bash --noprofile --norc -i
	until_shows '^outer>$'
}

# use_terminal NAME: one that was opened before.
use_terminal() {
	terminal=$1
}

# All terminals end; what runs in them hears SIGHUP.
close_terminals() {
	mux kill-server 2>/dev/null || true
}

# keys KEY…: named as tmux does, such as C-c. type_text TEXT; type_line TEXT: and Enter.
keys() {
	mux send-keys -t "=$terminal:" "$@"
}
type_text() {
	mux send-keys -t "=$terminal:" -l -- "$1"
}
type_line() {
	type_text "$1" && keys Enter
}

# The text on the screen; with -e colours are in it as escape sequences.
# shellcheck disable=SC2120 # -e is for callers elsewhere
screen() {
	mux capture-pane -t "=$terminal:" -p "$@"
}

# until_shows REGEX: waits for a line like that on the screen, without blanks at its end. Commands
# are there, too, as they were typed, so the regex for an output must not match its command.
shows() {
	screen | grep -qE -- "$1"
}
until_shows() {
	wait_for 60 shows "$1" || fail "on the screen:
$(screen)"
}

resize_terminal() { # COLUMNS ROWS
	mux resize-window -t "=$terminal:" -x "$1" -y "$2"
}

# terminal_info NAME: a variable of tmux, such as pane_tty.
terminal_info() {
	mux display-message -t "=$terminal:" -p "#{$1}"
}

# Whether a program has the terminal in raw mode. That is so for its output only while no shell
# reads a line.
is_raw() {
	local modes
	modes=$(stty -a -F "$(terminal_info pane_tty)") && [[ $modes == *-isig* && $modes == *-opost* ]]
}

# begin COMMAND: types it, at the prompt. ends STATUS: waits for its end, for that status, and for
# the terminal's modes to be what they were before it.
begin() {
	rm -f "$BATS_TEST_TMPDIR/$terminal".{before,status,after}
	type_line "stty -g >$terminal.before; $1; echo \$? >$terminal.status; stty -g >$terminal.after"
}
ends() {
	local file=$BATS_TEST_TMPDIR/$terminal
	wait_for 60 test -s "$file.after" || fail "on the screen:
$(screen)" || return
	is "$(cat "$file.status")" "$1" status || return
	is "$(cat "$file.after")" "$(cat "$file.before")" 'modes of the terminal'
}
