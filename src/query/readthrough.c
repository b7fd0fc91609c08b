/*-------------------------------------------------------------------------
 *
 * readthrough.c
 *	  Give the result of a query, from the cache if possible.
 *
 * A result takes one of two forms: jsonb, or rows.  What differs between them
 * is in an ArcResultForm; the way to a result is the same: look, wait for
 * whoever computes the same, look again, compute, publish.
 *
 * The query of a lookup (lookup.h) was written for its table as that was then,
 * and names it.  So the table is locked and the lookup asked whether it is
 * current before the query is analysed, and the table that the analysis found
 * is compared.  A hit needs no lock: whoever made the entry held one, hence
 * has heard of all changes before, and by now so can we.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/environment.h"
#include "cache/flight.h"
#include "cache/pending.h"
#include "cache/pin.h"
#include "catalog/pg_type.h"
#include "coherence/writeset.h"
#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "miscadmin.h"
#include "query/capture.h"
#include "query/comparison.h"
#include "query/lookup.h"
#include "query/readthrough.h"
#include "query/readthrough_internal.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

/* -- keys -------------------------------------------------------------------------- */

char *
arc_query_key(const char *query, ArrayType *params)
{
	ArcSource  *source = arc_source_make(query, params);
	uint32		size;
	char	   *image = arc_source_params_image(source, &size);
	uint64		hash[2];

	for (int i = 0; i < 2; i++)
	{
		hash[i] = DatumGetUInt64(hash_any_extended((const unsigned char *) query,
												   strlen(query), i));
		hash[i] = DatumGetUInt64(hash_any_extended((unsigned char *) image,
												   size, hash[i]));
	}
	return psprintf("query:%016llx%016llx",
					(unsigned long long) hash[0], (unsigned long long) hash[1]);
}

/* -- preparing --------------------------------------------------------------------- */

void
arc_asker_init(ArcAsker *asker, bool bypass)
{
	arc_reader_init(&asker->reader);
	if (asker->reader.use == ARC_USABLE && asker->reader.serializable)
		asker->reader.use = ARC_UNUSABLE_ISOLATION;
	if (asker->reader.use == ARC_USABLE && bypass)
		asker->reader.use = ARC_UNUSABLE_DISABLED;
	initStringInfo(&asker->environment);
	arc_environment_append(&asker->environment);
}

void
arc_read_prepare(ArcRead *read, const ArcAsker *asker, const ArcRequest *request,
				 ArcKeySpace space, ArcResultForm *form)
{
	const char *name = request->key;

	*read = (ArcRead)
	{
		.asker = asker, .request = request, .form = form
	};
	if (request->lookup == NULL)
		read->source = arc_source_make(request->query, request->params);
	if (name == NULL)
		name = arc_query_key(request->query, request->params);
	read->key = arc_cache_key(space, name,
							  request->key ? request->key_length : strlen(name));

	read->identity.query = request->query;
	read->identity.query_size = strlen(request->query) + 1;
	read->identity.params = request->params_image;
	read->identity.params_size = request->params_size;
	if (read->source != NULL)
		read->identity.params = arc_source_params_image(read->source,
														&read->identity.params_size);
	read->identity.environment = asker->environment.data;
	read->identity.environment_size = asker->environment.len;
}

/* -- hits --------------------------------------------------------------------------- */

/* The parameters of lookups were written for all settings: see lookup.c. */
static bool
is_of_lookup(const ArcSharedEntry *entry)
{
	return entry->space == ARC_SPACE_ROW || entry->space == ARC_SPACE_RELATED;
}

/*
 * In recovery no token tells of a REVOKE that was replayed since; ask as the
 * query itself would.
 */
void
arc_check_entry_privileges(const ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);
	ArcSource  *source;

	if (meta->query_size == 0)
		return;
	source = arc_source_remake(pstrdup(arc_meta_query(meta)),
							   arc_meta_params(meta), meta->params_size);
	source->array_nulls = is_of_lookup(entry);
	arc_source_analyse(source);
	if (source->refusal == NULL)
		arc_source_check_privileges(source);
}

