--
-- Values by key
--
\pset null '(null)'
SELECT arcache_stats_reset();

-- A value that was set is there, and one that was not is NULL.
SELECT arcache_set('v:1', '{"a": [1, 2.50, "x", true, null]}');
SELECT arcache_get('v:1'), arcache_get('v:2');
SELECT arcache_exists('v:1'), arcache_exists('v:2');

-- Each arcache_get() is one hit or one miss, and arcache_exists() is neither.
SELECT hits, misses, hit_ratio, fills, sets FROM arcache_stats;

-- A second set replaces the first.
SELECT arcache_set('v:1', '2');
SELECT arcache_get('v:1');

-- A JSON null is a value, and differs from none.
SELECT arcache_set('v:null', 'null');
SELECT arcache_get('v:null'), arcache_get('v:null') IS NULL AS absent,
       arcache_exists('v:null');

-- Every kind of jsonb comes back as it went.
CREATE TABLE kinds (id int, value jsonb);
INSERT INTO kinds VALUES
    (1, 'true'), (2, '0'), (3, '-12345678901234567890.000123456789'),
    (4, '""'), (5, '"\u00e9\t\"\\ \ud83d\ude00"'), (6, '[]'), (7, '{}'),
    (8, '[[], {}, [[[1]]]]'), (9, '{"": {"a": null, "b": [1e-10, 1E300]}}'),
    (10, to_jsonb(repeat('long ', 1000))),
    (11, (SELECT jsonb_object_agg('key' || i, i) FROM generate_series(1, 1000) i));
SELECT bool_and(arcache_set('kind:' || id, value)) FROM kinds;
SELECT count(*) FILTER (WHERE arcache_get('kind:' || id) = value) AS same,
       count(*) AS of
  FROM kinds;
SELECT count(*) FILTER (WHERE arcache_get('kind:' || id)::text = value::text) AS same
  FROM kinds;
DROP TABLE kinds;

-- if_absent sets only what is absent.
SELECT arcache_set('v:absent', '1', if_absent => true);
SELECT arcache_set('v:absent', '2', if_absent => true);
SELECT arcache_get('v:absent');
SELECT arcache_delete('v:absent');
SELECT arcache_set('v:absent', '3', if_absent => true);
SELECT arcache_get('v:absent');
SELECT arcache_set('v:absent', '4', if_absent => NULL);
SELECT arcache_get('v:absent');

-- get_many returns what is there, in the order asked for, as often as asked for.
SELECT arcache_set_many('{"m:1": 1, "m:2": {"two": 2}, "m:3": null}');
SELECT * FROM arcache_get_many(ARRAY['m:3', 'nothing', 'm:1', 'm:2', 'm:1']) ORDER BY ord;
SELECT * FROM arcache_get_many('{}');
SELECT * FROM arcache_get_many(NULL);

-- get_many counts a hit or a miss for each key.
SELECT arcache_stats_reset();
SELECT count(*) FROM arcache_get_many(ARRAY['m:3', 'nothing', 'm:1', 'm:2', 'm:1']);
SELECT hits, misses FROM arcache_stats;

-- set_many sets every key of an object, the last of equal ones, and none of an empty one.
SELECT arcache_set_many('{"m:1": 10, "m:1": 11, "m:4": [1]}');
SELECT arcache_get('m:1'), arcache_get('m:4');
SELECT arcache_set_many('{}');

-- delete counts the keys that were there, each once.
SELECT arcache_delete('m:1', 'm:2', 'nothing');
SELECT arcache_delete('m:1');
SELECT arcache_delete(VARIADIC '{}');
SELECT arcache_delete('m:3', 'm:3');
SELECT arcache_get('m:1'), arcache_get('m:2'), arcache_get('m:3'), arcache_get('m:4');

-- keys lists what is there, all of it or what matches.
SELECT arcache_clear() >= 0 AS cleared;
SELECT arcache_set_many('{"k:b": 1, "k:a": 2, "l": 3}');
SELECT * FROM arcache_keys() k ORDER BY k COLLATE "C";
SELECT * FROM arcache_keys('k:*') k ORDER BY k COLLATE "C";
SELECT arcache_keys('nothing');

-- A key of a query is one key, whichever functions made results of it.
SELECT arcache_get_or_set(NULL, 'SELECT 1 AS a', ttl => '1 h');
SELECT * FROM arcache_query('SELECT 1 AS a', ttl => '1 h') AS t(a int);
SELECT count(*) FROM arcache_keys('query:*');
SELECT arcache_exists(k), arcache_ttl(k) > '59 min' AS an_hour, arcache_touch(k, '1 day'), arcache_ttl(k) > '23 h' AS a_day
  FROM arcache_query_key('SELECT 1 AS a') k;
