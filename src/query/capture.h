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

#include "access/tupdesc.h"
#include "portability/instr_time.h"
#include "query/source.h"
#include "store/store.h"
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
 * The rows go to the tuplestore, whose rows are of desc, and as long as the
 * image is no larger than limit into the image; capture->value is NULL if it
 * would be larger, or if rows of these types cannot be kept.
 */
extern void arc_capture_rows(const ArcSource *source, TupleDesc desc,
							 Tuplestorestate *to, Size limit,
							 ArcCapture *capture);

/* The image alone, however large. */
extern void arc_capture_image(const ArcSource *source, ArcCapture *capture);

/*
 * Put the rows of an image into the tuplestore; 42804 if their types are not
 * those of desc.
 */
extern void arc_replay_rows(const char *image, TupleDesc desc, Tuplestorestate *to);

/*
 * Equal results? The order of rows counts only if both have it the same;
 * SQL fixes it by ORDER BY alone, and there only up to ties.
 */
extern bool arc_jsonb_results_equal(const Jsonb *a, const Jsonb *b);
extern bool arc_row_images_equal(const char *a, Size a_size,
								 const char *b, Size b_size);

#endif							/* ARC_CAPTURE_H */
