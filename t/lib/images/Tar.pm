# SPDX-License-Identifier: MIT
# Writes tar entries exactly as told, valid or not: header(), pax() and content() return bytes.
package Tar;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(header pax content longname entry file dir end_mark);

# One ustar header. Options: mode uid gid size mtime link major minor prefix.
sub header {
    my ($name, $type, %o) = @_;
    my $h = pack('a100a8a8a8a12a12a8a1a100a6a2a32a32a8a8a155x12',
        $name, map({ sprintf '%07o', $_ } $o{mode} // 0644, $o{uid} // 0, $o{gid} // 0),
        sprintf('%011o', $o{size} // 0), sprintf('%011o', $o{mtime} // 1_600_000_000),
        ' ' x 8, $type, $o{link} // '', "ustar\0", '00', '', '',
        map({ sprintf '%07o', $_ } $o{major} // 0, $o{minor} // 0), $o{prefix} // '');
    substr($h, 148, 8) = sprintf "%06o\0 ", unpack('%32C*', $h);
    return $h;
}

sub content {
    my ($bytes) = @_;
    return $bytes . "\0" x (-length($bytes) % 512);
}

sub record {
    my ($key, $value) = @_;
    my $body = length($key) + length($value) + 3;
    my $n = $body + length($body);
    $n = $body + length($n);
    return "$n $key=$value\n";
}

# An extended header for the next entry.
sub pax {
    my (%records) = @_;
    my $text = join '', map { record($_, $records{$_}) } sort keys %records;
    return header('PaxHeader', 'x', size => length $text) . content($text);
}

# GNU's way: type L for a long name, K for a long link target.
sub longname {
    my ($type, $name) = @_;
    return header('././@LongLink', $type, size => length($name) + 1) . content("$name\0");
}

# An entry of any type; `pax` in the options holds extended records, long names get one.
sub entry {
    my ($name, $type, $data, %o) = @_;
    my %records = %{ $o{pax} // {} };
    $records{path} = $name if length $name > 100;
    $records{linkpath} = $o{link} if length($o{link} // '') > 100;
    return (%records ? pax(%records) : '')
        . header(substr($name, 0, 100), $type, %o, link => substr($o{link} // '', 0, 100),
            size => length $data)
        . content($data);
}

sub file { my ($name, $data, %o) = @_; return entry($name, '0', $data, %o) }
sub dir { my ($name, %o) = @_; return entry("$name/", '5', '', mode => 0755, %o) }
sub end_mark { return "\0" x 1024 }

1;
