-- A session gives the plan of a text that it sees again once more.  Each of
-- these statements is sent three times (seen, kept, given), then what its plan
-- was made of changes, and then it is sent again.
SET arcache.auto = on;
SET arcache.min_cost = 0;
CREATE TABLE pm_item (id int PRIMARY KEY, word text, at timestamptz DEFAULT '2026-01-01');
INSERT INTO pm_item SELECT i, 'word ' || i FROM generate_series(1, 1000) i;
ANALYZE pm_item;
SELECT arcache_enable('pm_item');
CREATE VIEW kept AS SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'arcache plan';

CREATE FUNCTION pm_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(regexp_replace(line, 'Key: .*', 'Key: KEY'), '[0-9.]+ s$', 'N s');
	END LOOP;
END
$$;

-- Given again it is a hit as before.
SELECT arcache_stats_reset();
SELECT word FROM pm_item WHERE id = 3;
SELECT word FROM pm_item WHERE id = 3;
SELECT * FROM kept;
SELECT word FROM pm_item WHERE id = 3;
SELECT word FROM pm_item WHERE id = 3;
SELECT hits, fills FROM arcache_stats;
UPDATE pm_item SET word = 'third' WHERE id = 3;
SELECT word FROM pm_item WHERE id = 3;

-- Another place in the text is another statement.
SELECT 1 AS one \; SELECT word FROM pm_item WHERE id = 3;
SELECT 1 AS one \; SELECT word FROM pm_item WHERE id = 3;
SELECT 1 AS one \; SELECT word FROM pm_item WHERE id = 3;

-- Columns.
SELECT * FROM pm_item WHERE id < 3 ORDER BY id;
SELECT * FROM pm_item WHERE id < 3 ORDER BY id;
SELECT * FROM pm_item WHERE id < 3 ORDER BY id;
ALTER TABLE pm_item ADD more int DEFAULT 7;
SELECT * FROM pm_item WHERE id < 3 ORDER BY id;
SELECT * FROM pm_item WHERE id < 3 ORDER BY id;
SELECT * FROM pm_item WHERE id < 3 ORDER BY id;
ALTER TABLE pm_item ALTER more TYPE text USING 'seven';
SELECT * FROM pm_item WHERE id < 3 ORDER BY id;
ALTER TABLE pm_item DROP more;

-- Settings of the planner, and ours.
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
RESET enable_indexscan;
RESET enable_indexonlyscan;
RESET enable_bitmapscan;
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SET arcache.min_cost = 1000000;
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SET arcache.min_cost = 0;
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SET arcache.auto = off;
SELECT pm_plan($q$SELECT id FROM pm_item WHERE id = 5$q$);
SET arcache.auto = on;

-- Statistics and indexes.
SELECT pm_plan($q$SELECT id FROM pm_item WHERE word = 'word 9'$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE word = 'word 9'$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE word = 'word 9'$q$);
INSERT INTO pm_item SELECT i, 'word ' || i FROM generate_series(1001, 10000) i;
CREATE INDEX pm_word ON pm_item (word);
ANALYZE pm_item;
SELECT pm_plan($q$SELECT id FROM pm_item WHERE word = 'word 9'$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE word = 'word 9'$q$);
SELECT pm_plan($q$SELECT id FROM pm_item WHERE word = 'word 9'$q$);
DROP INDEX pm_word;
SELECT pm_plan($q$SELECT id FROM pm_item WHERE word = 'word 9'$q$);
SELECT id FROM pm_item WHERE word = 'word 9';

