/*-------------------------------------------------------------------------
 *
 * environment.c
 *	  The session settings that the meaning of a query depends on.
 *
 * The variables are read directly, for this is part of every hit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/gin.h"
#include "cache/environment.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "pgtime.h"
#include "tsearch/ts_cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/pg_locale.h"
#include "utils/rls.h"
#include "utils/xml.h"

static void
append_text(StringInfo to, const char *value)
{
	if (value != NULL)
		appendBinaryStringInfo(to, value, strlen(value));
	appendStringInfoCharMacro(to, '\0');
}

void
arc_environment_append(StringInfo to)
{
	int			numbers[] = {
		DateStyle,
		DateOrder,
		IntervalStyle,
		extra_float_digits,
		bytea_output,
		xmlbinary,
		xmloption,
		row_security,
		Array_nulls,
		quote_all_identifiers,
		GinFuzzySearchLimit,
		Transform_null_equals,
		standard_conforming_strings,
		backslash_quote,
	};

	appendBinaryStringInfo(to, (char *) numbers, sizeof(numbers));
	append_text(to, namespace_search_path);
	append_text(to, pg_get_timezone_name(session_timezone));
	append_text(to, locale_monetary);
	append_text(to, locale_numeric);
	append_text(to, locale_time);
	append_text(to, TSCurrentConfig);

	/* Of these the server exports no variable. */
	append_text(to, GetConfigOption("timezone_abbreviations", true, false));
	append_text(to, GetConfigOption("restrict_nonsystem_relation_kind", true, false));
}

bool
arc_environment_equals(const char *environment, uint32 length)
{
	StringInfoData own;
	bool		equal;

	initStringInfo(&own);
	arc_environment_append(&own);
	equal = own.len == length && memcmp(own.data, environment, length) == 0;
	pfree(own.data);
	return equal;
}

/* A missing setting differs from an empty one. */
void
arc_environment_capture(StringInfo to, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		const char *value = GetConfigOption(name, true, false);

		append_text(to, name);
		appendStringInfoChar(to, value ? '=' : '?');
		append_text(to, value);
	}
}

bool
arc_environment_matches(const char *captured, uint32 length)
{
	const char *at = captured;
	const char *end = captured + length;

	while (at < end)
	{
		const char *name = at;
		const char *was = name + strlen(name) + 1;
		const char *now = GetConfigOption(name, true, false);

		if ((now != NULL) != (*was == '='))
			return false;
		if (now != NULL && strcmp(now, was + 1) != 0)
			return false;
		at = was + 1 + strlen(was + 1) + 1;
	}
	return true;
}
