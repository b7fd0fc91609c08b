/*-------------------------------------------------------------------------
 *
 * values.c
 *	  SQL functions about values by key.
 *
 * Counters are the exception to the transaction: they change at once, as
 * sequences do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "api/arguments.h"
#include "api/entries.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/flight.h"
#include "cache/glob.h"
#include "cache/pending.h"
#include "cache/pin.h"
#include "catalog/pg_type.h"
#include "coherence/slots.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "query/dependency.h"
#include "query/readthrough.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(arcache_get);
PG_FUNCTION_INFO_V1(arcache_get_many);
PG_FUNCTION_INFO_V1(arcache_set);
PG_FUNCTION_INFO_V1(arcache_set_many);
PG_FUNCTION_INFO_V1(arcache_exists);
PG_FUNCTION_INFO_V1(arcache_ttl);
PG_FUNCTION_INFO_V1(arcache_touch);
PG_FUNCTION_INFO_V1(arcache_incr);
PG_FUNCTION_INFO_V1(arcache_delete);
PG_FUNCTION_INFO_V1(arcache_delete_pattern);
PG_FUNCTION_INFO_V1(arcache_clear);
PG_FUNCTION_INFO_V1(arcache_keys);

/* Flag of an entry: its value is eight bytes, not jsonb. */
#define ENTRY_COUNTER	0x02

/* -- finding -------------------------------------------------------------------- */

static Jsonb *
int64_to_jsonb(int64 number)
{
	JsonbValue	value;

	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	return JsonbValueToJsonb(&value);
}

static Jsonb *
entry_value(ArcSharedEntry *entry)
{
	Jsonb	   *value;

	if (entry->flags & ENTRY_COUNTER)
		return int64_to_jsonb((int64) pg_atomic_read_u64(arc_entry_counter(entry)));
	value = palloc(entry->value_size);
	arc_value_copy(entry, value);
	return value;
}

/* The value of a key, counted as a hit or a miss, or NULL. */
static Jsonb *
get(const ArcReader *reader, const ArcKey *key)
{
	ArcFound	found = arc_entries_find(reader, key);
	Jsonb	   *value = NULL;

	arc_entries_count(reader, &found);
	if (found.entry != NULL)
		value = entry_value(found.entry);
	arc_entries_done(&found);
	return value;
}

Datum
arcache_get(PG_FUNCTION_ARGS)
{
	ArcKey		key = arc_argument_text_key(PG_GETARG_TEXT_PP(0));
	ArcReader	reader;
	Jsonb	   *value;

	arc_reader_init(&reader);
	value = get(&reader, &key);
	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(value);
}

Datum
arcache_get_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			n;
	text	  **keys = arc_argument_texts(arc_argument_array(fcinfo, 0, "keys"), &n);
	ArcReader	reader;

	InitMaterializedSRF(fcinfo, 0);
	arc_reader_init(&reader);
	for (int i = 0; i < n; i++)
	{
		ArcKey		key = arc_argument_text_key(keys[i]);
		Jsonb	   *value = get(&reader, &key);
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		if (value == NULL)
			continue;
		values[0] = Int64GetDatum(i + 1);
		values[1] = PointerGetDatum(keys[i]);
		values[2] = JsonbPGetDatum(value);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		pfree(value);
	}
	return (Datum) 0;
}

/* In either of the spaces that a key can name. */
static ArcFound
find_anywhere(const ArcReader *reader, ArcKey key)
{
	ArcFound	found = arc_entries_find(reader, &key);

	if (found.entry == NULL)
	{
		key.space = ARC_SPACE_ROWS;
		found = arc_entries_find(reader, &key);
	}
	return found;
}

static bool
exists_anywhere(const ArcReader *reader, ArcKey key)
{
	ArcFound	found = find_anywhere(reader, key);
	bool		there = found.entry != NULL;

	arc_entries_done(&found);
	return there;
}

Datum
arcache_exists(PG_FUNCTION_ARGS)
{
	ArcKey		key = arc_argument_text_key(PG_GETARG_TEXT_PP(0));
	ArcReader	reader;

	arc_reader_init(&reader);
	PG_RETURN_BOOL(exists_anywhere(&reader, key));
}

Datum
arcache_ttl(PG_FUNCTION_ARGS)
{
	ArcKey		key = arc_argument_text_key(PG_GETARG_TEXT_PP(0));
	ArcReader	reader;
	ArcFound	found;
	TimestampTz expires = 0;
	Interval   *left;

	arc_reader_init(&reader);
	found = find_anywhere(&reader, key);
	if (found.entry != NULL)
		expires = (TimestampTz) pg_atomic_read_u64(&found.entry->expires);
	arc_entries_done(&found);
	if (expires == 0)
		PG_RETURN_NULL();
	left = palloc0(sizeof(Interval));
	left->time = Max(expires - GetCurrentTimestamp(), 0);
	PG_RETURN_INTERVAL_P(left);
}

