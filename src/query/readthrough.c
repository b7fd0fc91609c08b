/*-------------------------------------------------------------------------
 *
 * readthrough.c
 *	  Give the result of a query, from the cache if possible.
 *
 * A result takes one of two forms: jsonb, or rows in a tuplestore.  What
 * differs between them is in a ResultForm; the way to a result is the same:
 * look, wait for whoever computes the same, look again, compute, publish.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
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
#include "query/readthrough.h"
#include "utils/builtins.h"

typedef struct ResultForm ResultForm;

struct ResultForm
{
	ArcKeySpace space;

	/* Run the query, keep the result to return and one to store. */
	void		(*compute) (ResultForm *form, const ArcSource *source, ArcCapture *capture);

	/* Take the result from an entry. */
	void		(*deliver) (ResultForm *form, const ArcSharedEntry *entry);

	Jsonb	   *jsonb;			/* the result, of form jsonb */
	TupleDesc	desc;			/* and of form rows */
	Tuplestorestate *to;
};

/* A request with all that is made of it on the way. */
typedef struct ReadThrough
{
	const ArcRequest *request;
	ResultForm *form;
	ArcReader	reader;
	ArcKey		key;
	ArcIdentity identity;
	ArcSource  *source;
} ReadThrough;

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

static void
prepare(ReadThrough *read, const ArcRequest *request, ResultForm *form)
{
	StringInfoData environment;
	const char *name = request->key;
	uint32		params_size;

	read->request = request;
	read->form = form;
	read->source = arc_source_make(request->query, request->params);
	arc_reader_init(&read->reader);
	if (read->reader.use == ARC_USABLE && read->reader.serializable)
		read->reader.use = ARC_UNUSABLE_ISOLATION;

	if (name == NULL)
		name = arc_query_key(request->query, request->params);
	read->key = arc_cache_key(form->space, name,
							  request->key ? request->key_length : strlen(name));

	initStringInfo(&environment);
	arc_environment_append(&environment);
	read->identity.query = request->query;
	read->identity.query_size = strlen(request->query) + 1;
	read->identity.params = arc_source_params_image(read->source, &params_size);
	read->identity.params_size = params_size;
	read->identity.environment = environment.data;
	read->identity.environment_size = environment.len;
}

/* -- hits --------------------------------------------------------------------------- */

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
	arc_source_analyse(source);
	if (source->refusal == NULL)
		arc_source_check_privileges(source);
}

