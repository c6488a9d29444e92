#!/usr/bin/perl
# The tables of docs/confirm.md from the logs NAME.qemu and NAME.bochs of confirm.sh in the current folder.
#   confirm_table.pl NAME...
use strict;
use warnings;
use List::Util qw(min uniq);

my %is_called = (qemu => "QEMU", bochs => "Bochs");

# A case's deviation stands in the last parentheses; the manual's title after its last semicolon.
sub reason {
    my ($line) = @_;
    my ($depth, $at) = (0, length $line);
    while ($at-- > 0) {
        my $c = substr $line, $at, 1;
        $depth++ if $c eq ")";
        $depth-- if $c eq "(";
        last if !$depth;
    }
    my $why = substr $line, $at + 1, -1;
    my $is_unrun = substr($line, 0, $at) =~ /: not run $/;
    my ($does, $title) = $why =~ /^(.*); ((?:SDM|AMD|PIIX|82|Intel).*)$/ ? ($1, $2) : ($why, "");
    return ($does, $title, $is_unrun);
}

# The name of a group: what its names begin and end with, or its first.
sub pattern {
    my @names = @_;
    return $names[0] if @names == 1;
    my ($head, $tail) = (0, 0);
    my $least = min(map { length } @names);
    $head++ while $head < $least && !grep { substr($_, $head, 1) ne substr($names[0], $head, 1) } @names;
    $tail++ while $tail < $least - $head && !grep { substr($_, -$tail - 1, 1) ne substr($names[0], -$tail - 1, 1) } @names;
    my ($begin, $end) = (substr($names[0], 0, $head), $tail ? substr($names[0], -$tail) : "");
    $begin =~ s/\S*$// if $begin ne $names[0]; # whole words
    $end =~ s/^\S*//;
    return "$begin...$end" if $begin && length($begin) + length($end) >= 14;
    return "$names[0], and so on";
}

my (@groups, %group, @summary, %unrun);
for my $name (@ARGV) {
    my (%count, @is_confirmed);
    for my $emulator ("qemu", "bochs") {
        open my $log, "<", "$name.$emulator" or die "confirm_table: cannot read $name.$emulator: $!\n";
        my $n = 0; # confirm.sh has seen that the cases come in the same order
        while (my $line = <$log>) {
            chomp $line;
            $is_confirmed[$n++] ||= $1 eq "ok" if $line =~ /^(ok|not ok|differs) /;
            if ($line =~ /^(?:FAILED )?(\d+) passed, (\d+) failed, (\d+) differ/) {
                ($count{all}, $count{$emulator}) = ($1 + $2 + $3, $1);
                $count{failed} += $2;
            }
            next if $line !~ /^differs (.*)$/;
            my $text = $1;
            my ($does, $title, $is_unrun) = reason($text);
            my ($case) = $text =~ /^(.*?): /;
            $case = $1 if $text =~ /^(.*): not run \(/ || $text =~ /^(.*?): : / || $text =~ /^(.*?: [^:]*): [^:]*got /;
            $case =~ s/:\s*$//;
            $unrun{$name}{$emulator}++ if $is_unrun;
            (my $image = $name) =~ s/-.*//; # CPU models apart: one row for all of them
            my $key = join "\0", $image, $does, $title, $is_unrun ? 1 : 0;
            push @groups, $group{$key} = {name => $image, does => $does, title => $title, is_unrun => $is_unrun}
                if !$group{$key};
            push @{$group{$key}{cases}{$emulator}}, $case;
        }
    }
    push @summary, [$name, $count{all}, map({ ($count{$_}, $unrun{$name}{$_} // 0, $count{all} - $count{$_} -
                    ($unrun{$name}{$_} // 0)) } "qemu", "bochs"), scalar(grep { !$_ } @is_confirmed), $count{failed}];
}

print "| image | cases | QEMU agrees | differs | not run | Bochs agrees | differs | not run | neither agrees | unexplained |\n";
print "|---|---|---|---|---|---|---|---|---|---|\n";
my @total = ("all");
for my $row (@summary) {
    my ($name, $all, $qemu, $qemu_unrun, $qemu_differs, $bochs, $bochs_unrun, $bochs_differs, $neither, $failed) =
        @$row;
    my @cells = ($all, $qemu, $qemu_differs, $qemu_unrun, $bochs, $bochs_differs, $bochs_unrun, $neither,
                 $failed);
    $total[$_ + 1] += $cells[$_] for 0 .. $#cells;
    print "| ", join(" | ", $name, @cells), " |\n";
}
print "| ", join(" | ", @total), " |\n\n";

for my $is_unrun (0, 1) {
    print $is_unrun ? "\n| image | cases | not run on | why |\n|---|---|---|---|\n" :
        "| image | cases | who differs | what it does instead | the manual |\n|---|---|---|---|---|\n";
    for my $g (grep { !!$_->{is_unrun} == !!$is_unrun } @groups) {
        my @who = grep { $g->{cases}{$_} } "qemu", "bochs";
        my @cases = uniq(map { @{$g->{cases}{$_}} } @who);
        my $who = join ", ", map { my $n = uniq(@{$g->{cases}{$_}}); $n > 1 ? "$is_called{$_} ($n)" : $is_called{$_} } @who;
        my @cells = ($g->{name}, pattern(@cases), $who, $is_unrun ? join("; ", grep { $_ } $g->{does}, $g->{title}) :
                     ($g->{does}, $g->{title}));
        s/\|/\\|/g for @cells;
        print "| ", join(" | ", @cells), " |\n";
    }
}
