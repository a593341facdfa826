# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# VMs that only look alive, for tests of fcvm-ctl: a held lock, a state, a log and a control socket.
# Loaded after helper; the test's setup calls fake_base, and its teardown fake_end.

fake_base() {
	export FCVM_RUN_BASE=$BATS_TEST_TMPDIR/run FCVM_DATA_DIR=$BATS_TEST_TMPDIR/data
	base=$FCVM_RUN_BASE records=0 fakes=()
}

# Ends all that the test started and noted in fakes.
fake_end() {
	((${#fakes[@]})) || return 0
	{ kill -KILL "${fakes[@]}" || true; wait "${fakes[@]}" || true; } 2>/dev/null
}

# fake_vm NAME [MEMBERS…]: a VM of that name with the state {MEMBERS}, of which later ones win;
# without, it has no state. Its process is in $holder.
fake_vm() {
	fcvm-rundir --name "$1" -- sleep 60 >/dev/null 2>&1 3>&- &
	holder=$!
	fakes+=("$holder")
	wait_for 5 test -s "$base/$1/lock"
	wait_for 5 grep -qx sleep "/proc/$holder/comm"
	(($# == 1)) || perl -MJSON::PP -e 'print JSON::PP->new->canonical->utf8->encode({map { %{decode_json("{$_}")} } @ARGV})' \
		"${@:2}" >"$base/$1/state.json"
}

# json EXPRESSION: of perl, about the JSON of stdin in $_.
json() {
	perl -MJSON::PP -e 'local $/; $_ = decode_json(<STDIN>); print eval $ARGV[0], "\n"' "$1"
}

# ended NAME [MEMBERS…]: the record of a VM that has ended; its log goes into log/.
ended() {
	mkdir -p "$FCVM_DATA_DIR/ended/$1/log"
	perl -MJSON::PP -e 'print JSON::PP->new->canonical->utf8->encode({map { %{decode_json("{$_}")} } @ARGV})' \
		"${@:2}" >"$FCVM_DATA_DIR/ended/$1/state.json"
}

# Nanoseconds since the epoch, the given number of seconds ago.
ago() {
	echo "$(($(date +%s) - $1))000000000"
}

# record STREAM TAG TEXT [SECONDS]: a line of a log, of the given time.
record() {
	printf '%s.%09dZ std%s %s %s\n' "$(date -u -d "@${4:-1700000000}" +%FT%T)" "$((++records))" "$1" "$2" "$3"
}

# fake_control NAME: answers on the VM's control socket to one client, whose request ends up in
# $BATS_TEST_TMPDIR/asked. Then `tell end` has it told that the container ended, and `tell drop`
# the connection closed. When the client has closed it, $BATS_TEST_TMPDIR/closed is there.
fake_control() {
	[[ -p $BATS_TEST_TMPDIR/tell ]] || mkfifo "$BATS_TEST_TMPDIR/tell"
	# shellcheck disable=SC2016 # perl's variables
	(cd "$base/$1" && exec perl -MIO::Socket::UNIX -e '
		my ($tmp) = @ARGV;
		sub note { open(my $f, ">", "$tmp/$_[0].new"); print $f $_[1]; close $f;
			rename "$tmp/$_[0].new", "$tmp/$_[0]"; }
		# Not to be found before it listens.
		my $l = IO::Socket::UNIX->new(Local => "control.new", Listen => 1) or die;
		rename "control.new", "control.sock";
		my $c = $l->accept or die;
		read($c, my $header, 8) == 8 or die;
		read($c, my $text, unpack("V", $header));
		note("asked", $text);
		open(my $tell, "<", "$tmp/tell") or die;
		my $what = <$tell>;
		exit if $what eq "drop\n";
		my $answer = "{\"type\":\"ENDED\",\"status\":3}";
		syswrite($c, pack("VvCC", length $answer, 0, 1, 0) . $answer);
		sysread($c, my $rest, 1);
		note("closed", "");
	' "$BATS_TEST_TMPDIR") >/dev/null 2>&1 3>&- &
	fakes+=($!)
	wait_for 5 test -S "$base/$1/control.sock"
}

tell() {
	echo "$1" >"$BATS_TEST_TMPDIR/tell"
}
