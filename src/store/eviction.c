/*-------------------------------------------------------------------------
 *
 * eviction.c
 *	  Which entries go when memory is short, and which have outlived their use.
 *
 * Value
 * -----
 *
 * Entries are evicted by GreedyDual-Size-Frequency (Cherkasova, 1998): each
 * has the priority
 *
 *		H = L + min(freq, 255) * cost / size
 *
 * where freq is the number of its uses, cost the time it took to make, size
 * the memory it takes, and L an age of the whole cache: the H of what was
 * evicted last.  An entry that is used gets the L of that moment; one that is
 * not falls behind as L rises, however much it was worth.
 *
 * H and L are fixed-point numbers of 64 bits, counting 2^-24 microseconds per
 * byte, not floating-point ones.  L only grows, so with a float the worth of
 * new entries would in time fall below the precision of L, and all would look
 * alike: with 24 bits of mantissa in days, with 53 only after an entry of
 * great worth had driven L up.  Integers are as precise at the end as at the
 * start.  Nor do they come to an end: an entry's worth is limited to 2^44
 * units, which is a second per byte, L rises by at most an entry's worth while
 * the cache's contents are replaced once, and it would take 2^20 replacements
 * by entries that all took minutes to make.  (Should it happen, L stops at its
 * maximum, and what remains is random replacement.)
 *
 * The cost of a value that the application set is not known.  It is not
 * nothing: somebody found it worth a round trip.  So no cost counts as less
 * than COST_FLOOR, about what a small query takes, which makes cheap entries
 * compete by use and size alone.
 *
 * Sampling
 * --------
 *
 * There is no list in order of H: a hit would have to move its entry, under a
 * lock.  A hit writes the entry's new H into it, atomically, and that is all.
 * Two hits at once may leave either's H, which are as good as equal.  To
 * evict, we look at the entries of SAMPLE_BUCKETS occupied buckets that follow
 * each other from a random one on, and evict the worst eighth.  Keys are
 * spread by hash, so a row of buckets is as random a sample as any.  Entries
 * that have expired, or of which the cache says that they can never be served
 * again, go first, whether or not they are pinned; others only if no one has
 * them pinned, as evicting them would free nothing now.
 *
 * L is set to the lowest H of what a sample lost, not the highest, so that
 * one unlucky sample does not make all entries outside it look old.
 *
 * Concurrency
 * -----------
 *
 * Partitions are visited one after the other from a random one on, so that
 * even the last entry of an almost empty index is found.  A sample's buckets
 * are searched for without the lock.  The lock is then taken conditionally, in
 * exclusive mode; if it is busy the next partition will do.  So we never wait
 * for a lock of the index, and hold at most one.  Victims are unlinked under
 * the lock, keep each other by their next, which is ours now, and are counted
 * and freed after its release.
 *
 * L is changed by compare-and-swap and only upwards.  Hits read it: it has a
 * cache line of its own, which changes only as often as a sample is evicted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/stats.h"
#include "common/int.h"
#include "common/pg_prng.h"
#include "store/store_internal.h"
#include "utils/timestamp.h"

/* Fixed-point numbers: units per microsecond per byte, and the largest. */
#define WORTH_UNIT			((double) (1 << 24))
#define WORTH_MAX			(UINT64CONST(1) << 44)

#define COST_FLOOR			100.0	/* microseconds */
#define MAX_FREQUENCY		255

#define SAMPLE_BUCKETS		32
#define SAMPLE_SIZE			64	/* entries, if chains are long */
#define SAMPLE_SHARE		8	/* one of so many is evicted */

/* Give up after so many rounds through the partitions without success. */
#define MAX_LAPS			3

/* Buckets that a sweep visits before it lets others have the lock. */
#define SWEEP_BUCKETS		128

StaticAssertDecl(ARC_PARTITIONS % ARC_SWEEP_STEPS == 0,
				 "a step of the sweep has whole partitions");

/* Counts on behalf of one database, to be reported together. */
typedef struct Tally
{
	Oid			database;
	uint64		evictions;
	uint64		expirations;
} Tally;

static ArcStoreDeadCheck dead_check = NULL;

void
arc_store_set_dead_check(ArcStoreDeadCheck check)
{
	dead_check = check;
}

/*
 * Compute H from the number of hits, and write it into the entry if it has
 * changed, which for an entry in constant use it rarely does.
 */
void
arc_eviction_set_priority(ArcSharedEntry *entry, uint64 hits)
{
	double		frequency = (double) Min(hits + 1, MAX_FREQUENCY);
	double		cost = entry->cost;
	double		worth;
	uint64		age;
	uint64		priority;

	/* Written so that a NaN gets the floor. */
	if (!(cost >= COST_FLOOR))
		cost = COST_FLOOR;

	worth = frequency * cost / (double) arc_entry_footprint(entry) * WORTH_UNIT;
	worth = Min(Max(worth, 1.0), (double) WORTH_MAX);

	age = pg_atomic_read_u64(&arc_store.shared->age);
	if (pg_add_u64_overflow(age, (uint64) worth, &priority))
		priority = PG_UINT64_MAX;

	if (pg_atomic_read_u64(&entry->priority) != priority)
		pg_atomic_write_u64(&entry->priority, priority);
}

