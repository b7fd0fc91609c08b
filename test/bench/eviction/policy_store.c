/*-------------------------------------------------------------------------
 *
 * policy_store.c
 *	  arcache's own: the store of src/store as it is.
 *
 * "arcache" has a janitor, which makes room ahead as the one of src/worker does,
 * each so many puts; "alone" evicts only when there is no room.  Values are copied
 * into the arena and keys are compared, as in the server.  What the rivals do
 * not have to bear the store does: memory that nothing fits in, values in
 * several pieces, and room that is kept free.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "policy.h"
#include "store/store.h"
#include "store_host.h"

/*
 * The worker looks once a second.  At a thousand misses a second, which is a
 * server that does nothing else, that is:
 */
#define JANITOR_PUTS	1000
#define JANITOR_SLICE	(UINT64CONST(1024) * 1024)

typedef struct Store
{
	const Trace *trace;
	char	   *value;			/* of every object; its start */
	char		name[STORE_HOST_KEY_LENGTH + 1];
	bool		janitor;
	uint64		puts;
} Store;

/* The store must be open. */
static void *
store_create(const Trace *trace, uint64 capacity)
{
	Store	   *store = palloc0(sizeof(Store));
	uint32		largest = 0;

	for (uint32 i = 0; i < trace->nobjects; i++)
		largest = Max(largest, trace->objects[i].size);
	store->trace = trace;
	store->value = palloc0(largest);
	store->janitor = true;
	return store;
}

static void *
store_create_alone(const Trace *trace, uint64 capacity)
{
	Store	   *store = store_create(trace, capacity);

	store->janitor = false;
	return store;
}

static ArcKey
key_of(Store *store, uint32 object)
{
	snprintf(store->name, sizeof(store->name), "object:%09u", object);
	return (ArcKey) {
		.database = 1,.role = 1,.space = ARC_SPACE_VALUE,
		.length = STORE_HOST_KEY_LENGTH,.name = store->name
	};
}

static bool
store_find(void *state, uint32 object, bool use)
{
	ArcKey		key = key_of(state, object);
	ArcSharedEntry *entry = arc_store_find(&key);

	if (entry == NULL)
		return false;
	if (use)
		arc_store_touch(entry);
	arc_store_unpin(entry);
	return true;
}

static bool
store_get(void *state, uint32 object)
{
	return store_find(state, object, true);
}

static bool
store_holds(void *state, uint32 object)
{
	return store_find(state, object, false);
}

static void
make_room_ahead(void)
{
	uint64		shortage;

	while ((shortage = arc_store_shortage()) > 0)
	{
		if (arc_store_evict(Min(shortage, JANITOR_SLICE)) == 0)
			break;
	}
}

static void
store_put(void *state, uint32 object)
{
	Store	   *store = state;
	const TraceObject *o = &store->trace->objects[object];
	ArcEntrySpec spec = {
		.key = key_of(state, object),
		.value = store->value,
		.value_size = o->size,
		.cost = o->cost,
	};
	ArcSharedEntry *entry;

	if (store->janitor && ++store->puts % JANITOR_PUTS == 0)
		make_room_ahead();
	entry = arc_store_create(&spec);
	if (entry != NULL)
		arc_store_insert(entry, NULL, NULL);
}

static void
store_drop(void *state, uint32 object)
{
	ArcKey		key = key_of(state, object);

	arc_store_remove(&key);
}

const Policy policy_store = {
	.name = "arcache",
	.create = store_create,
	.get = store_get,
	.put = store_put,
	.drop = store_drop,
	.holds = store_holds,
};

const Policy policy_store_alone = {
	.name = "alone",
	.create = store_create_alone,
	.get = store_get,
	.put = store_put,
	.drop = store_drop,
	.holds = store_holds,
};
