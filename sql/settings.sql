--
-- Settings, bypasses and what the views tell
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on
CREATE TABLE thing (id int);
INSERT INTO thing VALUES (1);
SELECT arcache_enable('thing');

-- The settings, their units and contexts.
SELECT name, vartype, unit, context, boot_val, min_val, max_val FROM pg_settings WHERE name LIKE 'arcache.%' ORDER BY name;
SET arcache.nothing = 1;
SET arcache.memory = '1GB';
SET arcache.janitor_delay = 10;
\set VERBOSITY sqlstate
SET arcache.default_ttl = -1;
SET arcache.audit_rate = 1.5;
\set VERBOSITY default

-- arcache.enabled = off: every call computes, nothing is found and nothing kept.
SELECT arcache_get_or_set('on', 'SELECT id FROM thing'), arcache_set('value', '1');
SELECT arcache_stats_reset();
SET arcache.enabled = off;
SELECT arcache_get_or_set('on', 'SELECT id FROM thing'), arcache_get_or_set('off', 'SELECT id FROM thing');
SELECT * FROM arcache_query('SELECT id FROM thing') AS t(id int);
SELECT arcache_get('value'), arcache_exists('value'), arcache_ttl('value'), arcache_touch('value', '1 h'), arcache_incr('n'),
       arcache_set('new', '1'), arcache_set_many('{"new": 1}'), (SELECT count(*) FROM arcache_keys()), (SELECT count(*) FROM arcache_get_many('{value}'));
SELECT arcache_get_or_set('on', 'SELECT random()');
SELECT hits, misses, fills, bypass_disabled FROM arcache_stats;

-- Writes are still noticed, so what is found later is right.
INSERT INTO thing VALUES (2);
RESET arcache.enabled;
SELECT arcache_get_or_set('on', 'SELECT id FROM thing ORDER BY id'), arcache_exists('off'), arcache_exists('new'), arcache_get('value');

-- Off for one transaction, one role or one database, as a pooler needs it.
BEGIN;
SET LOCAL arcache.enabled = off;
SELECT arcache_get('value');
COMMIT;
SELECT arcache_get('value');

-- arcache.default_ttl is what a NULL ttl means, for values, results and counters.
SET arcache.default_ttl = '1h';
SELECT arcache_set('d:value', '1'), arcache_set('d:own', '1', ttl => '1 min'), arcache_incr('d:n');
SELECT arcache_get_or_set('d:exact', 'SELECT id FROM thing ORDER BY id') IS NOT NULL,
       arcache_get_or_set('d:ttl', 'SELECT now() IS NOT NULL') IS NOT NULL;
SELECT key, coherence, round(extract(epoch FROM expires - created)) AS seconds FROM arcache_entries WHERE key LIKE 'd:%' AND valid ORDER BY key;
SELECT arcache_touch('d:own', NULL), arcache_ttl('d:own') > '59 min';
RESET arcache.default_ttl;
SELECT arcache_touch('d:value', NULL), arcache_ttl('d:value');

-- What is kept by its ttl alone cannot be touched into staying for ever.
SELECT arcache_touch('d:ttl', NULL);
SELECT arcache_touch('d:ttl', '2 h'), arcache_ttl('d:ttl') > '1 h';

-- A ttl may be of any unit, but must be greater than zero and at most a hundred years.
SELECT arcache_set('t', '1', ttl => t) FROM unnest('{1 us, 1 month -29 days, 1.5 s, 100 years}'::interval[]) t;
\set VERBOSITY sqlstate
SELECT arcache_set('t', '1', ttl => '0');
SELECT arcache_set('t', '1', ttl => '-1 s');
SELECT arcache_set('t', '1', ttl => '1 day -24 h');
SELECT arcache_set('t', '1', ttl => '1 month -31 days');
SELECT arcache_set('t', '1', ttl => '1000 years');
SELECT arcache_set_many('{"t": 1}', ttl => '-1 s');
SELECT arcache_get_or_set('t', 'SELECT 1 AS a', ttl => '-1 s');
SELECT * FROM arcache_query('SELECT 1', ttl => '0') AS t(a int);
SELECT * FROM arcache_query_as(NULL::thing, 'SELECT 1', ttl => '0');
SELECT arcache_touch('t', '-1 s');
SELECT arcache_incr('t:n', 1, '-1 s');
SELECT arcache_exists('t:n');
\set VERBOSITY default

