--
-- Which queries can be cached, how well, and if not, why
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on
CREATE TABLE tracked (id int PRIMARY KEY, a text, at timestamptz, d date);
CREATE TABLE untracked (id int, a text);
SELECT arcache_enable('tracked');

-- A query over tracked tables is exact, and names them.
SELECT arcache_why('SELECT * FROM tracked');
SELECT arcache_why('SELECT 1 AS a');
SELECT arcache_why('VALUES (1), (2)');
SELECT arcache_why('TABLE tracked');
SELECT arcache_why('WITH x AS (SELECT * FROM tracked) SELECT count(*) FROM x');
SELECT arcache_why('SELECT (SELECT max(id) FROM tracked) AS m WHERE EXISTS (SELECT FROM tracked)');
SELECT arcache_why('SELECT id, a FROM tracked WHERE id = $1 AND a = $2');
SELECT arcache_why('SELECT id FROM tracked WHERE id = $1', '{1}');
SELECT arcache_why('SELECT tableoid FROM tracked');
SELECT arcache_why('SELECT a FROM tracked WHERE false');

-- One table that is not tracked makes it depend on a ttl.
SELECT arcache_why('SELECT * FROM untracked');
SELECT arcache_why('SELECT * FROM tracked LEFT JOIN untracked USING (id)');
SELECT arcache_why('SELECT * FROM tracked WHERE id IN (SELECT id FROM untracked)');
SELECT arcache_why('SELECT 1 AS a UNION ALL SELECT id FROM untracked');
SELECT arcache_why('SELECT relname FROM pg_class');
SELECT arcache_why('SELECT tgname FROM pg_trigger');

-- Views are looked through, however deep.
CREATE VIEW v1 AS SELECT id, a FROM tracked;
CREATE VIEW v2 AS SELECT v1.id, count(*) FROM v1 JOIN tracked t USING (id) GROUP BY 1;
CREATE VIEW v3 AS SELECT * FROM v1 WHERE id IN (SELECT id FROM untracked);
CREATE VIEW v4 AS SELECT *, now() AS n FROM v1;
CREATE VIEW v5 AS SELECT *, random() AS r FROM v1;
SELECT arcache_why('SELECT * FROM v1');
SELECT arcache_why('SELECT * FROM v2');
SELECT arcache_why('SELECT * FROM v3');
SELECT arcache_why('SELECT * FROM v4');
SELECT arcache_why('SELECT * FROM v5');

-- A materialized view is always tracked, for only REFRESH changes it.
CREATE MATERIALIZED VIEW mv AS SELECT * FROM untracked;
SELECT arcache_why('SELECT * FROM mv');
SELECT arcache_why('SELECT * FROM mv JOIN tracked USING (id)');

-- Partitions and children are found, and so are the parents of what is read directly.
CREATE TABLE part (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10);
CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (10) TO (20) PARTITION BY LIST (v);
CREATE TABLE part2a PARTITION OF part2 FOR VALUES IN (1);
SELECT arcache_why('SELECT * FROM part');
SELECT arcache_enable('part');
SELECT arcache_why('SELECT * FROM part');
SELECT arcache_why('SELECT * FROM part2a');
SELECT arcache_why('SELECT * FROM part WHERE id = 5');
CREATE TABLE parent (id int);
CREATE TABLE child () INHERITS (parent);
SELECT arcache_enable('parent');
SELECT arcache_why('SELECT * FROM parent');
SELECT arcache_why('SELECT * FROM ONLY parent');
SELECT arcache_why('SELECT * FROM child');

