--
-- Results of queries
--
\pset null '(null)'
CREATE TABLE article (id int PRIMARY KEY, title text, tags text[], created date);
INSERT INTO article VALUES
    (1, 'one', '{a,b}', '2020-01-01'), (2, 'two', '{}', '2020-02-01'), (3, NULL, NULL, NULL);
SELECT arcache_enable('article');

-- Does the cache give what the query gives?  Asked twice: a miss and a hit.
CREATE FUNCTION same(query text, params text[] DEFAULT NULL, literals text[] DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    uncached jsonb;
BEGIN
    FOR i IN 1 .. COALESCE(cardinality(params), 0) LOOP
        literals[i] := COALESCE(literals[i], quote_nullable(params[i]));
    END LOOP;
    EXECUTE 'SELECT COALESCE(jsonb_agg(to_jsonb(uncached_row)), ''[]'') FROM (' ||
            regexp_replace(format(regexp_replace(replace(query, '%', '%%'), '\$(\d)', '%\1$s', 'g'),
                                  VARIADIC COALESCE(literals, '{}')), ';\s*$', '') || ') uncached_row'
       INTO uncached;
    RETURN arcache_get_or_set(NULL, query, params => params) = uncached
       AND arcache_get_or_set(NULL, query, params => params) = uncached;
END $$;
SELECT arcache_stats_reset();

-- A query is computed once, and found by its key from then on.
SELECT arcache_get_or_set('list', 'SELECT id, title FROM article ORDER BY id');
SELECT arcache_get_or_set('list', 'SELECT id, title FROM article ORDER BY id')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id, title FROM article ORDER BY id) t) AS same;
SELECT arcache_get('list')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id, title FROM article ORDER BY id) t) AS same;
SELECT hits, misses, hit_ratio, fills FROM arcache_stats;

-- The key used by another query, or with other parameters, is a miss and then that query's.
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('list', 'SELECT id FROM article ORDER BY id');
SELECT arcache_get_or_set('list', 'SELECT id FROM article ORDER BY id');
SELECT arcache_get_or_set('list', 'SELECT title FROM article WHERE id = $1', params => '{1}');
SELECT arcache_get_or_set('list', 'SELECT title FROM article WHERE id = $1', params => '{2}');
SELECT arcache_get_or_set('list', 'SELECT title FROM article WHERE id = $1', params => '{1}');
SELECT hits, misses, fills FROM arcache_stats;
SELECT key, query, params, coherence, depends_on, hits FROM arcache_entries WHERE key = 'list' AND valid;

-- A value that was set is not the result of a query, and is replaced by it.
SELECT arcache_set('list', '"set"');
SELECT arcache_get_or_set('list', 'SELECT 1 AS a');
SELECT arcache_get('list');
SELECT arcache_incr('counter');
SELECT arcache_get_or_set('counter', 'SELECT 1 AS a');

-- A key of NULL is that of arcache_query_key(), which tells queries and parameters apart.
SELECT arcache_get_or_set(NULL, 'SELECT 41 + $1 AS a', params => '{1}');
SELECT arcache_get(arcache_query_key('SELECT 41 + $1 AS a', '{1}'));
SELECT arcache_get(arcache_query_key('SELECT 41 + $1 AS a', '{2}'));
SELECT arcache_query_key('SELECT 1') ~ '^query:[0-9a-f]{32}$' AS form,
       arcache_query_key('SELECT 1') = arcache_query_key('SELECT 1', '{}') AS none,
       count(DISTINCT arcache_query_key('SELECT $1 || $2', p)) AS different
  FROM (VALUES ('{a,b}'::text[]), ('{ab,""}'), ('{"",ab}'), ('{NULL,ab}'), ('{ab,NULL}'), ('{NULL,NULL}')) v(p);

-- An empty result is a result, and cached as such.
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('none', 'SELECT * FROM article WHERE false');
SELECT arcache_get_or_set('none', 'SELECT * FROM article WHERE false');
SELECT * FROM arcache_query('SELECT id FROM article WHERE false') AS t(id int);
SELECT * FROM arcache_query('SELECT id FROM article WHERE false') AS t(id int);
SELECT hits, misses, fills FROM arcache_stats;

