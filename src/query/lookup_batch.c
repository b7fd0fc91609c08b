/*-------------------------------------------------------------------------
 *
 * lookup_batch.c
 *	  Many lookups at once, with one query for all that miss.
 *
 * Each distinct key is looked for in the cache; rows found are set aside.  The
 * others go in rounds: one query reads the rows of a round's keys, each row is
 * given to the keys that its columns equal, and each key's rows are published
 * as the result of the query for that key alone.  They are that: the rows are
 * read under the same snapshot, come in the same order, and are cut off at the
 * same number.  At last rows are delivered in the order of the keys.
 *
 * A row is matched with keys as the query matches it, by the equality operator
 * of the column's type (numeric 1.0 equals 1.00), found by hash.  Where types
 * cannot be hashed each key goes its way alone.
 *
 * Rounds do not wait for what other sessions compute, nor are they waited for:
 * flights of many keys at once would deadlock.  A single missing key has one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/inject.h"
#include "base/stats.h"
#include "cache/environment.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "query/dependency.h"
#include "query/keyscan.h"
#include "query/lookup.h"
#include "query/lookup_internal.h"
#include "tcop/dest.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/*
 * Keys of a round.  With more than ARC_PINNED_KEYS_MAX its result would depend
 * on the table as a whole; where it does so anyway there may be more.
 */
#define UNPINNED_KEYS_MAX	1000

/* One of the distinct keys. */
typedef struct BatchKey
{
	const Datum *values;
	const char **texts;
	ArcRequest	request;
	ArcRead		read;
	bool		found;			/* in the cache */
	bool		alone;			/* not to be published */
	uint32		hash;			/* of the name, or in a round of the values */
	int			next;			/* of the same bucket, or -1 */
	uint64	   *hashes;			/* of the values, in a round */
	MemoryContext context;		/* of the rows */
	int			nrows;
	int			room;
	HeapTuple  *rows;
	ArcFill		fill;			/* of the round */
	ArcDependencies dependencies;
	ArcImage	image;
} BatchKey;

typedef struct Batch
{
	const ArcLookupCall *call;
	ArcAsker	asker;
	MemoryContext context;		/* of what is kept to the end: keys and rows */
	MemoryContext passing;		/* of a round, or of the look for one key */
	BatchKey   *keys;
	int			nkeys;
	int		   *of_call;		/* each key of the call is which, or -1 for NULL */
	int		   *buckets;		/* first keys, or -1 */
	uint32		mask;
	int			round_max;		/* keys of the next round */
} Batch;

/* -- buckets ------------------------------------------------------------------------- */

static void
clear_buckets(Batch *batch)
{
	for (uint32 i = 0; i <= batch->mask; i++)
		batch->buckets[i] = -1;
}

static void
put_in_bucket(Batch *batch, int i, uint32 hash)
{
	int		   *bucket = &batch->buckets[hash & batch->mask];

	batch->keys[i].hash = hash;
	batch->keys[i].next = *bucket;
	*bucket = i;
}

/* -- distinct keys ------------------------------------------------------------------- */

static int
find_name(const Batch *batch, const char *name, uint32 length, uint32 hash)
{
	int			i = batch->buckets[hash & batch->mask];

	for (; i >= 0; i = batch->keys[i].next)
	{
		const ArcRequest *request = &batch->keys[i].request;

		if (batch->keys[i].hash == hash && request->key_length == length &&
			memcmp(request->key, name, length) == 0)
			break;
	}
	return i;
}

/* In the batch's context: a request, and texts, that keep no more than they need. */
static void
keep_request(BatchKey *key, const ArcLookup *lookup, const ArcRequest *request,
			 const char **texts)
{
	Size		name_size = request->key_length;
	Size		params_size = request->params_size;

	key->request = *request;
	key->request.key = memcpy(palloc(name_size + 1), request->key, name_size + 1);
	key->request.params_image = memcpy(palloc(params_size), request->params_image,
									   params_size);
	key->texts = palloc(lookup->ncolumns * sizeof(char *));
	for (int i = 0; i < lookup->ncolumns; i++)
		key->texts[i] = pstrdup(texts[i]);
}

