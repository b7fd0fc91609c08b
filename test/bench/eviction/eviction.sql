-- The functions of replay.c, and the cases.
CREATE FUNCTION eviction_trace(
	seed bigint, objects int = 50000, ops int = 500000, zipf float8 = 1.0, once float8 = 0.3,
	invalidations float8 = 0.02, life float8 = 0, size_median float8 = 1024, size_sigma float8 = 1.0,
	cost_median float8 = 2000, cost_sigma float8 = 1.5,
	OUT nops int, OUT nobjects int, OUT footprint bigint)
AS 'arcache_eviction' LANGUAGE C STRICT;

CREATE FUNCTION eviction_replay(
	policy text, share float8, warm float8 = 0.25,
	OUT megabytes int, OUT gets bigint, OUT misses bigint, OUT bytes float8, OUT missed_bytes float8,
	OUT cost float8, OUT missed_cost float8, OUT evictions bigint, OUT ns float8)
AS 'arcache_eviction' LANGUAGE C STRICT;

CREATE FUNCTION eviction_walk(policy text, capacity int, steps text) RETURNS text
AS 'arcache_eviction' LANGUAGE C STRICT;

-- What is replayed.  A life of 100 gets: a popular object is another one soon.
CREATE TABLE cases (id int GENERATED ALWAYS AS IDENTITY, name text UNIQUE, costs text, short boolean,
	zipf float8, life float8, cost_sigma float8, size_sigma float8, once float8);

INSERT INTO cases (name, costs, short, zipf, life, cost_sigma, size_sigma, once)
SELECT format('zipf %s%s, %s', to_char(zipf, 'FM0.00'), CASE WHEN life > 0 THEN ' with drift' ELSE '' END, costs),
	costs, zipf <> 0.85, zipf, life, cost_sigma, 1, 0.3
FROM (VALUES ('cost uniform', 0.0), ('cost sigma 1.5', 1.5), ('cost sigma 2', 2.0)) c (costs, cost_sigma),
	unnest('{0,100}'::float8[]) life, unnest('{0.7,0.85,1.0,1.2}'::float8[]) zipf
ORDER BY cost_sigma, life, zipf;

-- Beside the aims: sizes are equal, too; most objects are asked for only once.
INSERT INTO cases (name, costs, short, zipf, life, cost_sigma, size_sigma, once) VALUES
	('zipf 1.00, cost uniform, size uniform', 'size uniform', true, 1.0, 0, 0, 0, 0.3),
	('zipf 1.00 with drift, cost uniform, size uniform', 'size uniform', true, 1.0, 100, 0, 0, 0.3),
	('zipf 1.00, cost uniform, 3 of 4 only once', 'once 75 %', true, 1.0, 0, 0, 1, 0.75),
	('zipf 1.00, cost sigma 2, 3 of 4 only once', 'once 75 %', true, 1.0, 0, 2, 1, 0.75);

CREATE TABLE results (id int, seed bigint, share float8, policy text, rival boolean, megabytes int,
	object float8, byte float8, cost float8, ns float8);

CREATE FUNCTION run_case(id int, seed bigint, ops int) RETURNS void LANGUAGE sql AS $$
	SELECT eviction_trace(seed, ops => ops, zipf => c.zipf, life => c.life, cost_sigma => c.cost_sigma,
		size_sigma => c.size_sigma, once => c.once)
	FROM cases c WHERE c.id = run_case.id;
	INSERT INTO results
	SELECT run_case.id, run_case.seed, share, policy, rival, r.megabytes,
		misses::float8 / gets, missed_bytes / bytes, missed_cost / r.cost, ns
	FROM (VALUES ('lru', true), ('clock', true), ('sieve', true), ('s3fifo', true), ('arcache', false),
		('alone', false), ('gdsf', false), ('static', false), ('unbounded', false)) p (policy, rival),
		unnest('{0.01,0.05,0.10,0.25}'::float8[]) share, eviction_replay(policy, share) r;
$$;

-- Of a seed, the best rival's cost miss ratio, and what others are to it; then medians over seeds.
CREATE VIEW ratios AS
SELECT id, seed, share, policy, cost / best AS ratio,
	CASE WHEN best > least THEN (cost - least) / (best - least) END AS avoidable
FROM results JOIN (
	SELECT id, seed, share, min(cost) FILTER (WHERE rival) AS best, min(cost) FILTER (WHERE policy = 'unbounded') AS least
	FROM results GROUP BY id, seed, share) b USING (id, seed, share)
WHERE policy IN ('arcache', 'alone', 'gdsf', 'static', 'unbounded');

CREATE VIEW medians AS
SELECT id, share, policy, percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio) AS ratio,
	min(ratio) AS lowest, max(ratio) AS highest, percentile_cont(0.5) WITHIN GROUP (ORDER BY avoidable) AS avoidable
FROM ratios GROUP BY id, share, policy;

CREATE VIEW figures AS
SELECT c.id, c.name || ', cache ' || share * 100 || ' %' AS "case", share, policy AS contender, figure, value
FROM cases c JOIN (
	SELECT id, share, policy, figure, value FROM (
		SELECT id, share, policy, percentile_cont(0.5) WITHIN GROUP (ORDER BY object) AS object,
			percentile_cont(0.5) WITHIN GROUP (ORDER BY byte) AS byte,
			percentile_cont(0.5) WITHIN GROUP (ORDER BY cost) AS cost,
			percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) AS ns
		FROM results GROUP BY id, share, policy) m,
		LATERAL (VALUES ('object miss ratio', object), ('byte miss ratio', byte), ('cost miss ratio', cost),
			('ns of an operation', ns)) f (figure, value)
	UNION ALL
	SELECT id, share, policy, figure, value FROM medians,
		LATERAL (VALUES ('cost misses to best rival', ratio), ('cost misses to best rival, lowest', lowest),
			('cost misses to best rival, highest', highest), ('the same of what can be avoided', avoidable)) f (figure, value)
) f USING (id);

-- What the aims ask for: of skewed costs 0.7, of uniform ones no more misses than the best rival.
CREATE VIEW aims AS
SELECT kind, policy, percentile_cont(0.5) WITHIN GROUP (ORDER BY ratio) AS median, min(ratio) AS best, max(ratio) AS worst,
	aim, count(*) FILTER (WHERE ratio <= aim) AS reached, count(*) AS cases
FROM medians JOIN cases USING (id),
	LATERAL (VALUES ('uniform', 1.0, costs = 'cost uniform'), ('skewed', 0.7, costs LIKE 'cost sigma%'),
		('skewed, sigma 1.5', 0.7, costs = 'cost sigma 1.5'), ('skewed, sigma 2', 0.7, costs = 'cost sigma 2')) k (kind, aim, counts)
WHERE counts GROUP BY kind, aim, policy;
