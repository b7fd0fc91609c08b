/*-------------------------------------------------------------------------
 *
 * entry.c
 *	  Entries: their layout, their making and their end.
 *
 * Layout
 * ------
 *
 *	  first block                                       further blocks
 *	  +----------------+-----+---------+--------+      +-------+---------+
 *	  | ArcSharedEntry | key | meta    | value  | ---> | piece | value   | --->
 *	  +----------------+-----+---------+--------+      +-------+---------+
 *							 ^ MAXALIGN ^ MAXALIGN               ^ MAXALIGN
 *
 * Header, key and meta are in one block, so that a lookup and what the caller
 * decides by the meta need no cursor.  The value takes one block with them
 * whenever there is one; if not, it is spread over the largest ones there
 * are.  Each of them, the first included, has at least PIECE_MIN bytes of the
 * value, or all that is left of it.  A smaller piece would be mostly
 * overhead, and to read it mostly a cache miss.  A larger minimum, or one that
 * grows with the value, was tried: it leaves memory free that nothing fits in
 * (a sixth to a half of it, for an eighth of the value, with sizes up to a
 * megabyte), where this one leaves some two percent.  What keeps pieces few is
 * evicting ahead, which the janitor does (arc_store_shortage).
 * Since blocks have sizes of 16n - 8 bytes and all else is aligned, a piece
 * other than the last has a multiple of MAXIMUM_ALIGNOF bytes, and what was
 * aligned within the value is so in memory.
 *
 * A draft is an entry whose value is appended piece by piece while it is yet
 * to be seen what its key and meta are; it never has a value in its first
 * block.  When an entry is made of it, its further blocks become that one's.
 *
 * Shortage
 * --------
 *
 * An entry is made by allocating all its blocks first, evicting others if
 * there are not enough, and then copying.  What has been allocated is kept
 * while evicting, so each round asks only for what is missing.  There is no
 * promise that what we evict is ours: another backend may take it first.  The
 * bytes that may be evicted for one entry are therefore limited, which bounds
 * the rounds as well, since a round that frees nothing is the last.
 *
 * Concurrency
 * -----------
 *
 * Until it is linked an entry belongs to its maker; afterwards only the
 * atomic members change, and next, under the partition's lock.  refs is what
 * keeps it: whoever takes it to 0 is the only one left and needs no lock to
 * give the blocks back.  The decrement is a full barrier, so that no read
 * from before it can see memory that has been freed.
 *
 * Memory checkers
 * ---------------
 *
 * While a process has a pin, what the entry uses of its blocks is open to it
 * (base/memory_marks.h); gaps, and what a block has beyond, are closed.  When
 * it has given up its last pin all is closed, so that who still has a pointer
 * into the entry is caught.  Who merely walks a chain opens header and key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/memory_marks.h"
#include "store/store_internal.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

/* The least bytes of a value that are worth a block of their own. */
#define PIECE_MIN			256

/* The least to evict at a time, so that the next ones find something, too. */
#define EVICT_BATCH			8192

/* What may be evicted for the sake of an entry of no size at all. */
#define EVICT_SLACK			(256 * 1024)

/* A further block of a value.  Constant once the entry is linked. */
typedef struct ArcSharedPiece
{
	ArcRef		next;
	uint32		size;			/* bytes of the value in this block */
	char		data[FLEXIBLE_ARRAY_MEMBER];
} ArcSharedPiece;

#define PIECE_HEADER_SIZE	offsetof(ArcSharedPiece, data)

StaticAssertDecl(PIECE_HEADER_SIZE % MAXIMUM_ALIGNOF == 0,
				 "pieces must be aligned");
StaticAssertDecl(sizeof(ArcSharedEntry) % MAXIMUM_ALIGNOF == 0,
				 "entries must be aligned");
StaticAssertDecl(ARC_KEY_MAX < (1 << 12), "key length does not fit");
StaticAssertDecl(ARC_META_MAX < (1 << 20), "meta size does not fit");

/* Where the meta starts, and where the value does. */
static inline Size
meta_offset(Size key_length)
{
	return MAXALIGN(sizeof(ArcSharedEntry) + key_length);
}

static inline Size
value_offset(Size key_length, Size meta_size)
{
	return meta_offset(key_length) + MAXALIGN(meta_size);
}

const char *
arc_entry_key(const ArcSharedEntry *entry)
{
	return (const char *) entry + sizeof(ArcSharedEntry);
}

const void *
arc_entry_meta(const ArcSharedEntry *entry)
{
	const char *meta = (const char *) entry + meta_offset(entry->key_length);

	/* Guards look at an entry that is linked and that they have not pinned. */
	arc_mark_open(meta, entry->meta_size);
	return meta;
}

