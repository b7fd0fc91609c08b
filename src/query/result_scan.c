/*-------------------------------------------------------------------------
 *
 * result_scan.c
 *	  The plan node that gives a query's result from the cache, at work.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/statements.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/environment.h"
#include "cache/flight.h"
#include "cache/pin.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "query/capture.h"
#include "query/comparison.h"
#include "query/plan_age.h"
#include "query/plan_memo.h"
#include "query/readthrough_internal.h"
#include "query/result_plan.h"
#include "query/result_scan.h"
#include "query/result_scan_internal.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

static ExecutorRun_hook_type prev_ExecutorRun = NULL;
static ExecutorStart_hook_type prev_ExecutorStart = NULL;

/* -- the state ------------------------------------------------------------------------- */

static Node *create_state(CustomScan *node);
static void begin(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *next_row(CustomScanState *node);
static void end(CustomScanState *node);
static void rescan(CustomScanState *node);

static const CustomScanMethods scan_methods = {
	.CustomName = ARC_RESULT_NODE,
	.CreateCustomScanState = create_state
};

static const CustomExecMethods exec_methods = {
	.CustomName = ARC_RESULT_NODE,
	.BeginCustomScan = begin,
	.ExecCustomScan = next_row,
	.EndCustomScan = end,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = arc_result_scan_explain
};

void
arc_result_scan_wrap(PlannedStmt *statement, const ArcResultPlan *result)
{
	arc_result_plan_wrap(statement, result, &scan_methods);
}

static Node *
create_state(CustomScan *node)
{
	ArcResultScan *scan = (ArcResultScan *) newNode(sizeof(ArcResultScan), T_CustomScanState);

	scan->css.methods = &exec_methods;
	scan->flight = ARC_FLIGHT_ALONE;
	arc_result_plan_read(node, &scan->plan);
	return (Node *) scan;
}

static EState *
estate_of(const ArcResultScan *scan)
{
	return scan->css.ss.ps.state;
}

static uint64
query_id_of(const ArcResultScan *scan)
{
	return estate_of(scan)->es_plannedstmt->queryId;
}

/*
 * The plan below is started when it is needed, or to be shown.  Starting checks
 * the privileges on functions; that is the right of who opened the cursor, not
 * of who fetches.
 */
static void
start_plan(ArcResultScan *scan)
{
	EState	   *estate = estate_of(scan);
	MemoryContext old;
	Oid			user;
	int			security;

	if (outerPlanState(&scan->css.ss.ps) != NULL)
		return;
	GetUserIdAndSecContext(&user, &security);
	if (user != scan->opened_by)
		SetUserIdAndSecContext(scan->opened_by, security | SECURITY_LOCAL_USERID_CHANGE);
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	outerPlanState(&scan->css.ss.ps) =
		ExecInitNode(outerPlan(scan->css.ss.ps.plan), estate, scan->eflags);
	MemoryContextSwitchTo(old);
	if (user != scan->opened_by)
		SetUserIdAndSecContext(user, security);
}

/*
 * As long as a cursor is open its tables are in use, so that this session
 * cannot alter them, whether the plan below is ever started or not.
 */
static void
hold_relations(EState *estate)
{
	for (Index rti = 1; rti <= estate->es_range_table_size; rti++)
	{
		if (exec_rt_fetch(rti, estate)->rtekind == RTE_RELATION)
			arc_compat_open_range_table_relation(estate, rti);
	}
}

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
	ArcResultScan *scan = (ArcResultScan *) node;

	scan->eflags = eflags;
	scan->opened_by = GetUserId();
	scan->context = AllocSetContextCreate(estate->es_query_cxt, "arcache result",
										  ALLOCSET_DEFAULT_SIZES);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) || estate->es_instrument != 0)
		start_plan(scan);
	else if (scan->plan.cursor)
		hold_relations(estate);
}

/* -- looking ----------------------------------------------------------------------------- */

