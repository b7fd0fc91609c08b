/*-------------------------------------------------------------------------
 *
 * plan_age.h
 *	  Is what a plan was made of still what counts?
 *
 * A count of what this backend was told of changed definitions.  A plan that
 * was made after the count was taken is made of what was told by then, and is
 * outdated when one of its own items has been told of since.
 *
 * Taking the count hears what other sessions have sent; that raises for want of
 * memory only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_PLAN_AGE_H
#define ARC_PLAN_AGE_H

#include "postgres.h"

#include "nodes/plannodes.h"

extern uint64 arc_plan_age_now(void);

/*
 * Have we been told of a change of what the plan was made of?  The ancestors
 * are those of its relations.  With calls_functions any change of a function
 * counts.
 */
extern bool arc_plan_age_is_outdated(const PlannedStmt *statement, const List *ancestors,
									 uint64 planned_at, bool calls_functions);

#endif							/* ARC_PLAN_AGE_H */
