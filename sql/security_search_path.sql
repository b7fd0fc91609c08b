--
-- An attacker owns the schema that the extension is created in, and is first on
-- the search_path of a superuser who creates and uses it: none of what he has put
-- there is called or referred to.
--
-- He has an operator of every name that the install script and the views use, for
-- every pair of common types; functions of every name, with better matching
-- arguments; types, tables and sequences named as the server's are.  All raise.
--
SET client_min_messages = warning;
CREATE ROLE regress_arcache_attacker;
CREATE DATABASE regress_arcache_attacked;
\set main :DBNAME
\c regress_arcache_attacked
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE SCHEMA evil AUTHORIZATION regress_arcache_attacker;
GRANT CREATE ON DATABASE regress_arcache_attacked TO regress_arcache_attacker;
GRANT CREATE ON SCHEMA public TO regress_arcache_attacker;
SET ROLE regress_arcache_attacker;
CREATE FUNCTION evil.attack() RETURNS text LANGUAGE plpgsql AS
$$BEGIN RAISE 'attacked as %', current_user; END$$;
DO $$
DECLARE
	types text[] := '{int2,int4,int8,numeric,float8,text,name,oid,regclass,interval,bool,"\"char\"","name[]","text[]",jsonb,timestamptz,int2vector,oidvector}';
	a text;
	b text;
	op text;
	f text;
	n int := 0;
	operators int := 0;
	functions int := 0;
BEGIN
	FOREACH op IN ARRAY '{=,<>,<,<=,>,>=,+,-,*,/,~~,||}'::text[] LOOP
		FOREACH a IN ARRAY types LOOP
			FOREACH b IN ARRAY types LOOP
				n := n + 1;
				EXECUTE format('CREATE FUNCTION evil.operator_%s(pg_catalog.%s, pg_catalog.%s) RETURNS pg_catalog.%s LANGUAGE sql AS $f$SELECT evil.attack()::pg_catalog.%5$s$f$',
							   n, a, b, CASE WHEN op IN ('+', '-', '*', '/') THEN a WHEN op = '||' THEN 'text' ELSE 'bool' END,
							   CASE WHEN op IN ('+', '-', '*', '/') THEN a WHEN op = '||' THEN 'text' ELSE 'bool' END);
				EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = evil.operator_%s)', op, a, b, n);
				operators := operators + 1;
			END LOOP;
		END LOOP;
	END LOOP;
	-- every function of the server's that the extension could mean, and some with a default argument more
	FOR f IN
		SELECT DISTINCT proname FROM pg_catalog.pg_proc
		 WHERE pronamespace = 'pg_catalog'::regnamespace
		   AND proname ~ '^(round|current_database|pg_get_userbyid|octet_length|cardinality|array_position|pg_extension_config_dump|to_jsonb|row_to_json|jsonb_agg|json_agg|nullif|abs|numeric|int4|int8|oid|regclass|text|interval|bool)$'
	LOOP
		FOREACH a IN ARRAY types LOOP
			EXECUTE format('CREATE FUNCTION evil.%I(pg_catalog.%s) RETURNS pg_catalog.text LANGUAGE sql AS ''SELECT evil.attack()''', f, a);
			functions := functions + 1;
			FOREACH b IN ARRAY types LOOP
				EXECUTE format('CREATE FUNCTION evil.%I(pg_catalog.%s, pg_catalog.%s) RETURNS pg_catalog.text LANGUAGE sql AS ''SELECT evil.attack()''', f, a, b);
				functions := functions + 1;
			END LOOP;
		END LOOP;
		EXECUTE format('CREATE FUNCTION evil.%I() RETURNS pg_catalog.text LANGUAGE sql AS ''SELECT evil.attack()''', f);
	END LOOP;
	RAISE INFO 'operators: %, functions: %', operators, functions >= 2000;
