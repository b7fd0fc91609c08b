/*-------------------------------------------------------------------------
 *
 * result_scan_internal.h
 *	  An execution of the plan node; for result_scan.c and result_explain.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RESULT_SCAN_INTERNAL_H
#define ARC_RESULT_SCAN_INTERNAL_H

#include "postgres.h"

#include "base/compat.h"
#include "cache/cache.h"
#include "cache/flight.h"
#include "nodes/execnodes.h"
#include "query/capture.h"
#include "query/readthrough_internal.h"
#include "query/result_plan.h"

typedef enum ArcOutcome
{
	ARC_OUTCOME_PENDING,		/* not asked for a row yet */
	ARC_OUTCOME_HIT,
	ARC_OUTCOME_FILL,			/* keeping what the plan gives */
	ARC_OUTCOME_REPLAY,			/* giving what was kept */
	ARC_OUTCOME_BYPASS			/* passing on what the plan gives */
} ArcOutcome;

typedef struct ArcResultScan
{
	CustomScanState css;
	ArcResultPlan plan;
	int			eflags;
	ArcOutcome	outcome;
	const char *bypass;			/* why */
	bool		limited;		/* this run of the executor need not see the end */
	bool		was_miss;
	bool		was_stored;

	/* of a lookup */
	MemoryContext context;		/* of all that follows */
	Oid			opened_by;		/* the user when the executor was started */
	Oid			user;			/* when it was made, as the environment */
	ArcAsker	asker;
	ArcRequest	request;
	ArcRead		read;
	ArcAssessment assessment;
	ArcDependencies dependencies;

	/* of a hit, or of what was kept */
	ArcSharedEntry *entry;		/* pinned, or NULL */
	ArcImageReader rows;
	TupleTableSlot *slot;
	Size		size;

	/* rows given so far; the executor counts those of one run only */
	uint64		given;

	/* of a fill */
	StringInfoData settings;	/* that the query names, as they were */
	ArcFill		fill;
	ArcFlight	flight;
	ArcImage	capture;
	uint64		pulled;			/* rows */
	double		spent;			/* microseconds in the plan below */
} ArcResultScan;

/* The pinned entry of the result, or NULL and why not. */
extern ArcSharedEntry *arc_result_scan_find(ArcResultScan *scan, ArcVerdict *verdict);

/* Its dependencies, as the parameters have them. */
extern void arc_result_scan_read_dependencies(ArcResultScan *scan);

/* For CustomExecMethods. */
extern void arc_result_scan_explain(CustomScanState *node, List *ancestors, ExplainState *es);

#endif							/* ARC_RESULT_SCAN_INTERNAL_H */
