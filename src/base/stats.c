/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  Counters, per database.
 *
 * Shared memory holds a table of records, one per database, and an array of
 * blocks, one per place in the process array.  A backend counts in the block
 * at its place.  When it exits, it folds the block: adds its counters to the
 * database's record and clears it.  So the counts of a database are those of
 * its record and of the blocks that bear its oid.
 *
 * Why not the server's cumulative statistics?  Extensions can add kinds of
 * their own only since 18.
 *
 * There are MAX_DATABASES records, kept in the order of their making.  One
 * more, at the end, is that of no database: it takes what is counted by a
 * process that is not connected to any, and what is counted for a database
 * that found no record free.  Such a database shows only what its live backends
 * count, and cannot be reset.
 *
 * Concurrency
 * -----------
 *
 * The tranche's one lock protects which database each record and each block
 * belongs to, and the moment at which counters move from one to the other:
 * who changes those has it in exclusive mode.  In shared mode it lets one add
 * to a record (atomically, since others may do so as well) and lets one read a
 * sum (no fold can happen meanwhile, so nothing is seen twice or not at all).
 * The lock is a leaf: nothing that takes a lock or raises is called with it.
 *
 * A block's counters are written by its owner only and without the lock: an
 * aligned store of 64 bits after a load, no locked instruction.  Readers see
 * each counter whole, though not all at the same moment.  A fold is done by
 * the owner too, so it cannot miss a count in progress.
 *
 * A backend folds in before_shmem_exit, that is, also if it exits by FATAL.
 * The abort of its last transaction may come later and count still; that goes
 * to the record directly.  A backend that does not get as far as that takes
 * the whole of shared memory down with it.
 *
 * Baselines, not zeroes, are what a reset leaves, because only the owner may
 * write a block.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/inject.h"
#include "base/shmem.h"
#include "base/stats.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#define MAX_DATABASES		256

/* The index of the record of no database. */
#define NO_DATABASE			MAX_DATABASES

/* The counters of one database that no live backend owns. */
typedef struct ArcSharedStatsRecord
{
	pg_atomic_uint64 counters[ARC_NCOUNTERS];	/* added to atomically */
	uint64		baseline[ARC_NCOUNTERS];	/* sums at the reset; the lock */
	TimestampTz reset_at;		/* the lock */
} ArcSharedStatsRecord;

/* The counters of one backend, in cache lines of its own. */
typedef union ArcSharedStatsBlock
{
	struct
	{
		Oid			database;	/* InvalidOid if unowned; the lock */
		pg_atomic_uint64 counters[ARC_NCOUNTERS];	/* written by the owner */
	}			own;
	char		pad[TYPEALIGN(PG_CACHE_LINE_SIZE,
							  sizeof(uint64) * (ARC_NCOUNTERS + 1))];
} ArcSharedStatsBlock;

StaticAssertDecl(sizeof(ArcSharedStatsBlock) % PG_CACHE_LINE_SIZE == 0,
				 "blocks share a cache line");

typedef struct ArcSharedStats
{
	uint32		nblocks;		/* constant */
	Oid			databases[MAX_DATABASES];	/* InvalidOid if free; the lock */
	ArcSharedStatsRecord records[MAX_DATABASES + 1];
} ArcSharedStats;

#define BLOCKS_OFFSET		TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(ArcSharedStats))

/* This process's view; NULL where there is no shared memory. */
static ArcSharedStats *shared = NULL;
static ArcSharedStatsBlock *blocks = NULL;
static LWLock *lock = NULL;

/* This process's own block, from the first count on until it is folded. */
static ArcSharedStatsBlock *my_block = NULL;
static bool folded = false;

/* The database's record, or -1.  The lock is held. */
static int
find_record(Oid database)
{
	/* Most processes only ever ask for one. */
	static int	last = 0;

	if (!OidIsValid(database))
		return NO_DATABASE;
	if (shared->databases[last] == database)
		return last;

	for (int i = 0; i < MAX_DATABASES; i++)
	{
		if (shared->databases[i] == database)
		{
			last = i;
			return i;
		}
	}
	return -1;
}