-- A result is gone when its ttl has passed.
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('short', 'SELECT id FROM thing WHERE id = 1', ttl => '50 ms');
SELECT pg_sleep(0.1);
SELECT arcache_get_or_set('short', 'SELECT id FROM thing WHERE id = 1', ttl => '1 h');
SELECT arcache_get_or_set('short', 'SELECT id FROM thing WHERE id = 1', ttl => '1 h');
SELECT hits, misses, fills FROM arcache_stats;

-- arcache.max_value_size: what is larger is computed, returned, counted, and not kept.
SELECT arcache_stats_reset();
SET arcache.max_value_size = '1kB';
SELECT length(arcache_get_or_set('size', 'SELECT repeat(''x'', 2000) AS a')::text), arcache_exists('size');
SELECT arcache_set('size', to_jsonb(repeat('x', 2000))), arcache_exists('size');
SELECT arcache_set('size', to_jsonb(repeat('x', 900))), arcache_exists('size');
SELECT fills, sets, rejected_oversize FROM arcache_stats;
RESET arcache.max_value_size;

-- arcache.debug_verify checks every exact hit, and finds nothing wrong.
SET arcache.debug_verify = on;
SELECT arcache_stats_reset();
CREATE TABLE wide AS
    SELECT i AS id, repeat(i::text, 100) AS t, i * 1.5 AS n, now() AS at, ARRAY[i, i + 1] AS a, to_jsonb(i) AS j FROM generate_series(1, 500) i;
SELECT arcache_enable('wide');
DO $$
DECLARE
    query text;
    total bigint;
BEGIN
    FOR round IN 1 .. 3 LOOP
        FOREACH query IN ARRAY ARRAY[
            'SELECT * FROM wide ORDER BY id', 'SELECT * FROM wide', 'SELECT count(*), sum(n), max(at) FROM wide',
            'SELECT id % 10 AS m, count(*) FROM wide GROUP BY 1', 'SELECT a.id, b.t FROM wide a JOIN wide b ON b.id = a.id + 1',
            'SELECT DISTINCT t FROM wide', 'SELECT id FROM wide WHERE id > 400 LIMIT 5', 'SELECT jsonb_agg(w) AS w FROM wide w',
            'SELECT thing.id, wide.t FROM thing LEFT JOIN wide USING (id)', 'SELECT 1 AS a WHERE false'] LOOP
            PERFORM arcache_get_or_set(NULL, query);
            SELECT sum(id) INTO total FROM arcache_query_as(NULL::thing, 'SELECT count(*)::int FROM (' || query || ') x');
            PERFORM arcache_get(arcache_query_key(query));
        END LOOP;
        UPDATE wide SET n = n + 1 WHERE id = round;
    END LOOP;
END $$;
SELECT audits > 0, audit_failures FROM arcache_stats;
RESET arcache.debug_verify;

-- arcache.audit_rate checks a part of them.
SET arcache.audit_rate = 1;
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('audit', 'SELECT count(*) FROM wide'), arcache_get_or_set('audit', 'SELECT count(*) FROM wide'),
       arcache_get_or_set('audit', 'SELECT count(*) FROM wide'), arcache_get('audit');
SELECT hits, audits, audit_failures FROM arcache_stats;
SET arcache.audit_rate = 0;
SELECT arcache_get('audit');
SELECT hits, audits, audit_failures FROM arcache_stats;
RESET arcache.audit_rate;

-- What is wrong is found: a function that lied about being IMMUTABLE.
CREATE FUNCTION liar() RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN current_setting(''app.lie'', true); END';
SET app.lie = 'one';
SELECT arcache_get_or_set('lie', 'SELECT liar() AS a');
SET app.lie = 'two';
SELECT arcache_get_or_set('lie', 'SELECT liar() AS a');
SET arcache.debug_verify = on;
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('lie', 'SELECT liar() AS a');
SELECT arcache_get('lie');
RESET arcache.debug_verify;
SET arcache.audit_rate = 1;
SELECT arcache_get_or_set('lie', 'SELECT liar() AS a');
SELECT audits, audit_failures FROM arcache_stats;
RESET arcache.audit_rate;
DROP FUNCTION liar();

