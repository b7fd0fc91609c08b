# Many sessions miss one key at once: one computes, the others wait for it.
#
# All is made to wait at the same place by a gate in the query: the leader of a
# flight waits before it, the others wait for the leader.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 16;
my $node = arcache_node('main', conf => q(
arcache.wait_timeout = '10min'
arcache.debug_verify = on
wal_level = replica
));
$node->safe_psql('postgres', q(
	CREATE TABLE t (x int);
	INSERT INTO t SELECT generate_series(1, 100);
	SELECT arcache_enable('t');
	SELECT arcache_get_or_set('first', 'SELECT 1');
));
create_gate($node);

my $locker = session($node);
my @sessions = map { session($node) } 1 .. $clients;
my $jsonb = q(SELECT arcache_get_or_set('k', 'SELECT sum(gate(x)) AS s FROM t'));
my $rows = q(SELECT s FROM arcache_query('SELECT sum(gate(x)) AS s FROM t') AS (s bigint));

sub close_gate
{
	shut_gate($locker);
	$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
	return;
}

sub reopen_gate
{
	open_gate($locker);
	return;
}

# Wait until one leads, and so many wait for it; return the leader's pid.
sub wait_for_flight
{
	my ($waiting) = @_;

	$node->poll_query_until('postgres', qq(
		SELECT count(*) FILTER (WHERE NOT f.granted) = $waiting AND
		       count(*) FILTER (WHERE f.granted) = 1 AND
		       bool_and(NOT f.granted OR EXISTS (
		           SELECT FROM pg_locks r WHERE r.pid = f.pid AND r.objid = 4711 AND r.objsubid = 1 AND NOT r.granted))
		  FROM pg_locks f WHERE f.locktype = 'advisory' AND f.objsubid = 2762))
	  or die "there are not $waiting waiting";
	return flight_holders($node, 1);
}

sub results
{
	my %results;

	$results{ collect($_) }++ foreach @_;
	return join(', ', map { "$_: $results{$_}" } sort keys %results);
}

# -- one fill ------------------------------------------------------------------

foreach my $case ([ 'jsonb', $jsonb, '[{"s": 5050}]' ], [ 'rows', $rows, '5050' ])
{
	my ($form, $query, $answer) = @$case;

	close_gate();
	send_query($_, $query) foreach @sessions;
	wait_for_flight($clients - 1);
	is( $node->safe_psql('postgres', q(
			SELECT count(*), count(DISTINCT wait_event) FROM pg_stat_activity
			 WHERE wait_event_type = 'Lock' AND wait_event = 'advisory')),
		"$clients|1", "$form: those that wait can be seen to");
	reopen_gate();
	is(results(@sessions), "$answer: $clients", "$form: all have the answer");
	is(stat_of($node, 'fills, misses, waits, hits, wait_timeouts, rejected_stale_fill'),
		'1|1|' . ($clients - 1) . '|' . ($clients - 1) . '|0|0', "$form: one fill");
	check_no_flight_locks($node, "$form: no lock is left");
}

# Again after a write.
$node->safe_psql('postgres', 'UPDATE t SET x = x + 1');
close_gate();
send_query($_, $jsonb) foreach @sessions;
wait_for_flight($clients - 1);
reopen_gate();
is(results(@sessions), "[{\"s\": 5150}]: $clients", 'after a write: all have the new answer');
is(stat_of($node, 'fills, hits'), '1|' . ($clients - 1), 'after a write: one fill');

# A hot key lets nobody wait, whatever the table does.
close_gate();
send_query($_, $jsonb) foreach @sessions[ 0 .. 3 ];
# (debug_verify would run the query.)
reopen_gate();
is(results(@sessions[ 0 .. 3 ]), '[{"s": 5150}]: 4', 'a hot key');
is(stat_of($node, 'fills, waits'), '0|0', 'a hot key: nobody waits for a flight');

# -- the leader goes -----------------------------------------------------------

foreach my $way ('cancel', 'terminate')
{
	my @left = @sessions;

	$node->safe_psql('postgres', 'UPDATE t SET x = x + 1');
	close_gate();
	send_query($_, $jsonb) foreach @sessions;
	my $leader = wait_for_flight($clients - 1);
	is($node->safe_psql('postgres', "SELECT pg_${way}_backend($leader)"), 't', "$way the leader");
	my $next = wait_for_flight($clients - 2);
	isnt($next, $leader, "$way: a waiter takes over");
	is($node->safe_psql('postgres', "SELECT pg_${way}_backend($next)"), 't', "$way it too");
	$next = wait_for_flight($clients - 3);
	reopen_gate();

	# Which two are they?
	my @gone;
	@left = ();
	foreach my $session (@sessions)
	{
		my $out = eval { collect($session) } // '';
		my $error = $session->{stderr};

		$session->{stderr} = '';
		if ($error eq '' && $out ne '')
		{
			push @left, $out;
		}
		else
		{
			push @gone, $session;
			like($error, qr/canceling statement due to user request/, "$way: says so")
			  if $way eq 'cancel';
		}
	}
	is(scalar @gone, 2, "$way: two are gone");
	my %answers = map { $_ => 1 } @left;
	is(join(' ', keys %answers),
		$node->safe_psql('postgres', 'SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT sum(x) AS s FROM t) q'),
		"$way: the others have the answer");
	is(scalar @left, $clients - 2, "$way: all of them");
	is(stat_of($node, 'fills, hits'), '1|' . ($clients - 3), "$way: one fill");
	check_no_flight_locks($node, "$way: no lock is left");
	if ($way eq 'terminate')
	{
		my %gone = map { $_ => 1 } @gone;
		@sessions = grep { !$gone{$_} } @sessions;
		$_->{run}->kill_kill foreach @gone;
	}
}
$clients = @sessions;

