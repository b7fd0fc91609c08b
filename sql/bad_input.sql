--
-- Bad input: each a clear error, and nothing changed
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on
CREATE TABLE input (id int, name text);
INSERT INTO input VALUES (1, 'one');
SELECT arcache_enable('input');
SELECT arcache_set('value', '1', tags => '{t}'), arcache_set('text', '"x"'), arcache_incr('n', 9223372036854775807);

-- All that a role can see of the cache.
CREATE VIEW state AS
    SELECT jsonb_object_agg(k, jsonb_build_array(arcache_get(k), arcache_ttl(k))) AS state FROM arcache_keys() k;

-- The error of a statement, having seen that it changed nothing.
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := (SELECT state FROM state);
    error text := 'NO ERROR';
    detail text;
    hint text;
BEGIN
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        error := SQLSTATE || ' ' || SQLERRM || CASE WHEN detail <> '' THEN ' | ' || detail ELSE '' END
            || CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
    END;
    RETURN CASE WHEN before IS DISTINCT FROM (SELECT state FROM state) THEN 'CHANGED: ' ELSE '' END || error;
END $$;
SELECT arcache_get_or_set('result', 'SELECT * FROM input');

-- Keys and values.
SELECT s, attempt(s) FROM unnest(ARRAY[
    $$SELECT arcache_set('', '1')$$,
    $$SELECT arcache_set(NULL, '1')$$,
    $$SELECT arcache_set('value', NULL)$$,
    $$SELECT arcache_get('')$$,
    $$SELECT arcache_exists('')$$,
    $$SELECT arcache_ttl('')$$,
    $$SELECT arcache_touch('', '1 s')$$,
    $$SELECT arcache_touch(NULL, '1 s')$$,
    $$SELECT arcache_incr('')$$,
    $$SELECT arcache_incr(NULL)$$,
    $$SELECT arcache_incr('n', NULL)$$,
    $$SELECT arcache_delete('value', '')$$,
    $$SELECT arcache_delete('value', NULL)$$,
    $$SELECT arcache_delete(VARIADIC NULL)$$,
    $$SELECT arcache_delete(VARIADIC '{{value,text},{a,b}}')$$,
    $$SELECT arcache_get_many('{value,NULL}')$$,
    $$SELECT * FROM arcache_get_many('{value,""}')$$,
    $$SELECT * FROM arcache_get_many('{{value},{text}}')$$,
    $$SELECT arcache_get_or_set('', 'SELECT 1 AS a')$$,
    $$SELECT arcache_set_many('{"new": 1, "": 2}')$$,
    $$SELECT arcache_set_many('[1, 2]')$$,
    $$SELECT arcache_set_many('1')$$,
    $$SELECT arcache_set_many(NULL)$$,
    $$SELECT arcache_set_many('{')$$
    ]) WITH ORDINALITY AS u(s, n) ORDER BY n;

-- A key of three kilobytes, or of one byte too many, is too long for every function.
SELECT f, attempt(format(f, 'repeat(''x'', 3000)')), attempt(format(f, 'repeat(''x'', 2049)')) = attempt(format(f, 'repeat(''é'', 1024) || ''x'''))
  FROM unnest(ARRAY['SELECT arcache_set(%s, ''1'')', 'SELECT arcache_get(%s)', 'SELECT arcache_exists(%s)', 'SELECT arcache_ttl(%s)',
    'SELECT arcache_touch(%s, ''1 s'')', 'SELECT arcache_incr(%s)', 'SELECT arcache_delete(''value'', %s)',
    'SELECT * FROM arcache_get_many(ARRAY[''value'', %s])', 'SELECT arcache_set_many(jsonb_build_object(''new'', 1, %s, 2))',
    'SELECT arcache_get_or_set(%s, ''SELECT 1 AS a'')']) WITH ORDINALITY AS u(f, n) ORDER BY n;

