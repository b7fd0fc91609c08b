--
-- Transparent mode and definitions that change: between two hits of one prepared
-- statement and of a function the statement comes to mean something else, and
-- its result is never the old one.
--
-- twice() runs the prepared statement "p", and the same in a function, through
-- the cache and computed, and says what the cache did; it tells an error from
-- another.
--
SET client_min_messages = warning;
SET arcache.min_cost = 0;
SET arcache.debug_verify = on;
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION did() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	now jsonb := (SELECT to_jsonb(s) FROM arcache_stats s);
	last jsonb := nullif(current_setting('test.last', true), '');
	said text;
BEGIN
	PERFORM set_config('test.last', now::text, false);
	SELECT string_agg(CASE by WHEN 1 THEN what ELSE by || ' ' || what END, ', ' ORDER BY place) INTO said
	  FROM unnest('{hits,fills,rejected_stale_fill,bypass_own_writes,bypass_uncacheable,audit_failures}'::text[],
	              '{hit,fill,rejected: stale,bypass: own writes,bypass: uncacheable,WRONG}'::text[])
	       WITH ORDINALITY AS w(name, what, place),
	       LATERAL (SELECT (now -> name)::int - (last -> name)::int AS by) d
	 WHERE by > 0;
	RETURN coalesce(said, 'nothing');
END $$;
CREATE FUNCTION rows_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	rows text := '';
BEGIN
	FOR r IN EXECUTE query LOOP
		rows := rows || r::text;
	END LOOP;
	RETURN rows;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
CREATE FUNCTION twice(fresh text) RETURNS TABLE (how text, what text) LANGUAGE plpgsql AS $$
DECLARE
	computed text;
	got text[];
	query text;
BEGIN
	FOREACH query IN ARRAY ARRAY['EXECUTE p', 'SELECT * FROM f()', fresh] LOOP
		CONTINUE WHEN query IS NULL;
		PERFORM did();
		got := ARRAY[rows_of(query)];
		how := did();
		got := got || rows_of(query);
		how := how || '; ' || did();
		PERFORM set_config('arcache.auto', 'off', true);
		computed := rows_of(query);
		PERFORM set_config('arcache.auto', 'on', true);
		what := computed || CASE WHEN got <> ARRAY[computed, computed] THEN ' DIFFERENT: ' || got::text ELSE '' END;
		RETURN NEXT;
	END LOOP;
END $$;
SET arcache.auto = on;

--
-- A table's columns
--
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t VALUES (1, 10, 'one'), (2, 20, 'two');
SELECT arcache_enable('t');
PREPARE p AS SELECT id, a FROM t ORDER BY id;
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT id::text || a || b FROM t ORDER BY id; END$$;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t ADD COLUMN c int DEFAULT 5;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t DROP COLUMN c;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t ALTER a TYPE bigint USING a * 2;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t ALTER a TYPE int USING a / 2;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t ALTER b TYPE varchar(2) USING left(b, 2);
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t RENAME a TO aa;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t RENAME aa TO a;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
-- another column takes the name
ALTER TABLE t RENAME a TO x;
ALTER TABLE t ADD COLUMN a int DEFAULT 77;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t DROP COLUMN a;
ALTER TABLE t RENAME x TO a;
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
ALTER TABLE t ALTER a SET DEFAULT 3;
ALTER TABLE t ADD CHECK (a > 0);
ALTER TABLE t ALTER b SET NOT NULL;
CREATE INDEX t_a ON t (a);
SELECT * FROM twice('SELECT * FROM t ORDER BY id');
-- the columns of a prepared SELECT * are those of when it was prepared
DEALLOCATE p;
PREPARE p AS SELECT * FROM t ORDER BY id;
SELECT * FROM twice(NULL);
ALTER TABLE t ADD COLUMN d int;
SELECT * FROM twice(NULL);
ALTER TABLE t DROP COLUMN d;
SELECT * FROM twice(NULL);
DEALLOCATE p;
-- what is rolled back has not been
PREPARE p AS SELECT id, a FROM t ORDER BY id;
SELECT * FROM twice(NULL);
BEGIN;
ALTER TABLE t RENAME a TO gone;
ALTER TABLE t ADD COLUMN a int DEFAULT 1;
SELECT * FROM twice(NULL);
ROLLBACK;
SELECT * FROM twice(NULL);
BEGIN;
SAVEPOINT s;
ALTER TABLE t ALTER a TYPE int USING a + 1;
ROLLBACK TO s;
SELECT * FROM twice(NULL);
COMMIT;

