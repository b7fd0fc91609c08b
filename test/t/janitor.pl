# The background worker "arcache janitor".

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = arcache_node('main', conf => q(
arcache.janitor_delay = '20ms'
log_min_messages = debug1
));
my $janitor = wait_for_janitor($node);

sub set_delay
{
	my ($delay) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET arcache.janitor_delay = '$delay'");
	$node->reload;
	return;
}

# Wait until it has gone through all of the index.
sub wait_for_rounds
{
	my $rounds = memory($node, 'janitor_rounds');

	$node->poll_query_until('postgres',
		"SELECT janitor_rounds > $rounds + 32 FROM arcache_memory")
	  or die 'it does not go round';
	return;
}

# -- seen ----------------------------------------------------------------------

$node->poll_query_until('postgres', q(
	SELECT wait_event_type = 'Extension' AND wait_event = (CASE
	       WHEN current_setting('server_version_num')::int >= 170000 THEN 'ArcacheJanitorMain'
	       ELSE 'Extension' END)
	  FROM pg_stat_activity WHERE backend_type = 'arcache janitor'))
  or diag $node->safe_psql('postgres', 'TABLE pg_stat_activity');
is( $node->safe_psql('postgres', q(
		SELECT count(*), min(pid), min(wait_event_type), count(datname), min(state)
		  FROM pg_stat_activity WHERE backend_type = 'arcache janitor')),
	"1|$janitor|Extension|0|idle", 'pg_stat_activity shows it');
is(memory($node, 'janitor_last_round <= now() + interval \'1 min\' AND janitor_rounds >= 0'),
	't', 'and so does arcache_memory');

# -- expiry --------------------------------------------------------------------

$node->safe_psql('postgres', q(
	CREATE TABLE t (x int);
	INSERT INTO t VALUES (1);
	SELECT arcache_enable('t');
	SELECT count(arcache_set('k' || i, '1', ttl => '50ms')) FROM generate_series(1, 500) i;
	SELECT arcache_get_or_set('q', 'SELECT x FROM t', ttl => '50ms');
	SELECT arcache_get_or_set('ttl', 'SELECT count(*) FROM pg_class', ttl => '50ms');
	SELECT count(*) FROM arcache_query('SELECT x FROM t', ttl => '50ms') AS r (x int);
	SELECT arcache_incr('i', ttl => '50ms');
));
ok($node->poll_query_until('postgres', 'SELECT entries = 0 FROM arcache_memory'),
	'what expires disappears');
check_memory($node, 0, 'with its memory');
is(stat_of($node, 'expirations'), '504', 'and is counted');
ok($node->wait_for_log(qr/DEBUG:  arcache janitor: removed \d+ expired or dead entries, evicted \d+ bytes in \d+ ms/),
	'a line in the log says so');

# Many at once, of two databases.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q(
	CREATE EXTENSION arcache;
	SELECT count(arcache_set('k' || i, '1', ttl => '1ms')) FROM generate_series(1, 10000) i));
$node->safe_psql('postgres', q(
	SELECT count(arcache_set('k' || i, '1', ttl => '1ms')) FROM generate_series(1, 10000) i;
	SELECT arcache_set('stays', '1')));
ok($node->poll_query_until('postgres', 'SELECT entries = 1 FROM arcache_memory'),
	'what does not expire stays');
is(stat_of($node, 'expirations', 'other'), '10000', 'expirations count for their database');

# A result that nobody can be served any more.
$node->safe_psql('postgres', q(
	SELECT arcache_get_or_set('q', 'SELECT x FROM t');
	UPDATE t SET x = 2;
	SELECT arcache_invalidate('t'); SELECT arcache_invalidate('t');
	SELECT arcache_invalidate('t'); SELECT arcache_invalidate('t');
	SELECT arcache_invalidate('t'); SELECT arcache_invalidate('t')));
ok($node->poll_query_until('postgres', 'SELECT entries = 1 FROM arcache_memory'),
	'a dead result disappears');
$node->safe_psql('postgres', 'SELECT arcache_clear()');

