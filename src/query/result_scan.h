/*-------------------------------------------------------------------------
 *
 * result_scan.h
 *	  The plan node that gives a query's result from the cache, at work.
 *
 * When it is first asked for a row it looks for the result of its query, with
 * its parameters, in the environment of the moment.  If it is there the rows
 * come from shared memory, under a pin; the plan below is not even started.
 * Else they come from the plan, and are kept on the way; when the last has
 * been asked for they are published.
 *
 * Raises what the plan below raises; looking and publishing raise for want of
 * memory, and what catalog lookups raise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RESULT_SCAN_H
#define ARC_RESULT_SCAN_H

#include "postgres.h"

#include "nodes/plannodes.h"
#include "query/result_plan.h"

extern void arc_result_scan_init(void);

/* Put the node over the plan. */
extern void arc_result_scan_wrap(PlannedStmt *statement, const ArcResultPlan *result);

#endif							/* ARC_RESULT_SCAN_H */
