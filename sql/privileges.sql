--
-- Who may see and do what
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_arcache_one;
CREATE ROLE regress_arcache_two;
CREATE ROLE regress_arcache_owner;
CREATE ROLE regress_arcache_reader IN ROLE pg_read_all_stats;
GRANT CREATE ON SCHEMA public TO regress_arcache_owner;
CREATE TABLE paper (id int, owner text, tenant text, secret text);
INSERT INTO paper VALUES (1, 'regress_arcache_one', 'a', 's1'), (2, 'regress_arcache_two', 'b', 's2');
SELECT arcache_enable('paper');
GRANT SELECT ON paper TO regress_arcache_one, regress_arcache_two;

-- Two roles with one key do not see each other's values, by no function.
SET ROLE regress_arcache_one;
SELECT arcache_set('key', '"of one"', tags => '{tag}'), arcache_set('only:one', '1');
SET ROLE regress_arcache_two;
SELECT arcache_get('key'), arcache_exists('key'), arcache_ttl('key'), arcache_touch('key', '1 h'), (SELECT count(*) FROM arcache_keys());
SELECT * FROM arcache_get_many('{key,only:one}');
SELECT arcache_set('key', '"of two"', tags => '{tag}');
SELECT arcache_delete('only:one'), arcache_delete_pattern('only*'), arcache_incr('only:one');
SET ROLE regress_arcache_one;
SELECT arcache_get('key'), arcache_get('only:one'), (SELECT string_agg(k, ',' ORDER BY k) FROM arcache_keys() k);
SET ROLE regress_arcache_two;
SELECT arcache_get('key'), arcache_get('only:one');

-- Nor do they invalidate or clear each other's.
SELECT arcache_invalidate_tag('tag');
SELECT arcache_clear() > 0, arcache_get('key');
SET ROLE regress_arcache_one;
SELECT arcache_get('key'), arcache_get('only:one');

-- Results of queries are each role's own too.
SELECT arcache_get_or_set('who', 'SELECT current_user AS u');
SET ROLE regress_arcache_two;
SELECT arcache_get_or_set('who', 'SELECT current_user AS u');
SELECT arcache_get_or_set('same', 'SELECT session_user = current_user AS same');
RESET ROLE;
SELECT arcache_get_or_set('who', 'SELECT current_user = session_user AS u');

-- The view shows everybody that there are entries, and their keys to their owner alone.
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('mine', 'SELECT secret FROM paper WHERE id = $1', params => '{1}', tags => '{t}');
SELECT role, kind, key, query, params, coherence, depends_on, tags FROM arcache_entries WHERE role LIKE 'regress%' AND valid ORDER BY role, key, coherence;
SET ROLE regress_arcache_two;
SELECT role, kind, key, query, params, coherence, depends_on, tags FROM arcache_entries WHERE role LIKE 'regress%' AND valid ORDER BY role, key, coherence;
SET ROLE regress_arcache_reader;
SELECT role, kind, key, query, params, coherence, depends_on, tags FROM arcache_entries WHERE role LIKE 'regress%' AND valid ORDER BY role, key, coherence;
SELECT count(*) FROM arcache_stats;
SELECT count(*) FROM arcache_memory;
SELECT relation FROM arcache_relations;

-- Clearing others' entries and resetting counters is not for everybody.
SELECT arcache_clear_all();
SELECT arcache_stats_reset();
RESET ROLE;
GRANT EXECUTE ON FUNCTION arcache_clear_all(), arcache_stats_reset() TO regress_arcache_two;
SET ROLE regress_arcache_two;
SELECT arcache_clear_all() > 0;
SELECT arcache_stats_reset();
SET ROLE regress_arcache_one;
SELECT arcache_get('key'), arcache_get('only:one');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION arcache_clear_all(), arcache_stats_reset() FROM regress_arcache_two;

-- SUSET settings are not for everybody.
SET ROLE regress_arcache_one;
SET arcache.debug_verify = on;
SET arcache.audit_rate = 1;
SET arcache.enabled = off;
RESET arcache.enabled;

-- A role that lost SELECT gets an error, not what is cached.
SELECT arcache_get_or_set('papers', 'SELECT * FROM paper ORDER BY id');
SELECT * FROM arcache_query('SELECT id FROM paper ORDER BY id') AS t(id int);
RESET ROLE;
REVOKE SELECT ON paper FROM regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM paper ORDER BY id');
SELECT * FROM arcache_query('SELECT id FROM paper ORDER BY id') AS t(id int);
SELECT arcache_get('papers');
RESET ROLE;

