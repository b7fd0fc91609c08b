/*-------------------------------------------------------------------------
 *
 * queue.c
 *	  Queues of objects, from the newest to the oldest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy.h"
#include "utils/memutils.h"

Place *
places_create(const Trace *trace)
{
	Place	   *places;

	places = MemoryContextAllocExtended(CurrentMemoryContext, trace->nobjects * sizeof(Place),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < trace->nobjects; i++)
		places[i].size = trace->objects[i].footprint;
	return places;
}

void
queue_init(Queue *queue, Place *places, uint8 number)
{
	queue->places = places;
	queue->number = number;
	queue->newest = queue->oldest = NO_OBJECT;
	queue->bytes = 0;
}

void
queue_push(Queue *queue, uint32 object)
{
	Place	   *place = &queue->places[object];

	Assert(place->queue == 0);
	place->queue = queue->number;
	place->newer = NO_OBJECT;
	place->older = queue->newest;
	if (queue->newest != NO_OBJECT)
		queue->places[queue->newest].newer = object;
	else
		queue->oldest = object;
	queue->newest = object;
	queue->bytes += place->size;
}

void
queue_remove(Queue *queue, uint32 object)
{
	Place	   *place = &queue->places[object];

	Assert(place->queue == queue->number);
	if (place->newer != NO_OBJECT)
		queue->places[place->newer].older = place->older;
	else
		queue->newest = place->older;
	if (place->older != NO_OBJECT)
		queue->places[place->older].newer = place->newer;
	else
		queue->oldest = place->newer;
	place->queue = 0;
	queue->bytes -= place->size;
}
