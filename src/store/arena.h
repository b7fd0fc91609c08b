/*-------------------------------------------------------------------------
 *
 * arena.h
 *	  Memory for entries: a fixed piece of shared memory, cut into blocks.
 *
 * The arena is divided into regions, each with an LWLock of its own that
 * protects the region's free lists and block headers.  A block is addressed
 * by an ArcRef, its offset from the arena's start in units of 16 bytes, so
 * that 32 bits reach 64 GB; 0 is "no block".  The owner of an allocated block
 * alone reads and writes its content; the arena touches only headers.
 *
 * A region is a segregated-fit allocator with boundary tags: freeing a block
 * merges it with free neighbours at once, so memory never stays cut into one
 * size.  A value that finds no single block is stored in several (see
 * store.h), so what is free can always be used.
 *
 * Nothing here raises.  Lock order: a region's lock is a leaf; no other lock
 * is taken while holding it.  Two regions' locks are held together only by
 * arc_arena_usage(), in ascending order.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_ARENA_H
#define ARC_ARENA_H

#include "postgres.h"

#include "storage/lwlock.h"

typedef uint32 ArcRef;
#define ARC_REF_NONE	((ArcRef) 0)

/* At every moment used + free + overhead = size. All in bytes. */
typedef struct ArcArenaUsage
{
	uint64		size;			/* the whole heap, index not included */
	uint64		used;			/* allocated blocks, without their headers */
	uint64		free;			/* free blocks, without their headers */
	uint64		overhead;		/* region control data and all block headers */
	uint64		largest_free;	/* the largest single free block; within 3% */
} ArcArenaUsage;

/*
 * The piece of memory is aligned to a cache line; a part of it, told by
 * arc_arena_overhead() once attached, is the arena's own.
 */
extern void arc_arena_init(void *start, Size size, LWLockPadded *locks);
extern void arc_arena_attach(void *start, LWLockPadded *locks);
extern int	arc_arena_nlocks(void); /* a constant */
extern Size arc_arena_size(void);
extern Size arc_arena_overhead(void);

/*
 * Allocate one block of at least min and at most max bytes, the larger the
 * better, trying the region that hint selects first.  *got is the size of the
 * block; it is 16n - 8, so a multiple of MAXIMUM_ALIGNOF, and may exceed max by
 * what is too little to be a block of its own.  Content is aligned to 16 bytes
 * and not zeroed.  Returns ARC_REF_NONE when no block of min bytes is found.
 */
extern ArcRef arc_arena_alloc(Size min, Size max, uint32 hint, Size *got);
extern void arc_arena_free(ArcRef ref);
extern Size arc_arena_block_size(ArcRef ref);
extern void *arc_arena_address(ArcRef ref);
extern ArcRef arc_arena_ref(const void *address);

extern void arc_arena_usage(ArcArenaUsage *usage);
extern uint64 arc_arena_free_estimate(void);	/* without locks */

#ifdef USE_ASSERT_CHECKING
extern bool arc_arena_check(void);	/* walks all tags and lists */
#endif

#endif							/* ARC_ARENA_H */
