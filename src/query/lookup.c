/*-------------------------------------------------------------------------
 *
 * lookup.c
 *	  Rows of one table by the values of some of its columns, through the
 *	  cache.
 *
 * A lookup is written out as a query with text parameters and goes the way of
 * every query (readthrough.c), so it is as exact as any, and can be verified
 * as any.  What makes it a lookup is the key of its entry: it is made of the
 * values, so that a hit needs neither the query nor the catalogs.
 *
 * The query must mean the same under every search_path and in every session:
 * names are qualified, operators are those of the type's default operator
 * class, parameters are cast by name.  (A type's name as SQL has it will not
 * do: "character" is one of a single character.)  Values are written as text
 * under fixed settings, so that whatever settings read them they are the same.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "base/stats.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "query/lookup.h"
#include "query/lookup_internal.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* -- watching ------------------------------------------------------------------------ */

/*
 * Counts of changes by table, and of what may have changed any of them.  A
 * lookup remembers both as they were before it looked at the catalogs.
 */
static HTAB *watches = NULL;
static uint64 changes_to_all = 0;

/*
 * The types and operators that some lookup's query names: a change of another
 * one, such as the row type of each table that is created, is none to us.
 */
typedef struct WatchedObject
{
	int			cache;			/* hash key: the system cache, */
	uint32		hash;			/* and what it tells of changes by */
} WatchedObject;

static HTAB *watched_objects = NULL;

static void
relation_changed(Datum arg, Oid relid)
{
	ArcLookupWatch *watch;

	if (!OidIsValid(relid))
	{
		changes_to_all++;
		return;
	}
	watch = hash_search(watches, &relid, HASH_FIND, NULL);
	if (watch != NULL)
		watch->changes++;
}

static void
catalog_changed(Datum arg, int cache, uint32 hash)
{
	changes_to_all++;
}

static void
object_changed(Datum arg, int cache, uint32 hash)
{
	WatchedObject object = {.cache = cache, .hash = hash};

	if (hash == 0 || hash_search(watched_objects, &object, HASH_FIND, NULL) != NULL)
		changes_to_all++;
}

/* Before it is looked at. */
static void
watch_object(int cache, Oid oid)
{
	WatchedObject object = {
		.cache = cache,
		.hash = GetSysCacheHashValue1(cache, ObjectIdGetDatum(oid))
	};

	(void) hash_search(watched_objects, &object, HASH_ENTER, NULL);
}

static void
start_watching(void)
{
	HASHCTL		relations = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(ArcLookupWatch)
	};
	HASHCTL		objects = {
		.keysize = sizeof(WatchedObject),
		.entrysize = sizeof(WatchedObject)
	};

	watched_objects = hash_create("arcache lookup objects", 64, &objects,
								  HASH_ELEM | HASH_BLOBS);
	watches = hash_create("arcache lookup watches", 64, &relations, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(CLAOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, object_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(OPEROID, object_changed, (Datum) 0);
}

static ArcLookupWatch *
watch_relation(Oid relid)
{
	ArcLookupWatch *watch;
	bool		found;

	if (watches == NULL)
		start_watching();
	watch = hash_search(watches, &relid, HASH_ENTER, &found);
	if (!found)
		watch->changes = 0;
	return watch;
}

/* -- the query ----------------------------------------------------------------------- */

static const char *
type_name(Oid type)
{
	HeapTuple	tuple;
	Form_pg_type form;
	const char *name;

	watch_object(TYPEOID, type);
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	form = (Form_pg_type) GETSTRUCT(tuple);
	name = quote_qualified_identifier(get_namespace_name(form->typnamespace),
									  NameStr(form->typname));
	ReleaseSysCache(tuple);
	return name;
}

/* The type to compare as: a pseudo-type stands for the value's own. */
static Oid
operand_type(Oid declared, Oid type)
{
	return get_typtype(declared) == TYPTYPE_PSEUDO ? getBaseType(type) : declared;
}

/* Is the text of such values the same whatever the settings? */
static bool
is_plain(Oid type)
{
	switch (getBaseType(type))
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case UUIDOID:
			return true;
		default:
			return false;
	}
}

