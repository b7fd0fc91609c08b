--
-- Tables that tell of their writes
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on

-- The uncached result of a query.
CREATE FUNCTION uncached(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    result jsonb;
BEGIN
    EXECUTE 'SELECT COALESCE(jsonb_agg(to_jsonb(uncached_row)), ''[]'') FROM (' || query || ') uncached_row' INTO result;
    RETURN result;
END $$;

-- Fill the entry and see that it is a hit.
CREATE PROCEDURE fill(query text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM arcache_get_or_set('k', query);
    COMMIT;
    PERFORM arcache_stats_reset();
    IF arcache_get_or_set('k', query) IS DISTINCT FROM uncached(query) THEN
        RAISE 'wrong before the statement';
    END IF;
    IF (SELECT hits FROM arcache_stats) <> 1 THEN
        RAISE 'not cached: %', arcache_why(query);
    END IF;
END $$;

-- Say whether the entry is still valid, having compared what the cache gives with the query.
CREATE PROCEDURE verify(query text) LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
BEGIN
    PERFORM arcache_stats_reset();
    IF arcache_get_or_set('k', query) IS DISTINCT FROM uncached(query) THEN
        RAISE 'WRONG after the statement';
    END IF;
    RAISE NOTICE '%', (SELECT CASE WHEN hits = 1 THEN 'unchanged' WHEN fills = 1 THEN 'one miss, one fill'
                                   WHEN misses = 1 THEN 'computed, not stored' ELSE 'bypassed' END FROM arcache_stats);
    COMMIT;
    PERFORM arcache_stats_reset();
    IF arcache_get_or_set('k', query) IS DISTINCT FROM uncached(query) THEN
        RAISE 'WRONG at the second time';
    END IF;
END $$;

-- In between comes any statement, as a transaction of its own.
CREATE PROCEDURE run(statement text, query text) LANGUAGE plpgsql AS $$
BEGIN
    CALL fill(query);
    COMMIT;
    EXECUTE statement;
    COMMIT;
    CALL verify(query);
END $$;

-- arcache_enable creates two triggers; the one says all there is to know, the other tells keys.
CREATE TABLE shop (id int PRIMARY KEY, name text, price int DEFAULT 0);
SELECT arcache_enable('shop');
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid = 'shop'::regclass;
SELECT relation, ttl, auto FROM arcache_relations;
SELECT arcache_enable('shop', ttl => '1 min', auto => false);
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid = 'shop'::regclass;
SELECT relation, ttl, auto FROM arcache_relations;
SELECT arcache_disable('shop');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop'::regclass;
SELECT count(*) FROM arcache_relations;
SELECT arcache_disable('shop');
SELECT arcache_enable('shop');
CREATE SCHEMA "odd schema";
CREATE TABLE "odd schema"."odd ""table" (a int);
SELECT arcache_enable('"odd schema"."odd ""table"');
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid = '"odd schema"."odd ""table"'::regclass;
SELECT relation FROM arcache_relations ORDER BY relation::text;
SELECT arcache_disable('"odd schema"."odd ""table"');
DROP SCHEMA "odd schema" CASCADE;

-- Each kind of write makes what was read outdated.
CALL run($$INSERT INTO shop VALUES (1, 'one'), (2, 'two')$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$UPDATE shop SET price = 5 WHERE id = 1$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$INSERT INTO shop VALUES (1, 'uno') ON CONFLICT (id) DO UPDATE SET name = 'uno'$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$MERGE INTO shop s USING (VALUES (1), (3)) v(id) ON s.id = v.id
           WHEN MATCHED THEN UPDATE SET price = 6 WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'three')$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$DELETE FROM shop WHERE id = 3$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$WITH d AS (DELETE FROM shop WHERE id = 2 RETURNING *) INSERT INTO shop SELECT id, name, 7 FROM d WHERE false$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$WITH i AS (INSERT INTO shop VALUES (4) RETURNING id) SELECT count(*) FROM i$$, 'SELECT count(*) FROM shop');
CALL run($$TRUNCATE shop$$, 'SELECT * FROM shop ORDER BY id');
CALL fill('SELECT * FROM shop ORDER BY id');
COPY shop FROM STDIN;
1	one	1
2	two	2
\.
CALL verify('SELECT * FROM shop ORDER BY id');

-- A write that changes no row changes nothing.
CALL run($$UPDATE shop SET price = 5 WHERE id = 100$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$DELETE FROM shop WHERE id = 100$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$INSERT INTO shop SELECT * FROM shop WHERE false$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$SELECT 1$$, 'SELECT * FROM shop ORDER BY id');

-- Nor does a write to another table, or one that fails.
CREATE TABLE other (id int);
SELECT arcache_enable('other');
CALL run($$INSERT INTO other VALUES (1)$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$DO 'BEGIN UPDATE shop SET price = 99; RAISE EXCEPTION $x$undo$x$; EXCEPTION WHEN raise_exception THEN END'$$, 'SELECT * FROM shop ORDER BY id');

-- A failing statement outside any block.
CALL fill('SELECT * FROM shop ORDER BY id');
UPDATE shop SET price = 1 / (id - 2);
CALL verify('SELECT * FROM shop ORDER BY id');

-- Writes by functions, triggers, rules and through views count as any others.
CREATE FUNCTION write() RETURNS void LANGUAGE sql AS 'UPDATE shop SET price = price + 1';
CREATE FUNCTION write_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE shop SET price = price + 1; RETURN NEW; END';
CREATE TRIGGER t AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION write_trigger();
CREATE VIEW shop_view AS SELECT id, price FROM shop WHERE id < 10;
CREATE RULE r AS ON DELETE TO other DO ALSO UPDATE shop SET price = price * 2;
CALL run($$SELECT write()$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$INSERT INTO other VALUES (1)$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$UPDATE shop_view SET price = 0$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$DELETE FROM other$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$UPDATE shop SET price = 3$$, 'SELECT * FROM shop_view ORDER BY id');
DROP TRIGGER t ON other;
DROP RULE r ON other;

-- Foreign keys cascade, and TRUNCATE does with CASCADE.
CREATE TABLE item (id int PRIMARY KEY, shop int REFERENCES shop ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE part (id int, item int REFERENCES item ON DELETE SET NULL);
SELECT arcache_enable('item'), arcache_enable('part');
INSERT INTO item VALUES (10, 1), (20, 2);
INSERT INTO part VALUES (100, 10), (200, 20);
CALL run($$UPDATE shop SET id = 3 WHERE id = 1$$, 'SELECT * FROM item ORDER BY id');
CALL run($$DELETE FROM shop WHERE id = 3$$, 'SELECT * FROM part ORDER BY id');
CALL run($$TRUNCATE shop CASCADE$$, 'SELECT * FROM part ORDER BY id');
CALL run($$TRUNCATE shop CASCADE$$, 'SELECT count(*) FROM item');

-- session_replication_role = replica silences other triggers, not ours.
INSERT INTO shop VALUES (1, 'one'), (2, 'two');
SET session_replication_role = replica;
CALL run($$UPDATE shop SET price = 11$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$TRUNCATE part$$, 'SELECT * FROM part');
RESET session_replication_role;

-- arcache_invalidate acts as a write.
CALL run($$SELECT arcache_invalidate('shop')$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$SELECT arcache_invalidate('other')$$, 'SELECT * FROM shop ORDER BY id');

-- What ALTER TABLE changes is never served as it was.
CALL run($$ALTER TABLE shop ADD COLUMN stock int DEFAULT 7$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER TABLE shop ALTER stock TYPE text USING 'n' || stock$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER TABLE shop RENAME stock TO amount$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER TABLE shop DROP COLUMN amount$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER TABLE shop RENAME TO shops$$, 'SELECT 1 AS a FROM shop_view');
SELECT arcache_get_or_set('k', 'SELECT * FROM shop');
ALTER TABLE shops RENAME TO shop;
CALL run($$ALTER TABLE shop ALTER price SET DEFAULT 1$$, 'SELECT * FROM shop ORDER BY id');

-- What changes only how data is stored or found need not matter, and must not harm.
CALL run($$CREATE INDEX ON shop (price)$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ANALYZE shop$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$REINDEX TABLE shop$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER TABLE shop ALTER name SET STATISTICS 10, SET (fillfactor = 90)$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER TABLE shop ADD CONSTRAINT c CHECK (id > 0)$$, 'SELECT * FROM shop ORDER BY id');
CALL fill('SELECT * FROM shop ORDER BY id');
VACUUM shop;
CALL verify('SELECT * FROM shop ORDER BY id');
CALL fill('SELECT * FROM shop ORDER BY id');
VACUUM FULL shop;
CALL verify('SELECT * FROM shop ORDER BY id');
CALL fill('SELECT * FROM shop ORDER BY id');
CLUSTER shop USING shop_pkey;
CALL verify('SELECT * FROM shop ORDER BY id');

-- A table that is dropped and made anew under its name is another table.
CREATE TABLE again (a int);
INSERT INTO again VALUES (1);
SELECT arcache_enable('again');
CALL fill('SELECT * FROM again');
DROP TABLE again;
SELECT arcache_get_or_set('k', 'SELECT * FROM again');
CREATE TABLE again (a int);
INSERT INTO again VALUES (2);
CALL verify('SELECT * FROM again');
SELECT arcache_why('SELECT * FROM again');

-- A view or function that is replaced takes effect at once.
CALL run($$CREATE OR REPLACE VIEW shop_view AS SELECT id, -price AS price FROM shop$$, 'SELECT * FROM shop_view ORDER BY id');
CREATE FUNCTION twice(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 * 2; END';
CALL run($$CREATE OR REPLACE FUNCTION twice(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 * 3; END'$$, 'SELECT twice(id) FROM shop ORDER BY id');
CREATE TYPE size AS ENUM ('s', 'l');
CALL run($$ALTER TYPE size RENAME VALUE 'l' TO 'xl'$$, 'SELECT enum_range(NULL::size) AS sizes, id FROM shop ORDER BY id');
CALL run($$ALTER TYPE size ADD VALUE 'm' BEFORE 'xl'$$, 'SELECT enum_range(NULL::size) AS sizes, id FROM shop ORDER BY id');
CREATE DOMAIN small AS int;
CREATE FUNCTION pick(bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'bigint'$$;
CALL run($$CREATE FUNCTION pick(int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''int''::text'$$, 'SELECT pick(id) FROM shop');
CALL run($$DROP FUNCTION pick(int)$$, 'SELECT pick(id) FROM shop');
CREATE FUNCTION setting() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN current_setting('app.x', true); END$$;
CALL run($$ALTER FUNCTION setting() SET app.x = 'new'$$, 'SELECT setting() AS s');
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CALL run($$ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR asciiword WITH english_stem$$, 'SELECT to_tsvector(''words'', ''the cats'')::text AS t');
CALL run($$CREATE OPERATOR ## (LEFTARG = int, RIGHTARG = int, FUNCTION = int4mul)$$, 'SELECT 1 AS a');
CALL run($$ALTER VIEW shop_view RENAME COLUMN price TO cost$$, 'SELECT * FROM shop_view ORDER BY id');
CREATE SCHEMA elsewhere;
CALL run($$CREATE TABLE elsewhere.shop AS SELECT 0 AS id$$, 'SELECT * FROM shop ORDER BY id');
SET search_path = elsewhere, public;
SELECT arcache_enable('elsewhere.shop');
CALL run($$ALTER TABLE elsewhere.shop RENAME TO shop2$$, 'SELECT * FROM shop');
CALL run($$ALTER TABLE elsewhere.shop2 RENAME TO shop$$, 'SELECT * FROM shop');
CALL run($$ALTER SCHEMA elsewhere RENAME TO elsewhere2$$, 'SELECT * FROM shop');
CALL run($$ALTER SCHEMA elsewhere2 RENAME TO elsewhere$$, 'SELECT * FROM shop');
CREATE SCHEMA third;
CALL run($$ALTER TABLE elsewhere.shop SET SCHEMA third$$, 'SELECT * FROM shop');
RESET search_path;
DROP TABLE third.shop;
DROP SCHEMA elsewhere, third;
DROP OPERATOR ## (int, int);
DROP TEXT SEARCH CONFIGURATION words;
DROP FUNCTION pick, setting;
CALL run($$COMMENT ON TABLE shop IS 'comment'$$, 'SELECT * FROM shop ORDER BY id');
-- A session with a temporary object computes for itself, and nothing is lost for later.
CALL run($$CREATE TEMP TABLE mine (a int)$$, 'SELECT * FROM shop ORDER BY id');
DROP TABLE mine;
CALL run($$SELECT 1$$, 'SELECT * FROM shop ORDER BY id');

-- A policy, and row security itself, take effect at once.
CALL run($$ALTER TABLE shop ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$CREATE POLICY p ON shop USING (id = 1)$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER POLICY p ON shop USING (id = 2)$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$DROP POLICY p ON shop$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$ALTER TABLE shop DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY$$, 'SELECT * FROM shop ORDER BY id');

-- A materialized view changes by REFRESH alone.
CREATE MATERIALIZED VIEW shop_mv AS SELECT * FROM shop;
CREATE UNIQUE INDEX ON shop_mv (id);
CALL run($$UPDATE shop SET price = 40$$, 'SELECT * FROM shop_mv ORDER BY id');
CALL run($$REFRESH MATERIALIZED VIEW shop_mv$$, 'SELECT * FROM shop_mv ORDER BY id');
UPDATE shop SET price = 41;
CALL run($$REFRESH MATERIALIZED VIEW CONCURRENTLY shop_mv$$, 'SELECT * FROM shop_mv ORDER BY id');
CALL fill('SELECT * FROM shop_mv ORDER BY id');
REFRESH MATERIALIZED VIEW shop_mv WITH NO DATA;
SELECT arcache_get_or_set('k', 'SELECT * FROM shop_mv ORDER BY id');
REFRESH MATERIALIZED VIEW shop_mv;
SELECT relation, ttl, auto FROM arcache_relations ORDER BY relation::text;
DROP MATERIALIZED VIEW shop_mv;

-- Without the trigger, or with it disabled, nothing is exact any more, at once.
CALL fill('SELECT * FROM shop ORDER BY id');
ALTER TABLE shop DISABLE TRIGGER arcache_track;
UPDATE shop SET price = 50;
CALL verify('SELECT * FROM shop ORDER BY id');
SELECT arcache_why('SELECT * FROM shop');
ALTER TABLE shop ENABLE TRIGGER arcache_track;
SELECT arcache_why('SELECT * FROM shop');
ALTER TABLE shop ENABLE ALWAYS TRIGGER arcache_track;
SELECT arcache_why('SELECT * FROM shop');
CALL fill('SELECT * FROM shop ORDER BY id');
DROP TRIGGER arcache_track ON shop;
UPDATE shop SET price = 51;
CALL verify('SELECT * FROM shop ORDER BY id');
SELECT arcache_enable('shop');
CALL fill('SELECT * FROM shop ORDER BY id');
ALTER TABLE shop DISABLE TRIGGER ALL;
UPDATE shop SET price = 52;
CALL verify('SELECT * FROM shop ORDER BY id');
SELECT arcache_enable('shop');
CALL run($$ALTER TRIGGER arcache_track ON shop RENAME TO another_name$$, 'SELECT * FROM shop ORDER BY id');
CALL run($$UPDATE shop SET price = 53$$, 'SELECT * FROM shop ORDER BY id');
SELECT arcache_enable('shop', auto => false);
SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE tgrelid = 'shop'::regclass AND NOT tgisinternal ORDER BY tgname;
SELECT arcache_disable('shop');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop'::regclass AND NOT tgisinternal;
SELECT arcache_enable('shop');
CALL fill('SELECT * FROM shop ORDER BY id');
SELECT arcache_disable('shop');
UPDATE shop SET price = 54;
CALL verify('SELECT * FROM shop ORDER BY id');
SELECT arcache_enable('shop');

-- Between enabling and the first fill nothing is missed, nor in the same transaction.
BEGIN;
SELECT arcache_disable('shop');
UPDATE shop SET price = 55;
SELECT arcache_get_or_set('k', 'SELECT DISTINCT price FROM shop');
SELECT arcache_enable('shop');
SELECT arcache_get_or_set('k', 'SELECT DISTINCT price FROM shop');
COMMIT;
CALL verify('SELECT DISTINCT price FROM shop');

-- Enabling obeys the transaction.
CREATE TABLE undo (a int);
BEGIN;
SELECT arcache_enable('undo');
ROLLBACK;
SELECT arcache_why('SELECT * FROM undo');
DROP TABLE undo;

-- The ttl of a relation bounds that of results that read it, and does not replace tracking.
SELECT arcache_enable('shop', ttl => '1 hour'), arcache_enable('other', ttl => '1 min');
SELECT arcache_get_or_set('ttl:1', 'SELECT count(*) FROM shop') IS NOT NULL,
       arcache_get_or_set('ttl:2', 'SELECT count(*) FROM shop, other') IS NOT NULL,
       arcache_get_or_set('ttl:3', 'SELECT count(*) FROM shop', ttl => '10 s') IS NOT NULL,
       arcache_get_or_set('ttl:4', 'SELECT count(*) FROM shop', ttl => '1 day') IS NOT NULL,
       arcache_get_or_set('ttl:5', 'SELECT count(*) FROM item', ttl => '1 day') IS NOT NULL,
       arcache_get_or_set('ttl:6', 'SELECT count(*) FROM item') IS NOT NULL;
SELECT key, coherence, round(extract(epoch FROM expires - created)) AS seconds FROM arcache_entries WHERE key LIKE 'ttl:_' AND valid ORDER BY key;
SELECT relation, ttl, auto FROM arcache_relations ORDER BY relation::text;
CALL run($$UPDATE shop SET price = 56$$, 'SELECT * FROM shop ORDER BY id');
SELECT arcache_enable('shop', ttl => '1 s');
SELECT arcache_get_or_set('ttl', 'SELECT price FROM shop ORDER BY id');
SELECT pg_sleep(1.1);
SELECT arcache_exists('ttl');
SELECT arcache_enable('shop'), arcache_enable('other');

-- Usage is told per relation.
SELECT arcache_clear() >= 0;
SELECT arcache_get_or_set('u:1', 'SELECT count(*) FROM shop') = arcache_get_or_set('u:1', 'SELECT count(*) FROM shop'),
       arcache_get_or_set('u:2', 'SELECT count(*) FROM shop, item') IS NOT NULL;
SELECT relation, entries, bytes > 0, hits FROM arcache_relations WHERE relation IN ('shop'::regclass, 'item'::regclass, 'other'::regclass) ORDER BY relation::text;

-- Partitions: written through the parent, directly, and from one to another.
CREATE TABLE log (id int, day int) PARTITION BY RANGE (day);
CREATE TABLE log1 PARTITION OF log FOR VALUES FROM (0) TO (10);
CREATE TABLE log2 PARTITION OF log FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
CREATE TABLE log2a PARTITION OF log2 FOR VALUES IN (1, 2, 3);
SELECT arcache_enable('log');
SELECT tgrelid::regclass, tgenabled FROM pg_trigger WHERE tgname = 'arcache_track' AND tgrelid::regclass::text LIKE 'log%' ORDER BY 1;
CALL run($$INSERT INTO log VALUES (1, 1), (2, 12)$$, 'SELECT * FROM log ORDER BY id');
CALL run($$INSERT INTO log1 VALUES (3, 2)$$, 'SELECT * FROM log ORDER BY id');
CALL run($$UPDATE log SET day = 3 WHERE id = 3$$, 'SELECT * FROM log1 ORDER BY id');
CALL run($$UPDATE log SET day = 13 WHERE id = 3$$, 'SELECT * FROM log2a ORDER BY id');
CALL run($$UPDATE log SET day = 4 WHERE id = 3$$, 'SELECT * FROM log1 ORDER BY id');
CALL run($$UPDATE log2 SET id = 1 WHERE id = 2$$, 'SELECT * FROM log WHERE day > 10');
CALL run($$DELETE FROM log2a$$, 'SELECT * FROM log ORDER BY id');
CALL run($$INSERT INTO log1 VALUES (9, 9)$$, 'SELECT * FROM log2a');
CALL run($$TRUNCATE log1$$, 'SELECT * FROM log ORDER BY id');
CALL run($$MERGE INTO log USING (VALUES (1)) v(id) ON log.id = v.id AND false WHEN NOT MATCHED THEN INSERT VALUES (2, 14)$$, 'SELECT * FROM log2a ORDER BY id');
CALL fill('SELECT * FROM log ORDER BY id, day');
COPY log FROM STDIN;
3	5
3	15
\.
CALL verify('SELECT * FROM log ORDER BY id, day');

-- A partition that is attached, detached or dropped changes what the parent says.
CREATE TABLE log3 (id int, day int);
INSERT INTO log3 VALUES (30, 30);
SELECT arcache_enable('log3');
CALL run($$ALTER TABLE log ATTACH PARTITION log3 FOR VALUES FROM (30) TO (40)$$, 'SELECT * FROM log ORDER BY id, day');
CALL run($$INSERT INTO log3 VALUES (31, 31)$$, 'SELECT * FROM log ORDER BY id, day');
CALL run($$ALTER TABLE log DETACH PARTITION log3$$, 'SELECT * FROM log ORDER BY id, day');
CALL run($$INSERT INTO log3 VALUES (32, 32)$$, 'SELECT * FROM log3 ORDER BY id, day');
CALL run($$DROP TABLE log1$$, 'SELECT * FROM log ORDER BY id, day');
SELECT arcache_disable('log');
SELECT count(*) FROM pg_trigger WHERE tgname = 'arcache_track' AND tgrelid::regclass::text LIKE 'log%' AND tgrelid <> 'log3'::regclass;

-- A partition that is made later has no trigger, so results over it are by ttl until it is enabled.
CREATE TABLE log4 PARTITION OF log FOR VALUES FROM (40) TO (50);
SELECT arcache_enable('log');
SELECT arcache_why('SELECT * FROM log');
CREATE TABLE log5 PARTITION OF log FOR VALUES FROM (50) TO (60);
SELECT arcache_why('SELECT * FROM log');
SELECT arcache_enable('log5');
SELECT arcache_why('SELECT * FROM log');
CALL run($$INSERT INTO log5 VALUES (1, 55)$$, 'SELECT * FROM log ORDER BY id, day');

-- Inheritance: a parent's queries read its children, with ONLY they do not.
CREATE TABLE animal (name text);
CREATE TABLE bird (wings int) INHERITS (animal);
SELECT arcache_enable('animal');
CALL run($$INSERT INTO bird VALUES ('wren', 2)$$, 'SELECT * FROM animal ORDER BY name');
CALL run($$UPDATE animal SET name = upper(name)$$, 'SELECT * FROM bird ORDER BY name');
CALL run($$INSERT INTO bird VALUES ('crow', 2)$$, 'SELECT * FROM ONLY animal');
CALL run($$CREATE TABLE fish () INHERITS (animal)$$, 'SELECT * FROM animal ORDER BY name');
SELECT arcache_enable('fish');
CALL run($$ALTER TABLE bird NO INHERIT animal$$, 'SELECT * FROM animal ORDER BY name');

-- What cannot be tracked is said so.
CREATE TEMP TABLE temporary (a int);
CREATE SEQUENCE seq;
CREATE INDEX an_index ON shop (name);
CREATE FOREIGN DATA WRAPPER arcache_dummy;
CREATE SERVER arcache_dummy FOREIGN DATA WRAPPER arcache_dummy;
CREATE FOREIGN TABLE foreign_table (a int) SERVER arcache_dummy;
CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a;
SELECT arcache_enable('shop_view');
SELECT arcache_enable('mv');
SELECT arcache_enable('temporary');
DROP TABLE temporary;
SELECT arcache_enable('seq');
\set VERBOSITY sqlstate
SELECT arcache_enable('an_index');
\set VERBOSITY default
SELECT arcache_enable('foreign_table');
SELECT arcache_enable('pg_class');
SELECT arcache_enable('size');
SELECT arcache_enable('nowhere');
SELECT arcache_enable(NULL);
SELECT arcache_enable('shop', ttl => '0');
SELECT arcache_enable('shop', ttl => '-1 s');
SELECT arcache_enable('shop', ttl => '100 ms');
SELECT arcache_disable('shop_view');
SELECT arcache_disable(NULL);
SELECT arcache_invalidate('shop_view'), arcache_invalidate('mv');
CREATE TABLE with_foreign (a int);
ALTER FOREIGN TABLE foreign_table INHERIT with_foreign;
SELECT arcache_enable('with_foreign');
SELECT arcache_track();
CREATE TRIGGER wrong BEFORE INSERT ON shop FOR EACH ROW EXECUTE FUNCTION arcache_track();
INSERT INTO shop VALUES (50);
SELECT relation FROM arcache_relations WHERE relation = 'shop'::regclass;
DROP TRIGGER wrong ON shop;

-- Results that read partitions as a whole depend on the root too, keys or not.
CREATE TABLE town (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
CREATE TABLE town1 PARTITION OF town FOR VALUES FROM (0) TO (100);
CREATE TABLE town2 PARTITION OF town FOR VALUES FROM (100) TO (200);
INSERT INTO town VALUES (1, 1), (101, 1);
SELECT arcache_enable('town');
SELECT arcache_why('SELECT count(*) FROM town');
SELECT arcache_why('SELECT v FROM town WHERE id = 1');
CALL run($$INSERT INTO town VALUES (2, 2)$$, 'SELECT count(*) FROM town');
CALL run($$INSERT INTO town VALUES (3, 3)$$, 'SELECT count(*) FROM town1');
SELECT arcache_enable('town1', keys => '{}');
CALL run($$UPDATE town SET v = v + 1 WHERE id = 1$$, 'SELECT v FROM town WHERE id = 1');
CREATE TABLE ship (id int PRIMARY KEY, v int);
CREATE TABLE boat () INHERITS (ship);
INSERT INTO ship VALUES (1, 1);
INSERT INTO boat VALUES (2, 2);
SELECT arcache_enable('ship');
CALL run($$UPDATE ship SET v = v + 1 WHERE id = 2$$, 'SELECT v FROM ONLY ship WHERE id = 1 UNION ALL SELECT v FROM boat');

-- Tracked as the parent is: what was created or attached, and nothing else.
CREATE TABLE town3 PARTITION OF town FOR VALUES FROM (200) TO (300) PARTITION BY RANGE (id);
CREATE TABLE town3a PARTITION OF town3 FOR VALUES FROM (200) TO (250);
CREATE TABLE spare (id int PRIMARY KEY, v int);
ALTER TABLE town ATTACH PARTITION spare FOR VALUES FROM (300) TO (400);
CREATE TABLE raft () INHERITS (ship);
CREATE TABLE float (id int NOT NULL, v int);
ALTER TABLE float INHERIT ship;
SELECT relation, level, keys FROM arcache_relations WHERE relation::text ~ 'town|spare|raft|float' ORDER BY relation::text;
SELECT arcache_disable('town1');
CREATE TABLE IF NOT EXISTS town1 PARTITION OF town FOR VALUES FROM (0) TO (100);
SELECT count(*) FROM arcache_relations WHERE relation = 'town1'::regclass;
CREATE TEMP TABLE hidden (id int);
CREATE TABLE public.hidden PARTITION OF town FOR VALUES FROM (400) TO (500);
SELECT relation, level FROM arcache_relations WHERE relation::text LIKE '%hidden';
DROP TABLE pg_temp.hidden;
BEGIN;
CREATE TABLE rolled_back PARTITION OF town FOR VALUES FROM (500) TO (600);
ROLLBACK;
SELECT count(*) FROM arcache_relations WHERE relation::text = 'rolled_back';

-- What this session uses cannot be tracked then; that is no error.
CREATE TABLE busy (id int PRIMARY KEY, v int REFERENCES shop DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE read (id int PRIMARY KEY, v int);
BEGIN;
INSERT INTO busy VALUES (600, NULL);
DECLARE c CURSOR FOR SELECT * FROM read;
FETCH c;
UPDATE busy SET v = (SELECT min(id) FROM shop);
ALTER TABLE town ATTACH PARTITION busy FOR VALUES FROM (600) TO (700);
ALTER TABLE town ATTACH PARTITION read FOR VALUES FROM (700) TO (800);
COMMIT;
SELECT count(*) FROM arcache_relations WHERE relation::text IN ('busy', 'read');
SELECT arcache_enable('town');
SELECT count(*) FROM arcache_relations WHERE relation::text IN ('busy', 'read');

-- Which columns can be in a key.
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN pair_domain AS pair;
CREATE TABLE odd (id int, p pair, ps pair[], d pair_domain, x xml, pt point, j jsonb, r int4range, "Upper Case" text,
    "a,b" int, t tsvector, PRIMARY KEY (id), UNIQUE ("Upper Case", "a,b"), UNIQUE (p));
SELECT arcache_enable('odd');
SELECT level, keys FROM arcache_relations WHERE relation = 'odd'::regclass;
SELECT arcache_enable('odd', keys => '{j,r,"id,\"Upper Case\""}');
SELECT level, keys FROM arcache_relations WHERE relation = 'odd'::regclass;
\set VERBOSITY sqlstate
SELECT arcache_enable('odd', keys => '{p}');
SELECT arcache_enable('odd', keys => '{ps}');
SELECT arcache_enable('odd', keys => '{d}');
SELECT arcache_enable('odd', keys => '{x}');
SELECT arcache_enable('odd', keys => '{pt}');
SELECT arcache_enable('odd', keys => '{none}');
SELECT arcache_enable('odd', keys => '{ctid}');
SELECT arcache_enable('odd', keys => '{""}');
SELECT arcache_enable('odd', keys => '{"id,"}');
SELECT arcache_enable('odd', keys => '{NULL}');
SELECT arcache_enable('odd', keys => '{{id},{j}}');
SELECT arcache_enable('odd', keys => array_fill('id'::text, '{33}'));
\set VERBOSITY default
SELECT level, keys FROM arcache_relations WHERE relation = 'odd'::regclass;

-- A renamed column is not tracked under its new name, nor looked for.
SELECT arcache_enable('odd', keys => '{id,j}');
ALTER TABLE odd RENAME j TO k;
SELECT level, keys FROM arcache_relations WHERE relation = 'odd'::regclass;
SELECT arcache_why('SELECT id FROM odd WHERE k = ''1''');
INSERT INTO odd (id, k) VALUES (1, '1');
CALL run($$UPDATE odd SET k = '2' WHERE id = 1$$, 'SELECT id FROM odd WHERE k = ''1''');
CALL run($$UPDATE odd SET k = '3' WHERE id = 1$$, 'SELECT k FROM odd WHERE id = 1');
ALTER TABLE odd DROP k;
CALL run($$UPDATE odd SET r = '[1,2)' WHERE id = 1$$, 'SELECT r FROM odd WHERE id = 1');

-- The counts of a relation go with it.
SELECT count(*) FROM arcache_relation_counts() WHERE relid = 'odd'::regclass;
SELECT 'odd'::regclass::oid AS odd \gset
BEGIN;
DROP TABLE odd;
ROLLBACK;
SELECT count(*) FROM arcache_relation_counts() WHERE relid = 'odd'::regclass;
DROP TABLE odd;
SELECT count(*) FROM arcache_relation_counts() WHERE relid = :odd;
CREATE TABLE passing (id int);
SELECT 'passing'::regclass::oid AS passing \gset
DROP TABLE passing;
SELECT count(*) FROM arcache_relation_counts() WHERE relid = :passing;
DROP TABLE town, ship, boat, raft, float;
DROP DOMAIN pair_domain;
DROP TYPE pair;

-- DROP EXTENSION takes the triggers along, so it needs no CASCADE; undone, all is as before.
BEGIN;
DROP EXTENSION arcache;
SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'arcache%';
INSERT INTO shop VALUES (60);
ROLLBACK;
SELECT arcache_why('SELECT * FROM shop');
CALL run($$INSERT INTO shop VALUES (61)$$, 'SELECT * FROM shop ORDER BY id');

DROP FOREIGN DATA WRAPPER arcache_dummy CASCADE;
DROP MATERIALIZED VIEW mv;
DROP SEQUENCE seq;
DROP VIEW shop_view;
DROP TABLE part, item, shop, other, again, log, log3, fish, bird, animal, with_foreign;
DROP FUNCTION write, write_trigger, twice, uncached;
DROP PROCEDURE run, fill, verify;
DROP TYPE size;
DROP DOMAIN small;
SELECT arcache_clear() >= 0;
