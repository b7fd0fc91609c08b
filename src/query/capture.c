/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  Run a planned query and keep its result in one of two forms.
 *
 * The image of rows is an ImageHeader, the oids of the column types, and for
 * each row its size (an int32) and a MinimalTuple, MAXALIGNed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
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
	capture->size = VARSIZE(value);
}

/* -- rows ------------------------------------------------------------------------- */

/* The planner may expect anything; so much is taken for real. */
#define EXPECTED_MAX	(16 * 1024 * 1024)

typedef struct ImageHeader
{
	uint32		ncolumns;
	uint32		padding;
	uint64		nrows;
} ImageHeader;

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
align(StringInfo image)
{
	static const char zeros[MAXIMUM_ALIGNOF] = {0};

	appendBinaryStringInfo(image, zeros, MAXALIGN(image->len) - image->len);
}

static bool
same_types(int ncolumns, const Oid *types, TupleDesc desc)
{
	bool		same = ncolumns == desc->natts;

	for (int i = 0; same && i < desc->natts; i++)
		same = types[i] == TupleDescAttr(desc, i)->atttypid;
	return same;
}

static void
check_types(int ncolumns, const Oid *types, TupleDesc desc)
{
	if (!same_types(ncolumns, types, desc))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("columns of the cached query do not match the row type of the call"),
				 errhint("Name the columns and their types as the query returns them.")));
}

/* An anonymous record type is known to its session only. */
static bool
is_storable(TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Oid			type = getBaseType(TupleDescAttr(desc, i)->atttypid);

		if (type == RECORDOID || type == RECORDARRAYOID)
			return false;
	}
	return true;
}

/* Room for so many bytes more, if that can be had without an error. */
static bool
make_room(StringInfo data, Size more)
{
	Size		room = data->maxlen;
	char	   *larger;

	if (data->len + more < room)
		return true;
	while (data->len + more >= room)
		room *= 2;
	room = Min(room, MaxAllocSize);
	larger = ARC_INJECT_FAILS("capture-grow") ? NULL :
		MemoryContextAllocExtended(GetMemoryChunkContext(data->data), room,
								   MCXT_ALLOC_NO_OOM);
	if (larger == NULL)
		return false;
	memcpy(larger, data->data, data->len);
	pfree(data->data);
	data->data = larger;
	data->maxlen = room;
	return true;
}

void
arc_image_start(ArcImage *image, TupleDesc desc, Size limit, double expected)
{
	ImageHeader header = {.ncolumns = desc->natts};

	initStringInfo(&image->data);
	image->desc = desc;
	image->alike = NULL;
	image->limit = Min(limit, MaxAllocSize / 2);

	/* Room at once, lest what was kept be moved again and again. */
	(void) make_room(&image->data, (Size) Min(expected, Min(image->limit, EXPECTED_MAX)));
	image->keeping = is_storable(desc);
	image->too_large = false;
	appendBinaryStringInfo(&image->data, (char *) &header, sizeof(header));
	for (int i = 0; i < desc->natts; i++)
		appendBinaryStringInfo(&image->data, (char *) &TupleDescAttr(desc, i)->atttypid,
							   sizeof(Oid));
	align(&image->data);
}

static void
give_up(ArcImage *image)
{
	image->keeping = false;
	image->too_large = true;
	pfree(image->data.data);
	image->data.data = NULL;
}

/*
 * Room for a row, all zeros.  NULL if the image would become too large, and is
 * given up.
 */
static MinimalTuple
add_row(ArcImage *image, Size size)
{
	Size		needed = MAXALIGN(sizeof(int32)) + MAXALIGN(size);
	char	   *at;

	if (image->data.len + needed > image->limit || !make_room(&image->data, needed))
	{
		give_up(image);
		return NULL;
	}
	at = image->data.data + image->data.len;
	image->data.len += needed;
	memset(at, 0, needed);
	*(int32 *) at = size;
	((ImageHeader *) image->data.data)->nrows++;
	return (MinimalTuple) (at + MAXALIGN(sizeof(int32)));
}

/* Are values laid out the same in tuples of both? */
static bool
same_layout(TupleDesc a, TupleDesc b)
{
	if (a->natts != b->natts)
		return false;
	for (int i = 0; i < a->natts; i++)
	{
		Form_pg_attribute x = TupleDescAttr(a, i);
		Form_pg_attribute y = TupleDescAttr(b, i);

		if (x->atttypid != y->atttypid || x->attstorage != y->attstorage ||
			x->attisdropped || y->attisdropped)
			return false;
	}
	return true;
}