-- Statistics that change nothing of what pg_class says.
CREATE TABLE pm_twin (a int, b int);
INSERT INTO pm_twin SELECT i % 100, i % 100 FROM generate_series(1, 5000) i;
ANALYZE pm_twin;
SELECT arcache_enable('pm_twin');
CREATE FUNCTION pm_rows(query text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan->0->'Plan'->>'Plan Rows';
END
$$;
SELECT pm_rows('SELECT * FROM pm_twin WHERE a = 1 AND b = 1'), pm_rows('SELECT * FROM pm_twin WHERE a = 1 AND b = 1'),
       pm_rows('SELECT * FROM pm_twin WHERE a = 1 AND b = 1') AS given;
CREATE STATISTICS pm_twins (dependencies) ON a, b FROM pm_twin;
SELECT pm_rows('SELECT * FROM pm_twin WHERE a = 1 AND b = 1'), pm_rows('SELECT * FROM pm_twin WHERE a = 1 AND b = 1'),
       pm_rows('SELECT * FROM pm_twin WHERE a = 1 AND b = 1') AS given;
ANALYZE pm_twin;
SELECT pm_rows('SELECT * FROM pm_twin WHERE a = 1 AND b = 1');

-- How large a table is now does not matter for a hit (nor for EXPLAIN, which runs
-- nothing); a plan that has to run is not given again.
CREATE TABLE pm_grows (id int, word text);
CREATE INDEX ON pm_grows (id);
SELECT arcache_enable('pm_grows', keys => '{}');
SELECT pm_rows('SELECT * FROM pm_grows') AS seen, pm_rows('SELECT * FROM pm_grows') AS kept;
INSERT INTO pm_grows SELECT i, 'word' FROM generate_series(1, 100000) i;
SELECT pm_rows('SELECT * FROM pm_grows') < 10000 AS given;
CREATE FUNCTION pm_count(query text, OUT n int) LANGUAGE plpgsql AS $$BEGIN EXECUTE query INTO n; END$$;
SELECT pm_count('SELECT count(*) FROM pm_grows') AS seen, pm_count('SELECT count(*) FROM pm_grows') AS kept;
SELECT count AS kept FROM kept \gset before_
DELETE FROM pm_grows WHERE id > 90000;
SELECT pm_count('SELECT count(*) FROM pm_grows') AS runs;
SELECT count - :before_kept AS kept FROM kept;
SELECT pm_count('SELECT count(*) FROM pm_grows') AS kept, pm_count('SELECT count(*) FROM pm_grows') AS given;
SELECT count - :before_kept AS kept FROM kept;

-- Settings of the table.
SELECT id FROM pm_item WHERE id = 11;
SELECT id FROM pm_item WHERE id = 11;
SELECT pm_plan('SELECT id FROM pm_item WHERE id = 11');
SELECT pm_plan('SELECT id FROM pm_item WHERE id = 11');
SELECT arcache_enable('pm_item', ttl => '1 hour');
SELECT id FROM pm_item WHERE id = 11;
SELECT pm_plan('SELECT id FROM pm_item WHERE id = 11');
SELECT arcache_disable('pm_item');
SELECT pm_plan('SELECT id FROM pm_item WHERE id = 11');
SELECT arcache_enable('pm_item');
SELECT pm_plan('SELECT id FROM pm_item WHERE id = 11');

-- Names.
CREATE SCHEMA pm_other;
CREATE TABLE pm_other.pm_item (id int PRIMARY KEY, word text);
INSERT INTO pm_other.pm_item VALUES (4, 'other');
SELECT arcache_enable('pm_other.pm_item');
SELECT word FROM pm_item WHERE id = 4;
SELECT word FROM pm_item WHERE id = 4;
SELECT word FROM pm_item WHERE id = 4;
SET search_path = pm_other, public;
SELECT word FROM pm_item WHERE id = 4;
SELECT word FROM pm_item WHERE id = 4;
SELECT word FROM pm_item WHERE id = 4;
RESET search_path;
SELECT word FROM pm_item WHERE id = 4;
ALTER TABLE pm_item RENAME TO pm_away;
CREATE TABLE pm_item (id int, word text);
INSERT INTO pm_item VALUES (4, 'new');
SELECT word FROM pm_item WHERE id = 4;
DROP TABLE pm_item;
ALTER TABLE pm_away RENAME TO pm_item;
SELECT word FROM pm_item WHERE id = 4;
SELECT word FROM pm_item WHERE id = 4;
SELECT word FROM pm_item WHERE id = 4;
CREATE TEMP TABLE pm_item (id int, word text);
INSERT INTO pm_item VALUES (4, 'temporary');
SELECT word FROM pm_item WHERE id = 4;
DROP TABLE pg_temp.pm_item;
SELECT word FROM pm_item WHERE id = 4;

-- Values that the parser finds.
SELECT word, 'now'::timestamptz AS now FROM pm_item WHERE id = 5 \gset a_
SELECT word, 'now'::timestamptz AS now FROM pm_item WHERE id = 5 \gset b_
SELECT word, 'now'::timestamptz AS now FROM pm_item WHERE id = 5 \gset c_
SELECT word, 'now'::timestamptz AS now FROM pm_item WHERE id = 5 \gset d_
SELECT :'a_now' < :'b_now', :'b_now' < :'c_now', :'c_now' < :'d_now';
SELECT id, '2026-01-01 12:00'::timestamptz = '2026-01-01 12:00+00' AS utc FROM pm_item WHERE id = 6;
SELECT id, '2026-01-01 12:00'::timestamptz = '2026-01-01 12:00+00' AS utc FROM pm_item WHERE id = 6;
SELECT id, '2026-01-01 12:00'::timestamptz = '2026-01-01 12:00+00' AS utc FROM pm_item WHERE id = 6;
SET TimeZone = 'UTC';
SELECT id, '2026-01-01 12:00'::timestamptz = '2026-01-01 12:00+00' AS utc FROM pm_item WHERE id = 6;
RESET TimeZone;

-- Functions: inlined, called by the planner, and what they depend on.
CREATE FUNCTION pm_plus(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1 + 1';
CREATE FUNCTION pm_zone() RETURNS text LANGUAGE plpgsql IMMUTABLE AS
	$$BEGIN RETURN to_char('2026-01-01 12:00+00'::timestamptz, 'HH24'); END$$;
SELECT pm_plus(id) FROM pm_item WHERE id = 7;
SELECT pm_plus(id) FROM pm_item WHERE id = 7;
SELECT pm_plus(id) FROM pm_item WHERE id = 7;
CREATE OR REPLACE FUNCTION pm_plus(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1 + 100';
SELECT pm_plus(id) FROM pm_item WHERE id = 7;
SET TimeZone = 'UTC';
SELECT id, pm_zone() FROM pm_item WHERE id = 8;
SELECT id, pm_zone() FROM pm_item WHERE id = 8;
SELECT id, pm_zone() FROM pm_item WHERE id = 8;
SET TimeZone = 'Asia/Tokyo';
SELECT id, pm_zone() FROM pm_item WHERE id = 8;
SELECT id, pm_zone() FROM pm_item WHERE id = 8;
SELECT id, pm_zone() FROM pm_item WHERE id = 8;
RESET TimeZone;

-- Roles.
CREATE ROLE regress_arcache_pm;
GRANT SELECT ON pm_item TO regress_arcache_pm;
GRANT CREATE ON SCHEMA public TO regress_arcache_pm;
ALTER TABLE pm_item ENABLE ROW LEVEL SECURITY;
CREATE POLICY pm_few ON pm_item TO regress_arcache_pm USING (id <= 10);
SELECT count(*) FROM pm_item;
SELECT count(*) FROM pm_item;
SELECT count(*) FROM pm_item;
SET ROLE regress_arcache_pm;
SELECT count(*) FROM pm_item;
SELECT count(*) FROM pm_item;
SELECT count(*) FROM pm_item;
SELECT count(pm_plus(id)) FROM pm_item;
SELECT count(pm_plus(id)) FROM pm_item;
SELECT count(pm_plus(id)) FROM pm_item;
RESET ROLE;
SELECT count(*) FROM pm_item;
ALTER POLICY pm_few ON pm_item USING (id <= 20);
REVOKE EXECUTE ON FUNCTION pm_plus(int) FROM public;
SET ROLE regress_arcache_pm;
SELECT count(*) FROM pm_item;
\set VERBOSITY terse
SELECT count(pm_plus(id)) FROM pm_item;
RESET ROLE;
REVOKE SELECT ON pm_item FROM regress_arcache_pm;
SET ROLE regress_arcache_pm;
SELECT count(*) FROM pm_item;
RESET ROLE;

-- Children.
CREATE TABLE pm_parent (id int, word text);
INSERT INTO pm_parent VALUES (1, 'parent');
SELECT arcache_enable('pm_parent');
SELECT * FROM pm_parent ORDER BY 1;
SELECT * FROM pm_parent ORDER BY 1;
SELECT * FROM pm_parent ORDER BY 1;
CREATE TABLE pm_child () INHERITS (pm_parent);
INSERT INTO pm_child VALUES (2, 'child');
SELECT * FROM pm_parent ORDER BY 1;
SELECT * FROM pm_parent ORDER BY 1;
SELECT * FROM pm_parent ORDER BY 1;
ALTER TABLE pm_child NO INHERIT pm_parent;
SELECT * FROM pm_parent ORDER BY 1;

-- In a function that is called by a statement of the same text, and from loops.
CREATE FUNCTION pm_again(n int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	total bigint := 0;
	one bigint;
BEGIN
	FOR i IN 1..n LOOP
		EXECUTE 'SELECT sum(id) FROM pm_parent' INTO one;
		total := total + one;
		IF i % 3 = 0 THEN
			EXECUTE format('ALTER TABLE pm_parent ALTER word SET STATISTICS %s', i);
		END IF;
	END LOOP;
	RETURN total;
END
$$;
SELECT pm_again(10);

DROP FUNCTION pm_count(text), pm_rows(text), pm_plan(text), pm_again(int), pm_plus(int), pm_zone();
DROP TABLE pm_grows, pm_twin, pm_child, pm_parent, pm_other.pm_item;
DROP SCHEMA pm_other;
DROP VIEW kept;
DROP TABLE pm_item;
DROP OWNED BY regress_arcache_pm;
DROP ROLE regress_arcache_pm;
