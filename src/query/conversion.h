/*-------------------------------------------------------------------------
 *
 * conversion.h
 *	  A value of one type as the equal value of another.
 *
 * Two columns that refer to each other need not be of one type; the server
 * compares an int4 with an int8, or a varchar with a text.  What is looked up
 * by a value, though, is looked up by one of the column's own type.
 *
 * A conversion lives in the memory context it was made in.  Applying one
 * raises what the cast raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_CONVERSION_H
#define ARC_CONVERSION_H

#include "postgres.h"

#include "fmgr.h"

typedef enum ArcConversionMethod
{
	ARC_CONVERT_NOTHING,		/* the bytes are the same */
	ARC_CONVERT_INTEGER,		/* one size to another */
	ARC_CONVERT_BY_CAST
} ArcConversionMethod;

typedef struct ArcConversion
{
	ArcConversionMethod method;
	Oid			from;			/* domains stripped */
	Oid			to;
	FmgrInfo	cast;
} ArcConversion;

/*
 * False if values of the one type have no equal in the other that could be
 * told without loss: there is no implicit cast, or no equality to speak of.
 */
extern bool arc_conversion_make(ArcConversion *conversion, Oid from, Oid to,
								MemoryContext context);

/* False if no value of the other type equals this one. */
extern bool arc_conversion_apply(ArcConversion *conversion, Datum value, Datum *result);

#endif							/* ARC_CONVERSION_H */
