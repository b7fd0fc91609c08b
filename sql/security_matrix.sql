--
-- Every function and view of the extension, called by every kind of role, at
-- the entries and tables of others.
--
-- A cell says what came of the call:
--   .      nothing of others was seen
--   T      rows of the table that only roles with full SELECT on it may see
--   S      a key, query, parameter, tag, value or identifier of the victim's
--   R      entries or counts of the victim's are gone
--   42501  this error
--
-- The list of calls is compared with the catalog: what is new in the extension
-- and has no line here is named by the test, which fails.
--
SET client_min_messages = warning;
SET arcache.min_cost = 0;
SET arcache.auto = on;
\pset null '(null)'
CREATE ROLE regress_arcache_owner;
CREATE ROLE regress_arcache_victim;
CREATE ROLE regress_arcache_granted;
CREATE ROLE regress_arcache_revoked;
CREATE ROLE regress_arcache_stats IN ROLE pg_read_all_stats;
CREATE ROLE regress_arcache_monitor IN ROLE pg_monitor;
CREATE ROLE regress_arcache_super SUPERUSER;
CREATE ROLE regress_arcache_tenant;
CREATE ROLE regress_arcache_nobody;
GRANT CREATE ON SCHEMA public TO regress_arcache_owner;
SET ROLE regress_arcache_owner;
CREATE TABLE doc (id int PRIMARY KEY, body text);
CREATE TABLE note (id int PRIMARY KEY, doc int REFERENCES doc, body text);
INSERT INTO doc VALUES (1, 'd0q one'), (2, 'mine two');
INSERT INTO note VALUES (1, 1, 'd0q note'), (2, 2, 'mine note');
SELECT arcache_enable('doc'), arcache_enable('note');
SELECT arcache_has_many('doc', 'notes', 'note');
ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
ALTER TABLE note ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON doc TO regress_arcache_victim, regress_arcache_granted, regress_arcache_revoked USING (true);
CREATE POLICY everything ON note TO regress_arcache_victim, regress_arcache_granted, regress_arcache_revoked USING (true);
CREATE POLICY mine ON doc TO regress_arcache_tenant USING (body LIKE 'mine%');
CREATE POLICY mine ON note TO regress_arcache_tenant USING (body LIKE 'mine%');
GRANT SELECT ON doc, note TO regress_arcache_victim, regress_arcache_granted, regress_arcache_tenant;
RESET ROLE;

-- Keys and texts are the victim's, to the letter.
CREATE TABLE matrix_call (object text PRIMARY KEY, call text);
INSERT INTO matrix_call VALUES
('arcache_get_or_set(text,text,interval,text[],text[],regclass[],boolean)',
 $$SELECT arcache_get_or_set('v1ct1m', 'SELECT body FROM doc WHERE body <> $1 ORDER BY id', params => '{v1ct1m}', tags => '{v1ct1m}')$$),
('arcache_query(text,interval,text[],text[],regclass[],boolean)',
 $$SELECT * FROM arcache_query('SELECT body FROM doc WHERE body <> $1 ORDER BY id', params => '{v1ct1m}') AS t(body text)$$),
('arcache_query_as(anyelement,text,interval,text[],text[],regclass[],boolean)',
 $$SELECT * FROM arcache_query_as(NULL::doc, 'SELECT * FROM doc WHERE body <> $1 ORDER BY id', params => '{v1ct1m}')$$),
