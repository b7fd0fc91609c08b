/*-------------------------------------------------------------------------
 *
 * conversion.c
 *	  A value of one type as the equal value of another.
 *
 * Implicit casts are those that keep what a value is, so the result compares
 * as the value itself would.  Among integers the cast to a smaller one is not
 * implicit, because it raises what does not fit; here that is no error, but a
 * value that nothing can be equal to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "query/conversion.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static bool
has_equality(Oid type)
{
	return OidIsValid(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr);
}

bool
arc_conversion_make(ArcConversion *conversion, Oid from, Oid to, MemoryContext context)
{
	Oid			function;

	*conversion = (ArcConversion)
	{
		.from = getBaseType(from),
			.to = getBaseType(to)
	};
	if (!has_equality(conversion->to))
		return false;
	if (conversion->from == conversion->to)
		return true;
	if (is_integer(conversion->from) && is_integer(conversion->to))
	{
		conversion->method = ARC_CONVERT_INTEGER;
		return true;
	}
	switch (find_coercion_pathway(conversion->to, conversion->from,
								  COERCION_IMPLICIT, &function))
	{
		case COERCION_PATH_RELABELTYPE:
			return true;
		case COERCION_PATH_FUNC:
			conversion->method = ARC_CONVERT_BY_CAST;
			fmgr_info_cxt(function, &conversion->cast, context);
			return true;
		default:
			return false;
	}
}

static int64
integer_value(Oid type, Datum value)
{
	switch (type)
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

static bool
convert_integer(Oid to, int64 value, Datum *result)
{
	switch (to)
	{
		case INT2OID:
			*result = Int16GetDatum((int16) value);
			return value >= PG_INT16_MIN && value <= PG_INT16_MAX;
		case INT4OID:
			*result = Int32GetDatum((int32) value);
			return value >= PG_INT32_MIN && value <= PG_INT32_MAX;
		default:
			*result = Int64GetDatum(value);
			return true;
	}
}

/* A cast may take a type modifier and whether it is explicit as well. */
static Datum
call_cast(FmgrInfo *cast, Datum value)
{
	if (cast->fn_nargs == 1)
		return FunctionCall1Coll(cast, DEFAULT_COLLATION_OID, value);
	if (cast->fn_nargs == 2)
		return FunctionCall2Coll(cast, DEFAULT_COLLATION_OID, value, Int32GetDatum(-1));
	return FunctionCall3Coll(cast, DEFAULT_COLLATION_OID, value, Int32GetDatum(-1),
							 BoolGetDatum(false));
}

bool
arc_conversion_apply(ArcConversion *conversion, Datum value, Datum *result)
{
	switch (conversion->method)
	{
		case ARC_CONVERT_INTEGER:
			return convert_integer(conversion->to,
								   integer_value(conversion->from, value), result);
		case ARC_CONVERT_BY_CAST:
			*result = call_cast(&conversion->cast, value);
			return true;
		default:
			*result = value;
			return true;
	}
}