/* -- setting --------------------------------------------------------------------- */

/*
 * The values depend on what the caller names, as of his snapshot: if that does
 * not see all writers the values are stale already.
 */
static bool
settle_dependencies(const ArcReader *reader, ArcDependencies *dependencies)
{
	for (int i = 0; i < dependencies->n; i++)
	{
		ArcDependency *d = &dependencies->array[i];

		if (reader->recovery)
			d->seq = arc_slot_seq(d->token);
		else if (!arc_view_may_publish(&reader->view, d->token, 0, &d->seq))
		{
			arc_stats_count(ARC_REJECTED_STALE_FILL);
			return false;
		}
	}
	return true;
}

static void
read_setting(FunctionCallInfo fcinfo, int first, ArcSetting *setting)
{
	ArrayType  *tags = arc_argument_array(fcinfo, first + 1, "tags");
	ArrayType  *depends_on = arc_argument_array(fcinfo, first + 2, "depends_on");
	ArcDependencies dependencies = {0};
	bool		tracked = false;

	*setting = (ArcSetting)
	{
		.ttl = arc_argument_ttl(fcinfo, first)
	};
	arc_reader_init(&setting->reader);
	setting->possible = setting->reader.use == ARC_USABLE;
	if (!setting->possible)
		return;

	if (depends_on != NULL)
		tracked = arc_dependencies_declare(&dependencies,
										   (Oid *) ARR_DATA_PTR(depends_on),
										   ArrayGetNItems(ARR_NDIM(depends_on),
														  ARR_DIMS(depends_on)));
	setting->meta.tags = arc_dependencies_add_tags(&dependencies, tags,
												   &setting->meta.tags_size);
	if (dependencies.n > 0)
		setting->possible = settle_dependencies(&setting->reader, &dependencies);
	setting->meta.coherence = tracked && !setting->reader.recovery ?
		ARC_COHERENCE_DECLARED : ARC_COHERENCE_NONE;
	setting->meta.ndependencies = dependencies.n;
	setting->meta.dependencies = dependencies.array;
}

static bool
set(const ArcSetting *setting, const ArcKey *key, const Jsonb *value)
{
	return arc_entries_set(setting, key, value, VARSIZE(value));
}

/*
 * Of two transactions that set a key if absent one waits for the end of the
 * other; the lock stays until ours ends.
 */
static bool
claim_if_absent(const ArcReader *reader, const ArcKey *key)
{
	if (arc_entries_exist(reader, key))
		return false;
	if (arc_flight_enter(key) == ARC_FLIGHT_ALONE)
		return false;
	return !arc_entries_exist(reader, key);
}

Datum
arcache_set(PG_FUNCTION_ARGS)
{
	ArcKey		key;
	ArcSetting	setting;
	bool		if_absent = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5);

	arc_argument_not_null(fcinfo, 0, "key");
	arc_argument_not_null(fcinfo, 1, "value");
	key = arc_argument_text_key(PG_GETARG_TEXT_PP(0));
	read_setting(fcinfo, 2, &setting);
	if (if_absent && !(setting.possible && claim_if_absent(&setting.reader, &key)))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(set(&setting, &key, PG_GETARG_JSONB_P(1)));
}

Datum
arcache_set_many(PG_FUNCTION_ARGS)
{
	Jsonb	   *entries;
	ArcSetting	setting;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	item;
	ArcKey		key = {0};
	int64		count = 0;

	arc_argument_not_null(fcinfo, 0, "entries");
	entries = PG_GETARG_JSONB_P(0);
	if (!JB_ROOT_IS_OBJECT(entries))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("entries must be a jsonb object")));
	read_setting(fcinfo, 1, &setting);

	iterator = JsonbIteratorInit(&entries->root);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = arc_argument_key(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE &&
				 set(&setting, &key, JsonbValueToJsonb(&item)))
			count++;
	}
	PG_RETURN_INT64(count);
}

