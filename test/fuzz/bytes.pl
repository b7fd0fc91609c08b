# Random bytes for what takes text: patterns, hints, parameters, keys, tags,
# relations, rows' keys.  Each topic knows by itself what must come out: it has
# a model of what is in the cache, a matcher and a lexer of its own, or PostgreSQL's
# answer without the cache.  Errors may only be of those listed, an error
# changes nothing, and nothing may end a session.
#
#   bytes.pl SOCKET SEED SECONDS TOPIC[@ENCODING]...
#
# Prints a line of TAP for each topic.  A topic's cases depend on the seed
# alone; the time only says after how many of them it ends.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use List::Util qw(min shuffle uniq);
use Rules;
use Time::HiRes qw(time);
use Wire;

binmode STDOUT, ':raw';

my ($socket, $seed, $seconds, @topics) = @ARGV;
my %topic = (
	patterns => \&patterns,
	keys => \&keys_and_values,
	many => \&many,
	tags => \&tags,
	relations => \&relations,
	params => \&params,
	rows => \&rows,
	hints => \&hints);
my ($session, $other, $failures, $cases, %seen);

# -- random things -----------------------------------------------------------------

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

# What an encoding takes for a character, and some that are not ASCII.
my %encoding = (
	UTF8 => {
		character => qr/[\x01-\x7f] | [\xc2-\xdf][\x80-\xbf]
			| \xe0[\xa0-\xbf][\x80-\xbf] | [\xe1-\xec\xee\xef][\x80-\xbf]{2} | \xed[\x80-\x9f][\x80-\xbf]
			| \xf0[\x90-\xbf][\x80-\xbf]{2} | [\xf1-\xf3][\x80-\xbf]{3} | \xf4[\x80-\x8f][\x80-\xbf]{2}/x,
		some => [ map { my $c = chr; utf8::encode($c); $c } 0xe9, 0xdf, 0x6f22, 0x1f600, 0x7ff, 0x10ffff, 0x80 ] },
	LATIN1 => {
		character => qr/[^\0]/s,
		some => [ "\xe9", "\xdf", "\xff", "\x80", "\xa0", "\xc3", "\xa9" ] },
	EUC_JP => {
		character => qr/[\x01-\x7f] | \x8e[\xa1-\xdf] | \x8f[\xa1-\xfe]{2} | [\xa1-\xfe]{2}/x,
		some => [ "\xa4\xa2", "\xb4\xc1", "\x8f\xb0\xa1", "\x8e\xb1", "\xa1\xa1", "\xfe\xfe", "\x8f\xfe\xfe" ] },
	SQL_ASCII => {
		character => qr/[^\0]/s,
		some => [ "\xe9", "\xff", "\x80", "\xc3\xa9", "\xa4", "\xf0", "\xbf" ] });
my ($encoding, @characters);

# Text that is valid, but mean.
sub text
{
	my ($most) = @_;

	return join '', map { character() } 1 .. int rand(1 + $most);
}

