/*-------------------------------------------------------------------------
 *
 * cacheability.c
 *	  Can a planned query be cached, how well, and if not, why?
 *
 * IMMUTABLE is taken at its word, as the planner takes it: the result depends
 * on the arguments alone.  A STABLE function reads something else; for the
 * server's own we know what (builtins.h), for others we do not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "base/compat.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "parser/parse_coerce.h"
#include "query/builtins.h"
#include "query/cacheability.h"
#include "query/clock.h"
#include "query/plan_walker.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct AssessContext
{
	ArcAssessment *assessment;
	bool		row_security;
} AssessContext;

void
arc_assess_restrict(ArcAssessment *assessment, ArcCacheability cacheability,
					const char *reason)
{
	if (cacheability > assessment->cacheability)
	{
		assessment->cacheability = cacheability;
		assessment->reason = reason;
	}
}

static void
restrict_to(AssessContext *context, ArcCacheability cacheability, const char *reason)
{
	arc_assess_restrict(context->assessment, cacheability, reason);
}

static void
capture_setting(AssessContext *context, const char *name)
{
	ArcAssessment *assessment = context->assessment;
	ListCell   *lc;

	foreach(lc, assessment->settings)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return;
	}
	assessment->settings = lappend(assessment->settings, pstrdup(name));
}

static void assess_function(AssessContext *context, Oid function);
static bool assess_expression(Node *node, void *arg);

/* The server calls all aggregates immutable; what they call need not be. */
static void
assess_aggregate(AssessContext *context, Oid aggregate)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate));
	Form_pg_aggregate form;
	Oid			parts[6];

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	parts[0] = form->aggtransfn;
	parts[1] = form->aggfinalfn;
	parts[2] = form->aggcombinefn;
	parts[3] = form->aggmtransfn;
	parts[4] = form->aggminvtransfn;
	parts[5] = form->aggmfinalfn;
	ReleaseSysCache(tuple);
	for (int i = 0; i < lengthof(parts); i++)
	{
		if (OidIsValid(parts[i]))
			assess_function(context, parts[i]);
	}
}

static void
assess_builtin(AssessContext *context, const char *name, const char *prosrc)
{
	switch (arc_builtin_classify(prosrc))
	{
		case ARC_BUILTIN_SETTINGS:
			break;
		case ARC_BUILTIN_CLOCK:
			restrict_to(context, ARC_CACHE_BY_TTL,
						psprintf("Function %s() depends on the time.", name));
			break;
		case ARC_BUILTIN_SESSION_USER:
			capture_setting(context, "session_authorization");
			break;
		case ARC_BUILTIN_CONVERTS:	/* see assess_call() */
			break;
		case ARC_BUILTIN_NAMED_SETTING: /* not called plainly: see there */
			restrict_to(context, ARC_CACHE_NEVER,
						psprintf("Function %s() is not called with a constant.", name));
			break;
		case ARC_BUILTIN_UNKNOWN:
			restrict_to(context, ARC_CACHE_NEVER,
						psprintf("Function %s() depends on something that cannot be captured.",
								 name));
			break;
	}
}

static void
assess_function(AssessContext *context, Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	name = NameStr(form->proname);

	if (form->prokind == PROKIND_AGGREGATE)
		assess_aggregate(context, function);
	else if (form->provolatile == PROVOLATILE_VOLATILE)
		restrict_to(context, ARC_CACHE_REFUSED,
					psprintf("Function %s() is volatile.", name));
	else if (form->provolatile == PROVOLATILE_STABLE)
	{
		context->assessment->resolves_names = true;
		if (form->prolang == INTERNALlanguageId && function < FirstGenbkiObjectId)
		{
			Datum		prosrc = arc_compat_syscache_attr(PROCOID, tuple, Anum_pg_proc_prosrc);

			assess_builtin(context, name, TextDatumGetCString(prosrc));
		}
		else if (context->row_security)
			restrict_to(context, ARC_CACHE_NEVER,
						psprintf("Row-level security applies, and what function %s() reads is unknown.",
								 name));
		else
			context->assessment->opaque =
				psprintf("What function %s() reads is unknown.", name);
	}
	ReleaseSysCache(tuple);
}

static bool
assess_function_checker(Oid function, void *context)
{
	assess_function(context, function);
	return false;
}

