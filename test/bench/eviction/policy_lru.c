/*-------------------------------------------------------------------------
 *
 * policy_lru.c
 *	  LRU: what was not used for longest goes.  And CLOCK, the cheap form of it:
 *	  a use sets a bit; what has it when its turn comes is spared once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy.h"

typedef struct Lru
{
	uint64		capacity;
	Place	   *places;
	Queue		queue;
} Lru;

static void *
lru_create(const Trace *trace, uint64 capacity)
{
	Lru		   *lru = palloc(sizeof(Lru));

	lru->capacity = capacity;
	lru->places = places_create(trace);
	queue_init(&lru->queue, lru->places, 1);
	return lru;
}

static bool
lru_holds(void *state, uint32 object)
{
	return ((Lru *) state)->places[object].queue != 0;
}

static bool
lru_get(void *state, uint32 object)
{
	Lru		   *lru = state;

	if (!lru_holds(state, object))
		return false;
	queue_remove(&lru->queue, object);
	queue_push(&lru->queue, object);
	return true;
}

static void
lru_put(void *state, uint32 object)
{
	Lru		   *lru = state;
	uint32		size = lru->places[object].size;

	if (size > lru->capacity)
		return;
	while (lru->queue.bytes + size > lru->capacity)
		queue_remove(&lru->queue, lru->queue.oldest);
	queue_push(&lru->queue, object);
}

static void
lru_drop(void *state, uint32 object)
{
	if (lru_holds(state, object))
		queue_remove(&((Lru *) state)->queue, object);
}

static bool
clock_get(void *state, uint32 object)
{
	if (!lru_holds(state, object))
		return false;
	((Lru *) state)->places[object].uses = 1;
	return true;
}

static void
clock_put(void *state, uint32 object)
{
	Lru		   *clock = state;
	uint32		size = clock->places[object].size;

	if (size > clock->capacity)
		return;
	while (clock->queue.bytes + size > clock->capacity)
	{
		uint32		oldest = clock->queue.oldest;
		bool		used = clock->places[oldest].uses > 0;

		queue_remove(&clock->queue, oldest);
		if (used)
			queue_push(&clock->queue, oldest);
		clock->places[oldest].uses = 0;
	}
	queue_push(&clock->queue, object);
	clock->places[object].uses = 0;
}

const Policy policy_lru = {
	.name = "lru",
	.create = lru_create,
	.get = lru_get,
	.put = lru_put,
	.drop = lru_drop,
	.holds = lru_holds,
};

const Policy policy_clock = {
	.name = "clock",
	.create = lru_create,
	.get = clock_get,
	.put = clock_put,
	.drop = lru_drop,
	.holds = lru_holds,
};
