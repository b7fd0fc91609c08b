/*-------------------------------------------------------------------------
 *
 * plan_walker.c
 *	  Visit every expression of a finished plan.
 *
 * A node type that is not listed has no expressions beyond its target list
 * and qual, or only such as stand elsewhere in the plan too.  To be looked
 * through again for each new server version.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/pg_list.h"
#include "query/plan_walker.h"

typedef struct PlanWalk
{
	ArcPlanVisit plan;
	ArcExpressionVisit expression;
	void	   *context;
} PlanWalk;

#define EXPRESSION(field) \
	do { \
		if (walk->expression((Node *) (field), walk->context)) \
			return true; \
	} while (0)

static bool walk_plan(PlanWalk *walk, Plan *plan);

static bool
walk_plans(PlanWalk *walk, List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
	{
		if (walk_plan(walk, lfirst(lc)))
			return true;
	}
	return false;
}

static bool
walk_plan(PlanWalk *walk, Plan *plan)
{
	if (plan == NULL)
		return false;
	if (walk->plan && walk->plan(plan, walk->context))
		return true;

	EXPRESSION(plan->targetlist);
	EXPRESSION(plan->qual);

	switch (nodeTag(plan))
	{
		case T_Result:
			EXPRESSION(((Result *) plan)->resconstantqual);
			break;
		case T_Append:
			if (walk_plans(walk, ((Append *) plan)->appendplans))
				return true;
			break;
		case T_MergeAppend:
			if (walk_plans(walk, ((MergeAppend *) plan)->mergeplans))
				return true;
			break;
		case T_BitmapAnd:
			if (walk_plans(walk, ((BitmapAnd *) plan)->bitmapplans))
				return true;
			break;
		case T_BitmapOr:
			if (walk_plans(walk, ((BitmapOr *) plan)->bitmapplans))
				return true;
			break;
		case T_SampleScan:
			EXPRESSION(((SampleScan *) plan)->tablesample);
			break;
		case T_IndexScan:
			EXPRESSION(((IndexScan *) plan)->indexqualorig);
			EXPRESSION(((IndexScan *) plan)->indexorderbyorig);
			break;
		case T_IndexOnlyScan:
			EXPRESSION(((IndexOnlyScan *) plan)->indexqual);
			EXPRESSION(((IndexOnlyScan *) plan)->indexorderby);
			break;
		case T_BitmapIndexScan:
			EXPRESSION(((BitmapIndexScan *) plan)->indexqualorig);
			break;
		case T_BitmapHeapScan:
			EXPRESSION(((BitmapHeapScan *) plan)->bitmapqualorig);
			break;
		case T_TidScan:
			EXPRESSION(((TidScan *) plan)->tidquals);
			break;
		case T_TidRangeScan:
			EXPRESSION(((TidRangeScan *) plan)->tidrangequals);
			break;
		case T_SubqueryScan:
			if (walk_plan(walk, ((SubqueryScan *) plan)->subplan))
				return true;
			break;
		case T_FunctionScan:
			EXPRESSION(((FunctionScan *) plan)->functions);
			break;
		case T_TableFuncScan:
			EXPRESSION(((TableFuncScan *) plan)->tablefunc);
			break;
		case T_ValuesScan:
			EXPRESSION(((ValuesScan *) plan)->values_lists);
			break;
		case T_ForeignScan:
			EXPRESSION(((ForeignScan *) plan)->fdw_exprs);
			EXPRESSION(((ForeignScan *) plan)->fdw_recheck_quals);
			break;
		case T_CustomScan:
			EXPRESSION(((CustomScan *) plan)->custom_exprs);
			if (walk_plans(walk, ((CustomScan *) plan)->custom_plans))
				return true;
			break;
		case T_NestLoop:
			EXPRESSION(((Join *) plan)->joinqual);
			break;
		case T_MergeJoin:
			EXPRESSION(((Join *) plan)->joinqual);
			EXPRESSION(((MergeJoin *) plan)->mergeclauses);
			break;
		case T_HashJoin:
			EXPRESSION(((Join *) plan)->joinqual);
			EXPRESSION(((HashJoin *) plan)->hashclauses);
			break;
		case T_Memoize:
			EXPRESSION(((Memoize *) plan)->param_exprs);
			break;
		case T_WindowAgg:
			EXPRESSION(((WindowAgg *) plan)->startOffset);
			EXPRESSION(((WindowAgg *) plan)->endOffset);
			EXPRESSION(((WindowAgg *) plan)->runCondition);
			break;
		case T_Limit:
			EXPRESSION(((Limit *) plan)->limitOffset);
			EXPRESSION(((Limit *) plan)->limitCount);
			break;
		default:
			break;
	}
	return walk_plan(walk, plan->lefttree) || walk_plan(walk, plan->righttree);
}

bool
arc_plan_walk(const PlannedStmt *statement, ArcPlanVisit plan,
			  ArcExpressionVisit expression, void *context)
{
	PlanWalk	walk = {plan, expression, context};

	return walk_plan(&walk, statement->planTree) ||
		walk_plans(&walk, statement->subplans);
}