-- force computes anew and replaces.
CREATE TABLE untracked (a int);
INSERT INTO untracked VALUES (1);
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('u', 'SELECT a FROM untracked', ttl => '1 hour');
UPDATE untracked SET a = 2;
SELECT arcache_get_or_set('u', 'SELECT a FROM untracked', ttl => '1 hour') AS "by ttl";
SELECT arcache_get_or_set('u', 'SELECT a FROM untracked', ttl => '1 hour', force => true) AS forced;
SELECT arcache_get_or_set('u', 'SELECT a FROM untracked', ttl => '1 hour') AS then;
SELECT * FROM arcache_query('SELECT a FROM untracked', ttl => '1 hour') AS t(a int);
UPDATE untracked SET a = 3;
SELECT * FROM arcache_query('SELECT a FROM untracked', ttl => '1 hour') AS t(a int);
SELECT * FROM arcache_query('SELECT a FROM untracked', ttl => '1 hour', force => true) AS t(a int);
SELECT hits, misses, fills FROM arcache_stats;
SELECT key, coherence, expires - created BETWEEN '59 min' AND '1 hour 1 min' AS ttl FROM arcache_entries WHERE key = 'u' AND valid;

-- Without a ttl what is not tracked is computed each time, and counted.
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('v', 'SELECT a FROM untracked'), arcache_get_or_set('v', 'SELECT a FROM untracked');
SELECT hits, misses, fills, rejected_no_ttl FROM arcache_stats;

-- Tags invalidate results of both forms.
SELECT arcache_get_or_set('tag:1', 'SELECT 1 AS a', tags => '{x,y}'),
       arcache_get_or_set('tag:2', 'SELECT 2 AS a', tags => '{y}');
SELECT * FROM arcache_query('SELECT 3', tags => '{x}') AS t(a int);
SELECT arcache_invalidate_tag('x');
SELECT arcache_exists('tag:1'), arcache_exists('tag:2'), arcache_exists(arcache_query_key('SELECT 3'));

-- SELECT, VALUES, TABLE, WITH, set operations, and a semicolon or a comment at the end.
SELECT same('SELECT * FROM article ORDER BY id');
SELECT same('VALUES (1, ''a''), (2, NULL) ORDER BY 1');
SELECT same('TABLE article ORDER BY id');
SELECT same('WITH x AS (SELECT id FROM article) SELECT sum(id), count(*) FROM x');
SELECT same('WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT sum(n) FROM t');
SELECT same('SELECT 1 AS a UNION ALL SELECT 2 ORDER BY 1');
SELECT same('(SELECT id FROM article) EXCEPT (VALUES (1)) ORDER BY 1');
SELECT same('SELECT 1 AS a;');
SELECT same(E'SELECT 1 AS a -- one\n');
SELECT same('/* one */ SELECT 1 AS a /* ; */');
SELECT same('SELECT a.*, b.title AS other FROM article a LEFT JOIN article b ON b.id = a.id + 1 ORDER BY a.id');
SELECT same('SELECT id, (SELECT max(id) FROM article) - id AS d, EXISTS (SELECT FROM article x WHERE x.id > a.id) FROM article a ORDER BY 1');
SELECT same('SELECT id, row_number() OVER w, sum(id) OVER w FROM article WINDOW w AS (ORDER BY id DESC) ORDER BY id');
SELECT same('SELECT id, t FROM article, unnest(tags) t ORDER BY 1, 2');
SELECT same('SELECT x.* FROM article a, LATERAL (SELECT a.id * 2 AS twice) x ORDER BY 1');
SELECT same('SELECT GROUPING(id), id, count(*) FROM article GROUP BY GROUPING SETS ((id), ()) ORDER BY 1, 2');
SELECT same('SELECT a FROM article a ORDER BY id');

