# Whoever waits for one of the cache's locks, for the fill of another, or for a
# table on the way to a result is cancelled, terminated, or left in peace until it
# is let go on: nobody is stuck, nothing is left, and who was left in peace has what
# it asked for.

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
deadlock_timeout = '10min'
wal_level = replica
));
create_reads($node);
$node->safe_psql('postgres', q(
	CREATE TABLE lone (id int PRIMARY KEY, word text);
	INSERT INTO lone VALUES (1, 'old');
));

# Who looks must need no lock that others wait for.
my $looker = session($node);
my $holder = session($node);
my $reader = session($node);
my $old = session($node);
my ($victim, $victim_pid);
my $holder_pid = $holder->query_safe('SELECT pg_backend_pid()');
$looker->query_safe('SET arcache.enabled = off');

sub new_victim
{
	$victim = session($node);
	$victim_pid = $victim->query_safe('SELECT pg_backend_pid()');
	return;
}

sub begin_anew
{
	$reader->query_safe('SELECT restore_tables()');
	$reader->query_safe('SELECT arcache_clear_all()');
	$reader->query_safe(q(SELECT arcache_set('v', '"old"')));
	return;
}

# Wait as the victim, be struck, and have what is waited for let go.  "deaf" are
# those that hear of a signal only when they have the lock.
sub check_wait
{
	my (%arg) = @_;

	foreach my $way ('cancel', 'terminate', 'let go')
	{
		my $what = "$arg{name}, $way";
		my $out;

		begin_anew();
		$arg{prepare}->() if $arg{prepare};
		$arg{hold}->();
		send_query($victim, $arg{query});
		activity($looker, $victim_pid, $arg{waits}, "$arg{name}: the victim to wait");
		$looker->query_safe("SELECT pg_${way}_backend($victim_pid)") if $way ne 'let go';
		if ($arg{deaf} || $way eq 'let go')
		{
			is( $looker->query_safe("SELECT state FROM pg_stat_activity WHERE pid = $victim_pid"),
				'active', "$what: it waits on");
			$arg{release}->();
		}
		if ($way eq 'terminate')
		{
			poll($looker, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $victim_pid)", "$what: its end");
			$victim->{run}->kill_kill;
		}
		else
		{
			$out = collect($victim);
			# Who hears it late may have come to its end.
			like($victim->{stderr},
				$way eq 'let go' ? qr/^$/
				: $arg{deaf} ? qr/^$|canceling statement due to user request/
				: qr/canceling statement due to user request/, "$what: what it says");
			is($out, $arg{result}, "$what: what it has") if $way eq 'let go';
			$victim->{stderr} = '';
		}
		$arg{release}->() if !$arg{deaf} && $way ne 'let go';
		$arg{finish}->() if $arg{finish};
		new_victim() if $way eq 'terminate';

		check_no_flight_locks($node, "$what: no lock is left");
		check_reads($_, $what) foreach ($victim, $reader);
		$reader->query_safe('SELECT arcache_clear_all()');
		check_memory($node, 0, "$what: nothing is left");
	}
	return;
}

# The holder stops at this point, in the middle of a query: the first time, or a
# later one.
sub stop_holder
{
	my ($point, $query, $times) = @_;

	$times //= 1;
	hold($node);
	$holder->query_safe("SET arcache.debug_inject = '$point=wait:$times'");
	send_query($holder, $query);
	activity($looker, $holder_pid, "wait_event_type = 'Extension'", "stop at $point");
	return;
}

sub release_holder
{
	let_go($node);
	collect($holder);
	is($holder->{stderr}, '', 'who held it comes to its end');
	$holder->{stderr} = '';
	$holder->query_safe('RESET arcache.debug_inject');
	return;
}

new_victim();

# -- the cache's own locks ---------------------------------------------------------

