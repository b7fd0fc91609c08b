-- Each policy step by step, against what its description says; worked out by
-- hand.  "+" is a hit, "." a miss, "-" an invalidation, each with what went for it.
\set QUIET on
CREATE TEMP TABLE walks (policy text, what text, capacity int, steps text, expected text);
INSERT INTO walks VALUES
('lru', 'the least recently used goes', 3, 'a b c b a d e', '. . . + + .c .b'),
('lru', 'sizes: as many as it takes', 3, 'a b2 c d2', '. . .a .b'),
('lru', 'what is too large is not kept, and nothing goes for it', 3, 'a b c4 a c', '. . . + .'),
('lru', 'an invalidation makes room', 3, 'a b c -b d e', '. . . -b . .a'),

('clock', 'what was used is spared, once', 3, 'a b c b a d e', '. . . + + .c .a'),
('clock', 'a use does not count twice', 3, 'a b c a a a d e f', '. . . + + + .b .c .a'),
('clock', 'an invalidation makes room', 3, 'a b c -a d e', '. . . -a . .b'),

-- d: the hand spares a and takes b; e: it stands at c; f: at d.
('sieve', 'the hand stays where it evicted', 3, 'a b c a d e f a', '. . . + .b .c .d +'),
('sieve', 'the hand goes round when all were used', 3, 'a b c a b c d e', '. . . + + + .a .b'),
('sieve', 'what the hand stands at is invalidated', 3, 'a b c a b c d -b e f', '. . . + + + .a -b . .c'),

-- Small has room for two, main for eighteen.  u: a goes, to the ghost.  a: is known, goes
-- to main; b goes.  v: main is too large, c goes.  w: u has two uses and moves to main, v goes.
-- x: main is too large again, d.  y: w has one use only.  w: is known, x goes.  z: main is too
-- large, e is spared, f goes.
('s3fifo', 'from queue to queue', 20, 'a b c d e f g h i j k l m n o p q r s t u a v u u w x w y e w z',
	'. . . . . . . . . . . . . . . . . . . . .a .b .c + + .v .d + .w + .x .f'),
-- As above, but a is invalidated while it is in the ghost: it is new, goes to small, and so b and
-- then u go, where c would have.
('s3fifo', 'an invalidation reaches the ghost', 20, 'a b c d e f g h i j k l m n o p q r s t u -a a v',
	'. . . . . . . . . . . . . . . . . . . . .a - .b .u'),
-- All that is in main has one use, c has two: when all have been spared once, c is once more.
('s3fifo', 'each use spares once', 20, 'a b c d e f g h i j k l m n o p q r s t u c c d e f g h i j k l m n o p q r s t a a v',
	'. . . . . . . . . . . . . . . . . . . . .a + + + + + + + + + + + + + + + + + + + .b + .d'),
('s3fifo', 'what is as large as the small queue is not kept', 20, 'a2 a b b', '. . . +'),

('gdsf', 'the least used goes', 3, 'a b c a d e', '. . . + .b .c'),
('gdsf', 'the largest goes', 6, 'a b3 c2 d', '. . . .b'),
-- b, c and d have two uses each, but when a goes L is 1, so c has 3; then L is 2 and d has 4.
('gdsf', 'what was used long ago falls behind', 2, 'a b b c c d d e', '. . + .a + .b + .c');

SELECT CASE WHEN got = expected THEN 'ok' ELSE 'not ok' END || ' - ' || policy || ': ' || what ||
	CASE WHEN got = expected THEN '' ELSE E'\n# steps    ' || steps || E'\n# expected ' || expected || E'\n# got      ' || got END
FROM walks, eviction_walk(policy, capacity, steps) got;

-- Where there is room for all, all are equal: what is missed is what nobody could have had.
SELECT nops FROM eviction_trace(seed => 7, objects => 2000, ops => 50000, life => 100) \gset
SELECT CASE WHEN misses = (SELECT misses FROM eviction_replay('unbounded', 3)) AND misses > 0 THEN 'ok' ELSE 'not ok' END ||
	' - ' || policy || ': with room for all, only what cannot be had is missed'
FROM unnest('{lru,clock,sieve,s3fifo,gdsf,static,arcache,alone}'::text[]) policy, eviction_replay(policy, 3);

-- A replay is a function of the seed, also for the store.
SELECT CASE WHEN count(DISTINCT misses) = 1 THEN 'ok' ELSE 'not ok' END || ' - ' || policy || ': the same again with the same seed'
FROM unnest('{s3fifo,arcache}'::text[]) policy, generate_series(1, 3) again, eviction_replay(policy, 0.3 + again * 0)
GROUP BY policy ORDER BY policy;
