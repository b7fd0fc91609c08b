# Entries belong to a role in a database: nobody else sees them, and they go
# with them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = arcache_node('main');
my $get = q(SELECT arcache_get('k'));
my $query = q(SELECT arcache_get_or_set('q', 'SELECT x FROM t'));

sub as
{
	my ($role, $sql, $db) = @_;

	return $node->safe_psql($db // 'postgres', $sql, extra_params => [ '-U', $role ]);
}

sub make_database
{
	my ($name, $x) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, qq(
		CREATE EXTENSION arcache;
		CREATE TABLE t (x int);
		INSERT INTO t VALUES ($x);
		SELECT arcache_enable('t');
		GRANT SELECT ON t TO PUBLIC;
	));
	return;
}

$node->safe_psql('postgres', 'CREATE ROLE r1 LOGIN; CREATE ROLE r2 LOGIN');
make_database('d1', 1);
make_database('d2', 2);
$node->safe_psql('postgres', q(
	CREATE TABLE t (x int); INSERT INTO t VALUES (0);
	SELECT arcache_enable('t'); GRANT SELECT ON t TO PUBLIC));

# -- roles ---------------------------------------------------------------------

as($_, qq(SELECT arcache_set('k', '"$_"', tags => ARRAY['a']))) foreach ('r1', 'r2');
is(as('r1', $get), '"r1"', 'a role sees its own value');
is(as('r2', $get), '"r2"', 'and the other its own');
is($node->safe_psql('postgres', $get), '', 'and a superuser neither');
as('r1', q(SELECT arcache_invalidate_tag('a')));
is(as('r2', $get), '"r2"', 'tags are a role\'s own');
as('r1', q(SELECT arcache_set('k', '1'); SELECT arcache_clear()));
is(as('r2', $get), '"r2"', 'so is clear');
as('r1', q(SELECT arcache_delete('k'), arcache_delete_pattern('*')));
is(as('r2', $get), '"r2"', 'and delete');
is(as('r1', q(SELECT count(*) FROM arcache_keys())), '0', 'and keys');
is(as('r1', q(SELECT count(*), count(key), count(query) FROM arcache_entries)), '1|0|0',
	'lists show that there is one');
is($node->safe_psql('postgres', qq(SET ROLE r2; $get; RESET ROLE; $get)), qq("r2"\n),
	'SET ROLE changes whose they are');
is(as('r1', q(SELECT has_function_privilege('arcache_clear_all()', 'execute'),
	has_function_privilege('arcache_stats_reset()', 'execute'))), 'f|f', 'what touches others is not PUBLIC');

# -- databases -----------------------------------------------------------------

$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is there');
foreach my $n (1, 2)
{
	is($node->safe_psql("d$n", "$query; $query; SELECT arcache_set('k', '$n')"),
		qq([{"x": $n}]\n[{"x": $n}]\nt), "d$n has entries");
}
is($node->safe_psql('postgres', $get), '', 'another database sees none');
is($node->safe_psql('postgres', $query), '[{"x": 0}]', 'and computes its own');
is($node->safe_psql("d$_", $get), $_, "d$_ sees its own") foreach (1, 2);
is($node->safe_psql('d1', 'SELECT count(*) FROM arcache_entries'), '2', 'and lists its own');
is(stat_of($node, 'hits, misses, fills', 'd2'), '2|1|1', 'and counts its own');
$node->safe_psql('d1', 'SELECT arcache_stats_reset()');
is(stat_of($node, 'hits', 'd2'), '2', 'reset in one does not touch the other');
$node->safe_psql('d1', 'UPDATE t SET x = 11');
is($node->safe_psql('d1', $query), '[{"x": 11}]', 'a write is seen in its database');
my $hits = stat_of($node, 'hits', 'd2');
is($node->safe_psql('d2', $query), '[{"x": 2}]', 'and not in another');
is(stat_of($node, 'hits', 'd2') - $hits, 1, 'which still has its result');
$node->safe_psql('d1', 'SELECT arcache_clear_all()');
is($node->safe_psql('d2', $get), '2', 'clear_all is for one database');
is(entries($node), '3', 'of three');

# -- DROP DATABASE -------------------------------------------------------------

$node->safe_psql('d1', "$query; SELECT count(arcache_set('k' || i, '1')) FROM generate_series(1, 100) i");
is(entries($node), '104', 'there are entries');
$node->safe_psql('postgres', 'DROP DATABASE d1');
is(entries($node), '3', 'DROP DATABASE frees them');
make_database('d1', 111);
is($node->safe_psql('d1', "$query; SELECT count(*) FROM arcache_keys()"),
	qq([{"x": 111}]\n1), 'a new database of its name meets nothing');
is(stat_of($node, 'hits, misses', 'd1'), '0|1', 'not even statistics');