--
-- Names: of the table, of the schema, of the search_path
--
ALTER TABLE t RENAME TO t_old;
SELECT * FROM twice('SELECT id FROM t');
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t VALUES (7, 70, 'seven');
SELECT * FROM twice('SELECT id FROM t');
SELECT arcache_enable('t');
SELECT * FROM twice('SELECT id FROM t');
-- the two change places
ALTER TABLE t RENAME TO t_new;
ALTER TABLE t_old RENAME TO t;
SELECT * FROM twice('SELECT id FROM t');
ALTER TABLE t RENAME TO t_old;
ALTER TABLE t_new RENAME TO t;
SELECT * FROM twice('SELECT id FROM t');
-- DROP and CREATE
DROP TABLE t;
SELECT * FROM twice('SELECT id FROM t');
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t VALUES (8, 80, 'eight');
SELECT arcache_enable('t');
SELECT * FROM twice('SELECT id FROM t');
DROP TABLE t;
ALTER TABLE t_old RENAME TO t;
SELECT * FROM twice('SELECT id FROM t');
-- a schema
CREATE SCHEMA s;
CREATE TABLE s.t (id int PRIMARY KEY, a int, b text);
INSERT INTO s.t VALUES (9, 90, 'nine');
SELECT arcache_enable('s.t');
SET search_path = s, public;
SELECT * FROM twice('SELECT id FROM t');
RESET search_path;
SELECT * FROM twice('SELECT id FROM t');
SET search_path = s, public;
SELECT * FROM twice('SELECT id FROM t');
ALTER SCHEMA s RENAME TO s2;
SELECT * FROM twice('SELECT id FROM t');
ALTER SCHEMA s2 RENAME TO s;
SELECT * FROM twice('SELECT id FROM t');
ALTER TABLE s.t RENAME TO t3;
SELECT * FROM twice('SELECT id FROM t');
-- a schema earlier in the path comes to hold the name: a prepared statement does
-- not look again for that alone, cached or not
CREATE TABLE s.t (id int PRIMARY KEY, a int, b text);
SELECT arcache_enable('s.t');
SELECT * FROM twice('SELECT id FROM t');
DROP SCHEMA s CASCADE;
SELECT * FROM twice('SELECT id FROM t');
RESET search_path;
-- a temporary table shadows the name
SELECT * FROM twice('SELECT id FROM t');
CREATE TEMP TABLE t (id int, a int, b text);
INSERT INTO t VALUES (100, 100, 'temporary');
SELECT * FROM twice('SELECT id FROM t');
SELECT * FROM twice('SELECT id FROM public.t');
DROP TABLE pg_temp.t;
SELECT * FROM twice('SELECT id FROM t');
BEGIN;
CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 200 AS id, 200 AS a, 'short' AS b;
SELECT * FROM twice('SELECT id FROM t');
COMMIT;
SELECT * FROM twice('SELECT id FROM t');
-- and so does a view
CREATE TEMP VIEW t AS SELECT 300 AS id, 300 AS a, 'view'::text AS b;
SELECT * FROM twice('SELECT id FROM t');
DROP VIEW pg_temp.t;
SELECT * FROM twice('SELECT id FROM t');
DEALLOCATE p;
DROP FUNCTION f;

--
-- Views
--
CREATE VIEW v AS SELECT id, a FROM t;
PREPARE p AS SELECT * FROM v ORDER BY id;
CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT a FROM v ORDER BY id; END$$;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
CREATE OR REPLACE VIEW v AS SELECT id, a + 1 AS a FROM t;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
CREATE OR REPLACE VIEW v AS SELECT id, a FROM t WHERE id = 1;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
CREATE OR REPLACE VIEW v AS SELECT id, a, b FROM t;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
CREATE VIEW inner_v AS SELECT id, a FROM t;
DROP VIEW v;
CREATE VIEW v AS SELECT * FROM inner_v;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
CREATE OR REPLACE VIEW inner_v AS SELECT id, -a AS a FROM t;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
ALTER VIEW v RENAME a TO z;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
ALTER VIEW v RENAME z TO a;
CREATE OR REPLACE RULE "_RETURN" AS ON SELECT TO v DO INSTEAD SELECT id, 5 AS a FROM t;
SELECT * FROM twice('SELECT * FROM v ORDER BY id');
DEALLOCATE p;
DROP VIEW v, inner_v;
DROP FUNCTION f;

