/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  Run a planned query and keep its result in one of two forms.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/compat.h"
#include "base/inject.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "query/capture.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* -- running ------------------------------------------------------------------- */

/*
 * Run the plan into dest.  The time taken is that of running alone: locks have
 * been waited for when the query was analysed.
 */
double
arc_capture_run(const ArcSource *source, DestReceiver *dest)
{
	QueryDesc  *desc;
	instr_time	start;
	instr_time	duration;

	PushActiveSnapshot(GetActiveSnapshot());
	desc = CreateQueryDesc(source->plan, source->text, GetActiveSnapshot(),
						   InvalidSnapshot, dest, source->params, NULL, 0);
	INSTR_TIME_SET_CURRENT(start);
	ExecutorStart(desc, 0);
	arc_compat_executor_run(desc);
	ExecutorFinish(desc);
	ExecutorEnd(desc);
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	FreeQueryDesc(desc);
	PopActiveSnapshot();
	return (double) INSTR_TIME_GET_MICROSEC(duration);
}

static void
no_shutdown(DestReceiver *self)
{
}

/* -- jsonb ----------------------------------------------------------------------- */

typedef struct JsonbReceiver
{
	DestReceiver pub;
	TupleDesc	desc;
	JsonbParseState *state;
	FmgrInfo	to_jsonb;
	MemoryContext result;		/* holds the rows' objects: state points there */
} JsonbReceiver;

static void
check_column_names(TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		for (int j = 0; j < i; j++)
		{
			const char *name = NameStr(TupleDescAttr(desc, i)->attname);

			if (strcmp(name, NameStr(TupleDescAttr(desc, j)->attname)) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column name \"%s\" appears more than once in the result of the cached query",
								name),
						 errhint("Give each column a name of its own with AS.")));
		}
	}
}

static void
jsonb_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	JsonbReceiver *receiver = (JsonbReceiver *) self;
	FuncExpr   *call;

	check_column_names(desc);
	receiver->desc = BlessTupleDesc(desc);

	/* to_jsonb() asks its call for the type of its argument. */
	fmgr_info_cxt(F_TO_JSONB, &receiver->to_jsonb, receiver->result);
	call = makeFuncExpr(F_TO_JSONB, JSONBOID,
						list_make1(makeNullConst(RECORDOID, -1, InvalidOid)),
						InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	fmgr_info_set_expr((Node *) call, &receiver->to_jsonb);
}

static bool
jsonb_receive(TupleTableSlot *slot, DestReceiver *self)
{
	JsonbReceiver *receiver = (JsonbReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->result);
	bool		copied;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &copied);
	Datum		row = heap_copy_tuple_as_datum(tuple, receiver->desc);
	Jsonb	   *object = DatumGetJsonbP(FunctionCall1(&receiver->to_jsonb, row));
	JsonbValue	element;

	ARC_INJECT_POINT("capture-object");
	JsonbToJsonbValue(object, &element);
	(void) pushJsonbValue(&receiver->state, WJB_ELEM, &element);
	pfree(DatumGetPointer(row));
	if (copied)
		heap_freetuple(tuple);
	MemoryContextSwitchTo(old);
	return true;
}

void
arc_capture_jsonb(const ArcSource *source, ArcCapture *capture)
{
	JsonbReceiver receiver = {
		.pub = {
			.receiveSlot = jsonb_receive,
			.rStartup = jsonb_startup,
			.rShutdown = no_shutdown,
			.rDestroy = no_shutdown,
			.mydest = DestNone
		}
	};
	MemoryContext caller = CurrentMemoryContext;
	JsonbValue *whole;
	Jsonb	   *value;

	receiver.result = AllocSetContextCreate(caller, "arcache capture",
											ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(receiver.result);
	(void) pushJsonbValue(&receiver.state, WJB_BEGIN_ARRAY, NULL);
	capture->cost = arc_capture_run(source, &receiver.pub);
	MemoryContextSwitchTo(receiver.result);
	whole = pushJsonbValue(&receiver.state, WJB_END_ARRAY, NULL);
	MemoryContextSwitchTo(caller);
	value = JsonbValueToJsonb(whole);
	MemoryContextDelete(receiver.result);

	capture->value = value;
	capture->draft = NULL;
	capture->state = ARC_IMAGE_KEEPING;
	capture->size = VARSIZE(value);
}

/* -- rows ------------------------------------------------------------------------- */

void
arc_row_target_init(ArcRowTarget *target, TupleDesc desc)
{
	int			n = 0;

	*target = (ArcRowTarget)
	{
		.desc = desc, .dense = desc
	};
	for (int i = 0; i < desc->natts; i++)
		n += !TupleDescAttr(desc, i)->attisdropped;
	if (n == desc->natts)
		return;

	target->dense = CreateTemplateTupleDesc(n);
	n = 0;
	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			TupleDescCopyEntry(target->dense, ++n, desc, i + 1);
	}
}

