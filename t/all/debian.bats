#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A Debian image with real programs in it, made on the spot from packages.

setup_file() {
	load ../lib/helper
	# python3, redis and nginx in one root file system, as one OCI layer.
	debian_image debian python3-minimal,redis-server,nginx-light,curl
}

setup() {
	load ../lib/helper
	image=oci:$ROOT/build/t/debian
}

fc() {
	timeout 200 fcvm run --cpus 1 --memory 512m "$@"
}

@test "python3 runs in a Debian image" {
	run -0 fc "$image" -- python3 -c 'import sys, os, hashlib; print(sum(range(1000)), os.getpid(), hashlib.sha256(b"x").hexdigest()[:8])'
	is "$output" '499500 1 2d711642'
}

@test "redis serves in a Debian image" {
	run -0 fc "$image" -- sh -c 'redis-server --save "" --daemonize yes >/dev/null; until redis-cli ping >/dev/null 2>&1; do :; done; redis-cli set k v; redis-cli get k; redis-cli shutdown nosave'
	is "$output" $'OK\nv'
}

@test "nginx serves in a Debian image" {
	run -0 fc "$image" -- sh -c 'nginx; echo hello >/var/www/html/t; curl -sf http://127.0.0.1/t; nginx -s stop 2>/dev/null'
	is "$output" hello
}

@test "the package manager's database is whole, and its programs run as other users" {
	run -0 fc -u nobody "$image" -- sh -c 'id -un; dpkg -l redis-server nginx-light | grep -c ^ii; grep -m 1 -o bookworm /etc/os-release'
	is "$output" $'nobody\n2\nbookworm'
}
