/*-------------------------------------------------------------------------
 *
 * views.c
 *	  SQL functions behind the views.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/arguments.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/pin.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "coherence/slots.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "query/dependency.h"
#include "query/source.h"
#include "store/store.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "worker/janitor.h"

PG_FUNCTION_INFO_V1(arcache_stats_data);
PG_FUNCTION_INFO_V1(arcache_entries_data);
PG_FUNCTION_INFO_V1(arcache_memory_data);

static Datum
return_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* The columns are the counters in their order, and the time of the reset. */
Datum
arcache_stats_data(PG_FUNCTION_ARGS)
{
	ArcStatsTotals totals;
	Datum		values[ARC_NCOUNTERS + 1];
	bool		nulls[ARC_NCOUNTERS + 1] = {0};

	arc_argument_need_preload();
	arc_stats_read(MyDatabaseId, &totals);
	for (int i = 0; i < ARC_NCOUNTERS; i++)
	{
		if (i == ARC_FILL_TIME || i == ARC_TIME_SAVED)
			values[i] = Float8GetDatum(totals.counters[i] / 1000.0);
		else
			values[i] = Int64GetDatum((int64) totals.counters[i]);
	}
	values[ARC_NCOUNTERS] = TimestampTzGetDatum(totals.reset_at);
	nulls[ARC_NCOUNTERS] = totals.reset_at == 0;
	PG_RETURN_DATUM(return_row(fcinfo, values, nulls));
}

/* -- entries --------------------------------------------------------------------- */

static Datum
text_array(List *texts)
{
	int			n = list_length(texts);
	Datum	   *values = palloc((n + 1) * sizeof(Datum));
	bool	   *nulls = palloc((n + 1) * sizeof(bool));
	int			lower = 1;

	for (int i = 0; i < n; i++)
	{
		const char *one = list_nth(texts, i);

		nulls[i] = one == NULL;
		values[i] = one ? CStringGetTextDatum(one) : (Datum) 0;
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &lower,
											  TEXTOID, -1, false, TYPALIGN_INT));
}

static List *
tags_of(const ArcMeta *meta)
{
	const char *at = arc_meta_tags(meta);
	const char *end = at + meta->tags_size;
	List	   *tags = NIL;

	for (; at < end; at += strlen(at) + 1)
		tags = lappend(tags, pstrdup(at));
	return tags;
}

/* The relations, by name, with their keys; one that was dropped by its oid. */
static List *
relations_of(const ArcMeta *meta)
{
	const ArcDependency *dependencies = arc_meta_dependencies(meta);
	const char *words = arc_meta_words(meta);
	List	   *names = NIL;

	for (uint32 i = 0; i < meta->ndependencies; i++)
	{
		bool		is_key = dependencies[i].kind == ARC_DEPENDS_ON_KEY;
		char	   *name = arc_dependency_words(dependencies[i].relid, dependencies[i].kind,
												is_key ? words : NULL);

		if (is_key)
			words += strlen(words) + 1;
		if (name != NULL)
			names = lappend(names, name);
	}
	return names;
}

static List *
params_of(const ArcMeta *meta)
{
	ArcSource  *source = arc_source_remake("", arc_meta_params(meta), meta->params_size);
	List	   *params = NIL;

	for (int i = 0; i < source->nparams; i++)
		params = lappend(params, source->param_texts[i]);
	return params;
}

/* A text up to an end (escaped in it by '\\'), which *at is moved behind. */
static char *
unescaped_until(const char **at, char end)
{
	StringInfoData text;

	initStringInfo(&text);
	for (; **at != '\0' && **at != end; (*at)++)
	{
		if (**at == '\\' && (*at)[1] != '\0')
			(*at)++;
		appendStringInfoChar(&text, **at);
	}
	if (**at == end)
		(*at)++;
	return text.data;
}

/*
 * The key of rows or related rows begins with the oid of a table, followed in
 * the latter case by the name of the relationship: "public.users (1)" or
 * "public.users orders (1)".
 */
static char *
key_in_words(const ArcSharedEntry *entry)
{
	char	   *key = pnstrdup(arc_entry_key(entry), entry->key_length);
	const char *values = strchr(key, ':') + 1;
	const char *relationship = "";
	Oid			relid = strtoul(key, NULL, 10);
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return key;
	if (entry->space == ARC_SPACE_RELATED)
		relationship = psprintf(" %s", unescaped_until(&values, ':'));
	return psprintf("%s%s (%s)",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
											   name),
					relationship, values);
}

