--
-- Which conditions fix a key, in many types and forms.
--
-- Equal values have equal hashes, however they are written and of whatever type
-- they are: else a write of 1.00 would not be told to who asked for 1.0.  What is
-- not certain to be equal by the key's own notion depends on the whole table.
--
\pset format unaligned
\pset tuples_only on

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN word AS varchar(20);
CREATE TABLE k (
    id int PRIMARY KEY DEFAULT 100,
    i2 smallint, i4 int, i8 bigint, n numeric, f4 real, f8 double precision,
    t text, v varchar(20), c char(10), nm name, w word,
    u uuid, d date, ts timestamp, tz timestamptz, ti time, iv interval,
    e mood, p positive, b boolean, by bytea, ip inet, jb jsonb,
    a int[], ta text[], na numeric[], r int4range, note int DEFAULT 0);
SELECT arcache_enable('k', keys => '{i2,i4,i8,n,f4,f8,t,v,c,nm,w,u,d,ts,tz,ti,iv,e,p,b,by,ip,jb,a,ta,na,r}');
SELECT level, cardinality(keys) FROM arcache_relations WHERE relation = 'k'::regclass;

-- Say what a query depends on; then insert a row that it reads, and one that it
-- does not read, and say what became of its result.  It is always the right one.
CREATE PROCEDURE check_key(condition text, col text, equal text, other text, params text[] DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    query text := 'SELECT count(*) AS n FROM k WHERE ' || condition;
    before bigint;
    result jsonb;
    uncached jsonb;
    ends text[];
BEGIN
    PERFORM arcache_get_or_set('k', query, params => params);
    COMMIT;
    FOR i IN 1..4 LOOP
        CASE i
            WHEN 1 THEN EXECUTE format('INSERT INTO k (%I) VALUES (%s)', col, equal);
            WHEN 2 THEN UPDATE k SET note = note + 1 WHERE id = 100;
            WHEN 3 THEN DELETE FROM k WHERE id = 100;
            WHEN 4 THEN EXECUTE format('INSERT INTO k (%I) VALUES (%s)', col, other);
        END CASE;
        COMMIT;
        SELECT hits INTO before FROM arcache_stats;
        result := arcache_get_or_set('k', query, params => params);
        ends[i] := CASE WHEN (SELECT hits FROM arcache_stats) > before THEN 'kept' ELSE 'ended' END;
        IF params IS NULL THEN
            EXECUTE format('SELECT jsonb_agg(to_jsonb(q)) FROM (%s) q', query) INTO uncached;
        ELSE
            EXECUTE format('SELECT jsonb_agg(to_jsonb(q)) FROM (%s) q', replace(query, '$1', quote_nullable(params[1]))) INTO uncached;
        END IF;
        IF result <> uncached THEN
            RAISE 'WRONG: % has % cached, % uncached', query, result, uncached;
        ELSIF i = 1 AND result <> '[{"n": 1}]' OR i > 2 AND result <> '[{"n": 0}]' THEN
            RAISE 'pointless: % is %', query, result;
        END IF;
        COMMIT;
    END LOOP;
    DELETE FROM k;
    COMMIT;
    RAISE NOTICE '% | %; other: %', regexp_replace(arcache_why(query, params), 'exact; depends on |public.', '', 'g'),
        CASE ends[1:3] WHEN '{ended,ended,ended}' THEN 'ended' ELSE ends[1:3]::text END, ends[4];
END $$;

-- Integers of all sizes are equal, and their hashes are; others are converted.
CALL check_key('i2 = 42', 'i2', '42', '43');
CALL check_key('i2 = 42::bigint', 'i2', '42', '43');
CALL check_key('42::smallint = i2', 'i2', '42', '43');
CALL check_key('i4 = 42', 'i4', '42', '43');
CALL check_key('i4 = -42::bigint', 'i4', '-42', '42');
CALL check_key('i4 = 42::smallint', 'i4', '42', '43');
CALL check_key('i8 = 42', 'i8', '42', '43');
CALL check_key('i8 = -1::smallint', 'i8', '-1', '1');
CALL check_key('i8 = 9000000000', 'i8', '9000000000', '410065408');
CALL check_key('i4 = 42::numeric', 'i4', '42', '43');
CALL check_key('i4 = 42.0', 'i4', '42', '43');
CALL check_key('i4 = 42::float8', 'i4', '42', '43');
CALL check_key('i4 = ''42''', 'i4', '42', '43');
CALL check_key('i4 = abs(-42)', 'i4', '42', '43');
CALL check_key('p = 42', 'p', '42', '43');
CALL check_key('p = 42::bigint', 'p', '42', '43');
CALL check_key('p = 42::positive', 'p', '42', '43');

-- Numbers that are written in several ways.
CALL check_key('n = 1.0', 'n', '1.00', '1.01');
CALL check_key('n = 1', 'n', '1.000', '10');
CALL check_key('n = 1e2', 'n', '100.0', '1000');
CALL check_key('n = ''NaN''', 'n', '''nan''', '0');
CALL check_key('n = 1::float8', 'n', '1.00', '1.01');
CALL check_key('f8 = 0', 'f8', '''-0''', '1');
CALL check_key('f8 = ''-0''', 'f8', '0', '1');
CALL check_key('f8 = ''NaN''', 'f8', '''NaN''', '''Infinity''');
CALL check_key('f8 = 0.5::real', 'f8', '0.5', '0.25');
CALL check_key('f8 = 0.1::real', 'f8', '0.1::real', '0.1');
CALL check_key('f4 = 0.5', 'f4', '0.5', '0.25');
CALL check_key('f4 = 0.1::real', 'f4', '0.1', '0.2');
CALL check_key('f4 = ''-0''::float8', 'f4', '0', '1');

-- Strings: trailing blanks count, but for character(n).
CALL check_key('t = ''abc''', 't', '''abc''', '''abc ''');
CALL check_key('t = ''abc''::varchar', 't', '''abc''', '''ABC''');
CALL check_key('t = ''abc''::name', 't', '''abc''', '''abd''');
CALL check_key('t = ''''', 't', '''''', 'NULL');
CALL check_key('v = ''abc''', 'v', '''abc''', '''abc ''');
CALL check_key('v = ''abc''::text', 'v', '''abc''', '''abd''');
CALL check_key('w = ''abc''', 'w', '''abc''', '''abd''');
CALL check_key('c = ''abc''', 'c', '''abc  ''', '''abd''');
CALL check_key('c = ''abc   ''::char(6)', 'c', '''abc''', '''abd''');
CALL check_key('c = ''abc''::text', 'c', '''abc''', '''abd''');
CALL check_key('t = ''abc''::char(3)', 't', '''abc''', '''abd''');
CALL check_key('nm = ''abc''', 'nm', '''abc''', '''abd''');
CALL check_key('nm = ''abc''::text', 'nm', '''abc''', '''abd''');
CALL check_key('t = ''abc'' COLLATE "C"', 't', '''abc''', '''ABC''');
CALL check_key('by = ''\x6162''', 'by', '''ab''', '''abc''');
CALL check_key('t = repeat(''x'', 100)', 't', 'repeat(''x'', 100)', '''x''');

-- Other types.
CALL check_key('u = ''A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11''', 'u', '''{a0eebc999c0b4ef8bb6d6bb9bd380a11}''', '''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12''');
CALL check_key('d = ''2026-01-02''', 'd', '''20260102''', '''2026-01-03''');
CALL check_key('d = ''infinity''', 'd', '''infinity''', '''-infinity''');
CALL check_key('d = timestamp ''2026-01-02''', 'd', '''2026-01-02''', '''2026-01-03''');
CALL check_key('ts = ''2026-01-02 00:00''', 'ts', 'date ''2026-01-02''', '''2026-01-03''');
CALL check_key('ts = date ''2026-01-02''', 'ts', '''2026-01-02''', '''2026-01-03''');
CALL check_key('tz = ''2026-01-02 12:00+00''', 'tz', '''2026-01-02 14:00+02''', '''2026-01-02 12:00+02''');
CALL check_key('ti = ''12:00''', 'ti', '''12:00:00.0''', '''13:00''');
CALL check_key('iv = ''1 day''', 'iv', '''24 hours''', '''25 hours''');
CALL check_key('iv = ''1 month''', 'iv', '''30 days''', '''31 days''');
CALL check_key('e = ''ok''', 'e', '''ok''', '''sad''');
CALL check_key('ip = ''10.0.0.1''', 'ip', '''10.0.0.1/32''', '''10.0.0.1/24''');
CALL check_key('jb = ''{"b": 1.0, "a": [1]}''', 'jb', '''{"a":[1.00],"b":1}''', '''{"a": 1}''');
CALL check_key('a = ''{1,2}''', 'a', 'ARRAY[1, 2]', '''{2,1}''');
CALL check_key('a = ''[0:1]={1,2}''', 'a', '''[0:1]={1,2}''', '''{1,2}''');
CALL check_key('a = ''{1,NULL}''', 'a', '''{1,NULL}''', '''{1,2}''');
CALL check_key('ta = ''{a,b}''', 'ta', '''{"a","b"}''', '''{b}''');
CALL check_key('na = ''{1.0,2}''', 'na', '''{1,2.00}''', '''{1}''');
CALL check_key('r = ''[1,3)''', 'r', '''[1,2]''', '''[1,3]''');
CALL check_key('r = ''(5,5)''', 'r', '''empty''', '''[5,5]''');
CALL check_key('b', 'b', 'true', 'false');
CALL check_key('NOT b', 'b', 'false', 'true');
CALL check_key('b = true', 'b', 'true', 'false');
CALL check_key('b IS FALSE', 'b', 'false', 'true');

-- Sets of values, NULL, and what is AND-ed or OR-ed.
CALL check_key('i4 IN (41, 42)', 'i4', '42', '43');
CALL check_key('i4 IN (41, 42, NULL)', 'i4', '42', '43');
CALL check_key('i4 = ANY (''{41,42}''::bigint[])', 'i4', '42', '43');
CALL check_key('i4 = ANY (ARRAY[[41, 42], [44, 45]])', 'i4', '42', '43');
CALL check_key('i4 = ALL (ARRAY[42])', 'i4', '42', '43');
CALL check_key('i4 IN (42, 42)', 'i4', '42', '43');
CALL check_key('v IN (''a'', ''abc'')', 'v', '''abc''', '''abd''');
CALL check_key('n = ANY (''{1.0,2}'')', 'n', '2.00', '3');
CALL check_key('t IS NULL AND id = 100', 't', 'NULL', '''abc''');
CALL check_key('(i4 IS NULL OR i4 = 42) AND id = 100', 'i4', '42', '43');
CALL check_key('i4 = 42 AND note >= 0', 'i4', '42', '43');
CALL check_key('i4 = 42 OR t = ''abc''', 'i4', '42', '43');
CALL check_key('i4 = 42 OR t = ''abc''', 't', '''abc''', '''abd''');
CALL check_key('(i4, coalesce(t, '''')) = (42, '''')', 'i4', '42', '43');

-- Parameters.
CALL check_key('i4 = $1', 'i4', '42', '43', '{42}');
CALL check_key('i8 = $1::smallint', 'i8', '42', '43', '{42}');
CALL check_key('n = $1', 'n', '1.00', '2', '{1}');
CALL check_key('v = $1', 'v', '''abc''', '''abd''', '{abc}');
CALL check_key('c = $1', 'c', '''abc''', '''abd''', '{"abc "}');
CALL check_key('i4 = ANY ($1)', 'i4', '42', '43', '{"{41,42}"}');
CALL check_key('e = $1', 'e', '''ok''', '''sad''', '{ok}');
SELECT arcache_why('SELECT count(*) FROM k WHERE i4 = $1');
SELECT arcache_why('SELECT count(*) FROM k WHERE i4 = $1 AND t IN (''a'', ''b'')');
SELECT arcache_why('SELECT count(*) FROM k WHERE i4 = $1', '{NULL}');

-- What fixes no key.
CALL check_key('i4 < 43', 'i4', '42', '43');
CALL check_key('i4 BETWEEN 42 AND 42', 'i4', '42', '43');
CALL check_key('i4 <> 43', 'i4', '42', '43');
CALL check_key('i4::text = ''42''', 'i4', '42', '43');
CALL check_key('i4 + 0 = 42', 'i4', '42', '43');
CALL check_key('t LIKE ''abc''', 't', '''abc''', '''abd''');
CALL check_key('t LIKE ''ab%''', 't', '''abc''', '''xyz''');
CALL check_key('t ~ ''^abc$''', 't', '''abc''', '''abd''');
CALL check_key('lower(t) = ''abc''', 't', '''ABC''', '''abd''');
CALL check_key('t::name = ''abc''', 't', '''abc''', '''abd''');
CALL check_key('t::bpchar = ''abc''', 't', '''abc  ''', '''abd''');
CALL check_key('d::timestamp = ''2026-01-02''', 'd', '''2026-01-02''', '''2026-01-03''');
CALL check_key('jb @> ''{"a": 1}''', 'jb', '''{"a": 1}''', '''{"a": 2}''');
CALL check_key('a @> ''{1}''', 'a', '''{1}''', '''{2}''');
CALL check_key('42 = ANY (a)', 'a', '''{42}''', '''{43}''');
CALL check_key('i4 IS NOT NULL', 'i4', '42', 'NULL');
CALL check_key('i4 IS NOT DISTINCT FROM 42', 'i4', '42', '43');
CALL check_key('i4 = (SELECT 42)', 'i4', '42', '43');

-- More values than are told one by one.
SELECT arcache_why('SELECT id FROM k WHERE i4 = ANY (''{' || string_agg(i::text, ',') || '}'')') FROM generate_series(1, 65) i;
SELECT length(arcache_why('SELECT id FROM k WHERE i4 = ANY (''{' || string_agg(i::text, ',') || '}'')')) > 1000 FROM generate_series(1, 64) i;
SELECT arcache_why('SELECT id FROM k WHERE t = ''' || repeat('long ', 50) || '''');

-- The same by each kind of scan, and by prepared forms of it.
CREATE INDEX ON k (i4);
CREATE INDEX ON k (t, i4);
CREATE INDEX ON k USING hash (n);
CREATE INDEX ON k (v) WHERE v = 'abc';
SET enable_seqscan = off;
CALL check_key('i4 = 42', 'i4', '42', '43');
CALL check_key('i4 = 42::bigint AND note >= 0', 'i4', '42', '43');
CALL check_key('i4 IN (41, 42)', 'i4', '42', '43');
CALL check_key('i4 IS NULL AND note >= 0', 'i4', 'NULL', '43');
CALL check_key('n = 1.0', 'n', '1.00', '2');
CALL check_key('v = ''abc''', 'v', '''abc''', '''abd''');
CALL check_key('t = ''abc'' AND i4 IS NULL', 't', '''abc''', '''abd''');
CALL check_key('t LIKE ''ab%''', 't', '''abc''', '''xyz''');
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
CALL check_key('i4 = 42', 'i4', '42', '43');
CALL check_key('i4 = 42 OR i4 = 41', 'i4', '42', '43');
CALL check_key('i4 = 42 OR n = 1', 'n', '1.0', '2');
CALL check_key('i4 = 42 OR note > 5 AND n = 1', 'i4', '42', '2');
CALL check_key('v = ''abc''', 'v', '''abc''', '''abd''');
RESET ALL;

-- Keys of several columns.
SELECT arcache_enable('k', keys => '{"t,i4","i4,n,t"}');
SELECT keys FROM arcache_relations WHERE relation = 'k'::regclass;
CALL check_key('i4 = 42 AND t IS NULL', 'i4', '42', '43');
CALL check_key('t IS NULL AND i4 = 42::bigint AND n IS NULL', 'i4', '42', '43');
CALL check_key('i4 = 42', 'i4', '42', '43');
CALL check_key('(t = ''a'' OR t IS NULL) AND i4 IN (41, 42)', 'i4', '42', '43');
CALL check_key('(t IS NULL AND i4 = 42) OR (t = ''a'' AND i4 = 43)', 'i4', '42', '43');
SELECT regexp_count(arcache_why('SELECT id FROM k WHERE i4 IN (1,2,3,4,5,6,7,8) AND t IN (''a'',''b'',''c'',''d'',''e'',''f'',''g'',''h'') AND n IN (1, 2)'), 'i4 = ') AS keys;
SELECT arcache_why('SELECT id FROM k WHERE i4 IN (1,2,3,4,5,6,7,8,9) AND t IN (''a'',''b'',''c'',''d'',''e'',''f'',''g'',''h'')');

-- Which keys a table has by itself: none that is partial, an expression, or of
-- what cannot be hashed; columns that are only included belong to none.
CREATE TYPE bounds AS RANGE (subtype = money);
CREATE TABLE parents (a int, "B c" text, PRIMARY KEY (a, "B c"));
CREATE TABLE many (
    id int, extra int, code text UNIQUE, price money UNIQUE, prices money[] UNIQUE, span bounds UNIQUE, flags bit(3) UNIQUE,
    x int, "B c" text, y int UNIQUE DEFERRABLE, z int,
    PRIMARY KEY (id) INCLUDE (extra),
    FOREIGN KEY (x, "B c") REFERENCES parents,
    FOREIGN KEY (x, "B c") REFERENCES parents (a, "B c"));
CREATE UNIQUE INDEX ON many (z) WHERE extra > 0;
CREATE UNIQUE INDEX ON many ((z + 1));
CREATE UNIQUE INDEX ON many (x, z);
SELECT arcache_enable('many');
SELECT keys FROM arcache_relations WHERE relation = 'many'::regclass;
INSERT INTO many VALUES (1, 1, 'a', 1, ARRAY[1::money], '[1,2]', '101', NULL, NULL, 1, 1);
SELECT arcache_why('SELECT extra FROM many WHERE id = 1');
SELECT arcache_why('SELECT id FROM many WHERE x = 1 AND "B c" = ''b''');
SELECT arcache_why('SELECT id FROM many WHERE x = 1');
SELECT arcache_why('SELECT id FROM many WHERE price = ''1''');
SELECT arcache_why('SELECT id FROM many WHERE code = ''it''''s "quoted"''');
SELECT arcache_enable('many', keys => '{price}');
SELECT arcache_enable('many', keys => '{prices}');
SELECT arcache_enable('many', keys => '{"id,span"}');
SELECT arcache_enable('many', keys => '{flags}');
SELECT arcache_enable('many', keys => '{nothing}');
SELECT arcache_enable('many', keys => '{ctid}');
SELECT arcache_enable('many', keys => '{""}');
SELECT arcache_enable('many', keys => '{NULL}');
SELECT arcache_enable('many', keys => '{B c}');
SELECT arcache_enable('many', keys => '{"\"B c\", ID","id,id"}');
SELECT level, keys FROM arcache_relations WHERE relation = 'many'::regclass;
SELECT arcache_enable('many', keys => '{}');
SELECT level, keys FROM arcache_relations WHERE relation = 'many'::regclass;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'many'::regclass AND NOT tgisinternal ORDER BY 1;
CREATE TABLE keyless (a int);
SELECT arcache_enable('keyless');
SELECT level, keys FROM arcache_relations WHERE relation = 'keyless'::regclass;

-- Collations under which different strings are equal take no part, on either side.
CREATE PROCEDURE check_collations(INOUT result text) LANGUAGE plpgsql AS $$
DECLARE
    query text;
    uncached jsonb;
BEGIN
    result := 'as it should be';
    BEGIN
        CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    EXCEPTION WHEN feature_not_supported THEN
        RETURN;
    END;
    CREATE TABLE strict (id int, s text UNIQUE, b text COLLATE blind, sa text[] COLLATE blind, UNIQUE (id, b));
    INSERT INTO strict VALUES (1, 'abc', 'abc', '{abc}');
    PERFORM arcache_enable('strict');
    COMMIT;
    IF (SELECT keys FROM arcache_relations WHERE relation = 'strict'::regclass) <> '{s}' THEN
        result := 'other keys';
    END IF;
    FOR i IN 1..5 LOOP
        FOREACH query IN ARRAY ARRAY[
            'SELECT count(*) AS n FROM strict WHERE s = ''ABC'' COLLATE blind',
            'SELECT count(*) AS n FROM strict WHERE b = ''ABC''',
            'SELECT count(*) AS n FROM strict WHERE b IN (''ABC'', ''x'')',
            'SELECT count(*) AS n FROM strict WHERE sa = ''{ABC}''',
            'SELECT count(*) AS n FROM strict WHERE b = ''ABC'' COLLATE "C"',
            'SELECT count(*) AS n FROM strict a JOIN strict b ON a.s = b.b COLLATE "C" WHERE b.b = ''ABC''',
            'SELECT count(*) AS n FROM strict a JOIN strict b ON a.s = b.b COLLATE blind WHERE a.s = ''ABC''']
        LOOP
            EXECUTE format('SELECT jsonb_agg(to_jsonb(q)) FROM (%s) q', query) INTO uncached;
            IF arcache_get_or_set(NULL, query) <> uncached THEN
                result := format('round %s: %s', i, query);
            END IF;
            COMMIT;
        END LOOP;
        CASE i
            WHEN 1 THEN INSERT INTO strict VALUES (2, 'aBC', 'Abc', '{AbC}');
            WHEN 2 THEN UPDATE strict SET b = 'ABC', sa = '{ABC}' WHERE id = 2;
            WHEN 3 THEN UPDATE strict SET s = 'ABC' WHERE id = 2;
            WHEN 4 THEN DELETE FROM strict WHERE id = 2;
            ELSE NULL;
        END CASE;
        COMMIT;
    END LOOP;
    IF arcache_why('SELECT id FROM strict WHERE s = ''ABC'' COLLATE blind') LIKE '%(%' OR
       arcache_why('SELECT id FROM strict WHERE b = ''ABC''') LIKE '%(%' OR
       arcache_why('SELECT id FROM strict WHERE s = ''ABC''') NOT LIKE '%(s = ABC)%' THEN
        result := 'other dependencies';
    END IF;
    DROP TABLE strict;
    DROP COLLATION blind;
END $$;
CALL check_collations(NULL);

DROP TABLE k, many, parents, keyless;
DROP TYPE mood, bounds;
DROP DOMAIN positive, word;
DROP PROCEDURE check_key, check_collations;
SELECT arcache_clear() >= 0;