/*
 * The ways in which a column's values are compared, in writing.  The type that
 * reads a value is the one to write it: it is one of that type without
 * conversion, and not all types read what others write (an oid and a regclass).
 */
static void
write_comparison(ArcLookupState *state, int i, Form_pg_attribute attribute)
{
	ArcLookupColumn *column = &state->columns[i];
	Oid			type = attribute->atttypid;
	TypeCacheEntry *cache = lookup_type_cache(type, TYPECACHE_EQ_OPR);
	HeapTuple	tuple;
	Form_pg_operator operator;
	Oid			left;
	Oid			right;
	Oid			output;
	bool		is_varlena;

	if (!OidIsValid(cache->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify an equality operator for type %s",
						format_type_be(type))));
	watch_object(OPEROID, cache->eq_opr);
	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(cache->eq_opr));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", cache->eq_opr);
	operator = (Form_pg_operator) GETSTRUCT(tuple);

	left = operand_type(operator->oprleft, type);
	right = operand_type(operator->oprright, type);
	state->left[i] = quote_identifier(NameStr(attribute->attname));
	if (left != type)
		state->left[i] = psprintf("%s::%s", state->left[i], type_name(left));
	getTypeOutputInfo(right, &output, &is_varlena);
	fmgr_info(output, &column->output);
	column->plain = is_plain(right);
	state->equals[i] = psprintf("OPERATOR(%s.%s)",
								quote_identifier(get_namespace_name(operator->oprnamespace)),
								NameStr(operator->oprname));
	state->right[i] = type_name(right);
	if (OidIsValid(get_array_type(right)) && !type_is_array(right))
		state->array = type_name(get_array_type(right));
	ReleaseSysCache(tuple);
}

static void
append_order(StringInfo to, TupleDesc desc, const AttrNumber *columns, int n)
{
	for (int i = 0; i < n; i++)
		appendStringInfo(to, "%s%s", i == 0 ? " ORDER BY " : ", ",
						 quote_identifier(NameStr(TupleDescAttr(desc, columns[i] - 1)->attname)));
}

/*
 * By primary key.  Which row is the first must not depend on chance; but tables
 * that inherit are not bound by the key, so where rows lie has to decide.  That
 * changes without a write, hence cannot be cached.
 */
static const char *
order_of(const ArcLookup *lookup, const AttrNumber *primary, int nprimary)
{
	StringInfoData order;

	initStringInfo(&order);
	append_order(&order, lookup->desc, primary, nprimary);
	if (lookup->uncached)
		appendStringInfoString(&order, ", tableoid, ctid");
	return order.data;
}

static void
write_query(ArcLookup *lookup, Relation rel, const AttrNumber *primary, int nprimary)
{
	const char *table = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												   RelationGetRelationName(rel));

	ArcLookupState *state = lookup->state;
	StringInfoData query;

	state->left = palloc(lookup->ncolumns * sizeof(char *));
	state->equals = palloc(lookup->ncolumns * sizeof(char *));
	state->right = palloc(lookup->ncolumns * sizeof(char *));
	for (int i = 0; i < lookup->ncolumns; i++)
		write_comparison(state, i, TupleDescAttr(lookup->desc, lookup->columns[i] - 1));
	if (lookup->ncolumns > 1)
		state->array = NULL;
	state->select = psprintf("SELECT * FROM %s WHERE ", table);
	state->order = order_of(lookup, primary, nprimary);

	initStringInfo(&query);
	appendStringInfoString(&query, state->select);
	for (int i = 0; i < lookup->ncolumns; i++)
		appendStringInfo(&query, "%s%s %s $%d::%s", i > 0 ? " AND " : "",
						 state->left[i], state->equals[i], i + 1, state->right[i]);
	appendStringInfoString(&query, state->order);
	if (lookup->max_rows > 0)
		appendStringInfo(&query, " LIMIT %d", lookup->max_rows);
	state->query = query.data;
}

/* -- making -------------------------------------------------------------------------- */