static const ParamExternData *
fetch_param(ParamListInfo params, int id, ParamExternData *space)
{
	if (params == NULL || id > params->numParams)
		elog(ERROR, "no value found for parameter %d", id);
	if (params->paramFetch != NULL)
		return params->paramFetch(params, id, false, space);
	return &params->params[id - 1];
}

static Datum
flattened(Datum value, int16 length)
{
	if (length == -1 && VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(value)))
		return PointerGetDatum(PG_DETOAST_DATUM(value));
	return value;
}

/* The values of the parameters as bytes, each with its type; false if too long. */
static bool
append_params(ArcResultScan *scan, StringInfo image)
{
	ParamListInfo params = estate_of(scan)->es_param_list_info;
	ListCell   *lc;

	foreach(lc, scan->plan.params)
	{
		ParamExternData space;
		const ParamExternData *param = fetch_param(params, lfirst_int(lc), &space);
		int16		length;
		bool		by_value;
		Datum		value;
		char	   *bytes;
		char	   *at;
		Size		size;

		appendBinaryStringInfo(image, (char *) &param->ptype, sizeof(Oid));
		if (!OidIsValid(param->ptype))
			continue;
		get_typlenbyval(param->ptype, &length, &by_value);
		value = param->isnull ? param->value : flattened(param->value, length);
		size = datumEstimateSpace(value, param->isnull, by_value, length);
		if (image->len + size > ARC_META_MAX)
			return false;
		bytes = at = palloc(size);
		datumSerialize(value, param->isnull, by_value, length, &at);
		appendBinaryStringInfo(image, bytes, size);
		pfree(bytes);
	}
	return true;
}

/*
 * The name holds all that the result depends on besides what it reads, so that
 * what differs in a setting lies side by side.  What it is hashed from is
 * compared when the entry is found.  Returns false if the parameters are too
 * long to be kept.
 */
static bool
name_result(ArcResultScan *scan)
{
	const ArcResultPlan *plan = &scan->plan;
	StringInfoData params;
	StringInfoData all;
	char	   *name;

	initStringInfo(&params);
	appendStringInfoString(&params, plan->fingerprint);
	if (!append_params(scan, &params))
		return false;
	scan->assessment.cacheability = plan->cacheability;
	scan->assessment.settings = plan->settings;
	initStringInfo(&scan->settings);
	arc_environment_capture(&scan->settings, plan->settings);

	initStringInfo(&all);
	appendBinaryStringInfo(&all, params.data, params.len);
	appendBinaryStringInfo(&all, scan->asker.environment.data, scan->asker.environment.len);
	appendBinaryStringInfo(&all, scan->settings.data, scan->settings.len);
	name = psprintf("%016llx%016llx",
					(unsigned long long) hash_bytes_extended((unsigned char *) all.data, all.len, 1),
					(unsigned long long) hash_bytes_extended((unsigned char *) all.data, all.len, 2));
	pfree(all.data);
	scan->read = (ArcRead)
	{
		.asker = &scan->asker,
			.request = &scan->request,
			.key = arc_cache_key(ARC_SPACE_RESULT, name, strlen(name)),
			.identity = {
			.query = plan->text,
			.query_size = strlen(plan->text) + 1,
			.query_shown = true,
			.query_id = query_id_of(scan),
			.params = params.data,
			.params_size = params.len,
			.environment = scan->asker.environment.data,
			.environment_size = scan->asker.environment.len
		}
	};
	return true;
}

/* Functions of the user's, of which the plan may have kept the value only. */
static bool
calls_functions(const ArcResultScan *scan)
{
	return scan->plan.planned_in != NULL;
}

