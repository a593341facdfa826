#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What fcvm-ctl shows of VMs.

load ../lib/helper
load ../lib/ctl

setup() {
	fake_base
}

teardown() {
	fake_end
}

# A running VM with all members, the given number of seconds old, and more members.
running() { # NAME SECONDS [MEMBERS]
	fake_vm "$1" "\"image\":\"localhost/app:1\",\"command\":[\"sh\",\"-c\",\"sleep 1000\"],
		\"state\":\"running\",\"created\":$(ago "$2"),\"started\":$(ago "$2"),\"pid\":4711,
		\"ports\":[\"127.0.0.1:8080->80/tcp\",\"53/udp\"],\"labels\":{\"a\":\"1\",\"b\":\"x y\"}" "${3:-}"
}

@test "without VMs there are only headings, and a base is not made" {
	run -0 --separate-stderr fcvm-ctl ls
	is "$output" 'NAME  IMAGE  COMMAND  CREATED  STATUS  PORTS'
	is "$stderr" ''
	is "$(fcvm-ctl ls -q)" ''
	is "$(fcvm-ctl ls --json)" '[]'
	[[ ! -e $base ]]
}

@test "a running VM has a line with what it runs, since when and on which ports" {
	running web 185
	run -0 fcvm-ctl ls
	is "${lines[0]}" 'NAME  IMAGE            COMMAND           CREATED        STATUS        PORTS'
	is "${lines[1]}" 'web   localhost/app:1  sh -c sleep 1000  3 minutes ago  Up 3 minutes  127.0.0.1:8080->80/tcp, 53/udp'
	is "$(fcvm-ctl ps)" "$output"
	is "$(fcvm-ctl ls -a)" "$output"
	is "$(fcvm-ctl ls --noheading)" 'web  localhost/app:1  sh -c sleep 1000  3 minutes ago  Up 3 minutes  127.0.0.1:8080->80/tcp, 53/udp'
}

@test "the newest VM comes first, and other orders can be asked for" {
	running a 300 '"image":"z"'
	running c 100 '"image":"x","state":"paused"'
	running b 200 '"image":"y","command":["apply"]'
	is "$(fcvm-ctl ls -q | paste -sd ' ')" 'c b a'
	is "$(fcvm-ctl ls -q --sort created | paste -sd ' ')" 'c b a'
	is "$(fcvm-ctl ls -q --sort names | paste -sd ' ')" 'a b c'
	is "$(fcvm-ctl ls -q --sort image | paste -sd ' ')" 'c b a'
	is "$(fcvm-ctl ls -q --sort status | paste -sd ' ')" 'c b a'
	is "$(fcvm-ctl ls -q --sort command | paste -sd ' ')" 'b c a'
	is "$(fcvm-ctl ls -q -l)" c
	is "$(fcvm-ctl ls -q --last 2 | paste -sd ' ')" 'c b'
	is "$(fcvm-ctl ls -q -n 2 --sort names | paste -sd ' ')" 'b c'
	run -125 fcvm-ctl ls --sort size
	is "$output" 'fcvm-ctl: --sort size: takes created, names, status, image or command'
}

@test "a VM without a state, or with a bad one, is starting" {
	fake_vm one
	matches "$(fcvm-ctl ls --format '{{.Name}} {{.Status}} {{.State}} {{.Pid}} {{.Created}}')" \
		"^one Starting starting $holder ([0-9]+ seconds?|Less than a second) ago\$"
	printf '{"state":' >"$base/one/state.json"
	is "$(fcvm-ctl ls --format '{{.Status}}')" Starting
	printf '{"state":"running","labels":7}' >"$base/one/state.json"
	is "$(fcvm-ctl ls --format '{{.Status}}')" Starting
}

@test "a dead VM is not listed, and a socket that nobody answers holds nothing up" {
	running web 10
	perl -MIO::Socket::UNIX -e 'chdir $ARGV[0]; $l = IO::Socket::UNIX->new(Local => "control.sock", Listen => 1); sleep 60' \
		"$base/web" >/dev/null 2>&1 3>&- &
	local server=$!
	fakes+=("$server")
	wait_for 5 test -S "$base/web/control.sock"
	run -0 timeout 5 fcvm-ctl ls -q
	is "$output" web
	kill "$server" "$holder"
	wait "$holder" || true
	is "$(fcvm-ctl ls -q)" ''
}

