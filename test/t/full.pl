# The arena full: a million sets of random sizes, from one statement and from
# many transactions of several sessions.  ARCACHE_SETS says how many.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sets = $ENV{ARCACHE_SETS} // 1_000_000;
my $sessions = 4;
my $per_transaction = 250;

my $node = arcache_node('main');
my $janitor = wait_for_janitor($node);

# A value of random size: most are small, a few are large.
$node->safe_psql('postgres', q(
	CREATE ROLE r1 LOGIN;
	CREATE ROLE r2 LOGIN;
	CREATE FUNCTION value(i bigint) RETURNS jsonb LANGUAGE sql AS $$
		SELECT to_jsonb(repeat(chr(97 + (i % 26)::int),
			CASE WHEN i % 1000 = 0 THEN (random() * 500000)::int
			     WHEN i % 100 = 0 THEN (random() * 20000)::int
			     ELSE (random() * 400)::int END)) $$;
	CREATE FUNCTION check_memory() RETURNS void LANGUAGE plpgsql AS $$
	DECLARE m record;
	BEGIN
		SELECT * INTO m FROM arcache_memory;
		IF m.used + m.free + m.overhead <> m.size OR m.used < 0 OR m.free < 0 OR
		   m.largest_free > m.free * 1.04 THEN
			RAISE 'the arena does not add up: %', m;
		END IF;
	END $$;
));

# -- one statement -------------------------------------------------------------

my $one = int($sets * 0.3);
value_is($node,
	"SELECT count(arcache_set('k' || i % 50000, value(i))) FROM generate_series(1, $one) i",
	$one, "$one sets by one statement");
check_memory($node, undef, 'the arena adds up');
cmp_ok(entries($node), '>', 1000, 'and holds entries');
cmp_ok(memory($node, 'used'), '>', 1024 * 1024, 'of some size');
# One that its own transaction gives up later may count as both.
is(stat_of($node, "sets <= $one AND sets + rejected_full >= $one"), 't', 'each set is counted');