static const char *
usability(const ArcResultScan *scan)
{
	const ArcResultPlan *plan = &scan->plan;

	switch (scan->asker.reader.use)
	{
		case ARC_UNUSABLE_NOT_PRELOADED:
			return "not preloaded";
		case ARC_UNUSABLE_DISABLED:
			return "disabled";
		case ARC_UNUSABLE_ISOLATION:
			return "isolation";
		default:
			break;
	}
	if (plan->resolves_names && arc_environment_has_temporary())
		return "temporary objects";
	if (!arc_debug_force &&
		(arc_auto == ARC_AUTO_OFF || (arc_auto == ARC_AUTO_HINT && !plan->hinted)))
		return "disabled";
	if (GetUserId() != scan->opened_by)
		return "opened by another role";
	if (plan->params != NIL && estate_of(scan)->es_param_list_info == NULL)
		return "no parameters";
	if (calls_functions(scan) &&
		(plan->planned_in_size != scan->asker.environment.len ||
		 memcmp(plan->planned_in, scan->asker.environment.data, plan->planned_in_size) != 0))
		return "planned with other settings";
	return NULL;
}

ArcSharedEntry *
arc_result_scan_find(ArcResultScan *scan, ArcVerdict *verdict)
{
	*verdict = ARC_VERDICT_MISS;
	PushActiveSnapshot(estate_of(scan)->es_snapshot);
	arc_asker_init(&scan->asker, false);
	PopActiveSnapshot();
	scan->request.ttl = (int64) scan->plan.ttl * 1000;
	scan->bypass = usability(scan);
	if (scan->bypass == NULL && !name_result(scan))
		scan->bypass = "parameters too large";
	if (scan->bypass != NULL)
		return NULL;
	return arc_cache_find(&scan->asker.reader, &scan->read.key, &scan->read.identity, verdict);
}

/* -- hits ---------------------------------------------------------------------------------- */

static const char *
value_in_one_piece(const ArcSharedEntry *entry)
{
	char	   *copy = palloc(entry->value_size);

	arc_value_copy(entry, copy);
	return copy;
}

/* Run the plan as well and compare: the caller's rows come from the entry. */
static void
verify(ArcResultScan *scan)
{
	ArcCapture	computed;
	ArcImage	image;
	TupleTableSlot *slot;

	if (!arc_audit_wanted(scan->entry))
		return;
	if (scan->was_miss)
		ExecReScan(outerPlanState(&scan->css.ss.ps));
	else
		start_plan(scan);
	arc_image_start(&image, scan->css.ss.ps.ps_ResultTupleDesc, MaxAllocSize, false);
	for (;;)
	{
		slot = ExecProcNode(outerPlanState(&scan->css.ss.ps));
		if (TupIsNull(slot))
			break;
		arc_image_add(&image, slot);
	}
	arc_image_finish(&image, &computed);
	arc_audit_judge(&scan->asker.reader, scan->entry,
					computed.value == NULL ||
					arc_row_images_equal(computed.value, computed.size,
										 value_in_one_piece(scan->entry),
										 scan->entry->value_size));
}

static void
start_rows(ArcResultScan *scan)
{
	if (scan->entry != NULL)
		arc_image_open_entry(&scan->rows, scan->entry);
	else
		arc_image_open(&scan->rows, scan->capture.data, scan->capture.length);
}

static void
start_image(ArcResultScan *scan, ArcOutcome outcome)
{
	scan->outcome = outcome;
	start_rows(scan);
	scan->slot = MakeSingleTupleTableSlot(scan->css.ss.ps.ps_ResultTupleDesc,
										  &TTSOpsMinimalTuple);
}

static void
start_hit(ArcResultScan *scan, ArcSharedEntry *entry)
{
	scan->entry = entry;
	scan->size = entry->value_size;
	ARC_INJECT_POINT("scan-hit");
	verify(scan);
	start_image(scan, ARC_OUTCOME_HIT);
	arc_cache_count_hit(entry);
	arc_statement_count(query_id_of(scan), ARC_STATEMENT_HITS, 1);
	arc_statement_count(query_id_of(scan), ARC_STATEMENT_TIME_SAVED, (uint64) entry->cost);
}

static TupleTableSlot *
next_of_image(ArcResultScan *scan)
{
	MinimalTuple row = arc_image_read(&scan->rows);

	ARC_INJECT_POINT("scan-hit-row");
	if (row == NULL)
		return ExecClearTuple(scan->slot);
	return ExecStoreMinimalTuple(row, scan->slot, false);
}

