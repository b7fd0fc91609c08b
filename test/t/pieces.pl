# Results that do not lie in one piece: the arena is cut into small free places,
# and what is stored is spread over them.  Rows that cross from piece to piece
# are given as they were, whichever way they are read.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = arcache_node('main', conf => q(
arcache.memory = '2MB'
arcache.min_cost = 0
arcache.janitor_delay = '10min'
));
$node->safe_psql('postgres', q(
	CREATE TABLE t (id int PRIMARY KEY, short text, wide text, many int[]);
	INSERT INTO t SELECT i, 'row ' || i, repeat(chr(97 + i % 26), i * 7 % 900), ARRAY(SELECT generate_series(1, i % 50))
	  FROM generate_series(1, 400) i;
	SELECT arcache_enable('t');
));

# Every other one of values of some 400 bytes goes, so free places are that large.
foreach my $part (0 .. 29)
{
	$node->safe_psql('postgres', sprintf(
		q(SELECT count(arcache_set('k' || i, to_jsonb(repeat('x', 400)))) FROM generate_series(%d, %d) i),
		$part * 200 + 1, $part * 200 + 200));
}
$node->safe_psql('postgres', q(SELECT arcache_delete_pattern('k*[02468]')));
my $largest = memory($node, 'largest_free');

my $query = 'SELECT id, short, wide, many FROM t WHERE id <= %d ORDER BY id';
my $computed = sub { $node->safe_psql('postgres', sprintf($query, shift)) };
foreach my $rows (1, 5, 100, 400)
{
	my $expected = $computed->($rows);
	my $text = sprintf($query, $rows);
	my $fill = $node->safe_psql('postgres', "SET arcache.auto = on; $text");
	my $hits = stat_of($node, 'hits');

	is($fill, $expected, "$rows rows: computed");
	is($node->safe_psql('postgres', "SET arcache.auto = on; SET arcache.debug_verify = on; $text"), $expected, "$rows rows: from the cache");
	is($node->safe_psql('postgres', qq(
		SET arcache.auto = on;
		BEGIN;
		DECLARE c NO SCROLL CURSOR FOR SELECT * FROM (SELECT id, short, wide, many FROM t WHERE id <= $rows ORDER BY id OFFSET 0) s ORDER BY id;
		MOVE 3 FROM c;
		ROLLBACK;
		SET plan_cache_mode = force_generic_plan;
		PREPARE p AS $text;
		EXECUTE p)), $expected, "$rows rows: prepared");
	is(stat_of($node, 'hits') - $hits, 2, "$rows rows: two hits");
}
cmp_ok($largest, '<', $node->safe_psql('postgres', q(SELECT max(bytes) FROM arcache_entries WHERE kind = 'result')),
	'a result was larger than any free place');
is(stat_of($node, 'audit_failures'), 0, 'none differed');

# Two cursors on one entry, taking turns.
is($node->safe_psql('postgres', sprintf(q(
	SET arcache.auto = on;
	SELECT count(*) FROM (%1$s) s;
	BEGIN;
	CREATE FUNCTION turns() RETURNS bool LANGUAGE plpgsql AS $$
	DECLARE
		a refcursor;
		b refcursor;
		x t;
		y t;
		n int := 0;
	BEGIN
		OPEN a NO SCROLL FOR SELECT id, max(short) AS short, max(wide) AS wide, max(many) AS many FROM t GROUP BY id ORDER BY id;
		OPEN b NO SCROLL FOR SELECT id, max(short) AS short, max(wide) AS wide, max(many) AS many FROM t GROUP BY id ORDER BY id;
		LOOP
			FETCH a INTO x;
			FETCH b INTO y;
			EXIT WHEN NOT FOUND;
			n := n + 1;
			IF x IS DISTINCT FROM y OR x IS DISTINCT FROM (SELECT t FROM t WHERE id = n) THEN
				RETURN false;
			END IF;
		END LOOP;
		RETURN n = 400;
	END $$;
	COMMIT;
	SELECT turns();
	SELECT turns();), 'SELECT 1')), "1\nt\nt", 'two readers do not disturb each other');
check_memory($node, undef, 'the arena adds up');
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left');

log_is_clean($node);
done_testing();
