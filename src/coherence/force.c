/*-------------------------------------------------------------------------
 *
 * force.c
 *	  Tables that are tracked without triggers, for tests.
 *
 * What the executor is to write stands in its plan: each target, with the
 * children of a tree that are targets too, and the root of a tree in which
 * rows may move.  Rows that are routed from the root to a partition need no
 * more than the root's mark, for who reads a relation depends on its ancestors
 * as well (query/dependency.h).  Cascades of foreign keys are statements of
 * their own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/settings.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "coherence/force.h"
#include "coherence/writeset.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parsetree.h"

static ExecutorStart_hook_type prev_ExecutorStart = NULL;

const ArcTracking *
arc_force_tracking_of(Relation rel)
{
	static const ArcTracking forced = {.tracked = true, .automatic = true};
	const ArcTracking *tracking = arc_tracking_of(rel);

	if (!arc_debug_force || tracking->tracked || IsCatalogRelation(rel) ||
		(rel->rd_rel->relkind != RELKIND_RELATION &&
		 rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE))
		return tracking;
	return &forced;
}

static void
mark(Oid relid)
{
	arc_writeset_mark_relation(arc_token_relation(MyDatabaseId, relid), 0,
							   ARC_WRITES_RELATION, relid);
}

static void
start(QueryDesc *query, int eflags)
{
	ListCell   *lc;

	if (arc_debug_force && (eflags & EXEC_FLAG_EXPLAIN_ONLY) == 0)
	{
		foreach(lc, query->plannedstmt->resultRelations)
			mark(rt_fetch(lfirst_int(lc), query->plannedstmt->rtable)->relid);
	}
	if (prev_ExecutorStart)
		prev_ExecutorStart(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/* The name may come to mean another relation before the statement locks it. */
void
arc_force_mark_utility(Node *stmt)
{
	Oid			relid;

	if (!arc_debug_force || !IsA(stmt, CopyStmt) || !IsTransactionState() ||
		!((CopyStmt *) stmt)->is_from || ((CopyStmt *) stmt)->relation == NULL)
		return;
	relid = RangeVarGetRelid(((CopyStmt *) stmt)->relation, NoLock, true);
	if (OidIsValid(relid))
		mark(relid);
}

/* This is not seen through snapshots: see trigger.c. */
void
arc_force_mark_truncated(Oid relid)
{
	if (arc_debug_force)
		arc_tracking_mark(relid, ARC_WRITE_STRICT);
}

void
arc_force_init(void)
{
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = start;
}
