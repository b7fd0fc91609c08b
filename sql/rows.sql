-- Rows of tables by their primary keys.  Every hit here is verified.
SET arcache.debug_verify = on;
CREATE SCHEMA shop;
SET search_path = shop, public;

CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, tags text[]);
INSERT INTO users SELECT i, 'user ' || i, ARRAY['a', i::text] FROM generate_series(1, 9) i;
SELECT arcache_enable('users');

-- What the cache did since the last call.
CREATE TABLE counted AS SELECT 0::bigint AS hits, 0::bigint AS misses, 0::bigint AS fills;
CREATE FUNCTION did(OUT hits bigint, OUT misses bigint, OUT fills bigint)
LANGUAGE plpgsql AS $$
DECLARE
    now record;
BEGIN
    SELECT s.hits, s.misses, s.fills INTO now FROM arcache_stats s;
    SELECT now.hits - c.hits, now.misses - c.misses, now.fills - c.fills
      INTO did.hits, did.misses, did.fills FROM counted c;
    UPDATE counted c SET hits = now.hits, misses = now.misses, fills = now.fills;
END $$;
CREATE FUNCTION code_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END $$;
SELECT did() IS NOT NULL;

--
-- Reading through
--
SELECT * FROM arcache_row(NULL::users, 1);
SELECT * FROM arcache_row(NULL::users, 1);
SELECT (arcache_row(NULL::users, 1)).name;
SELECT * FROM did();

-- Absent rows are cached too; a NULL is not looked up.
SELECT arcache_row(NULL::users, 42) IS NULL;
SELECT arcache_row(NULL::users, 42) IS NULL;
SELECT arcache_row(NULL::users, NULL) IS NULL;
SELECT arcache_row(NULL::users, NULL::int) IS NULL;
SELECT * FROM did();

-- Other types of the same value are the same key.
SELECT (arcache_row(NULL::users, k)).name FROM (VALUES (1::bigint)) v(k);
SELECT (arcache_row(NULL::users, 1::smallint)).name, (arcache_row(NULL::users, '1')).name,
       (arcache_row(NULL::users, VARIADIC ARRAY[1])).name;
SELECT * FROM did();

-- A write to a row is seen, and costs no other row its entry.
SELECT (arcache_row(NULL::users, 2)).name;
UPDATE users SET name = 'changed' WHERE id = 1;
INSERT INTO users VALUES (42, 'user 42', NULL);
SELECT (arcache_row(NULL::users, 1)).name;
SELECT (arcache_row(NULL::users, 2)).name;
SELECT arcache_row(NULL::users, 42);
SELECT * FROM did();
DELETE FROM users WHERE id = 42;
SELECT arcache_row(NULL::users, 42) IS NULL;

-- In a query, one call for each row.
SELECT i, (arcache_row(NULL::users, i)).name FROM generate_series(1, 4) i;
SELECT i, r.name FROM generate_series(1, 4) i, arcache_row(NULL::users, i) r;
SELECT * FROM did();

--
-- Many at once
--
-- In the order of the keys, a row for each that has one.
SELECT id, name FROM arcache_rows(NULL::users, ARRAY[7, 1, 77, 7, NULL, 6]);
SELECT * FROM did();
SELECT id, name FROM arcache_rows(NULL::users, ARRAY[77, 6, 5, 1]);
SELECT (arcache_row(NULL::users, 6)).name;
SELECT * FROM did();
SELECT count(*) FROM arcache_rows(NULL::users, '{}'::int[]);
SELECT count(*) FROM arcache_rows(NULL::users, NULL::int[]);
SELECT arcache_rows(NULL::users, ARRAY[1, 2]::bigint[]);
-- Each of them depends on itself.
UPDATE users SET name = 'changed too' WHERE id = 7;
SELECT * FROM did();
SELECT id, name FROM arcache_rows(NULL::users, ARRAY[5, 6, 7]);
SELECT * FROM did();
-- More than go into one query.
CREATE TABLE many (id bigint PRIMARY KEY, n int);
INSERT INTO many SELECT i, i % 7 FROM generate_series(1, 300) i;
SELECT arcache_enable('many');
SELECT count(*), sum(n) FROM arcache_rows(NULL::many, ARRAY(SELECT generate_series(1, 310)));
SELECT count(*), sum(n) FROM arcache_rows(NULL::many, ARRAY(SELECT generate_series(1, 310)));
SELECT * FROM did();
-- Tracked as a whole, or not at all, they are read all the same.
SELECT arcache_enable('many', keys => '{}');
SELECT count(*), sum(n) FROM arcache_rows(NULL::many, ARRAY(SELECT generate_series(1, 310)));
SELECT count(*), sum(n) FROM arcache_rows(NULL::many, ARRAY(SELECT generate_series(1, 310)));
SELECT * FROM did();
SELECT arcache_disable('many');
SELECT count(*), sum(n) FROM arcache_rows(NULL::many, ARRAY(SELECT generate_series(1, 310)));
SELECT * FROM did();