/* Spread the values of a row over the type; palloc'd. */
static void
spread(TupleDesc desc, TupleTableSlot *slot, Datum **values, bool **nulls)
{
	int			n = 0;

	*values = palloc0(desc->natts * sizeof(Datum));
	*nulls = palloc(desc->natts * sizeof(bool));
	slot_getallattrs(slot);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attisdropped)
		{
			(*nulls)[i] = true;
			continue;
		}
		(*nulls)[i] = slot->tts_isnull[n];
		(*values)[i] = slot->tts_values[n++];
	}
}

HeapTuple
arc_row_target_form(const ArcRowTarget *target, TupleTableSlot *slot)
{
	Datum	   *values;
	bool	   *nulls;
	HeapTuple	row;

	if (target->dense == target->desc)
	{
		slot_getallattrs(slot);
		return heap_form_tuple(target->desc, slot->tts_values, slot->tts_isnull);
	}
	spread(target->desc, slot, &values, &nulls);
	row = heap_form_tuple(target->desc, values, nulls);
	pfree(values);
	pfree(nulls);
	return row;
}

static void
put_row(const ArcRowTarget *target, TupleTableSlot *slot)
{
	Datum	   *values;
	bool	   *nulls;

	if (target->to == NULL)
	{
		HeapTuple	row = arc_row_target_form(target, slot);

		target->sink(target->arg, row);
		heap_freetuple(row);
	}
	else if (target->dense == target->desc)
		tuplestore_puttupleslot(target->to, slot);
	else
	{
		spread(target->desc, slot, &values, &nulls);
		tuplestore_putvalues(target->to, target->desc, values, nulls);
		pfree(values);
		pfree(nulls);
	}
}

static void
check_types(const char *image, TupleDesc desc)
{
	if (!arc_image_has_types(image, desc))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("columns of the cached query do not match the row type of the call"),
				 errhint("Name the columns and their types as the query returns them.")));
}

void
arc_image_finish(ArcImage *image, ArcCapture *capture)
{
	bool		complete = arc_image_complete(image);

	capture->state = image->state;
	capture->draft = image->draft;
	capture->value = complete && image->draft == NULL ? image->data : NULL;
	capture->size = complete ? arc_image_size(image) : 0;
}

typedef struct RowsReceiver
{
	DestReceiver pub;
	const ArcRowTarget *target; /* or NULL: the image alone */
	Size		limit;
	ArcImage	image;
	MemoryContext result;		/* of the image */
} RowsReceiver;

static void
rows_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	RowsReceiver *receiver = (RowsReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->result);

	arc_image_start(&receiver->image, desc, receiver->limit, false);
	if (receiver->target != NULL)
		check_types(receiver->image.data, receiver->target->dense);
	MemoryContextSwitchTo(old);
}

static bool
rows_receive(TupleTableSlot *slot, DestReceiver *self)
{
	RowsReceiver *receiver = (RowsReceiver *) self;

	ARC_INJECT_POINT("capture-row");
	if (receiver->target != NULL)
		put_row(receiver->target, slot);
	arc_image_add(&receiver->image, slot);
	return true;
}

static void
capture_rows(const ArcSource *source, const ArcRowTarget *target, Size limit,
			 ArcCapture *capture)
{
	RowsReceiver receiver = {
		.pub = {
			.receiveSlot = rows_receive,
			.rStartup = rows_startup,
			.rShutdown = no_shutdown,
			.rDestroy = no_shutdown,
			.mydest = DestNone
		},
		.target = target,
		.limit = limit,
		.result = CurrentMemoryContext
	};

	capture->cost = arc_capture_run(source, &receiver.pub);
	arc_image_finish(&receiver.image, capture);
}

void
arc_capture_rows(const ArcSource *source, const ArcRowTarget *target,
				 Size limit, ArcCapture *capture)
{
	capture_rows(source, target, limit, capture);
}

void
arc_capture_image(const ArcSource *source, ArcCapture *capture)
{
	capture_rows(source, NULL, MaxAllocSize, capture);
}

void
arc_replay_rows(const char *image, Size size, const ArcRowTarget *target)
{
	ArcImageReader reader;
	MinimalTuple row;
	TupleTableSlot *slot;

	check_types(image, target->dense);
	arc_image_open(&reader, image, size);
	if (reader.left == 0)
		return;
	slot = MakeSingleTupleTableSlot(target->dense, &TTSOpsMinimalTuple);
	while ((row = arc_image_read(&reader)) != NULL)
	{
		ExecStoreMinimalTuple(row, slot, false);
		put_row(target, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}
