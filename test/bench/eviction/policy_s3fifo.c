/*-------------------------------------------------------------------------
 *
 * policy_s3fifo.c
 *	  S3-FIFO (Yang et al., SOSP 2023): three queues.  What is new goes to the
 *	  small one, a tenth of the cache; from there what was used more than once
 *	  goes on to the main one, the rest out, and its name to the ghost.  What
 *	  is in the ghost when it is made again goes to the main queue at once.
 *	  There a use, of which up to three count, spares an object for one turn.
 *
 * As its authors do it where sizes differ (libCacheSim): queues have bytes, the
 * ghost as many as main; what is as large as the small queue is not kept; and
 * until the cache is full for the first time, what the small queue has no room
 * for goes to main.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy.h"

#define USES_MAX		3
#define USES_TO_MAIN	2

enum
{
	SMALL = 1, MAIN, GHOST
};

typedef struct S3Fifo
{
	uint64		capacity;
	uint64		small_size;
	uint64		main_size;		/* and the ghost's */
	bool		full;			/* has there been an eviction? */
	Place	   *places;
	Queue		small;
	Queue		main;
	Queue		ghost;
} S3Fifo;

static void *
s3fifo_create(const Trace *trace, uint64 capacity)
{
	S3Fifo	   *s3 = palloc(sizeof(S3Fifo));

	s3->capacity = capacity;
	s3->small_size = capacity / 10;
	s3->main_size = capacity - s3->small_size;
	s3->full = false;
	s3->places = places_create(trace);
	queue_init(&s3->small, s3->places, SMALL);
	queue_init(&s3->main, s3->places, MAIN);
	queue_init(&s3->ghost, s3->places, GHOST);
	return s3;
}

static bool
s3fifo_holds(void *state, uint32 object)
{
	uint8		queue = ((S3Fifo *) state)->places[object].queue;

	return queue == SMALL || queue == MAIN;
}

static bool
s3fifo_get(void *state, uint32 object)
{
	Place	   *place = &((S3Fifo *) state)->places[object];

	if (!s3fifo_holds(state, object))
		return false;
	place->uses = Min(place->uses + 1, USES_MAX);
	return true;
}

static void
remember(S3Fifo *s3, uint32 object)
{
	while (s3->ghost.bytes + s3->places[object].size > s3->main_size)
		queue_remove(&s3->ghost, s3->ghost.oldest);
	queue_push(&s3->ghost, object);
}

/* Until one has gone, or the queue is empty. */
static void
evict_small(S3Fifo *s3)
{
	while (s3->small.oldest != NO_OBJECT)
	{
		uint32		object = s3->small.oldest;
		bool		used = s3->places[object].uses >= USES_TO_MAIN;

		queue_remove(&s3->small, object);
		s3->places[object].uses = 0;
		if (!used)
		{
			remember(s3, object);
			return;
		}
		queue_push(&s3->main, object);
	}
}

static void
evict_main(S3Fifo *s3)
{
	for (;;)
	{
		uint32		object = s3->main.oldest;

		queue_remove(&s3->main, object);
		if (s3->places[object].uses == 0)
			return;
		s3->places[object].uses--;
		queue_push(&s3->main, object);
	}
}

static void
s3fifo_put(void *state, uint32 object)
{
	S3Fifo	   *s3 = state;
	Place	   *place = &s3->places[object];
	bool		known = place->queue == GHOST;

	if (known)
		queue_remove(&s3->ghost, object);
	else if (place->size >= s3->small_size)
		return;
	if (place->size > s3->main_size)
		return;

	while (s3->small.bytes + s3->main.bytes + place->size > s3->capacity)
	{
		s3->full = true;
		if (s3->main.bytes > s3->main_size || s3->small.bytes == 0)
			evict_main(s3);
		else
			evict_small(s3);
	}

	place->uses = 0;
	if (known || (!s3->full && s3->small.bytes >= s3->small_size))
		queue_push(&s3->main, object);
	else
		queue_push(&s3->small, object);
}

static void
s3fifo_drop(void *state, uint32 object)
{
	S3Fifo	   *s3 = state;
	uint8		queue = s3->places[object].queue;

	if (queue == SMALL)
		queue_remove(&s3->small, object);
	else if (queue == MAIN)
		queue_remove(&s3->main, object);
	else if (queue == GHOST)
		queue_remove(&s3->ghost, object);
}

const Policy policy_s3fifo = {
	.name = "s3fifo",
	.create = s3fifo_create,
	.get = s3fifo_get,
	.put = s3fifo_put,
	.drop = s3fifo_drop,
	.holds = s3fifo_holds,
};
