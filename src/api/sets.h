/*-------------------------------------------------------------------------
 *
 * sets.h
 *	  SQL functions that return rows of a table as a set.
 *
 * A function may wait for the table's lock, and find another row type then than
 * the one that the caller's plan was made for.  So the set is said to be of the
 * type that its rows have, when they are there; 42804 if that is not the
 * expected one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_SETS_H
#define ARC_SETS_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "fmgr.h"

extern void arc_set_begin(FunctionCallInfo fcinfo);

/* An ArcLookupSink, whose first argument is fcinfo->resultinfo. */
extern void arc_set_add(void *resultinfo, int key, HeapTuple row);

extern void arc_set_end(FunctionCallInfo fcinfo, TupleDesc desc);

#endif							/* ARC_SETS_H */
