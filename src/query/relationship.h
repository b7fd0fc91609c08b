/*-------------------------------------------------------------------------
 *
 * relationship.h
 *	  Relationships between tables: their definitions.
 *
 * A definition is a row of table arcache_relationship, in the extension's
 * schema, which pg_dump carries; each backend keeps those it uses in a form
 * that is ready for use.  The table's triggers tell all backends of a change,
 * by whatever means it is made.  As with other definitions the newest counts,
 * whatever the caller's snapshot.
 *
 * `parent` is the table whose relationship it is.  Its rows are told apart by
 * their primary key, of whatever kind the relationship is.
 *
 * An ArcRelationship that was found lives as long as the memory context that
 * was current then.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_RELATIONSHIP_H
#define ARC_RELATIONSHIP_H

#include "postgres.h"

#include "nodes/pg_list.h"
#include "query/conversion.h"
#include "query/lookup.h"

typedef enum ArcRelationshipKind
{
	ARC_HAS_MANY,
	ARC_HAS_ONE,
	ARC_BELONGS_TO
} ArcRelationshipKind;

/* A row of the table; columns of the one and of the other table, in pairs. */
typedef struct ArcRelationshipSpec
{
	Oid			parent;
	const char *name;
	ArcRelationshipKind kind;
	Oid			child;
	int			ncolumns;
	const AttrNumber *parent_columns;
	const AttrNumber *child_columns;
	bool		enabled;
	int64		ttl;			/* milliseconds; 0 is none of its own */
} ArcRelationshipSpec;

typedef struct ArcRelationship
{
	ArcRelationshipSpec spec;
	ArcLookup  *parents;		/* the parent's rows, by primary key */
	ArcLookup  *children;		/* the related rows, by the child's columns */
	int		   *positions;		/* of the parent's columns in its primary key,
								 * or NULL if they are others */
	ArcConversion *conversions; /* from the parent's columns to the child's */
} ArcRelationship;

/* The longest name, in bytes: that of any identifier. */
#define ARC_RELATIONSHIP_NAME_MAX	(NAMEDATALEN - 1)

/*
 * Define a relationship, in place of one of the same name.  Raises 42704 if
 * there is no primary key where one is needed, 42804 if columns of a pair
 * cannot be compared.  Privileges are the caller's to check.
 */
extern void arc_relationship_define(Oid extension, const ArcRelationshipSpec *spec);

/* False if there is none. */
extern bool arc_relationship_drop(Oid extension, Oid parent, const char *name);

/*
 * Raises 42704 if there is none of this name, 42703 if it names a column that
 * is not there any more, and as defining it now would.
 */
extern ArcRelationship *arc_relationship_find(Oid extension, Oid parent, const char *name);

/*
 * The names (char *) of a table's relationships, but for those that finding
 * would raise for: what they had cached is out of reach.
 */
extern List *arc_relationship_names(Oid extension, Oid parent);

/*
 * What the names of a relationship's entries begin with, or (NULL) those of all
 * relationships of the table.
 */
extern char *arc_relationship_prefix(Oid parent, const char *name);

#endif							/* ARC_RELATIONSHIP_H */
