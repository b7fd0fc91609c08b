--
-- Transparent mode and row-level security: two tenants send one text, and
-- neither is ever given a row, or a count, of the other's.
--
-- Every look is compared with the same query computed, right after it and by the
-- same role; tenants are told apart by a setting, by current_user,
-- by membership, and by what a view or a function makes of them.
--
SET client_min_messages = warning;
SET arcache.min_cost = 0;
CREATE FUNCTION did() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	now jsonb := (SELECT to_jsonb(s) FROM arcache_stats s);
	last jsonb := nullif(current_setting('test.last', true), '');
	said text;
BEGIN
	PERFORM set_config('test.last', now::text, false);
	SELECT string_agg(CASE by WHEN 1 THEN what ELSE by || ' ' || what END, ', ' ORDER BY place) INTO said
	  FROM unnest('{hits,fills,rejected_stale_fill,bypass_own_writes,bypass_uncacheable,audit_failures}'::text[],
	              '{hit,fill,rejected: stale,bypass: own writes,bypass: uncacheable,WRONG}'::text[])
	       WITH ORDINALITY AS w(name, what, place),
	       LATERAL (SELECT (now -> name)::int - (last -> name)::int AS by) d
	 WHERE by > 0;
	RETURN coalesce(said, 'nothing');
END $$;
CREATE FUNCTION rows_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	rows text := '';
BEGIN
	FOR r IN EXECUTE query LOOP
		rows := rows || r::text;
	END LOOP;
	RETURN rows;
EXCEPTION WHEN insufficient_privilege THEN
	RETURN SQLERRM;