-- Parameters are typed as unknown literals would be.
SELECT same('SELECT $1 AS a', '{text}');
SELECT same('SELECT id FROM article WHERE id = $1', '{2}');
SELECT same('SELECT id FROM article WHERE id = $1 OR title = $2 ORDER BY id', '{2,one}');
SELECT same('SELECT $1 + 1 AS a, $1 * 2 AS b', '{20}');
SELECT same('SELECT id FROM article WHERE created > $1', '{2020-01-15}');
SELECT same('SELECT id FROM article WHERE created BETWEEN $1 AND $2 ORDER BY id', '{2020-01-01,2020-12-31}');
SELECT same('SELECT id FROM article WHERE tags @> $1', '{"{a}"}');
SELECT same('SELECT id FROM article WHERE id = ANY ($1) ORDER BY id', '{"{1,3,NULL}"}');
SELECT same('SELECT $1::jsonb -> ''a'' AS a, $2::jsonb ? ''k'' AS b', '{"{\"a\": [1]}","{\"k\": null}"}');
SELECT same('SELECT $1::numeric(5,2) AS a, $2::varchar(3) AS b, $3::char(4) AS c, $4::bit(3) AS d', '{3.14159,abcdef,xy,110}');
SELECT same('SELECT $1::interval AS a, $2::timestamptz AS b, $3::time AS c', '{1 day 2 h,2020-01-01 12:00+05,12:34}');
SELECT same('SELECT $1::bool AS a, $2::uuid AS b, $3::inet AS c, $4::int4range AS d',
            '{yes,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,10.0.0.0/8,"[1,5)"}');
SELECT same('SELECT $1::article AS a', '{"(7,seven,\"{x}\",2021-01-01)"}');
SELECT same('SELECT COALESCE($1, ''none'') AS a', '{NULL}');
SELECT same('SELECT $1::int IS NULL AS a, $2::text IS NULL AS b', '{NULL,""}');
SELECT same('SELECT id FROM article ORDER BY id LIMIT $1 OFFSET $2', '{1,1}');
SELECT same('SELECT id FROM article WHERE title LIKE $1 ORDER BY id', '{%o%}', '{''%o%''}');
SELECT same('SELECT $2 || $1 AS a, $1 AS b', '{x,y}');
SELECT same('VALUES ($1::int), ($2)', '{1,2}');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
SELECT same('SELECT $1::positive AS a, $2::mood AS b, ''ok''::mood < $2 AS c', '{5,happy}');
SELECT arcache_get_or_set('p', 'SELECT $1 || ''!'' AS a', params => ARRAY[E'quote '' " \\ $1 ; \n é 🔑']);

-- The wrong number of parameters, or a wrong one, is an error, and nothing is stored.
\set VERBOSITY sqlstate
SELECT arcache_get_or_set('bad', 'SELECT $1::int AS a');
SELECT arcache_get_or_set('bad', 'SELECT $1::int AS a', params => '{}');
SELECT arcache_get_or_set('bad', 'SELECT $1::int AS a', params => '{1,2}');
SELECT arcache_get_or_set('bad', 'SELECT 1 AS a', params => '{1}');
SELECT arcache_get_or_set('bad', 'SELECT $1::int AS a, $3::int AS b', params => '{1,2,3}');
SELECT arcache_get_or_set('bad', 'SELECT $1 IS NULL AS a', params => '{x}');
SELECT arcache_get_or_set('bad', 'SELECT $1::int AS a', params => '{x}');
SELECT arcache_get_or_set('bad', 'SELECT $1::positive AS a', params => '{-1}');
SELECT arcache_get_or_set('bad', 'SELECT $1::mood AS a', params => '{angry}');
SELECT arcache_get_or_set('bad', 'SELECT id FROM article WHERE id = $1', params => '{99999999999}');
SELECT * FROM arcache_query('SELECT $1::int', params => '{1,2}') AS t(a int);
SELECT arcache_exists('bad');

-- Column names are keys of the objects, so they must differ; rows have no such limit.
SELECT arcache_get_or_set('bad', 'SELECT 1 AS a, 2 AS a');
SELECT arcache_get_or_set('bad', 'SELECT 1, 2');
SELECT arcache_get_or_set('bad', 'SELECT * FROM article a JOIN article b USING (id)');
SELECT * FROM arcache_query('SELECT 1 AS a, 2 AS a') AS t(x int, y int);

-- Rows must have the columns that the call names, in number and type, on a hit as on a miss.
SELECT * FROM arcache_query('SELECT 1, ''x''::text') AS t(a int, b text);
SELECT * FROM arcache_query('SELECT 1, ''x''::text') AS t(a int);
SELECT * FROM arcache_query('SELECT 1, ''x''::text') AS t(a int, b text, c int);
SELECT * FROM arcache_query('SELECT 1, ''x''::text') AS t(a bigint, b text);
SELECT * FROM arcache_query('SELECT 1, ''x''::text') AS t(a int, b varchar);
SELECT * FROM arcache_query('SELECT 1, ''x''::text', force => true) AS t(a int, b varchar);
SELECT * FROM arcache_query('SELECT 1, ''x''::text');
SELECT * FROM arcache_query_as(NULL::article, 'SELECT 1');
SELECT * FROM arcache_query_as(NULL::int, 'SELECT 1');
SELECT * FROM arcache_query_as(ROW(1, 2), 'SELECT 1, 2');
SELECT * FROM arcache_query('SELECT 1, ''x''::text') AS t(a int, b text);
\set VERBOSITY default

