/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Values of key columns as hashes, of which tokens are made.
 *
 * What has to hold is this: if a row satisfies "column = value", then the
 * column's value and the other one have the same hash.  That is what an
 * operator family of the hash access method promises of its functions, for
 * all types that it has.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/hash.h"
#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "coherence/key.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* What NULL hashes to. */
#define NULL_HASH	UINT64CONST(0x6e756c6c6e756c6c)

static bool
is_deterministic(Oid collation)
{
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

/*
 * Does the hash depend on a definition that can be altered while others write?
 * ALTER TYPE of a composite type takes no lock on the tables that use it.
 */
static bool
is_alterable(Oid type)
{
	Oid			element;

	check_stack_depth();
	type = getBaseType(type);
	if (type == RECORDOID || type == RECORDARRAYOID || get_typtype(type) == TYPTYPE_COMPOSITE)
		return true;
	element = get_element_type(type);
	if (!OidIsValid(element))
		element = get_multirange_range(type);
	if (!OidIsValid(element))
		element = get_range_subtype(type);
	return OidIsValid(element) && is_alterable(element);
}

static bool
set_function(ArcHasher *hasher, Oid type, MemoryContext context)
{
	Oid			function = get_opfamily_proc(hasher->family, type, type,
											 HASHEXTENDED_PROC);

	hasher->extended = OidIsValid(function);
	if (!hasher->extended)
		function = get_opfamily_proc(hasher->family, type, type, HASHSTANDARD_PROC);
	if (!OidIsValid(function))
		return false;
	fmgr_info_cxt(function, &hasher->function, context);
	return true;
}

bool
arc_hasher_make(ArcHasher *hasher, Oid type, Oid collation, MemoryContext context)
{
	TypeCacheEntry *entry = lookup_type_cache(getBaseType(type),
											  TYPECACHE_HASH_OPFAMILY |
											  TYPECACHE_HASH_PROC);

	/* Without hash_proc an array or range has elements that cannot be hashed. */
	if (!OidIsValid(entry->hash_opf) || !OidIsValid(entry->hash_proc) ||
		!is_deterministic(collation) || is_alterable(type))
		return false;
	hasher->family = entry->hash_opf;
	hasher->collation = collation;
	return set_function(hasher, entry->hash_opintype, context);
}

bool
arc_hasher_make_for_operand(ArcHasher *hasher, const ArcHasher *column,
							Oid operator, bool right, Oid collation,
							MemoryContext context)
{
	int			strategy;
	Oid			left_type;
	Oid			right_type;

	if (!op_in_opfamily(operator, column->family) || !is_deterministic(collation))
		return false;
	get_op_opfamily_properties(operator, column->family, false, &strategy,
							   &left_type, &right_type);
	if (strategy != HTEqualStrategyNumber)
		return false;
	hasher->family = column->family;
	hasher->collation = collation;

	/* Hashes of 32 and of 64 bits do not compare. */
	return set_function(hasher, right ? right_type : left_type, context) &&
		hasher->extended == column->extended;
}

uint64
arc_hasher_hash(ArcHasher *hasher, Datum value, bool isnull)
{
	if (isnull)
		return NULL_HASH;
	if (hasher->extended)
		return DatumGetUInt64(FunctionCall2Coll(&hasher->function, hasher->collation,
												value, UInt64GetDatum(0)));
	return DatumGetUInt32(FunctionCall1Coll(&hasher->function, hasher->collation, value));
}
