/*-------------------------------------------------------------------------
 *
 * store_host.c
 *	  A place for the store of src/store: in this process's memory, one at a time.
 *
 * The store is compiled from the library's own files.  What they ask of
 * src/base is here: the size of the memory, a registry of parts that makes the
 * one part there is, and counters.  Locks are the server's.  What the store
 * draws at random, the seeds of its hashes and the samples of its evictions,
 * comes from our seed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "base/shmem.h"
#include "base/stats.h"
#include "common/pg_prng.h"
#include "storage/lwlock.h"
#include "store/store_internal.h"
#include "store_host.h"
#include "utils/memutils.h"

int			arc_memory = 0;

static const ArcShmemPart *part = NULL;
static MemoryContext context = NULL;
static uint64 evictions;

void
arc_shmem_register(const ArcShmemPart *registered)
{
	part = registered;
}

void
arc_stats_add_for(Oid database, ArcCounter counter, uint64 n)
{
	if (counter == ARC_EVICTIONS)
		evictions += n;
}

uint64
store_host_evictions(void)
{
	return evictions;
}

void
store_host_open(int megabytes, uint64 seed)
{
	static int	tranche = 0;
	MemoryContext old;
	LWLockPadded *locks;
	void	   *memory;
	pg_prng_state random;

	store_host_close();
	if (part == NULL)
		arc_store_shmem_register();
	if (tranche == 0)
	{
		tranche = LWLockNewTrancheId();
		LWLockRegisterTranche(tranche, "ArcacheBenchStore");
	}

	context = AllocSetContextCreate(TopMemoryContext, "arcache bench store", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	arc_memory = megabytes;
	evictions = 0;
	locks = palloc0(part->nlocks * sizeof(LWLockPadded));
	for (int i = 0; i < part->nlocks; i++)
		LWLockInitialize(&locks[i].lock, tranche);

	memory = MemoryContextAllocHuge(context, part->size() + PG_CACHE_LINE_SIZE);
	memory = (void *) TYPEALIGN(PG_CACHE_LINE_SIZE, memory);
	part->init(memory, locks);
	part->attach(memory, locks);

	pg_prng_seed(&random, seed);
	for (int i = 0; i < lengthof(arc_store.shared->seeds); i++)
		arc_store.shared->seeds[i] = pg_prng_uint64(&random);
	pg_prng_seed(&pg_global_prng_state, pg_prng_uint64(&random));
	MemoryContextSwitchTo(old);
}

void
store_host_close(void)
{
	if (context != NULL)
		MemoryContextDelete(context);
	context = NULL;
	arc_store.shared = NULL;
}

uint64
store_host_capacity(int megabytes)
{
	ArcArenaUsage usage;

	store_host_open(megabytes, 0);
	arc_arena_usage(&usage);
	store_host_close();
	return usage.free;
}

uint32
store_host_footprint(uint32 value_size)
{
	Size		content = MAXALIGN(sizeof(ArcSharedEntry) + STORE_HOST_KEY_LENGTH) + value_size;

	/* A tag of 8 bytes, and whole units of 16. */
	return (uint32) TYPEALIGN(16, content + 8);
}