/* The distinct key of these values, entered if it is new. */
static int
enter_key(Batch *batch, const Datum *values)
{
	const ArcLookup *lookup = batch->call->lookup;
	MemoryContext old = MemoryContextSwitchTo(batch->passing);
	const char **texts = arc_lookup_texts(lookup, values);
	uint32		length;
	char	   *name = arc_lookup_name(lookup, texts, &length);
	uint32		hash = hash_bytes((unsigned char *) name, length);
	int			i = find_name(batch, name, length, hash);

	if (i < 0)
	{
		BatchKey   *key = &batch->keys[i = batch->nkeys++];
		ArcRequest	request;

		arc_lookup_request(batch->call, texts, name, length, &request);
		MemoryContextSwitchTo(batch->context);
		key->values = values;
		keep_request(key, lookup, &request, texts);
		put_in_bucket(batch, i, hash);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(batch->passing);
	return i;
}

static void
enter_keys(Batch *batch)
{
	const ArcLookupCall *call = batch->call;
	int			n = call->lookup->ncolumns;

	batch->keys = palloc_extended((call->nkeys + 1) * sizeof(BatchKey),
								  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	batch->of_call = palloc((call->nkeys + 1) * sizeof(int));
	batch->mask = pg_nextpower2_32(call->nkeys + 1) - 1;
	batch->buckets = palloc((batch->mask + 1) * sizeof(int));
	clear_buckets(batch);
	for (int i = 0; i < call->nkeys; i++)
	{
		bool		isnull = false;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < n; j++)
			isnull |= call->nulls[i * n + j];
		batch->of_call[i] = isnull ? -1 : enter_key(batch, &call->values[(Size) i * n]);
	}
}

/* -- rows ---------------------------------------------------------------------------- */

/* In the batch's context, as the row is. */
static void
set_aside(BatchKey *key, HeapTuple row)
{
	if (key->nrows == key->room)
	{
		key->room = Max(1, 2 * key->room);
		key->rows = key->rows ?
			repalloc_huge(key->rows, key->room * sizeof(HeapTuple)) :
			palloc(key->room * sizeof(HeapTuple));
	}
	key->rows[key->nrows++] = row;
}

static void
set_copy_aside(void *arg, HeapTuple row)
{
	BatchKey   *key = arg;
	MemoryContext old = MemoryContextSwitchTo(key->context);

	set_aside(key, heap_copytuple(row));
	MemoryContextSwitchTo(old);
}

/* -- one key ------------------------------------------------------------------------- */

static void
prepare_key(Batch *batch, BatchKey *key)
{
	const ArcLookup *lookup = batch->call->lookup;
	ArcRowsForm *form = palloc(sizeof(ArcRowsForm));

	arc_rows_form_init(form, &lookup->state->target);
	form->target.sink = set_copy_aside;
	form->target.arg = key;
	key->context = batch->context;
	arc_read_prepare(&key->read, &batch->asker, &key->request, lookup->space, &form->base);
}

static void
look_for(Batch *batch, BatchKey *key)
{
	ArcVerdict	verdict;

	if (batch->asker.reader.use != ARC_USABLE)
	{
		arc_reader_count_bypass(&batch->asker.reader);
		key->alone = true;
	}
	else if (arc_environment_has_temporary() || key->request.key_length > ARC_KEY_MAX)
	{
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
		key->alone = true;
	}
	else if (arc_read_try_hit(&key->read, &verdict))
		key->found = true;
	else if (verdict == ARC_VERDICT_OWN_WRITES)
	{
		arc_stats_count(ARC_BYPASS_OWN_WRITES);
		key->alone = true;
	}
}

/* -- the query of a round -------------------------------------------------------------- */

static void
append_element(StringInfo array, const char *text, bool first)
{
	appendStringInfoString(array, first ? "{\"" : ",\"");
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			appendStringInfoChar(array, '\\');
		appendStringInfoChar(array, *text);
	}
	appendStringInfoChar(array, '"');
}

/* One column: it equals any element of an array. */
static void
write_array(const ArcLookupState *state, BatchKey **keys, int n,
			StringInfo query, StringInfo params)
{
	StringInfoData array;

	appendStringInfo(query, "%s %s ANY ($1::%s)", state->left[0], state->equals[0],
					 state->array);
	initStringInfo(&array);
	for (int i = 0; i < n; i++)
		append_element(&array, keys[i]->texts[0], i == 0);
	appendStringInfoChar(&array, '}');
	arc_source_append_param(params, array.data);
}