-- arcache_query_as takes the row type from its argument.
SELECT * FROM arcache_query_as(NULL::article, 'SELECT * FROM article ORDER BY id');
SELECT arcache_stats_reset();
SELECT id, title FROM arcache_query_as(NULL::article, 'SELECT * FROM article ORDER BY id');
SELECT a FROM arcache_query_as(NULL::article, 'SELECT * FROM article WHERE id = $1', params => '{1}') a;
CREATE TYPE pair AS (k int, v text);
SELECT (p).v FROM arcache_query_as((0, '')::pair, 'SELECT id, title FROM article ORDER BY id') p;
SELECT hits, misses, fills FROM arcache_stats;

-- Columns that a table lost, first, last or in between, do not count.
CREATE TABLE lost (x int, a int, y text, b text, z int);
INSERT INTO lost VALUES (0, 1, 'y', 'b', 0), (0, NULL, 'y', NULL, 0), (0, 3, 'y', 'c', 0);
ALTER TABLE lost DROP x, DROP y, DROP z;
SELECT arcache_enable('lost');
SELECT * FROM arcache_query_as(NULL::lost, 'SELECT * FROM lost ORDER BY a');
SELECT l, b FROM arcache_query_as(NULL::lost, 'SELECT * FROM lost ORDER BY a') l;
SELECT * FROM arcache_query_as(NULL::lost, 'SELECT 1, ''x''::text');
SELECT * FROM arcache_query_as(NULL::lost, 'SELECT 1, ''x''::text, 2');
SELECT same('SELECT * FROM lost ORDER BY a'), same('SELECT l FROM lost l ORDER BY a');
DROP TABLE lost;

-- An anonymous record means nothing in another session, so it is not stored.
SELECT arcache_stats_reset();
SELECT * FROM arcache_query('SELECT ROW(1, 2)') AS t(r record);
SELECT * FROM arcache_query('SELECT ROW(1, 2)') AS t(r record);
SELECT hits, misses, fills, rejected_oversize FROM arcache_stats;
SELECT same('SELECT ROW(1, 2) AS r');

-- The three forms of a query do not disturb each other.
SELECT arcache_stats_reset();
SELECT arcache_get_or_set(NULL, 'SELECT 7 AS a'), arcache_get_or_set(NULL, 'SELECT 7 AS a');
SELECT * FROM arcache_query('SELECT 7 AS a') AS t(a int);
SELECT * FROM arcache_query('SELECT 7 AS a') AS t(a int);
SELECT hits, misses, fills FROM arcache_stats;

-- Rows of all types come back as they were, from a miss and from a hit.
CREATE TABLE everything (
    id int, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric, m money, t text, v varchar(10),
    c char(5), "char" "char", nm name, by bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz,
    iv interval, u uuid, j json, jb jsonb, x bit(3), vb varbit, ip inet, ci cidr, ma macaddr, po point,
    bx box, pa path, ir int4range, tr tstzrange, im int4multirange, ts_v tsvector, ts_q tsquery,
    ia int[], ta text[], aa int[], pr pair, prs pair[], dm positive, md mood, mds mood[], o oid, rc regclass);
