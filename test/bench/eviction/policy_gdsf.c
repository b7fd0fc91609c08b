/*-------------------------------------------------------------------------
 *
 * policy_gdsf.c
 *	  GreedyDual-Size-Frequency (Cherkasova, 1998) to the letter: no contender
 *	  but a measure, of what sampling and limits cost the store.
 *
 * A heap has all objects in order of H = L + uses * cost / size; L is the H of
 * what was evicted last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy.h"
#include "utils/memutils.h"

typedef struct Gdsf
{
	const Trace *trace;
	uint64		capacity;
	uint64		bytes;
	double		age;			/* L */
	double	   *priority;		/* H, by object */
	uint32	   *uses;			/* by object */
	uint32	   *place;			/* by object: where in the heap, from 1; 0 is nowhere */
	uint32	   *heap;			/* objects; the root at 1 has the lowest H */
	uint32		nheap;
} Gdsf;

static void *
gdsf_create(const Trace *trace, uint64 capacity)
{
	Gdsf	   *gdsf = palloc0(sizeof(Gdsf));
	Size		n = (Size) trace->nobjects + 1;

	gdsf->trace = trace;
	gdsf->capacity = capacity;
	gdsf->priority = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(double));
	gdsf->uses = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));
	gdsf->heap = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));
	gdsf->place = MemoryContextAllocExtended(CurrentMemoryContext, n * sizeof(uint32),
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	return gdsf;
}

static void
set_place(Gdsf *gdsf, uint32 place, uint32 object)
{
	gdsf->heap[place] = object;
	gdsf->place[object] = place;
}

/* Move an object from this place to where its priority belongs. */
static void
settle(Gdsf *gdsf, uint32 place, uint32 object)
{
	double		priority = gdsf->priority[object];

	while (place > 1 && gdsf->priority[gdsf->heap[place / 2]] > priority)
	{
		set_place(gdsf, place, gdsf->heap[place / 2]);
		place /= 2;
	}
	for (;;)
	{
		uint32		child = 2 * place;

		if (child > gdsf->nheap)
			break;
		if (child < gdsf->nheap &&
			gdsf->priority[gdsf->heap[child + 1]] < gdsf->priority[gdsf->heap[child]])
			child++;
		if (gdsf->priority[gdsf->heap[child]] >= priority)
			break;
		set_place(gdsf, place, gdsf->heap[child]);
		place = child;
	}
	set_place(gdsf, place, object);
}

static bool
gdsf_holds(void *state, uint32 object)
{
	return ((Gdsf *) state)->place[object] != 0;
}

static void
rate(Gdsf *gdsf, uint32 object)
{
	const TraceObject *o = &gdsf->trace->objects[object];

	gdsf->priority[object] = gdsf->age + (double) gdsf->uses[object] * o->cost / o->footprint;
}

static bool
gdsf_get(void *state, uint32 object)
{
	Gdsf	   *gdsf = state;

	if (!gdsf_holds(state, object))
		return false;
	gdsf->uses[object]++;
	rate(gdsf, object);
	settle(gdsf, gdsf->place[object], object);
	return true;
}

static void
gdsf_drop(void *state, uint32 object)
{
	Gdsf	   *gdsf = state;
	uint32		place = gdsf->place[object];
	uint32		last;

	if (place == 0)
		return;
	gdsf->place[object] = 0;
	gdsf->bytes -= gdsf->trace->objects[object].footprint;
	last = gdsf->heap[gdsf->nheap--];
	if (last != object)
		settle(gdsf, place, last);
}

static void
gdsf_put(void *state, uint32 object)
{
	Gdsf	   *gdsf = state;
	uint32		size = gdsf->trace->objects[object].footprint;

	if (size > gdsf->capacity)
		return;
	while (gdsf->bytes + size > gdsf->capacity)
	{
		gdsf->age = gdsf->priority[gdsf->heap[1]];
		gdsf_drop(gdsf, gdsf->heap[1]);
	}
	gdsf->bytes += size;
	gdsf->uses[object] = 1;
	rate(gdsf, object);
	settle(gdsf, ++gdsf->nheap, object);
}

const Policy policy_gdsf = {
	.name = "gdsf",
	.create = gdsf_create,
	.get = gdsf_get,
	.put = gdsf_put,
	.drop = gdsf_drop,
	.holds = gdsf_holds,
};