bool
arc_read_try_hit(ArcRead *read, ArcVerdict *verdict)
{
	const ArcReader *reader = &read->asker->reader;
	ArcSharedEntry *entry;

	if (arc_pending_touches(&read->key))
	{
		*verdict = ARC_VERDICT_OWN_WRITES;
		return false;
	}
	entry = arc_cache_find(reader, &read->key, &read->identity, verdict);
	if (entry == NULL)
		return false;
	if (read->request->lookup != NULL && !arc_lookup_is_current(read->request->lookup))
	{
		arc_pin_release(entry);
		*verdict = ARC_VERDICT_MISS;
		return false;
	}
	if (reader->recovery)
		arc_check_entry_privileges(entry);
	arc_verify_hit(entry);
	ARC_INJECT_POINT("read-deliver");
	read->form->deliver(read->form, entry);
	arc_cache_count_hit(entry);
	arc_pin_release(entry);
	return true;
}

/* -- computing ---------------------------------------------------------------------- */

static void
assess(ArcSource *source, ArrayType *depends_on, ArcAssessment *assessment,
	   ArcDependencies *dependencies)
{
	bool		declared = false;

	*dependencies = (ArcDependencies)
	{
		0
	};
	if (source->refusal != NULL)
	{
		*assessment = (ArcAssessment)
		{
			.cacheability = ARC_CACHE_REFUSED, .reason = source->refusal
		};
		return;
	}
	arc_source_plan(source);
	arc_assess(source, assessment);
	arc_dependencies_find(source->plan,
						  source->leave_params ? ARC_PARAMS_SHOWN : ARC_PARAMS_CONSTANT,
						  dependencies, assessment);
	if (depends_on != NULL)
		declared = arc_dependencies_declare(dependencies,
											 (Oid *) ARR_DATA_PTR(depends_on),
											 ArrayGetNItems(ARR_NDIM(depends_on),
															ARR_DIMS(depends_on)));
	if (assessment->opaque != NULL && !declared)
		arc_assess_restrict(assessment, ARC_CACHE_BY_TTL, assessment->opaque);
}

/* The shorter of the call's (or default) ttl and the relations', in ms. */
static int64
effective_ttl(int64 requested, const ArcDependencies *dependencies)
{
	int64		ttl = requested > 0 ? requested : (int64) arc_default_ttl * 1000;
	int64		tables = (int64) dependencies->ttl * 1000;

	if (tables > 0 && (ttl == 0 || tables < ttl))
		ttl = tables;
	return ttl;
}

/* By ttl alone a result is kept only if the call, or the default, says so. */
static bool
lacks_ttl(const ArcRead *read, const ArcAssessment *assessment)
{
	return (assessment->cacheability == ARC_CACHE_BY_TTL || read->asker->reader.recovery) &&
		read->request->ttl == 0 && arc_default_ttl == 0;
}

static void
count_given_up(ArcImageState why)
{
	switch (why)
	{
		case ARC_IMAGE_TOO_LARGE:
			arc_stats_count(ARC_REJECTED_OVERSIZE);
			break;
		case ARC_IMAGE_NO_MEMORY:
			arc_stats_count(ARC_REJECTED_FULL);
			break;
		default:
			arc_stats_count(ARC_BYPASS_UNCACHEABLE);
	}
}

