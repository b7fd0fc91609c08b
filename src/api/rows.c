/*-------------------------------------------------------------------------
 *
 * rows.c
 *	  SQL functions about rows of tables by their primary keys.
 *
 * A row that was read through the cache is the result of the query for its
 * key, kept as every result is; a row that was set by hand is not, so reading
 * through never takes one for the other (the entry has no identity).  What is
 * set by hand still depends on what the query would: a write to the row drops
 * it, and so does a change of the table's definition.
 *
 * Lookups by primary key are kept for the session, one for each table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/arguments.h"
#include "api/entries.h"
#include "api/keys.h"
#include "api/sets.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/pending.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "query/lookup.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(arcache_row);
PG_FUNCTION_INFO_V1(arcache_rows);
PG_FUNCTION_INFO_V1(arcache_row_get);
PG_FUNCTION_INFO_V1(arcache_row_set);
PG_FUNCTION_INFO_V1(arcache_row_delete);
PG_FUNCTION_INFO_V1(arcache_row_clear);

/* -- tables ---------------------------------------------------------------------- */

/* With more tables than this start anew: tables come and go. */
#define MAX_LOOKUPS		1000

typedef struct TableLookup
{
	Oid			relid;			/* hash key */
	ArcLookup  *lookup;			/* or NULL */
	MemoryContext context;		/* of the lookup */
} TableLookup;

static HTAB *lookups = NULL;

/* Who is reading by a lookup may do so until the transaction ends. */
static void
give_up(TableLookup *table)
{
	if (table->lookup != NULL)
		MemoryContextSetParent(table->context, TopTransactionContext);
	table->lookup = NULL;
}

static void
give_up_all(void)
{
	HASH_SEQ_STATUS all;
	TableLookup *table;

	hash_seq_init(&all, lookups);
	while ((table = hash_seq_search(&all)) != NULL)
		give_up(table);
	hash_destroy(lookups);
	lookups = NULL;
}

static TableLookup *
enter_table(Oid relid)
{
	TableLookup *table;
	bool		found;

	if (lookups != NULL && hash_get_num_entries(lookups) >= MAX_LOOKUPS &&
		hash_search(lookups, &relid, HASH_FIND, NULL) == NULL)
		give_up_all();
	if (lookups == NULL)
	{
		HASHCTL		ctl = {
			.keysize = sizeof(Oid),
			.entrysize = sizeof(TableLookup)
		};

		lookups = hash_create("arcache row lookups", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	table = hash_search(lookups, &relid, HASH_ENTER, &found);
	if (!found)
		table->lookup = NULL;
	return table;
}

static void
renew_lookup(TableLookup *table)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "arcache row lookup",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Oid			relid = table->relid;
	ArcLookup  *lookup = arc_lookup_make(relid, NULL, 0, ARC_SPACE_ROW, NULL, 0);

	MemoryContextSwitchTo(old);
	if (lookup == NULL)
		arc_lookup_raise_no_key(relid);
	give_up(table);
	MemoryContextSetParent(context, CacheMemoryContext);
	table->lookup = lookup;
	table->context = context;
}

/* Lookups of the table by its primary key, as it is now. */
static const ArcLookup *
lookup_of_table(Oid relid)
{
	TableLookup *table = enter_table(relid);

	if (table->lookup == NULL || !arc_lookup_is_current(table->lookup))
		renew_lookup(table);
	return table->lookup;
}

/* Of the table whose row type the argument has. */
static const ArcLookup *
lookup_of_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	Oid			relid = get_typ_typrelid(get_fn_expr_argtype(fcinfo->flinfo, n));

	if (!OidIsValid(relid) || get_rel_relkind(relid) == RELKIND_COMPOSITE_TYPE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("%s must be of the row type of a table", name),
				 errhint("Write NULL::some_table.")));
	return lookup_of_table(relid);
}

static const ArcLookup *
lookup_of_regclass(FunctionCallInfo fcinfo, int n)
{
	arc_argument_not_null(fcinfo, n, "rel");
	return lookup_of_table(PG_GETARG_OID(n));
}

