--
-- What is counted for each statement, and what comes of it: a statement that
-- was measured to be quick is not cached any more.
--
SET client_min_messages = warning;
SET arcache.auto = on;
SET arcache.min_cost = 0;
CREATE TABLE st_item (id int PRIMARY KEY, name text);
INSERT INTO st_item SELECT g, 'item ' || g FROM generate_series(1, 20) g;
SELECT arcache_enable('st_item');
CREATE ROLE regress_arcache_st;
CREATE ROLE regress_arcache_st_reader;
GRANT pg_read_all_stats TO regress_arcache_st_reader;
GRANT SELECT ON st_item TO regress_arcache_st;
CREATE FUNCTION st_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line ~ 'Arcache|Result Cache' THEN RETURN NEXT line; END IF;
  END LOOP;
END $$;
CREATE VIEW counted AS
  SELECT role::text AS role, queryid IS NOT NULL AS shown, dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS here,
         userid = role::text::regrole AS same_role, hits, misses, hit_ratio, fills, fill_time_ms > 0 AS took_time,
         time_saved_ms >= 0 AS saved, bypasses, last_bypass, entries, bytes > 0 AS has_bytes
    FROM arcache_statements;
GRANT SELECT ON counted TO PUBLIC;
SELECT arcache_stats_reset();

-- Constants do not matter to the identifier, and each has an entry.
SELECT count(*) FROM st_item WHERE id < 5;
SELECT count(*) FROM st_item WHERE id < 5;
SELECT count(*) FROM st_item WHERE id < 6;
SELECT count(*) FROM st_item WHERE id < 5;
SELECT * FROM counted;

-- A write ends them; what the transaction has written itself is not cached.
BEGIN;
UPDATE st_item SET name = 'changed' WHERE id = 1;
SELECT count(*) FROM st_item WHERE id < 5;
COMMIT;
SELECT count(*) FROM st_item WHERE id < 5;
SELECT hits, misses, fills, bypasses, last_bypass FROM counted;

-- The last reason stays, whatever it is.
SELECT count(*) FROM st_item WHERE name < random()::text;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT max(id) FROM st_item;
COMMIT;
SET arcache.auto = hint;
/*+ arcache */ SELECT min(name) FROM st_item WHERE name > now()::text;
SET arcache.auto = on;
SELECT hits, misses, bypasses, last_bypass FROM counted ORDER BY last_bypass COLLATE "C";

-- A role sees its own identifiers; who reads all statistics sees all.
SET ROLE regress_arcache_st;
SELECT count(id) FROM st_item;
SELECT role = 'regress_arcache_st' AS own, shown, last_bypass IS NOT NULL AS reason, count(*) FROM counted GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
RESET ROLE;
SET ROLE regress_arcache_st_reader;
SELECT role = 'regress_arcache_st' AS own, shown, count(*) FROM arcache_statements, LATERAL (SELECT queryid IS NOT NULL AS shown) s GROUP BY 1, 2 ORDER BY 1, 2;
RESET ROLE;

