# arcache_statements beside pg_stat_statements: they meet in the identifier, the
# role and the database; and the counts of sessions that have ended are there.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = arcache_node('main', start => 0, conf => q(
shared_preload_libraries = 'pg_stat_statements, arcache'
arcache.auto = on
arcache.min_cost = 0
));
plan skip_all => 'the server has no pg_stat_statements'
  unless -e $node->config_data('--sharedir') . '/extension/pg_stat_statements.control';
$node->start;
$node->safe_psql('postgres', q(
	CREATE EXTENSION arcache;
	CREATE EXTENSION pg_stat_statements;
	CREATE ROLE one LOGIN;
	CREATE TABLE t (id int PRIMARY KEY, n int);
	INSERT INTO t SELECT i, i % 7 FROM generate_series(1, 100) i;
	GRANT SELECT ON t TO one;
	SELECT arcache_enable('t');
	SELECT arcache_stats_reset();
	SELECT pg_stat_statements_reset();
));

# Who ran initdb.
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

# Two roles, three sessions each; constants differ.
foreach my $user ('one', $superuser)
{
	foreach my $n (1 .. 3)
	{
		$node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE n = ' . ($n % 2), extra_params => [ '-U', $user ]);
	}
}
$node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE n < random()');

my $joined = q(
	SELECT a.role, p.calls, a.hits, a.misses, a.fills, a.bypasses, a.last_bypass, a.entries
	  FROM arcache_statements a JOIN pg_stat_statements p USING (userid, dbid, queryid)
	 WHERE p.query ~ '%s' AND p.toplevel ORDER BY a.role <> 'one');
is($node->safe_psql('postgres', sprintf($joined, 'WHERE n =')),
	"one|3|1|2|2|0||2\n$superuser|3|1|2|2|0||2", 'each role has its own counts');
is($node->safe_psql('postgres', sprintf($joined, 'random')),
	"$superuser|1|0|0|0|1|Function random() is volatile.|0", 'what was refused says why');

# A dropped database takes its counts along, a reset its own only.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q(
	CREATE EXTENSION arcache;
	CREATE TABLE t AS SELECT 1 AS id;
	SELECT arcache_enable('t')));
$node->safe_psql('other', 'SELECT count(*) FROM t');
is($node->safe_psql('other', 'SELECT count(*), sum(fills) FROM arcache_statements'), '1|1', 'another database counts its own');
$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM arcache_statements'), '0', 'a reset empties one');
is($node->safe_psql('other', 'SELECT count(*) FROM arcache_statements'), '1', 'and leaves the other');
$node->safe_psql('postgres', 'DROP DATABASE other');

# More statements than there is room for: those counted for longest ago give way.
$node->safe_psql('postgres', q(
	DO $$
	BEGIN
		FOR i IN 0..5999 LOOP
			EXECUTE 'SELECT ' || (SELECT string_agg(CASE (i >> bit) & 1 WHEN 0 THEN 'id' ELSE 'n' END, ', ') FROM generate_series(0, 12) bit)
				|| ' FROM t WHERE id = 1';
		END LOOP;
	END $$;
));
$node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE n < 3');
is($node->safe_psql('postgres', q(SELECT count(*) BETWEEN 3000 AND 4096 FROM arcache_statements)), 't', 'the room is kept to');
is($node->safe_psql('postgres', sprintf($joined, 'n < \$1$')),
	"$superuser|1|0|1|1|0||1", 'a new statement finds room');

log_is_clean($node);
done_testing();
