/*-------------------------------------------------------------------------
 *
 * transparent.c
 *	  Statements that are cached without a change of their text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/statements.h"
#include "base/stats.h"
#include "cache/environment.h"
#include "catalog/pg_class.h"
#include "coherence/force.h"
#include "coherence/tracking.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/scansup.h"
#include "query/cacheability.h"
#include "query/dependency.h"
#include "query/fingerprint.h"
#include "query/hint.h"
#include "query/plan_age.h"
#include "query/result_plan.h"
#include "query/result_scan.h"
#include "query/single_row.h"
#include "query/transparent.h"
#include "tcop/utility.h"
#include "utils/rel.h"
#include "utils/syscache.h"

int			arc_transparent_suspended = 0;

static planner_hook_type prev_planner = NULL;
static ProcessUtility_hook_type prev_ProcessUtility = NULL;

/*
 * A longer statement is not worth its fingerprint: as text, a tree takes some
 * times the room.
 */
#define STATEMENT_MAX	(1024 * 1024)

/* What of the statement there is to see before it is planned. */
typedef struct Candidate
{
	ArcHint		hint;
	bool		row_security;
	bool		cursor;
	const char *text;
	const char *fingerprint;
	List	   *params;
	uint64		planned_at;
	const char *planned_in;
} Candidate;

/* -- cursors ---------------------------------------------------------------------- */

/* DECLARE CURSOR and OPEN say that they want rows fast. */
static bool
is_cursor(int cursor_options)
{
	return (cursor_options & CURSOR_OPT_FAST_PLAN) != 0;
}

/* One that may go back, or outlive its transaction, is left to the server. */
static bool
is_unfit_cursor(int cursor_options)
{
	return (cursor_options & (CURSOR_OPT_SCROLL | CURSOR_OPT_HOLD)) != 0;
}

/* WHERE CURRENT OF looks for a scan that gives the plan's rows as they are. */
static bool
is_updatable(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result:
		case T_Limit:
			return plan->lefttree != NULL && is_updatable(plan->lefttree);
		case T_SubqueryScan:
			return is_updatable(((const SubqueryScan *) plan)->subplan);
		case T_Append:
		case T_MergeAppend:
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_ForeignScan:
		case T_CustomScan:
			return true;
		default:
			return false;
	}
}

/*
 * Without NO SCROLL the server lets a cursor go back if its plan can, and with
 * the node in place none can.
 */
static bool
keeps_to_its_manner(Plan *plan, int cursor_options)
{
	return !is_updatable(plan) &&
		((cursor_options & CURSOR_OPT_NO_SCROLL) != 0 || !ExecSupportsBackwardScan(plan));
}

/* -- selection ------------------------------------------------------------------- */

static bool
takes_part(Oid relid)
{
	Relation	rel;
	const ArcTracking *tracking;
	bool		takes;

	if (relid < FirstNormalObjectId)
		return false;
	rel = relation_open(relid, NoLock);
	tracking = arc_force_tracking_of(rel);
	takes = rel->rd_rel->relkind == RELKIND_VIEW ||
		(tracking->tracked && (tracking->automatic || arc_debug_force));
	relation_close(rel, NoLock);
	return takes;
}

typedef struct Search
{
	bool		need_enabled;
	bool		reads_tables;
	bool		row_security;
} Search;

/* Stops at what rules the statement out. */
static bool
candidate_walker(Node *node, void *context)
{
	Search	   *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind != RTE_RELATION)
			return false;
		search->reads_tables = true;
		return search->need_enabled && !takes_part(rte->relid);
	}
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		search->row_security |= query->hasRowSecurity;
		return query->commandType != CMD_SELECT || query->rowMarks != NIL ||
			query_tree_walker(query, candidate_walker, context, QTW_EXAMINE_RTES_BEFORE);
	}
	return expression_tree_walker(node, candidate_walker, context);
}

