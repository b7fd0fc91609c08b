/*-------------------------------------------------------------------------
 *
 * tracking.h
 *	  Which relations tell us of their writes.
 *
 * The trigger is the configuration: a relation is tracked while it has a
 * trigger of ours, BEFORE each statement, on all of INSERT, UPDATE, DELETE and
 * TRUNCATE, firing always.  Its arguments carry the settings.  There is no
 * second source of truth, so pg_dump, restore and replicas carry tracking.
 *
 * A BEFORE trigger suffices: it marks the relation before the first row
 * changes, so that functions called inside the statement already bypass the
 * cache, and a mark stays until its (sub)transaction ends.
 *
 * The functions that change tracking raise as the DDL they run does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_TRACKING_H
#define ARC_TRACKING_H

#include "postgres.h"

#include "coherence/token.h"
#include "utils/rel.h"

typedef struct ArcTracking
{
	int			ttl;			/* seconds; 0 is none of its own */
	bool		automatic;		/* takes part in transparent mode */
} ArcTracking;

/* The relation must be open. Returns false if it is not tracked. */
extern bool arc_tracking_read(Relation rel, ArcTracking *tracking);

/*
 * Track the relation and its descendants, or stop doing so.  extension is the
 * schema that holds our functions.
 */
extern void arc_tracking_enable(Oid relid, int ttl, bool automatic, Oid extension);
extern void arc_tracking_disable(Oid relid);

/* Mark the relation as written by the current transaction. */
extern void arc_tracking_mark(Oid relid, int flags);

/*
 * Logical replication applies rows without statement triggers: in its workers
 * every commit marks all relations that the subscriptions feed.
 */
extern void arc_tracking_init(void);

#endif							/* ARC_TRACKING_H */
