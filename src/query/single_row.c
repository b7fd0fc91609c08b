/*-------------------------------------------------------------------------
 *
 * single_row.c
 *	  Does a plan give one row at most, with nothing to compute behind it?
 *
 * A node that is not listed is taken to give more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "query/single_row.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* The columns of the index that conditions set equal to something. */
static Bitmapset *
columns_set_equal(Form_pg_index index, const oidvector *classes, List *conditions)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;

	foreach(lc, conditions)
	{
		OpExpr	   *op = lfirst(lc);
		Var		   *column;
		int			number;

		if (!IsA(op, OpExpr) || list_length(op->args) != 2)
			continue;
		column = linitial(op->args);
		if (!IsA(column, Var) || column->varno != INDEX_VAR)
			continue;
		number = column->varattno - 1;
		if (number >= 0 && number < index->indnkeyatts &&
			get_op_opfamily_strategy(op->opno, get_opclass_family(classes->values[number])) ==
			BTEqualStrategyNumber)
			columns = bms_add_member(columns, number);
	}
	return columns;
}

static bool
is_btree(Oid indexid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	bool		is = HeapTupleIsValid(tuple) &&
		((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return is;
}

static bool
finds_one(Oid indexid, List *conditions)
{
	HeapTuple	tuple;
	Form_pg_index index;
	Datum		classes;
	bool		isnull;
	bool		one;

	if (!is_btree(indexid))
		return false;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	classes = SysCacheGetAttr(INDEXRELID, tuple, Anum_pg_index_indclass, &isnull);
	one = index->indisunique && index->indimmediate && !isnull &&
		bms_num_members(columns_set_equal(index, (oidvector *) DatumGetPointer(classes),
										  conditions)) == index->indnkeyatts;
	ReleaseSysCache(tuple);
	return one;
}

static bool gives_one_row(const Plan *plan);

/* Once a row has found its partner, no other is looked for. */
static bool
join_gives_one_row(const Join *join)
{
	const Plan *plan = &join->plan;

	switch (join->jointype)
	{
		case JOIN_INNER:
		case JOIN_LEFT:
			return gives_one_row(plan->lefttree) &&
				(join->inner_unique ||
				 (IsA(join, NestLoop) && gives_one_row(plan->righttree)));
		case JOIN_SEMI:
		case JOIN_ANTI:
			return gives_one_row(plan->lefttree);
		default:
			return false;
	}
}

static bool
limits_to_one(const Limit *limit)
{
	const Const *count = (const Const *) limit->limitCount;

	return limit->limitOption == LIMIT_OPTION_COUNT &&
		count != NULL && IsA(count, Const) && count->consttype == INT8OID &&
		!count->constisnull && DatumGetInt64(count->constvalue) <= 1;
}

static bool
gives_one_row(const Plan *plan)
{
	if (plan == NULL)
		return false;
	switch (nodeTag(plan))
	{
		case T_Agg:
			return ((const Agg *) plan)->aggstrategy == AGG_PLAIN &&
				((const Agg *) plan)->groupingSets == NIL;
		case T_Limit:
			return limits_to_one((const Limit *) plan) || gives_one_row(plan->lefttree);
		case T_Result:
			return plan->lefttree == NULL || gives_one_row(plan->lefttree);
		case T_SubqueryScan:
			return gives_one_row(((const SubqueryScan *) plan)->subplan);
		case T_Sort:
		case T_Unique:
		case T_Material:
			return gives_one_row(plan->lefttree);
		case T_NestLoop:
		case T_HashJoin:
			return join_gives_one_row((const Join *) plan);
		case T_IndexScan:
			return finds_one(((const IndexScan *) plan)->indexid,
							 ((const IndexScan *) plan)->indexqual);
		case T_IndexOnlyScan:
			return finds_one(((const IndexOnlyScan *) plan)->indexid,
							 ((const IndexOnlyScan *) plan)->indexqual);
		default:
			return false;
	}
}

bool
arc_plan_gives_one_row(const PlannedStmt *statement)
{
	return gives_one_row(statement->planTree);
}