/* -- fills --------------------------------------------------------------------------------- */

static uint64
hash_param(void *arg, const ArcPinnedValue *value, const char **words)
{
	ArcResultScan *scan = arg;
	ParamExternData space;
	const ParamExternData *param;
	ArcHasher	hasher = {.collation = value->collation, .extended = value->extended};
	Oid			output;
	bool		varlena;

	if (estate_of(scan)->es_param_list_info == NULL)
		return 0;				/* EXPLAIN (GENERIC_PLAN) */
	param = fetch_param(estate_of(scan)->es_param_list_info, value->param, &space);

	/* Nothing equals NULL: whatever stands for it here has no writers. */
	if (param->isnull)
		return 0;
	fmgr_info(value->function, &hasher.function);
	getTypeOutputInfo(param->ptype, &output, &varlena);
	*words = psprintf("%.*s= %s", (int) (strrchr(value->words, '=') - value->words), value->words,
					  OidOutputFunctionCall(output, param->value));
	return arc_hasher_hash(&hasher, param->value, false);
}

void
arc_result_scan_read_dependencies(ArcResultScan *scan)
{
	arc_result_plan_read_dependencies(&scan->plan, hash_param, scan, &scan->dependencies);
}

/*
 * Results that this session found too large to be kept, each with the limit of
 * then.  To find that out again would evict others for nothing, so it is done
 * now and then only, for results change.
 */
#define TOO_LARGE_REMEMBERED	256
#define TOO_LARGE_TRIED_AGAIN	32

static uint64 too_large[TOO_LARGE_REMEMBERED];

static uint64 *
too_large_memory(const ArcResultScan *scan, uint64 *mark)
{
	*mark = hash_combine64(hash_bytes_extended((const unsigned char *) scan->read.key.name,
											   scan->read.key.length, 0),
						   arc_cache_size_limit());
	return &too_large[*mark % TOO_LARGE_REMEMBERED];
}

static void
remember_too_large(const ArcResultScan *scan)
{
	uint64		mark;
	uint64	   *memory = too_large_memory(scan, &mark);

	*memory = mark;
}

static bool
was_too_large(const ArcResultScan *scan)
{
	static uint32 asked = 0;
	uint64		mark;

	return *too_large_memory(scan, &mark) == mark && ++asked % TOO_LARGE_TRIED_AGAIN != 0;
}

static const char *
bypass_for(ArcResultScan *scan, ArcCounter counter, const char *reason)
{
	arc_stats_count(counter);
	arc_statement_count_bypass(query_id_of(scan), reason);
	return reason;
}

/* Why what the plan gives cannot be kept; NULL if it may be. */
static const char *
obstacle(ArcResultScan *scan, ArcVerdict verdict)
{
	if (scan->bypass != NULL && scan->asker.reader.use != ARC_USABLE)
	{
		arc_reader_count_bypass(&scan->asker.reader);
		arc_statement_count_bypass(query_id_of(scan), scan->bypass);
		return scan->bypass;
	}
	if (scan->bypass != NULL)
		return bypass_for(scan, ARC_BYPASS_UNCACHEABLE, scan->bypass);
	if (verdict == ARC_VERDICT_OWN_WRITES)
		return bypass_for(scan, ARC_BYPASS_OWN_WRITES, "own writes");
	if (!scan->plan.hinted && !arc_debug_force && arc_statement_is_cheap(query_id_of(scan)))
		return bypass_for(scan, ARC_BYPASS_CHEAP, "cheap");
	if (was_too_large(scan))
		return bypass_for(scan, ARC_REJECTED_OVERSIZE, "too large");

	/* First, so that what it captures is older than all that we look at. */
	arc_fill_open(&scan->fill, &scan->asker.reader, &scan->read.key);
	arc_result_scan_read_dependencies(scan);
	if (arc_plan_age_is_outdated(estate_of(scan)->es_plannedstmt, scan->plan.ancestors,
								 scan->plan.planned_at, calls_functions(scan)))
		return bypass_for(scan, ARC_REJECTED_STALE_FILL, "definitions changed");
	return NULL;
}