/* Converting to a domain checks its constraints, which no plan shows. */
static void
assess_domain(AssessContext *context, Oid domain)
{
	DomainConstraintRef *reference = palloc(sizeof(DomainConstraintRef));
	ListCell   *lc;

	/* It lives as long as its memory context, which will release it. */
	InitDomainConstraintRef(domain, reference, CurrentMemoryContext, false);
	foreach(lc, reference->constraints)
		(void) assess_expression((Node *) ((DomainConstraintState *) lfirst(lc))->check_expr,
								 context);
}

/*
 * Texts that are found at run time are read as this type.  A text that becomes
 * a date may turn out to be 'today'; other types may do what their input
 * functions do.
 */
static void
assess_conversion(AssessContext *context, Oid type)
{
	Oid			element;
	Oid			input;
	Oid			ioparam;

	check_stack_depth();
	context->assessment->resolves_names = true;
	if (type == RECORDOID)
		return;
	if (get_typtype(type) == TYPTYPE_DOMAIN)
		assess_domain(context, type);
	type = getBaseType(type);
	element = get_element_type(type);
	if (OidIsValid(element))
		assess_conversion(context, element);
	else if (get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

		for (int i = 0; i < desc->natts; i++)
		{
			if (!TupleDescAttr(desc, i)->attisdropped)
				assess_conversion(context, TupleDescAttr(desc, i)->atttypid);
		}
	}
	else if (arc_type_holds_moment(type))
		restrict_to(context, ARC_CACHE_BY_TTL,
					"Texts that are converted to dates or times may name the present.");
	else if (type >= FirstNormalObjectId)
	{
		getTypeInputInfo(type, &input, &ioparam);
		assess_function(context, input);
	}
}

static void
assess_conversions(AssessContext *context, List *types)
{
	ListCell   *lc;

	foreach(lc, types)
		assess_conversion(context, lfirst_oid(lc));
}

/*
 * What becomes jsonb or text, as the result or inside to_json(), format() and
 * the like, passes through the output functions of its types or through their
 * casts to json, which no plan shows.  The server's own types need no look.
 */
static void
assess_output(AssessContext *context, Oid type)
{
	Oid			element;
	Oid			function;
	bool		varlena;

	check_stack_depth();
	if (type < FirstNormalObjectId)
		return;
	type = getBaseType(type);
	element = get_element_type(type);
	if (OidIsValid(element))
		assess_output(context, element);
	else if (get_typtype(type) == TYPTYPE_COMPOSITE)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

		for (int i = 0; i < desc->natts; i++)
		{
			if (!TupleDescAttr(desc, i)->attisdropped)
				assess_output(context, TupleDescAttr(desc, i)->atttypid);
		}
	}
	else if (type >= FirstNormalObjectId)
	{
		getTypeOutputInfo(type, &function, &varlena);
		assess_function(context, function);
		if (find_coercion_pathway(JSONOID, type, COERCION_EXPLICIT, &function) ==
			COERCION_PATH_FUNC)
			assess_function(context, function);
	}
}

static void
assess_outputs(AssessContext *context, List *arguments)
{
	ListCell   *lc;

	foreach(lc, arguments)
		assess_output(context, exprType((Node *) lfirst_node(TargetEntry, lc)->expr));
}

/*
 * Calls of built-ins that depend on what they are called with.  Returns true
 * if that is all there is to say of the function.
 */
static bool
assess_call(AssessContext *context, FuncExpr *call)
{
	HeapTuple	tuple;
	ArcBuiltin	builtin = ARC_BUILTIN_SETTINGS;
	Node	   *argument = call->args ? linitial(call->args) : NULL;
	ListCell   *lc;

	if (call->funcid >= FirstGenbkiObjectId)
		return false;
	if (func_volatile(call->funcid) == PROVOLATILE_IMMUTABLE)
		return false;
	foreach(lc, call->args)
		assess_output(context, exprType(lfirst(lc)));
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->funcid));
	if (!HeapTupleIsValid(tuple))
		return false;
	if (((Form_pg_proc) GETSTRUCT(tuple))->prolang == INTERNALlanguageId)
		builtin = arc_builtin_classify(TextDatumGetCString(arc_compat_syscache_attr(PROCOID, tuple,
																					Anum_pg_proc_prosrc)));
	ReleaseSysCache(tuple);

	if (builtin == ARC_BUILTIN_CONVERTS)
		assess_conversion(context, call->funcresulttype);
	if (builtin != ARC_BUILTIN_NAMED_SETTING ||
		argument == NULL || !IsA(argument, Const) || ((Const *) argument)->constisnull)
		return false;

	/* current_setting('name'): that setting is captured. */
	capture_setting(context, TextDatumGetCString(((Const *) argument)->constvalue));
	return true;
}