my @own = (
	{   name => 'an index partition',
		at => 'index-locked', holder => q(SELECT arcache_set('v', '"new"')),
		query => q(SELECT arcache_get('v')), result => '"new"',
		lock => 'ArcacheStore' },
	{   name => 'the stripe of a slot, to write',
		at => 'slot-locked', holder => q(UPDATE bin SET word = 'new' WHERE id = 1),
		query => q(UPDATE bin SET word = 'new' WHERE id = 2 RETURNING word), result => 'new',
		lock => 'ArcacheSlots' },
	{   name => 'a region of the arena',
		at => 'arena-locked', holder => 'SELECT arcache_clear_all()',
		query => 'SELECT entries FROM arcache_memory', result => '0',
		lock => 'ArcacheStore' },
	{   name => 'counts of relations',
		at => 'tally-locked', holder => 'SELECT arcache_stats_reset()',
		query => q(SELECT keys FROM arcache_relations WHERE relation = 'item'::regclass), result => '{id}',
		lock => 'ArcacheRelationStats' },
	{   name => 'counts of statements',
		at => 'tally-locked', times => 2, holder => 'SELECT arcache_stats_reset()',
		query => 'SELECT count(*) >= 0 FROM arcache_statements', result => 't',
		lock => 'ArcacheStatementStats' },
	{   name => 'counts',
		at => 'stats-locked', holder => 'SELECT arcache_stats_reset()',
		query => 'SELECT hits >= 0 FROM arcache_stats', result => 't',
		lock => 'ArcacheStats' });

foreach my $own (@own)
{
	check_wait(
		name => $own->{name},
		hold => sub { stop_holder($own->{at}, $own->{holder}, $own->{times}) },
		release => \&release_holder,
		query => $own->{query},
		result => $own->{result},
		waits => "wait_event_type = 'LWLock' AND wait_event = '$own->{lock}'",
		deaf => 1);
}

# Who reads a slot waits without a lock while it is being written; but only who
# has to look closer, because a transaction is running that is older.
check_wait(
	name => 'a slot, to read',
	prepare => sub {
		$old->query_safe('BEGIN; SELECT txid_current()');
		$reader->query_safe(q(UPDATE bin SET word = 'new' WHERE id = 3));
		$reader->query_safe('SELECT wrong_reads()');
	},
	hold => sub { stop_holder('slot-changing', q(UPDATE bin SET word = 'new' WHERE id = 1)) },
	release => \&release_holder,
	query => q(SELECT arcache_get_or_set('bin', 'SELECT word, count(*) AS n FROM bin GROUP BY 1 ORDER BY 1')),
	result => '[{"n": 1, "word": "new"}, {"n": 19, "word": "old"}]',
	waits => "state = 'active' AND clock_timestamp() - query_start > '500ms'",
	deaf => 1,
	finish => sub { $old->query_safe('COMMIT') });

# -- the fill of another -----------------------------------------------------------

