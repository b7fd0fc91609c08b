# What the tests of faults have in common: servers whose arcache has points of
# injection (src/base/inject.h), a set of tables, and the question whether all
# that is read through the cache is what is read without it.

package ArcacheFaults;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'usleep';

our @EXPORT = qw(
  inject_node create_reads reached_since log_size
  check_reads hold let_go
  poll activity
);

# As arcache_node(); skips the whole file where there is nothing to inject.
sub inject_node
{
	my ($name, %arg) = @_;
	my $node = arcache_node($name, %arg);

	if ($node->psql('postgres', 'SHOW arcache.debug_inject', stderr => \my $error) != 0)
	{
		plan skip_all => 'arcache was compiled without ARC_INJECT';
	}
	return $node;
}

# Tables that tell of their keys (item, note), of themselves as a whole (bin)
# and by partitions (part), and the reads of them: each through the cache and
# without it.  wrong_reads() names those that differ, twice, so that the second
# time hits.
sub create_reads
{
	my ($node) = @_;

	$node->safe_psql('postgres', q(
		CREATE TABLE item (id int PRIMARY KEY, word text);
		CREATE TABLE note (id int PRIMARY KEY, item int REFERENCES item ON DELETE CASCADE, word text);
		CREATE TABLE bin (id int, word text);
		CREATE TABLE part (id int PRIMARY KEY, word text) PARTITION BY RANGE (id);
		CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10);
		CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (10) TO (20);
		INSERT INTO item SELECT i, 'old' FROM generate_series(1, 20) i;
		INSERT INTO note SELECT i, 1 + i % 10, 'old' FROM generate_series(1, 20) i;
		INSERT INTO bin SELECT i, 'old' FROM generate_series(1, 20) i;
		INSERT INTO part SELECT i, 'old' FROM generate_series(0, 19) i;
		SELECT arcache_enable('item'), arcache_enable('note'), arcache_enable('part'),
		       arcache_enable('bin', keys => '{}');
		SELECT arcache_has_many('item', 'notes', 'note', '{item}');

		CREATE TABLE reads (name text, cached text, plain text);
		INSERT INTO reads VALUES
		('json', $$SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id')$$,
		         $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT id, word FROM item ORDER BY id) q$$),
		('key',  $$SELECT arcache_get_or_set('key', 'SELECT id, word FROM item WHERE id = 1')$$,
		         $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT id, word FROM item WHERE id = 1) q$$),
		('bin',  $$SELECT arcache_get_or_set('bin', 'SELECT word, count(*) AS n FROM bin GROUP BY 1 ORDER BY 1')$$,
		         $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT word, count(*) AS n FROM bin GROUP BY 1 ORDER BY 1) q$$),
		('part', $$SELECT arcache_get_or_set('part', 'SELECT word, count(*) AS n FROM part GROUP BY 1 ORDER BY 1')$$,
		         $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT word, count(*) AS n FROM part GROUP BY 1 ORDER BY 1) q$$),
		('rows', $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT * FROM arcache_query('SELECT id, word FROM part WHERE id = 1 ORDER BY id') AS r (id int, word text)) q$$,
		         $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT id, word FROM part WHERE id = 1 ORDER BY id) q$$),
		('row',  $$SELECT to_jsonb(arcache_row(NULL::item, 1))$$,
		         $$SELECT to_jsonb(q) FROM (SELECT * FROM item WHERE id = 1) q$$),
		('some', $$SELECT jsonb_agg(to_jsonb(q)) FROM arcache_rows(NULL::item, ARRAY[1, 2, 3]) q$$,
		         $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT * FROM item WHERE id <= 3 ORDER BY id) q$$),
		('many', $$SELECT jsonb_agg(to_jsonb(q) ORDER BY q.id) FROM arcache_related(NULL::note, 'item', 'notes', 1) q$$,
		         $$SELECT jsonb_agg(to_jsonb(q) ORDER BY q.id) FROM (SELECT * FROM note WHERE item = 1) q$$);

		CREATE FUNCTION wrong_reads() RETURNS text LANGUAGE plpgsql AS $$
		DECLARE
			r record;
			cached jsonb;
			plain jsonb;
			wrong text := '';
		BEGIN
			FOR i IN 1 .. 2 LOOP
				FOR r IN SELECT * FROM reads LOOP
					EXECUTE r.cached INTO cached;
					EXECUTE r.plain INTO plain;
					IF cached IS DISTINCT FROM plain THEN
						wrong := wrong || format('%s: %s for %s; ', r.name, cached, plain);
					END IF;
				END LOOP;
			END LOOP;
			RETURN wrong;
		END $$;

		CREATE FUNCTION restore_tables() RETURNS void LANGUAGE sql AS $$
			UPDATE item SET word = 'old' WHERE word <> 'old';
			UPDATE note SET word = 'old' WHERE word <> 'old';
			UPDATE bin SET word = 'old' WHERE word <> 'old';
			UPDATE part SET word = 'old' WHERE word <> 'old';
		$$;
	));
	return;
}

# All reads are right, in this session; and the second ones are hits.
sub check_reads
{
	my ($session, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $hits = $session->query_safe('SELECT hits FROM arcache_stats');
	my $wrong = $session->query_safe('SELECT wrong_reads()');
	my $reads = $session->query_safe('SELECT count(*) FROM reads');

	return is($wrong, '', "$what: cached equals uncached")
	  && cmp_ok($session->query_safe('SELECT hits FROM arcache_stats') - $hits,
		'>=', $reads, "$what: and the cache is in use");
}

# The points that the server's log says were reached behind this place in it:
# "ACTION at POINT".
sub reached_since
{
	my ($node, $from) = @_;
	my $log = slurp_file($node->logfile, $from);

	return $log =~ /arcache injection: (\w+ at \S+)/g;
}

sub log_size
{
	my ($node) = @_;

	return -s $node->logfile;
}

# Sessions that are told to wait at a point do so while there is this file.
sub hold
{
	my ($node) = @_;

	append_to_file($node->data_dir . '/arcache.hold', '');
	return;
}

sub let_go
{
	my ($node) = @_;

	unlink($node->data_dir . '/arcache.hold') or die "unlink: $!";
	return;
}

# Look by this session, which must need no lock that others wait for, until the
# condition is true.
sub poll
{
	my ($looker, $condition, $what) = @_;
	my $tries = 0;

	until ($looker->query_safe("SELECT $condition") eq 't')
	{
		die "waited for: $what; " . $looker->query_safe(q(
			SELECT string_agg(concat_ws(' ', pid, state, wait_event_type, wait_event, query), '; ') FROM pg_stat_activity))
		  if $tries++ > 18000;
		usleep(10_000);
	}
	return;
}

# The same of the session with this id.
sub activity
{
	my ($looker, $pid, $condition, $what) = @_;

	poll($looker, "coalesce((SELECT $condition FROM pg_stat_activity WHERE pid = $pid), false)", $what);
	return;
}

1;