@test "--json and --format json print the states" {
	running web 10 '"health":"healthy"'
	run -0 fcvm-ctl ls --json
	is "$(json 'join " ", scalar @$_, @{$_->[0]}{qw(name health pid restarts)}, $_->[0]{labels}{b}' <<<"$output")" \
		'1 web healthy 4711 0 x y'
	is "$(fcvm-ctl ls --format json)" "$output"
	is "$(fcvm-ctl ls --format '{{json .Image}}')" '"localhost/app:1"'
	has "$(fcvm-ctl ls --format '{{json .}}')" '"health":"healthy"'
}

@test "templates have podman's fields, escapes and tables" {
	running web 10 '"health":"unhealthy"'
	is "$(fcvm-ctl ls --format '{{.Names}}|{{.Name}}|{{.ID}}|{{.Image}}|{{.Command}}|{{.State}}')" \
		'web|web|web|localhost/app:1|sh -c sleep 1000|running'
	is "$(fcvm-ctl ls --format '{{.Ports}}|{{.Labels}}|{{.Pid}}|{{.Health}}')" \
		'127.0.0.1:8080->80/tcp, 53/udp|a=1,b=x y|4711|unhealthy'
	matches "$(fcvm-ctl ls --format '{{.Status}}|{{.Created}}|{{.RunningFor}}')" \
		'^Up [0-9]+ seconds \(unhealthy\)\|[0-9]+ seconds ago\|[0-9]+ seconds ago$'
	matches "$(TZ=XXX-2 fcvm-ctl ls --format '{{.CreatedAt}}')" \
		'^20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.0{9} \+0200 XXX$'
	is "$(fcvm-ctl ls --format 'a\t{{ .Name }}\n{')" $'a\tweb\n{'
	is "$(fcvm-ctl ls --format 'table {{.Image}}\t{{.Name}}')" $'IMAGE            NAME\nlocalhost/app:1  web'
	is "$(fcvm-ctl ls --noheading --format 'table {{.Image}}\t{{.Name}}')" 'localhost/app:1  web'
}

@test "a field that does not exist is named, also when there is no VM" {
	run -125 fcvm-ctl ls --format '{{.Imge}}'
	is "$output" 'fcvm-ctl: --format: there is no field .Imge: did you mean .Image?'
	run -125 fcvm-ctl ls --format '{{.Name'
	is "$output" "fcvm-ctl: --format: '{{' without '}}': {{.Name"
	run -125 fcvm-ctl ls -q --format '{{.Name}}'
	has "$output" '--quiet and --format do not go together'
	run -125 fcvm-ctl ls web
	is "$output" "fcvm-ctl: ls takes no words: web: see 'fcvm-ctl ls --help'"
}

@test "filters of one key add up, those of different keys narrow down" {
	running web 300 '"labels":{"env":"test","n":"1"}'
	running web2 200 '"state":"paused","image":"docker.io/library/nginx:2","health":"healthy"'
	running db 100 '"labels":{"env":"prod"}'
	names() { fcvm-ctl ls -q --sort names "$@" | paste -sd ' '; }
	is "$(names -f name=web)" 'web web2'
	is "$(names -f 'name=^web$')" web
	is "$(names -f name=db --filter name=2)" 'db web2'
	is "$(names -f label=env)" 'db web'
	is "$(names -f label=env=prod)" db
	is "$(names -f label=env=prod -f label=n)" 'db web'
	is "$(names -f status=paused)" web2
	is "$(names -f status=running -f name=web)" web
	is "$(names -f health=healthy)" web2
	is "$(names -f health=none)" 'db web'
	is "$(names -f ancestor=nginx)" web2
	is "$(names -f ancestor=localhost/app)" 'db web'
	is "$(names -f id=we)" 'web web2'
	is "$(names -f status=exited)" ''
	run -125 fcvm-ctl ls -f stauts=running
	is "$output" 'fcvm-ctl: --filter stauts=running: takes name=, id=, label=, status=, exited=, health= or ancestor='
	run -125 fcvm-ctl ls -f status=runing
	is "$output" 'fcvm-ctl: --filter status=runing: there is no such status'
}