/* Several: they equal the values of one key, or those of the next. */
static void
write_alternatives(const ArcLookup *lookup, BatchKey **keys, int n,
				   StringInfo query, StringInfo params)
{
	const ArcLookupState *state = lookup->state;
	int			param = 0;

	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < lookup->ncolumns; j++)
		{
			appendStringInfo(query, "%s%s %s $%d::%s",
							 j > 0 ? " AND " : i > 0 ? " OR (" : "(",
							 state->left[j], state->equals[j], ++param, state->right[j]);
			arc_source_append_param(params, keys[i]->texts[j]);
		}
		appendStringInfoChar(query, ')');
	}
}

static ArcSource *
round_source(const ArcLookup *lookup, BatchKey **keys, int n)
{
	const ArcLookupState *state = lookup->state;
	StringInfoData query;
	StringInfoData params;

	initStringInfo(&query);
	initStringInfo(&params);
	appendStringInfoString(&query, state->select);
	if (state->array != NULL)
		write_array(state, keys, n, &query, &params);
	else
		write_alternatives(lookup, keys, n, &query, &params);
	appendStringInfoString(&query, state->order);
	return arc_source_remake(query.data, params.data, params.len);
}

/* -- splitting ------------------------------------------------------------------------- */

typedef struct RoundReceiver
{
	DestReceiver pub;
	Batch	   *batch;
	BatchKey  **keys;
	int			nkeys;
	MemoryContext per_row;
} RoundReceiver;

/* The values are those of all columns of a key, or of a row by position. */
static uint32
hash_values(const ArcLookup *lookup, const Datum *values, bool of_row, uint64 *hashes)
{
	ArcLookupColumn *columns = lookup->state->columns;
	uint64		hash = 0;

	for (int i = 0; i < lookup->ncolumns; i++)
	{
		Datum		value = values[of_row ? columns[i].position : i];

		hashes[i] = arc_hasher_hash(&columns[i].hasher, value, false);
		hash = hash_combine64(hash, hashes[i]);
	}
	return (uint32) hash;
}

static bool
row_has(const ArcLookup *lookup, const Datum *row, const Datum *values)
{
	ArcLookupColumn *columns = lookup->state->columns;

	for (int i = 0; i < lookup->ncolumns; i++)
	{
		if (!DatumGetBool(FunctionCall2Coll(&columns[i].equal, columns[i].hasher.collation,
											row[columns[i].position], values[i])))
			return false;
	}
	return true;
}

/* A key that is not to be published needs no image. */
static void
round_startup(DestReceiver *self, int operation, TupleDesc desc)
{
	RoundReceiver *receiver = (RoundReceiver *) self;
	MemoryContext old = MemoryContextSwitchTo(receiver->batch->passing);

	for (int i = 0; i < receiver->nkeys; i++)
	{
		if (!receiver->keys[i]->alone)
			arc_image_start(&receiver->keys[i]->image, desc, arc_cache_size_limit(), false);
	}
	MemoryContextSwitchTo(old);
}

static void
give_row(RoundReceiver *receiver, BatchKey *key, TupleTableSlot *slot, HeapTuple *row)
{
	const ArcLookup *lookup = receiver->batch->call->lookup;
	MemoryContext old;

	if (lookup->max_rows > 0 && key->nrows == lookup->max_rows)
		return;
	if (!key->alone)
		arc_image_add(&key->image, slot);
	old = MemoryContextSwitchTo(receiver->batch->context);
	if (*row == NULL)
		*row = arc_row_target_form(&lookup->state->target, slot);
	set_aside(key, *row);
	MemoryContextSwitchTo(old);
}