INSERT INTO everything VALUES
    (1, true, 32767, 9223372036854775807, 1.5, 0.1, 12345678901234567890.0123456789, 12.34, 'text é 🔑', 'varchar',
     'char', 'c', 'name', '\x00ff0a', '2020-02-29', '12:34:56.789', '12:34:56+05:30', '2020-01-01 00:00:00.000001',
     '2020-06-01 12:00+02', '1 year 2 months 3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
     '{"a" : 1,  "a": 2}', '{"a": 1.00}', '101', '1100110', '10.1.2.3/8', '10.0.0.0/8', '08:00:2b:01:02:03', '(1,2)',
     '(3,4),(1,2)', '[(0,0),(1,1)]', '[1,10)', '["2020-01-01 00:00+00",infinity)', '{[1,3),[5,7)}',
     'fat cat', 'fat & cat', '{1,NULL,3}', '{"a b",NULL,"c\"d"}', '[0:1][2:3]={{1,2},{3,4}}', '(1,one)',
     '{"(1,one)","(2,)",NULL}', 7, 'happy', '{sad,NULL}', 42, 'article'),
    (2, false, -32768, -9223372036854775808, 'NaN', '-Infinity', 'NaN', -0.01, '', '', '', '', '', '', 'infinity',
     '24:00', '00:00-15', '-infinity', 'infinity', '-1 day', '00000000-0000-0000-0000-000000000000', 'null', 'null', '000', '',
     '::1', '::/0', 'ff:ff:ff:ff:ff:ff', '(NaN,Infinity)', '(0,0),(0,0)', '((0,0))', 'empty', '(,)', '{}', '', NULL,
     '{}', '{}', '{{{1}}}', '(,)', '{}', 1, 'sad', '{}', 0, 0);
INSERT INTO everything VALUES (3);
SELECT arcache_enable('everything');
SELECT arcache_stats_reset();
SELECT count(*) AS rows, bool_and(cached::text = uncached::text) AS same
  FROM arcache_query_as(NULL::everything, 'SELECT * FROM everything ORDER BY id') cached
  JOIN everything uncached USING (id);
SELECT count(*) AS rows, bool_and(cached::text = uncached::text) AS same
  FROM arcache_query_as(NULL::everything, 'SELECT * FROM everything ORDER BY id') cached
  JOIN everything uncached USING (id);
SELECT same('SELECT * FROM everything ORDER BY id');
SELECT hits, misses, fills FROM arcache_stats;

-- Not only their texts, but their bytes.
SELECT count(*) AS rows, count(*) FILTER (WHERE record_image_eq(cached, uncached)) AS same
  FROM arcache_query_as(NULL::everything, 'SELECT * FROM everything ORDER BY id') cached
  JOIN everything uncached USING (id);

-- Long values, compressed, out of line or in arrays and rows, come back whole.
CREATE TABLE long (id int, plain text, packed text, bytes bytea, list text[], nested pair);
ALTER TABLE long ALTER plain SET STORAGE EXTERNAL, ALTER bytes SET STORAGE EXTERNAL;
INSERT INTO long
SELECT i, s, s, convert_to(s, 'UTF8'), ARRAY[s, s], ROW(i, s)::pair
  FROM generate_series(1, 3) i, LATERAL (SELECT repeat(i || 'é-', 300000) AS s) x;
INSERT INTO long VALUES (4);
SELECT arcache_enable('long');
SELECT arcache_stats_reset();
SELECT count(*) FROM arcache_query_as(NULL::long, 'SELECT * FROM long WHERE id <= 1 ORDER BY id');
SELECT count(*) AS rows, bool_and(l IS NOT DISTINCT FROM c) AS same
  FROM arcache_query_as(NULL::long, 'SELECT * FROM long WHERE id <= 1 ORDER BY id') c JOIN long l USING (id);
SELECT count(*) AS rows, count(*) FILTER (WHERE l IS NOT DISTINCT FROM c) AS same
  FROM arcache_query_as(NULL::long, 'SELECT id, plain, NULL::text, NULL::bytea, NULL::text[], nested FROM long ORDER BY id') c
  JOIN (SELECT id, plain, NULL::text, NULL::bytea, NULL::text[], nested FROM long) l USING (id);
SELECT count(*) AS rows, bool_and(c.p = l.packed) AS same
  FROM arcache_query('SELECT id, packed FROM long ORDER BY id') AS c(id int, p text) JOIN long l USING (id);
SELECT count(*) AS rows, bool_and(c.p = l.packed) AS same
  FROM arcache_query('SELECT id, packed FROM long ORDER BY id') AS c(id int, p text) JOIN long l USING (id);
SELECT same('SELECT id, list FROM long ORDER BY id');
SELECT hits, misses, fills, rejected_oversize FROM arcache_stats;

-- Order, duplicates and number of the rows are kept, also of many.
SELECT arcache_stats_reset();
SELECT count(*), sum(i), bool_and(i = n) AS ordered
  FROM (SELECT i, row_number() OVER () AS n
          FROM arcache_query('SELECT i FROM generate_series(1, 100000) i') AS t(i int)) x;
