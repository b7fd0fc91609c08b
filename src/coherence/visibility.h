/*-------------------------------------------------------------------------
 *
 * visibility.h
 *	  The one rule: may a result made under one snapshot be served under
 *	  another?
 *
 * An ArcView is a snapshot with its bounds widened to 64 bits; it borrows the
 * snapshot and is valid as long as that is.  The questions read slots and the
 * process array, take ProcArrayLock in shared mode at most, and never raise.
 *
 * The argument is in README.md of this folder.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_VISIBILITY_H
#define ARC_VISIBILITY_H

#include "postgres.h"

#include "coherence/token.h"
#include "utils/snapshot.h"

typedef struct ArcView
{
	Snapshot	snapshot;
	uint64		xmin;
	uint64		xmax;
} ArcView;

/* False if nothing can be said under this snapshot: it is not an MVCC one. */
extern bool arc_view_init(ArcView *view, Snapshot snapshot);

/* Is this transaction finished, as the snapshot sees it? */
extern bool arc_view_finished(const ArcView *view, uint64 xid);

/* May a result that depends on token, published at seq, be served? */
extern bool arc_view_may_serve(const ArcView *view, ArcToken token, uint64 seq);

/*
 * May a result computed under this view and depending on token be published?
 * If so *seq is the count to publish it at.  A writer `seen` (or 0) counts as
 * finished: a transaction that commits publishes what it saw of its own.
 */
extern bool arc_view_may_publish(const ArcView *view, ArcToken token,
								 uint64 seen, uint64 *seq);

/*
 * Can no snapshot that anyone holds, or will ever take, be served a result
 * that was published at seq?  oldest is the oldest xmin of any snapshot.
 */
extern bool arc_token_is_dead(ArcToken token, uint64 seq, uint64 oldest);
extern uint64 arc_oldest_xmin(void);

/* The oldest transaction still running, prepared ones included. */
extern uint64 arc_oldest_running(void);

#endif							/* ARC_VISIBILITY_H */
