# A session stops at a point of a fill, a hit or a commit (src/base/inject.h);
# others read, write and wait for it meanwhile.  Then it is cancelled, terminated
# or let go on.  Nobody is stuck, each has the result of its own snapshot, and
# afterwards all is right and nothing is left.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::Bin;
use ArcacheTest;
use ArcacheFaults;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = inject_node('main', conf => q(
arcache.janitor_delay = '10min'
arcache.wait_timeout = '10min'
wal_level = replica
));
create_reads($node);
my $old_json = $node->safe_psql('postgres',
	'SELECT jsonb_agg(to_jsonb(q)) FROM (SELECT id, word FROM item ORDER BY id) q');
my $json = q(SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id'));
my @ways = ('cancel', 'terminate', 'let go');

my $looker = session($node);	# reads nothing
my $reader = session($node);	# never waits for a fill
my $waiter = session($node);
my $writer = session($node);
$reader->query_safe('SET arcache.wait_timeout = 0');
my $waiter_pid = $waiter->query_safe('SELECT pg_backend_pid()');
my ($victim, $victim_pid);

sub new_victim
{
	$victim = session($node);
	$victim_pid = $victim->query_safe('SELECT pg_backend_pid()');
	return;
}

# Send this, to stop at the point.
sub stop_at
{
	my ($point, $query) = @_;

	hold($node);
	$victim->query_safe("SET arcache.debug_inject = '$point=wait'");
	send_query($victim, $query);
	activity($looker, $victim_pid, "wait_event_type = 'Extension'", "stop at $point");
	return;
}

# Strike the victim, or do not, and let it go on; at some points it hears of
# that only then.  Return what it says.
sub strike
{
	my ($way, $deaf) = @_;
	my $out = '';

	$looker->query_safe("SELECT pg_${way}_backend($victim_pid)") if $way ne 'let go';
	let_go($node) if $deaf || $way eq 'let go';
	if ($way eq 'terminate')
	{
		poll($looker, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $victim_pid)", 'the end of the victim');
		$victim->{run}->kill_kill;
		new_victim();
	}
	else
	{
		$out = collect($victim);
		$victim->{stderr} = '';
		$victim->query('ROLLBACK');
		$victim->{stderr} = '';
		$victim->query_safe('RESET arcache.debug_inject');
	}
	let_go($node) if !$deaf && $way ne 'let go';
	return $out;
}

sub begin_anew
{
	$writer->query_safe('SELECT restore_tables()');
	$writer->query_safe('SELECT arcache_clear_all()');
	$writer->query_safe(q(SELECT arcache_set('v', '"old"')));
	return;
}

sub check_end
{
	my ($what) = @_;

	check_no_flight_locks($node, "$what: no lock is left");
	check_reads($_, $what) foreach ($victim, $waiter, $reader);
	$writer->query_safe('SELECT arcache_clear_all()');
	check_memory($node, 0, "$what: nothing is left");
	return;
}

new_victim();

# -- fills -----------------------------------------------------------------------

# The one waits for the other or, where there is nothing to wait for, computes.
foreach my $point (
	qw(fill-open flight-enter flight-leads read-compute capture-object read-computed
	fill-settle fill-created fill-linked fill-count flight-leave flight-left))
{
	foreach my $way (@ways)
	{
		my $what = "fill, $way at $point";
		my $deaf = $point eq 'fill-linked';

		begin_anew();
		stop_at($point, $json);
		send_query($waiter, $json);
		activity($looker, $waiter_pid,
			"query LIKE 'SELECT arcache_get_or_set%' AND (state = 'idle' OR wait_event_type = 'Lock')",
			'the waiter to wait');
		is($reader->query_safe('SELECT wrong_reads()'), '', "$what: others read right");
		$writer->query_safe("UPDATE item SET word = 'new' WHERE id = 1");
		is($reader->query_safe('SELECT wrong_reads()'), '', "$what: and see a write");
		my $out = strike($way, $deaf);
		is($out, $old_json, "$what: it has its result") if $way eq 'let go';
		is(collect($waiter), $old_json, "$what: who waits has it, too");
		is($waiter->{stderr}, '', "$what: without an error");
		check_end($what);
	}
}

# -- hits ------------------------------------------------------------------------

# What is pinned is removed under the reader's hands.
foreach my $point (qw(cache-pinned read-deliver hit-count pin-release))
{
	foreach my $way (@ways)
	{
		my $what = "hit, $way at $point";

		begin_anew();
		$writer->query_safe($json);
		stop_at($point, $json);
		$writer->query_safe('SELECT arcache_clear_all()');
		is(memory($node, 'entries'), '0', "$what: the entry is removed");
		cmp_ok(memory($node, 'used'), '>', 0, "$what: and is held");
		$writer->query_safe("UPDATE item SET word = 'new' WHERE id = 1");
		is($reader->query_safe('SELECT wrong_reads()'), '', "$what: others read right");
		my $out = strike($way, 0);
		is($out, $old_json, "$what: it has its result") if $way eq 'let go';
		check_end($what);
	}
}

# -- commits ---------------------------------------------------------------------

my $update = q(
	BEGIN;
	UPDATE item SET word = 'new' WHERE id <= 2; UPDATE note SET word = 'new' WHERE item = 1;
	UPDATE bin SET word = 'new'; UPDATE part SET word = 'new' WHERE id IN (1, 11);
	SELECT arcache_set('v', '"new"'));
my %commits = (
	'COMMIT' => [
		qw(register registered writes-precommit sets-precommit sets-touched sets-fenced sets-ready
		  writes-commit sets-commit sets-applied) ],
	"PREPARE TRANSACTION 'p'" => [ qw(registered writes-preprepare sets-ready) ],
	'ROLLBACK' => [ qw(writes-abort sets-abort) ]);

foreach my $end (sort keys %commits)
{
	foreach my $point (@{ $commits{$end} })
	{
		foreach my $way (@ways)
		{
			my $what = "$end, $way at $point";
			my $deaf = $point =~ /-(?:commit|applied|abort)$/;
			my $snapshot = session($node);

			begin_anew();
			$snapshot->query_safe('SET arcache.wait_timeout = 0');
			$snapshot->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
			$snapshot->query_safe('SELECT wrong_reads()');
			$victim->query_safe($update);
			stop_at($point, $end);
			is($_->query_safe('SELECT wrong_reads()'), '', "$what: a new and an old snapshot read right")
			  foreach ($reader, $snapshot);
			strike($way, $deaf);
			is($_->query_safe('SELECT wrong_reads()'), '', "$what: afterwards, too")
			  foreach ($reader, $snapshot);
			if ($looker->query_safe('SELECT count(*) FROM pg_prepared_xacts') eq '1')
			{
				$writer->query_safe("COMMIT PREPARED 'p'");
				is($_->query_safe('SELECT wrong_reads()'), '', "$what: and when it is committed")
				  foreach ($reader, $snapshot);
			}
			$snapshot->query_safe('COMMIT');
			$snapshot->quit;

			my $word = $looker->query_safe('SELECT word FROM item WHERE id = 1');
			my $committed =
			  $way eq 'let go' ? $end ne 'ROLLBACK' : $point =~ /-(?:commit|applied)$/;
			my $v = !$committed ? 'old' : $end eq 'COMMIT' ? 'new' : '';

			is($word, $committed ? 'new' : 'old', "$what: the tables");
			is($looker->query_safe(q(SELECT arcache_get('v') #>> '{}')), $v, "$what: the value");
			check_end($what);
		}
	}
}

# COMMIT PREPARED of definitions, during which nothing may be published on them.
foreach my $way (@ways)
{
	my $what = "COMMIT PREPARED of a definition, $way";

	begin_anew();
	$writer->query_safe(q(
		BEGIN;
		CREATE OR REPLACE FUNCTION f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
		PREPARE TRANSACTION 'p'));
	stop_at('commit-prepared', "COMMIT PREPARED 'p'");
	is($reader->query_safe('SELECT wrong_reads()'), '', "$what: others read right");
	strike($way, 0);
	$writer->query_safe("COMMIT PREPARED 'p'") if $way ne 'let go';
	check_end($what);
}

# -- timeouts of those that wait -------------------------------------------------

# Who does not wait any more publishes, and others would not wait then.
sub forget_json
{
	return $writer->query_safe('UPDATE item SET word = word WHERE id = 1');
}

my $timeouts = session($node);
begin_anew();
stop_at('read-compute', $json);

$timeouts->query_safe("SET statement_timeout = '100ms'");
like(query_error($timeouts, $json), qr/canceling statement due to statement timeout/,
	'statement_timeout ends a wait');
$timeouts->query_safe('BEGIN');
$timeouts->query_safe(q(
	DO $$
	BEGIN
		PERFORM arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id');
		RAISE 'it did not wait';
	EXCEPTION WHEN query_canceled THEN
		NULL;
	END $$));
$timeouts->query_safe('SET LOCAL arcache.wait_timeout = 0');
is($timeouts->query_safe($json), $old_json, 'who catches that goes on in its transaction');
$timeouts->query_safe('COMMIT; RESET statement_timeout');

forget_json();
$timeouts->query_safe("SET lock_timeout = '50ms'");
$node->safe_psql('postgres', 'SELECT arcache_stats_reset()');
is($timeouts->query_safe($json), $old_json, 'lock_timeout ends the wait, not the statement');
forget_json();
$timeouts->query_safe("BEGIN; UPDATE bin SET word = 'new'");
is($timeouts->query_safe($json), $old_json, 'in a transaction that has written, too');
is(stat_of($node, 'waits, wait_timeouts'), '2|2', 'both have waited');
is($timeouts->query_safe('SHOW lock_timeout'), '50ms', 'and is what it was');
$timeouts->query_safe('ROLLBACK; RESET lock_timeout');
forget_json();

# Who waits is not idle.
$timeouts->query_safe("SET idle_in_transaction_session_timeout = '50ms'");
my $timeouts_pid = $timeouts->query_safe('SELECT pg_backend_pid()');
send_query($timeouts, "BEGIN; $json; COMMIT");
activity($looker, $timeouts_pid,
	"wait_event_type = 'Lock' AND clock_timestamp() - query_start > '300ms'", 'a long wait');
is(strike('let go', 0), $old_json, 'the fill is not disturbed');
is(collect($timeouts), $old_json, 'idle_in_transaction_session_timeout does not end a wait');
$timeouts->quit;

# But it ends a transaction that lets others wait, as does the end of a session.
$victim->query_safe("SET idle_in_transaction_session_timeout = '200ms'");
$victim->query_safe(q(BEGIN; SELECT arcache_set('one', '1', if_absent => true)));
is($waiter->query_safe(q(SELECT arcache_set('one', '2', if_absent => true))),
	't', 'a transaction that is idle for too long lets go of the key');
is($waiter->query_safe(q(SELECT arcache_get('one'))), '2', 'and has set nothing');
$victim->{run}->kill_kill;
new_victim();
check_end('timeouts');

# -- the janitor -----------------------------------------------------------------

# An error ends it; ten seconds later there is another.
foreach my $point ('janitor-round', 'janitor-swept')
{
	my $janitor = wait_for_janitor($node);
	my $from = log_size($node);

	begin_anew();
	$writer->query_safe(
		q(SELECT count(arcache_set('k' || i, '1', ttl => '1ms')) FROM generate_series(1, 1000) i));
	$node->safe_psql('postgres',
		"ALTER SYSTEM SET arcache.debug_inject = '$point=error'");
	$node->safe_psql('postgres', "ALTER SYSTEM SET arcache.janitor_delay = '10ms'");
	$node->reload;
	$node->wait_for_log(qr/arcache injection at $point/, $from);
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET arcache.debug_inject');
	$node->reload;
	poll($looker, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $janitor)", 'the janitor to go');
	check_reads($reader, "janitor, $point: without it");
	isnt(wait_for_janitor($node), $janitor, "janitor, $point: it comes back");
	poll($looker, "NOT EXISTS (SELECT FROM arcache_entries WHERE key ~ '^k[0-9]+\$')", 'it to remove what has expired');
	$node->safe_psql('postgres', "ALTER SYSTEM RESET arcache.janitor_delay");
	$node->reload;
	check_end("janitor, $point");
}

$_->quit foreach ($looker, $reader, $waiter, $writer, $victim);
log_is_clean($node, allow => qr/there is no transaction in progress|PID \d+ is not a PostgreSQL/);
done_testing();
