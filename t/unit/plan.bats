#!/usr/bin/env bats
# SPDX-License-Identifier: MIT

load ../lib/helper

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	echo '{"config":{"Cmd":["sh"]}}' >config.json
}

make_plan() { fcvm-plan make --config config.json --name web "$@"; }

@test "options come back from eval as they were given" {
	local word=$'it\'s "a" $(touch pwned) `x` \\ *\n\n-- end' sh
	for sh in dash 'busybox sh'; do
		fcvm-plan options -p "8:8 '" -v "/$word:/x" -v 'b:/c' --authfile "$word" "$word" >options
		is "$($sh -c '. ./options; printf "%s|" "$fcvm__image" "$fcvm__authfile"; eval "set -- $fcvm__vol_args"
			printf "%s|" "$#" "$@"; eval "set -- $fcvm__net_args"; printf "%s|" "$@"')" \
			"$word|$word|2|/$word:/x|b:/c|--network|rootless|--publish|8:8 '|"
		[[ ! -e pwned ]]
	done
}

@test "options prints every variable that the driver reads" {
	is "$(fcvm-plan options --setup --no-snapshot --accel tcg --network none --name n img |
		grep -v -e ^fcvm__data_dir= -e ^fcvm__root=)" "fcvm__image='img'
fcvm__name='n'
fcvm__pull=''
fcvm__platform=''
fcvm__authfile=''
fcvm__tls_verify='true'
fcvm__setup='1'
fcvm__no_snapshot='1'
fcvm__warm='0'
fcvm__strace_agent='0'
fcvm__net_args=''
fcvm__vol_args=''
fcvm__image_volumes='1'
fcvm__rm='0'
fcvm__front_args=''
fcvm__publish_all='0'
fcvm__replace='0'"
	has "$(fcvm-plan options img)" "fcvm__data_dir='$FCVM_DATA_DIR'"
	has "$(fcvm-plan options img)" "fcvm__root='$(($(id -u) == 0))'"
	has "$(FCVM_NO_SNAPSHOT=1 fcvm-plan options img)" "fcvm__no_snapshot='1'"
	has "$(FCVM_NO_SNAPSHOT=0 fcvm-plan options img)" "fcvm__no_snapshot='0'"
}

@test "usage errors are 100, an image's faults 101, a missing file 111" {
	run -100 fcvm-plan
	run -100 fcvm-plan frob
	run -100 fcvm-plan options
	run -100 fcvm-plan options --memory x img
	is "$output" 'fcvm-plan: --memory x: not a size such as 512m or 2g'
	run -100 fcvm-plan make --config config.json img
	is "$output" 'fcvm-plan: make needs --config FILE and --name NAME'
	run -111 fcvm-plan make --config nosuch --name web img
	is "$output" 'fcvm-plan: cannot read nosuch: No such file or directory'
	echo '{"config":{"Cmd":7}}' >config.json
	run -101 make_plan img
	is "$output" 'fcvm-plan: image config: Cmd is not a list'
	echo '[]' >config.json
	run -101 make_plan img
	is "$output" 'fcvm-plan: config.json: not a JSON object'
	printf '{"config":{"Env":["%s"]}}' "$(head -c 5000000 /dev/zero | tr '\0' x)" >config.json
	run -111 make_plan img
	is "$output" 'fcvm-plan: cannot read config.json: File too large'
}

@test "environment files are read in order, before --env" {
	printf 'A=1\nB=1\nC=1\nCALLER\n' >one
	printf '# note\nB=2\nC=2\n' >two
	export CALLER=mine
	run -0 make_plan --env-file one --env C=3 --env-file two img
	has "$output" '"A=1",'
	has "$output" '"B=2",'
	has "$output" '"C=3",'
	has "$output" '"CALLER=mine"'
	printf 'A=1\n=secret\n' >three
	run -100 make_plan --env-file three img
	is "$output" 'fcvm-plan: three: line 2: a variable without a name'
	run -0 make_plan --env-file <(echo FROM=pipe) img
	has "$output" '"FROM=pipe"'
}

@test "mistakes about the environment are found before the image is fetched" {
	local plain="--env: a variable without a name"
	run -100 fcvm-plan options -e =v img
	is "$output" "fcvm-plan: $plain"
	run -111 fcvm-plan options --env-file /nonexistent img
	is "$output" 'fcvm-plan: --env-file: cannot read /nonexistent: No such file or directory'
	run -111 fcvm-plan options --env-file . img
	is "$output" 'fcvm-plan: --env-file: cannot read .: Is a directory'
	printf 'A=1\n=secret\n' >bad
	run -100 fcvm-plan options --env-file bad img
	is "$output" 'fcvm-plan: bad: line 2: a variable without a name'
	run -100 fcvm-plan options img $'\xff'
	is "$output" 'fcvm-plan: the command is not valid UTF-8, which a plan cannot hold'
	run -100 fcvm-plan options --user $'\xff' img
	is "$output" 'fcvm-plan: --user is not valid UTF-8, which a plan cannot hold'
	# A pipe is read once, by make.
	mkfifo pipe
	fcvm-plan options --env-file pipe img >/dev/null
}

@test "closest finds the word that was meant" {
	is "$(fcvm-plan closest rnu run setup)" run
	is "$(fcvm-plan closest zzzz run setup)" ''
}

@test "--warm asks the image for a health check, too" {
	echo '{"config":{"Cmd":["app"],"Healthcheck":{"Test":["CMD","ok"]}}}' >config.json
	run -0 make_plan --warm img
	has "$output" '"warm": true'
	for v in /tmp:/x data:/x /x:ro; do
		run -100 make_plan --warm -v "$v" img
		matches "$output" "^fcvm-plan: --volume $v: --warm goes with volumes of the container's own alone"
	done
	for v in '-v /x' '--mount type=volume,dst=/x'; do run -0 make_plan --warm $v img; done
	run -100 make_plan --warm --no-healthcheck img
	is "$output" 'fcvm-plan: --warm needs to know when the container is well: say --health-cmd or --health-check'
}
