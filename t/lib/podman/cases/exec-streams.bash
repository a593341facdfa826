# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# exec: statuses and standard streams.

container IMAGE sleep 1000

for n in 0 1 2 7 125 126 127 128 255; do
	status=$n exec_ exit-$n NAME sh -c "exit $n"
done
for s in TERM KILL SEGV; do
	status=$((128 + $(kill -l $s))) exec_ killed-by-$s NAME sh -c "kill -$s \$\$"
done
status=127 stderr=line exec_ missing-absolute NAME /no/such/command
status=127 stderr=line exec_ missing-in-path -u user NAME no-such-command
status=127 stderr=line exec_ missing-empty-word NAME ''
status=126 stderr=line exec_ not-executable NAME /work/plain
status=126 stderr=line exec_ directory-as-command NAME /work
status=1 stderr=any why=$runc fcvm_status=127 exec_ missing-interpreter NAME /work/orphan
status=1 stderr=any why=$runc fcvm_status=126 exec_ no-interpreter-line NAME /work/headless
exec_ relative-command NAME ./tool with words
exec_ path-decides -e PATH=/opt:/bin NAME tool
status=125 stderr=line exec_ no-such-container no-such-container true
status=125 stderr=some exec_ unknown-option --no-such-option NAME true
status=125 stderr=line exec_ no-container
why='a wrong command line is 125 everywhere else' fcvm_status=125 status=255 stderr=line exec_ no-command NAME
exec_ options-end-at-the-name NAME echo -i -t --user
exec_ names-are-no-options -- NAME echo words

exec_ order-within-each NAME sh -c 'for i in 1 2 3; do echo out $i; echo err $i >&2; done'
exec_ no-newline-at-the-end NAME sh -c 'printf out; printf err >&2'
stdin=file:$files/bytes exec_ every-byte -i NAME sh -c 'tee /dev/stderr'
exec_ ten-mebibytes NAME sh -c 'yes 0123456789abcdef | head -c 10485760'
exec_ ten-mebibytes-on-stderr NAME sh -c 'yes 0123456789abcdef | head -c 10485760 >&2'
exec_ large-on-both NAME \
	sh -c 'i=0; while [ $i -lt 320 ]; do head -c 32767 /bin/busybox; head -c 16385 /bin/busybox >&2; i=$((i + 1)); done'
stdin=text:unwanted exec_ stdin-without-i NAME wc -c
stdin=closed exec_ closed-stdin NAME wc -c
stdin=file:$files/empty exec_ empty-stdin -i NAME sh -c 'wc -c; echo end'
exec_ null-stdin -i NAME sh -c 'wc -c; echo end'
stdin='text:one\ntwo' exec_ pipe -i NAME sh -c 'cat; echo; echo end'
stdin=open limit=30 status=6 exec_ open-stdin-does-not-delay-the-end -i NAME sh -c 'echo end; exit 6'
stdin=open ready=ready act='type_in "typed\n"' exec_ line-by-line -i NAME sh -c 'echo ready; read a; echo "got $a"'
stdin=zeros:10000000 status=5 exec_ unread-stdin -i NAME sh -c 'exit 5'
stdin='text:1234567890' exec_ part-of-stdin -i NAME sh -c 'head -c 5; echo'
stdin=zeros:10000000 exec_ large-stdin -i NAME wc -c
stdin=text:x exec_ closed-inside -i NAME sh -c 'exec >&- 2>&-; cat; exit 0'
limit=30 exec_ child-outlives-the-command NAME sh -c 'sleep 300 & echo $! >/tmp/child; echo returns'
exec_ that-child-still-runs NAME sh -c 'kill $(cat /tmp/child) && echo ran'
