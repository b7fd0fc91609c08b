# A streaming standby: in recovery only results with a ttl are cached; a
# promoted one serves none of those and is exact.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = arcache_node('primary',
	init => { allows_streaming => 1 },
	conf => q(
arcache.janitor_delay = '50ms'
max_prepared_transactions = 5
hot_standby_feedback = on
));
$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

my $no_ttl = q(SELECT arcache_get_or_set('q', 'SELECT x FROM t'));
my $with_ttl = q(SELECT arcache_get_or_set('q', 'SELECT x FROM t', ttl => '1h'));

sub replay
{
	$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
	return;
}

sub write_primary
{
	my ($sql) = @_;

	$primary->safe_psql('postgres', $sql);
	replay();
	return;
}

write_primary(q(
	CREATE ROLE r LOGIN;
	CREATE TABLE t (x int);
	INSERT INTO t VALUES (1);
	SELECT arcache_enable('t');
	GRANT SELECT ON t TO r;
));

# -- reading through -----------------------------------------------------------

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the standby is in recovery');
like(wait_for_janitor($standby), qr/^\d+$/, 'it has a janitor');

is($standby->safe_psql('postgres', "$no_ttl; $no_ttl"), qq([{"x": 1}]\n[{"x": 1}]),
	'without a ttl it computes');
is(entries($standby), '0', 'and stores nothing');
is(stat_of($standby, 'hits, misses, fills, rejected_no_ttl'), '0|2|0|2', 'and counts why');
is($standby->safe_psql('postgres', "$with_ttl; $with_ttl"), qq([{"x": 1}]\n[{"x": 1}]),
	'with a ttl it caches');
is(stat_of($standby, 'hits, fills'), '1|1', 'a hit');
is($standby->safe_psql('postgres', 'SELECT key, coherence, expires IS NOT NULL, valid FROM arcache_entries'),
	'q|ttl|t|t', 'coherence is that of a ttl');
is($standby->safe_psql('postgres', q(SELECT x FROM arcache_query('SELECT x FROM t', ttl => '1h') AS (x int))),
	'1', 'rows too');
is($standby->safe_psql('postgres', "SET arcache.default_ttl = '1h'; SELECT arcache_get_or_set('d', 'SELECT x FROM t'); SELECT coherence FROM arcache_entries WHERE key = 'd'"),
	qq([{"x": 1}]\nttl), 'the default ttl counts as one');
is($standby->safe_psql('postgres', q(
		BEGIN ISOLATION LEVEL REPEATABLE READ;
		SELECT arcache_get_or_set('q', 'SELECT x FROM t', ttl => '1h');
		COMMIT)), '[{"x": 1}]', 'in REPEATABLE READ too');

write_primary('UPDATE t SET x = 2');
is($standby->safe_psql('postgres', $with_ttl), '[{"x": 1}]', 'within the ttl it may be stale');
is($standby->safe_psql('postgres', "SELECT arcache_get_or_set('q', 'SELECT x FROM t', ttl => '1h', force => true)"),
	'[{"x": 2}]', 'force computes');
is($standby->safe_psql('postgres', $with_ttl), '[{"x": 2}]', 'and stores');

$standby->safe_psql('postgres', "SELECT arcache_get_or_set('short', 'SELECT x FROM t', ttl => '100ms')");
ok($standby->poll_query_until('postgres', q(SELECT count(*) = 0 FROM arcache_entries WHERE key = 'short')),
	'what expires disappears');
write_primary('UPDATE t SET x = 3');
ok($standby->poll_query_until('postgres', q(
		SELECT arcache_get_or_set('short', 'SELECT x FROM t', ttl => '100ms') = '[{"x": 3}]')),
	'and is computed anew');

# -- values --------------------------------------------------------------------

is($standby->safe_psql('postgres', q(
		SELECT arcache_set('v', '1', ttl => '1h');
		SELECT arcache_get('v'), arcache_exists('v'), arcache_ttl('v') <= '1h', arcache_touch('v', '2h');
		SELECT arcache_incr('n'), arcache_incr('n');
		SELECT arcache_set('v', '2');
		SELECT arcache_get('v');
		SELECT arcache_delete('v');
		SELECT arcache_get('v') IS NULL)),
	"t\n1|t|t|t\n1|2\nt\n2\n1\nt", 'values can be set, got, counted and deleted');
is($standby->safe_psql('postgres', q(
		BEGIN; SELECT arcache_set('v', '1'); SELECT arcache_get('v'); ROLLBACK;
		SELECT arcache_get('v') IS NULL;
		SELECT arcache_set('v', '1'); BEGIN; SELECT arcache_delete('v'); SAVEPOINT s;
		SELECT arcache_set('v', '2'); ROLLBACK TO s; SELECT arcache_get('v') IS NULL; COMMIT;
		SELECT arcache_get('v') IS NULL)),
	"t\n1\nt\nt\n1\nt\nt\nt", 'with their transaction');
is($standby->safe_psql('postgres', q(
		SELECT arcache_set('g1', '1'), arcache_set('g2', '1'), arcache_set('tagged', '1', tags => ARRAY['a']);
		SELECT arcache_delete_pattern('g*');
		SELECT arcache_invalidate_tag('a');
		SELECT count(*) FROM arcache_keys('g*');
		SELECT arcache_get('tagged') IS NULL)),
	"t|t|t\n2\n1\n0\nt", 'by pattern and by tag');
is($standby->safe_psql('postgres', "$with_ttl; SELECT arcache_invalidate('t') > 0; $with_ttl"),
	qq([{"x": 2}]\nt\n[{"x": 3}]), 'arcache_invalidate');
sql_error($standby, "SELECT arcache_enable('t')", '25006', 'read-only transaction|during recovery',
	'arcache_enable is refused');
