/*-------------------------------------------------------------------------
 *
 * relstats.c
 *	  Counters, per relation.
 *
 * The records are an open hash table of fixed size: a relation's record is at
 * its hash or at one of the places that follow.  A record that is freed stays
 * part of the way to others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/relstats.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define NRECORDS		4096	/* a power of two */
#define FLUSH_INTERVAL	1000	/* milliseconds */
#define MANY_LOCAL		256		/* relations: more are not kept beyond a flush */

typedef struct ArcSharedRelation
{
	Oid			database;		/* InvalidOid if free; the lock */
	Oid			relid;
	pg_atomic_uint64 counters[ARC_REL_NCOUNTERS];
} ArcSharedRelation;

typedef struct ArcSharedRelations
{
	ArcSharedRelation records[NRECORDS];
} ArcSharedRelations;

/* What this backend has counted and not yet added. */
typedef struct LocalCounts
{
	Oid			relid;			/* hash key */
	bool		counted;
	uint64		counters[ARC_REL_NCOUNTERS];
} LocalCounts;

static ArcSharedRelations *shared = NULL;
static LWLock *lock = NULL;

static HTAB *local = NULL;
static LocalCounts *latest = NULL;	/* of the relation counted last */
static bool pending = false;
static TimestampTz flushed_at = 0;

/* -- records ------------------------------------------------------------------ */

/* The relation's record, or where it would be, or NULL. The lock is held. */
static ArcSharedRelation *
find_record(Oid database, Oid relid, bool make)
{
	uint32		hash = hash_combine(murmurhash32(database), murmurhash32(relid));
	ArcSharedRelation *vacant = NULL;

	for (uint32 i = 0; i < NRECORDS; i++)
	{
		ArcSharedRelation *record = &shared->records[(hash + i) % NRECORDS];

		if (record->database == database && record->relid == relid)
			return record;
		if (OidIsValid(record->database))
			continue;
		if (vacant == NULL)
			vacant = record;
		if (!OidIsValid(record->relid))
			break;				/* was never used, so nothing lies behind */
	}
	return make ? vacant : NULL;
}

static ArcSharedRelation *
make_record(Oid database, Oid relid)
{
	ArcSharedRelation *record = find_record(database, relid, true);

	if (record != NULL && record->database != database)
	{
		for (int i = 0; i < ARC_REL_NCOUNTERS; i++)
			pg_atomic_write_u64(&record->counters[i], 0);
		record->relid = relid;
		record->database = database;
	}
	return record;
}

/* -- counting ------------------------------------------------------------------ */

static void
add_counts(const LocalCounts *counts)
{
	ArcSharedRelation *record;

	LWLockAcquire(lock, LW_SHARED);
	record = find_record(MyDatabaseId, counts->relid, false);
	if (record == NULL)
	{
		LWLockRelease(lock);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		record = make_record(MyDatabaseId, counts->relid);
	}
	for (int i = 0; record != NULL && i < ARC_REL_NCOUNTERS; i++)
	{
		if (counts->counters[i] > 0)
			pg_atomic_fetch_add_u64(&record->counters[i], counts->counters[i]);
	}
	LWLockRelease(lock);
}

void
arc_relstats_flush(void)
{
	HASH_SEQ_STATUS scan;
	LocalCounts *counts;

	if (!pending || MyProc == NULL)
		return;
	hash_seq_init(&scan, local);
	while ((counts = hash_seq_search(&scan)) != NULL)
	{
		if (!counts->counted)
			continue;
		add_counts(counts);
		counts->counted = false;
		memset(counts->counters, 0, sizeof(counts->counters));
	}
	pending = false;
	if (hash_get_num_entries(local) > MANY_LOCAL)
	{
		hash_destroy(local);
		local = NULL;
		latest = NULL;
	}
}

static void
flush_at_exit(int code, Datum arg)
{
	arc_relstats_flush();
}

