/*-------------------------------------------------------------------------
 *
 * store_internal.h
 *	  What the files of the store share with each other, and with nobody else.
 *
 * index.c owns the store's shared memory and its buckets, entry.c the layout
 * of an entry, eviction.c the priorities.  The store's part of shared memory:
 *
 *	  ArcSharedStore | buckets (1/64 of all) | ghosts (1/64) | arena (the rest)
 *
 * The partition with number p has the lock arc_store.locks[p] and the buckets
 * from p * partition_buckets on; a bucket is the head of a chain of entries,
 * linked by their next and sorted by their hash.  A lock protects the chains
 * and the partition's nentries.  Without it one may only ask whether a bucket
 * is empty and how many entries a partition has, and the answer may be out of
 * date by the time it is given.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_STORE_INTERNAL_H
#define ARC_STORE_INTERNAL_H

#include "postgres.h"

#include "base/memory_marks.h"
#include "storage/lwlock.h"
#include "store/arena.h"
#include "store/store.h"

#define ARC_PARTITIONS		128

/* A cache line of its own, so that partitions do not disturb each other. */
typedef union ArcSharedPartition
{
	struct
	{
		uint32		nentries;	/* linked; partition's lock */
		uint32		hand;		/* of eviction.c: the next bucket to visit; likewise */
	};
	char		pad[PG_CACHE_LINE_SIZE];
} ArcSharedPartition;

typedef struct ArcSharedStore
{
	/* Constant after initialization. */
	uint32		magic;
	uint32		partition_buckets;
	uint32		nghosts;
	uint64		seeds[2];		/* of the two hashes */
	Size		size;			/* of the whole part */
	Size		arena_offset;

	/* See eviction.c: read by each hit, raised by evictions; atomic. */
	char		pad1[PG_CACHE_LINE_SIZE];
	pg_atomic_uint64 evicted_bytes;
	char		pad2[PG_CACHE_LINE_SIZE];

	/* Likewise, for evictions only. */
	pg_atomic_uint64 limit;
	char		pad3[PG_CACHE_LINE_SIZE];

	ArcSharedPartition partitions[ARC_PARTITIONS];
} ArcSharedStore;

/* This process's view of the store; the same in all, set by attaching. */
typedef struct ArcStore
{
	ArcSharedStore *shared;		/* NULL in a process without the store */
	ArcRef	   *buckets;
	uint32	   *ghosts;			/* eviction.c's; no lock */
	LWLockPadded *locks;		/* of the partitions */
	uint32		partition_buckets;
	uint32		nbuckets;
	uint32		nghosts;
	double		units_per_byte; /* eviction.c's time */
} ArcStore;

extern ArcStore arc_store;

/* -- index.c ------------------------------------------------------------- */

extern void arc_index_hash(const ArcKey *key, uint64 *hash);

/*
 * Take an entry out of its chain, which remains the caller's to release.  The
 * partition's lock is held in exclusive mode.  False if it is not linked.
 */
extern bool arc_index_unlink(ArcSharedEntry *entry);

/* The first bucket from this one on, and before end, that looks not empty. */
extern uint32 arc_index_next_bucket(uint32 bucket, uint32 end);

static inline LWLock *
arc_index_lock(uint32 partition)
{
	return &arc_store.locks[partition].lock;
}

/* The partition's entries.  Without the lock, so it may be others already. */
static inline uint32
arc_index_partition_entries(uint32 partition)
{
	return *(volatile uint32 *) &arc_store.shared->partitions[partition].nentries;
}

/*
 * An entry in a chain or in a list of ours: header and key are what may be
 * touched without a pin.
 */
static inline ArcSharedEntry *
arc_entry_at(ArcRef ref)
{
	ArcSharedEntry *entry = (ArcSharedEntry *) arc_arena_address(ref);

	arc_mark_open(entry, sizeof(ArcSharedEntry));
	arc_mark_open(entry + 1, entry->key_length);
	return entry;
}

/* -- entry.c ------------------------------------------------------------- */

/* Take one from refs, freeing the entry if it was the last.  True if so. */
extern bool arc_entry_release(ArcSharedEntry *entry);

/*
 * For memory checkers only: this process has got a pin on the entry; it is
 * about to give one up, or the ownership, and keeps the header until
 * arc_entry_close_header() at most.
 */
#ifdef ARC_MEMORY_MARKS
extern void arc_entry_open(ArcSharedEntry *entry);
extern void arc_entry_close(ArcSharedEntry *entry);
extern void arc_entry_close_header(ArcSharedEntry *entry);
#else
#define arc_entry_open(entry)			((void) 0)
#define arc_entry_close(entry)			((void) 0)
#define arc_entry_close_header(entry)	((void) 0)
#endif

/* The memory an entry takes, tags of its blocks included. */
static inline uint64
arc_entry_footprint(const ArcSharedEntry *entry)
{
	return (uint64) entry->footprint * 16;
}

/* -- eviction.c ---------------------------------------------------------- */

extern void arc_eviction_init(ArcSharedStore *shared);
extern void arc_eviction_attach(void);
extern void arc_eviction_rate(ArcSharedEntry *entry);
extern void arc_eviction_inherit(ArcSharedEntry *entry, ArcSharedEntry *from);

/* As arc_store_evict(), for one who needs it now; who evicts ahead is told. */
extern uint64 arc_eviction_make_room(uint64 bytes);

/* An entry goes; what was known of its use remains. */
extern void arc_eviction_leave_ghost(const ArcSharedEntry *entry);

#endif							/* ARC_STORE_INTERNAL_H */
