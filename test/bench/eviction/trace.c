/*-------------------------------------------------------------------------
 *
 * trace.c
 *	  Made-up work for a cache: gets and invalidations of objects.
 *
 * Popularity is Zipf's: the object of rank r is asked for with a chance as
 * r^-zipf.  It drifts: now and then the object of a rank, chosen with that
 * same chance, changes places with that of any rank.  So the objects of all
 * ranks have as many gets before they lose their place, "life" on average, and
 * what is popular comes and goes at one go.  Invalidations strike objects as
 * gets do, since what is read much is often what is written much.  Sizes and
 * costs are log-normal and independent of each other and of the rank.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "trace.h"
#include "utils/memutils.h"

/* Beyond are outliers that would be the whole of a small cache. */
#define VALUE_MIN		16
#define VALUE_MAX		(64 * 1024)

/* Walker's alias method: a rank by its chance, in constant time. */
typedef struct Ranks
{
	uint32		n;
	double	   *keep;			/* the chance of staying with the rank drawn */
	uint32	   *other;			/* the rank to take otherwise */
} Ranks;

static void
ranks_init(Ranks *ranks, uint32 n, double zipf)
{
	double	   *chance = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(double));
	uint32	   *poor = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));
	uint32	   *rich = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));
	uint32		npoor = 0;
	uint32		nrich = 0;
	double		sum = 0;

	ranks->n = n;
	ranks->keep = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(double));
	ranks->other = MemoryContextAllocHuge(CurrentMemoryContext, n * sizeof(uint32));

	for (uint32 i = 0; i < n; i++)
		sum += chance[i] = pow(i + 1, -zipf);
	for (uint32 i = 0; i < n; i++)
	{
		chance[i] *= n / sum;
		if (chance[i] < 1)
			poor[npoor++] = i;
		else
			rich[nrich++] = i;
	}

	/* Each poor one is filled up by a rich one, which may become poor by it. */
	while (npoor > 0 && nrich > 0)
	{
		uint32		p = poor[--npoor];
		uint32		r = rich[nrich - 1];

		ranks->keep[p] = chance[p];
		ranks->other[p] = r;
		chance[r] -= 1 - chance[p];
		if (chance[r] < 1)
		{
			nrich--;
			poor[npoor++] = r;
		}
	}
	while (nrich > 0)
		ranks->keep[rich[--nrich]] = 1;
	while (npoor > 0)
		ranks->keep[poor[--npoor]] = 1; /* but for rounding it is */

	pfree(chance);
	pfree(poor);
	pfree(rich);
}

static void
ranks_free(Ranks *ranks)
{
	pfree(ranks->keep);
	pfree(ranks->other);
}

static uint32
ranks_draw(const Ranks *ranks, pg_prng_state *random)
{
	uint32		rank = (uint32) (pg_prng_double(random) * ranks->n);

	return pg_prng_double(random) < ranks->keep[rank] ? rank : ranks->other[rank];
}

static double
log_normal(pg_prng_state *random, double median, double sigma)
{
	double		radius = sqrt(-2 * log(1 - pg_prng_double(random)));

	return median * exp(sigma * radius * cos(2 * M_PI * pg_prng_double(random)));
}

static void
make_object(TraceObject *object, const TraceSpec *spec, pg_prng_state *random,
			uint32 (*footprint) (uint32 size))
{
	double		size = log_normal(random, spec->size_median, spec->size_sigma);

	object->size = (uint32) Min(Max(size, VALUE_MIN), VALUE_MAX);
	object->cost = (float) log_normal(random, spec->cost_median, spec->cost_sigma);
	object->footprint = footprint(object->size);
}

Trace *
trace_make(const TraceSpec *spec, uint32 (*footprint) (uint32 size))
{
	Trace	   *trace = palloc0(sizeof(Trace));
	uint32		most = spec->objects + spec->ops;
	double		once;
	uint32	   *by_rank;
	bool	   *got;
	pg_prng_state random;
	Ranks		ranks;

	pg_prng_seed(&random, spec->seed);
	ranks_init(&ranks, spec->objects, spec->zipf);

	trace->spec = *spec;
	trace->nops = spec->ops;
	trace->ops = MemoryContextAllocHuge(CurrentMemoryContext, spec->ops * sizeof(uint32));
	trace->objects = MemoryContextAllocHuge(CurrentMemoryContext, most * sizeof(TraceObject));
	got = MemoryContextAllocExtended(CurrentMemoryContext, spec->objects, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	by_rank = MemoryContextAllocHuge(CurrentMemoryContext, spec->objects * sizeof(uint32));

	for (uint32 i = 0; i < spec->objects; i++)
	{
		make_object(&trace->objects[i], spec, &random, footprint);
		by_rank[i] = i;
	}
	trace->nobjects = spec->objects;

	/* Of all gets, so many are of an object never seen before and after. */
	once = spec->once / (1 - spec->once) * spec->objects / (spec->ops * (1 - spec->invalidations));

	for (uint32 i = 0; i < spec->ops; i++)
	{
		bool		invalidate = pg_prng_double(&random) < spec->invalidations;
		uint32		object;

		if (spec->life > 0 && !invalidate && pg_prng_double(&random) * spec->life < 1)
		{
			uint32		a = ranks_draw(&ranks, &random);
			uint32		b = (uint32) (pg_prng_double(&random) * spec->objects);
			uint32		swap = by_rank[a];

			by_rank[a] = by_rank[b];
			by_rank[b] = swap;
		}

		if (!invalidate && pg_prng_double(&random) < once)
		{
			object = trace->nobjects++;
			make_object(&trace->objects[object], spec, &random, footprint);
			trace->footprint += trace->objects[object].footprint;
		}
		else
		{
			object = by_rank[ranks_draw(&ranks, &random)];
			if (!invalidate && !got[object])
			{
				got[object] = true;
				trace->footprint += trace->objects[object].footprint;
			}
		}
		trace->ops[i] = object | (invalidate ? TRACE_INVALIDATE : 0);
		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
	}

	ranks_free(&ranks);
	pfree(by_rank);
	pfree(got);
	return trace;
}

void
trace_free(Trace *trace)
{
	pfree(trace->ops);
	pfree(trace->objects);
	pfree(trace);
}
