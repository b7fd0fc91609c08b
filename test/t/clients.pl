# Real clients through transparent mode, unchanged: psql, libpq in pipeline mode,
# the bare protocol with suspended portals, PgBouncer in transaction mode,
# psycopg and Django.
#
# Each program runs with arcache.auto off and on; what it prints must be the same,
# every hit is verified, and there must be hits.

use strict;
use warnings FATAL => 'all';

use File::Basename;
use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = arcache_node('clients',
	conf => q(
arcache.debug_verify = on
arcache.min_cost = 0
));
my $dir = PostgreSQL::Test::Utils::tempdir();
my $setup = q(
	DROP TABLE IF EXISTS items CASCADE;
	CREATE TABLE items (id int PRIMARY KEY, v text, n int, tags text[]);
	INSERT INTO items SELECT g, 'item ' || g, g % 10, ARRAY[chr(97 + g % 3)] FROM generate_series(1, 50) g;
	SELECT arcache_enable('items');
);

# The setting that all sessions to come begin with.
sub auto
{
	my ($auto) = @_;

	$node->safe_psql('postgres', "ALTER DATABASE postgres SET arcache.auto = $auto");
}

# Run it both ways, each time from the same rows; returns what it printed.
sub same_both_ways
{
	my ($name, $run, $hits) = @_;
	my %out;

	foreach my $auto ('off', 'on')
	{
		auto('off');
		$node->safe_psql('postgres', $setup);
		auto($auto);
		$node->safe_psql('postgres', 'SET arcache.auto = off; SELECT arcache_stats_reset()');
		$out{$auto} = $run->($auto);
	}
	isnt($out{off}, '', "$name: runs");
	is($out{on}, $out{off}, "$name: the same from the cache");
	my ($got, $failures) = split /\|/, stat_of($node, 'hits, audit_failures');
	cmp_ok($got, '>=', $hits, "$name: $got hits");
	is($failures, '0', "$name: verified");
	auto('off');
	return $out{on};
}

sub wait_until
{
	my ($done) = @_;

	for (my $i = 0; $i < 600 && !$done->(); $i++)
	{
		select(undef, undef, undef, 0.05);
	}
}

# -- psql ------------------------------------------------------------------------

my $psql = same_both_ways(
	'psql',
	sub {
		my ($out, $err);

		$node->psql(
			'postgres', q(
			SELECT id, v AS name, tags FROM items WHERE id < 3 \gdesc
			SELECT id, v AS name, tags FROM items WHERE id < 3;
			SELECT id, v AS name, tags FROM items WHERE id < 3 \gx
			SELECT count(*) AS n FROM items \gset
			\echo :n
			SELECT 'SELECT ' || id FROM items WHERE id < 3 \gexec
			SELECT id, n, v FROM items WHERE id < 4 \crosstabview
			\set FETCH_COUNT 2
			SELECT id % 9 AS nine, count(*) FROM items GROUP BY 1 ORDER BY 1;
			SELECT id % 9 AS nine, count(*) FROM items GROUP BY 1 ORDER BY 1;
			\unset FETCH_COUNT
		), stdout => \$out, stderr => \$err);
		return "$out\n$err";
	},
	# Of the third statement, and of what FETCH_COUNT fetches by a cursor.
	2);
like($psql, qr/^id\|integer\nname\|text\ntags\|text\[\]$/m, 'psql: \gdesc describes');

# \watch goes on until it is interrupted; rows are written meanwhile.
auto('on');
{
	my $writer = session($node);
	my ($seen, $written) = ('', '');

	$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
	append_to_file("$dir/watch.sql", "SELECT max(id) FROM items \\watch 0.1\n");
	my $program = start_program($node, "$dir/watch.out", 'psql', '-XAtq', '-f', "$dir/watch.sql", 'postgres');
	foreach my $id (1000 .. 1004)
	{
		$writer->query_safe("INSERT INTO items VALUES ($id)");
		wait_until(sub { slurp_file("$dir/watch.out") =~ /^$id$/m });
		$written .= "$id ";
		$seen .= "$id " if slurp_file("$dir/watch.out") =~ /^$id$/m;
	}
	wait_until(sub { stat_of($node, 'hits') > 3 });
	kill 'INT', $program->{pid};
	finish_program($program);
	my @numbers = grep { /^\d+$/ } split /\n/, slurp_file("$dir/watch.out");
	is($seen, $written, '\watch: sees each write');
	is(join(' ', @numbers), join(' ', sort { $a <=> $b } @numbers), '\watch: never goes back');
	cmp_ok(stat_of($node, 'hits'), '>', 3, '\watch: hits');
	$writer->quit;
}
auto('off');

