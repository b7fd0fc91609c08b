--
-- Relationships: what is defined, what comes of it, and what it costs
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on
SET arcache.debug_verify = on;

CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE NOT NULL, boss int REFERENCES users);
CREATE TABLE orders (id int PRIMARY KEY, user_id bigint REFERENCES users, buyer int REFERENCES users, total numeric);
CREATE TABLE profiles (id int PRIMARY KEY, user_id int, kind text);
CREATE TABLE letters (id int PRIMARY KEY, email text REFERENCES users (email), body text);
INSERT INTO users VALUES (1, 'ann', NULL), (2, 'bob', 1), (3, 'cid', 1), (4, 'dan', 2);
INSERT INTO orders VALUES (11, 1, 2, 10), (12, 1, 3, 20), (21, 2, 1, 30), (31, 3, NULL, 40), (41, NULL, NULL, 50);
INSERT INTO profiles VALUES (9, 1, 'old'), (7, 1, 'new'), (8, 2, 'only');
INSERT INTO letters VALUES (1, 'ann', 'dear'), (2, 'ann', 'dear again'), (3, 'bob', 'hello'), (4, NULL, 'anonymous');
SELECT arcache_enable('users'), arcache_enable('orders'), arcache_enable('profiles'), arcache_enable('letters');

-- What a query of related rows gives, and what was counted meanwhile.
CREATE FUNCTION counted(query text, OUT rows text, OUT counts text) LANGUAGE plpgsql AS $$
DECLARE
    a record;
    b record;
BEGIN
    SELECT * INTO a FROM arcache_stats;
    EXECUTE 'SELECT string_agg(counted_row::text, '' '') FROM (' || query || ') counted_row' INTO rows;
    SELECT * INTO b FROM arcache_stats;
    counts := concat_ws(', ', CASE WHEN b.hits > a.hits THEN 'hits ' || b.hits - a.hits END,
        CASE WHEN b.misses > a.misses THEN 'misses ' || b.misses - a.misses END,
        CASE WHEN b.fills > a.fills THEN 'fills ' || b.fills - a.fills END,
        CASE WHEN b.bypass_disabled > a.bypass_disabled THEN 'bypass_disabled ' || b.bypass_disabled - a.bypass_disabled END,
        CASE WHEN b.bypass_own_writes > a.bypass_own_writes THEN 'bypass_own_writes ' || b.bypass_own_writes - a.bypass_own_writes END);
END $$;

-- The error of a statement.
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'NO ERROR';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN detail <> '' THEN ' | ' || detail ELSE '' END
        || CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
END $$;

-- has_many: with one foreign key its columns need no naming; with two they do.
SELECT attempt($$SELECT arcache_has_many('users', 'orders', 'orders')$$);
SELECT arcache_has_many('users', 'orders', 'orders', '{user_id}');
SELECT arcache_has_many('users', 'purchases', 'orders', '{buyer}', ttl => '5 minutes');
SELECT arcache_has_many('users', 'letters', 'letters');
SELECT arcache_has_many('users', 'staff', 'users');
-- has_one: without a foreign key the columns refer to the primary key.
SELECT arcache_has_one('users', 'profile', 'profiles', '{user_id}');
-- belongs_to: the declaring table has the foreign key.
SELECT arcache_belongs_to('users', 'boss', 'users');
SELECT arcache_belongs_to('orders', 'user', 'users', '{user_id}');
SELECT arcache_belongs_to('letters', 'sender', 'users');
SELECT parent, name, kind, child, parent_columns, child_columns, enabled, ttl FROM arcache_relationships ORDER BY parent::text, name;

-- Read through: computed, remembered, found.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', '1')$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'purchases', 1)$$);

-- Nothing related is remembered too; an instance that NULL names has nothing.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 4)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 4)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', NULL)$$);

-- has_one: the first by primary key, of several.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::profiles, 'users', 'profile', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::profiles, 'users', 'profile', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::profiles, 'users', 'profile', 3)$$);

