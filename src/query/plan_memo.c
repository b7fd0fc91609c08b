/*-------------------------------------------------------------------------
 *
 * plan_memo.c
 *	  Plans of statements that a session sends again and again as text.
 *
 * What a plan is made of, and where a change of it is seen:
 *
 *	- The meaning of the text: the parser has just found it anew, and the
 *	  trees are compared.
 *	- Definitions and statistics: the count of what this session was told of
 *	  (plan_age.h) must not have moved.  Relations that only the plan names,
 *	  children say, are locked first, as the server does for plans it keeps.
 *	- Settings of the planner: those that EXPLAIN (SETTINGS) would show.
 *	- The role, for whom functions are inlined.
 *	- The environment, if the planner may have called functions of the user's.
 *
 * How large tables are now is told to nobody.  For a hit it does not matter; so
 * a plan that has to run is not given again.
 *
 * A plan that waits for an index to become valid for all is not kept.  Places
 * in the text that plan nodes name are right, for the text is the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/settings.h"
#include "cache/environment.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "query/plan_age.h"
#include "query/plan_memo.h"
#include "storage/lmgr.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"

#define MEMOS		64
#define SEEN		256

/* Longer texts and larger plans are not kept. */
#define TEXT_MAX	(16 * 1024)
#define PLAN_MAX	(512 * 1024)

typedef struct PlanMemo
{
	uint64		hash;			/* 0: there is none */
	uint64		planned_at;
	Oid			role;
	int			cursor_options;
	MemoryContext context;		/* of all that follows */
	char	   *text;
	Query	   *query;
	char	   *settings;
	PlannedStmt *statement;
	char	   *planned_in;		/* or NULL */
	uint32		planned_in_size;
} PlanMemo;

static PlanMemo memos[MEMOS];

/* Hashes of texts, for what is asked once only is not worth a copy. */
static uint64 seen[SEEN];

/* What the planner is told by settings, ours included. */
static char *
planner_settings(void)
{
	StringInfoData settings;
	int			n;
	struct config_generic **changed = get_explain_guc_options(&n);

	initStringInfo(&settings);
	appendStringInfo(&settings, "%d %d %g", arc_auto, arc_debug_force, arc_min_cost);
	for (int i = 0; i < n; i++)
	{
		char	   *value = GetConfigOptionByName(changed[i]->name, NULL, true);

		if (value != NULL)
			appendStringInfo(&settings, " %s=%s", changed[i]->name, value);
	}
	pfree(changed);
	return settings.data;
}

/* A plan in use may be this one, so it stays until the end of the transaction. */
static void
forget(PlanMemo *memo)
{
	if (memo->hash != 0)
		MemoryContextSetParent(memo->context, TopTransactionContext);
	memset(memo, 0, sizeof(PlanMemo));
}

/* The relations that the query itself names have been locked by the parser. */
static void
lock_relations(const PlannedStmt *statement)
{
	ListCell   *lc;

	foreach(lc, statement->rtable)
	{
		const RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION)
			LockRelationOid(rte->relid, rte->rellockmode);
	}
}

static bool
is_same(const PlanMemo *memo, const Query *query, const char *text, int cursor_options)
{
	return memo->role == GetUserId() && memo->cursor_options == cursor_options &&
		strcmp(memo->text, text) == 0 &&
		memo->query->stmt_location == query->stmt_location &&
		memo->query->stmt_len == query->stmt_len &&
		equal(memo->query, query) &&
		strcmp(memo->settings, planner_settings()) == 0 &&
		(memo->planned_in == NULL ||
		 arc_environment_equals(memo->planned_in, memo->planned_in_size));
}

/* As the node is given away it is a copy; what it points to is not. */
static PlannedStmt *
statement_of(const PlanMemo *memo)
{
	PlannedStmt *statement = makeNode(PlannedStmt);

	*statement = *memo->statement;
	return statement;
}

void
arc_plan_memo_runs(const PlannedStmt *statement)
{
	for (int i = 0; i < MEMOS; i++)
	{
		if (memos[i].hash != 0 && memos[i].statement->planTree == statement->planTree)
			forget(&memos[i]);
	}
}

PlannedStmt *
arc_plan_memo_find(const Query *query, const char *text, int cursor_options,
				   uint64 planned_at, ArcPlanMemoDraft *draft)
{
	Size		length = strlen(text);
	PlanMemo   *memo;
	uint64	   *before;

	*draft = (ArcPlanMemoDraft)
	{
		0
	};
	if (length > TEXT_MAX)
		return NULL;
	draft->planned_at = planned_at;
	draft->cursor_options = cursor_options;
	draft->hash = hash_combine64(hash_bytes_extended((const unsigned char *) text, length, 0),
								 hash_combine64(query->stmt_location,
												hash_combine64(GetUserId(), cursor_options)));
	memo = &memos[draft->hash % MEMOS];
	if (memo->hash == draft->hash)
	{
		/* Locks may make it wait, and then hear of a change. */
		if (memo->planned_at == planned_at && is_same(memo, query, text, cursor_options))
		{
			lock_relations(memo->statement);
			if (arc_plan_age_now() == planned_at)
				return statement_of(memo);
		}
		forget(memo);
	}
	before = &seen[draft->hash % SEEN];
	if (*before == draft->hash)
		draft->query = copyObject(unconstify(Query *, query));
	*before = draft->hash;
	return NULL;
}

void
arc_plan_memo_keep(const ArcPlanMemoDraft *draft, const char *text,
				   const PlannedStmt *statement, StringInfo planned_in)
{
	PlanMemo	memo = {0};
	MemoryContext old;

	if (draft->query == NULL || statement->transientPlan ||
		arc_plan_age_now() != draft->planned_at)
		return;

	memo.context = AllocSetContextCreate(CurrentMemoryContext, "arcache plan",
										 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(memo.context);
	memo.planned_at = draft->planned_at;
	memo.role = GetUserId();
	memo.cursor_options = draft->cursor_options;
	memo.text = pstrdup(text);
	memo.query = copyObject(draft->query);
	memo.settings = planner_settings();
	memo.statement = copyObject(unconstify(PlannedStmt *, statement));
	if (planned_in != NULL)
	{
		memo.planned_in_size = planned_in->len;
		memo.planned_in = palloc(planned_in->len);
		memcpy(memo.planned_in, planned_in->data, planned_in->len);
	}
	MemoryContextSwitchTo(old);
	if (MemoryContextMemAllocated(memo.context, true) > PLAN_MAX)
	{
		MemoryContextDelete(memo.context);
		return;
	}
	forget(&memos[draft->hash % MEMOS]);
	memo.hash = draft->hash;
	MemoryContextSetParent(memo.context, CacheMemoryContext);
	memos[draft->hash % MEMOS] = memo;
}