static inline char *
first_data(const ArcSharedEntry *entry)
{
	return (char *) entry + value_offset(entry->key_length, entry->meta_size);
}

/* Bytes of the value in the first block: all, or what the block has room for. */
static inline Size
first_size(const ArcSharedEntry *entry)
{
	if (entry->value_apart)
		return 0;
	if (entry->more == ARC_REF_NONE)
		return entry->value_size;
	return arc_arena_block_size(arc_arena_ref(entry)) -
		value_offset(entry->key_length, entry->meta_size);
}

/* A further block: open, but for what its data leaves. */
static inline ArcSharedPiece *
piece_at(ArcRef ref)
{
	ArcSharedPiece *piece = arc_arena_address(ref);

	arc_mark_open(piece, PIECE_HEADER_SIZE);
	arc_mark_open(piece->data, piece->size);
	arc_mark_closed(piece->data + piece->size,
					arc_arena_block_size(ref) - PIECE_HEADER_SIZE - piece->size);
	return piece;
}

#ifdef ARC_MEMORY_MARKS
/* Close what the first block has besides header, key, meta and value. */
static void
close_gaps(const ArcSharedEntry *entry)
{
	const char *start = (const char *) entry;
	Size		meta = meta_offset(entry->key_length);
	Size		value = value_offset(entry->key_length, entry->meta_size);
	Size		key_end = sizeof(ArcSharedEntry) + entry->key_length;
	Size		meta_end = meta + entry->meta_size;
	Size		value_end = value + first_size(entry);

	arc_mark_closed(start + key_end, meta - key_end);
	arc_mark_closed(start + meta_end, value - meta_end);
	arc_mark_closed(start + value_end,
					arc_arena_block_size(arc_arena_ref(entry)) - value_end);
}

/* How often this process holds an entry. */
typedef struct HeldCount
{
	ArcRef		ref;			/* hash key */
	int			count;
} HeldCount;

static HTAB *held_counts = NULL;

static HeldCount *
held_count(ArcSharedEntry *entry, HASHACTION action)
{
	ArcRef		ref = arc_arena_ref(entry);
	bool		found;
	HeldCount  *held;

	if (held_counts == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(ArcRef),.entrysize = sizeof(HeldCount)};

		held_counts = hash_create("arcache held entries", 64, &control,
								  HASH_ELEM | HASH_BLOBS);
	}
	held = hash_search(held_counts, &ref, action, &found);
	if (action == HASH_ENTER && !found)
		held->count = 0;
	return held;
}

void
arc_entry_open(ArcSharedEntry *entry)
{
	arc_mark_open(arc_entry_meta(entry), entry->meta_size);
	arc_mark_open(first_data(entry), first_size(entry));
	close_gaps(entry);
	held_count(entry, HASH_ENTER)->count++;
}

void
arc_entry_close(ArcSharedEntry *entry)
{
	HeldCount  *held = held_count(entry, HASH_FIND);
	ArcRef		ref = entry->more;

	Assert(held != NULL && held->count > 0);
	if (--held->count > 0)
		return;
	held_count(entry, HASH_REMOVE);

	arc_mark_closed(entry + 1,
					arc_arena_block_size(arc_arena_ref(entry)) - sizeof(ArcSharedEntry));
	while (ref != ARC_REF_NONE)
	{
		ArcSharedPiece *piece = piece_at(ref);
		ArcRef		next = piece->next;

		arc_mark_closed(piece, arc_arena_block_size(ref));
		ref = next;
	}
}

/* The entry may be gone, so nothing of it is read. */
void
arc_entry_close_header(ArcSharedEntry *entry)
{
	if (held_count(entry, HASH_FIND) == NULL)
		arc_mark_closed(entry, sizeof(ArcSharedEntry));
}
#endif							/* ARC_MEMORY_MARKS */

bool
arc_entry_expired(const ArcSharedEntry *entry, TimestampTz now)
{
	TimestampTz expires;

	expires = (TimestampTz) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *,
														  &entry->expires));
	return expires != 0 && expires <= now;
}

void
arc_value_first(const ArcSharedEntry *entry, ArcValueCursor *cursor)
{
	cursor->next = entry->more;
	cursor->data = first_data(entry);
	cursor->length = first_size(entry);
}

bool
arc_value_next(const ArcSharedEntry *entry, ArcValueCursor *cursor)
{
	const ArcSharedPiece *piece;

	Assert(pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &entry->refs)) > 0);

	if (cursor->next == ARC_REF_NONE)
	{
		cursor->data = NULL;
		cursor->length = 0;
		return false;
	}

	piece = piece_at(cursor->next);
	cursor->next = piece->next;
	cursor->data = piece->data;
	cursor->length = piece->size;
	return true;
}

