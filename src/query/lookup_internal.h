/*-------------------------------------------------------------------------
 *
 * lookup_internal.h
 *	  What lookup.c made of a table and lookup_batch.c uses.
 *
 * Lives in the context of its ArcLookup.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_LOOKUP_INTERNAL_H
#define ARC_LOOKUP_INTERNAL_H

#include "postgres.h"

#include "coherence/key.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "query/capture.h"
#include "query/lookup.h"
#include "query/readthrough_internal.h"

/* How often the relation cache has told of changes to a table; see lookup.c. */
typedef struct ArcLookupWatch
{
	Oid			relid;			/* hash key */
	uint64		changes;
} ArcLookupWatch;

/* One column of a lookup. */
typedef struct ArcLookupColumn
{
	FmgrInfo	output;
	bool		plain;			/* its text does not depend on settings */
	int			position;		/* in the rows of the query, from 0 */
	ArcHasher	hasher;			/* if the lookup can be split */
	FmgrInfo	equal;
} ArcLookupColumn;

typedef struct ArcLookupState
{
	char	   *query;			/* of one key, its values $1 to $n */
	const char *select;			/* its parts: up to WHERE, */
	const char *order;			/* and what follows but for the limit, */
	const char **left;			/* the columns, ready to be compared, */
	const char **equals;		/* the operators, */
	const char **right;			/* what the parameters are cast to, */
	const char *array;			/* or all keys at once are; NULL if not */
	bool		by_primary;		/* the columns are the primary key's */
	bool		can_split;		/* rows can be told apart by the values */
	ArcLookupColumn *columns;
	ArcRowTarget target;
	ArcLookupWatch *watch;
	uint64		watched;		/* counts of changes as of the last look */
	uint64		watched_all;
} ArcLookupState;

/* The values of a key as texts; none is NULL. */
extern const char **arc_lookup_texts(const ArcLookup *lookup, const Datum *values);

/* The name of their entry: palloc'd, perhaps too long. */
extern char *arc_lookup_name(const ArcLookup *lookup, const char **texts, uint32 *length);

/* The request of one key; the name need not be zero-terminated. */
extern void arc_lookup_request(const ArcLookupCall *call, const char **texts,
							   const char *name, uint32 length, ArcRequest *request);

/* Several keys at once; false as arc_lookup_read(). */
extern bool arc_lookup_read_batch(const ArcLookupCall *call, ArcLookupSink sink, void *arg);

#endif							/* ARC_LOOKUP_INTERNAL_H */
