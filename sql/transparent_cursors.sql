--
-- Transparent mode: cursors, and who asks for one row only.  A cursor is served
-- if it cannot go back; it stays what the server makes of it without us.
--
\set VERBOSITY terse
SET client_min_messages = warning;
SET arcache.auto = on;
SET arcache.min_cost = 0;
SET arcache.debug_verify = on;
CREATE TABLE cu_rows (id int PRIMARY KEY, grp int, name text);
CREATE TABLE cu_names (name text, id int UNIQUE DEFERRABLE, code int);
CREATE UNIQUE INDEX ON cu_names (code) INCLUDE (name);
INSERT INTO cu_rows SELECT g, g % 3, 'row ' || g FROM generate_series(1, 2000) g;
INSERT INTO cu_names SELECT 'name ' || g, g, g FROM generate_series(1, 2000) g;
ANALYZE cu_rows, cu_names;
SELECT arcache_enable('cu_rows'), arcache_enable('cu_names');
CREATE FUNCTION did() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	now jsonb := (SELECT to_jsonb(s) FROM arcache_stats s);
	last jsonb := coalesce(nullif(current_setting('test.last', true), ''), '{}');
	said text;
BEGIN
	PERFORM set_config('test.last', now::text, false);
	SELECT string_agg(CASE by WHEN 1 THEN name ELSE by || ' ' || name END, ', ' ORDER BY place) INTO said
	  FROM unnest('{hits,fills,rejected_stale_fill,bypass_own_writes,bypass_uncacheable,audit_failures}'::text[]) WITH ORDINALITY AS w(name, place),
	       LATERAL (SELECT (now -> name)::int - coalesce((last -> name)::int, 0) AS by) d
	 WHERE by > 0;
	RETURN coalesce(said, 'nothing');
END $$;
SELECT did() IS NOT NULL AS begun;

-- In parts, to its end: stored; then given.
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT grp, count(*) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH 2 FROM c;
SELECT did();
FETCH 2 FROM c;
SELECT did();
DECLARE d NO SCROLL CURSOR FOR SELECT grp, count(*) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH 1 FROM d;
SELECT did();
FETCH ALL FROM d;
COMMIT;
-- Left before its end: nothing is stored.
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT grp, sum(id) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH 1 FROM c;
CLOSE c;
COMMIT;
SELECT did();
SELECT grp, sum(id) FROM cu_rows GROUP BY grp ORDER BY grp;
SELECT did();
-- As psql does it.
\set FETCH_COUNT 2
SELECT grp, max(id) FROM cu_rows GROUP BY grp ORDER BY grp;
SELECT grp, max(id) FROM cu_rows GROUP BY grp ORDER BY grp;
\unset FETCH_COUNT
SELECT did();
-- The cursor sees what was when it was opened, its own writes too.
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT grp, max(id) FROM cu_rows GROUP BY grp ORDER BY grp;
UPDATE cu_rows SET grp = 3 WHERE id = 2000;
FETCH ALL FROM c;
SELECT did();
DECLARE d NO SCROLL CURSOR FOR SELECT grp, max(id) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH ALL FROM d;
SELECT did();
ROLLBACK;

-- It goes back where it can without us, and where it was asked to.
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM cu_rows WHERE id < 3 ORDER BY id;
FETCH ALL FROM c;
FETCH BACKWARD 1 FROM c;
DECLARE d SCROLL CURSOR FOR SELECT grp, count(*) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH ALL FROM d;
FETCH FIRST FROM d;
SELECT did();
COMMIT;
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT grp, count(*) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH ALL FROM c;
FETCH BACKWARD 1 FROM c;
ROLLBACK;
SELECT did();
-- It may outlive its transaction: left alone.
BEGIN;
DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT grp, count(*) FROM cu_rows GROUP BY grp ORDER BY grp;
COMMIT;
FETCH ALL FROM c;
CLOSE c;
SELECT did();
-- Rows can be changed through it.
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT * FROM cu_rows WHERE id < 3;
FETCH 1 FROM c;
UPDATE cu_rows SET name = 'through a cursor' WHERE CURRENT OF c;
SELECT name FROM cu_rows WHERE name LIKE 'through%';
DECLARE d NO SCROLL CURSOR FOR SELECT id FROM (SELECT * FROM cu_rows WHERE id < 9) s LIMIT 2;
FETCH 1 FROM d;
DELETE FROM cu_rows WHERE CURRENT OF d;
ROLLBACK;
SELECT did() IS NOT NULL;
-- Its tables are in use as long as it is open, also if nothing is read of them.
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT grp, count(*) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH 1 FROM c;
SELECT did();
ALTER TABLE cu_rows ADD COLUMN more int;
ROLLBACK;
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT grp, count(*) FROM cu_rows GROUP BY grp ORDER BY grp;
FETCH 1 FROM c;
CLOSE c;
ALTER TABLE cu_rows ADD COLUMN more int;
ROLLBACK;

