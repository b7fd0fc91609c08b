/*-------------------------------------------------------------------------
 *
 * hint.c
 *	  What a statement's first comment says to the cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>

#include "parser/parser.h"
#include "parser/scansup.h"
#include "query/hint.h"

/*
 * Comments before a statement are looked for by reading what is before them, for
 * each statement of a text anew.  Further behind in it there are none.
 */
#define TEXT_BEFORE_MAX	65536

static bool
is_name_character(char c)
{
	return isalnum((unsigned char) c) || c == '_' || IS_HIGHBIT_SET(c);
}

/* A string or a quoted name; in some strings a backslash takes the next character along. */
static const char *
skip_quoted(const char *at, const char *end, bool escapes)
{
	char		quote = *at++;

	while (at < end && *at != quote)
		at += escapes && *at == '\\' && end - at >= 2 ? 2 : 1;
	return at < end ? at + 1 : end;
}

/*
 * A string that goes on behind a line's end, at the quote that opens its next
 * part; NULL if this one does not.
 */
static const char *
next_part(const char *at, const char *end)
{
	bool		newline = false;

	while (at < end)
	{
		if (scanner_isspace(*at))
			newline |= *at == '\n' || *at == '\r';
		else if (end - at >= 2 && at[0] == '-' && at[1] == '-')
		{
			while (at + 1 < end && at[1] != '\n' && at[1] != '\r')
				at++;
		}
		else
			break;
		at++;
	}
	return newline && at < end && *at == '\'' ? at : NULL;
}

/* E'...', of which each part takes escapes. */
static const char *
skip_escape_string(const char *at, const char *end)
{
	const char *part = at;

	while (part != NULL)
	{
		at = skip_quoted(part, end, true);
		part = next_part(at, end);
	}
	return at;
}

/* At a dollar sign: past the string that it opens, if it does. */
static const char *
skip_dollar_quoted(const char *at, const char *end)
{
	const char *tag = at++;
	Size		length;

	while (at < end && is_name_character(*at))
		at++;
	if (at == end || *at != '$' || isdigit((unsigned char) tag[1]))
		return tag + 1;
	length = ++at - tag;
	for (; end - at >= length; at++)
	{
		if (memcmp(at, tag, length) == 0)
			return at + length;
	}
	return end;
}

/* Past a name, or a string that begins like one: E'...'. */
static const char *
skip_name(const char *at, const char *end)
{
	const char *begin = at;

	while (at < end && (is_name_character(*at) || *at == '$'))
		at++;
	if (at < end && *at == '\'' && at - begin == 1 && (*begin == 'e' || *begin == 'E'))
		return skip_escape_string(at, end);
	return at;
}

/* Past a block comment; comments are nested.  NULL if it is open. */
static const char *
skip_comment(const char *at, const char *end)
{
	int			depth = 0;

	while (end - at >= 2)
	{
		if (at[0] == '/' && at[1] == '*')
			depth++;
		else if (at[0] == '*' && at[1] == '/')
			depth--;
		else
		{
			at++;
			continue;
		}
		at += 2;
		if (depth == 0)
			return at;
	}
	return NULL;
}

static bool
is_block_comment(const char *at, const char *end)
{
	return end - at >= 2 && at[0] == '/' && at[1] == '*';
}

static bool
is_line_comment(const char *at, const char *end)
{
	return end - at >= 2 && at[0] == '-' && at[1] == '-';
}

static const char *
skip_line(const char *at, const char *end)
{
	while (at < end && *at != '\n' && *at != '\r')
		at++;
	return at;
}

/*
 * Past what begins here: a string, a name, a comment, or one character.  Whatever
 * looks like a comment in a string or in a quoted name is none.
 */
static const char *
skip_token(const char *at, const char *end)
{
	if (*at == '\'')
		return skip_quoted(at, end, !standard_conforming_strings);
	if (*at == '"')
		return skip_quoted(at, end, false);
	if (*at == '$')
		return skip_dollar_quoted(at, end);
	if (is_name_character(*at))
		return skip_name(at, end);
	if (is_line_comment(at, end))
		return skip_line(at, end);
	if (is_block_comment(at, end))
	{
		at = skip_comment(at, end);
		return at != NULL ? at : end;
	}
	return at + 1;
}

/* The first block comment, without its marks; NULL if there is none. */
static const char *
first_comment(const char *at, const char *end, Size *length)
{
	while (at < end && !is_block_comment(at, end))
		at = skip_token(at, end);
	if (at < end)
	{
		const char *begin = at + 2;

		at = skip_comment(at, end);
		if (at == NULL)
			return NULL;
		*length = at - 2 - begin;
		return begin;
	}
	return NULL;
}

Size
arc_hint_comments_before(const char *text, Size begin)
{
	const char *end = text + begin;
	const char *at = end;
	const char *comments = text;

	/* Mostly there is no more than the statement before, or nothing. */
	while (at > text && scanner_isspace(at[-1]) && at[-1] != '\n' && at[-1] != '\r')
		at--;
	if (at == text || at[-1] == ';' || begin > TEXT_BEFORE_MAX)
		return begin;
	for (at = text; at < end;)
	{
		bool		counts = !scanner_isspace(*at) && !is_line_comment(at, end) &&
			!is_block_comment(at, end);

		at = skip_token(at, end);
		if (counts)
			comments = at;
	}
	return Min(comments, end) - text;
}

/* "(ttl=300)", with blanks anywhere; 0 if it is anything else. */
static int
read_ttl(const char *at, const char *end)
{
	char		text[64];
	int			n = 0;
	int			ttl;
	char		closing;

	for (; at < end && n < lengthof(text) - 1; at++)
	{
		if (!isspace((unsigned char) *at))
			text[n++] = pg_tolower((unsigned char) *at);
		if (*at == ')')
			break;
	}
	text[n] = '\0';
	if (sscanf(text, "(ttl=%9d%c", &ttl, &closing) == 2 && closing == ')' && ttl > 0)
		return ttl;
	return 0;
}

/* The arguments of another's word, with what is in them. */
static const char *
skip_arguments(const char *at, const char *end)
{
	int			depth = 0;

	for (; at < end; at++)
	{
		if (*at == '(')
			depth++;
		else if (*at == ')' && --depth <= 0)
			return at + 1;
	}
	return end;
}

static void
read_words(const char *at, const char *end, ArcHint *hint)
{
	while (at < end)
	{
		const char *word = at;
		Size		length;

		while (at < end && is_name_character(*at))
			at++;
		length = at - word;
		if (length == 7 && pg_strncasecmp(word, "arcache", 7) == 0)
		{
			hint->wanted = true;
			while (at < end && isspace((unsigned char) *at))
				at++;
			hint->ttl = read_ttl(at, end);
			if (at < end && *at == '(')
				at = skip_arguments(at, end);
		}
		else if (length == 10 && pg_strncasecmp(word, "no_arcache", 10) == 0)
			hint->refused = true;
		else if (length == 0)
			at = *at == '(' ? skip_arguments(at, end) : at + 1;
	}
}

void
arc_hint_read(const char *text, Size length, ArcHint *hint)
{
	Size		size;
	const char *comment = first_comment(text, text + length, &size);

	*hint = (ArcHint)
	{
		0
	};
	if (comment != NULL && size > 0 && *comment == '+')
		read_words(comment + 1, comment + size, hint);
}