bool
arc_read_publish(ArcRead *read, ArcFill *fill, const ArcCapture *capture,
				 const ArcAssessment *assessment, ArcDependencies *dependencies)
{
	StringInfoData settings;
	ArcResult	result = {0};
	int64		ttl = effective_ttl(read->request->ttl, dependencies);

	if (capture->value == NULL && capture->draft == NULL)
	{
		count_given_up(capture->state);
		return false;
	}
	if (assessment->cacheability == ARC_CACHE_BY_TTL || read->asker->reader.recovery)
		result.coherence = ARC_COHERENCE_TTL;
	else if (assessment->opaque != NULL)
		result.coherence = ARC_COHERENCE_DECLARED;
	else
		result.coherence = ARC_COHERENCE_EXACT;

	if (lacks_ttl(read, assessment))
	{
		arc_stats_count(ARC_REJECTED_NO_TTL);
		return false;
	}

	initStringInfo(&settings);
	arc_environment_capture(&settings, assessment->settings);
	result.tags = arc_dependencies_add_tags(dependencies, read->request->tags, &result.tags_size);
	result.value = capture->value;
	result.draft = capture->draft;
	result.size = capture->size;
	result.cost = capture->cost;
	result.expires = ttl > 0 ? arc_cache_expiry(ttl) : 0;
	result.dependencies = dependencies->array;
	result.ndependencies = dependencies->n;
	result.words = dependencies->words;
	result.identity = &read->identity;
	result.settings = settings.data;
	result.settings_size = settings.len;
	if (!arc_fill_publish(fill, &result))
		return false;
	arc_stats_add(ARC_FILL_TIME, (uint64) capture->cost);
	return true;
}

/*
 * Writes to what is not tracked leave no mark, so a transaction that has an id
 * may be reading its own, and may yet roll them back.
 */
static bool
may_read_untold_writes(const ArcAssessment *assessment)
{
	return (assessment->cacheability == ARC_CACHE_BY_TTL || assessment->opaque != NULL) &&
		arc_writeset_xid() != 0;
}

bool
arc_read_count_miss(const ArcFill *fill, const ArcAssessment *assessment,
					const ArcDependencies *dependencies)
{
	if (assessment->cacheability == ARC_CACHE_NEVER)
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
	else if (arc_fill_own_writes(fill, dependencies->array, dependencies->n) ||
			 may_read_untold_writes(assessment))
		arc_stats_count(ARC_BYPASS_OWN_WRITES);
	else
	{
		arc_stats_count(ARC_MISSES);
		arc_cache_count_relations(dependencies->array, dependencies->n, ARC_REL_MISSES);
		return true;
	}
	return false;
}

/* What a computation needs to know of the query, once it is planned. */
typedef struct Prepared
{
	ArcFill		fill;
	ArcAssessment assessment;
	ArcDependencies dependencies;
} Prepared;

/*
 * Before the analysis of a lookup's query.  The lock also makes us hear of
 * what changed while we waited for it.
 */
static bool
is_still_meant(const ArcLookup *lookup)
{
	LockRelationOid(lookup->relid, AccessShareLock);
	return arc_lookup_is_current(lookup);
}

/* And after it: schemas are renamed without regard to locks on tables. */
static bool
reads_table(const ArcSource *source, const ArcLookup *lookup)
{
	return linitial_node(RangeTblEntry, source->query->rtable)->relid == lookup->relid;
}

/* The caller of a lookup has not written its query, so nothing is his fault. */
bool
arc_read_assess(ArcSource *source, const ArcRequest *request,
				ArcAssessment *assessment, ArcDependencies *dependencies)
{
	const ArcLookup *lookup = request->lookup;

	if (lookup != NULL && !is_still_meant(lookup))
		return false;
	source->array_nulls |= lookup != NULL;
	arc_source_analyse(source);
	if (lookup != NULL && source->refusal == NULL && !reads_table(source, lookup))
		return false;
	assess(source, request->depends_on, assessment, dependencies);
	if (lookup != NULL && lookup->uncached)
		arc_assess_restrict(assessment, ARC_CACHE_NEVER,
							"Rows of tables that inherit may have the same key.");
	if (assessment->cacheability == ARC_CACHE_REFUSED)
	{
		if (lookup == NULL || source->refusal != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("query cannot be cached"),
					 errdetail_internal("%s", assessment->reason)));
		assessment->cacheability = ARC_CACHE_NEVER;
	}
	return true;
}

/* A query that is ready to be run, in the fill that was opened before. */
static bool
prepare_query(ArcRead *read, Prepared *prepared)
{
	if (read->source == NULL)
		read->source = arc_source_remake(read->identity.query, read->identity.params,
										 read->identity.params_size);

	/* Before the query is analysed: see cache.h. */
	arc_fill_open(&prepared->fill, &read->asker->reader, &read->key);
	return arc_read_assess(read->source, read->request, &prepared->assessment,
						   &prepared->dependencies);
}

