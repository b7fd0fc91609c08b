# Something goes wrong at each point where something can (src/base/inject.h): an
# error, a cancel, the end of the session, a refusal of memory.  Whatever the
# point and whatever was going on there: nothing stays pinned, locked or closed,
# the tables say what the transaction's end says, what is set by hand agrees with
# them, and each read is right and again served from the cache.
#
# First it is found out which points each of the works below passes; then it is
# done again and again, with a fault at the first passing of each of them, or with
# ARCACHE_ROUNDS=n at the first n.

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
my $node = inject_node('main', conf => "arcache.janitor_delay = '10min'");

create_reads($node);
$node->safe_psql('postgres', q(
	CREATE FUNCTION must_be(bool, text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF $1 IS NOT TRUE THEN
			RAISE 'not so: %', $2;
		END IF;
	END $$;
	CREATE TABLE parent (id int PRIMARY KEY);
	SELECT arcache_enable('parent');
));

# Works.  Those that write set "word" in the tables, and the value "v" in the
# cache, to "new".  "fails" is what is to fail all along.
my @works = (
	{ name => 'fill', reads => 1, sql => q(
		SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id');
		SELECT arcache_get_or_set('other', 'SELECT count(*) FROM bin', tags => '{a}');) },
	{ name => 'fill of rows', reads => 1, sql => q(
		SELECT * FROM arcache_query('SELECT id, word FROM part WHERE id = 1 ORDER BY id') AS r (id int, word text);
		SELECT arcache_row(NULL::item, 1);
		SELECT * FROM arcache_rows(NULL::item, ARRAY[1, 2, 3]);
		SELECT * FROM arcache_related(NULL::note, 'item', 'notes', 1);) },
	{ name => 'fill after a wait', reads => 1, fails => 'flight-lock=fail:*', sql => q(
		SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id');
		BEGIN; SAVEPOINT s;
		SELECT * FROM arcache_query('SELECT id, word FROM part WHERE id = 1 ORDER BY id') AS r (id int, word text);
		RELEASE s; COMMIT;) },
	{ name => 'large fill', reads => 1, sql => q(
		SELECT count(*) FROM arcache_query('SELECT i, repeat(word, 100) FROM item, generate_series(1, 200) i') AS r (i int, word text);
		SET arcache.auto = on;
		SET arcache.min_cost = 0;
		SELECT length(string_agg(w, '')) FROM (SELECT repeat(word, 100) AS w FROM item, generate_series(1, 200) i OFFSET 0) s;
		SELECT repeat(word, 100) FROM item, generate_series(1, 200) i;) },
	{ name => 'transparent', reads => 1, sql => q(
		SET arcache.auto = on;
		SET arcache.min_cost = 0;
		SELECT id, word FROM item ORDER BY id;
		SELECT id, word FROM item ORDER BY id;
		SELECT word, count(*) FROM part GROUP BY 1;) },
	{ name => 'hit', sql => q(
		SELECT wrong_reads();
		SELECT arcache_get('v'), arcache_get_many(ARRAY['v', 'w']);
		SELECT count(*) FROM arcache_entries; SELECT count(*) FROM arcache_keys('*');) },
	{ name => 'counter', sql => q(
		SELECT arcache_incr('n'); SELECT arcache_incr('n');) },
	{ name => 'if absent', sql => q(
		BEGIN; SELECT arcache_set('absent', '1', if_absent => true); COMMIT;) },
	{ name => 'write', writes => 1, sql => q(
		BEGIN;
		UPDATE item SET word = 'new' WHERE id <= 2; UPDATE note SET word = 'new' WHERE item = 1;
		UPDATE bin SET word = 'new'; UPDATE part SET word = 'new' WHERE id IN (1, 11);
		SELECT arcache_set('v', '"new"', tags => '{a}');
		SELECT arcache_delete('w');
		SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id');
		COMMIT;) },
	{ name => 'write in subtransactions', writes => 1, sql => q(
		BEGIN;
		SAVEPOINT a;
		UPDATE item SET word = 'new' WHERE id <= 2; SELECT arcache_set('v', '"lost"');
		ROLLBACK TO a;
		UPDATE item SET word = 'new' WHERE id <= 2; UPDATE bin SET word = 'new';
		SAVEPOINT b; SELECT arcache_set('v', '"new"'), arcache_delete('w'); RELEASE b;
		RELEASE a;
		UPDATE note SET word = 'new' WHERE item = 1; UPDATE part SET word = 'new' WHERE id IN (1, 11);
		COMMIT;) },
	{ name => 'roll back', sql => q(
		SELECT wrong_reads();
		BEGIN;
		UPDATE item SET word = 'lost' WHERE id <= 2; UPDATE bin SET word = 'lost';
		SELECT arcache_set('v', '"lost"'), arcache_delete_pattern('w*');
		ALTER TABLE part ALTER word SET DEFAULT 'x';
		SAVEPOINT a;
		SELECT * FROM arcache_query('SELECT id, word FROM part WHERE id = 1 ORDER BY id') AS r (wrong int);
		ROLLBACK;
		SELECT * FROM arcache_query('SELECT id, word FROM part WHERE id = 1 ORDER BY id') AS r (wrong int);) },
	{ name => 'write of many keys', writes => 1, sql => q(
		SET arcache.max_key_tokens = 3;
		BEGIN;
		UPDATE item SET word = 'new'; UPDATE note SET word = 'new'; UPDATE part SET word = 'new';
		UPDATE bin SET word = 'new';
		SELECT arcache_set('v', '"new"'), arcache_delete_pattern('w*');
		COMMIT;) },
	{ name => 'delete by pattern', sql => q(
		SELECT wrong_reads();
		SELECT arcache_delete_pattern('*'), arcache_set('v', '"old"'), arcache_set('w', '"old"');
		SELECT arcache_invalidate('item'), arcache_invalidate_tag('a'), arcache_clear_related('item');) },
	{ name => 'prepare', writes => 1, sql => q(
		BEGIN;
		UPDATE item SET word = 'new' WHERE id <= 2; UPDATE note SET word = 'new' WHERE item = 1;
		UPDATE bin SET word = 'new'; UPDATE part SET word = 'new' WHERE id IN (1, 11);
		SELECT arcache_delete('v');
		PREPARE TRANSACTION 'p';
		COMMIT PREPARED 'p';) },
	{ name => 'prepare a definition', sql => q(
		BEGIN;
		CREATE OR REPLACE FUNCTION f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
		CREATE ROLE prepared;
		PREPARE TRANSACTION 'p';
		SELECT arcache_get_or_set('json', 'SELECT id, word FROM item ORDER BY id');
		COMMIT PREPARED 'p';
		DROP ROLE prepared;) },
	{ name => 'define', sql => q(
		ALTER TABLE item ALTER word SET DEFAULT 'x';
		ALTER TABLE bin ADD more int; ALTER TABLE bin DROP COLUMN IF EXISTS more;
		CREATE TABLE child () INHERITS (parent);
		BEGIN; INSERT INTO child VALUES (1); TRUNCATE parent; COMMIT;
		DROP TABLE child;
		CREATE ROLE passing; GRANT SELECT ON item TO passing; REVOKE SELECT ON item FROM passing; DROP ROLE passing;
		CREATE OR REPLACE FUNCTION f() RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
		SELECT arcache_disable('parent'); SELECT arcache_enable('parent');) },
	{ name => 'catch', writes => 1, sql => q(
		BEGIN;
		DO $$
		BEGIN
			BEGIN
				UPDATE item SET word = 'lost' WHERE id = 1;
				PERFORM arcache_set('v', '"lost"');
				PERFORM wrong_reads();
				RAISE 'on purpose';
			EXCEPTION WHEN OTHERS OR query_canceled THEN
				PERFORM must_be(wrong_reads() = '', 'right after an error was caught');
			END;
		END $$;
		UPDATE item SET word = 'new' WHERE id <= 2; UPDATE note SET word = 'new' WHERE item = 1;
		UPDATE bin SET word = 'new'; UPDATE part SET word = 'new' WHERE id IN (1, 11);
		SELECT arcache_set('v', '"new"'), arcache_delete('w');
		COMMIT;) });

# What a point is before, or after: there the transaction has committed.
my %after_commit = map { $_ => 1 }
  qw(sets-commit sets-applied writes-commit writes-bump dropped-commit);

my $before = q(
	SET client_min_messages = warning;
	DROP TABLE IF EXISTS child; ALTER TABLE bin DROP COLUMN IF EXISTS more;
	DROP ROLE IF EXISTS passing, prepared;
	SELECT restore_tables();
	SELECT arcache_clear_all();
	SELECT arcache_set('v', '"old"'), arcache_set('w', '"old"'););
# The first line proves that the session can begin anew.
my $after = q(
	RESET arcache.debug_inject; RESET arcache.auto; RESET arcache.min_cost;
	ROLLBACK;
	SELECT 'prepared ' || wrong_reads();
	SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts \gexec
	SELECT 'state ' || (SELECT word FROM item WHERE id = 1) || ' ' ||
	       coalesce(arcache_get('v') #>> '{}', 'none') || ' ' || coalesce(arcache_get('w') #>> '{}', 'none');
	SELECT 'wrong ' || wrong_reads();
	SELECT hits FROM arcache_stats \gset
	SELECT 'wrong ' || wrong_reads();
	SELECT 'hits ' || (hits - :hits >= (SELECT count(*) FROM reads)) FROM arcache_stats;
	SELECT 'locks ' || count(*) FROM pg_locks WHERE locktype = 'advisory';
	SELECT count(arcache_clear_all());
	SELECT 'memory ' || used || ' ' || entries || ' ' || (used + free + overhead = size) FROM arcache_memory;);
my $checker = session($node);
my %seen;
my $cases = 0;

# What a work has printed, but for what was before it.
sub answers
{
	my ($out) = @_;

	return $out =~ /^(.*)^end$/ms ? $1 : undef;
}

sub run_work
{
	my ($work, $fault) = @_;
	my $faults = join(',', grep { defined } $fault, $work->{fails});
	my ($out, $err) = ('', '');

	$node->psql('postgres', "$before\nSET arcache.debug_inject = '$faults';\n$work->{sql}\n\\echo end\n$after",
		stdout => \$out, stderr => \$err, on_error_stop => 0);
	return ($out, $err);
}

# The state after a fault, as the session itself found it or, if it is gone,
# another does.
sub state_after
{
	my ($out) = @_;

	if ($out !~ /^memory /m)
	{
		$out = $checker->query($after);
		$checker->{stderr} = '';	# there is no transaction to roll back
	}
	return join("\n", $out =~ /^(?:prepared|wrong|hits|locks|memory) .*$/mg), $out =~ /^state (.*)$/m;
}

my $right = "prepared \nwrong \nwrong \nhits true\nlocks 0\nmemory 0 0 true";

# What a write may have left: all of it or nothing.  Where memory was refused the
# value set may be missing, but nothing older may be there.
sub state_is_possible
{
	my ($state, $work, $fault) = @_;
	my ($action, $point) = $fault =~ /^(\S+)=(\w+)/ ? ($2, $1) : die $fault;

	return $state eq 'old old old' || $state eq 'old none none' || $state eq 'old old none' if !$work->{writes};
	return 1 if $state eq 'new none none';
	return 1 if $state eq 'new new none' && $work->{name} ne 'prepare';
	return 0 if $after_commit{$point} && $action ne 'cancel' && $work->{name} ne 'catch';
	return 1 if $state eq 'old old old';
	# Fenced by a transaction that is rolled back only after it was prepared.
	return $work->{name} eq 'prepare' && $state eq 'new none old';
}

sub check_work
{
	my ($work, $fault, $answers) = @_;
	my $from = log_size($node);
	my ($out, $err) = run_work($work, $fault);
	my ($found, $state) = state_after($out);
	my @reached = grep { !/^fail/ } reached_since($node, $from);
	my $what = "$work->{name}, $fault";
	my $ok = 1;

	$cases++;
	$checker->query_safe("SELECT 1");
	if ($fault =~ /=(?!fail)/ && @reached == 0)
	{
		$ok = fail("$what: happened");
	}
	if ($found ne $right)
	{
		$ok = is($found, $right, "$what: all is well");
	}
	if (!state_is_possible($state // '', $work, $fault))
	{
		$ok = fail("$what: state is $state");
	}
	# Where memory or a lock is refused a read gives its result nevertheless.
	if ($work->{reads} && $fault =~ /=fail/ && answers($out) ne $answers)
	{
		$ok = is(answers($out), $answers, "$what: the same results");
	}
	my $unexpected = join("\n", grep { /ERROR|FATAL|PANIC|WARNING/
			  && !/arcache injection at|canceling statement due to user request|terminating connection due to administrator command|current transaction is aborted|there is (?:no|already a) transaction|prepared transaction with identifier "p" does not exist|role "p?\w+" (?:does not exist|already exists)|(?:table|relation) "child" does not exist|no room for a counter in the cache|columns of the cached query do not match/ }
		  split /\n/, $err);
	if ($unexpected ne '')
	{
		$ok = is($unexpected, '', "$what: no other error");
	}
	diag($err) if !$ok;
	return $ok;
}

foreach my $work (@works)
{
	my $from = log_size($node);
	my ($out, $err) = run_work($work, '*=log:*');
	my $answers = answers($out);
	my ($found, $state) = state_after($out);
	my (%times, @points);

	is($found, $right, "$work->{name}: all is well without a fault") or diag($err);
	is($state, $work->{name} eq 'prepare' ? 'new none old' : 'new new none',
		"$work->{name}: and all is written")
	  if $work->{writes};
	foreach my $reached (reached_since($node, $from))
	{
		my ($point) = $reached =~ /^log at (\S+)/ or next;

		push @points, $point if !$times{$point}++;
	}
	cmp_ok(scalar @points, '>', 0, "$work->{name}: passes " . @points . ' points');
	$seen{$_} = 1 foreach @points;

	foreach my $action ('error', 'cancel', 'terminate', 'fail')
	{
		my $all_ok = 1;
		my $n = 0;

		foreach my $point (@points)
		{
			# What a point can do is told by its kind; see inject.h.
			my $may_fail = $point =~ /^(?:arena-alloc|flight-lock|capture-(?:grow|draft))$/;
			my $held = $point =~ /^(?:fill-linked|pin-give-back|set-created|sets-(?:commit|applied|abort|prepared|subxact)|writes-(?:commit|abort|prepared|bump|subxact)|dropped-commit)$/;

			next if $action eq 'fail' ? !$may_fail : $may_fail;
			next if $action eq 'error' && $held;
			foreach my $time (1 .. ($times{$point} < $rounds ? $times{$point} : $rounds))
			{
				$n++;
				$all_ok &= check_work($work, "$point=$action:$time", $answers);
			}
		}
		# Each time, too: no memory at all, nobody ever leads.
		if ($action eq 'fail')
		{
			$n++;
			$all_ok &= check_work($work, 'arena-alloc=fail:*', $answers);
		}
		ok($all_ok, "$work->{name}: $action, $n times");
	}
}

# -- all points ------------------------------------------------------------------

my @expected = sort qw(
  arena-alloc batch-computed cache-pinned capture-draft capture-grow capture-object capture-row
  commit-prepared counter-created delete delete-pattern dropped-commit escalate
  fill-count fill-created fill-guard fill-linked fill-open fill-settle
  flight-enter flight-follows flight-leads flight-leave flight-left
  flight-lock flight-wait flight-waited hit-count mark marked object-access
  pin-give-back pin-release read-compute read-computed read-deliver register
  registered scan-fill-row scan-hit scan-hit-row scan-publish set-created sets-abort sets-applied sets-commit sets-fenced
  sets-precommit sets-prepared sets-ready sets-scan sets-settled sets-subxact
  sets-touched trigger-row trigger-statement utility-after utility-before
  writes-abort writes-bump writes-commit writes-precommit writes-prepared
  writes-preprepare writes-subxact);
is(join(' ', sort keys %seen), join(' ', @expected), 'these points are passed');
note("$cases faults");

$checker->quit;
log_is_clean($node, allow => qr/there is (?:no|already a) transaction in progress/);
done_testing();