# But not while an old snapshot can be.
my $old = session($node);
$node->safe_psql('postgres', "SELECT arcache_get_or_set('q', 'SELECT x FROM t')");
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($old->query_safe("SELECT arcache_get_or_set('q', 'SELECT x FROM t')"), '[{"x": 2}]', 'an old snapshot');
$node->safe_psql('postgres', 'UPDATE t SET x = 3');
wait_for_rounds();
my $hits = stat_of($node, 'hits');
is($old->query_safe("SELECT arcache_get_or_set('q', 'SELECT x FROM t')"), '[{"x": 2}]', 'still sees the old');
is(stat_of($node, 'hits') - $hits, 1, 'from the cache');
$old->query_safe('COMMIT');
$old->quit;
$node->safe_psql('postgres', 'SELECT arcache_clear()');

# -- SIGHUP --------------------------------------------------------------------

set_delay('10min');
$node->safe_psql('postgres', "SELECT arcache_set('k', '1', ttl => '1ms')");
set_delay('10ms');
wait_for_rounds();
ok($node->poll_query_until('postgres', 'SELECT entries = 0 FROM arcache_memory'),
	'it obeys SIGHUP, even when asleep');

# -- eviction ahead ------------------------------------------------------------

# It keeps a 32nd of the heap free, which is somewhat less than a 32nd of all memory.
# Between its rounds it is woken by who finds the arena full.
set_delay('10min');
$node->safe_psql('postgres', join(';', map {
	"SELECT count(arcache_set('f' || i, to_jsonb(repeat('x', 1000)))) FROM generate_series($_ * 5000, $_ * 5000 + 4999) i"
} 0 .. 5));
cmp_ok(stat_of($node, 'evictions'), '>', 0, 'the arena is full');
my $rounds = memory($node, 'janitor_rounds');
ok($node->poll_query_until('postgres', q(
		SELECT count(arcache_set(gen_random_uuid()::text, to_jsonb(repeat('x', 1000)))) = -1 FROM generate_series(1, 100) i
		UNION ALL SELECT free > size / 40 FROM arcache_memory), "f\nt"),
	'woken, it makes room');
is(memory($node, 'janitor_rounds'), $rounds, 'and makes no round');
set_delay('10ms');
ok($node->poll_query_until('postgres', 'SELECT free > size / 40 FROM arcache_memory'),
	'awake, it keeps some of it free');
check_memory($node, undef, 'the arena adds up');
$node->safe_psql('postgres', join(';', map {
	"SELECT count(arcache_set('f' || i, to_jsonb(repeat('x', 1000)))) FROM generate_series($_ * 5000, $_ * 5000 + 4999) i"
} 0 .. 5));
ok($node->poll_query_until('postgres', 'SELECT free > size / 40 FROM arcache_memory'),
	'again and again');
ok( slurp_file($node->logfile) =~ /arcache janitor: removed \d+ expired or dead entries, evicted [1-9]\d+ bytes/,
	'a line in the log says so');
is(janitor_pid($node), $janitor, 'it is still the same');

# -- SIGTERM -------------------------------------------------------------------

# Without it the cache works; it comes back after some seconds.
$node->safe_psql('postgres', 'SELECT arcache_clear()');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($janitor)");
$node->poll_query_until('postgres', 'SELECT janitor_pid IS NULL FROM arcache_memory')
  or die 'it does not go';
value_is($node, q(SELECT arcache_set('k', '1'); SELECT arcache_get('k')), "t\n1",
	'without it the cache works');
$node->safe_psql('postgres', join(';', map {
	"SELECT count(arcache_set('f' || i, to_jsonb(repeat('x', 1000)))) FROM generate_series($_ * 5000, $_ * 5000 + 4999) i"
} 0 .. 5));
value_is($node, q(SELECT arcache_set('k', '2'); SELECT arcache_get('k')), "t\n2",
	'and finds room');
$node->safe_psql('postgres', "SELECT arcache_set('e', '1', ttl => '1ms')");
isnt(wait_for_janitor($node), $janitor, 'terminated, it comes back');
$node->safe_psql('postgres', 'SELECT arcache_delete(VARIADIC array_agg(k)) FROM arcache_keys() k');
ok($node->poll_query_until('postgres', 'SELECT entries = 0 FROM arcache_memory'),
	'and goes on');
is( $node->safe_psql('postgres',
		q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'arcache janitor')),
	'1', 'there is one');

# -- the end -------------------------------------------------------------------

# pg_ctl would wait for a minute, not for ten.
set_delay('10min');
ok($node->stop('fast') // 1, 'a fast shutdown does not wait for it');
$node->start;
set_delay('10ms');
wait_for_rounds();
pass('and after a restart it is there');
ok($node->stop('smart') // 1, 'a smart shutdown neither');

log_is_clean($node);
done_testing();
