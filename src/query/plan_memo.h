/*-------------------------------------------------------------------------
 *
 * plan_memo.h
 *	  Plans of statements that a session sends again and again as text.
 *
 * A hit needs its plan for what it names and checks, and hardly runs it, so to
 * make it anew each time costs a multiple of the hit.  A session therefore
 * keeps the plans of some statements that were wrapped, and gives them again
 * for the same text that means the same, in the same place, to the same role
 * with the same settings, until it is told of any change of a definition or of
 * statistics, or the plan has to be run: the planner might choose another now.
 *
 * Plans are of the backend; none is given that another one could outdate: its
 * relations are locked when it is returned.  Who gets one may use it until the
 * end of the transaction, and must not change it.  May raise for want of memory,
 * and what waiting for a lock raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_PLAN_MEMO_H
#define ARC_PLAN_MEMO_H

#include "postgres.h"

#include "nodes/plannodes.h"

/*
 * What a statement was before it was planned.  Taken of each statement that
 * may be remembered; the tree is copied when it is seen for the second time.
 */
typedef struct ArcPlanMemoDraft
{
	uint64		hash;			/* 0: it is not remembered */
	uint64		planned_at;		/* see plan_age.h */
	int			cursor_options;
	Query	   *query;			/* or NULL */
} ArcPlanMemoDraft;

/* The plan of such a statement, or NULL and a draft. */
extern PlannedStmt *arc_plan_memo_find(const Query *query, const char *text, int cursor_options,
									   uint64 planned_at, ArcPlanMemoDraft *draft);

/* Its plan, with the environment in which functions were planned, or NULL. */
extern void arc_plan_memo_keep(const ArcPlanMemoDraft *draft, const char *text,
							   const PlannedStmt *statement, StringInfo planned_in);

/* The statement's plan is run, by a miss or a bypass. */
extern void arc_plan_memo_runs(const PlannedStmt *statement);

#endif							/* ARC_PLAN_MEMO_H */
