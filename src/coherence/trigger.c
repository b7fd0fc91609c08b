/*-------------------------------------------------------------------------
 *
 * trigger.c
 *	  The trigger function of tracked relations.
 *
 * Before a statement it marks the relation, so that functions called inside
 * the statement already leave the cache alone, and says that the statement is
 * open.  After each row, if the relation tells of keys, it marks the keys that
 * the row had and has.  (Not before the row: other triggers may still change
 * it.)  Row triggers run when the statement has written all rows; what runs
 * in between is why there are open statements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/relstats.h"
#include "base/settings.h"
#include "catalog/pg_class.h"
#include "catalog/pg_subscription_rel.h"
#include "coherence/tracking.h"
#include "coherence/trigger.h"
#include "coherence/writeset.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "replication/logicalworker.h"

PG_FUNCTION_INFO_V1(arcache_track);

/* Of so many calls one is timed. */
#define TIMED_EVERY		16

/* -- marking ------------------------------------------------------------------ */

static void
mark_bulk(Oid relid, int flags)
{
	arc_writeset_mark_relation(arc_token_bulk(MyDatabaseId, relid), flags,
							   ARC_WRITES_BULK, relid);
}

static void
mark_relation(Oid relid, int flags)
{
	arc_writeset_mark_relation(arc_token_relation(MyDatabaseId, relid), flags,
							   ARC_WRITES_RELATION, relid);
}

/* The keys of many rows are no better than no keys, and cost memory and time. */
static void
escalate(Oid relid)
{
	ARC_INJECT_POINT("escalate");
	mark_bulk(relid, 0);
	arc_relstats_count(relid, ARC_REL_ESCALATIONS, 1);
}

/* False if the relation has been marked as a whole instead. */
static bool
mark_key(Oid relid, ArcToken token)
{
	if (arc_writeset_key_count() >= arc_max_key_tokens && !arc_writeset_has(token))
	{
		escalate(relid);
		return false;
	}
	arc_writeset_mark_relation(token, 0, ARC_WRITES_KEY, relid);
	return true;
}

static void
hash_columns(const ArcTracking *tracking, TupleTableSlot *slot, uint64 *hashes)
{
	for (int i = 0; i < tracking->ncolumns; i++)
	{
		ArcKeyColumn *column = &tracking->columns[i];
		bool		isnull;
		Datum		value = slot_getattr(slot, column->attno, &isnull);

		hashes[i] = arc_hasher_hash(&column->hasher, value, isnull);
	}
}

static ArcToken
key_token(Oid relid, const ArcTrackedKey *key, const uint64 *hashes)
{
	uint64		values[INDEX_MAX_KEYS];

	for (int i = 0; i < key->ncolumns; i++)
		values[i] = hashes[key->columns[i]];
	return arc_token_row_key(MyDatabaseId, relid, key->ncolumns, key->attnos, values);
}

static bool
mark_keys(Oid relid, const ArcTracking *tracking, TupleTableSlot *slot)
{
	uint64	   *hashes = palloc(tracking->ncolumns * sizeof(uint64));

	hash_columns(tracking, slot, hashes);
	for (int i = 0; i < tracking->nkeys; i++)
	{
		if (!mark_key(relid, key_token(relid, &tracking->keys[i], hashes)))
			return false;
	}
	return true;
}

static void
mark_row(TriggerData *data)
{
	Oid			relid = RelationGetRelid(data->tg_relation);
	const ArcTracking *tracking;

	if (arc_writeset_has(arc_token_bulk(MyDatabaseId, relid)))
		return;
	tracking = arc_tracking_of(data->tg_relation);
	if (tracking->nkeys == 0 || tracking->incomplete)
		mark_bulk(relid, 0);
	else if (mark_keys(relid, tracking, data->tg_trigslot) &&
			 TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		(void) mark_keys(relid, tracking, data->tg_newslot);
}

static void
mark_statement(TriggerData *data)
{
	Relation	rel = data->tg_relation;
	Oid			relid = RelationGetRelid(rel);

	/* TRUNCATE is not seen through snapshots: it shows at once to all. */
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
	{
		mark_relation(relid, ARC_WRITE_STRICT);
		mark_bulk(relid, ARC_WRITE_STRICT);
		return;
	}
	mark_relation(relid, 0);
	arc_writeset_open_statement(relid, rel->rd_rel->relhassubclass ||
								rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE);
}

/* -- the trigger function -------------------------------------------------------- */

Datum
arcache_track(PG_FUNCTION_ARGS)
{
	static uint32 calls = 0;
	TriggerData *data = (TriggerData *) fcinfo->context;
	bool		timed;
	instr_time	start;
	instr_time	duration;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						"arcache_track")));
	if (!arc_preloaded)
		return PointerGetDatum(NULL);

	timed = calls++ % TIMED_EVERY == 0;
	if (timed)
		INSTR_TIME_SET_CURRENT(start);
	ARC_INJECT_POINT(TRIGGER_FIRED_FOR_ROW(data->tg_event) ? "trigger-row" : "trigger-statement");
	if (TRIGGER_FIRED_FOR_ROW(data->tg_event))
		mark_row(data);
	else
		mark_statement(data);
	if (timed)
	{
		Oid			relid = RelationGetRelid(data->tg_relation);

		INSTR_TIME_SET_CURRENT(duration);
		INSTR_TIME_SUBTRACT(duration, start);
		arc_relstats_count(relid, ARC_REL_TIMED_CALLS, 1);
		arc_relstats_count(relid, ARC_REL_CALL_TIME, (uint64) (INSTR_TIME_GET_DOUBLE(duration) * 1e9));
	}
	return PointerGetDatum(NULL);
}

/* -- logical replication ---------------------------------------------------------- */

/*
 * The apply worker fires row triggers only.  What a subscription feeds is
 * listed in pg_subscription_rel; a partition is fed through the relation
 * listed, on which results that read the partition depend as well.  Keys are
 * marked by the row triggers as ever.
 */
static void
mark_subscribed(void)
{
	Relation	catalog = table_open(SubscriptionRelRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(catalog, 0, NULL);
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		mark_relation(((Form_pg_subscription_rel) GETSTRUCT(tuple))->srrelid, 0);
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static void
xact_callback(XactEvent event, void *arg)
{
	if ((event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE) &&
		IsLogicalWorker() && arc_writeset_xid() != 0)
		mark_subscribed();
}

static void
count_registered(ArcWriteKind kind, Oid relid)
{
	arc_relstats_count(relid,
					   kind == ARC_WRITES_KEY ? ARC_REL_KEY_INVALIDATIONS :
					   ARC_REL_INVALIDATIONS, 1);
}

void
arc_trigger_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	arc_writeset_on_registered(count_registered);
}
