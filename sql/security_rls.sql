--
-- Row-level security: every way to read through the cache, for two tenants in
-- turns, told apart by current_user and by a setting. Each answer is compared
-- with the same computed; none may hold a word of the other tenant's.
--
SET client_min_messages = warning;
SET arcache.min_cost = 0;
CREATE ROLE regress_arcache_rls_owner;
CREATE ROLE regress_arcache_rls_a;
CREATE ROLE regress_arcache_rls_b;
GRANT CREATE ON SCHEMA public TO regress_arcache_rls_owner;
SET ROLE regress_arcache_rls_owner;
CREATE TABLE item (id int PRIMARY KEY, tenant text, word text);
CREATE TABLE part (id int PRIMARY KEY, item int REFERENCES item, tenant text, word text);
CREATE INDEX ON part (item);
INSERT INTO item SELECT g, CASE g % 2 WHEN 1 THEN 'a' ELSE 'b' END, CASE g % 2 WHEN 1 THEN 'of-a' ELSE 'of-b' END || g FROM generate_series(1, 6) g;
-- items of each have parts of both
INSERT INTO part SELECT g, (g + 1) / 2, CASE g % 2 WHEN 1 THEN 'a' ELSE 'b' END, CASE g % 2 WHEN 1 THEN 'of-a' ELSE 'of-b' END || g FROM generate_series(1, 12) g;
SELECT arcache_enable('item'), arcache_enable('part');
SELECT arcache_has_many('item', 'parts', 'part'), arcache_has_one('item', 'first_part', 'part'), arcache_belongs_to('part', 'item', 'item');
GRANT SELECT, INSERT, UPDATE, DELETE ON item, part TO regress_arcache_rls_a, regress_arcache_rls_b;
ALTER TABLE item ENABLE ROW LEVEL SECURITY;
ALTER TABLE part ENABLE ROW LEVEL SECURITY;
CREATE VIEW items_invoker WITH (security_invoker) AS SELECT id, word FROM item;
GRANT SELECT ON items_invoker TO regress_arcache_rls_a, regress_arcache_rls_b;
RESET ROLE;
CREATE TABLE way (way text, cached text, computed text);
-- (Rows related by a primary key are found without the row that has it: what counts
-- is who may see the related ones. Of a part that is another's no item is found.)
INSERT INTO way VALUES
('get_or_set', $$SELECT arcache_get_or_set('k', 'SELECT id, word FROM item ORDER BY id')$$, $$SELECT jsonb_agg(jsonb_build_object('id', id, 'word', word) ORDER BY id) FROM item$$),
('get_or_set, key', $$SELECT arcache_get_or_set('k1', 'SELECT word FROM item WHERE id = $1', params => '{1}'), arcache_get_or_set('k2', 'SELECT word FROM item WHERE id = $1', params => '{2}')$$,
 $$SELECT coalesce((SELECT jsonb_agg(jsonb_build_object('word', word)) FROM item WHERE id = 1), '[]'), coalesce((SELECT jsonb_agg(jsonb_build_object('word', word)) FROM item WHERE id = 2), '[]')$$),
('get', $$SELECT coalesce(arcache_get('k'), (SELECT jsonb_agg(jsonb_build_object('id', id, 'word', word) ORDER BY id) FROM item))$$, $$SELECT jsonb_agg(jsonb_build_object('id', id, 'word', word) ORDER BY id) FROM item$$),
('get_many', $$SELECT key, value FROM arcache_get_many('{k1,k2}') WHERE value <> '[]'$$,
 $$SELECT 'k' || id, jsonb_build_array(jsonb_build_object('word', word)) FROM item WHERE id <= 2 AND EXISTS (SELECT FROM arcache_get_many(ARRAY['k' || id]))$$),
('query', $$SELECT * FROM arcache_query('SELECT id, word FROM item ORDER BY id') AS t(id int, word text)$$, $$SELECT id, word FROM item ORDER BY id$$),
('query, joined', $$SELECT * FROM arcache_query('SELECT i.word, p.word FROM item i JOIN part p ON p.item = i.id ORDER BY p.id') AS t(i text, p text)$$, $$SELECT i.word, p.word FROM item i JOIN part p ON p.item = i.id ORDER BY p.id$$),
('query, invoker''s view', $$SELECT * FROM arcache_query('SELECT * FROM items_invoker ORDER BY id') AS t(id int, word text)$$, $$SELECT * FROM items_invoker ORDER BY id$$),
('query_as', $$SELECT * FROM arcache_query_as(NULL::item, 'SELECT * FROM item ORDER BY id')$$, $$SELECT * FROM item ORDER BY id$$),
('row', $$SELECT r FROM generate_series(1, 4) g, arcache_row(NULL::item, g) r WHERE r IS NOT NULL$$, $$SELECT i FROM item i WHERE id <= 4 ORDER BY id$$),
('row_get', $$SELECT r FROM generate_series(1, 4) g, arcache_row_get(NULL::item, g) r WHERE r IS NOT NULL$$,
 $$SELECT i FROM item i WHERE id <= 4 AND arcache_row_get(NULL::item, id) IS NOT NULL ORDER BY id$$),
('rows', $$SELECT * FROM arcache_rows(NULL::item, '{1,2,3,4,5,6}'::int[])$$, $$SELECT * FROM item ORDER BY id$$),
('related', $$SELECT p.* FROM generate_series(1, 6) g, arcache_related(NULL::part, 'item', 'parts', g) p$$, $$SELECT * FROM part WHERE item <= 6 ORDER BY item, id$$),
('related, one', $$SELECT p.* FROM generate_series(1, 6) g, arcache_related(NULL::part, 'item', 'first_part', g) p$$,
 $$SELECT DISTINCT ON (item) * FROM part WHERE item <= 6 ORDER BY item, id$$),
('related, belongs to', $$SELECT i.* FROM generate_series(1, 12) g, arcache_related(NULL::item, 'part', 'item', g) i$$, $$SELECT i.* FROM part p JOIN item i ON i.id = p.item WHERE p.id <= 12 ORDER BY p.id$$),
('related_many', $$SELECT * FROM arcache_related_many(NULL::part, 'item', 'parts', '{1,2,3,4,5,6}'::int[])$$, $$SELECT * FROM part WHERE item <= 6 ORDER BY item, id$$),
('transparent', $$SELECT id, word FROM item ORDER BY id$$, $$SELECT id, word FROM item ORDER BY id$$),
('transparent, key', $$SELECT word FROM item WHERE id = 2$$, $$SELECT word FROM item WHERE id = 2$$),
('transparent, count', $$SELECT count(*), min(word), max(word) FROM part$$, $$SELECT count(*), min(word), max(word) FROM part$$),
('transparent, invoker''s view', $$SELECT * FROM items_invoker ORDER BY id$$, $$SELECT * FROM items_invoker ORDER BY id$$),
('transparent, joined', $$SELECT i.word, p.word FROM item i JOIN part p ON p.item = i.id ORDER BY p.id$$, $$SELECT i.word, p.word FROM item i JOIN part p ON p.item = i.id ORDER BY p.id$$);
GRANT SELECT ON way TO PUBLIC;
CREATE TABLE seen (place serial, rule text, way text, tenant text, answer text, computed text, hits bigint);
CREATE FUNCTION answer(query text, auto text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	all_rows text := '';
BEGIN
	PERFORM set_config('arcache.auto', auto, true);
	FOR r IN EXECUTE query LOOP
		all_rows := all_rows || r::text || ' ';
	END LOOP;
	RETURN all_rows;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- As a tenant: by its role, or in the role of the other by a setting.
CREATE PROCEDURE ask(rule text, tenant text) LANGUAGE plpgsql AS $$
DECLARE
	w way;
	hits bigint;
	said text;
	computed text;
BEGIN
	FOR w IN SELECT * FROM way LOOP
		hits := (SELECT s.hits FROM arcache_stats s);
		PERFORM set_config('role', 'regress_arcache_rls_' || CASE rule WHEN 'current_user' THEN tenant ELSE 'a' END, true);
		PERFORM set_config('app.tenant', CASE rule WHEN 'current_user' THEN '' ELSE tenant END, true);
		said := answer(w.cached, 'on');
		PERFORM set_config('role', 'none', true);
		hits := (SELECT s.hits FROM arcache_stats s) - hits;
		PERFORM set_config('role', 'regress_arcache_rls_' || CASE rule WHEN 'current_user' THEN tenant ELSE 'a' END, true);
		computed := answer(w.computed, 'off');
		PERFORM set_config('role', 'none', true);
		INSERT INTO seen (rule, way, tenant, answer, computed, hits) VALUES (rule, w.way, tenant, said, computed, hits);
	END LOOP;
END $$;
CREATE FUNCTION found() RETURNS TABLE (rule text, way text, answers bigint, wrong bigint, of_others bigint, empty bigint, hit boolean) LANGUAGE sql AS $$
SELECT rule, way, count(*), count(*) FILTER (WHERE answer IS DISTINCT FROM computed),
       count(*) FILTER (WHERE answer LIKE CASE tenant WHEN 'a' THEN '%of-b%' ELSE '%of-a%' END),
       count(*) FILTER (WHERE answer NOT LIKE '%of-' || tenant || '%'), sum(hits) > 0
  FROM seen GROUP BY rule, way ORDER BY rule, min(place)
$$;

-- By current_user
CREATE POLICY own ON item USING (tenant = right(current_user::text, 1));
CREATE POLICY own ON part USING (tenant = right(current_user::text, 1));
CALL ask('current_user', 'a');
CALL ask('current_user', 'a');
CALL ask('current_user', 'b');
CALL ask('current_user', 'b');
CALL ask('current_user', 'a');
CALL ask('current_user', 'b');
-- one writes, both look
SET ROLE regress_arcache_rls_a;
UPDATE item SET word = word || ' again';
INSERT INTO part VALUES (13, 1, 'a', 'of-a13');
DELETE FROM item WHERE id = 2;
UPDATE part SET item = 2 WHERE id = 1;
RESET ROLE;
CALL ask('current_user', 'b');
CALL ask('current_user', 'a');
CALL ask('current_user', 'b');
-- (an empty answer is right for the item that is not one's own)
SELECT * FROM found();
TRUNCATE seen;

-- By a setting, in one role, as behind a pooler
DROP POLICY own ON item;
DROP POLICY own ON part;
CREATE POLICY own ON item USING (tenant = current_setting('app.tenant', true));
CREATE POLICY own ON part USING (tenant = current_setting('app.tenant', true));
CALL ask('current_setting', 'a');
CALL ask('current_setting', 'a');
CALL ask('current_setting', 'b');
CALL ask('current_setting', 'b');
CALL ask('current_setting', 'a');
CALL ask('current_setting', 'b');
SET ROLE regress_arcache_rls_a;
SET app.tenant = 'b';
UPDATE item SET word = word || ' again';
INSERT INTO part VALUES (14, 2, 'b', 'of-b14');
RESET app.tenant;
RESET ROLE;
CALL ask('current_setting', 'a');
CALL ask('current_setting', 'b');
CALL ask('current_setting', 'b');
CALL ask('current_setting', 'a');
SELECT * FROM found();
TRUNCATE seen;

-- By what a subquery of the policy reads
CREATE TABLE belongs (who name, tenant text);
INSERT INTO belongs VALUES ('regress_arcache_rls_a', 'a'), ('regress_arcache_rls_b', 'b');
GRANT SELECT ON belongs TO PUBLIC;
SELECT arcache_enable('belongs');
DROP POLICY own ON item;
DROP POLICY own ON part;
CREATE POLICY own ON item USING (tenant IN (SELECT b.tenant FROM belongs b WHERE who = current_user));
CREATE POLICY own ON part USING (tenant IN (SELECT b.tenant FROM belongs b WHERE who = current_user));
CALL ask('current_user', 'a');
CALL ask('current_user', 'b');
CALL ask('current_user', 'a');
CALL ask('current_user', 'b');
SELECT * FROM found();
TRUNCATE seen;
-- they change places
UPDATE belongs SET tenant = CASE tenant WHEN 'a' THEN 'b' ELSE 'a' END;
CALL ask('current_user', 'a');
CALL ask('current_user', 'b');
CALL ask('current_user', 'a');
SELECT way, count(*) AS answers, count(*) FILTER (WHERE answer IS DISTINCT FROM computed) AS wrong,
       count(*) FILTER (WHERE answer LIKE '%of-' || tenant || '%') AS of_former FROM seen GROUP BY way ORDER BY min(place);

-- In the lists, too, the tenants of two roles are apart.
SET ROLE regress_arcache_rls_a;
SELECT bool_and(role = current_user) AS own, count(*) > 0 AS some FROM arcache_entries WHERE coalesce(key, query, params::text, tags::text, depends_on::text) IS NOT NULL;
SELECT count(arcache_clear());
SET ROLE regress_arcache_rls_b;
SELECT count(arcache_clear());
RESET ROLE;
SELECT arcache_drop_relationship('item', 'parts'), arcache_drop_relationship('item', 'first_part'), arcache_drop_relationship('part', 'item');
DROP FUNCTION found, answer;
DROP PROCEDURE ask;
DROP VIEW items_invoker;
DROP TABLE seen, way, belongs, part, item;
REVOKE CREATE ON SCHEMA public FROM regress_arcache_rls_owner;
DROP ROLE regress_arcache_rls_owner, regress_arcache_rls_a, regress_arcache_rls_b;
