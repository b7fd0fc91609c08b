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
#include "base/settings.h"
#include "cache/environment.h"
#include "catalog/pg_class.h"
#include "coherence/tracking.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/scansup.h"
#include "query/cacheability.h"
#include "query/dependency.h"
#include "query/fingerprint.h"
#include "query/hint.h"
#include "query/result_scan.h"
#include "query/transparent.h"
#include "utils/rel.h"
#include "utils/syscache.h"

int			arc_transparent_suspended = 0;

static planner_hook_type prev_planner = NULL;

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
	const char *fingerprint;
	List	   *params;
	uint64		planned_at;
	const char *planned_in;
} Candidate;

/* -- selection ------------------------------------------------------------------- */

/*
 * A cursor that may go backwards needs a plan that can.  DECLARE CURSOR and
 * PL/pgSQL say that they want rows fast, and leave open whether it may.
 */
static bool
may_scroll(int cursor_options)
{
	return (cursor_options & (CURSOR_OPT_SCROLL | CURSOR_OPT_HOLD)) != 0 ||
		((cursor_options & CURSOR_OPT_FAST_PLAN) != 0 &&
		 (cursor_options & CURSOR_OPT_NO_SCROLL) == 0);
}

/*
 * WHERE CURRENT OF finds the scan of its table in the plan, if the cursor's
 * query is as simple as this; it would not find it below our node.
 */
static bool
may_be_updated_through(const Query *query, int cursor_options)
{
	return (cursor_options & CURSOR_OPT_FAST_PLAN) != 0 &&
		list_length(query->jointree->fromlist) == 1 &&
		IsA(linitial(query->jointree->fromlist), RangeTblRef) &&
		!query->hasAggs && !query->hasWindowFuncs && query->groupClause == NIL &&
		query->distinctClause == NIL && query->sortClause == NIL &&
		query->setOperations == NULL;
}

static bool
takes_part(Oid relid)
{
	Relation	rel;
	const ArcTracking *tracking;
	bool		takes;

	if (relid < FirstNormalObjectId)
		return false;
	rel = relation_open(relid, NoLock);
	tracking = arc_tracking_of(rel);
	takes = rel->rd_rel->relkind == RELKIND_VIEW ||
		(tracking->tracked && tracking->automatic);
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

static bool
is_candidate(Query *query, const char *text, int cursor_options, Candidate *candidate)
{
	Search		search = {0};

	int			length = query->stmt_len > 0 || text == NULL ? query->stmt_len :
		strlen(text + Max(query->stmt_location, 0));

	if (arc_auto == ARC_AUTO_OFF || !arc_enabled || length > STATEMENT_MAX || arc_transparent_suspended > 0 ||
		query->commandType != CMD_SELECT || query->utilityStmt != NULL ||
		query->rtable == NIL || may_scroll(cursor_options) ||
		may_be_updated_through(query, cursor_options) ||
		IsBinaryUpgrade || RecoveryInProgress() || !IsTransactionState())
		return false;
	arc_hint_read(text, query->stmt_location, query->stmt_len, &candidate->hint);
	if (candidate->hint.refused ||
		(arc_auto == ARC_AUTO_HINT && !candidate->hint.wanted))
		return false;
	search.need_enabled = !candidate->hint.wanted;
	if (candidate_walker((Node *) query, &search) || !search.reads_tables)
		return false;
	candidate->row_security = search.row_security;
	return true;
}

/* -- wrapping ---------------------------------------------------------------------- */

static char *
statement_text(const char *text, const Query *query)
{
	const char *at = text + Max(query->stmt_location, 0);
	int			length = query->stmt_len > 0 ? query->stmt_len : strlen(at);

	while (length > 0 && scanner_isspace(*at))
	{
		at++;
		length--;
	}
	return pnstrdup(at, length);
}

/* May the result live by what is known of it, and by the hint? */
static bool
is_kept(const ArcAssessment *assessment, const Candidate *candidate)
{
	if (assessment->cacheability == ARC_CACHE_EXACT && assessment->opaque == NULL)
		return true;
	return candidate->hint.ttl > 0 && assessment->cacheability <= ARC_CACHE_BY_TTL;
}

static void
wrap(PlannedStmt *statement, const char *text, const Candidate *candidate)
{
	ArcSource	source = {.plan = statement, .row_security = candidate->row_security};
	ArcAssessment assessment;
	ArcDependencies dependencies = {0};
	ArcResultSpec spec = {
		.fingerprint = candidate->fingerprint,
		.text = text,
		.params = candidate->params,
		.ttl = candidate->hint.ttl,
		.planned_at = candidate->planned_at,
		.planned_in = candidate->planned_in,
		.assessment = &assessment,
		.dependencies = &dependencies
	};

	if (!candidate->hint.wanted && statement->planTree->total_cost < arc_min_cost)
		return;
	arc_assess(&source, &assessment);
	arc_dependencies_find(statement, ARC_PARAMS_LATER, &dependencies, &assessment);
	if (assessment.opaque != NULL)
		arc_assess_restrict(&assessment, ARC_CACHE_BY_TTL, assessment.opaque);
	if (is_kept(&assessment, candidate))
		arc_result_scan_wrap(statement, &spec);
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
	char	   *own_text;

	if (!is_candidate(query, text, cursor_options, &candidate))
		return plan(query, text, cursor_options, params);

	/* Planning scribbles on the query. */
	candidate.planned_at = arc_result_scan_clock();
	candidate.planned_in = settings_of_functions(query);
	candidate.fingerprint = arc_fingerprint_query(query);
	candidate.params = arc_fingerprint_params(query);
	own_text = statement_text(text, query);
	statement = plan(query, text, cursor_options, params);
	wrap(statement, own_text, &candidate);
	return statement;
}

void
arc_transparent_init(void)
{
	arc_result_scan_init();
	prev_planner = planner_hook;
	planner_hook = plan_and_wrap;
}
