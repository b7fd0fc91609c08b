--
-- What is written to the cache obeys the transaction
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on
SELECT arcache_stats_reset();

-- A set is seen by its own transaction at once, and after COMMIT by all that follow.
BEGIN;
SELECT arcache_set('a', '1');
SELECT arcache_get('a'), arcache_exists('a'), (SELECT string_agg(k, ',') FROM arcache_keys() k);
COMMIT;
SELECT arcache_get('a');

-- ROLLBACK undoes a set, and what it replaced is there again.
BEGIN;
SELECT arcache_set('a', '2'), arcache_set('b', '2');
SELECT arcache_get('a'), arcache_get('b');
ROLLBACK;
SELECT arcache_get('a'), arcache_get('b');

-- A statement that fails undoes its own set.
SELECT arcache_set('a', '3'), 1 / 0;
SELECT arcache_get('a');

-- A delete hides the key from its own transaction, and ROLLBACK brings it back.
BEGIN;
SELECT arcache_delete('a'), arcache_delete('a');
SELECT arcache_get('a'), arcache_exists('a'), arcache_ttl('a'), (SELECT count(*) FROM arcache_keys());
ROLLBACK;
SELECT arcache_get('a');
BEGIN;
SELECT arcache_delete('a');
COMMIT;
SELECT arcache_get('a');

-- Of sets and deletes of one key the last one counts.
BEGIN;
SELECT arcache_set('a', '1'), arcache_delete('a'), arcache_set('a', '2'), arcache_delete('a'), arcache_set('a', '3');
SELECT arcache_get('a');
COMMIT;
SELECT arcache_get('a');
BEGIN;
SELECT arcache_set('a', '4'), arcache_delete('a');
SELECT arcache_get('a');
COMMIT;
SELECT arcache_get('a');

-- A pattern deletes what was set before it, not what is set after it.
SELECT arcache_set_many('{"p:1": 1, "p:2": 2, "q:1": 1}');
BEGIN;
SELECT arcache_set('p:3', '3'), arcache_set('q:2', '2');
SELECT arcache_delete_pattern('p:*');
SELECT string_agg(k, ',' ORDER BY k COLLATE "C") FROM arcache_keys() k;
SELECT arcache_set('p:1', '"new"'), arcache_set('p:4', '"new"');
SELECT string_agg(k, ',' ORDER BY k COLLATE "C") FROM arcache_keys() k;
SELECT arcache_get('p:1'), arcache_get('p:2'), arcache_get('p:3'), arcache_get('p:4');
COMMIT;
SELECT * FROM arcache_get_many('{p:1,p:2,p:3,p:4,q:1,q:2}') ORDER BY ord;

-- ROLLBACK undoes a pattern and a clear.
BEGIN;
SELECT arcache_delete_pattern('*');
SELECT count(*) FROM arcache_keys();
ROLLBACK;
BEGIN;
SELECT arcache_clear();
SELECT count(*) FROM arcache_keys();
SELECT arcache_set('after', '1');
SELECT string_agg(k, ',') FROM arcache_keys() k;
ROLLBACK;
SELECT string_agg(k, ',' ORDER BY k COLLATE "C") FROM arcache_keys() k;
BEGIN;
SELECT arcache_clear_all();
SELECT count(*) FROM arcache_keys();
ROLLBACK;
SELECT count(*) FROM arcache_keys();

-- clear counts the keys as the transaction sees them.
BEGIN;
SELECT arcache_set('more', '1'), arcache_delete('q:1'), count(*) FROM arcache_keys();
SELECT arcache_clear(), arcache_clear();
ROLLBACK;

-- clear keeps what is set after it.
BEGIN;
SELECT arcache_clear();
SELECT arcache_set('after', '1');
COMMIT;
SELECT string_agg(k, ',') FROM arcache_keys() k;
SELECT arcache_clear();

-- ROLLBACK TO undoes what came after the savepoint, and no more.
BEGIN;
SELECT arcache_set('a', '1'), arcache_set('b', '1');
SAVEPOINT one;
SELECT arcache_set('a', '2'), arcache_delete('b'), arcache_set('c', '2');
SELECT arcache_get('a'), arcache_get('b'), arcache_get('c');
ROLLBACK TO one;
SELECT arcache_get('a'), arcache_get('b'), arcache_get('c');
SELECT arcache_set('d', '3');
ROLLBACK TO one;
SELECT arcache_get('d');
SELECT arcache_set('e', '4');
COMMIT;
SELECT * FROM arcache_get_many('{a,b,c,d,e}') ORDER BY ord;