-- The same by columns, through a view, by membership and by PUBLIC.
GRANT SELECT (id, owner) ON paper TO regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM paper ORDER BY id');
SELECT arcache_get_or_set('papers', 'SELECT id, owner FROM paper ORDER BY id');
RESET ROLE;
REVOKE SELECT (owner) ON paper FROM regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id, owner FROM paper ORDER BY id');
RESET ROLE;
REVOKE SELECT (id) ON paper FROM regress_arcache_one;
CREATE VIEW papers AS SELECT id FROM paper;
GRANT SELECT ON papers TO regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM papers ORDER BY id');
RESET ROLE;
ALTER VIEW papers SET (security_invoker = on);
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM papers ORDER BY id');
RESET ROLE;
ALTER VIEW papers RESET (security_invoker);
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM papers ORDER BY id');
RESET ROLE;
ALTER VIEW papers OWNER TO regress_arcache_owner;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM papers ORDER BY id');
RESET ROLE;
ALTER VIEW papers OWNER TO CURRENT_USER;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM papers ORDER BY id');
RESET ROLE;
DROP OWNED BY regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT * FROM papers ORDER BY id');
RESET ROLE;
GRANT regress_arcache_two TO regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id FROM paper ORDER BY id');
RESET ROLE;
REVOKE regress_arcache_two FROM regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id FROM paper ORDER BY id');
RESET ROLE;
GRANT SELECT ON paper TO PUBLIC;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id FROM paper ORDER BY id');
RESET ROLE;
REVOKE SELECT ON paper FROM PUBLIC;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id FROM paper ORDER BY id');
RESET ROLE;

-- The same for a schema and a function.
CREATE SCHEMA regress_arcache_schema;
CREATE TABLE regress_arcache_schema.t AS SELECT 1 AS a;
SELECT arcache_enable('regress_arcache_schema.t');
CREATE FUNCTION secret() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN 1; END';
GRANT USAGE ON SCHEMA regress_arcache_schema TO regress_arcache_one;
GRANT SELECT ON regress_arcache_schema.t TO regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('schema', 'SELECT * FROM regress_arcache_schema.t'), arcache_get_or_set('function', 'SELECT secret()');
RESET ROLE;
REVOKE USAGE ON SCHEMA regress_arcache_schema FROM regress_arcache_one;
REVOKE EXECUTE ON FUNCTION secret() FROM PUBLIC;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('schema', 'SELECT * FROM regress_arcache_schema.t');
SELECT arcache_get_or_set('function', 'SELECT secret()');
RESET ROLE;

-- Row-level security gives each role, and each tenant, its own rows.
GRANT SELECT ON paper TO regress_arcache_one, regress_arcache_two;
ALTER TABLE paper ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON paper USING (owner = current_user);
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper'), arcache_get_or_set('papers', 'SELECT id, secret FROM paper');
SET ROLE regress_arcache_two;
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper'), arcache_get_or_set('papers', 'SELECT id, secret FROM paper');
RESET ROLE;
DROP POLICY own ON paper;
CREATE POLICY tenant ON paper USING (tenant = current_setting('app.tenant', true));
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper');
SET app.tenant = 'a';
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper');
SELECT * FROM arcache_query('SELECT id, secret FROM paper') AS t(id int, secret text);
SET app.tenant = 'b';
SELECT arcache_get('papers');
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper');
SELECT * FROM arcache_query('SELECT id, secret FROM paper') AS t(id int, secret text);
SELECT arcache_why('SELECT id, secret FROM paper');
SELECT key, coherence FROM arcache_entries WHERE key = 'papers' AND valid;
RESET app.tenant;

-- row_security = off makes it an error, as for the query.
SET row_security = off;
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper');
RESET row_security;
RESET ROLE;

-- BYPASSRLS, given and taken away, takes effect at once.
ALTER ROLE regress_arcache_one BYPASSRLS;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper ORDER BY id');
RESET ROLE;
ALTER ROLE regress_arcache_one NOBYPASSRLS;
SET ROLE regress_arcache_one;
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper ORDER BY id');
RESET ROLE;

-- A policy that calls what cannot be captured keeps its table out of the cache.
CREATE FUNCTION tenant_of() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN current_setting(''app.tenant'', true); END';
DROP POLICY tenant ON paper;
CREATE POLICY tenant ON paper USING (tenant = tenant_of());
SET ROLE regress_arcache_one;
SET app.tenant = 'a';
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper', ttl => '1 hour');
SET app.tenant = 'b';
SELECT arcache_get_or_set('papers', 'SELECT id, secret FROM paper', ttl => '1 hour');
SELECT arcache_exists('papers');
SELECT arcache_why('SELECT id, secret FROM paper');
RESET app.tenant;
RESET ROLE;
DROP POLICY tenant ON paper;
ALTER TABLE paper DISABLE ROW LEVEL SECURITY;

