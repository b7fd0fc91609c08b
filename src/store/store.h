/*-------------------------------------------------------------------------
 *
 * store.h
 *	  Entries by key, in shared memory.  Knows nothing of snapshots or SQL.
 *
 * An entry is an ArcSharedEntry in the arena, followed by its key, its meta
 * (bytes that the caller interprets, contiguous and MAXALIGNed) and as much of
 * its value as fits; the rest of the value lies in further blocks, chained.
 * Once linked, key, meta and value never change; a new value is a new entry
 * that replaces the old one.  (A counter's eight bytes are the exception, and
 * change atomically.)
 *
 * The index is partitioned by hash; a partition's LWLock protects the chains
 * of its buckets.  Lookups take it in shared mode only, and only to pin.
 *
 * Life of an entry: arc_store_create() makes it, unlinked, owned by the
 * caller, who either links it with arc_store_insert() or gives it back with
 * arc_store_discard().  refs counts 1 for being linked (or owned) and 1 for
 * each pin; whoever takes it to 0 frees the memory.  So an entry may be
 * removed while it is read, and the reader keeps a whole entry.
 *
 * Pins here are bare counts: the caller makes sure that an error releases
 * them (cache/pin.h).  Nothing in this file raises.  In a process without the
 * store (the library is not preloaded) there are no entries and none is made.
 *
 * Lock order: index partition, then arena region.  Eviction takes partition
 * locks conditionally and one at a time.  Callbacks that run under a
 * partition's lock (ArcStoreGuard) must not raise, allocate, or take a lock
 * of the store; they may read snapshots and the process array.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_STORE_H
#define ARC_STORE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "store/arena.h"

#define ARC_KEY_MAX		2048	/* bytes of a key's name */
#define ARC_META_MAX	(256 * 1024)

/* What a key names. Entries of different spaces never meet. */
typedef enum ArcKeySpace
{
	ARC_SPACE_VALUE,			/* jsonb, by arcache_set or arcache_get_or_set */
	ARC_SPACE_ROWS,				/* tuples, by arcache_query */
	ARC_SPACE_ROW,				/* tuples of a table, by its primary key */
	ARC_SPACE_RELATED,			/* tuples of a table, by a relationship */
	ARC_SPACE_RESULT			/* tuples, of a query that no function names */
} ArcKeySpace;

/* Sets of spaces: those whose keys the user names, and all. */
#define ARC_SPACE_MASK(space)	(1u << (space))
#define ARC_SPACES_NAMED \
	(ARC_SPACE_MASK(ARC_SPACE_VALUE) | ARC_SPACE_MASK(ARC_SPACE_ROWS))
#define ARC_SPACES_ALL \
	(ARC_SPACES_NAMED | ARC_SPACE_MASK(ARC_SPACE_ROW) | \
	 ARC_SPACE_MASK(ARC_SPACE_RELATED) | ARC_SPACE_MASK(ARC_SPACE_RESULT))

typedef struct ArcKey
{
	Oid			database;
	Oid			role;
	ArcKeySpace space;
	uint32		length;
	const char *name;			/* not necessarily zero-terminated */
} ArcKey;

/* A store of small values has millions of these, so each byte counts. */
typedef struct ArcSharedEntry
{
	uint64		hash[2];		/* of the whole key; orders the bucket */
	ArcRef		next;			/* in its bucket; partition's lock */
	pg_atomic_uint32 refs;
	Oid			database;
	Oid			role;
	uint32		value_size;
	uint32		key_length:12;
	uint32		meta_size:20;
	uint8		space:7;		/* ArcKeySpace */
	uint8		value_apart:1;	/* none of it in the first block */
	uint8		flags;			/* the caller's; constant once linked */
	int16		worth;			/* logarithm of cost / size; see eviction.c */
	uint32		footprint;		/* all blocks with headers, in 16-byte units */
	ArcRef		more;			/* next block of the value */
	float		cost;			/* microseconds to make it again */
	TimestampTz created;
	pg_atomic_uint64 expires;	/* TimestampTz; 0 is never */
	pg_atomic_uint64 hits;
	pg_atomic_uint64 fence;		/* the caller's; 0 at first */
	pg_atomic_uint64 priority;	/* fixed point; see eviction.c */
} ArcSharedEntry;

StaticAssertDecl(sizeof(ArcSharedEntry) <= 96, "entry header has grown");

/* What to store. meta and value are copied; a draft's value is taken from it. */
typedef struct ArcEntrySpec
{
	ArcKey		key;
	const void *meta;
	uint32		meta_size;
	const void *value;
	Size		value_size;
	ArcSharedEntry *draft;		/* or NULL: value and value_size count */
	uint8		flags;
	TimestampTz expires;		/* 0 is never */
	float		cost;			/* microseconds */
} ArcEntrySpec;

extern void arc_store_shmem_register(void);

/* -- finding ------------------------------------------------------------- */

/* The entry of this key, pinned, or NULL. Expired entries are returned too. */
extern ArcSharedEntry *arc_store_find(const ArcKey *key);
extern void arc_store_unpin(ArcSharedEntry *entry);

/* Count a use: raises hits and the priority against eviction. */
extern void arc_store_touch(ArcSharedEntry *entry);