is($standby->safe_psql('postgres', 'SELECT arcache_clear() > 0; SELECT arcache_clear_all()'), "t\n0",
	'clear');
check_memory($standby, 0, 'nothing is left');

# -- privileges ----------------------------------------------------------------

my $reader = session($standby, user => 'r');
is($reader->query_safe("$with_ttl; $with_ttl"), qq([{"x": 3}]\n[{"x": 3}]), 'a role reads');
write_primary('REVOKE SELECT ON t FROM r');
like(query_error($reader, $with_ttl), qr/permission denied for table t/,
	'REVOKE replayed, it does not');
like(query_error($reader, "SELECT arcache_get('q')"), qr/permission denied for table t/,
	'not even by its key');
write_primary('GRANT SELECT ON t TO r');
is($reader->query_safe($with_ttl), '[{"x": 3}]', 'granted again, it does');
$reader->quit;

# A table dropped, and made again under its name.
$standby->safe_psql('postgres', $with_ttl);
write_primary(q(
	DROP TABLE t;
	CREATE TABLE t (y text);
	INSERT INTO t VALUES ('new');
));
my ($rc, $out, $err) = $standby->psql('postgres', $with_ttl);
isnt($rc, 0, 'a query that no longer is one fails, cached or not');
write_primary(q(
	DROP TABLE t;
	CREATE TABLE t (x int);
	INSERT INTO t VALUES (4);
	SELECT arcache_enable('t');
));
$standby->safe_psql('postgres', 'SELECT arcache_clear_all()');

# -- promotion -----------------------------------------------------------------

# One that is in doubt when the standby is promoted.
write_primary(q(
	CREATE TABLE w (x int); INSERT INTO w VALUES (1); SELECT arcache_enable('w');
	CREATE TABLE u (x int); INSERT INTO u VALUES (1); SELECT arcache_enable('u');
	BEGIN; UPDATE u SET x = 2; PREPARE TRANSACTION 'p';
	BEGIN; SELECT arcache_delete('v'); PREPARE TRANSACTION 'd';
));
my $u = q(SELECT arcache_get_or_set('u', 'SELECT x FROM u'));
my $old = session($standby);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($old->query_safe($with_ttl), '[{"x": 4}]', 'a snapshot taken in recovery');
is($standby->safe_psql('postgres', q(
		SELECT arcache_get_or_set('u', 'SELECT x FROM u', ttl => '1h');
		SELECT arcache_get_or_set('kept', 'SELECT x FROM t', ttl => '1h');
		SELECT arcache_set('v', '"set in recovery"'))),
	qq([{"x": 1}]\n[{"x": 4}]\nt), 'entries made in recovery');
is($old->query_safe('SELECT x FROM w'), '1', 'a table that is written to after that');
write_primary('UPDATE w SET x = 2');
$primary->stop('fast');
$standby->promote;
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 'f', 'promoted');

$standby->safe_psql('postgres', 'SELECT arcache_stats_reset()');
is($standby->safe_psql('postgres', q(SELECT arcache_get('kept') IS NULL)), 't', 'they are not served by key');
is($standby->safe_psql('postgres', $with_ttl), '[{"x": 4}]', 'nor for their query');
is(stat_of($standby, 'hits'), '0', 'no hit');
is($old->query_safe($with_ttl), '[{"x": 4}]', 'the old snapshot is served right');
my $w = q(SELECT arcache_get_or_set('w', 'SELECT x FROM w'));
is($old->query_safe("$w; $w"), qq([{"x": 1}]\n[{"x": 1}]), 'also of what was written in recovery');
is($standby->safe_psql('postgres', "$w; $w"), qq([{"x": 2}]\n[{"x": 2}]), 'which new ones see');
is($old->query_safe($w), '[{"x": 1}]', 'and it does not');
is($standby->safe_psql('postgres', 'UPDATE t SET x = 5; ' . $with_ttl), '[{"x": 5}]', 'a write is seen');
is($old->query_safe('SELECT x FROM t'), '4', 'the old snapshot does not see it');
is($old->query_safe($with_ttl), '[{"x": 4}]', 'cached or not');
is($old->query_safe($no_ttl), '[{"x": 4}]', 'whatever the ttl');
$old->query_safe('COMMIT');
is($old->query_safe($no_ttl), '[{"x": 5}]', 'until it ends');

is($standby->safe_psql('postgres', "$u; $u"), qq([{"x": 1}]\n[{"x": 1}]), 'what is prepared is unseen');
$standby->safe_psql('postgres', "COMMIT PREPARED 'p'; COMMIT PREPARED 'd'");
is($standby->safe_psql('postgres', "$u; $u"), qq([{"x": 2}]\n[{"x": 2}]), 'what is committed is seen');
is($standby->safe_psql('postgres', q(
		SELECT arcache_stats_reset();
		SELECT arcache_get_or_set('n', 'SELECT x FROM t') IS NOT NULL;
		SELECT arcache_get_or_set('n', 'SELECT x FROM t') IS NOT NULL;
		SELECT hits, fills FROM arcache_stats;
		SELECT coherence FROM arcache_entries WHERE key = 'n';
		UPDATE t SET x = 6;
		SELECT arcache_get_or_set('n', 'SELECT x FROM t'))),
	qq(\nt\nt\n1|1\nexact\n[{"x": 6}]), 'and results are exact');
ok($standby->poll_query_until('postgres', q(
		SELECT count(*) = 0 FROM arcache_entries WHERE key = 'kept')),
	'the janitor removes what was made in recovery');
$old->quit;
$standby->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($standby, 0, 'nothing is left');
check_no_flight_locks($standby, 'nor a lock');

log_is_clean($_) foreach ($primary, $standby);
done_testing();