static void
start(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(LocalCounts),
		.hcxt = TopMemoryContext
	};
	static bool registered = false;

	if (!registered)
		before_shmem_exit(flush_at_exit, (Datum) 0);
	registered = true;
	local = hash_create("arcache relation counters", 64, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
arc_relstats_count(Oid relid, ArcRelationCounter counter, uint64 n)
{
	bool		found;

	if (shared == NULL || !OidIsValid(MyDatabaseId))
		return;
	if (latest == NULL || latest->relid != relid)
	{
		if (local == NULL)
			start();
		latest = hash_search(local, &relid, HASH_ENTER, &found);
		if (!found)
		{
			latest->counted = false;
			memset(latest->counters, 0, sizeof(latest->counters));
		}
	}
	latest->counters[counter] += n;
	latest->counted = pending = true;
}

static void
xact_callback(XactEvent event, void *arg)
{
	TimestampTz now;

	if (!pending || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
					 event != XACT_EVENT_PREPARE))
		return;
	now = GetCurrentTransactionStopTimestamp();
	if (TimestampDifferenceExceeds(flushed_at, now, FLUSH_INTERVAL))
	{
		flushed_at = now;
		arc_relstats_flush();
	}
}

/* -- reading ------------------------------------------------------------------- */

void
arc_relstats_read(Oid database, ArcRelationCounts visit, void *arg)
{
	if (shared == NULL)
		return;
	LWLockAcquire(lock, LW_SHARED);
	for (uint32 i = 0; i < NRECORDS; i++)
	{
		ArcSharedRelation *record = &shared->records[i];
		uint64		counters[ARC_REL_NCOUNTERS];

		if (record->database != database)
			continue;
		for (int c = 0; c < ARC_REL_NCOUNTERS; c++)
			counters[c] = pg_atomic_read_u64(&record->counters[c]);
		visit(record->relid, counters, arg);
	}
	LWLockRelease(lock);
}

void
arc_relstats_reset(Oid database)
{
	if (shared == NULL)
		return;
	if (database == MyDatabaseId)
		arc_relstats_flush();
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (uint32 i = 0; i < NRECORDS; i++)
	{
		for (int c = 0; shared->records[i].database == database &&
			 c < ARC_REL_NCOUNTERS; c++)
			pg_atomic_write_u64(&shared->records[i].counters[c], 0);
	}
	LWLockRelease(lock);
}

void
arc_relstats_forget(Oid database, Oid relid)
{
	ArcSharedRelation *record;

	if (shared == NULL)
		return;
	if (local != NULL && database == MyDatabaseId)
	{
		(void) hash_search(local, &relid, HASH_REMOVE, NULL);
		latest = NULL;
	}
	LWLockAcquire(lock, LW_EXCLUSIVE);
	record = find_record(database, relid, false);
	if (record != NULL)
		record->database = InvalidOid;
	LWLockRelease(lock);
}

void
arc_relstats_forget_database(Oid database)
{
	if (shared == NULL)
		return;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	for (uint32 i = 0; i < NRECORDS; i++)
	{
		if (shared->records[i].database == database)
			shared->records[i].database = InvalidOid;
	}
	LWLockRelease(lock);
}

/* -- shared memory ------------------------------------------------------------- */

static Size
relstats_size(void)
{
	return sizeof(ArcSharedRelations);
}

static void
relstats_init(void *address, LWLockPadded *locks)
{
	ArcSharedRelations *all = address;

	for (uint32 i = 0; i < NRECORDS; i++)
	{
		all->records[i].database = InvalidOid;
		all->records[i].relid = InvalidOid;
		for (int c = 0; c < ARC_REL_NCOUNTERS; c++)
			pg_atomic_init_u64(&all->records[i].counters[c], 0);
	}
}

static void
relstats_attach(void *address, LWLockPadded *locks)
{
	shared = address;
	lock = &locks[0].lock;
}

void
arc_relstats_shmem_register(void)
{
	static const ArcShmemPart part = {
		.name = "arcache relation stats",
		.tranche = "ArcacheRelationStats",
		.nlocks = 1,
		.size = relstats_size,
		.init = relstats_init,
		.attach = relstats_attach,
	};

	arc_shmem_register(&part);
}

void
arc_relstats_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}
