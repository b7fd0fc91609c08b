/*-------------------------------------------------------------------------
 *
 * tracking.c
 *	  Which relations tell us of their writes, and how closely.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/compat.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "coherence/tracking.h"
#include "coherence/trigger.h"
#include "coherence/writeset.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"
#include "utils/varlena.h"

#define STATEMENT_EVENTS \
	(TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | \
	 TRIGGER_TYPE_DELETE | TRIGGER_TYPE_TRUNCATE)
#define ROW_EVENTS \
	(TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE)

/* What is known of a relation; of no use once its definition has changed. */
typedef struct CachedTracking
{
	Oid			relid;			/* hash key */
	bool		valid;
	MemoryContext context;		/* of the rest */
	ArcTracking *tracking;
} CachedTracking;

static HTAB *cached = NULL;

/* Counts what was told of changed definitions. */
static uint64 invalidations = 0;

/*
 * Whoever depends on all of a relation depends on the one token, whoever
 * depends on keys of it on the other.
 */
void
arc_tracking_mark(Oid relid, int flags)
{
	arc_writeset_mark(arc_token_relation(MyDatabaseId, relid), flags);
	arc_writeset_mark(arc_token_bulk(MyDatabaseId, relid), flags);
}

/* -- triggers --------------------------------------------------------------- */

/* Is this trigger's function arcache_track()? */
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

static bool
is_unconditional(const Trigger *trigger)
{
	return trigger->tgnattr == 0 && trigger->tgqual == NULL &&
		!trigger->tgdeferrable && is_our_function(trigger->tgfoid);
}

static bool
is_statement_trigger(const Trigger *trigger)
{
	return TRIGGER_FOR_BEFORE(trigger->tgtype) &&
		!TRIGGER_FOR_ROW(trigger->tgtype) &&
		(trigger->tgtype & STATEMENT_EVENTS) == STATEMENT_EVENTS &&
		is_unconditional(trigger);
}

static bool
is_row_trigger(const Trigger *trigger)
{
	return TRIGGER_FOR_AFTER(trigger->tgtype) &&
		TRIGGER_FOR_ROW(trigger->tgtype) &&
		(trigger->tgtype & ROW_EVENTS) == ROW_EVENTS &&
		is_unconditional(trigger);
}

/* In a copy of the relation's list: catalog lookups may replace the list. */
static const Trigger *
find_trigger(const TriggerDesc *desc, bool (*matches) (const Trigger *trigger))
{
	for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
	{
		if (matches(&desc->triggers[i]))
			return &desc->triggers[i];
	}
	return NULL;
}

void
arc_tracking_triggers(Relation rel, ArcTriggerNames *names)
{
	TriggerDesc *desc = CopyTriggerDesc(rel->trigdesc);
	const Trigger *statement = find_trigger(desc, is_statement_trigger);
	const Trigger *row = find_trigger(desc, is_row_trigger);

	*names = (ArcTriggerNames)
	{
		0
	};
	if (row != NULL)
		names->row = row->tgname;
	if (statement == NULL)
		return;
	names->statement = statement->tgname;
	names->function = statement->tgfoid;
	names->nargs = statement->tgnargs;
	names->args = statement->tgargs;
}

List *
arc_tracking_parents(Oid relid)
{
	Relation	catalog = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *parents = NIL;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return parents;
}

/* -- keys --------------------------------------------------------------------- */

char *
arc_tracking_key_words(Relation rel, const ArcTrackedKey *key)
{
	StringInfoData words;

	initStringInfo(&words);
	for (int i = 0; i < key->ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), key->attnos[i] - 1);

		appendStringInfo(&words, "%s%s", i > 0 ? "," : "",
						 quote_identifier(NameStr(column->attname)));
	}
	return words.data;
}

/* A virtual generated column has no value that a trigger could see. */
bool
arc_tracking_fits(Form_pg_attribute column, ArcHasher *hasher, MemoryContext context)
{
	return !column->attisdropped && column->attgenerated != 'v' &&
		arc_hasher_make(hasher, column->atttypid, column->attcollation, context);
}

/* The column's place in the array of columns, or -1 if it can be in no key. */
static int
add_column(ArcTracking *tracking, Relation rel, AttrNumber attno)
{
	Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), attno - 1);
	ArcKeyColumn *new;

	for (int i = 0; i < tracking->ncolumns; i++)
	{
		if (tracking->columns[i].attno == attno)
			return i;
	}
	if (tracking->ncolumns == 0)
		tracking->columns = palloc(RelationGetNumberOfAttributes(rel) * sizeof(ArcKeyColumn));
	new = &tracking->columns[tracking->ncolumns];
	new->attno = attno;
	if (!arc_tracking_fits(column, &new->hasher, CurrentMemoryContext))
		return -1;
	return tracking->ncolumns++;
}

static int
compare_attnos(const ListCell *a, const ListCell *b)
{
	return lfirst_int(a) - lfirst_int(b);
}

/*
 * A key that names what is not there any more is no key: nobody depends on it
 * and nobody tells of it.  Whether a column can be hashed is not the relation's
 * definition to say, so sessions may differ about it for a while; who cannot
 * tell a key must not tell the others alone.
 */
