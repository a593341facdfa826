# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# Standard streams without a terminal.

run order-within-each IMAGE sh -c 'for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf out; printf err >&2'
stdin=file:$files/bytes run every-byte -i IMAGE sh -c 'tee /dev/stderr'
run ten-mebibytes-on-each IMAGE sh -c 'for i in 1 2; do yes 0123456789abcdef | head -c 10485760 >&$i; done'
run large-on-both IMAGE \
	sh -c 'i=0; while [ $i -lt 320 ]; do head -c 32767 /bin/busybox; head -c 16385 /bin/busybox >&2; i=$((i + 1)); done'

stdin=text:unwanted run stdin-without-i IMAGE wc -c
stdin=closed run closed-stdin IMAGE wc -c
stdin=file:$files/empty run empty-stdin -i IMAGE sh -c 'wc -c; echo end'
stdin='text:one\ntwo' run pipe -i IMAGE sh -c 'cat; echo; echo end'
stdin=open limit=30 status=6 run open-stdin-does-not-delay-the-end -i IMAGE sh -c 'echo end; exit 6'
stdin=open ready=ready act='type_in "typed\n"' run line-by-line -i IMAGE sh -c 'echo ready; read a; echo "got $a"'
stdin=zeros:10000000 status=5 racy='podman drops output when the rest of the input has no reader' fcvm_stdout=@@@@@ \
	run partly-read-stdin -i IMAGE sh -c 'head -c 5 | tr "\000" @; exit 5'
stdin=zeros:10000000 run large-stdin -i IMAGE wc -c
stdin=text:x run closed-inside -i IMAGE sh -c 'exec >&- 2>&-; cat; exit 0'

reason='a socket of its own becomes the descriptor that podman then writes to'
stdout=closed stderr=any status=126 why=$reason fcvm_status=0 fcvm_stderr=$'err\n' run closed-stdout IMAGE \
	sh -c 'echo out; echo err >&2'
stderr=closed status=126 why=$reason fcvm_status=0 run closed-stderr IMAGE sh -c 'echo out; echo err >&2'