/* Concurrent misses compute once. */
static ArcSharedEntry *
wait_for_others(ArcResultScan *scan, ArcVerdict verdict)
{
	if (verdict == ARC_VERDICT_TOO_OLD ||
		!arc_fill_may_publish(&scan->fill, scan->dependencies.array, scan->dependencies.n))
		return NULL;
	scan->flight = arc_flight_enter(&scan->read.key);
	if (scan->flight != ARC_FLIGHT_FOLLOWS)
		return NULL;
	return arc_cache_find(&scan->asker.reader, &scan->read.key, &scan->read.identity, &verdict);
}

static void
leave_flight(ArcResultScan *scan)
{
	arc_flight_leave(&scan->read.key, scan->flight);
	scan->flight = ARC_FLIGHT_ALONE;
}

/* The plan runs to its end before the first row is given. */
static bool
runs_ahead(const ArcResultScan *scan)
{
	return scan->plan.ahead || (scan->limited && scan->plan.one_row);
}

static void
start_fill(ArcResultScan *scan)
{
	if (!arc_read_count_miss(&scan->fill, &scan->assessment, &scan->dependencies))
	{
		scan->bypass = "own writes";
		arc_statement_count_bypass(query_id_of(scan), scan->bypass);
		return;
	}
	arc_statement_count(query_id_of(scan), ARC_STATEMENT_MISSES, 1);
	scan->was_miss = true;
	scan->outcome = ARC_OUTCOME_FILL;

	/* A cursor may be left open, and what runs ahead is read again. */
	arc_image_start(&scan->capture, scan->css.ss.ps.ps_ResultTupleDesc,
					arc_cache_size_limit(), !scan->limited && !runs_ahead(scan));
}

/* Not to its end: what it kept is of no more use. */
static void
end_fill(ArcResultScan *scan)
{
	if (scan->outcome == ARC_OUTCOME_FILL)
	{
		scan->outcome = ARC_OUTCOME_BYPASS;
		arc_image_end(&scan->capture);
	}
}

static void
publish(ArcResultScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	ArcCapture	capture;

	ARC_INJECT_POINT("scan-publish");
	arc_image_finish(&scan->capture, &capture);
	if (capture.state == ARC_IMAGE_TOO_LARGE)
		remember_too_large(scan);
	capture.cost = scan->spent;
	scan->was_stored = arc_read_publish(&scan->read, &scan->fill, &capture,
										&scan->assessment, &scan->dependencies);
	scan->size = capture.size;
	arc_image_end(&scan->capture);
	leave_flight(scan);
	if (scan->was_stored)
	{
		arc_statement_count(query_id_of(scan), ARC_STATEMENT_FILLS, 1);
		arc_statement_count(query_id_of(scan), ARC_STATEMENT_FILL_TIME, (uint64) capture.cost);
	}
	MemoryContextSwitchTo(old);
}

/*
 * A look at the clock costs a part of what a row does, so of many rows some
 * stand for all.
 */
static inline int
rows_timed(uint64 nth)
{
	if (likely(nth % 64 != 0) && nth >= 64)
		return 0;
	if (nth < 8)
		return 1;
	return nth % 64 == 0 ? 64 : nth % 8 == 0 ? 8 : 0;
}

static TupleTableSlot *
pull_timed(ArcResultScan *scan, int stands_for)
{
	instr_time	start;
	instr_time	duration;
	TupleTableSlot *slot;

	INSTR_TIME_SET_CURRENT(start);
	slot = ExecProcNode(outerPlanState(&scan->css.ss.ps));
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	scan->spent += stands_for * INSTR_TIME_GET_DOUBLE(duration) * 1e6;
	return slot;
}

static inline TupleTableSlot *
pull(ArcResultScan *scan)
{
	int			stands_for = rows_timed(scan->pulled++);

	return likely(stands_for == 0) ? ExecProcNode(outerPlanState(&scan->css.ss.ps)) :
		pull_timed(scan, stands_for);
}

