/*-------------------------------------------------------------------------
 *
 * index.c
 *	  Entries by key: the store's hash table, and its shared memory.
 *
 * Why not dynahash or dshash?  A lookup must pin what it finds under a shared
 * lock, evictions must sample and sweeps must walk without stopping others,
 * and the entries must stay where the arena has put them.  What is left is so
 * little that it is written here: an array of chains.
 *
 * A key has two 64-bit hashes with seeds drawn when the server starts, so
 * that nobody can choose keys that meet.  The first one selects the partition
 * (its low bits) and the bucket therein (its high bits).  Equality compares
 * both hashes, then the key itself.
 *
 * Chains are sorted by hash.  That costs an insertion nothing, as it must look
 * for the key anyway; it ends a vain search early; and it lets a scan leave a
 * chain of any length, release the lock, and find its place again although
 * the chain has changed.  There is a bucket for each 256 bytes of the part,
 * about one for each entry of a hundred bytes, so chains are short
 * and the table never needs to grow.
 *
 * Concurrency
 * -----------
 *
 * The partition's lock protects the chains.  Searches take it in shared mode
 * and keep it for as long as it takes to add a pin; an entry that is linked
 * has a reference for that, so whoever finds one under the lock finds it
 * alive.  Changes take it in exclusive mode; the memory of what they unlink is
 * freed after they have released it.
 *
 * A bucket's head is one aligned word.  A search reads it before taking the
 * lock, and if it is empty there is no such key: the load itself is the moment
 * at which that was true.  An insertion that happened before (in the sense
 * that some lock passed from the inserter to us) is seen, since passing a lock
 * is a barrier.  So most misses take no lock at all, and walks skip what is
 * empty at the speed of memory.  Who must see an insertion whose guard ran
 * before something he did calls arc_store_settle_inserts() first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/inject.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "port.h"
#include "storage/shmem.h"
#include "store/store_internal.h"

#define STORE_MAGIC			0x41726353	/* "ArcS" */

/* Of the store's part, one of so many bytes is a bucket's, and one a ghost's. */
#define STORE_BUCKET_SHARE	64
#define STORE_GHOST_SHARE	64

/* Of arcache.memory, one of so many bytes is the token slots'. */
#define STORE_SLOT_SHARE	32

/* Where the buckets start in the part. */
#define BUCKETS_OFFSET		TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(ArcSharedStore))

/* Buckets that a scan visits before it lets others have the lock. */
#define SCAN_BUCKETS		256

/* Buckets that are passed by at once if all are empty: a cache line. */
#define BUCKET_GROUP		16

ArcStore	arc_store = {0};

/*
 * The hash of what a name is part of, twice.  A backend asks mostly for one of
 * them, so the last one is kept.
 */
static const uint64 *
owner_hash(const ArcKey *key)
{
	static uint32 last[3];
	static uint64 seeds[2];
	static uint64 hash[2];
	const uint32 owner[3] = {key->database, key->role, (uint32) key->space};

	if (memcmp(owner, last, sizeof(owner)) != 0 ||
		memcmp(seeds, arc_store.shared->seeds, sizeof(seeds)) != 0)
	{
		memcpy(last, owner, sizeof(owner));
		memcpy(seeds, arc_store.shared->seeds, sizeof(seeds));
		for (int i = 0; i < 2; i++)
			hash[i] = hash_bytes_extended((const unsigned char *) owner,
										  sizeof(owner), seeds[i]);
	}
	return hash;
}

/* The hash of database, role, space and name, twice. */
void
arc_index_hash(const ArcKey *key, uint64 *hash)
{
	const uint64 *owner = owner_hash(key);

	for (int i = 0; i < 2; i++)
		hash[i] = hash_bytes_extended((const unsigned char *) key->name,
									  (int) key->length, owner[i]);
}

static inline uint32
partition_of(const uint64 *hash)
{
	return (uint32) (hash[0] % ARC_PARTITIONS);
}

static inline uint32
bucket_of(const uint64 *hash)
{
	uint32		within;

	/* The high half, scaled to the number of buckets. */
	within = (uint32) (((hash[0] >> 32) * arc_store.partition_buckets) >> 32);
	return partition_of(hash) * arc_store.partition_buckets + within;
}

/* A chain's order. */
static inline int
compare_hash(const uint64 *a, const uint64 *b)
{
	if (a[1] != b[1])
		return a[1] < b[1] ? -1 : 1;
	if (a[0] != b[0])
		return a[0] < b[0] ? -1 : 1;
	return 0;
}