static void
make_column(ArcLookup *lookup, int i)
{
	ArcLookupState *state = lookup->state;
	ArcLookupColumn *column = &state->columns[i];
	AttrNumber	number = lookup->columns[i];
	Oid			type = lookup->types[i];

	for (int j = 0; j < number - 1; j++)
		column->position += !TupleDescAttr(lookup->desc, j)->attisdropped;

	if (arc_hasher_make(&column->hasher, type,
						TupleDescAttr(lookup->desc, number - 1)->attcollation,
						CurrentMemoryContext))
		fmgr_info(get_opcode(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr),
				  &column->equal);
	else
		state->can_split = false;
}

/* The columns of the primary key in its order; returns their number or 0. */
static int
primary_key(Relation rel, AttrNumber *columns)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *lc;
	int			n = 0;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(lc));
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (index->indisprimary)
		{
			for (n = 0; n < index->indnkeyatts; n++)
				columns[n] = index->indkey.values[n];
		}
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return n;
}

static void
check_kind(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel))));
}

static ArcLookup *
make(Relation rel, const AttrNumber *columns, int ncolumns,
	 ArcKeySpace space, const char *prefix, int max_rows)
{
	ArcLookup  *lookup = palloc0(sizeof(ArcLookup));
	ArcLookupState *state = palloc0(sizeof(ArcLookupState));
	AttrNumber	primary[INDEX_MAX_KEYS];
	int			nprimary = primary_key(rel, primary);

	state->by_primary = columns == NULL;
	if (nprimary == 0 && (state->by_primary || max_rows > 0))
		return NULL;
	if (state->by_primary)
	{
		columns = primary;
		ncolumns = nprimary;
		nprimary = 0;			/* a single row has no order */
	}
	lookup->relid = RelationGetRelid(rel);
	lookup->space = space;
	lookup->prefix = prefix ? pstrdup(prefix) : psprintf("%u:", lookup->relid);
	lookup->max_rows = max_rows;
	lookup->uncached = max_rows > 0 && rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_rel->relhassubclass;
	lookup->ncolumns = ncolumns;
	lookup->columns = palloc(ncolumns * sizeof(AttrNumber));
	memcpy(lookup->columns, columns, ncolumns * sizeof(AttrNumber));
	lookup->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	lookup->types = palloc(ncolumns * sizeof(Oid));
	for (int i = 0; i < ncolumns; i++)
		lookup->types[i] = TupleDescAttr(lookup->desc, columns[i] - 1)->atttypid;

	lookup->state = state;
	state->columns = palloc0(ncolumns * sizeof(ArcLookupColumn));
	write_query(lookup, rel, primary, nprimary);
	state->can_split = true;
	for (int i = 0; i < ncolumns; i++)
		make_column(lookup, i);
	arc_row_target_init(&state->target, lookup->desc);
	return lookup;
}

ArcLookup *
arc_lookup_make(Oid relid, const AttrNumber *columns, int ncolumns,
				ArcKeySpace space, const char *prefix, int max_rows)
{
	ArcLookupWatch *watch = watch_relation(relid);
	uint64		changes = watch->changes;
	uint64		all = changes_to_all;
	Relation	rel = relation_open(relid, AccessShareLock);
	ArcLookup  *lookup;

	check_kind(rel);
	if (ncolumns > INDEX_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("a key cannot have more than %d columns", INDEX_MAX_KEYS)));
	lookup = make(rel, columns, ncolumns, space, prefix, max_rows);
	relation_close(rel, AccessShareLock);
	if (lookup != NULL)
	{
		lookup->state->watch = watch;
		lookup->state->watched = changes;
		lookup->state->watched_all = all;
	}
	return lookup;
}

void
arc_lookup_raise_no_key(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("table \"%s\" has no primary key", get_rel_name(relid)),
			 errhint("Rows are found by their primary key.")));
}

/*
 * Most changes are none to us, a new row count for instance: make the lookup
 * again and see.
 */
