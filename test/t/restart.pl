# What a restart and a crash leave: nothing of the cache, and nothing wrong.
# Prepared transactions live through both.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = arcache_node('main', conf => "restart_after_crash = on");
my $cached = q(SELECT arcache_get_or_set('sum', 'SELECT sum(x) AS s FROM t'));
my $exact = q(SELECT arcache_get_or_set('sum', 'SELECT sum(x) AS s FROM t')
	= (SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT sum(x) AS s FROM t) q));

$node->safe_psql('postgres', q(
	ALTER SYSTEM SET arcache.debug_verify = on;
	SELECT pg_reload_conf();
	CREATE TABLE t (x int);
	INSERT INTO t VALUES (1), (2);
	SELECT arcache_enable('t');
	CREATE ROLE r LOGIN;
	GRANT SELECT ON t TO r;
));

sub check_hits
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$node->safe_psql('postgres', $cached);
	return value_is($node,
		"SELECT hits FROM arcache_stats \\gset\n$exact;\nSELECT hits - :hits FROM arcache_stats",
		"t\n1", $what);
}

sub check_fresh
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	wait_for_janitor($node);
	check_memory($node, 0, "$what: nothing is left");
	value_is($node, $exact, 't', "$what: cached equals uncached");
	check_hits("$what: the cache works");
	$node->safe_psql('postgres', 'UPDATE t SET x = x + 1');
	return value_is($node, $exact, 't', "$what: a write is seen");
}

# -- restarts and crashes ------------------------------------------------------

check_hits('it works before');
$node->safe_psql('postgres', "SELECT arcache_set('k', '1')");
$node->restart;
check_fresh('restart');

$node->stop('immediate');
$node->start;
check_fresh('immediate stop');

# Kill a backend in mid-fill: it waits at a gate, and holds the flight.
my $locker = session($node);
my $victim = session($node);
create_gate($node);
shut_gate($locker);
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
send_query($victim, "SELECT arcache_set('k', '1')");
send_query($victim,
	"SELECT arcache_get_or_set('new', 'SELECT sum(gate(1 + 0 * x)) AS count FROM t')");
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_locks WHERE pid = $pid AND NOT granted")
  or die 'the victim does not wait';
is(flight_holders($node, 1), $pid, 'a fill holds its flight');
my $postmaster = slurp_file($node->data_dir . '/postmaster.pid');
kill 'KILL', $pid;
$node->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid")
  or die 'no recovery';
eval { $_->{run}->kill_kill } for ($locker, $victim);
is( (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0],
	(split /\n/, $postmaster)[0],
	'the server recovered by itself');
$node->poll_query_until('postgres', 'SELECT true') or die;
check_no_flight_locks($node, 'no lock is left');
check_fresh('kill -9');

# -- a prepared write ----------------------------------------------------------

my ($old, $rr);

# x is updated by a transaction that is prepared; the server goes down as told.
foreach my $mode ('fast', 'immediate', 'no')
{
	my $what = "prepared write, $mode restart";

	value_is($node, $exact, 't', "$what: filled before");
	$old = $node->safe_psql('postgres', $cached);
	$node->safe_psql('postgres',
		"BEGIN; UPDATE t SET x = x + 10; PREPARE TRANSACTION 'p'");
	value_is($node, $cached, $old, "$what: unseen when prepared");
	if ($mode ne 'no')
	{
		$node->stop($mode);
		$node->start;
	}
	value_is($node, $cached, $old, "$what: unseen, first fill");
	value_is($node, $exact, 't', "$what: cached equals uncached");

	$rr = session($node);
	$rr->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
	value_is($rr, $cached, $old, "$what: an old snapshot");
	$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
	value_is($node, $exact, 't', "$what: seen after COMMIT PREPARED");
	isnt($node->safe_psql('postgres', $cached), $old, "$what: and is another");
	value_is($rr, $cached, $old, "$what: the old snapshot sees the old");
	value_is($rr, $exact, 't', "$what: cached equals uncached there");
	value_is($node, $exact, 't', "$what: the new ones see the new");
	$rr->query_safe('COMMIT');
	value_is($rr, $exact, 't', "$what: the old session too, when its snapshot ends");
	$rr->quit;
	check_hits("$what: hits afterwards");
}

