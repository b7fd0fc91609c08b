-- What the part "scale" needs.

CREATE TABLE first (i int);
CREATE TABLE none (i int);
CREATE TABLE dependents (i int);
SELECT arcache_enable(name, keys => '{}') FROM unnest('{first,none,dependents}'::regclass[]) name;

CREATE UNLOGGED TABLE mark (id serial PRIMARY KEY, ns bigint);
CREATE FUNCTION mark() RETURNS void LANGUAGE sql AS
	$$INSERT INTO mark (ns) VALUES (split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::bigint)$$;

-- The second interval of the last two, less the first.
CREATE FUNCTION scale_difference() RETURNS float8 LANGUAGE sql AS $$
	SELECT (ns - 2 * lag(ns, 1) OVER (ORDER BY id) + lag(ns, 2) OVER (ORDER BY id))::float8 FROM mark ORDER BY id DESC LIMIT 1
$$;

-- What memory was used by when there was none, and the bytes of keys and values.
CREATE UNLOGGED TABLE before (used bigint, bytes bigint);

CREATE PROCEDURE scale_load(n bigint, depends_on regclass) LANGUAGE plpgsql AS $$
DECLARE
	batch constant bigint := 10000;
	value constant jsonb := to_jsonb(repeat('x', 100));
BEGIN
	PERFORM arcache_clear();
	COMMIT;
	DELETE FROM before;
	INSERT INTO before
		SELECT used, (SELECT sum(pg_column_size(value) + length('key:' || i)) FROM generate_series(1, n) i) FROM arcache_memory;
	COMMIT;
	FOR start IN 1..n BY batch LOOP
		PERFORM count(arcache_set('key:' || i, value, depends_on => CASE WHEN scale_load.depends_on IS NOT NULL THEN ARRAY[scale_load.depends_on] END))
			FROM generate_series(start, least(start + batch - 1, n)) i;
		COMMIT;
	END LOOP;
	IF (SELECT entries FROM arcache_memory) <> n THEN
		RAISE 'there are % entries, not %', (SELECT entries FROM arcache_memory), n;
	END IF;
END
$$;

CREATE FUNCTION scale_overhead() RETURNS float8 LANGUAGE sql AS
	$$SELECT (m.used - b.used - b.bytes)::float8 / m.entries FROM arcache_memory m, before b$$;
