#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What docker and podman in a guest do with its kernel: layers, networks and published ports, done by
# hand in a privileged container. Debian's kernel has it with profile debian-docker.

setup_file() {
	load ../lib/helper
	if grep -q '"profile": "debian"' "$FCVM_DATA_DIR/setup.json"; then
		export FCVM_DATA_DIR=$ROOT/build/t/data-docker
		fcvm setup --quiet --kernel-profile debian-docker
	fi
	debian_image docker-needs iproute2,nftables,iptables,busybox-static
}

setup() {
	load ../lib/helper
	image=oci:$ROOT/build/t/docker-needs
}

fc() {
	timeout 200 fcvm run --privileged --cpus 1 --memory 512m "$image" -- sh -ec "$1"
}

@test "an overlay of layers on a tmpfs, with whiteouts and attributes" {
	run -0 fc '
		mount -t tmpfs none /mnt && cd /mnt && mkdir one two up work all
		echo one >one/a; echo two >two/b
		mount -t overlay -o lowerdir=two:one,upperdir=up,workdir=work none all
		cat all/a all/b; rm all/a; test -c up/a; ls all; echo changed >all/b; cat two/b up/b'
	is "$output" $'one\ntwo\nb\ntwo\nchanged'
}

@test "a bridge with a network namespace behind it, and a port published by iptables" {
	run -0 fc '
		ip link add docker0 type bridge && ip addr add 10.9.0.1/24 dev docker0 && ip link set docker0 up
		ip netns add c && ip link add v0 type veth peer name eth0 netns c
		ip link set v0 master docker0 up
		ip -n c addr add 10.9.0.2/24 dev eth0 && ip -n c link set eth0 up && ip -n c route add default via 10.9.0.1
		iptables --version | grep -o nf_tables
		iptables -t nat -N DOCKER
		iptables -t nat -A OUTPUT -m addrtype --dst-type LOCAL -m comment --comment test -j DOCKER
		iptables -t nat -A DOCKER -p tcp --dport 8080 -j DNAT --to-destination 10.9.0.2:80
		iptables -t nat -A POSTROUTING -s 10.9.0.0/24 ! -o docker0 -j MASQUERADE
		iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		iptables -A INPUT -p tcp -m multiport --dports 81,82 -m limit --limit 5/s -j LOG
		iptables -A INPUT -p tcp --dport 83 -j REJECT --reject-with tcp-reset
		iptables -t mangle -A PREROUTING -p tcp --dport 84 -j MARK --set-mark 7
		ip6tables -t nat -A POSTROUTING -s fd00::/64 -j MASQUERADE
		mkdir /www && echo published >/www/index.html
		ip netns exec c busybox httpd -p 10.9.0.2:80 -h /www
		busybox wget -q -O - http://10.9.0.1:8080/
		iptables-save -t nat | grep -c DNAT'
	is "$output" $'nf_tables\npublished\n1'
}

@test "nft in its own words, as netavark writes them" {
	run -0 fc '
		nft -f - <<-END
			table inet netavark {
				set seen { type ipv4_addr; flags timeout; }
				counter c { }
				chain post { type nat hook postrouting priority srcnat; ip saddr 10.89.0.0/24 masquerade; }
				chain pre { type nat hook prerouting priority dstnat; fib daddr type local tcp dport 8080 dnat ip to 10.89.0.2:80; }
				chain in { type filter hook input priority filter; ct state established,related accept; tcp dport 81 limit rate 5/second log counter name c; tcp dport 82 reject with tcp reset; }
				chain spread { numgen random mod 2 vmap { 0 : accept, 1 : drop }; }
			}
		END
		nft list table inet netavark | grep -c "masquerade\|dnat\|reject\|numgen"'
	is "$output" 4
}

@test "iptables-legacy of older images, and the other kinds of devices" {
	run -0 fc '
		iptables-legacy -t nat -A POSTROUTING -s 10.9.0.0/24 -j MASQUERADE && iptables-legacy -t nat -S | grep -c MASQ
		iptables-legacy -t raw -L >/dev/null; ip6tables-legacy -L >/dev/null
		ip link add d0 type dummy; ip link add m0 link d0 type macvlan mode bridge
		ip link add x0 type vxlan id 7 dev d0 dstport 4789
		mkdir -p /dev/net; [ -c /dev/net/tun ] || mknod /dev/net/tun c 10 200; ip tuntap add t0 mode tap
		ls /sys/class/net | tr "\n" " "'
	is "${lines[0]}" 1
	for device in d0 m0 t0 x0; do has " ${lines[1]} " " $device "; done
}

@test "a cgroup below with all controllers, and a limit in it" {
	run -0 fc '
		cd /sys/fs/cgroup && mkdir sub child && echo 0 >sub/cgroup.procs
		for c in cpu cpuset io memory pids; do grep -qw $c cgroup.controllers && echo +$c >cgroup.subtree_control; done
		echo 50000 100000 >child/cpu.max; echo 64M >child/memory.max; echo 10 >child/pids.max
		cat child/cpu.max child/memory.max child/pids.max; cat child/cgroup.controllers | tr " " "\n" | sort | tr "\n" " "'
	is "${lines[0]} ${lines[1]} ${lines[2]}" "50000 100000 67108864 10"
	for c in cpu cpuset io memory pids; do has " ${lines[3]} " " $c "; done
}