# Two, of which one is rolled back; a fill in between.
$node->safe_psql('postgres', q(
	INSERT INTO t VALUES (1000), (2000);
	BEGIN; UPDATE t SET x = x + 1 WHERE x = 1000; PREPARE TRANSACTION 'p1';
	BEGIN; UPDATE t SET x = x + 1 WHERE x = 2000; PREPARE TRANSACTION 'p2';
));
$old = $node->safe_psql('postgres', $cached);
$node->restart;
value_is($node, $cached, $old, 'two prepared writes: unseen');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'p1'");
value_is($node, $cached, $old, 'two prepared writes: one is rolled back');
$node->safe_psql('postgres', "COMMIT PREPARED 'p2'");
value_is($node, $exact, 't', 'two prepared writes: the other is committed');
is($node->safe_psql('postgres', "SELECT (($cached) -> 0 ->> 's')::int - ('$old'::jsonb -> 0 ->> 's')::int"),
	'1', 'two prepared writes: and seen');
check_hits('two prepared writes: hits afterwards');

# -- prepared writes, told in all ways -----------------------------------------

# By key, as a whole, and as a whole because of too many keys; committed and
# rolled back after the restart.
$node->safe_psql('postgres', q(
	CREATE TABLE by_key (id int PRIMARY KEY, x int);
	CREATE TABLE many_keys (id int PRIMARY KEY, x int);
	CREATE TABLE whole (id int, x int);
	INSERT INTO by_key SELECT i, 0 FROM generate_series(1, 20) i;
	INSERT INTO many_keys TABLE by_key;
	INSERT INTO whole TABLE by_key;
	SELECT arcache_enable('by_key'), arcache_enable('many_keys'), arcache_enable('whole', keys => '{}');
));
my @tables = ('by_key', 'many_keys', 'whole');
my $of_key = q(arcache_get_or_set('%1$s 1', 'SELECT x FROM %1$s WHERE id = 1'));
my $of_other_key = q(arcache_get_or_set('%1$s 20', 'SELECT x FROM %1$s WHERE id = 20'));
my $of_row = q((SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT x FROM arcache_query('SELECT id, x FROM %1$s WHERE id = 1') AS r (id int, x int)) q));
my $of_all = q(arcache_get_or_set('%1$s', 'SELECT sum(x) AS x FROM %1$s'));
my $plain_of_key = q((SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT x FROM %1$s WHERE id = %2$s) q));
my $plain_of_all = q((SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT sum(x) AS x FROM %1$s) q));

