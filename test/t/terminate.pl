# Backends are terminated and cancelled while they fill, read, set and wait:
# nothing leaks, no lock is stuck, and the others go on.  ARCACHE_ROUNDS says
# how often.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{ARCACHE_ROUNDS} // 200;
my @kinds = ('fill', 'fill', 'opaque', 'read', 'rows', 'set', 'scan', 'catch');

my $node = arcache_node('main', conf => q(
# Who waits goes on waiting, however long the test takes to look.
arcache.wait_timeout = '10min'
wal_level = replica
arcache.janitor_delay = '50ms'
));
my $janitor = wait_for_janitor($node);

# A churn is one kind of work, over and over.
$node->safe_psql('postgres', q(
	CREATE TABLE t (x int, y text);
	INSERT INTO t SELECT i, repeat('y', 50) FROM generate_series(1, 20000) i;
	CREATE TABLE stop ();
	SELECT arcache_enable('t');

	CREATE FUNCTION slow() RETURNS int STABLE LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_sleep(0.01);
		RETURN 1;
	END $$;

	CREATE PROCEDURE churn(kind text) LANGUAGE plpgsql AS $$
	DECLARE
		n int := 0;
	BEGIN
		WHILE to_regclass('stop') IS NOT NULL LOOP
			n := n + 1;
			CASE kind
			WHEN 'fill' THEN
				-- All fill the same few keys, and wait for each other.
				PERFORM arcache_get_or_set('fill' || n % 3, 'SELECT count(*), max(y) FROM t', force => n % 2 = 0);
				IF n % 10 = 0 THEN
					PERFORM arcache_delete('fill' || n % 3);
				END IF;
			WHEN 'opaque' THEN
				PERFORM arcache_get_or_set('opaque', 'SELECT slow() FROM generate_series(1, 3)', ttl => '20ms');
			WHEN 'read' THEN
				PERFORM arcache_get_or_set('large', 'SELECT x, y FROM t WHERE x <= 15000');
				PERFORM arcache_get_many(ARRAY['large', 'fill0', 'fill1', 'set1', 'set2']);
			WHEN 'rows' THEN
				PERFORM count(*) FROM arcache_query('SELECT x, y FROM t WHERE x <= 15000') AS r (x int, y text);
			WHEN 'set' THEN
				PERFORM arcache_set('set' || i % 200, to_jsonb(repeat('s', 20000)), tags => ARRAY['a'])
				   FROM generate_series(n, n + 30) i;
				PERFORM arcache_set('one', '1', if_absent => n % 2 = 0);
				IF n % 3 = 0 THEN
					ROLLBACK;
				END IF;
			WHEN 'scan' THEN
				PERFORM count(*) FROM arcache_entries;
				PERFORM count(*) FROM arcache_keys('*');
				PERFORM arcache_delete_pattern('set1*');
				PERFORM arcache_invalidate_tag('a');
				PERFORM arcache_incr('counter');
			WHEN 'catch' THEN
				-- A cancel ends a subtransaction, and with it what that holds.
				BEGIN
					PERFORM arcache_get_or_set('fill' || n % 3, 'SELECT count(*), max(y) FROM t');
					PERFORM arcache_set('set' || i % 200, to_jsonb(repeat('c', 20000)))
					   FROM generate_series(n, n + 10) i;
					PERFORM count(*) FROM arcache_keys('*');
					IF n % 2 = 0 THEN
						RAISE division_by_zero;
					END IF;
				EXCEPTION WHEN query_canceled OR division_by_zero THEN
					NULL;
				END;
			END CASE;
			COMMIT;
		END LOOP;
	END $$;

	-- Strike one of them at random, so many times.
	CREATE PROCEDURE strike(times int, how text) LANGUAGE plpgsql AS $$
	DECLARE
		victim int;
		struck int := 0;
	BEGIN
		WHILE struck < times LOOP
			PERFORM pg_stat_clear_snapshot();
			SELECT pid INTO victim FROM pg_stat_activity
			 WHERE query LIKE 'CALL churn%' AND state = 'active' AND now() - query_start > random() * interval '50ms'
			 ORDER BY random() LIMIT 1;
			IF FOUND THEN
				IF how = 'terminate' THEN
					PERFORM pg_terminate_backend(victim);
				ELSE
					PERFORM pg_cancel_backend(victim);
				END IF;
				struck := struck + 1;
			END IF;
			COMMIT;
			PERFORM pg_sleep(random() * 0.03);
		END LOOP;
	END $$;
));