/*
 * Where the block comments before a statement begin: to a newer server they are
 * not part of it.
 */
static Size
comments_before(const char *text, Size begin)
{
	for (;;)
	{
		Size		at = begin;

		while (at > 0 && scanner_isspace(text[at - 1]))
			at--;
		if (at < 4 || text[at - 1] != '/' || text[at - 2] != '*')
			return begin;
		for (at -= 3; at > 0; at--)
		{
			if (text[at - 1] == '/' && text[at] == '*')
				break;
		}
		if (at == 0)
			return begin;
		begin = at - 1;
	}
}

/*
 * The utility statement at work.  A query in it, of CREATE TABLE AS or EXPLAIN,
 * does not say where it stands.
 */
typedef struct UtilityPlace
{
	const char *text;
	int			location;
	int			length;
} UtilityPlace;

static UtilityPlace utility_place = {NULL, 0, 0};

/*
 * The statement's own text.  What the query says of its place may be of another
 * text: a function's body that is stored parsed comes with none, a rule's
 * action with the text of the statement that fired it.
 */
static const char *
own_text(const Query *query, const char *text, Size *length)
{
	bool		in_utility = text != NULL && text == utility_place.text && query->stmt_len <= 0;
	int			location = in_utility ? utility_place.location : query->stmt_location;
	int			size = in_utility ? utility_place.length : query->stmt_len;
	Size		begin = Max(location, 0);
	Size		end;

	if (text == NULL)
		text = "";
	end = size > 0 ? strnlen(text, begin + size) : strlen(text);
	begin = comments_before(text, Min(begin, end));
	while (begin < end && scanner_isspace(text[begin]))
		begin++;
	*length = end - begin;
	return text + begin;
}

static void
note_utility_place(PlannedStmt *statement, const char *text, bool read_only_tree,
				   ProcessUtilityContext context, ParamListInfo params,
				   QueryEnvironment *environment, DestReceiver *dest, QueryCompletion *completion)
{
	UtilityPlace outer = utility_place;

	utility_place = (UtilityPlace)
	{
		text, statement->stmt_location, statement->stmt_len
	};
	PG_TRY();
	{
		if (prev_ProcessUtility)
			prev_ProcessUtility(statement, text, read_only_tree, context, params, environment,
								dest, completion);
		else
			standard_ProcessUtility(statement, text, read_only_tree, context, params, environment,
									dest, completion);
	}
	PG_FINALLY();
	{
		utility_place = outer;
	}
	PG_END_TRY();
}

static bool
is_candidate(Query *query, const char *text, int cursor_options, Candidate *candidate)
{
	Search		search = {0};
	Size		length;

	if ((arc_auto == ARC_AUTO_OFF && !arc_debug_force) || !arc_enabled || arc_transparent_suspended > 0 ||
		query->commandType != CMD_SELECT || query->utilityStmt != NULL ||
		query->rtable == NIL || is_unfit_cursor(cursor_options) ||
		IsBinaryUpgrade || RecoveryInProgress() || !IsTransactionState())
		return false;
	text = own_text(query, text, &length);
	if (length > STATEMENT_MAX)
		return false;
	arc_hint_read(text, length, &candidate->hint);
	if (candidate->hint.refused ||
		(arc_auto == ARC_AUTO_HINT && !candidate->hint.wanted && !arc_debug_force))
		return false;
	search.need_enabled = !candidate->hint.wanted;
	if (candidate_walker((Node *) query, &search) || !search.reads_tables)
		return false;
	candidate->row_security = search.row_security;
	candidate->cursor = is_cursor(cursor_options);
	candidate->text = pnstrdup(text, length);
	return true;
}

/* -- wrapping ---------------------------------------------------------------------- */

/* May the result live by what is known of it, and by the hint? */
static bool
is_kept(const ArcAssessment *assessment, const Candidate *candidate)
{
	if (assessment->cacheability == ARC_CACHE_EXACT && assessment->opaque == NULL)
		return true;
	return candidate->hint.ttl > 0 && assessment->cacheability <= ARC_CACHE_BY_TTL;
}

