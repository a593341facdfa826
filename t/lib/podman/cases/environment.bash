# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# Variables, working directory, entrypoint and command.

why='the variable names the engine' fcvm_stdout=$'A=1\nB=2\nBOTH=option\nFROM_IMAGE=image\nHOME=/root\nHOSTNAME=box\nPATH=/bin:/opt\nPWD=/work\nSHLVL=1\nTERM=xterm\ncontainer=fcvm\n' \
	run variables -h box -e B=2 -e A=1 -e BOTH=option IMAGE sh -c 'env | sort'
run files-and-options -e HASH=option --env-file "$files/env" --env-file "$files/env2" IMAGE \
	sh -c 'env | grep -E "FILE|BOTH|CALLER|ABSENT|QUOTED|EMPTY|HASH|TWICE" | sort'
run values -e CALLER -e ABSENT -e EMPTY= -e 'ODD= a "b" '\''c'\'' $d' -e $'LINES=1\n2' -e TWICE=1 -e TWICE=2 IMAGE \
	sh -c 'echo "$CALLER|${ABSENT-unset}|${EMPTY-unset}|$ODD|$LINES|$TWICE"'
run defaults-replaced -e HOME=/nowhere -e PATH=/bin -e TERM=odd -e HOSTNAME=odd -h box IMAGE \
	sh -c 'echo "$HOME $PATH $TERM $HOSTNAME $(hostname)"'
status=125 stderr=line run missing-env-file --env-file "$files/none" IMAGE true
status=125 stderr=line run nameless-variable -e =x IMAGE true

run the-default-command IMAGE
run workdir-through-a-link -w /work/link/ IMAGE sh -c 'pwd; pwd -P; echo $PWD'
run workdir-forbidden -u user -w /root IMAGE pwd
status=126 stderr=line run workdir-missing -w /nope IMAGE pwd
status=126 stderr=line run workdir-is-a-file -w /work/plain IMAGE pwd

run entrypoint-and-default ENTRY
run entrypoint-and-words ENTRY with words
run no-entrypoint --entrypoint '' ENTRY /bin/echo plain
status=125 stderr=line run no-entrypoint-and-no-command --entrypoint '' ENTRY
run another-entrypoint --entrypoint /bin/printf ENTRY '%s.' a b
run another-entrypoint-drops-the-command --entrypoint /bin/echo ENTRY
run entrypoint-as-a-list --entrypoint '["/bin/echo", "a b"]' ENTRY c
