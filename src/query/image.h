/*-------------------------------------------------------------------------
 *
 * image.h
 *	  The rows of a result in one piece of memory.
 *
 * An image holds the types of its columns and each row flattened: nothing in it
 * points anywhere.  Equal rows are equal bytes.
 *
 * Making one raises what detoasting raises, and for want of a little memory; for
 * want of more it is given up.  Reading raises for want of memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_IMAGE_H
#define ARC_IMAGE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "store/store.h"

/*
 * An image in the making: in memory of the context current at the start.  One
 * that goes to the store needs not be there as a whole: what does not fit into
 * a small piece of memory is put into a draft there (store.h), which belongs to
 * the ResourceOwner current then, as pin.h says.
 */
typedef enum ArcImageState
{
	ARC_IMAGE_KEEPING,			/* all rows so far are in it */
	ARC_IMAGE_NOT_STORABLE,		/* rows of these types cannot be */
	ARC_IMAGE_TOO_LARGE,
	ARC_IMAGE_NO_MEMORY			/* here or in the store */
} ArcImageState;

typedef struct ArcImage
{
	ArcImageState state;
	bool		drafts;			/* goes to the store */
	char	   *data;			/* what is in no draft */
	Size		length;
	Size		end;			/* more cannot be, or must not be, at data */
	Size		room;			/* more cannot be */
	Size		limit;			/* of the whole */
	ArcSharedEntry *draft;		/* or NULL */
	ArcRef		draft_last;
	TupleDesc	desc;			/* of the rows */
	TupleDesc	alike;			/* of slots whose tuples may be copied */
	MemoryContext context;
	MemoryContext flat;			/* or NULL: of values flattened for one row */
} ArcImage;

extern void arc_image_start(ArcImage *image, TupleDesc desc, Size limit, bool drafts);
extern void arc_image_add(ArcImage *image, TupleTableSlot *slot);

/* No more rows come; false if it has been given up. Then data or draft is the image. */
extern bool arc_image_complete(ArcImage *image);
extern Size arc_image_size(const ArcImage *image);

/* Of no more use. */
extern void arc_image_end(ArcImage *image);

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
	Size		left;			/* bytes of rows */
	MemoryContext context;
	char	   *joined;
	Size		room;
} ArcImageReader;

extern void arc_image_open(ArcImageReader *reader, const char *image, Size size);
extern void arc_image_open_entry(ArcImageReader *reader, const ArcSharedEntry *entry);

/* NULL behind the last. */
extern MinimalTuple arc_image_read(ArcImageReader *reader);

#endif							/* ARC_IMAGE_H */
