/*-------------------------------------------------------------------------
 *
 * image.c
 *	  The rows of a result in one piece of memory.
 *
 * An image is an ImageHeader, the oids of the column types, and for each row
 * its size (an int32) and a MinimalTuple, MAXALIGNed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "base/compat.h"
#include "base/inject.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "query/image.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* The planner may expect anything; so much is taken for real. */
#define EXPECTED_MAX	(16 * 1024 * 1024)

typedef struct ImageHeader
{
	uint32		ncolumns;
	uint32		padding;
	uint64		nrows;
} ImageHeader;

/* -- making --------------------------------------------------------------------- */

static void
align(StringInfo image)
{
	static const char zeros[MAXIMUM_ALIGNOF] = {0};

	appendBinaryStringInfo(image, zeros, MAXALIGN(image->len) - image->len);
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

/* -- reading -------------------------------------------------------------------- */

bool
arc_image_has_types(const char *image, TupleDesc desc)
{
	const ImageHeader *header = (const ImageHeader *) image;
	const Oid  *types = (const Oid *) (header + 1);
	bool		same = header->ncolumns == desc->natts;

	for (int i = 0; same && i < desc->natts; i++)
		same = types[i] == TupleDescAttr(desc, i)->atttypid;
	return same;
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
arc_image_open(ArcImageReader *reader, const char *image)
{
	*reader = (ArcImageReader)
	{
		.piece = {
			.data = image, .length = SIZE_MAX
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
