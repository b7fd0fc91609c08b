# What works without shared_preload_libraries, and what the settings allow.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $hint =
  q(HINT:  Add shared_preload_libraries = 'arcache' to postgresql.conf and restart the server.);
my $query = q('SELECT sum(x) AS s FROM t');

my $node = arcache_node('plain', start => 0);
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;

# -- not preloaded -------------------------------------------------------------

is(scalar $node->psql('postgres', 'CREATE EXTENSION arcache'),
	0, 'CREATE EXTENSION works without preload');
$node->safe_psql('postgres', q(
	CREATE TABLE t (x int);
	INSERT INTO t SELECT generate_series(1, 4);
	CREATE ROLE r LOGIN;
));

my ($rc, $out, $err) = $node->psql(
	'postgres', qq(
	SELECT arcache_get_or_set('k', $query);
	INSERT INTO t VALUES (100);
	SELECT arcache_get_or_set('k', $query);
	SELECT arcache_get_or_set('k', $query, ttl => '1 hour');
	INSERT INTO t VALUES (1000);
	SELECT arcache_get_or_set('k', $query, ttl => '1 hour');
	SELECT * FROM arcache_query($query) AS (s bigint);
	SELECT arcache_get('k') IS NULL;
	SELECT arcache_set('k', '1');
	SELECT arcache_get('k') IS NULL;
	SELECT arcache_exists('k');
	SELECT arcache_delete('k');
));
is($rc, 0, 'reading through works without preload');
is( $out, qq([{"s": 10}]
[{"s": 110}]
[{"s": 110}]
[{"s": 1110}]
1110
t
f
t
f
0), 'each call computes, nothing is kept');
is(scalar(() = $err =~ /WARNING:/g), 1, 'one warning a session');
like($err, qr/WARNING:  arcache is not loaded, so nothing is cached\n\Q$hint\E/,
	'the warning says what to do');

($rc, $out, $err) = $node->psql(
	'postgres', q(
	CREATE TABLE keyed (id int PRIMARY KEY, n int);
	INSERT INTO keyed VALUES (1, 10), (2, 20);
	SELECT arcache_row(NULL::keyed, 1);
	UPDATE keyed SET n = 11 WHERE id = 1;
	SELECT arcache_row(NULL::keyed, 1);
	SELECT arcache_rows(NULL::keyed, ARRAY[2, 3, 1]);
	SELECT arcache_row_set((1, 12)::keyed);
	SELECT arcache_row_get(NULL::keyed, 1) IS NULL;
	SELECT arcache_row_delete('keyed', 1);
	SELECT arcache_row_clear('keyed');
	DROP TABLE keyed;
));
is($rc, 0, 'rows are read without preload');
is($out, "(1,10)\n(1,11)\n(2,20)\n(1,11)\nf\nt\nf\n0", 'and computed each time');

foreach my $call (
	q(SELECT arcache_enable('t')),
	q(SELECT arcache_disable('t')),
	q(SELECT arcache_invalidate('t')),
	q(SELECT arcache_invalidate_tag('a')),
	q(SELECT arcache_clear()),
	q(SELECT arcache_clear_all()),
	q(SELECT arcache_stats_reset()),
	q(SELECT * FROM arcache_stats),
	q(SELECT * FROM arcache_entries),
	q(SELECT * FROM arcache_memory))
{
	sql_error($node, $call, '55000', "arcache is not loaded\n\Q$hint\E",
		"without preload: $call");
}
like(
	$node->safe_psql('postgres', "SELECT arcache_why($query)"),
	qr/is not tracked/, 'arcache_why needs no preload');

($rc, $out, $err) = $node->psql('postgres',
	"LOAD 'arcache'; SELECT arcache_get_or_set('k', $query)");
is($out, '[{"s": 1110}]', 'LOAD does no harm');
$node->append_conf('postgresql.conf', "session_preload_libraries = 'arcache'");
$node->reload;
($rc, $out, $err) = $node->psql('postgres', "SELECT arcache_get_or_set('k', $query)");
is($out, '[{"s": 1110}]', 'session_preload_libraries does no harm');
like($err, qr/arcache is not loaded/, 'nor is it of use');
$node->append_conf('postgresql.conf', "session_preload_libraries = ''");

# -- preloaded -----------------------------------------------------------------

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'arcache'");
$node->restart;

($rc, $out, $err) = $node->psql(
	'postgres', qq(
	SELECT arcache_enable('t');
	SELECT arcache_get_or_set('k', $query);
	SELECT arcache_get_or_set('k', $query);
	SELECT hits, misses, fills FROM arcache_stats;
));
is($out, qq(\n[{"s": 1110}]\n[{"s": 1110}]\n1|1|1), 'preloaded, it caches');
is($err, '', 'without a warning');
is( $node->safe_psql('postgres',
		"SELECT size = pg_size_bytes('16MB') FROM arcache_memory"),
	't', 'arcache.memory is the size of all');

