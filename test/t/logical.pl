# A subscriber: what the workers of logical replication apply to a tracked
# table is seen by the cache.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->append_conf('postgresql.conf', "max_prepared_transactions = 5\nlog_statement = none");
$publisher->start;
my $subscriber = arcache_node('subscriber',
	init => { allows_streaming => 'logical' },
	conf => q(
arcache.debug_verify = on
));

# "late" is published later.
my @tables = ('t', 'p', 'child', 'late');
my $ddl = q(
	CREATE TABLE t (id int PRIMARY KEY, x int);
	CREATE TABLE child (id int PRIMARY KEY, t_id int REFERENCES t ON DELETE CASCADE, x int);
	CREATE TABLE p (id int, x int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (100) TO (200);
	CREATE TABLE late (id int PRIMARY KEY, x int);
);
$publisher->safe_psql('postgres', $ddl . q(
	INSERT INTO t SELECT i, i FROM generate_series(1, 10) i;
	INSERT INTO child SELECT i, i, i FROM generate_series(1, 10) i;
	INSERT INTO p SELECT i, i FROM generate_series(90, 110) i;
	INSERT INTO late SELECT i, i FROM generate_series(1, 1000) i;
	CREATE PUBLICATION pub FOR TABLE t, p, child;
));
$subscriber->safe_psql('postgres', $ddl . join(' ', map { "SELECT arcache_enable('$_');" } @tables));

# A session that has all in the cache, and one with an old snapshot.
my $reader = session($subscriber);

sub cached
{
	my ($table) = @_;

	return "SELECT arcache_get_or_set('$table', 'SELECT count(*) AS n, sum(x) AS s FROM $table')";
}

sub uncached
{
	my ($table) = @_;

	return "SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT count(*) AS n, sum(x) AS s FROM $table) q";
}

sub all_equal
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @different = grep {
		$reader->query_safe('SELECT (' . cached($_) . ') = (' . uncached($_) . ')') ne 't'
	} @tables, 'p1', 'p2';

	is("@different", '', "$what: cached equals uncached");
	# And fill the cache for the next time.
	foreach my $table (@tables, 'p1', 'p2')
	{
		$reader->query_safe(cached($table)) foreach 1 .. 2;
	}
	return;
}

my @subscriptions = ('sub');

sub publish
{
	my ($sql, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $old = session($subscriber);
	my %before;

	$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
	$before{$_} = $old->query_safe(cached($_)) foreach @tables;
	$publisher->safe_psql('postgres', $sql);
	$publisher->wait_for_catchup($_) foreach @subscriptions;
	all_equal($what);
	my @changed = grep { $old->query_safe(cached($_)) ne $before{$_} } @tables;
	is("@changed", '', "$what: an old snapshot sees the old");
	$old->query_safe('COMMIT');
	$old->quit;
	return;
}

# -- initial synchronization ---------------------------------------------------

all_equal('empty');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sub CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION pub"
	  . ' WITH (two_phase = on)');
$subscriber->wait_for_subscription_sync($publisher, 'sub');
is($subscriber->safe_psql('postgres', 'SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM p), (SELECT count(*) FROM child)'),
	'10|21|10', 'the tables are there');
all_equal('initial synchronization');

# -- changes -------------------------------------------------------------------

my $hits = stat_of($subscriber, 'hits');
all_equal('nothing new');
cmp_ok(stat_of($subscriber, 'hits'), '>=', $hits + 6, 'the cache is used');

publish('INSERT INTO t VALUES (100, 100), (101, 101)', 'INSERT');
publish('UPDATE t SET x = x + 1', 'UPDATE');
publish('UPDATE t SET id = 1000 WHERE id = 100', 'UPDATE of the key');
publish('DELETE FROM t WHERE id = 1000', 'DELETE');
publish('DELETE FROM t WHERE id <= 3', 'DELETE that cascades');
publish('INSERT INTO p VALUES (1, 1), (150, 150)', 'INSERT into partitions');
publish('UPDATE p SET id = 199 WHERE id = 1', 'UPDATE to another partition');
publish('DELETE FROM p WHERE id = 199', 'DELETE from a partition');
publish('BEGIN; INSERT INTO t VALUES (200, 1); SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; UPDATE p SET x = 0; COMMIT',
	'a transaction of several');