# Each kind begins anew whenever it is struck.
sub start_churns
{
	my @programs;

	foreach my $n (0 .. $#kinds)
	{
		push @programs, start_program($node, $node->basedir . "/churn$n.log",
			'sh', '-c', q(while [ "$(psql -XAtqc "SELECT to_regclass('stop')" postgres)" = stop ]; do psql -XAtqc "CALL churn('$0')" postgres; done),
			$kinds[$n]);
	}
	return @programs;
}

foreach my $how ('terminate', 'cancel')
{
	my @programs = start_churns();
	my $watcher = session($node);

	$node->poll_query_until('postgres',
		"SELECT count(*) = " . @kinds . " FROM pg_stat_activity WHERE query LIKE 'CALL churn%'")
	  or die 'no churn';
	my $hits = stat_of($node, 'hits');
	is($node->safe_psql('postgres', "CALL strike($rounds, '$how'); SELECT 'struck'"),
		'struck', "$how: struck $rounds times");
	check_memory($node, undef, "$how: the arena adds up meanwhile");

	# None of them is stuck: each still ends a transaction.
	$node->safe_psql('postgres', 'ALTER TABLE stop RENAME TO stopped');
	is(finish_program($_), 0, "$how: a churn comes to its end") foreach @programs;
	$node->safe_psql('postgres', 'ALTER TABLE stopped RENAME TO stop');

	cmp_ok(stat_of($node, 'hits'), '>', $hits, "$how: the cache was used");
	check_no_flight_locks($node, "$how: no lock is left");
	check_memory($node, undef, "$how: the arena adds up");

	# What there is is right.
	value_is($node,
		q(SELECT arcache_get_or_set('fill0', 'SELECT count(*), max(y) FROM t') =
		  (SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT count(*), max(y) FROM t) q)),
		't', "$how: cached equals uncached");
	value_is($node,
		q(SELECT count(*) FROM generate_series(0, 199) i WHERE arcache_get('set' || i) #>> '{}' NOT IN (repeat('s', 20000), repeat('c', 20000))),
		'0', "$how: no value is mixed up");

	$node->safe_psql('postgres', 'SELECT arcache_clear()');
	check_memory($node, 0, "$how: nothing is left");
	is($watcher->query_safe('SELECT 1'), '1', "$how: the others go on");
	$watcher->quit;

	# Each strike that hit something is in the log of the program struck.
	my $struck = 0;
	foreach my $n (0 .. $#kinds)
	{
		my $errors = slurp_file($node->basedir . "/churn$n.log.err");

		$struck++ while $errors =~ /terminating connection due to administrator command|canceling statement due to user request/g;
		$errors =~ s/^(?:FATAL:  terminating connection due to administrator command|ERROR:  canceling statement due to user request|server closed the connection unexpectedly|\s.*|connection to server was lost|LINE \d+: .*|QUERY:  .*|CONTEXT:  .*|PL\/pgSQL .*|SQL statement .*)$//mg;
		$errors =~ s/\s+//g;
		is($errors, '', "$how: no error but that, $kinds[$n]");
	}
	cmp_ok($struck, '>', 0, "$how: $struck were seen to be struck");
}

# -- at the very place ---------------------------------------------------------

# In mid-fill, with others waiting.
my $locker = session($node);
create_gate($node);
foreach my $how ('cancel', 'terminate')
{
	my @waiters = map { session($node) } 1 .. 3;

	shut_gate($locker);
	send_query($_, q(SELECT arcache_get_or_set('k', 'SELECT max(gate(x)) FROM t'))) foreach @waiters;
	$node->poll_query_until('postgres',
		'SELECT count(*) = 2 FROM pg_locks WHERE objsubid = 2762 AND NOT granted') or die;
	$node->safe_psql('postgres', "SELECT pg_${how}_backend(" . flight_holders($node, 1) . ')');
	$node->poll_query_until('postgres',
		'SELECT count(*) = 1 FROM pg_locks WHERE objsubid = 2762 AND NOT granted') or die;
	open_gate($locker);
	is(scalar(grep { (eval { collect($_) } // '') eq '[{"max": 20000}]' } @waiters),
		2, "$how in mid-fill: the waiters go on");
	eval { $_->quit } foreach @waiters;
	$node->safe_psql('postgres', 'SELECT arcache_clear()');
	check_memory($node, 0, "$how in mid-fill: nothing is left");
	check_no_flight_locks($node, "$how in mid-fill: no lock is left");
}

# While a transaction holds sets, and one that holds the key of an if_absent.
foreach my $how ('terminate', 'abandon')
{
	my $setter = session($node);
	my $waiter = session($node);
	my $pid = $setter->query_safe('SELECT pg_backend_pid()');

	$setter->query_safe('BEGIN');
	$setter->query_safe(q(SELECT count(arcache_set('s' || i, to_jsonb(repeat('x', 10000)))) FROM generate_series(1, 100) i));
	$setter->query_safe(q(SELECT arcache_set('one', '1', if_absent => true)));
	cmp_ok(memory($node, 'used'), '>', 1000000, "$how: a transaction holds memory");
	is(entries($node), '0', "$how: but no entry");
	send_query($waiter, q(SELECT arcache_set('one', '2', if_absent => true)));
	$node->poll_query_until('postgres',
		'SELECT count(*) = 1 FROM pg_locks WHERE objsubid = 2762 AND NOT granted') or die;
	if ($how eq 'terminate')
	{
		$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
		$setter->{run}->kill_kill;
	}
	else
	{
		$setter->quit;
	}
	is(collect($waiter), 't', "$how: the waiter sets");
	value_is($node, q(SELECT arcache_get('one'), arcache_get('s1')), '2|', "$how: it alone has set");
	$waiter->quit;
	$node->safe_psql('postgres', 'SELECT arcache_clear()');
	check_memory($node, 0, "$how: nothing is left");
	check_no_flight_locks($node, "$how: no lock is left");
}
$locker->quit;

is(janitor_pid($node), $janitor, 'the janitor is the same');
# A victim may be gone by itself before it is struck.
log_is_clean($node, allow => qr/PID \d+ is not a PostgreSQL (?:backend|server) process/);
done_testing();
