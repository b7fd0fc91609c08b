# The oracle: sessions do all that may be done to tables, and read them through
# the cache in all ways there are; each read is made cached and uncached in the
# same snapshot, and compared.  See RandomTest.pm; "make test-oracle" runs it for
# longer, and against mutants of the code that it has to find.
#
# Nothing but the comparison looks for differences: arcache.debug_verify is off.
# Whether a read was a hit is told by PostgreSQL's own counters: a hit scans no
# table.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RandomTest;
use Test::More;

# Besides those of RandomTest.pm.
my @row_kinds = ('row', 'rows_by_key', 'related', 'related_many', 'query_as');
my @other_kinds = ('statement', 'privilege');

# What is read: rows of one jsonb.  The numbers for parameters are small.
my @queries = (
	q{SELECT to_jsonb(o) AS r FROM orders o WHERE user_id = $1 ORDER BY id},
	q{SELECT to_jsonb(o) AS r FROM orders o WHERE id = $1},
	q{SELECT jsonb_build_object('n', count(*), 's', sum(amount), 't', sum(twice)) AS r FROM orders WHERE user_id IN ($1, $2)},
	q{SELECT jsonb_build_array(id, amount) AS r FROM orders WHERE user_id = $1 OR id = $2 ORDER BY id},
	q{SELECT jsonb_build_array(u.name, o.id, o.amount) AS r FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = $1 ORDER BY o.id},
	q{SELECT jsonb_build_array(u.name, count(o.id), sum(o.amount)) AS r FROM users u LEFT JOIN orders o ON o.user_id = u.id WHERE u.id = $1 GROUP BY u.id},
	q{SELECT to_jsonb(u.name) AS r FROM users u WHERE u.id = $1 AND NOT EXISTS (SELECT FROM orders o WHERE o.user_id = u.id AND o.status = 1)},
	q{SELECT jsonb_build_array(id, n) AS r FROM notes WHERE order_id = $1 ORDER BY id},
	q{SELECT to_jsonb(count(*)) AS r FROM notes WHERE order_id IS NULL},
	q{SELECT jsonb_build_array(o.user_id, n.n) AS r FROM orders o JOIN notes n ON n.order_id = o.id WHERE o.id = $1 ORDER BY n.id},
	q{SELECT jsonb_build_array(count(*), sum(n)) AS r FROM log WHERE user_id = $1},
	q{SELECT to_jsonb(p) AS r FROM p WHERE user_id = $1 ORDER BY 1},
	q{SELECT jsonb_build_array(id, n) AS r FROM p WHERE user_id = $1 AND region = 'b' ORDER BY 1},
	q{SELECT jsonb_build_array(id, n) AS r FROM p WHERE user_id = $1 AND region IN ('a', 'c') ORDER BY 1},
	q{SELECT jsonb_build_array(user_id, region, n) AS r FROM p WHERE id = $1 ORDER BY 1},
	q{SELECT to_jsonb(pb) AS r FROM pb WHERE user_id = $1 ORDER BY 1},
	q{SELECT jsonb_build_array(id, n) AS r FROM pc WHERE user_id = $1 ORDER BY 1},
	q{SELECT jsonb_build_array(id, n) AS r FROM a WHERE user_id = $1 ORDER BY 1},
	q{SELECT jsonb_build_array(user_id, n) AS r FROM b WHERE id = $1 + 100 ORDER BY 1},
	q{SELECT to_jsonb(count(*)) AS r FROM ONLY a WHERE user_id = $1},
	q{SELECT jsonb_build_array(o.id, p.n, a.n) AS r FROM orders o JOIN p ON p.user_id = o.user_id JOIN a ON a.user_id = p.user_id WHERE o.user_id = $1 ORDER BY 1},
	q{SELECT jsonb_build_array((SELECT sum(amount) FROM orders WHERE user_id = $1), (SELECT sum(n) FROM p WHERE user_id = $2)) AS r},
	q{SELECT jsonb_build_array(count(*), sum(amount)) AS r FROM orders},
	q{SELECT jsonb_build_array(count(*), sum(n)) AS r FROM p},
	q{SELECT to_jsonb(sum(n)) AS r FROM pc2},
	q{SELECT jsonb_build_array(count(*), sum(n)) AS r FROM a},
	q{SELECT to_jsonb(v) AS r FROM v_users v WHERE id = $1},
	q{SELECT jsonb_build_array(sum(n), sum(s)) AS r FROM v_users},
	q{SELECT to_jsonb(m) AS r FROM m WHERE user_id = $1},
	q{SELECT jsonb_build_array(sum(n), sum(s)) AS r FROM m},
	q{SELECT to_jsonb(t) AS r FROM accounts t WHERE id % 10 = $1 % 10 ORDER BY id},
	q{SELECT to_jsonb(t) AS r FROM accounts t WHERE id = $1},
	q{SELECT jsonb_build_array(count(*), sum(balance)) AS r FROM v_mine},
	q{SELECT jsonb_build_array(current_user, count(*), sum(balance)) AS r FROM v_all},
	q{SELECT jsonb_build_array(current_setting('oracle.tenant', true), sum(balance)) AS r FROM accounts WHERE tenant = $1 % 4},
	q{SELECT jsonb_build_array(name, tags, doc -> 'k', score) AS r FROM users WHERE tags @> ARRAY[$1::int % 7] ORDER BY id},
	q{SELECT to_jsonb(id) AS r FROM users WHERE doc @> jsonb_build_object('k', $1::int % 5) ORDER BY id},
	q{SELECT to_jsonb(length(note) || md5(note)) AS r FROM orders WHERE id = $1 * 10},
	q{SELECT jsonb_build_array(at::text, (amount / 3)::float8::text, to_char(at, 'Day HH24 TZ')) AS r FROM orders WHERE user_id = $1 ORDER BY id},
	q{SELECT to_jsonb(v) AS r FROM flip_a v WHERE id = $1},
	q{SELECT to_jsonb(f(n)) AS r FROM shelf_a WHERE id = $1 % 10},
	q{SELECT jsonb_build_array(count(*), sum(f(n))) AS r FROM shelf_a},
	q{SELECT to_jsonb(s) AS r FROM side s WHERE id = $1 % 10},
	q{SELECT to_jsonb(s) AS r FROM side s ORDER BY id},
	q{WITH w AS (SELECT id, row_number() OVER (ORDER BY amount, id) AS k FROM orders WHERE user_id = $1) SELECT to_jsonb(w) AS r FROM w ORDER BY id},
	q{SELECT jsonb_build_array(status, count(*)) AS r FROM orders GROUP BY status ORDER BY status},
	q{SELECT to_jsonb(id) AS r FROM orders WHERE user_id >= $1 ORDER BY id LIMIT 5},
	q{SELECT to_jsonb(o) AS r FROM orders o WHERE user_id = $1 AND status = $2 % 3 ORDER BY id},
	q{SELECT jsonb_build_array(count(*), sum(n)) AS r FROM audit});