-- Without a primary key none of them is the first.
CREATE TABLE keyless (user_id int, kind text, document json);
INSERT INTO keyless VALUES (1, 'z', '1'), (1, 'b', '2');
SELECT arcache_enable('keyless'), attempt($$SELECT arcache_has_one('users', 'keyless', 'keyless', '{user_id}')$$);
-- Tables that inherit may have a key of the child's again; which row is the first does not depend on the plan.
CREATE TABLE firsts (id int PRIMARY KEY, user_id int, body json);
CREATE TABLE more_firsts () INHERITS (firsts);
INSERT INTO firsts VALUES (1, 1, '"own"'), (5, 3, '"e"');
INSERT INTO more_firsts VALUES (1, 1, '"b"'), (1, 1, '"a"'), (0, 2, '"d"'), (0, 2, '"c"');
SELECT arcache_enable('firsts'), arcache_has_one('users', 'first', 'firsts', '{user_id}');
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::firsts, 'users', 'first', '{2,1}'::int[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::firsts, 'users', 'first', 1)$$);
SET enable_sort = off;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::firsts, 'users', 'first', 2)$$);
RESET enable_sort;
SELECT arcache_drop_relationship('users', 'first');
DROP TABLE more_firsts, firsts;

-- belongs_to: by way of the parent's row, which is that of arcache_row.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'orders', 'user', 11)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'orders', 'user', 11)$$);
SELECT * FROM counted($$SELECT * FROM arcache_row(NULL::orders, 11)$$);
-- Another order of the same user finds the user that the first one found.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'orders', 'user', 12)$$);
-- A reference that is NULL leads nowhere, as does an order that is not there.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'orders', 'user', 41)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'orders', 'user', 99)$$);

-- A foreign key to a unique column that is not the primary key, from both sides.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::letters, 'users', 'letters', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::letters, 'users', 'letters', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'letters', 'sender', 3)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'letters', 'sender', 4)$$);

-- A table that refers to itself, from both sides.
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'users', 'staff', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'users', 'boss', 2)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'users', 'boss', 1)$$);

-- A write invalidates, without any action; the transaction sees its own at once.
UPDATE orders SET total = 11 WHERE id = 11;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
-- It invalidates what it concerns: an order that moves, that of its old and of its new user, and an empty one that has its first.
SELECT * FROM counted($$SELECT id FROM arcache_related_many(NULL::orders, 'users', 'orders', '{1,2,3,4}'::int[])$$);
UPDATE orders SET user_id = 2 WHERE id = 12;
SELECT * FROM counted($$SELECT id FROM arcache_related_many(NULL::orders, 'users', 'orders', '{1,2,3,4}'::int[])$$);
INSERT INTO orders VALUES (43, 4, NULL, 70);
SELECT * FROM counted($$SELECT id FROM arcache_related_many(NULL::orders, 'users', 'orders', '{1,2,3,4}'::int[])$$);
DELETE FROM orders WHERE id = 43;
UPDATE orders SET user_id = 1 WHERE id = 12;
SELECT * FROM counted($$SELECT id FROM arcache_related_many(NULL::orders, 'users', 'orders', '{1,2,3,4}'::int[])$$);
UPDATE users SET email = 'eve' WHERE id = 4;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'users', 'staff', 2)$$);
BEGIN;
INSERT INTO orders VALUES (42, 4, NULL, 60);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 4)$$);
ROLLBACK;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 4)$$);