/* Copy the whole value to a place of value_size bytes. */
void
arc_value_copy(const ArcSharedEntry *entry, void *to)
{
	ArcValueCursor cursor;
	char	   *end = to;

	arc_value_first(entry, &cursor);
	do
	{
		if (cursor.length > 0)
			memcpy(end, cursor.data, cursor.length);
		end += cursor.length;
	} while (arc_value_next(entry, &cursor));

	Assert(end - (char *) to == entry->value_size);
}

pg_atomic_uint64 *
arc_entry_counter(const ArcSharedEntry *entry)
{
	/* PIECE_MIN sees to it that so small a value is never cut. */
	Assert(entry->value_size == sizeof(pg_atomic_uint64));
	Assert(entry->more == ARC_REF_NONE);
	return (pg_atomic_uint64 *) first_data(entry);
}

/*
 * Allocate a block of at least min and at most max bytes, evicting while
 * there is none, but no more than *budget bytes in all.
 */
static ArcRef
reserve(Size min, Size max, uint32 hint, uint64 *budget, Size *got)
{
	for (;;)
	{
		ArcRef		ref = arc_arena_alloc(min, max, hint, got);
		uint64		freed;

		if (ref != ARC_REF_NONE || *budget == 0)
			return ref;

		freed = arc_eviction_make_room(Min(Max(max, EVICT_BATCH), *budget));
		if (freed == 0)
			return ARC_REF_NONE;
		*budget -= Min(freed, *budget);
	}
}

/* A block's part of an entry's footprint, whose units are those of the arena. */
static inline uint32
block_footprint(Size size)
{
	/* The 8 bytes that a block's size lacks of 16n are those of its tag. */
	return (uint32) ((size + 15) / 16);
}

static void
free_blocks(ArcSharedEntry *entry)
{
	ArcRef		ref = entry->more;

	while (ref != ARC_REF_NONE)
	{
		ArcRef		next = piece_at(ref)->next;

		arc_arena_free(ref);
		ref = next;
	}
	arc_arena_free(arc_arena_ref(entry));
}

/* Where the block behind this one is named; ARC_REF_NONE is the first one. */
static inline ArcRef *
link_behind(ArcSharedEntry *entry, ArcRef block)
{
	return block == ARC_REF_NONE ? &entry->more :
		&((ArcSharedPiece *) arc_arena_address(block))->next;
}

/*
 * Allocate pieces for so many bytes more, behind this block.  False if that
 * fails; then the caller frees what there is.
 */
static bool
reserve_pieces(ArcSharedEntry *entry, ArcRef behind, Size left, uint32 hint, uint64 *budget)
{
	ArcRef	   *link = link_behind(entry, behind);

	while (left > 0)
	{
		ArcSharedPiece *piece;
		ArcRef		ref;
		Size		got;

		ref = reserve(PIECE_HEADER_SIZE + Min(left, PIECE_MIN),
					  PIECE_HEADER_SIZE + left,
					  hint, budget, &got);
		if (ref == ARC_REF_NONE)
			return false;

		piece = arc_arena_address(ref);
		piece->next = ARC_REF_NONE;
		piece->size = (uint32) Min(left, got - PIECE_HEADER_SIZE);
		entry->footprint += block_footprint(got);

		*link = ref;
		link = &piece->next;
		left -= piece->size;
	}
	return true;
}

/* Fill the pieces behind this block; returns the last one. */
static ArcRef
copy_pieces(ArcSharedEntry *entry, ArcRef behind, const char *value)
{
	ArcRef		ref = *link_behind(entry, behind);
	ArcRef		last = behind;

	while (ref != ARC_REF_NONE)
	{
		ArcSharedPiece *piece = piece_at(ref);

		memcpy(piece->data, value, piece->size);
		value += piece->size;
		last = ref;
		ref = piece->next;
	}
	return last;
}

/* Copy key, meta and value to their places. */
static void
copy_content(ArcSharedEntry *entry, const ArcEntrySpec *spec)
{
	const char *value = spec->value;	/* may be NULL if empty */
	Size		first = first_size(entry);

	arc_mark_written(spec->key.name, spec->key.length);
	arc_mark_written(spec->meta, spec->meta_size);
	if (spec->draft == NULL)
		arc_mark_written(spec->value, spec->value_size);

	memcpy(unconstify(char *, arc_entry_key(entry)),
		   spec->key.name, spec->key.length);
	if (spec->meta_size > 0)
		memcpy(unconstify(void *, arc_entry_meta(entry)),
			   spec->meta, spec->meta_size);
	if (first > 0)
	{
		memcpy(first_data(entry), value, first);
		value += first;
	}
	if (spec->draft == NULL)
		(void) copy_pieces(entry, ARC_REF_NONE, value);
}

