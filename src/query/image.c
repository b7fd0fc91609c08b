/*-------------------------------------------------------------------------
 *
 * image.c
 *	  The rows of a result in one piece of memory.
 *
 * An image is an ImageHeader, the oids of the column types, and for each row
 * a MinimalTuple, which begins with its length; each is MAXALIGNed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "base/compat.h"
#include "base/inject.h"
#include "cache/pin.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "query/image.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/*
 * What goes to the store is collected in so many bytes and put there whenever
 * they are full.  So what is copied is in the processor's cache, and a fill,
 * however large, takes no memory that the kernel must first make.
 */
#define CHUNK	(64 * 1024)

typedef struct ImageHeader
{
	uint32		ncolumns;
	uint32		padding;
} ImageHeader;

/* -- making --------------------------------------------------------------------- */

/*
 * Such a chunk is kept from fill to fill.  It is taken until the context of the
 * image ends, however that comes about.
 */
static char *kept_chunk = NULL;
static bool kept_chunk_taken = false;

static void
give_chunk_back(void *arg)
{
	kept_chunk_taken = false;
}

static char *
take_chunk(MemoryContext context)
{
	MemoryContextCallback *callback;

	if (kept_chunk_taken)
		return MemoryContextAlloc(context, CHUNK);
	if (kept_chunk == NULL)
		kept_chunk = MemoryContextAlloc(TopMemoryContext, CHUNK);
	callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));
	callback->func = give_chunk_back;
	callback->arg = NULL;
	MemoryContextRegisterResetCallback(context, callback);
	kept_chunk_taken = true;
	return kept_chunk;
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

/* The image is made to its end or not at all. */
static void
give_up(ArcImage *image, ArcImageState why)
{
	image->state = why;
	image->end = image->length = 0;
	if (image->data != kept_chunk)
		pfree(image->data);
	image->data = NULL;
	arc_image_end(image);
}

static Size
drafted(const ArcImage *image)
{
	return image->draft != NULL ? image->draft->value_size : 0;
}

Size
arc_image_size(const ArcImage *image)
{
	return drafted(image) + image->length;
}

static void
set_end(ArcImage *image)
{
	image->end = Min(image->room, image->limit - drafted(image));
}

/* Drafts have no key; this one spreads them over the store's regions. */
static bool
start_draft(ArcImage *image)
{
	ArcEntrySpec spec = {
		.key = {
			.length = sizeof(MyProcPid),.name = (char *) &MyProcPid
		}
	};

	arc_pin_reserve();
	image->draft = arc_store_create(&spec);
	if (image->draft == NULL)
		return false;
	arc_pin_remember(image->draft, ARC_HOLD_OWNED);
	image->draft_last = ARC_REF_NONE;
	return true;
}

/* False if there is no memory for it in the store. */
static bool
put_into_draft(ArcImage *image)
{
	if (image->draft == NULL && !start_draft(image))
		return false;
	if (ARC_INJECT_FAILS("capture-draft") ||
		!arc_store_append(image->draft, &image->draft_last, image->data, image->length))
		return false;
	image->length = 0;
	return true;
}

/* Memory for so many bytes more than there are, if it can be had without an error. */
static bool
grow(ArcImage *image, Size more)
{
	Size		room = image->room;
	char	   *larger;

	while (room < image->length + more)
		room *= 2;
	room = Min(room, MaxAllocSize);
	larger = ARC_INJECT_FAILS("capture-grow") ? NULL :
		MemoryContextAllocExtended(image->context, room, MCXT_ALLOC_NO_OOM);
	if (larger == NULL)
		return false;
	memcpy(larger, image->data, image->length);
	if (image->data != kept_chunk)
		pfree(image->data);
	image->data = larger;
	image->room = room;
	return true;
}

/* Room for so many bytes more than there are; if there is none the image is given up. */
static bool
make_room(ArcImage *image, Size more)
{
	if (more > image->limit - Min(image->limit, arc_image_size(image)))
	{
		give_up(image, ARC_IMAGE_TOO_LARGE);
		return false;
	}
	if ((image->drafts && image->length > 0 && !put_into_draft(image)) ||
		(more > image->room - image->length && !grow(image, more)))
	{
		give_up(image, ARC_IMAGE_NO_MEMORY);
		return false;
	}
	set_end(image);
	return true;
}

/* The start of an image is no larger than a tuple with so many columns can be. */
static void
put_header(ArcImage *image)
{
	ImageHeader header = {.ncolumns = image->desc->natts};
	Size		size = MAXALIGN(sizeof(header) + header.ncolumns * sizeof(Oid));
	Oid		   *types = (Oid *) (image->data + sizeof(header));

	Assert(size <= image->room);
	memset(image->data, 0, size);
	memcpy(image->data, &header, sizeof(header));
	for (int i = 0; i < header.ncolumns; i++)
		types[i] = TupleDescAttr(image->desc, i)->atttypid;
	image->length = size;
}

void
arc_image_start(ArcImage *image, TupleDesc desc, Size limit, bool drafts)
{
	*image = (ArcImage)
	{
		.state = is_storable(desc) ? ARC_IMAGE_KEEPING : ARC_IMAGE_NOT_STORABLE,
			.drafts = drafts,
			.limit = Min(limit, MaxAllocSize / 2),
			.desc = desc,
			.context = CurrentMemoryContext
	};
	image->room = drafts ? CHUNK : 1024 + MAXALIGN(desc->natts * sizeof(Oid));
	image->data = drafts ? take_chunk(image->context) : palloc(image->room);
	put_header(image);
	set_end(image);
}

