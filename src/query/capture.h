/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  Run a planned query and keep its result in one of two forms.
 *
 * As a jsonb array of row objects, or as an image of its rows (image.h) that
 * arc_replay_rows() can turn back into rows.
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
#include "portability/instr_time.h"
#include "query/image.h"
#include "query/source.h"
#include "tcop/dest.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

typedef struct ArcCapture
{
	void	   *value;			/* Jsonb, or the image of rows */
	ArcSharedEntry *draft;		/* or this is the image; or both are NULL: */
	ArcImageState state;		/* why there is none */
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
extern void arc_replay_rows(const char *image, Size size, const ArcRowTarget *target);

/* What has come of the image, which remains the caller's; all but the cost. */
extern void arc_image_finish(ArcImage *image, ArcCapture *capture);

/* Run the query into dest; returns the microseconds that took. */
extern double arc_capture_run(const ArcSource *source, DestReceiver *dest);

#endif							/* ARC_CAPTURE_H */