static bool
is_as_made_now(const ArcLookup *lookup)
{
	ArcLookupState *state = lookup->state;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "arcache lookup", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	uint64		changes = state->watch->changes;
	uint64		all = changes_to_all;
	Relation	rel = try_relation_open(lookup->relid, AccessShareLock);
	bool		same = false;

	if (rel != NULL && equalTupleDescs(RelationGetDescr(rel), lookup->desc))
	{
		ArcLookup  *now = make(rel, state->by_primary ? NULL : lookup->columns,
							   lookup->ncolumns, lookup->space, lookup->prefix,
							   lookup->max_rows);

		same = now != NULL && strcmp(now->state->query, state->query) == 0;
	}
	if (rel != NULL)
		relation_close(rel, AccessShareLock);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	if (same)
	{
		state->watched = changes;
		state->watched_all = all;
	}
	return same;
}

/*
 * A change that matters holds a lock on the table until it is told of (but for
 * the renaming of a schema, a type or an operator), so who has seen its effects can hear of it now.
 */
bool
arc_lookup_is_current(const ArcLookup *lookup)
{
	const ArcLookupState *state = lookup->state;

	AcceptInvalidationMessages();
	return (state->watched == state->watch->changes &&
			state->watched_all == changes_to_all) ||
		is_as_made_now(lookup);
}

/* -- values --------------------------------------------------------------------------- */

/*
 * Write values so that they are read the same under any settings; the caller
 * leaves the level of settings that is returned.
 */
