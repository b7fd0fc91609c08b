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
#include "common/hashfn.h"
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
#include "query/plan_memo.h"
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
	const char *text;			/* not ended by a zero */
	Size		length;
	const char *fingerprint;
	List	   *params;
	uint64		planned_at;
	StringInfo	planned_in;		/* or NULL */
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
	takes = tracking->tracked && (tracking->automatic || arc_debug_force);
	relation_close(rel, NoLock);
	return takes;
}

typedef struct Search
{
	bool		need_enabled;
	bool		reads_tables;
	bool		row_security;
} Search;

static bool query_is_ruled_out(Query *query, Search *search);

static bool
relation_is_ruled_out(const RangeTblEntry *rte, Search *search)
{
	if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW)
		return false;
	search->reads_tables = true;
	return search->need_enabled && !takes_part(rte->relid);
}

/* Stops at what rules the statement out. */
static bool
candidate_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_is_ruled_out((Query *) node, context);
	return expression_tree_walker(node, candidate_walker, context);
}

/* Relations first: they are what mostly rules a statement out. */
static bool
query_is_ruled_out(Query *query, Search *search)
{
	ListCell   *lc;

	check_stack_depth();
	if (query->commandType != CMD_SELECT || query->rowMarks != NIL)
		return true;
	search->row_security |= query->hasRowSecurity;
	foreach(lc, query->rtable)
	{
		if (relation_is_ruled_out(lfirst_node(RangeTblEntry, lc), search))
			return true;
	}
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_SUBQUERY && query_is_ruled_out(rte->subquery, search))
			return true;
	}
	foreach(lc, query->cteList)
	{
		if (query_is_ruled_out((Query *) lfirst_node(CommonTableExpr, lc)->ctequery, search))
			return true;
	}

	/* Those in the range table have been seen. */
	return query->hasSubLinks &&
		query_tree_walker(query, candidate_walker, search, QTW_IGNORE_CTE_SUBQUERIES |
						  QTW_IGNORE_RT_SUBQUERIES);
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
	begin = arc_hint_comments_before(text, Min(begin, end));
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
has_comment(const char *text, Size length)
{
	const char *end = text + length;

	for (const char *at = text; (at = memchr(at, '/', end - at)) != NULL; at++)
	{
		if (at + 1 < end && at[1] == '*')
			return true;
	}
	return false;
}

static bool
is_candidate(Query *query, const char *text, int cursor_options, Candidate *candidate)
{
	Search		search = {0};

	if ((arc_auto == ARC_AUTO_OFF && !arc_debug_force) || !arc_enabled || arc_transparent_suspended > 0 ||
		query->commandType != CMD_SELECT || query->utilityStmt != NULL ||
		(query->rtable == NIL && !query->hasSubLinks) || is_unfit_cursor(cursor_options) ||
		IsBinaryUpgrade || RecoveryInProgress() || !IsTransactionState())
		return false;
	*candidate = (Candidate)
	{
		.cursor = is_cursor(cursor_options)
	};
	candidate->text = own_text(query, text, &candidate->length);
	if (candidate->length > STATEMENT_MAX)
		return false;
	if (has_comment(candidate->text, candidate->length))
		arc_hint_read(candidate->text, candidate->length, &candidate->hint);
	if (candidate->hint.refused ||
		(arc_auto == ARC_AUTO_HINT && !candidate->hint.wanted && !arc_debug_force))
		return false;
	search.need_enabled = !candidate->hint.wanted;
	if (query_is_ruled_out(query, &search) || !search.reads_tables)
		return false;
	candidate->row_security = search.row_security;
	return true;
}

/* -- what was not worth it ------------------------------------------------------- */

/*
 * To see before planning what a statement means costs more than to plan a
 * simple one.  So each session remembers of which statements it found, when
 * they were planned, that they are too cheap or cannot be kept.  Another
 * statement of the same hash is taken for such too; that costs its entry.
 */
#define REMEMBERED	1024

typedef enum Worth
{
	WORTH_UNKNOWN,
	WORTH_CHEAP,
	WORTH_NOT_KEPT
} Worth;

typedef struct Remembered
{
	uint64		key;
	Worth		worth;
} Remembered;

static Remembered remembered[REMEMBERED];
static uint64 remembered_at = 0;	/* see plan_age.h */