# What is there is what was set.
value_is($node,
	q(SELECT count(*) FROM arcache_keys('k*') k CROSS JOIN LATERAL (SELECT arcache_get(k) #>> '{}' AS v) g
	   WHERE v IS NOT NULL AND v <> repeat(chr(97 + (substr(k, 2)::int % 26)), length(v))
	     AND 50000 % 26 = 0),
	'0', 'no value is mixed up');

# -- many transactions ---------------------------------------------------------

my $many = $sets - $one;
my $transactions = int($many / $sessions / $per_transaction) || 1;
my $script = $node->basedir . '/set.sql';
append_to_file($script, <<"END");
\\set from random(1, 1000000)
\\set what random(1, 100)
BEGIN;
SELECT count(arcache_set('k' || i % 50000, value(i), ttl => CASE WHEN i % 3 = 0 THEN interval '2 s' END))
  FROM generate_series(:from, :from + $per_transaction - 1) i;
\\if :what <= 5
ROLLBACK;
\\elif :what <= 10
SAVEPOINT s;
SELECT count(arcache_set('k' || i, value(i))) FROM generate_series(:from, :from + 20) i;
ROLLBACK TO s;
SELECT arcache_delete('k' || :from % 50000);
COMMIT;
\\else
COMMIT;
\\endif
SELECT count(arcache_get('k' || i % 50000)) FROM generate_series(:from, :from + 50) i;
SELECT check_memory();
END
my @runs;
foreach my $role ('r1', 'r2')
{
	my $n = $sessions / 2;

	push @runs, start_program($node, $node->basedir . "/$role.log",
		'pgbench', '-n', '-U', $role, '-c', $n, '-j', $n,
		'-t', $transactions, '-f', $script, 'postgres');
}
# A superuser looks on, and clears all now and then.
my $looks = 0;
my $bad = 0;
my $watcher = session($node);
while (grep { is_running($_) } @runs)
{
	$bad++
	  if $watcher->query_safe(
		'SELECT used + free + overhead = size FROM arcache_memory') ne 't';
	$watcher->query_safe('SELECT arcache_clear_all()') if ++$looks % 20 == 0;
	$watcher->query_safe('SELECT pg_sleep(0.05)');
}
foreach my $role ('r1', 'r2')
{
	my $log = $node->basedir . "/$role.log";
	my $n = $transactions * $sessions / 2;

	is(finish_program(shift @runs), 0, "$role: pgbench is content");
	is(slurp_file("$log.err") =~ s/^pgbench .*\n//r, '', "$role: no error");
	like(slurp_file($log), qr/transactions actually processed: $n\/$n/, "$role: all transactions");
}
is($bad, 0, 'the arena added up at every look');
cmp_ok($looks, '>', 0, "of $looks");
cmp_ok(stat_of($node, 'evictions'), '>', 0, 'it did evict');
is(janitor_pid($node), $janitor, 'the janitor is the same');

# -- nothing leaks -------------------------------------------------------------

$node->safe_psql('postgres', "SELECT arcache_set('mine', '1')");
check_memory($node, undef, 'full, it adds up');
foreach my $role ('r1', 'r2')
{
	my $other = $role eq 'r1' ? 'r2' : 'r1';
	$node->safe_psql('postgres', "SELECT arcache_set('last', '1')", extra_params => [ '-U', $_ ])
	  foreach ($role, $other);
	$node->safe_psql('postgres', 'SELECT arcache_clear()', extra_params => [ '-U', $role ]);
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM arcache_entries WHERE role = '$role'"),
		'0', "$role clears its own");
	isnt($node->safe_psql('postgres',
			"SELECT count(*) FROM arcache_entries WHERE role = '$other'"),
		'0', "and not those of $other");
}
value_is($node, 'SELECT arcache_clear() >= 1', 't', 'and so does the superuser');
$node->safe_psql('postgres', 'SELECT arcache_clear()', extra_params => [ '-U', 'r1' ]);
check_memory($node, 0, 'nothing is left');
my $largest = memory($node, 'largest_free');

# -- large values in small pieces ----------------------------------------------

# An eighth of 16 MB is the limit.
my $limit = 2 * 1024 * 1024;
my $large = "to_jsonb(repeat('x', $limit - 100))";
# A transaction may hold half of it, so this takes several.
$node->safe_psql('postgres', join(';', map {
	"SELECT count(arcache_set('s' || i, value(i * 1000 + 1))) FROM generate_series($_ * 10000 + 1, $_ * 10000 + 10000) i"
} 0 .. 5));
$node->safe_psql('postgres',
	q(SELECT arcache_delete(VARIADIC array_agg('s' || i)) FROM generate_series(1, 60000, 2) i));
cmp_ok(memory($node, 'free'), '>', $limit, 'a lot is free');
cmp_ok(memory($node, 'largest_free'), '<', $limit, 'memory is in pieces');
value_is($node, "SELECT arcache_set('large', $large)", 't', 'a large value finds room in them');
value_is($node, "SELECT arcache_get('large') = $large", 't', 'and is whole');
check_memory($node, undef, 'the arena adds up');
value_is($node, join(';', map {
			"SELECT arcache_set('large$_', to_jsonb(repeat(chr(96 + $_), $limit - 100 - $_)))" } 1 .. 8),
	join("\n", ('t') x 8), 'several of them too, which drive each other out');
value_is($node,
	"SELECT count(*) FROM generate_series(1, 8) i WHERE arcache_get('large' || i) <> to_jsonb(repeat(chr(96 + i), $limit - 100 - i))",
	'0', 'what is there is whole');
value_is($node, "SELECT arcache_exists('large8')", 't', 'the newest is there');
value_is($node, "SELECT arcache_set('toolarge', to_jsonb(repeat('x', $limit)))",
	'f', 'a larger one is not stored');
is(stat_of($node, 'rejected_oversize'), '1', 'and counted');
$node->safe_psql('postgres',
	"SELECT arcache_get_or_set('q', 'SELECT repeat(''x'', $limit)') IS NULL");
is(stat_of($node, 'rejected_oversize'), '2', 'nor a larger result');

# Larger than an eighth, if one asks for it.
value_is($node, "SET arcache.max_value_size = '6MB';
	SELECT arcache_set('huge', to_jsonb(repeat('y', 6000000)));
	SELECT length(arcache_get('huge') #>> '{}')",
	"t\n6000000", 'arcache.max_value_size allows more');
check_memory($node, undef, 'the arena adds up');

# A result that could never be kept drives out no more than one that can be.
$node->safe_psql('postgres', q(
	CREATE TABLE wide AS SELECT i, repeat('w', 1000) AS w FROM generate_series(1, 40000) i;
	SELECT arcache_enable('wide');
	SELECT arcache_clear_all();
	SELECT count(arcache_set('small' || i, to_jsonb(repeat('s', 10000)))) FROM generate_series(1, 1500) i));
my $small = $node->safe_psql('postgres', 'SELECT count(*) FROM arcache_keys()');
$node->safe_psql('postgres', q(
	SET arcache.max_value_size = '1GB';
	SET arcache.auto = on;
	SET arcache.min_cost = 0;
	/*+ arcache */ SELECT * FROM wide));
is(stat_of($node, 'rejected_oversize'), '3', 'a result of 40 MB is too large for 16');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM arcache_keys()'),
	'>', $small / 4, 'and has not driven all others out');
check_memory($node, undef, 'the arena adds up');
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left');
is(memory($node, 'largest_free'), $largest, 'and memory is in one piece again');

# -- a transaction that sets more than half ------------------------------------

my $session = session($node);
$session->query_safe("SELECT arcache_set('b1', '\"old\"'), arcache_set('b200', '\"old\"')");
$session->query_safe('BEGIN');
is($session->query_safe(
		q(SELECT count(arcache_set('b' || i, to_jsonb(repeat('b', 100000)))) FROM generate_series(1, 200) i)),
	'200', 'a transaction sets 20 MB of 16');
check_memory($node, undef, 'the arena adds up meanwhile');
is($session->query_safe("SELECT arcache_get('b1') IS NULL, length(arcache_get('b200') #>> '{}')"),
	't|100000', 'it sees the newest only');
value_is($node, "SELECT arcache_set('other', '1'); SELECT arcache_get('other')",
	"t\n1", 'others find room');
$session->query_safe('ROLLBACK');
value_is($node, "SELECT arcache_get('b1') IS DISTINCT FROM '\"old\"', arcache_get('b150') IS NULL",
	'f|t', 'rolled back, nothing has happened') or diag 'unless evicted';
$session->query_safe('BEGIN');
$session->query_safe(
	q(SELECT count(arcache_set('b' || i, to_jsonb(repeat('b', 100000)))) FROM generate_series(1, 200) i));
$session->query_safe('SAVEPOINT s');
$session->query_safe(
	q(SELECT count(arcache_set('b' || i, to_jsonb(repeat('c', 90000)))) FROM generate_series(1, 150) i));
$session->query_safe('ROLLBACK TO s');
$session->query_safe('COMMIT');
value_is($node, "SELECT arcache_get('b1') IS NULL", 't',
	'committed, what found no room leaves no older value');
value_is($node,
	q(SELECT count(*) FROM generate_series(1, 200) i WHERE arcache_get('b' || i) #>> '{}' <> repeat('b', 100000)),
	'0', 'what is there is what was set');
check_memory($node, undef, 'the arena adds up afterwards');
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left');
$session->quit;

# -- results that fill it ------------------------------------------------------

$node->safe_psql('postgres', q(
	CREATE TABLE t (x int);
	INSERT INTO t SELECT generate_series(1, 3000);
	SELECT arcache_enable('t');
	GRANT SELECT ON t TO PUBLIC;
	SET arcache.debug_verify = on;
	SELECT count(arcache_get_or_set('q' || i, 'SELECT x FROM t WHERE x <= $1', params => ARRAY[i::text]))
	  FROM generate_series(1, 3000, 7) i;
	SELECT count(arcache_get_or_set('q' || i, 'SELECT x FROM t WHERE x <= $1', params => ARRAY[i::text]))
	  FROM generate_series(1, 3000, 7) i;
));
check_memory($node, undef, 'full of results, the arena adds up');
$node->safe_psql('postgres', 'SELECT arcache_clear()');
check_memory($node, 0, 'nothing is left');

is(janitor_pid($node), $janitor, 'the janitor is the same to the end');
log_is_clean($node);
done_testing();
