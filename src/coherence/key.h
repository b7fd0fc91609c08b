/*-------------------------------------------------------------------------
 *
 * key.h
 *	  Values of key columns as hashes, of which tokens are made.
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

/* The same for values that are compared with that type by this operator. */
extern bool arc_hasher_make_for_operand(ArcHasher *hasher, const ArcHasher *column,
										Oid operator, bool right, Oid collation,
										MemoryContext context);

extern uint64 arc_hasher_hash(ArcHasher *hasher, Datum value, bool isnull);

#endif							/* ARC_KEY_H */