static void
clear_record(ArcSharedStatsRecord *record)
{
	for (int i = 0; i < ARC_NCOUNTERS; i++)
		pg_atomic_write_u64(&record->counters[i], 0);
	memset(record->baseline, 0, sizeof(record->baseline));
	record->reset_at = GetCurrentTimestamp();
}

/*
 * The database's record, made if need be, or the one of no database if there
 * is no room.  The lock is held in exclusive mode.
 */
static int
make_record(Oid database)
{
	int			found = find_record(database);

	for (int i = 0; found < 0 && i < MAX_DATABASES; i++)
	{
		if (!OidIsValid(shared->databases[i]))
		{
			clear_record(&shared->records[i]);
			shared->databases[i] = database;
			found = i;
		}
	}
	return found < 0 ? NO_DATABASE : found;
}

/* Move a block's counters to its database's record.  Lock held exclusively. */
static void
fold_block(ArcSharedStatsBlock *block)
{
	int			index = make_record(block->own.database);
	ArcSharedStatsRecord *record = &shared->records[index];

	for (int i = 0; i < ARC_NCOUNTERS; i++)
	{
		uint64		n = pg_atomic_read_u64(&block->own.counters[i]);

		if (n > 0)
		{
			pg_atomic_fetch_add_u64(&record->counters[i], n);
			pg_atomic_write_u64(&block->own.counters[i], 0);
		}
	}
	block->own.database = InvalidOid;
}

/* before_shmem_exit callback */
static void
fold_at_exit(int code, Datum arg)
{
	if (my_block == NULL)
		return;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	fold_block(my_block);
	LWLockRelease(lock);

	my_block = NULL;
	folded = true;
}

/*
 * Make the block at our place in the process array ours.  False if there is
 * none, or no more.
 */
static bool
claim_block(void)
{
	ArcSharedStatsBlock *block;

	if (folded || MyProc == NULL || !OidIsValid(MyDatabaseId) ||
		(uint32) arc_compat_proc_number() >= shared->nblocks)
		return false;

	/* First, as it may raise. */
	before_shmem_exit(fold_at_exit, (Datum) 0);

	block = &blocks[arc_compat_proc_number()];
	LWLockAcquire(lock, LW_EXCLUSIVE);

	/* Nobody leaves counts behind; if so, they are not ours. */
	if (OidIsValid(block->own.database))
		fold_block(block);

	/* A record now is one to reset later. */
	(void) make_record(MyDatabaseId);
	block->own.database = MyDatabaseId;
	LWLockRelease(lock);

	my_block = block;
	return true;
}

void
arc_stats_add(ArcCounter counter, uint64 n)
{
	pg_atomic_uint64 *mine;

	if (shared == NULL)
		return;

	if (my_block == NULL && !claim_block())
	{
		arc_stats_add_for(MyDatabaseId, counter, n);
		return;
	}

	mine = &my_block->own.counters[counter];
	pg_atomic_write_u64(mine, pg_atomic_read_u64(mine) + n);
}

void
arc_stats_add_for(Oid database, ArcCounter counter, uint64 n)
{
	int			record;

	if (shared == NULL || MyProc == NULL)
		return;

	if (my_block != NULL && database == MyDatabaseId)
	{
		arc_stats_add(counter, n);
		return;
	}

	LWLockAcquire(lock, LW_SHARED);
	record = find_record(database);
	if (record < 0)
	{
		LWLockRelease(lock);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		record = make_record(database);
	}
	pg_atomic_fetch_add_u64(&shared->records[record].counters[counter], n);
	LWLockRelease(lock);
}