-- Many parents: in the order of their keys, each as often as it is named.
SELECT arcache_clear_all() > 0;
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::orders, 'users', 'orders', '{3,1,2,4}'::int[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::orders, 'users', 'orders', '{1,NULL,3,1}'::bigint[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 2)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::orders, 'users', 'orders', '{}'::int[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::orders, 'users', 'orders', NULL::int[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::users, 'orders', 'user', '{41,31,12,11,99}'::int[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::users, 'orders', 'user', '{41,31,12,11,99}'::int[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::profiles, 'users', 'profile', '{1,2,3}'::int[])$$);

-- Sixty parents take one query for all that is missing: one scan of the table.
CREATE TABLE authors (id int PRIMARY KEY);
CREATE TABLE books (id int PRIMARY KEY, author_id int NOT NULL REFERENCES authors);
INSERT INTO authors SELECT i FROM generate_series(1, 60) i;
INSERT INTO books SELECT i, 1 + i % 60 FROM generate_series(1, 180) i;
SELECT arcache_enable('authors'), arcache_enable('books');
SELECT arcache_has_many('authors', 'books', 'books'), arcache_belongs_to('books', 'author', 'authors');
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET enable_indexonlyscan = off;
SET enable_nestloop = off;
CREATE FUNCTION scans(query text, OUT rows bigint, OUT scans_of_books bigint, OUT scans_of_authors bigint) LANGUAGE plpgsql AS $$
DECLARE
    a jsonb;
    b jsonb;
    counts text := 'SELECT jsonb_object_agg(relname, seq_scan + idx_scan) FROM pg_stat_xact_user_tables WHERE relname IN (''authors'', ''books'')';
BEGIN
    EXECUTE counts INTO a;
    EXECUTE 'SELECT count(*) FROM (' || query || ') q' INTO rows;
    EXECUTE counts INTO b;
    scans_of_books := (b->'books')::bigint - (a->'books')::bigint;
    scans_of_authors := (b->'authors')::bigint - (a->'authors')::bigint;
END $$;
SET arcache.debug_verify = off;
SELECT * FROM scans($$SELECT r FROM generate_series(1, 7) i, arcache_related(NULL::books, 'authors', 'books', i) r$$);
SELECT * FROM scans($$SELECT * FROM arcache_related_many(NULL::books, 'authors', 'books', ARRAY(SELECT generate_series(1, 60)))$$);
SELECT * FROM scans($$SELECT * FROM arcache_related_many(NULL::books, 'authors', 'books', ARRAY(SELECT generate_series(1, 60)))$$);
SELECT * FROM scans($$SELECT * FROM arcache_related_many(NULL::authors, 'books', 'author', ARRAY(SELECT generate_series(1, 60)))$$);
SELECT * FROM scans($$SELECT * FROM arcache_related_many(NULL::authors, 'books', 'author', ARRAY(SELECT generate_series(1, 60)))$$);
SET arcache.debug_verify = on;
RESET enable_indexscan;
RESET enable_bitmapscan;
RESET enable_indexonlyscan;
RESET enable_nestloop;

-- Keys of several columns, in another order than the primary key has them.
CREATE TABLE shelves (hall text, nr int, label text, PRIMARY KEY (hall, nr));
CREATE TABLE boxes (id int PRIMARY KEY, shelf_nr smallint, shelf_hall varchar(10),
    FOREIGN KEY (shelf_nr, shelf_hall) REFERENCES shelves (nr, hall));
INSERT INTO shelves VALUES ('a', 1, 'a1'), ('a', 2, 'a2'), ('a:1', 2, 'colon'), ('b', 1, 'b1');
INSERT INTO boxes VALUES (1, 1, 'a'), (2, 1, 'a'), (3, 2, 'a'), (4, 2, 'a:1'), (5, NULL, 'a');
SELECT arcache_enable('shelves'), arcache_enable('boxes');
SELECT arcache_has_many('shelves', 'boxes', 'boxes'), arcache_belongs_to('boxes', 'shelf', 'shelves');
SELECT parent_columns, child_columns FROM arcache_relationships WHERE name IN ('boxes', 'shelf') ORDER BY name;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::boxes, 'shelves', 'boxes', 'a', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::boxes, 'shelves', 'boxes', 'a:1', 2)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::boxes, 'shelves', 'boxes', 'a', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::boxes, 'shelves', 'boxes', ARRAY[ROW('b', 1), ROW('a', 2), ROW('a', 1)])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::shelves, 'boxes', 'shelf', '{5,4,3,2,1}'::int[])$$);
SELECT attempt($$SELECT arcache_related(NULL::boxes, 'shelves', 'boxes', 'a')$$);
-- The order of a foreign key that is named is that of its constraint; of any other, that of the primary key.
SELECT arcache_has_many('shelves', 'boxes', 'boxes', '{shelf_hall,shelf_nr}');
SELECT parent_columns, child_columns FROM arcache_relationships WHERE name = 'boxes';
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::boxes, 'shelves', 'boxes', 'a', 1)$$);
ALTER TABLE boxes DROP CONSTRAINT boxes_shelf_nr_shelf_hall_fkey;
SELECT arcache_has_many('shelves', 'boxes', 'boxes', '{shelf_hall,shelf_nr}');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::boxes, 'shelves', 'boxes', 'a', 1)$$);

