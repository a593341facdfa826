# SPDX-License-Identifier: MIT
# stale-list.pl DIR: lists DIR while a slower reader, which began before a name was removed, is still
# at it. Prints the number of entries, and the removed name if it is among them.
use strict;
use Fcntl;

my $dir = $ARGV[0];

sub begin {
	sysopen my $d, $dir, O_RDONLY | O_DIRECTORY or die "$dir: $!";
	return $d;
}

# The names of one getdents64(2), which has number 217 here.
sub some {
	my ($d, $buf, @names) = (shift, "\0" x 4096);
	my $n = syscall 217, fileno $d, $buf, 4096;
	die "getdents64: $!" if $n < 0;
	while ($n > 0) {
		my $len = unpack 'x16 v', $buf;
		push @names, unpack 'x19 Z*', $buf;
		$buf = substr $buf, $len;
		$n -= $len;
	}
	return @names;
}

sub rest {
	my ($d, @all) = shift;
	while (my @names = some $d) { push @all, @names }
	return @all;
}

my $victim = (rest begin)[-1];
# What the kernel keeps of the list is of no use after a change, and it begins anew.
open my $new, '>', "$dir/new" or die "$dir/new: $!";
unlink "$dir/new";
my $slow = begin;
some $slow;
unlink "$dir/$victim" or die "$victim: $!";
my $d = begin;
my @seen = some $d;
rest $slow;
push @seen, rest $d;
print join(' ', scalar @seen, grep { $_ eq $victim } @seen), "\n";
