/*-------------------------------------------------------------------------
 *
 * glob.c
 *	  Patterns over keys.
 *
 * A star that fails to match is retried one character further on, and only
 * the latest star ever needs to be: no recursion, no exponential cases.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/glob.h"
#include "mb/pg_wchar.h"

/*
 * The end of the class that starts at pattern[at] == '[', behind its ']', or
 * -1 if it is open.
 */
static int
class_end(const char *pattern, int length, int at)
{
	int			i = at + 1;

	if (i < length && pattern[i] == '^')
		i++;
	while (i < length && pattern[i] != ']')
		i += (pattern[i] == '\\' && i + 1 < length) ? 2 : 1;
	return i < length ? i + 1 : -1;
}

void
arc_glob_check(const char *pattern, int length)
{
	for (int i = 0; i < length; i++)
	{
		if (pattern[i] == '\\')
		{
			if (++i == length)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_ESCAPE_SEQUENCE),
						 errmsg("pattern must not end with escape character")));
		}
		else if (pattern[i] == '[')
		{
			int			end = class_end(pattern, length, i);

			if (end < 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("pattern has a character class without an end"),
						 errhint("Write \\[ for a bracket that stands for itself.")));
			i = end - 1;
		}
	}
}

/* The code of the character at s, whose length in bytes is *length. */
static uint32
character(const char *s, int left, int *length)
{
	uint32		code = 0;

	*length = Min(pg_mblen(s), left);
	for (int i = 0; i < *length; i++)
		code = code << 8 | (unsigned char) s[i];
	return code;
}

static bool
class_matches(const char *pattern, int from, int end, uint32 c)
{
	int			i = from + 1;
	bool		negated = pattern[i] == '^';
	bool		found = false;

	if (negated)
		i++;
	while (i < end - 1)
	{
		uint32		low,
					high;
		int			n;

		if (pattern[i] == '\\' && i + 1 < end - 1)
			i++;
		low = high = character(pattern + i, end - i, &n);
		i += n;
		if (pattern[i] == '-' && i + 1 < end - 1)
		{
			i++;
			if (pattern[i] == '\\' && i + 1 < end - 1)
				i++;
			high = character(pattern + i, end - i, &n);
			i += n;
		}
		found |= (low <= c && c <= high) || (high <= c && c <= low);
	}
	return found != negated;
}

bool
arc_glob_match(const char *pattern, int pattern_length,
			   const char *key, int key_length)
{
	int			p = 0;
	int			k = 0;
	int			star = -1;		/* behind the latest star */
	int			retry = 0;		/* where the key goes on when it is retried */

	while (k < key_length)
	{
		int			width;
		uint32		c = character(key + k, key_length - k, &width);

		if (p < pattern_length && pattern[p] == '*')
		{
			star = ++p;
			retry = k;
			continue;
		}
		if (p < pattern_length)
		{
			int			next = p;
			bool		same;

			if (pattern[p] == '?')
			{
				same = true;
				next = p + 1;
			}
			else if (pattern[p] == '[')
			{
				next = class_end(pattern, pattern_length, p);
				same = class_matches(pattern, p, next, c);
			}
			else
			{
				int			n;

				if (pattern[p] == '\\')
					next++;
				same = character(pattern + next, pattern_length - next, &n) == c;
				next += n;
			}
			if (same)
			{
				p = next;
				k += width;
				continue;
			}
		}
		if (star < 0)
			return false;
		p = star;
		(void) character(key + retry, key_length - retry, &width);
		retry += width;
		k = retry;
	}
	while (p < pattern_length && pattern[p] == '*')
		p++;
	return p == pattern_length;
}
