/*-------------------------------------------------------------------------
 *
 * transparent.h
 *	  Statements that are cached without a change of their text.
 *
 * A planner hook puts a result scan (result_scan.h) over the finished plan of
 * a SELECT that can be cached and that takes part: by a hint, or because all
 * tables that it reads are enabled.  Any other plan is left as it is.
 *
 * The hook raises only what catalog lookups raise, and what the planner does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_TRANSPARENT_H
#define ARC_TRANSPARENT_H

#include "postgres.h"

extern void arc_transparent_init(void);

/* While it is above zero plans are left as they are. */
extern int	arc_transparent_suspended;

#endif							/* ARC_TRANSPARENT_H */
