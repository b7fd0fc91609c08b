/*-------------------------------------------------------------------------
 *
 * sets.c
 *	  SQL functions that return rows of a table as a set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/sets.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "utils/memutils.h"

void
arc_set_begin(FunctionCallInfo fcinfo)
{
	InitMaterializedSRF(fcinfo, 0);
}

void
arc_set_add(void *resultinfo, int key, HeapTuple row)
{
	ReturnSetInfo *rsinfo = resultinfo;

	tuplestore_puttuple(rsinfo->setResult, row);
}

static bool
same_columns(TupleDesc a, TupleDesc b)
{
	bool		same = a->natts == b->natts;

	for (int i = 0; same && i < a->natts; i++)
		same = TupleDescAttr(a, i)->atttypid == TupleDescAttr(b, i)->atttypid;
	return same;
}

void
arc_set_end(FunctionCallInfo fcinfo, TupleDesc desc)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;

	/* The executor would ask for the name of a dropped column's type. */
	if (rsinfo->expectedDesc != NULL && !same_columns(rsinfo->expectedDesc, desc))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("row type of the table has changed since the query was planned"),
				 errhint("Run the query again.")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	rsinfo->setDesc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
}
