--
-- Transparent mode: a statement, its text unchanged, is given from the cache
-- exactly as it would have been computed, whichever way it is sent; or it is
-- left alone, and says why.
--
-- probe() runs a query three times through the cache and once without, and
-- says what the cache did each time and whether the rows were the same.  did()
-- says what it did since it was called last, explain() what EXPLAIN says, without
-- what differs from run to run.
--
SET client_min_messages = warning;
SET arcache.min_cost = 0;
CREATE FUNCTION did() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	now jsonb := (SELECT to_jsonb(s) FROM arcache_stats s);
	last jsonb := nullif(current_setting('test.last', true), '');
	said text;
BEGIN
	PERFORM set_config('test.last', now::text, false);
	SELECT string_agg(CASE by WHEN 1 THEN what ELSE by || ' ' || what END, ', ' ORDER BY place) INTO said
	  FROM unnest('{hits,fills,rejected_stale_fill,rejected_oversize,bypass_disabled,bypass_isolation,bypass_own_writes,bypass_uncacheable,audits,audit_failures}'::text[],
	              '{hit,fill,rejected: stale,rejected: oversize,bypass: disabled,bypass: isolation,bypass: own writes,bypass: uncacheable,verified,WRONG}'::text[])
	       WITH ORDINALITY AS w(name, what, place),
	       LATERAL (SELECT (now -> name)::int - (last -> name)::int AS by) d
	 WHERE by > 0;
	RETURN coalesce(said, 'nothing');