('arcache_query_key(text,text[])', $$SELECT arcache_query_key('SELECT body FROM doc')$$),
('arcache_get(text)', $$SELECT arcache_get(k) FROM unnest('{v1ct1m,v1ct1m-value,v1ct1m-count}'::text[]) k$$),
('arcache_get_many(text[])', $$SELECT * FROM arcache_get_many('{v1ct1m,v1ct1m-value,v1ct1m-count}')$$),
('arcache_set(text,jsonb,interval,text[],regclass[],boolean)', $$SELECT arcache_set('v1ct1m-value', '0', tags => '{v1ct1m}')$$),
('arcache_set_many(jsonb,interval,text[],regclass[])', $$SELECT arcache_set_many('{"v1ct1m": 0, "v1ct1m-value": 0}')$$),
('arcache_exists(text)', $$SELECT CASE WHEN arcache_exists('v1ct1m') OR arcache_exists('v1ct1m-value') THEN 'v1ct1m' END$$),
('arcache_ttl(text)', $$SELECT CASE WHEN arcache_ttl('v1ct1m-value') IS NOT NULL THEN 'v1ct1m' END$$),
('arcache_touch(text,interval)', $$SELECT CASE WHEN arcache_touch('v1ct1m-value', '1 ms') THEN 'v1ct1m' END, pg_sleep(0.002)$$),
('arcache_incr(text,bigint,interval)', $$SELECT CASE WHEN arcache_incr('v1ct1m-count') <> 1 THEN 'v1ct1m' END$$),
('arcache_delete(text[])', $$SELECT CASE WHEN arcache_delete('v1ct1m', 'v1ct1m-value', 'v1ct1m-count') > 0 THEN 'v1ct1m' END$$),
('arcache_delete_pattern(text)', $$SELECT CASE WHEN arcache_delete_pattern('*') > 0 THEN 'v1ct1m' END$$),
('arcache_keys(text)', $$SELECT * FROM arcache_keys('*')$$),
('arcache_invalidate(regclass)', $$SELECT arcache_invalidate('doc')$$),
('arcache_invalidate_tag(text[])', $$SELECT CASE WHEN arcache_invalidate_tag('v1ct1m') > 0 THEN 'v1ct1m' END$$),
('arcache_clear()', $$SELECT arcache_clear()$$),
('arcache_clear_all()', $$SELECT arcache_clear_all()$$),
('arcache_track()', $$SELECT arcache_track()$$),
('arcache_enable(regclass,interval,boolean,text[])', $$SELECT arcache_enable('doc', '1 s')$$),
('arcache_disable(regclass)', $$SELECT arcache_disable('doc')$$),
('arcache_row(anyelement,"any")', $$SELECT arcache_row(NULL::doc, 1)$$),
('arcache_rows(anyelement,anycompatiblearray)', $$SELECT * FROM arcache_rows(NULL::doc, '{1,2}'::int[])$$),
('arcache_row_get(anyelement,"any")', $$SELECT arcache_row_get(NULL::doc, 1)$$),
('arcache_row_set(anyelement,interval)', $$SELECT arcache_row_set(ROW(1, 'set by hand')::doc)$$),
('arcache_row_delete(regclass,"any")', $$SELECT CASE WHEN arcache_row_delete('doc', 1) THEN 'd0q' END$$),
('arcache_row_clear(regclass)', $$SELECT CASE WHEN arcache_row_clear('doc') > 0 THEN 'd0q' END$$),
('arcache_relationship_changed()', $$SELECT arcache_relationship_changed()$$),
('arcache_has_many(regclass,text,regclass,name[],interval,boolean)', $$SELECT arcache_has_many('doc', 'notes', 'note')$$),
('arcache_has_one(regclass,text,regclass,name[],interval,boolean)', $$SELECT arcache_has_one('doc', 'notes', 'note')$$),
('arcache_belongs_to(regclass,text,regclass,name[],interval,boolean)', $$SELECT arcache_belongs_to('note', 'its_doc', 'doc')$$),
('arcache_drop_relationship(regclass,text)', $$SELECT arcache_drop_relationship('doc', 'notes')$$),
('arcache_related(anyelement,regclass,text,"any")', $$SELECT * FROM arcache_related(NULL::note, 'doc', 'notes', 1)$$),
('arcache_related_many(anyelement,regclass,text,anycompatiblearray)',
 $$SELECT * FROM arcache_related_many(NULL::note, 'doc', 'notes', '{1,2}'::int[])$$),