/* Does the bucket look empty?  Without the lock; see the file's header. */
static inline bool
bucket_empty(uint32 bucket)
{
	return *(volatile ArcRef *) &arc_store.buckets[bucket] == ARC_REF_NONE;
}

/*
 * The link that leads to the key's entry or, if there is none, to where it
 * belongs.  The partition's lock is held.
 */
static ArcRef *
locate(const ArcKey *key, const uint64 *hash, bool *found)
{
	ArcRef	   *link = &arc_store.buckets[bucket_of(hash)];

	*found = false;
	while (*link != ARC_REF_NONE)
	{
		ArcSharedEntry *entry = arc_entry_at(*link);
		int			order = compare_hash(entry->hash, hash);

		if (order > 0)
			break;
		if (order == 0 &&
			entry->database == key->database &&
			entry->role == key->role &&
			entry->space == (uint8) key->space &&
			entry->key_length == key->length &&
			memcmp(arc_entry_key(entry), key->name, key->length) == 0)
		{
			*found = true;
			break;
		}
		link = &entry->next;
	}
	return link;
}

/*
 * The entry of this key, pinned, or NULL.
 */
ArcSharedEntry *
arc_store_find(const ArcKey *key)
{
	ArcSharedEntry *entry = NULL;
	uint64		hash[2];
	LWLock	   *lock;
	ArcRef	   *link;
	bool		found;

	if (arc_store.shared == NULL)
		return NULL;

	arc_index_hash(key, hash);
	if (bucket_empty(bucket_of(hash)))
		return NULL;

	lock = arc_index_lock(partition_of(hash));
	LWLockAcquire(lock, LW_SHARED);
	link = locate(key, hash, &found);
	if (found)
	{
		entry = arc_entry_at(*link);
		pg_atomic_fetch_add_u32(&entry->refs, 1);
		arc_entry_open(entry);
	}
	LWLockRelease(lock);

	return entry;
}

/*
 * Link an entry, replacing the one of the same key, if the guard agrees.
 */
bool
arc_store_insert(ArcSharedEntry *entry, ArcStoreGuard guard, void *arg)
{
	uint32		partition = partition_of(entry->hash);
	LWLock	   *lock = arc_index_lock(partition);
	ArcSharedEntry *existing = NULL;
	ArcKey		key;
	ArcRef	   *link;
	bool		found;

	Assert(pg_atomic_read_u32(&entry->refs) == 1);

	key.database = entry->database;
	key.role = entry->role;
	key.space = (ArcKeySpace) entry->space;
	key.length = entry->key_length;
	key.name = arc_entry_key(entry);

	LWLockAcquire(lock, LW_EXCLUSIVE);
	ARC_INJECT_LOCKED("index-locked");
	link = locate(&key, entry->hash, &found);
	if (found)
		existing = arc_entry_at(*link);

	if (guard != NULL && !guard(arg, existing))
	{
		LWLockRelease(lock);
		return false;
	}

	if (existing != NULL)
	{
		arc_eviction_inherit(entry, existing);
		entry->next = existing->next;
	}
	else
	{
		entry->next = *link;
		arc_store.shared->partitions[partition].nentries++;
	}
	arc_entry_close(entry);
	*link = arc_arena_ref(entry);
	arc_entry_close_header(entry);
	LWLockRelease(lock);

	if (existing != NULL)
		arc_entry_release(existing);
	return true;
}

bool
arc_store_remove(const ArcKey *key)
{
	ArcSharedEntry *entry = NULL;
	uint64		hash[2];
	uint32		partition;
	ArcRef	   *link;
	bool		found;

	if (arc_store.shared == NULL)
		return false;

	arc_index_hash(key, hash);
	if (bucket_empty(bucket_of(hash)))
		return false;

	partition = partition_of(hash);
	LWLockAcquire(arc_index_lock(partition), LW_EXCLUSIVE);
	link = locate(key, hash, &found);
	if (found)
	{
		entry = arc_entry_at(*link);
		*link = entry->next;
		arc_store.shared->partitions[partition].nentries--;
	}
	LWLockRelease(arc_index_lock(partition));

	if (found)
	{
		arc_eviction_leave_ghost(entry);
		arc_entry_release(entry);
	}
	return found;
}