/* Without the cache. */
static bool
compute_alone(ArcRead *read)
{
	Prepared	prepared;
	ArcCapture	capture;

	if (!prepare_query(read, &prepared))
		return false;
	read->form->compute(read->form, read->source, &capture);
	return true;
}

static void
compute(ArcRead *read, Prepared *prepared)
{
	bool		publishes = arc_read_count_miss(&prepared->fill, &prepared->assessment,
												&prepared->dependencies);
	ArcCapture	capture;

	ARC_INJECT_POINT("read-compute");
	read->form->compute(read->form, read->source, &capture);
	ARC_INJECT_POINT("read-computed");
	if (publishes)
		arc_read_publish(read, &prepared->fill, &capture, &prepared->assessment,
						 &prepared->dependencies);
}

/* -- the way ------------------------------------------------------------------------- */

/*
 * Waiting for others, and making them wait, is for those who can publish.  Who
 * enters a flight has been through analysis, so holds the query's locks
 * already: while others wait for him he waits for nobody else's.
 */
static bool
is_worth_a_flight(const ArcRead *read, const Prepared *prepared, ArcVerdict verdict)
{
	return !read->request->force && verdict != ARC_VERDICT_TOO_OLD &&
		prepared->assessment.cacheability != ARC_CACHE_NEVER &&
		!lacks_ttl(read, &prepared->assessment) &&
		!may_read_untold_writes(&prepared->assessment) &&
		arc_fill_may_publish(&prepared->fill, prepared->dependencies.array,
							 prepared->dependencies.n);
}

bool
arc_read_through(ArcRead *read)
{
	ArcVerdict	verdict = ARC_VERDICT_MISS;
	ArcFlight	flight = ARC_FLIGHT_ALONE;
	Prepared	prepared;

	if (read->asker->reader.use != ARC_USABLE)
	{
		arc_reader_count_bypass(&read->asker->reader);
		return compute_alone(read);
	}
	if (arc_environment_has_temporary() || read->key.length > ARC_KEY_MAX)
	{
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
		return compute_alone(read);
	}
	if (!read->request->force && arc_read_try_hit(read, &verdict))
		return true;
	if (verdict == ARC_VERDICT_OWN_WRITES)
	{
		arc_stats_count(ARC_BYPASS_OWN_WRITES);
		return compute_alone(read);
	}

	if (!prepare_query(read, &prepared))
		return false;
	if (is_worth_a_flight(read, &prepared, verdict))
		flight = arc_flight_enter(&read->key);
	if (flight != ARC_FLIGHT_FOLLOWS || !arc_read_try_hit(read, &verdict))
		compute(read, &prepared);
	arc_flight_leave(&read->key, flight);
	return true;
}

/* -- forms --------------------------------------------------------------------------- */

typedef struct JsonbForm
{
	ArcResultForm base;
	Jsonb	   *jsonb;
} JsonbForm;

static void
compute_jsonb(ArcResultForm *form, const ArcSource *source, ArcCapture *capture)
{
	arc_capture_jsonb(source, capture);
	((JsonbForm *) form)->jsonb = capture->value;
}

static void *
copy_value(const ArcSharedEntry *entry)
{
	void	   *value = palloc(Max(entry->value_size, 1));

	arc_value_copy(entry, value);
	return value;
}

static void
deliver_jsonb(ArcResultForm *form, const ArcSharedEntry *entry)
{
	((JsonbForm *) form)->jsonb = copy_value(entry);
}

Jsonb *
arc_read_jsonb(const ArcRequest *request)
{
	JsonbForm	form = {
		.base = {
			.compute = compute_jsonb,
			.deliver = deliver_jsonb
		}
	};
	ArcAsker	asker;
	ArcRead		read;

	arc_asker_init(&asker, false);
	arc_read_prepare(&read, &asker, request, ARC_SPACE_VALUE, &form.base);
	(void) arc_read_through(&read);
	return form.jsonb;
}

static void
compute_rows(ArcResultForm *form, const ArcSource *source, ArcCapture *capture)
{
	arc_capture_rows(source, &((ArcRowsForm *) form)->target,
					 arc_cache_size_limit(), capture);
}