extern const char *arc_entry_key(const ArcSharedEntry *entry);
extern const void *arc_entry_meta(const ArcSharedEntry *entry);
extern bool arc_entry_expired(const ArcSharedEntry *entry, TimestampTz now);

/*
 * The contiguous pieces of a value, one after the other.  A piece starts at a
 * multiple of MAXIMUM_ALIGNOF bytes, both in memory and in the value.
 * arc_value_first() sets the cursor to the first one (length is 0 if the value
 * is empty); arc_value_next() is false, and length 0, behind the last.
 */
typedef struct ArcValueCursor
{
	ArcRef		next;
	const char *data;
	Size		length;
} ArcValueCursor;

extern void arc_value_first(const ArcSharedEntry *entry, ArcValueCursor *cursor);
extern bool arc_value_next(const ArcSharedEntry *entry, ArcValueCursor *cursor);
extern void arc_value_copy(const ArcSharedEntry *entry, void *to);

/* A counter's eight bytes; value_size must be 8. */
extern pg_atomic_uint64 *arc_entry_counter(const ArcSharedEntry *entry);

/* -- making -------------------------------------------------------------- */

/*
 * Make an unlinked entry, evicting others if need be. NULL when even that
 * does not free enough. The limit of a value's size is the caller's to keep;
 * a larger value may evict much for nothing, but nothing worse.
 */
extern ArcSharedEntry *arc_store_create(const ArcEntrySpec *spec);

/*
 * Add to the value of a draft: an unlinked entry, made without a value, that is
 * never linked itself.  *last is ARC_REF_NONE at first, and the caller's to
 * keep.  Evicts as arc_store_create() does; when that does not free enough it
 * is false, and the draft good for nothing but arc_store_discard().
 */
extern bool arc_store_append(ArcSharedEntry *draft, ArcRef *last, const void *data, Size size);
extern void arc_store_discard(ArcSharedEntry *entry);

/*
 * Link the entry, replacing the one of the same key. The guard, if any, runs
 * under the partition's lock with the entry to be replaced, or NULL; when it
 * says no nothing is changed and the entry remains the caller's.  Once linked
 * the entry is not the caller's any more, and may be gone at once.
 */
typedef bool (*ArcStoreGuard) (void *arg, ArcSharedEntry *existing);
extern bool arc_store_insert(ArcSharedEntry *entry, ArcStoreGuard guard,
							 void *arg);

/* -- removing ------------------------------------------------------------ */

extern bool arc_store_remove(const ArcKey *key);

/* Remove this very entry, if it is still linked. The caller holds a pin. */
extern bool arc_store_remove_entry(ArcSharedEntry *entry);

/*
 * Wait for insertions whose guards may have run before: when this returns they
 * are visible to all that follows.  Of one key's partition, or of all (NULL).
 */
extern void arc_store_settle_inserts(const ArcKey *key);

/* -- walking ------------------------------------------------------------- */

/*
 * One entry after the other, each pinned until the next call or the end, in
 * no useful order.  Entries that are linked all the while are returned once;
 * others may or may not be.
 */
typedef struct ArcStoreScan
{
	uint32		bucket;			/* where to go on */
	bool		within;			/* behind this hash of that bucket? */
	uint64		after[2];
	int			nfound;
	int			nreturned;
	ArcSharedEntry *found[64];
} ArcStoreScan;

extern void arc_store_scan_start(ArcStoreScan *scan);
extern ArcSharedEntry *arc_store_scan_next(ArcStoreScan *scan);
extern void arc_store_scan_end(ArcStoreScan *scan);

/* -- keeping house ------------------------------------------------------- */

/*
 * May this entry ever be served again? Asked while sweeping and sampling;
 * set by the cache, which knows. Runs under a partition's lock, shared or not,
 * once per entry looked at, so it had better be quick.
 */
typedef bool (*ArcStoreDeadCheck) (const ArcSharedEntry *entry);
extern void arc_store_set_dead_check(ArcStoreDeadCheck check);

/*
 * Evict at least this many bytes, if there are as many. Returns bytes freed:
 * what others have pinned is passed by, or freed later by them.
 */
extern uint64 arc_store_evict(uint64 bytes);

/*
 * Remove expired and dead entries from one of ARC_SWEEP_STEPS parts of the
 * index. Returns the number removed.
 */
#define ARC_SWEEP_STEPS 16
extern uint64 arc_store_sweep(int step, TimestampTz now);

/*
 * Below the low-water mark someone should evict ahead; returns bytes wanted.
 * That can be gigabytes, and arc_store_evict() cannot be interrupted, so ask
 * it for a megabyte or so at a time.
 */
extern uint64 arc_store_shortage(void);

/*
 * Called, without a lock, when memory was so short that somebody has to evict
 * for himself; set by the worker, who should do it ahead.  Must not raise.
 */
typedef void (*ArcStoreAlarm) (void);
extern void arc_store_set_alarm(ArcStoreAlarm ring);

typedef struct ArcStoreUsage
{
	uint64		entries;
	uint64		size;			/* heap and index */
	uint64		used;
	uint64		free;
	uint64		overhead;
	uint64		largest_free;
	Size		max_value;		/* an eighth of the arena */
} ArcStoreUsage;

extern void arc_store_usage(ArcStoreUsage *usage);

#endif							/* ARC_STORE_H */
