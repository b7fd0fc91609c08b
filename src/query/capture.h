/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  Run a planned query and keep its result in one of two forms.
 *
 * As a jsonb array of row objects, or as an image of its tuples that
 * arc_replay_rows() can turn back into rows.  An image holds the types of its
 * columns and each tuple flattened: nothing in it points anywhere.
 *
 * The query runs under the caller's active snapshot; results are palloc'd in
 * the context current at the call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_CAPTURE_H
#define ARC_CAPTURE_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "portability/instr_time.h"
#include "query/source.h"
#include "store/store.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

typedef struct ArcCapture
{
	void	   *value;			/* Jsonb, or the image of rows, or NULL */
	bool		too_large;		/* why there is no image: else the types */
	Size		size;
	double		cost;			/* microseconds spent running */
} ArcCapture;

/* 42701 if two columns have the same name. */
extern void arc_capture_jsonb(const ArcSource *source, ArcCapture *capture);

/*
 * Where rows go: to a tuplestore, or one by one to a function.  A table that
 * has lost columns has a row type with gaps; what a query returns has none, so
 * the rows are spread over the type.
 */
typedef void (*ArcRowSink) (void *arg, HeapTuple row);

typedef struct ArcRowTarget
{
	TupleDesc	desc;			/* of the rows to return */
	TupleDesc	dense;			/* the same without dropped columns */
	Tuplestorestate *to;		/* or NULL: */
	ArcRowSink	sink;			/* in whatever context; copies what it keeps */
	void	   *arg;
} ArcRowTarget;

/* The rest is the caller's to set. */
extern void arc_row_target_init(ArcRowTarget *target, TupleDesc desc);

/* A row of the query as one of the target's type, palloc'd. */
extern HeapTuple arc_row_target_form(const ArcRowTarget *target, TupleTableSlot *slot);

/*
 * The rows go to the target, and as long as the image is no larger than limit
 * into the image; capture->value is NULL if it would be larger, or if rows of
 * these types cannot be kept.  42804 if the types are not the target's.
 */
extern void arc_capture_rows(const ArcSource *source, const ArcRowTarget *target,
							 Size limit, ArcCapture *capture);

/* The image alone, however large. */
extern void arc_capture_image(const ArcSource *source, ArcCapture *capture);

/* Give the target the rows of an image; 42804 if the types are not its own. */
extern void arc_replay_rows(const char *image, const ArcRowTarget *target);

/* The rows of an image, one after the other; they lie in the image. */
extern const char *arc_image_first(const char *image, uint64 *nrows);
extern MinimalTuple arc_image_next(const char **at);

/*
 * The same for an image that may lie in an entry in several pieces.  A row that
 * does is put together in memory of the context that was current at the start;
 * it is there until the next.  The entry's pin is the caller's.
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

extern void arc_image_open(ArcImageReader *reader, const char *image, Size size);
extern void arc_image_open_entry(ArcImageReader *reader, const ArcSharedEntry *entry);

/* NULL behind the last. */
extern MinimalTuple arc_image_read(ArcImageReader *reader);

/* Would it do that? */
extern bool arc_image_fits(const char *image, const ArcRowTarget *target);

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

/* Sets all but the cost. */
extern void arc_image_finish(const ArcImage *image, ArcCapture *capture);

/* Run the query into dest; returns the microseconds that took. */
extern double arc_capture_run(const ArcSource *source, DestReceiver *dest);

/*
 * Equal results? The order of rows counts only if both have it the same;
 * SQL fixes it by ORDER BY alone, and there only up to ties.
 */
extern bool arc_jsonb_results_equal(const Jsonb *a, const Jsonb *b);
extern bool arc_row_images_equal(const char *a, Size a_size,
								 const char *b, Size b_size);

#endif							/* ARC_CAPTURE_H */