/* NULL if nothing is remembered of such a statement. */
static Remembered *
memory_of(const Query *query, const Candidate *candidate)
{
	uint64		who = ((uint64) murmurhash32(GetUserId()) << 1) | candidate->row_security;
	uint64		key = hash_combine64(query->queryId, who);
	Remembered *memory = &remembered[key % REMEMBERED];

	if (query->queryId == 0 || candidate->hint.wanted || arc_debug_force)
		return NULL;
	if (remembered_at != candidate->planned_at)
	{
		memset(remembered, 0, sizeof(remembered));
		remembered_at = candidate->planned_at;
	}
	if (memory->key != key)
		*memory = (Remembered)
	{
		key, WORTH_UNKNOWN
	};
	return memory;
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

/* False if it cannot be kept. */
static bool
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
		return false;
	}
	result = (ArcResultPlan)
	{
		.fingerprint = arc_debug_force ?
			arc_fingerprint_plan(candidate->fingerprint, statement) : candidate->fingerprint,
			.text = pnstrdup(candidate->text, candidate->length),
			.params = candidate->params,
			.ttl = candidate->hint.ttl,
			.tables_ttl = dependencies.ttl,
			.hinted = candidate->hint.wanted,
			.cursor = candidate->cursor,
			.ahead = arc_debug_force && !candidate->cursor,
			.one_row = arc_plan_gives_one_row(statement),
			.resolves_names = assessment.resolves_names || statement->invalItems != NIL,
			.planned_at = candidate->planned_at,
			.planned_in = candidate->planned_in ? candidate->planned_in->data : NULL,
			.planned_in_size = candidate->planned_in ? candidate->planned_in->len : 0,
			.cacheability = assessment.cacheability,
			.settings = assessment.settings,
			.ancestors = dependencies.ancestors,
			.dependencies = arc_result_plan_write_dependencies(&dependencies)
	};
	arc_result_scan_wrap(statement, &result);
	return true;
}

/* The environment, if the query calls functions of the user's. */
static StringInfo
environment_of_functions(Query *query)
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
			StringInfo	environment = makeStringInfo();

			arc_environment_append(environment);
			return environment;
		}
	}
	return NULL;
}

static PlannedStmt *
plan(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	return prev_planner ? prev_planner(query, text, cursor_options, params) :
		standard_planner(query, text, cursor_options, params);
}

/* Cheaper than what a hit is worth, as was measured? */
static bool
is_quick(const Query *query, const Candidate *candidate)
{
	return !candidate->hint.wanted && !arc_debug_force && arc_statement_is_cheap(query->queryId);
}

/* The same as the planner sees it? */
static bool
is_cheap(const PlannedStmt *statement, const Candidate *candidate)
{
	return !candidate->hint.wanted && !arc_debug_force &&
		statement->planTree->total_cost < arc_min_cost;
}

/* A statement that has not been worth it before. */
static PlannedStmt *
plan_without(Query *query, const char *text, int cursor_options, ParamListInfo params,
			 const Candidate *candidate, Worth *worth)
{
	PlannedStmt *statement;

	if (*worth == WORTH_NOT_KEPT)
	{
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
		arc_statement_count(query->queryId, ARC_STATEMENT_BYPASSES, 1);
	}
	statement = plan(query, text, cursor_options, params);

	/* With other constants, or of a table that has grown, it may be. */
	if (*worth == WORTH_CHEAP && !is_cheap(statement, candidate))
		*worth = WORTH_UNKNOWN;
	return statement;
}

/*
 * May its plan be given again?  One with parameters is kept by the server's plan
 * cache, and where another planner stands behind us it would not be asked.
 */
static bool
is_planned_alike(const Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	return prev_planner == NULL && text != NULL && params == NULL &&
		(cursor_options & ~CURSOR_OPT_PARALLEL_OK) == 0;
}

static PlannedStmt *
plan_and_wrap(Query *query, const char *text, int cursor_options, ParamListInfo params)
{
	Candidate	candidate;
	PlannedStmt *statement;
	Remembered *memory;
	Worth		worth = WORTH_UNKNOWN;
	ArcPlanMemoDraft draft = {0};
	bool		is_wrapped = false;

	if (!is_candidate(query, text, cursor_options, &candidate))
		return plan(query, text, cursor_options, params);
	candidate.planned_at = arc_plan_age_now();
	memory = memory_of(query, &candidate);
	if (memory != NULL && memory->worth != WORTH_UNKNOWN)
		return plan_without(query, text, cursor_options, params, &candidate, &memory->worth);
	if (is_quick(query, &candidate))
	{
		arc_stats_count(ARC_BYPASS_CHEAP);
		arc_statement_count_bypass(query->queryId, "cheap");
		return plan(query, text, cursor_options, params);
	}

	if (is_planned_alike(query, text, cursor_options, params))
	{
		statement = arc_plan_memo_find(query, text, cursor_options, candidate.planned_at,
									   &draft);
		if (statement != NULL)
			return statement;
	}

	/* Planning scribbles on the query. */
	candidate.planned_in = environment_of_functions(query);
	candidate.fingerprint = arc_fingerprint_query(query);
	candidate.params = arc_fingerprint_params(query);
	statement = plan(query, text, cursor_options, params);
	if (is_cheap(statement, &candidate))
		worth = WORTH_CHEAP;
	else if (!candidate.cursor || keeps_to_its_manner(statement->planTree, cursor_options))
	{
		is_wrapped = wrap(statement, &candidate);
		worth = is_wrapped ? WORTH_UNKNOWN : WORTH_NOT_KEPT;
	}

	/* What was planned meanwhile may have taken its place. */
	memory = memory_of(query, &candidate);
	if (memory != NULL)
		memory->worth = worth;
	if (is_wrapped)
		arc_plan_memo_keep(&draft, text, statement, candidate.planned_in);
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
