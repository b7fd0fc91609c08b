/*-------------------------------------------------------------------------
 *
 * arena.c
 *	  Memory for entries: a fixed piece of shared memory, cut into blocks.
 *
 * Why not dsa.c?  Because a DSA area grows and raises, keeps freed memory in
 * superblocks of one size class, and cannot say how much of it is free.  A
 * cache lives at the brim: whatever it evicts must be usable at once for
 * something of another size.
 *
 * Layout
 * ------
 *
 *	  +--------+----------------------------+----------------------------+--
 *	  | arena  | region 0                   | region 1                   |
 *	  | header | control | block | block .. | control | block | block .. |
 *	  +--------+----------------------------+----------------------------+--
 *
 * A region is an allocator of its own under a lock of its own; having several
 * is for concurrency only, and a small arena has but one.  Within a region
 * blocks follow each other without a gap.  Each has a tag of 8 bytes, and its
 * content starts at a multiple of 16 bytes right behind the tag:
 *
 *	  16n-8        16n
 *	  +------+------+---------------------------------------+------+------
 *	  | size | prev | content (16 * size - 8 bytes)         | size | prev
 *	  +------+------+---------------------------------------+------+------
 *	   tag                                                   next block's tag
 *
 * size is the block's own extent in units of 16 bytes, tag included, and its
 * top bit says that the block is free; prev is the extent of the block before
 * it, so that both neighbours are reached by arithmetic.  The last tag of a
 * region is a sentinel: a block of size 0 that is never free.  A free block
 * keeps its links to other free blocks in its content, so a block has at least
 * two units.
 *
 * Finding a free block
 * --------------------
 *
 * Free blocks are listed by class: below 32 units a class is one size, above
 * that each power of two is cut into 32 classes.  Two levels of bitmaps tell
 * which lists are not empty, as in TLSF (Masmano et al., 2004), so that the
 * smallest class that surely fits, and the largest class there is, are found
 * with a few bit operations, whatever the number of free blocks.  A free
 * block never has a free neighbour: arc_arena_free() merges at once.
 *
 * Concurrency
 * -----------
 *
 * A region's lock protects all tags and free lists of the region, and its
 * counts.  Two things are looked at without the lock.  The owner of a block
 * may read the size in its tag, because nobody else changes that word while
 * the block is allocated (a neighbour changes prev, which is another word).
 * And arc_arena_alloc() peeks at bitmaps to pass by regions that cannot help;
 * what it sees there is a hint, checked again under the lock.
 *
 * Freed content is overwritten before the lock is taken, in builds that
 * define CLOBBER_FREED_MEMORY.
 *
 * Memory checkers (base/memory_marks.h)
 * -------------------------------------
 *
 * All blocks are closed from the start.  arc_arena_alloc() opens the content of
 * what it returns, and arc_arena_free() closes it again.  Tags and the links
 * between free blocks are never open; the functions here that touch them are
 * exempt.  So a tag is a red zone of 8 bytes behind each block and before it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/inject.h"
#include "base/memory_marks.h"
#include "port/pg_bitutils.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "store/arena.h"

#define ARENA_MAGIC			0x41726341	/* "ArcA" */
#define ARENA_MAX_REGIONS	16
#define ARENA_REGION_SIZE	((Size) 8 * 1024 * 1024)	/* wanted, at least */

#define UNIT				((Size) 16)
#define MIN_UNITS			2
#define MAX_UNITS			((uint32) 1 << 28)	/* no block is as large */

/* Classes of free blocks: 32 to a level; level 0 has one size a class. */
#define CLASS_BITS			5
#define CLASSES_PER_LEVEL	(1 << CLASS_BITS)
#define LEVELS				24	/* enough for MAX_UNITS - 1 */
#define CLASSES				(LEVELS * CLASSES_PER_LEVEL)
#define NO_CLASS			(-1)

/* How many blocks of a class of unlike sizes are looked at for a better fit. */
#define CLASS_PROBES		8

/* The tag in front of each block; the region's lock. */
typedef struct ArcSharedBlock
{
	uint32		size;			/* in units, tag included; | BLOCK_FREE */
	uint32		prev;			/* size of the block before, 0 if first */
} ArcSharedBlock;