static int
enter_fixed_settings(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			settings[] = {
		{"datestyle", "ISO"},
		{"intervalstyle", "postgres"},
		{"extra_float_digits", "3"},
		{"search_path", "pg_catalog"}
	};
	int			level = NewGUCNestLevel();

	for (int i = 0; i < lengthof(settings); i++)
		(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

const char **
arc_lookup_texts(const ArcLookup *lookup, const Datum *values)
{
	ArcLookupColumn *columns = lookup->state->columns;
	const char **texts = palloc(lookup->ncolumns * sizeof(char *));
	bool		plain = true;
	int			level = 0;

	for (int i = 0; i < lookup->ncolumns; i++)
		plain &= columns[i].plain;
	if (!plain)
		level = enter_fixed_settings();
	for (int i = 0; i < lookup->ncolumns; i++)
		texts[i] = OutputFunctionCall(&columns[i].output, values[i]);
	if (!plain)
		AtEOXact_GUC(true, level);
	return texts;
}

/* Several texts are joined by commas, unambiguously; a single one stays as it is. */
char *
arc_lookup_name(const ArcLookup *lookup, const char **texts, uint32 *length)
{
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoString(&name, lookup->prefix);
	if (lookup->ncolumns == 1)
		appendStringInfoString(&name, texts[0]);
	for (int i = 0; lookup->ncolumns > 1 && i < lookup->ncolumns; i++)
	{
		if (i > 0)
			appendStringInfoChar(&name, ',');
		for (const char *at = texts[i]; *at != '\0'; at++)
		{
			if (*at == ',' || *at == '\\')
				appendStringInfoChar(&name, '\\');
			appendStringInfoChar(&name, *at);
		}
	}
	*length = name.len;
	return name.data;
}

void
arc_lookup_request(const ArcLookupCall *call, const char **texts,
				   const char *name, uint32 length, ArcRequest *request)
{
	StringInfoData params;

	initStringInfo(&params);
	for (int i = 0; i < call->lookup->ncolumns; i++)
		arc_source_append_param(&params, texts[i]);
	*request = (ArcRequest)
	{
		.key = name,
			.key_length = length,
			.query = call->lookup->state->query,
			.ttl = call->ttl,
			.lookup = call->lookup,
			.params_image = params.data,
			.params_size = params.len
	};
}

/* -- reading -------------------------------------------------------------------------- */

/* What a target needs to call a sink for the only key. */
typedef struct SingleSink
{
	ArcLookupSink sink;
	void	   *arg;
	MemoryContext context;		/* the caller's */
} SingleSink;

static void
pass_on(void *arg, HeapTuple row)
{
	const SingleSink *single = arg;
	MemoryContext old = MemoryContextSwitchTo(single->context);

	single->sink(single->arg, 0, row);
	MemoryContextSwitchTo(old);
}

/* The target that leads there. */
static ArcRowTarget
single_target(const ArcLookup *lookup, SingleSink *single)
{
	ArcRowTarget target = lookup->state->target;

	target.sink = pass_on;
	target.arg = single;
	return target;
}

static bool
read_single(const ArcLookupCall *call, ArcLookupSink sink, void *arg)
{
	const ArcLookup *lookup = call->lookup;
	const char **texts = arc_lookup_texts(lookup, call->values);
	SingleSink	single = {.sink = sink, .arg = arg, .context = CurrentMemoryContext};
	ArcRowTarget target = single_target(lookup, &single);
	ArcRowsForm form;
	ArcAsker	asker;
	ArcRequest	request;
	ArcRead		read;
	uint32		length;
	char	   *name = arc_lookup_name(lookup, texts, &length);

	arc_rows_form_init(&form, &target);
	arc_asker_init(&asker, call->bypass);
	arc_lookup_request(call, texts, name, length, &request);
	arc_read_prepare(&read, &asker, &request, lookup->space, &form.base);
	return arc_read_through(&read);
}

bool
arc_lookup_read(const ArcLookupCall *call, ArcLookupSink sink, void *arg)
{
	if (call->nkeys != 1)
		return arc_lookup_read_batch(call, sink, arg);
	for (int i = 0; i < call->lookup->ncolumns; i++)
	{
		if (call->nulls[i])
			return true;
	}
	return read_single(call, sink, arg);
}

/* -- entries by hand ------------------------------------------------------------------ */

bool
arc_lookup_entry_key(const ArcLookup *lookup, const Datum *values, ArcKey *key)
{
	uint32		length;
	char	   *name = arc_lookup_name(lookup, arc_lookup_texts(lookup, values), &length);

	*key = arc_cache_key(lookup->space, name, length);
	return length <= ARC_KEY_MAX;
}

void
arc_lookup_replay(const ArcLookup *lookup, const ArcSharedEntry *entry,
				  ArcLookupSink sink, void *arg)
{
	SingleSink	single = {.sink = sink, .arg = arg, .context = CurrentMemoryContext};
	ArcRowTarget target = single_target(lookup, &single);
	ArcRowsForm form;

	arc_rows_form_init(&form, &target);
	form.base.deliver(&form.base, entry);
}

void *
arc_lookup_image(const ArcLookup *lookup, HeapTuple row, Size *size)
{
	TupleDesc	desc = lookup->desc;
	TupleTableSlot *slot = MakeSingleTupleTableSlot(lookup->state->target.dense,
													&TTSOpsVirtual);
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	ArcImage	image;
	ArcCapture	capture;
	int			n = 0;

	heap_deform_tuple(row, desc, values, nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		slot->tts_values[n] = values[i];
		slot->tts_isnull[n++] = nulls[i];
	}
	ExecStoreVirtualTuple(slot);
	arc_image_start(&image, slot->tts_tupleDescriptor, MaxAllocSize, false);
	arc_image_add(&image, slot);
	arc_image_finish(&image, &capture);
	ExecDropSingleTupleTableSlot(slot);
	*size = capture.size;
	return capture.value;
}

bool
arc_lookup_depend(const ArcLookup *lookup, const Datum *values,
				  ArcAssessment *assessment, ArcDependencies *dependencies)
{
	ArcLookupCall call = {.lookup = lookup};
	ArcRequest	request;
	ArcSource  *source;

	arc_lookup_request(&call, arc_lookup_texts(lookup, values), NULL, 0, &request);
	source = arc_source_remake(request.query, request.params_image, request.params_size);
	if (!arc_read_assess(source, &request, assessment, dependencies))
		return false;

	/* Planning leaves nothing of the query to ask. */
	source = arc_source_remake(request.query, request.params_image, request.params_size);
	source->array_nulls = true;
	arc_source_analyse(source);
	arc_source_check_privileges(source);
	return true;
}
