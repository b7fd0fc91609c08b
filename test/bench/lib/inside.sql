-- What the part "inside" reads: keys in the order in which they are asked for, values of
-- these keys in the cache and in a table, and functions that ask.

CREATE UNLOGGED TABLE kv (key text PRIMARY KEY, value jsonb NOT NULL);
ALTER TABLE kv ALTER value SET STORAGE EXTERNAL;	-- such values would be compressed to nothing
CREATE UNLOGGED TABLE uniform_keys (key text NOT NULL, one jsonb NOT NULL DEFAULT '1');
CREATE UNLOGGED TABLE zipf_keys (LIKE uniform_keys INCLUDING ALL);

CREATE FUNCTION spi_get(k text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	found jsonb;
BEGIN
	SELECT value INTO found FROM kv WHERE key = k;
	RETURN found;
END
$$;

-- Each value is a string of so many bytes.  The keys of zipf_keys are drawn with a
-- probability of one through their rank.
CREATE PROCEDURE inside_load(size int, keys int, calls int) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE kv, uniform_keys, zipf_keys;
	PERFORM arcache_clear();
	COMMIT;
	PERFORM setseed(0.5);
	INSERT INTO kv SELECT 'key:' || i, to_jsonb(repeat('x', size)) FROM generate_series(1, keys) i;
	INSERT INTO uniform_keys (key) SELECT 'key:' || 1 + floor(random() * keys) FROM generate_series(1, calls);
	INSERT INTO zipf_keys (key) SELECT 'key:' || floor(exp(random() * ln(keys))) FROM generate_series(1, calls);
	COMMIT;
	PERFORM count(arcache_set(key, value)) FROM kv;
	COMMIT;
	ANALYZE kv;
END
$$;

SELECT arcache_enable('tracked.wide');

CREATE FUNCTION loop_constant(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR i IN 1..n LOOP
		SELECT 7 AS id, 8 AS next, 7 AS category, 7 AS a, 7::bigint AS b, 1.0000000000000000 AS price,
			'2025-01-01 00:07:00+00'::timestamptz AS at, false AS flag, 'text 7' AS s, 'xxxxxxx' AS note
			INTO r FROM (SELECT) one LIMIT 1;
	END LOOP;
END
$$;
CREATE FUNCTION loop_computed(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR i IN 1..n LOOP
		SELECT * INTO r FROM tracked.wide WHERE id = 7;
	END LOOP;
END
$$;
CREATE FUNCTION loop_hit(n int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR i IN 1..n LOOP
		SELECT * INTO r FROM tracked.wide WHERE id = 7;
	END LOOP;
END
$$;
ALTER FUNCTION loop_computed SET arcache.auto = off;
ALTER FUNCTION loop_hit SET arcache.min_cost = 0;
ALTER FUNCTION loop_hit SET arcache.min_time = 0;
VACUUM ANALYZE;
