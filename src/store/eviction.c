/*-------------------------------------------------------------------------
 *
 * eviction.c
 *	  Which entries go when memory is short, and which have outlived their use.
 *
 * Value
 * -----
 *
 * An entry is worth the time that it saves for the memory that it takes:
 *
 *		uses * cost / size
 *
 * cost is the time it took to make, size all its memory.  A use counts half after
 * the cache has been replaced HALF_LIFE times, half of that after as many times
 * more, and so on, so that what was popular once makes way for what is now.
 *
 * Time is counted in bytes that were evicted, so it stands still while there is
 * room.  Since all worths fall alike, their order does not change while nobody
 * uses them, and they need not fall at all: what is kept, H, is the logarithm of
 * what the worth would be had it not fallen,
 *
 *		H = log2(worth now) + now / half-life
 *
 * and one more use of an entry of old H gives
 *
 *		H' = log2(2^H + 2^A), A = log2(cost / size) + now / half-life
 *
 * which is the larger of H and A and a little more, from a table.  So H is all
 * that is kept of the past, and all that a hit writes.  It is a fixed-point number
 * of 64 bits, 16 of them after the point; time adds one to it in a half-life.
 *
 * The first use counts half, since much is asked for once and never again.  Beyond
 * USES_MAX no more count: what was used a thousand times and is not any more would
 * stay for as long as it takes to halve that to nothing, and what is used a
 * thousand times now will soon have its uses together if it went by mistake.
 *
 * This is GreedyDual-Size-Frequency (Cherkasova, 1998) but for the way it
 * forgets.  There an entry's worth counts from its last use, so one use after a
 * long time brings all those before back, and frequency is lost when an entry goes.
 * test/bench/eviction measures both; see doc/performance.md.
 *
 * The cost of a value that the application set is not known.  It is not
 * nothing: somebody found it worth a round trip.  So no cost counts as less
 * than COST_FLOOR, about what a small query takes, which makes cheap entries
 * compete by use and size alone.
 *
 * Ghosts
 * ------
 *
 * An entry that goes leaves its uses behind, in a table that is indexed by hash,
 * where others overwrite them in time.  Made again, it goes on from there.
 * Otherwise what is new could not hold out against what has many uses until its
 * second.  Two keys that share a ghost and its tag have each other's popularity,
 * which happens to one in 65,536 and harms little.  What a new value replaces
 * leaves its uses to it, and being replaced is none.
 *
 * The limit
 * ---------
 *
 * There is no list in order of H: a hit would have to move its entry, under a
 * lock.  A hit writes the new H, atomically, and that is all.  Two hits at once
 * may lose one.  To evict, a hand in each partition goes round its buckets, and
 * what it finds with an H up to a limit goes.  The limit is common to all.  Each
 * entry that is passed by raises it a little, each that goes lowers it, so that
 * about one in VISITS_PER_VICTIM goes: it follows the least worthy, up and down,
 * whatever share of them a partition has.  When many are passed by in vain, or all
 * there are, it leaps to the lowest H of them.
 *
 * Evicting the worst of a sample, as was done before, comes to the same only if the
 * sample is large.  A partition of a small cache has but a few entries, all of them
 * good ones if the bad ones have just gone, and then the worst of the good ones went.
 *
 * Entries that have expired, or of which the cache says that they can never be
 * served again, go first, whether or not they are pinned; others only if no one
 * has them pinned, as evicting them would free nothing now.
 *
 * Concurrency
 * -----------
 *
 * Partitions are visited one after the other from a random one on, so that
 * even the last entry of an almost empty index is found.  Occupied buckets are
 * searched for without the lock.  It is then taken conditionally, in exclusive
 * mode; if it is busy the next partition will do.  So we never wait for a lock
 * of the index, and hold at most one, for as long as it takes to look at VISIT_SIZE
 * entries.  Victims are unlinked under the lock, keep each other by their next,
 * which is ours now, and are counted and freed after its release.
 *
 * The hands belong to the partitions' locks, though they are read without.  Time and
 * limit are atomic; time, which hits read, has a cache line of its own, which
 * changes only as often as something is evicted.  Ghosts are read and written
 * without any lock, a word at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/stats.h"
#include "common/pg_prng.h"
#include "store/store_internal.h"
#include "utils/timestamp.h"

/* Fixed-point logarithms: units per doubling, and per unit of an entry's worth. */
#define UNITS				65536
#define WORTH_UNITS			256

