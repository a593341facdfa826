# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# With -t, on a terminal and without one.

run t-without-a-terminal -t IMAGE sh -c "$ttys; echo err >&2; tty"
run bytes -t IMAGE sh -c 'printf "a\tb\r\n\001\377"; yes 0123456789 | head -c 1100000'
tty=1 stdin=open run a-terminal-without-t -i IMAGE sh -c "$ttys; printf '1\n2\n'; tty; echo \$?"

tty=1 stdin=open status=7 run on-a-terminal -it IMAGE sh -c "$ttys; $sized; stty -a; echo err >&2; tty; echo \$TERM; exit 7"
tty=1 stdin=open ready=ready act='type_in "typed\r"' run typed -it IMAGE sh -c 'echo ready; read a; echo "got $a"'
tty=1 stdin=open ready=ready act='type_in "\004"' run end-of-file-typed -it IMAGE sh -c 'echo ready; cat; echo end'
# Without its echo, which the kernel writes before or after what the trap does.
tty=1 stdin=open ready=ready act='type_in "\003"' status=8 run interrupt-typed -it IMAGE \
	sh -c 'stty -echo; trap "echo caught; exit 8" INT; echo ready; while :; do sleep 0.1; done'
tty=1 stdin=open ready=ready act='type_in "unseen\r"' run no-echo -it IMAGE sh -c 'stty -echo; echo ready; read a; echo "got $a"'