/* Cheaper than what a hit is worth, as the planner sees it or as was measured? */
static bool
is_cheap(const PlannedStmt *statement, const Candidate *candidate)
{
	if (candidate->hint.wanted || arc_debug_force)
		return false;
	return statement->planTree->total_cost < arc_min_cost ||
		arc_statement_is_cheap(statement->queryId);
}

static void
wrap(PlannedStmt *statement, const Candidate *candidate)
{
	ArcSource	source = {.plan = statement, .row_security = candidate->row_security};
	ArcAssessment assessment;
	ArcDependencies dependencies = {0};
	ArcResultPlan result;

	arc_assess(&source, &assessment);
	arc_dependencies_find(statement, ARC_PARAMS_LATER, &dependencies, &assessment);
	if (assessment.opaque != NULL)
		arc_assess_restrict(&assessment, ARC_CACHE_BY_TTL, assessment.opaque);
	if (!is_kept(&assessment, candidate))
	{
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
		arc_statement_count_bypass(statement->queryId, assessment.reason);
		return;
	}
	result = (ArcResultPlan)
	{
		.fingerprint = arc_debug_force ?
			arc_fingerprint_plan(candidate->fingerprint, statement) : candidate->fingerprint,
			.text = candidate->text,
			.params = candidate->params,
			.ttl = candidate->hint.ttl,
			.tables_ttl = dependencies.ttl,
			.hinted = candidate->hint.wanted,
			.cursor = candidate->cursor,
			.ahead = arc_debug_force && !candidate->cursor,
			.one_row = arc_plan_gives_one_row(statement),
			.resolves_names = assessment.resolves_names || statement->invalItems != NIL,
			.planned_at = candidate->planned_at,
			.planned_in = candidate->planned_in,
			.cacheability = assessment.cacheability,
			.settings = assessment.settings,
			.ancestors = dependencies.ancestors,
			.dependencies = arc_result_plan_write_dependencies(&dependencies)
	};
	arc_result_scan_wrap(statement, &result);
}

/* The settings' fingerprint, if the query calls functions of the user's. */
static const char *
settings_of_functions(Query *query)
{
	List	   *relations;
	List	   *items;
	bool		row_security;
	ListCell   *lc;

	extract_query_dependencies((Node *) query, &relations, &items, &row_security);
	foreach(lc, items)
	{
		if (lfirst_node(PlanInvalItem, lc)->cacheId == PROCOID)
		{
			StringInfoData settings;

			initStringInfo(&settings);
			arc_environment_append(&settings);
			return arc_fingerprint_bytes(settings.data, settings.len);
		}
	}
	return "";
}

static PlannedStmt *
plan(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	return prev_planner ? prev_planner(query, text, cursor_options, params) :
		standard_planner(query, text, cursor_options, params);
}

static PlannedStmt *
plan_and_wrap(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	Candidate	candidate;
	PlannedStmt *statement;

	if (!is_candidate(query, text, cursor_options, &candidate))
		return plan(query, text, cursor_options, params);

	/* Planning scribbles on the query. */
	candidate.planned_at = arc_plan_age_now();
	candidate.planned_in = settings_of_functions(query);
	candidate.fingerprint = arc_fingerprint_query(query);
	candidate.params = arc_fingerprint_params(query);
	statement = plan(query, text, cursor_options, params);
	if (!is_cheap(statement, &candidate) &&
		(!candidate.cursor || keeps_to_its_manner(statement->planTree, cursor_options)))
		wrap(statement, &candidate);
	return statement;
}

void
arc_transparent_init(void)
{
	arc_result_scan_init();
	prev_planner = planner_hook;
	planner_hook = plan_and_wrap;
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = note_utility_place;

	/* By which statements are counted. */
	EnableQueryId();
}
