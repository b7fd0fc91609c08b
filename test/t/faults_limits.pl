# Where something runs short: the arena while results are stored, the table of
# locks, the size of what can be kept.  Reads give their results all the same.
# ARCACHE_ROUNDS=n makes the load on a full arena n times as long.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use ArcacheFaults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{ARCACHE_ROUNDS} // 1;
my $node = arcache_node('main', conf => q(
arcache.memory = '1MB'
arcache.debug_verify = on
arcache.janitor_delay = '20ms'
));
create_reads($node);

# -- a full arena ----------------------------------------------------------------

# Results of all sizes, a few of which fill it; each is compared with what the
# query gives without the cache, and some are written in between.
$node->safe_psql('postgres', q(
	CREATE TABLE n (id int PRIMARY KEY, word text);
	INSERT INTO n SELECT i, repeat('w', 80) FROM generate_series(1, 2000) i;
	SELECT arcache_enable('n');
	CREATE FUNCTION check_fill(upto int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		cached jsonb;
		plain jsonb;
	BEGIN
		cached := arcache_get_or_set('n' || upto, 'SELECT id, word FROM n WHERE id <= $1 ORDER BY id', params => ARRAY[upto::text]);
		IF jsonb_array_length(cached) <> upto OR cached -> (upto - 1) ->> 'id' <> upto::text THEN
			RAISE 'wrong result up to %', upto;
		END IF;
		IF (SELECT count(*) FROM arcache_query('SELECT id, word FROM n WHERE id <= ' || upto) AS r (id int, word text)) <> upto THEN
			RAISE 'wrong rows up to %', upto;
		END IF;
	END $$;
));
my $script = $node->basedir . '/fill.sql';
append_to_file($script, q(
\set upto random_exponential(1, 2000, 5)
\set id random(1, 20000)
SELECT check_fill(:upto);
SELECT arcache_row(NULL::n, least(:id, 2000)), wrong_reads();
UPDATE n SET word = repeat('u', 80) WHERE id = :id;
));
my $load = start_program($node, $node->basedir . '/fill.log',
	'pgbench', '-n', '-c', 4, '-j', 2, '-t', 150 * $rounds, '-f', $script, 'postgres');
is(finish_program($load), 0, 'a full arena: pgbench is content');
is(slurp_file($node->basedir . '/fill.log.err') =~ s/^pgbench .*\n//r, '', 'a full arena: no error');
is(stat_of($node, 'fills > 0 AND evictions > 0 AND rejected_oversize > 0'),
	't', 'a full arena: results were stored, evicted and refused');
check_memory($node, undef, 'a full arena: it adds up');
check_no_flight_locks($node, 'a full arena: no lock is left');
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'a full arena: nothing is left');

# All of it is held by a transaction that has set values and goes on.
my $holder = session($node);
my $reader = session($node);
$holder->query_safe('BEGIN');
$holder->query_safe(q(SELECT count(arcache_set('h' || i, to_jsonb(repeat('h', 1000)))) FROM generate_series(1, 2000) i));
is($reader->query_safe('SELECT wrong_reads()'), '', 'half the arena held by a transaction: reads are right');
is($reader->query_safe('SELECT check_fill(1000), check_fill(2000)'), '|', 'and large ones, too');
$holder->query_safe('ROLLBACK');
$holder->quit;

# -- large results -----------------------------------------------------------------

is( $reader->query_safe(
		q(SELECT count(*), sum(length(w)) FROM arcache_query('SELECT repeat(word, 7000000) FROM item WHERE id <= 2') AS r (w text))),
	'2|42000000', 'rows that are larger than all memory of the cache');
is( $reader->query_safe(
		q(SELECT sum(length(e ->> 'w')) FROM jsonb_array_elements(arcache_get_or_set('large', 'SELECT repeat(word, 7000000) AS w FROM item WHERE id <= 2')) e)),
	'42000000', 'the same as jsonb');
is( $reader->query_safe(
		q(SET arcache.max_value_size = '1GB';
		SELECT sum(length(w)) FROM arcache_query('SELECT repeat(word, 7000000) FROM item WHERE id <= 2') AS r (w text);
		RESET arcache.max_value_size)),
	'42000000', 'and when the limit allows them, which memory does not');
check_reads($reader, 'after large results');
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'large results: nothing is left');
$reader->quit;
log_is_clean($node);
$node->stop;