('arcache_clear_related(regclass,text)', $$SELECT CASE WHEN arcache_clear_related('doc', 'notes') > 0 THEN 'd0q' END$$),
('arcache_clear_related(regclass,text,"any")', $$SELECT CASE WHEN arcache_clear_related('doc', 'notes', 1) > 0 THEN 'd0q' END$$),
('arcache_why(text,text[])', $$SELECT arcache_why('SELECT body FROM doc WHERE body <> $1 ORDER BY id', '{v1ct1m}')$$),
('arcache_stats_reset()', $$SELECT arcache_stats_reset()$$),
('arcache_stats_data()', $$SELECT * FROM arcache_stats_data()$$),
('arcache_entries_data()', $$SELECT * FROM arcache_entries_data()$$),
('arcache_relation_usage()', $$SELECT * FROM arcache_relation_usage()$$),
('arcache_relation_counts()', $$SELECT * FROM arcache_relation_counts()$$),
('arcache_relation_tracking(oid)', $$SELECT arcache_relation_tracking('doc'::regclass)$$),
('arcache_statement_counts()', $$SELECT * FROM arcache_statement_counts()$$),
('arcache_memory_data()', $$SELECT * FROM arcache_memory_data()$$),
('arcache_relationship', $$SELECT * FROM arcache_relationship$$),
('arcache_stats', $$SELECT * FROM arcache_stats$$),
('arcache_entries', $$SELECT * FROM arcache_entries$$),
('arcache_relations', $$SELECT * FROM arcache_relations$$),
('arcache_statements', $$SELECT * FROM arcache_statements$$),
('arcache_relationships', $$SELECT * FROM arcache_relationships$$),
('arcache_memory', $$SELECT * FROM arcache_memory$$),
-- what is no object: transparent mode, the views' columns by which one may search
('zz transparent', $$SELECT body FROM doc WHERE id < 1000 ORDER BY id$$),
('zz entries by key', $$SELECT 'v1ct1m' FROM arcache_entries WHERE key LIKE '%v1ct%' OR query LIKE '%v1ct%' OR params::text LIKE '%v1ct%' OR tags::text LIKE '%v1ct%'$$),
('zz insert a relationship', $$INSERT INTO arcache_relationship SELECT parent, 'forged', kind, child, parent_columns, child_columns FROM arcache_relationship RETURNING 'd0q'$$),
('zz delete a relationship', $$DELETE FROM arcache_relationship WHERE name = 'notes' RETURNING 'd0q'$$);

-- Nothing of the extension is left out, and nothing is in the list that is not there.
CREATE VIEW matrix_object AS
SELECT d.objid::regprocedure::text AS object, has_function_privilege('public', d.objid, 'EXECUTE') AS public
  FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'arcache')
UNION ALL
SELECT c.oid::regclass::text, has_table_privilege('public', c.oid, 'SELECT')
  FROM pg_depend d JOIN pg_class c ON c.oid = d.objid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'arcache');
SELECT coalesce(o.object, c.object) AS left_out_or_gone
  FROM matrix_object o FULL JOIN (SELECT * FROM matrix_call WHERE object !~ '^zz') c USING (object)
 WHERE o.object IS NULL OR c.object IS NULL ORDER BY 1;
-- Nor are there objects of kinds that this test does not know.
SELECT pg_describe_object(d.classid, d.objid, 0) AS unknown_kind
  FROM pg_depend d
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'arcache')
   AND d.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass)
   AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type t WHERE t.oid = d.objid AND (t.typrelid <> 0 OR t.typelem <> 0)))
 ORDER BY 1;

-- All kinds of entries, for the current role, with a word by which they are known.
CREATE FUNCTION matrix_fill(word text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
	PERFORM arcache_get_or_set(word, 'SELECT body FROM doc WHERE body <> $1 ORDER BY id', params => ARRAY[word], tags => ARRAY[word]);
	PERFORM * FROM arcache_query('SELECT body FROM doc WHERE body <> $1 ORDER BY id', params => ARRAY[word]) AS t(body text);
	PERFORM * FROM arcache_query_as(NULL::doc, 'SELECT * FROM doc WHERE body <> $1 ORDER BY id', params => ARRAY[word]);
	PERFORM * FROM arcache_rows(NULL::doc, '{1,2}'::int[]);
	PERFORM * FROM arcache_related(NULL::note, 'doc', 'notes', 1);
	PERFORM * FROM arcache_related(NULL::note, 'doc', 'notes', 2);
	FOR r IN EXECUTE 'SELECT body FROM doc WHERE id ' || CASE word WHEN 'v1ct1m' THEN '<' ELSE '<>' END || ' 1000 ORDER BY id' LOOP NULL; END LOOP;
END $$;
-- What is in the cache of the victim's, and what was counted for it.
CREATE FUNCTION matrix_left(OUT kinds text, OUT entries bigint, OUT counted numeric) LANGUAGE sql AS $$
SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind), count(*), (SELECT sum(hits + misses) FROM arcache_statements WHERE role = 'regress_arcache_victim')
  FROM arcache_entries WHERE role = 'regress_arcache_victim' AND valid