static bool
try_hit(ReadThrough *read, ArcVerdict *verdict)
{
	ArcSharedEntry *entry;

	if (arc_pending_touches(&read->key))
	{
		*verdict = ARC_VERDICT_OWN_WRITES;
		return false;
	}
	entry = arc_cache_find(&read->reader, &read->key, &read->identity, verdict);
	if (entry == NULL)
		return false;
	if (read->reader.recovery)
		arc_check_entry_privileges(entry);
	arc_verify_hit(entry);
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
	arc_dependencies_find(source->plan, source->leave_params, dependencies, assessment);
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
lacks_ttl(const ReadThrough *read, const ArcAssessment *assessment)
{
	return (assessment->cacheability == ARC_CACHE_BY_TTL || read->reader.recovery) &&
		read->request->ttl == 0 && arc_default_ttl == 0;
}

static void
publish(ReadThrough *read, ArcFill *fill, const ArcCapture *capture,
		ArcAssessment *assessment, ArcDependencies *dependencies)
{
	StringInfoData settings;
	ArcResult	result = {0};
	int64		ttl = effective_ttl(read->request->ttl, dependencies);

	if (assessment->cacheability == ARC_CACHE_BY_TTL || read->reader.recovery)
		result.coherence = ARC_COHERENCE_TTL;
	else if (assessment->opaque != NULL)
		result.coherence = ARC_COHERENCE_DECLARED;
	else
		result.coherence = ARC_COHERENCE_EXACT;

	if (lacks_ttl(read, assessment))
	{
		arc_stats_count(ARC_REJECTED_NO_TTL);
		return;
	}

	initStringInfo(&settings);
	arc_environment_capture(&settings, assessment->settings);
	result.tags = arc_dependencies_add_tags(dependencies, read->request->tags, &result.tags_size);
	result.value = capture->value;
	result.size = capture->size;
	result.cost = capture->cost;
	result.expires = ttl > 0 ? arc_cache_expiry(ttl) : 0;
	result.dependencies = dependencies->array;
	result.ndependencies = dependencies->n;
	result.words = dependencies->words;
	result.identity = &read->identity;
	result.settings = settings.data;
	result.settings_size = settings.len;
	if (arc_fill_publish(fill, &result))
		arc_stats_add(ARC_FILL_TIME, (uint64) capture->cost);
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

/* Count the miss, or why it is none; returns whether there is a use in a fill. */
static bool
count_miss(const ArcFill *fill, const ArcAssessment *assessment,
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

/* Analyse, plan, assess; raises if the query cannot be cached for its own sake. */
static void
prepare_query(ReadThrough *read, Prepared *prepared)
{
	/* Before the query is analysed: see cache.h. */
	arc_fill_open(&prepared->fill, &read->reader, &read->key);
	arc_source_analyse(read->source);
	assess(read->source, read->request->depends_on, &prepared->assessment,
		   &prepared->dependencies);
	if (prepared->assessment.cacheability == ARC_CACHE_REFUSED)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("query cannot be cached"),
				 errdetail_internal("%s", prepared->assessment.reason)));
}

/* Compute a query that has been prepared, and store nothing. */
static void
compute_only(ReadThrough *read)
{
	ArcCapture	capture;

	read->form->compute(read->form, read->source, &capture);
}

/* Without the cache. */
static void
compute_alone(ReadThrough *read)
{
	Prepared	prepared;

	prepare_query(read, &prepared);
	compute_only(read);
}

static void
compute_and_publish(ReadThrough *read, Prepared *prepared)
{
	ArcCapture	capture;

	read->form->compute(read->form, read->source, &capture);
	if (capture.value != NULL)
		publish(read, &prepared->fill, &capture, &prepared->assessment,
				&prepared->dependencies);
	else
		arc_stats_count(capture.too_large ? ARC_REJECTED_OVERSIZE :
						ARC_BYPASS_UNCACHEABLE);
}

/* -- the way ------------------------------------------------------------------------- */

/*
 * Waiting for others, and making them wait, is for those who can publish.  Who
 * enters a flight has been through analysis, so holds the query's locks
 * already: while others wait for him he waits for nobody else's.
 */
static bool
is_worth_a_flight(const ReadThrough *read, const Prepared *prepared, ArcVerdict verdict)
{
	return !read->request->force && verdict != ARC_VERDICT_TOO_OLD &&
		prepared->assessment.cacheability != ARC_CACHE_NEVER &&
		!lacks_ttl(read, &prepared->assessment) &&
		!may_read_untold_writes(&prepared->assessment) &&
		arc_fill_may_publish(&prepared->fill, prepared->dependencies.array,
							 prepared->dependencies.n);
}

static void
read_through(ReadThrough *read)
{
	ArcVerdict	verdict = ARC_VERDICT_MISS;
	ArcFlight	flight = ARC_FLIGHT_ALONE;
	Prepared	prepared;

	if (read->reader.use != ARC_USABLE)
	{
		arc_reader_count_bypass(&read->reader);
		compute_alone(read);
		return;
	}
	if (arc_environment_has_temporary())
	{
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
		compute_alone(read);
		return;
	}
	if (!read->request->force && try_hit(read, &verdict))
		return;
	if (verdict == ARC_VERDICT_OWN_WRITES)
	{
		arc_stats_count(ARC_BYPASS_OWN_WRITES);
		compute_alone(read);
		return;
	}

	prepare_query(read, &prepared);
	if (is_worth_a_flight(read, &prepared, verdict))
		flight = arc_flight_enter(&read->key);
	if (flight != ARC_FLIGHT_FOLLOWS || !try_hit(read, &verdict))
	{
		if (count_miss(&prepared.fill, &prepared.assessment, &prepared.dependencies))
			compute_and_publish(read, &prepared);
		else
			compute_only(read);
	}
	arc_flight_leave(&read->key, flight);
}

/* -- forms --------------------------------------------------------------------------- */

static void
compute_jsonb(ResultForm *form, const ArcSource *source, ArcCapture *capture)
{
	arc_capture_jsonb(source, capture);
	form->jsonb = capture->value;
}

static void *
copy_value(const ArcSharedEntry *entry)
{
	void	   *value = palloc(Max(entry->value_size, 1));

	arc_value_copy(entry, value);
	return value;
}

static void
deliver_jsonb(ResultForm *form, const ArcSharedEntry *entry)
{
	form->jsonb = copy_value(entry);
}

Jsonb *
arc_read_jsonb(const ArcRequest *request)
{
	ResultForm	form = {
		.space = ARC_SPACE_VALUE,
		.compute = compute_jsonb,
		.deliver = deliver_jsonb
	};
	ReadThrough read = {0};

	prepare(&read, request, &form);
	read_through(&read);
	return form.jsonb;
}

static Size
image_limit(void)
{
	return arc_max_value_size > 0 ? (Size) arc_max_value_size * 1024 :
		(Size) arc_memory * 1024 * 1024 / 8;
}

static void
compute_rows(ResultForm *form, const ArcSource *source, ArcCapture *capture)
{
	arc_capture_rows(source, form->desc, form->to, image_limit(), capture);
}

static void
deliver_rows(ResultForm *form, const ArcSharedEntry *entry)
{
	char	   *image = copy_value(entry);

	arc_replay_rows(image, form->desc, form->to);
	pfree(image);
}

void
arc_read_rows(const ArcRequest *request, TupleDesc desc, Tuplestorestate *to)
{
	ResultForm	form = {
		.space = ARC_SPACE_ROWS,
		.compute = compute_rows,
		.deliver = deliver_rows,
		.desc = desc,
		.to = to
	};
	ReadThrough read = {0};

	prepare(&read, request, &form);
	read_through(&read);
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

void
arc_verify_hit(const ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);
	ArcReader	reader;
	bool		audit;

	if (meta->coherence != ARC_COHERENCE_EXACT || meta->query_size == 0)
		return;
	audit = arc_audit_rate > 0 &&
		pg_prng_double(&pg_global_prng_state) < arc_audit_rate;
	if (!arc_debug_verify && !audit)
		return;

	/*
	 * The computation may have waited for a REFRESH or TRUNCATE, which show in
	 * every snapshot; the entry was right until then.
	 */
	arc_stats_count(ARC_AUDITS);
	if (entry_equals_query(entry))
		return;
	arc_reader_init(&reader);
	if (!arc_cache_may_serve(&reader, entry))
		return;
	arc_stats_count(ARC_AUDIT_FAILURES);
	ereport(arc_debug_verify ? ERROR : LOG,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("cached result of key \"%.*s\" differs from its query",
					(int) entry->key_length, arc_entry_key(entry)),
			 errdetail("Query: %s", arc_meta_query(meta))));
}

/* -- explaining ---------------------------------------------------------------------- */

void
arc_explain_query(const char *query, ArrayType *params, ArcExplanation *explanation)
{
	ArcSource  *source = arc_source_make(query, params);

	source->leave_params = params == NULL;
	arc_source_analyse(source);
	assess(source, NULL, &explanation->assessment, &explanation->dependencies);
}
