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

use Exporter 'import';
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw(@query_kinds);

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

# To read queries of one jsonb column, $1 and $2 numbers, in each of these ways:
#   value         arcache_get_or_set() by the query's own key
#   named         by a key that several queries share
#   rows          arcache_query()
#   transparent   as a statement
#   planned       as a statement whose plan is kept
my $query_checks = q(
	GRANT SELECT ON queries TO PUBLIC;
	-- For comparisons with them: plans that are kept, and the number of queries.
	DO $$
	DECLARE
		q queries;
	BEGIN
		FOR q IN SELECT * FROM queries LOOP
			EXECUTE format('CREATE FUNCTION planned_%s(p_x int, p_y int) RETURNS SETOF jsonb STABLE LANGUAGE plpgsql AS %L',
				q.n, 'BEGIN RETURN QUERY ' || replace(replace(q.query, '$1', 'p_x'), '$2', 'p_y') || '; END');
		END LOOP;
		EXECUTE format('CREATE FUNCTION n_queries() RETURNS int IMMUTABLE LANGUAGE sql AS %L', 'SELECT ' || (SELECT count(*) FROM queries));
	END $$;

	-- A statement in the snapshot of the statement that calls us.
	CREATE FUNCTION run(query text, x int, y int) RETURNS SETOF jsonb STABLE LANGUAGE plpgsql AS $$
	BEGIN
		RETURN QUERY EXECUTE query USING x, y;
	END $$;

	-- Read a query in some way, for several keys at once: all in one statement, so
	-- in one snapshot, cached and uncached; and what the query reads is locked
	-- before the cache is asked, so that no definition changes in between.
	CREATE FUNCTION check_query(kind text, q int, s int, count int DEFAULT 6) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		t queries;
		params text;
		cached text;
		seen record;
	BEGIN
		SELECT * INTO t FROM queries WHERE n = q;
		params := format('(ARRAY[k.x::text, k.y::text])[1:%s]', t.params);
		cached := CASE kind
			WHEN 'value' THEN format('arcache_get_or_set(NULL, %L, params => %s)', t.query, params)
			WHEN 'named' THEN format('arcache_get_or_set(%L || k.x / 2, %L, params => %s)', 'named:' || q / 2 || ':', t.query, params)
			WHEN 'rows' THEN format('(SELECT coalesce(jsonb_agg(to_jsonb(c)), ''[]'') FROM arcache_query(%L, params => %s) AS c (r jsonb))', t.query, params)
			WHEN 'transparent' THEN format('(SELECT coalesce(jsonb_agg(jsonb_build_object(''r'', r)), ''[]'') FROM run(%L, k.x, k.y) r)', t.query)
			WHEN 'planned' THEN format('(SELECT coalesce(jsonb_agg(jsonb_build_object(''r'', r)), ''[]'') FROM planned_%s(k.x, k.y) r)', q)
			END;
		EXECUTE format('/*+ no_arcache */ SELECT count(*) AS reads, count(*) FILTER (WHERE before = after) AS hits,'
			' (array_agg(ARRAY[x::text, y::text, cached, uncached]) FILTER (WHERE cached IS DISTINCT FROM uncached)) AS bad'
			' FROM (SELECT k.x, k.y, scans() AS before, (%s)::text AS cached, scans() AS after,'
			' (SELECT coalesce(jsonb_agg(to_jsonb(u)), ''[]'')::text FROM (%s) u) AS uncached'
			' FROM (SELECT ($1 + i * 7) %% 26 AS x, ($1 * 3 + i) %% 50 AS y FROM generate_series(1, $2) i OFFSET 0) k OFFSET 0) c',
			cached, replace(replace(t.query, '$1', 'k.x'), '$2', 'k.y'))
			INTO seen USING s, CASE t.params WHEN 0 THEN 1 ELSE count END;
		PERFORM tally(kind, 'reads', seen.reads), tally(kind, 'hits', seen.hits);
		IF seen.bad IS NOT NULL THEN
			PERFORM diverges(kind, format('"%s" of (%s, %s)', t.query, seen.bad[1][1], seen.bad[1][2]), seen.bad[1][3], seen.bad[1][4]);
		END IF;
	END $$;

	-- Some of them, in turns in all ways: a snapshot each in READ COMMITTED, one
	-- in REPEATABLE READ.
	CREATE FUNCTION look_at_queries(s int, count int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..count LOOP
			PERFORM check_query((ARRAY['value', 'transparent', 'rows', 'planned', 'named'])[(s + i) % 5 + 1], (s / 5 + i * 11) % n_queries() + 1, s + i);
		END LOOP;
	END $$;
);
our @query_kinds = ('value', 'named', 'rows', 'transparent', 'planned');

# The table of the queries, and how many scans of tables the transaction has
# made.  Tables that are recreated are found by name.
sub query_tables
{
	my ($queries, $recreated) = @_;
	my $not = join '|', 'queries', 'arcache', @$recreated;
	my $scans = join '', map {
		" + coalesce(pg_stat_get_xact_numscans(to_regclass(''$_'')) + pg_stat_get_xact_numscans(to_regclass(''${_}_pkey'')), 0)"
	} @$recreated;
	my $list = join ', ', map { "\$query\$$_\$query\$" } @$queries;

	return qq(
		CREATE TABLE queries (n int PRIMARY KEY, params int, query text);
		INSERT INTO queries SELECT ordinality,
			CASE WHEN query ~ '\\\$2' THEN 2 WHEN query ~ '\\\$1' THEN 1 ELSE 0 END, query
			FROM unnest(ARRAY[$list]) WITH ORDINALITY AS q (query, ordinality);
		DO \$\$ BEGIN
			EXECUTE format('CREATE FUNCTION scans() RETURNS bigint LANGUAGE plpgsql AS %L', 'BEGIN RETURN ' ||
				(SELECT string_agg(format('pg_stat_get_xact_numscans(%s)', oid), ' + ') FROM pg_class
					WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm', 'i') AND relname !~ '^($not)') ||
				'$scans; END');
		END \$\$;
	);
}

# A server and what the environment says.
#   seconds, reads   unless the environment says otherwise
#   conf             further settings
#   schema           tables and functions
#   kinds            of reads
#   queries          to be read by check_query(); and of their tables,
#   recreated        those that do not stay
#   init             arguments of the node's init()
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
	$self->{node} = arcache_node('main', conf => $conf . ($arg{conf} // ''), init => $arg{init});
	$self->{node}->safe_psql('postgres', $functions . tally_sequences(@{ $arg{kinds} }) . $arg{schema});
	$self->{node}->safe_psql('postgres', query_tables($arg{queries}, $arg{recreated} // []) . $query_checks)
	  if $arg{queries};
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
	my $node = $crew->{node} // $self->{node};
	my $log = $self->{node}->basedir . "/pgbench-$self->{slices}-$number.log";

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
#   crews   => list of { clients, mode, endless, scripts, node }
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

# Read all the queries in all ways.
sub query_checks
{
	my ($self) = @_;

	return map { ($_, "SELECT string_agg(check_query('$_', q, 1, 26)::text, '') FROM generate_series(1, n_queries()) q") } @query_kinds;
}

# What the server's log may say, besides: a pattern.
sub allow
{
	my ($self, $pattern) = @_;

	$self->{allowed} = $pattern;
	return;
}

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
	log_is_clean($node, allow => $self->{allowed});
	diag "seed $self->{seed}" unless Test::More->builder->is_passing;
	return done_testing();
}

1;