# -- libpq in pipeline mode ------------------------------------------------------

SKIP:
{
	my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
	chomp(my $include = `$pg_config --includedir`);
	chomp(my $lib = `$pg_config --libdir`);

	skip 'no libpq-fe.h', 1 unless -f "$include/libpq-fe.h";
	is( system('gcc', '-Wall', '-Werror', "-I$include", '-o', "$dir/pipeline",
			"$FindBin::Bin/clients_pipeline.c", "-L$lib", "-Wl,-rpath,$lib", '-lpq'),
		0, 'pipeline: compiles');
	my $run = sub {
		my ($out, $err);

		IPC::Run::run([ "$dir/pipeline", $node->connstr('postgres'), @_ ], '>', \$out, '2>', \$err);
		return $out . $err;
	};
	my $out = same_both_ways('pipeline',
		sub { $run->('SELECT id, v FROM items WHERE n = $1::int ORDER BY id', '3', '4') }, 3);
	like($out, qr/^3\|item 3\|13\|item 13/m, 'pipeline: rows');
	# one pipeline, a write between each two reads
	same_both_ways('pipeline with writes',
		sub { $run->('SELECT id, v FROM items WHERE n = $1::int ORDER BY id', '3', '4', q(UPDATE items SET v = v || '.' WHERE id = 3)) }, 0);
	same_both_ways('pipeline with other writes',
		sub { $run->('SELECT id, v FROM items WHERE id = $1::int', '3', '4', q(UPDATE items SET v = v || '.' WHERE id = 4)) }, 1);
	same_both_ways('pipeline with an error',
		sub { $run->('SELECT id, v FROM items WHERE n = $1::int', 'x', '2') }, 0);
}

# -- the protocol: portals that are suspended ------------------------------------

sub message { return $_[0] . pack('N', 4 + length $_[1]) . $_[1] }

sub wire_connect
{
	my $socket = IO::Socket::UNIX->new($node->host . '/.s.PGSQL.' . $node->port) or die "connect: $!";
	my $user = getpwuid($<);
	my $startup = pack('N', 196608) . "user\0$user\0database\0postgres\0\0";

	print $socket pack('N', 4 + length $startup) . $startup;
	$socket->flush;
	wire_read($socket);
	return $socket;
}

# Up to ReadyForQuery: the rows' first columns, and the messages that matter.
sub wire_read
{
	my ($socket) = @_;
	my @seen;

	for (;;)
	{
		read($socket, my $head, 5) == 5 or die "connection lost";
		my ($type, $length) = unpack('a N', $head);
		my $body = '';
		$length == 4 || read($socket, $body, $length - 4) == $length - 4 or die;
		push @seen, unpack('x2 N/a*', $body) if $type eq 'D';
		push @seen, 'suspended' if $type eq 's';
		push @seen, unpack('Z*', $body) if $type eq 'C';
		push @seen, 'error ' . ($body =~ /\0M([^\0]*)/)[0] if $type eq 'E';
		return "@seen" if $type eq 'Z';
	}
}

sub wire
{
	my ($socket, @messages) = @_;

	print $socket join('', @messages);
	$socket->flush;
	return wire_read($socket);
}

sub parse { return message('P', "$_[0]\0$_[1]\0" . pack('n', 0)) }
sub bind_ { return message('B', "$_[0]\0$_[1]\0" . pack('n n', 0, 0) . pack('n', 0)) }
sub execute { return message('E', "$_[0]\0" . pack('N', $_[1])) }
sub query { return message('Q', "$_[0]\0") }
my $sync = message('S', '');
my $flush = message('H', '');