/* What has ever been counted for a database.  The lock is held. */
static void
sum_counters(Oid database, int record, uint64 *sums)
{
	for (int i = 0; i < ARC_NCOUNTERS; i++)
		sums[i] = (record < 0) ? 0 :
			pg_atomic_read_u64(&shared->records[record].counters[i]);

	if (!OidIsValid(database))
		return;					/* unowned blocks have no counts */

	for (uint32 b = 0; b < shared->nblocks; b++)
	{
		if (blocks[b].own.database != database)
			continue;
		for (int i = 0; i < ARC_NCOUNTERS; i++)
			sums[i] += pg_atomic_read_u64(&blocks[b].own.counters[i]);
	}
}

/*
 * The counts of a database since its last reset.  InvalidOid asks for those
 * that belong to no database.
 */
void
arc_stats_read(Oid database, ArcStatsTotals *totals)
{
	int			record;

	memset(totals, 0, sizeof(*totals));
	if (shared == NULL)
		return;

	LWLockAcquire(lock, LW_SHARED);
	record = find_record(database);
	sum_counters(database, record, totals->counters);
	if (record >= 0)
	{
		for (int i = 0; i < ARC_NCOUNTERS; i++)
			totals->counters[i] -= Min(totals->counters[i],
									   shared->records[record].baseline[i]);
		totals->reset_at = shared->records[record].reset_at;
	}
	else
		totals->reset_at = shared->records[NO_DATABASE].reset_at;
	LWLockRelease(lock);
}

void
arc_stats_reset(Oid database)
{
	TimestampTz now = GetCurrentTimestamp();
	int			record;

	if (shared == NULL)
		return;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	ARC_INJECT_LOCKED("stats-locked");
	record = make_record(database);
	if (record != NO_DATABASE || !OidIsValid(database))
	{
		sum_counters(database, record, shared->records[record].baseline);
		shared->records[record].reset_at = now;
	}
	LWLockRelease(lock);
}

/*
 * The database is gone; so is its record.  Its backends had to be gone before,
 * and have folded their blocks.  (Should something of the database be evicted
 * yet, that makes a record again, which is then in nobody's way but others'
 * who want one.)
 */
void
arc_stats_forget_database(Oid database)
{
	int			record;

	if (shared == NULL || !OidIsValid(database))
		return;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	record = find_record(database);
	if (record >= 0)
		shared->databases[record] = InvalidOid;
	LWLockRelease(lock);
}

/*
 * MaxBackends, on which this depends, is known when the server asks for our
 * size, and does not change until it hands us the memory.
 */
static Size
stats_size(void)
{
	return add_size(BLOCKS_OFFSET,
					mul_size(arc_compat_max_procs(),
							 sizeof(ArcSharedStatsBlock)));
}

static void
stats_attach(void *address, LWLockPadded *locks)
{
	shared = address;
	blocks = (ArcSharedStatsBlock *) ((char *) address + BLOCKS_OFFSET);
	lock = &locks[0].lock;
}

static void
stats_init(void *address, LWLockPadded *locks)
{
	stats_attach(address, locks);

	shared->nblocks = arc_compat_max_procs();
	for (int i = 0; i < MAX_DATABASES; i++)
		shared->databases[i] = InvalidOid;
	for (int i = 0; i <= MAX_DATABASES; i++)
	{
		for (int c = 0; c < ARC_NCOUNTERS; c++)
			pg_atomic_init_u64(&shared->records[i].counters[c], 0);
		clear_record(&shared->records[i]);
	}
	for (uint32 b = 0; b < shared->nblocks; b++)
	{
		blocks[b].own.database = InvalidOid;
		for (int c = 0; c < ARC_NCOUNTERS; c++)
			pg_atomic_init_u64(&blocks[b].own.counters[c], 0);
	}
}

void
arc_stats_shmem_register(void)
{
	static const ArcShmemPart part = {
		.name = "arcache stats",
		.tranche = "ArcacheStats",
		.nlocks = 1,
		.size = stats_size,
		.init = stats_init,
		.attach = stats_attach,
	};

	arc_shmem_register(&part);
}