/* The values of the primary key, from argument 1 on; false if one is NULL. */
static bool
read_key(FunctionCallInfo fcinfo, const ArcLookup *lookup, Datum *values, bool *nulls)
{
	bool		whole = true;

	arc_keys_from_arguments(fcinfo, 1, lookup->ncolumns, lookup->types, values, nulls);
	for (int i = 0; i < lookup->ncolumns; i++)
		whole &= !nulls[i];
	return whole;
}

/* -- reading through --------------------------------------------------------------- */

/* The only row of a key, as a Datum. */
typedef struct OneRow
{
	const ArcLookup *lookup;
	bool		found;
	Datum		datum;
} OneRow;

/* Children by inheritance are not bound by their parent's primary key. */
static void
keep_row(void *arg, int key, HeapTuple row)
{
	OneRow	   *one = arg;

	if (one->found)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("more than one row of table \"%s\" has this key",
						get_rel_name(one->lookup->relid))));
	one->found = true;
	one->datum = heap_copy_tuple_as_datum(row, one->lookup->desc);
}

Datum
arcache_row(PG_FUNCTION_ARGS)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	OneRow		one = {0};
	ArcLookupCall call = {.nkeys = 1, .values = values, .nulls = nulls};

	do
	{
		call.lookup = one.lookup = lookup_of_argument(fcinfo, 0, "base");
		if (!read_key(fcinfo, one.lookup, values, nulls))
			PG_RETURN_NULL();
	} while (!arc_lookup_read(&call, keep_row, &one));
	if (!one.found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(one.datum);
}

Datum
arcache_rows(PG_FUNCTION_ARGS)
{
	ArcLookupCall call = {0};
	Datum	   *values;
	bool	   *nulls;

	(void) lookup_of_argument(fcinfo, 0, "base");
	arc_set_begin(fcinfo);
	do
	{
		call.lookup = lookup_of_argument(fcinfo, 0, "base");
		call.nkeys = arc_keys_from_array(fcinfo, 1, call.lookup->ncolumns,
										 call.lookup->types, &values, &nulls);
		call.values = values;
		call.nulls = nulls;
	} while (!arc_lookup_read(&call, arc_set_add, fcinfo->resultinfo));
	arc_set_end(fcinfo, call.lookup->desc);
	return (Datum) 0;
}

/* -- by hand ------------------------------------------------------------------------ */

/*
 * Find the entry of the key, made of what the row type is now.  False if the
 * key can have none.
 */
static bool
find_current(FunctionCallInfo fcinfo, const ArcReader *reader,
			 const ArcLookup **lookup, ArcFound *found)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	for (;;)
	{
		ArcKey		key;

		*lookup = lookup_of_argument(fcinfo, 0, "base");
		if (!read_key(fcinfo, *lookup, values, nulls) ||
			!arc_lookup_entry_key(*lookup, values, &key))
			return false;
		*found = arc_entries_find(reader, &key);
		if (found->entry == NULL || arc_lookup_is_current(*lookup))
			return true;
		arc_entries_done(found);
	}
}

Datum
arcache_row_get(PG_FUNCTION_ARGS)
{
	OneRow		one = {0};
	ArcReader	reader;
	ArcFound	found;

	arc_reader_init(&reader);
	if (!find_current(fcinfo, &reader, &one.lookup, &found))
		PG_RETURN_NULL();
	arc_entries_count(&reader, &found);
	if (found.entry != NULL)
		arc_lookup_replay(one.lookup, found.entry, keep_row, &one);
	arc_entries_done(&found);
	if (!one.found)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(one.datum);
}

/* The values of the primary key in a row of the table. */
static void
read_key_of_row(const ArcLookup *lookup, HeapTuple row, Datum *values)
{
	for (int i = 0; i < lookup->ncolumns; i++)
	{
		AttrNumber	number = lookup->columns[i];
		bool		isnull;

		values[i] = heap_getattr(row, number, lookup->desc, &isnull);
		if (isnull)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("key column \"%s\" must not be null",
							NameStr(TupleDescAttr(lookup->desc, number - 1)->attname))));
	}
}