-- A value that the other column's type cannot hold finds nothing, and is no error.
CREATE TABLE big (id bigint PRIMARY KEY);
CREATE TABLE small (id int PRIMARY KEY, big_id smallint);
INSERT INTO big VALUES (1), (65537);
INSERT INTO small VALUES (1, 1);
SELECT arcache_enable('big'), arcache_enable('small'), arcache_has_many('big', 'small', 'small', '{big_id}');
SELECT * FROM counted($$SELECT * FROM arcache_related_many(NULL::small, 'big', 'small', '{65537,1}'::bigint[])$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::small, 'big', 'small', 65537)$$);

-- Types are related that are compared as one; casts take no part, whoever wrote them, nor does a constraint help.
CREATE TYPE one AS ENUM ('a', 'b');
CREATE TYPE other AS ENUM ('a', 'b');
CREATE FUNCTION other(one) RETURNS other LANGUAGE plpgsql AS $$ BEGIN RAISE 'called by %', current_user; END $$;
CREATE CAST (one AS other) WITH FUNCTION other(one) AS IMPLICIT;
CREATE TABLE typed (id int PRIMARY KEY, one one UNIQUE, txt text UNIQUE, day date UNIQUE, num bigint UNIQUE, obj oid UNIQUE);
CREATE TABLE related_types (id int PRIMARY KEY, other other, varc varchar(3), nam name REFERENCES typed (txt), pad char(5) REFERENCES typed (txt),
    stamp timestamp REFERENCES typed (day), f4 real, n numeric, rel regclass REFERENCES typed (obj));
INSERT INTO typed VALUES (1, 'a', repeat('x', 70), 'infinity', 16777217, 'pg_class'::regclass), (2, 'b', 'abc', '2024-01-01', 1, 'pg_type'::regclass);
INSERT INTO related_types (id, varc, rel) VALUES (1, 'abc', 'pg_type');
SELECT arcache_enable('typed'), arcache_enable('related_types');
SELECT c, attempt(format('SELECT arcache_has_many(''typed'', %L, ''related_types'', ''{%s}'')', c, c)) FROM unnest('{nam,pad,stamp,f4,n,rel}'::text[]) c;
SELECT attempt($$SELECT arcache_belongs_to('related_types', 'obj', 'typed', '{rel}')$$);
INSERT INTO arcache_relationship VALUES ('typed', 'enum', 'has_many', 'related_types', '{one}', '{other}'), ('typed', 'text', 'has_many', 'related_types', '{txt}', '{varc}');
SELECT attempt($$SELECT arcache_related(NULL::related_types, 'typed', 'enum', 1)$$);
SELECT * FROM counted($$SELECT id FROM arcache_related_many(NULL::related_types, 'typed', 'text', '{1,2}'::int[])$$);
SELECT * FROM counted($$SELECT id FROM arcache_related_many(NULL::related_types, 'typed', 'rel', '{1,2}'::int[])$$);
SELECT * FROM counted($$SELECT id FROM arcache_related(NULL::related_types, 'typed', 'rel', 2)$$);
SELECT * FROM counted($$SELECT id FROM arcache_related(NULL::typed, 'related_types', 'obj', 1)$$);
-- Clearing all relationships of a row passes over those that cannot be used.
SELECT arcache_clear_related('typed', NULL, 2);
ALTER TABLE related_types DROP varc;
SELECT * FROM counted($$SELECT id FROM arcache_related(NULL::related_types, 'typed', 'rel', 2)$$);
SELECT arcache_clear_related('typed', NULL, 2);
DROP TABLE related_types, typed;
DROP TYPE one, other CASCADE;

-- A definition made by hand with more columns than a key can have.
CREATE TABLE wide ();
DO $$ BEGIN EXECUTE 'ALTER TABLE wide ADD id int PRIMARY KEY' || (SELECT string_agg(format(', ADD c%s int DEFAULT 1', i), '') FROM generate_series(1, 60) i); END $$;
INSERT INTO wide VALUES (1), (2);
SELECT attempt(format('INSERT INTO arcache_relationship VALUES (''wide'', ''w'', ''has_many'', ''wide'', %1$L, %1$L)', c)) FROM (SELECT array_agg('c' || i) c FROM generate_series(1, 33) i) x;
BEGIN;
ALTER TABLE arcache_relationship DROP CONSTRAINT arcache_relationship_check;
INSERT INTO arcache_relationship SELECT 'wide', 'w', 'has_many', 'wide', c, c FROM (SELECT array_agg('c' || i)::name[] c FROM generate_series(1, 60) i) x;
SELECT attempt($$SELECT arcache_related_many(NULL::wide, 'wide', 'w', '{1,2}'::int[])$$);
ROLLBACK;
DROP TABLE wide;