#define BLOCK_FREE			((uint32) 1 << 31)

StaticAssertDecl(sizeof(ArcSharedBlock) == 8, "a block's tag has 8 bytes");

/* The start of a free block's content; the region's lock. */
typedef struct ArcSharedFreeLink
{
	ArcRef		next;
	ArcRef		prev;
} ArcSharedFreeLink;

StaticAssertDecl(sizeof(ArcSharedBlock) + sizeof(ArcSharedFreeLink) <=
				 MIN_UNITS * 16, "a free block's links do not fit");

/*
 * A region's control data.  first and end do not change; all else is
 * protected by the region's lock.  levels, classes and free_units are peeked
 * at without it.
 */
typedef struct ArcSharedRegion
{
	ArcRef		first;			/* the first block */
	ArcRef		end;			/* the sentinel */
	uint32		free_units;		/* of free blocks, tags included */
	uint32		used_units;		/* of allocated blocks, tags included */
	uint32		free_blocks;
	uint32		used_blocks;
	uint32		levels;			/* bit per level that has free blocks */
	uint32		classes[LEVELS];	/* bit per class that has */
	ArcRef		free[CLASSES];	/* heads of the lists */
} ArcSharedRegion;

StaticAssertDecl(sizeof(ArcSharedRegion) < ARENA_REGION_SIZE / 1024,
				 "a region's control data is out of proportion");

/* The arena's header.  Constant after arc_arena_init(). */
typedef struct ArcSharedArena
{
	uint32		magic;
	uint32		nregions;
	Size		size;			/* of all, header included */
	Size		region_size;	/* the last one takes the rest, too */
} ArcSharedArena;

/* Space of the header, and of a region's control data with a gap behind it. */
#define ARENA_HEADER_SIZE	TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(ArcSharedArena))
#define REGION_CONTROL_SIZE \
	(TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(ArcSharedRegion)) + \
	 UNIT - sizeof(ArcSharedBlock))

/* This process's view of the arena; the same in all. */
static char *base = NULL;
static ArcSharedArena *arena = NULL;
static LWLockPadded *region_locks = NULL;

static inline void *
address_of(ArcRef ref)
{
	return base + (Size) ref * UNIT;
}

/*
 * Tags and links lie where an entry may have been that this process opened and
 * that others freed, so they are closed (again) by whoever is about to use them.
 * Half open they would count as not initialized.
 */
static inline ArcSharedBlock *
block_of(ArcRef ref)
{
	ArcSharedBlock *block = (ArcSharedBlock *) ((char *) address_of(ref) - sizeof(ArcSharedBlock));

	arc_mark_closed(block, sizeof(ArcSharedBlock));
	return block;
}

static inline ArcSharedFreeLink *
link_of(ArcRef ref)
{
	ArcSharedFreeLink *link = (ArcSharedFreeLink *) address_of(ref);

	arc_mark_closed(link, sizeof(ArcSharedFreeLink));
	return link;
}

ARC_MARK_EXEMPT static inline uint32
units_of(const ArcSharedBlock *block)
{
	return block->size & ~BLOCK_FREE;
}

ARC_MARK_EXEMPT static inline bool
is_free(const ArcSharedBlock *block)
{
	return (block->size & BLOCK_FREE) != 0;
}

/* Bytes of content in so many units. */
static inline Size
content_size(uint32 units)
{
	return (Size) units * UNIT - sizeof(ArcSharedBlock);
}

/* Units that hold so many bytes of content; MAX_UNITS if no block does. */
static inline uint32
units_for(Size size)
{
	if (size >= content_size(MAX_UNITS))
		return MAX_UNITS;
	return Max((uint32) ((size + sizeof(ArcSharedBlock) + UNIT - 1) / UNIT),
			   MIN_UNITS);
}

static inline ArcSharedRegion *
region_at(int i)
{
	return (ArcSharedRegion *)
		(base + ARENA_HEADER_SIZE + (Size) i * arena->region_size);
}

static inline int
region_index(ArcRef ref)
{
	Size		offset = (Size) ref * UNIT - ARENA_HEADER_SIZE;

	return (int) Min(offset / arena->region_size, arena->nregions - 1);
}

