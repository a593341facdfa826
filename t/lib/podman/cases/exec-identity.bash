# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# exec: variables, users, rights, terminals.

about='id; echo "$HOME"; pwd; grep ^Cap /proc/self/status'

container -h box -e RUN=run -e BOTH=run -w /opt IMAGE sleep 1000
why='the variable names the engine' fcvm_stdout=$'A=1\nB=2\nBOTH=run\nFROM_IMAGE=image\nHOME=/root\nHOSTNAME=box\nPATH=/bin:/opt\nPWD=/opt\nRUN=run\nSHLVL=1\nTERM=xterm\ncontainer=fcvm\n' \
	exec_ variables -e B=2 -e A=1 NAME sh -c 'env | sort'
exec_ options-over-files-over-run --env-file "$files/env" -e FILE=option NAME sh -c 'echo "$FROM_IMAGE $RUN $BOTH $FILE"'
exec_ variables-with-a-terminal -t NAME sh -c 'env | grep -v ^container= | sort'
exec_ env-file --env-file "$files/env" NAME sh -c 'env | grep -E "FILE|BOTH|CALLER|ABSENT|QUOTED|EMPTY|HASH" | sort'
exec_ values -e CALLER -e ABSENT -e EMPTY= -e 'ODD= a "b" '\''c'\'' $d' -e $'LINES=1\n2' -e TWICE=1 -e TWICE=2 NAME \
	sh -c 'echo "$CALLER|${ABSENT-unset}|${EMPTY-unset}|$ODD|$LINES|$TWICE"'
exec_ defaults-replaced -e HOME=/nowhere -e PATH=/bin -e TERM=odd NAME sh -c 'echo "$HOME $PATH $TERM"'
status=125 stderr=line exec_ missing-env-file --env-file "$files/none" NAME true
status=125 stderr=line exec_ nameless-variable -e =x NAME true
exec_ workdir-of-the-container NAME sh -c 'pwd; echo $PWD'
exec_ workdir -w /home NAME sh -c 'pwd; echo $PWD'
status=127 stderr=line exec_ workdir-missing -w /nope NAME pwd
why='runc has no status of its own for it; a command that cannot start is 126' fcvm_status=126 \
	status=255 stderr=line exec_ workdir-is-a-file -w /work/plain NAME pwd

exec_ root-by-default NAME sh -c "$about"
exec_ user -u user NAME sh -c "$about"
exec_ user-with-more-groups -u many NAME sh -c "$about"
exec_ user-without-an-entry -u 4242 NAME sh -c "$about"
exec_ user-and-group -u user:extra NAME sh -c "$about"
exec_ numbers-of-both -u 1001:7 NAME sh -c "$about"
why='the same status as in a run' fcvm_status=126 status=255 stderr=line exec_ unknown-user -u nobody-here NAME id
why='the same status as in a run' fcvm_status=126 status=255 stderr=line exec_ unknown-group -u user:nothing-here NAME id
# A host may withhold some: these are chown, net_admin, sys_admin and the mask's last.
some='for set in Prm Eff Bnd Amb; do c=0x$(sed -n "s/Cap$set:.//p" /proc/self/status); echo $set $((c & 1)) $((c >> 12 & 1)) $((c >> 21 & 1)) $((c >> 40)); done'
exec_ privileged --privileged NAME sh -c "$some"
exec_ privileged-user --privileged -u user NAME sh -c "$some"
exec_ process NAME sh -c 'umask; ulimit -n; ulimit -Hn; ulimit -u; ulimit -c; ls /proc/self/fd | wc -l; hostname
	cat /proc/self/oom_score_adj; grep NoNewPrivs /proc/self/status; set -- $(cat /proc/$$/stat); echo $4; test $5 = $$ && test $6 = $$ && echo leads'
exec_ sees-the-container NAME sh -c 'cat /proc/1/comm; cat /proc/1/cgroup | cmp - /proc/self/cgroup && echo same'
exec_ shares-files NAME sh -c 'echo shared >/tmp/file; cat /proc/1/root/tmp/file'

exec_ t-without-a-terminal -t NAME sh -c "$ttys; echo err >&2; tty | sed 's/[0-9]//'"
exec_ no-t NAME sh -c "$ttys; tty; echo \$?"
exec_ bytes -t NAME sh -c 'printf "a\tb\r\n\001\377"'
exec_ large -t NAME sh -c 'yes 0123456789 | head -c 1100000'
tty=1 stdin=open exec_ on-a-terminal -it NAME sh -c "$ttys; $sized; stty size; echo err >&2; tty | sed 's/[0-9]//'; echo \$TERM"
tty=1 stdin=open exec_ settings -it NAME sh -c "$sized; stty -a"
tty=1 stdin=open status=7 exec_ status -it NAME sh -c 'exit 7'
tty=1 stdin=open ready=ready act='type_in "typed\r"' exec_ typed -it NAME sh -c 'echo ready; read a; echo "got $a"'
tty=1 stdin=open ready=ready act='type_in "\004"' exec_ end-of-file-typed -it NAME sh -c 'echo ready; cat; echo end'
# Without its echo, which the kernel writes before or after what the trap does.
tty=1 stdin=open ready=ready act='type_in "\003"' status=8 exec_ interrupt-typed -it NAME \
	sh -c 'stty -echo; trap "echo caught; exit 8" INT; echo ready; while :; do sleep 0.1; done'
