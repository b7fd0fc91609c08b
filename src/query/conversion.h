/*-------------------------------------------------------------------------
 *
 * conversion.h
 *	  A value of one type as the equal value of another.
 *
 * Two columns that refer to each other need not be of one type; the server
 * compares an int4 with an int8, or a varchar with a text.  What is looked up
 * by a value, though, is looked up by one of the column's own type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_CONVERSION_H
#define ARC_CONVERSION_H

#include "postgres.h"

typedef struct ArcConversion
{
	Oid			from;			/* domains stripped */
	Oid			to;
	bool		integers;		/* of different sizes; else the bytes are the same */
} ArcConversion;

/*
 * False unless each value of the one type is also one of the other, or equals
 * one or none: both are the same but for domains, are compared by the same
 * operator without a conversion, or are integers.
 */
extern bool arc_conversion_make(ArcConversion *conversion, Oid from, Oid to);

/* False if no value of the other type equals this one. */
extern bool arc_conversion_apply(const ArcConversion *conversion, Datum value, Datum *result);

#endif							/* ARC_CONVERSION_H */
