--
-- The table of doc/orm.md, row by row: what an ORM's guide to caching does, done here
--
\pset null '(null)'
\pset format unaligned
\pset tuples_only on
SET arcache.debug_verify = on;
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users, total numeric NOT NULL);
CREATE TABLE articles (id int PRIMARY KEY, title text NOT NULL, status text NOT NULL, published_at date);
INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO orders VALUES (11, 1, 10), (12, 1, 20), (21, 2, 30);
INSERT INTO articles VALUES (1, 'First', 'published', '2024-01-01'), (2, 'Second', 'published', '2024-02-01'), (3, 'Third', 'draft', NULL);

-- What a call gives, and whether it was found or computed.
CREATE FUNCTION seen(call text, OUT result text, OUT how text) LANGUAGE plpgsql AS $$
DECLARE
    a record;
    b record;
BEGIN
    SELECT * INTO a FROM arcache_stats;
    EXECUTE 'SELECT string_agg(seen_row::text, '' '') FROM (' || call || ') seen_row' INTO result;
    SELECT * INTO b FROM arcache_stats;
    how := CASE WHEN b.fills > a.fills THEN 'computed and stored' WHEN b.hits > a.hits THEN 'found'
        WHEN b.misses > a.misses THEN 'not found' ELSE 'computed' END;
END $$;

-- == Models ==