/* The tuple that the slot holds as it is, and its size; NULL if it holds none. */
static const MinimalTupleData *
tuple_held(TupleTableSlot *slot, Size *size)
{
	const MinimalTupleData *tuple;
	bool		copied;

	if (TTS_IS_MINIMALTUPLE(slot))
	{
		tuple = ExecFetchSlotMinimalTuple(slot, &copied);
		*size = tuple->t_len;
		return tuple;
	}
	if (TTS_IS_BUFFERTUPLE(slot) || TTS_IS_HEAPTUPLE(slot))
	{
		HeapTuple	heap = ExecFetchSlotHeapTuple(slot, false, &copied);

		*size = heap->t_len - MINIMAL_TUPLE_OFFSET;
		return (const MinimalTupleData *) ((char *) heap->t_data + MINIMAL_TUPLE_OFFSET);
	}
	return NULL;
}

/*
 * Copy the tuple that the slot holds, if it is what would be formed of the
 * values: equal rows are equal bytes, whatever plan gives them.  It must have
 * all columns, for one that it lacks has the default of when it was added.
 */
static bool
add_held(ArcImage *image, TupleTableSlot *slot)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;
	Size		size;
	const MinimalTupleData *held = tuple_held(slot, &size);
	MinimalTuple row;

	if (held == NULL || HeapTupleHeaderGetNatts(held) != desc->natts ||
		(held->t_infomask & (HEAP_HASEXTERNAL | HEAP_HASOID_OLD)) != 0)
		return false;
	if (image->alike != desc)
	{
		if (!same_layout(image->desc, desc))
			return false;
		image->alike = desc;
	}
	row = add_row(image, size);
	if (row == NULL)
		return true;
	memcpy((char *) row + MINIMAL_TUPLE_DATA_OFFSET,
		   (const char *) held + MINIMAL_TUPLE_DATA_OFFSET, size - MINIMAL_TUPLE_DATA_OFFSET);

	/* What is left says where it lay, and who wrote it. */
	row->t_len = size;
	row->t_infomask2 &= HEAP_NATTS_MASK;
	row->t_infomask &= HEAP_HASNULL | HEAP_HASVARWIDTH;
	return true;
}

/*
 * The slot's values with none that points elsewhere: its own, or a copy.  What
 * would be given up anyway is not copied; then NULL.
 */
static Datum *
flat_values(ArcImage *image, TupleTableSlot *slot, bool *has_nulls)
{
	TupleDesc	desc = image->desc;
	Datum	   *values = slot->tts_values;
	Size		size = 0;

	*has_nulls = false;
	for (int i = 0; i < desc->natts; i++)
	{
		if (slot->tts_isnull[i])
			*has_nulls = true;
		if (slot->tts_isnull[i] || TupleDescAttr(desc, i)->attlen != -1)
			continue;
		size += VARATT_IS_EXTERNAL(DatumGetPointer(values[i])) ?
			toast_datum_size(values[i]) : VARSIZE_ANY(DatumGetPointer(values[i]));
		if (size > image->limit)
		{
			give_up(image);
			return NULL;
		}
		if (VARATT_IS_EXTERNAL(DatumGetPointer(values[i])))
		{
			if (values == slot->tts_values)
			{
				values = palloc(desc->natts * sizeof(Datum));
				memcpy(values, slot->tts_values, desc->natts * sizeof(Datum));
			}
			values[i] = PointerGetDatum(detoast_external_attr((struct varlena *)
															  DatumGetPointer(values[i])));
		}
	}
	return values;
}

/*
 * As heap_form_minimal_tuple() does, but in place; by the image's own
 * description, for slots may have columns with another storage.
 */
static void
add_formed(ArcImage *image, TupleTableSlot *slot)
{
	TupleDesc	desc = image->desc;
	Datum	   *values;
	bool		has_nulls;
	Size		header;
	Size		size;
	MinimalTuple row;

	Assert(slot->tts_tupleDescriptor->natts == desc->natts);
	slot_getallattrs(slot);
	values = flat_values(image, slot, &has_nulls);
	if (values == NULL)
		return;
	header = MAXALIGN(SizeofMinimalTupleHeader + (has_nulls ? BITMAPLEN(desc->natts) : 0));
	size = heap_compute_data_size(desc, values, slot->tts_isnull);
	row = add_row(image, header + size);
	if (row == NULL)
		return;
	row->t_len = header + size;
	HeapTupleHeaderSetNatts(row, desc->natts);
	row->t_hoff = header + MINIMAL_TUPLE_OFFSET;
	heap_fill_tuple(desc, values, slot->tts_isnull, (char *) row + header, size,
					&row->t_infomask, has_nulls ? row->t_bits : NULL);
}