-- Partitions.
CREATE TABLE events (id int, user_id int REFERENCES users, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (100);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (100) TO (200);
INSERT INTO events VALUES (1, 1), (101, 1), (102, 2);
SELECT arcache_enable('events'), arcache_has_many('users', 'events', 'events'), arcache_belongs_to('events', 'user', 'users');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::events, 'users', 'events', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::events, 'users', 'events', 1)$$);
DELETE FROM events_2 WHERE id = 101;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::events, 'users', 'events', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'events', 'user', 102)$$);

-- Children by inheritance are related as their parent's rows are, but may have its keys twice.
CREATE TABLE notes (id int PRIMARY KEY, user_id int);
CREATE TABLE long_notes (body text) INHERITS (notes);
INSERT INTO notes VALUES (1, 1);
INSERT INTO long_notes VALUES (2, 1, 'long');
SELECT arcache_enable('notes'), arcache_has_many('users', 'notes', 'notes', '{user_id}'), arcache_belongs_to('notes', 'user', 'users', '{user_id}');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::notes, 'users', 'notes', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'notes', 'user', 2)$$);
INSERT INTO long_notes VALUES (1, 2, 'the same id');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::notes, 'users', 'notes', 2)$$);
SELECT attempt($$SELECT arcache_related(NULL::users, 'notes', 'user', 1)$$);
SELECT attempt($$SELECT arcache_related_many(NULL::users, 'notes', 'user', '{2,1}'::int[])$$);

-- The switches: one relationship, all of them, the cache.
SELECT arcache_has_many('users', 'orders', 'orders', '{user_id}', enabled => false);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT arcache_has_many('users', 'orders', 'orders', '{user_id}');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SET arcache.relation_cache = off;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::users, 'orders', 'user', 21)$$);
RESET arcache.relation_cache;
SET arcache.enabled = off;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
RESET arcache.enabled;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);

-- The time to live: of the relationship, else of all relationships, else the default.
SELECT arcache_clear_all() > 0;
CREATE FUNCTION expiries() RETURNS TABLE (depends_on text[], expires interval) LANGUAGE sql AS
    $$ SELECT depends_on, date_trunc('second', expires - created + interval '0.5 s') FROM arcache_entries WHERE kind = 'related' ORDER BY 1, 2 $$;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'purchases', 1)$$);
SELECT expires FROM expiries();
SELECT arcache_clear_all();
SET arcache.relation_ttl = 600;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'purchases', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT expires FROM expiries();
SELECT arcache_clear_all();
RESET arcache.relation_ttl;
SET arcache.default_ttl = 60;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT expires FROM expiries();
RESET arcache.default_ttl;
SELECT arcache_clear_all();

-- A table that is not tracked: by ttl, and only if there is one.
CREATE TABLE untracked (id int PRIMARY KEY, user_id int);
INSERT INTO untracked VALUES (1, 1);
SELECT arcache_has_many('users', 'untracked', 'untracked', '{user_id}');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::untracked, 'users', 'untracked', 1)$$);
SELECT arcache_has_many('users', 'untracked', 'untracked', '{user_id}', ttl => '1 minute');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::untracked, 'users', 'untracked', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::untracked, 'users', 'untracked', 1)$$);

-- Clearing: one relationship of one row ...
CREATE PROCEDURE warm() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM arcache_clear_all();
    COMMIT;
    PERFORM arcache_related_many(NULL::orders, 'users', 'orders', '{1,2,3}'::int[]);
    PERFORM arcache_related_many(NULL::letters, 'users', 'letters', '{1,2}'::int[]);
    PERFORM arcache_related_many(NULL::users, 'users', 'staff', '{1}'::int[]);
    PERFORM arcache_related_many(NULL::users, 'orders', 'user', '{11}'::int[]);
