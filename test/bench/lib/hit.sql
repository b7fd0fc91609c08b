-- What the part "hit" reads besides the tables of overhead.sql: values by key, in a table
-- and in the cache, and a join of six that takes some 20 ms.

CREATE UNLOGGED TABLE plain.kv (key text PRIMARY KEY, value jsonb NOT NULL);
INSERT INTO plain.kv SELECT 'key:' || i, to_jsonb(repeat('x', :bytes)) FROM generate_series(1, :keys) i;
CREATE TABLE tracked.kv (LIKE plain.kv INCLUDING ALL);
INSERT INTO tracked.kv SELECT * FROM plain.kv;

CREATE FUNCTION join_text() RETURNS text LANGUAGE sql AS $$
	SELECT 'SELECT t6.category % 20 AS shelf, count(*) AS n, sum(t1.price) AS price, max(t3.s) AS s, min(t5.at) AS since '
		|| 'FROM tracked.t1 JOIN tracked.t2 ON t2.id = t1.next JOIN tracked.t3 ON t3.id = t2.next '
		|| 'JOIN tracked.t4 ON t4.id = t3.next JOIN tracked.t5 ON t5.id = t4.next JOIN tracked.t6 ON t6.id = t5.next '
		|| 'GROUP BY 1 ORDER BY 1'
$$;
DO $$ BEGIN EXECUTE 'CREATE TABLE tracked.join_result AS ' || join_text(); END $$;

-- The same rows as constants.
CREATE FUNCTION join_as_values() RETURNS text LANGUAGE sql AS $$
	SELECT 'SELECT * FROM (VALUES '
		|| string_agg(format('(%s, %s::bigint, %s::numeric, %L::text, %L::timestamptz)', shelf, n, price, s, since), ', ' ORDER BY shelf)
		|| ') v (shelf, n, price, s, since)'
	FROM tracked.join_result
$$;

SELECT arcache_enable(format('tracked.%I', relname)::regclass) FROM pg_class
	WHERE relnamespace = 'tracked'::regnamespace AND relkind = 'r';
SELECT count(arcache_set(key, value)) FROM plain.kv;

-- Who does without arcache, also through Pgpool-II.
CREATE ROLE uncached SUPERUSER LOGIN;
ALTER ROLE uncached SET arcache.auto = off;

VACUUM ANALYZE;
CHECKPOINT;
