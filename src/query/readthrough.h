/*-------------------------------------------------------------------------
 *
 * readthrough.h
 *	  Give the result of a query, from the cache if possible.
 *
 * Whatever the cache does, the caller gets what the query returns under his
 * active snapshot.  Raises what the query raises; 0A000 if it cannot be cached
 * for a reason of its own; with arcache.debug_verify also if a hit differs
 * from the query (XX001).
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_READTHROUGH_H
#define ARC_READTHROUGH_H

#include "postgres.h"

#include "access/tupdesc.h"
#include "cache/cache.h"
#include "query/cacheability.h"
#include "query/dependency.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

typedef struct ArcRequest
{
	const char *key;			/* or NULL: made from query and params */
	uint32		key_length;
	const char *query;
	ArrayType  *params;			/* of text, or NULL */
	int64		ttl;			/* milliseconds; 0 is the default */
	ArrayType  *tags;			/* of text, or NULL */
	ArrayType  *depends_on;		/* of regclass, or NULL */
	bool		force;			/* compute and replace */

	/* Of a lookup: its parameters as an image, see source.h, and itself. */
	const char *params_image;
	uint32		params_size;
	const struct ArcLookup *lookup;
} ArcRequest;

extern Jsonb *arc_read_jsonb(const ArcRequest *request);
extern void arc_read_rows(const ArcRequest *request, TupleDesc desc, Tuplestorestate *to);

/* The key of a query that is given none: palloc'd, zero-terminated. */
extern char *arc_query_key(const char *query, ArrayType *params);

/*
 * Recompute a hit on an exact entry that has a query, if the settings ask for
 * it, and compare. The caller holds the pin.
 */
extern void arc_verify_hit(const ArcSharedEntry *entry);

/* Raise unless the current user may run the query that made the entry. */
extern void arc_check_entry_privileges(const ArcSharedEntry *entry);

/* Is the query cacheable, and what does it depend on? */
typedef struct ArcExplanation
{
	ArcAssessment assessment;
	ArcDependencies dependencies;
} ArcExplanation;

extern void arc_explain_query(const char *query, ArrayType *params,
							  ArcExplanation *explanation);

#endif							/* ARC_READTHROUGH_H */
