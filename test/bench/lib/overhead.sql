-- What test/bench/overhead reads.  Run in each server; where arcache is preloaded
-- the tables of schema tracked are enabled afterwards.

CREATE SCHEMA plain;
CREATE SCHEMA tracked;

CREATE TABLE plain.t1 (id int PRIMARY KEY, next int NOT NULL, category int NOT NULL, a int, b bigint,
	price numeric, at timestamptz, flag boolean, s text, note text);
INSERT INTO plain.t1
	SELECT i, i % 10000 + 1, i % 1000, i, i, i / 7.0, '2025-01-01'::timestamptz + i * interval '1 minute',
		i % 2 = 0, 'text ' || i, repeat('x', i % 40)
	FROM generate_series(1, 10000) i;
CREATE TABLE tracked.t1 (LIKE plain.t1 INCLUDING ALL);
INSERT INTO tracked.t1 SELECT * FROM plain.t1;

DO $$
BEGIN
	FOR i IN 2..6 LOOP
		EXECUTE format('CREATE TABLE plain.t%s (LIKE plain.t1 INCLUDING ALL)', i);
		EXECUTE format('INSERT INTO plain.t%s SELECT * FROM plain.t1', i);
		EXECUTE format('CREATE TABLE tracked.t%s (LIKE plain.t1 INCLUDING ALL)', i);
		EXECUTE format('INSERT INTO tracked.t%s SELECT * FROM plain.t1', i);
	END LOOP;
END
$$;

CREATE TABLE tracked.wide (LIKE plain.t1 INCLUDING ALL);
INSERT INTO tracked.wide
	SELECT i, i % 10000 + 1, i % 1000, i, i, i / 7.0, '2025-01-01'::timestamptz + i * interval '1 minute',
		i % 2 = 0, 'text ' || i, repeat('x', i % 40)
	FROM generate_series(1, 200000) i;

CREATE TABLE plain.log (id int, s text);

CREATE FUNCTION plain.sql_function(int) RETURNS int STABLE LANGUAGE sql
	AS 'SELECT $1 + a FROM tracked.t2 WHERE id = $1';
CREATE FUNCTION plain.plpgsql_function(int) RETURNS int STABLE LANGUAGE plpgsql
	AS 'BEGIN RETURN $1 + 1; END';

-- The time that the planner takes in microseconds, with transparent mode off
-- and on in turns: the mean of the middle half, for one figure has three digits.
CREATE FUNCTION public.planning(query text, n int, OUT off_us float8, OUT on_us float8) LANGUAGE plpgsql AS $$
DECLARE
	modes text[] := '{off,on}';
	plan json;
	times float8[];
BEGIN
	FOR i IN 1..n LOOP
		FOR m IN 1..2 LOOP
			PERFORM set_config('arcache.auto', modes[m], false);
			EXECUTE 'EXPLAIN (SUMMARY, FORMAT JSON) ' || query INTO plan;
			times[2 * i + m - 2] := (plan -> 0 ->> 'Planning Time')::float8;
		END LOOP;
	END LOOP;
	SELECT 1000 * avg(ms) FILTER (WHERE mode = 1), 1000 * avg(ms) FILTER (WHERE mode = 2)
		INTO off_us, on_us
		FROM (SELECT ms, mode, row_number() OVER (PARTITION BY mode ORDER BY ms) AS place
			FROM (SELECT ms, (i - 1) % 2 + 1 AS mode FROM unnest(times) WITH ORDINALITY x(ms, i)) y) z
		WHERE place BETWEEN n * 0.25 AND n * 0.75;
END
$$;

-- The processor time that a backend had taken at some points.  What it says of
-- itself is exact as of its last wait, which is for the statement.
CREATE UNLOGGED TABLE public.mark (id serial PRIMARY KEY, ns bigint);
CREATE FUNCTION public.mark() RETURNS void LANGUAGE sql AS
	$$INSERT INTO public.mark (ns) VALUES (split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint)$$;

VACUUM ANALYZE;
CHECKPOINT;
