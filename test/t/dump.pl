# Tracking is in the triggers, and relationships are in a table of the
# extension's, so pg_dump carries them; DROP EXTENSION takes them away.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = arcache_node('main');
my $dump = $node->basedir . '/dump.sql';

# All that pg_trigger and pg_depend say of tracking.
my $tracking = q(
	SELECT c.relname, t.tgname, t.tgenabled, t.tgtype, encode(t.tgargs, 'escape'), p.pronamespace::regnamespace,
	       (SELECT string_agg(d.deptype::text, '') FROM pg_depend d JOIN pg_extension e
	           ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'arcache'
	         WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid)
	  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
	 WHERE p.proname = 'arcache_track' ORDER BY c.relname COLLATE "C");
my $relationships = q(
	SELECT parent, name, kind, child, parent_columns, child_columns, enabled, ttl
	  FROM arcache_relationships ORDER BY parent::text COLLATE "C", name);
my $relations = q(SELECT relation::text, ttl, auto FROM arcache_relations ORDER BY relation::text COLLATE "C");

$node->safe_psql('postgres', q(
	CREATE DATABASE source;
	CREATE DATABASE copy;
	CREATE DATABASE elsewhere;
));
$node->safe_psql('source', q(
	CREATE EXTENSION arcache;
	CREATE SCHEMA "Odd ""Name""";
	CREATE TABLE plain (x int);
	CREATE TABLE with_ttl (x int);
	CREATE TABLE by_hand (x int);
	CREATE TABLE untracked (x int);
	CREATE TABLE "Odd ""Name"""."Table $1" (x int);
	CREATE TABLE p (x int) PARTITION BY LIST (x);
	CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
	CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
	CREATE TABLE parent (x int);
	CREATE TABLE child () INHERITS (parent);
	INSERT INTO plain VALUES (1), (2);
	INSERT INTO p VALUES (1), (2);
	CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM plain;
	SELECT arcache_enable('plain'), arcache_enable('with_ttl', ttl => '90 s'),
	       arcache_enable('by_hand', auto => false), arcache_enable('p'), arcache_enable('parent'),
	       arcache_enable('"Odd ""Name"""."Table $1"');
));
$node->safe_psql('source', q(
	CREATE TABLE owner (id int PRIMARY KEY, "e mail" text UNIQUE);
	CREATE TABLE "Odd ""Name"".pet" (id int PRIMARY KEY, owner_id int REFERENCES owner, "of" text REFERENCES owner ("e mail"));
	CREATE TABLE gone (id int PRIMARY KEY, owner_id int REFERENCES owner);
	INSERT INTO owner VALUES (1, 'a'), (2, 'b');
	INSERT INTO "Odd ""Name"".pet" VALUES (1, 1, 'b'), (2, 1, 'b'), (3, 2, 'a');
	SELECT arcache_has_many('owner', 'pets', '"Odd ""Name"".pet"', '{owner_id}', ttl => '1 h'),
	       arcache_has_one('owner', 'pets: \\first', '"Odd ""Name"".pet"', '{of}', enabled => false),
	       arcache_belongs_to('"Odd ""Name"".pet"', 'owner', 'owner', '{of}'),
	       arcache_has_many('owner', 'gone', 'gone');
	DROP TABLE gone;
));
my $defined = $node->safe_psql('source', $relationships);
is(scalar(split /\n/, $defined), 3, 'three relationships are defined');
is($node->safe_psql('source', 'SELECT count(*) FROM arcache_relationship'), '4', 'one more dangles');
my $triggers = $node->safe_psql('source', $tracking);
is(scalar(split /\n/, $triggers), 9, 'nine tables are tracked');
unlike($triggers, qr/\|O\|/, 'all triggers fire always');
is(scalar(() = $triggers =~ /\|x$/mg), 9, 'all depend on the extension');
like($triggers, qr/ttl=90/, 'one has a ttl');

sub check_exact
{
	my ($where, $db, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $get = q(SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain'));

	is($where->safe_psql($db, "$get; $get; UPDATE plain SET x = x + 10; $get; SELECT hits FROM arcache_stats"),
		qq([{"s": 3}]\n[{"s": 3}]\n[{"s": 23}]\n1), "$what: tables are tracked");
	$get = q(SELECT arcache_get_or_set('p', 'SELECT sum(x) AS s FROM p'));
	return is($where->safe_psql($db, "$get; $get; DELETE FROM p1; $get; INSERT INTO p VALUES (1); $get"),
		qq([{"s": 3}]\n[{"s": 3}]\n[{"s": 2}]\n[{"s": 3}]), "$what: partitions are tracked");
}

sub check_relationships
{
	my ($where, $db, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($where->safe_psql($db, $relationships), $defined, "$what: relationships are as they were");
	is($where->safe_psql($db, 'SELECT count(*) FROM arcache_relationship'), '3', 'and none dangles');
	return is($where->safe_psql($db, q(
			SELECT id FROM arcache_related(NULL::"Odd ""Name"".pet", 'owner', 'pets', 1);
			SELECT id FROM arcache_related(NULL::owner, '"Odd ""Name"".pet"', 'owner', 3);
			SELECT id FROM arcache_related(NULL::"Odd ""Name"".pet", 'owner', 'pets: \\first', 2))),
		"1\n2\n1\n1", "$what: and work from the first read");
}

# -- to another database -------------------------------------------------------

$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('source') ], 'pg_dump');
my $text = slurp_file($dump);
is(scalar(() = $text =~ /^CREATE TRIGGER arcache_track BEFORE/mg), 9, 'it has the triggers');
is(scalar(() = $text =~ /ENABLE ALWAYS TRIGGER arcache_track/mg), 9, 'it says that they fire always');
is(scalar(() = $text =~ /DEPENDS ON EXTENSION/mg), 9,
	'it says that they depend on the extension');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'restored');
