# Sessions do random things to tracked tables, and read them through the cache;
# each read is compared with the same query uncached, in the same snapshot.
#
#   ARCACHE_SECONDS   how long (20)
#   ARCACHE_SEED      to begin the same again; the interleaving is not told
#
# pgbench is the engine: its scripts have one transaction each.  A difference
# raises, and so ends the client; so does arcache.debug_verify.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{ARCACHE_SECONDS} // 20;
my $seed = $ENV{ARCACHE_SEED} // int(rand(2**31));
my $clients = 8;
diag "seed $seed" if $ENV{ARCACHE_SEED};
note "seed $seed";

my $node = arcache_node('main', conf => q(
arcache.debug_verify = on
arcache.janitor_delay = '50ms'
max_prepared_transactions = 20
deadlock_timeout = '100ms'
# Should one be stuck, it is not for ever.
statement_timeout = '60s'
));

$node->safe_psql('postgres', q(
	CREATE TABLE a (id int PRIMARY KEY, x int);
	CREATE TABLE b (id int PRIMARY KEY, a_id int, x int);
	CREATE TABLE p (id int, x int) PARTITION BY RANGE (id);
	CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
	CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
	INSERT INTO a SELECT i, i FROM generate_series(1, 20) i;
	INSERT INTO b SELECT i, i % 20 + 1, i FROM generate_series(1, 60) i;
	INSERT INTO p SELECT i % 20, i FROM generate_series(1, 60) i;
	CREATE VIEW v AS SELECT a.id, count(b.*) AS n, sum(b.x) AS s FROM a LEFT JOIN b ON b.a_id = a.id GROUP BY a.id;
	CREATE MATERIALIZED VIEW m AS SELECT sum(x) AS s FROM a;
	SELECT arcache_enable('a'), arcache_enable('b'), arcache_enable('p');

	CREATE FUNCTION cascade() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		UPDATE p SET x = x + 1 WHERE id = NEW.id;
		RETURN NULL;
	END $$;
	CREATE TRIGGER cascade AFTER UPDATE ON b FOR EACH ROW WHEN (NEW.x % 7 = 0) EXECUTE FUNCTION cascade();

	CREATE FUNCTION query(i int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
		SELECT (ARRAY[
			'SELECT count(*) AS n, sum(x) AS s FROM a',
			'SELECT id, x FROM a WHERE id <= 3 ORDER BY id',
			'SELECT sum(n) AS n, sum(s) AS s FROM v',
			'SELECT count(*) AS n, sum(x) AS s FROM p',
			'SELECT sum(x) AS s FROM p WHERE id < 10',
			'SELECT sum(x) AS s FROM p2',
			'SELECT s FROM m',
			'SELECT (SELECT sum(x) FROM a) AS a, (SELECT sum(x) FROM b) AS b, (SELECT sum(x) FROM p) AS p',
			'SELECT 1 AS one'])[i] $$;

	-- Both in one statement, so in one snapshot.
	CREATE FUNCTION check_query(i int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		cached jsonb;
		uncached jsonb;
	BEGIN
		EXECUTE format('SELECT arcache_get_or_set($1, $2), (SELECT coalesce(jsonb_agg(to_jsonb(q)), ''[]'') FROM (%s) q)', query(i))
			INTO cached, uncached USING 'q' || i, query(i);
		IF cached IS DISTINCT FROM uncached THEN
			RAISE 'DIVERGENCE: % has % cached, % uncached', query(i), cached, uncached;
		END IF;
	END $$;

	-- The same for a key that two queries share, and for rows.
	CREATE FUNCTION check_rows(i int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		differ bigint;
	BEGIN
		SELECT count(*) INTO differ FROM (
			SELECT * FROM arcache_query('SELECT id, x FROM a') AS c (id int, x int)
			EXCEPT ALL SELECT id, x FROM a) d;
		IF differ > 0 OR (SELECT count(*) FROM arcache_query('SELECT id, x FROM a') AS c (id int, x int)) <>
			(SELECT count(*) FROM a) THEN
			RAISE 'DIVERGENCE: rows of a';
		END IF;
		IF arcache_get_or_set('shared', query(i % 3 + 1)) <>
			(SELECT CASE i % 3
			        WHEN 0 THEN (SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT count(*) AS n, sum(x) AS s FROM a) q)
			        WHEN 1 THEN (SELECT coalesce(jsonb_agg(to_jsonb(q)), '[]') FROM (SELECT id, x FROM a WHERE id <= 3 ORDER BY id) q)
			        ELSE (SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT sum(n) AS n, sum(s) AS s FROM v) q) END) THEN
			RAISE 'DIVERGENCE: shared key';
		END IF;
	END $$;

	-- A random write.  Two that insert the same row are no failure.
	CREATE FUNCTION change(kind int, i int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		CASE kind
		WHEN 0 THEN UPDATE a SET x = x + 1 WHERE id = i % 20 + 1;
		WHEN 1 THEN UPDATE b SET x = x + 1, a_id = (i + 7) % 20 + 1 WHERE id = i % 60 + 1;
		WHEN 2 THEN DELETE FROM b WHERE id = i % 60 + 1;
		WHEN 3 THEN INSERT INTO b VALUES (i % 60 + 1, i % 20 + 1, i) ON CONFLICT (id) DO UPDATE SET x = b.x + 1;
		WHEN 4 THEN UPDATE p SET id = (id + 5) % 20 WHERE id = i % 20;
		WHEN 5 THEN UPDATE p1 SET x = x + 1 WHERE id = i % 10;
		WHEN 6 THEN INSERT INTO a VALUES (i % 20 + 1, i) ON CONFLICT DO NOTHING;
		WHEN 7 THEN WITH d AS (DELETE FROM a WHERE id = i % 20 + 1 RETURNING *) INSERT INTO a SELECT id, x + 1 FROM d;
		WHEN 8 THEN MERGE INTO b USING (SELECT i % 60 + 1 AS id) s ON b.id = s.id
			WHEN MATCHED THEN UPDATE SET x = b.x + 2 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1, 1);
		WHEN 9 THEN UPDATE a SET x = x WHERE false;
		END CASE;
	EXCEPTION WHEN unique_violation THEN
		NULL;
	END $$;

	-- What needs a strong lock does not wait long for it: whoever has prepared
	-- a transaction would wait for its own end, which no deadlock check sees.
	CREATE FUNCTION try(statement text) RETURNS void LANGUAGE plpgsql SET lock_timeout = '20ms' AS $$
	BEGIN
		EXECUTE statement;
	EXCEPTION WHEN lock_not_available THEN
		NULL;
	END $$;
));

# Of who loses a race pgbench runs the transaction again.
my %scripts = (
	# READ COMMITTED reads, each with a snapshot of its own.
	read => [ 30, q(
\set i random(1, 9)
\set j random(1, 9)
SELECT check_query(:i);
SELECT check_query(:j);
SELECT check_rows(:i);
) ],
	# REPEATABLE READ: one snapshot for a while.
	snapshot => [ 12, q(
\set i random(1, 9)
\set j random(1, 9)
\set us random(0, 20000)
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT check_query(:i);
\sleep :us us
SELECT check_query(:i);
SELECT check_query(:j);
\sleep :us us
SELECT check_query(:i);
SELECT check_rows(:j);
COMMIT;
) ],
	write => [ 10, q(
\set k random(0, 9)
\set i random(1, 1000)
\set j random(1, 9)
SELECT change(:k, :i);
SELECT check_query(:j);
) ],
	# Reads of what one has written, and after its end.
	transaction => [ 10, q(
\set k random(0, 9)
\set l random(0, 9)
\set i random(1, 1000)
\set j random(1, 9)
\set end random(1, 4)
\set us random(0, 10000)
BEGIN;
SELECT check_query(:j);
SELECT change(:k, :i);
SELECT check_query(:j);
SAVEPOINT s;
SELECT change(:l, :i);
SELECT check_query(:j);
\sleep :us us
\if :end = 1
ROLLBACK TO s;
SELECT check_query(:j);
\elif :end = 2
RELEASE s;
SELECT check_query(:j);
\endif
\if :end = 3
ROLLBACK;
\else
COMMIT;
\endif
SELECT check_query(:j);
) ],
	repeatable => [ 6, q(
\set k random(0, 9)
\set i random(1, 1000)
\set j random(1, 9)
\set us random(0, 10000)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT check_query(:j);
\sleep :us us
SELECT change(:k, :i);
SELECT check_query(:j);
COMMIT;
SELECT check_query(:j);
) ],
	serializable => [ 1, q(
\set k random(0, 9)
\set i random(1, 1000)
\set j random(1, 9)
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT check_query(:j);
SELECT change(:k, :i);
SELECT check_query(:j);
COMMIT;
) ],
	# Prepared, and committed or rolled back by the same client, later.
	prepared => [ 5, q(
\set k random(0, 9)
\set i random(1, 1000)
\set j random(1, 9)
\set us random(0, 20000)
\set end random(1, 3)
BEGIN;
SELECT change(:k, :i);
PREPARE TRANSACTION 'p:client_id';
SELECT check_query(:j);
\sleep :us us
SELECT check_query(:j);
\if :end = 1
ROLLBACK PREPARED 'p:client_id';
\else
COMMIT PREPARED 'p:client_id';
\endif
SELECT check_query(:j);
) ],
	cache => [ 4, q(
\set i random(1, 9)
\set end random(1, 3)
BEGIN;
SELECT arcache_delete('q:i');
SELECT check_query(:i);
\if :end = 1
ROLLBACK;
\else
SELECT arcache_invalidate('a');
COMMIT;
\endif
SELECT check_query(:i);
) ],
	truncate => [ 1, q(
\set i random(1, 9)
\set end random(1, 2)
BEGIN;
SELECT try('TRUNCATE b; INSERT INTO b SELECT i, i % 20 + 1, i FROM generate_series(1, 60) i');
SELECT check_query(:i);
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT check_query(:i);
) ],
	ddl => [ 2, q(
\set i random(1, 9)
\set what random(1, 4)
\if :what = 1
SELECT try('REFRESH MATERIALIZED VIEW m');
\elif :what = 2
SELECT try('CREATE OR REPLACE VIEW v AS SELECT a.id, count(b.*) AS n, sum(b.x) + :i AS s FROM a LEFT JOIN b ON b.a_id = a.id GROUP BY a.id');
\elif :what = 3
BEGIN;
SELECT try('ALTER TABLE p ADD y int');
SELECT check_query(4);
ROLLBACK;
\else
BEGIN;
SELECT try('SELECT arcache_disable(''a''); SELECT arcache_enable(''a'')');
COMMIT;
\endif
SELECT check_query(:i);
) ]);

my @command = ('pgbench', '-n', '-c', $clients, '-j', 2, '-T', $seconds,
	"--random-seed=$seed", '--max-tries=1000', 'postgres');
foreach my $name (sort keys %scripts)
{
	my $file = $node->basedir . "/$name.sql";

	append_to_file($file, $scripts{$name}[1]);
	push @command, '-f', "$file\@$scripts{$name}[0]";
}

my $log = $node->basedir . '/pgbench.log';
my $program = start_program($node, $log, @command);
my $watcher = session($node);
my $bad = 0;
while (is_running($program))
{
	$bad++
	  if $watcher->query_safe('SELECT used + free + overhead = size FROM arcache_memory') ne 't';
	$watcher->query_safe('SELECT pg_sleep(0.2)');
}
is(finish_program($program), 0, 'pgbench is content');
my $errors = slurp_file("$log.err");
$errors =~ s/^pgbench(?: \(|: setting random seed).*\n//mg;
is($errors, '', 'no error');
is($bad, 0, 'the arena added up');

my ($hits, $misses, $audits, $failures, $own, $stale) =
  split /\|/, stat_of($node, 'hits, misses, audits, audit_failures, bypass_own_writes, rejected_stale_fill');
note slurp_file($log);
note "$hits hits, $misses misses, $own bypasses for own writes, $stale stale fills rejected";
cmp_ok($hits, '>', 50 * $seconds, "the cache was used: $hits hits, $misses misses");
cmp_ok($misses, '>', 10 * $seconds, 'and written to');
cmp_ok($audits, '>', 50 * $seconds, 'hits were verified');
is($failures, 0, 'all of them');
cmp_ok($own, '>', 0, 'own writes were met');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is left prepared');

value_is($node, "SELECT check_query($_)", '', "query $_ at the end") foreach 1 .. 9;
check_no_flight_locks($node, 'no lock is left');
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left');

$watcher->quit;
log_is_clean($node);
diag "seed $seed" unless Test::More->builder->is_passing;
done_testing();
