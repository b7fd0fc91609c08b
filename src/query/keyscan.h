/*-------------------------------------------------------------------------
 *
 * keyscan.h
 *	  To which keys are a plan's scans of a relation restricted?
 *
 * A scan that lets only rows through that have certain values in all columns
 * of a tracked key depends on the rows of those keys alone: whoever writes
 * another row tells of other keys.  What is looked at are the conditions of
 * the finished plan's scans, so it does not matter how the query came to say
 * them: through a view, a policy, or an equality that the planner carried over
 * from another relation.
 *
 * Results are palloc'd; raises what catalog lookups and the types' hash and
 * output functions raise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_KEYSCAN_H
#define ARC_KEYSCAN_H

#include "postgres.h"

#include "coherence/token.h"
#include "coherence/tracking.h"
#include "nodes/plannodes.h"

/* A result that would depend on more keys depends on the relation. */
#define ARC_PINNED_KEYS_MAX		64

/* What of a plan's parameters is known when it is looked at. */
typedef enum ArcParamsKnown
{
	ARC_PARAMS_CONSTANT,		/* all: there are none left in the plan */
	ARC_PARAMS_LATER,			/* they come with each execution */
	ARC_PARAMS_SHOWN			/* they never come: to be put in words only */
} ArcParamsKnown;

/* One column's value: a hash, or a parameter to be hashed so. */
typedef struct ArcPinnedValue
{
	int			param;			/* 0 if it is known */
	uint64		hash;
	Oid			function;		/* of the hasher */
	Oid			collation;
	bool		extended;
	const char *words;			/* "user_id = 42", or up to the parameter */
} ArcPinnedValue;

typedef struct ArcPinnedKey
{
	int			ncolumns;
	const AttrNumber *attnos;
	ArcPinnedValue *values;
	ArcToken	token;			/* 0 while a parameter is not known */
	const char *words;			/* "user_id = 42" */
} ArcPinnedKey;

typedef struct ArcScans
{
	bool		read;			/* the plan has scans of the relation */
	bool		pinned;			/* each of them is restricted to keys */
	List	   *keys;			/* of ArcPinnedKey *, if pinned */
} ArcScans;

/* The scans of a plan, by relation. */
typedef struct ArcScanIndex ArcScanIndex;

extern ArcScanIndex *arc_keyscan_index(const PlannedStmt *plan);

/* The relation must be open. */
extern void arc_keyscan_find(const ArcScanIndex *index, Relation rel,
							 const ArcTracking *tracking, ArcParamsKnown params,
							 ArcScans *scans);

#endif							/* ARC_KEYSCAN_H */