-- Functions: each of their statements is one.
SELECT arcache_stats_reset();
CREATE FUNCTION st_name(int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n text;
BEGIN
  SELECT name INTO n FROM st_item WHERE id = $1 ORDER BY id LIMIT 1;
  RETURN n;
END $$;
SELECT count(st_name(i % 4 + 2)) FROM generate_series(1, 20) i;
SELECT hits, misses, fills, entries FROM counted;

-- Without identifiers nothing is counted, but it is cached all the same.
SELECT arcache_stats_reset();
SET compute_query_id = off;
SELECT sum(id) FROM st_item;
SELECT sum(id) FROM st_item;
RESET compute_query_id;
SELECT (SELECT count(*) FROM counted WHERE hits + misses + fills + bypasses > 0) AS statements, hits, fills FROM arcache_stats;

-- What four fills took says whether it is worth it.
CREATE FUNCTION st_sum(below int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  EXECUTE 'SELECT sum(id) FROM st_item WHERE id < ' || below INTO n;
  RETURN n;
END $$;
SELECT arcache_stats_reset();
SELECT arcache_clear() > 0 AS cleared;
SET arcache.min_time = '1d';
SELECT sum(st_sum(i)) FROM generate_series(2, 5) i;
SELECT hits, misses, fills, bypasses, last_bypass FROM counted;
SELECT sum(st_sum(i)) FROM generate_series(2, 7) i;
SELECT hits, misses, fills, bypasses, last_bypass FROM counted;
SELECT st_plan('SELECT sum(id) FROM st_item WHERE id < 3');
SELECT fills, bypass_cheap FROM arcache_stats;
-- Now and then it is measured again.
SELECT sum(st_sum(30 + i)) FROM generate_series(1, 40) i;
SELECT fills BETWEEN 1 AND 2 AS measured_again FROM (SELECT fills - 4 AS fills FROM arcache_stats) s;
-- A hint is obeyed.
/*+ arcache */ SELECT sum(id) FROM st_item WHERE id < 19;
SELECT st_plan('/*+ arcache */ SELECT sum(id) FROM st_item WHERE id < 3');
-- So is a change of the setting.
SET arcache.min_time = 0;
SELECT st_plan('SELECT sum(id) FROM st_item WHERE id < 100');
-- A plan that is kept asks each time.
SET plan_cache_mode = force_generic_plan;
PREPARE st_max(int) AS SELECT max(id) FROM st_item WHERE id < $1;
EXECUTE st_max(2);
EXECUTE st_max(3);
EXECUTE st_max(4);
EXECUTE st_max(5);
SELECT hits, misses, bypasses, last_bypass FROM counted WHERE fills = 4 AND bypasses = 0;
SET arcache.min_time = '1d';
EXECUTE st_max(2);
EXECUTE st_max(6);
SELECT hits, misses, bypasses, last_bypass FROM counted WHERE fills = 4 AND last_bypass = 'cheap';
DEALLOCATE st_max;
RESET plan_cache_mode;
RESET arcache.min_time;

-- What is below min_cost is passed by, until it is not.
SELECT arcache_stats_reset();
SET arcache.min_cost = 1000000;
SELECT count(*) FROM st_item WHERE id > 3;
SELECT count(*) FROM st_item WHERE id > 3;
SET arcache.min_cost = 0;
SELECT count(*) FROM st_item WHERE id > 3;
SELECT count(*) FROM st_item WHERE id > 3;
SELECT count(*) FROM st_item WHERE id > 3;
SELECT hits, fills FROM arcache_stats;
-- What was refused is refused at once, until a definition has changed.
CREATE FUNCTION st_plus(int) RETURNS int LANGUAGE plpgsql STABLE AS 'BEGIN RETURN $1 + 1; END';
SELECT max(st_plus(id)) FROM st_item;
SELECT max(st_plus(id)) FROM st_item;
ALTER FUNCTION st_plus(int) IMMUTABLE;
SELECT max(st_plus(id)) FROM st_item;
SELECT max(st_plus(id)) FROM st_item;
SELECT hits, fills, bypass_uncacheable FROM arcache_stats;

-- What was too large is not collected again each time, unless more is allowed.
SELECT arcache_stats_reset();
SET arcache.max_value_size = '100kB';
\o /dev/null
SELECT id, repeat('x', 10000) FROM st_item;
SELECT id, repeat('x', 10000) FROM st_item;
SELECT id, repeat('x', 10000) FROM st_item;
\o
SELECT hits, misses, fills, bypasses, last_bypass FROM counted WHERE last_bypass = 'too large';
SELECT rejected_oversize FROM arcache_stats;
SET arcache.max_value_size = '1MB';
\o /dev/null
SELECT id, repeat('x', 10000) FROM st_item;
SELECT id, repeat('x', 10000) FROM st_item;
\o
SELECT hits, misses, fills, bypasses, last_bypass FROM counted WHERE last_bypass = 'too large';
RESET arcache.max_value_size;

-- Gone with its role.
SET ROLE regress_arcache_st;
SELECT count(id) FROM st_item;
RESET ROLE;
SELECT count(*) FROM counted WHERE role = 'regress_arcache_st';
DROP OWNED BY regress_arcache_st;
DROP ROLE regress_arcache_st, regress_arcache_st_reader;
SELECT count(*) FROM arcache_statements WHERE role NOT IN (SELECT rolname FROM pg_roles);
DROP VIEW counted;
DROP FUNCTION st_name(int), st_sum(int), st_plus(int), st_plan(text);
DROP TABLE st_item;
