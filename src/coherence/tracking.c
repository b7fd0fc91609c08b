/*-------------------------------------------------------------------------
 *
 * tracking.c
 *	  Which relations tell us of their writes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/settings.h"
#include "catalog/catalog.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_trigger.h"
#include "coherence/tracking.h"
#include "coherence/writeset.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "replication/logicalworker.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"

#define TRIGGER_NAME	"arcache_track"

#define TRACKING_EVENTS \
	(TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | \
	 TRIGGER_TYPE_DELETE | TRIGGER_TYPE_TRUNCATE)

PG_FUNCTION_INFO_V1(arcache_track);

void
arc_tracking_mark(Oid relid, int flags)
{
	arc_writeset_mark(arc_token_relation(MyDatabaseId, relid), flags);
}

Datum
arcache_track(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						"arcache_track")));

	/* TRUNCATE is not seen through snapshots: it shows at once to all. */
	arc_tracking_mark(RelationGetRelid(data->tg_relation),
					  TRIGGER_FIRED_BY_TRUNCATE(data->tg_event) ? ARC_WRITE_STRICT : 0);
	return PointerGetDatum(NULL);
}

/* Is this trigger's function the one above? */
static bool
is_our_function(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	FmgrInfo	info;
	bool		candidate;

	if (!HeapTupleIsValid(tuple))
		return false;

	/* Load nobody else's library: it need not be there. */
	candidate = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId &&
		strcmp(TextDatumGetCString(arc_compat_syscache_attr(PROCOID, tuple,
															Anum_pg_proc_prosrc)),
			   "arcache_track") == 0;
	ReleaseSysCache(tuple);
	if (!candidate)
		return false;
	fmgr_info(function, &info);
	return info.fn_addr == arcache_track;
}

static const Trigger *
find_trigger(Relation rel)
{
	TriggerDesc *desc = rel->trigdesc;

	if (desc == NULL)
		return NULL;
	for (int i = 0; i < desc->numtriggers; i++)
	{
		Trigger    *trigger = &desc->triggers[i];

		if (TRIGGER_FOR_BEFORE(trigger->tgtype) &&
			!TRIGGER_FOR_ROW(trigger->tgtype) &&
			(trigger->tgtype & TRACKING_EVENTS) == TRACKING_EVENTS &&
			trigger->tgnattr == 0 &&
			trigger->tgqual == NULL &&
			is_our_function(trigger->tgfoid))
			return trigger;
	}
	return NULL;
}

bool
arc_tracking_read(Relation rel, ArcTracking *tracking)
{
	const Trigger *trigger;

	tracking->ttl = 0;
	tracking->automatic = true;

	/*
	 * Nothing but REFRESH changes a materialized view, and that we see; its
	 * owner need not do anything.  But it takes part in transparent mode only
	 * by a hint.
	 */
	if (rel->rd_rel->relkind == RELKIND_MATVIEW)
	{
		tracking->automatic = false;
		return true;
	}

	trigger = find_trigger(rel);
	if (trigger == NULL || trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
		return false;

	for (int i = 0; i < trigger->tgnargs; i++)
	{
		const char *arg = trigger->tgargs[i];

		if (strncmp(arg, "ttl=", 4) == 0)
			tracking->ttl = Max(0, atoi(arg + 4));
		else if (strcmp(arg, "auto=false") == 0)
			tracking->automatic = false;
	}
	return true;
}

/* May this relation be tracked at all? Raises, or returns false, if not. */
static bool
check_relation(Relation rel, bool named)
{
	const char *reason = NULL;

	if (rel->rd_rel->relkind == RELKIND_MATVIEW)
		reason = "Materialized views need no tracking: every REFRESH is seen.";
	else if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		reason = "Writes to a foreign table's source cannot be seen.";
	else if (rel->rd_rel->relkind == RELKIND_VIEW)
		reason = "Enable the tables that the view reads instead.";
	else if (rel->rd_rel->relkind != RELKIND_RELATION &&
			 rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		reason = "Only tables can be tracked.";
	else if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		reason = "Temporary tables are never cached.";
	else if (IsCatalogRelation(rel))
		reason = "System catalogs cannot be tracked.";

	if (reason == NULL)
		return true;
	ereport(named ? ERROR : WARNING,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot track relation \"%s\"", RelationGetRelationName(rel)),
			 errdetail_internal("%s", reason)));
	return false;
}

