--
-- Transparent mode: what is between the rows of a cursor, and between a plan
-- and its execution.
--
\set VERBOSITY terse
SET client_min_messages = warning;
SET arcache.auto = on;
SET arcache.min_cost = 0;
SET arcache.debug_verify = on;
SET TimeZone = 'UTC';
CREATE TABLE tr_rows (id int PRIMARY KEY, tenant text, at timestamptz);
INSERT INTO tr_rows SELECT g, CASE WHEN g % 2 = 0 THEN 'a' ELSE 'b' END, '2026-01-01 12:00+00'
  FROM generate_series(1, 6) g;
SELECT arcache_enable('tr_rows');
CREATE FUNCTION tr_outcome(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO plan;
  RETURN coalesce(plan->0->'Plan'->>'Result Cache', 'none');
END $$;

-- A setting that the query names changes between two rows of a fill.
SET app.tenant = 'a';
BEGIN;
DECLARE c NO SCROLL CURSOR FOR
  SELECT id, tenant FROM tr_rows WHERE tenant = current_setting('app.tenant') ORDER BY id;
FETCH 1 FROM c;
SET app.tenant = 'b';
FETCH ALL FROM c;
COMMIT;
SELECT id, tenant FROM tr_rows WHERE tenant = current_setting('app.tenant') ORDER BY id;
SET app.tenant = 'a';
SELECT id, tenant FROM tr_rows WHERE tenant = current_setting('app.tenant') ORDER BY id;

-- And between two rows of a hit.
SELECT id, at::text FROM tr_rows WHERE id < 4 ORDER BY id;
SELECT tr_outcome('SELECT id, at::text FROM tr_rows WHERE id < 4 ORDER BY id');
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, at::text FROM tr_rows WHERE id < 4 ORDER BY id;
FETCH 1 FROM c;
SET LOCAL TimeZone = 'Asia/Tokyo';
FETCH ALL FROM c;
COMMIT;

-- A plan that was made in another time zone: the function's literal was read there.
CREATE FUNCTION tr_midnight() RETURNS timestamptz LANGUAGE sql STABLE
  AS $$ SELECT '2026-01-01 00:00'::timestamptz $$;
SET plan_cache_mode = force_generic_plan;
PREPARE tr_since AS SELECT at - tr_midnight() AS since FROM tr_rows WHERE id = 1;
EXECUTE tr_since;
SET TimeZone = 'Asia/Tokyo';
EXECUTE tr_since;
SELECT tr_outcome('EXECUTE tr_since');
DEALLOCATE tr_since;
SELECT at - tr_midnight() AS since FROM tr_rows WHERE id = 1;
SET TimeZone = 'UTC';
RESET plan_cache_mode;

-- A function that is volatile by default is inlined all the same.
CREATE FUNCTION tr_now() RETURNS timestamp LANGUAGE sql AS $$ SELECT timestamp 'now' $$;
SELECT tr_outcome('SELECT tr_now(), id FROM tr_rows WHERE id = 1');

-- Two cursors on one entry: each releases its own hold.
SELECT count(*) FROM (SELECT * FROM tr_rows ORDER BY id) s;
SELECT id FROM tr_rows ORDER BY id;
BEGIN;
DECLARE a NO SCROLL CURSOR FOR SELECT id FROM tr_rows ORDER BY id;
DECLARE b NO SCROLL CURSOR FOR SELECT id FROM tr_rows ORDER BY id;
FETCH 1 FROM a;
FETCH 1 FROM b;
CLOSE a;
SELECT arcache_clear() > 0 AS cleared;
FETCH ALL FROM b;
COMMIT;

-- A cursor that was opened with another role's rights.
CREATE ROLE regress_arcache_tr;
GRANT SELECT ON tr_rows TO regress_arcache_tr;
CREATE FUNCTION tr_hidden(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
REVOKE EXECUTE ON FUNCTION tr_hidden(int) FROM PUBLIC;
CREATE FUNCTION tr_open() RETURNS refcursor LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE c NO SCROLL CURSOR FOR SELECT tr_hidden(id) FROM tr_rows ORDER BY id;
BEGIN c := 'tr_cursor'; OPEN c; RETURN c; END $$;
BEGIN;
SET LOCAL ROLE regress_arcache_tr;
SELECT tr_open();
FETCH ALL FROM tr_cursor;
SELECT tr_hidden(id) FROM tr_rows ORDER BY id;
ROLLBACK;

-- WHERE CURRENT OF
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT * FROM tr_rows;
FETCH 1 FROM c \gset
UPDATE tr_rows SET tenant = 'z' WHERE CURRENT OF c;
ROLLBACK;

-- Large statements and parameters are left alone.
DO $$
DECLARE n int;
  long text := repeat('x', 2000000);
BEGIN
  EXECUTE 'SELECT count(*) FROM tr_rows WHERE tenant = ' || quote_literal(long) INTO n;
  SELECT count(*) INTO n FROM tr_rows WHERE tenant = long OR tenant = long || 'y';
END $$;

-- What looks like a hint in a string is none.
SELECT tr_outcome($q$SELECT E'it\'s /*+ arcache(ttl=300) */', now() FROM tr_rows$q$),
       tr_outcome($q$SELECT $$ /*+ arcache(ttl=300) */ $$, now() FROM tr_rows$q$),
       tr_outcome($q$SELECT 'x' /*+ arcache(ttl=300) */, now() FROM tr_rows$q$);

-- A hint stays with its statement, also in a string of several.
SET arcache.auto = hint;
SELECT 1 /*+ arcache */ AS hinted, max(id) FROM tr_rows \; EXPLAIN (COSTS OFF) SELECT 2 AS not_hinted, tenant FROM tr_rows WHERE id = 2;
SET arcache.auto = on;

-- A plan that has kept what a text search configuration made of a literal ends with it.
CREATE TEXT SEARCH CONFIGURATION tr_words (COPY = simple);
SET plan_cache_mode = force_generic_plan;
PREPARE tr_search AS SELECT id, to_tsvector('tr_words', 'The Rows') AS words FROM tr_rows WHERE id < 3;
EXECUTE tr_search;
ALTER TEXT SEARCH CONFIGURATION tr_words ALTER MAPPING FOR asciiword WITH english_stem;
EXECUTE tr_search;
SELECT id, to_tsvector('tr_words', 'The Rows') AS words FROM tr_rows WHERE id < 3;
DEALLOCATE tr_search;
RESET plan_cache_mode;
DROP TEXT SEARCH CONFIGURATION tr_words;

-- A literal that goes on in another line can name the present.
CREATE FUNCTION tr_split() RETURNS date LANGUAGE sql STABLE AS $$ SELECT date 'to'
  'day' $$;
SELECT tr_outcome('SELECT tr_split() IS NULL, id FROM tr_rows WHERE id = 1');

DROP FUNCTION tr_split();
DROP FUNCTION tr_open(), tr_hidden(int), tr_now(), tr_midnight(), tr_outcome(text);
DROP TABLE tr_rows;
DROP ROLE regress_arcache_tr;
