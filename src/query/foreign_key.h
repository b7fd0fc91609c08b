/*-------------------------------------------------------------------------
 *
 * foreign_key.h
 *	  By which columns one table refers to another.
 *
 * As its foreign keys say, or, where there is none on the columns in question,
 * the primary key of the other table.
 *
 * Raises 42704 if there is nothing to go by, 42702 if several foreign keys
 * differ in what they say, 42703 or 42701 for a column that is not there or
 * named twice, 42830 if there are more or fewer than the primary key has.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_FOREIGN_KEY_H
#define ARC_FOREIGN_KEY_H

#include "postgres.h"

#include "access/attnum.h"
#include "nodes/pg_list.h"

typedef struct ArcForeignKey
{
	int			n;
	AttrNumber *referencing;
	AttrNumber *referenced;		/* one for each */
} ArcForeignKey;

/* names is a list of the referencing columns (char *), or NIL for any. */
extern ArcForeignKey *arc_foreign_key_find(Oid referencing, Oid referenced, List *names);

#endif							/* ARC_FOREIGN_KEY_H */
