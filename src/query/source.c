/*-------------------------------------------------------------------------
 *
 * source.c
 *	  A query given as text with text parameters, analysed and planned.
 *
 * A parameter is typed as an unknown literal in its place would be: analysis
 * with variable parameter types finds the type, and its input function reads
 * the text.
 *
 * Literals of date and time types are read during analysis, and 'now', 'today',
 * 'tomorrow' and 'yesterday' look at the clock then.  The resulting constant
 * does not tell; so the text where it came from is looked at.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "query/source.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
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

char *
arc_source_params_image(const ArcSource *source, uint32 *size)
{
	StringInfoData image;

	initStringInfo(&image);
	for (int i = 0; i < source->nparams; i++)
	{
		const char *text = source->param_texts[i];

		appendStringInfoChar(&image, text ? '=' : '?');
		if (text)
			appendBinaryStringInfo(&image, text, strlen(text) + 1);
	}
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

/* -- the clock ---------------------------------------------------------------- */

static bool
is_date_or_time(Oid type)
{
	switch (getBaseType(type))
	{
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case TSRANGEOID:
		case TSTZRANGEOID:
		case DATERANGEOID:
		case DATEARRAYOID:
		case TIMEARRAYOID:
		case TIMETZARRAYOID:
		case TIMESTAMPARRAYOID:
		case TIMESTAMPTZARRAYOID:
		case TSMULTIRANGEOID:
		case TSTZMULTIRANGEOID:
		case DATEMULTIRANGEOID:
			return true;
		default:
			return false;
	}
}

static bool
names_moment(const char *text, Size length)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	for (Size i = 0; i < length; i++)
	{
		for (int w = 0; w < lengthof(words); w++)
		{
			Size		n = strlen(words[w]);

			if (length - i >= n && pg_strncasecmp(text + i, words[w], n) == 0)
				return true;
		}
	}
	return false;
}

/* Look at the quoted text that starts at or behind a constant's location. */
static bool
literal_names_moment(const char *text, int location)
{
	const char *open = strchr(text + location, '\'');
	const char *close = open ? strchr(open + 1, '\'') : NULL;

	/* A dollar-quoted literal: look at all that follows. */
	if (text[location] == '$' || close == NULL)
		return names_moment(text + location, strlen(text + location));
	return names_moment(open + 1, close - open - 1);
}

static bool
reads_clock_walker(Node *node, void *context)
{
	const ArcSource *source = context;

	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		Const	   *constant = (Const *) node;

		if (constant->constisnull || !is_date_or_time(constant->consttype))
			return false;

		/* A location of a view's text is no place in ours, but harmless. */
		return constant->location >= 0 &&
			constant->location < (int) strlen(source->text) &&
			literal_names_moment(source->text, constant->location);
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, reads_clock_walker, context, 0);
	return expression_tree_walker(node, reads_clock_walker, context);
}

/* -- parameters ---------------------------------------------------------------- */

static void
check_param_count(const ArcSource *source, int placeholders)
{
	if (placeholders != source->nparams)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wrong number of parameters for cached query"),
				 errdetail("The query has %d placeholders, but params has %d elements.",
						   placeholders, source->nparams)));
}

static void
read_params(ArcSource *source, const Oid *types)
{
	if (source->nparams == 0)
		return;
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
		if (text != NULL && is_date_or_time(type) && names_moment(text, strlen(text)))
			source->reads_clock = true;
	}
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

void
arc_source_analyse(ArcSource *source)
{
	ErrorContextCallback callback;
	List	   *statements;
	Oid		   *types = NULL;
	int			ntypes = 0;

	push_error_context(&callback, source);
	statements = pg_parse_query(source->text);
	source->refusal = statement_refusal(statements);
	if (source->refusal == NULL)
	{
		List	   *queries =
			pg_analyze_and_rewrite_varparams(linitial_node(RawStmt, statements),
											 source->text, &types, &ntypes, NULL);

		source->refusal = query_refusal(queries);
		if (source->refusal == NULL)
		{
			source->query = linitial_node(Query, queries);
			if (source->guess_params)
			{
				source->nparams = ntypes;
				source->param_texts = palloc0((ntypes + 1) * sizeof(char *));
			}
			check_param_count(source, ntypes);
			source->reads_clock = reads_clock_walker((Node *) source->query, source);
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
	source->plan = pg_plan_query(source->query, source->text,
								 CURSOR_OPT_PARALLEL_OK, source->params);
	error_context_stack = callback.previous;
}

/* -- looking at the analysed query ------------------------------------------------ */

static bool
temporary_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		/* A view's entry may have become a subquery that keeps its relid. */
		if (OidIsValid(rte->relid) &&
			get_rel_persistence(rte->relid) == RELPERSISTENCE_TEMP)
			return true;
		return false;			/* query_tree_walker goes into it */
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, temporary_walker, context,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, temporary_walker, context);
}

/* Is the session's temporary schema named outright, in whatever spelling? */
static bool
names_temporary_schema(const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (pg_strncasecmp(text, "pg_temp", 7) == 0)
			return true;
	}
	return false;
}

bool
arc_source_names_temporary(const ArcSource *source)
{
	return names_temporary_schema(source->text) ||
		temporary_walker((Node *) source->query, NULL);
}

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
