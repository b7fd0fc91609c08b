/*-------------------------------------------------------------------------
 *
 * tables.c
 *	  SQL functions about tables: tracking and invalidation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "api/arguments.h"
#include "cache/cache.h"
#include "cache/pin.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "coherence/enable.h"
#include "coherence/tracking.h"
#include "coherence/writeset.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(arcache_enable);
PG_FUNCTION_INFO_V1(arcache_disable);
PG_FUNCTION_INFO_V1(arcache_invalidate);
PG_FUNCTION_INFO_V1(arcache_invalidate_tag);
PG_FUNCTION_INFO_V1(arcache_relation_tracking);

static Oid
relation_argument(FunctionCallInfo fcinfo)
{
	Oid			relid;

	arc_argument_not_null(fcinfo, 0, "rel");
	relid = PG_GETARG_OID(0);
	if (get_rel_relkind(relid) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return relid;
}

/* The trigger function, in the schema of the extension. */
static Oid
track_function(Oid schema)
{
	List	   *name = list_make2(makeString(get_namespace_name(schema)),
								  makeString("arcache_track"));

	return LookupFuncName(name, 0, NULL, false);
}

/* Each element names a column, or several separated by commas. */
static List *
keys_argument(FunctionCallInfo fcinfo, int n)
{
	int			nkeys;
	text	  **elements = arc_argument_texts(arc_argument_array(fcinfo, n, "keys"), &nkeys);
	List	   *keys = NIL;

	for (int i = 0; i < nkeys; i++)
	{
		char	   *element = text_to_cstring(elements[i]);
		List	   *names;

		if (!SplitIdentifierString(pstrdup(element), ',', &names) || names == NIL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid key \"%s\"", element),
					 errhint("A key is a column name, or several separated by commas.")));
		keys = lappend(keys, names);
	}
	return keys;
}

