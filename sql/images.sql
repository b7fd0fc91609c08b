--
-- Images of rows: whatever plan a result comes from, equal rows are equal bytes,
-- and no value points out of the image.  Rows of a table are copied as they
-- lie there, others are formed of their values; so a result that one plan filled
-- is verified with another.
--
SET client_min_messages = warning;
SET arcache.min_cost = 0;
CREATE FUNCTION set_plan(kinds text[], value text) RETURNS void LANGUAGE sql AS
	$$SELECT set_config('enable_' || kind, value, true) FROM unnest(kinds) kind$$;
CREATE FUNCTION run(query text, without text[], OUT node text) LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	PERFORM set_plan(without, 'off');
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		CONTINUE WHEN line !~ '(Scan|Sort|Append|->)' OR line ~ 'Arcache';
		node := regexp_replace(line, '^ *(-> *)?| (using|on) .*', '', 'g');
		EXIT;
	END LOOP;
	FOR line IN EXECUTE query LOOP
		NULL;
	END LOOP;
	PERFORM set_plan(without, 'on');
END $$;
-- Filled by the first plan, verified by the second, and the other way round.
CREATE FUNCTION crosswise(query text, one text[], other text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	verified bigint := (SELECT audits FROM arcache_stats);
BEGIN
	-- With another number it is another result.
	FOR i IN 1..2 LOOP
		RETURN NEXT format('%s, %s', run(format(query, -i), CASE i WHEN 1 THEN one ELSE other END),
			run(format(query, -i), CASE i WHEN 1 THEN other ELSE one END));
	END LOOP;
	RETURN NEXT format('%s verified', (SELECT audits FROM arcache_stats) - verified);
END $$;
SET arcache.auto = on;
SET arcache.debug_verify = on;
SET enable_bitmapscan = off;

-- Rows that were updated in place, deleted around, and seen by others.
CREATE TABLE pairs (id int, s text);
INSERT INTO pairs SELECT i, 'text ' || i FROM generate_series(1, 50) i;
CREATE INDEX ON pairs (id, s);
UPDATE pairs SET s = NULL WHERE id % 7 = 0;
UPDATE pairs SET s = s WHERE id % 5 = 0;
DELETE FROM pairs WHERE id % 11 = 0;
VACUUM ANALYZE pairs;
DO $$BEGIN PERFORM arcache_enable('pairs'); END$$;
SELECT crosswise('SELECT id, s FROM pairs WHERE id > %s', '{}', '{seqscan}');
SELECT crosswise('SELECT id, s FROM pairs WHERE id > %s ORDER BY id', '{sort}', '{indexscan,indexonlyscan}');
SELECT crosswise('SELECT id, s FROM pairs WHERE id > %s UNION ALL SELECT id, s FROM pairs WHERE id > 9', '{}', '{seqscan}');

-- A column's storage decides how its values lie in the table.
ALTER TABLE pairs ALTER s SET STORAGE PLAIN;
UPDATE pairs SET s = s || '!';
VACUUM ANALYZE pairs;
SELECT crosswise('SELECT id, s FROM pairs WHERE id > %s', '{}', '{seqscan}');

-- Columns that older rows lack, one with a default, and one that is no more.
CREATE TABLE grown (id int, gone text, s text);
INSERT INTO grown SELECT i, 'gone', 'text ' || i FROM generate_series(1, 20) i;
ALTER TABLE grown ADD later int;
INSERT INTO grown VALUES (21, 'gone', 'text 21', 1);
CREATE INDEX ON grown (id, gone, s, later);
VACUUM ANALYZE grown;
DO $$BEGIN PERFORM arcache_enable('grown'); END$$;
SELECT crosswise('SELECT * FROM grown WHERE id > %s', '{}', '{seqscan}');
ALTER TABLE grown ADD latest text DEFAULT 'default';
ALTER TABLE grown DROP gone;
CREATE INDEX ON grown (id);
INSERT INTO grown VALUES (22, 'text 22', 1, NULL);
SELECT crosswise('SELECT * FROM grown WHERE id > %s ORDER BY id', '{sort}', '{indexscan}');
SELECT * FROM grown WHERE id > 18;
SELECT * FROM grown WHERE id > 18;

-- Values that lie outside of their rows.
CREATE TABLE outside (id int, s text);
INSERT INTO outside
	SELECT i, string_agg(md5(j::text), '' ORDER BY j) FROM generate_series(1, 3) i, generate_series(i, 300 * i) j GROUP BY i;
SELECT pg_relation_size(reltoastrelid) > 10000 AS are_outside FROM pg_class WHERE relname = 'outside';
DO $$BEGIN PERFORM arcache_enable('outside'); END$$;
DO $$BEGIN PERFORM arcache_clear(); END$$;
SELECT id, s FROM outside \g /dev/null
SELECT id, s FROM outside \g /dev/null
SELECT bytes > 50000 AS holds_the_values, hits FROM arcache_entries;

DROP TABLE pairs, grown, outside;
DROP FUNCTION set_plan, run, crosswise;

-- The head alone of a wide image is more than is allowed; no row is added to it.
SELECT string_agg(format('%s AS c%s', i, i), ', ') AS columns FROM generate_series(1, 300) i \gset
CREATE TABLE im_wide AS SELECT i, :columns FROM generate_series(1, 200) i;
SELECT arcache_enable('im_wide');
SELECT arcache_clear() >= 0;
SELECT arcache_stats_reset();
SET arcache.max_value_size = '1kB';
SET arcache.auto = on;
SET arcache.min_cost = 0;
\o /dev/null
SELECT * FROM im_wide;
\o
SELECT misses, fills, rejected_oversize FROM arcache_stats;
RESET arcache.max_value_size;
DROP TABLE im_wide;
