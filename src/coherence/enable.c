/*-------------------------------------------------------------------------
 *
 * enable.c
 *	  Begin and cease to track relations.
 *
 * The triggers are made by the statements that a user could have written, so
 * that event triggers, auditing and our own hooks see them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/compat.h"
#include "catalog/catalog.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "coherence/enable.h"
#include "coherence/tracking.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#define STATEMENT_TRIGGER	"arcache_track"
#define ROW_TRIGGER			"arcache_track_keys"

/* -- what can be tracked --------------------------------------------------------- */

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

void
arc_tracking_check_owner(Oid relid)
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
	arc_tracking_check_owner(relid);
	LockRelationOid(relid, mode);
	if (get_rel_relkind(relid) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return find_all_inheritors(relid, mode, NULL);
}

/* -- keys ---------------------------------------------------------------------- */

/* A key as a trigger's argument says it; duplicates are left out. */
static List *
add_words(List *keys, List *names)
{
	StringInfoData words;
	ListCell   *lc;

	initStringInfo(&words);
	foreach(lc, names)
		appendStringInfo(&words, "%s%s", words.len > 0 ? "," : "",
						 quote_identifier(lfirst(lc)));
	foreach(lc, keys)
	{
		if (strcmp(lfirst(lc), words.data) == 0)
			return keys;
	}
	return lappend(keys, words.data);
}

static Form_pg_attribute
find_column(Relation rel, const char *name)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0)
			return column;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist",
					name, RelationGetRelationName(rel))));
	return NULL;
}

static List *
named_keys(Relation rel, List *wanted)
{
	List	   *keys = NIL;
	ListCell   *lc;
	ListCell   *lc2;
	ArcHasher	hasher;

	if (list_length(wanted) > ARC_TRACKED_KEYS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a relation can have at most %d tracked keys",
						ARC_TRACKED_KEYS_MAX)));
	foreach(lc, wanted)
	{
		List	   *names = lfirst(lc);

		if (list_length(names) > INDEX_MAX_KEYS)
			ereport(ERROR,
					(errcode(ERRCODE_TOO_MANY_COLUMNS),
					 errmsg("a key can have at most %d columns", INDEX_MAX_KEYS)));
		foreach(lc2, names)
		{
			if (!arc_tracking_fits(find_column(rel, lfirst(lc2)), &hasher,
								   CurrentMemoryContext))
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("column \"%s\" cannot be part of a key",
								(char *) lfirst(lc2)),
						 errdetail("Values of a key are hashed: the column's type needs a default hash operator class, its collation must be deterministic, and the column must be stored.")));
		}
		keys = add_words(keys, names);
	}
	return keys;
}

/* The names of columns by number, or NIL if one of them cannot be in a key. */
static List *
column_names(Relation rel, int n, const int16 *attnos)
{
	List	   *names = NIL;
	ArcHasher	hasher;

	for (int i = 0; i < n; i++)
	{
		Form_pg_attribute column;

		if (attnos[i] <= 0)
			return NIL;
		column = TupleDescAttr(RelationGetDescr(rel), attnos[i] - 1);
		if (!arc_tracking_fits(column, &hasher, CurrentMemoryContext))
			return NIL;
		names = lappend(names, pstrdup(NameStr(column->attname)));
	}
	return names;
}

static List *
add_unique_key(List *keys, Relation rel, Oid index, bool primary)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	Form_pg_index form;
	List	   *names = NIL;

	if (!HeapTupleIsValid(tuple))
		return keys;
	form = (Form_pg_index) GETSTRUCT(tuple);
	if (form->indisunique && form->indisprimary == primary &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
		heap_attisnull(tuple, Anum_pg_index_indexprs, NULL))
		names = column_names(rel, form->indnkeyatts, form->indkey.values);
	ReleaseSysCache(tuple);
	return names ? add_words(keys, names) : keys;
}

