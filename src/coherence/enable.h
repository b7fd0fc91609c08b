/*-------------------------------------------------------------------------
 *
 * enable.h
 *	  Begin and cease to track relations.
 *
 * These create and drop the triggers of which tracking.h speaks, on a relation
 * and all its descendants, and raise as the DDL they run does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_ENABLE_H
#define ARC_ENABLE_H

#include "postgres.h"

#include "nodes/pg_list.h"

/*
 * Keys are lists of column names; without a list of keys they are the primary
 * key, the unique keys and the foreign keys of the relation.
 */
typedef struct ArcTrackingOptions
{
	int			ttl;			/* seconds; 0 is no limit */
	bool		automatic;
	bool		default_keys;
	List	   *keys;			/* of lists of char *, unless default_keys */
	Oid			function;		/* arcache_track() */
} ArcTrackingOptions;

/* Raise 42501 unless the current user owns the relation. */
extern void arc_tracking_check_owner(Oid relid);

extern void arc_tracking_enable(Oid relid, const ArcTrackingOptions *options);
extern void arc_tracking_disable(Oid relid);

/*
 * A relation has become a child of parents: track it as one of them is, if it
 * is not tracked.  Says so with a WARNING where it may not be.
 */
extern void arc_tracking_adopt(Oid relid);

#endif							/* ARC_ENABLE_H */