/* Where time begins, so that H is positive, and the limit too, far below. */
#define TIME_START			(UINT64CONST(1024) * UNITS)

/* A use counts half after the whole arena has been evicted so many times. */
#define HALF_LIFE			8

/* The first one counts half, too: many are asked for once and never again. */
#define FIRST_USE			((int64) -UNITS)

/* The most uses that count, as a logarithm: eight. */
#define USES_MAX			(3 * UNITS)

#define COST_FLOOR			100.0	/* microseconds */
#define COST_MAX			1e15	/* some 30 years; keeps its logarithm in bounds */

/* How log2(1 + 2^-x) is tabled: steps per doubling, and where it ends. */
#define SUM_STEPS			8
#define SUM_RANGE			16

/* Entries that are looked at under one hold of the lock. */
#define VISIT_SIZE			32

/* What is read of each: its header, key, and the start of what it depends on. */
#define FETCH_LINE			64
#define ENTRY_LINES			3

/* Of so many entries one is to be evicted. */
#define VISITS_PER_VICTIM	32

/* How far the limit is lowered by each that is. */
#define LIMIT_STEP			(UNITS / 16)

/* After so many in vain the limit leaps. */
#define VISITS_IN_VAIN		(4 * VISITS_PER_VICTIM)

/* Rounds through the partitions without success: evict anything; give up. */
#define DESPERATE_LAPS		2
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

/* One call's way through the partitions. */
typedef struct Round
{
	TimestampTz now;
	bool		desperate;		/* take what can be had, whatever its worth */
	uint32		in_vain;		/* entries passed by since the last victim */
	uint64		lowest;			/* H of them */
} Round;

static ArcStoreDeadCheck dead_check = NULL;
static ArcStoreAlarm alarm = NULL;

/* log2(1 + 2^-x) in units, at the middle of each step of x. */
static uint32 sums[SUM_STEPS * SUM_RANGE];

void
arc_store_set_dead_check(ArcStoreDeadCheck check)
{
	dead_check = check;
}

void
arc_store_set_alarm(ArcStoreAlarm ring)
{
	alarm = ring;
}

void
arc_eviction_init(ArcSharedStore *shared)
{
	pg_atomic_init_u64(&shared->evicted_bytes, 0);
	pg_atomic_init_u64(&shared->limit, TIME_START / 2);
}

void
arc_eviction_attach(void)
{
	arc_store.units_per_byte = (double) UNITS / HALF_LIFE / (double) arc_arena_size();
	for (int i = 0; i < lengthof(sums); i++)
		sums[i] = (uint32) (log2(1 + exp2(-(i + 0.5) / SUM_STEPS)) * UNITS + 0.5);
}

static inline int64
worth_of(const ArcSharedEntry *entry)
{
	return (int64) entry->worth * WORTH_UNITS;
}

/* Now, in units: UNITS in a half-life. */
static inline uint64
now_units(void)
{
	double		evicted = (double) pg_atomic_read_u64(&arc_store.shared->evicted_bytes);

	return TIME_START + (uint64) (evicted * arc_store.units_per_byte);
}

/* log2(2^a + 2^b) */
static inline uint64
log_sum(uint64 a, uint64 b)
{
	uint64		high = Max(a, b);
	uint64		step = (high - Min(a, b)) / (UNITS / SUM_STEPS);

	return step < lengthof(sums) ? high + sums[step] : high;
}

/* -- ghosts ---------------------------------------------------------------- */

/*
 * A ghost is a tag of 16 bits and what H has beyond cost and size, in 1/32 and
 * without the high bits: it says nothing any more when it is far from now.
 */
#define GHOST_UNITS			(UNITS / 32)
#define GHOST_PAST			(-256 * 32)
#define GHOST_FUTURE		(USES_MAX / GHOST_UNITS)

static inline volatile uint32 *
ghost_of(const ArcSharedEntry *entry)
{
	uint64		place = ((entry->hash[1] >> 32) * arc_store.nghosts) >> 32;

	return &arc_store.ghosts[place];
}

static inline uint32
tag_of(const ArcSharedEntry *entry)
{
	return (uint32) (entry->hash[1] & 0xFFFF);
}

void
arc_eviction_leave_ghost(const ArcSharedEntry *entry)
{
	uint64		priority = pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &entry->priority));
	uint64		uses = (priority - worth_of(entry)) / GHOST_UNITS;

	*ghost_of(entry) = tag_of(entry) << 16 | (uint32) (uses & 0xFFFF);
}

