/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Values of key columns as tokens.
 *
 * Values hash by the default hash operator class of their type, so that equal
 * values have equal hashes across the types of one operator family (int4 42
 * and int8 42).  NULL is a value of its own.  A type without such a class, or
 * with a nondeterministic collation, cannot take part.
 *
 * A hasher lives in the memory context it was made in.  Making one raises what
 * catalog lookups raise; hashing what the type's hash function raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_KEY_H
#define ARC_KEY_H

#include "postgres.h"

#include "access/attnum.h"
#include "coherence/token.h"
#include "fmgr.h"

typedef struct ArcHasher
{
	FmgrInfo	function;
	Oid			family;			/* operator family of the hash class */
	Oid			collation;
	bool		extended;		/* the function gives 64 bits */
} ArcHasher;

/* False if values of this type and collation cannot take part. */
extern bool arc_hasher_make(ArcHasher *hasher, Oid type, Oid collation,
							MemoryContext context);
extern uint64 arc_hasher_hash(ArcHasher *hasher, Datum value, bool isnull);

/* The token of one key of a relation: hashes in the order of the columns. */
extern ArcToken arc_token_row_key(Oid database, Oid relid, int n,
								  const AttrNumber *columns, const uint64 *hashes);

#endif							/* ARC_KEY_H */