static bool
round_receive(TupleTableSlot *slot, DestReceiver *self)
{
	RoundReceiver *receiver = (RoundReceiver *) self;
	Batch	   *batch = receiver->batch;
	const ArcLookup *lookup = batch->call->lookup;
	MemoryContext old = MemoryContextSwitchTo(receiver->per_row);
	HeapTuple	row = NULL;
	uint64		hashes[INDEX_MAX_KEYS];
	uint32		hash;

	slot_getallattrs(slot);
	hash = hash_values(lookup, slot->tts_values, true, hashes);
	for (int i = batch->buckets[hash & batch->mask]; i >= 0; i = batch->keys[i].next)
	{
		if (batch->keys[i].hash == hash &&
			row_has(lookup, slot->tts_values, batch->keys[i].values))
			give_row(receiver, &batch->keys[i], slot, &row);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(receiver->per_row);
	return true;
}

static void
no_shutdown(DestReceiver *self)
{
}

/* Run the query and give its rows to the keys; returns the time taken. */
static double
run_round(Batch *batch, const ArcSource *source, BatchKey **keys, int n)
{
	RoundReceiver receiver = {
		.pub = {
			.receiveSlot = round_receive,
			.rStartup = round_startup,
			.rShutdown = no_shutdown,
			.rDestroy = no_shutdown,
			.mydest = DestNone
		},
		.batch = batch,
		.keys = keys,
		.nkeys = n
	};
	double		cost;

	receiver.per_row = AllocSetContextCreate(batch->passing, "arcache lookup row",
											 ALLOCSET_DEFAULT_SIZES);
	cost = arc_capture_run(source, &receiver.pub);
	MemoryContextDelete(receiver.per_row);
	return cost;
}

/* -- dependencies ------------------------------------------------------------------------ */

/*
 * The tokens of the round's keys in one of the tables that are read: the table
 * itself or a descendant, whose columns may have other numbers.  NULL if it
 * has not all the columns.
 */
static ArcToken *
tokens_of_keys(const ArcLookup *lookup, Oid relid, BatchKey **keys, int n)
{
	ArcToken   *tokens = palloc(n * sizeof(ArcToken));
	AttrNumber	numbers[INDEX_MAX_KEYS];
	int			order[INDEX_MAX_KEYS];

	/* Tokens are made in the order of the numbers. */
	for (int i = 0; i < lookup->ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(lookup->desc, lookup->columns[i] - 1);
		AttrNumber	number = get_attnum(relid, NameStr(column->attname));
		int			at = i;

		if (number == InvalidAttrNumber)
			return NULL;
		for (; at > 0 && numbers[at - 1] > number; at--)
		{
			numbers[at] = numbers[at - 1];
			order[at] = order[at - 1];
		}
		numbers[at] = number;
		order[at] = i;
	}
	for (int k = 0; k < n; k++)
	{
		uint64		hashes[INDEX_MAX_KEYS];

		for (int i = 0; i < lookup->ncolumns; i++)
			hashes[i] = keys[k]->hashes[order[i]];
		tokens[k] = arc_token_row_key(MyDatabaseId, relid, lookup->ncolumns, numbers, hashes);
	}
	return tokens;
}

static bool
is_among(ArcToken token, const ArcToken *tokens, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (tokens[i] == token)
			return true;
	}
	return false;
}

/*
 * What the round depends on, each of its keys does; but not on rows of the
 * other keys, where all that a row depends on is itself.
 */
static void
share_dependencies(const ArcLookup *lookup, const ArcDependencies *all, bool row_security,
				   BatchKey **keys, int n)
{
	ArcToken   *tokens = NULL;
	Oid			relid = InvalidOid;

	for (int k = 0; k < n; k++)
		keys[k]->dependencies = (ArcDependencies)
	{
		.ttl = all->ttl
	};
	for (int i = 0; i < all->n; i++)
	{
		const ArcDependency *one = &all->array[i];
		bool		of_keys = false;

		if (one->kind == ARC_DEPENDS_ON_KEY && !row_security)
		{
			/* Those of a table follow each other. */
			if (one->relid != relid)
				tokens = tokens_of_keys(lookup, relid = one->relid, keys, n);
			of_keys = tokens != NULL && is_among(one->token, tokens, n);
		}
		for (int k = 0; k < n; k++)
		{
			if (!of_keys || tokens[k] == one->token)
				arc_dependencies_append(&keys[k]->dependencies, *one, all->words[i]);
		}
	}
}

static bool
depends_on_keys(const ArcDependencies *dependencies)
{
	for (int i = 0; i < dependencies->n; i++)
	{
		if (dependencies->array[i].kind == ARC_DEPENDS_ON_KEY)
			return true;
	}
	return false;
}

/* -- rounds ---------------------------------------------------------------------------- */

static void
open_round(Batch *batch, BatchKey **keys, int n)
{
	const ArcLookup *lookup = batch->call->lookup;

	clear_buckets(batch);
	for (int i = 0; i < n; i++)
	{
		keys[i]->hashes = palloc(lookup->ncolumns * sizeof(uint64));
		put_in_bucket(batch, keys[i] - batch->keys,
					  hash_values(lookup, keys[i]->values, false, keys[i]->hashes));
		if (!keys[i]->alone)
			arc_fill_open(&keys[i]->fill, &batch->asker.reader, &keys[i]->read.key);
	}
}