void
arc_store_touch(ArcSharedEntry *entry)
{
	uint64		hits = pg_atomic_add_fetch_u64(&entry->hits, 1);

	arc_eviction_set_priority(entry, hits);
}

/* Raise L to this H, unless it is beyond already. */
static void
raise_age(uint64 priority)
{
	pg_atomic_uint64 *shared_age = &arc_store.shared->age;
	uint64		age = pg_atomic_read_u64(shared_age);

	while (age < priority)
	{
		if (pg_atomic_compare_exchange_u64(shared_age, &age, priority))
			break;
	}
}

/* Can the entry never be served again? */
static inline bool
is_garbage(const ArcSharedEntry *entry, TimestampTz now)
{
	return arc_entry_expired(entry, now) ||
		(dead_check != NULL && dead_check(entry));
}

/*
 * Move an entry from its chain to a list of ours, chained by next as well.
 * The partition's lock is held.
 */
static inline void
add_victim(ArcRef *victims, ArcSharedEntry *entry)
{
	bool		linked PG_USED_FOR_ASSERTS_ONLY;

	linked = arc_index_unlink(entry);
	Assert(linked);
	entry->next = *victims;
	*victims = arc_arena_ref(entry);
}

static void
report_tally(Tally *tally)
{
	if (tally->evictions > 0)
		arc_stats_add_for(tally->database, ARC_EVICTIONS, tally->evictions);
	if (tally->expirations > 0)
		arc_stats_add_for(tally->database, ARC_EXPIRATIONS, tally->expirations);
	tally->evictions = tally->expirations = 0;
}

/*
 * Release what has been unlinked; no lock is held.  Evicted entries count as
 * evictions, and of the others those that have expired as expirations.  What
 * was dead before its time counts as nothing, for it was when it died that it
 * was counted.  Returns the bytes freed; an entry that others have pinned is
 * freed later, by them.
 */
static uint64
release_victims(ArcRef victims, bool evicted, TimestampTz now, uint64 *removed)
{
	Tally		tally = {InvalidOid, 0, 0};
	uint64		freed = 0;

	while (victims != ARC_REF_NONE)
	{
		ArcSharedEntry *entry = arc_entry_at(victims);
		uint64		size = arc_entry_footprint(entry);

		if (entry->database != tally.database)
		{
			report_tally(&tally);
			tally.database = entry->database;
		}
		if (evicted)
			tally.evictions++;
		else if (arc_entry_expired(entry, now))
			tally.expirations++;

		(*removed)++;
		victims = entry->next;
		if (arc_entry_release(entry))
			freed += size;
	}
	report_tally(&tally);
	return freed;
}

/* Occupied buckets of a partition, from a random one on.  Without the lock. */
static int
sample_buckets(uint32 partition, uint32 *buckets)
{
	uint32		size = arc_store.partition_buckets;
	uint32		first = partition * size;
	uint32		start;
	uint32		end = first + size;
	int			limit;
	int			n = 0;

	/* No more buckets can be occupied than there are entries. */
	limit = (int) Min(arc_index_partition_entries(partition), SAMPLE_BUCKETS);
	start = first + (uint32) (pg_prng_uint64(&pg_global_prng_state) % size);

	/* From there to the end, then from the beginning to there. */
	for (uint32 b = start; n < limit; b++)
	{
		b = arc_index_next_bucket(b, end);
		if (b >= end)
			break;
		buckets[n++] = b;
	}
	for (uint32 b = first; n < limit; b++)
	{
		b = arc_index_next_bucket(b, start);
		if (b >= start)
			break;
		buckets[n++] = b;
	}
	return n;
}

/*
 * Evict the worst of a sample of one partition, until this many bytes are
 * reached.  Returns the bytes freed.
 */
