# Sessions and the janitor are killed by kill -9 in mid-fill and in mid-commit, and
# the server is shut down under load: after the restart nothing is in the cache,
# the tables are as the transactions' ends say, and each read is right.
# ARCACHE_ROUNDS=n repeats it all.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use ArcacheFaults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{ARCACHE_ROUNDS} // 1;
my $clients = 4;
my $node = inject_node('main', conf => q(
restart_after_crash = on
arcache.janitor_delay = '50ms'
));
create_reads($node);

# Money goes from one account to another; the sum is what it was, whoever looks.
# Every hit is compared with what the query gives.
$node->safe_psql('postgres', q(
	ALTER SYSTEM SET arcache.debug_verify = on;
	CREATE TABLE account (id int PRIMARY KEY, money int);
	INSERT INTO account SELECT i, 100 FROM generate_series(1, 10) i;
	SELECT arcache_enable('account');
	INSERT INTO reads VALUES
	('sum', $$SELECT arcache_get_or_set('sum', 'SELECT sum(money) FROM account')$$,
	        $$SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT sum(money) FROM account) q$$);
	CREATE FUNCTION check_sum() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF arcache_get_or_set('sum', 'SELECT sum(money) FROM account') <> '[{"sum": 1000}]' OR
		   (SELECT sum(money) FROM arcache_rows(NULL::account, ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9, 10])) <> 1000 THEN
			RAISE 'the sum is wrong';
		END IF;
	END $$;
));
$node->reload;

sub wait_until_up
{
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server is not up';
	return;
}

sub check_empty_and_right
{
	my ($what) = @_;
	my $session;

	wait_until_up();
	wait_for_janitor($node);
	check_memory($node, 0, "$what: nothing is left in the cache");
	check_no_flight_locks($node, "$what: nor a lock");
	$session = session($node);
	check_reads($session, $what);
	$session->query_safe("UPDATE item SET word = 'mid' WHERE id = 1");
	check_reads($session, "$what, after a write");
	$session->quit;
	return;
}

# -- kill -9 at a point ------------------------------------------------------------

my $fill = q(SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id');
	SELECT * FROM arcache_query('SELECT id, word FROM part WHERE id = 1 ORDER BY id') AS r (id int, word text););
my $write = q(
	BEGIN;
	UPDATE item SET word = 'new' WHERE id <= 2; UPDATE note SET word = 'new' WHERE item = 1;
	UPDATE bin SET word = 'new'; UPDATE part SET word = 'new' WHERE id IN (1, 11);
	SELECT arcache_set('v', '"new"'), arcache_delete('w');
	COMMIT;);
my $prepare = $write =~ s/COMMIT/PREPARE TRANSACTION 'p'/r;

sub kill_at
{
	my ($point, $sql) = @_;
	my $what = "kill -9 at $point";
	my $from = log_size($node);

	# Much is in the cache, but not what is to be filled.
	$node->safe_psql('postgres', q(SELECT restore_tables(); SELECT wrong_reads();
		UPDATE item SET word = 'old'; UPDATE part SET word = 'old';
		SELECT arcache_set('v', '"old"'), arcache_set('w', '"old"')));
	isnt( $node->psql('postgres', "SET arcache.debug_inject = '$point=kill';\n$sql",
			stderr => \my $ignored),
		0, "$what: the session is gone");
	$node->wait_for_log(qr/arcache injection: kill at $point/, $from);
	$node->wait_for_log(qr/database system is ready to accept connections/, $from);
	check_empty_and_right($what);
	return;
}

sub word_is
{
	my ($table, $expected, $what) = @_;

	return value_is($node, "SELECT word FROM $table WHERE id = 1", $expected, $what);
}

