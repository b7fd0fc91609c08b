--
-- Globs over keys, as Redis has them
--
\pset null '(null)'

-- Whether the key is found by the pattern: stored by itself, then listed.
CREATE FUNCTION matches(pattern text, key text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    found boolean;
BEGIN
    PERFORM arcache_clear(), arcache_set(key, '1');
    found := EXISTS (SELECT FROM arcache_keys(pattern));
    IF found <> (arcache_delete_pattern(pattern) = 1) THEN
        RAISE 'arcache_keys and arcache_delete_pattern disagree';
    END IF;
    RETURN found;
END $$;

CREATE TABLE cases (id serial, pattern text, key text, expected boolean);

-- Without special characters a pattern is the whole key, case and all.
INSERT INTO cases (pattern, key, expected) VALUES
    ('abc', 'abc', true),
    ('abc', 'abcd', false),
    ('abcd', 'abc', false),
    ('abc', 'xabc', false),
    ('abc', 'ABC', false),
    ('', 'a', false),
    ('a.c', 'abc', false),
    ('a%_', 'abc', false),
    ('a%_', 'a%_', true),
    ('{a,b}', 'a', false),
    ('^abc$', 'abc', false);

-- A star stands for any characters, none included.
INSERT INTO cases (pattern, key, expected) VALUES
    ('*', 'a', true),
    ('*', E'a\nb', true),
    ('**', 'abc', true),
    ('a*', 'a', true),
    ('a*', 'abc', true),
    ('a*', 'ba', false),
    ('*c', 'abc', true),
    ('*c', 'abcd', false),
    ('a*c', 'ac', true),
    ('a*c', 'abbbc', true),
    ('a*c', 'abcb', false),
    ('a*b*c', 'axxbyybzzc', true),
    ('a*b*c', 'axxcyyb', false),
    ('*a*', 'bab', true),
    ('*a*', 'bbb', false),
    ('*ab', 'aab', true),
    ('*aab', 'aaaaab', true),
    ('user:*:name', 'user:42:name', true),
    ('user:*:name', 'user:42:x:name', true),
    ('user:*:name', 'user:42', false),
    ('a***b', 'ab', true),
    ('*?', 'a', true),
    ('?*?', 'a', false);

-- A question mark stands for one character, of however many bytes.
INSERT INTO cases (pattern, key, expected) VALUES
    ('?', 'a', true),
    ('?', 'ab', false),
    ('a?c', 'abc', true),
    ('a?c', 'ac', false),
    ('a??', 'abc', true),
    ('?', 'é', true),
    ('?', '鍵', true),
    ('?', '🔑', true),
    ('??', 'é', false),
    ('h?llo', 'hällo', true),
    ('*?', '🔑', true),
    ('?', '*', true),
    ('?', E'\n', true);

-- A class stands for one of its characters, or with ^ for one that is none of them.
INSERT INTO cases (pattern, key, expected) VALUES
    ('h[ae]llo', 'hello', true),
    ('h[ae]llo', 'hallo', true),
    ('h[ae]llo', 'hillo', false),
    ('h[^e]llo', 'hallo', true),
    ('h[^e]llo', 'hello', false),
    ('h[^e]llo', 'hllo', false),
    ('[a-c]', 'b', true),
    ('[a-c]', 'd', false),
    ('[c-a]', 'b', true),
    ('[^a-c]', 'b', false),
    ('[^a-c]', 'd', true),
    ('[a-cx-z0-9]', '5', true),
    ('[a-cx-z0-9]', 'm', false),
    ('[a-]', '-', true),
    ('[-a]', '-', true),
    ('[-a]', 'b', false),
    ('[a^]', '^', true),
    ('[*?]', '*', true),
    ('[*?]', 'a', false),
    ('[.]', 'a', false),
    ('[[]', '[', true),
    ('[]', 'a', false),
    ('[^]', 'a', true),
    ('[^]', 'ab', false),
    ('a[bc]*[^d]', 'abxxe', true),
    ('a[bc]*[^d]', 'abxxd', false);

-- Classes and ranges go by characters, not by bytes.
INSERT INTO cases (pattern, key, expected) VALUES
    ('[äöü]', 'ö', true),
    ('[äöü]', 'o', false),
    ('[^äöü]', 'ä', false),
    ('[^ä]', 'ö', true),
    ('[а-я]', 'ж', true),
    ('[а-я]', 'Ж', false),
    ('[а-я]', 'g', false),
    ('[一-龠]', '鍵', true),
    ('[a-🔑]', '鍵', true),
    ('[^a-z]*', 'été', true),
    ('ключ:?', 'ключ:é', true);

-- A backslash makes the character behind it stand for itself, within classes as well.
INSERT INTO cases (pattern, key, expected) VALUES
    ('\*', '*', true),
    ('\*', 'a', false),
    ('a\?', 'a?', true),
    ('a\?', 'ab', false),
    ('\[a]', '[a]', true),
    ('\[a]', 'a', false),
    ('\\', '\', true),
    ('\a', 'a', true),
    ('\é', 'é', true),
    ('a\\*', 'a\bc', true),
    ('[\]]', ']', true),
    ('[\]a]', 'a', true),
    ('[\\]', '\', true),
    ('[\^a]', '^', true),
    ('[a\-z]', 'm', false),
    ('[a\-z]', '-', true),
    (']', ']', true),
    ('a]b', 'a]b', true);

SELECT count(*) AS cases,
       count(*) FILTER (WHERE matches(pattern, key) = expected) AS "as expected"
  FROM cases;
SELECT pattern, key, expected FROM cases
 WHERE matches(pattern, key) <> expected ORDER BY id;

-- A pattern of many stars ends in no long time.
SELECT matches(repeat('a*', 200) || 'b', repeat('a', 2000)) AS found;
SELECT matches(repeat('*a', 500), repeat('a', 2000)) AS found;

-- A pattern that ends in its escape, or in an open class, is an error, and deletes nothing.
SELECT arcache_clear() IS NOT NULL AS cleared;
SELECT arcache_set('a', '1'), arcache_set('\', '1'), arcache_set('[', '1');
SELECT arcache_keys('a\');
SELECT arcache_delete_pattern('\');
SELECT arcache_delete_pattern('a\\\');
SELECT arcache_keys('[');
SELECT arcache_delete_pattern('[a');
SELECT arcache_delete_pattern('[a\]');
SELECT arcache_delete_pattern('a[^');
SELECT arcache_delete_pattern('*[a-');
SELECT arcache_delete_pattern(NULL);
SELECT arcache_keys(NULL);
SELECT * FROM arcache_keys() k ORDER BY k COLLATE "C";

-- A pattern may be as long as a key, and an empty one matches nothing.
SELECT arcache_delete_pattern(repeat('x', 2048)), arcache_delete_pattern(''), arcache_keys('');
SELECT arcache_delete_pattern(repeat('x', 2049));
SELECT arcache_delete_pattern('*');

-- delete_pattern counts what it deletes, and leaves the rest.
SELECT arcache_set_many((SELECT jsonb_object_agg('user:' || i || ':' || f, i)
                           FROM generate_series(1, 100) i, unnest('{name,mail}'::text[]) f));
SELECT arcache_delete_pattern('user:[1-4]?:name');
SELECT arcache_delete_pattern('user:[1-4]?:name');
SELECT count(*) FROM arcache_keys('user:*');
SELECT arcache_delete_pattern('user:*:name'), count(*) FROM arcache_keys('*:mail');
SELECT arcache_delete_pattern('*');
SELECT count(*) FROM arcache_keys();

-- A pattern finds the results of queries by their keys.
SELECT arcache_get_or_set('report:1', 'SELECT 1 AS a'), arcache_get_or_set(NULL, 'SELECT 2 AS a');
SELECT * FROM arcache_query('SELECT 3') AS t(a int);
SELECT count(*) FROM arcache_keys('query:*');
SELECT arcache_delete_pattern('query:*');
SELECT * FROM arcache_keys();

DROP FUNCTION matches(text, text);
DROP TABLE cases;
SELECT arcache_clear() >= 0 AS cleared;
