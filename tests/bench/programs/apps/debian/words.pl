# Counts words of tmp/text, in a hash; matches, substitutes, sorts and formats. No module: the guest has none.
my (%count, %follows, $matched, @lines);
open(my $text, '<', 'tmp/text') or die "tmp/text: $!";
while (my $line = <$text>) {
    last if $. > 400;
    chomp $line;
    my @words = split / /, $line;
    for my $i (0 .. $#words) {
        $count{$words[$i]}++;
        $follows{$words[$i - 1]}{$words[$i]}++ if $i;
    }
    $matched++ while $line =~ /\b(\w)(\w*)\1\b/g;
    (my $copy = $line) =~ s/([a-d]+)([e-z]*)/length($1) . "-" . uc $2/ge;
    push @lines, $copy;
}
my $sum = 0;
for my $word (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count) {
    my @next = sort keys %{ $follows{$word} };
    $sum = ($sum * 31 + $count{$word} * @next + length join ',', @next) % 1000003;
}
$sum = ($sum * 7 + unpack '%32C*', $_) % 1000003 for sort { lc $a cmp lc $b } @lines;
my ($x, $root) = (0.5, 0);
for (1 .. 2000) {
    $x = 3.7 * $x * (1 - $x);
    $root += sqrt $x;
}
printf "%d words, %d matches, sum %d, %.6f\n", scalar keys %count, $matched, $sum, $root;
