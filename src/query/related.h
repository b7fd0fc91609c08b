/*-------------------------------------------------------------------------
 *
 * related.h
 *	  Related rows, through the cache.
 *
 * Parents are given by their primary keys: values and nulls have as many
 * elements for each as relationship->parents has columns, one parent after the
 * other.  If the relationship goes by other columns of theirs, their rows are
 * read first, through the cache as well; so all parents take two queries at
 * most.
 *
 * Reading raises what the queries raise.  Both functions return false, having
 * done nothing, if they find that a table has changed since the relationship
 * was found: find it and read the keys again, and start over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RELATED_H
#define ARC_RELATED_H

#include "postgres.h"

#include "query/relationship.h"

/* The sink is given the position of the parent, and the related row. */
extern pg_nodiscard bool arc_related_read(const ArcRelationship *relationship, int nparents,
										  const Datum *values, const bool *nulls,
										  ArcLookupSink sink, void *arg);

/* The current user's entry of one parent; not found if it cannot have one. */
extern pg_nodiscard bool arc_related_entry_key(const ArcRelationship *relationship,
											   const Datum *values, const bool *nulls,
											   ArcKey *key, bool *found);

#endif							/* ARC_RELATED_H */
