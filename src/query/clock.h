/*-------------------------------------------------------------------------
 *
 * clock.h
 *	  Where a query reads the clock without calling a function that says so.
 *
 * The input functions of date and time types understand 'now', 'today',
 * 'tomorrow' and 'yesterday'.  A literal is read when the query is analysed,
 * and the constant that comes of it does not tell; so the text that it came
 * from is looked at.
 *
 * Raises only what catalog lookups raise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_CLOCK_H
#define ARC_CLOCK_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

/* Can a text that is read as this type name such a moment? */
extern bool arc_type_holds_moment(Oid type);

extern bool arc_text_names_moment(const char *text, Size length);

/* The locations of literals that name one, in a statement before analysis. */
extern List *arc_literals_of_moments(const RawStmt *statement);

/* Did one of them become a date or time in the analysed query? */
extern bool arc_query_reads_clock(const Query *query, List *locations);

/* Does the body of an SQL function that the plan may have inlined? */
extern bool arc_plan_inlines_clock(const PlannedStmt *plan);

#endif							/* ARC_CLOCK_H */
