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
max_worker_processes = 20
max_logical_replication_workers = 12
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

# -- key by key ------------------------------------------------------------------

# Row triggers fire in the workers, statement triggers do not.  "r" is published
# through its root: the worker finds the partition of each row, and moves rows.
my $ddl_keys = q(
	CREATE TABLE o (id int PRIMARY KEY, user_id int, x int);
	CREATE TABLE r (id int, user_id int, x int, PRIMARY KEY (id, user_id)) PARTITION BY RANGE (user_id);
	CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (0) TO (5);
	CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (5) TO (100);
);
$publisher->safe_psql('postgres', $ddl_keys . q(
	INSERT INTO o SELECT i, i % 10, i FROM generate_series(1, 30) i;
	INSERT INTO r SELECT i, i % 10, i FROM generate_series(1, 30) i;
	CREATE PUBLICATION keys FOR TABLE o, r WITH (publish_via_partition_root = true);
));

# What the triggers in the worker see: through the cache and without it.
$subscriber->safe_psql('postgres', $ddl_keys . q(
	CREATE TABLE seen (id int, at text, cached text, uncached text);
	CREATE TABLE audit (user_id int, n int);
	CREATE INDEX ON audit (user_id);
	SELECT arcache_enable('o', keys => '{id,user_id}'), arcache_enable('r', keys => '{user_id}'),
		arcache_enable('audit', keys => '{user_id}');
	CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
	DECLARE
		q text := 'SELECT id, x FROM o WHERE user_id = ' || NEW.user_id || ' ORDER BY id';
	BEGIN
		INSERT INTO seen SELECT NEW.id, TG_WHEN, arcache_get_or_set('user ' || NEW.user_id, q),
			(SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'x', x) ORDER BY id), '[]') FROM o WHERE user_id = NEW.user_id);
		IF TG_WHEN = 'AFTER' THEN
			INSERT INTO audit VALUES (NEW.user_id, NEW.x);
			IF NEW.id = 30 THEN
				PERFORM pg_advisory_lock_shared(815);
				PERFORM pg_advisory_unlock_shared(815);
			END IF;
		END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER a_spy BEFORE INSERT OR UPDATE ON o FOR EACH ROW EXECUTE FUNCTION spy();
	CREATE TRIGGER z_spy AFTER INSERT OR UPDATE ON o FOR EACH ROW EXECUTE FUNCTION spy();
	ALTER TABLE o ENABLE ALWAYS TRIGGER a_spy, ENABLE ALWAYS TRIGGER z_spy;
));
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION keys CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION keys"
	  . ' WITH (two_phase = on)');
$subscriber->wait_for_subscription_sync($publisher, 'keys');

# The queries of users 0 .. 9, by their key in the cache.
sub user_queries
{
	my %queries;

	foreach my $user (0 .. 9)
	{
		$queries{"user $user"} = "SELECT id, x FROM o WHERE user_id = $user ORDER BY id";
		$queries{"r $user"} = "SELECT id, x FROM r WHERE user_id = $user ORDER BY id";
		$queries{"audit $user"} = "SELECT count(*) AS n, sum(n) AS s FROM audit WHERE user_id = $user";
	}
	return \%queries;
}