--
-- Keys of several columns
--
CREATE TABLE seats (hall text, seat int, taken boolean, PRIMARY KEY (seat, hall));
INSERT INTO seats VALUES ('a', 1, true), ('a', 2, false), ('b,1', 1, true), ('b\', 1, false), ('b\,1', 1, NULL);
SELECT arcache_enable('seats');
SELECT arcache_row(NULL::seats, 1, 'a');
SELECT arcache_row(NULL::seats, 1, 'a');
SELECT arcache_row(NULL::seats, 1, NULL) IS NULL;
SELECT * FROM arcache_rows(NULL::seats, ARRAY[ROW(1, 'b\'), ROW(2, 'a'), ROW(3, 'a'), ROW(1, 'b,1'), ROW(1, NULL), NULL, ROW(1, 'b\,1')]);
SELECT * FROM arcache_rows(NULL::seats, ARRAY[ROW(1, 'b\,1'), ROW(2, 'a'), ROW(1, 'a')]);
SELECT * FROM did();
UPDATE seats SET taken = true WHERE seat = 2;
SELECT * FROM arcache_rows(NULL::seats, ARRAY[ROW(1, 'b\'), ROW(2, 'a'), ROW(1, 'b,1'), ROW(1, 'a')]);
SELECT * FROM did();
CREATE TYPE seat_key AS (seat smallint, hall varchar(5));
SELECT * FROM arcache_rows(NULL::seats, ARRAY[(2, 'a')::seat_key]);
SELECT kind, key, params, depends_on FROM arcache_entries
 WHERE key LIKE 'shop.seats%' ORDER BY key COLLATE "C";

--
-- Types
--
-- Numbers that are equal, and written otherwise.
CREATE TABLE prices (price numeric PRIMARY KEY, what text);
INSERT INTO prices VALUES (1.0, 'one'), (2.50, 'two and a half'), ('NaN', 'none');
SELECT arcache_enable('prices');
SELECT * FROM arcache_rows(NULL::prices, ARRAY[1, 1.0, 1.00, 2.5, 'NaN', 3.0]);
SELECT * FROM arcache_rows(NULL::prices, ARRAY[1, 1.0, 1.00, 2.5, 'NaN', 3.0]);
SELECT arcache_row(NULL::prices, 1.000), arcache_row(NULL::prices, 1::int);
SELECT * FROM did();
UPDATE prices SET what = 'ein' WHERE price = 1;
SELECT what FROM arcache_rows(NULL::prices, ARRAY[1, 1.0, 1.00, 2.5]);

-- Text that settings change is not changed by them.
CREATE TABLE days (day date PRIMARY KEY, what text);
INSERT INTO days VALUES ('2020-02-01', 'February'), ('2020-01-02', 'January');
SELECT arcache_enable('days');
SET DateStyle = 'SQL, DMY';
SELECT * FROM arcache_row(NULL::days, '01/02/2020');
SELECT * FROM arcache_rows(NULL::days, ARRAY['02/01/2020', '01/02/2020']::date[]);
SET DateStyle = 'SQL, MDY';
SELECT * FROM arcache_rows(NULL::days, ARRAY['02/01/2020', '01/02/2020']::date[]);
RESET DateStyle;
CREATE TABLE lengths (length float8 PRIMARY KEY, what text);
INSERT INTO lengths VALUES (0.1::float8 + 0.2::float8, 'sum'), (0.3, 'literal'), ('-0', 'zero');
SELECT arcache_enable('lengths');
SET extra_float_digits = -10;
SELECT what FROM arcache_row(NULL::lengths, 0.1::float8 + 0.2::float8);
SELECT what FROM arcache_row(NULL::lengths, 0.3::float8);
SELECT what FROM arcache_rows(NULL::lengths, ARRAY[0.3, 0, 0.1::float8 + 0.2::float8]::float8[]);
RESET extra_float_digits;
CREATE TABLE spans (span interval PRIMARY KEY, what text);
INSERT INTO spans VALUES ('-1 day +2 hours', 'a'), ('24 hours', 'b');
SELECT arcache_enable('spans');
SET IntervalStyle = sql_standard;
SELECT what FROM arcache_rows(NULL::spans, ARRAY['1 day', INTERVAL '-1 day' + INTERVAL '2 hours']::interval[]);
RESET IntervalStyle;

-- Padding, domains, enums, names, arrays, ranges, composites, other schemas.
CREATE SCHEMA "Odd Schema";
CREATE DOMAIN "Odd Schema".code AS text CHECK (value ~ '^[a-z'']+$');
CREATE TYPE "Odd Schema".mood AS ENUM ('sad', 'hap,"py');
CREATE TABLE "Odd Schema"."Odd ""Table""" (
    "Odd Key" "Odd Schema".code, mood "Odd Schema".mood, padded char(4), name name,
    PRIMARY KEY (padded, "Odd Key", mood, name));
INSERT INTO "Odd Schema"."Odd ""Table""" VALUES ('it''s', 'hap,"py', 'ab', 'n'), ('b', 'sad', 'ab', 'n');
SELECT arcache_enable('"Odd Schema"."Odd ""Table"""');
SELECT arcache_row(NULL::"Odd Schema"."Odd ""Table""", 'ab', 'it''s', 'hap,"py', 'n');
SELECT arcache_row(NULL::"Odd Schema"."Odd ""Table""", 'ab  ', 'it''s', 'hap,"py', 'n');
-- What the domain forbids is not there.
SELECT arcache_row(NULL::"Odd Schema"."Odd ""Table""", 'ab', 'UPPER', 'sad', 'n') IS NULL;
SELECT * FROM arcache_rows(NULL::"Odd Schema"."Odd ""Table""",
                           ARRAY[ROW('ab', 'b', 'sad'::"Odd Schema".mood, 'n'::name),
                                 ROW('ab', 'it''s', 'hap,"py'::"Odd Schema".mood, 'n')]);
SELECT kind, key FROM arcache_entries WHERE key LIKE '%Odd%' ORDER BY key COLLATE "C";
CREATE TABLE lists (list int[] PRIMARY KEY, what text);
INSERT INTO lists VALUES ('{1,2}', 'a'), ('{NULL}', 'b');
SELECT arcache_enable('lists');
SELECT arcache_row(NULL::lists, ARRAY[1, 2]), arcache_row(NULL::lists, '{NULL}');
SELECT arcache_row(NULL::lists, ARRAY[1, 2]);
SELECT code_of('SELECT arcache_row(NULL::lists, VARIADIC ''{1}''::int[])');
CREATE TABLE ranges (r int4range PRIMARY KEY, what text);
INSERT INTO ranges VALUES ('[1,3)', 'a'), ('empty', 'b');
SELECT arcache_enable('ranges');
SELECT * FROM arcache_rows(NULL::ranges, ARRAY['empty', '(0,2]', '[5,6)']::int4range[]);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE pairs (p pair PRIMARY KEY, what text);
INSERT INTO pairs VALUES ((1, 'x,"y'), 'a'), ((2, NULL), 'b');
SELECT arcache_enable('pairs');
SELECT * FROM arcache_rows(NULL::pairs, ARRAY[(2, NULL), (1, 'x,"y')]::pair[]);
SELECT * FROM arcache_rows(NULL::pairs, ARRAY[(2, NULL), (1, 'x,"y')]::pair[]);
SELECT arcache_row(NULL::pairs, ROW(1, 'x,"y')::pair);
-- A type without hashes goes one key at a time.
CREATE TABLE amounts (m money PRIMARY KEY, what text);
INSERT INTO amounts VALUES (1::money, 'a'), (2::money, 'b');
SELECT arcache_enable('amounts');
SELECT what FROM arcache_rows(NULL::amounts, ARRAY[2, 1, 3]::money[]);
SELECT did() IS NOT NULL;
SELECT what FROM arcache_rows(NULL::amounts, ARRAY[2, 1, 3]::money[]);
SELECT * FROM did();
-- Keys too long for a name are computed.
CREATE TABLE texts (t text PRIMARY KEY);
INSERT INTO texts SELECT repeat('x', 2100);
SELECT arcache_enable('texts');
SELECT length(t) FROM arcache_row(NULL::texts, repeat('x', 2100));
SELECT length(t) FROM arcache_rows(NULL::texts, ARRAY['y', repeat('x', 2100)]);
SELECT * FROM did();

--
-- Whole rows
--
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE point3 AS (x int, y positive, z text);
CREATE TABLE things (
    gone1 int, id int PRIMARY KEY, gone2 text, big text, twice int GENERATED ALWAYS AS (id * 2) STORED,
    corners point3[], p positive, gone3 int);
ALTER TABLE things ALTER big SET STORAGE EXTERNAL;
INSERT INTO things (gone1, id, gone2, big, corners, p, gone3)
     VALUES (1, 1, 'x', repeat('0123456789', 10000), ARRAY[(1, 2, 'a'), (3, 4, NULL)]::point3[], 5, 6),
            (1, 2, 'x', NULL, NULL, NULL, 6);
ALTER TABLE things DROP gone1, DROP gone2, DROP gone3;
ALTER TABLE things ADD later text DEFAULT 'later', ADD empty int;
SELECT arcache_enable('things');
CREATE FUNCTION same(a things, b things) RETURNS boolean LANGUAGE sql AS
$$ SELECT a IS NOT DISTINCT FROM b AND a *= b AND a::text = b::text $$;
SELECT same(t, arcache_row(NULL::things, t.id)) FROM things t ORDER BY id;
SELECT same(t, arcache_row(NULL::things, t.id)) FROM things t ORDER BY id;
SELECT same(t, r) FROM arcache_rows(NULL::things, ARRAY[1, 2]) r JOIN things t USING (id) ORDER BY t.id;
SELECT length(big), twice, corners, corners[2].y, later, empty FROM arcache_row(NULL::things, 1);
SELECT arcache_row(NULL::things, 2);
INSERT INTO things (id) VALUES (3), (4);
SELECT same(t, r) FROM arcache_rows(NULL::things, ARRAY[4, 3, 1]) r JOIN things t USING (id) ORDER BY t.id;
SELECT same(t, r) FROM arcache_rows(NULL::things, ARRAY[4, 3, 1]) r JOIN things t USING (id) ORDER BY t.id;
ALTER TABLE things ADD third int DEFAULT 3;
SELECT id, later, third FROM arcache_row(NULL::things, 2);
ALTER TABLE things RENAME TO objects;
SELECT id, later, third FROM arcache_row(NULL::objects, 2);
ALTER TABLE prices ALTER price TYPE float8;
SELECT price, pg_typeof(price) FROM arcache_row(NULL::prices, 2.50);
ALTER TABLE objects SET SCHEMA "Odd Schema";
SELECT id, third FROM arcache_row(NULL::"Odd Schema".objects, 2);
ALTER SCHEMA "Odd Schema" RENAME TO odd;
SELECT id, third FROM arcache_row(NULL::odd.objects, 2);
ALTER TABLE odd.objects DROP CONSTRAINT things_pkey;
SELECT code_of('SELECT arcache_row(NULL::odd.objects, 2)');
ALTER TABLE odd.objects ADD PRIMARY KEY (third, id);
SELECT id, third FROM arcache_row(NULL::odd.objects, 3, 2);
SELECT id, third FROM arcache_row(NULL::odd.objects, 3, 2);
-- Another table of the name is another table.
CREATE TABLE swap_a (id int PRIMARY KEY, what text);
CREATE TABLE swap_b (id int PRIMARY KEY, what text);
INSERT INTO swap_a VALUES (1, 'a');
INSERT INTO swap_b VALUES (1, 'b');
SELECT arcache_enable('swap_a'), arcache_enable('swap_b');
SELECT what FROM arcache_row(NULL::swap_a, 1);
ALTER TABLE swap_a RENAME TO swap_c;
ALTER TABLE swap_b RENAME TO swap_a;
SELECT what FROM arcache_row(NULL::swap_a, 1);
SELECT what FROM arcache_row(NULL::swap_c, 1);
-- Under any search_path.
CREATE SCHEMA evil;
CREATE FUNCTION evil.eq(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR evil.= (leftarg = int, rightarg = int, function = evil.eq);
CREATE DOMAIN evil.int4 AS text;
SET search_path = evil, pg_catalog;
SELECT name FROM public.arcache_row(NULL::shop.users, 3);
SELECT name FROM public.arcache_rows(NULL::shop.users, ARRAY[8, 9]);
SET search_path = shop, public;

-- Partitions, each with its own tokens; and children, which the key does not bind.
CREATE TABLE parts (id int, part int, what text, PRIMARY KEY (part, id)) PARTITION BY LIST (part);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 (what text, gone int, part int NOT NULL, id int NOT NULL);
ALTER TABLE parts_2 DROP gone;
ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES IN (2);
INSERT INTO parts SELECT i, 1 + i % 2, 'part of ' || i FROM generate_series(1, 6) i;
SELECT arcache_enable('parts');
SELECT * FROM arcache_rows(NULL::parts, ARRAY[ROW(1, 2), ROW(2, 1), ROW(2, 3), ROW(1, 1)]);
SELECT arcache_row(NULL::parts, 1, 4);
SELECT did() IS NOT NULL;
UPDATE parts SET what = 'moved', part = 2 WHERE id = 2;
SELECT * FROM arcache_rows(NULL::parts, ARRAY[ROW(1, 2), ROW(2, 2), ROW(2, 1), ROW(2, 3), ROW(1, 1)]);
SELECT * FROM did();
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (more int) INHERITS (parents);
INSERT INTO parents VALUES (1), (2);
INSERT INTO children VALUES (2, 3), (3, 4);
SELECT arcache_enable('parents');
SELECT arcache_row(NULL::parents, 1), arcache_row(NULL::parents, 3);
SELECT code_of('SELECT arcache_row(NULL::parents, 2)');
SELECT * FROM arcache_rows(NULL::parents, ARRAY[3, 2]);

--
-- By hand
--
SELECT arcache_row_get(NULL::users, 4);
SELECT arcache_row_delete('users', 4);
SELECT arcache_row_delete('users', 4);
SELECT arcache_row_get(NULL::users, 4);
SELECT * FROM did();
SELECT arcache_row(NULL::users, 4);
SELECT arcache_row_get(NULL::users, 4), arcache_row_get(NULL::users, NULL) IS NULL;
SELECT arcache_row_set((4, 'by hand', NULL)::users);
SELECT arcache_row_get(NULL::users, 4);
SELECT kind, key, query, coherence, depends_on, valid, expires FROM arcache_entries WHERE key = 'shop.users (4)';
-- It is never taken for what the query returns.
SELECT arcache_row(NULL::users, 4);
SELECT arcache_row_get(NULL::users, 4);
-- A write to the row drops it, a write to another does not.
SELECT arcache_row_set((4, 'by hand', NULL)::users, '1 hour');
SELECT expires > now() FROM arcache_entries WHERE key = 'shop.users (4)';
UPDATE users SET name = 'other' WHERE id = 5;
SELECT arcache_row_get(NULL::users, 4);
UPDATE users SET name = 'written' WHERE id = 4;
SELECT arcache_row_get(NULL::users, 4);
SELECT arcache_row(NULL::users, 4);
-- So does another row type.
SELECT arcache_row_set((4, 'by hand', NULL)::users);
ALTER TABLE users ADD age int;
SELECT arcache_row_get(NULL::users, 4);
SELECT arcache_row_set((4, 'by hand', NULL, 30)::users);
SELECT arcache_row_get(NULL::users, 4);
-- Rows that are not in the table, of other shapes too.
SELECT arcache_row_set((99, 'by hand', NULL, 30)::users);
SELECT arcache_row_get(NULL::users, 99), arcache_row(NULL::users, 99) IS NULL;
SELECT arcache_row_set(t) FROM odd.objects t WHERE id = 1;
SELECT length(big), corners, later, third FROM arcache_row_get(NULL::odd.objects, 3, 1);
-- What is absent is got as NULL, and is a hit.
SELECT arcache_row(NULL::users, 77) IS NULL;
SELECT did() IS NOT NULL;
SELECT arcache_row_get(NULL::users, 77) IS NULL, arcache_row_get(NULL::users, 78) IS NULL;
SELECT * FROM did();

-- It all obeys ROLLBACK, and is seen by the transaction itself.
SELECT arcache_row(NULL::users, 5);
BEGIN;
SELECT arcache_row_set((5, 'unborn', NULL, NULL)::users);
SELECT arcache_row_get(NULL::users, 5);
SELECT arcache_row(NULL::users, 5);
SAVEPOINT s;
SELECT arcache_row_delete('users', 5);
SELECT arcache_row_get(NULL::users, 5) IS NULL;
ROLLBACK TO s;
SELECT arcache_row_get(NULL::users, 5);
ROLLBACK;
SELECT arcache_row_get(NULL::users, 5);
BEGIN;
SELECT arcache_row_clear('users') > 3;
SELECT arcache_row_get(NULL::users, 5) IS NULL, (arcache_row(NULL::users, 5)).name;
ROLLBACK;
SELECT arcache_row_get(NULL::users, 5);
BEGIN;
UPDATE users SET name = 'own' WHERE id = 5;
SELECT arcache_row_set(u) FROM users u WHERE id = 5;
SELECT arcache_row_get(NULL::users, 5);
COMMIT;
SELECT arcache_row_get(NULL::users, 5);
BEGIN;
SELECT arcache_row_set((5, 'overtaken', NULL, NULL)::users);
UPDATE users SET name = 'own' WHERE id = 5;
SELECT arcache_row_get(NULL::users, 5) IS NULL;
COMMIT;
SELECT arcache_row_get(NULL::users, 5) IS NULL;

-- Own writes are read, and nothing that may be rolled back is kept.
SELECT arcache_row(NULL::users, 6), arcache_row(NULL::users, 8);
BEGIN;
UPDATE users SET name = 'mine' WHERE id = 6;
INSERT INTO users VALUES (60, 'mine');
SELECT (arcache_row(NULL::users, 6)).name, (arcache_row(NULL::users, 60)).name, (arcache_row(NULL::users, 8)).name;
SELECT id, name FROM arcache_rows(NULL::users, ARRAY[60, 6, 8, 61]);
SELECT arcache_row_get(NULL::users, 6) IS NULL;
ROLLBACK;
SELECT (arcache_row(NULL::users, 6)).name, (arcache_row(NULL::users, 60)).name, (arcache_row(NULL::users, 8)).name;
SELECT id, name FROM arcache_rows(NULL::users, ARRAY[60, 6, 8]);

--
-- Keys of their own
--
SELECT arcache_clear() > 0;
SELECT arcache_row(NULL::users, 1);
SELECT arcache_row(NULL::seats, 1, 'a');
SELECT arcache_set('users', '1');
SELECT arcache_set('1', '1');
SELECT * FROM arcache_keys() ORDER BY 1;
CREATE TEMP TABLE names AS SELECT 'users'::regclass::oid || ':1' AS key;
SELECT arcache_exists(key), arcache_ttl(key), arcache_touch(key, '1 hour'), arcache_delete(key) FROM names;
DROP TABLE names;
SELECT arcache_delete_pattern('*');
SELECT kind, key FROM arcache_entries ORDER BY key COLLATE "C";
-- Of one table, and not of another whose oid begins so.
SELECT arcache_row_clear('users');
SELECT kind, key FROM arcache_entries ORDER BY key COLLATE "C";
BEGIN;
SELECT arcache_clear();
SELECT arcache_row_get(NULL::seats, 1, 'a');
COMMIT;
SELECT kind, key FROM arcache_entries;
SELECT arcache_row(NULL::seats, 1, 'a');
SELECT arcache_clear_all();
SELECT kind, key FROM arcache_entries;
-- The oid is shown of a table that is gone.
CREATE TABLE gone (id int PRIMARY KEY);
SELECT arcache_enable('gone');
SELECT arcache_row(NULL::gone, 1) IS NULL;
DROP TABLE gone;
SELECT kind, regexp_replace(key, '^\d+:', 'oid:') AS key, valid FROM arcache_entries;

--
-- Errors
--
CREATE VIEW a_view AS SELECT * FROM users;
CREATE TABLE no_key (id int);
CREATE TABLE point_key (p point, id int);
SELECT code_of('SELECT arcache_row(NULL::int, 1)');
SELECT code_of('SELECT arcache_row(NULL::pair, 1)');
SELECT code_of('SELECT arcache_row(NULL::a_view, 1)');
SELECT code_of('SELECT arcache_row(NULL::no_key, 1)');
SELECT code_of('SELECT arcache_row(ROW(1, 2), 1)');
SELECT code_of('SELECT arcache_row(NULL::users, 1, 2)');
SELECT code_of('SELECT arcache_row(NULL::seats, 1)');
SELECT code_of('SELECT arcache_row(NULL::users, VARIADIC ARRAY[1, 2])');
SELECT code_of('SELECT arcache_row(NULL::users, VARIADIC NULL::int[])');
SELECT code_of('SELECT arcache_row(NULL::users, ''x'')');
SELECT code_of('SELECT arcache_row(NULL::users, ''1''::text)');
SELECT code_of('SELECT arcache_row(NULL::users, 5000000000)');
SELECT code_of('SELECT arcache_rows(NULL::users, ARRAY[[1, 2], [3, 4]])');
SELECT code_of('SELECT arcache_rows(NULL::users, ARRAY[''a''])');
SELECT code_of('SELECT arcache_rows(NULL::seats, ARRAY[1])');
SELECT code_of('SELECT arcache_rows(NULL::seats, ARRAY[ROW(1)])');
SELECT code_of('SELECT arcache_rows(NULL::seats, ARRAY[ROW(1, ''a'', 2)])');
SELECT code_of('SELECT arcache_rows(NULL::seats, ARRAY[ROW(''a'', 2)])');
SELECT code_of('SELECT arcache_rows(NULL::a_view, ARRAY[1])');
SELECT code_of('SELECT arcache_row_get(NULL::no_key, 1)');
SELECT code_of('SELECT arcache_row_set(NULL::users)');
SELECT code_of('SELECT arcache_row_set(ROW(1))');
SELECT code_of('SELECT arcache_row_set((NULL, ''x'', NULL, NULL)::users)');
SELECT code_of('SELECT arcache_row_set((1, ''x'', NULL, NULL)::users, ''0'')');
SELECT code_of('SELECT arcache_row_delete(NULL, 1)');
SELECT code_of('SELECT arcache_row_delete(''users'', ''x'')');
SELECT code_of('SELECT arcache_row_delete(''a_view'', 1)');
SELECT code_of('SELECT arcache_row_clear(NULL)');
SELECT code_of('SELECT arcache_row_clear(''no_key'')');
SELECT code_of('SELECT arcache_row_clear(''a_view'')');
SELECT arcache_row_delete('users', NULL), arcache_row_clear('users');

--
-- Without the cache
--
SELECT arcache_row(NULL::users, 1);
SET arcache.enabled = off;
SELECT arcache_row(NULL::users, 1);
SELECT id FROM arcache_rows(NULL::users, ARRAY[2, 1]);
SELECT arcache_row_get(NULL::users, 1) IS NULL, arcache_row_set((1, 'x', NULL, NULL)::users);
SELECT did() IS NOT NULL;
RESET arcache.enabled;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT (arcache_row(NULL::users, 1)).name, (arcache_row_get(NULL::users, 1)).name;
SELECT id FROM arcache_rows(NULL::users, ARRAY[2, 1]);
COMMIT;
CREATE TEMP TABLE temporary (id int PRIMARY KEY);
INSERT INTO temporary VALUES (1);
SELECT arcache_row(NULL::temporary, 1), (arcache_row(NULL::users, 1)).name;
SELECT id FROM arcache_rows(NULL::temporary, ARRAY[2, 1]);
SELECT arcache_row_set(ROW(2)::temporary);
DROP TABLE temporary;
-- A catalog tells of no write.
SELECT oid FROM arcache_row(NULL::pg_am, 2);
SELECT * FROM did();

--
-- Privileges and policies
--
CREATE ROLE regress_arcache_rows_a;
CREATE ROLE regress_arcache_rows_b;
CREATE TABLE notes (id int PRIMARY KEY, owner text, note text);
INSERT INTO notes VALUES (1, 'regress_arcache_rows_a', 'for a'), (2, 'regress_arcache_rows_b', 'for b'), (3, 'all', 'for all');
CREATE TABLE readers (reader text, owner text);
INSERT INTO readers VALUES ('regress_arcache_rows_a', 'all'), ('regress_arcache_rows_b', 'all');
SELECT arcache_enable('notes'), arcache_enable('readers');
GRANT USAGE ON SCHEMA shop TO regress_arcache_rows_a, regress_arcache_rows_b;
SET ROLE regress_arcache_rows_a;
SELECT code_of('SELECT arcache_row(NULL::notes, 1)');
SELECT code_of('SELECT arcache_rows(NULL::notes, ARRAY[1, 2])');
SELECT code_of('SELECT arcache_row_set((1, ''x'', ''y'')::notes)');
RESET ROLE;
GRANT SELECT ON notes, readers TO regress_arcache_rows_a, regress_arcache_rows_b;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (owner = current_user OR owner IN (SELECT r.owner FROM readers r WHERE r.reader = current_user));
SET ROLE regress_arcache_rows_a;
SELECT * FROM arcache_row(NULL::notes, 1);
SELECT * FROM arcache_row(NULL::notes, 2);
SELECT * FROM arcache_rows(NULL::notes, ARRAY[3, 2, 1]);
SELECT * FROM arcache_rows(NULL::notes, ARRAY[3, 2, 1]);
SET ROLE regress_arcache_rows_b;
SELECT * FROM arcache_rows(NULL::notes, ARRAY[3, 2, 1]);
SELECT * FROM arcache_row(NULL::notes, 1);
RESET ROLE;
SELECT * FROM arcache_rows(NULL::notes, ARRAY[3, 2, 1]);
SELECT did() IS NOT NULL;
-- What the policy reads counts as well.
DELETE FROM readers WHERE reader = 'regress_arcache_rows_a';
SET ROLE regress_arcache_rows_a;
SELECT * FROM arcache_rows(NULL::notes, ARRAY[3, 2, 1]);
RESET ROLE;
UPDATE notes SET owner = 'regress_arcache_rows_a' WHERE id = 2;
SET ROLE regress_arcache_rows_a;
SELECT * FROM arcache_rows(NULL::notes, ARRAY[3, 2, 1]);
SELECT arcache_row_set((2, 'x', 'by a')::notes);
SET ROLE regress_arcache_rows_b;
SELECT arcache_row_get(NULL::notes, 2) IS NULL;
RESET ROLE;
-- A policy that cannot be cached is no error.
CREATE POLICY whim ON notes AS RESTRICTIVE USING (random() < 2);
SET ROLE regress_arcache_rows_a;
SELECT * FROM arcache_row(NULL::notes, 1);
SELECT * FROM arcache_rows(NULL::notes, ARRAY[3, 2, 1]);
RESET ROLE;
DROP POLICY whim ON notes;
SET ROLE regress_arcache_rows_a;
SELECT * FROM arcache_row(NULL::notes, 1);
RESET ROLE;
REVOKE SELECT ON notes FROM regress_arcache_rows_a;
SET ROLE regress_arcache_rows_a;
SELECT code_of('SELECT arcache_row(NULL::notes, 1)');
SELECT code_of('SELECT arcache_rows(NULL::notes, ARRAY[1, 2])');
SELECT arcache_row_get(NULL::notes, 1) IS NULL, arcache_row_get(NULL::notes, 2) IS NULL;
RESET ROLE;
-- SELECT on some columns is not SELECT on the row.
GRANT SELECT (id, note) ON notes TO regress_arcache_rows_a;
SET ROLE regress_arcache_rows_a;
SELECT code_of('SELECT arcache_row(NULL::notes, 1)');
RESET ROLE;

-- Types that are compared as another one: names of objects are not read as numbers.
CREATE TABLE by_class (k regclass PRIMARY KEY, v int);
CREATE TABLE by_proc (k regproc, n regtype, v int, PRIMARY KEY (k, n));
CREATE TABLE by_net (k cidr PRIMARY KEY, v int);
INSERT INTO by_class VALUES ('pg_class', 1), ('by_class', 2);
INSERT INTO by_proc SELECT oid, 'double precision', 3 FROM pg_proc WHERE proname = 'length' AND proargtypes[0] = 'text'::regtype;
INSERT INTO by_net VALUES ('10.0.0.0/8', 4), ('10.1.2.3', 5);
SELECT arcache_enable('by_class'), arcache_enable('by_proc'), arcache_enable('by_net');
SELECT * FROM arcache_row(NULL::by_class, 'pg_class');
SELECT * FROM arcache_row(NULL::by_class, 'pg_class');
SELECT v FROM arcache_rows(NULL::by_class, ARRAY['by_class', 'pg_class', '999999']::regclass[]);
SELECT r.v FROM by_proc p, arcache_row(NULL::by_proc, p.k, p.n) r;
SELECT v FROM arcache_rows(NULL::by_net, ARRAY['10.1.2.3', '10.0.0.0/8']::cidr[]);

-- A type that gets another name, or another schema, in a session that knows it.
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TABLE moods (k mood PRIMARY KEY, v int);
INSERT INTO moods VALUES ('sad', 1), ('glad', 2);
SELECT arcache_enable('moods');
SELECT v FROM arcache_rows(NULL::moods, '{glad,sad}'::mood[]);
ALTER TYPE mood RENAME TO humour;
SELECT v FROM arcache_row(NULL::moods, 'sad');
SELECT v FROM arcache_rows(NULL::moods, '{glad,sad}'::humour[]);
ALTER TYPE humour SET SCHEMA odd;
SELECT v FROM arcache_row(NULL::moods, 'sad');
SELECT v FROM arcache_rows(NULL::moods, '{glad,sad}'::odd.humour[]);

-- Keys that are arrays with NULL elements, whatever array_nulls says.
CREATE TABLE by_array (k text[] PRIMARY KEY, v int);
INSERT INTO by_array VALUES (ARRAY['a', NULL], 1), (ARRAY['a', 'NULL'], 2);
SELECT arcache_enable('by_array');
SET array_nulls = off;
SELECT * FROM arcache_row(NULL::by_array, ARRAY['a', NULL]);
SELECT * FROM arcache_row(NULL::by_array, ARRAY['a', NULL]);
SELECT current_setting('array_nulls'), v FROM arcache_rows(NULL::by_array, (SELECT array_agg(ROW(k)) FROM by_array));
RESET array_nulls;
SELECT * FROM arcache_row(NULL::by_array, ARRAY['a', NULL]);

-- What a query of many keys takes is not kept for the next.
CREATE TABLE hoard (id int PRIMARY KEY);
INSERT INTO hoard SELECT generate_series(1, 20000);
SELECT arcache_enable('hoard');
ALTER TABLE hoard ENABLE ROW LEVEL SECURITY;
CREATE TABLE seen (bytes bigint);
CREATE FUNCTION watch(id int) RETURNS boolean LANGUAGE plpgsql VOLATILE AS
    $$ BEGIN IF id % 5000 = 0 THEN INSERT INTO shop.seen SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name ~ '^arcache lookup'; END IF; RETURN true; END $$;
CREATE POLICY watched ON hoard USING (watch(id));
ALTER TABLE hoard FORCE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA shop TO regress_arcache_rows_a;
GRANT ALL ON hoard, seen TO regress_arcache_rows_a;
GRANT pg_read_all_stats TO regress_arcache_rows_a;
SET ROLE regress_arcache_rows_a;
SELECT count(*) FROM arcache_rows(NULL::hoard, ARRAY(SELECT generate_series(1, 20000)));
RESET ROLE;
SELECT count(*), max(bytes) < 40000000 AS modest, CASE WHEN max(bytes) >= 40000000 THEN max(bytes) END AS bytes FROM seen;

SELECT audits > 100 AS verified, audit_failures FROM arcache_stats;

SET client_min_messages = warning;
DROP OWNED BY regress_arcache_rows_a, regress_arcache_rows_b;
DROP ROLE regress_arcache_rows_a, regress_arcache_rows_b;
DROP SCHEMA shop, odd, evil CASCADE;
SELECT arcache_clear() >= 0;
