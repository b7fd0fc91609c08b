/*-------------------------------------------------------------------------
 *
 * stats.h
 *	  Counters, per database.
 *
 * Each backend owns one block of counters in shared memory and is its only
 * writer, so that counting needs neither a lock nor an atomic instruction.
 * When the backend exits its block is added to its database's record.  What a
 * process counts on behalf of another database (an eviction, say) goes
 * straight to that database's record, atomically.  Records are found and
 * created under the tranche's only lock; reading sums records and live blocks
 * under that lock.  A reset remembers the sums of that moment.
 *
 * Nothing here raises, except that arc_stats_read() may be called only while
 * preloaded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_STATS_H
#define ARC_STATS_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* The order is that of the columns of arcache_stats; see views.c. */
typedef enum ArcCounter
{
	ARC_HITS,
	ARC_MISSES,
	ARC_FILLS,
	ARC_FILL_TIME,				/* microseconds */
	ARC_TIME_SAVED,				/* microseconds */
	ARC_SETS,
	ARC_DELETES,
	ARC_INVALIDATIONS,			/* tokens registered by writers */
	ARC_EXPIRATIONS,
	ARC_EVICTIONS,
	ARC_WAITS,					/* for another session's fill */
	ARC_WAIT_TIMEOUTS,
	ARC_REJECTED_STALE_FILL,
	ARC_REJECTED_FULL,
	ARC_REJECTED_OVERSIZE,
	ARC_REJECTED_NO_TTL,		/* neither tracked nor given a ttl */
	ARC_BYPASS_DISABLED,
	ARC_BYPASS_ISOLATION,		/* serializable, or no MVCC snapshot */
	ARC_BYPASS_OWN_WRITES,
	ARC_BYPASS_UNCACHEABLE,
	ARC_BYPASS_CHEAP,			/* quicker than arcache.min_time */
	ARC_AUDITS,
	ARC_AUDIT_FAILURES,
	ARC_NCOUNTERS
} ArcCounter;

typedef struct ArcStatsTotals
{
	uint64		counters[ARC_NCOUNTERS];
	TimestampTz reset_at;
} ArcStatsTotals;

extern void arc_stats_shmem_register(void);

/* Add to this backend's own counters, for MyDatabaseId. */
extern void arc_stats_add(ArcCounter counter, uint64 n);
#define arc_stats_count(counter)	arc_stats_add(counter, 1)

/* Add on behalf of any database. */
extern void arc_stats_add_for(Oid database, ArcCounter counter, uint64 n);

extern void arc_stats_read(Oid database, ArcStatsTotals *totals);
extern void arc_stats_reset(Oid database);
extern void arc_stats_forget_database(Oid database);

#endif							/* ARC_STATS_H */
