# What the TAP tests have in common.
#
# Nodes are private servers with arcache preloaded; sessions are psql processes
# that stay.  Nothing here measures time: what takes its time is polled for.

package ArcacheTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  arcache_node session send_query collect query_error
  value_is sql_error memory entries check_memory check_no_flight_locks
  stat_of janitor_pid wait_for_janitor log_is_clean flight_holders
  create_gate shut_gate open_gate
  start_program is_running finish_program
);

# Who is told to end ends the servers as well, as they do when a test dies.
$SIG{INT} = $SIG{TERM} = sub { die "told to end\n" };

# It tells each query twice, which hides what failed.
{
	no warnings 'redefine';
	*PostgreSQL::Test::BackgroundPsql::note = sub { };
}

# A server with arcache preloaded, started, with the extension in "postgres".
#   conf    => further lines of postgresql.conf
#   init    => arguments of init()
#   start   => 0: only made
sub arcache_node
{
	my ($name, %arg) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $conf = $arg{conf} // '';

	$node->init(%{ $arg{init} // {} });
	$node->append_conf('postgresql.conf', <<"END");
shared_preload_libraries = 'arcache'
arcache.memory = '16MB'
# So that what a test compares with is computed.
arcache.auto = off
# What takes how long is chance.
arcache.min_time = 0
max_connections = 60
max_prepared_transactions = 10
log_statement = none
# Expected errors come by the hundred; the messages looked for are louder.
log_min_error_statement = panic
$conf
END
	return $node if defined $arg{start} && !$arg{start};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION arcache');
	return $node;
}

# A psql session; errors do not end it.
sub session
{
	my ($node, %arg) = @_;
	my $db = $arg{db} // 'postgres';
	my @extra;

	push @extra, ('-U', $arg{user}) if defined $arg{user};
	my $session =
	  $node->background_psql($db, on_error_stop => 0, extra_params => \@extra);
	$session->set_query_timer_restart;
	return $session;
}

# Send a query without waiting for its result, which collect() returns.
sub send_query
{
	my ($session, $query) = @_;

	$session->{stdin} .= "$query;\n";
	$session->{run}->pump_nb;
	return;
}

sub collect
{
	my ($session) = @_;

	return scalar $session->query('');
}

# Run a query that fails; return what it says.
sub query_error
{
	my ($session, $query) = @_;

	$session->{stderr} = '';
	$session->query($query);
	my $error = $session->{stderr};
	$session->{stderr} = '';
	return $error;
}

# Does this query return this, in a session or in one made for it?
sub value_is
{
	my ($where, $query, $expected, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $got =
	    $where->isa('PostgreSQL::Test::Cluster')
	  ? $where->safe_psql('postgres', $query)
	  : $where->query_safe($query);

	return is($got, $expected, $what);
}

# Does this statement raise this SQLSTATE and say this?
sub sql_error
{
	my ($node, $sql, $state, $message, $what, @options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($rc, $out, $err) = $node->psql(
		'postgres', $sql,
		extra_params => [ '-v', 'VERBOSITY=verbose', @options ],
		on_error_stop => 1);

	return like($err, qr/ERROR:  \Q$state\E: .*$message/s, $what);
}

# -- programs beside us ---------------------------------------------------------

# Start a program that finds the node; its output goes to "$log" and "$log.err".
sub start_program
{
	my ($node, $log, @command) = @_;

	# There to be read before the program has come to write.
	append_to_file($_, '') foreach $log, "$log.err";
	my $pid = fork() // die "fork: $!";

	return { pid => $pid } if $pid;
	$ENV{PGHOST} = $node->host;
	$ENV{PGPORT} = $node->port;
	open(STDIN, '<', '/dev/null')
	  && open(STDOUT, '>', $log)
	  && open(STDERR, '>', "$log.err")
	  && exec {$command[0]} @command;
	POSIX::_exit(127);
}

sub is_running
{
	my ($program) = @_;

	if (!defined $program->{status}
		&& waitpid($program->{pid}, POSIX::WNOHANG()) == $program->{pid})
	{
		$program->{status} = $?;
	}
	return !defined $program->{status};
}

# Wait for its end; return its status.
sub finish_program
{
	my ($program) = @_;

	if (is_running($program))
	{
		waitpid($program->{pid}, 0);
		$program->{status} = $?;
	}
	return $program->{status};
}

# -- looking -------------------------------------------------------------------

sub memory
{
	my ($node, $column) = @_;

	return $node->safe_psql('postgres', "SELECT $column FROM arcache_memory");
}

sub entries
{
	my ($node) = @_;

	return memory($node, 'entries');
}

# Does the arena add up, and is so much of it used (if it matters)?
sub check_memory
{
	my ($node, $used, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $got = memory($node, "used + free + overhead = size, "
		  . (defined $used ? 'used' : 'used >= 0') . ', '
		  . (defined $used && $used == 0 ? 'entries' : 'entries >= 0'));
	my $expected = 't|'
	  . (defined $used ? "$used|" : 't|')
	  . (defined $used && $used == 0 ? '0' : 't');

	return is($got, $expected, $what);
}

# A gate that queries pass for each row of a table: gate(x) is x, but waits
# while the gate is shut.  Analysis does not pass it, so a fill that waits here
# is in mid-flight.  (IMMUTABLE, so that results stay exact.)
sub create_gate
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q(
		CREATE FUNCTION gate(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM pg_advisory_lock_shared(4711);
			PERFORM pg_advisory_unlock_shared(4711);
			RETURN $1;
		END $$));
}

sub shut_gate
{
	my ($session) = @_;

	return $session->query_safe('SELECT pg_advisory_lock(4711)');
}

sub open_gate
{
	my ($session) = @_;

	return $session->query_safe('SELECT pg_advisory_unlock(4711)');
}

# The locks of fills under way: granted or not.
sub flight_holders
{
	my ($node, $granted) = @_;

	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2762"
		  . ' AND ' . ($granted ? '' : 'NOT ') . 'granted');
}

sub check_no_flight_locks
{
	my ($node, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	return is(
		$node->safe_psql('postgres',
			"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2762"
		),
		'0', $what);
}

sub stat_of
{
	my ($node, $columns, $db) = @_;

	return $node->safe_psql($db // 'postgres', "SELECT $columns FROM arcache_stats");
}

sub janitor_pid
{
	my ($node) = @_;

	return memory($node, 'janitor_pid');
}

sub wait_for_janitor
{
	my ($node) = @_;

	$node->poll_query_until('postgres',
		'SELECT janitor_pid IS NOT NULL FROM arcache_memory')
	  or die 'no janitor';
	return janitor_pid($node);
}

# A server's log holds no complaint, but for those that are allowed.
sub log_is_clean
{
	my ($node, %arg) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $name = $node->name;
	my @complaints;

	foreach my $line (split /\n/, slurp_file($node->logfile))
	{
		next unless $line =~
		  /^TRAP: |\b(?:WARNING|PANIC):  |was terminated by signal|could not load library|cached result of key/;
		next if defined $arg{allow} && $line =~ $arg{allow};
		push @complaints, $line;
	}
	return is(join("\n", @complaints), '', "no complaint in the log of $name");
}

1;