static char *
qualified_name(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

static void
run_ddl(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc != SPI_OK_UTILITY)
		elog(ERROR, "unexpected result %d of \"%s\"", rc, sql);
}

static void
create_trigger(const char *table, const char *trigger, int ttl, bool automatic,
			   Oid extension)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "CREATE OR REPLACE TRIGGER %s"
					 " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s"
					 " FOR EACH STATEMENT EXECUTE FUNCTION %s('auto=%s'",
					 trigger, table,
					 quote_qualified_identifier(get_namespace_name(extension),
												"arcache_track"),
					 automatic ? "true" : "false");
	if (ttl > 0)
		appendStringInfo(&sql, ", 'ttl=%d'", ttl);
	appendStringInfoChar(&sql, ')');
	run_ddl(sql.data);

	resetStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %s", table, trigger);
	run_ddl(sql.data);

	resetStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TRIGGER %s ON %s DEPENDS ON EXTENSION arcache",
					 trigger, table);
	run_ddl(sql.data);
}

static void
check_owner(Oid relid)
{
	if (!arc_compat_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

/* The relation and its descendants, locked; nobody but the owner may. */
static List *
lock_tree(Oid relid, LOCKMODE mode)
{
	check_owner(relid);
	LockRelationOid(relid, mode);
	if (get_rel_relkind(relid) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return find_all_inheritors(relid, mode, NULL);
}

/*
 * What the DDL below needs to know of a relation. The relation is closed
 * again, because DDL refuses a relation that is in use.
 */
typedef struct TrackTarget
{
	char	   *table;			/* qualified and quoted */
	char	   *trigger;		/* quoted name of our trigger, or NULL */
	bool		trackable;
} TrackTarget;

static TrackTarget
look_at(Oid relid, bool named, bool enabling)
{
	TrackTarget target;
	Relation	rel = table_open(relid, NoLock);
	const Trigger *trigger = find_trigger(rel);

	target.trackable = !enabling || check_relation(rel, named);
	if (target.trackable)
		check_owner(relid);
	target.table = qualified_name(rel);
	target.trigger = trigger ?
		pstrdup(quote_identifier(trigger->tgname)) : NULL;
	table_close(rel, NoLock);
	return target;
}

/*
 * The lock is the one that CREATE TRIGGER takes: it waits for the statements
 * of others that already write without telling us.
 */
void
arc_tracking_enable(Oid relid, int ttl, bool automatic, Oid extension)
{
	ListCell   *lc;

	SPI_connect();
	foreach(lc, lock_tree(relid, ShareRowExclusiveLock))
	{
		TrackTarget target = look_at(lfirst_oid(lc), lfirst_oid(lc) == relid, true);

		if (target.trackable)
			create_trigger(target.table,
						   target.trigger ? target.trigger : TRIGGER_NAME,
						   ttl, automatic, extension);
	}
	SPI_finish();
}

void
arc_tracking_disable(Oid relid)
{
	ListCell   *lc;

	SPI_connect();
	foreach(lc, lock_tree(relid, AccessExclusiveLock))
	{
		TrackTarget target = look_at(lfirst_oid(lc), lfirst_oid(lc) == relid, false);

		if (target.trigger)
			run_ddl(psprintf("DROP TRIGGER %s ON %s", target.trigger, target.table));
	}
	SPI_finish();
}

/*
 * The apply worker fires row triggers only, and relations tracked as a whole
 * have none.  What a subscription feeds is listed in pg_subscription_rel; a
 * partition is fed through the relation listed, on which results that read
 * the partition depend as well.
 */
static void
mark_subscribed(void)
{
	Relation	catalog = table_open(SubscriptionRelRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(catalog, 0, NULL);
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
		arc_tracking_mark(((Form_pg_subscription_rel) GETSTRUCT(tuple))->srrelid, 0);
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

void
arc_tracking_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
}