{
	$node->safe_psql('postgres', $setup);
	auto('on');
	my $socket = wire_connect();
	my $fills = sub {
		my ($expected, $name) = @_;
		is(stat_of($node, 'fills, hits, audit_failures'), $expected, "portal: $name");
	};

	wire($socket, query("SET arcache.debug_verify = off"));
	$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
	wire($socket, query('BEGIN'));
	is(wire($socket, parse('s', 'SELECT id FROM items WHERE id < 6 ORDER BY id'), bind_('p', 's'), execute('p', 2), $sync),
		'1 2 suspended', 'portal: suspended');
	$fills->('0|0|0', 'partly fetched');
	is(wire($socket, execute('p', 3), $sync), '3 4 5 suspended', 'portal: all rows, but not the end');
	$fills->('0|0|0', 'all rows fetched');
	is(wire($socket, execute('p', 3), $sync), 'SELECT 0', 'portal: the end');
	$fills->('1|0|0', 'complete');
	is(wire($socket, bind_('q', 's'), execute('q', 2), $sync), '1 2 suspended', 'portal: a hit is suspended');
	# meanwhile the row is changed, and the portal goes on as it began
	$node->safe_psql('postgres', 'DELETE FROM items WHERE id = 4');
	is(wire($socket, execute('q', 0), $sync), '3 4 5 SELECT 3', 'portal: and goes on');
	$fills->('1|1|0', 'a hit');
	is(wire($socket, bind_('r', 's'), execute('r', 1), $sync), '1 suspended', 'portal: another');
	is(wire($socket, query('COMMIT')), 'COMMIT', 'portal: is left');
	$fills->('1|1|0', 'left: not published');
	is(wire($socket, bind_('', 's'), execute('', 0), $sync), '1 2 3 5 SELECT 4', 'portal: at once');
	$fills->('2|1|0', 'at once');

	# two portals of one statement, in turn
	wire($socket, query('BEGIN'));
	wire($socket, bind_('a', 's'), bind_('b', 's'), $sync);
	is(wire($socket, execute('a', 1), execute('b', 2), execute('a', 1), execute('b', 0), execute('a', 0), $sync),
		'1 suspended 1 2 suspended 2 suspended 3 5 SELECT 2 3 5 SELECT 2', 'portal: two in turn');
	wire($socket, query('COMMIT'));
	# an error in the middle leaves nothing
	wire($socket, query('BEGIN'));
	is(wire($socket, parse('e', 'SELECT 6 / (3 - id) FROM items WHERE id < 6'), bind_('p', 'e'), execute('p', 2), $sync),
		'3 6 suspended', 'portal: before the error');
	is(wire($socket, execute('p', 0), $sync), 'error division by zero', 'portal: the error');
	wire($socket, query('ROLLBACK'));
	is(wire($socket, bind_('', 'e'), execute('', 0), $sync), '3 6 error division by zero', 'portal: again');
	# a connection that goes while a portal holds an entry
	wire($socket, query('BEGIN'));
	is(wire($socket, bind_('p', 's'), execute('p', 1), $sync), '1 suspended', 'portal: held');
	close($socket);
	auto('off');
}

# -- PgBouncer in transaction mode -----------------------------------------------

