/*-------------------------------------------------------------------------
 *
 * relstats.h
 *	  Counters, per relation.
 *
 * See tally.h: what it says of locks, of what is lost and of what may raise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RELSTATS_H
#define ARC_RELSTATS_H

#include "postgres.h"

#include "base/tally.h"

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

/* Count for a relation of this database. */
extern void arc_relstats_count(Oid relid, ArcRelationCounter counter, uint64 n);

/* Visit the relations of a database, whose oids are the keys' ids. */
extern void arc_relstats_read(Oid database, ArcTallyVisit visit, void *arg);

extern void arc_relstats_reset(Oid database);

extern void arc_relstats_forget(Oid database, Oid relid);
extern void arc_relstats_forget_database(Oid database);

#endif							/* ARC_RELSTATS_H */
