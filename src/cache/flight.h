/*-------------------------------------------------------------------------
 *
 * flight.h
 *	  One fill for concurrent misses of a key.
 *
 * The flight of a key is a heavyweight lock of the advisory class (objsubid
 * ARC_FLIGHT_CLASS in pg_locks), so that deadlock detection, cancel,
 * statement_timeout and pg_locks work.  It is held for the duration of a fill,
 * or to the end of the transaction by arcache_set(if_absent).
 *
 * Waiting ends after arcache.wait_timeout, after the caller's own
 * lock_timeout, and in a deadlock; then the session goes on without the lock.
 * Only a cancel or the termination of the session raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_FLIGHT_H
#define ARC_FLIGHT_H

#include "postgres.h"

#include "store/store.h"

#define ARC_FLIGHT_CLASS	2762

typedef enum ArcFlight
{
	ARC_FLIGHT_LEADS,			/* holds the lock, nobody was before us */
	ARC_FLIGHT_FOLLOWS,			/* holds the lock, somebody was: look again */
	ARC_FLIGHT_ALONE			/* does not hold the lock */
} ArcFlight;

extern ArcFlight arc_flight_enter(const ArcKey *key);
extern void arc_flight_leave(const ArcKey *key, ArcFlight flight);

#endif							/* ARC_FLIGHT_H */