static void
publish(BatchKey *key, double cost, const ArcAssessment *assessment)
{
	ArcCapture	capture = {.cost = cost};

	arc_image_finish(&key->image, &capture);
	arc_read_publish(&key->read, &key->fill, &capture, assessment, &key->dependencies);
	if (capture.value != NULL)
		pfree(capture.value);
}

static bool
compute_round(Batch *batch, BatchKey **keys, int n)
{
	const ArcLookup *lookup = batch->call->lookup;
	ArcSource  *source = round_source(lookup, keys, n);
	ArcAssessment assessment;
	ArcDependencies dependencies;
	double		cost;

	open_round(batch, keys, n);
	if (!arc_read_assess(source, &keys[0]->request, &assessment, &dependencies))
		return false;
	share_dependencies(lookup, &dependencies, source->row_security, keys, n);
	for (int i = 0; i < n; i++)
	{
		if (!keys[i]->alone)
			keys[i]->alone = !arc_read_count_miss(&keys[i]->fill, &assessment,
												  &keys[i]->dependencies);
	}
	cost = run_round(batch, source, keys, n);
	ARC_INJECT_POINT("batch-computed");
	for (int i = 0; i < n; i++)
	{
		if (!keys[i]->alone)
			publish(keys[i], cost / n, &assessment);
	}
	if (lookup->state->array != NULL && !depends_on_keys(&dependencies))
		batch->round_max = UNPINNED_KEYS_MAX;
	return true;
}

static bool
compute_missing(Batch *batch)
{
	BatchKey  **missing = palloc((batch->nkeys + 1) * sizeof(BatchKey *));
	int			n = 0;

	for (int i = 0; i < batch->nkeys; i++)
	{
		if (!batch->keys[i].found)
			missing[n++] = &batch->keys[i];
	}
	MemoryContextSwitchTo(batch->passing);
	if (n == 1 && !missing[0]->alone)
		return arc_read_through(&missing[0]->read);

	/* A query of many keys is large once it is planned; only rows are kept. */
	for (int i = 0, size; i < n; i += size)
	{
		size = Min(n - i, batch->round_max);
		if (!compute_round(batch, &missing[i], size))
			return false;
		MemoryContextReset(batch->passing);
	}
	return true;
}

/* -- the way --------------------------------------------------------------------------- */

/* Find or compute the rows of all keys. */
static bool
collect(Batch *batch)
{
	const ArcLookup *lookup = batch->call->lookup;

	enter_keys(batch);
	for (int i = 0; i < batch->nkeys; i++)
	{
		CHECK_FOR_INTERRUPTS();
		prepare_key(batch, &batch->keys[i]);
		MemoryContextSwitchTo(batch->passing);
		if (lookup->state->can_split)
			look_for(batch, &batch->keys[i]);
		else if (!arc_read_through(&batch->keys[i].read))
			return false;
		MemoryContextSwitchTo(batch->context);
		MemoryContextReset(batch->passing);
	}
	return !lookup->state->can_split || compute_missing(batch);
}

static void
deliver(const Batch *batch, ArcLookupSink sink, void *arg)
{
	for (int i = 0; i < batch->call->nkeys; i++)
	{
		int			of = batch->of_call[i];

		for (int j = 0; of >= 0 && j < batch->keys[of].nrows; j++)
			sink(arg, i, batch->keys[of].rows[j]);
	}
}

bool
arc_lookup_read_batch(const ArcLookupCall *call, ArcLookupSink sink, void *arg)
{
	MemoryContext caller = CurrentMemoryContext;
	Batch		batch = {.call = call, .round_max = ARC_PINNED_KEYS_MAX};
	bool		current;

	batch.context = AllocSetContextCreate(caller, "arcache lookups", ALLOCSET_DEFAULT_SIZES);
	batch.passing = AllocSetContextCreate(batch.context, "arcache lookup round",
										  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(batch.context);
	arc_asker_init(&batch.asker, call->bypass);
	current = collect(&batch);
	MemoryContextSwitchTo(caller);
	if (current)
		deliver(&batch, sink, arg);
	MemoryContextDelete(batch.context);
	return current;
}
