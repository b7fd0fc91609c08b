# The rules of patterns and of hints, written down a second time for bytes.pl.

package Rules;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(parse_pattern matches meaning);

# The pieces of a pattern, or the error that it is.  Redis takes an open class
# for closed at the end and a last backslash for itself; those are errors here.
# In a class "-" is a range between what stands before and behind it, each
# escaped or not, and itself at the begin and at the end.
sub parse_pattern
{
	my @in = @_;
	my @pieces;

	while (@in)
	{
		my $c = shift @in;

		if ($c eq '*') { push @pieces, '*' }
		elsif ($c eq '?') { push @pieces, sub { 1 } }
		elsif ($c eq '\\')
		{
			return '22025' if !@in;
			my $itself = shift @in;
			push @pieces, sub { $_[0] eq $itself };
		}
		elsif ($c eq '[')
		{
			my ($negated, @ranges) = (0);
			($negated) = (1, shift @in) if @in && $in[0] eq '^';
			for (;;)
			{
				return '22023' if !@in;
				my $low = shift @in;
				last if $low eq ']';
				if ($low eq '\\')
				{
					return '22023' if !@in;
					$low = shift @in;
				}
				my $high = $low;
				if (@in >= 2 && $in[0] eq '-' && $in[1] ne ']')
				{
					shift @in;
					$high = shift @in;
					if ($high eq '\\')
					{
						return '22023' if !@in;
						$high = shift @in;
					}
				}
				push @ranges, [ sort { $a <=> $b } code($low), code($high) ];
			}
			push @pieces, sub {
				my $x = code($_[0]);
				my $in = grep { $_->[0] <= $x && $x <= $_->[1] } @ranges;
				return $negated ? !$in : $in;
			};
		}
		else { push @pieces, sub { $_[0] eq $c } }
	}
	return \@pieces;
}

# Does the pattern from piece $p on match the key from $k on?  What did not is
# remembered.
sub matches
{
	my ($pieces, $key, $p, $k, $failed) = @_;

	for (; $p < @$pieces && ref $pieces->[$p]; $p++, $k++)
	{
		return 0 if $k == @$key || !$pieces->[$p]->($key->[$k]);
	}
	return $k == @$key if $p == @$pieces;
	return 0 if $failed->{"$p $k"};
	for my $behind ($k .. @$key)
	{
		return 1 if matches($pieces, $key, $p + 1, $behind, $failed);
	}
	$failed->{"$p $k"} = 1;
	return 0;
}

# Characters are in the order of their bytes, the shorter ones first.
sub code
{
	my $code = 0;

	$code = $code << 8 | ord for split //, $_[0];
	return $code;
}

# What a hint says: 1 wanted, -1 refused, 0 nothing.
sub meaning
{
	my ($text) = @_;
	my $says = 0;

	return 0 if $text !~ s/^\+//;
	while (length $text)
	{
		if ($text =~ s/^([A-Za-z0-9_\x80-\xff]+)//)
		{
			my $word = lc $1;

			$says = -1 if $word eq 'no_arcache';
			next if $word ne 'arcache';
			$says = 1 if $says == 0;
			$text =~ s/^[ \t\n\r\f\x0b]+//;
		}
		elsif ($text =~ /^\(/)
		{
			my $depth = 0;

			while (length $text)
			{
				my $c = substr $text, 0, 1, '';

				$depth++ if $c eq '(';
				$depth-- if $c eq ')';
				last if $depth == 0;
			}
		}
		else { substr $text, 0, 1, '' }
	}
	return $says;
}

1;
