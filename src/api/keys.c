/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  Arguments that are values of key columns.
 *
 * Values are converted as an INSERT would, but to the type under a domain:
 * what the domain forbids is no error here, it is only not found.  What a
 * conversion needs is prepared once for a call site and kept in its fn_extra,
 * which is ours therefore.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/keys.h"
#include "base/compat.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

/* From one type to another; none is needed if both are the same. */
typedef struct Conversion
{
	Oid			from;
	Oid			to;
	ExprState  *expression;		/* over a CaseTestExpr, or NULL */
	FmgrInfo	input;			/* of a literal of unknown type */
	Oid			ioparam;
	MemoryContext context;		/* of what it needs, or NULL */
} Conversion;

/* What the fn_extra of a call points to. */
typedef struct Conversions
{
	ExprContext *context;
	int			n;
	Conversion *each;			/* for each column */
} Conversions;

/* -- conversions --------------------------------------------------------------------- */

static Conversions *
conversions_of(FunctionCallInfo fcinfo, int n)
{
	Conversions *conversions = fcinfo->flinfo->fn_extra;
	MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

	if (conversions == NULL)
	{
		conversions = palloc0(sizeof(Conversions));
		conversions->context = CreateStandaloneExprContext();
		fcinfo->flinfo->fn_extra = conversions;
	}
	if (conversions->n < n)
	{
		Conversion *each = palloc0(n * sizeof(Conversion));

		if (conversions->n > 0)
		{
			memcpy(each, conversions->each, conversions->n * sizeof(Conversion));
			pfree(conversions->each);
		}
		conversions->each = each;
		conversions->n = n;
	}
	MemoryContextSwitchTo(old);
	return conversions;
}

ARC_NORETURN static void
raise_mismatch(Oid from, Oid to)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("key value of type %s cannot be converted to %s",
					format_type_be(from), format_type_be(to)),
			 errhint("Cast it to the type of the key column.")));
}

static ExprState *
make_expression(Oid from, Oid to)
{
	CaseTestExpr *value = makeNode(CaseTestExpr);
	Node	   *converted;

	value->typeId = from;
	value->typeMod = -1;
	value->collation = get_typcollation(from);
	converted = coerce_to_target_type(NULL, (Node *) value, from, to, -1,
									  COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (converted == NULL)
		raise_mismatch(from, to);

	/* A relabelling changes nothing of the value. */
	while (IsA(converted, RelabelType))
		converted = (Node *) ((RelabelType *) converted)->arg;
	if (converted == (Node *) value)
		return NULL;
	return ExecInitExpr(expression_planner((Expr *) converted), NULL);
}

static void
prepare(Conversion *conversion, Oid from, Oid to, MemoryContext parent)
{
	MemoryContext old;
	Oid			input;

	conversion->from = InvalidOid;
	conversion->expression = NULL;
	if (conversion->context == NULL)
		conversion->context = AllocSetContextCreate(parent, "arcache key conversion",
													ALLOCSET_SMALL_SIZES);
	else
		MemoryContextReset(conversion->context);
	old = MemoryContextSwitchTo(conversion->context);
	if (from == UNKNOWNOID)
	{
		getTypeInputInfo(to, &input, &conversion->ioparam);
		fmgr_info_cxt(input, &conversion->input, conversion->context);
	}
	else if (from != to)
		conversion->expression = make_expression(from, to);
	conversion->from = from;
	conversion->to = to;
	MemoryContextSwitchTo(old);
}

/* The value for column i, which is not NULL, as one of type `to`. */
static Datum
convert(FunctionCallInfo fcinfo, Conversions *conversions, int i,
		Oid from, Oid to, Datum value, bool *isnull)
{
	Conversion *conversion = &conversions->each[i];

	if (conversion->from != from || conversion->to != to)
		prepare(conversion, from, to, fcinfo->flinfo->fn_mcxt);
	if (from == UNKNOWNOID)
		return InputFunctionCall(&conversion->input, DatumGetCString(value),
								 conversion->ioparam, -1);
	if (conversion->expression == NULL)
		return value;
	conversions->context->caseValue_datum = value;
	conversions->context->caseValue_isNull = false;
	return ExecEvalExpr(conversion->expression, conversions->context, isnull);
}

/* Convert n values, the first to the type of the first column and so on. */
static void
convert_all(FunctionCallInfo fcinfo, int n, const Oid *from, const Oid *types,
			Datum *values, bool *nulls)
{
	Conversions *conversions = conversions_of(fcinfo, n);

	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			values[i] = convert(fcinfo, conversions, i, from[i],
								getBaseType(types[i]), values[i], &nulls[i]);
	}
}