--
-- Functions, operators, casts
--
CREATE FUNCTION plain(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + 1; END';
CREATE FUNCTION inlined(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE FUNCTION inlined_set(int) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT id FROM t WHERE id = $1';
CREATE FUNCTION nested(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN plain($1); END';
PREPARE p AS SELECT plain(a), inlined(a), nested(a), s.i FROM t, inlined_set(1) AS s(i) ORDER BY t.id, s.i;
CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT plain(a) + inlined(a) FROM t ORDER BY id; END$$;
SELECT * FROM twice('SELECT plain(1), inlined(1), id FROM t ORDER BY id');
CREATE OR REPLACE FUNCTION plain(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + 2; END';
SELECT * FROM twice('SELECT plain(1), inlined(1), id FROM t ORDER BY id');
CREATE OR REPLACE FUNCTION inlined(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 2';
SELECT * FROM twice('SELECT plain(1), inlined(1), id FROM t ORDER BY id');
CREATE OR REPLACE FUNCTION inlined_set(int) RETURNS SETOF int STABLE LANGUAGE sql AS 'SELECT id FROM t WHERE id > $1';
SELECT * FROM twice('SELECT plain(1), inlined(1), id FROM t ORDER BY id');
-- one that becomes STABLE or VOLATILE is not cached any longer
ALTER FUNCTION plain(int) VOLATILE;
SELECT * FROM twice('SELECT plain(1), inlined(1), id FROM t ORDER BY id');
ALTER FUNCTION plain(int) STABLE;
SELECT * FROM twice('SELECT plain(1), inlined(1), id FROM t ORDER BY id');
ALTER FUNCTION plain(int) IMMUTABLE;
SELECT * FROM twice('SELECT plain(1), inlined(1), id FROM t ORDER BY id');
-- a better match appears
CREATE FUNCTION plain(bigint) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 0';
ALTER TABLE t ALTER a TYPE bigint;
SELECT * FROM twice('SELECT plain(a), id FROM t ORDER BY id');
ALTER TABLE t ALTER a TYPE int;
SELECT * FROM twice('SELECT plain(a), id FROM t ORDER BY id');
DROP FUNCTION plain(int), plain(bigint);
SELECT * FROM twice('SELECT plain(1), id FROM t ORDER BY id');
DEALLOCATE p;
DROP FUNCTION f, nested, inlined, inlined_set;
CREATE FUNCTION differs(int, int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 <> $2; END';
CREATE OPERATOR ## (leftarg = int, rightarg = int, function = differs);
PREPARE p AS SELECT id FROM t WHERE id ## 1;
CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT id FROM t WHERE id ## 1; END$$;
SELECT * FROM twice('SELECT id FROM t WHERE id ## 1');
CREATE OR REPLACE FUNCTION differs(int, int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 = $2; END';
SELECT * FROM twice('SELECT id FROM t WHERE id ## 1');
DEALLOCATE p;
DROP FUNCTION f;
DROP OPERATOR ## (int, int);
-- an aggregate's parts
CREATE FUNCTION step(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 + $2; END';
CREATE AGGREGATE own_sum(int) (sfunc = step, stype = int, initcond = 0);
PREPARE p AS SELECT own_sum(id) FROM t;
CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT own_sum(id) FROM t; END$$;
SELECT * FROM twice('SELECT own_sum(id) FROM t');
CREATE OR REPLACE FUNCTION step(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1 - $2; END';
SELECT * FROM twice('SELECT own_sum(id) FROM t');
CREATE OR REPLACE AGGREGATE own_sum(int) (sfunc = step, stype = int, initcond = 100);
SELECT * FROM twice('SELECT own_sum(id) FROM t');
DEALLOCATE p;
DROP FUNCTION f;

--
-- Types
--
CREATE DOMAIN d AS int CHECK (value < 100);
CREATE TYPE e AS ENUM ('x', 'y');
CREATE TYPE c AS (n int, e e);
CREATE TABLE typed (id int PRIMARY KEY, n int, e e, c c);
INSERT INTO typed VALUES (1, 50, 'x', '(1,x)'), (2, 60, 'y', '(2,y)');
SELECT arcache_enable('typed');
PREPARE p AS SELECT n::d, e, c FROM typed ORDER BY e;
CREATE FUNCTION f() RETURNS SETOF text LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT n::d || e::text || c::text FROM typed ORDER BY e; END$$;
SELECT * FROM twice('SELECT n::d, e, c FROM typed ORDER BY e');
ALTER DOMAIN d ADD CHECK (value < 55);
SELECT * FROM twice('SELECT n::d, e, c FROM typed ORDER BY e');
ALTER DOMAIN d DROP CONSTRAINT d_check1;
SELECT * FROM twice('SELECT n::d, e, c FROM typed ORDER BY e');
ALTER TYPE e RENAME VALUE 'x' TO 'xx';
SELECT * FROM twice('SELECT n::d, e, c FROM typed ORDER BY e');
ALTER TYPE e ADD VALUE 'w' BEFORE 'xx';
UPDATE typed SET e = 'w' WHERE id = 2;
SELECT * FROM twice('SELECT n::d, e, c FROM typed ORDER BY e');
ALTER TYPE c RENAME ATTRIBUTE n TO nn;
SELECT * FROM twice('SELECT to_jsonb(c) FROM typed ORDER BY e');
ALTER TYPE c ADD ATTRIBUTE more int;
SELECT * FROM twice('SELECT to_jsonb(c) FROM typed ORDER BY e');
ALTER TYPE c DROP ATTRIBUTE nn CASCADE;
SELECT * FROM twice('SELECT to_jsonb(c) FROM typed ORDER BY e');
DEALLOCATE p;
DROP FUNCTION f;

--
-- Tracking
--
PREPARE p AS SELECT id, a FROM t ORDER BY id;
CREATE FUNCTION f() RETURNS SETOF int LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT a FROM t ORDER BY id; END$$;
SELECT * FROM twice('SELECT id FROM t');
SELECT arcache_disable('t');
SELECT * FROM twice('SELECT id FROM t');
UPDATE t SET a = a + 1;
SELECT * FROM twice('SELECT id FROM t');
SELECT arcache_enable('t');
SELECT * FROM twice('SELECT id FROM t');
SELECT arcache_disable('t');
UPDATE t SET a = a + 1;
SELECT arcache_enable('t', auto => false);
SELECT * FROM twice('SELECT id FROM t');
UPDATE t SET a = a + 1;
SELECT arcache_enable('t', auto => true);
SELECT * FROM twice('SELECT id FROM t');
ALTER TABLE t DISABLE TRIGGER ALL;
UPDATE t SET a = a + 1;
SELECT * FROM twice('SELECT id FROM t');
ALTER TABLE t ENABLE TRIGGER ALL;
SELECT * FROM twice('SELECT id FROM t');
UPDATE t SET a = a + 1;
SELECT * FROM twice('SELECT id FROM t');
SELECT arcache_enable('t');
SELECT * FROM twice('SELECT id FROM t');
-- partitions and children that come and go
CREATE TABLE child () INHERITS (t);
INSERT INTO child VALUES (5, 55, 'c');
SELECT * FROM twice('SELECT id FROM t');
INSERT INTO child VALUES (6, 66, 'c');
SELECT * FROM twice('SELECT id FROM t');
ALTER TABLE child NO INHERIT t;
SELECT * FROM twice('SELECT id FROM t');
ALTER TABLE child INHERIT t;
SELECT * FROM twice('SELECT id FROM t');
DROP TABLE child;
SELECT * FROM twice('SELECT id FROM t');
-- settings that a plan is made under
SET enable_seqscan = off;
SELECT * FROM twice('SELECT id FROM t');
RESET enable_seqscan;
-- In the end: used, and never wrong.
SELECT hits > 100 AS hits, audits > 100 AS verified, audit_failures FROM arcache_stats;
SELECT arcache_disable('t'), arcache_disable('typed');
DROP TABLE t, typed CASCADE;
DEALLOCATE ALL;
DROP AGGREGATE own_sum(int);
DROP FUNCTION did, rows_of, twice, differs, step;
DROP DOMAIN d;
DROP TYPE c, e;