# -- a query that fails --------------------------------------------------------

close_gate();
send_query($_, q(SELECT arcache_get_or_set('bad', 'SELECT gate(x) / (x - x) FROM t'))) foreach @sessions;
wait_for_flight($clients - 1);
reopen_gate();
my $errors = 0;
foreach my $session (@sessions)
{
	collect($session);
	$errors++ if $session->{stderr} =~ /division by zero/;
	$session->{stderr} = '';
}
is($errors, $clients, 'a query that fails fails for all');
is(stat_of($node, 'fills'), '0', 'and is not stored');
check_no_flight_locks($node, 'no lock is left');

# -- those that do not wait ----------------------------------------------------

$node->safe_psql('postgres', 'UPDATE t SET x = x + 1');
$sessions[1]->query_safe("SET arcache.wait_timeout = '10ms'");
$sessions[2]->query_safe('SET arcache.wait_timeout = 0');
$sessions[3]->query_safe("SET lock_timeout = '1ms'");
close_gate();
send_query($sessions[0], $jsonb);
wait_for_flight(0);
send_query($sessions[1], $jsonb);
$node->poll_query_until('postgres', 'SELECT wait_timeouts = 1 FROM arcache_stats')
  or die 'no timeout';
send_query($sessions[2], $jsonb);
$node->poll_query_until('postgres', q(
	SELECT count(*) = 3 FROM pg_locks WHERE objid = 4711 AND objsubid = 1 AND NOT granted))
  or die 'they do not wait at the gate';
is(stat_of($node, 'waits, wait_timeouts'), '1|1', 'wait_timeout ends a wait, and 0 does not wait');
reopen_gate();
is(results(@sessions[ 0 .. 2 ]),
	$node->safe_psql('postgres', 'SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT sum(x) AS s FROM t) q') . ': 3',
	'all have the answer');
check_no_flight_locks($node, 'no lock is left');

# The caller's lock_timeout ends the wait for a flight, but raises nothing.
my $opaque = q(SELECT arcache_get_or_set('o', 'SELECT slow()', ttl => '1h'));
$node->safe_psql('postgres', q(
	CREATE FUNCTION slow() RETURNS int STABLE LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock(1);
		RETURN 1;
	END $$));
$locker->query_safe('SELECT pg_advisory_lock(1)');
send_query($sessions[0], $opaque);
$node->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)) or die;
like(query_error($sessions[3], $opaque), qr/canceling statement due to lock timeout/,
	'lock_timeout: the query itself meets it');
is(stat_of($node, 'waits, wait_timeouts'), '2|2', 'after it has ended the wait for the flight');
$locker->query_safe('SELECT pg_advisory_unlock(1)');
is(collect($sessions[0]), '[{"slow": 1}]', 'the leader is not disturbed');

# statement_timeout and cancel end a wait.
$locker->query_safe('SELECT pg_advisory_lock(1)');
$node->safe_psql('postgres', q(SELECT arcache_delete('o')));
send_query($sessions[0], $opaque);
$node->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)) or die;
$sessions[4]->query_safe("SET statement_timeout = '200ms'");
like(query_error($sessions[4], $opaque), qr/canceling statement due to statement timeout/,
	'statement_timeout ends a wait');
$sessions[4]->query_safe('RESET statement_timeout');
$sessions[4]->query_safe('BEGIN; SAVEPOINT s');
send_query($sessions[4], $opaque);
$node->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_locks WHERE objsubid = 2762 AND NOT granted)) or die;
$node->safe_psql('postgres',
	q(SELECT pg_cancel_backend(pid) FROM pg_locks WHERE objsubid = 2762 AND NOT granted));
collect($sessions[4]);
like($sessions[4]->{stderr}, qr/canceling statement due to user request/, 'cancel ends a wait');
$sessions[4]->{stderr} = '';
$sessions[4]->query_safe('ROLLBACK TO s');
$locker->query_safe('SELECT pg_advisory_unlock(1)');
is(collect($sessions[0]), '[{"slow": 1}]', 'the leader is not disturbed');
is($sessions[4]->query_safe($opaque), '[{"slow": 1}]', 'and the session goes on');
$sessions[4]->query_safe('COMMIT');

# -- deadlocks -----------------------------------------------------------------

# The one needs a table that the other has locked, who misses the same key:
# neither may fail.
$sessions[5]->query_safe('BEGIN');
$sessions[5]->query_safe('LOCK TABLE t');
$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
my $cold = q(SELECT arcache_get_or_set('cold', 'SELECT count(*) AS n FROM t'));
send_query($sessions[6], $cold);
$node->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted)) or die;
is($sessions[5]->query_safe($cold), '[{"n": 100}]', 'who has locked the table computes');
$sessions[5]->query_safe('COMMIT');
is(collect($sessions[6]), '[{"n": 100}]', 'and so does the leader');

# The same with a write.
$sessions[5]->query_safe('BEGIN');
$sessions[5]->query_safe('LOCK TABLE t');
$sessions[5]->query_safe('CREATE TABLE with_an_id (x int)');
$node->safe_psql('postgres', "SELECT arcache_delete('cold')");
send_query($sessions[6], $cold);
$node->poll_query_until('postgres',
	q(SELECT count(*) = 1 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted)) or die;
is($sessions[5]->query_safe($cold), '[{"n": 100}]', 'who has an id too');
$sessions[5]->query_safe('COMMIT');
is(collect($sessions[6]), '[{"n": 100}]', 'and the leader');

check_no_flight_locks($node, 'no lock is left');

$_->quit foreach @sessions, $locker;
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left');
log_is_clean($node);
done_testing();