END $$;
CREATE VIEW related AS
    SELECT split_part(key, ' ', 1)::regclass AS parent, split_part(key, ' ', 2) AS name, count(*)
      FROM arcache_entries WHERE kind = 'related' AND valid GROUP BY 1, 2;
CALL warm();
SELECT * FROM related ORDER BY parent::text, name;
SELECT arcache_clear_related('users', 'orders', 1);
SELECT arcache_clear_related('users', 'orders', 1);
SELECT * FROM related ORDER BY parent::text, name;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 2)$$);
-- ... of a row whose relationship goes by other columns ...
SELECT arcache_clear_related('users', 'letters', 1), arcache_clear_related('orders', 'user', 11);
SELECT arcache_clear_related('users', 'letters', 99), arcache_clear_related('users', 'letters', NULL::int);
SELECT * FROM related ORDER BY parent::text, name;
-- ... all relationships of one row ...
CALL warm();
SELECT arcache_clear_related('users', NULL, 1);
SELECT * FROM related ORDER BY parent::text, name;
-- ... one relationship of all rows, and all of all.
CALL warm();
SELECT arcache_clear_related('users', 'orders');
SELECT * FROM related ORDER BY parent::text, name;
SELECT arcache_clear_related('users');
SELECT * FROM related ORDER BY parent::text, name;
SELECT arcache_clear_related('users', 'none'), arcache_clear_related('users'), arcache_clear_related('profiles');

-- It is transactional, as all deletes are.
CALL warm();
BEGIN;
SELECT arcache_clear_related('users', 'orders', 1);
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SAVEPOINT s;
SELECT arcache_clear_related('users');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 2)$$);
ROLLBACK TO s;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 2)$$);
ROLLBACK;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);

-- Values and results by other keys are not concerned, whatever their names.
SELECT arcache_set('users'::regclass::oid || ':orders:1', '"a value"');
SELECT arcache_clear_related('users', 'orders') > 0;
SELECT arcache_delete('users'::regclass::oid || ':orders:1');

-- Names that look like patterns and prefixes are names, and are shown as they are.
SELECT arcache_has_many('users', name, 'orders', '{user_id}') FROM unnest('{*,o*,[a-z],a:b,a,"back\\slash"}'::text[]) name;
SELECT name, count(*) FROM unnest('{*,o*,[a-z],a:b,a,"back\\slash"}'::text[]) name, arcache_related(NULL::orders, 'users', name, 1) GROUP BY name ORDER BY name COLLATE "C";
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
SELECT key, depends_on FROM arcache_entries WHERE kind = 'related' AND key ~ '^public.users .* \(1\)$' AND valid ORDER BY key COLLATE "C";
SELECT name, arcache_clear_related('users', name) FROM unnest('{*,o*,[a-z],a,a:b,"back\\slash",orders}'::text[]) name;
SELECT arcache_drop_relationship('users', name) FROM unnest('{*,o*,[a-z],a:b,a,"back\\slash"}'::text[]) name;

-- Defining again replaces; the same name gives other rows at once, cached ones or not.
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
SELECT arcache_has_many('users', 'orders', 'orders', '{buyer}');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT arcache_has_one('users', 'orders', 'orders', '{user_id}');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT arcache_has_many('users', 'orders', 'orders', '{user_id}');
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);

-- ROLLBACK takes a definition back, and what a session has made of it.
BEGIN;
SELECT arcache_has_many('users', 'orders', 'orders', '{buyer}');
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
ROLLBACK;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
BEGIN;
SAVEPOINT s;
SELECT arcache_has_one('users', 'orders', 'orders', '{user_id}');
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
ROLLBACK TO s;
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
SELECT arcache_drop_relationship('users', 'orders');
SELECT attempt($$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$);
ROLLBACK;
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);