# All that is read of all tables is right, twice.
sub check_exact
{
	my ($session, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $query = 'SELECT ' . join(', ',
		map {
			my $table = $_;
			map { sprintf("$_->[0] = $_->[1]", $table, $_->[2]) } (
				[ $of_key, $plain_of_key, 1 ],
				[ $of_other_key, $plain_of_key, 20 ],
				[ $of_row, $plain_of_key, 1 ],
				[ $of_all, $plain_of_all, 0 ])
		} @tables);
	my $right = join('|', ('t') x (4 * @tables));

	return value_is($session, $query, $right, "$what: exact")
	  && value_is($session, $query, $right, "$what: exact again");
}

foreach my $case ([ 'COMMIT', 'fast' ], [ 'ROLLBACK', 'fast' ],
	[ 'COMMIT', 'immediate' ], [ 'ROLLBACK', 'immediate' ])
{
	my ($end, $mode) = @$case;
	my $what = "$end PREPARED after $mode restart";
	my $reader = session($node);

	check_exact($reader, "$what, before");
	$reader->quit;
	$node->safe_psql('postgres', q(
		BEGIN; UPDATE by_key SET x = x + 1 WHERE id = 1; PREPARE TRANSACTION 'by_key';
		SET arcache.max_key_tokens = 3;
		BEGIN; UPDATE many_keys SET x = x + 1 WHERE id <= 10; PREPARE TRANSACTION 'many_keys';
		BEGIN; UPDATE whole SET x = x + 1; PREPARE TRANSACTION 'whole'));
	$node->stop($mode);
	$node->start;
	$reader = session($node);
	my $old = session($node);
	check_exact($reader, "$what, still prepared");
	$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
	check_exact($old, "$what, an old snapshot");
	foreach my $table (@tables)
	{
		my $before = $reader->query_safe("SELECT sum(x) FROM $table");

		$node->safe_psql('postgres', "$end PREPARED '$table'");
		check_exact($reader, "$what, $table");
		check_exact($old, "$what, $table, the old snapshot");
		(($end eq 'COMMIT') ? \&isnt : \&is)
		  ->($reader->query_safe("SELECT sum(x) FROM $table"), $before, "$what, $table: the table");
	}
	$old->query_safe('COMMIT');
	check_exact($old, "$what, a new snapshot");
	my $hits = stat_of($node, 'hits');
	check_exact($reader, "$what, all");
	$reader->quit;
	cmp_ok(stat_of($node, 'hits') - $hits, '>=', 4 * @tables, "$what: and from the cache");
	$old->quit;
}

# -- prepared definitions ------------------------------------------------------

$node->safe_psql('postgres',
	q(CREATE FUNCTION f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'));
my $call = q(SELECT arcache_get_or_set('f', 'SELECT f() FROM t LIMIT 1'));
my $version = 1;
foreach my $mode ('no', 'fast', 'immediate')
{
	my $what = "prepared DDL, $mode restart";
	my $next = $version + 1;

	value_is($node, "$call; $call", qq([{"f": $version}]\n[{"f": $version}]), "$what: before");
	$node->safe_psql('postgres', qq(
		BEGIN;
		CREATE OR REPLACE FUNCTION f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $next';
		PREPARE TRANSACTION 'ddl'));
	value_is($node, "$call; $call", qq([{"f": $version}]\n[{"f": $version}]), "$what: prepared");
	if ($mode ne 'no')
	{
		$node->stop($mode);
		$node->start;
		value_is($node, "$call; $call", qq([{"f": $version}]\n[{"f": $version}]), "$what: after it");
	}
	my $reader = session($node);
	value_is($reader, $call, qq([{"f": $version}]), "$what: a session that has read");
	$node->safe_psql('postgres', "COMMIT PREPARED 'ddl'");
	value_is($reader, $call, qq([{"f": $next}]), "$what: committed");
	value_is($node, "$call; $call", qq([{"f": $next}]\n[{"f": $next}]), "$what: for all");
	$reader->quit;
	$version = $next;
}

# A privilege taken away.
foreach my $mode ('no', 'fast')
{
	my $what = "prepared REVOKE, $mode restart";
	my $reader = session($node, user => 'r');

	$node->safe_psql('postgres', 'GRANT SELECT ON t TO r');
	value_is($reader, $exact, 't', "$what: before");
	$node->safe_psql('postgres',
		"BEGIN; REVOKE SELECT ON t FROM r; PREPARE TRANSACTION 'revoke'");
	value_is($reader, $exact, 't', "$what: prepared");
	if ($mode ne 'no')
	{
		$reader->quit;
		$node->restart;
		$reader = session($node, user => 'r');
		value_is($reader, $exact, 't', "$what: after it");
	}
	$node->safe_psql('postgres', "COMMIT PREPARED 'revoke'");
	like(query_error($reader, $cached), qr/permission denied for table t/, "$what: committed");
	$reader->quit;
}

# Becoming tracked, and no longer.
$node->safe_psql('postgres', q(
	CREATE TABLE u (x int); INSERT INTO u VALUES (1);
	BEGIN; SELECT arcache_enable('u'); PREPARE TRANSACTION 'enable';
));
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "COMMIT PREPARED 'enable'");
my $cached_u = q(SELECT arcache_get_or_set('u', 'SELECT x FROM u'));
value_is($node, "$cached_u; $cached_u; UPDATE u SET x = 2; $cached_u",
	qq([{"x": 1}]\n[{"x": 1}]\n[{"x": 2}]), 'prepared arcache_enable');
is($node->safe_psql('postgres', q(SELECT relation FROM arcache_relations WHERE relation IN ('t'::regclass, 'u'::regclass) ORDER BY 1)),
	"t\nu", 'both are tracked');

# -- prepared sets and deletes -------------------------------------------------

$node->safe_psql('postgres', "SELECT arcache_clear_all()");
$node->safe_psql('postgres', "SELECT arcache_set('a', '1'), arcache_set('b', '1'), arcache_set('c', '1')");
$node->safe_psql('postgres', q(
	BEGIN; SELECT arcache_delete('a'), arcache_set('b', '2'); PREPARE TRANSACTION 'd'));
value_is($node, "SELECT arcache_get('a'), arcache_get('b'), arcache_get('c')",
	'1|1|1', 'a prepared delete has not happened');
$node->safe_psql('postgres', "COMMIT PREPARED 'd'");
value_is($node, "SELECT arcache_get('a'), arcache_get('b') IS DISTINCT FROM '1', arcache_get('c')",
	'|t|1', 'a committed one has, and a set leaves no older value');
$node->safe_psql('postgres', q(
	BEGIN; SELECT arcache_delete_pattern('c*'); PREPARE TRANSACTION 'd'));
value_is($node, "SELECT arcache_get('c')", '1', 'a prepared pattern');
$node->safe_psql('postgres', "COMMIT PREPARED 'd'");
value_is($node, "SELECT arcache_get('c')", '', 'a committed one');

$node->safe_psql('postgres', "SELECT arcache_set('a', '1'), arcache_set('b', '1')");
$node->safe_psql('postgres', q(
	BEGIN; SELECT arcache_delete('a'), arcache_set('b', '2'); PREPARE TRANSACTION 'd';
	ROLLBACK PREPARED 'd'));
value_is($node, "SELECT arcache_get('a') IS DISTINCT FROM '2', arcache_get('b') IS DISTINCT FROM '2'",
	't|t', 'one that is rolled back sets nothing');
value_is($node, "SELECT arcache_set('a', '3'), arcache_set('b', '3')", 't|t', 'keys can be set again');
value_is($node, "SELECT arcache_get('a'), arcache_get('b')", '3|3', 'and be got');

# A result of a query whose key is deleted by a prepared transaction.
$old = $node->safe_psql('postgres', $cached);
$node->safe_psql('postgres', q(BEGIN; SELECT arcache_delete('sum'); PREPARE TRANSACTION 'd'));
value_is($node, $exact, 't', 'a prepared delete of a result');
$node->safe_psql('postgres', "COMMIT PREPARED 'd'");
value_is($node, q(SELECT arcache_exists('sum')), 'f', 'committed, it is gone');
check_hits('and can be filled');

$node->safe_psql('postgres', "SELECT arcache_set('k', '1')");
$node->safe_psql('postgres', q(
	BEGIN; SELECT arcache_delete('k'), arcache_set('l', '1'); UPDATE t SET x = x + 1;
	PREPARE TRANSACTION 'd'));
$node->restart;
value_is($node, $exact, 't', 'prepared set, delete and write, restarted');
$node->safe_psql('postgres', "SELECT arcache_set('k', '2')");
$node->safe_psql('postgres', "COMMIT PREPARED 'd'");
value_is($node, $exact, 't', 'and committed');
value_is($node, "SELECT arcache_get('l')", '', 'a set does not live through a restart');

$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left at the end');
check_no_flight_locks($node, 'nor a lock');

log_is_clean($node,
	allow => qr/terminating connection because of crash|was terminated by signal 9: Killed/);
done_testing();
