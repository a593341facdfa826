# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# How a container's end is told.

status=255 run exit-255 IMAGE sh -c 'exit 255'

# Process 1 has no default actions, which is the kernel's rule and not the engine's.
status=9 run process-1-ignores-signals IMAGE sh -c 'kill -TERM $$; kill -SEGV $$; kill -KILL $$; echo alive; exit 9'
run children-killed IMAGE sh -c 'for s in TERM KILL SEGV; do sh -c "kill -$s \$\$"; echo $?; done'
status=3 ready=ready act='signal TERM' run signal-is-passed-on IMAGE \
	sh -c 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.1; done'
limit=30 run child-outlives-the-command IMAGE sh -c 'sleep 300 & echo returns'

status=127 stderr=line run missing-absolute IMAGE /no/such/command
status=127 stderr=line run missing-in-path -u user IMAGE no-such-command
status=126 stderr=line run not-executable IMAGE /work/plain
status=1 stderr=any why=$runc fcvm_status=127 run missing-interpreter IMAGE /work/orphan
status=1 stderr=any why=$runc fcvm_status=126 run no-interpreter-line IMAGE /work/headless
run relative-command IMAGE ./tool with words
run path-decides -e PATH=/opt:/bin IMAGE tool

status=125 stderr=some run unknown-option --no-such-option IMAGE true
status=125 stderr=line run bad-option-value --memory lots IMAGE true
status=125 stderr=line run no-image -i
