/*-------------------------------------------------------------------------
 *
 * conversion.c
 *	  A value of one type as the equal value of another.
 *
 * Casts take no part.  What one does is its owner's to say, so it would have to
 * be run with the privileges, and in the version, of the moment; and an implicit
 * one need not keep apart what the other type's equality tells apart.  Types go
 * together if values of both are compared by one operator as what they are, and
 * integers of all sizes do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "query/conversion.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

static bool
is_integer(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID;
}

static Oid
equality_of(Oid type)
{
	return lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
}

/*
 * Does the operator take both types for the same, as the text operator does with
 * a varchar?  A type's operator class is its own, or one of a type that it is
 * without conversion; but one of a pseudo-type says nothing.
 */
static bool
is_of_one_type(Oid operator)
{
	Oid			left;
	Oid			right;

	op_input_types(operator, &left, &right);
	return left == right && get_typtype(left) != TYPTYPE_PSEUDO;
}

bool
arc_conversion_make(ArcConversion *conversion, Oid from, Oid to)
{
	Oid			operator = equality_of(to);

	*conversion = (ArcConversion)
	{
		.from = getBaseType(from),
			.to = getBaseType(to)
	};
	conversion->integers = conversion->from != conversion->to &&
		is_integer(conversion->from) && is_integer(conversion->to);
	if (!OidIsValid(operator))
		return false;
	return conversion->from == conversion->to || conversion->integers ||
		(equality_of(from) == operator && is_of_one_type(operator));
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

bool
arc_conversion_apply(const ArcConversion *conversion, Datum value, Datum *result)
{
	if (conversion->integers)
		return convert_integer(conversion->to,
							   integer_value(conversion->from, value), result);
	*result = value;
	return true;
}