-- RELEASE keeps what came after the savepoint, for the outer level to decide.
BEGIN;
SELECT arcache_set('a', '10');
SAVEPOINT one;
SELECT arcache_set('a', '11');
SAVEPOINT two;
SELECT arcache_set('a', '12'), arcache_delete('b');
RELEASE two;
SELECT arcache_get('a'), arcache_get('b');
ROLLBACK TO one;
SELECT arcache_get('a'), arcache_get('b');
SAVEPOINT three;
SELECT arcache_set('a', '13'), arcache_delete_pattern('e');
RELEASE three;
RELEASE one;
COMMIT;
SELECT * FROM arcache_get_many('{a,b,c,d,e}') ORDER BY ord;

-- Patterns obey savepoints as well.
BEGIN;
SAVEPOINT one;
SELECT arcache_delete_pattern('a');
SAVEPOINT two;
SELECT arcache_set('a', '14'), arcache_set('f', '14');
SELECT arcache_delete_pattern('*');
SELECT arcache_get('a'), arcache_get('b'), arcache_get('f');
ROLLBACK TO two;
SELECT arcache_get('a'), arcache_get('b'), arcache_get('f');
ROLLBACK TO one;
SELECT arcache_get('a'), arcache_get('b'), arcache_get('f');
COMMIT;
SELECT * FROM arcache_get_many('{a,b,f}') ORDER BY ord;

-- Many levels, each undone or kept.
BEGIN;
DO $$
BEGIN
    FOR i IN 1 .. 100 LOOP
        BEGIN
            PERFORM arcache_set('level', to_jsonb(i)), arcache_set('level:' || i, to_jsonb(i));
            IF i % 3 = 0 THEN
                RAISE EXCEPTION 'undo';
            END IF;
        EXCEPTION WHEN raise_exception THEN
        END;
    END LOOP;
END $$;
COMMIT;
SELECT arcache_get('level'), (SELECT count(*) FROM arcache_keys('level:*')), arcache_exists('level:99');

-- An exception block of plpgsql undoes what was set in it, and its handler's set stays.
DO $$
BEGIN
    PERFORM arcache_set('outer', '1');
    BEGIN
        PERFORM arcache_set('inner', '1'), arcache_set('outer', '2'), arcache_delete('a');
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        PERFORM arcache_set('handler', arcache_get('outer'));
    END;
END $$;
SELECT * FROM arcache_get_many('{outer,inner,handler,a}') ORDER BY ord;

-- A procedure's COMMIT and ROLLBACK are ends of transactions.
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM arcache_set('proc:1', '1');
    COMMIT;
    PERFORM arcache_set('proc:2', '2');
    ROLLBACK;
    PERFORM arcache_set('proc:3', '3');
END $$;
CALL commits();
SELECT * FROM arcache_get_many('{proc:1,proc:2,proc:3}') ORDER BY ord;
DROP PROCEDURE commits();

-- Counters change at once, whatever becomes of the transaction.
BEGIN;
SELECT arcache_incr('n'), arcache_incr('n');
ROLLBACK;
SELECT arcache_get('n');
BEGIN;
SAVEPOINT one;
SELECT arcache_incr('n');
ROLLBACK TO one;
COMMIT;
SELECT arcache_get('n');

-- A counter that the transaction itself has set or deleted counts with the transaction.
BEGIN;
SELECT arcache_set('n', '100'), arcache_incr('n');
SELECT arcache_get('n');
ROLLBACK;
SELECT arcache_get('n');
BEGIN;
SELECT arcache_delete('n'), arcache_incr('n', 7);
COMMIT;
SELECT arcache_get('n');

BEGIN;
SELECT arcache_set('n', '100'), arcache_delete_pattern('n'), arcache_incr('n', 5);
COMMIT;
SELECT arcache_get('n');

-- if_absent goes by what the transaction sees.
BEGIN;
SELECT arcache_set('n', '0', if_absent => true), arcache_delete('n'), arcache_set('n', '1', if_absent => true),
       arcache_set('n', '2', if_absent => true);
ROLLBACK;
SELECT arcache_get('n');

-- From its write on a transaction reads past the cache what depends on that table.
CREATE TABLE item (id int PRIMARY KEY, name text);
CREATE TABLE other (id int);
INSERT INTO item VALUES (1, 'one');
INSERT INTO other VALUES (1);
SELECT arcache_enable('item'), arcache_enable('other');
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id');
SELECT arcache_get_or_set('others', 'SELECT * FROM other ORDER BY id');
SELECT arcache_stats_reset();
BEGIN;
INSERT INTO item VALUES (2, 'two');
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT * FROM item ORDER BY id) t);
SELECT arcache_get_or_set('others', 'SELECT * FROM other ORDER BY id');
SELECT hits, misses, fills, bypass_own_writes FROM arcache_stats;
SELECT arcache_get('items');
ROLLBACK;

-- After ROLLBACK the entry serves again, for nothing has changed.
SELECT arcache_stats_reset();
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT * FROM item ORDER BY id) t);
SELECT hits, misses, fills, bypass_own_writes FROM arcache_stats;

