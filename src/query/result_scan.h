/*-------------------------------------------------------------------------
 *
 * result_scan.h
 *	  The plan node that gives a query's result from the cache.
 *
 * A CustomScan "Arcache" on top of a finished plan.  When it is first asked
 * for a row it looks for the result of its query, with its parameters, in the
 * environment of the moment.  If it is there the rows come from shared memory,
 * under a pin; the plan below is not even started.  Else they come from the
 * plan, and are kept on the way; when the last has been asked for they are
 * published.
 *
 * Making the node raises for want of memory only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RESULT_SCAN_H
#define ARC_RESULT_SCAN_H

#include "postgres.h"

#include "nodes/plannodes.h"
#include "query/cacheability.h"
#include "query/dependency.h"

/* What the node must know of its query; all of it is copied. */
typedef struct ArcResultSpec
{
	const char *fingerprint;
	const char *text;			/* of the statement, for showing */
	List	   *params;			/* numbers of those it uses */
	int			ttl;			/* seconds, of the hint; 0 is none */
	bool		hinted;			/* a hint asked for it */
	uint64		planned_at;		/* see arc_result_scan_clock() */

	/*
	 * Fingerprint of the settings in which the bodies of functions were read
	 * for the plan; "" if it calls none of the user's.
	 */
	const char *planned_in;
	bool		ahead;			/* a fill gives no row before it has them all */
	const ArcAssessment *assessment;
	const ArcDependencies *dependencies;
} ArcResultSpec;

extern void arc_result_scan_init(void);

/* Put the node over the plan. */
extern void arc_result_scan_wrap(PlannedStmt *statement, const ArcResultSpec *spec);

/*
 * Counts what this backend was told of changed definitions.  A plan that was
 * made after the count was taken is made of what was told by then, and is
 * known to be outdated when one of its own items has been told of since.
 */
extern uint64 arc_result_scan_clock(void);

#endif							/* ARC_RESULT_SCAN_H */