SELECT arcache_delete(arcache_query_key('SELECT 1 AS a'));
SELECT * FROM arcache_query('SELECT 1 AS a', ttl => '1 h') AS t(a int);
SELECT arcache_exists(k), arcache_ttl(k) > '59 min' AS an_hour, arcache_touch(k, '1 day'), arcache_ttl(k) > '23 h' AS a_day
  FROM arcache_query_key('SELECT 1 AS a') k;
SELECT arcache_delete_pattern('query:*');

-- Keys may be long, of any characters, and differ in any byte.
SELECT arcache_set(repeat('x', 2048), '"2048"');
SELECT arcache_get(repeat('x', 2048)), arcache_get(repeat('x', 2047));
SELECT arcache_set(repeat('é', 1024), '"1024 characters, 2048 bytes"');
SELECT arcache_get(repeat('é', 1024));
SELECT arcache_set(' ', '"space"'), arcache_set('  ', '"two"'), arcache_set('K', '"large"'),
       arcache_set('k', '"small"'), arcache_set(E'a\nb\t\\', '"escapes"'),
       arcache_set('ключ 鍵 🔑', '"unicode"'), arcache_set('''"%;--', '"quotes"');
SELECT arcache_get(' '), arcache_get('  '), arcache_get('K'), arcache_get('k'),
       arcache_get(E'a\nb\t\\'), arcache_get('ключ 鍵 🔑'), arcache_get('''"%;--');
SELECT arcache_get(E'e\u0301') AS decomposed, arcache_get(E'\u00e9') AS composed;

-- A value of several megabytes comes back whole.
SELECT arcache_set('big', to_jsonb(repeat('0123456789', 500000)));
SELECT arcache_get('big') = to_jsonb(repeat('0123456789', 500000)) AS same;
SELECT arcache_set('big', jsonb_agg(i)) FROM generate_series(1, 300000) i;
SELECT arcache_get('big') = (SELECT jsonb_agg(i) FROM generate_series(1, 300000) i) AS same;

-- A value that is too large is refused, counted, and leaves no older one behind.
SELECT arcache_stats_reset();
BEGIN;
SET LOCAL arcache.max_value_size = '1MB';
SELECT arcache_set('big', to_jsonb(repeat('x', 2000000)));
SELECT arcache_get('big');
COMMIT;
SELECT arcache_get('big');
SELECT arcache_set('big', to_jsonb(repeat('x', setting::int * 1024 * 1024 / 8 + 1))) AS "more than an eighth"
  FROM pg_settings WHERE name = 'arcache.memory';
SELECT sets, rejected_oversize FROM arcache_stats;

-- ttl is the time left, and NULL for what is absent or stays.
SELECT arcache_set('t', '1', ttl => '1 hour'), arcache_set('t:stays', '1');
SELECT arcache_ttl('t') BETWEEN '59 min' AND '1 hour' AS an_hour,
       arcache_ttl('t:stays'), arcache_ttl('nothing');

-- touch gives a new ttl at once, NULL stands for the default, and it finds only what is there.
SELECT arcache_touch('t', '1 day'), arcache_touch('nothing', '1 day');
SELECT arcache_ttl('t') BETWEEN '23:59' AND '24:00' AS a_day;
SELECT arcache_touch('t', NULL);
SELECT arcache_ttl('t');
BEGIN;
SELECT arcache_touch('t', '1 hour');
ROLLBACK;
SELECT arcache_ttl('t') > '59 min' AS at_once;

-- A value is gone when its ttl has passed.
SELECT arcache_set('t', '1', ttl => '50 ms'), arcache_set('t:2', '2', ttl => '1 month');
SELECT pg_sleep(0.1);
SELECT arcache_get('t'), arcache_exists('t'), arcache_ttl('t'), arcache_touch('t', '1 s'),
       arcache_get('t:2');
SELECT arcache_keys('t*') ORDER BY 1;
SELECT arcache_delete('t', 't:2');

-- What has expired counts as absent for if_absent.
SELECT arcache_set('t', '1', ttl => '1 ms');
SELECT pg_sleep(0.02);
SELECT arcache_set('t', '2', if_absent => true), arcache_get('t');

-- A counter starts at what is added, and adds from then on.
SELECT arcache_incr('n'), arcache_incr('n'), arcache_incr('n', 10), arcache_incr('n', -5),
       arcache_incr('n', 0);
SELECT arcache_get('n'), arcache_exists('n'), arcache_ttl('n');
SELECT arcache_incr('n:down', -3);

-- A counter's ttl is that of its start.
SELECT arcache_incr('n:ttl', 1, '1 hour'), arcache_incr('n:ttl', 1, '1 day');
SELECT arcache_ttl('n:ttl') BETWEEN '59 min' AND '1 hour' AS an_hour;
SELECT arcache_incr('n:short', 5, '1 ms');
SELECT pg_sleep(0.02);
SELECT arcache_incr('n:short', 7);

-- A number that was set can be counted on, and keeps its ttl.
SELECT arcache_set('n:set', '41.0', ttl => '1 hour');
SELECT arcache_incr('n:set'), arcache_get('n:set'), arcache_ttl('n:set') > '59 min' AS ttl;
SELECT arcache_set('n', '"none"'), arcache_get('n');

-- Counters reach both ends of bigint, and go no further.
SELECT arcache_incr('n:max', 9223372036854775807), arcache_incr('n:min', -9223372036854775808);
\set VERBOSITY sqlstate
SELECT arcache_incr('n:max');
SELECT arcache_incr('n:min', -1);
SELECT arcache_get('n:max'), arcache_get('n:min');
SELECT arcache_incr('n:max', -1), arcache_incr('n:min', 9223372036854775807);

-- What is no whole number cannot be counted on, and stays.
SELECT arcache_set_many('{"x:1": "1", "x:2": 1.5, "x:3": null, "x:4": [1], "x:5": 1e30}');
SELECT arcache_incr('x:1');
SELECT arcache_incr('x:2');
SELECT arcache_incr('x:3');
SELECT arcache_incr('x:4');
SELECT arcache_incr('x:5');
SELECT * FROM arcache_get_many('{x:1,x:2,x:3,x:4,x:5}') ORDER BY ord;
\set VERBOSITY default

-- A tag invalidates all values that carry it.
SELECT arcache_set('g:1', '1', tags => '{red,round}'), arcache_set('g:2', '2', tags => '{red}'),
       arcache_set('g:3', '3', tags => '{round,ключ}'), arcache_set('g:4', '4');
SELECT key, tags, coherence FROM arcache_entries WHERE key LIKE 'g:%' ORDER BY key;
SELECT arcache_invalidate_tag('red');
SELECT * FROM arcache_get_many('{g:1,g:2,g:3,g:4}') ORDER BY ord;
SELECT arcache_invalidate_tag('red');
SELECT arcache_set('g:1', '10', tags => '{red,round}');
SELECT arcache_invalidate_tag('red', 'round', 'nothing');
SELECT * FROM arcache_get_many('{g:1,g:2,g:3,g:4}') ORDER BY ord;

-- Counting on keeps the tags and dependencies that the value was set with.
SELECT arcache_set('g:n', '1', tags => '{red}');
SELECT arcache_incr('g:n'), arcache_incr('g:n');
SELECT key, tags FROM arcache_entries WHERE key = 'g:n' AND valid;
SELECT arcache_invalidate_tag('red'), arcache_get('g:n');
SELECT arcache_incr('g:n');

-- A value goes with the tables that it was said to depend on.
CREATE TABLE source (a int);
SELECT arcache_enable('source');
SELECT arcache_set('d', '1', depends_on => '{source}');
SELECT key, coherence, depends_on FROM arcache_entries WHERE key = 'd' AND valid;
SELECT arcache_get('d');
INSERT INTO source VALUES (1);
SELECT arcache_get('d');

-- A parent stands for its partitions or children; a view for nothing, so it is refused.
CREATE TABLE parent (a int) PARTITION BY LIST (a);
CREATE TABLE partition PARTITION OF parent FOR VALUES IN (1);
CREATE VIEW source_view AS SELECT * FROM source;
SELECT arcache_enable('parent');
SELECT arcache_set('d', '1', depends_on => '{parent}');
SELECT key, coherence, depends_on FROM arcache_entries WHERE key = 'd' AND valid;
INSERT INTO partition VALUES (1);
SELECT arcache_get('d');
SELECT arcache_set('d', '2', depends_on => '{source_view}');
SELECT arcache_get('d');

-- With a table that is not tracked a value is only as good as its ttl.
CREATE TABLE untracked (a int);
SELECT arcache_set('d', '3', depends_on => '{source,untracked}');
SELECT key, coherence, depends_on FROM arcache_entries WHERE key = 'd' AND valid;
INSERT INTO source VALUES (2);
SELECT arcache_get('d');
DROP TABLE source, parent, untracked CASCADE;

-- A value may be read from a prepared statement and a function, again and again.
PREPARE read(text) AS SELECT arcache_get($1);
SELECT arcache_set('p', '"prepared"');
EXECUTE read('p');
EXECUTE read('p');
DEALLOCATE read;

-- clear leaves nothing of one's own.
SELECT arcache_clear() >= 0 AS cleared;
SELECT arcache_keys();
SELECT count(*) FROM arcache_entries WHERE role = current_user AND valid;
