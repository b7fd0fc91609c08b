/*-------------------------------------------------------------------------
 *
 * tally.c
 *	  Counters, per thing: relation, statement.
 *
 * The records are an open hash table of fixed size: a thing's record is at its
 * hash or at one of the PROBES places that follow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/inject.h"
#include "base/tally.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define NRECORDS		4096	/* a power of two */
#define PROBES			64
#define FLUSH_INTERVAL	1000	/* milliseconds */
#define MANY_LOCAL		256		/* things: more are not kept beyond a flush */
#define TALLIES_MAX		4

typedef struct ArcSharedTallyRecord
{
	ArcTallyKey key;			/* the lock */
	pg_atomic_uint64 counted_at;	/* a TimestampTz: when something was added */
	pg_atomic_uint64 counters[ARC_TALLY_COUNTERS];
	char		note[ARC_TALLY_NOTE];	/* the lock */
} ArcSharedTallyRecord;

typedef struct ArcSharedTally
{
	ArcSharedTallyRecord records[NRECORDS];
} ArcSharedTally;

/* What this backend has counted and not yet added. */
typedef struct LocalCounts
{
	ArcTallyKey key;			/* hash key */
	bool		counted;
	uint64		counters[ARC_TALLY_COUNTERS];
	char		note[ARC_TALLY_NOTE];	/* "" if there is nothing to note */
} LocalCounts;

/* All that were started, for the end of a transaction and of the backend. */
static ArcTally *tallies[TALLIES_MAX];
static int	ntallies = 0;
static TimestampTz flushed_at = 0;

/* -- records ------------------------------------------------------------------ */

static bool
same_key(const ArcTallyKey *a, const ArcTallyKey *b)
{
	return a->database == b->database && a->role == b->role && a->id == b->id;
}

static uint32
first_place(const ArcTallyKey *key)
{
	return hash_bytes((const unsigned char *) key, sizeof(ArcTallyKey));
}

static ArcSharedTallyRecord *
record_at(const ArcTally *tally, uint32 place)
{
	return &tally->shared->records[place % NRECORDS];
}

/* The lock is held. */
static ArcSharedTallyRecord *
find_record(const ArcTally *tally, const ArcTallyKey *key)
{
	uint32		first = first_place(key);

	for (int i = 0; i < PROBES; i++)
	{
		ArcSharedTallyRecord *record = record_at(tally, first + i);

		if (same_key(&record->key, key))
			return record;
	}
	return NULL;
}

static void
clear_record(ArcSharedTallyRecord *record)
{
	for (int i = 0; i < ARC_TALLY_COUNTERS; i++)
		pg_atomic_write_u64(&record->counters[i], 0);
	record->note[0] = '\0';
}

/* The lock is held in exclusive mode. */
static ArcSharedTallyRecord *
make_record(const ArcTally *tally, const ArcTallyKey *key)
{
	ArcSharedTallyRecord *record = find_record(tally, key);
	uint32		first = first_place(key);

	if (record != NULL)
		return record;
	record = record_at(tally, first);
	for (int i = 1; i < PROBES && OidIsValid(record->key.database); i++)
	{
		ArcSharedTallyRecord *other = record_at(tally, first + i);

		if (!OidIsValid(other->key.database) ||
			pg_atomic_read_u64(&other->counted_at) < pg_atomic_read_u64(&record->counted_at))
			record = other;
	}
	clear_record(record);
	record->key = *key;
	return record;
}

/* -- counting ------------------------------------------------------------------ */

static void
add_counts(const ArcTally *tally, const LocalCounts *counts, TimestampTz now)
{
	ArcSharedTallyRecord *record;

	LWLockAcquire(tally->lock, LW_SHARED);
	record = find_record(tally, &counts->key);
	if (record == NULL ||
		(counts->note[0] != '\0' && strcmp(counts->note, record->note) != 0))
	{
		LWLockRelease(tally->lock);
		LWLockAcquire(tally->lock, LW_EXCLUSIVE);
		record = make_record(tally, &counts->key);
		if (counts->note[0] != '\0')
			strcpy(record->note, counts->note);
	}
	for (int i = 0; i < ARC_TALLY_COUNTERS; i++)
	{
		if (counts->counters[i] > 0)
			pg_atomic_fetch_add_u64(&record->counters[i], counts->counters[i]);
	}
	pg_atomic_write_u64(&record->counted_at, (uint64) now);
	LWLockRelease(tally->lock);
}

