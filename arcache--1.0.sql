/* arcache--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION arcache" to load this file. \quit

--
-- Values and query results
--

CREATE FUNCTION arcache_get_or_set(
    key text,
    query text,
    ttl interval DEFAULT NULL,
    params text[] DEFAULT NULL,
    tags text[] DEFAULT NULL,
    depends_on regclass[] DEFAULT NULL,
    force boolean DEFAULT false)
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_get_or_set(text, text, interval, text[], text[], regclass[], boolean) IS
'the result of a query as a jsonb array, from the cache if it is there';

CREATE FUNCTION arcache_query(
    query text,
    ttl interval DEFAULT NULL,
    params text[] DEFAULT NULL,
    tags text[] DEFAULT NULL,
    depends_on regclass[] DEFAULT NULL,
    force boolean DEFAULT false)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION arcache_query(text, interval, text[], text[], regclass[], boolean) IS
'the rows of a query, from the cache if they are there';

CREATE FUNCTION arcache_query_as(
    base anyelement,
    query text,
    ttl interval DEFAULT NULL,
    params text[] DEFAULT NULL,
    tags text[] DEFAULT NULL,
    depends_on regclass[] DEFAULT NULL,
    force boolean DEFAULT false)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION arcache_query_as(anyelement, text, interval, text[], text[], regclass[], boolean) IS
'the rows of a query, of the composite type of the first argument, from the cache if they are there';

CREATE FUNCTION arcache_query_key(query text, params text[] DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION arcache_query_key(text, text[]) IS
'the key of a query that is given none';

CREATE FUNCTION arcache_get(key text)
RETURNS jsonb
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_get(text) IS
'the value of a key, or NULL if it is not in the cache';

CREATE FUNCTION arcache_get_many(keys text[])
RETURNS TABLE (ord bigint, key text, value jsonb)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED ROWS 10;
COMMENT ON FUNCTION arcache_get_many(text[]) IS
'the values of keys that are in the cache, in the order of the keys';

CREATE FUNCTION arcache_set(
    key text,
    value jsonb,
    ttl interval DEFAULT NULL,
    tags text[] DEFAULT NULL,
    depends_on regclass[] DEFAULT NULL,
    if_absent boolean DEFAULT false)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_set(text, jsonb, interval, text[], regclass[], boolean) IS
'set the value of a key when the transaction commits';

CREATE FUNCTION arcache_set_many(
    entries jsonb,
    ttl interval DEFAULT NULL,
    tags text[] DEFAULT NULL,
    depends_on regclass[] DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_set_many(jsonb, interval, text[], regclass[]) IS
'set the values of the keys of an object when the transaction commits';

CREATE FUNCTION arcache_exists(key text)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_exists(text) IS
'whether a key is in the cache';

CREATE FUNCTION arcache_ttl(key text)
RETURNS interval
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_ttl(text) IS
'the time a key has left to live, or NULL if it is absent or never expires';

CREATE FUNCTION arcache_touch(key text, ttl interval)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_touch(text, interval) IS
'give a key a new time to live, at once';

CREATE FUNCTION arcache_incr(key text, by bigint DEFAULT 1, ttl interval DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_incr(text, bigint, interval) IS
'add to a counter, at once and whether or not the transaction commits';

CREATE FUNCTION arcache_delete(VARIADIC keys text[])
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_delete(text[]) IS
'delete keys when the transaction commits';

CREATE FUNCTION arcache_delete_pattern(pattern text)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_delete_pattern(text) IS
'delete the keys that match a pattern when the transaction commits';

CREATE FUNCTION arcache_keys(pattern text DEFAULT '*')
RETURNS SETOF text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1000;
COMMENT ON FUNCTION arcache_keys(text) IS
'the keys of the current role that match a pattern';

CREATE FUNCTION arcache_invalidate(rel regclass)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_invalidate(regclass) IS
'invalidate all that depends on a relation, as a write to it would';

CREATE FUNCTION arcache_invalidate_tag(VARIADIC tags text[])
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_invalidate_tag(text[]) IS
'invalidate all that the current role stored with one of the tags';

CREATE FUNCTION arcache_clear()
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_clear() IS
'delete all keys of the current role when the transaction commits';

CREATE FUNCTION arcache_clear_all()
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_clear_all() IS
'delete all keys of all roles in this database when the transaction commits';
REVOKE ALL ON FUNCTION arcache_clear_all() FROM PUBLIC;

--
-- Tables
--

CREATE FUNCTION arcache_track()
RETURNS trigger
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_track() IS
'trigger function of tracked relations; arcache_enable() creates its triggers';

CREATE FUNCTION arcache_enable(
    rel regclass,
    ttl interval DEFAULT NULL,
    auto boolean DEFAULT true,
    keys text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_enable(regclass, interval, boolean, text[]) IS
'track the writes to a table and its descendants, by key or as a whole';

CREATE FUNCTION arcache_disable(rel regclass)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_disable(regclass) IS
'stop tracking the writes to a table and its descendants';

--
-- Rows
--

CREATE FUNCTION arcache_row(base anyelement, VARIADIC key "any")
RETURNS anyelement
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_row(anyelement, "any") IS
'the row of a table that has this primary key, from the cache if it is there';

CREATE FUNCTION arcache_rows(base anyelement, keys anycompatiblearray)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION arcache_rows(anyelement, anycompatiblearray) IS
'the rows of a table that have these primary keys, in the order of the keys, from the cache if they are there';

CREATE FUNCTION arcache_row_get(base anyelement, VARIADIC key "any")
RETURNS anyelement
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_row_get(anyelement, "any") IS
'the row that the cache has for this primary key, or NULL if it has none';

CREATE FUNCTION arcache_row_set("row" anyelement, ttl interval DEFAULT NULL)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_row_set(anyelement, interval) IS
'set the row that the cache has for its primary key when the transaction commits';

CREATE FUNCTION arcache_row_delete(rel regclass, VARIADIC key "any")
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_row_delete(regclass, "any") IS
'delete what the cache has for a primary key when the transaction commits';

CREATE FUNCTION arcache_row_clear(rel regclass)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_row_clear(regclass) IS
'delete what the cache has for the primary keys of a table when the transaction commits';

--
-- Relationships
--

CREATE TABLE arcache_relationship (
    parent regclass NOT NULL,
    name text COLLATE pg_catalog."C" NOT NULL,
    kind text NOT NULL,
    child regclass NOT NULL,
    parent_columns name[] NOT NULL,
    child_columns name[] NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    ttl interval,
    PRIMARY KEY (parent, name),
    CHECK (pg_catalog.octet_length(name) BETWEEN 1 AND 63),
    CHECK (kind IN ('has_many', 'has_one', 'belongs_to')),
    CHECK (pg_catalog.cardinality(parent_columns) BETWEEN 1 AND 32
           AND pg_catalog.cardinality(parent_columns) = pg_catalog.cardinality(child_columns)),
    CHECK (pg_catalog.array_position(parent_columns, NULL) IS NULL
           AND pg_catalog.array_position(child_columns, NULL) IS NULL),
    CHECK (ttl > interval '0' AND ttl <= interval '36000 days')
);
COMMENT ON TABLE arcache_relationship IS
'the relationships between tables; written by arcache_has_many() and its kin';
GRANT SELECT ON arcache_relationship TO PUBLIC;

-- A dangling regclass would be dumped as a number, and mean another table elsewhere.
SELECT pg_catalog.pg_extension_config_dump('arcache_relationship',
    'WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) parent)'
    ' AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) child)');

CREATE FUNCTION arcache_relationship_changed()
RETURNS trigger
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_relationship_changed() IS
'trigger function of arcache_relationship: tells all sessions of the change';

CREATE TRIGGER changed
    AFTER INSERT OR UPDATE OR DELETE ON arcache_relationship
    FOR EACH ROW EXECUTE FUNCTION arcache_relationship_changed();
CREATE TRIGGER truncated
    AFTER TRUNCATE ON arcache_relationship
    FOR EACH STATEMENT EXECUTE FUNCTION arcache_relationship_changed();
ALTER TABLE arcache_relationship ENABLE ALWAYS TRIGGER changed;
ALTER TABLE arcache_relationship ENABLE ALWAYS TRIGGER truncated;

CREATE FUNCTION arcache_has_many(
    parent regclass,
    name text,
    child regclass,
    foreign_key name[] DEFAULT NULL,
    ttl interval DEFAULT NULL,
    enabled boolean DEFAULT true)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_has_many(regclass, text, regclass, name[], interval, boolean) IS
'define a relationship: the rows of another table that refer to one of this';

CREATE FUNCTION arcache_has_one(
    parent regclass,
    name text,
    child regclass,
    foreign_key name[] DEFAULT NULL,
    ttl interval DEFAULT NULL,
    enabled boolean DEFAULT true)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_has_one(regclass, text, regclass, name[], interval, boolean) IS
'define a relationship: the first row of another table that refers to one of this';

CREATE FUNCTION arcache_belongs_to(
    parent regclass,
    name text,
    child regclass,
    foreign_key name[] DEFAULT NULL,
    ttl interval DEFAULT NULL,
    enabled boolean DEFAULT true)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_belongs_to(regclass, text, regclass, name[], interval, boolean) IS
'define a relationship: the row of another table that one of this refers to';

CREATE FUNCTION arcache_drop_relationship(parent regclass, name text)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_drop_relationship(regclass, text) IS
'drop the definition of a relationship';

CREATE FUNCTION arcache_related(base anyelement, parent regclass, name text, VARIADIC key "any")
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION arcache_related(anyelement, regclass, text, "any") IS
'the rows related to one row, given by its primary key, from the cache if they are there';

CREATE FUNCTION arcache_related_many(base anyelement, parent regclass, name text, keys anycompatiblearray)
RETURNS SETOF anyelement
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION arcache_related_many(anyelement, regclass, text, anycompatiblearray) IS
'the rows related to many rows, in the order of their keys; one query for what is not in the cache';

CREATE FUNCTION arcache_clear_related(parent regclass, name text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_clear_related(regclass, text) IS
'delete what the current role has cached of a relationship, or of all of a table';

CREATE FUNCTION arcache_clear_related(parent regclass, name text, VARIADIC key "any")
RETURNS bigint
AS 'MODULE_PATHNAME', 'arcache_clear_related_key'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_clear_related(regclass, text, "any") IS
'delete what the current role has cached of a relationship of one row, or of all of them';

--
-- Looking
--

CREATE FUNCTION arcache_why(query text, params text[] DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION arcache_why(text, text[]) IS
'whether a query can be cached, on what it depends, and if it cannot, why';

CREATE FUNCTION arcache_stats_reset()
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_stats_reset() IS
'start counting anew in this database';
REVOKE ALL ON FUNCTION arcache_stats_reset() FROM PUBLIC;

CREATE FUNCTION arcache_stats_data(
    OUT hits bigint,
    OUT misses bigint,
    OUT fills bigint,
    OUT fill_time_ms double precision,
    OUT time_saved_ms double precision,
    OUT sets bigint,
    OUT deletes bigint,
    OUT invalidations bigint,
    OUT expirations bigint,
    OUT evictions bigint,
    OUT waits bigint,
    OUT wait_timeouts bigint,
    OUT rejected_stale_fill bigint,
    OUT rejected_full bigint,
    OUT rejected_oversize bigint,
    OUT rejected_no_ttl bigint,
    OUT bypass_disabled bigint,
    OUT bypass_isolation bigint,
    OUT bypass_own_writes bigint,
    OUT bypass_uncacheable bigint,
    OUT bypass_cheap bigint,
    OUT audits bigint,
    OUT audit_failures bigint,
    OUT stats_reset timestamptz)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_stats_data() IS
'what view arcache_stats shows';

CREATE VIEW arcache_stats AS
    SELECT pg_catalog.current_database() AS database,
           s.hits,
           s.misses,
           pg_catalog.round(s.hits::numeric OPERATOR(pg_catalog./)
                            NULLIF(s.hits + s.misses, 0)::numeric, 4) AS hit_ratio,
           s.fills, s.fill_time_ms, s.time_saved_ms,
           s.sets, s.deletes, s.invalidations, s.expirations, s.evictions,
           s.waits, s.wait_timeouts,
           s.rejected_stale_fill, s.rejected_full, s.rejected_oversize, s.rejected_no_ttl,
           s.bypass_disabled, s.bypass_isolation, s.bypass_own_writes, s.bypass_uncacheable, s.bypass_cheap,
           s.audits, s.audit_failures, s.stats_reset
      FROM @extschema@.arcache_stats_data() s;
COMMENT ON VIEW arcache_stats IS
'what the cache did in this database since stats_reset';
GRANT SELECT ON arcache_stats TO PUBLIC;

CREATE FUNCTION arcache_entries_data(
    OUT role oid,
    OUT kind text,
    OUT key text,
    OUT query text,
    OUT params text[],
    OUT coherence text,
    OUT depends_on text[],
    OUT tags text[],
    OUT valid boolean,
    OUT bytes bigint,
    OUT hits bigint,
    OUT cost_ms double precision,
    OUT created timestamptz,
    OUT expires timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1000;
COMMENT ON FUNCTION arcache_entries_data() IS
'what view arcache_entries shows';

CREATE VIEW arcache_entries AS
    SELECT pg_catalog.pg_get_userbyid(e.role) AS role,
           e.kind, e.key, e.query, e.params, e.coherence, e.depends_on, e.tags,
           e.valid, e.bytes, e.hits, e.cost_ms, e.created, e.expires
      FROM @extschema@.arcache_entries_data() e;
COMMENT ON VIEW arcache_entries IS
'the entries of this database; keys and queries of other roles only for pg_read_all_stats';
GRANT SELECT ON arcache_entries TO PUBLIC;

CREATE FUNCTION arcache_relation_usage(
    OUT relid oid,
    OUT entries bigint,
    OUT bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION arcache_relation_usage() IS
'the entries that depend on each relation; part of view arcache_relations';

CREATE FUNCTION arcache_relation_counts(
    OUT relid oid,
    OUT hits bigint,
    OUT misses bigint,
    OUT fills bigint,
    OUT key_invalidations bigint,
    OUT relation_invalidations bigint,
    OUT escalations bigint,
    OUT timed_calls bigint,
    OUT call_time_ns bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 100;
COMMENT ON FUNCTION arcache_relation_counts() IS
'what was counted for each relation; part of view arcache_relations';

CREATE FUNCTION arcache_relation_tracking(
    rel oid,
    OUT tracked boolean,
    OUT ttl interval,
    OUT auto boolean,
    OUT keys text[])
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_relation_tracking(oid) IS
'how a relation is tracked; part of view arcache_relations';

CREATE VIEW arcache_relations AS
    SELECT c.oid::pg_catalog.regclass AS relation,
           CASE WHEN t.keys OPERATOR(pg_catalog.=) '{}' THEN 'relation' ELSE 'key' END AS level,
           t.keys, t.ttl, t.auto,
           COALESCE(u.entries, 0) AS entries,
           COALESCE(u.bytes, 0) AS bytes,
           COALESCE(n.hits, 0) AS hits,
           COALESCE(n.misses, 0) AS misses,
           COALESCE(n.fills, 0) AS fills,
           COALESCE(n.key_invalidations, 0) AS key_invalidations,
           COALESCE(n.relation_invalidations, 0) AS relation_invalidations,
           COALESCE(n.escalations, 0) AS escalations,
           pg_catalog.round(n.call_time_ns::numeric OPERATOR(pg_catalog./)
                            (1000 OPERATOR(pg_catalog.*) NULLIF(n.timed_calls, 0))::numeric, 3) AS trigger_time_us
      FROM (SELECT DISTINCT tg.tgrelid
              FROM pg_catalog.pg_trigger tg
              JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) tg.tgfoid
             WHERE p.proname OPERATOR(pg_catalog.=) 'arcache_track'
            UNION ALL
            SELECT m.oid FROM pg_catalog.pg_class m WHERE m.relkind OPERATOR(pg_catalog.=) 'm') r
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) r.tgrelid
      CROSS JOIN LATERAL @extschema@.arcache_relation_tracking(c.oid) t
      LEFT JOIN @extschema@.arcache_relation_usage() u ON u.relid OPERATOR(pg_catalog.=) c.oid
      LEFT JOIN @extschema@.arcache_relation_counts() n ON n.relid OPERATOR(pg_catalog.=) c.oid
     WHERE t.tracked;
COMMENT ON VIEW arcache_relations IS
'the relations whose writes are tracked, how, and what was counted for them';
GRANT SELECT ON arcache_relations TO PUBLIC;

CREATE FUNCTION arcache_statement_counts(
    OUT role oid,
    OUT queryid bigint,
    OUT entries bigint,
    OUT bytes bigint,
    OUT hits bigint,
    OUT misses bigint,
    OUT fills bigint,
    OUT bypasses bigint,
    OUT fill_time_ms double precision,
    OUT time_saved_ms double precision,
    OUT last_bypass text)
RETURNS SETOF record
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1000;
COMMENT ON FUNCTION arcache_statement_counts() IS
'what was counted for each statement; part of view arcache_statements';

CREATE VIEW arcache_statements AS
    SELECT c.role AS userid,
           d.oid AS dbid,
           c.queryid,
           pg_catalog.pg_get_userbyid(c.role) AS role,
           c.hits, c.misses,
           pg_catalog.round(c.hits::numeric OPERATOR(pg_catalog./)
                            NULLIF(c.hits OPERATOR(pg_catalog.+) c.misses, 0)::numeric, 4) AS hit_ratio,
           c.fills, c.fill_time_ms, c.time_saved_ms, c.bypasses, c.last_bypass,
           c.entries, c.bytes
      FROM @extschema@.arcache_statement_counts() c
      JOIN pg_catalog.pg_database d ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database();
COMMENT ON VIEW arcache_statements IS
'the statements of transparent mode in this database; identifiers of other roles'' only for pg_read_all_stats';
GRANT SELECT ON arcache_statements TO PUBLIC;

CREATE VIEW arcache_relationships AS
    SELECT r.parent, r.name, r.kind, r.child, r.parent_columns, r.child_columns, r.enabled, r.ttl
      FROM @extschema@.arcache_relationship r
     WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) r.parent)
       AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) r.child);
COMMENT ON VIEW arcache_relationships IS
'the relationships of the tables that exist';
GRANT SELECT ON arcache_relationships TO PUBLIC;

CREATE FUNCTION arcache_memory_data(
    OUT size bigint,
    OUT used bigint,
    OUT free bigint,
    OUT overhead bigint,
    OUT largest_free bigint,
    OUT entries bigint,
    OUT janitor_pid integer,
    OUT janitor_rounds bigint,
    OUT janitor_last_round timestamptz)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION arcache_memory_data() IS
'what view arcache_memory shows';

CREATE VIEW arcache_memory AS
    SELECT m.size, m.used, m.free, m.overhead, m.largest_free, m.entries,
           m.janitor_pid, m.janitor_rounds, m.janitor_last_round
      FROM @extschema@.arcache_memory_data() m;
COMMENT ON VIEW arcache_memory IS
'the shared memory of the cache, of all databases, in bytes: used + free + overhead = size';
GRANT SELECT ON arcache_memory TO PUBLIC;