-- What reads the clock depends on a ttl, in every spelling.
SELECT q, arcache_why(q) FROM unnest(ARRAY[
    'SELECT now() AS n',
    'SELECT current_timestamp AS n',
    'SELECT current_date AS n',
    'SELECT current_time AS n',
    'SELECT localtime AS n',
    'SELECT localtimestamp(0) AS n',
    'SELECT transaction_timestamp() AS n',
    'SELECT statement_timestamp() AS n',
    'SELECT id FROM tracked WHERE at > now() - interval ''1 day''',
    'SELECT id FROM tracked WHERE d = current_date',
    'SELECT age(at) FROM tracked',
    'SELECT date ''today'' AS d',
    'SELECT ''today''::date AS d',
    'SELECT ''TOMORROW ''::timestamptz AS d',
    'SELECT CAST(''yesterday'' AS timestamp) AS d',
    'SELECT $$now$$::timestamptz AS d',
    'SELECT timestamptz ''now'' - at AS d FROM tracked',
    'SELECT ''{2020-01-01,today}''::date[] AS d',
    'SELECT ''[today,infinity)''::daterange AS d',
    'SELECT id FROM tracked WHERE d = ''today''',
    'SELECT a::date AS d FROM tracked',
    'SELECT a::timestamptz AS d FROM tracked',
    'SELECT a::time AS d FROM tracked',
    'SELECT 1 AS a ORDER BY now()',
    'SELECT 1 AS a LIMIT extract(day FROM now())::int',
    'SELECT count(*) FILTER (WHERE at < now()) FROM tracked',
    'SELECT sum(id) OVER (ORDER BY at RANGE now() - ''2020-01-01'' PRECEDING) FROM tracked',
    'SELECT E''\x74oday''::date AS d',
    'SELECT U&''\0074oday''::date AS d',
    'SELECT ''(1,,,today)''::tracked AS d',
    'SELECT ROW(1, NULL, NULL, ''today'')::tracked AS d',
    'SELECT (''{'' || a || ''}'')::date[] AS d FROM tracked',
    'SELECT (''('' || a || '')'')::tracked AS d FROM tracked',
    'SELECT d FROM json_to_record(''{"d": "today"}'') AS x(d date)',
    'SELECT d FROM jsonb_to_recordset(''[{"d": "today"}]'') AS x(d date)',
    'SELECT d FROM jsonb_populate_record(NULL::tracked, ''{"d": "today"}'')',
    'SELECT json_populate_recordset(NULL::tracked, ''[{"d": "today"}]'')'
    ]) WITH ORDINALITY AS u(q, n) ORDER BY n;

-- A parameter may be the clock too; any other date is a date.
SELECT arcache_why('SELECT id FROM tracked WHERE d = $1', '{today}');
SELECT arcache_why('SELECT id FROM tracked WHERE at > $1', '{ Yesterday}');
SELECT arcache_why('SELECT id FROM tracked WHERE a = $1', '{today}');
SELECT arcache_why('SELECT id FROM tracked WHERE d = $1', '{2020-01-01}');
SELECT arcache_why('SELECT $1::date[] AS d', '{"{today}"}');
SELECT arcache_why('SELECT date ''2020-01-01'' AS d, ''today'' AS t, timestamptz ''2020-01-01 12:00'' AS x');

-- What VACUUM changes, or samples, or a system catalog or a sequence says is by ttl as well.
CREATE SEQUENCE seq;
SELECT q, arcache_why(q) FROM unnest(ARRAY[
    'SELECT ctid FROM tracked',
    'SELECT xmin FROM tracked',
    'SELECT id FROM tracked WHERE ctid = ''(0,1)''',
    'SELECT id FROM tracked ORDER BY xmax::text',
    'SELECT id FROM tracked TABLESAMPLE bernoulli (50) REPEATABLE (1)',
    'SELECT last_value FROM seq'
    ]) WITH ORDINALITY AS u(q, n) ORDER BY n;

-- Who asks, and settings by name, are captured.
SELECT arcache_why('SELECT current_user AS u, user, session_user AS s, current_role AS r, current_catalog AS c, current_schema AS x');
SELECT arcache_why('SELECT current_setting(''app.tenant'') AS s');
SELECT arcache_why('SELECT current_setting(''app.tenant'', true) AS s');
SELECT arcache_why('SELECT current_database() AS d, version() AS v');