static inline LWLock *
region_lock(int i)
{
	return &region_locks[i].lock;
}

/* The class of blocks of this size. */
static inline int
class_of(uint32 units)
{
	int			log;

	Assert(units < MAX_UNITS);
	if (units < CLASSES_PER_LEVEL)
		return (int) units;
	log = pg_leftmost_one_pos32(units);
	return (log - CLASS_BITS + 1) * CLASSES_PER_LEVEL +
		(int) (units >> (log - CLASS_BITS)) - CLASSES_PER_LEVEL;
}

/* The first class all of whose blocks have this size or more. */
static inline int
class_fitting(uint32 units)
{
	if (units >= CLASSES_PER_LEVEL)
	{
		units += ((uint32) 1 << (pg_leftmost_one_pos32(units) - CLASS_BITS)) - 1;
		if (units >= MAX_UNITS)
			return NO_CLASS;
	}
	return class_of(units);
}

/* Have all blocks of the class the same size? */
static inline bool
class_is_exact(int class)
{
	/* Level 1 starts at 32 units, and its classes are one unit apart, too. */
	return class < 2 * CLASSES_PER_LEVEL;
}

/* The first class from this one on that has free blocks. */
static inline int
next_class(const volatile ArcSharedRegion *region, int class)
{
	int			level = class / CLASSES_PER_LEVEL;
	uint32		classes;
	uint32		levels;

	classes = region->classes[level] &
		(PG_UINT32_MAX << (class % CLASSES_PER_LEVEL));
	if (classes == 0)
	{
		levels = region->levels & (PG_UINT32_MAX << (level + 1));
		if (levels == 0)
			return NO_CLASS;
		level = pg_rightmost_one_pos32(levels);
		classes = region->classes[level];
		if (classes == 0)
			return NO_CLASS;	/* peeking, and it has just changed */
	}
	return level * CLASSES_PER_LEVEL + pg_rightmost_one_pos32(classes);
}

/* The largest class that has free blocks. */
static inline int
largest_class(const volatile ArcSharedRegion *region)
{
	uint32		levels = region->levels;
	uint32		classes;
	int			level;

	if (levels == 0)
		return NO_CLASS;
	level = pg_leftmost_one_pos32(levels);
	classes = region->classes[level];
	if (classes == 0)
		return NO_CLASS;		/* peeking, and it has just changed */
	return level * CLASSES_PER_LEVEL + pg_leftmost_one_pos32(classes);
}

/* Assert that the tags around a block agree. */
ARC_MARK_EXEMPT static inline void
assert_tags(const ArcSharedRegion *region, ArcRef ref)
{
#ifdef USE_ASSERT_CHECKING
	ArcSharedBlock *block = block_of(ref);
	uint32		units = units_of(block);

	Assert(ref >= region->first && ref < region->end);
	Assert(units >= MIN_UNITS && units <= region->end - ref);
	Assert(block_of(ref + units)->prev == units);
	Assert(block->prev <= ref - region->first);
	Assert((block->prev == 0) == (ref == region->first));
	Assert(block->prev == 0 ||
		   units_of(block_of(ref - block->prev)) == block->prev);
#endif
}

/* Put a block, whose size is given, into its list.  The lock is held. */
ARC_MARK_EXEMPT static void
list_insert(ArcSharedRegion *region, ArcRef ref, uint32 units)
{
	int			class = class_of(units);
	ArcRef		head = region->free[class];

	block_of(ref)->size = units | BLOCK_FREE;
	link_of(ref)->next = head;
	link_of(ref)->prev = ARC_REF_NONE;
	if (head != ARC_REF_NONE)
		link_of(head)->prev = ref;
	region->free[class] = ref;
	region->classes[class / CLASSES_PER_LEVEL] |=
		(uint32) 1 << (class % CLASSES_PER_LEVEL);
	region->levels |= (uint32) 1 << (class / CLASSES_PER_LEVEL);
	region->free_units += units;
	region->free_blocks++;
}