/* The H that its uses before would give an entry, or 0. */
static uint64
priority_of_ghost(const ArcSharedEntry *entry, uint64 now)
{
	uint32		ghost = *ghost_of(entry);
	int16		distance;

	if (ghost >> 16 != tag_of(entry))
		return 0;
	distance = (int16) ((ghost & 0xFFFF) - (now / GHOST_UNITS & 0xFFFF));
	if (distance < GHOST_PAST || distance > GHOST_FUTURE)
		return 0;
	return now + (int64) distance * GHOST_UNITS + worth_of(entry);
}

/* -- priorities -------------------------------------------------------------- */

/* A new entry has its first use, and those that its ghost remembers. */
void
arc_eviction_rate(ArcSharedEntry *entry)
{
	uint64		now = now_units();
	double		cost = entry->cost;

	/* Written so that a NaN gets the floor. */
	if (!(cost >= COST_FLOOR))
		cost = COST_FLOOR;
	cost = Min(cost, COST_MAX);
	entry->worth = (int16) (log2(cost / (double) arc_entry_footprint(entry)) * UNITS / WORTH_UNITS);
	pg_atomic_write_u64(&entry->priority,
						log_sum(now + worth_of(entry) + FIRST_USE, priority_of_ghost(entry, now)));
}

/* A new entry, not linked yet, takes over the uses of the one that it replaces. */
void
arc_eviction_inherit(ArcSharedEntry *entry, ArcSharedEntry *from)
{
	uint64		priority = pg_atomic_read_u64(&from->priority) - worth_of(from) + worth_of(entry);

	if (pg_atomic_read_u64(&entry->priority) < priority)
		pg_atomic_write_u64(&entry->priority, priority);
}

void
arc_store_touch(ArcSharedEntry *entry)
{
	uint64		priority = pg_atomic_read_u64(&entry->priority);
	uint64		once = now_units() + worth_of(entry);
	uint64		used = Min(log_sum(priority, once), once + USES_MAX);

	pg_atomic_fetch_add_u64(&entry->hits, 1);
	if (used != priority)
		pg_atomic_write_u64(&entry->priority, used);
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
		arc_eviction_leave_ghost(entry);
		if (arc_entry_release(entry))
			freed += size;
	}
	report_tally(&tally);
	return freed;
}

/*
 * Move the limit: down by LIMIT_STEP for each victim, up by its share for each
 * entry passed by.
 */
static void
move_limit(uint32 victims, uint32 passed)
{
	int64		move = (int64) passed * (LIMIT_STEP / VISITS_PER_VICTIM) - (int64) victims * LIMIT_STEP;

	pg_atomic_fetch_add_u64(&arc_store.shared->limit, move);
}

/* Enough were passed by in vain: to the lowest of them, unless it is there already. */
static void
leap_limit(Round *round)
{
	pg_atomic_uint64 *shared_limit = &arc_store.shared->limit;
	uint64		limit = pg_atomic_read_u64(shared_limit);

	if (limit < round->lowest)
		(void) pg_atomic_compare_exchange_u64(shared_limit, &limit, round->lowest);
	round->in_vain = 0;
	round->lowest = PG_UINT64_MAX;
}

/*
 * Let the processor fetch the first entries of these buckets, all at a time; one
 * after the other is most of what a visit costs.  Without the lock, so what is
 * fetched may be something else by now, which harms nothing.
 */
static void
fetch_entries(const uint32 *buckets, int nbuckets)
{
#ifdef __GNUC__
	for (int i = 0; i < nbuckets; i++)
	{
		ArcRef		ref = *(volatile ArcRef *) &arc_store.buckets[buckets[i]];
		const char *entry;

		if (ref == ARC_REF_NONE)
			continue;
		entry = arc_arena_address(ref);
		for (int line = 0; line < ENTRY_LINES; line++)
			__builtin_prefetch(entry + line * FETCH_LINE, 1);
	}
#endif
}

/*
 * Occupied buckets of a partition, from its hand on and once round, as many as
 * there is room for.  Without the lock, since between them there may be many empty ones.
 */
