/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  Rows of one table by the values of some of its columns, through the
 *	  cache.
 *
 * An ArcLookup says which table, which columns, and under which names the
 * entries are kept: one entry for each combination of values that was asked
 * for, an empty one if no row has it.  Rows come as whole rows of the table's
 * row type, exactly as they would come of
 *
 *	  SELECT * FROM table WHERE column = value [AND ...] [ORDER BY primary key]
 *
 * under the caller's active snapshot, privileges and policies.
 *
 * An ArcLookup lives in the memory context it was made in, and describes the
 * table as it was then: ask arc_lookup_is_current() before each use, with the
 * table locked or not.  Reading raises what that query raises.  If it finds
 * that the table has changed meanwhile it returns false: make the lookup and
 * the values again, for the columns' types may be others, and start over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_LOOKUP_H
#define ARC_LOOKUP_H

#include "postgres.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "base/compat.h"
#include "query/cacheability.h"
#include "query/dependency.h"
#include "store/store.h"

typedef struct ArcLookup
{
	Oid			relid;
	ArcKeySpace space;			/* ARC_SPACE_ROW or ARC_SPACE_RELATED */
	const char *prefix;			/* of the entries' names, its last byte a ':' */
	int			max_rows;		/* 0 is all; else the first by primary key */
	bool		uncached;		/* which these are depends on where rows lie */
	int			ncolumns;
	AttrNumber *columns;
	Oid		   *types;			/* of the columns; domains are not stripped */
	TupleDesc	desc;			/* the table's row type, with dropped columns */
	struct ArcLookupState *state;	/* of lookup.c */
} ArcLookup;

/*
 * Lookups by these columns, or (no columns) by the primary key.  NULL if there
 * is none and either these or the first rows by it are asked for.  The prefix is
 * copied; NULL makes it of the table's oid.  42809 if it is not a table, 42883
 * if a column's type knows no equality, 54011 for too many columns.
 */
extern ArcLookup *arc_lookup_make(Oid relid, const AttrNumber *columns, int ncolumns,
								  ArcKeySpace space, const char *prefix, int max_rows);

/* 42704. */
ARC_NORETURN extern void arc_lookup_raise_no_key(Oid relid);

extern bool arc_lookup_is_current(const ArcLookup *lookup);

/*
 * Many lookups at once, each by its own values: values and nulls have ncolumns
 * elements for each key, one key after the other.  A key with a NULL finds
 * nothing and is not looked up.  All that the cache does not have are computed
 * by one query, if the columns' types can be hashed.
 */
typedef struct ArcLookupCall
{
	const ArcLookup *lookup;
	int			nkeys;
	const Datum *values;
	const bool *nulls;
	int64		ttl;			/* milliseconds; 0 is the default */
	bool		bypass;			/* compute, and leave the cache alone */
} ArcLookupCall;

/*
 * Called for each row, in the order of the keys and in the memory context of
 * the call; copy the row to keep it.
 */
typedef void (*ArcLookupSink) (void *arg, int key, HeapTuple row);

/* False, and the sink was not called, if the lookup is not current any more. */
extern pg_nodiscard bool arc_lookup_read(const ArcLookupCall *call,
										 ArcLookupSink sink, void *arg);

/* -- entries by hand ------------------------------------------------------- */

/* The current user's entry of these values; false if the name is too long. */
extern bool arc_lookup_entry_key(const ArcLookup *lookup, const Datum *values, ArcKey *key);

/* The rows of such an entry, which the caller has pinned. */
extern void arc_lookup_replay(const ArcLookup *lookup, const ArcSharedEntry *entry,
							  ArcLookupSink sink, void *arg);

/* The value of an entry of a single row; NULL if its types cannot be kept. */
extern void *arc_lookup_image(const ArcLookup *lookup, HeapTuple row, Size *size);

/*
 * What the rows of these values depend on.  False as arc_lookup_read(); raises
 * as the query would, for want of a privilege.
 */
extern pg_nodiscard bool arc_lookup_depend(const ArcLookup *lookup, const Datum *values,
										   ArcAssessment *assessment,
										   ArcDependencies *dependencies);

#endif							/* ARC_LOOKUP_H */