-- ModelCache.set(User, 1, user, ttl=300)
SELECT arcache_row_set((SELECT u FROM users u WHERE id = 1), ttl => '300 s');
-- ModelCache.get(User, 1)
SELECT * FROM seen($$SELECT * FROM arcache_row_get(NULL::users, 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_row_get(NULL::users, 2)$$);

-- enable_model_cache(User, ttl=300)
SELECT arcache_enable('users', ttl => '300 s');
SELECT relation, ttl FROM arcache_relations;

-- User.objects.get(id=1): the cache first, then the table
SELECT * FROM seen($$SELECT * FROM arcache_row(NULL::users, 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_row(NULL::users, 1)$$);
-- Several at once
SELECT * FROM seen($$SELECT * FROM arcache_rows(NULL::users, '{2,1}'::int[])$$);

-- user.name = "New Name"; user.save(): a write invalidates, by whoever and however it is made
UPDATE users SET name = 'New Name' WHERE id = 1;
SELECT * FROM seen($$SELECT * FROM arcache_row(NULL::users, 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_row(NULL::users, 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_row(NULL::users, 2)$$);

-- ModelCache.delete(User, 1)
SELECT arcache_row_delete('users', 1);
SELECT * FROM seen($$SELECT * FROM arcache_row_get(NULL::users, 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_row(NULL::users, 1)$$);

-- ModelCache.clear(User)
SELECT arcache_row_clear('users');
SELECT * FROM seen($$SELECT * FROM arcache_row(NULL::users, 1)$$);

-- == Query results ==
SELECT arcache_enable('articles'), arcache_enable('orders');
\set query 'SELECT title FROM articles WHERE status = $1 ORDER BY published_at DESC LIMIT 10'

-- QueryCache.get_or_set('recent_articles', lambda: query.all(), ttl=300)
SELECT arcache_get_or_set('recent_articles', :'query', ttl => '300 s', params => '{published}');
-- QueryCache.get('recent_articles')
SELECT * FROM seen($$SELECT arcache_get('recent_articles')$$);
SELECT arcache_ttl('recent_articles') BETWEEN '299 s' AND '300 s';
-- QueryCache.set('recent_articles', results, ttl=300)
SELECT arcache_set('recent_articles', '[{"title": "set by hand"}]', ttl => '300 s');
SELECT arcache_get('recent_articles');

-- generate_query_cache_key(query)
SELECT arcache_query_key(:'query', '{published}') = arcache_query_key(:'query', '{published}'),
    arcache_query_key(:'query', '{published}') = arcache_query_key(:'query', '{draft}');
-- QueryCache.get_or_set(cache_key, lambda: query.all(), ttl=300)
SELECT arcache_get_or_set(NULL, :'query', ttl => '300 s', params => '{published}');
SELECT arcache_get(arcache_query_key(:'query', '{published}'));
-- ... as rows
SELECT * FROM arcache_query(:'query', ttl => '300 s', params => '{published}') AS (title text);

-- A write invalidates results, too
UPDATE articles SET status = 'published', published_at = '2024-03-01' WHERE id = 3;
SELECT arcache_get_or_set(NULL, :'query', ttl => '300 s', params => '{published}');

-- QueryCache.set(…, ttl): time-based invalidation
SELECT arcache_set('recent_articles', '[]', ttl => '10 ms');
SELECT pg_sleep(0.05);
SELECT arcache_get('recent_articles');

-- QueryCache.delete('recent_articles')
SELECT arcache_set('recent_articles', '[]');
SELECT arcache_delete('recent_articles'), arcache_get('recent_articles');

-- QueryCache.delete_pattern('article:*')
SELECT arcache_set_many('{"article:1": 1, "article:2": 2, "user:1": 3}');
SELECT arcache_delete_pattern('article:*');
SELECT arcache_keys('user:*');

-- QueryCache.invalidate_for_model(Article)
SELECT arcache_get_or_set('recent_articles', :'query', params => '{published}') IS NOT NULL;
SELECT arcache_invalidate('articles') > 0;
SELECT arcache_get('recent_articles');

-- == Relationships ==

-- orders: ClassVar[HasMany['Order']] = HasMany(foreign_key='user_id', cache_config=CacheConfig(enabled=True, ttl=300))
SELECT arcache_has_many('users', 'orders', 'orders', foreign_key => '{user_id}', ttl => '300 s', enabled => true);
SELECT arcache_has_one('users', 'first_order', 'orders', '{user_id}');
SELECT arcache_belongs_to('orders', 'user', 'users');
-- user.orders()
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::users, 'orders', 'user', 11)$$);
-- The N+1 queries of many users' orders, as one
SELECT * FROM seen($$SELECT * FROM arcache_related_many(NULL::orders, 'users', 'orders', '{2,1}'::int[])$$);
-- A write invalidates, as ever
UPDATE orders SET total = 11 WHERE id = 11;
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);

-- GlobalCacheConfig.enabled = True; GlobalCacheConfig.ttl = 600
SET arcache.relation_cache = on;
SET arcache.relation_ttl = '10 min';
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'first_order', 1)$$);
SELECT extract(minutes FROM expires - created + interval '1 s') AS minutes FROM arcache_entries WHERE kind = 'related' AND key = 'public.users first_order (1)' AND valid;
SET arcache.relation_cache = off;
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'first_order', 1)$$);
RESET arcache.relation_cache;
RESET arcache.relation_ttl;

-- user.clear_relation_cache('orders')
SELECT arcache_clear_related('users', 'orders', 1);
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
-- user.clear_relation_cache()
SELECT arcache_clear_related('users', NULL, 1);
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'orders', 1)$$);
SELECT * FROM seen($$SELECT * FROM arcache_related(NULL::orders, 'users', 'first_order', 1)$$);

-- == Statistics and management ==

-- stats.hits, stats.misses, stats.hit_ratio
SELECT arcache_stats_reset();
SELECT * FROM seen($$SELECT arcache_get('user:1')$$);
SELECT * FROM seen($$SELECT arcache_get('user:1')$$);
SELECT * FROM seen($$SELECT arcache_get('user:1')$$);
SELECT * FROM seen($$SELECT arcache_get('none')$$);
SELECT hits, misses, hit_ratio FROM arcache_stats;
-- clear_all_caches(): one's own entries, or those of all roles
SELECT arcache_clear() > 0;
SELECT count(*) FROM arcache_keys();
SELECT arcache_set('user:1', '3');
SELECT arcache_clear_all() > 0;
SELECT count(*) FROM arcache_keys(), arcache_entries WHERE valid;

DROP TABLE users, orders, articles;
DROP FUNCTION seen;