/* Take a free block out of its list.  The lock is held. */
ARC_MARK_EXEMPT static void
list_remove(ArcSharedRegion *region, ArcRef ref)
{
	ArcSharedFreeLink *link = link_of(ref);
	uint32		units = units_of(block_of(ref));
	int			class = class_of(units);
	int			level = class / CLASSES_PER_LEVEL;

	Assert(is_free(block_of(ref)));

	if (link->next != ARC_REF_NONE)
		link_of(link->next)->prev = link->prev;
	if (link->prev != ARC_REF_NONE)
		link_of(link->prev)->next = link->next;
	else
	{
		Assert(region->free[class] == ref);
		region->free[class] = link->next;
		if (link->next == ARC_REF_NONE)
		{
			region->classes[level] &=
				~((uint32) 1 << (class % CLASSES_PER_LEVEL));
			if (region->classes[level] == 0)
				region->levels &= ~((uint32) 1 << level);
		}
	}
	block_of(ref)->size = units;
	region->free_units -= units;
	region->free_blocks--;
}

/*
 * Allocate a free block, giving back what it has beyond so many units.  The
 * lock is held.
 */
ARC_MARK_EXEMPT static void
take_block(ArcSharedRegion *region, ArcRef ref, uint32 wanted)
{
	ArcSharedBlock *block = block_of(ref);
	uint32		units = units_of(block);

	assert_tags(region, ref);
	list_remove(region, ref);

	if (units >= wanted + MIN_UNITS)
	{
		uint32		rest = units - wanted;

		/* The block behind us is not free, or we had been merged with it. */
		block->size = wanted;
		block_of(ref + wanted)->prev = wanted;
		block_of(ref + units)->prev = rest;
		list_insert(region, ref + wanted, rest);
		units = wanted;
	}

	region->used_units += units;
	region->used_blocks++;
	assert_tags(region, ref);
}

/*
 * A free block of so many units or more, if there is one that can be found
 * quickly.  The lock is held.
 *
 * Any block of the next class fits.  If all of those are empty, there may
 * still be a block that fits in the class the size itself belongs to; a few
 * are looked at, since it would be a pity to cut a value in pieces for want
 * of three percent.
 */
ARC_MARK_EXEMPT static ArcRef
find_fitting(const ArcSharedRegion *region, uint32 units)
{
	int			class = class_fitting(units);
	ArcRef		ref;

	if (class != NO_CLASS)
	{
		class = next_class(region, class);
		if (class != NO_CLASS)
			return region->free[class];
	}

	if (units >= MAX_UNITS)
		return ARC_REF_NONE;

	ref = region->free[class_of(units)];
	for (int i = 0; ref != ARC_REF_NONE && i < CLASS_PROBES; i++)
	{
		if (units_of(block_of(ref)) >= units)
			return ref;
		ref = link_of(ref)->next;
	}
	return ARC_REF_NONE;
}

/*
 * One block of so many units from the first region, hint's own leading, that
 * has it.  Regions whose lock is busy are left for a second round.
 */
static ArcRef
alloc_whole(uint32 units, uint32 hint)
{
	for (int round = 0; round < 2; round++)
	{
		for (uint32 i = 0; i < arena->nregions; i++)
		{
			int			r = (hint + i) % arena->nregions;
			ArcSharedRegion *region = region_at(r);
			ArcRef		ref;

			/* Peek; class_of() rather than class_fitting() as above. */
			if (units >= MAX_UNITS ||
				next_class(region, class_of(units)) == NO_CLASS)
				continue;

			if (round > 0)
				LWLockAcquire(region_lock(r), LW_EXCLUSIVE);
			else if (!LWLockConditionalAcquire(region_lock(r), LW_EXCLUSIVE))
				continue;

			ref = find_fitting(region, units);
			if (ref != ARC_REF_NONE)
				take_block(region, ref, units);
			LWLockRelease(region_lock(r));

			if (ref != ARC_REF_NONE)
				return ref;
		}
	}
	return ARC_REF_NONE;
}

/*
 * The largest block there is, cut down to max_units, if it has min_units.
 * "Largest" to within a class, that is, some three percent.
 */