bool
arc_image_complete(ArcImage *image)
{
	if (image->state == ARC_IMAGE_KEEPING && image->draft != NULL && image->length > 0 &&
		!put_into_draft(image))
		give_up(image, ARC_IMAGE_NO_MEMORY);
	return image->state == ARC_IMAGE_KEEPING;
}

void
arc_image_end(ArcImage *image)
{
	if (image->draft == NULL)
		return;
	arc_pin_forget(image->draft, ARC_HOLD_OWNED);
	arc_store_discard(image->draft);
	image->draft = NULL;
}

/*
 * Room for a tuple of this size, with zeros behind its end.  NULL if the image
 * is given up for it.
 */
static inline MinimalTuple
add_row(ArcImage *image, Size size)
{
	Size		needed = MAXALIGN(size);
	char	   *at;

	if (image->length + needed > image->end && !make_room(image, needed))
		return NULL;
	at = image->data + image->length;
	image->length += needed;
	memset(at + needed - MAXIMUM_ALIGNOF, 0, MAXIMUM_ALIGNOF);
	return (MinimalTuple) at;
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

/*
 * The tuple that the slot holds as it is, and its size; NULL if it holds none.
 * (Where rows come from a table the slot's function is not asked: it costs as
 * much as copying a small row does.)
 */
static inline const MinimalTupleData *
tuple_held(TupleTableSlot *slot, Size *size)
{
	HeapTuple	heap;
	bool		copied;

	if (TTS_IS_BUFFERTUPLE(slot))
		heap = ((BufferHeapTupleTableSlot *) slot)->base.tuple;
	else if (TTS_IS_HEAPTUPLE(slot))
		heap = ((HeapTupleTableSlot *) slot)->tuple;
	else if (TTS_IS_MINIMALTUPLE(slot))
	{
		const MinimalTupleData *tuple = ExecFetchSlotMinimalTuple(slot, &copied);

		*size = tuple->t_len;
		return tuple;
	}
	else
		return NULL;
	if (heap == NULL)
		return NULL;			/* the values are set, the tuple is not made */
	*size = heap->t_len - MINIMAL_TUPLE_OFFSET;
	return (const MinimalTupleData *) ((char *) heap->t_data + MINIMAL_TUPLE_OFFSET);
}

/*
 * Copy the tuple that the slot holds, if it is what would be formed of the
 * values: equal rows are equal bytes, whatever plan gives them.  It must have
 * all columns, for one that it lacks has the default of when it was added.
 */
static inline bool
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
	memset(row->mt_padding, 0, sizeof(row->mt_padding));
	row->t_infomask2 &= HEAP_NATTS_MASK;
	row->t_infomask &= HEAP_HASNULL | HEAP_HASVARWIDTH;
	return true;
}

/* The value without a pointer elsewhere, until the end of the row. */
static Datum
flattened(ArcImage *image, Datum value)
{
	MemoryContext old;

	if (image->flat == NULL)
		image->flat = AllocSetContextCreate(image->context, "arcache row", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(image->flat);
	value = PointerGetDatum(detoast_external_attr((struct varlena *) DatumGetPointer(value)));
	MemoryContextSwitchTo(old);
	return value;
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
			give_up(image, ARC_IMAGE_TOO_LARGE);
			return NULL;
		}
		if (VARATT_IS_EXTERNAL(DatumGetPointer(values[i])))
		{
			Datum		flat = flattened(image, values[i]);

			if (values == slot->tts_values)
			{
				values = MemoryContextAlloc(image->flat, desc->natts * sizeof(Datum));
				memcpy(values, slot->tts_values, desc->natts * sizeof(Datum));
			}
			values[i] = flat;
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

	/* The null bitmap and what pads values are zeros. */
	memset(row, 0, header + size);
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
	if (image->state != ARC_IMAGE_KEEPING || add_held(image, slot))
		return;
	add_formed(image, slot);
	if (image->flat != NULL)
		MemoryContextReset(image->flat);
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

/* Pieces are aligned as rows are, so the length of a row is never cut. */
static inline void
next_piece_if_at_end(ArcImageReader *reader)
{
	if (reader->at == reader->piece.length && reader->entry != NULL)
	{
		(void) arc_value_next(reader->entry, &reader->piece);
		reader->at = 0;
	}
}

/* The next bytes of the image, where they lie or joined. */
static const char *
read_bytes(ArcImageReader *reader, Size size)
{
	Size		got = 0;

	next_piece_if_at_end(reader);
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
start_reading(ArcImageReader *reader, Size size)
{
	const ImageHeader *header;
	Size		start;

	reader->context = CurrentMemoryContext;
	header = (const ImageHeader *) read_bytes(reader, sizeof(ImageHeader));
	start = MAXALIGN(sizeof(ImageHeader) + header->ncolumns * sizeof(Oid));
	(void) read_bytes(reader, start - sizeof(ImageHeader));
	reader->left = size - start;
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
	start_reading(reader, size);
}

void
arc_image_open_entry(ArcImageReader *reader, const ArcSharedEntry *entry)
{
	*reader = (ArcImageReader)
	{
		.entry = entry
	};
	arc_value_first(entry, &reader->piece);
	start_reading(reader, entry->value_size);
}

MinimalTuple
arc_image_read(ArcImageReader *reader)
{
	Size		size;

	if (reader->left == 0)
		return NULL;
	next_piece_if_at_end(reader);
	size = MAXALIGN(*(const uint32 *) (reader->piece.data + reader->at));
	reader->left -= size;
	return (MinimalTuple) read_bytes(reader, size);
}