-- Over a view and over partitions.
CREATE VIEW cu_view AS SELECT grp, count(*) AS n FROM cu_rows GROUP BY grp;
CREATE TABLE cu_parts (id int, n int) PARTITION BY RANGE (id);
CREATE TABLE cu_part1 PARTITION OF cu_parts FOR VALUES FROM (0) TO (100);
CREATE TABLE cu_part2 PARTITION OF cu_parts FOR VALUES FROM (100) TO (200);
INSERT INTO cu_parts SELECT g, g % 3 FROM generate_series(1, 150) g;
SELECT arcache_enable('cu_parts');
SET plan_cache_mode = force_generic_plan;
CREATE FUNCTION cu_over(i int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  c NO SCROLL CURSOR FOR SELECT v.grp, p.n FROM cu_view v, (SELECT count(*) AS n FROM cu_parts WHERE id < i) p ORDER BY v.grp;
  r record;
  said text := '';
BEGIN
  FOR r IN c LOOP said := said || r::text; END LOOP;
  RETURN said || did();
END $$;
SELECT did() IS NOT NULL;
SELECT cu_over(90);
SELECT cu_over(90);
SELECT cu_over(120);
RESET plan_cache_mode;

-- PL/pgSQL: bound, unbound, FOR.
CREATE FUNCTION cu_loop() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  bound NO SCROLL CURSOR (g int) FOR SELECT grp, count(*) AS n FROM cu_rows WHERE grp < g GROUP BY grp ORDER BY grp;
  c refcursor;
  r record;
  said text := '';
BEGIN
  FOR r IN bound(2) LOOP said := said || r::text; END LOOP;
  OPEN c NO SCROLL FOR SELECT grp, count(*) AS n FROM cu_rows WHERE grp > 0 GROUP BY grp ORDER BY grp;
  LOOP
    FETCH c INTO r;
    EXIT WHEN NOT FOUND;
    said := said || r::text;
  END LOOP;
  CLOSE c;
  FOR r IN SELECT grp, min(id) FROM cu_rows GROUP BY grp ORDER BY grp LOOP said := said || r::text; END LOOP;
  RETURN said;
END $$;
SELECT did() IS NOT NULL;
SELECT cu_loop();
SELECT did();
SELECT cu_loop();
SELECT did();

--
-- One row: what is stored is what has one row by its shape.
--
CREATE TABLE cu_queries AS SELECT n, query FROM unnest(ARRAY[
  'SELECT name FROM cu_rows WHERE id = 7',
  'SELECT name FROM cu_rows WHERE id = 70000',
  'SELECT name FROM cu_names WHERE code = 8',
  'SELECT code::text FROM cu_names WHERE code = 9 AND name > ''a''',
  'SELECT count(*)::text FROM cu_rows WHERE grp = 1',
  'SELECT grp::text FROM cu_rows GROUP BY grp HAVING grp = 1',
  'SELECT max(name) FROM cu_rows WHERE grp = 2 HAVING count(*) > 5',
  'SELECT name FROM cu_rows ORDER BY name LIMIT 1',
  'SELECT name FROM cu_rows ORDER BY name LIMIT 2',
  'SELECT name FROM cu_rows WHERE grp = 1 ORDER BY id FETCH FIRST ROW WITH TIES',
  'SELECT name FROM cu_rows WHERE id < 3 ORDER BY id',
  'SELECT name FROM cu_names WHERE id = 10',
  'SELECT r.name || n.name FROM cu_rows r JOIN cu_names n ON n.code = r.id WHERE r.id = 11',
  'SELECT r.name || n.name FROM cu_rows r LEFT JOIN cu_names n ON n.code = r.id AND n.code > 12 WHERE r.id = 12',
  'SELECT r.name FROM cu_rows r WHERE r.id = 13 AND EXISTS (SELECT FROM cu_names n WHERE n.id = r.id)',
  'SELECT r.name || n.name FROM cu_rows r JOIN cu_names n ON n.id = r.id WHERE r.id = 14',
  'SELECT (SELECT name FROM cu_rows WHERE id = 15)',
  'SELECT generate_series(1, 3)::text || name FROM cu_rows WHERE id = 16']) WITH ORDINALITY AS q(query, n);
-- A function in SQL for each, in a transaction of their own.
DO $$
DECLARE q record;
BEGIN
  FOR q IN SELECT * FROM cu_queries LOOP
    EXECUTE format('CREATE FUNCTION cu_one_%s() RETURNS text LANGUAGE sql VOLATILE AS %L', q.n, q.query);
  END LOOP;
END $$;
CREATE FUNCTION one(n bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  said text := '';
  row text;
BEGIN
  PERFORM did();
  FOR i IN 1..2 LOOP
    EXECUTE format('SELECT cu_one_%s()', n) INTO row;
    said := said || CASE i WHEN 1 THEN coalesce(row, 'NULL') || ': ' ELSE '; ' END || did();
  END LOOP;
  RETURN said;
END $$;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT query, one(n) FROM cu_queries ORDER BY n;
RESET enable_seqscan;
RESET enable_bitmapscan;
-- A row that would raise is not asked for, as without us.
CREATE FUNCTION cu_first() RETURNS int LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN
  SELECT 10 / (2 - id) INTO n FROM cu_rows WHERE id < 3 ORDER BY id;
  RETURN n;
END $$;
SELECT cu_first(), did() IS NOT NULL;
SELECT cu_first(), did();
-- STRICT sees two rows as such, stored or not.
DO $$
DECLARE n int;
BEGIN
  FOR i IN 1..2 LOOP
    BEGIN
      SELECT id INTO STRICT n FROM cu_rows WHERE grp = 1;
    EXCEPTION WHEN too_many_rows THEN RAISE WARNING 'too many rows';
    END;
    SELECT count(*) INTO STRICT n FROM cu_rows WHERE grp = 1;
    RAISE WARNING '%: %', n, did();
  END LOOP;
END $$;
DO $$
DECLARE q record;
BEGIN
  FOR q IN SELECT * FROM cu_queries LOOP
    EXECUTE format('DROP FUNCTION cu_one_%s()', q.n);
  END LOOP;
END $$;
DROP FUNCTION cu_loop(), cu_over(int), cu_first(), one(bigint), did();
DROP VIEW cu_view;
DROP TABLE cu_rows, cu_names, cu_parts, cu_queries;