SKIP:
{
	my ($pgbouncer) = grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer';

	skip 'no pgbouncer', 1 unless $pgbouncer;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my ($host, $user) = ($node->host, scalar getpwuid($<));
	append_to_file("$dir/users", qq("$user" ""\n));
	append_to_file("$dir/pgbouncer.ini", <<"END");
[databases]
postgres = host=$host port=${\ $node->port } dbname=postgres user=$user
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 2
logfile = $dir/pgbouncer.log
pidfile = $dir/pgbouncer.pid
END
	$node->safe_psql('postgres', $setup . q(
		CREATE ROLE tenant;
		GRANT SELECT, UPDATE ON items TO tenant;
		ALTER TABLE items ENABLE ROW LEVEL SECURITY;
		CREATE POLICY p ON items USING (tags[1] = current_setting('app.tenant', true))));
	auto('on');
	$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
	my $program = start_program($node, "$dir/pgbouncer.out", $pgbouncer, "$dir/pgbouncer.ini");
	my $through = sub {
		my ($sql) = @_;
		my ($out, $err);

		# Not from its input: what it does not read, when it cannot connect, would break the pipe.
		unlink("$dir/through.sql");
		append_to_file("$dir/through.sql", $sql);
		IPC::Run::run([ 'psql', '-XAtq', '-h', $dir, '-p', $port, '-f', "$dir/through.sql", 'postgres' ],
			'>', \$out, '2>', \$err);
		return $out . $err;
	};
	wait_until(sub { $through->('SELECT 1') eq "1\n" });
	my ($wrong, %answers) = (0);
	foreach my $round (1 .. 10)
	{
		foreach my $tenant ('a', 'b', 'c')
		{
			my $out = $through->(
				"BEGIN; SET LOCAL ROLE tenant; SET LOCAL app.tenant = '$tenant'; SELECT count(*), min(tags[1]), max(tags[1]), sum(n) FROM items; COMMIT;"
			);
			$wrong++ unless $out =~ /^\d+\|$tenant\|$tenant\|\d+$/;
			$answers{$tenant}{$out} = 1;
		}
	}
	is($wrong, 0, 'pgbouncer: each tenant its own rows');
	is(join(' ', map { scalar keys %{ $answers{$_} } } sort keys %answers), '1 1 1', 'pgbouncer: and always the same');
	is($through->("BEGIN; SET LOCAL ROLE tenant; SELECT count(*) FROM items; COMMIT;"), "0\n",
		'pgbouncer: a setting that has ended gives nothing');
	is(stat_of($node, 'fills, hits'), '4|27', 'pgbouncer: one fill for each tenant');
	my $stale = 0;
	foreach my $i (1 .. 10)
	{
		$through->("UPDATE items SET v = '$i' WHERE id = 1");
		$stale++ foreach grep { $through->('SELECT v FROM items WHERE id = 1') ne "$i\n" } 1 .. 2;
	}
	is($stale, 0, 'pgbouncer: nothing is stale');
	is(stat_of($node, 'hits'), '37', 'pgbouncer: more hits');
	is(stat_of($node, 'audit_failures'), '0', 'pgbouncer: verified');
	kill 'INT', $program->{pid};
	finish_program($program);
	auto('off');
	$node->safe_psql('postgres', 'DROP OWNED BY tenant CASCADE; DROP ROLE tenant');
}

# -- psycopg and Django ----------------------------------------------------------

my $python = '/usr/bin/python3';

sub python
{
	my ($out, $err);

	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	IPC::Run::run([ $python, @_ ], '>', \$out, '2>', \$err);
	return $out . $err;
}

SKIP:
{
	skip 'no psycopg', 1 unless -x $python && system("$python -c 'import psycopg2' 2>/dev/null") == 0;
	my $out = same_both_ways('psycopg',
		sub { python("$FindBin::Bin/clients_psycopg.py", $node->connstr('postgres')) }, 8);
	unlike($out, qr/Traceback/, 'psycopg: no error');
}

SKIP:
{
	skip 'no Django', 1
	  unless -x $python && system("$python -c 'import django, psycopg2' 2>/dev/null") == 0;
	my @at = ($node->host, $node->port, scalar getpwuid($<), 'postgres');

	my $out = same_both_ways(
		'Django',
		sub {
			my $made;

			$node->safe_psql('postgres', 'SET client_min_messages = error; DROP TABLE IF EXISTS shop_book_tags, shop_book, shop_author, shop_tag');
			$made = python("$FindBin::Bin/clients_django.py", 'create', @at);
			$node->safe_psql('postgres',
				q(SELECT arcache_enable(t) FROM unnest('{shop_book_tags,shop_book,shop_author,shop_tag}'::regclass[]) t));
			return $made . python("$FindBin::Bin/clients_django.py", 'work', @at);
		},
		100);
	unlike($out, qr/Traceback/, 'Django: no error');
}

$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
check_memory($node, 0, 'nothing is left');
log_is_clean($node);
done_testing();
