/*-------------------------------------------------------------------------
 *
 * plan_walker.h
 *	  Visit every expression of a finished plan.
 *
 * The server has walkers for expressions and for running plans, but none for
 * PlannedStmt.  This one visits all nodes of the main plan and of all
 * subplans and hands each expression tree they hold to `expression`, and each
 * plan node to `plan`; either may return true to stop.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_PLAN_WALKER_H
#define ARC_PLAN_WALKER_H

#include "postgres.h"

#include "nodes/plannodes.h"

typedef bool (*ArcPlanVisit) (Plan *plan, void *context);
typedef bool (*ArcExpressionVisit) (Node *node, void *context);

extern bool arc_plan_walk(const PlannedStmt *statement, ArcPlanVisit plan,
						  ArcExpressionVisit expression, void *context);

#endif							/* ARC_PLAN_WALKER_H */