foreach my $round (1 .. $rounds)
{
	foreach my $point (qw(flight-leads capture-object fill-created fill-guard fill-linked))
	{
		kill_at($point, $fill);
	}
	foreach my $point (qw(trigger-row registered sets-fenced sets-ready))
	{
		kill_at($point, $write);
		word_is('bin', 'old', "kill -9 at $point: the transaction is rolled back");
	}
	foreach my $point (qw(writes-commit sets-commit sets-applied))
	{
		kill_at($point, $write);
		word_is('bin', 'new', "kill -9 at $point: the transaction has committed");
	}

	# Prepared, or not; the transaction is ended after the restart.
	foreach my $case ([ 'writes-preprepare', 'COMMIT' ], [ 'writes-prepared', 'COMMIT' ],
		[ 'sets-prepared', 'ROLLBACK' ])
	{
		my ($point, $end) = @$case;
		my $prepared = $point ne 'writes-preprepare';
		my $session;

		$node->safe_psql('postgres', "SELECT restore_tables()");
		my $from = log_size($node);
		$node->psql('postgres', "SET arcache.debug_inject = '$point=kill';\n$prepare",
			stderr => \my $ignored);
		$node->wait_for_log(qr/database system is ready to accept connections/, $from);
		wait_until_up();
		value_is($node, 'SELECT count(*) FROM pg_prepared_xacts', $prepared ? '1' : '0',
			"kill -9 at $point: prepared or not");
		word_is('bin', 'old', "kill -9 at $point: it has not committed");
		$session = session($node);
		is($session->query_safe('SELECT wrong_reads()'), '', "kill -9 at $point: exact");
		if ($prepared)
		{
			$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
			$node->safe_psql('postgres', "$end PREPARED 'p'");
			value_is($node, 'SELECT wrong_reads()', '', "kill -9 at $point, $end PREPARED: exact");
			is($session->query_safe('SELECT wrong_reads()'), '', "kill -9 at $point, $end PREPARED: in an old snapshot, too");
			$session->query_safe('COMMIT');
		}
		check_reads($session, "kill -9 at $point, $end PREPARED");
		word_is('bin', $prepared && $end eq 'COMMIT' ? 'new' : 'old', "kill -9 at $point, $end PREPARED: the tables");
		$session->quit;
	}

	# -- the janitor -----------------------------------------------------------------

	my $janitor = wait_for_janitor($node);
	my $from = log_size($node);

	$node->safe_psql('postgres', 'SELECT wrong_reads()');
	kill 'KILL', $janitor;
	$node->wait_for_log(qr/database system is ready to accept connections/, $from);
	wait_until_up();
	isnt(wait_for_janitor($node), $janitor, 'kill -9 of the janitor: there is another');
	check_empty_and_right('kill -9 of the janitor');

	# SIGTERM ends it alone, and all entries stay.
	$janitor = wait_for_janitor($node);
	my $session = session($node);
	$session->query_safe(q(SELECT wrong_reads(); SELECT arcache_set('stays', '1')));
	kill 'TERM', $janitor;
	$node->poll_query_until('postgres',
		"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $janitor)") or die;
	is($session->query_safe(q(SELECT arcache_get('stays'))), '1', 'SIGTERM of the janitor: entries stay');
	check_reads($session, 'SIGTERM of the janitor');
	isnt(wait_for_janitor($node), $janitor, 'SIGTERM of the janitor: there is another');
	check_reads($session, 'SIGTERM of the janitor, restarted');
	is($session->query_safe(q(SELECT arcache_get('stays'))), '1', 'SIGTERM of the janitor: entries stay still');
	$session->quit;

	# -- shutdown under load -----------------------------------------------------------

	my $script = $node->basedir . "/load$round.sql";
	append_to_file($script, q(
\set from random(1, 10)
\set to random(1, 10)
\set what random(1, 100)
\set gid random(1, 1000000000)
BEGIN;
UPDATE account SET money = money - 1 WHERE id = least(:from, :to);
UPDATE account SET money = money + 1 WHERE id = greatest(:from, :to);
SELECT arcache_set('k:from', to_jsonb(repeat('x', 1000 * :what)), tags => '{a}');
\if :what <= 20
ROLLBACK;
\elif :what <= 40
PREPARE TRANSACTION 'g:client_id:gid';
COMMIT PREPARED 'g:client_id:gid';
\else
COMMIT;
\endif
SELECT check_sum(), wrong_reads();
SELECT arcache_get_or_set('a:from', 'SELECT money FROM account WHERE id = $1', params => ARRAY[':from']);
\if :what <= 5
SELECT arcache_invalidate_tag('a'), arcache_delete_pattern('k*');
\endif
));
	foreach my $mode ('fast', 'immediate')
	{
		my $what = "$mode shutdown under load";
		my $log = $node->basedir . "/load-$mode$round.log";
		my $hits;

		$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
		# One thread: pgbench writes a message piece by piece, and those of two
		# threads would be mixed.
		my $load = start_program($node, $log, 'pgbench', '-n', '-c', $clients, '-j', 1,
			'-T', '600', '-f', $script, 'postgres');
		$node->poll_query_until('postgres', 'SELECT hits > 2000 AND fills > 200 FROM arcache_stats')
		  or die 'no load';
		cmp_ok(stat_of($node, 'hits'), '>', 2000, "$what: the cache is in use");
		$node->stop($mode);
		finish_program($load);
		my $errors = slurp_file("$log.err");
		$errors =~ s/^pgbench.*//;
		# Where it was told, in as many lines as the statements there have.
		$errors =~ s/^(?:CONTEXT:  |PL\/pgSQL |SQL (?:statement|expression) ).*?(?=^(?:pgbench|ERROR|FATAL|PANIC|WARNING|server closed)|\z)//msg;
		$errors =~ s/^pgbench: error: (?:client \d+ (?:script \d+ )?aborted in command \d+.*|Run was aborted.*|client \d+ aborted: .*)$//mg;
		$errors =~ s/^(?:pgbench: error: )?(?:FATAL:  terminating connection due to (?:administrator command|unexpected postmaster exit)|WARNING:  terminating connection (?:because of|due to) .*|DETAIL:  .*|HINT:  .*|server closed the connection unexpectedly|\s+This probably means .*|\s+before or while processing .*|perhaps the backend died while processing.*|SSL .*)$//mg;
		$errors =~ s/\s+//g;
		is($errors, '', "$what: no error but that");

		$node->start;
		check_memory($node, 0, "$what: nothing is left in the cache");
		value_is($node, 'SELECT wrong_reads(); SELECT sum(money) FROM account', "\n1000", "$what: exact");

		# What was prepared when it went down.
		my $prepared = $node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts');
		my $end = 'COMMIT';
		foreach my $gid (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'))
		{
			$node->safe_psql('postgres', "$end PREPARED '$gid'");
			value_is($node, 'SELECT wrong_reads(); SELECT check_sum()', "\n", "$what: exact after $end PREPARED");
			$end = $end eq 'COMMIT' ? 'ROLLBACK' : 'COMMIT';
		}
		note("$prepared were prepared");
		$node->safe_psql('postgres', 'SELECT arcache_clear_all()');
		check_empty_and_right($what);
	}
}

log_is_clean($node,
	allow => qr/terminating connection because of (?:crash|unexpected SIGQUIT|immediate shutdown)|was terminated by signal 9: Killed|there is no transaction in progress/);
done_testing();
