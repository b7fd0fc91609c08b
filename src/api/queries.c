/*-------------------------------------------------------------------------
 *
 * queries.c
 *	  SQL functions that read a query's result through the cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/arguments.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "query/readthrough.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(arcache_get_or_set);
PG_FUNCTION_INFO_V1(arcache_query);
PG_FUNCTION_INFO_V1(arcache_query_as);
PG_FUNCTION_INFO_V1(arcache_query_key);
PG_FUNCTION_INFO_V1(arcache_why);

/* The arguments from query on, which the functions have in common. */
static void
read_request(FunctionCallInfo fcinfo, int first, ArcRequest *request)
{
	arc_argument_not_null(fcinfo, first, "query");
	request->query = text_to_cstring(PG_GETARG_TEXT_PP(first));
	request->ttl = arc_argument_ttl(fcinfo, first + 1);
	request->params = PG_ARGISNULL(first + 2) ? NULL : PG_GETARG_ARRAYTYPE_P(first + 2);
	request->tags = arc_argument_array(fcinfo, first + 3, "tags");
	request->depends_on = arc_argument_array(fcinfo, first + 4, "depends_on");
	request->force = !PG_ARGISNULL(first + 5) && PG_GETARG_BOOL(first + 5);
}

Datum
arcache_get_or_set(PG_FUNCTION_ARGS)
{
	ArcRequest	request = {0};

	if (!PG_ARGISNULL(0))
	{
		ArcKey		key = arc_argument_text_key(PG_GETARG_TEXT_PP(0));

		request.key = key.name;
		request.key_length = key.length;
	}
	read_request(fcinfo, 1, &request);
	PG_RETURN_JSONB_P(arc_read_jsonb(&request));
}

static void
read_rows(FunctionCallInfo fcinfo, int first)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ArcRequest	request = {0};

	read_request(fcinfo, first, &request);
	arc_read_rows(&request, rsinfo->setDesc, rsinfo->setResult);
}

Datum
arcache_query(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	read_rows(fcinfo, 0);
	return (Datum) 0;
}

Datum
arcache_query_as(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);

	if (get_typtype(type) != TYPTYPE_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("base must be of a named composite type"),
				 errhint("Write NULL::some_table, or use arcache_query() with a column definition list.")));
	InitMaterializedSRF(fcinfo, 0);
	read_rows(fcinfo, 1);
	return (Datum) 0;
}

Datum
arcache_query_key(PG_FUNCTION_ARGS)
{
	arc_argument_not_null(fcinfo, 0, "query");
	PG_RETURN_TEXT_P(cstring_to_text(arc_query_key(text_to_cstring(PG_GETARG_TEXT_PP(0)),
												   PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1))));
}

static void
append_dependencies(StringInfo answer, const ArcDependencies *dependencies)
{
	const char *separator = "; depends on ";

	for (int i = 0; i < dependencies->n; i++)
	{
		char	   *words = arc_dependency_words(dependencies->array[i].relid,
												 dependencies->array[i].kind,
												 dependencies->words[i]);

		if (words == NULL)
			continue;
		appendStringInfo(answer, "%s%s", separator, words);
		separator = ", ";
	}
}

Datum
arcache_why(PG_FUNCTION_ARGS)
{
	static const char *const words[] = {"exact", "ttl", "never", "refused"};
	ArcExplanation explanation;
	StringInfoData answer;

	arc_argument_not_null(fcinfo, 0, "query");
	arc_explain_query(text_to_cstring(PG_GETARG_TEXT_PP(0)),
					  PG_ARGISNULL(1) ? NULL : PG_GETARG_ARRAYTYPE_P(1),
					  &explanation);

	initStringInfo(&answer);
	appendStringInfoString(&answer, words[explanation.assessment.cacheability]);
	if (explanation.assessment.reason != NULL)
		appendStringInfo(&answer, ": %s", explanation.assessment.reason);
	else
		append_dependencies(&answer, &explanation.dependencies);
	PG_RETURN_TEXT_P(cstring_to_text(answer.data));
}