/* The primary key first: of several keys that fit a query the first is taken. */
static List *
default_keys(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, indexes)
		keys = add_unique_key(keys, rel, lfirst_oid(lc), true);
	foreach(lc, indexes)
		keys = add_unique_key(keys, rel, lfirst_oid(lc), false);
	foreach(lc, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *key = lfirst(lc);
		List	   *names = column_names(rel, key->nkeys, key->conkey);

		if (names)
			keys = add_words(keys, names);
	}
	return list_truncate(keys, ARC_TRACKED_KEYS_MAX);
}

/* -- triggers ------------------------------------------------------------------- */

static void
run_ddl(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc != SPI_OK_UTILITY)
		elog(ERROR, "unexpected result %d of \"%s\"", rc, sql);
}

/* Make a trigger one that fires always and goes with the extension. */
static void
settle_trigger(const char *table, const char *trigger)
{
	run_ddl(psprintf("ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %s", table, trigger));
	run_ddl(psprintf("ALTER TRIGGER %s ON %s DEPENDS ON EXTENSION arcache", trigger, table));
}

static void
create_statement_trigger(const char *table, const char *trigger, const char *function,
						 List *args)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "CREATE OR REPLACE TRIGGER %s"
					 " BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s"
					 " FOR EACH STATEMENT EXECUTE FUNCTION %s(",
					 trigger, table, function);
	foreach(lc, args)
		appendStringInfo(&sql, "%s%s", lc == list_head(args) ? "" : ", ",
						 quote_literal_cstr(lfirst(lc)));
	appendStringInfoChar(&sql, ')');
	run_ddl(sql.data);
	settle_trigger(table, trigger);
}

static void
create_row_trigger(const char *table, const char *trigger, const char *function)
{
	run_ddl(psprintf("CREATE OR REPLACE TRIGGER %s"
					 " AFTER INSERT OR UPDATE OR DELETE ON %s"
					 " FOR EACH ROW EXECUTE FUNCTION %s()",
					 trigger, table, function));
	settle_trigger(table, trigger);
}

/*
 * What the DDL needs to know of a relation.  The relation is closed again,
 * because DDL refuses a relation that is in use.
 */
typedef struct TrackTarget
{
	char	   *table;			/* qualified and quoted */
	const char *statement;		/* quoted names of our triggers, or NULL */
	const char *row;
	bool		partitioned;
	bool		trackable;
} TrackTarget;

static const char *
quoted(const char *name)
{
	return name ? quote_identifier(name) : NULL;
}

static TrackTarget
look_at(Oid relid, bool named, bool enabling)
{
	TrackTarget target;
	Relation	rel = table_open(relid, NoLock);
	ArcTriggerNames names;

	target.trackable = !enabling || check_relation(rel, named);
	if (target.trackable)
		arc_tracking_check_owner(relid);
	arc_tracking_triggers(rel, &names);
	target.table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
											  RelationGetRelationName(rel));
	target.statement = quoted(names.statement);
	target.row = quoted(names.row);
	target.partitioned = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	table_close(rel, NoLock);
	return target;
}

/* Args say how, keys among them or not; a partitioned table has no rows. */
static void
track(const TrackTarget *target, List *args, bool by_key, Oid function)
{
	char	   *name = quote_qualified_identifier(get_namespace_name(get_func_namespace(function)),
												  get_func_name(function));

	create_statement_trigger(target->table,
							 target->statement ? target->statement : STATEMENT_TRIGGER,
							 name, args);
	if (by_key && !target->partitioned)
		create_row_trigger(target->table, target->row ? target->row : ROW_TRIGGER, name);
	else if (target->row)
		run_ddl(psprintf("DROP TRIGGER %s ON %s", target->row, target->table));
}

/* -- enabling --------------------------------------------------------------------- */

static List *
trigger_args(const ArcTrackingOptions *options, List *keys)
{
	List	   *args = list_make1(options->automatic ? "auto=true" : ARC_ARGUMENT_MANUAL);
	ListCell   *lc;

	if (options->ttl > 0)
		args = lappend(args, psprintf(ARC_ARGUMENT_TTL "%d", options->ttl));
	foreach(lc, keys)
		args = lappend(args, psprintf(ARC_ARGUMENT_KEY "%s", (char *) lfirst(lc)));
	return args;
}

