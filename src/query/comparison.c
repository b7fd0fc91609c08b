/*-------------------------------------------------------------------------
 *
 * comparison.c
 *	  Are two results equal?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "query/comparison.h"
#include "query/image.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

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
row_pieces(const char *image, Size size, uint64 *n)
{
	ArcImageReader reader;
	MinimalTuple tuple;
	uint64		room = 64;
	Piece	   *pieces = palloc(room * sizeof(Piece));

	*n = 0;
	arc_image_open(&reader, image, size);
	while ((tuple = arc_image_read(&reader)) != NULL)
	{
		if (*n == room)
		{
			room *= 2;
			pieces = repalloc_huge(pieces, room * sizeof(Piece));
		}
		pieces[*n].data = (const char *) tuple;
		pieces[*n].size = tuple->t_len;
		(*n)++;
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
	pa = row_pieces(a, a_size, &na);
	pb = row_pieces(b, b_size, &nb);
	return same_pieces(pa, na, pb, nb);
}