Datum
arcache_touch(PG_FUNCTION_ARGS)
{
	ArcKey		key;
	int64		ttl;
	ArcReader	reader;
	ArcFound	found;

	arc_argument_not_null(fcinfo, 0, "key");
	key = arc_argument_text_key(PG_GETARG_TEXT_PP(0));
	ttl = arc_argument_ttl(fcinfo, 1);
	arc_reader_init(&reader);
	found = find_anywhere(&reader, key);
	if (found.entry == NULL)
		PG_RETURN_BOOL(false);

	/* A result that lives by its ttl alone must keep one. */
	if (arc_meta_of(found.entry)->coherence == ARC_COHERENCE_TTL &&
		arc_cache_expiry(ttl) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an entry kept by its ttl alone needs a ttl")));
	pg_atomic_write_u64(&found.entry->expires, (uint64) arc_cache_expiry(ttl));
	arc_entries_done(&found);
	PG_RETURN_BOOL(true);
}

/* -- counting --------------------------------------------------------------------- */

static int64
jsonb_to_int64(const Jsonb *value)
{
	JsonbValue	scalar;

	if (JsonbExtractScalar(unconstify(JsonbContainer *, &value->root), &scalar) &&
		scalar.type == jbvNumeric)
	{
		Datum		number = NumericGetDatum(scalar.val.numeric);
		Datum		whole = DirectFunctionCall1(numeric_int8, number);

		if (DatumGetBool(DirectFunctionCall2(numeric_eq, number,
											 DirectFunctionCall1(int8_numeric, whole))))
			return DatumGetInt64(whole);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value of the key is not a whole number")));
	return 0;
}

static int64
add(int64 a, int64 b)
{
	int64		sum;

	if (pg_add_s64_overflow(a, b, &sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("counter out of range")));
	return sum;
}

static int64
add_to_counter(ArcSharedEntry *entry, int64 by)
{
	pg_atomic_uint64 *counter = arc_entry_counter(entry);
	uint64		old = pg_atomic_read_u64(counter);
	int64		sum;

	do
		sum = add((int64) old, by);
	while (!pg_atomic_compare_exchange_u64(counter, &old, (uint64) sum));
	return sum;
}

typedef struct CounterGuard
{
	ArcSharedEntry *seen;		/* what we looked at, or NULL */
	ArcSharedEntry *counter;	/* to take its place */
	bool		deleted;		/* by others, who have not finished */
} CounterGuard;

/* The entry that we looked at must still be the one of this key. */
static bool
guard_counter(void *arg, ArcSharedEntry *existing)
{
	CounterGuard *guard = arg;

	if (existing != guard->seen)
		return false;
	guard->deleted = !arc_pending_fence_new(guard->counter);
	return !guard->deleted;
}

/* A counter made from a value keeps its tags, dependencies and expiry. */
static void
inherit(ArcEntrySpec *spec, ArcSharedEntry *from)
{
	spec->meta = from->meta_size > 0 ? arc_entry_meta(from) : NULL;
	spec->meta_size = from->meta_size;
	spec->flags |= from->flags & ARC_ENTRY_IN_RECOVERY;
	spec->expires = (TimestampTz) pg_atomic_read_u64(&from->expires);
}

/*
 * Link a counter in place of the entry we looked at (or of none). Returns
 * false if that is no longer there: look again.
 */
static bool
make_counter(const ArcKey *key, ArcSharedEntry *seen, bool keeps, int64 value,
			 TimestampTz expires)
{
	ArcEntrySpec spec = {
		.key = *key,
		.value = &value,
		.value_size = sizeof(value),
		.flags = ENTRY_COUNTER,
		.expires = expires,
		.cost = ARC_SET_COST
	};
	CounterGuard guard = {0};
	ArcSharedEntry *entry;
	bool		linked;

	if (keeps)
		inherit(&spec, seen);
	arc_pin_reserve();
	entry = arc_store_create(&spec);

	if (entry == NULL)
	{
		arc_stats_count(ARC_REJECTED_FULL);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("no room for a counter in the cache")));
	}

	/* The guard may have to read the process array, which may allocate. */
	guard.seen = seen;
	guard.counter = entry;
	arc_pin_remember(entry, ARC_HOLD_OWNED);
	ARC_INJECT_POINT("counter-created");
	linked = arc_store_insert(entry, guard_counter, &guard);
	arc_pin_forget(entry, ARC_HOLD_OWNED);
	if (linked)
		return true;
	arc_store_discard(entry);
	if (guard.deleted)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("counter is being deleted by several transactions")));
	return false;
}

/* A key that the transaction itself has set or deleted counts with it. */
static int64
incr_pending(const ArcReader *reader, const ArcKey *key, ArcSharedEntry *entry,
			 int64 by, int64 ttl)
{
	bool		there = entry != NULL && !arc_entry_expired(entry, GetCurrentTimestamp());
	int64		sum = add(there ? jsonb_to_int64(entry_value(entry)) : 0, by);
	Jsonb	   *value = int64_to_jsonb(sum);
	ArcEntrySpec spec = {
		.key = *key,
		.value = value,
		.value_size = VARSIZE(value),
		.expires = arc_cache_expiry(ttl),
		.cost = ARC_SET_COST
	};

	if (there)
		inherit(&spec, entry);
	(void) arc_pending_set(&spec);
	return sum;
}

