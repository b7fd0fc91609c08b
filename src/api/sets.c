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

void
arc_set_end(FunctionCallInfo fcinfo, TupleDesc desc)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);

	rsinfo->setDesc = CreateTupleDescCopy(desc);
	MemoryContextSwitchTo(old);
}
