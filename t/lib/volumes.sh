# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Real programs on a volume. Plain sh with the programs of a distribution, so that it runs on the host
# and in a container alike. Each function works in an empty directory $1, on the volume, and may use an
# empty directory $2 beside it; it returns 0 or says what is wrong. Run one:
#   sh volumes.sh FUNCTION DIR BESIDE [ARG…]

set -eu

wrong() {
	echo "$*" >&2
	exit 1
}

# many_files DIR COUNT: small files in folders of a hundred, their content their name
many_files() {
	awk -v dir="$1" -v n="$2" 'BEGIN {
		for (i = 0; i < n; i++) {
			if (i % 100 == 0) {
				folder = sprintf("%s/%03d", dir, i / 100)
				if (system("mkdir -p " folder)) exit 1
			}
			f = sprintf("%s/file%05d.txt", folder, i)
			print "file", i > f
			close(f)
		}
	}'
}

git_() {
	git -c user.name=test -c user.email=test@example.org -c init.defaultBranch=main -c gc.auto=0 \
		-c safe.directory='*' -c advice.detachedHead=false "$@"
}

# A repository made beside the volume, cloned to it, worked on, packed, and read back.
git_work() {
	files=${3:-5000}
	mkdir "$2/origin"
	many_files "$2/origin" "$files"
	git_ -C "$2/origin" init -q
	git_ -C "$2/origin" add -A
	git_ -C "$2/origin" commit -qm one
	git_ clone -q --no-hardlinks "$2/origin" "$1/clone"
	cd "$1/clone"
	[ -z "$(git_ status --porcelain)" ] || wrong "a clone is not clean: $(git_ status --porcelain | head -3)"
	echo changed >000/file00001.txt
	rm 000/file00002.txt
	echo new >new
	[ "$(git_ status --porcelain | sort | tr '\n' ' ')" = " D 000/file00002.txt  M 000/file00001.txt ?? new " ] ||
		wrong "status: $(git_ status --porcelain | head -5)"
	git_ add -A
	git_ commit -qm two
	git_ checkout -q HEAD^
	[ "$(cat 000/file00001.txt)" = 'file 1' ] || wrong 'checkout gave something else'
	git_ checkout -q main
	git_ gc -q
	git_ fsck --full --strict >/dev/null 2>"$2/fsck" || wrong "fsck: $(head -3 "$2/fsck")"
	git_ clone -q "$1/clone" "$2/back"
	[ "$(git_ -C "$2/back" rev-parse 'HEAD^^{tree}')" = "$(git_ -C "$2/origin" rev-parse 'HEAD^{tree}')" ] ||
		wrong 'the history is not what was cloned'
	[ "$(git_ ls-files | wc -l)" = "$files" ] || wrong "$(git_ ls-files | wc -l) files instead of $files"
}