my %fills = (
	arcache_get_or_set => q(SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id')),
	arcache_query => q(SELECT * FROM arcache_query('SELECT id, word FROM part WHERE id = 1 ORDER BY id') AS r (id int, word text)),
	arcache_query_as => q(SELECT * FROM arcache_query_as(NULL::item, 'SELECT id, word FROM item WHERE id < 3')),
	arcache_row => q(SELECT arcache_row(NULL::item, 1)),
	'a SELECT' => q(/*+ arcache */ SELECT id, word FROM item ORDER BY id),
	'EXECUTE' => 'EXECUTE items(3)');

sub prepare_victim
{
	foreach my $session ($victim, $holder)
	{
		$session->query_safe('SET arcache.auto = hint; SET arcache.min_cost = 0; DEALLOCATE ALL');
		$session->query_safe('PREPARE items(int) AS /*+ arcache */ SELECT id, word FROM item WHERE id <= $1 ORDER BY id');
	}
	return;
}

foreach my $name (sort keys %fills)
{
	check_wait(
		name => "the fill of $name",
		prepare => \&prepare_victim,
		hold => sub { stop_holder('flight-leads', $fills{$name}) },
		release => \&release_holder,
		query => $fills{$name},
		result => do { prepare_victim(); $victim->query_safe($fills{$name}) },
		waits => "wait_event_type = 'Lock' AND wait_event = 'advisory'");
}
check_wait(
	name => 'the one who sets first',
	hold => sub { stop_holder('flight-leads', q(SELECT arcache_set('absent', '1', if_absent => true))) },
	release => \&release_holder,
	query => q(SELECT arcache_set('absent', '2', if_absent => true)),
	result => 'f',
	waits => "wait_event_type = 'Lock' AND wait_event = 'advisory'");

# -- tables ------------------------------------------------------------------------

# Neither filled before nor, where that is asked, planned.
my %reads = (
	%fills,
	arcache_rows => 'SELECT * FROM arcache_rows(NULL::item, ARRAY[1, 2, 3])',
	arcache_related => q(SELECT * FROM arcache_related(NULL::note, 'item', 'notes', 1) ORDER BY 1),
	arcache_related_many => q(SELECT * FROM arcache_related_many(NULL::note, 'item', 'notes', ARRAY[1, 2]) r ORDER BY r::text),
	arcache_why => q(SELECT arcache_why('SELECT * FROM item') IS NOT NULL),
	arcache_invalidate => q(SELECT arcache_invalidate('part')),
	arcache_set => q(SELECT arcache_set('w', '1', depends_on => '{item}')),
	arcache_row_set => q(SELECT arcache_row_set(i) FROM (SELECT (1, 'old')::item) AS s (i)));

sub lock_table
{
	my ($table, $mode) = @_;

	$holder->query_safe("BEGIN; LOCK TABLE $table IN $mode MODE");
	return;
}

foreach my $name (sort keys %reads)
{
	check_wait(
		name => "a table, for $name",
		prepare => \&prepare_victim,
		hold => sub { lock_table('item, note, part', 'ACCESS EXCLUSIVE') },
		release => sub { $holder->query_safe('COMMIT') },
		query => $reads{$name},
		result => do { prepare_victim(); $victim->query_safe($reads{$name}) },
		waits => "wait_event_type = 'Lock' AND wait_event = 'relation'");
}

# A statement has its tables' locks before it hits.
foreach my $name ('a SELECT', 'EXECUTE')
{
	check_wait(
		name => "a table, for a hit of $name",
		prepare => sub { prepare_victim(); $victim->query_safe($fills{$name}) for 1, 2 },
		hold => sub { lock_table('item, part', 'ACCESS EXCLUSIVE') },
		release => sub { $holder->query_safe('COMMIT') },
		query => $fills{$name},
		result => do { prepare_victim(); $victim->query_safe($fills{$name}) },
		waits => "wait_event_type = 'Lock' AND wait_event = 'relation'");
}

# What changes the tracking waits for writers.
foreach my $change (q(arcache_enable('lone')), q(arcache_enable('lone', keys => '{word}')), q(arcache_disable('lone')))
{
	check_wait(
		name => "writers, for $change",
		prepare => sub { $reader->query_safe(q(SELECT arcache_enable('lone'))) },
		hold => sub { $holder->query_safe(q(BEGIN; UPDATE lone SET word = 'new')) },
		release => sub { $holder->query_safe('ROLLBACK') },
		query => "SELECT $change",
		result => '',
		waits => "wait_event_type = 'Lock' AND wait_event = 'relation'");
}
is($looker->query_safe(q(SELECT count(*) FROM pg_trigger WHERE tgrelid = 'lone'::regclass)), '0',
	'in the end it is disabled');

check_wait(
	name => 'the table of relationships',
	hold => sub { lock_table('arcache_relationship', 'EXCLUSIVE') },
	release => sub { $holder->query_safe('COMMIT') },
	query => q(SELECT arcache_has_many('item', 'others', 'note', '{item}')),
	result => '',
	waits => "wait_event_type = 'Lock' AND wait_event = 'relation'");

# -- the janitor -------------------------------------------------------------------

foreach my $way ('cancel', 'terminate')
{
	my $janitor = wait_for_janitor($node);

	activity($looker, $janitor, "wait_event = 'ArcacheJanitorMain' OR wait_event_type = 'Extension'", 'the janitor to wait');
	$looker->query_safe("SELECT pg_${way}_backend($janitor)");
	poll($looker, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $janitor)", 'the janitor to go');
	check_reads($reader, "the janitor, $way: without it");
	isnt(wait_for_janitor($node), $janitor, "the janitor, $way: it comes back");
}

$_->quit foreach ($looker, $holder, $reader, $old, $victim);
log_is_clean($node);
done_testing();
