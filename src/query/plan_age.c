/*-------------------------------------------------------------------------
 *
 * plan_age.c
 *	  Is what a plan was made of still what counts?
 *
 * A result may be published only as one of definitions that the plan was made
 * of; and a plan may be much older than its execution.  The fill notes the
 * count of the definitions' slot before anything else and is rejected if that
 * has moved when it publishes (cache/cache.h).  So what is left to see is that
 * nothing that had been counted by then is missing in the plan.  The count
 * moves for the last time when the messages that tell of a change have been
 * sent, so we take what has been sent, and look whether it concerned an item
 * of the plan since that was made.  The items are the functions and types that
 * PlannedStmt lists, and the ancestors of its relations, which nobody locks;
 * changes of the plan's own relations cannot have come, for those are locked;
 * and all else that a query's meaning comes from is in the tree that the
 * fingerprint is taken of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "query/plan_age.h"
#include "utils/inval.h"
#include "utils/syscache.h"

/*
 * When an item was last told of, by its hash; several may share a place, which
 * makes them look changed too often.
 */
#define CHANGE_PLACES	1024

static uint64 changed_at[CHANGE_PLACES];
static uint64 changed_all = 0;
static uint64 changed_functions = 0;
static uint64 changes = 0;

static void
item_changed(Datum arg, int cache, uint32 hash)
{
	changes++;
	if (cache == PROCOID)
		changed_functions = changes;
	if (hash == 0)
		changed_all = changes;
	else
		changed_at[hash % CHANGE_PLACES] = changes;
}

/*
 * The planner keeps the value of to_tsvector('simple', 'some text') and the
 * like, and no plan says by which dictionaries.
 */
static void
dictionaries_changed(Datum arg, int cache, uint32 hash)
{
	changed_all = ++changes;
}

/* The server makes each plan anew for these, so they count as a change. */
static void
planner_item_changed(Datum arg, int cache, uint32 hash)
{
	changes++;
}

static void
relation_changed(Datum arg, Oid relid)
{
	item_changed(arg, 0, OidIsValid(relid) ? murmurhash32(relid) : 0);
}

uint64
arc_plan_age_now(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TSCONFIGOID, dictionaries_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TSCONFIGMAP, dictionaries_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TSDICTOID, dictionaries_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TSPARSEROID, dictionaries_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(OPEROID, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AMOPOPID, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(FOREIGNSERVEROID, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(FOREIGNDATAWRAPPEROID, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(STATRELATTINH, planner_item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(STATEXTDATASTXOID, planner_item_changed, (Datum) 0);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		registered = true;
	}
	AcceptInvalidationMessages();
	return changes;
}

/*
 * A plan does not list functions that the planner called itself, for a
 * constant's sake, or that such functions or inlined ones call.
 */
bool
arc_plan_age_is_outdated(const PlannedStmt *statement, const List *ancestors,
						 uint64 planned_at, bool calls_functions)
{
	ListCell   *lc;

	if (arc_plan_age_now() == planned_at)
		return false;
	if (changed_all > planned_at ||
		(calls_functions && changed_functions > planned_at))
		return true;
	foreach(lc, statement->invalItems)
	{
		PlanInvalItem *item = lfirst(lc);

		if (changed_at[item->hashValue % CHANGE_PLACES] > planned_at)
			return true;
	}
	foreach(lc, ancestors)
	{
		if (changed_at[murmurhash32(lfirst_oid(lc)) % CHANGE_PLACES] > planned_at)
			return true;
	}
	return false;
}
