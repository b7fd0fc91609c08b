/*-------------------------------------------------------------------------
 *
 * policy_sieve.c
 *	  SIEVE (Zhang et al., NSDI 2024): a queue whose order never changes, and a
 *	  hand that goes from the oldest to the newest, takes the mark off what has
 *	  been used, evicts the first that has none, and stays there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy.h"

typedef struct Sieve
{
	uint64		capacity;
	Place	   *places;
	Queue		queue;
	uint32		hand;			/* NO_OBJECT: to begin with the oldest */
} Sieve;

static void *
sieve_create(const Trace *trace, uint64 capacity)
{
	Sieve	   *sieve = palloc(sizeof(Sieve));

	sieve->capacity = capacity;
	sieve->places = places_create(trace);
	sieve->hand = NO_OBJECT;
	queue_init(&sieve->queue, sieve->places, 1);
	return sieve;
}

static bool
sieve_holds(void *state, uint32 object)
{
	return ((Sieve *) state)->places[object].queue != 0;
}

static bool
sieve_get(void *state, uint32 object)
{
	if (!sieve_holds(state, object))
		return false;
	((Sieve *) state)->places[object].uses = 1;
	return true;
}

/* The hand does not stay at what goes. */
static void
sieve_drop(void *state, uint32 object)
{
	Sieve	   *sieve = state;

	if (!sieve_holds(state, object))
		return;
	if (sieve->hand == object)
		sieve->hand = sieve->places[object].newer;
	queue_remove(&sieve->queue, object);
}

static void
sieve_evict(Sieve *sieve)
{
	uint32		object = sieve->hand == NO_OBJECT ? sieve->queue.oldest : sieve->hand;

	while (sieve->places[object].uses > 0)
	{
		sieve->places[object].uses = 0;
		object = sieve->places[object].newer;
		if (object == NO_OBJECT)
			object = sieve->queue.oldest;
	}
	sieve->hand = object;
	sieve_drop(sieve, object);
}

static void
sieve_put(void *state, uint32 object)
{
	Sieve	   *sieve = state;
	uint32		size = sieve->places[object].size;

	if (size > sieve->capacity)
		return;
	while (sieve->queue.bytes + size > sieve->capacity)
		sieve_evict(sieve);
	queue_push(&sieve->queue, object);
	sieve->places[object].uses = 0;
}

const Policy policy_sieve = {
	.name = "sieve",
	.create = sieve_create,
	.get = sieve_get,
	.put = sieve_put,
	.drop = sieve_drop,
	.holds = sieve_holds,
};
