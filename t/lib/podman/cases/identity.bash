# shellcheck shell=bash disable=SC2016,SC2154
# SPDX-License-Identifier: MIT
# Who the command is and what it may do.

about='id; echo "$HOME"; grep ^Cap /proc/self/status'
run user -u user IMAGE sh -c "$about; cat /work/private; echo \$?; echo x >/work/new; touch ~/own && echo own"
run user-of-the-image --entrypoint sh ENTRY -c "$about"
why='podman adds a line to /etc/passwd, with the working directory as home' fcvm_stdout=$'uid=4242 gid=0(root) groups=0(root)\n/\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000800405fb\nCapAmb:\t0000000000000000\n' \
	run user-without-an-entry -u 4242 IMAGE sh -c "$about"
run user-and-group -u user:extra IMAGE sh -c "$about"
why='podman adds a line to /etc/group' fcvm_stdout=$'uid=1001(many) gid=7 groups=7\n/home/none\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000800405fb\nCapAmb:\t0000000000000000\n' \
	run numbers-of-both -u 1001:7 IMAGE sh -c "$about"
status=126 stderr=line run unknown-user -u nobody-here IMAGE id

run capabilities-changed --cap-drop all --cap-add net_admin,CHOWN IMAGE grep ^Cap /proc/self/status
run capabilities-of-a-user -u user --cap-add net_admin IMAGE grep ^Cap /proc/self/status

run root-by-default -h box IMAGE sh -c "$about"'; echo $$; umask; ulimit -n; ulimit -Hn; ulimit -u; ulimit -c; ls /proc/self/fd | wc -l
	cat /proc/self/oom_score_adj; cat /proc/self/comm; cut -d " " -f 4-8 /proc/self/stat; grep NoNewPrivs /proc/self/status
	hostname; echo "$(cat /etc/hostname)"; grep -c box /etc/hosts; ls /sys/class/net'
run devices IMAGE sh -c 'ls /dev | grep -v core; ls -l /dev/null /dev/ptmx /dev/stdin | cut -c 1-10; echo x >/dev/full; echo $?'
run protected IMAGE sh -c 'cat /proc/timer_list | wc -c; ls /sys/firmware; echo 1 >/proc/sys/kernel/hostname
	echo x >/sys/kernel/x; mount -t tmpfs none /opt; mknod /work/node b 1 1; chroot / true && echo chroot'
run read-only --read-only IMAGE \
	sh -c 'touch /x /work/y /etc/z; for d in /tmp /run /var/tmp /dev/shm /dev; do touch $d/a && echo $d; done'
run tmpfs --tmpfs /vol:size=1m IMAGE sh -c 'ls /vol; stat -c %a /vol; df -k /vol | tail -n 1 | cut -c 1-30'