my $schema = q(
	CREATE ROLE alice;
	CREATE ROLE bob;
	CREATE DOMAIN label AS text CHECK (length(VALUE) < 100);
	CREATE DOMAIN score AS int CHECK (VALUE >= 0);
	CREATE TABLE users (id int PRIMARY KEY, name label DEFAULT 'n', score score DEFAULT 0, tags int[] DEFAULT '{}', doc jsonb DEFAULT '{}');
	CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE ON UPDATE CASCADE,
		status int DEFAULT 0, amount numeric DEFAULT 0, twice numeric GENERATED ALWAYS AS (amount * 2) STORED,
		at timestamptz DEFAULT '2024-02-29 12:00+00', note text DEFAULT '');
	ALTER TABLE orders ALTER note SET STORAGE EXTERNAL;
	CREATE INDEX ON orders (user_id);
	CREATE TABLE notes (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE SET NULL ON UPDATE CASCADE, n int DEFAULT 0);
	CREATE INDEX ON notes (order_id);
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
	CREATE TABLE pc1 PARTITION OF pc FOR VALUES FROM (MINVALUE) TO (12);
	CREATE TABLE pc2 PARTITION OF pc FOR VALUES FROM (12) TO (MAXVALUE);
	CREATE TABLE a (id int, user_id int, n int DEFAULT 0);
	CREATE TABLE b (more int, CHECK (id >= 100)) INHERITS (a);
	-- Rows for some roles and tenants only.
	CREATE TABLE accounts (id int PRIMARY KEY, owner name, tenant int, balance int DEFAULT 0);
	ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON accounts TO alice USING (owner = current_user);
	CREATE POLICY tenants ON accounts TO bob USING (tenant = nullif(current_setting('oracle.tenant', true), '')::int) WITH CHECK (true);
	-- What changes its name, its columns or itself.
	CREATE TABLE shelf_a (id int PRIMARY KEY, n int);
	CREATE TABLE shelf_b (id int PRIMARY KEY, n int);
	CREATE TABLE side (id int PRIMARY KEY, tag int DEFAULT 0, n int DEFAULT 0);
	CREATE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 0';
	-- Written by many while prepared transactions linger that have written it too.
	CREATE TABLE audit (n int);

	INSERT INTO users SELECT i, 'n' || i, 0, ARRAY[i, i % 7], jsonb_build_object('k', i % 5) FROM generate_series(1, 24) i;
	INSERT INTO orders SELECT i, i % 24 + 1, i % 3, i FROM generate_series(1, 120) i;
	UPDATE orders SET note = repeat(md5(id::text), 100) WHERE id % 10 = 0;
	INSERT INTO notes SELECT i, nullif(i % 120, 0) FROM generate_series(1, 100) i;
	INSERT INTO log SELECT i % 24 + 1 FROM generate_series(1, 100) i;
	INSERT INTO pairs SELECT i, i % 25, substr('abc', i % 3 + 1, 1) FROM generate_series(1, 50) i;
	INSERT INTO p SELECT i, i % 24 + 1, substr('abc', i % 3 + 1, 1), i FROM generate_series(1, 120) i;
	INSERT INTO a SELECT i, i % 24 + 1 FROM generate_series(1, 50) i;
	INSERT INTO b SELECT i, i % 24 + 1 FROM generate_series(101, 150) i;
	INSERT INTO accounts SELECT i, (ARRAY['alice', 'bob', 'carol'])[i % 3 + 1], i % 4, i FROM generate_series(1, 40) i;
	INSERT INTO shelf_a SELECT i, i FROM generate_series(0, 9) i;
	INSERT INTO shelf_b SELECT i, -i FROM generate_series(0, 9) i;
	INSERT INTO side SELECT i FROM generate_series(0, 9) i;

	CREATE VIEW v_users AS SELECT u.id, u.name, count(o.id) AS n, sum(o.amount) AS s FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id;
	CREATE VIEW v_mine WITH (security_invoker) AS SELECT * FROM accounts;
	CREATE VIEW v_all AS SELECT id, owner, balance FROM accounts;
	CREATE VIEW flip_a AS SELECT id, n FROM notes;
	CREATE VIEW flip_b AS SELECT id, n + 1000 AS n FROM notes;
	CREATE MATERIALIZED VIEW m AS SELECT user_id, count(*) AS n, sum(amount) AS s FROM orders GROUP BY user_id;
	CREATE UNIQUE INDEX ON m (user_id);
	GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO alice, bob;

	CREATE FUNCTION enable_all() RETURNS void LANGUAGE sql AS $$
		SELECT arcache_enable('users'), arcache_enable('notes'), arcache_enable('pairs'),
			arcache_enable('orders', keys => '{id,user_id,"user_id,status"}'),
			arcache_enable('log', keys => '{user_id}'),
			arcache_enable('p', keys => '{user_id,"region,user_id",id}'),
			arcache_enable('a', keys => '{user_id,id}'),
			arcache_enable('accounts'), arcache_enable('shelf_a'), arcache_enable('shelf_b'), arcache_enable('side')
	$$;
	SELECT enable_all(), arcache_enable('audit', keys => '{}');
	SELECT arcache_has_many('users', 'orders', 'orders'), arcache_belongs_to('orders', 'owner', 'users'),
		arcache_has_many('orders', 'notes', 'notes'), arcache_has_one('orders', 'note', 'notes');

	-- The same for rows: by primary key, by relationship.  The row that another
	-- one belongs to is looked up in two steps, as arcache_related() does.
	CREATE FUNCTION check_rows(s int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		keys int[] := ARRAY(SELECT (s + k * 7) % 26 FROM generate_series(1, 6) k);
		seen record;
	BEGIN
		-- The parser does not lock the type that it casts to.
		LOCK TABLE side IN ACCESS SHARE MODE;
		FOR seen IN SELECT kind, count(*) AS reads, count(*) FILTER (WHERE before = after) AS hits,
				(array_agg(ARRAY[what, k::text, cached::text, uncached::text]) FILTER (WHERE cached IS DISTINCT FROM uncached)) AS bad FROM (
			SELECT 'row' AS kind, 'an order' AS what, k, scans() AS before,
				ARRAY[arcache_row(NULL::orders, k % 125)::text] AS cached, scans() AS after,
				ARRAY[(SELECT o::text FROM orders o WHERE id = k % 125)] AS uncached
			FROM generate_series(s, s + 3) k
			UNION ALL SELECT 'row', 'a row by two columns', k, scans(),
				ARRAY[arcache_row(NULL::pairs, substr('abc', k % 3 + 1, 1), k % 25)::text], scans(),
				ARRAY[(SELECT p::text FROM pairs p WHERE a = substr('abc', k % 3 + 1, 1) AND b = k % 25)]
			FROM generate_series(s, s + 2) k
			UNION ALL SELECT 'row', 'a side', s % 10, scans(),
				ARRAY[arcache_row(NULL::side, s % 10)::text], scans(), ARRAY[(SELECT t::text FROM side t WHERE id = s % 10)]
			UNION ALL SELECT 'rows_by_key', 'users', s, scans(),
				(SELECT array_agg(u::text) FROM arcache_rows(NULL::users, keys) u), scans(),
				(SELECT array_agg(u::text ORDER BY ord) FROM unnest(keys) WITH ORDINALITY k (id, ord) JOIN users u USING (id))
			UNION ALL SELECT 'related', 'the orders of a user', k, scans(),
				(SELECT array_agg(o::text) FROM arcache_related(NULL::orders, 'users', 'orders', k % 26) o), scans(),
				(SELECT array_agg(o::text ORDER BY id) FROM orders o WHERE user_id = k % 26)
			FROM generate_series(s, s + 2) k
			UNION ALL SELECT 'related', 'the user of an order', k, scans(),
				(SELECT array_agg(u::text) FROM arcache_related(NULL::users, 'orders', 'owner', k % 125) u), scans(),
				(SELECT array_agg(u::text) FROM users u WHERE u.id = ANY (ARRAY(SELECT user_id FROM orders o WHERE o.id = k % 125)))
			FROM generate_series(s, s + 2) k
			UNION ALL SELECT 'related', 'the first note of an order', k, scans(),
				(SELECT array_agg(n::text) FROM arcache_related(NULL::notes, 'orders', 'note', k % 125) n), scans(),
				(SELECT array_agg(n::text) FROM (SELECT n FROM notes n WHERE order_id = k % 125 ORDER BY id LIMIT 1) n (n))
			FROM generate_series(s, s + 2) k
			UNION ALL SELECT 'related_many', 'the orders of many users', s, scans(),
				(SELECT array_agg(o::text) FROM arcache_related_many(NULL::orders, 'users', 'orders', keys) o), scans(),
				(SELECT array_agg(o::text ORDER BY ord, o.id) FROM unnest(keys) WITH ORDINALITY k (id, ord) JOIN orders o ON o.user_id = k.id)
			UNION ALL SELECT 'related_many', 'the notes of many orders', s, scans(),
				(SELECT array_agg(o::text) FROM arcache_related_many(NULL::notes, 'orders', 'notes', keys) o), scans(),
				(SELECT array_agg(o::text ORDER BY ord, o.id) FROM unnest(keys) WITH ORDINALITY k (id, ord) JOIN notes o ON o.order_id = k.id)
			UNION ALL SELECT 'query_as', 'orders', k, scans(),
				(SELECT array_agg(o::text) FROM arcache_query_as(NULL::orders, 'SELECT * FROM orders WHERE user_id = $1 ORDER BY id', params => ARRAY[(k % 26)::text]) o), scans(),
				(SELECT array_agg(o::text ORDER BY id) FROM orders o WHERE user_id = k % 26)
			FROM generate_series(s, s + 2) k
			OFFSET 0) c GROUP BY kind
		LOOP
			PERFORM tally(seen.kind, 'reads', seen.reads), tally(seen.kind, 'hits', seen.hits);
			IF seen.bad IS NOT NULL THEN
				PERFORM diverges(seen.kind, seen.bad[1][1] || ' ' || seen.bad[1][2], seen.bad[1][3], seen.bad[1][4]);
			END IF;
		END LOOP;
	EXCEPTION WHEN cardinality_violation THEN
		IF is_sound() THEN
			RAISE;
		END IF;
		PERFORM nextval('unsound');
	END $$;

	CREATE FUNCTION look(s int, count int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM look_at_queries(s, count);
		IF s % 3 = 0 THEN
			PERFORM check_rows(s);
		END IF;
	END $$;

	-- As a role: what only some may see.
	CREATE FUNCTION look_at_accounts(s int, count int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..count LOOP
			PERFORM check_query((ARRAY['value', 'transparent', 'rows', 'planned', 'named'])[(s + i) % 5 + 1], 31 + (s / 5 + i) % 5, s + i);
		END LOOP;
	END $$;
	-- Who is not allowed to see a table is given nothing of it; until our end
	-- privileges do not change, for who changes them locks the table.
	CREATE FUNCTION lock_accounts() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'LOCK TABLE accounts IN ACCESS SHARE MODE';
	CREATE FUNCTION check_privilege(s int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		query text := 'SELECT to_jsonb(t) AS r FROM accounts t WHERE id = $1';
		given boolean;
		before bigint := scans();
	BEGIN
		PERFORM lock_accounts();
		BEGIN
			IF s % 2 = 0 THEN
				PERFORM arcache_get_or_set(NULL, query, params => ARRAY[(s % 26)::text]);
			ELSE
				PERFORM count(*) FROM run(query, s % 26, 0);
			END IF;
			given := true;
		EXCEPTION WHEN insufficient_privilege THEN
			given := false;
		END;
		PERFORM tally('privilege', 'reads', 1), tally('privilege', 'hits', CASE WHEN given AND before = scans() THEN 1 ELSE 0 END);
		IF given <> has_table_privilege('accounts', 'SELECT') THEN
			PERFORM diverges('privilege', query, given::text, (NOT given)::text);
		END IF;
		IF given THEN
			PERFORM look_at_accounts(s, 2);
		END IF;
	END $$;

	-- A statement of the client's own, made twice in one snapshot.
	CREATE FUNCTION agree(what text, hit boolean, cached bigint, uncached bigint) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM tally('statement', 'reads'), tally('statement', 'hits', CASE WHEN hit THEN 1 ELSE 0 END);
		IF cached IS DISTINCT FROM uncached THEN
			PERFORM diverges('statement', what, cached::text, uncached::text);
		END IF;
	END $$;

	-- A random write.  Two that insert the same row are no failure.
	CREATE FUNCTION change(kind int, i int) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		u int := i % 24 + 1;
		o int := i % 120 + 1;
		place text := substr('abc', i % 3 + 1, 1);
	BEGIN
		CASE kind
		WHEN 0 THEN UPDATE orders SET amount = amount + 1 WHERE id = o;
		WHEN 1 THEN UPDATE orders SET user_id = (i * 7) % 24 + 1 WHERE id = o;
		WHEN 2 THEN UPDATE orders SET status = (status + 1) % 3, amount = round(amount, i % 3) WHERE user_id = u;
		WHEN 3 THEN DELETE FROM orders WHERE id = o;
		WHEN 4 THEN INSERT INTO orders VALUES (o, u, i % 3, i)
			ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, amount = orders.amount + 1;
		WHEN 5 THEN MERGE INTO orders USING (SELECT o + s AS id, s FROM generate_series(0, 2) s) m ON orders.id = m.id
			WHEN MATCHED AND m.s = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = amount + 2
			WHEN NOT MATCHED THEN INSERT (id, user_id) VALUES (m.id, u);
		WHEN 6 THEN DELETE FROM users WHERE id = u AND i % 4 = 0;
		WHEN 7 THEN INSERT INTO users VALUES (u, 'n' || i, i) ON CONFLICT (id) DO UPDATE SET name = excluded.name, doc = jsonb_build_object('k', i % 5);
		WHEN 8 THEN UPDATE users SET id = id + 100 WHERE id = u; UPDATE users SET id = id - 100 WHERE id = u + 100;
		WHEN 9 THEN INSERT INTO notes VALUES (i % 100, o) ON CONFLICT (id) DO UPDATE SET order_id = excluded.order_id, n = notes.n + 1;
		WHEN 10 THEN UPDATE notes SET n = n + 1 WHERE order_id IS NULL AND id % 7 = i % 7;
		WHEN 11 THEN UPDATE users SET tags = tags || (i % 7), score = score + 1 WHERE id = u;
		WHEN 12 THEN INSERT INTO log SELECT s % 26 FROM generate_series(i, i + i % 12) s;
		WHEN 13 THEN DELETE FROM log WHERE user_id = u;
		WHEN 14 THEN UPDATE p SET region = substr('bca', i % 3 + 1, 1), n = n + 1 WHERE user_id = u AND region = place;
		WHEN 15 THEN UPDATE p SET user_id = (user_id + 7) % 24, n = n + 1 WHERE id = i % 120;
		WHEN 16 THEN INSERT INTO p VALUES (i % 120, u, place, i);
		WHEN 17 THEN DELETE FROM p WHERE id = i % 120;
		WHEN 18 THEN UPDATE pb SET user_id = u, n = n + 1 WHERE id % 30 = i % 30;
		WHEN 19 THEN INSERT INTO pc2 VALUES (i % 120, 12 + i % 12, 'c', i);
		WHEN 20 THEN UPDATE pc SET user_id = (user_id + 15) % 24 WHERE id = i % 120;
		WHEN 21 THEN UPDATE a SET user_id = (i * 3) % 24 + 1 WHERE user_id = u;
		WHEN 22 THEN UPDATE ONLY a SET n = n + 1 WHERE id = i % 50;
		WHEN 23 THEN UPDATE b SET n = n + 1 WHERE id = i % 50 + 101;
		WHEN 24 THEN WITH d AS (DELETE FROM a WHERE id = i % 150 RETURNING *) INSERT INTO a SELECT id, u, n + 1 FROM d WHERE id < 100
			UNION ALL SELECT id - 100, user_id, n FROM d WHERE id >= 100;
		WHEN 25 THEN UPDATE orders SET amount = amount WHERE false;
		WHEN 26 THEN INSERT INTO pairs VALUES (i, i % 25, place) ON CONFLICT (a, b) DO UPDATE SET b = (pairs.b + 1) % 25;
		WHEN 27 THEN DELETE FROM pairs WHERE b = i % 25 AND a = place;
		WHEN 28 THEN UPDATE orders SET note = CASE WHEN i % 2 = 0 THEN repeat(md5(i::text), 100) ELSE '' END WHERE id = u * 10;
		WHEN 29 THEN UPDATE accounts SET balance = balance + 1 WHERE id = i % 40;
		WHEN 30 THEN UPDATE accounts SET tenant = i % 4, owner = (ARRAY['alice', 'bob', 'carol'])[i % 3 + 1] WHERE id = i % 40;
		WHEN 31 THEN UPDATE shelf_a SET n = n + 1 WHERE id = i % 10;
		WHEN 32 THEN INSERT INTO side (id) VALUES (i % 10) ON CONFLICT (id) DO UPDATE SET tag = side.tag + 1;
		WHEN 33 THEN DELETE FROM side WHERE id = i % 10;
		WHEN 34 THEN EXECUTE format('COPY log (user_id, n) FROM PROGRAM ''echo %s,%s; echo %s,0'' (FORMAT csv)', u, i, i % 26);
		WHEN 35 THEN EXECUTE format('COPY orders (id, user_id) FROM PROGRAM ''echo %s,%s'' (FORMAT csv)', o, u);
		END CASE;
	EXCEPTION WHEN unique_violation OR foreign_key_violation THEN
		NULL;
	END $$;
	-- In the middle of statements that write, before their keys are told.
	CREATE FUNCTION peep() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF OLD.id % 3 = 0 THEN
			-- Its first key is this user.
			PERFORM check_query(CASE OLD.id % 2 WHEN 0 THEN 'value' ELSE 'transparent' END,
				CASE TG_TABLE_NAME WHEN 'orders' THEN 1 ELSE 12 END, OLD.user_id + 19, 1);
		END IF;
		RETURN NULL;
	END $$;
	CREATE TRIGGER "A peep" AFTER UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION peep();
	CREATE TRIGGER "A peep" AFTER UPDATE OR DELETE ON p FOR EACH ROW EXECUTE FUNCTION peep();
	-- Writes that follow from others, at once and at the end of the transaction.
	CREATE FUNCTION follow() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		UPDATE p SET n = n + 1 WHERE id = NEW.id;
		RETURN NULL;
	END $$;
	CREATE TRIGGER follow AFTER UPDATE ON orders FOR EACH ROW WHEN (NEW.amount % 7 = 0) EXECUTE FUNCTION follow();
	CREATE FUNCTION follow_late() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO log VALUES (NEW.id % 26, NEW.n);
		PERFORM check_query('value', 11, NEW.id, 1);
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER follow_late AFTER UPDATE ON notes DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW WHEN (NEW.n % 3 = 0) EXECUTE FUNCTION follow_late();
	CREATE FUNCTION change_as_replica(i int) RETURNS void LANGUAGE plpgsql SET session_replication_role = replica AS $$
	BEGIN
		UPDATE orders SET amount = amount + 1 WHERE id = i % 120;
		UPDATE p SET n = n + 1 WHERE user_id = i % 24;
	END $$;

	-- Definitions.
	CREATE FUNCTION swap(kind text, name text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('ALTER %1$s %2$s_a RENAME TO %2$s_c', kind, name);
		EXECUTE format('ALTER %1$s %2$s_b RENAME TO %2$s_a', kind, name);
		EXECUTE format('ALTER %1$s %2$s_c RENAME TO %2$s_b', kind, name);
	END $$;
	CREATE FUNCTION rename_column() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		LOCK TABLE side;
		IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'side'::regclass AND attname = 'n') THEN
			ALTER TABLE side RENAME n TO m;
		ELSE
			ALTER TABLE side RENAME m TO n;
		END IF;
	END $$;
	CREATE FUNCTION define(kind int, i int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM try(CASE kind
			WHEN 0 THEN 'ALTER TABLE side ADD IF NOT EXISTS extra int DEFAULT 7'
			WHEN 1 THEN 'ALTER TABLE side DROP IF EXISTS extra'
			WHEN 2 THEN 'SELECT rename_column()'
			WHEN 3 THEN 'DROP TABLE side; CREATE TABLE side (id int PRIMARY KEY, tag int DEFAULT 0, n int DEFAULT 0);'
				|| format('INSERT INTO side SELECT i, %s FROM generate_series(0, 9) i; SELECT arcache_enable(''side'')', i)
			WHEN 4 THEN 'SELECT swap(''TABLE'', ''shelf'')'
			WHEN 5 THEN 'SELECT swap(''VIEW'', ''flip'')'
			WHEN 6 THEN 'DROP INDEX IF EXISTS orders_status; CREATE INDEX orders_status ON orders (status)'
			WHEN 7 THEN 'REFRESH MATERIALIZED VIEW m'
			WHEN 8 THEN 'REFRESH MATERIALIZED VIEW CONCURRENTLY m'
			WHEN 9 THEN format('CREATE OR REPLACE VIEW v_users AS SELECT u.id, u.name, count(o.id) + %s AS n, sum(o.amount) AS s FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.id', i)
			WHEN 10 THEN format('LOCK TABLE shelf_a; CREATE OR REPLACE FUNCTION f(int) RETURNS int IMMUTABLE LANGUAGE sql AS ''SELECT $1 + %s''', i)
			WHEN 11 THEN format('ALTER POLICY own ON accounts USING (owner = current_user AND id %% 7 <> %s)', i % 7)
			WHEN 12 THEN CASE i % 3 WHEN 0 THEN 'ALTER TABLE accounts DISABLE ROW LEVEL SECURITY' ELSE 'ALTER TABLE accounts ENABLE ROW LEVEL SECURITY' END
			WHEN 13 THEN 'LOCK TABLE accounts; ' || CASE i % 3 WHEN 0 THEN 'REVOKE SELECT ON accounts FROM bob' ELSE 'GRANT SELECT ON accounts TO bob' END
			WHEN 14 THEN 'ALTER TABLE orders ALTER status TYPE bigint; ALTER TABLE orders ALTER status TYPE int'
			WHEN 15 THEN 'ALTER TABLE p DETACH PARTITION pb; UPDATE pb SET n = n + 1; ALTER TABLE p ATTACH PARTITION pb FOR VALUES IN (''b'')'
			WHEN 16 THEN 'ALTER TABLE orders DISABLE TRIGGER ALL; ALTER TABLE orders ENABLE TRIGGER ALL'
			WHEN 17 THEN 'SELECT arcache_enable(''orders'', keys => ''{}'')'
			WHEN 18 THEN 'SELECT arcache_enable(''orders'', keys => ''{status,id}'')'
			WHEN 19 THEN 'SELECT arcache_disable(''p'')'
			WHEN 20 THEN 'SELECT arcache_enable(''pb'', keys => ''{id}'')'
			WHEN 21 THEN 'SELECT arcache_enable(''a'', keys => ''{}'')'
			WHEN 22 THEN 'SELECT arcache_disable(''users''); UPDATE users SET score = score + 1 WHERE id % 5 = 0; SELECT arcache_enable(''users'')'
			WHEN 23 THEN 'TRUNCATE notes; INSERT INTO notes SELECT i, NULL FROM generate_series(1, 50) i'
			WHEN 24 THEN 'TRUNCATE p; INSERT INTO p SELECT i, i % 24 + 1, substr(''abc'', i % 3 + 1, 1), i FROM generate_series(1, 120) i'
			WHEN 25 THEN 'TRUNCATE pb'
			WHEN 26 THEN 'TRUNCATE log'
			WHEN 27 THEN 'TRUNCATE orders, notes; INSERT INTO orders SELECT i, u.id, i % 3, i FROM generate_series(1, 120) i, users u WHERE u.id = i % 24 + 1'
			END);
	END $$;

	-- A prepared transaction to end, which nobody else will end meanwhile.
	CREATE SEQUENCE gids;
	CREATE FUNCTION pick(kind text) RETURNS int LANGUAGE plpgsql AS $$
	DECLARE
		n int;
	BEGIN
		FOR n IN SELECT substr(gid, 2)::int FROM pg_prepared_xacts WHERE gid ^@ kind ORDER BY random() LOOP
			IF pg_try_advisory_lock(77, n) THEN
				RETURN n;
			END IF;
		END LOOP;
		RETURN 0;
	END $$;
);

my $test = RandomTest->new(seconds => 20,
	conf => q(
arcache.auto = on
arcache.min_cost = 0
# Some transactions are to escalate.
arcache.max_key_tokens = 40
max_connections = 80
client_min_messages = warning
),
	kinds => [ @query_kinds, @row_kinds, @other_kinds ],
	queries => \@queries,
	recreated => ['side'],
	schema => $schema);
my $node = $test->node;

# End a prepared transaction, whosever it is: of those who write anything, or of
# those who linger.
sub finish
{
	my ($kind) = @_;

	return qq(
SELECT pick('$kind') AS n \\gset
\\set how random(1, 3)
\\if :n > 0
SELECT count(*) AS there FROM pg_prepared_xacts WHERE gid = '$kind' || :n \\gset
\\if :there > 0
\\if :how = 1
ROLLBACK PREPARED '$kind:n';
\\else
COMMIT PREPARED '$kind:n';
\\endif
\\endif
SELECT pg_advisory_unlock(77, :n);
\\endif
);
}

sub finish_after
{
	my ($kind, $us) = @_;

	return "\\set us random(1000, $us)\n\\sleep :us us\n" . finish($kind);
}

# Of who loses a race pgbench runs the transaction again.
my $numbers = q(
\set k random(0, 35)
\set l random(0, 35)
\set m random(0, 35)
\set d random(0, 27)
\set i random(1, 1000)
\set s random(1, 1000000)
\set us random(0, 20000)
\set end random(1, 4)
);
my %scripts = (
	# READ COMMITTED reads, each with a snapshot of its own.
	read => [ 30, q(
SELECT look(:s, 12);
) ],
	# REPEATABLE READ: one snapshot for a while.
	snapshot => [ 20, q(
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT look(:s, 6);
\sleep :us us
SELECT look(:s, 6);
\sleep :us us
SELECT look(:s, 6);
COMMIT;
) ],
	write => [ 40, q(
SELECT change(:k, :i);
SELECT look(:s, 3);
) ],
	# Reads of what one has written, and after its end.
	transaction => [ 25, q(
BEGIN;
SELECT look(:s, 2);
SELECT change(:k, :i);
SELECT look(:s, 3);
SAVEPOINT s;
SELECT change(:l, :i + 1);
SELECT look(:s, 3);
\sleep :us us
\if :end = 1
ROLLBACK TO s;
SELECT look(:s, 3);
\elif :end = 2
RELEASE s;
SELECT look(:s, 3);
\endif
SELECT change(:m, :i + 2);
SELECT look(:s, 3);
\if :end = 3
ROLLBACK;
\else
COMMIT;
\endif
SELECT look(:s, 3);
) ],
	repeatable => [ 15, q(
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT look(:s, 3);
\sleep :us us
SELECT change(:k, :i);
SELECT look(:s, 6);
COMMIT;
SELECT look(:s, 3);
) ],
	serializable => [ 1, q(
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT change(:k, :i);
SELECT look(:s, 1);
COMMIT;
) ],
	# More keys than are told one by one: at once, by and by, in a savepoint.
	many => [ 6, q(
BEGIN;
SELECT change(:k, :i);
SELECT look(:s, 2);
SAVEPOINT s;
\if :end = 1
UPDATE orders SET amount = amount + 1 WHERE id IN (SELECT id FROM orders WHERE id % 4 = :i % 4 ORDER BY id FOR UPDATE);
\elif :end = 2
COPY log (user_id) FROM PROGRAM 'seq 1 60';
DELETE FROM log WHERE user_id > 26;
\elif :end = 3
UPDATE p SET n = n + 1 WHERE id IN (SELECT id FROM p ORDER BY id FOR UPDATE);
\else
SET LOCAL arcache.max_key_tokens = 3;
SELECT change((:k + 3) % 36, :i + 1), change((:k + 5) % 36, :i + 2);
\endif
SELECT look(:s, 2);
\if :d % 3 = 1
ROLLBACK TO s;
\elif :d % 3 = 2
RELEASE s;
\endif
SELECT change((:k + 9) % 36, :i + 3);
SELECT look(:s, 2);
COMMIT;
SELECT look(:s, 4);
) ],
	# Prepared, to be committed or rolled back by another session.
	prepared => [ 10, q(
SELECT count(*) AS waiting FROM pg_prepared_xacts \gset
SELECT nextval('gids') AS g \gset
-- Until PREPARE has ended nobody else may end the transaction.
SELECT pg_advisory_lock(77, :g);
BEGIN;
SELECT change(:k, :i);
SELECT change(:l, :i);
\if :waiting > 20
COMMIT;
\else
PREPARE TRANSACTION 'p:g';
\endif
SELECT pg_advisory_unlock(77, :g);
SELECT look(:s, 4);
) ],
	finish => [ 5, finish('p') . q(
SELECT look(:s, 4);
) ],
	# Prepared, and then overtaken by more writers than are remembered.
	linger => [ 5, q(
SELECT count(*) AS waiting FROM pg_prepared_xacts WHERE gid ^@ 'q' \gset
SELECT nextval('gids') AS g \gset
\if :waiting < 8
SELECT pg_advisory_lock(77, :g);
BEGIN;
INSERT INTO audit VALUES (:i);
PREPARE TRANSACTION 'q:g';
SELECT pg_advisory_unlock(77, :g);
\endif
) . q(
INSERT INTO audit VALUES (:k);
SELECT check_query('value', 49, :s), check_query('transparent', 49, :s);
) x 3 . q(
DELETE FROM audit WHERE ctid = ANY (ARRAY(SELECT ctid FROM audit LIMIT 8 FOR UPDATE SKIP LOCKED));
SELECT check_query('rows', 49, :s), check_query('planned', 49, :s);
) ],
	# Rows that are set and deleted by hand: what one sets of what one has read.
	by_hand => [ 4, q(
BEGIN;
UPDATE orders SET amount = amount + 1 WHERE id = :i % 120;
SELECT arcache_row_set(o) FROM orders o WHERE id = :i % 120;
SELECT arcache_row_delete('users', :i % 24);
SELECT arcache_delete_pattern('named:' || :i % 20 || '*');
SELECT look(:s, 1);
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT check_rows(:i % 120);
SELECT look(:s, 2);
) ],
	replica => [ 2, q(
SELECT change_as_replica(:i);
SELECT look(:s, 3);
) ],
	invalidate => [ 1, q(
BEGIN;
SELECT arcache_invalidate('orders'), arcache_invalidate('pc');
SELECT look(:s, 2);
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT look(:s, 2);
) ],
	# Settings that results depend on.
	settings => [ 6, q(
BEGIN;
SELECT set_config('TimeZone', (ARRAY['UTC', 'Asia/Tokyo', 'America/Lima'])[:i % 3 + 1], true),
	set_config('DateStyle', (ARRAY['ISO', 'German', 'SQL, DMY'])[:s % 3 + 1], true),
	set_config('extra_float_digits', (:k % 3)::text, true), set_config('oracle.tenant', (:l % 4)::text, true);
SELECT check_query('value', 39, :s), check_query('rows', 39, :s), check_query('transparent', 39, :s), check_query('planned', 39, :s);
SELECT look_at_accounts(:s, 3);
SELECT look(:s, 3);
COMMIT;
) ],
	# Roles that see, and may change, different rows.
	roles => [ 12, q(
BEGIN;
\if :k % 2 = 0
SET LOCAL ROLE alice;
\else
SET LOCAL ROLE bob;
SELECT set_config('oracle.tenant', (:l % 4)::text, true);
\endif
SELECT check_privilege(:s), check_privilege(:i);
\if :end = 1
SELECT set_config('oracle.tenant', (:m % 4)::text, true);
SELECT check_privilege(:s);
\endif
COMMIT;
) ],
	role_writes => [ 3, q(
BEGIN;
SET LOCAL ROLE alice;
SELECT look_at_accounts(:s, 1) WHERE has_table_privilege('accounts', 'SELECT');
UPDATE accounts SET balance = balance + 1;
SELECT look_at_accounts(:s, 2) WHERE has_table_privilege('accounts', 'SELECT');
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT look_at_accounts(:s, 2);
) ],
	# Definitions: alone, with a write, rolled back.
	define => [ 8, q(
BEGIN;
SELECT define(:d, :i);
SELECT look(:s, 2);
\if :end = 2
SELECT change(:k, :i);
SELECT look(:s, 2);
\endif
\if :end = 1
ROLLBACK;
\else
COMMIT;
\endif
SELECT look(:s, 3);
SELECT try('SELECT enable_all()');
SELECT look(:s, 3);
) ],
	# What they are to change, before and after.
	names => [ 4, q(
\set d random(0, 10)
SELECT check_query('value', 40 + :s % 5, :s), check_query('planned', 40 + :s % 5, :s), check_query('rows', 27, :s);
SELECT define(:d, :i);
SELECT check_query('value', 40 + :s % 5, :s), check_query('planned', 40 + :s % 5, :s), check_query('rows', 27, :s);
) ],
	truncate => [ 3, q(
\set d random(23, 27)
SELECT define(:d, :i);
SELECT look(:s, 3);
) ],
	define_repeatable => [ 2, q(
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT look(:s, 2);
\sleep :us us
SELECT define(:d, :i);
SELECT look(:s, 4);
COMMIT;
SELECT look(:s, 3);
) ]);

# Statements of the client's own, made cached and uncached in one snapshot.
sub twice
{
	my ($from) = @_;
	my $hash = 'SELECT (coalesce(sum(hashtextextended(to_jsonb(t)::text, 0)), 0) % 1000000007)::bigint';
	my $name = $from =~ tr/://dr;		# no variables there

	return qq(
SELECT scans() AS a \\gset
$hash AS c_h FROM $from \\gset
SELECT scans() AS b \\gset
/*+ no_arcache */ $hash AS u_h FROM $from \\gset
SELECT agree('$name', :a::bigint = :b, :c_h, :u_h);
);
}

sub statements
{
	return join '', map { twice($_) } @_;
}

my @some = ('orders t WHERE user_id = :i % 5', 'p t WHERE user_id = :i % 5', 'users t WHERE id = :i % 5');
my @others = ('orders t WHERE id = :s % 5', 'v_users t WHERE id = :i % 5', 'side t WHERE id = :i % 5', 'shelf_a t');
my %statements = (
	statements => [ 20, 'BEGIN ISOLATION LEVEL REPEATABLE READ;' . statements(@some, @others)
		  . '\sleep :us us' . statements(@some, @others) . 'COMMIT;' ],
	statements_after => [ 10, 'BEGIN ISOLATION LEVEL REPEATABLE READ;' . statements(@others)
		  . 'SELECT change(:k, :i);' . statements(@some, @others) . 'COMMIT;' ],
	look => [ 10, 'SELECT look(:s, 6);' ]);

$_->[1] = $numbers . $_->[1] foreach values %scripts, values %statements;

# What escaped the race for a lock has its keys, its policies and its rows again.
sub repair
{
	my ($session) = @_;

	return if rand() > 0.3;
	$session->query_safe("SELECT try('SELECT enable_all()')");
	$session->query_safe("INSERT INTO users (id) SELECT generate_series(1, 24) ON CONFLICT DO NOTHING");
	$session->query_safe("SELECT try('LOCK TABLE accounts; GRANT SELECT ON accounts TO bob; ALTER TABLE accounts ENABLE ROW LEVEL SECURITY')");
	return;
}

sub reads_so_far
{
	return $node->safe_psql('postgres', 'SELECT sum(reads) FROM tallies()');
}

$test->run(
	crews => [
		{ clients => 8, scripts => \%scripts },
		{ clients => 3, scripts => \%statements, mode => 'prepared' },
		{ clients => 1, scripts => { finish_p => [ 1, finish_after('p', 50_000) ] }, endless => 1 },
		{ clients => 1, scripts => { finish_q => [ 1, finish_after('q', 100_000) ] }, endless => 1 }
	],
	so_far => \&reads_so_far,
	look => \&repair);

my ($reads, $hits, $divergences) = $test->report;
my ($misses, $own, $stale, $escalations) = split /\|/, $node->safe_psql('postgres',
	'SELECT misses, bypass_own_writes, rejected_stale_fill, (SELECT sum(escalations) FROM arcache_relations) FROM arcache_stats');
note sprintf('%d reads in %d seconds: %d hits, %d divergences', $reads, $test->took, $hits, $divergences);
note "$misses misses, $own bypasses for own writes, $stale stale fills rejected, $escalations escalations";
is($divergences, 0, "no divergence in $reads reads");
cmp_ok($hits, '>', $reads / 8, "the cache was used: $hits hits");
cmp_ok($misses, '>', $reads / 50, "and written to: $misses misses");
cmp_ok($own, '>', $reads / 1000, "own writes were met: $own bypasses");
cmp_ok($escalations, '>', 0, "some transactions told no keys: $escalations escalations");
is($node->safe_psql('postgres',
		"SELECT string_agg(kind, ' ') FROM (SELECT kind FROM tallies() GROUP BY kind HAVING sum(hits) = 0) t"),
	'', 'there were hits of each kind');

foreach my $gid (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'))
{
	$node->safe_psql('postgres', "COMMIT PREPARED '$gid'");
}
$node->safe_psql('postgres', 'SELECT enable_all()');
$test->finish($test->query_checks, row => 'SELECT check_rows(1)');