SELECT count(*), sum(i), bool_and(i = n) AS ordered
  FROM (SELECT i, row_number() OVER () AS n
          FROM arcache_query('SELECT i FROM generate_series(1, 100000) i') AS t(i int)) x;
SELECT * FROM arcache_query('SELECT id / 2 FROM article ORDER BY id DESC') AS t(a int);
SELECT * FROM arcache_query('SELECT id / 2 FROM article ORDER BY id DESC') AS t(a int);
SELECT same('SELECT i, i % 7 AS m FROM generate_series(1, 10000) i');
SELECT hits, misses, fills FROM arcache_stats;

-- A result can be joined, limited and read twice in one statement, as any function's.
SELECT a.x, b.x FROM arcache_query('VALUES (1), (2)') AS a(x int)
  JOIN arcache_query('VALUES (1), (2)') AS b(x int) ON b.x > a.x;
SELECT * FROM arcache_query('VALUES (1), (2)') AS a(x int) LIMIT 1;
SELECT v, t.y FROM (VALUES (1), (2)) x(v),
       arcache_query('SELECT $1::int * 10', params => ARRAY[v::text]) AS t(y int) ORDER BY v;

-- A result too large to store is returned all the same, and counted.
SELECT arcache_stats_reset();
SET arcache.max_value_size = '64kB';
SELECT jsonb_array_length(arcache_get_or_set('large', 'SELECT i FROM generate_series(1, 20000) i'));
SELECT count(*) FROM arcache_query('SELECT i FROM generate_series(1, 20000) i') AS t(i int);
SELECT jsonb_array_length(arcache_get_or_set('large', 'SELECT i FROM generate_series(1, 20000) i'));
SELECT hits, misses, fills, rejected_oversize FROM arcache_stats;
RESET arcache.max_value_size;

-- An error in the query is the query's error, and nothing is stored.
SELECT arcache_get_or_set('bad', 'SELECT 1 / 0 AS a');
SELECT arcache_get_or_set('bad', 'SELECT 10 / (2 - id) AS a FROM article ORDER BY id');
SELECT arcache_get_or_set('bad', 'SELECT nothing FROM article');
SELECT arcache_exists('bad');