/* Add the row, flattened, to the image; or give the image up as too large. */
void
arc_image_add(ArcImage *image, TupleTableSlot *slot)
{
	if (image->keeping && !add_held(image, slot))
		add_formed(image, slot);
}

void
arc_image_finish(const ArcImage *image, ArcCapture *capture)
{
	capture->value = image->keeping ? image->data.data : NULL;
	capture->too_large = image->too_large;
	capture->size = image->keeping ? image->data.len : 0;
}

typedef struct RowsReceiver
{
	DestReceiver pub;
	const ArcRowTarget *target; /* or NULL: the image alone */
	Size		limit;
	ArcImage	image;
	MemoryContext result;		/* of the image */
	MemoryContext per_row;
} RowsReceiver;

static void
rows_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	RowsReceiver *receiver = (RowsReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->result);

	arc_image_start(&receiver->image, desc, receiver->limit, 0);
	if (receiver->target != NULL)
		check_types(desc->natts, (const Oid *) (receiver->image.data.data + sizeof(ImageHeader)),
					receiver->target->dense);
	MemoryContextSwitchTo(old);
}

static bool
rows_receive(TupleTableSlot *slot, DestReceiver *self)
{
	RowsReceiver *receiver = (RowsReceiver *) self;
	MemoryContext old;

	ARC_INJECT_POINT("capture-row");
	if (receiver->target != NULL)
		put_row(receiver->target, slot);
	old = MemoryContextSwitchTo(receiver->per_row);
	arc_image_add(&receiver->image, slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->per_row);
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

	receiver.per_row = AllocSetContextCreate(CurrentMemoryContext,
											 "arcache capture",
											 ALLOCSET_DEFAULT_SIZES);
	capture->cost = arc_capture_run(source, &receiver.pub);
	MemoryContextDelete(receiver.per_row);
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

const char *
arc_image_first(const char *image, uint64 *nrows)
{
	const ImageHeader *header = (const ImageHeader *) image;

	*nrows = header->nrows;
	return image +
		MAXALIGN(sizeof(ImageHeader) + header->ncolumns * sizeof(Oid));
}

/* The tuple at `at`; moves on to the next. */
MinimalTuple
arc_image_next(const char **at)
{
	int32		length = *(const int32 *) *at;
	MinimalTuple tuple = (MinimalTuple) (*at + MAXALIGN(sizeof(int32)));

	*at += MAXALIGN(sizeof(int32)) + MAXALIGN(length);
	return tuple;
}

/* The next bytes of the image, where they lie or joined. */
static const char *
read_bytes(ArcImageReader *reader, Size size)
{
	Size		got = 0;

	if (reader->at == reader->piece.length && reader->entry != NULL)
	{
		(void) arc_value_next(reader->entry, &reader->piece);
		reader->at = 0;
	}
	if (reader->piece.length - reader->at >= size)
	{
		reader->at += size;
		return reader->piece.data + reader->at - size;
	}
	if (reader->room < size)
	{
		if (reader->joined != NULL)
			pfree(reader->joined);
		reader->room = Max(size, 1024);
		reader->joined = MemoryContextAlloc(reader->context, reader->room);
	}
	while (got < size)
	{
		Size		n = Min(size - got, reader->piece.length - reader->at);

		memcpy(reader->joined + got, reader->piece.data + reader->at, n);
		got += n;
		reader->at += n;
		if (got < size && !arc_value_next(reader->entry, &reader->piece))
			elog(ERROR, "image of rows ends too early");
		if (got < size)
			reader->at = 0;
	}
	return reader->joined;
}

static void
start_reading(ArcImageReader *reader)
{
	const ImageHeader *header;

	reader->context = CurrentMemoryContext;
	header = (const ImageHeader *) read_bytes(reader, sizeof(ImageHeader));
	reader->left = header->nrows;
	(void) read_bytes(reader, MAXALIGN(sizeof(ImageHeader) + header->ncolumns * sizeof(Oid)) -
					  sizeof(ImageHeader));
}

void
arc_image_open(ArcImageReader *reader, const char *image, Size size)
{
	*reader = (ArcImageReader)
	{
		.piece = {
			.data = image, .length = size
		}
	};
	start_reading(reader);
}

void
arc_image_open_entry(ArcImageReader *reader, const ArcSharedEntry *entry)
{
	*reader = (ArcImageReader)
	{
		.entry = entry
	};
	arc_value_first(entry, &reader->piece);
	start_reading(reader);
}

MinimalTuple
arc_image_read(ArcImageReader *reader)
{
	int32		length;

	if (reader->left == 0)
		return NULL;
	reader->left--;
	length = *(const int32 *) read_bytes(reader, MAXALIGN(sizeof(int32)));
	return (MinimalTuple) read_bytes(reader, MAXALIGN(length));
}

bool
arc_image_fits(const char *image, const ArcRowTarget *target)
{
	const ImageHeader *header = (const ImageHeader *) image;

	return same_types(header->ncolumns, (const Oid *) (header + 1), target->dense);
}

void
arc_replay_rows(const char *image, const ArcRowTarget *target)
{
	const ImageHeader *header = (const ImageHeader *) image;
	uint64		nrows;
	const char *at = arc_image_first(image, &nrows);
	TupleTableSlot *slot;

	check_types(header->ncolumns, (const Oid *) (header + 1), target->dense);
	if (nrows == 0)
		return;
	slot = MakeSingleTupleTableSlot(target->dense, &TTSOpsMinimalTuple);
	for (uint64 i = 0; i < nrows; i++)
	{
		ExecStoreMinimalTuple(arc_image_next(&at), slot, false);
		put_row(target, slot);
	}
	ExecDropSingleTupleTableSlot(slot);
}

/* -- comparing ----------------------------------------------------------------------- */

typedef struct Piece
{
	const char *data;
	Size		size;
} Piece;

static int
compare_pieces(const void *a, const void *b)
{
	const Piece *x = a;
	const Piece *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return memcmp(x->data, y->data, x->size);
}

static bool
same_pieces(Piece *a, uint64 na, Piece *b, uint64 nb)
{
	if (na != nb)
		return false;
	qsort(a, na, sizeof(Piece), compare_pieces);
	qsort(b, nb, sizeof(Piece), compare_pieces);
	for (uint64 i = 0; i < na; i++)
	{
		if (compare_pieces(&a[i], &b[i]) != 0)
			return false;
	}
	return true;
}

static Piece *
jsonb_pieces(const Jsonb *array, uint64 *n)
{
	uint64		count = JB_ROOT_COUNT(array);
	Piece	   *pieces = palloc((count + 1) * sizeof(Piece));

	for (uint64 i = 0; i < count; i++)
	{
		JsonbValue *element =
			getIthJsonbValueFromContainer((JsonbContainer *) &array->root, i);
		Jsonb	   *one = JsonbValueToJsonb(element);

		pieces[i].data = (char *) one;
		pieces[i].size = VARSIZE(one);
	}
	*n = count;
	return pieces;
}

bool
arc_jsonb_results_equal(const Jsonb *a, const Jsonb *b)
{
	uint64		na;
	uint64		nb;
	Piece	   *pa;
	Piece	   *pb;

	if (VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0)
		return true;
	pa = jsonb_pieces(a, &na);
	pb = jsonb_pieces(b, &nb);
	return same_pieces(pa, na, pb, nb);
}

static Piece *
row_pieces(const char *image, uint64 *n)
{
	const char *at = arc_image_first(image, n);
	Piece	   *pieces = palloc((*n + 1) * sizeof(Piece));

	for (uint64 i = 0; i < *n; i++)
	{
		MinimalTuple tuple = arc_image_next(&at);

		pieces[i].data = (const char *) tuple;
		pieces[i].size = tuple->t_len;
	}
	return pieces;
}

bool
arc_row_images_equal(const char *a, Size a_size, const char *b, Size b_size)
{
	uint64		na;
	uint64		nb;
	Piece	   *pa;
	Piece	   *pb;

	if (a_size == b_size && memcmp(a, b, a_size) == 0)
		return true;
	pa = row_pieces(a, &na);
	pb = row_pieces(b, &nb);
	return same_pieces(pa, na, pb, nb);
}
