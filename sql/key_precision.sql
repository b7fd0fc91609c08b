--
-- With the orders of 1,000 users in the cache, what does a write end?
--
\pset null '(null)'

CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users ON DELETE CASCADE, amount int);
CREATE INDEX ON orders (user_id);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 1000) i;
-- Three orders each, but none for user 1000.
INSERT INTO orders SELECT i, (i - 1) / 3 + 1, i FROM generate_series(1, 2997) i;
VACUUM ANALYZE users, orders;
SELECT arcache_enable('users'), arcache_enable('orders');
SELECT relation, level, keys FROM arcache_relations ORDER BY relation::text;

-- Read the orders of each user, and say how many were in the cache, and whose
-- were not.  The statement has one snapshot, in which all must be right.
CREATE FUNCTION read_values(OUT reads int, OUT hits bigint, OUT fills bigint, OUT refilled int[], OUT wrong int[])
LANGUAGE plpgsql STABLE AS $$
DECLARE
    query text := 'SELECT id, amount FROM orders WHERE user_id = $1 ORDER BY id';
    a record;
    b record;
    first record;
    cached jsonb;
BEGIN
    SELECT s.hits, s.fills INTO first FROM arcache_stats s;
    b := first;
    reads := 0;
    FOR u IN 1..1000 LOOP
        a := b;
        cached := arcache_get_or_set('orders/' || u, query, params => ARRAY[u::text]);
        reads := reads + 1;
        SELECT s.hits, s.fills INTO b FROM arcache_stats s;
        IF b.hits = a.hits THEN
            refilled := refilled || u;
        END IF;
        IF cached <> (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'amount', amount) ORDER BY id), '[]') FROM orders WHERE user_id = u) THEN
            wrong := wrong || u;
        END IF;
    END LOOP;
    hits := b.hits - first.hits;
    fills := b.fills - first.fills;
    IF cardinality(refilled) > 20 THEN
        refilled := refilled[1:3];
    END IF;
END $$;

-- The same by arcache_query, whose keys are made of the query and its parameters.
CREATE FUNCTION read_rows(OUT reads int, OUT hits bigint, OUT fills bigint, OUT refilled int[], OUT wrong int[])
LANGUAGE plpgsql STABLE AS $$
DECLARE
    query text := 'SELECT o.id, o.amount, u.name FROM orders o JOIN users u ON u.id = o.user_id WHERE u.id = $1';
    a record;
    b record;
    first record;
    differ bigint;
BEGIN
    SELECT s.hits, s.fills INTO first FROM arcache_stats s;
    b := first;
    reads := 0;
    FOR u IN 1..1000 LOOP
        a := b;
        SELECT count(*) INTO differ FROM
            (SELECT * FROM arcache_query(query, params => ARRAY[u::text]) AS c (id int, amount int, name text)) c
            FULL JOIN (SELECT o.id, o.amount, x.name FROM orders o JOIN users x ON x.id = o.user_id WHERE x.id = u) o
            USING (id, amount, name) WHERE c IS NULL OR o IS NULL;
        reads := reads + 1;
        SELECT s.hits, s.fills INTO b FROM arcache_stats s;
        IF b.hits = a.hits THEN
            refilled := refilled || u;
        END IF;
        IF differ > 0 THEN
            wrong := wrong || u;
        END IF;
    END LOOP;
    hits := b.hits - first.hits;
    fills := b.fills - first.fills;
    IF cardinality(refilled) > 20 THEN
        refilled := refilled[1:3];
    END IF;
END $$;

SELECT * FROM read_values();
SELECT * FROM read_values();
SELECT * FROM read_rows();
SELECT * FROM read_rows();

-- One order of user 42.
UPDATE orders SET amount = amount + 1 WHERE id = 124;
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- It moves to user 43.
UPDATE orders SET user_id = 43 WHERE id = 124;
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- The first order of user 1000, who was cached as having none.
INSERT INTO orders VALUES (3000, 1000, 1);
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- The last one is deleted.
DELETE FROM orders WHERE id = 3000;
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- A name ends the join, and not the orders.
UPDATE users SET name = 'Zaphod' WHERE id = 42;
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- A user is deleted, and his orders with him.
DELETE FROM users WHERE id = 7;
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- What is rolled back ends nothing, nor does a write that finds no row.
BEGIN;
UPDATE orders SET amount = 0;
ROLLBACK;
UPDATE orders SET amount = 0 WHERE id = 5000;
DELETE FROM orders WHERE user_id = 1000;
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- Ten in one transaction, by ten statements; and by one.
DO $$ BEGIN FOR i IN 101..110 LOOP UPDATE orders SET amount = amount + 1 WHERE id = 3 * i; END LOOP; END $$;
SELECT * FROM read_values();
UPDATE orders SET amount = amount + 1 WHERE user_id BETWEEN 201 AND 210;
SELECT * FROM read_values();
SELECT * FROM read_rows();

-- Inside a transaction he who writes computes what he has written, and no more.
BEGIN;
UPDATE orders SET user_id = 901 WHERE user_id = 900;
SELECT reads, hits, refilled, wrong FROM read_values();
ROLLBACK;
SELECT * FROM read_values();

-- More keys than are told one by one end all.
BEGIN;
SET LOCAL arcache.max_key_tokens = 20;
UPDATE orders SET amount = amount + 1 WHERE user_id BETWEEN 1 AND 10;
COMMIT;
SELECT * FROM read_values();
SELECT * FROM read_values();
SELECT relation, escalations FROM arcache_relations ORDER BY relation::text;

-- So does what concerns the whole table.
TRUNCATE orders;
SELECT * FROM read_values();
SELECT * FROM read_values();

DROP TABLE orders, users;
DROP FUNCTION read_values, read_rows;
SELECT arcache_clear() >= 0;