END $$;
-- the extension's own functions, overloaded
CREATE FUNCTION evil.arcache_entries_data(VARIADIC a pg_catalog.int4[]) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT evil.attack()';
CREATE FUNCTION evil.arcache_relation_usage(VARIADIC a pg_catalog.int4[]) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT evil.attack()';
CREATE FUNCTION evil.arcache_relation_tracking(pg_catalog.regclass) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT evil.attack()';
CREATE FUNCTION evil.arcache_track(a pg_catalog.int4 DEFAULT 0) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT evil.attack()';
CREATE FUNCTION evil.arcache_relationship_changed(a pg_catalog.int4 DEFAULT 0) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT evil.attack()';
CREATE FUNCTION evil.arcache_stats_data(a pg_catalog.int4 DEFAULT 0) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT evil.attack()';
-- types and tables
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil.interval AS pg_catalog.interval CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil.jsonb AS pg_catalog.jsonb CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil.int8 AS pg_catalog.int8 CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil."numeric" AS pg_catalog.numeric CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil.name AS pg_catalog.name CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil.oid AS pg_catalog.oid CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil.regclass AS pg_catalog.regclass CHECK (evil.attack() IS NULL);
CREATE DOMAIN evil.timestamptz AS pg_catalog.timestamptz CHECK (evil.attack() IS NULL);
CREATE VIEW evil.pg_class AS SELECT evil.attack() AS oid;
CREATE VIEW evil.pg_trigger AS SELECT evil.attack() AS tgrelid;
CREATE VIEW evil.pg_proc AS SELECT evil.attack() AS oid;
CREATE VIEW evil.pg_database AS SELECT evil.attack() AS oid;
CREATE FUNCTION public.arcache_track() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'attacked as %', current_user; END$$;
RESET ROLE;
-- the trap works
SELECT evil.attack();
SET search_path = evil, pg_catalog;
SELECT 1::int4 + 2::int8;
SELECT current_database();

-- The extension is created in the attacker's schema, under his search_path.
-- Temporary objects shadow as well.
CREATE TEMP TABLE arcache_relationship (parent pg_catalog.int4, name pg_catalog.int4);
CREATE TEMP TABLE pg_class (oid pg_catalog.int4);
-- What would be ambiguous is refused, and then there is nothing of the extension.
\set VERBOSITY sqlstate
CREATE EXTENSION arcache SCHEMA evil;
SELECT pg_catalog.count(*) FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) 'arcache'::pg_catalog.name;
DROP FUNCTION evil.arcache_stats_data(pg_catalog.int4);
CREATE FUNCTION evil.arcache_get(key pg_catalog.text) RETURNS pg_catalog.jsonb LANGUAGE sql AS 'SELECT evil.attack()::pg_catalog.jsonb';
CREATE EXTENSION arcache SCHEMA evil;
\set VERBOSITY default
DROP FUNCTION evil.arcache_get;
CREATE EXTENSION arcache SCHEMA evil;
RESET search_path;

-- What belongs to the extension refers to nothing of the attacker's.
CREATE VIEW public.member AS
SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'arcache');
-- with what is inside of it: rules of views, constraints, indexes, defaults, triggers
CREATE VIEW public.part AS
WITH RECURSIVE part AS (
	SELECT classid, objid FROM public.member
	UNION
	SELECT d.classid, d.objid FROM pg_depend d JOIN part p ON d.refclassid = p.classid AND d.refobjid = p.objid WHERE d.deptype IN ('i', 'a')
)
SELECT * FROM part;
SELECT count(*) > 60 AS parts, count(*) FILTER (WHERE classid = 'pg_rewrite'::regclass) AS rules, count(*) FILTER (WHERE classid = 'pg_constraint'::regclass) >= 6 AS constraints FROM public.part;
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS refers, pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS of_the_attacker
  FROM pg_depend d JOIN public.part p ON d.classid = p.classid AND d.objid = p.objid
  JOIN pg_shdepend s ON s.classid = d.refclassid AND s.objid = d.refobjid AND s.deptype = 'o' AND s.refobjid = 'regress_arcache_attacker'::regrole
                    AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
 WHERE d.refclassid <> 'pg_namespace'::regclass
 ORDER BY 1, 2;
-- and pg_dump's condition names its operators
SELECT count(*) AS conditions, bool_and(c !~ '[^.]=|=[^)]') AS qualified FROM pg_extension, unnest(extcondition) c WHERE extname = 'arcache';

