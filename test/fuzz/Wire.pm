# A client of PostgreSQL's wire protocol that sends whatever bytes it is given,
# and gives back rows as the server sent them.
#
#   my $session = Wire->new(socket => FOLDER, user => ..., database => ...,
#                           options => '-c name=value ...', encoding => 'UTF8');
#   my $result = $session->query($text);                one simple query
#   my $result = $session->execute($text, \@params, binary => 1);
#
# A result has
#   code     the SQLSTATE of the first error, '' if there was none; LOST if the
#            connection broke, STUCK if the server did not answer
#   message  that error's message
#   fields   the description of the rows, as bytes
#   rows     the rows, as bytes; row_values() takes one apart
#   tag      of the last command
#   leak     a warning that something leaked, if there was one

package Wire;

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;

# Seconds without a word from the server, whose own timeouts are far shorter.
use constant PATIENCE => 180;

sub new
{
	my ($class, %arg) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => "$arg{socket}/.s.PGSQL.5432")
	  or return undef;
	my $self = bless {
		socket => $socket,
		select => IO::Select->new($socket),
		input => '',
	}, $class;
	my $startup = pack 'N', 196608;

	$startup .= join '', map { "$_\0" } user => $arg{user}, database => $arg{database},
	  options => $arg{options} // '', client_encoding => $arg{encoding} // 'UTF8';
	$self->send_bytes(pack('N', length($startup) + 5) . "$startup\0");
	return $self->answer->{code} eq '' ? $self : undef;
}

sub send_bytes
{
	my ($self, $bytes) = @_;
	my $socket = $self->{socket};
	local $SIG{PIPE} = 'IGNORE';

	while (length $bytes)
	{
		my $n = syswrite $socket, $bytes;

		return if !defined $n;
		substr($bytes, 0, $n) = '';
	}
}

# The next message: its type and what it holds.
sub message
{
	my ($self) = @_;

	for (;;)
	{
		if (length $self->{input} >= 5)
		{
			my ($type, $length) = unpack 'aN', $self->{input};

			if (length $self->{input} > $length)
			{
				my $message = substr $self->{input}, 0, $length + 1, '';

				return ($type, substr $message, 5);
			}
		}
		return ('STUCK', '') if !$self->{select}->can_read(PATIENCE);
		return ('LOST', '')
		  if !sysread $self->{socket}, $self->{input}, 262144, length $self->{input};
	}
}

sub answer
{
	my ($self) = @_;
	my %result = (code => '', message => '', fields => '', rows => [], tag => '');

	for (;;)
	{
		my ($type, $content) = $self->message;

		if ($type eq 'D') { push @{ $result{rows} }, $content }
		elsif ($type eq 'T') { $result{fields} = $content }
		elsif ($type eq 'C') { $result{tag} = unpack 'Z*', $content }
		elsif ($type eq 'N')
		{
			# What a session has not given back the server says in a warning.
			$result{leak} = $1 if $content =~ /\0M([^\0]*(?:leak|still (?:referenced|active|pinned))[^\0]*)/;
		}
		elsif ($type eq 'E')
		{
			my %field = map { substr($_, 0, 1) => substr $_, 1 } grep { length } split /\0/, $content;

			@result{qw(code message)} = @field{qw(C M)} if $result{code} eq '';
		}
		elsif ($type eq 'Z')
		{
			$self->{transaction} = $content;
			return \%result;
		}
		elsif ($type eq 'LOST' || $type eq 'STUCK')
		{
			$result{code} = $type;
			return \%result;
		}
	}
}

sub query
{
	my ($self, $text) = @_;

	$text =~ s/\0.*//s;
	$self->send_bytes('Q' . pack('N', length($text) + 5) . "$text\0");
	return $self->answer;
}

sub execute
{
	my ($self, $text, $params, %arg) = @_;
	my @part;
	my $format = $arg{binary} ? 1 : 0;

	$text =~ s/\0.*//s;
	push @part, [ 'P', "\0$text\0" . pack 'n', 0 ];
	push @part,
	  [ 'B',
		"\0\0" . pack('n n', 0, scalar @$params)
		  . join('', map { defined $_ ? pack('N', length $_) . $_ : pack 'N', 0xffffffff } @$params)
		  . pack 'n n', 1, $format ];
	push @part, [ 'D', "P\0" ], [ 'E', "\0" . pack 'N', 0 ], [ 'S', '' ];
	$self->send_bytes(join '', map { $_->[0] . pack('N', length($_->[1]) + 4) . $_->[1] } @part);
	return $self->answer;
}

# The values of a row; undef is NULL.
sub row_values
{
	my ($row) = @_;
	my ($n) = unpack 'n', $row;
	my $at = 2;
	my @values;

	for (1 .. $n)
	{
		my $length = unpack 'N', substr $row, $at, 4;

		$at += 4;
		if ($length == 0xffffffff) { push @values, undef; next }
		push @values, substr $row, $at, $length;
		$at += $length;
	}
	return @values;
}

# The first value of the first row.
sub value
{
	my ($self, $text, @params) = @_;
	my $result = @params ? $self->execute($text, \@params) : $self->query($text);

	die "$result->{code}: $result->{message}\n$text\n" if $result->{code} ne '';
	return undef if !@{ $result->{rows} };
	return (Wire::row_values($result->{rows}[0]))[0];
}

sub end
{
	my ($self) = @_;

	$self->send_bytes('X' . pack 'N', 4);
	CORE::close $self->{socket};
}

1;