publish("COPY t FROM PROGRAM 'echo 300,1; echo 301,2' WITH (FORMAT csv)", 'COPY');
publish("BEGIN; UPDATE t SET x = x + 5; PREPARE TRANSACTION 'p'", 'PREPARE TRANSACTION');
publish("COMMIT PREPARED 'p'", 'COMMIT PREPARED');

# TRUNCATE is not seen through snapshots, so an old one has nothing to keep.
foreach my $table ('p', 't, child')
{
	$publisher->safe_psql('postgres', "TRUNCATE $table");
	$publisher->wait_for_catchup('sub');
	all_equal("TRUNCATE $table");
}
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM t'), '0', 'it is empty');
publish('INSERT INTO t SELECT i, i FROM generate_series(1, 10) i', 'INSERT again');

# Many small ones, with reads in between.
my $log = $publisher->basedir . '/pgbench.log';
my $script = $publisher->basedir . '/write.sql';
append_to_file($script, q(
\set i random(1, 10)
UPDATE t SET x = x + 1 WHERE id = :i;
UPDATE p SET x = x + 1;
));
my $writer = start_program($publisher, $log, 'pgbench', '-n', '-t', 300, '-c', 2, '-f', $script, 'postgres');
my $different = 0;
my $reads = 0;
while (is_running($writer) || $reads < 20)
{
	$reads++;
	$different++
	  if $reader->query_safe('SELECT (' . cached('t') . ') = (' . uncached('t') . ') AND ('
		  . cached('p') . ') = (' . uncached('p') . ')') ne 't';
}
is(finish_program($writer), 0, 'changes while one reads');
is($different, 0, "cached equals uncached, $reads times");
$publisher->wait_for_catchup('sub');
all_equal('and afterwards');

# -- a table that comes later --------------------------------------------------

$publisher->safe_psql('postgres', 'CREATE PUBLICATION pub2');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sub2 CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION pub2");
$publisher->safe_psql('postgres', 'ALTER PUBLICATION pub2 ADD TABLE late');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION sub2 REFRESH PUBLICATION');
$subscriber->wait_for_subscription_sync($publisher, 'sub2');
push @subscriptions, 'sub2';
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM late'), '1000', 'a table that comes later');
all_equal('its synchronization');
publish('UPDATE late SET x = 0', 'its UPDATE');

# -- streamed and spilled ------------------------------------------------------

$publisher->append_conf('postgresql.conf', 'logical_decoding_work_mem = 64kB');
$publisher->reload;
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION sub2 SET (streaming = on)');
publish('INSERT INTO late SELECT i, i FROM generate_series(1001, 6000) i', 'a streamed transaction');
if ($subscriber->pg_version >= 16)
{
	$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION sub2 SET (streaming = parallel)');
	publish('INSERT INTO late SELECT i, i FROM generate_series(6001, 11000) i',
		'one applied in parallel');
}

# -- the subscriber writes as well ---------------------------------------------

$subscriber->safe_psql('postgres', 'INSERT INTO t VALUES (5000, 1)');
all_equal('a write of its own');
$subscriber->safe_psql('postgres', 'ALTER TABLE t DISABLE TRIGGER ALL');
$publisher->safe_psql('postgres', 'UPDATE t SET x = x + 1');
$publisher->wait_for_catchup('sub');
is($reader->query_safe('SELECT (' . cached('t') . ') = (' . uncached('t') . ')'), 't',
	'no longer tracked, it is not cached');

$reader->quit;
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION sub; DROP SUBSCRIPTION sub2; SELECT arcache_clear_all()');
check_memory($subscriber, 0, 'nothing is left');
log_is_clean($subscriber);
done_testing();
