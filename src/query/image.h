/*-------------------------------------------------------------------------
 *
 * image.h
 *	  The rows of a result in one piece of memory.
 *
 * An image holds the types of its columns and each row flattened: nothing in it
 * points anywhere.  Equal rows are equal bytes.
 *
 * Making one raises what detoasting raises, and reading for want of memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_IMAGE_H
#define ARC_IMAGE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "store/store.h"

/*
 * An image in the making.  Adding a row leaves what it took to flatten it in
 * the context current at the call.
 */
typedef struct ArcImage
{
	StringInfoData data;
	TupleDesc	desc;			/* of the rows */
	TupleDesc	alike;			/* of slots whose tuples may be copied */
	Size		limit;
	bool		keeping;		/* the image is still being made */
	bool		too_large;
} ArcImage;

/* Of so many bytes as are expected; more are welcome up to the limit. */
extern void arc_image_start(ArcImage *image, TupleDesc desc, Size limit, double expected);
extern void arc_image_add(ArcImage *image, TupleTableSlot *slot);

/* Are these the types of its columns? */
extern bool arc_image_has_types(const char *image, TupleDesc desc);

/*
 * The rows of an image, one after the other, where they lie.  In an entry it may
 * lie in several pieces; a row that does is put together in memory of the
 * context that was current at the start, and is there until the next.  The
 * entry's pin is the caller's.
 */
typedef struct ArcImageReader
{
	const ArcSharedEntry *entry;	/* or NULL: the image is one piece */
	ArcValueCursor piece;
	Size		at;				/* in the piece */
	uint64		left;			/* rows */
	MemoryContext context;
	char	   *joined;
	Size		room;
} ArcImageReader;

extern void arc_image_open(ArcImageReader *reader, const char *image);
extern void arc_image_open_entry(ArcImageReader *reader, const ArcSharedEntry *entry);

/* NULL behind the last. */
extern MinimalTuple arc_image_read(ArcImageReader *reader);

#endif							/* ARC_IMAGE_H */