is($node->safe_psql('copy', $tracking), $triggers, 'tracking is as it was');
is($node->safe_psql('copy', $relations), $node->safe_psql('source', $relations), 'and shown so');
check_exact($node, 'copy', 'restored');
check_relationships($node, 'copy', 'restored');

# As a custom archive, in parallel, over what is there.
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.c", '-d', $node->connstr('source') ], 'pg_dump -Fc');
$node->safe_psql('copy', q(
	SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain')));
$node->command_ok([ 'pg_restore', '-j2', '--clean', '--if-exists', '-d', $node->connstr('copy'), "$dump.c" ],
	'pg_restore --clean');
is($node->safe_psql('copy', $tracking), $triggers, 'tracking is as it was');
check_relationships($node, 'copy', 'pg_restore --clean');
is($node->safe_psql('copy', q(SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain'))), '[{"s": 3}]',
	'and what was cached is not served');

# Dumped without the tables' definitions, into tables that are tracked.
$node->command_ok([ 'pg_dump', '-a', '-t', 'plain', '-f', "$dump.data", '-d', $node->connstr('source') ],
	'pg_dump --data-only');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dump.data", '-d', $node->connstr('copy') ],
	'restored');
is($node->safe_psql('copy', q(SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain'))), '[{"s": 6}]',
	'is seen');
$node->command_ok([ 'pg_restore', '-a', '--disable-triggers', '-t', 'plain', '-d', $node->connstr('copy'), "$dump.c" ],
	'pg_restore --disable-triggers');
is($node->safe_psql('copy', q(SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain'),
	(SELECT sum(x) FROM plain))), '[{"s": 9}]|9', 'is seen as well');

# -- to another cluster --------------------------------------------------------

# One without the library still takes the dump.
my $bare = arcache_node('bare', start => 0);
$bare->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$bare->start;
$bare->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $bare->connstr('postgres') ],
	'restored in a server that has not preloaded it');
is($bare->safe_psql('postgres', $tracking), $triggers, 'tracking is as it was');
is($bare->safe_psql('postgres', $relationships), $defined, 'relationships are as they were');
$bare->append_conf('postgresql.conf', "shared_preload_libraries = 'arcache'");
$bare->restart;
check_exact($bare, 'postgres', 'preloaded');
check_relationships($bare, 'postgres', 'preloaded');

# -- in another schema ---------------------------------------------------------

$node->safe_psql('elsewhere', q(
	CREATE SCHEMA cache;
	CREATE EXTENSION arcache SCHEMA cache;
	CREATE TABLE plain (x int); INSERT INTO plain VALUES (1), (2);
	SELECT cache.arcache_enable('plain', '1h');
	CREATE TABLE tree (id int PRIMARY KEY, above int REFERENCES tree);
	INSERT INTO tree VALUES (1, NULL), (2, 1);
	SELECT cache.arcache_has_many('tree', 'below', 'tree');
));
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('elsewhere') ], 'pg_dump of another schema');
$node->safe_psql('postgres', 'DROP DATABASE copy; CREATE DATABASE copy');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('copy') ], 'restored');
is($node->safe_psql('copy', $tracking), $node->safe_psql('elsewhere', $tracking), 'tracking is as it was');
is($node->safe_psql('copy', 'SELECT relation, ttl, auto FROM cache.arcache_relations'), 'plain|01:00:00|t',
	'and shown so');
is($node->safe_psql('copy', q(
		SELECT cache.arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain');
		UPDATE plain SET x = x + 1;
		SELECT cache.arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain'))),
	qq([{"s": 3}]\n[{"s": 5}]), 'and works');

is($node->safe_psql('copy', q(SELECT id FROM cache.arcache_related(NULL::tree, 'tree', 'below', 1))), '2',
	'relationships do, too');

# -- DROP EXTENSION ------------------------------------------------------------

# The views are the extension's own; nothing else keeps it.
my $fill = session($node, db => 'source');
$fill->query_safe(q(SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain')));
is(scalar $node->psql('source', 'DROP EXTENSION arcache'), 0, 'DROP EXTENSION without CASCADE');
is($node->safe_psql('source', q(SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)), '0', 'no trigger is left');
is($node->safe_psql('source', q(SELECT count(*) FROM pg_proc WHERE proname LIKE 'arcache%')), '0', 'nor a function');
is($node->safe_psql('source', q(SELECT count(*) FROM pg_class WHERE relname LIKE 'arcache%')), '0', 'nor a table or view');
$node->safe_psql('source', 'UPDATE plain SET x = x + 1; TRUNCATE p');
$fill->query_safe('CREATE EXTENSION arcache');
is($fill->query_safe(q(SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain'))), '[{"s": 5}]',
	'created again, it does not serve what was');
is($fill->query_safe('SELECT relation FROM arcache_relations'), 'm', 'and tracks no table');
is($fill->query_safe('SELECT count(*) FROM arcache_relationship'), '0', 'and has no relationship');
$fill->query_safe('UPDATE plain SET x = x + 1');
is($fill->query_safe(q(SELECT arcache_get_or_set('k', 'SELECT sum(x) AS s FROM plain'))), '[{"s": 7}]',
	'nor does it cache one');
$fill->quit;

is(scalar $node->psql('copy', 'DROP EXTENSION arcache'), 0, 'from another schema too');
is($node->safe_psql('copy', q(SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal)), '0', 'no trigger is left');

log_is_clean($_) foreach ($node, $bare);
done_testing();