sub character
{
	my $kind = rand;

	return pick('a' .. 'e', '0' .. '3') if $kind < 0.4;
	return pick(split //, q(*?[]^-\\'"{},()$:;/%_ .)) if $kind < 0.8;
	return pick(@characters) if $kind < 0.92;
	return chr(1 + int rand 127);
}

# Any bytes.
sub bytes
{
	my ($most) = @_;

	return join '', map { chr int rand 256 } 1 .. int rand(1 + $most);
}

sub text_or_bytes { return chance(0.85) ? text(@_) : bytes(@_) }

# What PostgreSQL takes for valid, without a NUL.
sub is_valid
{
	return $_[0] =~ /^(?:$encoding->{character})*\z/;
}

sub quote_element
{
	my ($element) = @_;

	return 'NULL' if !defined $element;
	$element =~ s/([\\"])/\\$1/g;
	return "\"$element\"";
}

sub array { return '{' . join(',', map { quote_element($_) } @_) . '}' }

# -- judging -----------------------------------------------------------------------

sub readable
{
	my ($what) = @_;

	return 'NULL' if !defined $what;
	$what = substr($what, 0, 1000) . '...' if length $what > 1000;
	$what =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
	return "<$what>";
}

sub failed
{
	my ($what, @details) = @_;

	return if ++$failures > 20;
	print "# case $cases: $what\n", map { '#   ' . readable($_) . "\n" } @details;
}

# Run it; an error must be one of those listed.  The result, or undef.
sub run_in
{
	my ($in, $allowed, $text, @params) = @_;
	my $result = $in->execute($text, \@params);

	$seen{ $result->{code} || 'ok' }++;
	failed("leak: $result->{leak}", $text, @params) if defined $result->{leak};
	if ($result->{code} =~ /^(LOST|STUCK)$/)
	{
		failed("the session is $result->{code}", $text, @params);
		connect_sessions();
		return undef;
	}
	if ($result->{code} ne '')
	{
		failed("error $result->{code}: $result->{message}", $text, @params)
		  if $result->{code} =~ /^XX/ || !grep { $_ eq $result->{code} } @$allowed;
		return undef;
	}
	return $result;
}

sub run { return run_in($session, @_) }

sub value_of
{
	my ($result) = @_;

	return undef if !$result || !@{ $result->{rows} };
	return (Wire::row_values($result->{rows}[0]))[0];
}

sub column
{
	my ($result) = @_;

	return map { (Wire::row_values($_))[0] } @{ $result->{rows} };
}

sub same
{
	my ($a, $b) = @_;

	return defined $a ? defined $b && $a eq $b : !defined $b;
}

sub must_be
{
	my ($what, $got, $expected, @details) = @_;

	failed("$what: got " . readable($got) . ', expected ' . readable($expected), @details)
	  if !same($got, $expected);
}

sub must_be_list
{
	my ($what, $got, $expected, @details) = @_;

	must_be($what, join(' | ', map { readable($_) } sort @$got),
		join(' | ', map { readable($_) } sort @$expected), @details);
}

# An error is certain, or certainly none.
sub must_fail
{
	my ($code, $result, $last, @details) = @_;

	failed("error expected: $code", @details) if $code ne '' && $result;
	failed('no error expected', @details) if $code eq '' && !$result;
}

sub connect_sessions
{
	my %how = (socket => $socket, database => "bytes_\L$encoding->{name}", encoding => $encoding->{name}, user => 'postgres');

	for (1 .. 60)
	{
		$session = Wire->new(%how);
		$other = Wire->new(%how);
		return if $session && $other;
		sleep 1;
	}
	die "no connection to the server\n";
}

# -- patterns ------------------------------------------------------------------------

sub characters_of { return $_[0] =~ /$encoding->{character}/g }

sub random_pattern
{
	my $kind = rand;

	return join '', map { pick('*', '*', '?', 'a', 'b', pick(@characters), '\\*', '[ab]', '[^a]', '[a-c]') } 0 .. int rand 8
	  if $kind < 0.5;
	return text(12) if $kind < 0.9;
	return '*' x int(rand 30) . text(3) if $kind < 0.95;
	return 'a*' x int(rand 20) . 'b' if $kind < 0.97;
	return text(2) x (2046 + int rand 5) if $kind < 0.971;
	return bytes(20);
}

sub patterns
{
	my @keys = uniq grep { length && is_valid($_) } map { chance(0.5) ? text(4) : join '', map { pick('a' .. 'd', @characters) } 0 .. int rand 5 } 1 .. 80;
	my %key;
	my @allowed = qw(22023 22025 54000 22021);

	push @keys, 'a' x 200;
	run([], 'SELECT arcache_set($1, $2)', $_, '1') for @keys;
	$key{$_} = [ characters_of($_) ] for @keys;
	return sub {
		my $pattern = random_pattern();
		my $pieces = is_valid($pattern) ? parse_pattern(characters_of($pattern)) : '22021';
		my @expected;
		my ($found, $deleted);

		$pieces = '54000' if ref $pieces && length $pattern > 2048;
		@expected = grep { matches($pieces, $key{$_}, 0, 0, {}) } @keys if ref $pieces;
		$found = run(\@allowed, 'SELECT arcache_keys($1)', $pattern);
		must_fail(ref $pieces ? '' : 'any', $found, $pieces, $pattern) if length $pattern <= 2048;
		must_be_list('keys', [ column($found) ], \@expected, $pattern) if $found;
		return if !chance(0.3) || !$found;
		run([], 'BEGIN');
		$deleted = value_of(run(\@allowed, 'SELECT arcache_delete_pattern($1)', $pattern));
		must_be('deleted', $deleted, scalar @expected, $pattern);
		my %gone = map { $_ => 1 } @expected;
		must_be_list('left', [ column(run([], q(SELECT arcache_keys()))) ], [ grep { !$gone{$_} } @keys ], $pattern);
		run([], 'ROLLBACK');
		must_be('as before', value_of(run([], 'SELECT count(*) FROM arcache_keys()')), scalar @keys, $pattern);
	};
}

# -- values by key --------------------------------------------------------------------

my %model;						# key => canonical value

sub model_key { return %model && chance(0.6) ? pick(sort keys %model) : random_key() }

sub random_key
{
	my $kind = rand;

	return pick('', 'k', "k\0x") if $kind < 0.03;
	return pick('a', 'ab', pick(sort { length $b <=> length $a } @characters)) x (680 + int rand 6) if $kind < 0.06;
	return 'x' x (2046 + int rand 4) if $kind < 0.1;
	return text_or_bytes(12);
}

sub random_json
{
	my $kind = rand;

	return pick('null', '0', '-1.50', '1e400', '""', '[]', '{}', 'true', '', '{', '[1,', '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud83d"') if $kind < 0.4;
	return json_string(text(10)) if $kind < 0.7;
	return '{' . join(',', map { json_string(text(4)) . ':' . int rand 9 } 0 .. int rand 4) . '}' if $kind < 0.85;
	return '[' x int(rand 300) . ']' x int rand 300 if $kind < 0.88;
	return text_or_bytes(15);
}

sub json_string
{
	my ($string) = @_;

	$string =~ s/([\\"])/\\$1/g;
	$string =~ s/([\x01-\x1f])/sprintf '\\u%04x', ord $1/ge;
	return "\"$string\"";
}

# Why a key is refused, or ''.
sub key_error
{
	my ($key) = @_;

	return '22021' if !is_valid($key);
	return '22023' if $key eq '';
	return '54000' if length $key > 2048;
	return '';
}

# What was there before is still there.
sub check_some
{
	my ($n) = @_;
	my @keys = (shuffle sort keys %model)[ 0 .. min($n, scalar keys %model) - 1 ];

	for my $key (grep { defined } @keys)
	{
		must_be('still there', value_of(run_in($other, [], 'SELECT arcache_get($1)', $key)), $model{$key}, $key);
	}
}

sub check_all
{
	my @keys = column(run_in($other, [], q(SELECT k FROM arcache_keys() k WHERE k !~ '^query:[0-9a-f]{32}$')));

	must_be_list('all keys', \@keys, [ keys %model ]);
	check_some(200);
}

my @key_errors = qw(22021 22023 54000);
my @json_errors = qw(0A000 22P02 22P05 22003 22021 54001);
my @ttl_errors = qw(22007 22008 22015 22023 22021);

sub random_ttl
{
	return pick(undef, undef, undef, '1 day', '36000 days', '100 years', '1.5 months', '1000000 s') if chance(0.8);
	return pick('0', '-1 s', '36001 days', '1e30 days', 'infinity', '178000000 years', '1 0 0', text_or_bytes(8), '-1 month 31 days', '0.0000001 s');
}

sub keys_and_values
{
	%model = ();
	return sub {
		my $key = model_key();
		my $error = key_error($key);
		my $action = pick(qw(set set set get delete incr touch rolled exists many absent));

		if ($action =~ /^(set|rolled|absent)$/)
		{
			my $json = random_json();
			my $ttl = random_ttl();
			my $absent = $action eq 'absent';
			my $canonical = $session->execute('SELECT $1::jsonb', [$json]);
			my $bad_ttl = !same($ttl, undef) && $session->execute(
				q(SELECT 1 WHERE $1::interval > '0' AND extract(epoch FROM date_trunc('milliseconds', $1::interval)) >= 0), [$ttl]);
			my ($set, $value);

			run([], 'BEGIN') if $action eq 'rolled';
			$set = run([ @key_errors, @json_errors, @ttl_errors ],
				'SELECT arcache_set($1, $2, $3::interval, if_absent => $4)', $key, $json, $ttl, $absent ? 't' : 'f');
			if ($set && $action ne 'rolled')
			{
				$value = value_of($set);
				must_be('set', $value, $absent && exists $model{$key} ? 'f' : 't', $key, $json);
				$model{$key} = value_of($canonical) if $value eq 't';
			}
			failed('a bad key was taken', $key) if $set && $error ne '';
			failed('a bad value was taken', $json) if $set && $canonical->{code} ne '';
			failed('refused without a reason', $key, $json)
			  if !$set && $error eq '' && $canonical->{code} eq '' && !defined $ttl;
			run([], 'ROLLBACK') if $action eq 'rolled';
		}
		elsif ($action eq 'get')
		{
			my $got = run(\@key_errors, 'SELECT arcache_get($1)', $key);

			must_fail($error, $got, undef, $key);
			must_be('get', value_of($got), $model{$key}, $key) if $got;
		}
		elsif ($action eq 'exists')
		{
			my $got = run(\@key_errors, 'SELECT arcache_exists($1)', $key);

			must_fail($error, $got, undef, $key);
			must_be('exists', value_of($got), exists $model{$key} ? 't' : 'f', $key) if $got;
		}
		elsif ($action eq 'many')
		{
			my @keys = map { model_key() } 0 .. int rand 5;
			my ($bad) = grep { $_ ne '' } map { key_error($_) } @keys;
			my $got = run([ @key_errors, '22P02' ], 'SELECT ord || value::text FROM arcache_get_many($1::text[])', array(@keys));

			must_fail($bad // '', $got, undef, @keys);
			must_be_list('get_many', [ column($got) ],
				[ map { $_ + 1 . $model{ $keys[$_] } } grep { exists $model{ $keys[$_] } } 0 .. $#keys ], @keys) if $got;
		}
		elsif ($action eq 'delete')
		{
			my @keys = map { model_key() } 0 .. int rand 3;
			my ($bad) = grep { $_ ne '' } map { key_error($_) } @keys;
			my $got = run([ @key_errors, '22P02' ], 'SELECT arcache_delete(VARIADIC $1::text[])', array(@keys));

			must_fail($bad // '', $got, undef, @keys);
			if ($got)
			{
				must_be('delete', value_of($got), scalar(grep { exists $model{$_} } uniq @keys), @keys);
				delete @model{@keys};
			}
		}
		elsif ($action eq 'incr')
		{
			my $by = pick('1', '-3', '9223372036854775807', '-9223372036854775808', '9223372036854775808', text_or_bytes(3));
			my $got = run([ @key_errors, '22003', '22P02' ], 'SELECT arcache_incr($1, $2::bigint)', $key, $by);

			failed('a bad key was taken', $key) if $got && $error ne '';
			$model{$key} = value_of($got) if $got;
		}
		else
		{
			my $ttl = random_ttl();
			my $got = run([ @key_errors, @ttl_errors ], 'SELECT arcache_touch($1, $2::interval)', $key, $ttl);

			failed('a bad key was taken', $key) if $got && $error ne '';
			must_be('touch', value_of($got), exists $model{$key} ? 't' : 'f', $key) if $got;
			run([], 'SELECT arcache_touch($1, NULL)', $key) if $got;
		}
		check_some(2);
		check_all() if chance(0.005);
	};
}

# -- arcache_set_many ----------------------------------------------------------------

sub many
{
	%model = ();
	return sub {
		my %entry = map { my $k = model_key(); ($k =~ /\0/ || !is_valid($k) ? text(3) : $k) => pick('1', '"x"', 'null', '[1,2]', json_string(text(5))) } 0 .. int rand 6;
		my $json = '{' . join(',', map { json_string($_) . ':' . $entry{$_} } keys %entry) . '}';
		my $plain = 1;
		my ($canonical, $set);

		($json, $plain) = (random_json(), 0) if chance(0.2);
		$canonical = $session->execute('SELECT $1::jsonb', [$json]);
		if ($plain && $canonical->{code} eq '')
		{
			my ($bad) = grep { $_ ne '' } map { key_error($_) } keys %entry;

			$set = run(\@key_errors, 'SELECT arcache_set_many($1::jsonb)', $json);
			must_fail($bad // '', $set, undef, $json);
			if ($set)
			{
				must_be('set_many', value_of($set), scalar(keys %entry), $json);
				$model{$_} = value_of($session->execute('SELECT $1::jsonb', [ $entry{$_} ])) for keys %entry;
			}
		}
		else
		{
			run([], 'BEGIN');
			$set = run([ @key_errors, @json_errors ], 'SELECT arcache_set_many($1::jsonb)', $json);
			failed('a bad object was taken', $json) if $set && $canonical->{code} ne '';
			run([], 'ROLLBACK');
		}
		check_some(3);
		if (keys %model > 2000)
		{
			check_all();
			run([], 'SELECT arcache_clear()');
			%model = ();
		}
	};
}

# -- tags -------------------------------------------------------------------------------

# A value is lost, and need not be, when other tags that share its tag's slot have
# been invalidated more often than the slot remembers.  Slots go by hashes, which
# SQL can compute as well (coherence/token.c), so that it is known of each value
# whether it may be lost; all others must be there.
my %tags_of;					# key => what its tags' slots had counted when it was set
my %tokens;						# tag => its slot and what tells it apart there
my %registered;					# slot => registrations, by tag

use constant {
	RING_SIZE => 4,				# coherence/slots.h
	TOKEN_TAG => 5 };			# coherence/token.c

sub tag_token
{
	my ($tag) = @_;

	$tokens{$tag} //= do {
		my $ids = q(hashoidvectorextended(format('%s %s %s', $2::text, d.oid, r.oid)::oidvector, 0));
		my $hash = value_of(run([], "SELECT CASE WHEN \$1::text = '' THEN $ids ELSE hashtextextended(\$1::text COLLATE \"C\", $ids) END
			FROM pg_database d, pg_roles r WHERE datname = current_database() AND rolname = current_user", $tag, TOKEN_TAG));
		# An eighth of the slots, of 64 bytes, in a 32nd of the memory, but for a header.
		my $memory = value_of(run([], q(SELECT pg_size_bytes(current_setting('arcache.memory')))));
		my $slots = int(int(($memory / 32 - 128 - 384) / 64) / 8);

		{ slot => (($hash & 0xffffffff) * $slots) >> 32, name => ($hash >> 32) & 0xffff };
	};
	return $tokens{$tag};
}

sub registrations
{
	my ($slot) = @_;
	my $sum = 0;

	$sum += $_ for values %{ $registered{$slot} };
	return $sum;
}

# Of those of its slot that a tag's value has met, by what it may take for its own,
# and all.
sub met
{
	my ($tag) = @_;
	my $token = tag_token($tag);

	return [ $registered{ $token->{slot} }{ $token->{name} } // 0, registrations($token->{slot}) ];
}

sub may_be_lost
{
	my ($key) = @_;
	my $tags = $tags_of{$key} or return 0;

	for my $tag (keys %$tags)
	{
		my ($then, $now) = ($tags->{$tag}, met($tag));

		return 1 if $now->[0] > $then->[0] || $now->[1] > $then->[1] + RING_SIZE;
	}
	return 0;
}

# What may be lost, and is, is no longer expected.
sub forget_lost
{
	for my $key (grep { may_be_lost($_) } sort keys %model)
	{
		next if defined value_of(run_in($other, [], 'SELECT arcache_get($1)', $key));
		$seen{'lost to a shared slot'}++;
		delete $model{$key};
	}
}

sub random_array
{
	my @elements = @_;
	my $text = array(@elements);

	return $text if chance(0.8);
	return pick("{{$text}}", '{}', '{{a,b},{c,d}}', '[2:3]={a,b}', '{a', 'a}', '{"a}', '{a,,b}', "$text,", '{NULL,a}', text_or_bytes(10), '{' . join(',', ('a') x 1001) . '}');
}

sub tags
{
	my @pool = ('a', 'b', 'c', '', "a'b", 'NULL', @characters[ 0 .. 2 ], 'x' x 3000);
	my @allowed = qw(22004 22023 22P02 22021 54000 2202E);

	%model = ();
	%tags_of = ();
	%tokens = ();
	%registered = ();
	return sub {
		my $array = random_array(map { chance(0.03) ? undef : chance(0.1) ? text_or_bytes(4) : pick(@pool) } 1 .. int rand 4);
		my $read = $session->execute('SELECT unnest($1::text[])', [$array]);
		my @tags = $read->{code} eq '' ? column($read) : ();
		my $key = 'k' . int rand 60;

		if (chance(0.6))
		{
			my $set = run(\@allowed, 'SELECT arcache_set($1, $2, tags => $3::text[])', $key, "[$cases]", $array);

			failed('bad tags were taken', $array) if $set && ($read->{code} ne '' || grep { !defined } @tags);
			if ($set)
			{
				must_be('set', value_of($set), 't', $array);
				$model{$key} = "[$cases]";
				$tags_of{$key} = { map { $_ => met($_) } @tags };
			}
		}
		else
		{
			my $gone = run(\@allowed, 'SELECT arcache_invalidate_tag(VARIADIC $1::text[])', $array);
			my @hit = grep { my $key = $_; grep { defined $_ && $tags_of{$key}{$_} } @tags } keys %model;

			failed('bad tags were taken', $array) if $gone && ($read->{code} ne '' || grep { !defined } @tags);
			if ($gone)
			{
				must_be('invalidated', value_of($gone), scalar @hit, $array);
				delete @model{@hit};
				$registered{ $_->{slot} }{ $_->{name} }++ for map { tag_token($_) } uniq @tags;
				forget_lost();
			}
		}
		check_some(3);
		check_all() if chance(0.02);
	};
}

# -- depends_on ----------------------------------------------------------------------------

sub relations
{
	my @names = qw(t t_text v mv part part_1 "odd ""name""" seq t_pkey pg_class pg_catalog.pg_class foreign_t
	  no_such no_such.t t.t.t.t information_schema.tables 0 1 1259 4294967295 4294967296 -1 18446744073709551616 pg_toast.pg_toast_1255);
	my @allowed = qw(22004 22023 22P02 22021 42P01 42809 42501 42602 3F000 22003 0A000 42601 42622 42703 54000);

	run([], 'CREATE VIEW v AS SELECT 1 AS a');
	run([], 'CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a');
	run([], 'CREATE TABLE part (a int) PARTITION BY LIST (a)');
	run([], 'CREATE TABLE part_1 PARTITION OF part DEFAULT');
	run([], 'CREATE TABLE "odd ""name""" (a int)');
	run([], 'CREATE SEQUENCE seq');
	run([], 'SELECT arcache_enable($1::regclass)', $_) for qw(t part);
	%model = ();
	return sub {
		my $array = random_array(map { chance(0.03) ? undef : chance(0.1) ? text_or_bytes(8) : pick(@names) } 1 .. int rand 4);
		my $key = 'k' . int rand 60;
		my $action = pick(qw(set set get_or_set invalidate enable));

		if ($action eq 'set')
		{
			my $set = run(\@allowed, 'SELECT arcache_set($1, $2, depends_on => $3::regclass[])', $key, "[$cases]", $array);

			$model{$key} = "[$cases]" if same(value_of($set), 't');
			delete $model{$key} if same(value_of($set), 'f');
		}
		elsif ($action eq 'get_or_set')
		{
			my $got = run([ @allowed, '0A000' ], 'SELECT arcache_get_or_set(NULL, $1, depends_on => $2::regclass[])',
				'SELECT count(*) AS n FROM t', $array);

			must_be('get_or_set', value_of($got), '[{"n": 50}]', $array) if $got;
		}
		else
		{
			# It ends what depends on the relation: nothing of the model must be lost for it.
			run([], 'BEGIN');
			run(\@allowed, $action eq 'enable' ? 'SELECT arcache_enable($1::regclass, keys => $2::text[])'
				: 'SELECT arcache_invalidate($1::regclass)', chance(0.5) ? pick(@names) : text_or_bytes(12),
				$action eq 'enable' ? random_array(map { pick('id', 'id,a', 'a', '(a)', text(5)) } 0 .. int rand 2) : ());
			run([], 'ROLLBACK');
		}
		check_some(2);
	};
}

# -- parameters ------------------------------------------------------------------------------

# What PostgreSQL says to the same values, given to it as parameters.
sub params
{
	my @templates = (
		'SELECT $1::text AS a', 'SELECT $1::text AS a, $2::text AS b', 'SELECT $1::int AS a', 'SELECT $1::jsonb AS a',
		'SELECT $1::text[] AS a', 'SELECT $1::bytea AS a', 'SELECT id, a FROM t WHERE id = $1 ORDER BY id', 'SELECT id FROM t WHERE a = $1 ORDER BY id',
		'SELECT id FROM t WHERE a LIKE $1 ORDER BY id', 'SELECT count(*) AS n FROM t WHERE a > $1 OR $2::bool', 'SELECT k, v FROM t_text WHERE k = $1',
		'SELECT k FROM t_text WHERE k = ANY ($1) ORDER BY k', 'SELECT length($1::text || $2::text) AS a', 'SELECT $1::numeric(10, 2) AS a',
		'SELECT $1::date AS a', 'SELECT $1::char(3) AS a, $2::"char" AS b', 'VALUES ($1::text, $2::int8)', 'SELECT id FROM t WHERE id IN ($1, $2, $3) ORDER BY id');
	my @values = ('', '0', '1', '7', '-1', 't', 'NULL', '{}', '{a,b}', '[]', '{"a": 1}', '2020-02-30', '1e3', '\\x00ff', "\\", "'", '"', 'a%', '%\\');
	my $keys = value_of(run([], 'SELECT string_agg(k, E\'\\n\') FROM t_text'));

	push @values, split /\n/, $keys;
	return sub {
		my $query = pick(@templates);
		my $n = () = $query =~ /\$\d/g;
		my @params = map { chance(0.15) ? undef : chance(0.6) ? pick(@values) : text_or_bytes(8) } 1 .. $n;
		my ($plain, $wrong);

		$plain = $other->execute("SELECT jsonb_agg(to_jsonb(q)) FROM ($query) q", \@params);
		# An array is read as a whole, before any of it is used.
		$plain = { code => '22021', message => '', rows => [] } if grep { defined && !is_valid($_) } @params;
		$wrong = chance(0.05) ? pick(-1, 1) : 0;
		if ($wrong)
		{
			my @others = @params;

			$wrong < 0 ? pop @others : push @others, 'x';
			run([ '22023', '22021', '22P02', '42P18' ], 'SELECT arcache_get_or_set(NULL, $1, params => $2::text[])', $query, array(@others))
			  and failed('a wrong number of parameters was taken', $query, @others);
			return;
		}
		for my $in ($session, $other)
		{
			my $got = $in->execute('SELECT arcache_get_or_set(NULL, $1, params => $2::text[])', [ $query, array(@params) ]);

			$seen{ $got->{code} || 'ok' }++;
			must_be('SQLSTATE', $got->{code}, $plain->{code}, $query, @params, $got->{message}, $plain->{message});
			must_be('result', value_of($got), value_of($plain) // '[]', $query, @params)
			  if $got->{code} eq '' && $plain->{code} eq '';
			connect_sessions() if $got->{code} =~ /^(LOST|STUCK)$/;
		}
		# Text that is no array, or none that is taken.
		run([qw(22023 22P02 22021 2202E 42P18 22003 22007 22008 22025 22P03)], 'SELECT arcache_get_or_set(NULL, $1, params => $2::text[])',
			$query, chance(0.5) ? text_or_bytes(10) : random_array(@params)) if chance(0.1) && $n == 0;
	};
}

# -- rows by their keys -------------------------------------------------------------------------

sub rows
{
	my %table = (
		t => [ 'id = $1', 'int' ],
		t_text => [ 'k = $1', 'text' ],
		t_two => [ 'a = $1 AND b = $2', 'int', 'text' ],
		t_bytea => [ 'k = $1', 'bytea' ],
		t_numeric => [ 'k = $1', 'numeric' ],
		t_date => [ 'k = $1', 'date' ]);
	my %values = map { my $t = $_; $t => [ column(run([], "SELECT " . ($t eq 't' ? 'id' : $t eq 't_two' ? 'b' : 'k') . "::text FROM $t")) ] } keys %table;
	my @allowed = qw(22P02 22021 22003 22007 22008 22009 42804 22023);

	run([], 'SELECT arcache_enable($1::regclass)', $_) for keys %table;
	return sub {
		my $table = pick(sort keys %table);
		my ($where, @types) = @{ $table{$table} };
		my $n = @types;
		my @key = map { chance(0.05) ? undef : chance(0.5) ? pick(@{ $values{$table} }) : text_or_bytes(6) } 1 .. $n;
		my $plain;

		$key[0] = int rand 4 if $n == 2 && chance(0.6);
		$plain = $other->execute("SELECT q::text FROM $table q WHERE $where", \@key);
		if (chance(0.1))
		{
			# Too many, too few: an error, and no crash.
			my $many = pick(0, 2, 3, 40);
			my $type = pick(qw(text int8 numeric jsonb text[] record date));
			my $args = join '', map { ", \$$_\::$type" } 1 .. $many;

			return if $many == $n;
			run([ @allowed, '42883', '0A000', '54001' ], "SELECT arcache_row(NULL::$table$args)", map { $key[0] } 1 .. $many)
			  and failed('a wrong number of key values was taken', $table, $many);
			return;
		}
		for my $in ($session, $other)
		{
			my $args = join ', ', map { "\$$_\::$types[ $_ - 1 ]" } 1 .. $n;
			my $got = $in->execute("SELECT q::text FROM arcache_row(NULL::$table, $args) q WHERE q IS NOT NULL", \@key);

			$seen{ $got->{code} || 'ok' }++;
			must_be('SQLSTATE', $got->{code}, $plain->{code}, $table, @key, $got->{message}, $plain->{message});
			must_be_list('row', [ column($got) ], [ column($plain) ], $table, @key)
			  if $got->{code} eq '' && $plain->{code} eq '';
			connect_sessions() if $got->{code} =~ /^(LOST|STUCK)$/;
		}
		if ($n == 1 && chance(0.3))
		{
			my @keys = map { chance(0.1) ? undef : pick(@{ $values{$table} }, 'zz') } 0 .. int rand 5;
			my $type = $types[0];
			my $column = (split / /, $where)[0];
			my $want = $other->execute("SELECT q::text FROM unnest(\$1::${type}[]) WITH ORDINALITY k(k, n) JOIN $table q ON q.$column = k.k ORDER BY k.n", [ array(@keys) ]);
			my $got = $session->execute("SELECT q::text FROM arcache_rows(NULL::$table, \$1::${type}[]) q", [ array(@keys) ]);

			must_be('SQLSTATE', $got->{code}, $want->{code}, $table, @keys);
			must_be('rows', join('|', column($got)), join('|', column($want)), $table, @keys);
		}
		run([ @allowed, '22004' ], "SELECT arcache_row_delete(\$1::regclass, \$2::" . pick($types[0], 'text', 'int8') . ')', $table, $key[0])
		  if $n == 1 && chance(0.2);
	};
}

# -- hints ------------------------------------------------------------------------------------------

# Statements are built from pieces of which it is known what they are, so that it
# is known as well which block comment is the first, and what it says.

sub comment_text
{
	my $text = '';

	$text .= pick('+', '+ ', ' +', '') if chance(0.9);
	for (0 .. int rand 5)
	{
		my $kind = rand;

		if ($kind < 0.35) { $text .= pick('arcache', 'ARCACHE', 'no_arcache', 'arcache(ttl=300)', 'arcache ( TTL = 5 )', 'arcache(ttl=0)', 'arcache()', 'arcache(ttl=99999999999999999999)', 'xarcache', 'arcache2', 'no_arcache(x)') }
		elsif ($kind < 0.5) { $text .= pick('(', ')', '((', 'SeqScan(t)', 'Set(arcache no_arcache)', 'x(arcache)', "'", '"', '$$', '--', "\n", '*', '/') }
		elsif ($kind < 0.9) { $text .= text(6) }
		else { $text .= '/*' . pick('arcache', ' arcache ', '+arcache', 'x', '') . '*/' }
		$text .= ' ' if chance(0.7);
	}
	# As PostgreSQL has it, comments are nested: this one must end where it is to end.
	my $depth = 0;
	while ($text =~ m{(/\*|\*/)}g)
	{
		$depth += $1 eq '/*' ? 1 : -1;
		return ' ' if $depth < 0;
	}
	return $depth == 0 && $text !~ m{[*/]\z} && $text !~ m{^/} ? $text : ' ';
}

# A constant that looks as if a comment was in it.
sub constant
{
	my ($standard) = @_;
	my $inside = pick('/*+ arcache */', '/*+ no_arcache */', '/* x */', '--', 'x', "\n", '*/', '/*');
	my $tag = pick('', 'a', 'B_1', "\xc3\xa9");
	my $back = $standard ? "'\\'" : "'\\\\'";

	return pick("'$inside'", "E'$inside'", "e'\\'$inside'", "'''$inside'''", "\$$tag\$$inside\$$tag\$", "\$x\$ \$y\$ $inside \$x\$", "N'$inside'",
		"E'a'\n'\\'$inside'", $back, "$back '", "'a'\n'$inside'", $standard ? "U&'\\0061$inside'" : "'a'", "'$inside' COLLATE \"C\"")
	  =~ s/^(.*) '\z/$1/sr;
}

sub hints
{
	my @clean = ('hint_on', 'hint_off');

	run([], 'SELECT arcache_enable($1::regclass, auto => false)', 't');
	$session->query(q(SET arcache.debug_force = off; SET arcache.auto = hint; SET arcache.min_cost = 0));
	return sub {
		my $standard = chance(0.8);
		my ($first, @pieces, @plain);
		my $gap = sub {
			my $kind = rand;

			if ($kind < 0.75) { $pieces[-1] .= ' '; $plain[-1] .= ' ' }
			elsif ($kind < 0.85)
			{
				my $line = '-- ' . pick('', '+ arcache', '/*+ arcache */', '/*', '*/', "'", '"', '$$') . "\n";

				$pieces[-1] .= " $line";
				$plain[-1] .= ' ';
			}
			else
			{
				my $comment = comment_text();

				$first //= $comment;
				$pieces[-1] .= pick('', ' ') . "/*$comment*/" . pick('', ' ');
				$plain[-1] .= ' ';
			}
		};
		my $add = sub { push @pieces, $_[0]; push @plain, $_[0]; $gap->() };
		my ($text, $plain, $got, $want, $explained, $cached);

		push @pieces, '';
		push @plain, '';
		$gap->() if chance(0.5);
		$add->('SELECT');
		for my $n (1 .. int rand 4)
		{
			$add->(constant($standard));
			$add->('AS');
			$add->(pick("c$n", "\"c$n\"", "\"/*+ arcache */ $n\"", "\"\"\"$n--\"", "c\$\$$n", "e$n"));
			$add->(',');
		}
		$add->(pick('id', 't.id', 'id+1', 'id -1', '- id', 'id', '@id', '(id)'));
		$add->('FROM');
		$add->('t');
		if (chance(0.5))
		{
			$add->('WHERE');
			$add->('a');
			$add->(pick('<>', '>=', '||\'\'='));
			$add->(constant($standard));
		}
		$text = join '', @pieces;
		$plain = join '', @plain;
		return if !is_valid($text);
		$session->query('SET standard_conforming_strings = ' . ($standard ? 'on' : 'off')
			  . '; SET escape_string_warning = off; SET backslash_quote = on');
		$want = $session->query("SET arcache.enabled = off; $plain");
		$session->query('SET arcache.enabled = on');
		for (1, 2)
		{
			$got = $session->query($text);
			must_be('SQLSTATE', $got->{code}, $want->{code}, $text, $plain, $got->{message}, $want->{message});
			must_be_list('rows', $got->{rows}, $want->{rows}, $text) if $got->{code} eq '';
			$seen{ $got->{code} || 'ok' }++;
		}
		if ($got->{code} =~ /^(LOST|STUCK)$/)
		{
			connect_sessions();
			return;
		}
		return if $got->{code} ne '';
		# In a text of its own or as one of several, by what is counted, or by
		# EXPLAIN, in which a comment may come before.
		my $how = pick('', 'SELECT 1 /*+ no_arcache */; ', "SELECT ';' ;\t-- x\n", 'EXPLAIN (COSTS OFF) ',
			'SELECT 1 /*+ no_arcache */; EXPLAIN (COSTS OFF) ', "/**/ EXPLAIN (COSTS OFF)\n");
		my $lookups = 'SELECT hits + misses FROM arcache_stats';
		my $before = value_of($other->query($lookups));

		$first = '' if $how =~ m{^/};
		$explained = $session->query($how . $text);
		$cached = $how =~ /EXPLAIN/ ? grep { defined && /Arcache/ } map { (Wire::row_values($_))[0] } @{ $explained->{rows} }
		  : value_of($other->query($lookups)) != $before;
		must_be('cached', $cached ? 1 : 0, meaning($first // '') > 0 ? 1 : 0, $how . $text, $first);
		$seen{ $cached ? 'hinted' : 'not hinted' }++;
	};
}

# -- all -----------------------------------------------------------------------------------------------

sub create_tables
{
	for my $statement (
		'CREATE TABLE t (id int PRIMARY KEY, a text)',
		q(INSERT INTO t SELECT i, 'a' || i % 7 FROM generate_series(1, 50) i),
		'CREATE TABLE t_text (k text PRIMARY KEY, v int)',
		'CREATE TABLE t_two (a int, b text, c int, PRIMARY KEY (a, b))',
		'CREATE TABLE t_bytea (k bytea PRIMARY KEY, v int)',
		'CREATE TABLE t_numeric (k numeric PRIMARY KEY, v int)',
		'CREATE TABLE t_date (k date PRIMARY KEY, v int)',
		q(INSERT INTO t_numeric VALUES (0, 1), (1.50, 2), (-1e20, 3), ('NaN', 4), ('Infinity', 5)),
		q(INSERT INTO t_date VALUES ('2020-02-29', 1), ('infinity', 2), ('-infinity', 3), ('0044-03-15 BC', 4)))
	{
		run([], $statement);
	}
	for my $i (1 .. 60)
	{
		run([], 'INSERT INTO t_text VALUES ($1, $2) ON CONFLICT DO NOTHING', text(6) =~ tr/\n//dr, $i);
		run([], 'INSERT INTO t_two VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', $i % 4, text(3), $i);
		run([], 'INSERT INTO t_bytea VALUES (decode($1, \'hex\'), $2) ON CONFLICT DO NOTHING', unpack('H*', bytes(5)), $i);
	}
}

sub run_topic
{
	my ($topic) = @_;
	my ($name, $encoded) = split /@/, $topic;
	my ($case, $end);
	my $number = 0;

	$encoded //= 'UTF8';
	$encoding = { name => $encoded, %{ $encoding{$encoded} } };
	@characters = @{ $encoding->{some} };
	$number = ($number * 31 + ord) % 2**31 for split //, $topic;
	srand(($seed * 1000003 + $number) % 2**31);
	($failures, $cases, %seen) = (0, 0);
	connect_sessions();
	$session->query("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION arcache");
	$session->query('SELECT arcache_clear_all()');
	create_tables();
	$case = $topic{$name}->();
	$end = time + $seconds;
	while (time < $end && $failures < 20)
	{
		$cases++;
		$case->();
	}
	check_all() if $name =~ /^(keys|many|tags|relations)$/;
	print $failures == 0 ? 'ok' : 'not ok', " - $topic: $cases cases, seed $seed (",
	  join(', ', map { "$_ $seen{$_}" } sort { $seen{$b} <=> $seen{$a} || $a cmp $b } keys %seen), ")\n";
}

$| = 1;
run_topic($_) for @topics ? @topics : sort keys %topic;
