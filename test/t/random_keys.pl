# Sessions do random things to tables that are tracked key by key, and read them
# through the cache; each read is compared with the same query uncached, in the
# same snapshot, by the test and by arcache.debug_verify.  See RandomTest.pm;
# by default there are 200,000 reads in at least 50 seconds.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RandomTest;
use Test::More;

my $test = RandomTest->new(seconds => 50, reads => 200_000,
	conf => q(
arcache.debug_verify = on
# Some transactions are to escalate.
arcache.max_key_tokens = 40
),
	kinds => [ 'query', 'rows' ],
	schema => q(
	CREATE TABLE users (id int PRIMARY KEY, name int DEFAULT 0);
	CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE,
		status int DEFAULT 0, amount numeric DEFAULT 0);
	CREATE INDEX ON orders (user_id);
	CREATE TABLE notes (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE SET NULL, n int DEFAULT 0);
	CREATE TABLE gifts (id int PRIMARY KEY, payer int REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE,
		receiver int REFERENCES users ON DELETE SET NULL ON UPDATE CASCADE);
	CREATE TABLE log (user_id bigint, n int DEFAULT 0);
	CREATE INDEX ON log (user_id);
	CREATE TABLE pairs (n int DEFAULT 0, b int, a text, PRIMARY KEY (a, b));
	-- Partitions, of which one is divided again and one has other columns.
	CREATE TABLE p (id int, user_id int, region text, n int) PARTITION BY LIST (region);
	CREATE TABLE pa PARTITION OF p FOR VALUES IN ('a');
	CREATE TABLE pb (n int, junk int, region text, user_id int, id int);
	ALTER TABLE pb DROP junk;
	ALTER TABLE p ATTACH PARTITION pb FOR VALUES IN ('b');
	CREATE TABLE pc PARTITION OF p FOR VALUES IN ('c') PARTITION BY RANGE (user_id);
	CREATE TABLE pc1 PARTITION OF pc FOR VALUES FROM (MINVALUE) TO (20);
	CREATE TABLE pc2 PARTITION OF pc FOR VALUES FROM (20) TO (MAXVALUE);
	CREATE TABLE a (id int, user_id int, n int DEFAULT 0);
	CREATE TABLE b (more int, CHECK (id >= 100)) INHERITS (a);

	INSERT INTO users SELECT generate_series(1, 40);
	INSERT INTO orders SELECT i, i % 40 + 1, i % 3, i FROM generate_series(1, 200) i;
	INSERT INTO notes SELECT i, nullif(i % 200, 0) FROM generate_series(1, 100) i;
	INSERT INTO gifts SELECT i, i % 40 + 1, i % 37 + 1 FROM generate_series(1, 100) i;
	INSERT INTO log SELECT i % 40 + 1 FROM generate_series(1, 100) i;
	INSERT INTO pairs SELECT i, i % 25, substr('abc', i % 3 + 1, 1) FROM generate_series(1, 50) i;
	INSERT INTO p SELECT i, i % 40 + 1, substr('abc', i % 3 + 1, 1), i FROM generate_series(1, 150) i;
	INSERT INTO a SELECT i, i % 40 + 1 FROM generate_series(1, 50) i;
	INSERT INTO b SELECT i, i % 40 + 1 FROM generate_series(101, 150) i;
	CREATE FUNCTION enable_all() RETURNS void LANGUAGE sql AS $$
		SELECT arcache_enable('users'), arcache_enable('gifts'), arcache_enable('notes'), arcache_enable('pairs'),
			arcache_enable('orders', keys => '{id,user_id,"user_id,status"}'),
			arcache_enable('log', keys => '{user_id}'),
			arcache_enable('p', keys => '{user_id,"region,user_id",id}'),
			arcache_enable('a', keys => '{user_id,id}');
	$$;
	SELECT enable_all();
	SELECT arcache_has_many('users', 'orders', 'orders'), arcache_belongs_to('orders', 'owner', 'users'),
		arcache_has_many('orders', 'notes', 'notes');

	-- What is read.  Numbers for parameters are small: users, orders, whatever.
	CREATE TABLE queries (n int PRIMARY KEY, params int, query text);
	INSERT INTO queries SELECT ordinality, CASE WHEN query ~ '\$2' THEN 2 WHEN query ~ '\$1' THEN 1 ELSE 0 END, query
		FROM unnest(ARRAY[
			'SELECT id, status, amount FROM orders WHERE user_id = $1 ORDER BY id',
			'SELECT user_id, status, amount FROM orders WHERE id = $1',
			'SELECT id, amount FROM orders WHERE status = $2 % 3 AND user_id = $1 ORDER BY id',
			'SELECT count(*) AS n, sum(amount) AS s FROM orders WHERE user_id IN ($1, $2)',
			'SELECT id, amount FROM orders WHERE user_id = $1 OR id = $2 ORDER BY id',
			'SELECT u.name, o.id, o.amount FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = $1 ORDER BY o.id',
			'SELECT u.name, count(o.id) AS n, sum(o.amount) AS s FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.id = $1 GROUP BY u.name',
			'SELECT u.name FROM users u WHERE u.id = $1 AND NOT EXISTS (SELECT FROM orders o WHERE o.user_id = u.id AND o.status = 1)',
			'SELECT u.id, u.name FROM users u LEFT JOIN orders o ON o.user_id = u.id AND o.user_id = $1 WHERE o.amount > $2 OR u.id = $1 ORDER BY u.id, u.name LIMIT 5',
			'SELECT id, n FROM notes WHERE order_id = $1 ORDER BY id',
			'SELECT count(*) AS n FROM notes WHERE order_id IS NULL',
			'SELECT o.user_id, n.n FROM orders o JOIN notes n ON n.order_id = o.id WHERE o.id = $1 ORDER BY n.n',
			'SELECT id, receiver FROM gifts WHERE payer = $1 ORDER BY id',
			'SELECT id, payer FROM gifts WHERE receiver = $1 UNION ALL SELECT id, payer FROM gifts WHERE payer = $2 ORDER BY id, payer',
			'SELECT count(*) AS n, sum(n) AS s FROM log WHERE user_id = $1',
			'SELECT id, region, n FROM p WHERE user_id = $1 ORDER BY id, region, n',
			'SELECT id, n FROM p WHERE user_id = $1 AND region = ''b'' ORDER BY id, n',
			'SELECT id, n FROM p WHERE user_id = $1 AND region IN (''a'', ''c'') ORDER BY id, n',
			'SELECT user_id, region, n FROM p WHERE id = $1 ORDER BY user_id, region, n',
			'SELECT id, n FROM pb WHERE user_id = $1 ORDER BY id, n',
			'SELECT id, n FROM pc WHERE user_id = $1 ORDER BY id, n',
			'SELECT id, n FROM a WHERE user_id = $1 ORDER BY id, n',
			'SELECT user_id, n FROM b WHERE id = $1 + 80 ORDER BY user_id, n',
			'SELECT count(*) AS n FROM ONLY a WHERE user_id = $1',
			'SELECT o.id, p.n, a.n AS m FROM orders o JOIN p ON p.user_id = o.user_id JOIN a ON a.user_id = p.user_id WHERE o.user_id = $1 ORDER BY 1, 2, 3',
			'SELECT (SELECT sum(amount) FROM orders WHERE user_id = $1) AS o, (SELECT sum(n) FROM p WHERE user_id = $2) AS p',
			'SELECT count(*) AS n, sum(amount) AS s FROM orders',
			'SELECT count(*) AS n, sum(n) AS s FROM p',
			'SELECT sum(n) AS s FROM pc2',
			'SELECT count(*) AS n, sum(n) AS s FROM a']) WITH ORDINALITY AS q (query, ordinality);

	-- Read a query for several keys at once: all in one statement, so in one
	-- snapshot, cached and uncached.
	CREATE FUNCTION check_query(q int, s int, count int DEFAULT 8) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		t queries;
		bad record;
	BEGIN
		SELECT * INTO t FROM queries WHERE n = q;
		EXECUTE format('SELECT * FROM (SELECT k.x, k.y,'
			' arcache_get_or_set(NULL, %L, params => (ARRAY[k.x::text, k.y::text])[1:%s]) AS cached,'
			' (SELECT coalesce(jsonb_agg(to_jsonb(r)), ''[]'') FROM (%s) r) AS uncached'
			' FROM (SELECT ($1 + i * 7) %% 44 AS x, ($1 * 3 + i) %% 50 AS y FROM generate_series(1, $2) i OFFSET 0) k OFFSET 0) c'
			' WHERE cached IS DISTINCT FROM uncached',
			t.query, t.params, replace(replace(t.query, '$1', 'k.x'), '$2', 'k.y'))
			INTO bad USING s, CASE t.params WHEN 0 THEN 1 ELSE count END;
		IF bad.x IS NOT NULL THEN
			PERFORM diverges('query', format('"%s" of (%s, %s)', t.query, bad.x, bad.y), bad.cached::text, bad.uncached::text);
		END IF;
	END $$;

	-- The same by rows: of queries, by primary key, by relationship.
	CREATE FUNCTION check_rows(s int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		keys int[] := ARRAY(SELECT (s + k * 7) % 44 FROM generate_series(1, 6) k);
		bad record;
	BEGIN
		SELECT * INTO bad FROM (
			SELECT 'rows of a query' AS what, k,
				(SELECT array_agg((id, amount)::text) FROM arcache_query(
					'SELECT id, amount FROM orders WHERE user_id = $1 ORDER BY id', params => ARRAY[(k % 44)::text]) AS c (id int, amount numeric)) AS cached,
				(SELECT array_agg((id, amount)::text ORDER BY id) FROM orders WHERE user_id = k % 44) AS uncached
			FROM generate_series(s, s + 4) k
			UNION ALL SELECT 'a row', k,
				ARRAY[arcache_row(NULL::orders, k % 205)::text],
				ARRAY[(SELECT o::text FROM orders o WHERE id = k % 205)]
			FROM generate_series(s, s + 4) k
			UNION ALL SELECT 'a row by two columns', k,
				ARRAY[arcache_row(NULL::pairs, substr('abc', k % 3 + 1, 1), k % 25)::text],
				ARRAY[(SELECT p::text FROM pairs p WHERE a = substr('abc', k % 3 + 1, 1) AND b = k % 25)]
			FROM generate_series(s, s + 4) k
			UNION ALL SELECT 'rows by key', s,
				(SELECT array_agg(u::text) FROM arcache_rows(NULL::users, keys) u),
				(SELECT array_agg(u::text ORDER BY ord) FROM unnest(keys) WITH ORDINALITY k (id, ord) JOIN users u USING (id))
			UNION ALL SELECT 'the rows of a parent', k,
				(SELECT array_agg(o::text) FROM arcache_related(NULL::orders, 'users', 'orders', k % 44) o),
				(SELECT array_agg(o::text ORDER BY id) FROM orders o WHERE user_id = k % 44)
			FROM generate_series(s, s + 4) k
			UNION ALL SELECT 'the parent of a row', k,
				(SELECT array_agg(u::text) FROM arcache_related(NULL::users, 'orders', 'owner', k % 205) u),
				(SELECT array_agg(u::text) FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = k % 205)
			FROM generate_series(s, s + 4) k
			UNION ALL SELECT 'the rows of many parents', s,
				(SELECT array_agg(o::text) FROM arcache_related_many(NULL::orders, 'users', 'orders', keys) o),
				(SELECT array_agg(o::text ORDER BY ord, o.id) FROM unnest(keys) WITH ORDINALITY k (id, ord) JOIN orders o ON o.user_id = k.id)
			UNION ALL SELECT 'the notes of many orders', s,
				(SELECT array_agg(o::text) FROM arcache_related_many(NULL::notes, 'orders', 'notes', keys) o),
				(SELECT array_agg(o::text ORDER BY ord, o.id) FROM unnest(keys) WITH ORDINALITY k (id, ord) JOIN notes o ON o.order_id = k.id)
			OFFSET 0) c
			WHERE cached IS DISTINCT FROM uncached;
		IF bad.what IS NOT NULL THEN
			PERFORM diverges('rows', format('%s (%s)', bad.what, bad.k), bad.cached::text, bad.uncached::text);
		END IF;
	EXCEPTION WHEN cardinality_violation THEN
		IF is_sound() THEN
			RAISE;
		END IF;
		PERFORM nextval('unsound');
	END $$;

	-- Many queries: a snapshot each in READ COMMITTED, one in REPEATABLE READ.
	CREATE FUNCTION check_many(s int, count int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..count LOOP
			PERFORM check_query((s + i * 11) % 30 + 1, s + i);
		END LOOP;
		PERFORM check_rows(s);
	END $$;

	-- A random write.  Two that insert the same row are no failure.
	CREATE FUNCTION change(kind int, i int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		u int := i % 40 + 1;
		o int := i % 200 + 1;
		place text := substr('abc', i % 3 + 1, 1);
	BEGIN
		CASE kind
		WHEN 0 THEN UPDATE orders SET amount = amount + 1 WHERE id = o;
		WHEN 1 THEN UPDATE orders SET user_id = (i * 7) % 40 + 1 WHERE id = o;
		WHEN 2 THEN UPDATE orders SET status = (status + 1) % 3, amount = round(amount, i % 3) WHERE user_id = u;
		WHEN 3 THEN DELETE FROM orders WHERE id = o;
		WHEN 4 THEN INSERT INTO orders VALUES (o, u, i % 3, i)
			ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, amount = orders.amount + 1;
		WHEN 5 THEN MERGE INTO orders USING (SELECT o + s AS id, s FROM generate_series(0, 2) s) m ON orders.id = m.id
			WHEN MATCHED AND m.s = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = amount + 2
			WHEN NOT MATCHED THEN INSERT VALUES (m.id, u);
		WHEN 6 THEN DELETE FROM users WHERE id = u;
		WHEN 7 THEN INSERT INTO users VALUES (u, i) ON CONFLICT (id) DO UPDATE SET name = excluded.name;
		WHEN 8 THEN UPDATE users SET id = id + 100 WHERE id = u; UPDATE users SET id = id - 100 WHERE id = u + 100;
		WHEN 9 THEN INSERT INTO notes VALUES (i % 100, o) ON CONFLICT (id) DO UPDATE SET order_id = excluded.order_id, n = notes.n + 1;
		WHEN 10 THEN UPDATE notes SET n = n + 1 WHERE order_id IS NULL AND id % 7 = i % 7;
		WHEN 11 THEN INSERT INTO gifts VALUES (i % 100, u, (i * 3) % 40 + 1) ON CONFLICT (id) DO UPDATE SET payer = excluded.payer, receiver = excluded.receiver;
		WHEN 12 THEN INSERT INTO log SELECT s % 44 FROM generate_series(i, i + i % 12) s;
		WHEN 13 THEN DELETE FROM log WHERE user_id = u;
		WHEN 14 THEN UPDATE p SET region = substr('bca', i % 3 + 1, 1), n = n + 1 WHERE user_id = u AND region = place;
		WHEN 15 THEN UPDATE p SET user_id = (user_id + 7) % 40, n = n + 1 WHERE id = i % 150;
		WHEN 16 THEN INSERT INTO p VALUES (i % 150, u, place, i);
		WHEN 17 THEN DELETE FROM p WHERE id = i % 150;
		WHEN 18 THEN UPDATE pb SET user_id = u, n = n + 1 WHERE id % 30 = i % 30;
		WHEN 19 THEN INSERT INTO pc2 VALUES (i % 150, 20 + i % 20, 'c', i);
		WHEN 20 THEN UPDATE pc SET user_id = (user_id + 15) % 40 WHERE id = i % 150;
		WHEN 21 THEN UPDATE a SET user_id = (i * 3) % 40 + 1 WHERE user_id = u;
		WHEN 22 THEN UPDATE ONLY a SET n = n + 1 WHERE id = i % 50;
		WHEN 23 THEN UPDATE b SET n = n + 1 WHERE id = i % 50 + 101;
		WHEN 24 THEN WITH d AS (DELETE FROM a WHERE id = i % 150 RETURNING *) INSERT INTO a SELECT id, u, n + 1 FROM d WHERE id < 100
			UNION ALL SELECT id - 100, user_id, n FROM d WHERE id >= 100;
		WHEN 25 THEN UPDATE orders SET amount = amount WHERE false;
		WHEN 26 THEN INSERT INTO pairs VALUES (i, i % 25, place) ON CONFLICT (a, b) DO UPDATE SET b = (pairs.b + 1) % 25;
		WHEN 27 THEN DELETE FROM pairs WHERE b = i % 25 AND a = place;
		END CASE;
	EXCEPTION WHEN unique_violation OR foreign_key_violation THEN
		NULL;
	END $$;
	-- In the middle of statements that write, before their keys are told.
	CREATE FUNCTION peep() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF OLD.id % 3 = 0 THEN
			-- Its first key is this user.
			PERFORM check_query(CASE TG_TABLE_NAME WHEN 'orders' THEN 1 WHEN 'gifts' THEN 13 ELSE 16 END,
				CASE TG_TABLE_NAME WHEN 'gifts' THEN (to_jsonb(OLD)->>'payer')::int ELSE (to_jsonb(OLD)->>'user_id')::int END + 37, 1);
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER "A peep" AFTER UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION peep();
	CREATE TRIGGER "A peep" AFTER UPDATE OR DELETE ON gifts FOR EACH ROW EXECUTE FUNCTION peep();
	CREATE TRIGGER "A peep" AFTER UPDATE OR DELETE ON p FOR EACH ROW EXECUTE FUNCTION peep();
	CREATE FUNCTION change_as_replica(i int) RETURNS void LANGUAGE plpgsql SET session_replication_role = replica AS $$
	BEGIN
		UPDATE orders SET amount = amount + 1 WHERE id = i % 200;
		UPDATE p SET n = n + 1 WHERE user_id = i % 40;
	END $$;
));

# Of who loses a race pgbench runs the transaction again.
my %scripts = (
	# READ COMMITTED reads, each with a snapshot of its own.
	read => [ 30, q(
\set s random(1, 1000000)
SELECT check_many(:s, 12);
) ],
	# REPEATABLE READ: one snapshot for a while.
	snapshot => [ 20, q(
\set s random(1, 1000000)
\set us random(0, 20000)
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT check_many(:s, 6);
\sleep :us us
SELECT check_many(:s, 6);
\sleep :us us
SELECT check_many(:s, 6);
COMMIT;
) ],
	write => [ 50, q(
\set k random(0, 27)
\set i random(1, 1000)
\set s random(1, 1000000)
SELECT change(:k, :i);
SELECT check_many(:s, 3);
) ],
	# Reads of what one has written, and after its end.
	transaction => [ 30, q(
\set k random(0, 27)
\set l random(0, 27)
\set m random(0, 27)
\set i random(1, 1000)
\set s random(1, 1000000)
\set end random(1, 4)
\set us random(0, 10000)
BEGIN;
SELECT check_many(:s, 2);
SELECT change(:k, :i);
SELECT check_many(:s, 3);
SAVEPOINT s;
SELECT change(:l, :i + 1);
SELECT check_many(:s, 3);
\sleep :us us
\if :end = 1
ROLLBACK TO s;
SELECT check_many(:s, 3);
\elif :end = 2
RELEASE s;
SELECT check_many(:s, 3);
\endif
SELECT change(:m, :i + 2);
SELECT check_many(:s, 3);
\if :end = 3
ROLLBACK;
\else
COMMIT;
\endif
SELECT check_many(:s, 3);
) ],
	repeatable => [ 10, q(
\set k random(0, 27)
\set i random(1, 1000)
\set s random(1, 1000000)
\set us random(0, 10000)
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT check_many(:s, 3);
\sleep :us us
SELECT change(:k, :i);
SELECT check_many(:s, 6);
COMMIT;
SELECT check_many(:s, 3);
) ],
	serializable => [ 1, q(
\set k random(0, 27)
\set i random(1, 1000)
\set s random(1, 1000000)
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT change(:k, :i);
SELECT check_many(:s, 1);
COMMIT;
) ],
	# More keys than are told one by one: at once, by and by, in a savepoint.
	many => [ 8, q(
\set k random(0, 27)
\set i random(1, 1000)
\set s random(1, 1000000)
\set how random(1, 4)
\set end random(1, 3)
BEGIN;
SELECT change(:k, :i);
SELECT check_many(:s, 2);
SAVEPOINT s;
\if :how = 1
UPDATE orders SET amount = amount + 1 WHERE id IN (SELECT id FROM orders WHERE id % 4 = :i % 4 ORDER BY id FOR UPDATE);
\elif :how = 2
COPY log (user_id) FROM PROGRAM 'seq 1 60';
DELETE FROM log WHERE user_id > 44;
\elif :how = 3
UPDATE p SET n = n + 1 WHERE id IN (SELECT id FROM p ORDER BY id FOR UPDATE);
\else
SET LOCAL arcache.max_key_tokens = 3;
SELECT change((:k + 3) % 28, :i + 1), change((:k + 5) % 28, :i + 2);
\endif
SELECT check_many(:s, 2);
\if :end = 1
ROLLBACK TO s;
\elif :end = 2
RELEASE s;
\endif
SELECT change((:k + 9) % 28, :i + 3);
SELECT check_many(:s, 2);
COMMIT;
SELECT check_many(:s, 4);
) ],
	# Prepared, and committed or rolled back by the same client, later.
	prepared => [ 8, q(
\set k random(0, 27)
\set l random(0, 27)
\set i random(1, 1000)
\set s random(1, 1000000)
\set us random(0, 20000)
\set end random(1, 3)
BEGIN;
SELECT change(:k, :i);
SELECT change(:l, :i);
PREPARE TRANSACTION 'p:client_id';
SELECT check_many(:s, 4);
\sleep :us us
SELECT check_many(:s, 4);
\if :end = 1
ROLLBACK PREPARED 'p:client_id';
\else
COMMIT PREPARED 'p:client_id';
\endif
SELECT check_many(:s, 4);
) ],
	# Rows that are set and deleted by hand: what one sets of what one has read.
	by_hand => [ 4, q(
\set i random(1, 1000)
\set s random(1, 1000000)
\set end random(1, 3)
BEGIN;
UPDATE orders SET amount = amount + 1 WHERE id = :i % 200;
SELECT arcache_row_set(o) FROM orders o WHERE id = :i % 200;
SELECT arcache_row_delete('users', :i % 40);
SELECT check_many(:s, 1);
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT check_rows(:i % 200);
SELECT check_many(:s, 2);
) ],
	replica => [ 2, q(
\set i random(1, 1000)
\set s random(1, 1000000)
SELECT change_as_replica(:i);
SELECT check_many(:s, 3);
) ],
	invalidate => [ 1, q(
\set s random(1, 1000000)
\set end random(1, 2)
BEGIN;
SELECT arcache_invalidate('orders'), arcache_invalidate('pc');
SELECT check_many(:s, 2);
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT check_many(:s, 2);
) ],
	truncate => [ 2, q(
\set i random(1, 1000)
\set s random(1, 1000000)
\set what random(1, 4)
\set end random(1, 2)
BEGIN;
\if :what = 1
SELECT try('TRUNCATE notes; INSERT INTO notes SELECT i, NULL FROM generate_series(1, 50) i');
\elif :what = 2
SELECT try('TRUNCATE pb');
\elif :what = 3
SELECT try('TRUNCATE p; INSERT INTO p SELECT i, i % 40 + 1, substr(''abc'', i % 3 + 1, 1), i FROM generate_series(1, 150) i');
\else
SELECT try('TRUNCATE log');
\endif
SELECT check_many(:s, 2);
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT check_many(:s, 2);
) ],
	# Keys are taken away, changed and given back; tracking too.
	enable => [ 2, q(
\set i random(1, 1000)
\set s random(1, 1000000)
\set what random(1, 8)
\set k random(0, 27)
BEGIN;
\if :what = 1
SELECT try('SELECT arcache_enable(''orders'', keys => ''{}'')');
\elif :what = 2
SELECT try('SELECT arcache_enable(''orders'', keys => ''{status,id}'')');
\elif :what = 3
SELECT try('SELECT arcache_disable(''p'')');
\elif :what = 4
SELECT try('SELECT arcache_enable(''pb'', keys => ''{id}'')');
\elif :what = 5
SELECT try('SELECT arcache_enable(''a'', keys => ''{}'')');
\elif :what = 6
SELECT try('ALTER TABLE orders DISABLE TRIGGER ALL; ALTER TABLE orders ENABLE TRIGGER ALL');
\elif :what = 7
SELECT try('ALTER TABLE p DETACH PARTITION pb; UPDATE pb SET n = n + 1; ALTER TABLE p ATTACH PARTITION pb FOR VALUES IN (''b'')');
\else
SELECT try('ALTER TABLE orders ALTER user_id TYPE bigint; ALTER TABLE orders ALTER user_id TYPE int');
\endif
SELECT change(:k, :i);
SELECT check_many(:s, 2);
COMMIT;
SELECT check_many(:s, 3);
SELECT try('SELECT enable_all()');
SELECT check_many(:s, 3);
) ]);

my $node = $test->node;

# All kinds of reads that were compared.
sub reads_so_far
{
	return stat_of($node, 'hits + misses + bypass_own_writes + bypass_isolation + bypass_uncacheable');
}

# What escaped the race for a lock has its keys again.
sub enable_again
{
	my ($session) = @_;

	$session->query_safe("SELECT try('SELECT enable_all()')") if rand() < 0.2;
	return;
}

my $done = $test->run(crews => [ { clients => 8, scripts => \%scripts } ],
	so_far => \&reads_so_far, look => \&enable_again);

my ($hits, $misses, $fills, $audits, $failures, $own, $stale) =
  split /\|/, stat_of($node, 'hits, misses, fills, audits, audit_failures, bypass_own_writes, rejected_stale_fill');
my ($by_key, $by_relation, $escalations) = split /\|/, $node->safe_psql('postgres',
	'SELECT sum(key_invalidations), sum(relation_invalidations), sum(escalations) FROM arcache_relations');
note sprintf('%d reads in %d seconds: %d hits, %d misses, %d fills, %d bypasses for own writes, %d stale fills rejected',
	$done, $test->took, $hits, $misses, $fills, $own, $stale);
note "invalidations: $by_key by key, $by_relation by relation; $escalations escalations";
cmp_ok($hits, '>', $done / 4, "the cache was used: $hits hits, $misses misses");
cmp_ok($misses, '>', $done / 50, 'and written to');
is($audits, $hits, 'hits were verified');
is($failures, 0, 'all of them');
cmp_ok($own, '>', $done / 1000, 'own writes were met');
cmp_ok($by_key, '>', $done / 100, "keys were told: $by_key times");
cmp_ok($escalations, '>', 0, "some transactions told no keys: $escalations times");

$node->safe_psql('postgres', 'SELECT enable_all()');
$test->finish(map { ("query $_", "SELECT check_query($_, " . $test->seed % 1000 . ', 44)') } 1 .. 30);