static uint64
evict_sample(uint32 partition, uint64 wanted, TimestampTz now)
{
	uint32		buckets[SAMPLE_BUCKETS];
	ArcSharedEntry *sample[SAMPLE_SIZE];
	uint64		priorities[SAMPLE_SIZE];
	int			nbuckets;
	int			nsample = 0;
	int			quota;
	uint64		unlinked = 0;
	uint64		lowest = PG_UINT64_MAX;
	uint64		freed;
	uint64		removed = 0;
	ArcRef		garbage = ARC_REF_NONE;
	ArcRef		evicted = ARC_REF_NONE;

	if (arc_index_partition_entries(partition) == 0)
		return 0;
	nbuckets = sample_buckets(partition, buckets);

	if (!LWLockConditionalAcquire(arc_index_lock(partition), LW_EXCLUSIVE))
		return 0;

	for (int i = 0; i < nbuckets; i++)
	{
		ArcRef		ref = arc_store.buckets[buckets[i]];

		while (ref != ARC_REF_NONE)
		{
			ArcSharedEntry *entry = arc_entry_at(ref);
			uint32		refs = pg_atomic_read_u32(&entry->refs);

			ref = entry->next;
			if (is_garbage(entry, now))
			{
				if (refs == 1)
					unlinked += arc_entry_footprint(entry);
				add_victim(&garbage, entry);
			}
			else if (refs == 1 && nsample < SAMPLE_SIZE)
			{
				priorities[nsample] = pg_atomic_read_u64(&entry->priority);
				sample[nsample++] = entry;
			}
		}
	}

	/* Nobody can pin them now, so what we unlink will be free. */
	quota = Max(nsample / SAMPLE_SHARE, 1);
	for (; quota > 0 && nsample > 0 && unlinked < wanted; quota--)
	{
		int			worst = 0;

		for (int i = 1; i < nsample; i++)
			if (priorities[i] < priorities[worst])
				worst = i;

		lowest = Min(lowest, priorities[worst]);
		unlinked += arc_entry_footprint(sample[worst]);
		add_victim(&evicted, sample[worst]);

		nsample--;
		sample[worst] = sample[nsample];
		priorities[worst] = priorities[nsample];
	}

	LWLockRelease(arc_index_lock(partition));

	if (lowest != PG_UINT64_MAX)
		raise_age(lowest);
	freed = release_victims(garbage, false, now, &removed);
	freed += release_victims(evicted, true, now, &removed);
	return freed;
}

/*
 * Evict at least this many bytes, if there are as many.  Each sample that
 * frees something frees at least one entry, and with none that does we give
 * up, so this ends.
 */
uint64
arc_store_evict(uint64 bytes)
{
	TimestampTz now;
	uint64		freed = 0;
	uint32		partition;
	int			idle = 0;

	if (arc_store.shared == NULL)
		return 0;

	now = GetCurrentTimestamp();
	partition = (uint32) (pg_prng_uint64(&pg_global_prng_state) % ARC_PARTITIONS);

	while (freed < bytes && idle < MAX_LAPS * ARC_PARTITIONS)
	{
		uint64		got = evict_sample(partition, bytes - freed, now);

		freed += got;
		idle = (got > 0) ? 0 : idle + 1;
		partition = (partition + 1) % ARC_PARTITIONS;
	}
	return freed;
}

/* Is there garbage in these buckets?  The partition's lock is held. */
static bool
has_garbage(uint32 first, uint32 end, TimestampTz now)
{
	for (uint32 b = first; b < end; b++)
	{
		ArcRef		ref = arc_store.buckets[b];

		for (; ref != ARC_REF_NONE; ref = arc_entry_at(ref)->next)
			if (is_garbage(arc_entry_at(ref), now))
				return true;
	}
	return false;
}

/*
 * Remove expired and dead entries of some partitions.  Most buckets have none,
 * so they are looked through under a shared lock, and again under an exclusive
 * one only if there was something to find.
 */
uint64
arc_store_sweep(int step, TimestampTz now)
{
	uint32		per_step = ARC_PARTITIONS / ARC_SWEEP_STEPS;
	uint32		partition = (uint32) (step % ARC_SWEEP_STEPS) * per_step;
	uint32		last = partition + per_step;
	uint64		removed = 0;

	if (arc_store.shared == NULL)
		return 0;

	/* In assert builds each full sweep begins with a look at every tag. */
	Assert(step % ARC_SWEEP_STEPS != 0 || arc_arena_check());

	for (; partition < last; partition++)
	{
		LWLock	   *lock = arc_index_lock(partition);
		uint32		bucket = partition * arc_store.partition_buckets;
		uint32		end = bucket + arc_store.partition_buckets;

		while (arc_index_partition_entries(partition) > 0)
		{
			ArcRef		garbage = ARC_REF_NONE;
			uint32		stop;
			bool		found;

			bucket = arc_index_next_bucket(bucket, end);
			if (bucket >= end)
				break;
			stop = Min(end, bucket + SWEEP_BUCKETS);

			LWLockAcquire(lock, LW_SHARED);
			found = has_garbage(bucket, stop, now);
			LWLockRelease(lock);

			if (found)
			{
				LWLockAcquire(lock, LW_EXCLUSIVE);
				for (uint32 b = bucket; b < stop; b++)
				{
					ArcRef		ref = arc_store.buckets[b];

					while (ref != ARC_REF_NONE)
					{
						ArcSharedEntry *entry = arc_entry_at(ref);

						ref = entry->next;
						if (is_garbage(entry, now))
							add_victim(&garbage, entry);
					}
				}
				LWLockRelease(lock);
				release_victims(garbage, false, now, &removed);
			}
			bucket = stop;
		}
	}
	return removed;
}

/*
 * How much should be evicted ahead, so that backends need not: up to a
 * sixteenth of the arena, once less than half of that is free.
 */
uint64
arc_store_shortage(void)
{
	uint64		size = arc_arena_size();
	uint64		available = arc_arena_free_estimate();

	if (available >= size / 32)
		return 0;
	return size / 16 - available;
}
