# What the tests of random work have in common.
#
# Sessions do random things to tables and read them through the cache; each read
# is compared with the same query uncached, in the same snapshot.  pgbench is the
# engine: its scripts have one transaction each, and are run in slices, so that
# sessions come and go.  A difference raises, and so ends the client; then the
# others are ended too.
#
#   ARCACHE_SECONDS   how long at least
#   ARCACHE_READS     how many reads at least
#   ARCACHE_SEED      to begin the same again; the interleaving is not told

package RandomTest;

use strict;
use warnings FATAL => 'all';

use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $conf = q(
arcache.janitor_delay = '50ms'
max_prepared_transactions = 40
deadlock_timeout = '100ms'
# Should one be stuck, it is not for ever.
statement_timeout = '60s'
jit = off
fsync = off
);

my $functions = q(
	-- What needs a strong lock does not wait long for it: whoever has prepared
	-- a transaction would wait for its own end, which no deadlock check sees.
	CREATE FUNCTION try(statement text) RETURNS void LANGUAGE plpgsql SET lock_timeout = '20ms' AS $$
	BEGIN
		EXECUTE statement;
	EXCEPTION WHEN lock_not_available OR unique_violation OR foreign_key_violation THEN
		NULL;
	END $$;

	-- Does no key have two rows?  A REPEATABLE READ transaction that inserts a
	-- key which another one has deleted since sees both rows; then two queries
	-- may differ that must not otherwise, because a join that trusts the key
	-- stops at the first row (see test/specs/key-twice.spec).
	CREATE FUNCTION is_sound() RETURNS boolean LANGUAGE plpgsql STABLE AS $$
	DECLARE
		key record;
		twice boolean;
	BEGIN
		FOR key IN SELECT indrelid::regclass AS rel, string_agg(quote_ident(attname), ', ') AS columns
			FROM pg_index i JOIN pg_class c ON c.oid = indrelid AND relkind = 'r' AND c.oid >= 16384
				JOIN pg_attribute a ON attrelid = indrelid AND attnum = ANY (indkey)
			WHERE indisunique AND relnamespace = 'public'::regnamespace GROUP BY indexrelid, indrelid
		LOOP
			EXECUTE format('/*+ no_arcache */ SELECT EXISTS (SELECT FROM ONLY %s GROUP BY %s HAVING count(*) > 1)', key.rel, key.columns) INTO twice;
			IF twice THEN
				RETURN false;
			END IF;
		END LOOP;
		RETURN true;
	END $$;
	CREATE UNLOGGED SEQUENCE unsound;

	-- How often, by kind of read and by isolation: sequences, for they count in
	-- transactions that are rolled back too, and (unlogged) need no id.
	CREATE FUNCTION isolation() RETURNS text LANGUAGE sql AS $$
		SELECT CASE current_setting('transaction_isolation') WHEN 'read committed' THEN 'rc'
				WHEN 'repeatable read' THEN 'rr' ELSE 'sr' END ||
			CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN '' ELSE '_own' END
	$$;
	CREATE FUNCTION tally(kind text, what text, n bigint DEFAULT 1) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
	DECLARE
		counter regclass := format('tally_%s_%s_%s', what, isolation(), kind);
	BEGIN
		FOR i IN 1..n LOOP
			PERFORM nextval(counter);
		END LOOP;
	END $$;
	CREATE FUNCTION tallies() RETURNS TABLE (kind text, isolation text, reads bigint, hits bigint, divergences bigint) LANGUAGE plpgsql AS $$
	BEGIN
		RETURN QUERY SELECT m[3], m[2], sum(n) FILTER (WHERE m[1] = 'reads')::bigint, sum(n) FILTER (WHERE m[1] = 'hits')::bigint,
			sum(n) FILTER (WHERE m[1] = 'divergences')::bigint
			FROM (SELECT regexp_match(sequencename, '^tally_(reads|hits|divergences)_(.._own|..)_(.*)$') AS m, coalesce(last_value, 0) AS n
				FROM pg_sequences WHERE sequencename LIKE 'tally%') s GROUP BY m[2], m[3] ORDER BY 1, 2;
	END $$;
	CREATE FUNCTION diverges(kind text, what text, cached text, uncached text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF current_setting('transaction_isolation') <> 'read committed' AND NOT is_sound() THEN
			PERFORM nextval('unsound');
			RETURN;
		END IF;
		PERFORM tally(kind, 'divergences');
		RAISE 'DIVERGENCE: % of % is % cached, % uncached', kind, what, cached, uncached;
	END $$;
);

# A server and what the environment says.
#   seconds, reads   unless the environment says otherwise
#   conf             further settings
#   schema           tables and functions
#   kinds            of reads
sub new
{
	my ($class, %arg) = @_;
	my $self = bless {
		seconds => $ENV{ARCACHE_SECONDS} // $arg{seconds},
		reads => $ENV{ARCACHE_READS} // $arg{reads} // 0,
		seed => $ENV{ARCACHE_SEED} // int(rand(2**30)),
		slices => 0,
		bad => 0,
		errors => '',
		status => 0
	}, $class;

	diag "seed $self->{seed}" if $ENV{ARCACHE_SEED};
	note "seed $self->{seed}";
	$self->{node} = arcache_node('main', conf => $conf . ($arg{conf} // ''));
	$self->{node}->safe_psql('postgres', $functions . tally_sequences(@{ $arg{kinds} }) . $arg{schema});
	$self->{watcher} = session($self->{node});
	return $self;
}

sub tally_sequences
{
	my $sql = '';

	foreach my $kind (@_)
	{
		foreach my $isolation (map { ($_, $_ . '_own') } 'rc', 'rr', 'sr')
		{
			$sql .= "CREATE UNLOGGED SEQUENCE tally_${_}_${isolation}_$kind;\n"
			  foreach 'reads', 'hits', 'divergences';
		}
	}
	return $sql;
}

# How much was asked for, for those who judge what came of it.
sub seconds { return $_[0]->{seconds} }
sub reads { return $_[0]->{reads} }
sub seed { return $_[0]->{seed} }
sub node { return $_[0]->{node} }

# -- the work ---------------------------------------------------------------------

# The options that give pgbench its scripts: name => [ weight, text ].
sub script_options
{
	my ($self, $scripts) = @_;
	my @options;

	foreach my $name (sort keys %$scripts)
	{
		my $file = $self->{node}->basedir . "/$name.sql";

		append_to_file($file, $scripts->{$name}[1]) unless -e $file;
		push @options, '-f', "$file\@$scripts->{$name}[0]";
	}
	return @options;
}

# A crew of clients with the same scripts.  An endless one works until the
# others have finished.
sub start_crew
{
	my ($self, $crew, $number, $seconds) = @_;
	my $node = $self->{node};
	my $log = $node->basedir . "/pgbench-$self->{slices}-$number.log";

	return {
		endless => $crew->{endless},
		log => $log,
		program => start_program($node, $log, 'pgbench', '-n', '-c', $crew->{clients},
			'-j', $crew->{clients} > 1 ? 2 : 1, '-M', $crew->{mode} // 'simple',
			'-T', $crew->{endless} ? 1_000_000 : $seconds,
			'--random-seed=' . ($self->{seed} + $self->{slices} + 1000 * $number),
			'--max-tries=1000', $self->script_options($crew->{scripts}), 'postgres')
	};
}

# What pgbench complained of.
sub complaints
{
	my ($crew) = @_;
	my $errors = slurp_file("$crew->{log}.err");

	$errors =~ s/^pgbench(?: \(|: setting random seed).*\n//mg;
	return $errors;
}

sub stop
{
	my ($crew) = @_;

	kill 'TERM', $crew->{program}{pid} if is_running($crew->{program});
	return finish_program($crew->{program});
}

sub watch
{
	my ($self, $look) = @_;
	my $watcher = $self->{watcher};

	$self->{bad}++
	  if $watcher->query_safe('SELECT used + free + overhead = size FROM arcache_memory') ne 't';
	$look->($watcher) if defined $look;
	return $watcher->query_safe('SELECT pg_sleep(0.3)');
}

sub run_slice
{
	my ($self, $seconds, $crews, $look) = @_;
	my $number = 0;
	my @all = map { $self->start_crew($_, $number++, $seconds) } @$crews;

	while (grep { !$_->{endless} && is_running($_->{program}) } @all)
	{
		$self->watch($look);
		next unless grep { complaints($_) =~ /aborted/ } @all;
		stop($_) foreach grep { !$_->{endless} } @all;
	}
	foreach my $crew (grep { !$_->{endless} } @all)
	{
		$self->{status} ||= finish_program($crew->{program});
	}
	foreach my $crew (grep { $_->{endless} } @all)
	{
		$self->{status} ||= 1 if !is_running($crew->{program});
		stop($crew);
	}
	$self->{errors} .= complaints($_) foreach @all;
	$self->{slices}++;
	return;
}

# Run crews until there was enough, or an error.
#   crews   => list of { clients, mode, endless, scripts }
#   so_far  => tells how many reads were made
#   look    => called now and then with a session
sub run
{
	my ($self, %arg) = @_;
	my $start = time;
	my $done = 0;
	my $slice = $self->{seconds} < 10 ? $self->{seconds} : 10;

	while ($self->{status} == 0
		&& (time - $start < $self->{seconds} || $done < $self->{reads})
		&& time - $start < 20 * $self->{seconds} + 60)
	{
		$self->run_slice($slice, $arg{crews}, $arg{look});
		$done = $arg{so_far}->();
	}
	$self->{took} = time - $start;
	is($self->{errors}, '', 'no error');
	is($self->{status}, 0, 'pgbench is content');
	is($self->{bad}, 0, 'the arena added up');
	cmp_ok($done, '>=', $self->{reads}, "as many reads as asked for: $done");
	return $done;
}

sub took { return $_[0]->{took} }

# A table of what was read; returns the numbers of reads, hits, divergences.
sub report
{
	my ($self) = @_;
	my $node = $self->{node};
	my %names = (rc => 'READ COMMITTED', rr => 'REPEATABLE READ', sr => 'SERIALIZABLE');
	my $format = '%-14s %-30s %10s %10s %5s %11s';

	note sprintf($format, 'kind', 'isolation', 'reads', 'hits', '%', 'divergences');
	foreach (split /\n/, $node->safe_psql('postgres', 'SELECT * FROM tallies() WHERE reads + divergences > 0'))
	{
		my ($kind, $isolation, $reads, $hits, $divergences) = split /\|/;

		$isolation =~ /^(..)(_own)?$/;
		note sprintf($format, $kind, $names{$1} . ($2 ? ', has written' : ''), $reads, $hits,
			$reads ? int(100 * $hits / $reads) : '', $divergences);
	}
	return split /\|/, $node->safe_psql('postgres',
		'SELECT coalesce(sum(reads), 0), coalesce(sum(hits), 0), coalesce(sum(divergences), 0) FROM tallies()');
}

# -- the end -----------------------------------------------------------------------

# Is all in order?  The checks are statements that return nothing.
sub finish
{
	my ($self, %checks) = @_;
	my $node = $self->{node};

	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'),
		'0', 'nothing is left prepared');
	value_is($node, $checks{$_}, '', "$_ at the end") foreach sort keys %checks;
	note $node->safe_psql('postgres', "SELECT coalesce(last_value, 0) FROM pg_sequences WHERE sequencename = 'unsound'")
	  . ' comparisons in snapshots that saw two rows of one key';
	check_no_flight_locks($node, 'no lock is left');
	$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
	check_memory($node, 0, 'nothing is left');
	$self->{watcher}->quit;
	log_is_clean($node);
	diag "seed $self->{seed}" unless Test::More->builder->is_passing;
	return done_testing();
}

1;