-- The attacker's table has triggers, and types whose casts are his.
SET ROLE regress_arcache_attacker;
CREATE TYPE evil.mood AS ENUM ('good', 'bad');
CREATE FUNCTION evil.to_mood(pg_catalog.int4) RETURNS evil.mood LANGUAGE plpgsql AS $$BEGIN RAISE 'attacked as %', current_user; END$$;
CREATE FUNCTION evil.to_text(evil.mood) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$BEGIN RAISE 'attacked as %', current_user; END$$;
CREATE FUNCTION evil.hash(evil.mood) RETURNS pg_catalog.int4 LANGUAGE plpgsql AS $$BEGIN RAISE 'attacked as %', current_user; END$$;
CREATE FUNCTION evil.equal(evil.mood, evil.mood) RETURNS pg_catalog.bool LANGUAGE plpgsql AS $$BEGIN RAISE 'attacked as %', current_user; END$$;
CREATE CAST (pg_catalog.int4 AS evil.mood) WITH FUNCTION evil.to_mood AS ASSIGNMENT;
CREATE CAST (evil.mood AS pg_catalog.text) WITH FUNCTION evil.to_text AS ASSIGNMENT;
CREATE OPERATOR evil.= (LEFTARG = evil.mood, RIGHTARG = evil.mood, FUNCTION = evil.equal, HASHES, MERGES);
-- (only a superuser makes an operator class: types hash and compare by the server's own)
CREATE OPERATOR CLASS evil.mood_ops DEFAULT FOR TYPE evil.mood USING hash AS OPERATOR 1 evil.=, FUNCTION 1 evil.hash(evil.mood);
CREATE DOMAIN evil.checked AS evil.mood CHECK (evil.equal(value, value));
CREATE TYPE evil.pair AS (a evil.mood, b evil.mood);
CREATE TABLE evil.trap (id evil.mood PRIMARY KEY, pair evil.pair UNIQUE, t pg_catalog.text);
CREATE TABLE evil.child (id pg_catalog.int4 PRIMARY KEY, trap evil.mood REFERENCES evil.trap);
INSERT INTO evil.trap VALUES ('good', ROW('good'::evil.mood, 'bad'::evil.mood), 'x');
INSERT INTO evil.child VALUES (1, 'good');
CREATE FUNCTION evil.fires() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'attacked as %', current_user; END$$;
CREATE TRIGGER arcache_track BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON evil.trap FOR EACH STATEMENT EXECUTE FUNCTION evil.fires();
CREATE TRIGGER arcache_track_keys AFTER INSERT OR UPDATE OR DELETE ON evil.trap FOR EACH ROW EXECUTE FUNCTION evil.fires('auto=true', 'key=id');
CREATE TRIGGER a BEFORE UPDATE ON evil.trap FOR EACH ROW EXECUTE FUNCTION evil.fires();
-- what merely bears the name of the trigger function does not make a table tracked
CREATE TABLE evil.pretends (a pg_catalog.int4);
CREATE TRIGGER t BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON evil.pretends FOR EACH STATEMENT EXECUTE FUNCTION public.arcache_track();
ALTER TABLE evil.pretends ENABLE ALWAYS TRIGGER t;
RESET ROLE;

-- A superuser enables it, looks at it, reads through the cache, and looks at the cache.
SET search_path = evil, public, pg_catalog;
SELECT evil.arcache_enable('evil.trap'), evil.arcache_enable('evil.child');
SELECT tgname, tgfoid::pg_catalog.regprocedure, tgenabled FROM pg_catalog.pg_trigger WHERE tgrelid OPERATOR(pg_catalog.=) 'evil.trap'::pg_catalog.regclass AND NOT tgisinternal ORDER BY tgname;
SELECT relation, keys FROM evil.arcache_relations ORDER BY relation USING OPERATOR(pg_catalog.<);
DROP TABLE pg_temp.arcache_relationship, pg_temp.pg_class;
SELECT evil.arcache_has_many('evil.trap', 'children', 'evil.child');
SELECT name, kind, child FROM evil.arcache_relationships;
SELECT evil.arcache_get_or_set('k', 'SELECT id, t FROM evil.trap');
SELECT evil.arcache_get_or_set('k', 'SELECT id, t FROM evil.trap');
SELECT * FROM evil.arcache_query('SELECT id, t FROM evil.trap') AS q(id evil.mood, t pg_catalog.text);
SELECT * FROM evil.arcache_row(NULL::evil.trap, 'good');
SELECT * FROM evil.arcache_row(NULL::evil.trap, 'good'::evil.mood);
SELECT id FROM evil.arcache_rows(NULL::evil.trap, ARRAY['good', 'bad']::evil.mood[]);
SELECT * FROM evil.arcache_related(NULL::evil.child, 'evil.trap', 'children', 'good');
SELECT * FROM evil.arcache_related_many(NULL::evil.child, 'evil.trap', 'children', ARRAY['good', 'bad']::evil.mood[]);
SELECT evil.arcache_row_get(NULL::evil.trap, 'good');
SELECT evil.arcache_row_set(ROW('bad', NULL, 'y')::evil.trap);
SELECT evil.arcache_row_delete('evil.trap', 'bad'), evil.arcache_row_clear('evil.trap') OPERATOR(pg_catalog.>) 0;
SELECT evil.arcache_clear_related('evil.trap', 'children'), evil.arcache_clear_related('evil.trap', 'children', 'good');
SELECT evil.arcache_why('SELECT id, t FROM evil.trap');
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 FROM evil.arcache_entries;
SELECT pg_catalog.count(*) FROM evil.arcache_stats;
SELECT pg_catalog.count(*) FROM evil.arcache_memory;
SELECT pg_catalog.count(*) OPERATOR(pg_catalog.>=) 0 FROM evil.arcache_statements;
SELECT * FROM evil.arcache_stats_data() s WHERE s.hits IS NULL;
SELECT evil.arcache_drop_relationship('evil.trap', 'children');
SELECT evil.arcache_invalidate('evil.trap') IS NOT NULL, evil.arcache_invalidate_tag('t');
SELECT evil.arcache_set('v', '1', depends_on => '{evil.trap}'), evil.arcache_get('v'), evil.arcache_delete('v'), evil.arcache_delete_pattern('v*');
SELECT evil.arcache_clear_all() IS NOT NULL, evil.arcache_stats_reset();
SELECT evil.arcache_disable('evil.trap');

-- A member of the extension is not the schema's owner's to drop or to replace.
SET ROLE regress_arcache_attacker;
DROP FUNCTION evil.arcache_track();
DROP TABLE evil.arcache_relationship;
CREATE OR REPLACE FUNCTION evil.arcache_get(key pg_catalog.text) RETURNS pg_catalog.jsonb LANGUAGE sql AS 'SELECT evil.attack()::pg_catalog.jsonb';
CREATE TRIGGER t BEFORE INSERT ON evil.arcache_relationship FOR EACH ROW EXECUTE FUNCTION evil.fires();
CREATE FUNCTION evil.own() RETURNS pg_catalog.text AS '$libdir/arcache', 'arcache_clear_all' LANGUAGE C;
RESET ROLE;

-- SECURITY DEFINER: a function of a superuser's that reads through the cache, called under the attacker's search_path.
RESET search_path;
CREATE TABLE public.secret (id int PRIMARY KEY, v text);
INSERT INTO public.secret VALUES (1, 'one');
SELECT evil.arcache_enable('public.secret');
CREATE FUNCTION public.definer() RETURNS text SECURITY DEFINER SET search_path = pg_catalog, pg_temp LANGUAGE plpgsql AS
$$BEGIN RETURN (SELECT evil.arcache_get_or_set('d', 'SELECT v FROM public.secret WHERE id = 1')) || (evil.arcache_row(NULL::public.secret, 1))::text; END$$;
SELECT public.definer();
SET ROLE regress_arcache_attacker;
SET search_path = evil, pg_catalog;
SELECT public.definer();
SELECT evil.arcache_get('d'), pg_catalog.count(*) FROM evil.arcache_entries WHERE key IS NOT NULL;
SELECT evil.arcache_row_get(NULL::public.secret, 1);
-- defining a relationship writes the extension's table as its owner: not as the attacker would have it
SELECT evil.arcache_has_many('evil.trap', 'children', 'evil.child');
SELECT evil.arcache_drop_relationship('evil.trap', 'children');
RESET ROLE;
RESET search_path;

\c :main
SET client_min_messages = warning;
DROP DATABASE regress_arcache_attacked;
DROP ROLE regress_arcache_attacker;
