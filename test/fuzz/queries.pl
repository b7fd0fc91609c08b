# Random queries of sqlsmith, each computed and then taken from the cache.
#
#   queries.pl SOCKET SEED SECONDS QUERIES JOBS FOLDER
#
# Each job has a sqlsmith of its own, with its own seed, that writes queries and
# runs none.  A query is run by three sessions: without the cache, to fill it, and
# to hit; results must be the same rows, in whatever order, or the same SQLSTATE.
# With arcache.debug_verify the server compares each hit, too (XX001).
#
# What differs is computed again without the cache, thirty times in the same
# session and then with other plans.  Only if these differ among themselves is the query
# not deterministic; otherwise the cache is wrong.  Both are written down, in
# FOLDER/differences.
#
# Statements that write are run and rolled back, with a query in between.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Time::HiRes qw(time);
use Wire;

use constant USER => 'fuzz';

my ($socket, $seed, $seconds, $queries, $jobs, $folder) = @ARGV;
my @other_plans = ('enable_hashagg = off', 'enable_hashjoin = off', 'enable_seqscan = off',
	'enable_nestloop = off', 'enable_indexscan = off', 'enable_sort = off', 'enable_material = off',
	'jit = off', 'from_collapse_limit = 1', 'join_collapse_limit = 1');
my (%count, %session, $end, $previous, $report);

sub connect_to
{
	my ($which) = @_;
	my %how = (socket => $socket, database => 'regression', user => USER,
		options => '-c statement_timeout=500ms -c lock_timeout=300ms -c client_min_messages=warning '
		  . '-c default_transaction_read_only=on -c max_parallel_workers_per_gather=0'
		  . ($which eq 'plain' ? ' -c arcache.enabled=off' : ''));

	# The server starts again after a crash.
	for (1 .. 120)
	{
		return if $session{$which} = Wire->new(%how);
		sleep 1;
	}
	die "no connection to the server\n";
}

sub note
{
	my ($what, @lines) = @_;

	print $report "-- $what\n", map({ "--   $_\n" } map { split /\n/ } @lines), "\n";
}

# How a query is sent: as text, or as a statement with its result in text or binary.
sub run_as
{
	my ($which, $how, $text) = @_;
	my $result;

	$result = $how eq 'simple' ? $session{$which}->query($text)
	  : $how eq 'call' ? $session{$which}->execute('SELECT arcache_get_or_set(NULL, $1)', [$text])
	  : $session{$which}->execute($text, [], binary => $how eq 'binary');
	if (defined $result->{leak})
	{
		$count{'failed: leak'}++;
		note("leak: $result->{leak} ($which, $how)");
		print $report "$text;\n\n";
	}
	if ($result->{code} =~ /^(LOST|STUCK)$/)
	{
		$count{"failed: session $result->{code}"}++;
		note("session $result->{code}: $which, $how", $result->{message});
		print $report "$text;\n\n";
		connect_to($_) for keys %session;
	}
	return $result;
}

# Results to compare: the rows as a multiset.  A jsonb array has its order.
sub image
{
	my ($result) = @_;

	return $result->{code} if $result->{code} ne '';
	return join '', map { pack('N', length) . $_ } sort @{ $result->{rows} };
}

# Statements that were cancelled say nothing.
sub was_cancelled { return grep { $_->{code} =~ /^(57014|55P03|53\d\d\d|40P01)$/ } @_ }