-- Times to live, counters, patterns, tags and dependencies.
SELECT s, attempt(s) FROM unnest(ARRAY[
    $$SELECT arcache_set('value', '2', ttl => '-1 s')$$,
    $$SELECT arcache_set('value', '2', ttl => '0')$$,
    $$SELECT arcache_set('value', '2', ttl => '200 years')$$,
    $$SELECT arcache_set('value', '2', ttl => 'soon')$$,
    $$SELECT arcache_set_many('{"value": 2}', ttl => '-1 s')$$,
    $$SELECT arcache_touch('value', '-1 s')$$,
    $$SELECT arcache_incr('new', 1, ttl => '0')$$,
    $$SELECT arcache_get_or_set('new', 'SELECT 1 AS a', ttl => '-1 s')$$,
    $$SELECT * FROM arcache_query('SELECT 1', ttl => '-1 s') AS t(a int)$$,
    $$SELECT arcache_incr('n')$$,
    $$SELECT arcache_incr('text')$$,
    $$SELECT arcache_incr('result')$$,
    $$SELECT arcache_delete_pattern('val\')$$,
    $$SELECT arcache_delete_pattern('val[a-')$$,
    $$SELECT arcache_delete_pattern(NULL)$$,
    $$SELECT arcache_keys('\')$$,
    $$SELECT arcache_keys(NULL)$$,
    $$SELECT arcache_set('value', '2', tags => '{a,NULL}')$$,
    $$SELECT arcache_set('value', '2', tags => '{{a,b},{c,d}}')$$,
    $$SELECT arcache_invalidate_tag('t', NULL)$$,
    $$SELECT arcache_invalidate_tag(VARIADIC NULL)$$,
    $$SELECT arcache_set('value', '2', depends_on => '{nowhere}')$$,
    $$SELECT arcache_set('value', '2', depends_on => ARRAY[NULL::regclass])$$,
    $$SELECT arcache_set('value', '2', depends_on => ARRAY[1::regclass])$$,
    $$SELECT arcache_invalidate('nowhere')$$,
    $$SELECT arcache_invalidate(1)$$,
    $$SELECT arcache_invalidate(NULL)$$,
    $$SELECT arcache_enable('nowhere')$$,
    $$SELECT arcache_enable(1)$$,
    $$SELECT arcache_disable(1)$$,
    $$SELECT arcache_enable('input', ttl => '-1 s')$$,
    $$SELECT arcache_enable('input', ttl => '1.5 s')$$,
    $$SELECT arcache_enable('state')$$
    ]) WITH ORDINALITY AS u(s, n) ORDER BY n;

-- Queries and parameters, of each function that takes them.
SELECT q, attempt(format('SELECT arcache_get_or_set(''result'', %L, params => %L)', q, p)),
       attempt(format('SELECT * FROM arcache_query(%L, params => %L) AS t(id int)', q, p))
  FROM (VALUES
    (1, 'SELEC 1', NULL),
    (2, 'SELECT 1 AS', NULL),
    (3, 'SELECT ''open', NULL),
    (4, '', NULL),
    (5, 'SELECT', NULL),
    (6, 'SELECT 1 AS a; SELECT 2 AS a', NULL),
    (7, 'DELETE FROM input RETURNING id', NULL),
    (8, 'WITH d AS (DELETE FROM input RETURNING id) SELECT id FROM d', NULL),
    (9, 'SELECT id FROM input FOR UPDATE', NULL),
    (10, 'SELECT random()::int AS id', NULL),
    (11, 'SELECT * INTO new FROM input', NULL),
    (12, 'SELECT id FROM nowhere', NULL),
    (13, 'SELECT nothing FROM input', NULL),
    (14, 'SELECT nothing(id) FROM input', NULL),
    (15, 'SELECT id / 0 AS id FROM input', NULL),
    (16, 'SELECT id FROM input WHERE id = $1', NULL),
    (17, 'SELECT id FROM input WHERE id = $1', '{}'),
    (18, 'SELECT id FROM input WHERE id = $1', '{1,2}'),
    (19, 'SELECT id FROM input WHERE id = $1', '{one}'),
    (20, 'SELECT id FROM input WHERE id = $0', '{1}'),
    (21, 'SELECT id FROM input', '{1}'),
    (22, 'SELECT $2::int AS id', '{1,2}'),
    (23, 'SELECT id FROM input WHERE id = $1', '{{1,2},{3,4}}'),
    (24, 'SELECT id FROM input WHERE id = $1', '{'),
    (25, NULL, NULL)
  ) v(n, q, p) ORDER BY n;
SELECT s, attempt(s) FROM unnest(ARRAY[
    $$SELECT arcache_get_or_set('result', 'SELECT id, id FROM input')$$,
    $$SELECT arcache_get_or_set('result', 'SELECT 1, 2')$$,
    $$SELECT arcache_get_or_set('result', 'SELECT 1 AS a', tags => '{NULL}')$$,
    $$SELECT arcache_get_or_set('result', 'SELECT 1 AS a', depends_on => ARRAY[1::regclass])$$,
    $$SELECT * FROM arcache_query('SELECT id, name FROM input') AS t(id int)$$,
    $$SELECT * FROM arcache_query('SELECT id FROM input') AS t(id text)$$,
    $$SELECT * FROM arcache_query('SELECT id FROM input')$$,
    $$SELECT * FROM arcache_query_as(NULL::input, 'SELECT id FROM input')$$,
    $$SELECT * FROM arcache_query_as(NULL::input, 'SELECT name, id FROM input')$$,
    $$SELECT * FROM arcache_query_as(1, 'SELECT id FROM input')$$,
    $$SELECT arcache_query_as(NULL::record, 'SELECT id FROM input')$$,
    $$SELECT * FROM arcache_query_as(NULL, 'SELECT id FROM input')$$,
    $$SELECT arcache_query_key(NULL)$$,
    $$SELECT arcache_query_key('SELECT 1', '{{1,2},{3,4}}')$$,
    $$SELECT arcache_why(NULL)$$,
    $$SELECT arcache_why('SELEC 1')$$,
    $$SELECT arcache_why('SELECT $1::int', '{1,2}')$$,
    $$SELECT arcache_track()$$
    ]) WITH ORDINALITY AS u(s, n) ORDER BY n;

-- After all that the table and the entries are as they were.
SELECT * FROM input;
SELECT state FROM state;
SELECT arcache_get_or_set('result', 'SELECT * FROM input');

-- An error in mid-fill leaves nothing behind: the next one computes and stores.
CREATE FUNCTION fails(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN IF $1 > 1 THEN RAISE 'too large'; END IF; RETURN $1; END $$;
INSERT INTO input VALUES (2, 'two');
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('fails', 'SELECT fails(id) AS id FROM input ORDER BY id');
SELECT arcache_exists('fails');
DELETE FROM input WHERE id = 2;
SELECT arcache_get_or_set('fails', 'SELECT fails(id) AS id FROM input ORDER BY id');
SELECT arcache_get_or_set('fails', 'SELECT fails(id) AS id FROM input ORDER BY id');
SELECT hits, misses, fills FROM arcache_stats;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory';

DROP FUNCTION fails, attempt;
DROP VIEW state;
DROP TABLE input;
SELECT arcache_clear() >= 0;
