/*-------------------------------------------------------------------------
 *
 * comparison.h
 *	  Are two results equal?
 *
 * The order of rows counts only if both have it the same; SQL fixes it by
 * ORDER BY alone, and there only up to ties.  Raises for want of memory only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_COMPARISON_H
#define ARC_COMPARISON_H

#include "postgres.h"

#include "utils/jsonb.h"

extern bool arc_jsonb_results_equal(const Jsonb *a, const Jsonb *b);
extern bool arc_row_images_equal(const char *a, Size a_size,
								 const char *b, Size b_size);

#endif							/* ARC_COMPARISON_H */