@test "commands are cut, unless asked not to, and no control character gets out" {
	fake_vm web '"command":["printf","\u001b[31m\u009b0m\u007f%s\n","äöüäöüäöü"],"image":"a\tb","state":"running"'
	is "$(fcvm-ctl ls --format '{{.Command}}')" 'printf ?[31m?0m?%s? ...'
	is "$(fcvm-ctl ls --no-trunc --format '{{.Command}} {{.Image}}')" 'printf ?[31m?0m?%s? äöüäöüäöü a?b'
	lacks "$(fcvm-ctl ls --json)" $'\xc2\x9b'
	lacks "$(fcvm-ctl ls --json)" $'\x7f'
}

@test "inspect prints the state with the plan in it" {
	running web 10
	run -0 fcvm-ctl inspect web
	is "$(json '@$_ . " $_->[0]{name} " . (exists $_->[0]{plan} && !defined $_->[0]{plan})' <<<"$output")" '1 web 1'
	printf '{"process":{"cwd":"/srv","args":["a","b"]}}' >"$base/web/plan.json"
	is "$(fcvm-ctl inspect web | json '$_->[0]{plan}{process}{cwd}')" /srv
	is "$(fcvm-ctl inspect web --format '{{.state}} {{.plan.process.cwd}} {{.plan.process.args}}')" 'running /srv ["a","b"]'
	run -125 fcvm-ctl inspect -f '{{.plan.proc}}' web
	is "$output" 'fcvm-ctl: --format: there is no field .plan.proc'
}

@test "VMs are chosen by name, beginning, process, all or latest" {
	running web 300 '"pid":1,"vmm":{"pid":41}'
	running web2 200 '"pid":2,"front":42'
	running db 100 '"pid":3'
	who() { fcvm-ctl inspect --format '{{.name}}' "$@" | paste -sd ' '; }
	is "$(who web)" web
	is "$(who d web)" 'db web'
	is "$(who --name web2 --name db)" 'web2 db'
	is "$(who --pid 41 --pid 42)" 'web web2'
	is "$(who --pid "$holder")" db
	is "$(who --latest)" db
	is "$(who -a)" 'db web2 web'
	run -125 fcvm-ctl inspect we
	is "$output" "fcvm-ctl: 'we' is the beginning of several VMs' names: web2, web"
	run -125 fcvm-ctl inspect --name we
	is "$output" "fcvm-ctl: there is no VM named 'we': see 'fcvm ls --all'"
	run -125 fcvm-ctl pause x
	is "$output" "fcvm-ctl: no VM named 'x' is running: see 'fcvm ls'"
	run -125 fcvm-ctl inspect
	is "$output" "fcvm-ctl: no VM given: name one, or see 'fcvm ls'"
	run -125 fcvm-ctl inspect --all web
	has "$output" 'go with no name'
}

@test "verbs are listed, a wrong one is named, and options may follow words" {
	run -0 fcvm-ctl --help
	matches "$output" '  inspect +print all that is known of VMs'
	run -125 fcvm-ctl
	is "$output" "fcvm-ctl: the first word is no verb: see 'fcvm-ctl --help'"
	run -125 fcvm-ctl inspct
	is "$output" "fcvm-ctl: unknown verb 'inspct': did you mean 'inspect'?"
	run -125 fcvm-ctl xyzzy
	is "$output" "fcvm-ctl: unknown verb 'xyzzy': see 'fcvm-ctl --help'"
	run -125 fcvm-ctl ls --frmat x
	is "$output" 'fcvm-ctl: unknown option --frmat: did you mean --format?'
	running web 5
	is "$(fcvm-ctl inspect web -f '{{.name}}')" web
	run -125 fcvm-ctl inspect web -- -x -a
	is "$output" "fcvm-ctl: there is no VM named '-x': see 'fcvm ls --all'"
	for verb in ls inspect logs; do
		run -0 fcvm-ctl "$verb" --help
		has "$output" "usage: fcvm-ctl $verb"
	done
}