static TupleTableSlot *
next_of_plan(PlanState *state)
{
	ArcResultScan *scan = (ArcResultScan *) state;
	TupleTableSlot *slot;

	if (scan->outcome != ARC_OUTCOME_FILL)
		return ExecProcNode(outerPlanState(&scan->css.ss.ps));

	slot = pull(scan);
	ARC_INJECT_POINT("scan-fill-row");
	if (!TupIsNull(slot))
	{
		arc_image_add(&scan->capture, slot);
		return slot;
	}

	/* The last row has been given, and the next call gives none either. */
	publish(scan);
	scan->outcome = ARC_OUTCOME_BYPASS;
	return slot;
}

/*
 * The plan runs to its end before the first row is given.  Its rows are then
 * those of the image; for debug_force those of the entry, so that what is given
 * has been through the cache.
 */
static void
fill_ahead(ArcResultScan *scan)
{
	MemoryContext old;
	ArcVerdict	verdict;
	ArcSharedEntry *entry = NULL;

	while (scan->capture.state == ARC_IMAGE_KEEPING && scan->outcome == ARC_OUTCOME_FILL)
		(void) next_of_plan(&scan->css.ss.ps);
	if (scan->outcome == ARC_OUTCOME_FILL)
	{
		/* Too large; or its types cannot be kept, and nothing has been run. */
		if (scan->pulled > 0)
			ExecReScan(outerPlanState(&scan->css.ss.ps));
		return;
	}

	old = MemoryContextSwitchTo(scan->context);
	if (scan->plan.ahead && scan->was_stored)
		entry = arc_result_scan_find(scan, &verdict);
	if (entry != NULL)
		start_hit(scan, entry);
	else
		start_image(scan, ARC_OUTCOME_REPLAY);
	MemoryContextSwitchTo(old);
}

/* -- running --------------------------------------------------------------------------------- */

/* Is the end of the result sure to be seen, once the first row is asked for? */
static bool
sees_end(const ArcResultScan *scan)
{
	return !scan->limited || scan->plan.one_row;
}

/*
 * Who runs to the end without a pause may keep others waiting; a cursor that is
 * left open may not.
 */
static void
look(ArcResultScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	ArcVerdict	verdict;
	ArcSharedEntry *entry = arc_result_scan_find(scan, &verdict);

	scan->user = GetUserId();
	if (entry == NULL)
	{
		scan->outcome = ARC_OUTCOME_BYPASS;
		scan->bypass = obstacle(scan, verdict);

		/* PostgreSQL's own tests look at pg_locks. */
		if (scan->bypass == NULL && sees_end(scan) && !arc_debug_force)
			entry = wait_for_others(scan, verdict);
	}
	if (entry != NULL)
	{
		leave_flight(scan);
		start_hit(scan, entry);
	}
	else if (scan->bypass == NULL)
		start_fill(scan);
	MemoryContextSwitchTo(old);
	if (scan->outcome != ARC_OUTCOME_HIT)
	{
		arc_plan_memo_runs(estate_of(scan)->es_plannedstmt);
		start_plan(scan);
	}
}

static bool
gives_image(const ArcResultScan *scan)
{
	return scan->outcome == ARC_OUTCOME_HIT || scan->outcome == ARC_OUTCOME_REPLAY;
}

/*
 * Between two runs of the executor, two FETCHes say, all may have been set
 * anew; within a run nothing can, for the query calls nothing volatile.  What a
 * plan gives before and after is a result of neither setting.  (What has been
 * found goes on as it was, as the rows of a plan that sorts them would.)
 */
static bool
is_elsewhere(const ArcResultScan *scan)
{
	return GetUserId() != scan->user ||
		!arc_environment_equals(scan->asker.environment.data,
								scan->asker.environment.len) ||
		!arc_environment_matches(scan->settings.data, scan->settings.len);
}