static ArcRef
alloc_largest(uint32 min_units, uint32 max_units, uint32 hint)
{
	uint32		tried = 0;

	if (min_units >= MAX_UNITS)
		return ARC_REF_NONE;

	for (uint32 i = 0; i < arena->nregions; i++)
	{
		int			best_class = NO_CLASS;
		int			best = -1;
		ArcSharedRegion *region;
		ArcRef		ref = ARC_REF_NONE;
		int			class;

		/* Peek for the region with the largest block. */
		for (uint32 j = 0; j < arena->nregions; j++)
		{
			int			r = (hint + j) % arena->nregions;

			class = largest_class(region_at(r));
			if (class > best_class && !(tried & ((uint32) 1 << r)))
			{
				best_class = class;
				best = r;
			}
		}
		if (best < 0 || best_class < class_of(min_units))
			return ARC_REF_NONE;

		tried |= (uint32) 1 << best;
		region = region_at(best);

		LWLockAcquire(region_lock(best), LW_EXCLUSIVE);
		class = largest_class(region);
		if (class != NO_CLASS)
		{
			ref = region->free[class];
			if (units_of(block_of(ref)) < min_units)
				ref = find_fitting(region, min_units);
		}
		if (ref != ARC_REF_NONE)
			take_block(region, ref, max_units);
		LWLockRelease(region_lock(best));

		if (ref != ARC_REF_NONE)
			return ref;
	}
	return ARC_REF_NONE;
}

/*
 * Allocate one block of at least min and at most max bytes (what a block has
 * beyond that is too little to be one).  One block of max bytes is preferred;
 * failing that the largest block of all regions is taken, so that a value
 * needs as few of them as can be.
 */
ArcRef
arc_arena_alloc(Size min, Size max, uint32 hint, Size *got)
{
	uint32		max_units = units_for(max);
	ArcRef		ref;

	Assert(min <= max);

	*got = 0;
	if (ARC_INJECT_FAILS("arena-alloc"))
		return ARC_REF_NONE;

	arc_mark_suspend();
	ref = alloc_whole(max_units, hint);
	if (ref == ARC_REF_NONE)
		ref = alloc_largest(units_for(min), max_units, hint);
	arc_mark_resume();

	if (ref != ARC_REF_NONE)
	{
		*got = arc_arena_block_size(ref);
		arc_mark_fresh(address_of(ref), *got);
	}
	return ref;
}

ARC_MARK_EXEMPT void
arc_arena_free(ArcRef ref)
{
	int			r = region_index(ref);
	ArcSharedRegion *region = region_at(r);
	ArcSharedBlock *block = block_of(ref);
	uint32		units;
	ArcRef		neighbor;

#ifdef CLOBBER_FREED_MEMORY
	/* Still ours, and no reason to keep others waiting. */
	arc_mark_fresh(address_of(ref), arc_arena_block_size(ref));
	memset(address_of(ref), 0x7F, arc_arena_block_size(ref));
#endif
	arc_mark_closed(address_of(ref), arc_arena_block_size(ref));
	arc_mark_suspend();

	LWLockAcquire(region_lock(r), LW_EXCLUSIVE);
	ARC_INJECT_LOCKED("arena-locked");

	Assert(!is_free(block));
	assert_tags(region, ref);

	units = units_of(block);
	region->used_units -= units;
	region->used_blocks--;

	/* Merge with the block behind us. */
	neighbor = ref + units;
	if (is_free(block_of(neighbor)))
	{
		uint32		more = units_of(block_of(neighbor));

		assert_tags(region, neighbor);
		list_remove(region, neighbor);
		units += more;
	}

	/* Merge with the block before us. */
	if (block->prev != 0)
	{
		neighbor = ref - block->prev;
		if (is_free(block_of(neighbor)))
		{
			uint32		more = block->prev;

			assert_tags(region, neighbor);
			list_remove(region, neighbor);
			ref = neighbor;
			units += more;
		}
	}

	list_insert(region, ref, units);
	block_of(ref + units)->prev = units;
	assert_tags(region, ref);

	LWLockRelease(region_lock(r));
	arc_mark_resume();
}

/* Bytes of content.  Without the lock; see the file's header. */
Size
arc_arena_block_size(ArcRef ref)
{
	ArcSharedBlock *block = block_of(ref);
	Size		size;

	Assert(ref != ARC_REF_NONE);
	arc_mark_suspend();
	Assert(!is_free(block));
	size = content_size(units_of(block));
	arc_mark_resume();
	return size;
}

