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
#include "query/hint.h"

static bool
is_name_character(char c)
{
	return IS_HIGHBIT_SET(c) || isalnum((unsigned char) c) || c == '_' || c == '$';
}

/* A string, a quoted name: whatever looks like a comment in it is none. */
static const char *
skip_quoted(const char *at, const char *end, bool escapes)
{
	char		quote = *at++;

	while (at < end && *at != quote)
		at += escapes && *at == '\\' && end - at >= 2 ? 2 : 1;
	return at < end ? at + 1 : end;
}

/* $tag$ ... $tag$; a dollar that begins no string is skipped by itself. */
static const char *
skip_dollars(const char *at, const char *end)
{
	const char *tag_end = at + 1;
	Size		length;

	while (tag_end < end && *tag_end != '$' && is_name_character(*tag_end))
		tag_end++;
	if (tag_end >= end || *tag_end != '$' || isdigit((unsigned char) at[1]))
		return at + 1;
	length = tag_end + 1 - at;
	for (const char *close = tag_end + 1; end - close >= length; close++)
	{
		if (memcmp(close, at, length) == 0)
			return close + length;
	}
	return end;
}

/* Is this quote the first character of a string that backslashes escape in? */
static bool
has_escapes(const char *begin, const char *at)
{
	if (*at != '\'')
		return false;
	if (!standard_conforming_strings)
		return true;
	return at > begin && (at[-1] == 'e' || at[-1] == 'E') &&
		(at - begin < 2 || !is_name_character(at[-2]));
}

/* The first block comment, without its marks; NULL if there is none. */
static const char *
first_comment(const char *at, const char *end, Size *length)
{
	const char *text = at;

	while (at < end)
	{
		if (*at == '\'' || *at == '"')
			at = skip_quoted(at, end, has_escapes(text, at));
		else if (*at == '$' && (at == text || !is_name_character(at[-1])))
			at = skip_dollars(at, end);
		else if (end - at >= 2 && at[0] == '-' && at[1] == '-')
		{
			while (at < end && *at != '\n')
				at++;
		}
		else if (end - at >= 2 && at[0] == '/' && at[1] == '*')
		{
			const char *begin = at + 2;

			for (at = begin; end - at >= 2; at++)
			{
				if (at[0] == '*' && at[1] == '/')
				{
					*length = at - begin;
					return begin;
				}
			}
			return NULL;
		}
		else
			at++;
	}
	return NULL;
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
		}
		else if (length == 10 && pg_strncasecmp(word, "no_arcache", 10) == 0)
			hint->refused = true;
		else if (length == 0)
			at++;
	}
}

void
arc_hint_read(const char *text, int location, int length, ArcHint *hint)
{
	const char *comment;
	const char *end;
	Size		size;

	*hint = (ArcHint)
	{
		0
	};
	if (text == NULL)
		return;
	text += Max(location, 0);
	end = text + (length > 0 ? length : strlen(text));
	comment = first_comment(text, end, &size);
	if (comment != NULL && size > 0 && *comment == '+')
		read_words(comment + 1, comment + size, hint);
}