static void
resume(ArcResultScan *scan)
{
	MemoryContext old;

	if (scan->outcome != ARC_OUTCOME_FILL ||
		scan->given == estate_of(scan)->es_processed)
		return;
	old = MemoryContextSwitchTo(scan->context);
	if (is_elsewhere(scan))
	{
		scan->bypass = "settings changed between rows";
		end_fill(scan);
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
	}
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
next_row(CustomScanState *node)
{
	ArcResultScan *scan = (ArcResultScan *) node;
	TupleTableSlot *slot;

	if (scan->outcome == ARC_OUTCOME_PENDING)
		look(scan);
	else
		resume(scan);
	if (scan->outcome == ARC_OUTCOME_FILL && scan->pulled == 0 && runs_ahead(scan))
		fill_ahead(scan);
	slot = gives_image(scan) ? next_of_image(scan) : next_of_plan(&node->ss.ps);
	if (!TupIsNull(slot))
		scan->given++;
	return slot;
}

static void
end(CustomScanState *node)
{
	ArcResultScan *scan = (ArcResultScan *) node;

	if (scan->slot != NULL)
		ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->entry != NULL)
		arc_pin_release(scan->entry);
	scan->entry = NULL;
	end_fill(scan);
	leave_flight(scan);
	if (outerPlanState(&node->ss.ps) != NULL)
		ExecEndNode(outerPlanState(&node->ss.ps));
}

/* Nothing is above us that would; but once begun anew it is not one result. */
static void
rescan(CustomScanState *node)
{
	ArcResultScan *scan = (ArcResultScan *) node;

	if (gives_image(scan))
		start_rows(scan);
	else if (scan->outcome != ARC_OUTCOME_PENDING)
	{
		end_fill(scan);
		ExecReScan(outerPlanState(&node->ss.ps));
	}
}

/* -- the executor ------------------------------------------------------------------------------ */

static ArcResultScan *
result_scan_of(const QueryDesc *desc)
{
	CustomScanState *state = (CustomScanState *) desc->planstate;

	return state != NULL && IsA(state, CustomScanState) && state->methods == &exec_methods ?
		(ArcResultScan *) state : NULL;
}

/*
 * Look before the plan runs, if its end will be seen: while it runs it may be
 * in parallel mode, in which one cannot wait.
 */
static void
run(QueryDesc *desc, ScanDirection direction, uint64 count ARC_COMPAT_EXECUTE_ONCE)
{
	ArcResultScan *scan = result_scan_of(desc);

	if (scan != NULL && scan->outcome == ARC_OUTCOME_PENDING && ScanDirectionIsForward(direction))
	{
		scan->limited = count != 0;
		if (sees_end(scan))
			look(scan);

		/* Without a pause there is nothing to look after between rows. */
		if (!scan->limited && !gives_image(scan) && !runs_ahead(scan))
			ExecSetExecProcNode(&scan->css.ss.ps, next_of_plan);
	}
	if (prev_ExecutorRun)
		prev_ExecutorRun(desc, direction, count ARC_COMPAT_PASS_EXECUTE_ONCE);
	else
		standard_ExecutorRun(desc, direction, count ARC_COMPAT_PASS_EXECUTE_ONCE);
}

/*
 * With arcache.debug_force what is explained is explained, and run, as if we
 * were not there.  The statement may be in the plan cache, so leave it.
 */
static void
start_explained(QueryDesc *query, int eflags)
{
	PlannedStmt *statement = query->plannedstmt;
	bool		explained = (eflags & EXEC_FLAG_EXPLAIN_ONLY) != 0 ||
		query->instrument_options != 0;

	if (arc_debug_force && explained && statement->planTree != NULL &&
		IsA(statement->planTree, CustomScan) &&
		((CustomScan *) statement->planTree)->methods == &scan_methods)
	{
		query->plannedstmt = makeNode(PlannedStmt);
		*query->plannedstmt = *statement;
		query->plannedstmt->planTree = outerPlan(statement->planTree);
	}
	if (prev_ExecutorStart)
		prev_ExecutorStart(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

void
arc_result_scan_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
	prev_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = run;
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = start_explained;
}