-- The table can be edited by hand, too.
UPDATE arcache_relationship SET child_columns = '{buyer}' WHERE (parent, name) = ('users'::regclass, 'orders');
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
UPDATE arcache_relationship SET child_columns = '{user_id}' WHERE (parent, name) = ('users'::regclass, 'orders');
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
BEGIN;
TRUNCATE arcache_relationship;
SELECT attempt($$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$);
ROLLBACK;
SELECT count(*) FROM arcache_related(NULL::orders, 'users', 'orders', 1);
SELECT s, attempt(s) FROM unnest(ARRAY[
    $$INSERT INTO arcache_relationship VALUES ('users', '', 'has_many', 'orders', '{id}', '{user_id}')$$,
    $$INSERT INTO arcache_relationship VALUES ('users', 'x', 'has_few', 'orders', '{id}', '{user_id}')$$,
    $$INSERT INTO arcache_relationship VALUES ('users', 'x', 'has_many', 'orders', '{id}', '{user_id,id}')$$,
    $$INSERT INTO arcache_relationship VALUES ('users', 'x', 'has_many', 'orders', '{}', '{}')$$,
    $$INSERT INTO arcache_relationship VALUES ('users', 'x', 'has_many', 'orders', '{NULL}', '{id}')$$,
    $$INSERT INTO arcache_relationship VALUES ('users', 'x', 'has_many', 'orders', '{id}', '{id}', true, '-1 s')$$
]) s;

-- A column that was renamed, dropped, or got another type.
ALTER TABLE orders RENAME user_id TO customer;
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
SELECT arcache_related(NULL::users, 'orders', 'user', 11);
ALTER TABLE orders RENAME customer TO user_id;
SELECT count(*) FROM arcache_related(NULL::orders, 'users', 'orders', 1);
BEGIN;
ALTER TABLE orders DROP user_id;
SELECT attempt($$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$);
ROLLBACK;
BEGIN;
ALTER TABLE orders DROP CONSTRAINT orders_user_id_fkey, ALTER user_id TYPE text;
SELECT attempt($$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$);
ROLLBACK;
BEGIN;
ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE;
SELECT attempt($$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$);
ROLLBACK;
ALTER TABLE orders ADD note text DEFAULT 'new';
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
ALTER TABLE orders DROP total;
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);

-- A table that was dropped takes its relationships out of sight, and out of the table with the next definition.
DROP TABLE letters;
SELECT attempt($$SELECT arcache_related(NULL::users, 'users', 'letters', 1)$$);
SELECT count(*) FROM arcache_relationships WHERE name IN ('letters', 'sender');
SELECT count(*) FROM arcache_relationship WHERE name IN ('letters', 'sender');
SELECT arcache_clear_related('users', NULL, 1) >= 0;
SELECT arcache_has_many('users', 'orders', 'orders', '{user_id}');
SELECT count(*) FROM arcache_relationship WHERE name IN ('letters', 'sender');

