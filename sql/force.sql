-- arcache.debug_force: tables without triggers, and plans as if we were not there

SET arcache.debug_force = on;
CREATE TABLE forced (id int PRIMARY KEY, n int);
CREATE TABLE referring (id int REFERENCES forced ON DELETE CASCADE);
INSERT INTO forced SELECT i, i FROM generate_series(1, 3) i;
INSERT INTO referring VALUES (2);

CREATE FUNCTION counted(statement text, OUT result bigint, OUT hits bigint, OUT fills bigint)
LANGUAGE plpgsql AS $$
DECLARE
	before record;
BEGIN
	SELECT * INTO before FROM arcache_stats;
	EXECUTE statement INTO result;
	SELECT s.hits - before.hits, s.fills - before.fills INTO hits, fills FROM arcache_stats s;
END $$;

CREATE FUNCTION mentions_us(explanation text, OUT result boolean)
LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	result := false;
	FOR line IN EXECUTE explanation LOOP
		result := result OR line ~* 'arcache|custom';
	END LOOP;
END $$;

-- a fill gives what it put into the cache
SELECT * FROM counted('SELECT sum(n) FROM forced');
SELECT * FROM counted('SELECT sum(n) FROM forced');

-- each way to write is seen
UPDATE forced SET n = n + 1;
SELECT * FROM counted('SELECT sum(n) FROM forced');
WITH changed AS (UPDATE forced SET n = n + 1 RETURNING n) SELECT count(*) FROM changed;
SELECT * FROM counted('SELECT sum(n) FROM forced');
COPY forced FROM stdin;
4	40
\.
SELECT * FROM counted('SELECT sum(n) FROM forced');
SELECT * FROM counted('SELECT count(*) FROM referring');
DELETE FROM forced WHERE id = 2;
SELECT * FROM counted('SELECT count(*) FROM referring');
SELECT * FROM counted('SELECT sum(n) FROM forced');
TRUNCATE forced CASCADE;
SELECT * FROM counted('SELECT count(*) FROM referring');
SELECT * FROM counted('SELECT sum(n) FROM forced');

-- its own writes are seen by the transaction, and go with it
BEGIN;
INSERT INTO forced VALUES (1, 1);
SELECT * FROM counted('SELECT sum(n) FROM forced');
ROLLBACK;
SELECT * FROM counted('SELECT sum(n) FROM forced');

-- plans are shown without the node, also those that are kept with it
SET plan_cache_mode = force_generic_plan;
PREPARE one AS SELECT n FROM forced;
EXECUTE one;
EXPLAIN (COSTS OFF) EXECUTE one;
EXPLAIN (COSTS OFF, VERBOSE) SELECT n FROM forced;
SELECT options, mentions_us('EXPLAIN (' || options || ') EXECUTE one'),
	mentions_us('EXPLAIN (' || options || ') SELECT n FROM forced')
FROM (VALUES ('ANALYZE'), ('ANALYZE, TIMING OFF, FORMAT json'), ('FORMAT xml'), ('FORMAT yaml')) f (options);

-- the same query by another plan is another, for the rows may come in another order
INSERT INTO forced VALUES (2, 1), (1, 2);
SET enable_seqscan = on;
SELECT id FROM forced WHERE id > 0;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT id FROM forced WHERE id > 0;

-- an explained CREATE TABLE AS writes, too
RESET plan_cache_mode;
BEGIN;
SELECT mentions_us('EXPLAIN (ANALYZE) CREATE TABLE made AS SELECT 1 AS n');
SELECT * FROM counted('SELECT n FROM made');
COMMIT;

DROP TABLE forced, referring, made;
DROP FUNCTION counted, mentions_us;