sub readable
{
	my ($result) = @_;

	return "$result->{code} $result->{message}" if $result->{code} ne '';
	return @{ $result->{rows} } . ' rows: ' . join ' | ', map {
		join ',', map { !defined ? 'NULL' : s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ger } Wire::row_values($_)
	} (sort @{ $result->{rows} })[ 0 .. ($#{ $result->{rows} } > 5 ? 5 : $#{ $result->{rows} }) ];
}

# What the cache says of it.
sub why
{
	my ($text) = @_;
	my $result = $session{fill}->execute('SELECT arcache_why($1)', [$text]);

	if ($result->{code} =~ /^(XX|LOST|STUCK)/)
	{
		# Is it the planner's own?
		my $plain = $session{plain}->query("EXPLAIN $text");

		if ($plain->{code} ne $result->{code})
		{
			$count{"failed: arcache_why $result->{code}"}++;
			note("arcache_why: $result->{code} $result->{message}");
			print $report "$text;\n\n";
		}
	}
	return "error $result->{code}" if $result->{code} ne '';
	return (Wire::row_values($result->{rows}[0]))[0];
}

# Compute it again without the cache, in the session where it came out wrong.
# '' if it is deterministic; else what made it differ.
sub not_deterministic
{
	my ($which, $how, $text) = @_;
	my (@images, $differs);
	my $again = sub {
		my $result = run_as($which, $how, $text);

		return if was_cancelled($result);
		push @images, image($result);
		return $images[-1] ne $images[0];
	};

	$session{$which}->query('SET arcache.enabled = off; SET statement_timeout = 5000');
	for (1 .. 30)
	{
		last if $differs || @images == 0 && $_ > 3;
		$differs = 'among themselves' if $again->();
	}
	for my $setting (@other_plans)
	{
		last if $differs;
		$session{$which}->query("SET $setting");
		$differs = "with $setting" if $again->();
	}
	$session{$which}->query("RESET $_") for map { (split / /)[0] } @other_plans;
	$session{$which}->query('RESET statement_timeout; RESET arcache.enabled');
	return ($differs // '', @images ? $images[0] : undef);
}

sub judge
{
	my ($which, $how, $text, $expected, $got) = @_;
	my ($why, $own);

	return if image($expected) eq image($got);
	if (is_random_sample($text))
	{
		$count{'not compared: a random sample'}++;
		return;
	}
	if (was_cancelled($expected, $got))
	{
		$count{'cancelled'}++;
		return;
	}
	($why, $own) = not_deterministic($which, $how, $text);
	if ($why ne '')
	{
		# Of these it is of interest whether the cache keeps them.
		$why = "not deterministic $why, " . (why($text) =~ s/[:\n].*//sr);
	}
	# What the session says of itself, and is not kept.
	elsif (!defined $own) { $why = 'cancelled' }
	elsif ($own eq image($got)) { $why = 'differs by the session' }
	else { $why = $got->{code} =~ /^XX/ ? "failed: error $got->{code}" : 'failed: another result' }
	$count{$why}++;
	note("$why ($which, $how)", 'without the cache: ' . readable($expected), "with it: " . readable($got));
	print $report "$text;\n\n";
}

# Samples differ each time unless they are repeatable, and are mostly empty.  Few
# stay as they are: they cannot be compared, only run.
sub tame_samples
{
	my ($text) = @_;
	my $n = $count{queries} % 20;

	return $text if $n == 0;
	return $text =~ s/(tablesample \w+ \([\d.]+\))/$1 repeatable (7)/gr if $n < 5;
	return $text =~ s/tablesample \w+ \([\d.]+\)//gr;
}

sub is_random_sample { return $_[0] =~ /tablesample \w+ \([\d.]+\)(?! repeatable)/ }

sub fuzz_query
{
	my ($text) = @_;
	my $how = (qw(simple text binary call))[ $count{queries} % 4 ];
	my ($expected, $filled, $hit);

	if ($count{queries} % 10 == 0)
	{
		my $answer = why($text);

		$answer =~ s/^exact.*/exact/s;
		$answer =~ s/"[^"]*"|[^ ]*\(.*\)/.../g;
		$count{"why: $answer"}++;
	}
	$expected = run_as('plain', $how, $text);
	$count{ $expected->{code} eq '' ? 'computed' : "error $expected->{code}" }++;
	$count{rows} += @{ $expected->{rows} };
	$filled = run_as('fill', $how, $text);
	judge('fill', $how, $text, $expected, $filled);
	return if $expected->{code} ne '';
	$hit = run_as('hit', $how, $text);
	judge('hit', $how, $text, $expected, $hit);
	$previous = $text if $how ne 'call' && !was_cancelled($expected, $hit) && !is_random_sample($text);
}

# What a transaction has written it does not see through the cache, and an
# abort leaves everything as it was.
sub fuzz_write
{
	my ($text) = @_;
	my $plain = $session{plain};
	my $session = $session{fill};
	my ($expected, $got, $wrote);

	$session->query('BEGIN READ WRITE');
	$wrote = run_as('fill', 'simple', $text);
	$count{ $wrote->{code} eq '' ? 'writes' : "error in a write $wrote->{code}" }++;
	if ($wrote->{code} =~ /^XX/)
	{
		$session->query('ROLLBACK; BEGIN READ WRITE; SET LOCAL arcache.enabled = off; SET LOCAL arcache.auto = off');
		$expected = run_as('fill', 'simple', $text);
		if ($expected->{code} ne $wrote->{code} || $expected->{message} ne $wrote->{message})
		{
			$count{"failed: error $wrote->{code} in a write"}++;
			note("in a write: $wrote->{code} $wrote->{message}", 'without the cache: ' . readable($expected));
			print $report "$text;\n\n";
		}
		else { note("without the cache as well: $wrote->{code} $wrote->{message}") }
	}
	if ($wrote->{code} eq '' && defined $previous)
	{
		$got = $session->query($previous);
		$session->query('SAVEPOINT s') if $got->{code} eq '';
		$session->query('SET LOCAL arcache.enabled = off') if $got->{code} eq '';
		$expected = $session->query($previous);
		if ($got->{code} eq '' && $expected->{code} eq '' && image($got) ne image($expected))
		{
			my $differs = grep { image($session->query($previous)) ne image($expected) } 1 .. 30;

			if ($differs == 0)
			{
				$count{'failed: not what the transaction wrote'}++;
				note('after a write', $text, 'without the cache: ' . readable($expected), 'with it: ' . readable($got));
				print $report "$previous;\n\n";
			}
		}
	}
	$session{fill}->query('ROLLBACK');
	fuzz_query($previous) if defined $previous && $count{queries} % 3 == 0;
}

sub work
{
	my ($job) = @_;
	my $target = "host=$socket dbname=regression user=" . USER . " options='-c search_path=sqlsmith,pg_catalog,public'";
	my $most = $queries ? int(($queries + $jobs - 1) / $jobs) : 1e9;
	my ($pid, $text) = (0, '');

	%count = (queries => 0, rows => 0);
	open $report, '>>', "$folder/differences-$job.sql" or die "$folder: $!";
	$report->autoflush;
	connect_to($_) for qw(plain fill hit);
	$pid = open my $smith, '-|', "exec sqlsmith \"--target=$target\" --dry-run --exclude-catalog --seed=" . ($seed * 10 + $job) % 2**31 . " --max-queries=$most 2>$folder/sqlsmith-$job.log"
	  or die "sqlsmith: $!";
	while (my $line = <$smith>)
	{
		$text .= $line;
		next if $line !~ /^\s*;$|;\s*\n\z/;
		$text =~ s/\s*;\s*\z//;
		$text =~ s/^\s+//;
		$text = tame_samples($text);
		$count{queries}++;
		if ($text =~ /^(select|with|values)\b/i) { fuzz_query($text) }
		else { fuzz_write($text) }
		$text = '';
		last if $seconds && time > $end;
	}
	kill 'TERM', $pid;
	close $smith;
	open my $out, '>', "$folder/counts-$job" or die "$folder: $!";
	print $out "$count{$_} $_\n" for sort keys %count;
	close $out;
}

$end = time + $seconds;
my @children = map {
	my $job = $_;
	my $pid = fork // die "fork: $!";

	if ($pid == 0) { work($job); exit 0 }
	$pid;
} 1 .. $jobs;
my $status = 0;
for my $pid (@children) { waitpid $pid, 0; $status ||= $? }
exit($status ? 1 : 0);
