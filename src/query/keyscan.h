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

typedef struct ArcPinnedKey
{
	ArcToken	token;
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

/*
 * The relation must be open.  With params_unknown the plan still has
 * parameters; the keys that they pin have words and no token.
 */
extern void arc_keyscan_find(const ArcScanIndex *index, Relation rel,
							 const ArcTracking *tracking, bool params_unknown,
							 ArcScans *scans);

#endif							/* ARC_KEYSCAN_H */