# A tree as package managers make them, and its removal
small_files() {
	files=${3:-30000}
	many_files "$1" "$files"
	[ "$(find "$1" -type f | wc -l)" = "$files" ] || wrong 'find does not see them all'
	last=$((files - 1))
	[ "$(cat "$1"/*/"$(printf 'file%05d.txt' "$last")")" = "file $last" ] || wrong 'one has something else in it'
	[ "$(find "$1" -type f -size +0 | wc -l)" = "$files" ] || wrong 'some are empty'
	rm -rf "${1:?}"/*
	[ -z "$(ls -A "$1")" ] || wrong 'rm -rf left something'
}

# insert DATABASE WHO COUNT: one transaction each, waiting for the other's locks
insert() {
	i=0
	while [ "$i" -lt "$3" ]; do
		i=$((i + 1))
		echo "BEGIN IMMEDIATE; INSERT INTO t SELECT '$2', $i, count(*) FROM t; COMMIT;"
	done | sqlite3 -bail -cmd '.timeout 60000' "$1"
}

# The same, a session a transaction, each with the whole database locked
insert_exclusive() {
	i=0
	while [ "$i" -lt "$3" ]; do
		i=$((i + 1))
		sqlite3 -bail -cmd '.timeout 60000' "$1" "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE;
			INSERT INTO t SELECT '$2', $i, count(*) FROM t; COMMIT;" >/dev/null
	done
}

redis_start() {
	redis-server --dir "$1" --unixsocket "$2/redis" --port 0 --appendonly yes --appendfsync always --save '' \
		>"$2/redis.log" 2>&1 &
	redis=$!
	until [ "$(redis-cli -s "$2/redis" PING 2>/dev/null)" = PONG ]; do
		kill -0 "$redis" 2>/dev/null || wrong "redis: $(tail -3 "$2/redis.log")"
		sleep 0.1
	done
}

# What it said is kept is there when it was killed at once: $3 keys
redis_aof() {
	redis_start "$1" "$2"
	i=0
	while [ "$i" -lt "$3" ]; do
		i=$((i + 1))
		echo "SET key$i value$i"
	done | redis-cli -s "$2/redis" >"$2/said"
	[ "$(grep -c '^OK' "$2/said")" = "$3" ] || wrong "redis: $(grep -v '^OK' "$2/said" | head -3)"
	kill -KILL "$redis"
	wait "$redis" || :
	redis_start "$1" "$2"
	[ "$(redis-cli -s "$2/redis" DBSIZE)" = "$3" ] || wrong "$(redis-cli -s "$2/redis" DBSIZE) keys are left"
	[ "$(redis-cli -s "$2/redis" GET "key$3")" = "value$3" ] || wrong 'the last key has another value'
	redis-cli -s "$2/redis" SHUTDOWN
	wait "$redis" || wrong 'redis ended with an error'
}

# Two processes write to one database: each transaction sees all before it, whoever made it, or the
# locks did not exclude.
sqlite() {
	rows=${3:-300}
	sqlite3 "$1/db" "PRAGMA journal_mode=${4:-WAL}; CREATE TABLE t (who TEXT, i INTEGER, seen INTEGER);" >/dev/null
	insert "$1/db" a "$rows" &
	insert "$1/db" b "$rows" || wrong 'b could not insert'
	wait $! || wrong 'a could not insert'
	[ "$(sqlite3 "$1/db" 'PRAGMA integrity_check')" = ok ] || wrong 'the database is corrupt'
	[ "$(sqlite3 "$1/db" 'SELECT count(*), count(DISTINCT seen), max(seen) FROM t')" = \
		"$((2 * rows))|$((2 * rows))|$((2 * rows - 1))" ] || wrong "two transactions at once: $(sqlite3 "$1/db" \
		'SELECT count(*), count(DISTINCT seen), max(seen) FROM t')"
}

# listing DIR: everything that tar and rsync keep, one line a thing, with its content's sum
listing() {
	(
		cd "$1"
		find . ! -type d -printf '%P\t%y\t%m\t%U:%G\t%s\t%T@\t%l\n' | LC_ALL=C sort
		find . -type f -printf '%P\t%n\n' | LC_ALL=C sort # tar knows links of files alone
		find . -type d -printf '%P\t%y\t%m\t%U:%G\t%T@\n' | LC_ALL=C sort
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
		find . \( -type f -o -type d \) -print0 | LC_ALL=C sort -z |
			xargs -0 getfattr -h -d -m '^user\.' -e hex -- 2>/dev/null
		find . -type b -o -type c | LC_ALL=C sort | xargs -r stat -c '%n %t:%T'
	)
}

# The torture tree in $3: to the volume by tar and by rsync, back again, and equal in everything.
round_trips() {
	listing "$3" >"$2/want"
	[ "$(wc -l <"$2/want")" -gt 100 ] || wrong 'that is no torture tree'
	mkdir "$1/tar" "$1/rsync" "$2/back"
	tar -C "$3" --xattrs --numeric-owner -cf "$2/one.tar" .
	tar -C "$1/tar" --xattrs --xattrs-include='user.*' --numeric-owner -xpf "$2/one.tar"
	listing "$1/tar" >"$2/got"
	diff "$2/want" "$2/got" >"$2/diff" || wrong "after tar: $(head -6 "$2/diff")"
	rsync -aHX --numeric-ids "$3/" "$1/rsync/"
	listing "$1/rsync" >"$2/got"
	diff "$2/want" "$2/got" >"$2/diff" || wrong "after rsync: $(head -6 "$2/diff")"
	tar -C "$1/tar" --xattrs --numeric-owner -cf - . |
		tar -C "$2/back" --xattrs --xattrs-include='user.*' --numeric-owner -xpf -
	listing "$2/back" >"$2/got"
	diff "$2/want" "$2/got" >"$2/diff" || wrong "back: $(head -6 "$2/diff")"
	[ -z "$(rsync -aHXn --delete --itemize-changes --numeric-ids "$1/tar/" "$1/rsync/")" ] ||
		wrong 'rsync sees a difference between the two'
}

# A project of $3 C files (40), built in parallel, changed, and built again.
c_project() {
	cd "$1"
	n=${3:-40}
	i=0
	while [ "$i" -lt "$n" ]; do
		echo "int f$i(int x); int f$i(int x) { return x + $i; }" >"f$i.c"
		i=$((i + 1))
	done
	{
		i=0
		echo '#include <stdio.h>'
		while [ "$i" -lt "$n" ]; do echo "int f$i(int x);" && i=$((i + 1)); done
		echo 'int main(void) { int x = 0;'
		i=0
		while [ "$i" -lt "$n" ]; do echo "x = f$i(x);" && i=$((i + 1)); done
		echo 'printf("%d", x); return 0; }'
	} >main.c
	# shellcheck disable=SC2016 # make's variables
	printf 'OBJ := $(patsubst %%.c,%%.o,$(wildcard *.c))\nsum: $(OBJ)\n\t$(CC) -o $@ $^\n' >Makefile
	make -sj4
	[ "$(./sum)" = $((n * (n - 1) / 2)) ] || wrong "the program says $(./sum)"
	make -q || wrong 'make would build again at once'
	echo 'int f3(int x); int f3(int x) { return x + 1003; }' >f3.c
	[ "$(make -nj4 | grep -c -- ' -c ')" = 1 ] || wrong 'make does not see the one that changed'
	make -sj4
	[ "$(./sum)" = $((n * (n - 1) / 2 + 1000)) ] || wrong "the program says $(./sum) after the change"
}

# Two processes append lines to one file: none is lost, none is torn.
appenders() {
	lines=${3:-2000}
	for who in a b; do
		(
			i=0
			while [ "$i" -lt "$lines" ]; do
				i=$((i + 1))
				echo "$who $i a line of some length, so that a torn one is seen"
			done
		) >>"$1/log" &
	done
	wait
	[ "$(sort -u "$1/log" | wc -l)" = "$((2 * lines))" ] || wrong "$(sort -u "$1/log" | wc -l) lines"
	[ "$(grep -cE '^[ab] [0-9]+ a line of some length, so that a torn one is seen$' "$1/log")" = "$((2 * lines))" ] ||
		wrong 'torn lines'
}

# What fio wrote in many ways, mapped as well, it reads back. What it notes goes to the current directory.
fio_verify() {
	cd "$2"
	for engine in psync mmap; do
		fio --name="$engine" --directory="$1" --ioengine="$engine" --rw=randwrite --bs=4k --size="${3:-8m}" --verify=crc32c \
			--do_verify=1 --verify_fatal=1 --numjobs=2 --group_reporting --fsync=64 --output="$2/fio.$engine" ||
			wrong "fio $engine: $(tail -5 "$2/fio.$engine")"
	done
}

"$@"