# Read all of them, in the session, and say which were not in the cache.  Each
# must be what the query returns in the same snapshot.
sub read_users
{
	my ($session, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $queries = user_queries();
	my (@missed, @different);

	foreach my $key (sort keys %$queries)
	{
		my $before = $session->query_safe('SELECT hits FROM arcache_stats');
		my $equal = $session->query_safe(
			"SELECT arcache_get_or_set('$key', '$queries->{$key}') ="
			  . " (SELECT coalesce(jsonb_agg(to_jsonb(q)), '[]') FROM ($queries->{$key}) q)");

		push @different, $key if $equal ne 't';
		push @missed, $key if $session->query_safe('SELECT hits FROM arcache_stats') == $before;
	}
	is("@different", '', "$what: cached equals uncached");
	return "@missed";
}

# Publish a change, and see that it ends what it should and nothing else.
sub publish_keys
{
	my ($sql, $expected, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$publisher->safe_psql('postgres', $sql);
	$publisher->wait_for_catchup('keys');
	is(read_users($reader, $what), $expected, "$what: ends what it changes");
	return;
}

read_users($reader, 'keys, initial synchronization');
is(read_users($reader, 'nothing new'), '', 'all are in the cache');
publish_keys('UPDATE o SET x = x + 1 WHERE id = 3', 'audit 3 user 3', 'UPDATE of a row');
publish_keys('UPDATE o SET user_id = 4 WHERE id = 3', 'audit 4 user 3 user 4', 'UPDATE of the key');
publish_keys('INSERT INTO o VALUES (100, 7, 1)', 'audit 7 user 7', 'INSERT');
publish_keys('DELETE FROM o WHERE id = 100', 'user 7', 'DELETE');
publish_keys('UPDATE r SET x = x + 1 WHERE id = 2', 'r 2', 'UPDATE of a row in a partition');
publish_keys('UPDATE r SET user_id = 9 WHERE id = 2', 'r 2 r 9', 'UPDATE to another partition');
publish_keys('DELETE FROM r WHERE id = 2', 'r 9', 'DELETE of a row in a partition');
publish_keys('BEGIN; UPDATE o SET x = x + 1 WHERE id = 1; SAVEPOINT s; UPDATE o SET x = x + 1 WHERE id = 2;'
	  . ' ROLLBACK TO s; UPDATE r SET x = x + 1 WHERE id = 1; COMMIT',
	'audit 1 r 1 user 1', 'a transaction of several, key by key');
publish_keys("BEGIN; UPDATE o SET x = x + 1 WHERE id = 5; PREPARE TRANSACTION 'k'", '', 'PREPARE TRANSACTION, key by key');
publish_keys("COMMIT PREPARED 'k'", 'audit 5 user 5', 'COMMIT PREPARED, key by key');

# In mid-transaction the worker has looked at what it has changed and not
# committed: nobody else may see that, nor may it have spoilt what they see.
my $keeper = session($subscriber);
my $old = session($subscriber);
$keeper->query_safe('SELECT pg_advisory_lock(815)');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
read_users($old, 'an old snapshot');
$publisher->safe_psql('postgres',
	'BEGIN; UPDATE o SET x = x + 1000 WHERE user_id IN (6, 8); UPDATE o SET x = 1000 WHERE id = 30; COMMIT');
$subscriber->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 815 AND NOT granted")
  or die 'the worker does not come to the gate';
is(read_users($reader, 'in the middle of a transaction'), '', 'nothing of it is to be seen');
$keeper->query_safe('SELECT arcache_delete(VARIADIC array_agg(k)) FROM unnest(ARRAY[6, 8]) u, LATERAL (SELECT $$user $$ || u AS k) l');
is(read_users($reader, 'filled in the middle of a transaction'), 'user 6 user 8', 'what one deletes is computed');
$keeper->query_safe('SELECT pg_advisory_unlock(815)');
$publisher->wait_for_catchup('keys');
is(read_users($old, 'an old snapshot, later'), '', 'it is served what it saw');
is(read_users($reader, 'at the end of the transaction'), 'audit 0 audit 6 audit 8 user 0 user 6 user 8',
	'all of it is to be seen');
$old->query_safe('COMMIT');
is($subscriber->safe_psql('postgres', 'SELECT count(*) > 20, count(*) FILTER (WHERE cached IS DISTINCT FROM uncached) FROM seen'),
	't|0', 'the triggers in the worker saw what there was');

# More rows than are told one by one.
my $all = join(' ', sort map { ("audit $_", "user $_") } 0 .. 9);
$subscriber->append_conf('postgresql.conf', 'arcache.max_key_tokens = 10');
$subscriber->reload;
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION keys DISABLE');
$subscriber->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_subscription WHERE subname = 'keys' AND pid IS NOT NULL");
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION keys ENABLE');
publish_keys('UPDATE o SET x = x + 1', $all, 'more keys than are told one by one');
$keeper->quit;
$old->quit;

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
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION sub; DROP SUBSCRIPTION sub2; DROP SUBSCRIPTION keys; SELECT arcache_clear_all()');
check_memory($subscriber, 0, 'nothing is left');
# Workers of some minor releases (15.18 and 18.6 are such, 15.20 is not) say this of
# a partition that is published through its root and has any AFTER ROW trigger,
# with or without arcache.
log_is_clean($subscriber,
	allow => qr/resource was not closed: relation "r[12]"|relcache reference leak: relation "r[12]" not closed/);
done_testing();