-- Settings that change what a query says never share a result.
CREATE FUNCTION under(setting text, value text, query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    old text := current_setting(setting);
    again boolean;
BEGIN
    IF NOT same(query) THEN
        RETURN false;
    END IF;
    PERFORM set_config(setting, value, false);
    again := same(query);
    PERFORM set_config(setting, old, false);
    RETURN again AND same(query);
END $$;
SELECT arcache_stats_reset();
SELECT under('TimeZone', 'America/New_York', $$SELECT timestamptz '2020-01-01 00:00+00' AS a$$);
SELECT under('TimeZone', 'America/New_York', $$SELECT timestamp '2020-01-01 00:00'::timestamptz = '2020-01-01 05:00+00' AS a$$);
SELECT under('DateStyle', 'German, DMY', $$SELECT date '2020-02-01'::text AS a, '02.01.2020'::date = '2020-01-02' AS b$$);
SELECT under('IntervalStyle', 'iso_8601', $$SELECT interval '1 day 2 hours'::text AS a$$);
SELECT under('extra_float_digits', '-5', $$SELECT (0.1::float8 * 3)::text AS a$$);
SELECT under('bytea_output', 'escape', $$SELECT '\x0061'::bytea::text AS a$$);
SELECT under('array_nulls', 'off', $$SELECT '{NULL}'::text[] IS NULL AS a, ('{NULL}'::text[])[1] IS NULL AS b$$);
SELECT under('transform_null_equals', 'on', $$SELECT count(*) FROM article WHERE title = NULL$$);
SET escape_string_warning = off;
SELECT under('standard_conforming_strings', 'off', $$SELECT length('a\nb') AS a$$);
SELECT under('timezone_abbreviations', 'India', $$SELECT '2020-01-01 00:00 IST'::timestamptz AS a$$);
SELECT under('default_text_search_config', 'pg_catalog.english', $$SELECT to_tsvector('the cats')::text AS a$$);
SELECT under('quote_all_identifiers', 'on', $$SELECT quote_ident('a') AS a, format('%I', 'a') AS b, 'pg_class'::regclass::text AS c$$);
SELECT under('row_security', 'off', $$SELECT 1 AS a$$);
SELECT count(*) > 0 AS counted FROM arcache_stats WHERE fills > 20;

-- A setting that a query names is part of its question.
SET app.tenant = 'one';
SELECT arcache_get_or_set('tenant', $$SELECT current_setting('app.tenant') AS t$$);
SET app.tenant = 'two';
SELECT arcache_get('tenant');
SELECT arcache_get_or_set('tenant', $$SELECT current_setting('app.tenant') AS t$$);
SELECT arcache_get_or_set('missing', $$SELECT current_setting('app.missing', true) AS t$$);
SET app.missing = '';
SELECT arcache_get_or_set('missing', $$SELECT current_setting('app.missing', true) AS t$$);
SELECT under('work_mem', '5MB', $$SELECT current_setting('work_mem') AS t$$);

-- A table is found along the search_path, so each path has results of its own.
CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE TABLE one.place AS SELECT 'one' AS a;
CREATE TABLE two.place AS SELECT 'two' AS a;
SELECT arcache_enable('one.place'), arcache_enable('two.place');
SET search_path = one, public;
SELECT arcache_get_or_set('place', 'SELECT a FROM place');
SET search_path = two, public;
SELECT arcache_get('place');
SELECT arcache_get_or_set('place', 'SELECT a FROM place');
SELECT under('search_path', 'one, public', 'SELECT a FROM place');
RESET search_path;

-- A new table in front of another one is seen at once.
SET search_path = one, two, public;
DROP TABLE one.place;
SELECT arcache_get_or_set('place', 'SELECT a FROM place');
CREATE TABLE one.place AS SELECT 'new' AS a;
SELECT arcache_get_or_set('place', 'SELECT a FROM place');
RESET search_path;

-- A temporary table in front of another one is seen at once, and its rows are never cached.
CREATE FUNCTION articles() RETURNS SETOF article LANGUAGE sql STABLE AS 'SELECT * FROM article';
SELECT arcache_get_or_set('list', 'SELECT id FROM article ORDER BY id');
SELECT arcache_get_or_set('inlined', 'SELECT id FROM articles() ORDER BY id');
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('inlined', 'SELECT id FROM articles() ORDER BY id');
SELECT hits, misses, fills FROM arcache_stats;
CREATE TEMP TABLE article AS SELECT 100 AS id, NULL AS title, NULL::text[] AS tags, NULL::date AS created;
SELECT arcache_get_or_set('inlined', 'SELECT id FROM articles() ORDER BY id')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id FROM articles() ORDER BY id) t) AS same;
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('list', 'SELECT id FROM article ORDER BY id');
SELECT * FROM arcache_query('SELECT id FROM article ORDER BY id') AS t(id int);
SELECT arcache_get_or_set('list:public', 'SELECT id FROM public.article ORDER BY id');
SELECT hits, misses, fills, bypass_uncacheable FROM arcache_stats;
SELECT arcache_why('SELECT id FROM article');
DROP TABLE pg_temp.article;
SELECT arcache_get_or_set('list', 'SELECT id FROM article ORDER BY id');
DROP FUNCTION articles();
CREATE TEMP VIEW article AS SELECT 200 AS id;
SELECT arcache_get_or_set('list', 'SELECT id FROM article ORDER BY id');
DROP VIEW pg_temp.article;
SELECT arcache_get_or_set('list', 'SELECT id FROM article ORDER BY id');

-- Everything also holds when each hit is checked against its query.
SET arcache.debug_verify = on;
SELECT arcache_stats_reset();
SELECT same('SELECT * FROM article ORDER BY id');
SELECT same('SELECT * FROM everything ORDER BY id');
SELECT count(*) FROM arcache_query_as(NULL::everything, 'SELECT * FROM everything ORDER BY id');
SELECT count(*) FROM arcache_query_as(NULL::everything, 'SELECT * FROM everything ORDER BY id');
SELECT audits > 2 AS audited, audit_failures FROM arcache_stats;
RESET arcache.debug_verify;

DROP FUNCTION same, under;
DROP TABLE article, untracked, everything, long;
DROP TYPE pair, mood;
DROP DOMAIN positive;
DROP TABLE one.place, two.place;
DROP SCHEMA one, two;
SELECT arcache_clear() >= 0 AS cleared;
