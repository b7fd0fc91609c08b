/*-------------------------------------------------------------------------
 *
 * cacheability.h
 *	  Can a planned query be cached, how well, and if not, why?
 *
 * The plan is looked at, not the text: views, row-level security, inlined SQL
 * functions and folded constants are as they will run.  What the relations
 * allow is dependency.h's part; this is about everything else.
 *
 * Results are palloc'd.  Raises only what catalog lookups raise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_CACHEABILITY_H
#define ARC_CACHEABILITY_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "query/source.h"

/* In the order of strictness: the worst finding decides. */
typedef enum ArcCacheability
{
	ARC_CACHE_EXACT,			/* nothing but data, settings and definitions */
	ARC_CACHE_BY_TTL,			/* something else too, that changes with time */
	ARC_CACHE_NEVER,			/* something that must not be captured */
	ARC_CACHE_REFUSED			/* the query's own fault: 0A000 */
} ArcCacheability;

typedef struct ArcAssessment
{
	ArcCacheability cacheability;
	const char *reason;			/* a sentence; NULL if exact */
	const char *opaque;			/* what a function reads is unknown: a sentence */
	List	   *settings;		/* names of settings to capture */
	bool		resolves_names; /* may look up names when it is run */
} ArcAssessment;

/*
 * An opaque function does not restrict by itself: if the caller declares what
 * it reads the result may live by that.
 */
extern void arc_assess(const ArcSource *source, ArcAssessment *assessment);

/* Make the assessment at least as strict as this. */
extern void arc_assess_restrict(ArcAssessment *assessment,
								ArcCacheability cacheability,
								const char *reason);

#endif							/* ARC_CACHEABILITY_H */