END $$;
-- What a query gives to the caller: through the cache twice, verified, and computed.
CREATE FUNCTION look(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	got text[] := '{}';
	computed text;
	how text := '';
BEGIN
	PERFORM did();
	FOR i IN 1..2 LOOP
		got := got || rows_of(query);
		how := how || did() || '; ';
	END LOOP;
	PERFORM set_config('arcache.auto', 'off', true);
	computed := rows_of(query);
	PERFORM set_config('arcache.auto', 'on', true);
	RETURN how || computed || CASE WHEN got <> ARRAY[computed, computed] THEN ' DIFFERENT: ' || got::text ELSE '' END;
END $$;
CREATE ROLE arcache_ann;
CREATE ROLE arcache_bob;
CREATE ROLE arcache_owner;
GRANT ALL ON SCHEMA public TO arcache_owner;
SET ROLE arcache_owner;
CREATE TABLE doc (id int PRIMARY KEY, tenant text, who name, body text);
INSERT INTO doc VALUES (1, 'a', 'arcache_ann', 'a one'), (2, 'a', 'arcache_ann', 'a two'), (3, 'b', 'arcache_bob', 'b three'), (4, 'b', 'arcache_bob', 'b four'), (5, 'c', 'arcache_owner', 'c five');
SELECT arcache_enable('doc');
GRANT SELECT, INSERT, UPDATE ON doc TO arcache_ann, arcache_bob;
RESET ROLE;
SET arcache.debug_verify = on;
SET arcache.auto = on;

-- Before there are policies all see all; with them no old result is given.
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;

--
-- By a setting: one role, one session, as behind a pooler
--
CREATE POLICY by_setting ON doc USING (tenant = current_setting('app.tenant', true));
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET app.tenant = 'a';
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('SELECT count(*) FROM doc'), look('SELECT body FROM doc WHERE id = 3'), look('SELECT body FROM doc WHERE id = 1');
SET app.tenant = 'b';
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('SELECT count(*) FROM doc'), look('SELECT body FROM doc WHERE id = 3'), look('SELECT body FROM doc WHERE id = 1');
SET app.tenant = 'a';
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET app.tenant = '';
SELECT look('SELECT id, body FROM doc ORDER BY id');
BEGIN;
SET LOCAL app.tenant = 'a';
SELECT id, body FROM doc ORDER BY id;
COMMIT;
SELECT id, body FROM doc ORDER BY id;
BEGIN;
SET app.tenant = 'b';
SELECT id, body FROM doc ORDER BY id;
ROLLBACK;
SELECT id, body FROM doc ORDER BY id;
SET app.tenant = 'a';
-- prepared, custom and generic
PREPARE docs AS SELECT id, body FROM doc ORDER BY id;
PREPARE doc_n(int) AS SELECT body FROM doc WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
SELECT did() IS NOT NULL AS begin;
EXECUTE docs;
EXECUTE docs;
EXECUTE doc_n(1);
EXECUTE doc_n(3);
EXECUTE doc_n(1);
SET app.tenant = 'b';
EXECUTE docs;
EXECUTE docs;
EXECUTE doc_n(1);
EXECUTE doc_n(3);
SET app.tenant = 'a';
EXECUTE docs;
EXECUTE doc_n(1);
SELECT did();
RESET plan_cache_mode;
DEALLOCATE ALL;
-- a cursor is the server's: it asks its policy for each row
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT id, body FROM doc ORDER BY id;
FETCH 1 FROM c;
SET LOCAL app.tenant = 'b';
FETCH ALL FROM c;
DECLARE d NO SCROLL CURSOR FOR SELECT id, body FROM doc ORDER BY id;
SET LOCAL app.tenant = 'a';
FETCH ALL FROM d;
COMMIT;
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET app.tenant = 'b';
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET app.tenant;
RESET ROLE;
-- the setting in a name that a policy computes cannot be captured
DROP POLICY by_setting ON doc;
CREATE POLICY by_computed_name ON doc USING (tenant = current_setting('app.' || left('tenant' || body, 6), true));
SET ROLE arcache_ann;
SET app.tenant = 'a';
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET app.tenant = 'b';
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET app.tenant;
RESET ROLE;
DROP POLICY by_computed_name ON doc;
-- nor what a function reads
CREATE FUNCTION tenant() RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN RETURN current_setting(''app.tenant'', true); END';
CREATE FUNCTION tenant_sql() RETURNS text STABLE LANGUAGE sql AS 'SELECT current_setting(''app.tenant'', true)';
CREATE POLICY by_function ON doc USING (tenant = tenant());
SET ROLE arcache_ann;
SET app.tenant = 'a';
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('/*+ arcache(ttl=300) */ SELECT id, body FROM doc ORDER BY id');
SET app.tenant = 'b';
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('/*+ arcache(ttl=300) */ SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
DROP POLICY by_function ON doc;
CREATE POLICY by_function ON doc USING (tenant = tenant_sql());
SET ROLE arcache_ann;
SET app.tenant = 'a';
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('/*+ arcache(ttl=300) */ SELECT id, body FROM doc ORDER BY id');
SET app.tenant = 'b';
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('/*+ arcache(ttl=300) */ SELECT id, body FROM doc ORDER BY id');
RESET app.tenant;
RESET ROLE;
DROP POLICY by_function ON doc;

--
-- By role
--
CREATE POLICY by_user ON doc USING (who = current_user);
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('SELECT count(*) FROM doc');
SET ROLE arcache_bob;
SELECT look('SELECT id, body FROM doc ORDER BY id'), look('SELECT count(*) FROM doc');
-- the owner and a superuser see all: until it is forced upon the owner
SET ROLE arcache_owner;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
SELECT look('SELECT id, body FROM doc ORDER BY id');
ALTER TABLE doc FORCE ROW LEVEL SECURITY;
SET ROLE arcache_owner;
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
SELECT look('SELECT id, body FROM doc ORDER BY id');
ALTER TABLE doc NO FORCE ROW LEVEL SECURITY;
SET ROLE arcache_owner;
SELECT look('SELECT id, body FROM doc ORDER BY id');
-- row_security = off raises rather than filters
SET ROLE arcache_ann;
SET row_security = off;
SELECT id, body FROM doc ORDER BY id;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET row_security;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
-- BYPASSRLS comes and goes
ALTER ROLE arcache_ann BYPASSRLS;
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
ALTER ROLE arcache_ann NOBYPASSRLS;
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;

-- A prepared statement is kept across SET ROLE.
PREPARE docs AS SELECT id, body FROM doc ORDER BY id;
PREPARE doc_n(int) AS SELECT body FROM doc WHERE id = $1;
SELECT did() IS NOT NULL AS begin;
SET plan_cache_mode = force_generic_plan;
EXECUTE docs;
SET ROLE arcache_ann;
EXECUTE docs;
EXECUTE doc_n(1);
EXECUTE doc_n(3);
SET ROLE arcache_bob;
EXECUTE docs;
EXECUTE doc_n(1);
EXECUTE doc_n(3);
SET ROLE arcache_ann;
EXECUTE docs;
EXECUTE doc_n(1);
EXECUTE doc_n(3);
RESET ROLE;
EXECUTE docs;
EXECUTE doc_n(3);
SELECT did();
-- SET SESSION AUTHORIZATION, and session_user
SET SESSION AUTHORIZATION arcache_ann;
EXECUTE docs;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION arcache_bob;
EXECUTE docs;
RESET SESSION AUTHORIZATION;
DEALLOCATE ALL;
RESET plan_cache_mode;
DROP POLICY by_user ON doc;
CREATE POLICY by_session ON doc USING (who = session_user);
SET SESSION AUTHORIZATION arcache_ann;
SELECT id, body FROM doc ORDER BY id;
SELECT id, body FROM doc ORDER BY id;
RESET SESSION AUTHORIZATION;
GRANT arcache_ann TO arcache_bob;
SET SESSION AUTHORIZATION arcache_bob;
SET ROLE arcache_ann;
SELECT id, body FROM doc ORDER BY id;
SELECT id, body FROM doc ORDER BY id;
RESET SESSION AUTHORIZATION;
REVOKE arcache_ann FROM arcache_bob;
DROP POLICY by_session ON doc;

-- By membership: GRANT and REVOKE of a role between two hits.
CREATE ROLE arcache_group;
CREATE POLICY of_group ON doc TO arcache_group USING (true);
CREATE POLICY by_user ON doc USING (who = current_user);
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
GRANT arcache_group TO arcache_ann;
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
REVOKE arcache_group FROM arcache_ann;
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
DROP POLICY of_group ON doc;
CREATE POLICY has_role ON doc USING (pg_has_role(current_user, 'arcache_group', 'member'));
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
GRANT arcache_group TO arcache_ann;
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
DROP POLICY has_role ON doc;
DROP ROLE arcache_group;

-- By another table, which may itself have policies.
CREATE TABLE member (who name, tenant text);
INSERT INTO member VALUES ('arcache_ann', 'a');
GRANT SELECT ON member TO arcache_ann, arcache_bob;
DROP POLICY by_user ON doc;
CREATE POLICY by_member ON doc USING (tenant IN (SELECT m.tenant FROM member m WHERE m.who = current_user));
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
SELECT arcache_enable('member');
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET ROLE arcache_bob;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
INSERT INTO member VALUES ('arcache_ann', 'c'), ('arcache_bob', 'b');
SET ROLE arcache_ann;
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET ROLE arcache_bob;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
ALTER TABLE member ENABLE ROW LEVEL SECURITY;
SET ROLE arcache_bob;
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET ROLE;
CREATE POLICY m ON member USING (current_setting('app.state', true) = 'yes');
SET ROLE arcache_bob;
SET app.state = 'yes';
SELECT look('SELECT id, body FROM doc ORDER BY id');
SET app.state = 'no';
SELECT look('SELECT id, body FROM doc ORDER BY id');
RESET app.state;
RESET ROLE;
DROP POLICY by_member ON doc;
DROP TABLE member;

-- A policy is changed between two hits of a prepared statement.
CREATE POLICY p ON doc USING (who = current_user);
SET ROLE arcache_ann;
PREPARE docs AS SELECT id, body FROM doc ORDER BY id;
EXECUTE docs;
EXECUTE docs;
RESET ROLE;
ALTER POLICY p ON doc USING (who = current_user AND id > 1);
SET ROLE arcache_ann;
EXECUTE docs;
EXECUTE docs;
RESET ROLE;
CREATE POLICY r ON doc AS RESTRICTIVE USING (false);
SET ROLE arcache_ann;
EXECUTE docs;
EXECUTE docs;
RESET ROLE;
DROP POLICY r ON doc;
ALTER POLICY p ON doc TO arcache_bob;
SET ROLE arcache_ann;
EXECUTE docs;
RESET ROLE;
ALTER POLICY p ON doc TO PUBLIC;
ALTER POLICY p ON doc USING (who = current_user);
SET ROLE arcache_ann;
EXECUTE docs;
RESET ROLE;
ALTER TABLE doc DISABLE ROW LEVEL SECURITY;
SET ROLE arcache_ann;
EXECUTE docs;
RESET ROLE;
ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
SET ROLE arcache_ann;
EXECUTE docs;
DEALLOCATE docs;
-- a write of one tenant leaves the other's rows right
SELECT look('SELECT count(*), max(body) FROM doc');
INSERT INTO doc VALUES (6, 'a', 'arcache_ann', 'a six');
SELECT look('SELECT count(*), max(body) FROM doc');
SET ROLE arcache_bob;
SELECT look('SELECT count(*), max(body) FROM doc');
RESET ROLE;

--
-- Views and functions that act for their owner
--
GRANT USAGE ON SCHEMA public TO arcache_ann, arcache_bob;
SET ROLE arcache_owner;
CREATE VIEW doc_v AS SELECT id, body, current_user::text AS asks FROM doc;
CREATE VIEW doc_barrier WITH (security_barrier) AS SELECT id, body FROM doc WHERE tenant = 'a';
CREATE VIEW doc_invoker WITH (security_invoker) AS SELECT id, body, current_user::text AS asks FROM doc;
CREATE FUNCTION docs_definer() RETURNS SETOF text VOLATILE SECURITY DEFINER LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT id || body || current_user FROM doc ORDER BY id; END$$;
CREATE FUNCTION docs_invoker() RETURNS SETOF text VOLATILE SECURITY INVOKER LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT id || body || current_user FROM doc ORDER BY id; END$$;
CREATE FUNCTION docs_sql() RETURNS SETOF text VOLATILE SECURITY DEFINER LANGUAGE sql AS $$SELECT id || body || current_user FROM doc ORDER BY id$$;
GRANT SELECT ON doc_v, doc_barrier, doc_invoker TO arcache_ann, arcache_bob;
SET ROLE arcache_ann;
SELECT look('SELECT * FROM doc_v ORDER BY id'), look('SELECT * FROM doc_barrier ORDER BY id'), look('SELECT * FROM doc_invoker ORDER BY id');
SELECT look('SELECT * FROM docs_definer()'), look('SELECT * FROM docs_invoker()'), look('SELECT * FROM docs_sql()');
SET ROLE arcache_bob;
SELECT look('SELECT * FROM doc_v ORDER BY id'), look('SELECT * FROM doc_barrier ORDER BY id'), look('SELECT * FROM doc_invoker ORDER BY id');
SELECT look('SELECT * FROM docs_definer()'), look('SELECT * FROM docs_invoker()'), look('SELECT * FROM docs_sql()');
SET ROLE arcache_owner;
SELECT look('SELECT * FROM doc_v ORDER BY id'), look('SELECT * FROM docs_definer()'), look('SELECT * FROM docs_invoker()');
-- the owner's function and the owner's query share what both may see, and nobody else does
SELECT look('SELECT id || body || current_user FROM doc ORDER BY id');
ALTER VIEW doc_v SET (security_invoker);
ALTER VIEW doc_invoker RESET (security_invoker);
SET ROLE arcache_bob;
SELECT look('SELECT * FROM doc_v ORDER BY id'), look('SELECT * FROM doc_invoker ORDER BY id');
RESET ROLE;
ALTER FUNCTION docs_definer() SECURITY INVOKER;
ALTER FUNCTION docs_invoker() SECURITY DEFINER;
ALTER TABLE doc FORCE ROW LEVEL SECURITY;
SET ROLE arcache_bob;
SELECT look('SELECT * FROM docs_definer()'), look('SELECT * FROM docs_invoker()'), look('SELECT * FROM docs_sql()'), look('SELECT * FROM doc_invoker ORDER BY id');
-- a view's owner is another
RESET ROLE;
ALTER VIEW doc_invoker OWNER TO arcache_ann;
SET ROLE arcache_bob;
SELECT look('SELECT * FROM doc_invoker ORDER BY id');
RESET ROLE;
ALTER TABLE doc NO FORCE ROW LEVEL SECURITY;
-- a function that sets the tenant for its own run
CREATE POLICY by_setting ON doc USING (tenant = current_setting('app.tenant', true));
CREATE FUNCTION as_tenant_b() RETURNS SETOF text LANGUAGE plpgsql SET app.tenant = 'b' AS $$BEGIN RETURN QUERY SELECT id || body FROM doc ORDER BY id; END$$;
SET ROLE arcache_ann;
SELECT look('SELECT id || body FROM doc ORDER BY id');
SELECT look('SELECT * FROM as_tenant_b()');
SELECT look('SELECT id || body FROM doc ORDER BY id');
RESET ROLE;
DROP POLICY by_setting ON doc;

-- A function that leaks must not be shown rows that are not one's own, cached or not.
CREATE FUNCTION peek(text) RETURNS boolean IMMUTABLE COST 0.0001 LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'peeks at %', $1; RETURN true; END$$;
SET ROLE arcache_ann;
SELECT id FROM doc WHERE peek(body);
RESET ROLE;
SET arcache.debug_verify = off;
SET ROLE arcache_ann;
SELECT id FROM doc WHERE peek(body);
SET ROLE arcache_bob;
SELECT id FROM doc WHERE peek(body);
RESET ROLE;
SET arcache.debug_verify = on;

--
-- Privileges
--
ALTER TABLE doc DISABLE ROW LEVEL SECURITY;
SET ROLE arcache_ann;
PREPARE docs AS SELECT id, body FROM doc ORDER BY id;
EXECUTE docs;
EXECUTE docs;
SELECT look('SELECT * FROM doc ORDER BY id');
RESET ROLE;
REVOKE SELECT ON doc FROM arcache_ann;
SET ROLE arcache_ann;
EXECUTE docs;
SELECT look('SELECT * FROM doc ORDER BY id');
SELECT look('SELECT count(*) FROM doc');
RESET ROLE;
GRANT SELECT (id, body) ON doc TO arcache_ann;
SET ROLE arcache_ann;
EXECUTE docs;
EXECUTE docs;
SELECT look('SELECT id FROM doc ORDER BY id'), look('SELECT * FROM doc ORDER BY id'), look('SELECT doc FROM doc'), look('SELECT id FROM doc WHERE tenant = ''a''');
RESET ROLE;
REVOKE SELECT (body) ON doc FROM arcache_ann;
SET ROLE arcache_ann;
EXECUTE docs;
SELECT look('SELECT id FROM doc ORDER BY id');
RESET ROLE;
-- a right that comes by a role
GRANT SELECT ON doc TO arcache_owner;
GRANT arcache_bob TO arcache_ann;
SET ROLE arcache_ann;
EXECUTE docs;
EXECUTE docs;
RESET ROLE;
REVOKE arcache_bob FROM arcache_ann;
SET ROLE arcache_ann;
EXECUTE docs;
RESET ROLE;
-- of a function, a schema, a view, and of the view's owner
GRANT SELECT ON doc TO arcache_ann;
CREATE FUNCTION shout(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN upper($1); END';
SET ROLE arcache_ann;
SELECT look('SELECT shout(body) FROM doc WHERE id = 1'), look('SELECT id FROM doc_barrier ORDER BY id');
PREPARE shouts AS SELECT shout(body) FROM doc WHERE id = 1;
PREPARE barrier AS SELECT id FROM doc_barrier ORDER BY id;
EXECUTE shouts;
EXECUTE barrier;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION shout FROM PUBLIC;
REVOKE SELECT ON doc FROM arcache_owner;
SET ROLE arcache_ann;
SELECT look('SELECT shout(body) FROM doc WHERE id = 1'), look('SELECT id FROM doc_barrier ORDER BY id');
EXECUTE shouts;
EXECUTE barrier;
RESET ROLE;
GRANT SELECT ON doc TO arcache_owner;
REVOKE SELECT ON doc_barrier FROM arcache_ann;
SET ROLE arcache_ann;
SELECT look('SELECT id FROM doc_barrier ORDER BY id');
EXECUTE barrier;
RESET ROLE;
REVOKE USAGE ON SCHEMA public FROM PUBLIC, arcache_ann;
SET ROLE arcache_ann;
SELECT id FROM doc;
EXECUTE docs;
RESET ROLE;
GRANT USAGE ON SCHEMA public TO PUBLIC;
DEALLOCATE ALL;

-- In the end: used, and never wrong.
SELECT hits > 60 AS hits, audits > 60 AS verified, audit_failures FROM arcache_stats;
SELECT arcache_clear_all() IS NOT NULL AS cleared;
DROP OWNED BY arcache_ann, arcache_bob, arcache_owner CASCADE;
DROP ROLE arcache_ann, arcache_bob, arcache_owner;
DROP FUNCTION did, rows_of, look, tenant, tenant_sql, as_tenant_b, peek, shout;