static List *
find_keys(Oid relid, const ArcTrackingOptions *options)
{
	Relation	rel = table_open(relid, NoLock);
	List	   *keys;

	/* Say first what is wrong with the relation. */
	(void) check_relation(rel, true);
	keys = options->default_keys ? default_keys(rel) : named_keys(rel, options->keys);
	table_close(rel, NoLock);
	return keys;
}

/*
 * The lock is the one that CREATE TRIGGER takes: it waits for the statements
 * of others that already write without telling us.
 */
void
arc_tracking_enable(Oid relid, const ArcTrackingOptions *options)
{
	List	   *tree = lock_tree(relid, ShareRowExclusiveLock);
	List	   *keys = find_keys(relid, options);
	List	   *args = trigger_args(options, keys);
	ListCell   *lc;

	SPI_connect();
	foreach(lc, tree)
	{
		TrackTarget target = look_at(lfirst_oid(lc), lfirst_oid(lc) == relid, true);

		if (target.trackable)
			track(&target, args, keys != NIL, options->function);
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

		if (target.statement)
			run_ddl(psprintf("DROP TRIGGER %s ON %s", target.statement, target.table));
		if (target.row)
			run_ddl(psprintf("DROP TRIGGER %s ON %s", target.row, target.table));
	}
	SPI_finish();
}

/* -- adopting ---------------------------------------------------------------------- */

/* How the nearest tracked parent is tracked; false if none is. */
static bool
read_parent(Oid parent, ArcTriggerNames *names, bool *by_key)
{
	Relation	rel = try_table_open(parent, AccessShareLock);
	const ArcTracking *tracking;

	if (rel == NULL)
		return false;
	tracking = arc_tracking_of(rel);
	*by_key = tracking->nkeys > 0;
	if (tracking->tracked)
		arc_tracking_triggers(rel, names);
	table_close(rel, NoLock);
	return tracking->tracked;
}

static bool
is_tracked(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	bool		tracked = arc_tracking_of(rel)->tracked;

	table_close(rel, NoLock);
	return tracked;
}

/* Is it in use by this session, so that ALTER TABLE would refuse it? */
static bool
is_in_use(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	bool		in_use = rel->rd_refcnt > 1 || AfterTriggerPendingOnRel(relid);

	table_close(rel, NoLock);
	return in_use;
}

static void
warn_not_adopted(Oid relid, const char *reason)
{
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("relation \"%s\" is not tracked as its parent is", get_rel_name(relid)),
			 errdetail_internal("%s", reason),
			 errhint("Call arcache_enable() for its parent.")));
}

/* May the current user make triggers that call this function? */
static bool
may_use(Oid function)
{
	return arc_compat_may_use_schema(get_func_namespace(function), GetUserId()) &&
		arc_compat_may_execute(function, GetUserId());
}

static void
adopt_as(Oid relid, const ArcTriggerNames *names, bool by_key)
{
	List	   *args = NIL;
	ListCell   *lc;

	for (int i = 0; i < names->nargs; i++)
		args = lappend(args, names->args[i]);
	LockRelationOid(relid, ShareRowExclusiveLock);
	SPI_connect();
	foreach(lc, find_all_inheritors(relid, ShareRowExclusiveLock, NULL))
	{
		TrackTarget target;

		if (is_tracked(lfirst_oid(lc)))
			continue;
		if (is_in_use(lfirst_oid(lc)))
		{
			warn_not_adopted(lfirst_oid(lc), "This session is using it.");
			continue;
		}
		target = look_at(lfirst_oid(lc), false, true);
		if (target.trackable)
			track(&target, args, by_key, names->function);
	}
	SPI_finish();
}

void
arc_tracking_adopt(Oid relid)
{
	ListCell   *lc;

	CommandCounterIncrement();
	foreach(lc, arc_tracking_parents(relid))
	{
		ArcTriggerNames names;
		bool		by_key;

		if (!read_parent(lfirst_oid(lc), &names, &by_key))
			continue;
		if (may_use(names.function))
			adopt_as(relid, &names, by_key);
		else
			warn_not_adopted(relid, "The current role may not call the trigger function.");
		return;
	}
}