END $$;
CREATE FUNCTION rows_of(query text, auto text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
	r record;
	rows text[] := '{}';
BEGIN
	PERFORM set_config('arcache.auto', auto, true);
	FOR r IN EXECUTE query LOOP
		rows := rows || r::text;
	END LOOP;
	RETURN rows;
END $$;
CREATE FUNCTION probe(query text, auto text DEFAULT 'on') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	expected text[] := rows_of(query, 'off');
	verify text := current_setting('arcache.debug_verify');
	said text := '';
	wrong text := '';
BEGIN
	PERFORM did();
	FOR i IN 1..3 LOOP
		PERFORM set_config('arcache.debug_verify', CASE i WHEN 3 THEN 'on' ELSE 'off' END, true);
		IF rows_of(query, auto) IS DISTINCT FROM expected THEN
			wrong := ' DIFFERENT';
		END IF;
		said := said || CASE i WHEN 1 THEN '' ELSE '; ' END || did();
	END LOOP;
	PERFORM set_config('arcache.debug_verify', verify, true), set_config('arcache.auto', 'off', true);
	RETURN said || wrong;
END $$;
CREATE FUNCTION explain(options text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	lines text;
BEGIN
	FOR lines IN EXECUTE format('EXPLAIN (COSTS OFF%s) %s', options, query) LOOP
		lines := regexp_replace(lines, '((Age|TTL)"?[:>] ?)[0-9.]+', '\1N', 'g');
		-- Of newer servers.
		lines := regexp_replace(lines, '\n *"?Disabled"?: false,?|\n *<Disabled>false</Disabled>', '', 'g');
		lines := regexp_replace(lines, '(actual rows=|"Actual (?:Rows|Loops)": )(\d+)\.00', '\1\2', 'g');
		RETURN NEXT regexp_replace(lines, '(Key"?[:>] ?"?)[0-9a-f]{32}', '\1KEY', 'g');
	END LOOP;
END $$;
CREATE TABLE item (id int PRIMARY KEY, kind int, name text, price numeric, made date, tags text[]);
CREATE TABLE other (id int PRIMARY KEY, item int REFERENCES item, note text);
CREATE TABLE plain (id int PRIMARY KEY, name text);
CREATE TABLE quiet (id int PRIMARY KEY, name text);
INSERT INTO item SELECT g, g % 5, 'item ' || g, g * 1.5, date '2024-01-01' + g, ARRAY['t' || g % 3] FROM generate_series(1, 100) g;
INSERT INTO other SELECT g, g, 'note ' || g FROM generate_series(1, 50) g;
INSERT INTO plain SELECT g, 'plain ' || g FROM generate_series(1, 10) g;
INSERT INTO quiet SELECT g, 'quiet ' || g FROM generate_series(1, 10) g;
ANALYZE item, other, plain, quiet;
SELECT arcache_enable('item'), arcache_enable('other'), arcache_enable('quiet', auto => false);

--
-- Selection
--
SELECT auto, query, probe(query, auto)
  FROM unnest('{off,hint,on}'::text[]) WITH ORDINALITY AS a(auto, i),
       unnest(ARRAY[
         'SELECT count(*) FROM item',
         '/*+ arcache */ SELECT count(id) FROM item',
         'SELECT count(*) FROM plain',
         '/*+ arcache */ SELECT count(id) FROM plain',
         '/*+ arcache(ttl=300) */ SELECT count(1) FROM plain',
         'SELECT count(*) FROM quiet',
         '/*+ arcache */ SELECT count(id) FROM quiet',
         'SELECT count(*) FROM item, plain',
         'SELECT count(*) FROM item WHERE id IN (SELECT id FROM plain)',
         'SELECT count(*) FROM item JOIN other ON other.item = item.id',
         'SELECT 1 AS no_table']) WITH ORDINALITY AS q(query, j)
 ORDER BY i, j;
SELECT arcache_clear();

-- Hints: where and how.
CREATE TABLE hinted (id int);
INSERT INTO hinted VALUES (1), (2);
SELECT arcache_enable('hinted', auto => false);
SELECT query, probe(query, 'hint') FROM unnest(ARRAY[
  '/*+ arcache */ SELECT 1, id FROM hinted',
  'SELECT /*+ arcache */ 2, id FROM hinted',
  'SELECT 3, id FROM hinted /*+ arcache */',
  'SELECT 4, id FROM hinted -- none: /*+ no_arcache */
   /*+ arcache */',
  '/*+arcache*/ SELECT 5, id FROM hinted',
  '/*+ ARCACHE */ SELECT 6, id FROM hinted',
  '/*+
     arcache
   */ SELECT 7, id FROM hinted',
  '/*+ SeqScan(hinted) arcache Set(work_mem "1MB") */ SELECT 8, id FROM hinted',
  '/*+ arcache(ttl=300) */ SELECT 9, id FROM hinted',
  '/*+ arcache ( TTL = 300 ) */ SELECT 10, id FROM hinted',
  '/*+ arcache(ttl=soon) */ SELECT 11, id FROM hinted',
  '/*+ arcache(ttl=0) */ SELECT 12, id FROM hinted',
  '/*+ SeqScan(hinted) /* comments are nested */ arcache */ SELECT 13, id FROM hinted',
  'SELECT 14, id, E''a''
   ''\''/*'' /*+ arcache */ FROM hinted',
  '/*+ arcache */ -- a line;
   SELECT 15, id FROM hinted',
  -- not hints
  '/* arcache */ SELECT 20, id FROM hinted',
  '/* + arcache */ SELECT 21, id FROM hinted',
  '-- + arcache
   SELECT 22, id FROM hinted',
  '/* first */ /*+ arcache */ SELECT 23, id FROM hinted',
  'SELECT 24, id, ''/*+ arcache */'' FROM hinted',
  'SELECT 25, id AS "/*+ arcache */" FROM hinted',
  'SELECT 26, id, $$/*+ arcache */$$ FROM hinted',
  'SELECT 27, id, $a$''/*+ arcache */$a$ FROM hinted',
  'SELECT 28, id, E''it\''s /*+ arcache */'' FROM hinted',
  '/*+ SeqScan(arcache) */ SELECT 29, id FROM hinted',
  '/*+ arcaches my_arcache */ SELECT 30, id FROM hinted',
  '/*+ arcache */ /*+ no_arcache */ SELECT 31, id FROM hinted',
  '/*+ arcache no_arcache */ SELECT 32, id FROM hinted',
  '/*+ arcache',
  '/*+ */ SELECT 33, id FROM hinted',
  '/*+ arcache /* */ no_arcache */ SELECT 34, id FROM hinted',
  'SELECT 35, id, E''a'' -- a string of two parts
   ''it\''s /*+ arcache */'' FROM hinted',
  '-- /*+ arcache */
   SELECT 36, id FROM hinted',
  '/*+ no_arcache /* */ arcache */ SELECT 37, id FROM hinted'
  ]) AS query WHERE query <> '/*+ arcache';
SELECT query, probe(query) FROM unnest(ARRAY[
  '/*+ no_arcache */ SELECT 1, id FROM item',
  'SELECT /*+ No_ArCache */ 2, id FROM item',
  'SELECT 3, id FROM item /*+ no_arcache */',
  '/*+ SeqScan(item) no_arcache */ SELECT 4, id FROM item',
  '/*+ SeqScan(item) */ SELECT 5, id FROM item',
  '/*+ SeqScan(no_arcache) */ SELECT 6, id FROM item',
  'SELECT 7, id, $$/*+ no_arcache */$$ FROM item',
  'SELECT 8, id FROM item WHERE name <> ''/*+ no_arcache */''']) AS query;

-- A hint belongs to its own statement.
SET arcache.auto = hint;
SELECT did() IS NOT NULL AS begin;
SELECT 1, count(*) FROM hinted\; /*+ arcache */ SELECT 2, count(*) FROM hinted\; SELECT 3, count(*) FROM hinted;
SELECT did();
PREPARE hinted AS /*+ arcache */ SELECT 4, count(*) FROM hinted;
EXECUTE hinted;
EXECUTE hinted;
SELECT did();
DEALLOCATE hinted;
SET arcache.auto = off;

-- A ttl: the shortest of the table's and the hint's; now() and other tables only with one.
CREATE TABLE timed (id int);
SELECT arcache_enable('timed', ttl => '100 seconds');
SELECT query, probe(query) FROM unnest(ARRAY[
  'SELECT 1, id FROM timed', '/*+ arcache(ttl=50) */ SELECT 2, id FROM timed', '/*+ arcache(ttl=150) */ SELECT 3, id FROM timed',
  '/*+ arcache(ttl=70) */ SELECT 4, id FROM item', 'SELECT 5, id FROM item',
  '/*+ arcache(ttl=80) */ SELECT 6, id FROM plain',
  '/*+ arcache(ttl=90) */ SELECT 7, id FROM item WHERE made < now()',
  '/*+ arcache(ttl=95) */ SELECT 8, id FROM item WHERE made < current_date',
  'SELECT 9, id FROM item WHERE made < now()', '/*+ arcache */ SELECT 10, id FROM item WHERE made < now()']) AS query;
SELECT query, coherence, round(extract(epoch FROM expires - created)) AS ttl FROM arcache_entries
 WHERE query ~ 'SELECT \d+, id FROM (timed|item|plain)' AND query ~ 'ttl|timed|SELECT 5' ORDER BY query;
SET arcache.default_ttl = '60s';
SELECT probe('SELECT 11, id FROM item');
SELECT round(extract(epoch FROM expires - created)) AS ttl FROM arcache_entries WHERE query LIKE 'SELECT 11%';
RESET arcache.default_ttl;

-- What is cheap is left alone unless a hint asks for it.
SET arcache.min_cost = 1000000;
SELECT probe('SELECT 12, id FROM item'), probe('/*+ arcache */ SELECT 13, id FROM item');
SET arcache.min_cost = 0;

-- A view takes part with its tables; a materialized view by a hint only.
CREATE VIEW item_v AS SELECT id, name FROM item WHERE kind = 1;
CREATE VIEW plain_v AS SELECT id, name FROM plain;
CREATE MATERIALIZED VIEW item_m AS SELECT kind, count(*) FROM item GROUP BY kind;
SELECT query, probe(query) FROM unnest(ARRAY[
  'SELECT * FROM item_v', 'SELECT * FROM plain_v', 'SELECT * FROM item_m', '/*+ arcache */ SELECT * FROM item_m']) AS query;
REFRESH MATERIALIZED VIEW item_m;
SELECT probe('/*+ arcache */ SELECT * FROM item_m');

-- Partitions and children: all must be enabled, as they are at once.
CREATE TABLE part (id int, v text) PARTITION BY LIST (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
SELECT arcache_enable('part');
INSERT INTO part VALUES (1, 'one');
SELECT probe('SELECT * FROM part');
CREATE TABLE part2 (id int, v text);
ALTER TABLE part ATTACH PARTITION part2 FOR VALUES IN (2);
INSERT INTO part2 VALUES (2, 'two');
SELECT probe('SELECT * FROM part');
CREATE TABLE parent (id int);
CREATE TABLE heir () INHERITS (parent);
SELECT arcache_enable('parent');
SELECT probe('SELECT * FROM parent'), probe('SELECT * FROM ONLY parent');
CREATE TABLE heir2 () INHERITS (parent);
SELECT probe('SELECT * FROM parent'), probe('SELECT * FROM ONLY parent'), arcache_why('SELECT * FROM parent');
SELECT arcache_disable('heir2');
INSERT INTO heir2 VALUES (1);
SELECT probe('SELECT * FROM parent'), probe('SELECT * FROM ONLY parent');

--
-- What is refused (DESIGN: volatile, STABLE of unknown reads, locks, writes, ...)
--
CREATE SEQUENCE seq;
CREATE TEMP TABLE short_lived (id int);
DROP TABLE short_lived;
CREATE FUNCTION stable_fn(int) RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION volatile_fn(int) RETURNS int VOLATILE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION immutable_fn(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION inlined(int) RETURNS bigint STABLE LANGUAGE sql AS '/*+ no_arcache */ SELECT count(*) FROM item WHERE kind = $1';
SELECT query, probe(query) FROM unnest(ARRAY[
  'SELECT volatile_fn(id) FROM item', 'SELECT stable_fn(id) FROM item', 'SELECT immutable_fn(id) FROM item', 'SELECT inlined(id) FROM other',
  'SELECT id, random() < 2 FROM item', 'SELECT id FROM item WHERE made < now()', 'SELECT id FROM item WHERE made <= current_date',
  'SELECT id FROM item WHERE made <= ''today''', 'SELECT id, nextval(''seq'') > 0 FROM item', 'SELECT id, pg_backend_pid() > 0 FROM item',
  'SELECT id, pg_relation_size(''item'') > 0 FROM item',
  'SELECT id FROM item FOR UPDATE', 'SELECT id FROM item FOR SHARE', 'SELECT * FROM (SELECT id FROM item FOR KEY SHARE) s',
  'WITH w AS (UPDATE other SET note = note WHERE id = 1 RETURNING id) SELECT * FROM w', 'WITH w AS (DELETE FROM other WHERE false RETURNING 1) SELECT id FROM item',
  'SELECT id FROM item TABLESAMPLE bernoulli (100)', 'SELECT id FROM item TABLESAMPLE bernoulli (100) REPEATABLE (1)',
  'SELECT id, xmin IS NULL FROM item', 'SELECT ctid FROM item', 'SELECT tableoid = ''item''::regclass FROM item',
  'SELECT count(*) FROM item, pg_class', 'SELECT last_value FROM seq, item', 'SELECT set_config(''my.x'', name, true) FROM item',
  'SELECT current_setting(''my.x'', true), id FROM item', 'SELECT current_setting(name, true), id FROM item',
  'SELECT to_jsonb(item) FROM item', 'SELECT json_agg(item ORDER BY id)::text FROM item', 'SELECT concat(id, made), format(''%s'', made), to_char(made, ''DD'') FROM item',
  'SELECT current_user, session_user, id FROM item'
  ]) AS query;
SELECT query, arcache_why(query) FROM unnest(ARRAY[
  'SELECT volatile_fn(id) FROM item', 'SELECT stable_fn(id) FROM item', 'SELECT id FROM item WHERE made < now()', 'SELECT id FROM item FOR UPDATE',
  'SELECT id FROM item TABLESAMPLE bernoulli (100)', 'SELECT xmin FROM item', 'SELECT count(*) FROM item, pg_class', 'SELECT * FROM plain']) AS query;

-- Temporary tables, and while the session has any temporary object.
SET arcache.auto = on;
BEGIN;
CREATE TEMP TABLE tmp (id int);
SELECT did() IS NOT NULL AS begin;
SELECT count(*) FROM tmp;
/*+ arcache(ttl=10) */ SELECT count(*) FROM tmp;
SELECT count(*), 'temp' FROM item;
SELECT did();
SELECT explain('', 'SELECT count(*), ''temp'' FROM item');
ROLLBACK;

-- SERIALIZABLE, own writes, disabled.
SELECT count(*), 'mode' FROM item;
SELECT count(*), 'mode' FROM item;
SELECT did();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT count(*), 'mode' FROM item;
SELECT explain('', 'SELECT count(*), ''mode'' FROM item');
COMMIT;
SELECT did();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*), 'mode' FROM item;
COMMIT;
SELECT did();
BEGIN;
DELETE FROM item WHERE id = 100;
SELECT count(*), 'mode' FROM item;
SELECT explain('', 'SELECT count(*), ''mode'' FROM item');
SELECT count(*), 'mode' FROM other;
SELECT count(*), 'mode' FROM other;
SELECT did();
ROLLBACK;
SELECT count(*), 'mode' FROM item;
SELECT did();
SET arcache.enabled = off;
SELECT count(*), 'mode' FROM item;
RESET arcache.enabled;
PREPARE disabled AS SELECT count(*), 'mode' FROM item;
EXECUTE disabled;
SELECT did();
SET arcache.enabled = off;
EXECUTE disabled;
SELECT explain('', 'EXECUTE disabled');
RESET arcache.enabled;
SET arcache.auto = off;
EXECUTE disabled;
SELECT explain('', 'EXECUTE disabled');
SET arcache.auto = hint;
EXECUTE disabled;
SELECT explain('', 'EXECUTE disabled');
SELECT did();
SET arcache.auto = on;
DEALLOCATE disabled;

-- SELECT INTO and CREATE TABLE AS have changed definitions before they read; INSERT ... SELECT is no SELECT.
SELECT id, name INTO into1 FROM item WHERE id < 4;
CREATE TABLE into2 AS SELECT id, name FROM item WHERE id < 4;
CREATE TABLE into3 AS SELECT id, name FROM item WHERE id < 4 WITH NO DATA;
SELECT did();
INSERT INTO into3 SELECT id, name FROM item WHERE id < 4;
SELECT did();
TABLE into1 EXCEPT TABLE into2;
TABLE into2 EXCEPT TABLE into3;
UPDATE into1 SET name = (SELECT max(name) FROM item);
DELETE FROM into1 WHERE EXISTS (SELECT FROM item);
SELECT did();
COPY (SELECT id, name FROM item WHERE id < 4) TO STDOUT;
COPY (SELECT id, name FROM item WHERE id < 4 ORDER BY 1 DESC) TO STDOUT;
COPY (SELECT id, name FROM item WHERE id < 4 ORDER BY 1 DESC) TO STDOUT;
SELECT did();

--
-- EXPLAIN
--
SELECT arcache_clear();
SELECT explain('', 'SELECT id, name FROM item WHERE id = 7');
SELECT explain(', ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF', 'SELECT id, name FROM item WHERE id = 7');
SELECT explain(', ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF', 'SELECT id, name FROM item WHERE id = 7');
SELECT explain('', 'SELECT id, name FROM item WHERE id = 7');
SELECT explain(', VERBOSE', 'SELECT id, name || ''x'' AS x FROM item i WHERE kind = 1 ORDER BY made');
SELECT explain(', ANALYZE, BUFFERS OFF, VERBOSE, TIMING OFF, SUMMARY OFF', '/*+ arcache(ttl=300) */ SELECT i.id, o.note FROM item i JOIN other o ON o.item = i.id WHERE i.id = 3');
SELECT explain('', '/*+ arcache(ttl=300) */ SELECT i.id, o.note FROM item i JOIN other o ON o.item = i.id WHERE i.id = 3');
SELECT explain(', FORMAT JSON', 'SELECT id, name FROM item WHERE id = 7');
SELECT explain(', FORMAT YAML', 'SELECT id, name FROM item WHERE id = 7');
SELECT explain(', FORMAT XML', 'SELECT id, name FROM item WHERE id = 7');
SELECT explain(', ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON', 'SELECT id FROM item WHERE id = 8');
SELECT explain('', 'SELECT id FROM plain');
SELECT explain('', '/*+ no_arcache */ SELECT id, name FROM item WHERE id = 7');
SELECT explain('', 'SELECT id FROM item LIMIT 0');
SELECT explain(', ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF', 'SELECT id FROM item WHERE made < now() + interval ''1000 years'' LIMIT 1');
-- Nothing is run, or counted, by EXPLAIN alone; ANALYZE is a use like any other.
SELECT did() IS NOT NULL AS begin;
SELECT explain('', 'SELECT id, name FROM item WHERE id = 7');
SELECT did();
-- An explained statement is the statement.
SELECT id, name FROM item WHERE id = 7;
SELECT did();

-- The key does not depend on spelling, and does on meaning.
CREATE FUNCTION key_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Key';
END $$;
SELECT id, name FROM item WHERE id = 9;
SELECT did();
select   ID , "name"
  From ITEM -- a comment
 where id=9 /* another */;
SELECT item.id, item.name FROM public.item WHERE (id) = (9);
SELECT did();
SELECT count(DISTINCT key_of(query)) AS one, count(*) AS of FROM unnest(ARRAY[
  'SELECT id, name FROM item WHERE id = 9', 'select ID,"name" from Item where ID=9', E'SELECT\n\tid, name\n  FROM item\n WHERE id = 9;',
  'SELECT id, name FROM item /* c */ WHERE id = 9 -- d', 'SELECT item.id, public.item.name FROM public.item WHERE item.id = 9', 'SELECT id, name FROM ITEM WHERE ((id) = (9))']) AS query;
SELECT key_of('SELECT id FROM item WHERE id IN (1, 2)') = key_of('SELECT id FROM item WHERE id = ANY (ARRAY[1, 2])') AS one;
-- of = different: each has a key of its own.
SELECT count(DISTINCT key_of(query)) AS different, count(*) AS of FROM unnest(ARRAY[
  'SELECT id, name FROM item WHERE id = 9', 'SELECT id, name FROM item WHERE id = 10', 'SELECT id, name FROM item WHERE id = 9::bigint', 'SELECT id, name FROM item WHERE id = 9::smallint',
  'SELECT id, name FROM item WHERE id = 9.0', 'SELECT id, name FROM item WHERE id < 9', 'SELECT id, name FROM item WHERE id <= 9', 'SELECT id, name FROM item WHERE id IS DISTINCT FROM 9',
  'SELECT id, name FROM item WHERE id = 9 AND true AND kind = 4', 'SELECT id, name FROM item WHERE kind = 9', 'SELECT name, id FROM item WHERE id = 9', 'SELECT id FROM item WHERE id = 9',
  'SELECT id, name AS n FROM item WHERE id = 9', 'SELECT id, name::varchar FROM item WHERE id = 9', 'SELECT id, name::varchar(3) FROM item WHERE id = 9', 'SELECT id, name::varchar(4) FROM item WHERE id = 9',
  'SELECT id, name FROM item WHERE id = 9 ORDER BY id', 'SELECT id, name FROM item WHERE id = 9 ORDER BY id DESC', 'SELECT id, name FROM item WHERE id = 9 ORDER BY id NULLS FIRST', 'SELECT id, name FROM item WHERE id = 9 ORDER BY name', 'SELECT id, name FROM item WHERE id = 9 ORDER BY name COLLATE "C"', 'SELECT id, name FROM item WHERE id = 9 ORDER BY name COLLATE "POSIX"',
  'SELECT id, name FROM item WHERE id = 9 LIMIT 1', 'SELECT id, name FROM item WHERE id = 9 LIMIT 2', 'SELECT id, name FROM item WHERE id = 9 LIMIT 1 OFFSET 1', 'SELECT id, name FROM item WHERE id = 9 ORDER BY id LIMIT 1', 'SELECT id, name FROM item WHERE id = 9 ORDER BY id FETCH FIRST 1 ROWS WITH TIES',
  'SELECT DISTINCT id, name FROM item WHERE id = 9', 'SELECT DISTINCT ON (id) id, name FROM item WHERE id = 9', 'SELECT id, name FROM item WHERE id = 9 GROUP BY id', 'SELECT id, name FROM item WHERE id = 9 GROUP BY id HAVING count(*) = 1',
  'SELECT id, name FROM ONLY item WHERE id = 9', 'SELECT id, note FROM other WHERE id = 9',
  'SELECT id, name FROM item WHERE name = ''a''', 'SELECT id, name FROM item WHERE name = ''b''', 'SELECT id, name FROM item WHERE name = ''a :location 5''', 'SELECT id, name FROM item WHERE name = ''a :location 6''',
  'SELECT id, name AS " :location 1 " FROM item', 'SELECT id, name AS " :location 2 " FROM item', 'SELECT id, name FROM item " :stmt_len 1 "', 'SELECT id, name FROM item " :stmt_len 2 "',
  'SELECT count(*) FROM item', 'SELECT count(id) FROM item', 'SELECT count(DISTINCT id) FROM item', 'SELECT count(id) FILTER (WHERE id > 1) FROM item', 'SELECT count(id) FILTER (WHERE id > 2) FROM item', 'SELECT count(*) OVER () FROM item', 'SELECT count(*) OVER (ORDER BY id) FROM item', 'SELECT count(*) OVER (ORDER BY id ROWS 1 PRECEDING) FROM item', 'SELECT count(*) OVER (ORDER BY id ROWS 2 PRECEDING) FROM item',
  'SELECT sum(id) FROM item GROUP BY kind', 'SELECT sum(id) FROM item GROUP BY ROLLUP (kind)', 'SELECT sum(id) FROM item GROUP BY CUBE (kind)',
  'SELECT i.id FROM item i JOIN other o ON i.id = o.id', 'SELECT i.id FROM item i LEFT JOIN other o ON i.id = o.id', 'SELECT i.id FROM item i RIGHT JOIN other o ON i.id = o.id', 'SELECT i.id FROM item i FULL JOIN other o ON i.id = o.id',
  'SELECT id FROM item UNION SELECT id FROM other', 'SELECT id FROM item UNION ALL SELECT id FROM other', 'SELECT id FROM item EXCEPT SELECT id FROM other', 'SELECT id FROM item INTERSECT SELECT id FROM other', 'SELECT id FROM other EXCEPT SELECT id FROM item',
  'SELECT ARRAY[id, 1] FROM item', 'SELECT ROW(id, 1) IS NULL FROM item', 'SELECT id IS NULL FROM item', 'SELECT id IS NOT NULL FROM item', 'SELECT CASE WHEN id = 1 THEN 2 END FROM item', 'SELECT CASE id WHEN 1 THEN 2 END FROM item', 'SELECT tags[1] FROM item', 'SELECT tags[1:1] FROM item', 'SELECT tags[2] FROM item',
  'SELECT id FROM item WHERE id IN (1, 2)', 'SELECT id FROM item WHERE id IN (2, 1)', 'SELECT id FROM item WHERE id = ALL (ARRAY[1, 2])', 'SELECT id FROM item WHERE name LIKE ''a''', 'SELECT id FROM item WHERE name ILIKE ''a''',
  'SELECT 1.0 FROM item', 'SELECT 1.00 FROM item', 'SELECT 1 FROM item', 'SELECT NULL FROM item', 'SELECT NULL::int FROM item', 'SELECT '''' FROM item', 'SELECT true FROM item', 'SELECT false FROM item', 'SELECT ''\x00''::bytea FROM item', 'SELECT ''\x01''::bytea FROM item', 'SELECT ''a''::char FROM item', 'SELECT ''a''::"char" FROM item', 'SELECT ''a''::name FROM item']) AS query
 WHERE key_of(query) IS NOT NULL;

-- What the meaning depends on besides the text: settings, schemas, roles.
SELECT id, made FROM item WHERE id = 1;
SELECT did();
SET datestyle = 'ISO, DMY';
SELECT id, made FROM item WHERE id = 1;
SELECT did();
SELECT id, to_char(made, 'TMDay'), made::text, price::float8 / 3 AS f FROM item WHERE id = 1;
SET datestyle = 'German';
SELECT id, to_char(made, 'TMDay'), made::text, price::float8 / 3 AS f FROM item WHERE id = 1;
SET extra_float_digits = 0;
SELECT id, to_char(made, 'TMDay'), made::text, (price::float8 / 3)::text AS f FROM item WHERE id = 1;
RESET extra_float_digits;
SELECT id, to_char(made, 'TMDay'), made::text, (price::float8 / 3)::text AS f FROM item WHERE id = 1;
SELECT did();
RESET datestyle;
SELECT id, made::timestamptz AT TIME ZONE 'UTC' AS utc FROM item WHERE id = 1;
SET timezone = 'Asia/Tokyo';
SELECT id, made::timestamptz AT TIME ZONE 'UTC' AS utc FROM item WHERE id = 1;
SET timezone = 'UTC';
SELECT id, made::timestamptz AT TIME ZONE 'UTC' AS utc FROM item WHERE id = 1;
RESET timezone;
SELECT id, (made - timestamp '2023-01-01')::text AS i FROM item WHERE id = 1;
SET intervalstyle = 'iso_8601';
SELECT id, (made - timestamp '2023-01-01')::text AS i FROM item WHERE id = 1;
RESET intervalstyle;
SELECT id, name::bytea::text FROM item WHERE id = 1;
SET bytea_output = 'escape';
SELECT id, name::bytea::text FROM item WHERE id = 1;
RESET bytea_output;
CREATE SCHEMA s1;
CREATE TABLE s1.item (id int PRIMARY KEY, name text);
INSERT INTO s1.item VALUES (9, 'of another schema');
SELECT arcache_enable('s1.item');
SELECT id, name FROM item WHERE id = 9;
SET search_path = s1, public;
SELECT id, name FROM item WHERE id = 9;
SELECT id, name FROM item WHERE id = 9;
RESET search_path;
SELECT id, name FROM item WHERE id = 9;
SET my.x = 'a';
SELECT id, current_setting('my.x') FROM item WHERE id = 9;
SET my.x = 'b';
SELECT id, current_setting('my.x') FROM item WHERE id = 9;
RESET my.x;
CREATE ROLE arcache_one;
CREATE ROLE arcache_two;
GRANT SELECT ON item TO arcache_one, arcache_two;
SELECT did() IS NOT NULL AS begin;
SET ROLE arcache_one;
SELECT current_user, id FROM item WHERE id = 9;
SELECT current_user, id FROM item WHERE id = 9;
SET ROLE arcache_two;
SELECT current_user, id FROM item WHERE id = 9;
SELECT current_user, id FROM item WHERE id = 9;
RESET ROLE;
SELECT did();

--
-- Prepared statements
--
PREPARE by_id(int) AS SELECT id, name FROM item WHERE id = $1;
SET plan_cache_mode = force_custom_plan;
EXECUTE by_id(21);
EXECUTE by_id(21);
SELECT did();
SET plan_cache_mode = force_generic_plan;
EXECUTE by_id(21);
EXECUTE by_id(22);
EXECUTE by_id(22);
EXECUTE by_id(NULL);
EXECUTE by_id(NULL);
SELECT did();
SELECT explain('', 'EXECUTE by_id(23)');
SELECT explain(', ANALYZE, BUFFERS OFF, TIMING OFF, SUMMARY OFF', 'EXECUTE by_id(22)');
-- A key token of the parameter: another row may be written.
UPDATE item SET name = 'changed' WHERE id = 24;
EXECUTE by_id(22);
EXECUTE by_id(21);
SELECT did();
UPDATE item SET name = 'changed' WHERE id = 22;
EXECUTE by_id(22);
EXECUTE by_id(21);
SELECT did();
INSERT INTO item (id, name) VALUES (1000, 'new');
EXECUTE by_id(1000);
DELETE FROM item WHERE id = 1000;
EXECUTE by_id(1000);
SELECT did();
RESET plan_cache_mode;
-- Sixth execution: the generic plan.
EXECUTE by_id(1); EXECUTE by_id(2); EXECUTE by_id(1); EXECUTE by_id(2); EXECUTE by_id(1); EXECUTE by_id(2); EXECUTE by_id(1); EXECUTE by_id(2);
SELECT did();
DEALLOCATE by_id;

-- Parameters of many types: the value counts, not how it is stored.
CREATE TYPE pair AS (a int, b text);
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN small AS int CHECK (value < 1000);
CREATE TABLE big (id int, t text);
INSERT INTO big SELECT g, string_agg(md5(g || '.' || h), '') FROM generate_series(1, 2) g, generate_series(1, 300) h GROUP BY g;
CREATE FUNCTION typed(type text, a text, b text, mode text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text := '';
	r text;
BEGIN
	PERFORM did(), set_config('plan_cache_mode', mode, true);
	EXECUTE format('PREPARE typed(%s) AS SELECT count(*) || '' '' || coalesce(left(%L, 0), '''') || coalesce(md5(max(($1)::text)), ''none'') FROM item WHERE id < 3', type, mode);
	FOREACH r IN ARRAY ARRAY[a, a, b, b, 'NULL', 'NULL', a, b] LOOP
		DECLARE
			cached text;
			computed text;
		BEGIN
			EXECUTE format('EXECUTE typed(%s)', r) INTO cached;
			said := said || did() || ' ';
			computed := '2 ' || CASE r WHEN 'NULL' THEN 'none' ELSE NULL END;
			IF r <> 'NULL' THEN
				EXECUTE format('SELECT ''2 '' || md5((%s)::%s::text)', r, type) INTO computed;
			END IF;
			IF cached IS DISTINCT FROM computed THEN
				said := said || '(DIFFERENT) ';
			END IF;
		END;
	END LOOP;
	DEALLOCATE typed;
	RETURN said;
END $$;
SELECT type, m, typed(type, a, b, 'force_' || m || '_plan') FROM unnest('{custom,generic}'::text[]) m, (VALUES
  ('int2', '1', '2'), ('int8', '1', '2'), ('numeric', '1.0', '1.00'), ('float4', '1', '2'), ('float8', '0.1', '''-0'''),
  ('text', '''a''', '''b'''), ('varchar(2)', '''a''', '''b'''), ('char(3)', '''a''', '''b'''), ('name', '''a''', '''b'''), ('bytea', '''\x00''', '''\x01'''), ('bool', 'true', 'false'), ('uuid', '''00000000-0000-0000-0000-000000000000''', '''00000000-0000-0000-0000-000000000001'''),
  ('date', '''2024-01-01''', '''2024-01-02'''), ('timestamptz', '''2024-01-01''', '''2024-01-02'''), ('timetz', '''10:00''', '''11:00'''), ('interval', '''1 day''', '''24 hours'''), ('jsonb', '''{}''', '''[]'''), ('json', '''{}''', '''{ }'''),
  ('int[]', '''{1,2}''', '''{2,1}'''), ('int[]', '''{1,2}''', '''[0:1]={1,2}'''), ('text[]', '''{a,b}''', '''{"a,b"}'''), ('int4range', '''[1,2)''', '''[1,3)'''), ('int4multirange', '''{[1,2)}''', '''{}'''), ('inet', '''1.2.3.4''', '''1.2.3.4/24'''), ('bit(2)', '''01''', '''10'''), ('money', '''1''', '''2'''), ('point', '''(1,2)''', '''(2,1)'''),
  ('pair', '''(1,a)''', '''(1,b)'''), ('pair[]', '''{"(1,a)"}''', '''{"(1,b)"}'''), ('mood', '''good''', '''bad'''), ('small', '1', '2'), ('regclass', '''item''', '''other''')
  ) v(type, a, b) ORDER BY m, type, a, b;
SET arcache.auto = on;
-- Toasted values come as parameters from PL/pgSQL only.
CREATE FUNCTION toasted(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v text := (SELECT t FROM big WHERE big.id = n);
	w pair := (SELECT ROW(n, t)::pair FROM big WHERE big.id = n);
	a text[] := (SELECT array_agg(t) FROM big WHERE big.id = n);
	r text;
BEGIN
	SELECT md5(v) || left(md5(w.b), 4) || left(md5(a::text), 4) || count(*) INTO STRICT r FROM item;
	RETURN r;
END $$;
SELECT n, toasted(n) = md5(t) || left(md5(t), 4) || left(md5(ARRAY[t]::text), 4) || 100 AS right FROM big, generate_series(1, 2), LATERAL (SELECT big.id) x(n);
SELECT did();

--
-- PL/pgSQL and SQL functions
--
CREATE FUNCTION loops(k int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	s text := '';
BEGIN
	FOR r IN SELECT id FROM item WHERE kind = k ORDER BY id LOOP
		s := s || r.id || ' ';
	END LOOP;
	RETURN s;
END $$;
CREATE FUNCTION stops(k int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT i.id FROM item i WHERE kind = k ORDER BY id LOOP
		RETURN r.id;
	END LOOP;
END $$;
CREATE FUNCTION returns_query(k int) RETURNS SETOF item LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT * FROM item i WHERE i.kind = k AND i.id < 10;
	RETURN QUERY EXECUTE 'SELECT * FROM item i WHERE i.kind = $1 AND i.id < 9' USING k;
END $$;
CREATE FUNCTION swaps(a int, b int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	x int := a;
	y int := b;
	s text := '';
	n text;
BEGIN
	FOR i IN 1..4 LOOP
		SELECT string_agg(id || '', ',' ORDER BY id) INTO STRICT n FROM item WHERE id BETWEEN x AND y;
		s := s || coalesce(n, '-') || ' ';
		SELECT y, x INTO x, y;
	END LOOP;
	RETURN s;
END $$;
CREATE FUNCTION into_one(k int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	s text;
	one text;
	e text;
	x text := (SELECT max(name) FROM item WHERE kind = k);
BEGIN
	SELECT min(name) INTO s FROM item WHERE kind = k;
	SELECT min(name) INTO STRICT one FROM item WHERE kind = k + 1;
	EXECUTE 'SELECT count(name) FROM item WHERE kind = $1' INTO e USING k;
	PERFORM name FROM item WHERE kind = k;
	RETURN concat_ws(', ', s, one, e, x, FOUND, EXISTS (SELECT FROM item WHERE kind = k));
END $$;
CREATE FUNCTION sql_scalar(k int) RETURNS bigint VOLATILE LANGUAGE sql AS 'SELECT count(*) FROM item WHERE kind = $1';
CREATE FUNCTION sql_set(k int) RETURNS SETOF int VOLATILE LANGUAGE sql AS 'SELECT id FROM item WHERE kind = $1 AND id < 10 ORDER BY id';
CREATE FUNCTION sql_atomic(k int) RETURNS bigint VOLATILE LANGUAGE sql BEGIN ATOMIC SELECT count(*) + 0 FROM item WHERE kind = k AND name <> 'a text long enough to be more than what the function''s source is, which is none'; END;
SELECT n, loops(n % 2), did() FROM generate_series(1, 4) n;
SELECT n, stops(n % 2), did() FROM generate_series(1, 4) n;
SELECT n, (SELECT array_agg(r.id) FROM returns_query(1 + 0 * n) r), did() FROM generate_series(1, 3) n;
SELECT swaps(1, 3), did() FROM generate_series(1, 2);
SELECT into_one(1), did() FROM generate_series(1, 3);
SELECT sql_scalar(1), did() FROM generate_series(1, 3);
SELECT n, (SELECT array_agg(s) FROM sql_set(1 + 0 * n) s), did() FROM generate_series(1, 3) n;
SELECT sql_atomic(1), did() FROM generate_series(1, 3);
-- The same, computed.
SET arcache.auto = off;
SELECT loops(1), stops(1), swaps(1, 3), into_one(1), sql_scalar(1), sql_atomic(1);
SELECT array_agg(id) FROM returns_query(1);
SET arcache.auto = on;
SELECT did() IS NOT NULL AS begin;

-- A rule's query is not the text that is sent.
CREATE TABLE ruled (id int);
CREATE RULE shows AS ON DELETE TO ruled DO INSTEAD SELECT id, name FROM item WHERE id < 3;
DELETE FROM ruled;
DELETE FROM ruled;
SELECT did();

--
-- Cursors are left to the server: all is as it would be without the cache.
--
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
FETCH 3 FROM c;
CLOSE c;
COMMIT;
-- Partly fetched: not published.
SELECT did();
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
FETCH 3 FROM c;
FETCH 4 FROM c;
SELECT did();
FETCH 1 FROM c;
SELECT did();
FETCH 1 FROM c;
MOVE 1 IN c;
COMMIT;
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
FETCH 3 FROM c;
MOVE 1 IN c;
FETCH ALL FROM c;
FETCH ALL FROM c;
FETCH BACKWARD 1 FROM c;
ROLLBACK;
SELECT did();
-- One that may go backwards is left alone.
BEGIN;
DECLARE c CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
DECLARE d SCROLL CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
FETCH LAST FROM d;
FETCH ABSOLUTE 2 FROM d;
DECLARE e CURSOR WITH HOLD FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
DECLARE f NO SCROLL CURSOR WITH HOLD FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
COMMIT;
FETCH 1 FROM e;
FETCH 1 FROM f;
CLOSE ALL;
SELECT did();
-- A write between two fetches: each cursor goes on as it began.
BEGIN;
DECLARE hit NO SCROLL CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
DECLARE fill NO SCROLL CURSOR FOR SELECT id, name FROM item WHERE id <= 4 ORDER BY id;
DECLARE late NO SCROLL CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
FETCH 2 FROM hit;
FETCH 2 FROM fill;
DELETE FROM other WHERE id <= 7;
DELETE FROM item WHERE id <= 7;
FETCH ALL FROM hit;
FETCH ALL FROM fill;
FETCH 2 FROM late;
SELECT count(*) FROM item WHERE id <= 7;
ROLLBACK;
SELECT did();
SELECT id, name FROM item WHERE id <= 4 ORDER BY id;
SELECT did();
-- The entry goes while a cursor reads it, and savepoints come and go.
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, 'cursor' FROM item WHERE id <= 7 ORDER BY id;
SAVEPOINT s;
FETCH 2 FROM c;
ROLLBACK TO s;
SELECT arcache_clear() > 0 AS cleared;
FETCH 2 FROM c;
SAVEPOINT s2;
FETCH 1 FROM c;
ROLLBACK TO s2;
FETCH ALL FROM c;
COMMIT;
SELECT did();
-- A fill that begins in a savepoint that is rolled back.
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, 'fill' FROM item WHERE id <= 5 ORDER BY id;
SAVEPOINT s;
FETCH 2 FROM c;
ROLLBACK TO s;
FETCH ALL FROM c;
COMMIT;
SELECT id, 'fill' FROM item WHERE id <= 5 ORDER BY id;
SELECT did();
-- PL/pgSQL's.
CREATE FUNCTION by_cursor(k int, n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c NO SCROLL CURSOR FOR SELECT id FROM item WHERE kind = k AND id < 20 ORDER BY id;
	i int;
	s text := '';
BEGIN
	OPEN c;
	FOR j IN 1..n LOOP
		FETCH c INTO i;
		EXIT WHEN NOT FOUND;
		s := s || i || ' ';
	END LOOP;
	CLOSE c;
	RETURN s;
END $$;
SELECT by_cursor(1, 2), did();
SELECT by_cursor(1, 20), did();
SELECT by_cursor(1, 20), did();
SELECT by_cursor(1, 2), did();

--
-- Shapes of results
--
CREATE TABLE wide (id int PRIMARY KEY, a text, b text);
INSERT INTO wide SELECT g, string_agg(md5(g || '.' || h), ''), repeat('x', 100000) FROM generate_series(1, 5) g, generate_series(1, 1000) h GROUP BY g;
CREATE TABLE gap (a int, gone int, b text);
ALTER TABLE gap DROP COLUMN gone;
INSERT INTO gap VALUES (1, 'one'), (2, NULL);
ALTER TABLE gap ADD COLUMN c int DEFAULT 7;
CREATE TABLE many (id int, v text);
INSERT INTO many SELECT g, 'row ' || g FROM generate_series(1, 10000) g;
ANALYZE wide, gap, many;
SELECT arcache_enable('wide'), arcache_enable('gap'), arcache_enable('many');
SELECT query, probe(query) FROM unnest(ARRAY[
  'SELECT FROM item WHERE id < 4', 'SELECT id FROM item WHERE false', 'SELECT id FROM item WHERE id > 1000', 'SELECT id, id, name AS id FROM item WHERE id < 4',
  'SELECT name FROM item WHERE id < 9 ORDER BY price DESC', 'SELECT DISTINCT kind FROM item ORDER BY kind', 'SELECT kind FROM item GROUP BY kind ORDER BY count(*), kind',
  'SELECT id FROM item ORDER BY id LIMIT 5', 'SELECT id FROM item ORDER BY id LIMIT 5 OFFSET 90', 'SELECT id FROM item LIMIT 0', 'SELECT kind FROM item ORDER BY kind FETCH FIRST 3 ROWS WITH TIES', 'SELECT kind, id FROM item WHERE id < 20 ORDER BY kind LIMIT 1',
  'SELECT * FROM many', 'SELECT * FROM many ORDER BY v DESC', 'SELECT * FROM wide', 'SELECT a || b FROM wide', 'SELECT wide FROM wide', 'SELECT array_agg(a ORDER BY id) FROM wide',
  'SELECT * FROM gap', 'SELECT gap FROM gap', 'SELECT gap.*, c FROM gap', 'SELECT (gap).b FROM gap', 'SELECT array_agg(gap) FROM gap', 'SELECT to_jsonb(gap) FROM gap', 'SELECT g FROM gap g, gap h',
  'SELECT ROW(id, name) FROM item WHERE id < 3', 'SELECT ARRAY[ROW(id, name)] FROM item WHERE id < 3', 'SELECT s FROM (SELECT id, name FROM item WHERE id < 3) s', 'SELECT ROW(1, t)::pair FROM item, LATERAL (SELECT name) x(t) WHERE id < 3', 'SELECT array_agg(ROW(id, name)::pair) FROM item WHERE id < 3',
  'SELECT tags, tags[1], ARRAY[tags] FROM item WHERE id < 3', 'SELECT NULL, NULL::int, '''', ''x''::char(5) FROM item WHERE id < 3', 'SELECT made, price, price::float4, price::money, made::timestamptz, ''1 day''::interval FROM item WHERE id < 3',
  'SELECT ''good''::mood, 5::small, int4range(id, id + 1), to_tsvector(''simple'', name), name::bytea, id::bit(8) FROM item WHERE id < 3',
  'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT n, name FROM r JOIN item ON id = n', 'WITH m AS MATERIALIZED (SELECT * FROM item WHERE id < 4) SELECT a.id FROM m a, m b', 'SELECT id, (SELECT max(note) FROM other WHERE item = i.id) FROM item i WHERE id < 4',
  'SELECT id, (SELECT count(*) FROM item) FROM item WHERE id < 4', 'SELECT id FROM item i WHERE EXISTS (SELECT FROM other o WHERE o.item = i.id) AND id < 4', 'SELECT id FROM item WHERE id NOT IN (SELECT item FROM other)', 'SELECT id, generate_series(1, 2) FROM item WHERE id < 3', 'SELECT i.id, u FROM item i, unnest(tags) u WHERE id < 4', 'SELECT i.id, l.note FROM item i LEFT JOIN LATERAL (SELECT note FROM other WHERE item = i.id LIMIT 1) l ON true WHERE i.id > 48 AND i.id < 52',
  'SELECT rank() OVER (PARTITION BY kind ORDER BY price), id FROM item WHERE id < 8', 'SELECT kind, sum(price) FROM item GROUP BY GROUPING SETS ((kind), ()) ORDER BY 1', 'VALUES ((SELECT count(*) FROM item)), (1)', 'TABLE gap', 'SELECT id FROM item WHERE id < 3 UNION ALL SELECT id FROM other WHERE id < 3 UNION ALL VALUES (0)', '(SELECT id FROM item ORDER BY id LIMIT 1) UNION ALL (SELECT id FROM item ORDER BY id DESC LIMIT 1)',
  'SELECT p.proname FROM item, (VALUES (''a'')) p(proname) WHERE id < 3', 'SELECT * FROM item NATURAL JOIN (SELECT id FROM other) o WHERE id < 12', 'SELECT tableoid::regclass, id FROM item WHERE id < 3'
  ]) AS query;

-- Parallel plans underneath.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT explain('', 'SELECT count(*), max(v) FROM many');
SELECT probe('SELECT count(*), max(v) FROM many'), probe('SELECT * FROM many WHERE id % 1000 = 0'), probe('SELECT v FROM many ORDER BY id DESC LIMIT 3');
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SELECT probe('SELECT count(*), min(v) FROM many'), probe('SELECT id FROM wide');
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
-- JIT, where there is any.
SET jit_above_cost = 0;
SELECT probe('SELECT count(*), sum(id) FROM many');
RESET jit_above_cost;

-- Over arcache.max_value_size: given, not kept.
SET arcache.max_value_size = '64kB';
SELECT probe('SELECT m.*, ''large'' FROM many m'), probe('SELECT a, ''large'' FROM wide WHERE id = 1'), probe('SELECT a, ''large'' FROM wide');
RESET arcache.max_value_size;
-- A statement of great length.
SELECT probe('SELECT count(*) FROM item WHERE id IN (' || string_agg(g::text, ',') || ')') FROM generate_series(1, 20000) g;
SELECT probe('SELECT count(*) FROM item WHERE name <> ''' || repeat('long ', 100000) || '''');

-- An error in the middle: nothing is kept, and it is the same error again.
SET arcache.auto = on;
SELECT did() IS NOT NULL AS begin;
SELECT 10 / (id - 3) FROM item WHERE id < 5 ORDER BY id;
SELECT 10 / (id - 3) FROM item WHERE id < 5 ORDER BY id;
SELECT did();
CREATE FUNCTION slow(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(10); RETURN $1; END$$;
\set SHOW_CONTEXT never
SET statement_timeout = '50ms';
SELECT slow(id) FROM item;
RESET statement_timeout;
\set SHOW_CONTEXT errors
SELECT did();
-- And nothing is left of it.
SELECT probe('SELECT id FROM item ORDER BY id LIMIT 3');

-- Writes of each kind are seen at once.
CREATE FUNCTION writes(query text, write text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	PERFORM rows_of(query, 'on'), rows_of(query, 'on');
	EXECUTE write;
	said := probe(query);
	RETURN said;
END $$;
SET arcache.auto = on;
-- in a transaction of its own, a function that has written does not use the cache
SELECT writes('SELECT count(*) FROM gap', 'INSERT INTO gap VALUES (3, ''three'')');
SELECT probe('SELECT count(*) FROM gap');
INSERT INTO gap VALUES (4, 'four');
SELECT probe('SELECT count(*) FROM gap');
UPDATE gap SET b = 'FOUR' WHERE a = 4;
SELECT probe('SELECT * FROM gap WHERE a = 4');
DELETE FROM gap WHERE a = 4;
SELECT probe('SELECT count(*) FROM gap');
MERGE INTO gap USING (VALUES (5)) v(n) ON a = n WHEN NOT MATCHED THEN INSERT VALUES (n, 'merged');
SELECT probe('SELECT count(*) FROM gap');
COPY gap (a, b) FROM STDIN;
6	copied
\.
SELECT probe('SELECT count(*) FROM gap');
TRUNCATE gap;
SELECT probe('SELECT count(*) FROM gap');

-- In the end: how often, and never wrong.
SELECT hits > 200 AS hits, fills > 100 AS fills, audits > 60 AS verified, audit_failures FROM arcache_stats;
SELECT arcache_clear() > 0 AS cleared;
DROP OWNED BY arcache_one, arcache_two;
DROP ROLE arcache_one, arcache_two;
DROP FUNCTION did, rows_of, probe, explain, stable_fn, volatile_fn, immutable_fn, inlined, key_of, typed, toasted, loops, stops, swaps, into_one, sql_scalar, sql_set, sql_atomic, by_cursor, slow, writes;
DROP TABLE item, other, plain, quiet, hinted, timed, part, parent, into1, into2, into3, ruled, big, wide, gap, many CASCADE;
DROP SCHEMA s1 CASCADE;
DROP SEQUENCE seq;
DROP TYPE pair, mood CASCADE;
DROP DOMAIN small;
