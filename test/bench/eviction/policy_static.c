/*-------------------------------------------------------------------------
 *
 * policy_static.c
 *	  What could be had: no contender but a measure, since it has read the trace.
 *
 * It keeps one set of objects from the beginning to the end: those whose gets,
 * times the cost of each, are the most for the room they take.  If popularity
 * does not drift nothing does much better; if it does, others may.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy.h"
#include "utils/memutils.h"

typedef struct Rated
{
	uint32		object;
	double		worth;
} Rated;

typedef struct Static
{
	bool	   *chosen;			/* by object */
	bool	   *present;		/* by object */
} Static;

static int
compare_worth(const void *a, const void *b)
{
	double		difference = ((const Rated *) b)->worth - ((const Rated *) a)->worth;

	return difference > 0 ? 1 : difference < 0 ? -1 : 0;
}

static void *
static_create(const Trace *trace, uint64 capacity)
{
	Static	   *s = palloc(sizeof(Static));
	Size		n = trace->nobjects;
	uint64		bytes = 0;
	Rated	   *rated;

	s->chosen = MemoryContextAllocExtended(CurrentMemoryContext, n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	s->present = MemoryContextAllocExtended(CurrentMemoryContext, n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	rated = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(Rated));

	for (uint32 i = 0; i < n; i++)
		rated[i] = (Rated) {.object = i};
	for (uint32 i = 0; i < trace->nops; i++)
		if (!(trace->ops[i] & TRACE_INVALIDATE))
			rated[trace->ops[i]].worth++;

	/* The first get is a miss in any case. */
	for (uint32 i = 0; i < n; i++)
		rated[i].worth = (rated[i].worth - 1) * trace->objects[i].cost / trace->objects[i].footprint;
	qsort(rated, n, sizeof(Rated), compare_worth);
	for (uint32 i = 0; i < n && rated[i].worth > 0; i++)
	{
		uint32		size = trace->objects[rated[i].object].footprint;

		if (bytes + size > capacity)
			continue;
		bytes += size;
		s->chosen[rated[i].object] = true;
	}
	pfree(rated);
	return s;
}

static bool
static_get(void *state, uint32 object)
{
	return ((Static *) state)->present[object];
}

static void
static_put(void *state, uint32 object)
{
	Static	   *s = state;

	s->present[object] = s->chosen[object];
}

static void
static_drop(void *state, uint32 object)
{
	((Static *) state)->present[object] = false;
}

const Policy policy_static = {
	.name = "static",
	.create = static_create,
	.get = static_get,
	.put = static_put,
	.drop = static_drop,
	.holds = static_get,
};