/*
 * What may be evicted for so many bytes, of which the head cannot be cut:
 * several times as many, since others take part of it; more for the head, which
 * may not fit between what is left; and something for the smallest.  But not so
 * much that failing again and again to store one entry could clear the cache of
 * all others.
 */
static uint64
eviction_budget(Size head, Size value)
{
	return 4 * (uint64) (head + value) + 16 * (uint64) head +
		Min(arc_arena_size() / 16, EVICT_SLACK);
}

/* The draft's value becomes the entry's. */
static void
take_value(ArcSharedEntry *entry, ArcSharedEntry *draft)
{
	Size		head = arc_arena_block_size(arc_arena_ref(draft));

	Assert(draft->value_apart);
	entry->more = draft->more;
	entry->footprint += draft->footprint - block_footprint(head);
	draft->more = ARC_REF_NONE;
	draft->value_size = 0;
	draft->footprint = block_footprint(head);
}

/*
 * Make an unlinked entry; NULL when there is no memory for it.
 */
ArcSharedEntry *
arc_store_create(const ArcEntrySpec *spec)
{
	Size		head = value_offset(spec->key.length, spec->meta_size);
	Size		value_size = spec->draft != NULL ? spec->draft->value_size : spec->value_size;
	Size		value_here = spec->draft != NULL ? 0 : value_size;
	ArcSharedEntry *entry;
	uint64		hash[2];
	uint64		budget;
	uint32		hint;
	ArcRef		ref;
	Size		got;

	Assert(spec->key.length <= ARC_KEY_MAX);
	Assert(spec->meta_size <= ARC_META_MAX);

	if (arc_store.shared == NULL ||
		spec->key.length > ARC_KEY_MAX ||
		spec->meta_size > ARC_META_MAX ||
		value_size > PG_UINT32_MAX ||
		head + value_size > arc_arena_size())
		return NULL;

	arc_index_hash(&spec->key, hash);
	hint = (uint32) hash[1];

	budget = eviction_budget(head, value_here);
	ref = reserve(head + Min(value_here, PIECE_MIN), head + value_here,
				  hint, &budget, &got);
	if (ref == ARC_REF_NONE)
		return NULL;

	entry = arc_arena_address(ref);
	memset(entry, 0, sizeof(*entry));
	entry->hash[0] = hash[0];
	entry->hash[1] = hash[1];
	entry->next = ARC_REF_NONE;
	pg_atomic_init_u32(&entry->refs, 1);
	entry->database = spec->key.database;
	entry->role = spec->key.role;
	entry->value_size = (uint32) value_size;
	entry->meta_size = spec->meta_size;
	entry->key_length = spec->key.length;
	entry->space = (uint8) spec->key.space;
	entry->flags = spec->flags;
	entry->more = ARC_REF_NONE;
	entry->value_apart = spec->draft != NULL;
	entry->created = GetCurrentTimestamp();
	pg_atomic_init_u64(&entry->expires, (uint64) spec->expires);
	pg_atomic_init_u64(&entry->hits, 0);
	pg_atomic_init_u64(&entry->fence, 0);
	pg_atomic_init_u64(&entry->priority, 0);
	entry->cost = spec->cost;
	entry->footprint = block_footprint(got);

	if (!reserve_pieces(entry, ARC_REF_NONE, value_here - Min(value_here, got - head), hint, &budget))
	{
		free_blocks(entry);
		return NULL;
	}

	if (spec->draft != NULL)
		take_value(entry, spec->draft);
	arc_entry_open(entry);
	copy_content(entry, spec);
	arc_eviction_rate(entry);
	return entry;
}

bool
arc_store_append(ArcSharedEntry *draft, ArcRef *last, const void *data, Size size)
{
	uint64		budget = eviction_budget(0, size);

	Assert(pg_atomic_read_u32(&draft->refs) == 1);
	draft->value_apart = true;
	if (size > PG_UINT32_MAX - draft->value_size ||
		!reserve_pieces(draft, *last, size, (uint32) draft->hash[1], &budget))
		return false;
	arc_mark_written(data, size);
	*last = copy_pieces(draft, *last, data);
	draft->value_size += (uint32) size;
	return true;
}

/* Give an entry back that has not been linked. */
void
arc_store_discard(ArcSharedEntry *entry)
{
	Assert(pg_atomic_read_u32(&entry->refs) == 1);
	arc_store_unpin(entry);
}

bool
arc_entry_release(ArcSharedEntry *entry)
{
	uint32		refs = pg_atomic_fetch_sub_u32(&entry->refs, 1);

	Assert(refs > 0);
	if (refs > 1)
		return false;
	free_blocks(entry);
	return true;
}

void
arc_store_unpin(ArcSharedEntry *entry)
{
	arc_entry_close(entry);
	if (!arc_entry_release(entry))
		arc_entry_close_header(entry);
}
