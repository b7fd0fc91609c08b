--
-- Ways in which something could reach a result, or the cache, unseen.
--
SET client_min_messages = warning;
CREATE TABLE base (id int PRIMARY KEY, v text);
CREATE TABLE other (n int);
INSERT INTO base VALUES (1, 'one'), (2, 'two');
INSERT INTO other VALUES (1);
SELECT arcache_enable('base'), arcache_enable('other');

-- A constraint of a domain reads what its functions read.
CREATE FUNCTION allowed(int) RETURNS boolean STABLE LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM other WHERE n = $1); END';
CREATE DOMAIN checked AS int CHECK (allowed(value));
SELECT arcache_why('SELECT id::checked FROM base');

-- So does a cast to json, wherever values become json.
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION mood_json(mood) RETURNS json STABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT to_json(count(*)) FROM other); END';
CREATE CAST (mood AS json) WITH FUNCTION mood_json(mood);
CREATE TABLE felt (m mood);
SELECT arcache_enable('felt');
SELECT arcache_why('SELECT m FROM felt');
SELECT arcache_why('SELECT to_json(m)::text FROM felt');
SELECT arcache_why('SELECT json_agg(m)::text FROM felt');
SELECT arcache_why('SELECT count(m) FROM felt');

-- current_setting() is captured by its name, and only then.
SELECT arcache_why('SELECT current_setting(''my.x'', true) FROM base');
SELECT arcache_why('SELECT current_setting(v, true) FROM base');
CREATE OPERATOR @@@ (rightarg = text, procedure = current_setting);
SELECT arcache_why('SELECT @@@ ''my.x'' FROM base');

-- Settings that few know of change what a query returns.
SELECT arcache_get_or_set('quoted', 'SELECT quote_ident(''plain'') AS q');
SET quote_all_identifiers = on;
SELECT arcache_get_or_set('quoted', 'SELECT quote_ident(''plain'') AS q');
RESET quote_all_identifiers;

-- The words that read the clock are seen however they are spelt.
SELECT arcache_why('SELECT ''today''::date');
SELECT arcache_why('SELECT E''\x74oday''::date');
SELECT arcache_why('SELECT ''{tomorrow}''::date[]');
SELECT arcache_why('SELECT * FROM jsonb_to_record(''{}'') AS t(d date)');
SELECT arcache_why('SELECT ''12:00''::timetz');
SELECT arcache_why('SELECT ''2020-02-02''::date, ''today''::text');

-- A role that is created with members changes what they may see.
CREATE ROLE arcache_reader;
ALTER TABLE base ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON base USING (id = 1);
GRANT SELECT ON base TO arcache_reader;
SET ROLE arcache_reader;
SELECT arcache_get_or_set('seen', 'SELECT id FROM base ORDER BY id');
RESET ROLE;
CREATE ROLE arcache_group ROLE arcache_reader;
CREATE POLICY theirs ON base TO arcache_group USING (true);
SET ROLE arcache_reader;
SELECT arcache_get_or_set('seen', 'SELECT id FROM base ORDER BY id') = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id FROM base ORDER BY id) t) AS same;
RESET ROLE;
DROP OWNED BY arcache_group;
DROP ROLE arcache_group;
SET ROLE arcache_reader;
SELECT arcache_get_or_set('seen', 'SELECT id FROM base ORDER BY id') = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT id FROM base ORDER BY id) t) AS same;
RESET ROLE;
DROP POLICY mine ON base;
ALTER TABLE base DISABLE ROW LEVEL SECURITY;

-- Inside the action of a foreign key FORCE ROW LEVEL SECURITY is off; such a result is not for others.
CREATE ROLE arcache_owner;
GRANT ALL ON SCHEMA public TO arcache_owner;
SET ROLE arcache_owner;
CREATE TABLE secret (a int);
INSERT INTO secret VALUES (1), (2);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (1);
SELECT arcache_enable('secret');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one ON secret USING (a = 1);
CREATE FUNCTION peek() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM arcache_get_or_set('secret', 'SELECT a FROM secret ORDER BY a'); RETURN OLD; END$$;
CREATE TRIGGER peek BEFORE DELETE ON child FOR EACH ROW EXECUTE FUNCTION peek();
DELETE FROM parent;
SELECT arcache_get_or_set('secret', 'SELECT a FROM secret ORDER BY a');
DROP TABLE child, parent, secret;
DROP FUNCTION peek;
RESET ROLE;