-- Functions that only format are exact.
SELECT arcache_why('SELECT to_jsonb(t), row_to_json(t), json_agg(t) OVER (), format(''%s'', at), concat(at, d), to_char(at, ''YYYY'') FROM tracked t');
SELECT arcache_why('SELECT json_agg(t), jsonb_agg(t), jsonb_object_agg(id, at), string_agg(a, '',''), array_agg(at::text) FROM tracked t');
SELECT arcache_why('SELECT date_trunc(''day'', at), extract(hour FROM at), at::date, at + interval ''1 day'', to_tsvector(a) FROM tracked');

-- Functions of the user's are taken by what they declare, and inlined ones by what they do.
CREATE FUNCTION f_immutable(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
CREATE FUNCTION f_stable(int) RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM tracked); END';
CREATE FUNCTION f_volatile(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE FUNCTION f_inline(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1 + 1';
CREATE FUNCTION f_inline_clock() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT now()';
CREATE FUNCTION f_inline_today() RETURNS date LANGUAGE sql STABLE AS $$SELECT 'today'::date$$;
CREATE FUNCTION f_inline_random() RETURNS float8 LANGUAGE sql AS 'SELECT random()';
CREATE FUNCTION f_inline_rows() RETURNS SETOF tracked LANGUAGE sql STABLE AS 'SELECT * FROM tracked';
CREATE FUNCTION f_inline_untracked() RETURNS SETOF untracked LANGUAGE sql STABLE AS 'SELECT * FROM untracked';
CREATE FUNCTION f_not_inlined() RETURNS SETOF tracked LANGUAGE sql STABLE SECURITY DEFINER AS 'SELECT * FROM tracked';
CREATE FUNCTION f_state(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE AGGREGATE f_aggregate(int) (SFUNC = f_state, STYPE = int);
CREATE FUNCTION f_operator(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
CREATE OPERATOR ### (LEFTARG = int, FUNCTION = f_operator, RIGHTARG = int);
SELECT q, arcache_why(q) FROM unnest(ARRAY[
    'SELECT f_immutable(id) FROM tracked',
    'SELECT f_stable(id) FROM tracked',
    'SELECT f_volatile(id) FROM tracked',
    'SELECT f_inline(id) FROM tracked',
    'SELECT f_inline_clock() AS a',
    'SELECT f_inline_today() AS a',
    'SELECT f_inline_random() AS a',
    'SELECT * FROM f_inline_rows()',
    'SELECT * FROM f_inline_untracked()',
    'SELECT * FROM f_not_inlined()',
    'SELECT f_aggregate(id) FROM tracked',
    'SELECT 1 ### 2 AS a',
    'SELECT id FROM tracked WHERE f_stable(id) > 0',
    'SELECT id FROM tracked GROUP BY id HAVING f_volatile(id) > 0',
    'SELECT id FROM tracked ORDER BY f_volatile(id)',
    'SELECT DISTINCT ON (f_volatile(id)) id FROM tracked',
    'SELECT t.id FROM tracked t JOIN tracked u ON f_volatile(t.id) = u.id',
    'SELECT t.id FROM tracked t, generate_series(1, f_volatile(t.id))',
    'SELECT id FROM tracked LIMIT f_volatile(1)',
    'SELECT CASE WHEN id = 0 THEN f_volatile(id) END AS a FROM tracked',
    'SELECT ARRAY(SELECT f_volatile(id)) AS a FROM tracked'
    ]) WITH ORDINALITY AS u(q, n) ORDER BY n;

-- What the caller declares makes up for what a function does not say.
SELECT arcache_get_or_set('declared', 'SELECT f_stable(1) AS n', depends_on => '{tracked}');
SELECT key, coherence, depends_on FROM arcache_entries WHERE key = 'declared' AND valid;
SELECT arcache_get_or_set('by ttl', 'SELECT f_stable(1) AS n', ttl => '1 hour');
SELECT key, coherence FROM arcache_entries WHERE key = 'by ttl' AND valid;
INSERT INTO tracked VALUES (1);
SELECT arcache_get_or_set('declared', 'SELECT f_stable(1) AS n', depends_on => '{tracked}');
SELECT arcache_get_or_set('by ttl', 'SELECT f_stable(1) AS n', ttl => '1 hour');

-- What only this session sees is never cached.
CREATE TEMP TABLE temporary (id int);
SELECT arcache_why('SELECT * FROM temporary');
SELECT arcache_why('SELECT * FROM tracked JOIN temporary USING (id)');
SELECT arcache_why('SELECT * FROM tracked WHERE id IN (SELECT id FROM temporary)');
SELECT arcache_why('SELECT current_setting(a) FROM tracked');
SELECT arcache_why('SELECT current_setting($1) AS s', '{TimeZone}');
SELECT arcache_why('SELECT pg_backend_pid() AS p');
SELECT arcache_why('SELECT pg_current_snapshot() AS s');
SELECT arcache_why('SELECT has_table_privilege(''tracked'', ''SELECT'') AS p');
SELECT arcache_why('SELECT inet_client_addr() AS p');
SELECT arcache_why('SELECT name FROM pg_settings');

-- What is not one SELECT that only reads is refused, and get_or_set says why: 0A000.
CREATE FUNCTION refused(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM arcache_get_or_set('refused', query, ttl => '1 hour');
    RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN 'refused: ' || detail = arcache_why(query) THEN '' ELSE '; arcache_why differs' END
        || ': ' || detail;
END $$;
SELECT q, refused(q) FROM unnest(ARRAY[
    '',
    ' ; -- nothing',
    'SELECT 1; SELECT 2',
    'SELECT',
    'SELECT FROM tracked',
    'INSERT INTO tracked VALUES (2)',
    'INSERT INTO tracked VALUES (2) RETURNING id',
    'UPDATE tracked SET a = NULL RETURNING id',
    'DELETE FROM tracked RETURNING id',
    'MERGE INTO tracked USING untracked u ON false WHEN NOT MATCHED THEN DO NOTHING',
    'WITH d AS (DELETE FROM tracked RETURNING id) SELECT * FROM d',
    'WITH i AS (INSERT INTO tracked VALUES (2) RETURNING id) SELECT 1 AS a',
    'SELECT * INTO elsewhere FROM tracked',
    'CREATE TABLE elsewhere AS SELECT 1 AS a',
    'SELECT * FROM tracked FOR UPDATE',
    'SELECT * FROM tracked FOR KEY SHARE',
    'SELECT * FROM (SELECT * FROM tracked FOR SHARE) x',
    'WITH x AS (SELECT * FROM tracked FOR NO KEY UPDATE) SELECT * FROM x',
    'SELECT random() AS a',
    'SELECT clock_timestamp() AS a',
    'SELECT gen_random_uuid() AS a',
    'SELECT nextval(''seq'') AS a',
    'SELECT currval(''seq'') AS a',
    'SELECT pg_sleep(0)',
    'SELECT set_config(''app.tenant'', ''x'', false)',
    'SELECT arcache_get(''x'')',
    'SELECT id FROM tracked WHERE id > random()',
    'SELECT * FROM tracked TABLESAMPLE system (50)',
    'EXPLAIN SELECT 1',
    'SHOW TimeZone',
    'BEGIN',
    'COPY tracked TO STDOUT',
    'DECLARE c CURSOR FOR SELECT 1',
    'EXECUTE p',
    'CALL p()',
    'DO $x$ BEGIN END $x$'
    ]) WITH ORDINALITY AS u(q, n) ORDER BY n;
SELECT arcache_exists('refused'), to_regclass('elsewhere'), (SELECT count(*) FROM tracked), (SELECT is_called FROM seq);

-- Refused or not, a query that does not parse or mean anything is that error.
SELECT arcache_why('SELEC 1');
SELECT arcache_why('SELECT * FROM nowhere');
SELECT arcache_why('SELECT nothing FROM tracked');
SELECT arcache_why(NULL);

-- A result over what cannot be captured is computed each time, and counted.
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('never', 'SELECT count(*) FROM temporary', ttl => '1 hour'),
       arcache_get_or_set('never', 'SELECT count(*) FROM temporary', ttl => '1 hour');
SELECT arcache_get_or_set('never', 'SELECT pg_backend_pid() = $1 AS same', ttl => '1 hour', params => ARRAY[pg_backend_pid()::text]);
SELECT hits, misses, fills, bypass_uncacheable FROM arcache_stats;
SELECT arcache_exists('never');

-- Every STABLE function of the server's own is known: it depends on settings (exact) or on
-- the clock (ttl), or is left out on purpose (never) because what it reads cannot be captured.
CREATE TABLE builtin (prosrc text, class text);
INSERT INTO builtin SELECT name, 'exact' FROM unnest(ARRAY[
    'anyarray_out', 'anycompatiblearray_out', 'anycompatiblemultirange_in',
    'anycompatiblemultirange_out', 'anycompatiblerange_in', 'anycompatiblerange_out', 'anyenum_out',
    'anymultirange_in', 'anymultirange_out', 'anyrange_in', 'anyrange_out', 'array_in', 'array_out',
    'array_to_json', 'array_to_json_pretty', 'array_to_text', 'array_to_text_null', 'cash_in',
    'cash_numeric', 'cash_out', 'current_database', 'current_schema', 'current_user',
    'date_cmp_timestamptz', 'date_eq_timestamptz', 'date_ge_timestamptz', 'date_gt_timestamptz',
    'date_le_timestamptz', 'date_lt_timestamptz', 'date_ne_timestamptz', 'date_out',
    'date_timestamptz', 'domain_in', 'enum_first', 'enum_in', 'enum_last', 'enum_out',
    'enum_range_all', 'enum_range_bounds', 'extract_timestamptz', 'float4_to_char',
    'float8_to_char', 'format_type', 'generate_series_timestamptz', 'get_current_ts_config',
    'getdatabaseencoding', 'in_range_timestamptz_interval', 'int4_cash', 'int4_to_char',
    'int8_cash', 'int8_to_char', 'interval_in', 'interval_out', 'interval_to_char',
    'json_agg_strict_transfn', 'json_agg_transfn', 'json_build_array', 'json_build_array_noargs',
    'json_build_object', 'json_build_object_noargs', 'json_object_agg_strict_transfn',
    'json_object_agg_transfn', 'json_object_agg_unique_strict_transfn',
    'json_object_agg_unique_transfn', 'json_populate_record', 'json_populate_recordset',
    'json_string_to_tsvector', 'json_to_record', 'json_to_recordset', 'json_to_tsvector',
    'jsonb_agg_finalfn', 'jsonb_agg_strict_transfn', 'jsonb_agg_transfn', 'jsonb_build_array',
    'jsonb_build_array_noargs', 'jsonb_build_object', 'jsonb_build_object_noargs',
    'jsonb_object_agg_finalfn', 'jsonb_object_agg_strict_transfn', 'jsonb_object_agg_transfn',
    'jsonb_object_agg_unique_strict_transfn', 'jsonb_object_agg_unique_transfn',
    'jsonb_path_exists_tz', 'jsonb_path_match_tz', 'jsonb_path_query_array_tz',
    'jsonb_path_query_first_tz', 'jsonb_path_query_tz', 'jsonb_populate_record',
    'jsonb_populate_record_valid', 'jsonb_populate_recordset', 'jsonb_string_to_tsvector',
    'jsonb_to_record', 'jsonb_to_recordset', 'jsonb_to_tsvector', 'length_in_encoding',
    'make_timestamptz', 'make_timestamptz_at_timezone', 'multirange_in', 'multirange_out',
    'numeric_cash', 'numeric_to_char', 'numeric_to_number', 'oidvectortypes', 'pg_basetype',
    'pg_collation_for', 'pg_convert', 'pg_convert_from', 'pg_convert_to', 'pg_typeof',
    'pgsql_version', 'phraseto_tsquery', 'plainto_tsquery', 'range_in', 'range_out', 'record_in',
    'record_out', 'regclassout', 'regcollationout', 'regconfigout', 'regdictionaryout',
    'regnamespaceout', 'regoperatorout', 'regoperout', 'regprocedureout', 'regprocout',
    'regroleout', 'regtypeout', 'row_to_json', 'row_to_json_pretty', 'session_user', 'text_concat',
    'text_concat_ws', 'text_format', 'text_format_nv', 'texttoxml', 'timestamp_at_local',
    'timestamp_cmp_timestamptz', 'timestamp_eq_timestamptz', 'timestamp_ge_timestamptz',
    'timestamp_gt_timestamptz', 'timestamp_le_timestamptz', 'timestamp_lt_timestamptz',
    'timestamp_ne_timestamptz', 'timestamp_out', 'timestamp_timestamptz', 'timestamp_to_char',
    'timestamptz_at_local', 'timestamptz_cmp_date', 'timestamptz_cmp_timestamp', 'timestamptz_date',
    'timestamptz_eq_date', 'timestamptz_eq_timestamp', 'timestamptz_ge_date',
    'timestamptz_ge_timestamp', 'timestamptz_gt_date', 'timestamptz_gt_timestamp',
    'timestamptz_le_date', 'timestamptz_le_timestamp', 'timestamptz_lt_date',
    'timestamptz_lt_timestamp', 'timestamptz_mi_interval', 'timestamptz_ne_date',
    'timestamptz_ne_timestamp', 'timestamptz_out', 'timestamptz_part', 'timestamptz_pl_interval',
    'timestamptz_time', 'timestamptz_timestamp', 'timestamptz_timetz', 'timestamptz_to_char',
    'timestamptz_trunc', 'timestamptz_trunc_zone', 'to_date', 'to_json', 'to_jsonb', 'to_timestamp',
    'to_tsquery', 'to_tsvector', 'ts_headline', 'ts_headline_json', 'ts_headline_json_opt',
    'ts_headline_jsonb', 'ts_headline_jsonb_opt', 'ts_headline_opt', 'ts_match_tq', 'ts_match_tt',
    'ts_parse_byname', 'ts_token_type_byname', 'websearch_to_tsquery', 'xml_in',
    'xml_is_well_formed'
    ]) name;
INSERT INTO builtin SELECT name, 'ttl' FROM unnest(ARRAY[
    'date_in', 'now', 'statement_timestamp', 'time_in', 'time_timetz', 'timestamp_in',
    'timestamptz_in', 'timetz_at_local', 'timetz_in', 'timetz_zone'
    ]) name;
INSERT INTO builtin SELECT name, 'never' FROM unnest(ARRAY[
    'show_config_by_name', 'show_config_by_name_missing_ok'
    ]) name;
-- Left out: they read the state of the server, the session or the transaction, or catalogs and
-- privileges, or are of the planner's and the protocol's own.
INSERT INTO builtin SELECT pattern, 'never' FROM unnest(ARRAY[
    '%sel', '%joinsel', '%recv', '%send', 'has_%_privilege_%', 'pg_stat_get_%', 'pg_has_role_%',
    '%_is_visible', 'pg_get_%', '%_validator', '%typanalyze', 'reg%in', 'to_reg%',
    'pg_event_trigger_%', '%_to_xml%', 'inet_%', 'pg_current_%', 'pg_%_has_property', 'brin_%',
    'PG_char_to_encoding', 'PG_encoding_to_char', 'aclexplode', 'aclitemin', 'aclitemout',
    'current_schemas', 'mxid_age', 'pg_available_extension_versions', 'pg_available_extensions',
    'pg_backend_pid', 'pg_client_encoding', 'pg_column_compression', 'pg_column_is_updatable',
    'pg_column_size', 'pg_column_toast_chunk_id', 'pg_conf_load_time', 'pg_config', 'pg_cursor',
    'pg_describe_object', 'pg_extension_update_paths', 'pg_filenode_relation', 'pg_identify_object',
    'pg_identify_object_as_address', 'pg_input_error_info', 'pg_input_is_valid',
    'pg_is_other_temp_schema', 'pg_listening_channels', 'pg_my_temp_schema', 'pg_numa_available',
    'pg_options_to_table', 'pg_postmaster_start_time', 'pg_prepared_statement',
    'pg_relation_filenode', 'pg_relation_filepath', 'pg_relation_is_publishable',
    'pg_relation_is_updatable', 'pg_replication_origin_oid', 'pg_sequence_parameters',
    'pg_settings_get_flags', 'pg_split_walfile_name', 'pg_stats_ext_mcvlist_items',
    'pg_tablespace_databases', 'pg_tablespace_location', 'pg_timezone_abbrevs',
    'pg_timezone_abbrevs_abbrevs', 'pg_timezone_abbrevs_zone', 'pg_timezone_names',
    'pg_trigger_depth', 'row_security_active', 'row_security_active_name', 'show_all_settings',
    'system_user', 'text_regclass', 'xid_age'
    ]) pattern;
CREATE VIEW stable AS
    SELECT p.oid, p.proname, p.prosrc, p.proargtypes, p.prorettype, p.prokind, p.proretset,
           (SELECT b.class FROM builtin b WHERE p.prosrc LIKE b.prosrc ORDER BY b.class = 'never' LIMIT 1) AS class
      FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
     WHERE l.lanname = 'internal' AND p.provolatile = 's' AND p.oid < 16384 AND p.prokind = 'f';
SELECT 'unknown to this test:', prosrc FROM stable WHERE class IS NULL ORDER BY 2;

-- And arcache_why says so of each that can be called from SQL.
CREATE FUNCTION why_function(function oid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    arguments text := '';
    inputs text := '';
    type oid;
    n int := 0;
BEGIN
    FOREACH type IN ARRAY (SELECT proargtypes::oid[] FROM pg_proc WHERE oid = function) LOOP
        n := n + 1;
        inputs := inputs || format(', NULL::%s AS a%s', CASE type
            WHEN 'anyelement'::regtype THEN 'int' WHEN 'anyarray'::regtype THEN 'int[]'
            WHEN 'anynonarray'::regtype THEN 'int' WHEN 'anyenum'::regtype THEN 'an_enum'
            WHEN 'anyrange'::regtype THEN 'int4range' WHEN 'anymultirange'::regtype THEN 'int4multirange'
            WHEN 'anycompatible'::regtype THEN 'int' WHEN 'anycompatiblearray'::regtype THEN 'int[]'
            WHEN '"any"'::regtype THEN 'int' WHEN 'record'::regtype THEN 'tracked'
            ELSE type::regtype::text END, n);
        arguments := arguments || ', a' || n;
    END LOOP;
    RETURN split_part(split_part(arcache_why(format('SELECT (pg_catalog.%s(%s))::text FROM (SELECT 1 AS a0%s OFFSET 0) x',
        (SELECT quote_ident(proname) FROM pg_proc WHERE oid = function), substr(arguments, 3), inputs)), ';', 1), ':', 1);
EXCEPTION
    WHEN datatype_mismatch OR undefined_function OR invalid_parameter_value OR feature_not_supported
         OR cannot_coerce OR indeterminate_datatype OR syntax_error OR undefined_object OR ambiguous_function THEN
        RETURN NULL;
END $$;
CREATE TYPE an_enum AS ENUM ('a');
SELECT class, why, prosrc, proname FROM (SELECT class, why_function(oid) AS why, prosrc, proname FROM stable) x
 WHERE class <> why ORDER BY prosrc, proname;
SELECT count(*) > 300 AS "most can be called" FROM stable WHERE why_function(oid) IS NOT NULL;

DROP VIEW v1, v2, v3, v4, v5, stable;
DROP FUNCTION why_function, refused, f_immutable, f_stable, f_inline, f_inline_clock, f_inline_today,
    f_inline_random, f_inline_rows, f_inline_untracked, f_not_inlined;
DROP OPERATOR ### (int, int);
DROP AGGREGATE f_aggregate(int);
DROP FUNCTION f_state, f_volatile, f_operator;
DROP TYPE an_enum;
DROP MATERIALIZED VIEW mv;
DROP TABLE tracked, untracked, temporary, part, parent, child, builtin;
DROP SEQUENCE seq;
SELECT arcache_clear() >= 0;