Datum
arcache_enable(PG_FUNCTION_ARGS)
{
	Oid			relid = relation_argument(fcinfo);
	int64		ttl = arc_argument_ttl(fcinfo, 1);
	ArcTrackingOptions options = {
		.automatic = PG_ARGISNULL(2) || PG_GETARG_BOOL(2),
		.default_keys = PG_ARGISNULL(3)
	};

	arc_argument_need_preload();
	if (ttl % 1000 != 0 || ttl / 1000 > INT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ttl of a relation must be a whole number of seconds, at most %d", INT_MAX)));
	options.ttl = ttl / 1000;
	if (!options.default_keys)
		options.keys = keys_argument(fcinfo, 3);
	options.function = track_function(get_func_namespace(fcinfo->flinfo->fn_oid));
	arc_tracking_enable(relid, &options);
	PG_RETURN_VOID();
}

Datum
arcache_disable(PG_FUNCTION_ARGS)
{
	Oid			relid = relation_argument(fcinfo);

	arc_argument_need_preload();
	arc_tracking_disable(relid);
	PG_RETURN_VOID();
}

/*
 * An invalidation is a write, and takes effect as one: it needs a transaction
 * id, for snapshots to tell before from after.  (In recovery there is none;
 * the mark then takes effect by a bump.)
 */
static void
invalidate(ArcToken token)
{
	if (!RecoveryInProgress())
		(void) GetTopTransactionId();
	arc_writeset_mark(token, ARC_WRITE_EXPLICIT);
}

/* Count the entries that hold one of these tokens and were still served. */
static int64
count_dependents(const ArcToken *tokens, int n)
{
	ArcReader	reader;
	ArcStoreScan *scan;
	ArcSharedEntry *entry;
	int64		count = 0;

	arc_reader_init_for_removal(&reader);
	if (reader.use != ARC_USABLE)
		return 0;
	scan = arc_scan_open();
	while ((entry = arc_scan_next(scan)) != NULL)
	{
		const ArcMeta *meta = arc_meta_of(entry);
		bool		depends = false;

		for (uint32 i = 0; i < meta->ndependencies && !depends; i++)
		{
			for (int j = 0; j < n && !depends; j++)
				depends = arc_meta_dependencies(meta)[i].token == tokens[j];
		}
		if (depends && arc_cache_may_serve(&reader, entry))
			count++;
	}
	arc_scan_close(scan);
	return count;
}

/* Whoever may write to the relation may invalidate what depends on it. */
static void
check_may_write(Oid relid)
{
	if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK &&
		pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) != ACLCHECK_OK &&
		pg_class_aclcheck(relid, GetUserId(), ACL_DELETE) != ACLCHECK_OK &&
		pg_class_aclcheck(relid, GetUserId(), ACL_TRUNCATE) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV,
					   get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

/*
 * The tokens of the relation, and of its descendants: who depends on keys
 * depends on none of the ancestors' tokens.
 */
Datum
arcache_invalidate(PG_FUNCTION_ARGS)
{
	Oid			relid = relation_argument(fcinfo);
	List	   *tree;
	ListCell   *lc;
	ArcToken   *tokens;
	int			n = 0;
	int64		count;

	arc_argument_need_preload();
	check_may_write(relid);
	tree = find_all_inheritors(relid, AccessShareLock, NULL);
	tokens = palloc(2 * list_length(tree) * sizeof(ArcToken));
	foreach(lc, tree)
	{
		tokens[n++] = arc_token_relation(MyDatabaseId, lfirst_oid(lc));
		tokens[n++] = arc_token_bulk(MyDatabaseId, lfirst_oid(lc));
	}
	count = count_dependents(tokens, n);
	for (int i = 0; i < n; i++)
		invalidate(tokens[i]);
	PG_RETURN_INT64(count);
}

Datum
arcache_invalidate_tag(PG_FUNCTION_ARGS)
{
	ArrayType  *array;
	text	  **tags;
	ArcToken   *tokens;
	int			n;
	int64		count;

	arc_argument_need_preload();
	arc_argument_not_null(fcinfo, 0, "tags");
	array = arc_argument_array(fcinfo, 0, "tags");
	tags = arc_argument_texts(array, &n);
	tokens = palloc((n + 1) * sizeof(ArcToken));
	for (int i = 0; i < n; i++)
		tokens[i] = arc_token_tag(MyDatabaseId, GetUserId(), VARDATA_ANY(tags[i]),
								  VARSIZE_ANY_EXHDR(tags[i]));
	count = count_dependents(tokens, n);
	for (int i = 0; i < n; i++)
		invalidate(tokens[i]);
	PG_RETURN_INT64(count);
}

/* The keys as a text array, like the argument of arcache_enable(). */
static Datum
keys_of(Relation rel, const ArcTracking *tracking)
{
	Datum	   *keys = palloc((tracking->nkeys + 1) * sizeof(Datum));

	for (int i = 0; i < tracking->nkeys; i++)
		keys[i] = CStringGetTextDatum(arc_tracking_key_words(rel, &tracking->keys[i]));
	return PointerGetDatum(construct_array(keys, tracking->nkeys, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

Datum
arcache_relation_tracking(PG_FUNCTION_ARGS)
{
	Relation	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	TupleDesc	desc;
	Datum		values[4];
	bool		nulls[4] = {false, true, true, true};
	const ArcTracking *tracking;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = BoolGetDatum(false);
	if (rel != NULL)
	{
		tracking = arc_tracking_of(rel);
		if (tracking->tracked)
		{
			values[0] = BoolGetDatum(true);
			values[2] = BoolGetDatum(tracking->automatic);
			nulls[2] = false;
			values[3] = keys_of(rel, tracking);
			nulls[3] = false;
			if (tracking->ttl > 0)
			{
				Interval   *ttl = palloc0(sizeof(Interval));

				ttl->time = (TimeOffset) tracking->ttl * USECS_PER_SEC;
				values[1] = IntervalPGetDatum(ttl);
				nulls[1] = false;
			}
		}
		relation_close(rel, AccessShareLock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