static int
visit_buckets(uint32 partition, uint32 *buckets)
{
	uint32		size = arc_store.partition_buckets;
	uint32		first = partition * size;
	uint32		hand = first + *(volatile uint32 *) &arc_store.shared->partitions[partition].hand;
	int			n = 0;

	for (uint32 b = hand; n < VISIT_SIZE; b++)
	{
		b = arc_index_next_bucket(b, first + size);
		if (b >= first + size)
			break;
		buckets[n++] = b;
	}
	for (uint32 b = first; n < VISIT_SIZE; b++)
	{
		b = arc_index_next_bucket(b, hand);
		if (b >= hand)
			break;
		buckets[n++] = b;
	}
	fetch_entries(buckets, n);
	return n;
}

/*
 * Let a partition's hand go on over some entries, until this many bytes are
 * evicted.  Returns the bytes freed.
 */
static uint64
visit_partition(uint32 partition, uint64 wanted, Round *round)
{
	uint32		first = partition * arc_store.partition_buckets;
	uint64		limit = pg_atomic_read_u64(&arc_store.shared->limit);
	uint32		buckets[VISIT_SIZE];
	int			nbuckets;
	uint32		passed = 0;
	uint32		victims = 0;
	uint64		evicted_bytes = 0;
	uint64		unlinked = 0;
	uint64		freed;
	uint64		removed = 0;
	ArcRef		garbage = ARC_REF_NONE;
	ArcRef		evicted = ARC_REF_NONE;

	if (arc_index_partition_entries(partition) == 0)
		return 0;
	nbuckets = visit_buckets(partition, buckets);

	if (!LWLockConditionalAcquire(arc_index_lock(partition), LW_EXCLUSIVE))
		return 0;

	for (int i = 0; i < nbuckets && passed + victims < VISIT_SIZE && unlinked < wanted; i++)
	{
		ArcRef		ref = arc_store.buckets[buckets[i]];

		while (ref != ARC_REF_NONE)
		{
			ArcSharedEntry *entry = arc_entry_at(ref);
			uint64		priority = pg_atomic_read_u64(&entry->priority);
			bool		pinned = pg_atomic_read_u32(&entry->refs) > 1;

			ref = entry->next;
			if (is_garbage(entry, round->now))
			{
				if (!pinned)
					unlinked += arc_entry_footprint(entry);
				add_victim(&garbage, entry);
			}
			else if (pinned)
				continue;
			else if (priority <= limit || round->desperate)
			{
				/* Nobody can pin it now, so what we unlink will be free. */
				victims++;
				evicted_bytes += arc_entry_footprint(entry);
				unlinked += arc_entry_footprint(entry);
				add_victim(&evicted, entry);
			}
			else
			{
				passed++;
				round->lowest = Min(round->lowest, priority);
			}
		}
		arc_store.shared->partitions[partition].hand = buckets[i] + 1 - first;
	}

	LWLockRelease(arc_index_lock(partition));

	round->in_vain = victims > 0 ? 0 : round->in_vain + passed;
	if (victims > 0)
	{
		round->lowest = PG_UINT64_MAX;
		pg_atomic_fetch_add_u64(&arc_store.shared->evicted_bytes, evicted_bytes);
	}
	if (!round->desperate)
		move_limit(victims, passed);

	freed = release_victims(garbage, false, round->now, &removed);
	freed += release_victims(evicted, true, round->now, &removed);
	return freed;
}

/*
 * Evict at least this many bytes, if there are as many.  When a whole lap has
 * freed nothing the limit leaps, whatever the number of entries; when two have,
 * all that is not pinned goes; and after a lap in which nothing goes even so we
 * give up, so this ends.
 */
uint64
arc_store_evict(uint64 bytes)
{
	Round		round = {.lowest = PG_UINT64_MAX};
	uint64		freed = 0;
	uint32		partition;
	int			idle = 0;

	if (arc_store.shared == NULL)
		return 0;

	round.now = GetCurrentTimestamp();
	partition = (uint32) (pg_prng_uint64(&pg_global_prng_state) % ARC_PARTITIONS);

	while (freed < bytes && idle < MAX_LAPS * ARC_PARTITIONS)
	{
		uint64		got;

		round.desperate = idle >= DESPERATE_LAPS * ARC_PARTITIONS;
		got = visit_partition(partition, bytes - freed, &round);
		freed += got;
		idle = (got > 0) ? 0 : idle + 1;
		if (round.in_vain >= VISITS_IN_VAIN ||
			(round.in_vain > 0 && idle % ARC_PARTITIONS == 0))
			leap_limit(&round);
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

uint64
arc_eviction_make_room(uint64 bytes)
{
	if (alarm != NULL)
		alarm();
	return arc_store_evict(bytes);
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