-- After COMMIT it does not, and one fill brings the new result.
BEGIN;
INSERT INTO item VALUES (2, 'two');
COMMIT;
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT * FROM item ORDER BY id) t);
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT * FROM item ORDER BY id) t);
SELECT hits, misses, fills, bypass_own_writes FROM arcache_stats;

-- A write that ROLLBACK TO undid is none, and one that RELEASE kept is one.
SELECT arcache_stats_reset();
BEGIN;
SAVEPOINT one;
DELETE FROM item;
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id');
ROLLBACK TO one;
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id');
SAVEPOINT two;
UPDATE item SET name = upper(name);
RELEASE two;
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id');
COMMIT;
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id');
SELECT hits, misses, fills, bypass_own_writes FROM arcache_stats;

-- A function called within the writing statement reads past the cache too.
CREATE FUNCTION items() RETURNS bigint LANGUAGE sql VOLATILE AS
$$ SELECT jsonb_array_length(arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id')) $$;
SELECT items();
SELECT arcache_stats_reset();
UPDATE item SET name = items()::text RETURNING name;
SELECT items();
SELECT hits, misses, fills, bypass_own_writes FROM arcache_stats;

-- A set together with a write takes effect together with it.
BEGIN;
UPDATE item SET name = 'three' WHERE id = 1;
SELECT arcache_set('name', '"three"', depends_on => '{item}');
SELECT arcache_get('name');
ROLLBACK;
SELECT arcache_get('name');
BEGIN;
UPDATE item SET name = 'three' WHERE id = 1;
SELECT arcache_set('name', '"three"', depends_on => '{item}');
COMMIT;
SELECT arcache_get('name') #>> '{}' = (SELECT name FROM item WHERE id = 1);
UPDATE item SET name = 'four' WHERE id = 1;
SELECT arcache_get('name');

-- Invalidating is a write: seen by its transaction, undone by ROLLBACK.
SELECT arcache_get_or_set('items', 'SELECT * FROM item ORDER BY id') IS NOT NULL;
SELECT arcache_set('tagged', '1', tags => '{t}');
BEGIN;
SELECT arcache_invalidate('item'), arcache_invalidate_tag('t');
SELECT arcache_get('items') IS NULL, arcache_get('tagged') IS NULL;
ROLLBACK;
SELECT arcache_get('items') IS NULL, arcache_get('tagged') IS NULL;
BEGIN;
SAVEPOINT one;
SELECT arcache_invalidate('item'), arcache_invalidate_tag('t');
ROLLBACK TO one;
COMMIT;
SELECT arcache_get('items') IS NULL, arcache_get('tagged') IS NULL;
SELECT arcache_invalidate('item'), arcache_invalidate_tag('t');
SELECT arcache_get('items') IS NULL, arcache_get('tagged') IS NULL;

-- A key that the transaction has deleted or set is not filled by it.
BEGIN;
SELECT arcache_delete('items');
SELECT arcache_get_or_set('items', 'SELECT 1 AS a');
SELECT arcache_get('items');
COMMIT;
SELECT arcache_get('items');
BEGIN;
SELECT arcache_set('items', '"set"');
SELECT arcache_get_or_set('items', 'SELECT 1 AS a');
SELECT arcache_get('items');
COMMIT;
SELECT arcache_get('items');

-- A transaction that changes nothing assigns no transaction id.
BEGIN;
SELECT arcache_set('quiet', '1'), arcache_get('quiet'), arcache_incr('quiet:n');
SELECT arcache_get_or_set('items2', 'SELECT * FROM item ORDER BY id') IS NOT NULL;
SELECT pg_current_xact_id_if_assigned();
COMMIT;
SELECT arcache_get('quiet');

-- READ ONLY transactions may read and fill, and set as well: the cache is no table.
BEGIN READ ONLY;
SELECT arcache_get_or_set('readonly', 'SELECT * FROM item ORDER BY id')
     = (SELECT jsonb_agg(to_jsonb(t)) FROM (SELECT * FROM item ORDER BY id) t);
SELECT arcache_set('readonly:set', '1'), arcache_delete('quiet');
COMMIT;
SELECT arcache_exists('readonly'), arcache_get('readonly:set'), arcache_exists('quiet');

DROP FUNCTION items();
DROP TABLE item, other;
SELECT arcache_clear() >= 0;
SELECT count(*) FROM arcache_keys();

-- Many sets of one transaction; some of their keys share a slot of its guards.
SELECT arcache_clear() IS NOT NULL;
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL;
SELECT count(*) FILTER (WHERE arcache_set('many:' || i, to_jsonb(i))) FROM generate_series(1, 3000) i;
COMMIT;
SELECT count(*) FROM generate_series(1, 3000) i WHERE arcache_get('many:' || i) = to_jsonb(i);
SELECT arcache_clear();