$$;
CREATE TABLE matrix_cell (object text, role text, cell text, kinds text);
CREATE PROCEDURE matrix_probe(who text, called_object text, called text) LANGUAGE plpgsql AS $$
DECLARE
	prober name := 'regress_arcache_' || who;
	identifiers text[];
	r record;
	before record;
	after record;
	said text := '';
	detail text;
	cell text := '';
BEGIN
	-- all as it was, whatever the probe before has done
	IF NOT EXISTS (SELECT FROM arcache_relations WHERE relation = 'doc'::regclass AND ttl IS NULL) THEN
		PERFORM arcache_enable('doc');
	END IF;
	IF EXISTS (SELECT FROM arcache_relationships WHERE name = 'its_doc') THEN
		PERFORM arcache_drop_relationship('note', 'its_doc');
	END IF;
	DELETE FROM arcache_relationship WHERE name = 'forged';
	IF NOT EXISTS (SELECT FROM arcache_relationships WHERE name = 'notes' AND kind = 'has_many') THEN
		PERFORM arcache_has_many('doc', 'notes', 'note');
	END IF;
	COMMIT;
	PERFORM set_config('role', prober, true);
	PERFORM arcache_clear();
	COMMIT;
	-- who has lost the right to read has seen it all before
	IF who = 'revoked' THEN
		GRANT SELECT ON doc, note TO regress_arcache_revoked;
		COMMIT;
		PERFORM set_config('role', prober, true);
		PERFORM matrix_fill('0wn');
		COMMIT;
		REVOKE SELECT ON doc, note FROM regress_arcache_revoked;
		COMMIT;
	END IF;
	PERFORM set_config('role', 'regress_arcache_victim', true);
	PERFORM matrix_fill('v1ct1m');
	PERFORM arcache_set('v1ct1m-value', '"v1ct1m"', ttl => '1 hour', tags => '{v1ct1m}');
	PERFORM arcache_delete('v1ct1m-count');
	COMMIT;
	PERFORM set_config('role', 'regress_arcache_victim', true);
	PERFORM arcache_incr('v1ct1m-count', 41);
	COMMIT;
	before := matrix_left();
	-- (inside the functions both have run the same statements)
	identifiers := ARRAY(SELECT queryid FROM arcache_statements s WHERE s.role = 'regress_arcache_victim'
						 EXCEPT SELECT queryid FROM arcache_statements s WHERE s.role = prober);

	-- who had entries of his own asks for those as well
	FOREACH called IN ARRAY CASE who WHEN 'revoked' THEN ARRAY[called, replace(called, 'v1ct1m', '0wn')] ELSE ARRAY[called] END LOOP
		PERFORM set_config('role', prober, true);
		BEGIN
			FOR r IN EXECUTE called LOOP
				said := said || r::text || ' ';
			END LOOP;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			said := said || SQLERRM || detail;
			cell := SQLSTATE;
		END;
		COMMIT;
	END LOOP;

	after := matrix_left();
	cell := concat_ws(' ', nullif(cell, ''),
		CASE WHEN said LIKE '%d0q%' THEN 'T' END,
		CASE WHEN said LIKE '%v1ct1m%' OR EXISTS (SELECT FROM unnest(identifiers) i WHERE position(i IN said) > 0) THEN 'S' END,
		CASE WHEN (after.kinds, after.entries) IS DISTINCT FROM (before.kinds, before.entries)
				OR after.counted IS NULL OR after.counted < before.counted THEN 'R' END);
	INSERT INTO matrix_cell VALUES (called_object, who, coalesce(nullif(cell, ''), '.'), concat_ws(' ', before.kinds, before.entries, CASE WHEN identifiers <> '{}' THEN 'statement' END));
	COMMIT;
