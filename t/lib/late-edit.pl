# SPDX-License-Identifier: MIT
# late-edit.pl HOST GUEST: changes a file in HOST, by writing it and by renaming another over it, and
# opens it in GUEST at once, 400 times each; prints how often it was the old one.
use strict;

my ($host, $guest) = @ARGV;
my %late = (written => 0, renamed => 0);

sub put {
	my ($name, $text) = @_;
	open my $f, '>', "$host/$name" or die "$name: $!";
	print $f $text;
	close $f;
}

sub see {
	my ($kind, $name, $want) = @_;
	open my $f, '<', "$guest/$name" or die "$name: $!";
	$late{$kind}++ if (readline $f) ne $want;
	close $f;
}

put 'a', 'before';
put 'b', 'before';
for my $i (1 .. 400) {
	my $text = 'x' x ($i % 7) . $i;
	put 'a', $text;
	see 'written', 'a', $text;
	put 'new', $text;
	rename "$host/new", "$host/b" or die "rename: $!";
	see 'renamed', 'b', $text;
	select undef, undef, undef, 0.003; # past one tick of the clock, so that all orders of events come
}
print "$late{written} $late{renamed}\n";
