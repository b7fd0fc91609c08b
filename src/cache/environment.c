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
#include "access/heapam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/compat.h"
#include "cache/environment.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "parser/parse_expr.h"
#include "parser/parser.h"
#include "pgtime.h"
#include "tsearch/ts_cache.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/xml.h"

static void
append_text(StringInfo to, const char *value)
{
	if (value != NULL)
		appendBinaryStringInfo(to, value, strlen(value));
	appendStringInfoCharMacro(to, '\0');
}

/* The session's own schema, if search_path names it: else 0. */
static int
temporary_schema_named(void)
{
	Oid			schema;
	Oid			toast;

	if (namespace_search_path == NULL || strstr(namespace_search_path, "pg_temp") == NULL)
		return 0;
	GetTempNamespaceState(&schema, &toast);
	return (int) schema;
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
		InNoForceRLSOperation(),
		temporary_schema_named(),
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

/*
 * The value that current_setting(name, true) tells apart from others: NULL if
 * there is no such setting.  One without a value, such as a custom setting that
 * was set in a transaction that has ended, is an empty string to it.
 */
static const char *
value_of_setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	if (value != NULL)
		return value;
	if (GetConfigOptionFlags(name, true) & GUC_SUPERUSER_ONLY)
		return "";
	return GetConfigOptionByName(name, NULL, true);
}

/* A missing setting differs from an empty one. */
void
arc_environment_capture(StringInfo to, List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		const char *value = value_of_setting(name);

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
		const char *now = value_of_setting(name);

		if ((now != NULL) != (*was == '='))
			return false;
		if (now != NULL && strcmp(now, was + 1) != 0)
			return false;
		at = was + 1 + strlen(was + 1) + 1;
	}
	return true;
}

/* -- temporary objects ------------------------------------------------------- */

static bool temporary_known = false;
static bool temporary_exist = false;

static void
forget_temporary(Datum arg, int cache, uint32 hash)
{
	temporary_known = false;
}

static bool
catalog_has_schema(Oid catalog, AttrNumber column, Oid schema)
{
	Relation	rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	TableScanDesc scan;
	bool		found;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(schema));
	scan = table_beginscan_catalog(rel, 1, &key);
	found = heap_getnext(scan, ForwardScanDirection) != NULL;
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* Looked up again when a relation, type or function has changed. */
bool
arc_environment_has_temporary(void)
{
	static bool registered = false;
	Oid			schema;
	Oid			toast;

	GetTempNamespaceState(&schema, &toast);
	if (!OidIsValid(schema))
		return false;
	if (!registered)
	{
		CacheRegisterSyscacheCallback(RELOID, forget_temporary, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, forget_temporary, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, forget_temporary, (Datum) 0);
		registered = true;
	}
	if (!temporary_known)
	{
		temporary_known = true; /* before the look: it may be forgotten meanwhile */
		temporary_exist =
			catalog_has_schema(RelationRelationId, Anum_pg_class_relnamespace, schema) ||
			catalog_has_schema(TypeRelationId, Anum_pg_type_typnamespace, schema) ||
			catalog_has_schema(ProcedureRelationId, Anum_pg_proc_pronamespace, schema);
	}
	return temporary_exist;
}