/* In place, if the image is in one piece. */
static void
deliver_rows(ArcResultForm *form, const ArcSharedEntry *entry)
{
	const ArcRowTarget *target = &((ArcRowsForm *) form)->target;
	ArcValueCursor cursor;
	char	   *image;

	arc_value_first(entry, &cursor);
	if (cursor.length == entry->value_size)
	{
		arc_replay_rows(cursor.data, cursor.length, target);
		return;
	}
	image = copy_value(entry);
	arc_replay_rows(image, entry->value_size, target);
	pfree(image);
}

void
arc_rows_form_init(ArcRowsForm *form, const ArcRowTarget *target)
{
	form->base.compute = compute_rows;
	form->base.deliver = deliver_rows;
	form->target = *target;
}

void
arc_read_rows(const ArcRequest *request, TupleDesc desc, Tuplestorestate *to)
{
	ArcRowTarget target;
	ArcRowsForm form;
	ArcAsker	asker;
	ArcRead		read;

	arc_row_target_init(&target, desc);
	target.to = to;
	arc_rows_form_init(&form, &target);
	arc_asker_init(&asker, false);
	arc_read_prepare(&read, &asker, request, ARC_SPACE_ROWS, &form.base);
	(void) arc_read_through(&read);
}

/* -- verification -------------------------------------------------------------------- */

static bool
entry_equals_query(const ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);
	ArcSource  *source = arc_source_remake(pstrdup(arc_meta_query(meta)),
										   arc_meta_params(meta), meta->params_size);
	ArcCapture	capture;
	char	   *value = copy_value(entry);

	source->array_nulls = is_of_lookup(entry);
	arc_source_analyse(source);
	if (source->refusal != NULL)
		return false;
	arc_source_plan(source);
	if (entry->space == ARC_SPACE_VALUE)
	{
		arc_capture_jsonb(source, &capture);
		return arc_jsonb_results_equal(capture.value, (Jsonb *) value);
	}
	arc_capture_image(source, &capture);
	if (capture.value == NULL)
		return true;			/* too large to tell */
	return arc_row_images_equal(capture.value, capture.size, value, entry->value_size);
}

bool
arc_audit_wanted(const ArcSharedEntry *entry)
{
	if (arc_meta_of(entry)->coherence != ARC_COHERENCE_EXACT)
		return false;
	return arc_debug_verify ||
		(arc_audit_rate > 0 && pg_prng_double(&pg_global_prng_state) < arc_audit_rate);
}

/*
 * The computation may have waited for a REFRESH or TRUNCATE, which show in
 * every snapshot; the entry was right until then.
 */
void
arc_audit_judge(const ArcReader *reader, const ArcSharedEntry *entry, bool equal)
{
	arc_stats_count(ARC_AUDITS);
	if (equal || !arc_cache_may_serve(reader, entry))
		return;
	arc_stats_count(ARC_AUDIT_FAILURES);
	ereport(arc_debug_verify ? ERROR : LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("cached result of key \"%.*s\" differs from its query",
					(int) entry->key_length, arc_entry_key(entry)),
			 errdetail("Query: %s", arc_meta_query(arc_meta_of(entry)))));
}

void
arc_verify_hit(const ArcSharedEntry *entry)
{
	ArcReader	reader;
	bool		equal;

	if (arc_meta_of(entry)->query_size == 0 || !arc_audit_wanted(entry))
		return;
	equal = entry_equals_query(entry);
	arc_reader_init(&reader);
	arc_audit_judge(&reader, entry, equal);
}

/* -- explaining ---------------------------------------------------------------------- */

void
arc_explain_query(const char *query, ArrayType *params, ArcExplanation *explanation)
{
	ArcSource  *source = arc_source_make(query, params);

	source->leave_params = params == NULL;
	arc_source_analyse(source);

	/* As EXPLAIN: nothing about what the caller may not read. */
	if (source->refusal == NULL)
		arc_source_check_privileges(source);
	assess(source, NULL, &explanation->assessment, &explanation->dependencies);
}
