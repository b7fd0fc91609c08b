/*-------------------------------------------------------------------------
 *
 * force.h
 *	  Tables that are tracked without triggers, for tests.
 *
 * While arcache.debug_force is on, each table counts as tracked: its writes
 * are marked, for the relation as a whole, by hooks of the session that makes
 * them.  A session in which the setting is off makes its writes unseen.  So it
 * is of use in postgresql.conf only, for all sessions of a server; even there
 * it does not see what a subscription applies.
 *
 * The hooks raise for want of memory only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_FORCE_H
#define ARC_FORCE_H

#include "postgres.h"

#include "coherence/tracking.h"
#include "nodes/parsenodes.h"

extern void arc_force_init(void);

/*
 * As arc_tracking_of(), which says what the triggers say; but a table without
 * triggers counts as tracked while the setting is on.
 */
extern const ArcTracking *arc_force_tracking_of(Relation rel);

/* Before and after a utility statement, and for each table that one truncates. */
extern void arc_force_mark_utility(Node *stmt);
extern void arc_force_mark_truncated(Oid relid);

#endif							/* ARC_FORCE_H */