/*
 * A row set by hand depends on what its query would read, and on the row type.
 * It must be as good in the caller's snapshot as a fill, or it is stale.
 */
static void
settle(ArcSetting *setting, const ArcFill *fill, const ArcAssessment *assessment,
	   const ArcDependencies *dependencies)
{
	int			n = dependencies->n;
	ArcDependency *all = palloc((n + 1) * sizeof(ArcDependency));

	if (n > 0)
		memcpy(all, dependencies->array, n * sizeof(ArcDependency));
	all[n++] = (ArcDependency)
	{
		.token = arc_token_definitions(MyDatabaseId),
		.kind = ARC_DEPENDS_ON_DEFINITIONS
	};
	setting->possible = assessment->cacheability != ARC_CACHE_NEVER;
	if (setting->possible && !arc_fill_settle(fill, all, n))
	{
		arc_stats_count(ARC_REJECTED_STALE_FILL);
		setting->possible = false;
	}
	setting->meta.coherence =
		assessment->cacheability == ARC_CACHE_EXACT && !setting->reader.recovery ?
		ARC_COHERENCE_DECLARED : ARC_COHERENCE_NONE;
	setting->meta.ndependencies = n;
	setting->meta.dependencies = all;
	setting->meta.words = dependencies->words;
}

/* Returns false if the lookup is not current any more. */
static bool
prepare_setting(ArcSetting *setting, const ArcLookup *lookup, const Datum *values,
				const ArcKey *key)
{
	ArcFill		fill;
	ArcAssessment assessment;
	ArcDependencies dependencies;

	setting->possible = setting->reader.use == ARC_USABLE;
	if (!setting->possible)
		return true;
	arc_fill_open(&fill, &setting->reader, key);
	if (!arc_lookup_depend(lookup, values, &assessment, &dependencies))
		return false;
	settle(setting, &fill, &assessment, &dependencies);
	return true;
}

Datum
arcache_row_set(PG_FUNCTION_ARGS)
{
	ArcSetting	setting = {0};
	Datum		values[INDEX_MAX_KEYS];
	const ArcLookup *lookup;
	HeapTupleData row = {0};
	ArcKey		key;
	void	   *image;
	Size		size;

	arc_argument_not_null(fcinfo, 0, "row");
	setting.ttl = arc_argument_ttl(fcinfo, 1);
	arc_reader_init(&setting.reader);
	do
	{
		lookup = lookup_of_argument(fcinfo, 0, "row");
		row.t_data = PG_GETARG_HEAPTUPLEHEADER(0);
		row.t_len = HeapTupleHeaderGetDatumLength(row.t_data);
		read_key_of_row(lookup, &row, values);
		if (!arc_lookup_entry_key(lookup, values, &key))
			PG_RETURN_BOOL(false);
	} while (!prepare_setting(&setting, lookup, values, &key));

	image = arc_lookup_image(lookup, &row, &size);
	setting.possible &= image != NULL;
	PG_RETURN_BOOL(arc_entries_set(&setting, &key, image, size));
}

Datum
arcache_row_delete(PG_FUNCTION_ARGS)
{
	const ArcLookup *lookup = lookup_of_regclass(fcinfo, 0);
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	ArcReader	reader;
	ArcKey		key;
	bool		there;

	if (!read_key(fcinfo, lookup, values, nulls) ||
		!arc_lookup_entry_key(lookup, values, &key))
		PG_RETURN_BOOL(false);
	arc_reader_init_for_removal(&reader);
	if (!arc_preloaded)
		PG_RETURN_BOOL(false);
	there = arc_entries_exist(&reader, &key);
	arc_pending_delete(&key);
	PG_RETURN_BOOL(there);
}

Datum
arcache_row_clear(PG_FUNCTION_ARGS)
{
	const ArcLookup *lookup = lookup_of_regclass(fcinfo, 0);

	PG_RETURN_INT64(arc_entries_delete_prefix(ARC_SPACE_MASK(ARC_SPACE_ROW),
											  lookup->prefix));
}