-- SERIALIZABLE transactions read past the cache.
SELECT arcache_stats_reset();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT arcache_get_or_set('serial', 'SELECT id FROM thing ORDER BY id') = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id FROM thing ORDER BY id) t);
SELECT arcache_get_or_set('on', 'SELECT id FROM thing ORDER BY id');
SELECT arcache_get('value'), arcache_exists('value');
SELECT arcache_delete('value');
COMMIT;
SELECT arcache_exists('serial'), arcache_get('value');
SELECT hits, misses, fills, bypass_isolation FROM arcache_stats;

-- In a SERIALIZABLE transaction too if_absent goes by what is there.
SELECT arcache_set('serial', '1');
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT arcache_set('serial', '2', if_absent => true);
COMMIT;
SELECT arcache_get('serial');

-- REPEATABLE READ transactions do not.
SELECT arcache_stats_reset();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT arcache_get_or_set('repeat', 'SELECT id FROM thing ORDER BY id') = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id FROM thing ORDER BY id) t);
SELECT arcache_get_or_set('repeat', 'SELECT id FROM thing ORDER BY id') = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id FROM thing ORDER BY id) t);
INSERT INTO thing VALUES (3);
SELECT arcache_get_or_set('repeat', 'SELECT id FROM thing ORDER BY id') = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id FROM thing ORDER BY id) t);
COMMIT;
SELECT hits, misses, fills, bypass_own_writes FROM arcache_stats;

-- The arena's bytes add up, whatever is in it.
SELECT size = used + free + overhead, size = 1024 * 1024 * (SELECT setting::bigint FROM pg_settings WHERE name = 'arcache.memory') FROM arcache_memory;
SELECT arcache_set_many(jsonb_object_agg('fill:' || i, repeat('x', i))) FROM generate_series(1, 2000) i;
SELECT size = used + free + overhead, used > 2000 * 1000, largest_free <= free, entries >= 2000 FROM arcache_memory;
SELECT sum(bytes) > 2000 * 1000, bool_and(bytes > 0) FROM arcache_entries WHERE key LIKE 'fill:%';
SELECT arcache_delete_pattern('fill:*');
SELECT size = used + free + overhead FROM arcache_memory;
SELECT janitor_pid IS NOT NULL, count(*) FROM arcache_memory m JOIN pg_stat_activity a ON a.pid = m.janitor_pid AND a.backend_type = 'arcache janitor' GROUP BY 1;

-- The views' columns and comments.
SELECT c.relname, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relname LIKE 'arcache%' AND c.relkind = 'v' GROUP BY 1 ORDER BY 1;
SELECT 'no comment', p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'arcache'
 WHERE obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 2;
SELECT 'no comment', relname FROM pg_class WHERE relname LIKE 'arcache%' AND relkind = 'v' AND obj_description(oid, 'pg_class') IS NULL;
SELECT p.oid::regprocedure, provolatile, proparallel, proisstrict, prosecdef, NOT has_function_privilege('public', p.oid, 'EXECUTE') AS private
  FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'arcache' ORDER BY p.oid::regprocedure::text COLLATE "C";

-- arcache_stats counts from the reset on.
SELECT arcache_stats_reset();
SELECT database = current_database(), hits, misses, hit_ratio, fills, fill_time_ms, time_saved_ms, sets, deletes, rejected_stale_fill,
       rejected_full, rejected_oversize, rejected_no_ttl, bypass_disabled, bypass_isolation, bypass_own_writes, bypass_uncacheable,
       audits, audit_failures, now() - stats_reset < '1 min' FROM arcache_stats;
SELECT arcache_set('s', '1'), arcache_set('s', '2'), arcache_get('s'), arcache_get('none');
SELECT arcache_delete('s', 'none');
SELECT arcache_get_or_set('s', 'SELECT count(*) FROM wide w1, wide w2') = arcache_get_or_set('s', 'SELECT count(*) FROM wide w1, wide w2');
SELECT hits, misses, hit_ratio, fills, fill_time_ms > 0, time_saved_ms > 0, time_saved_ms < fill_time_ms * 2, sets, deletes FROM arcache_stats;

DROP TABLE thing, wide;
SELECT arcache_clear() >= 0;