-- A SECURITY DEFINER function reads as its owner, whose entries the caller does not see.
CREATE FUNCTION definer() RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path = public AS
$$ SELECT arcache_get_or_set('definer', 'SELECT id, current_user = session_user AS owner FROM paper ORDER BY id') $$;
REVOKE SELECT ON paper FROM regress_arcache_two;
SET ROLE regress_arcache_two;
SELECT definer();
SELECT definer();
SELECT arcache_get('definer');
RESET ROLE;
SELECT hits FROM arcache_entries WHERE key = 'definer' AND valid;
SELECT arcache_get('definer');

-- Invalidating needs a privilege to write, enabling and disabling need ownership.
SET ROLE regress_arcache_one;
SELECT arcache_invalidate('paper');
SELECT arcache_enable('paper');
SELECT arcache_disable('paper');
SELECT arcache_set('x', '1', depends_on => '{paper}');
RESET ROLE;
GRANT DELETE ON paper TO regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT arcache_invalidate('paper') IS NOT NULL;
SET ROLE regress_arcache_owner;
CREATE TABLE owned (a int);
SELECT arcache_enable('owned');
SELECT arcache_disable('owned');
SELECT arcache_enable('owned');
SET ROLE regress_arcache_one;
SELECT arcache_disable('owned');
SELECT arcache_invalidate('owned');
RESET ROLE;

-- The tracking triggers need no privilege of whoever writes.
GRANT INSERT, SELECT ON owned TO regress_arcache_two;
REVOKE EXECUTE ON FUNCTION arcache_track() FROM PUBLIC;
SET ROLE regress_arcache_two;
SELECT arcache_get_or_set('owned', 'SELECT * FROM owned');
INSERT INTO owned VALUES (1);
SELECT arcache_get_or_set('owned', 'SELECT * FROM owned');
RESET ROLE;
GRANT EXECUTE ON FUNCTION arcache_track() TO PUBLIC;

-- Nobody is fooled by objects in front on the search_path.
CREATE SCHEMA regress_arcache_evil;
CREATE FUNCTION regress_arcache_evil.round(numeric, int) RETURNS numeric LANGUAGE plpgsql AS 'BEGIN RAISE ''attacked''; END';
CREATE FUNCTION regress_arcache_evil.current_database() RETURNS name LANGUAGE plpgsql AS 'BEGIN RAISE ''attacked''; END';
CREATE FUNCTION regress_arcache_evil.pg_get_userbyid(oid) RETURNS name LANGUAGE plpgsql AS 'BEGIN RAISE ''attacked''; END';
CREATE FUNCTION regress_arcache_evil.arcache_track() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''attacked''; END';
CREATE FUNCTION regress_arcache_evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RAISE ''attacked''; END';
CREATE FUNCTION regress_arcache_evil.evil_div(numeric, bigint) RETURNS numeric LANGUAGE plpgsql AS 'BEGIN RAISE ''attacked''; END';
CREATE FUNCTION regress_arcache_evil.evil_eq(oid, oid) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE ''attacked''; END';
CREATE OPERATOR regress_arcache_evil./ (LEFTARG = numeric, RIGHTARG = bigint, FUNCTION = regress_arcache_evil.evil_div);
CREATE OPERATOR regress_arcache_evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = regress_arcache_evil.evil_eq);
CREATE TABLE regress_arcache_evil.pg_class (a int);
CREATE TABLE regress_arcache_evil.pg_trigger (a int);
CREATE TABLE regress_arcache_evil.t (a int);
SET search_path = regress_arcache_evil, pg_catalog, public;
SELECT arcache_enable('t');
SELECT tgfoid::regprocedure FROM pg_catalog.pg_trigger WHERE tgrelid OPERATOR(pg_catalog.=) 't'::regclass;
INSERT INTO t VALUES (1);
SELECT arcache_get_or_set('evil', 'SELECT a FROM t');
SELECT hits >= 0, hit_ratio IS NOT DISTINCT FROM hit_ratio FROM arcache_stats;
SELECT count(*) >= 0 FROM arcache_entries;
SELECT relation FROM arcache_relations WHERE relation OPERATOR(pg_catalog.=) 't'::regclass;
SELECT size > 0 FROM arcache_memory;
SELECT arcache_invalidate('t'), arcache_disable('t');
RESET search_path;
SELECT arcache_clear_all() >= 0;

SET client_min_messages = warning;
DROP SCHEMA regress_arcache_evil, regress_arcache_schema CASCADE;
RESET client_min_messages;
DROP FUNCTION definer, tenant_of, secret;
DROP VIEW papers;
DROP TABLE paper, owned;
REVOKE CREATE ON SCHEMA public FROM regress_arcache_owner;

-- Dropping a role drops its entries.
SET ROLE regress_arcache_one;
SELECT arcache_set('left', '1');
RESET ROLE;
SELECT count(*) FROM arcache_entries WHERE key = 'left';
DROP ROLE regress_arcache_one, regress_arcache_two, regress_arcache_owner, regress_arcache_reader;
SELECT count(*) FROM arcache_entries WHERE key = 'left';
SELECT arcache_clear() >= 0;