END $$;
CREATE PROCEDURE matrix_run() LANGUAGE plpgsql AS $$
DECLARE
	roles text[] := '{owner,granted,revoked,stats,monitor,super,tenant,nobody}';
	calls matrix_call[] := (SELECT array_agg(c ORDER BY object COLLATE "C") FROM matrix_call c);
	c matrix_call;
	who text;
BEGIN
	FOREACH who IN ARRAY roles LOOP
		FOREACH c IN ARRAY calls LOOP
			CALL matrix_probe(who, c.object, c.call);
		END LOOP;
	END LOOP;
END $$;
CALL matrix_run();

-- There was something to see and to remove, each time.
SELECT kinds, count(*) = (SELECT 8 * count(*) FROM matrix_call) AS always FROM matrix_cell GROUP BY kinds;

-- The matrix
CREATE VIEW matrix AS
SELECT object, o.public,
       max(cell) FILTER (WHERE role = 'owner') AS owner, max(cell) FILTER (WHERE role = 'granted') AS granted,
       max(cell) FILTER (WHERE role = 'revoked') AS revoked, max(cell) FILTER (WHERE role = 'stats') AS stats,
       max(cell) FILTER (WHERE role = 'monitor') AS monitor, max(cell) FILTER (WHERE role = 'super') AS super,
       max(cell) FILTER (WHERE role = 'tenant') AS tenant, max(cell) FILTER (WHERE role = 'nobody') AS nobody
  FROM matrix_cell LEFT JOIN matrix_object o USING (object) GROUP BY object, o.public;
SELECT regexp_replace(object, '\(.*', '') AS object, public, owner, granted, revoked, stats, monitor, super, tenant, nobody
  FROM matrix ORDER BY matrix.object COLLATE "C";

-- The rules. Each of these finds what breaks one, and there is nothing.
-- 1. Keys, queries and what belongs to them are shown by the lists alone, and to pg_read_all_stats alone.
SELECT object, role, cell FROM matrix_cell
 WHERE cell ~ 'S' AND NOT (role IN ('stats', 'monitor', 'super') AND object ~ '^(arcache_entries|arcache_statement|zz entries)');
SELECT object, role, cell FROM matrix_cell
 WHERE cell !~ 'S' AND role IN ('stats', 'monitor', 'super') AND object ~ '^(arcache_entries|arcache_statement|zz entries)';
-- 2. Rows are seen by those who may read them: by right, or as their owner.
SELECT object, role, cell FROM matrix_cell WHERE cell ~ 'T' AND role NOT IN ('owner', 'granted', 'super');
-- 3. Only who owns the table, or may write to it, ends what others have cached of it.
SELECT object, role, cell FROM matrix_cell
 WHERE cell ~ 'R' AND role <> 'super'
   AND NOT (role = 'owner' AND object ~ '^arcache_(invalidate\(|enable|disable|has_|belongs_to|drop_relationship)');
-- 4. What may do more is not PUBLIC's; and what is not PUBLIC's is refused to all but superusers.
SELECT object, public FROM matrix_object WHERE object IN ('arcache_clear_all()', 'arcache_stats_reset()');
SELECT object, role, cell FROM matrix_cell JOIN matrix_object USING (object) WHERE NOT public AND role <> 'super' AND cell <> '42501';
-- 5. An error is one that can be acted on.
SELECT DISTINCT cell FROM matrix_cell WHERE cell ~ '^[0-9A-Z]{5}' AND cell NOT IN ('42501', '39P01', '0A000') ORDER BY 1;

SELECT arcache_clear_all() IS NOT NULL AS cleared;
DROP VIEW matrix, matrix_object;
DROP TABLE matrix_cell, matrix_call;
DROP PROCEDURE matrix_run, matrix_probe;
DROP FUNCTION matrix_fill, matrix_left;
SELECT arcache_drop_relationship('doc', 'notes');
DROP TABLE note, doc;
REVOKE CREATE ON SCHEMA public FROM regress_arcache_owner;
DROP ROLE regress_arcache_owner, regress_arcache_victim, regress_arcache_granted, regress_arcache_revoked, regress_arcache_stats,
	regress_arcache_monitor, regress_arcache_super, regress_arcache_tenant, regress_arcache_nobody;