void *
arc_arena_address(ArcRef ref)
{
	Assert(ref != ARC_REF_NONE && (Size) ref * UNIT < arena->size);
	return address_of(ref);
}

ArcRef
arc_arena_ref(const void *address)
{
	Size		offset = (const char *) address - base;

	Assert(offset % UNIT == 0 && offset < arena->size);
	return (ArcRef) (offset / UNIT);
}

/*
 * How many bytes are in use, free, and neither.  All regions are locked, so
 * the sum is right at one moment of all of them.
 */
ARC_MARK_EXEMPT void
arc_arena_usage(ArcArenaUsage *usage)
{
	memset(usage, 0, sizeof(*usage));
	if (arena == NULL)
		return;

	for (uint32 r = 0; r < arena->nregions; r++)
		LWLockAcquire(region_lock(r), LW_SHARED);

	arc_mark_suspend();
	usage->size = arena->size;
	usage->overhead = arc_arena_overhead();
	for (uint32 r = 0; r < arena->nregions; r++)
	{
		ArcSharedRegion *region = region_at(r);
		uint64		tags;
		int			class;
		ArcRef		ref;

		tags = (uint64) region->used_blocks * sizeof(ArcSharedBlock);
		usage->used += (uint64) region->used_units * UNIT - tags;
		usage->overhead += tags;

		tags = (uint64) region->free_blocks * sizeof(ArcSharedBlock);
		usage->free += (uint64) region->free_units * UNIT - tags;
		usage->overhead += tags;

		/* The largest; to within a class, if that has many. */
		class = largest_class(region);
		ref = (class == NO_CLASS) ? ARC_REF_NONE : region->free[class];
		for (int i = 0; ref != ARC_REF_NONE && i < 1000; i++)
		{
			usage->largest_free = Max(usage->largest_free,
									  content_size(units_of(block_of(ref))));
			if (class_is_exact(class))
				break;
			ref = link_of(ref)->next;
		}
	}
	arc_mark_resume();
	Assert(usage->used + usage->free + usage->overhead == usage->size);

	for (uint32 r = 0; r < arena->nregions; r++)
		LWLockRelease(region_lock(r));
}

/* Bytes of free blocks, tags included; each region's at a moment of its own. */
uint64
arc_arena_free_estimate(void)
{
	uint64		units = 0;

	if (arena == NULL)
		return 0;
	for (uint32 r = 0; r < arena->nregions; r++)
		units += ((volatile ArcSharedRegion *) region_at(r))->free_units;
	return units * UNIT;
}

Size
arc_arena_size(void)
{
	return arena == NULL ? 0 : arena->size;
}

/* Bytes of the arena that never belong to a block. */
Size
arc_arena_overhead(void)
{
	Size		overhead;

	if (arena == NULL)
		return 0;
	overhead = arena->size;
	for (uint32 r = 0; r < arena->nregions; r++)
		overhead -= (Size) (region_at(r)->end - region_at(r)->first) * UNIT;
	return overhead;
}

#ifdef USE_ASSERT_CHECKING
/*
 * Is one region whole?  Walks its blocks, then its lists.  The lock is held.
 */
ARC_MARK_EXEMPT static bool
check_region(const ArcSharedRegion *region)
{
	uint64		free_units = 0;
	uint64		used_units = 0;
	uint32		free_blocks = 0;
	uint32		used_blocks = 0;
	uint32		listed = 0;
	uint32		prev = 0;
	bool		prev_free = false;
	ArcRef		ref;

	for (ref = region->first; ref < region->end; ref += prev)
	{
		ArcSharedBlock *block = block_of(ref);

		if (units_of(block) < MIN_UNITS || block->prev != prev)
			return false;
		if (is_free(block))
		{
			if (prev_free)
				return false;	/* should have been merged */
			free_units += units_of(block);
			free_blocks++;
		}
		else
		{
			used_units += units_of(block);
			used_blocks++;
		}
		prev = units_of(block);
		prev_free = is_free(block);
	}
	if (ref != region->end || block_of(ref)->size != 0 ||
		block_of(ref)->prev != prev)
		return false;

	for (int class = 0; class < CLASSES; class++)
	{
		int			level = class / CLASSES_PER_LEVEL;
		uint32		bits = region->classes[level] >> (class % CLASSES_PER_LEVEL);
		ArcRef		before = ARC_REF_NONE;

		if ((bits & 1) != (region->free[class] != ARC_REF_NONE) ||
			((region->levels >> level) & 1) != (region->classes[level] != 0))
			return false;

		ref = region->free[class];
		for (; ref != ARC_REF_NONE; ref = link_of(ref)->next)
		{
			if (!is_free(block_of(ref)) || link_of(ref)->prev != before ||
				class_of(units_of(block_of(ref))) != class)
				return false;
			before = ref;
			if (++listed > free_blocks)
				return false;
		}
	}

	return listed == free_blocks &&
		free_blocks == region->free_blocks &&
		free_units == region->free_units &&
		used_blocks == region->used_blocks &&
		used_units == region->used_units;
}