static void
add_key(ArcTracking *tracking, Relation rel, const char *words)
{
	ArcTrackedKey *key = &tracking->keys[tracking->nkeys];
	List	   *names;
	List	   *attnos = NIL;
	ListCell   *lc;

	if (tracking->nkeys == ARC_TRACKED_KEYS_MAX ||
		!SplitIdentifierString(pstrdup(words), ',', &names) || names == NIL)
		return;
	foreach(lc, names)
	{
		AttrNumber	attno = get_attnum(RelationGetRelid(rel), lfirst(lc));

		if (attno <= 0)
			return;
		attnos = list_append_unique_int(attnos, attno);
	}
	list_sort(attnos, compare_attnos);

	key->ncolumns = 0;
	key->columns = palloc(list_length(attnos) * sizeof(int));
	key->attnos = palloc(list_length(attnos) * sizeof(AttrNumber));
	foreach(lc, attnos)
	{
		int			column = add_column(tracking, rel, lfirst_int(lc));

		if (column < 0)
		{
			tracking->incomplete = true;
			return;
		}
		key->columns[key->ncolumns] = column;
		key->attnos[key->ncolumns++] = lfirst_int(lc);
	}
	tracking->nkeys++;
}

/* -- reading ------------------------------------------------------------------ */

static void
read_arguments(ArcTracking *tracking, Relation rel, const TriggerDesc *desc,
			   const Trigger *trigger)
{
	const Trigger *row = find_trigger(desc, is_row_trigger);
	bool		by_key;

	/* A partitioned table has no rows of its own, but says how to track them. */
	by_key = (row != NULL && row->tgenabled == TRIGGER_FIRES_ALWAYS) ||
		rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	tracking->keys = palloc(ARC_TRACKED_KEYS_MAX * sizeof(ArcTrackedKey));
	for (int i = 0; i < trigger->tgnargs; i++)
	{
		const char *arg = trigger->tgargs[i];

		if (strncmp(arg, ARC_ARGUMENT_TTL, strlen(ARC_ARGUMENT_TTL)) == 0)
			tracking->ttl = Max(0, atoi(arg + strlen(ARC_ARGUMENT_TTL)));
		else if (strcmp(arg, ARC_ARGUMENT_MANUAL) == 0)
			tracking->automatic = false;
		else if (by_key && strncmp(arg, ARC_ARGUMENT_KEY, strlen(ARC_ARGUMENT_KEY)) == 0)
			add_key(tracking, rel, arg + strlen(ARC_ARGUMENT_KEY));
	}
}

static ArcTracking *
read_tracking(Relation rel)
{
	ArcTracking *tracking = palloc0(sizeof(ArcTracking));
	TriggerDesc *desc;
	const Trigger *trigger;

	tracking->automatic = true;

	/*
	 * Nothing but REFRESH changes a materialized view, and that we see; its
	 * owner need not do anything.  But it takes part in transparent mode only
	 * by a hint.
	 */
	if (rel->rd_rel->relkind == RELKIND_MATVIEW)
	{
		tracking->automatic = false;
		tracking->tracked = true;
		return tracking;
	}

	desc = CopyTriggerDesc(rel->trigdesc);
	trigger = find_trigger(desc, is_statement_trigger);
	if (trigger != NULL && trigger->tgenabled == TRIGGER_FIRES_ALWAYS)
	{
		tracking->tracked = true;
		read_arguments(tracking, rel, desc, trigger);
	}
	return tracking;
}

static void
forget_relation(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	CachedTracking *entry;

	if (cached == NULL)
		return;
	invalidations++;
	if (OidIsValid(relid))
	{
		entry = hash_search(cached, &relid, HASH_FIND, NULL);
		if (entry != NULL)
			entry->valid = false;
		return;
	}
	hash_seq_init(&scan, cached);
	while ((entry = hash_seq_search(&scan)) != NULL)
		entry->valid = false;
}

/* Operator classes say how values hash. */
static void
forget_all(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_relation((Datum) 0, InvalidOid);
}

static void
start_cache(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(CachedTracking),
		.hcxt = CacheMemoryContext
	};

	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(CLAOID, forget_all, (Datum) 0);
	CacheRegisterSyscacheCallback(AMPROCNUM, forget_all, (Datum) 0);
	cached = hash_create("arcache tracking", 64, &ctl,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

const ArcTracking *
arc_tracking_of(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	CachedTracking *entry;
	MemoryContext context;
	MemoryContext old;
	ArcTracking *tracking;
	uint64		before;
	bool		found;

	if (cached == NULL)
		start_cache();
	entry = hash_search(cached, &relid, HASH_FIND, NULL);
	if (entry != NULL && entry->valid)
		return entry->tracking;

	/* The definition may change while we look; then look again next time. */
	before = invalidations;
	context = AllocSetContextCreate(CurrentMemoryContext, "arcache tracking of a relation",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	tracking = read_tracking(rel);
	MemoryContextSwitchTo(old);

	/* One of our callers may still hold what was there before. */
	entry = hash_search(cached, &relid, HASH_ENTER, &found);
	if (found)
		MemoryContextSetParent(entry->context, TopTransactionContext);
	MemoryContextSetParent(context, CacheMemoryContext);
	entry->context = context;
	entry->tracking = tracking;
	entry->valid = before == invalidations;
	return tracking;
}