-- What a transaction wrote to a table that is not tracked is not given to others.
CREATE TABLE untracked (a int);
BEGIN;
INSERT INTO untracked VALUES (1);
SELECT arcache_get_or_set('untracked', 'SELECT count(*) FROM untracked', ttl => '1 hour');
ROLLBACK;
SELECT arcache_get_or_set('untracked', 'SELECT count(*) FROM untracked', ttl => '1 hour');

-- A value falls when its transaction writes what it depends on, before or after COMMIT.
BEGIN;
SELECT arcache_set('derived', '1', depends_on => '{base}', tags => '{t}');
UPDATE base SET v = 'changed' WHERE id = 2;
SELECT arcache_get('derived');
COMMIT;
SELECT arcache_get('derived');
BEGIN;
SELECT arcache_set('tagged', '1', tags => '{t}');
SELECT arcache_invalidate_tag('t');
COMMIT;
SELECT arcache_get('tagged');

-- Dropping a temporary table takes along what depends on it.
CREATE TEMP TABLE short_lived (a int);
CREATE FUNCTION public.of_short_lived(pg_temp.short_lived) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
DROP TABLE short_lived CASCADE;
SELECT arcache_get_or_set('f', 'SELECT public.of_short_lived(NULL)');

-- A parallel worker changes nothing in the cache.
CREATE FUNCTION sets() RETURNS boolean PARALLEL SAFE LANGUAGE sql AS $$SELECT arcache_set('parallel', '1')$$;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
ALTER TABLE untracked SET (parallel_workers = 2);
INSERT INTO untracked SELECT generate_series(1, 1000);
ANALYZE untracked;
DO $$
BEGIN
	PERFORM count(*) FROM untracked WHERE sets() AND a > 0;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '% %', SQLSTATE, SQLERRM;
END $$;
SELECT arcache_exists('parallel');
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET parallel_leader_participation;

-- Tags and patterns have limits; the views use nobody else's operators.
\set VERBOSITY sqlstate
SELECT arcache_set('k', '1', tags => (SELECT array_agg('t' || i) FROM generate_series(1, 1001) i));
SELECT arcache_delete_pattern(repeat('a*', 2000));
SELECT arcache_set('k', '1', depends_on => '{pg_am}');
SET ROLE arcache_reader;
SELECT arcache_set('k', '1', depends_on => '{other}');
RESET ROLE;
\set VERBOSITY default
SELECT pg_get_viewdef('arcache_stats') ~ '::numeric[^;]*/[^;]*::numeric' AS divides_numeric_by_numeric;

-- A setting that was there in a transaction that has ended is empty; to a new
-- session it is missing, which is another thing.
BEGIN;
SELECT set_config('my.passing', 'x', true);
COMMIT;
SELECT arcache_get_or_set('passing', 'SELECT current_setting(''my.passing'', true) AS v FROM base LIMIT 1');
SELECT arcache_get_or_set('missing', 'SELECT current_setting(''my.missing'', true) AS v FROM base LIMIT 1');
\c -
SET client_min_messages = warning;
SELECT arcache_get_or_set('passing', 'SELECT current_setting(''my.passing'', true) AS v FROM base LIMIT 1');
SELECT set_config('my.missing', 'x', true);
SELECT arcache_get_or_set('missing', 'SELECT current_setting(''my.missing'', true) AS v FROM base LIMIT 1');

SELECT count(arcache_clear());
SET ROLE arcache_reader;
SELECT count(arcache_clear());
RESET ROLE;
DROP FUNCTION sets;
DROP TABLE base, other, felt, untracked;
DROP OPERATOR @@@ (NONE, text);
DROP DOMAIN checked;
DROP FUNCTION allowed;
DROP TYPE mood CASCADE;
DROP OWNED BY arcache_reader, arcache_owner;
DROP ROLE arcache_reader, arcache_owner;