-- Who may do what.
CREATE ROLE regress_arcache_one;
CREATE ROLE regress_arcache_two;
ALTER TABLE users OWNER TO regress_arcache_one;
SET ROLE regress_arcache_two;
SELECT s, attempt(s) FROM unnest(ARRAY[
    $$SELECT arcache_has_many('users', 'orders', 'orders', '{user_id}')$$,
    $$SELECT arcache_has_one('users', 'orders', 'orders', '{user_id}')$$,
    $$SELECT arcache_belongs_to('orders', 'user', 'users', '{user_id}')$$,
    $$SELECT arcache_drop_relationship('users', 'orders')$$,
    $$INSERT INTO arcache_relationship VALUES ('users', 'x', 'has_many', 'orders', '{id}', '{user_id}')$$,
    $$DELETE FROM arcache_relationship$$,
    $$TRUNCATE arcache_relationship$$,
    $$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$
]) s;
SELECT count(*) FROM arcache_relationships WHERE name = 'orders';
-- The owner may, though he cannot write the table himself; functions that he has put into his path do not take part.
SET ROLE regress_arcache_one;
SELECT attempt($$DELETE FROM arcache_relationship$$);
SELECT arcache_has_many('users', 'mine', 'orders', '{user_id}'), current_user;
SELECT arcache_drop_relationship('users', 'mine'), arcache_drop_relationship('users', 'mine'), current_user;
SELECT attempt($$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$);
RESET ROLE;
-- Policies of the related table decide what each role is given.
GRANT SELECT ON users, orders TO regress_arcache_one, regress_arcache_two;
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON orders TO regress_arcache_one USING (id < 12);
CREATE POLICY two ON orders TO regress_arcache_two USING (id > 11);
SET ROLE regress_arcache_one;
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
SELECT arcache_related_many(NULL::users, 'orders', 'user', '{11,12,21}'::int[]);
SET ROLE regress_arcache_two;
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
SELECT arcache_related_many(NULL::users, 'orders', 'user', '{11,12,21}'::int[]);
SELECT arcache_clear_related('users', 'orders');
SET ROLE regress_arcache_one;
SELECT * FROM counted($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
RESET ROLE;
SELECT arcache_related(NULL::orders, 'users', 'orders', 1);
REVOKE SELECT ON orders FROM regress_arcache_one;
SET ROLE regress_arcache_one;
SELECT attempt($$SELECT arcache_related(NULL::orders, 'users', 'orders', 1)$$);
RESET ROLE;

-- Bad input.
CREATE TEMP TABLE passing (id int PRIMARY KEY, user_id int);
CREATE VIEW glimpse AS SELECT * FROM orders;
SELECT s, attempt(s) FROM unnest(ARRAY[
    $$SELECT arcache_has_many(NULL, 'x', 'orders')$$,
    $$SELECT arcache_has_many('users', NULL, 'orders')$$,
    $$SELECT arcache_has_many('users', 'x', NULL)$$,
    $$SELECT arcache_has_many('users', '', 'orders')$$,
    $$SELECT arcache_has_many('users', repeat('x', 64), 'orders')$$,
    $$SELECT arcache_has_many('none', 'x', 'orders')$$,
    $$SELECT arcache_has_many('users', 'x', 4294967295)$$,
    $$SELECT arcache_has_many('users', 'x', 'glimpse', '{user_id}')$$,
    $$SELECT arcache_has_many('users', 'x', 'passing', '{user_id}')$$,
    $$SELECT arcache_has_many('passing', 'x', 'users', '{boss}')$$,
    $$SELECT arcache_has_many('users', 'x', 'profiles')$$,
    $$SELECT arcache_belongs_to('users', 'x', 'profiles')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{}')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{NULL}')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{none}')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{ctid}')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{buyer,buyer}')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{buyer,id}')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{note}')$$,
    $$SELECT arcache_has_many('users', 'x', 'keyless', '{document}')$$,
    $$SELECT arcache_has_many('keyless', 'x', 'users', '{boss}')$$,
    $$SELECT arcache_belongs_to('keyless', 'x', 'users', '{user_id}')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{buyer}', ttl => '0')$$,
    $$SELECT arcache_has_many('users', 'x', 'orders', '{buyer}', ttl => '-1 s')$$,
    $$SELECT arcache_related(NULL::orders, 'users', 'none', 1)$$,
    $$SELECT arcache_related(NULL::orders, 'orders', 'orders', 1)$$,
    $$SELECT arcache_related(NULL::orders, NULL, 'orders', 1)$$,
    $$SELECT arcache_related(NULL::orders, 'users', NULL, 1)$$,
    $$SELECT arcache_related(NULL::users, 'users', 'orders', 1)$$,
    $$SELECT arcache_related(1, 'users', 'orders', 1)$$,
    $$SELECT arcache_related(NULL::orders, 'users', 'orders', 1, 2)$$,
    $$SELECT arcache_related(NULL::orders, 'users', 'orders', 'one')$$,
    $$SELECT arcache_related(NULL::orders, 'users', 'orders', now())$$,
    $$SELECT arcache_related_many(NULL::users, 'users', 'orders', '{1}'::int[])$$,
    $$SELECT arcache_related_many(NULL::orders, 'users', 'orders', ARRAY[ROW(1, 2)])$$,
    $$SELECT arcache_related_many(NULL::orders, 'users', 'orders', ARRAY[now()])$$,
    $$SELECT arcache_clear_related(NULL)$$,
    $$SELECT arcache_clear_related('users', '')$$,
    $$SELECT arcache_clear_related('users', 'none', 1)$$,
    $$SELECT arcache_clear_related('users', 'orders', 1, 2)$$,
    $$SELECT arcache_relationship_changed()$$
]) s;
SELECT count(*) FROM arcache_relationships WHERE name = 'x';

DROP VIEW related, glimpse;
DROP TABLE long_notes, notes, orders, profiles, authors, books, shelves, boxes, big, small, events, untracked, keyless, users;
SELECT count(*) FROM arcache_relationships;
DROP ROLE regress_arcache_one, regress_arcache_two;
DROP FUNCTION counted, attempt, scans, expiries;
DROP PROCEDURE warm;
