/*-------------------------------------------------------------------------
 *
 * source.c
 *	  A query given as text with text parameters, analysed and planned.
 *
 * A parameter is typed as an unknown literal in its place would be: analysis
 * with variable parameter types finds the type, and its input function reads
 * the text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "query/clock.h"
#include "query/source.h"
#include "query/transparent.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

ArcSource *
arc_source_make(const char *query, ArrayType *params)
{
	ArcSource  *source = palloc0(sizeof(ArcSource));

	source->text = query;
	if (params != NULL)
	{
		Datum	   *values;
		bool	   *nulls;

		if (ARR_NDIM(params) > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("params must be a one-dimensional array")));
		deconstruct_array(params, TEXTOID, -1, false, TYPALIGN_INT,
						  &values, &nulls, &source->nparams);
		source->param_texts = palloc0((source->nparams + 1) * sizeof(char *));
		for (int i = 0; i < source->nparams; i++)
		{
			if (!nulls[i])
				source->param_texts[i] = TextDatumGetCString(values[i]);
		}
	}
	return source;
}

void
arc_source_append_param(StringInfo image, const char *text)
{
	appendStringInfoChar(image, text ? '=' : '?');
	if (text)
		appendBinaryStringInfo(image, text, strlen(text) + 1);
}

char *
arc_source_params_image(const ArcSource *source, uint32 *size)
{
	StringInfoData image;

	initStringInfo(&image);
	for (int i = 0; i < source->nparams; i++)
		arc_source_append_param(&image, source->param_texts[i]);
	*size = image.len;
	return image.data;
}

ArcSource *
arc_source_remake(const char *text, const char *params, uint32 size)
{
	ArcSource  *source = palloc0(sizeof(ArcSource));
	const char *end = params + size;

	source->text = text;
	source->param_texts = palloc0((size + 1) * sizeof(char *));
	for (const char *at = params; at < end;)
	{
		bool		isnull = *at++ == '?';

		if (!isnull)
		{
			source->param_texts[source->nparams] = pstrdup(at);
			at += strlen(at) + 1;
		}
		source->nparams++;
	}
	return source;
}

/* -- errors ------------------------------------------------------------------ */

static void
error_callback(void *arg)
{
	const char *text = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(text);
	}
	errcontext("cached query \"%s\"", text);
}

static void
push_error_context(ErrorContextCallback *callback, const ArcSource *source)
{
	callback->callback = error_callback;
	callback->arg = unconstify(char *, source->text);
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/* -- parameters ---------------------------------------------------------------- */

static void
check_param_count(const ArcSource *source, int placeholders)
{
	if (placeholders == source->nparams)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("wrong number of parameters for cached query"),
			 placeholders == 0 ?
			 errdetail("The query has no placeholder.") :
			 errdetail("The query has placeholders up to $%d, and params has %d.",
					   placeholders, source->nparams)));
}

static void
read_params(ArcSource *source, const Oid *types)
{
	int			level = 0;

	if (source->nparams == 0)
		return;
	if (source->array_nulls && !Array_nulls)
	{
		level = NewGUCNestLevel();
		(void) set_config_option("array_nulls", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	}
	source->params = makeParamList(source->nparams);
	for (int i = 0; i < source->nparams; i++)
	{
		ParamExternData *param = &source->params->params[i];
		const char *text = source->param_texts[i];
		Oid			type = OidIsValid(types[i]) ? types[i] : TEXTOID;
		Oid			input;
		Oid			ioparam;

		if (type == UNKNOWNOID)
			type = TEXTOID;
		param->ptype = type;
		param->pflags = PARAM_FLAG_CONST;
		param->isnull = text == NULL;
		getTypeInputInfo(type, &input, &ioparam);
		param->value = OidInputFunctionCall(input, unconstify(char *, text), ioparam, -1);
		if (text != NULL &&
			(getBaseType(type) == TIMETZOID ||
			 (arc_type_holds_moment(type) && arc_text_names_moment(text, strlen(text)))))
			source->reads_clock = true;
	}
	if (level > 0)
		AtEOXact_GUC(true, level);
}

/* -- analysis ------------------------------------------------------------------ */

/* What is wrong with the statement before it is analysed? */
static const char *
statement_refusal(List *statements)
{
	Node	   *statement;

	if (statements == NIL)
		return "The query is empty.";
	if (list_length(statements) > 1)
		return "The query is more than one statement.";
	statement = linitial_node(RawStmt, statements)->stmt;
	if (!IsA(statement, SelectStmt))
		return "Only SELECT, VALUES and WITH ... SELECT can be cached.";
	if (((SelectStmt *) statement)->intoClause != NULL)
		return "The query is SELECT INTO.";
	return NULL;
}

/* And after? */
static const char *
query_refusal(List *queries)
{
	Query	   *query;
	bool		columns = false;
	ListCell   *lc;

	if (list_length(queries) != 1)
		return "Rules turn the query into several statements, or none.";
	query = linitial_node(Query, queries);
	if (query->commandType != CMD_SELECT || query->utilityStmt != NULL)
		return "Only SELECT, VALUES and WITH ... SELECT can be cached.";
	if (query->hasModifyingCTE)
		return "The query modifies data in WITH.";
	if (query->rowMarks != NIL)
		return "The query locks rows (FOR UPDATE or FOR SHARE).";
	foreach(lc, query->targetList)
		columns |= !lfirst_node(TargetEntry, lc)->resjunk;
	if (!columns)
		return "The query returns no columns.";
	return NULL;
}

static bool
row_security_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return ((Query *) node)->hasRowSecurity ||
			query_tree_walker((Query *) node, row_security_walker, context, 0);
	return expression_tree_walker(node, row_security_walker, context);
}

void
arc_source_analyse(ArcSource *source)
{
	ErrorContextCallback callback;
	List	   *statements;
	List	   *moments;
	Oid		   *types = NULL;
	int			ntypes = 0;

	push_error_context(&callback, source);
	statements = pg_parse_query(source->text);
	source->refusal = statement_refusal(statements);
	if (source->refusal == NULL)
	{
		List	   *queries;

		/* Analysis scribbles on the statement. */
		moments = arc_literals_of_moments(linitial_node(RawStmt, statements));
		queries =
			pg_analyze_and_rewrite_varparams(linitial_node(RawStmt, statements),
											 source->text, &types, &ntypes, NULL);

		source->refusal = query_refusal(queries);
		if (source->refusal == NULL)
		{
			source->query = linitial_node(Query, queries);
			source->row_security = row_security_walker((Node *) source->query, NULL);
			if (!source->leave_params)
				check_param_count(source, ntypes);
			source->reads_clock = arc_query_reads_clock(source->query, moments);
			read_params(source, types);
		}
	}
	error_context_stack = callback.previous;
}

void
arc_source_plan(ArcSource *source)
{
	ErrorContextCallback callback;

	push_error_context(&callback, source);
	arc_transparent_suspended++;
	PG_TRY();
	{
		source->plan = pg_plan_query(source->query, source->text,
									 CURSOR_OPT_PARALLEL_OK, source->params);
	}
	PG_FINALLY();
	{
		arc_transparent_suspended--;
	}
	PG_END_TRY();
	error_context_stack = callback.previous;
}

/* -- privileges ------------------------------------------------------------------ */

static bool
privileges_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		arc_compat_check_permissions((Query *) node);
		return query_tree_walker((Query *) node, privileges_walker, context, 0);
	}
	return expression_tree_walker(node, privileges_walker, context);
}

void
arc_source_check_privileges(const ArcSource *source)
{
	(void) privileges_walker((Node *) source->query, NULL);
}