void
arc_store_settle_inserts(const ArcKey *key)
{
	uint64		hash[2];

	if (arc_store.shared == NULL)
		return;
	if (key != NULL)
		arc_index_hash(key, hash);
	for (uint32 i = 0; i < ARC_PARTITIONS; i++)
	{
		if (key != NULL && i != partition_of(hash))
			continue;
		LWLockAcquire(arc_index_lock(i), LW_SHARED);
		LWLockRelease(arc_index_lock(i));
	}
}

bool
arc_index_unlink(ArcSharedEntry *entry)
{
	uint32		partition = partition_of(entry->hash);
	ArcRef		ref = arc_arena_ref(entry);
	ArcRef	   *link = &arc_store.buckets[bucket_of(entry->hash)];

	Assert(LWLockHeldByMeInMode(arc_index_lock(partition), LW_EXCLUSIVE));

	while (*link != ref)
	{
		if (*link == ARC_REF_NONE)
			return false;
		link = &arc_entry_at(*link)->next;
	}
	*link = entry->next;
	arc_store.shared->partitions[partition].nentries--;
	return true;
}

/*
 * Remove this very entry, on which the caller holds a pin, if it is still
 * linked.
 */
bool
arc_store_remove_entry(ArcSharedEntry *entry)
{
	LWLock	   *lock = arc_index_lock(partition_of(entry->hash));
	bool		removed;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	removed = arc_index_unlink(entry);
	LWLockRelease(lock);

	if (removed)
	{
		arc_eviction_leave_ghost(entry);
		arc_entry_release(entry);
	}
	return removed;
}

/* Of large results there are few for all these buckets. */
uint32
arc_index_next_bucket(uint32 bucket, uint32 end)
{
	while (bucket < end)
	{
		if (bucket % BUCKET_GROUP == 0 && bucket + BUCKET_GROUP <= end)
		{
			ArcRef		any = ARC_REF_NONE;

			for (int i = 0; i < BUCKET_GROUP; i++)
				any |= arc_store.buckets[bucket + i];
			if (any == ARC_REF_NONE)
			{
				bucket += BUCKET_GROUP;
				continue;
			}
		}
		if (!bucket_empty(bucket))
			break;
		bucket++;
	}
	return bucket;
}

void
arc_store_scan_start(ArcStoreScan *scan)
{
	scan->bucket = 0;
	scan->within = false;
	scan->nfound = 0;
	scan->nreturned = 0;
}

/*
 * Find and pin the next entries, as many as there is room for.  If the lock
 * is released within a chain, the scan goes on behind the last hash seen.
 */
static void
fill_scan(ArcStoreScan *scan)
{
	scan->nfound = 0;
	scan->nreturned = 0;

	while (scan->nfound == 0 && scan->bucket < arc_store.nbuckets)
	{
		uint32		partition = scan->bucket / arc_store.partition_buckets;
		uint32		end = (partition + 1) * arc_store.partition_buckets;
		uint32		stop;

		/* Pass by what is empty, without the lock. */
		if (arc_index_partition_entries(partition) == 0)
			scan->bucket = end;
		else if (!scan->within)
			scan->bucket = arc_index_next_bucket(scan->bucket, end);
		if (scan->bucket >= end)
		{
			scan->within = false;
			continue;
		}

		stop = Min(end, scan->bucket + SCAN_BUCKETS);
		LWLockAcquire(arc_index_lock(partition), LW_SHARED);
		while (scan->bucket < stop)
		{
			ArcRef		ref = arc_store.buckets[scan->bucket];

			for (; ref != ARC_REF_NONE; ref = arc_entry_at(ref)->next)
			{
				ArcSharedEntry *entry = arc_entry_at(ref);

				if (scan->within && compare_hash(entry->hash, scan->after) <= 0)
					continue;
				if (scan->nfound == lengthof(scan->found))
					break;
				pg_atomic_fetch_add_u32(&entry->refs, 1);
				arc_entry_open(entry);
				scan->found[scan->nfound++] = entry;
				scan->after[0] = entry->hash[0];
				scan->after[1] = entry->hash[1];
				scan->within = true;
			}
			if (ref != ARC_REF_NONE)
				break;			/* no room; there is more in this chain */
			scan->within = false;
			scan->bucket++;
		}
		LWLockRelease(arc_index_lock(partition));
	}
}

