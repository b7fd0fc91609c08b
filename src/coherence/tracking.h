/*-------------------------------------------------------------------------
 *
 * tracking.h
 *	  Which relations tell us of their writes, and how closely.
 *
 * The triggers are the configuration.  A relation is tracked while it has a
 * trigger of ours, BEFORE each statement, on all of INSERT, UPDATE, DELETE and
 * TRUNCATE, firing always.  Its arguments carry the settings, keys among them.
 * While there is also one AFTER each row, on INSERT, UPDATE and DELETE, firing
 * always, its writes are told key by key.  There is no second source of truth,
 * so pg_dump, restore and replicas carry tracking.
 *
 * What the triggers say is kept in a cache of the backend until the relation's
 * definition changes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_TRACKING_H
#define ARC_TRACKING_H

#include "postgres.h"

#include "coherence/key.h"
#include "utils/rel.h"

/* More keys than this are refused, or by default left out. */
#define ARC_TRACKED_KEYS_MAX	32

/* A column that is part of a key. */
typedef struct ArcKeyColumn
{
	AttrNumber	attno;
	ArcHasher	hasher;
} ArcKeyColumn;

/* A key, as places in the array of columns, in the order of their numbers. */
typedef struct ArcTrackedKey
{
	int			ncolumns;
	int		   *columns;
	AttrNumber *attnos;
} ArcTrackedKey;

typedef struct ArcTracking
{
	bool		tracked;
	int			ttl;			/* seconds; 0 is none of its own */
	bool		automatic;		/* takes part in transparent mode */
	bool		incomplete;		/* not all keys that are listed can be told */
	int			nkeys;			/* 0: as a whole only */
	ArcTrackedKey *keys;
	int			ncolumns;
	ArcKeyColumn *columns;
} ArcTracking;

/*
 * The relation must be open.  Never NULL; valid until the transaction ends,
 * and true as long as the relation's definition does not change.
 */
extern const ArcTracking *arc_tracking_of(Relation rel);

/* Mark all of the relation as written by the current transaction. */
extern void arc_tracking_mark(Oid relid, int flags);

/* The names of our triggers on it; NULL where there is none of them. */
typedef struct ArcTriggerNames
{
	const char *statement;
	const char *row;
	Oid			function;		/* of the statement trigger */
	int			nargs;
	char	  **args;
} ArcTriggerNames;

extern void arc_tracking_triggers(Relation rel, ArcTriggerNames *names);

/* The relations this one is a child of, by inheritance or partitioning. */
extern List *arc_tracking_parents(Oid relid);

/* Can the column be part of a key? If so its hasher is made in context. */
extern bool arc_tracking_fits(Form_pg_attribute column, ArcHasher *hasher,
							  MemoryContext context);

/* The words of a key in a trigger's argument: "a,b" with quotes where needed. */
extern char *arc_tracking_key_words(Relation rel, const ArcTrackedKey *key);

/* Arguments of the statement trigger. */
#define ARC_ARGUMENT_TTL	"ttl="
#define ARC_ARGUMENT_KEY	"key="
#define ARC_ARGUMENT_MANUAL	"auto=false"

#endif							/* ARC_TRACKING_H */