/* For tests: is every tag and every list as it must be? */
bool
arc_arena_check(void)
{
	bool		good = true;

	for (uint32 r = 0; arena != NULL && good && r < arena->nregions; r++)
	{
		LWLockAcquire(region_lock(r), LW_SHARED);
		arc_mark_suspend();
		good = check_region(region_at(r));
		arc_mark_resume();
		LWLockRelease(region_lock(r));
	}
	return good;
}
#endif							/* USE_ASSERT_CHECKING */

/* One for each region there can be, so that it need not depend on the size. */
int
arc_arena_nlocks(void)
{
	return ARENA_MAX_REGIONS;
}

/* Make a region of the arena one free block. */
ARC_MARK_EXEMPT static void
init_region(int r)
{
	ArcSharedRegion *region = region_at(r);
	char	   *start = (char *) region;
	char	   *end = start + arena->region_size;

	if (r == arena->nregions - 1)
		end = base + TYPEALIGN_DOWN(UNIT, arena->size);

	memset(region, 0, sizeof(*region));
	region->first = arc_arena_ref(start + REGION_CONTROL_SIZE +
								  sizeof(ArcSharedBlock));

	/* The sentinel's content would start where the region ends. */
	region->end = (ArcRef) ((end - base) / UNIT);
	Assert(region->end - region->first < MAX_UNITS);

	block_of(region->first)->prev = 0;
	list_insert(region, region->first, region->end - region->first);
	block_of(region->end)->size = 0;
	block_of(region->end)->prev = region->end - region->first;

	/* The first tag to the last. */
	arc_mark_closed(block_of(region->first),
					(Size) (region->end - region->first) * UNIT + sizeof(ArcSharedBlock));
}

#ifdef ARC_MEMORY_MARKS
/* Memory that is given back must be as open as it was. */
static void
open_all(int code, Datum arg)
{
	arc_mark_open(base, arena->size);
}
#endif

/*
 * Make an arena of this piece of memory, which is aligned to a cache line.
 * Nobody else has access yet, so no lock is taken.
 */
void
arc_arena_init(void *start, Size size, LWLockPadded *locks)
{
	ArcSharedArena *header = start;

	Assert(start == (void *) TYPEALIGN(PG_CACHE_LINE_SIZE, start));
	Assert(size > ARENA_HEADER_SIZE + REGION_CONTROL_SIZE + UNIT * MIN_UNITS);

	header->magic = ARENA_MAGIC;
	header->size = size;
	header->nregions = Max(1, Min(ARENA_MAX_REGIONS, size / ARENA_REGION_SIZE));
	header->region_size = (size - ARENA_HEADER_SIZE) / header->nregions;
	header->region_size = TYPEALIGN_DOWN(PG_CACHE_LINE_SIZE, header->region_size);

	arc_arena_attach(start, locks);
	arc_mark_suspend();
	for (uint32 r = 0; r < arena->nregions; r++)
		init_region(r);
	arc_mark_resume();
#ifdef ARC_MEMORY_MARKS
	on_shmem_exit(open_all, (Datum) 0);
#endif
}

void
arc_arena_attach(void *start, LWLockPadded *locks)
{
	base = start;
	arena = start;
	region_locks = locks;
	Assert(arena->magic == ARENA_MAGIC);
}