static void
assess_sql_value(AssessContext *context, SQLValueFunction *value)
{
	switch (value->op)
	{
		case SVFOP_CURRENT_ROLE:
		case SVFOP_CURRENT_USER:
		case SVFOP_USER:
		case SVFOP_CURRENT_CATALOG:
		case SVFOP_CURRENT_SCHEMA:
			break;
		case SVFOP_SESSION_USER:
			capture_setting(context, "session_authorization");
			break;
		default:
			restrict_to(context, ARC_CACHE_BY_TTL, "The query reads the clock.");
	}
}

static bool
assess_expression(Node *node, void *arg)
{
	AssessContext *context = arg;
	bool		assessed = false;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			assessed = assess_call(context, (FuncExpr *) node);
			break;
		case T_Aggref:
			if (func_volatile(((Aggref *) node)->aggfnoid) != PROVOLATILE_IMMUTABLE)
				assess_outputs(context, ((Aggref *) node)->args);
			break;
		case T_CoerceToDomain:
			assess_domain(context, ((CoerceToDomain *) node)->resulttype);
			break;
		case T_CoerceViaIO:
			assess_conversion(context, ((CoerceViaIO *) node)->resulttype);
			break;
		case T_RangeTblFunction:
			assess_conversions(context, ((RangeTblFunction *) node)->funccoltypes);
			break;
		case T_TableFunc:
			assess_conversions(context, ((TableFunc *) node)->coltypes);
			break;
		case T_SQLValueFunction:
			assess_sql_value(context, (SQLValueFunction *) node);
			break;
		case T_NextValueExpr:
			restrict_to(context, ARC_CACHE_REFUSED, "The query advances a sequence.");
			break;
		case T_CurrentOfExpr:
			restrict_to(context, ARC_CACHE_REFUSED, "The query uses WHERE CURRENT OF.");
			break;
		case T_Var:
			/* Where a row lies, and who locked it, changes without a write. */
			if (((Var *) node)->varattno < 0 &&
				((Var *) node)->varattno != TableOidAttributeNumber)
				restrict_to(context, ARC_CACHE_BY_TTL, "The query reads a system column.");
			break;
		case T_TableSampleClause:
			if (((TableSampleClause *) node)->repeatable == NULL)
				restrict_to(context, ARC_CACHE_REFUSED,
							"The query uses TABLESAMPLE without REPEATABLE.");
			else
				restrict_to(context, ARC_CACHE_BY_TTL, "The query uses TABLESAMPLE.");
			break;
		default:
			if (arc_compat_is_json_expr(node))
				assess_conversion(context, exprType(node));
			break;
	}
	if (!assessed)
		(void) check_functions_in_node(node, assess_function_checker, context);
	return expression_tree_walker(node, assess_expression, arg);
}

static bool
assess_plan(Plan *plan, void *arg)
{
	AssessContext *context = arg;

	if (IsA(plan, LockRows))
		restrict_to(context, ARC_CACHE_REFUSED, "The query locks rows.");
	else if (IsA(plan, ModifyTable))
		restrict_to(context, ARC_CACHE_REFUSED, "The query modifies data.");
	else if (IsA(plan, NamedTuplestoreScan))
		restrict_to(context, ARC_CACHE_NEVER, "The query reads a transition table.");
	return false;
}

void
arc_assess(const ArcSource *source, ArcAssessment *assessment)
{

	AssessContext context = {
		.assessment = assessment,
		.row_security = source->row_security
	};

	*assessment = (ArcAssessment)
	{
		.cacheability = ARC_CACHE_EXACT
	};
	if (source->reads_clock || arc_plan_inlines_clock(source->plan))
		restrict_to(&context, ARC_CACHE_BY_TTL, "A literal or parameter reads the clock.");
	(void) arc_plan_walk(source->plan, assess_plan, assess_expression, &context);
	assess_outputs(&context, source->plan->planTree->targetlist);
}