ArcSharedEntry *
arc_store_scan_next(ArcStoreScan *scan)
{
	if (arc_store.shared == NULL)
		return NULL;

	/* The one returned before. */
	if (scan->nreturned > 0)
		arc_store_unpin(scan->found[scan->nreturned - 1]);

	if (scan->nreturned == scan->nfound)
		fill_scan(scan);
	if (scan->nfound == 0)
		return NULL;
	return scan->found[scan->nreturned++];
}

void
arc_store_scan_end(ArcStoreScan *scan)
{
	for (int i = Max(scan->nreturned - 1, 0); i < scan->nfound; i++)
		arc_store_unpin(scan->found[i]);
	scan->nfound = 0;
	scan->nreturned = 0;
	scan->bucket = arc_store.nbuckets;
}

/*
 * The memory there is and what it is used for.  The counts of entries are
 * read without locks, the rest adds up at one moment.
 */
void
arc_store_usage(ArcStoreUsage *usage)
{
	ArcArenaUsage arena;

	memset(usage, 0, sizeof(*usage));
	if (arc_store.shared == NULL)
		return;

	for (int i = 0; i < ARC_PARTITIONS; i++)
		usage->entries += arc_index_partition_entries(i);

	arc_arena_usage(&arena);
	usage->size = arc_store.shared->size;
	usage->used = arena.used;
	usage->free = arena.free;
	usage->overhead = arena.overhead + arc_store.shared->arena_offset;
	usage->largest_free = arena.largest_free;
	usage->max_value = Min(arena.size / 8, MAXALIGN_DOWN(PG_UINT32_MAX));
}

static Size
store_size(void)
{
	Size		memory = mul_size((Size) arc_memory, 1024 * 1024);

	return memory - memory / STORE_SLOT_SHARE;
}

static Size
ghosts_offset(const ArcSharedStore *shared)
{
	return BUCKETS_OFFSET + (Size) shared->partition_buckets * ARC_PARTITIONS * sizeof(ArcRef);
}

static void
store_attach(void *address, LWLockPadded *locks)
{
	ArcSharedStore *shared = address;

	Assert(shared->magic == STORE_MAGIC);

	arc_store.shared = shared;
	arc_store.buckets = (ArcRef *) ((char *) address + BUCKETS_OFFSET);
	arc_store.ghosts = (uint32 *) ((char *) address + ghosts_offset(shared));
	arc_store.locks = locks;
	arc_store.partition_buckets = shared->partition_buckets;
	arc_store.nbuckets = shared->partition_buckets * ARC_PARTITIONS;
	arc_store.nghosts = shared->nghosts;

	arc_arena_attach((char *) address + shared->arena_offset,
					 locks + ARC_PARTITIONS);
	arc_eviction_attach();
}

static void
store_init(void *address, LWLockPadded *locks)
{
	ArcSharedStore *shared = address;
	Size		per_partition;
	Size		tables_size;

	memset(shared, 0, sizeof(*shared));
	shared->magic = STORE_MAGIC;
	shared->size = store_size();
	for (int i = 0; i < lengthof(shared->seeds); i++)
		if (!pg_strong_random(&shared->seeds[i], sizeof(uint64)))
			shared->seeds[i] = pg_prng_uint64(&pg_global_prng_state);
	arc_eviction_init(shared);

	/* Each partition's buckets start at a cache line. */
	per_partition = shared->size / STORE_BUCKET_SHARE / ARC_PARTITIONS;
	per_partition = Max(TYPEALIGN_DOWN(64, per_partition), 64);
	shared->partition_buckets = (uint32) (per_partition / sizeof(ArcRef));
	shared->nghosts = (uint32) (shared->size / STORE_GHOST_SHARE / sizeof(uint32));

	tables_size = add_size(ghosts_offset(shared), mul_size(shared->nghosts, sizeof(uint32)));
	memset((char *) address + BUCKETS_OFFSET, 0, tables_size - BUCKETS_OFFSET);

	shared->arena_offset = TYPEALIGN(PG_CACHE_LINE_SIZE, tables_size);
	arc_arena_init((char *) address + shared->arena_offset,
				   shared->size - shared->arena_offset,
				   locks + ARC_PARTITIONS);
}

void
arc_store_shmem_register(void)
{
	static ArcShmemPart part = {
		.name = "arcache store",
		.tranche = "ArcacheStore",
		.size = store_size,
		.init = store_init,
		.attach = store_attach,
	};

	part.nlocks = ARC_PARTITIONS + arc_arena_nlocks();
	arc_shmem_register(&part);
}
