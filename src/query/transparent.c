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
#include "coherence/force.h"
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
	const char *text;
	const char *fingerprint;
	List	   *params;
	uint64		planned_at;
	const char *planned_in;
	bool		ahead;
} Candidate;

/* -- selection ------------------------------------------------------------------- */

/*
 * Cursors are left to the server.  They may have to go backwards, be updated
 * through (WHERE CURRENT OF looks for the scan in the plan), keep their tables
 * from being altered, or be fetched from by another role.  DECLARE CURSOR and
 * OPEN say that they want rows fast.
 */
static bool
is_cursor(int cursor_options)
{
	return (cursor_options & (CURSOR_OPT_SCROLL | CURSOR_OPT_HOLD | CURSOR_OPT_FAST_PLAN)) != 0;
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
 * The statement's own text.  What the query says of its place may be of another
 * text: a function's body that is stored parsed comes with none, a rule's
 * action with the text of the statement that fired it.
 */
static const char *
own_text(const Query *query, const char *text, Size *length)
{
	Size		begin = Max(query->stmt_location, 0);
	Size		end;

	if (text == NULL)
		text = "";
	end = query->stmt_len > 0 ? strnlen(text, begin + query->stmt_len) : strlen(text);
	begin = comments_before(text, Min(begin, end));
	while (begin < end && scanner_isspace(text[begin]))
		begin++;
	*length = end - begin;
	return text + begin;
}

static bool
is_candidate(Query *query, const char *text, int cursor_options, Candidate *candidate)
{
	Search		search = {0};
	Size		length;

	if ((arc_auto == ARC_AUTO_OFF && !arc_debug_force) || !arc_enabled || arc_transparent_suspended > 0 ||
		query->commandType != CMD_SELECT || query->utilityStmt != NULL ||
		query->rtable == NIL || is_cursor(cursor_options) ||
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

static void
wrap(PlannedStmt *statement, const Candidate *candidate)
{
	ArcSource	source = {.plan = statement, .row_security = candidate->row_security};
	ArcAssessment assessment;
	ArcDependencies dependencies = {0};
	ArcResultSpec spec = {
		.fingerprint = candidate->fingerprint,
		.text = candidate->text,
		.hinted = candidate->hint.wanted,
		.params = candidate->params,
		.ttl = candidate->hint.ttl,
		.planned_at = candidate->planned_at,
		.planned_in = candidate->planned_in,
		.ahead = candidate->ahead,
		.assessment = &assessment,
		.dependencies = &dependencies
	};

	if (!candidate->hint.wanted && !arc_debug_force &&
		statement->planTree->total_cost < arc_min_cost)
		return;
	arc_assess(&source, &assessment);
	arc_dependencies_find(statement, ARC_PARAMS_LATER, &dependencies, &assessment);
	if (assessment.opaque != NULL)
		arc_assess_restrict(&assessment, ARC_CACHE_BY_TTL, assessment.opaque);
	if (!is_kept(&assessment, candidate))
		return;
	if (arc_debug_force)
		spec.fingerprint = arc_fingerprint_plan(candidate->fingerprint, statement);
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

	if (!is_candidate(query, text, cursor_options, &candidate))
		return plan(query, text, cursor_options, params);

	/* Who fetches from a cursor may see some rows before an error. */
	candidate.ahead = arc_debug_force && (cursor_options & CURSOR_OPT_FAST_PLAN) == 0;

	/* Planning scribbles on the query. */
	candidate.planned_at = arc_result_scan_clock();
	candidate.planned_in = settings_of_functions(query);
	candidate.fingerprint = arc_fingerprint_query(query);
	candidate.params = arc_fingerprint_params(query);
	statement = plan(query, text, cursor_options, params);
	wrap(statement, &candidate);
	return statement;
}

void
arc_transparent_init(void)
{
	arc_result_scan_init();
	prev_planner = planner_hook;
	planner_hook = plan_and_wrap;
}