static text *
key_of(const ArcSharedEntry *entry)
{
	if ((ARC_SPACES_NAMED & ARC_SPACE_MASK(entry->space)) != 0 ||
		entry->space == ARC_SPACE_RESULT)
		return cstring_to_text_with_len(arc_entry_key(entry), entry->key_length);
	return cstring_to_text(key_in_words(entry));
}

#define ENTRY_COLUMNS	14

static void
entry_row(const ArcReader *reader, ArcSharedEntry *entry, bool allowed,
		  Datum *values, bool *nulls)
{
	static const char *const kinds[] = {"value", "rows", "row", "related", "result"};
	static const char *const coherences[] = {"none", "ttl", "declared", "exact"};
	const ArcMeta *meta = arc_meta_of(entry);
	TimestampTz expires = (TimestampTz) pg_atomic_read_u64(&entry->expires);

	memset(nulls, false, ENTRY_COLUMNS * sizeof(bool));
	values[0] = ObjectIdGetDatum(entry->role);
	values[1] = CStringGetTextDatum(kinds[entry->space]);
	values[5] = CStringGetTextDatum(coherences[meta->coherence]);
	values[8] = BoolGetDatum(arc_cache_may_serve(reader, entry));
	values[9] = Int64GetDatum((int64) entry->footprint * 16);
	values[10] = Int64GetDatum((int64) pg_atomic_read_u64(&entry->hits));
	values[11] = Float8GetDatum(entry->cost / 1000.0);
	values[12] = TimestampTzGetDatum(entry->created);
	values[13] = TimestampTzGetDatum(expires);
	nulls[13] = expires == 0;

	if (!allowed)
	{
		nulls[2] = nulls[3] = nulls[4] = nulls[6] = nulls[7] = true;
		return;
	}
	values[2] = PointerGetDatum(key_of(entry));
	nulls[3] = meta->query_size == 0;
	if (!nulls[3])
		values[3] = CStringGetTextDatum(arc_meta_query(meta));
	nulls[4] = entry->space == ARC_SPACE_RESULT;	/* not kept as texts */
	if (!nulls[4])
		values[4] = text_array(params_of(meta));
	values[6] = text_array(relations_of(meta));
	values[7] = text_array(tags_of(meta));
}

Datum
arcache_entries_data(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	MemoryContext per_row = AllocSetContextCreate(CurrentMemoryContext,
												  "arcache entries",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	ArcReader	reader;
	ArcStoreScan *scan;
	ArcSharedEntry *entry;

	arc_argument_need_preload();
	InitMaterializedSRF(fcinfo, 0);
	arc_reader_init(&reader);
	old = MemoryContextSwitchTo(per_row);
	scan = arc_scan_open();
	while ((entry = arc_scan_next(scan)) != NULL)
	{
		Datum		values[ENTRY_COLUMNS];
		bool		nulls[ENTRY_COLUMNS];

		CHECK_FOR_INTERRUPTS();
		if (entry->database != MyDatabaseId)
			continue;
		entry_row(&reader, entry, sees_all || entry->role == GetUserId(), values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextReset(per_row);
	}
	arc_scan_close(scan);
	MemoryContextSwitchTo(old);
	return (Datum) 0;
}

/* -- memory ---------------------------------------------------------------------- */

Datum
arcache_memory_data(PG_FUNCTION_ARGS)
{
	ArcStoreUsage usage;
	ArcJanitorState janitor;
	uint64		size = (uint64) arc_memory * 1024 * 1024;
	Datum		values[9];
	bool		nulls[9] = {0};

	arc_argument_need_preload();
	arc_store_usage(&usage);
	arc_janitor_read(&janitor);

	/* What is not the store's is the slots'. */
	values[0] = Int64GetDatum((int64) size);
	values[1] = Int64GetDatum((int64) usage.used);
	values[2] = Int64GetDatum((int64) usage.free);
	values[3] = Int64GetDatum((int64) (size - usage.size + usage.overhead));
	values[4] = Int64GetDatum((int64) usage.largest_free);
	values[5] = Int64GetDatum((int64) usage.entries);
	values[6] = Int32GetDatum(janitor.pid);
	nulls[6] = janitor.pid == 0;
	values[7] = Int64GetDatum((int64) janitor.rounds);
	values[8] = TimestampTzGetDatum(janitor.last_round);
	nulls[8] = janitor.last_round == 0;
	PG_RETURN_DATUM(return_row(fcinfo, values, nulls));
}