static void
check_count(int given, int n)
{
	if (given == n)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("wrong number of key values"),
			 errdetail_plural("The key has %d column, and %d values are given.",
							  "The key has %d columns, and %d values are given.",
							  n, n, given)));
}

/* -- arguments ------------------------------------------------------------------------- */

/* VARIADIC array: its elements are the values. */
static void
from_variadic_array(FunctionCallInfo fcinfo, int argument, int n, Oid *from,
					Datum *values, bool *nulls)
{
	ArrayType  *array;
	Datum	   *elements;
	bool	   *element_nulls;
	int			nelements;
	int16		length;
	bool		byval;
	char		align;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key must not be null")));
	array = PG_GETARG_ARRAYTYPE_P(argument);
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &byval, &align);
	deconstruct_array(array, ARR_ELEMTYPE(array), length, byval, align,
					  &elements, &element_nulls, &nelements);
	check_count(nelements, n);
	for (int i = 0; i < n; i++)
	{
		from[i] = ARR_ELEMTYPE(array);
		values[i] = elements[i];
		nulls[i] = element_nulls[i];
	}
}

void
arc_keys_from_arguments(FunctionCallInfo fcinfo, int first,
						int n, const Oid *types,
						Datum *values, bool *nulls)
{
	Oid			from[INDEX_MAX_KEYS];

	Assert(n <= INDEX_MAX_KEYS);
	if (get_fn_expr_variadic(fcinfo->flinfo))
		from_variadic_array(fcinfo, first, n, from, values, nulls);
	else
	{
		check_count(PG_NARGS() - first, n);
		for (int i = 0; i < n; i++)
		{
			from[i] = get_fn_expr_argtype(fcinfo->flinfo, first + i);
			values[i] = PG_GETARG_DATUM(first + i);
			nulls[i] = PG_ARGISNULL(first + i);
		}
	}
	convert_all(fcinfo, n, from, types, values, nulls);
}

/* -- arrays ---------------------------------------------------------------------------- */

/* The fields of a record are the values of one key. */
static void
from_record(FunctionCallInfo fcinfo, Datum record, int n, const Oid *types,
			Datum *values, bool *nulls)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(record);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	Datum	   *fields = palloc(desc->natts * sizeof(Datum));
	bool	   *field_nulls = palloc(desc->natts * sizeof(bool));
	Oid			from[INDEX_MAX_KEYS];
	int			given = 0;

	heap_deform_tuple(&tuple, desc, fields, field_nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		if (given < n)
		{
			from[given] = TupleDescAttr(desc, i)->atttypid;
			values[given] = fields[i];
			nulls[given] = field_nulls[i];
		}
		given++;
	}
	ReleaseTupleDesc(desc);
	check_count(given, n);
	convert_all(fcinfo, n, from, types, values, nulls);
}

/* Are elements of this type keys of several values, each a record? */
static bool
holds_records(Oid element, int n, const Oid *types)
{
	return type_is_rowtype(element) && (n > 1 || !type_is_rowtype(types[0]));
}

int
arc_keys_from_array(FunctionCallInfo fcinfo, int argument,
					int n, const Oid *types,
					Datum **values, bool **nulls)
{
	ArrayType  *array;
	Oid			element;
	bool		records;
	Datum	   *elements;
	bool	   *element_nulls;
	int			nkeys;
	int16		length;
	bool		byval;
	char		align;

	*values = NULL;
	*nulls = NULL;
	if (PG_ARGISNULL(argument))
		return 0;
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keys must be a one-dimensional array"),
				 errhint("Write keys of several columns as records, as in ARRAY[ROW(1,2), ROW(3,4)].")));
	element = ARR_ELEMTYPE(array);
	records = holds_records(element, n, types);
	if (!records)
		check_count(1, n);
	get_typlenbyvalalign(element, &length, &byval, &align);
	deconstruct_array(array, element, length, byval, align,
					  &elements, &element_nulls, &nkeys);
	*values = palloc_extended(((Size) nkeys * n + 1) * sizeof(Datum), MCXT_ALLOC_HUGE);
	*nulls = palloc_extended(((Size) nkeys * n + 1) * sizeof(bool), MCXT_ALLOC_HUGE);
	for (int i = 0; i < nkeys; i++)
	{
		Datum	   *key = *values + (Size) i * n;
		bool	   *key_nulls = *nulls + (Size) i * n;

		CHECK_FOR_INTERRUPTS();
		if (element_nulls[i])
			memset(key_nulls, true, n);
		else if (records)
			from_record(fcinfo, elements[i], n, types, key, key_nulls);
		else
		{
			key[0] = elements[i];
			key_nulls[0] = false;
			convert_all(fcinfo, 1, &element, types, key, key_nulls);
		}
	}
	return nkeys;
}
