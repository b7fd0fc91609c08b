/*-------------------------------------------------------------------------
 *
 * single_row.h
 *	  Does a plan give one row at most, with nothing to compute behind it?
 *
 * Who asks for one row only (SELECT INTO of PL/pgSQL, a function in SQL) never
 * sees the end of such a plan, though it is there.  To look for it costs next
 * to nothing and computes no expression of the query, so that it cannot raise
 * what the query would not have raised.
 *
 * Raises what catalog lookups raise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_SINGLE_ROW_H
#define ARC_SINGLE_ROW_H

#include "postgres.h"

#include "nodes/plannodes.h"

extern bool arc_plan_gives_one_row(const PlannedStmt *statement);

#endif							/* ARC_SINGLE_ROW_H */
