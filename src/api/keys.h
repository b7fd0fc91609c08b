/*-------------------------------------------------------------------------
 *
 * keys.h
 *	  Arguments that are values of key columns.
 *
 * A value may be of the column's type or of any that can be assigned to it; a
 * literal of unknown type is read as the column's.  Raises 22023 if there are
 * more or fewer values than columns, 42804 if one cannot be converted, and what
 * the conversion raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_KEYS_H
#define ARC_KEYS_H

#include "postgres.h"

#include "fmgr.h"

/* The VARIADIC "any" arguments from `first` on, one for each of n columns. */
extern void arc_keys_from_arguments(FunctionCallInfo fcinfo, int first,
									int n, const Oid *types,
									Datum *values, bool *nulls);

/*
 * The elements of array argument `argument`: values for one column, records for
 * several.  Returns their number; values and nulls are palloc'd, n elements for
 * each key.  A NULL array has no elements.
 */
extern int	arc_keys_from_array(FunctionCallInfo fcinfo, int argument,
								int n, const Oid *types,
								Datum **values, bool **nulls);

#endif							/* ARC_KEYS_H */
