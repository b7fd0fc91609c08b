/*-------------------------------------------------------------------------
 *
 * relstats.h
 *	  Counters, per relation.
 *
 * A backend counts in memory of its own and adds that to the relation's record
 * in shared memory now and then: at the end of a transaction, if a second has
 * passed, and when it exits.  The tranche's only lock protects which record is
 * whose; in shared mode one adds, atomically.
 *
 * There is room for a fixed number of relations; what is counted for others
 * is lost, and nothing else.  Counting may raise for want of memory but for
 * relations that this transaction has counted for before.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RELSTATS_H
#define ARC_RELSTATS_H

#include "postgres.h"

/* The order is that of the columns of arcache_relation_counts(). */
typedef enum ArcRelationCounter
{
	ARC_REL_HITS,
	ARC_REL_MISSES,
	ARC_REL_FILLS,
	ARC_REL_KEY_INVALIDATIONS,	/* keys registered by writers */
	ARC_REL_INVALIDATIONS,		/* registered as a whole */
	ARC_REL_ESCALATIONS,
	ARC_REL_TIMED_CALLS,		/* of the triggers */
	ARC_REL_CALL_TIME,			/* nanoseconds of those */
	ARC_REL_NCOUNTERS
} ArcRelationCounter;

extern void arc_relstats_shmem_register(void);
extern void arc_relstats_init(void);

/* Count for a relation of this database. */
extern void arc_relstats_count(Oid relid, ArcRelationCounter counter, uint64 n);

/* Make what this backend has counted seen by all. */
extern void arc_relstats_flush(void);

/* Visit the relations of a database; the lock is held, so be quick. */
typedef void (*ArcRelationCounts) (Oid relid, const uint64 *counters, void *arg);
extern void arc_relstats_read(Oid database, ArcRelationCounts visit, void *arg);

extern void arc_relstats_reset(Oid database);

extern void arc_relstats_forget(Oid database, Oid relid);
extern void arc_relstats_forget_database(Oid database);

#endif							/* ARC_RELSTATS_H */