# -- the table of locks -------------------------------------------------------------

my $small = arcache_node('small', conf => q(
max_connections = 20
max_prepared_transactions = 2
max_locks_per_transaction = 10
wal_level = replica
));
create_reads($small);
$small->safe_psql('postgres', q(
	CREATE TABLE wide (id int PRIMARY KEY) PARTITION BY RANGE (id);
	DO $$
	BEGIN
		FOR i IN 0 .. 59 LOOP
			EXECUTE format('CREATE TABLE wide%s PARTITION OF wide FOR VALUES FROM (%s) TO (%s)', i, i, i + 1);
		END LOOP;
	END $$;
	INSERT INTO wide SELECT generate_series(0, 59);
	SELECT arcache_enable('wide');
	CREATE FUNCTION hog() RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		n int := 0;
	BEGIN
		LOOP
			BEGIN
				PERFORM pg_advisory_lock(1000 + n);
				n := n + 1;
			EXCEPTION WHEN out_of_memory THEN
				RETURN n;
			END;
		END LOOP;
	END $$;
	CREATE FUNCTION lock_is_refused() RETURNS bool LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock(1);
		RETURN false;
	EXCEPTION WHEN out_of_memory THEN
		RETURN true;
	END $$;
));
my $wide = q(SELECT arcache_get_or_set('wide', 'SELECT count(*) FROM wide'));
my @sessions = map { session($small) } 1 .. 3;
my $hog = session($small);

# Sessions have been through all once, so that their catalog caches are warm; what
# they read then is gone.
$_->query_safe('SELECT wrong_reads()') foreach @sessions;
$sessions[2]->query_safe($wide);
$small->safe_psql('postgres', 'UPDATE item SET word = word; UPDATE note SET word = word; UPDATE bin SET word = word; UPDATE part SET word = word');

# (A transaction's id is a lock as well.)
$sessions[2]->query_safe("BEGIN; UPDATE item SET word = 'new' WHERE id = 1");
cmp_ok($hog->query_safe('SELECT hog()'), '>', 100, 'one session takes all locks there are');
is($sessions[0]->query_safe('SELECT lock_is_refused()'), 't', 'no lock can be had');
foreach my $session (@sessions[ 0, 1 ])
{
	is($session->query_safe('SELECT wrong_reads()'), '', 'without locks: reads are right');
	is($session->query_safe($wide), '[{"count": 60}]', 'what is cached needs none, however many tables it reads');
}
is($sessions[0]->query_safe(q(SELECT arcache_set('k', '1'), arcache_get('k'))), 't|1', 'without locks: values are set');
$sessions[2]->query_safe("UPDATE bin SET word = 'new'; UPDATE note SET word = 'new' WHERE item = 1");
is($sessions[0]->query_safe('SELECT lock_is_refused()'), 't', 'still no lock can be had');
$sessions[2]->query_safe('COMMIT');
is($sessions[1]->query_safe('SELECT wrong_reads()'), '', 'without locks: a commit is seen');
is($sessions[1]->query_safe('SELECT word FROM bin WHERE id = 1'), 'new', 'and there was one');
$hog->quit;

# One that takes them by what it does to the cache.
my $keys = $sessions[0]->query_safe(q(BEGIN;
	SELECT count(*) FROM generate_series(1, 5000) i WHERE arcache_set('a' || i, '1', if_absent => true)));
cmp_ok($keys, '>', 100, "$keys of 5000 keys that are absent are set, which holds a lock each");
is($sessions[1]->query_safe('SELECT wrong_reads()'), '', 'meanwhile others read');
$sessions[0]->query_safe('COMMIT');
is($sessions[1]->query_safe(q(SELECT count(*) FROM arcache_keys('a*'))), $keys, 'that many are there');
check_no_flight_locks($small, 'no lock is left');
check_reads($_, 'with locks again') foreach @sessions;
is($sessions[1]->query_safe('SELECT count(*) FROM generate_series(1, 3000) i WHERE arcache_get_or_set($$f$$ || i, $$SELECT $$ || i || $$ FROM item$$) IS NULL'),
	'0', 'a transaction that fills 3000 keys holds no lock of them');
$_->quit foreach @sessions;
$small->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($small, 0, 'locks: nothing is left');
# Those that are refused say so on their own.
log_is_clean($small, allow => qr/WARNING:  out of shared memory/);
done_testing();