static int64
incr_shared(const ArcReader *reader, const ArcKey *key, int64 by, int64 ttl)
{
	for (;;)
	{
		ArcSharedEntry *seen;
		int64		sum;
		bool		linked = true;

		CHECK_FOR_INTERRUPTS();
		arc_pin_reserve();
		seen = arc_store_find(key);
		if (seen != NULL)
			arc_pin_remember(seen, ARC_HOLD_PIN);

		if (seen == NULL || !arc_cache_may_serve(reader, seen))
		{
			sum = by;
			linked = make_counter(key, seen, false, sum, arc_cache_expiry(ttl));
		}
		else if (seen->flags & ENTRY_COUNTER)
			sum = add_to_counter(seen, by);
		else
		{
			sum = add(jsonb_to_int64(entry_value(seen)), by);
			linked = make_counter(key, seen, true, sum, 0);
		}
		if (seen != NULL)
			arc_pin_release(seen);
		if (linked)
			return sum;
	}
}

Datum
arcache_incr(PG_FUNCTION_ARGS)
{
	ArcKey		key;
	int64		by;
	int64		ttl;
	ArcReader	reader;
	ArcSharedEntry *entry = NULL;

	arc_argument_not_null(fcinfo, 0, "key");
	arc_argument_not_null(fcinfo, 1, "by");
	key = arc_argument_text_key(PG_GETARG_TEXT_PP(0));
	by = PG_GETARG_INT64(1);
	ttl = arc_argument_ttl(fcinfo, 2);
	arc_reader_init(&reader);
	if (reader.use != ARC_USABLE)
		PG_RETURN_NULL();
	if (arc_pending_find(&key, &entry) != ARC_PENDING_NOTHING)
		PG_RETURN_INT64(incr_pending(&reader, &key, entry, by, ttl));
	PG_RETURN_INT64(incr_shared(&reader, &key, by, ttl));
}

/* -- deleting ---------------------------------------------------------------------- */

Datum
arcache_delete(PG_FUNCTION_ARGS)
{
	text	  **keys;
	int			n;
	int64		count = 0;
	ArcReader	reader;

	arc_argument_not_null(fcinfo, 0, "keys");
	keys = arc_argument_texts(arc_argument_array(fcinfo, 0, "keys"), &n);
	arc_reader_init_for_removal(&reader);
	if (!arc_preloaded)
		PG_RETURN_INT64(0);
	for (int i = 0; i < n; i++)
	{
		ArcKey		key = arc_argument_text_key(keys[i]);

		if (exists_anywhere(&reader, key))
			count++;
		arc_pending_delete(&key);
		key.space = ARC_SPACE_ROWS;
		arc_pending_delete(&key);
	}
	PG_RETURN_INT64(count);
}

/* -- patterns ---------------------------------------------------------------------- */

static void
return_key(const ArcKey *key, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	Datum		value = PointerGetDatum(cstring_to_text_with_len(key->name, key->length));
	bool		isnull = false;

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
}

static void
read_pattern(FunctionCallInfo fcinfo, ArcKeyWalk *walk)
{
	text	   *pattern;

	arc_argument_not_null(fcinfo, 0, "pattern");
	pattern = PG_GETARG_TEXT_PP(0);
	walk->pattern = VARDATA_ANY(pattern);
	walk->length = VARSIZE_ANY_EXHDR(pattern);
	if (walk->length > ARC_KEY_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("pattern is too long"),
				 errdetail("The pattern has %d bytes, the limit is %d.",
						   walk->length, ARC_KEY_MAX)));
	arc_glob_check(walk->pattern, walk->length);
}

Datum
arcache_delete_pattern(PG_FUNCTION_ARGS)
{
	ArcKeyWalk	walk;

	read_pattern(fcinfo, &walk);
	PG_RETURN_INT64(arc_entries_delete_pattern(ARC_SPACES_NAMED, walk.pattern, walk.length));
}

Datum
arcache_clear(PG_FUNCTION_ARGS)
{
	arc_argument_need_preload();
	PG_RETURN_INT64(arc_entries_delete_pattern(ARC_SPACES_ALL, "*", 1));
}

Datum
arcache_keys(PG_FUNCTION_ARGS)
{
	ArcKeyWalk	walk = {
		.spaces = ARC_SPACES_NAMED,
		.visit = return_key,
		.arg = fcinfo->resultinfo
	};
	ArcReader	reader;

	read_pattern(fcinfo, &walk);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	arc_reader_init(&reader);
	arc_entries_walk(&reader, &walk);
	return (Datum) 0;
}
