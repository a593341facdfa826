# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# exec: containers of another kind, and processes that end each other.

ready=ready status=137 act='peer kill NAME' run killed-by-name --name NAME IMAGE sh -c 'echo ready; exec sleep 300'
ready=ready status=5 act='peer kill --signal USR1 NAME' run signalled-by-name --name NAME IMAGE \
	sh -c 'trap "echo caught; exit 5" USR1; echo ready; while :; do sleep 0.1; done'
ready=ready status=3 act='peer stop NAME' run stopped-by-name --name NAME IMAGE \
	sh -c 'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.1; done'
ready=ready status=137 act='peer stop -t 1 NAME' run stop-is-not-heard --name NAME IMAGE sh -c 'echo ready; exec sleep 300'

container -u user -w /tmp --cap-drop all --cap-add chown --read-only IMAGE sleep 1000
about='id; echo "$HOME"; pwd; grep ^Cap /proc/self/status'
exec_ user-of-the-container NAME sh -c "$about"
exec_ root-in-a-user-container -u root NAME sh -c "$about"
exec_ privileged-in-a-user-container --privileged NAME sh -c 'id; grep -E "Cap(Inh|Prm|Eff|Amb)" /proc/self/status'
exec_ read-only NAME sh -c 'touch /home/user/x; touch /tmp/x && echo x'

ready=ready status=137 act='peer exec NAME sh -c "kill -9 \$(cat /tmp/pid)"' exec_ killed-by-another NAME \
	sh -c 'echo $$ >/tmp/pid; echo ready; exec sleep 300'
ready=ready status=3 act='peer exec NAME sh -c "kill \$(cat /tmp/pid)"' exec_ ended-by-another NAME \
	sh -c 'trap "echo caught; exit 3" TERM; echo $$ >/tmp/pid; echo ready; while :; do sleep 0.1; done'
stdout=any exec_ detached -d NAME sh -c 'echo $$ >/tmp/detached; exec sleep 300'
limit=30 exec_ detached-runs NAME \
	sh -c 'until [ "$(cat /proc/$(cat /tmp/detached)/comm 2>/dev/null)" = sleep ]; do sleep 0.1; done 2>/dev/null; echo runs'
why='that the command is missing has a status of its own, detached or not' fcvm_status=127 \
	stderr=line stdout=any status=125 exec_ detached-missing-command -d NAME /no/such/command

ready=ready status=137 act='peer kill NAME' exec_ ended-with-the-container NAME sh -c 'echo ready; exec sleep 300'
status=255 stderr=line why='an ended machine leaves nothing, not even its name' fcvm_status=125 exec_ after-the-end NAME true
