/*-------------------------------------------------------------------------
 *
 * arguments.c
 *	  What the SQL functions have in common: reading and checking arguments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/arguments.h"
#include "base/settings.h"
#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#define TTL_MAX_DAYS	36000
#define TTL_MAX			(INT64CONST(1000) * TTL_MAX_DAYS * SECS_PER_DAY)

void
arc_argument_need_preload(void)
{
	if (!arc_preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("arcache is not loaded"),
				 errhint("Add shared_preload_libraries = 'arcache' to postgresql.conf and restart the server.")));
}

void
arc_argument_not_null(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

int64
arc_argument_ttl(FunctionCallInfo fcinfo, int n)
{
	Interval   *interval;
	double		milliseconds;

	if (PG_ARGISNULL(n))
		return 0;
	interval = PG_GETARG_INTERVAL_P(n);
	milliseconds = interval->time / 1000.0 +
		(interval->day + interval->month * (double) DAYS_PER_MONTH) *
		SECS_PER_DAY * 1000.0;
	if (milliseconds <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must be greater than zero")));
	if (milliseconds > TTL_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl must not exceed %d days", TTL_MAX_DAYS),
				 errhint("Leave it out for an entry that does not expire.")));
	return Max((int64) milliseconds, 1);
}

ArcKey
arc_argument_key(const char *name, int length)
{
	if (length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key must not be empty")));
	if (length > ARC_KEY_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("key is too long"),
				 errdetail("The key has %d bytes, the limit is %d.",
						   length, ARC_KEY_MAX)));
	return arc_cache_key(ARC_SPACE_VALUE, name, length);
}

ArcKey
arc_argument_text_key(text *name)
{
	return arc_argument_key(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

ArrayType *
arc_argument_array(FunctionCallInfo fcinfo, int n, const char *name)
{
	ArrayType  *array;

	if (PG_ARGISNULL(n))
		return NULL;
	array = PG_GETARG_ARRAYTYPE_P(n);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a one-dimensional array", name)));
	if (array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not contain nulls", name)));
	return array;
}

text	  **
arc_argument_texts(ArrayType *array, int *n)
{
	Datum	   *values;
	bool	   *nulls;
	text	  **texts;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, n);
	texts = palloc((*n + 1) * sizeof(text *));
	for (int i = 0; i < *n; i++)
		texts[i] = DatumGetTextPP(values[i]);
	return texts;
}
