/*-------------------------------------------------------------------------
 *
 * result_plan.h
 *	  The plan node that gives a query's result from the cache, as a plan.
 *
 * A CustomScan "Arcache" on top of a finished plan, whose private data say of
 * the query what its execution (result_scan.h) must know: lists and constants,
 * for those are what a plan can be copied with.
 *
 * Making the node raises for want of memory only, and so does reading it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RESULT_PLAN_H
#define ARC_RESULT_PLAN_H

#include "postgres.h"

#include "nodes/extensible.h"
#include "nodes/plannodes.h"
#include "query/cacheability.h"
#include "query/dependency.h"

#define ARC_RESULT_NODE	"Arcache"

typedef struct ArcResultPlan
{
	const char *fingerprint;
	const char *text;			/* of the statement, for showing */
	List	   *params;			/* numbers of those it uses */
	int			ttl;			/* seconds, of the hint; 0 is none */
	int			tables_ttl;		/* the shortest of the tables */
	bool		hinted;			/* a hint asked for it */
	bool		cursor;			/* it is fetched from */
	bool		ahead;			/* a fill gives no row before it has them all */
	bool		one_row;		/* behind its first row there is nothing to compute */
	bool		resolves_names; /* at run time, as the session's temporary objects have it */
	uint64		planned_at;		/* see plan_age.h */

	/*
	 * If it calls functions of the user's: the environment in which their
	 * bodies were read for the plan.  Else NULL.
	 */
	const char *planned_in;
	uint32		planned_in_size;
	ArcCacheability cacheability;
	List	   *settings;		/* of char *: that the query names */
	List	   *ancestors;		/* oids: of its relations */
	List	   *dependencies;	/* see below */
} ArcResultPlan;

/* As the dependencies that were found are kept in a plan. */
extern List *arc_result_plan_write_dependencies(const ArcDependencies *dependencies);

/* Put the node over the plan; all that it is told is copied. */
extern void arc_result_plan_wrap(PlannedStmt *statement, const ArcResultPlan *result,
								 const CustomScanMethods *methods);

/* What it was told; strings and lists are the node's own. */
extern void arc_result_plan_read(const CustomScan *node, ArcResultPlan *result);

/* Makes a parameter's value into a hash, and into words that it may replace. */
typedef uint64 (*ArcHashParam) (void *arg, const ArcPinnedValue *value, const char **words);

/*
 * The dependencies with their tokens: keys that parameters say are hashed now.
 * There is room for one more.
 */
extern void arc_result_plan_read_dependencies(const ArcResultPlan *result,
											  ArcHashParam hash_param, void *arg,
											  ArcDependencies *dependencies);

#endif							/* ARC_RESULT_PLAN_H */