static void
clear_local(LocalCounts *counts)
{
	counts->counted = false;
	memset(counts->counters, 0, sizeof(counts->counters));
	counts->note[0] = '\0';
}

void
arc_tally_flush(ArcTally *tally)
{
	TimestampTz now;
	HASH_SEQ_STATUS scan;
	LocalCounts *counts;

	if (!tally->pending || MyProc == NULL)
		return;
	now = GetCurrentTimestamp();
	hash_seq_init(&scan, tally->local);
	while ((counts = hash_seq_search(&scan)) != NULL)
	{
		if (!counts->counted)
			continue;
		add_counts(tally, counts, now);
		clear_local(counts);
	}
	tally->pending = false;
	if (hash_get_num_entries(tally->local) > MANY_LOCAL)
	{
		hash_destroy(tally->local);
		tally->local = NULL;
		tally->latest = NULL;
	}
}

static void
flush_all(void)
{
	for (int i = 0; i < ntallies; i++)
		arc_tally_flush(tallies[i]);
}

static void
flush_at_exit(int code, Datum arg)
{
	flush_all();
}

static void
start_local(ArcTally *tally)
{
	HASHCTL		ctl = {
		.keysize = sizeof(ArcTallyKey),
		.entrysize = sizeof(LocalCounts),
		.hcxt = TopMemoryContext
	};
	static bool registered = false;

	if (!registered)
		before_shmem_exit(flush_at_exit, (Datum) 0);
	registered = true;
	tally->local = hash_create(tally->name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* NULL if there is nothing to count in. */
static LocalCounts *
local_counts(ArcTally *tally, Oid role, uint64 id)
{
	ArcTallyKey key = {.database = MyDatabaseId, .role = role, .id = id};
	bool		found;

	if (tally->shared == NULL || !OidIsValid(MyDatabaseId))
		return NULL;
	if (tally->latest == NULL || !same_key(&tally->latest->key, &key))
	{
		if (tally->local == NULL)
			start_local(tally);
		tally->latest = hash_search(tally->local, &key, HASH_ENTER, &found);
		if (!found)
			clear_local(tally->latest);
	}
	tally->latest->counted = tally->pending = true;
	return tally->latest;
}

void
arc_tally_count(ArcTally *tally, Oid role, uint64 id, int counter, uint64 n)
{
	LocalCounts *counts = local_counts(tally, role, id);

	if (counts != NULL)
		counts->counters[counter] += n;
}

void
arc_tally_note(ArcTally *tally, Oid role, uint64 id, const char *note)
{
	LocalCounts *counts = local_counts(tally, role, id);
	int			length = strlen(note);

	if (counts == NULL)
		return;
	length = pg_mbcliplen(note, length, ARC_TALLY_NOTE - 1);
	memcpy(counts->note, note, length);
	counts->note[length] = '\0';
}

static void
xact_callback(XactEvent event, void *arg)
{
	bool		pending = false;
	TimestampTz now;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; i < ntallies; i++)
		pending |= tallies[i]->pending;
	if (!pending)
		return;
	now = GetCurrentTransactionStopTimestamp();
	if (TimestampDifferenceExceeds(flushed_at, now, FLUSH_INTERVAL))
	{
		flushed_at = now;
		flush_all();
	}
}

/* -- reading ------------------------------------------------------------------- */

static void
copy_counters(ArcSharedTallyRecord *record, uint64 *counters)
{
	for (int i = 0; i < ARC_TALLY_COUNTERS; i++)
		counters[i] = pg_atomic_read_u64(&record->counters[i]);
}

bool
arc_tally_read(ArcTally *tally, Oid role, uint64 id, uint64 *counters)
{
	ArcTallyKey key = {.database = MyDatabaseId, .role = role, .id = id};
	ArcSharedTallyRecord *record;

	if (tally->shared == NULL)
		return false;
	LWLockAcquire(tally->lock, LW_SHARED);
	record = find_record(tally, &key);
	if (record != NULL)
		copy_counters(record, counters);
	LWLockRelease(tally->lock);
	return record != NULL;
}

void
arc_tally_visit(ArcTally *tally, Oid database, ArcTallyVisit visit, void *arg)
{
	if (tally->shared == NULL)
		return;
	LWLockAcquire(tally->lock, LW_SHARED);
	for (int i = 0; i < NRECORDS; i++)
	{
		ArcSharedTallyRecord *record = &tally->shared->records[i];
		uint64		counters[ARC_TALLY_COUNTERS];

		if (record->key.database != database)
			continue;
		copy_counters(record, counters);
		visit(&record->key, counters, record->note, arg);
	}
	LWLockRelease(tally->lock);
}

void
arc_tally_reset(ArcTally *tally, Oid database)
{
	if (tally->shared == NULL)
		return;
	if (database == MyDatabaseId)
		arc_tally_flush(tally);
	LWLockAcquire(tally->lock, LW_EXCLUSIVE);
	ARC_INJECT_LOCKED("tally-locked");
	for (int i = 0; i < NRECORDS; i++)
	{
		if (tally->shared->records[i].key.database == database)
			tally->shared->records[i].key.database = InvalidOid;
	}
	LWLockRelease(tally->lock);
}

static bool
is_meant(const ArcTallyKey *key, Oid database, Oid role, uint64 id)
{
	return OidIsValid(key->database) &&
		(!OidIsValid(database) || key->database == database) &&
		(!OidIsValid(role) || key->role == role) &&
		(id == 0 || key->id == id);
}

static void
forget_local(ArcTally *tally, Oid database, Oid role, uint64 id)
{
	HASH_SEQ_STATUS scan;
	LocalCounts *counts;

	if (tally->local == NULL)
		return;
	hash_seq_init(&scan, tally->local);
	while ((counts = hash_seq_search(&scan)) != NULL)
	{
		if (is_meant(&counts->key, database, role, id))
			(void) hash_search(tally->local, &counts->key, HASH_REMOVE, NULL);
	}
	tally->latest = NULL;
}

void
arc_tally_forget(ArcTally *tally, Oid database, Oid role, uint64 id)
{
	if (tally->shared == NULL)
		return;
	forget_local(tally, database, role, id);
	LWLockAcquire(tally->lock, LW_EXCLUSIVE);
	for (int i = 0; i < NRECORDS; i++)
	{
		if (is_meant(&tally->shared->records[i].key, database, role, id))
			tally->shared->records[i].key.database = InvalidOid;
	}
	LWLockRelease(tally->lock);
}

/* -- shared memory ------------------------------------------------------------- */

Size
arc_tally_size(void)
{
	return sizeof(ArcSharedTally);
}

void
arc_tally_shmem_init(void *address, LWLockPadded *locks)
{
	ArcSharedTally *all = address;

	memset(all, 0, sizeof(ArcSharedTally));
	for (int i = 0; i < NRECORDS; i++)
	{
		pg_atomic_init_u64(&all->records[i].counted_at, 0);
		for (int c = 0; c < ARC_TALLY_COUNTERS; c++)
			pg_atomic_init_u64(&all->records[i].counters[c], 0);
	}
}

void
arc_tally_attach(ArcTally *tally, void *address, LWLockPadded *locks)
{
	tally->shared = address;
	tally->lock = &locks[0].lock;
}

void
arc_tally_start(ArcTally *tally)
{
	Assert(ntallies < TALLIES_MAX);
	if (ntallies == 0)
		RegisterXactCallback(xact_callback, NULL);
	tallies[ntallies++] = tally;
}