# -- settings ------------------------------------------------------------------

sql_error($node, "SET arcache.memory = '32MB'",
	'55P02', 'cannot be changed without restarting the server',
	'arcache.memory cannot be set by a session');
sql_error($node, 'SET arcache.janitor_delay = 100',
	'55P02', 'cannot be changed now', 'arcache.janitor_delay is the server\'s');
sql_error($node, 'SET arcache.no_such_setting = 1',
	'42602', 'reserved prefix', 'a name that is no setting is refused');

my %settings = (
	'arcache.audit_rate' => [ '0.25', 'super' ],
	'arcache.debug_verify' => [ 'on', 'super' ],
	'arcache.default_ttl' => [ '5min', 'user' ],
	'arcache.enabled' => [ 'off', 'user' ],
	'arcache.max_value_size' => [ '64kB', 'user' ],
	'arcache.wait_timeout' => [ '2s', 'user' ]);
foreach my $name (sort keys %settings)
{
	my ($value, $who) = @{ $settings{$name} };
	my $default = $node->safe_psql('postgres', "SHOW $name");

	value_is($node,
		"BEGIN; SET LOCAL $name = '$value'; SHOW $name; COMMIT; SHOW $name",
		"$value\n$default", "SET LOCAL $name");

	my ($rc, $out, $err) =
	  $node->psql('postgres', "SET $name = '$value'", extra_params => [ '-U', 'r' ]);
	if ($who eq 'user')
	{
		is($err, '', "an ordinary role may set $name");
	}
	else
	{
		like($err, qr/permission denied to set parameter "$name"/,
			"an ordinary role may not set $name");
	}

	$node->safe_psql('postgres', "ALTER ROLE r SET $name = '$value'");
	is( $node->safe_psql('postgres', "SHOW $name", extra_params => [ '-U', 'r' ]),
		$value, "ALTER ROLE SET $name");
	$node->safe_psql('postgres',
		"ALTER ROLE r RESET ALL; ALTER DATABASE postgres SET $name = '$value'");
	is($node->safe_psql('postgres', "SHOW $name"), $value, "ALTER DATABASE SET $name");
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');
}
is( $node->safe_psql('postgres',
		q(SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings
		   WHERE name LIKE 'arcache.%' AND context NOT IN ('user', 'superuser'))),
	'arcache.janitor_delay arcache.memory',
	'only these two are not settable by role and database');

# What the settings do, where it takes a look at two of them.
value_is($node,
	qq(SET arcache.enabled = off; SELECT arcache_get_or_set('k', $query);
	   RESET arcache.enabled; SELECT bypass_disabled, hits FROM arcache_stats),
	qq([{"s": 1110}]\n1|1), 'arcache.enabled = off computes');
value_is($node,
	qq(SET arcache.default_ttl = '1h'; SELECT arcache_set('d', '1');
	   SELECT arcache_ttl('d') BETWEEN '1min' AND '1h';
	   SET arcache.max_value_size = '1kB';
	   SELECT arcache_set('d', to_jsonb(repeat('x', 2000))), arcache_get('d') IS NULL),
	"t\nt\nf|t", 'arcache.default_ttl and arcache.max_value_size');

$node->append_conf('postgresql.conf', "arcache.memory = '32MB'");
$node->reload;
$node->poll_query_until('postgres',
	q(SELECT pending_restart FROM pg_settings WHERE name = 'arcache.memory'))
  or die 'no pending restart';
is( $node->safe_psql('postgres',
		"SELECT size = pg_size_bytes('16MB') FROM arcache_memory"),
	't', 'a reload does not change the memory');
$node->restart;
is( $node->safe_psql('postgres',
		"SELECT size = pg_size_bytes('32MB') FROM arcache_memory"),
	't', 'a restart does');
check_memory($node, 0, 'and it is empty');

# -- no longer preloaded -------------------------------------------------------

# The triggers are still there.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->safe_psql('postgres', q(
	INSERT INTO t VALUES (10000);
	BEGIN; UPDATE t SET x = x; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT;
));
($rc, $out, $err) = $node->psql('postgres', "SELECT arcache_get_or_set('k', $query)");
is($out, '[{"s": 11110}]', 'tracked tables may be written without preload');
$node->safe_psql('postgres', 'TRUNCATE t; ALTER TABLE t ADD y int; DROP TABLE t');
is(scalar $node->psql('postgres', 'DROP EXTENSION arcache'),
	0, 'DROP EXTENSION works without preload');

log_is_clean($node, allow => qr/arcache is not loaded, so nothing is cached/);
done_testing();