my $inside = session($node, db => 'd1');
$inside->query_safe(q(BEGIN; SELECT arcache_set('unfinished', '1')));
is(scalar $node->psql('postgres', 'DROP DATABASE d1', stderr => \my $stderr), 3, 'one that is in use stays');
is(entries($node), '4', 'with its entries');
$node->safe_psql('postgres', 'DROP DATABASE d1 WITH (FORCE)');
$inside->{run}->kill_kill;
is(entries($node), '3', 'DROP DATABASE WITH (FORCE)');
$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS no_such_database');

# A copy of a database, and another name.
$node->safe_psql('postgres', 'CREATE DATABASE d3 TEMPLATE d2');
is($node->safe_psql('d3', $get), '', 'a copy has no entries');
is($node->safe_psql('d3', 'UPDATE t SET x = 3; ' . $query), '[{"x": 3}]', 'but is tracked');
is($node->safe_psql('d2', $query), '[{"x": 2}]', 'and the original untouched');
my $name = q(SELECT arcache_get_or_set('name', 'SELECT current_database() AS d FROM t'));
is($node->safe_psql('d3', "$name; $name"), qq([{"d": "d3"}]\n[{"d": "d3"}]), 'the name of a database');
$node->safe_psql('postgres', 'ALTER DATABASE d3 RENAME TO d4');
is($node->safe_psql('d4', $name), '[{"d": "d4"}]', 'is another when renamed');
$node->safe_psql('postgres', 'DROP DATABASE d4; DROP DATABASE d2');
is(entries($node), '1', 'all are freed');

# -- DROP ROLE -----------------------------------------------------------------

$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
foreach my $role ('r1', 'r2')
{
	as($role, qq($query; SELECT arcache_set('k', '"$role"'), arcache_incr('n')));
}
is(entries($node), '6', 'there are entries');
my $session = session($node);
$session->query_safe('BEGIN; DROP ROLE r1');
is(entries($node), '6', 'DROP ROLE, not yet committed');
$session->query_safe('ROLLBACK');
is(as('r1', $get), '"r1"', 'rolled back, all is there');
$session->query_safe('BEGIN; DROP ROLE r1');
$session->query_safe('COMMIT');
is(entries($node), '3', 'committed, it frees them');
$node->safe_psql('postgres', 'CREATE ROLE r1 LOGIN');
is(as('r1', "$get; SELECT count(*) FROM arcache_keys()"), "\n0", 'a new role of its name meets nothing');
is(as('r2', $get), '"r2"', 'the other keeps its own');
$node->safe_psql('postgres', 'DROP ROLE IF EXISTS no_such_role, r1, r2');
is(entries($node), '0', 'two at once');

# A session of a role that is dropped meanwhile.
$node->safe_psql('postgres', 'CREATE ROLE r3 LOGIN');
my $orphan = session($node, user => 'r3');
$orphan->query_safe(q(SELECT arcache_set('k', '1')));
$node->safe_psql('postgres', 'DROP ROLE r3');
is(entries($node), '0', 'a role with a session');
$orphan->query(q(SELECT arcache_set('k', '1'), arcache_get('k')));
$orphan->{stderr} = '';
$orphan->quit;
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');

# In all databases.
make_database('d5', 5);
$node->safe_psql('postgres', 'CREATE ROLE r4 LOGIN');
as('r4', qq($query; SELECT arcache_set('k', '1')), $_) foreach ('postgres', 'd5');
is(entries($node), '4', 'a role with entries in two databases');
$node->safe_psql('postgres', 'DROP ROLE r4');
is(entries($node), '0', 'DROP ROLE frees them in both');

# A membership taken away, and a role renamed.
$node->safe_psql('postgres', q(
	CREATE ROLE r5 LOGIN; CREATE ROLE g; REVOKE SELECT ON t FROM PUBLIC; GRANT SELECT ON t TO g; GRANT g TO r5));
is(as('r5', "$query; $query"), qq([{"x": 0}]\n[{"x": 0}]), 'a member reads');
my $member = session($node, user => 'r5');
is($member->query_safe($query), '[{"x": 0}]', 'from the cache');
$node->safe_psql('postgres', 'REVOKE g FROM r5');
like(query_error($member, $query), qr/permission denied for table t/, 'one no longer a member does not');
$node->safe_psql('postgres', 'GRANT g TO r5');
my $who = q(SELECT arcache_get_or_set('who', 'SELECT current_user AS u FROM t'));
is($member->query_safe("$who; $who"), qq([{"u": "r5"}]\n[{"u": "r5"}]), 'a name');
$node->safe_psql('postgres', 'ALTER ROLE r5 RENAME TO r6');
is($member->query_safe($who), '[{"u": "r6"}]', 'is another when renamed');
$member->quit;

$session->quit;
$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left');
log_is_clean($node);
done_testing();
