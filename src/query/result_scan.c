/*-------------------------------------------------------------------------
 *
 * result_scan.c
 *	  The plan node that gives a query's result from the cache.
 *
 * What the plan was made of
 * -------------------------
 *
 * A result may be published only as one of definitions that the plan was made
 * of; and a plan may be much older than its execution.  The fill notes the
 * count of the definitions' slot before anything else and is rejected if that
 * has moved when it publishes (cache/cache.h).  So what is left to see is that
 * nothing that had been counted by then is missing in the plan.  The count
 * moves for the last time when the messages that tell of a change have been
 * sent, so we take what has been sent, and look whether it concerned an item
 * of the plan since that was made.  The items are the functions and types that
 * PlannedStmt lists, and the ancestors of its relations, which nobody locks;
 * changes of the plan's own relations cannot have come, for those are locked;
 * and all else that a query's meaning comes from is in
 * the tree that the fingerprint is taken of.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/environment.h"
#include "cache/flight.h"
#include "cache/pin.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "query/capture.h"
#include "query/fingerprint.h"
#include "query/readthrough_internal.h"
#include "query/result_scan.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define NODE_NAME	"Arcache"

static ExecutorRun_hook_type prev_ExecutorRun = NULL;
static ExecutorStart_hook_type prev_ExecutorStart = NULL;

/* -- what the backend was told ---------------------------------------------------- */

/*
 * When an item was last told of, by its hash; several may share a place, which
 * makes them look changed too often.
 */
#define CHANGE_PLACES	1024

static uint64 changed_at[CHANGE_PLACES];
static uint64 changed_all = 0;
static uint64 changed_functions = 0;
static uint64 changes = 0;

static void
item_changed(Datum arg, int cache, uint32 hash)
{
	changes++;
	if (cache == PROCOID)
		changed_functions = changes;
	if (hash == 0)
		changed_all = changes;
	else
		changed_at[hash % CHANGE_PLACES] = changes;
}

static void
relation_changed(Datum arg, Oid relid)
{
	item_changed(arg, 0, OidIsValid(relid) ? murmurhash32(relid) : 0);
}

uint64
arc_result_scan_clock(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, item_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, item_changed, (Datum) 0);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		registered = true;
	}
	AcceptInvalidationMessages();
	return changes;
}

/*
 * Have we been told of a change of what the plan was made of?  It does not
 * list functions that the planner called itself, for a constant's sake, or
 * that such functions or inlined ones call.
 */
static bool
is_outdated(const PlannedStmt *statement, const List *ancestors, uint64 planned_at,
			bool calls_functions)
{
	ListCell   *lc;

	if (arc_result_scan_clock() == planned_at)
		return false;
	if (changed_all > planned_at ||
		(calls_functions && changed_functions > planned_at))
		return true;
	foreach(lc, statement->invalItems)
	{
		PlanInvalItem *item = lfirst(lc);

		if (changed_at[item->hashValue % CHANGE_PLACES] > planned_at)
			return true;
	}
	foreach(lc, ancestors)
	{
		if (changed_at[murmurhash32(lfirst_oid(lc)) % CHANGE_PLACES] > planned_at)
			return true;
	}
	return false;
}

/* -- the node's private data -------------------------------------------------------- */

/* Lists are what plans can be copied with. Its members, in their order: */
enum
{
	PRIVATE_FINGERPRINT,		/* String */
	PRIVATE_TEXT,				/* String */
	PRIVATE_PARAMS,				/* list of int */
	PRIVATE_TTL,				/* Integer: seconds */
	PRIVATE_HINTED,				/* Integer: 0 or 1 */
	PRIVATE_PLANNED_AT,			/* Const of int8 */
	PRIVATE_PLANNED_IN,			/* String: see ArcResultSpec */
	PRIVATE_TABLES_TTL,			/* Integer: seconds */
	PRIVATE_CACHEABILITY,		/* Integer */
	PRIVATE_SETTINGS,			/* list of String */
	PRIVATE_DEPENDENCIES,		/* list of dependencies, below */
	PRIVATE_ANCESTORS,			/* list of Oid */
	PRIVATE_AHEAD,				/* Integer: bool */
	PRIVATE_MEMBERS
};

static Const *
int8_node(uint64 number)
{
	return makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
					 Int64GetDatum((int64) number), false, FLOAT8PASSBYVAL);
}

static uint64
int8_of(void *node)
{
	return (uint64) DatumGetInt64(castNode(Const, node)->constvalue);
}

/*
 * A dependency is a list: kind, relid and token; of a key also the columns'
 * numbers and for each of them a list of what ArcPinnedValue has.
 */
static List *
write_value(const ArcPinnedValue *value)
{
	return list_make4(list_make4_int(value->param, (int) value->function,
									 (int) value->collation, value->extended),
					  int8_node(value->hash),
					  makeString(pstrdup(value->words)),
					  makeInteger(0));
}

static List *
write_dependency(const ArcDependency *dependency, const ArcPinnedKey *key)
{
	List	   *list = list_make2(list_make2_int((int) dependency->kind, (int) dependency->relid),
								  int8_node(dependency->token));
	List	   *attnos = NIL;

	if (key == NULL)
		return list;
	for (int i = 0; i < key->ncolumns; i++)
		attnos = lappend_int(attnos, key->attnos[i]);
	list = lappend(list, attnos);
	for (int i = 0; i < key->ncolumns; i++)
		list = lappend(list, write_value(&key->values[i]));
	return list;
}

static List *
write_private(const ArcResultSpec *spec)
{
	List	   *settings = NIL;
	List	   *dependencies = NIL;
	List	   *private;
	ListCell   *lc;

	foreach(lc, spec->assessment->settings)
		settings = lappend(settings, makeString(pstrdup(lfirst(lc))));
	for (int i = 0; i < spec->dependencies->n; i++)
		dependencies = lappend(dependencies, write_dependency(&spec->dependencies->array[i],
															  spec->dependencies->keys[i]));
	private = list_make5(makeString(pstrdup(spec->fingerprint)),
						 makeString(pstrdup(spec->text)),
						 list_copy(spec->params),
						 makeInteger(spec->ttl),
						 makeInteger(spec->hinted));
	private = lappend(private, int8_node(spec->planned_at));
	private = lappend(private, makeString(pstrdup(spec->planned_in)));
	private = lappend(private, makeInteger(spec->dependencies->ttl));
	private = lappend(private, makeInteger(spec->assessment->cacheability));
	private = lappend(private, settings);
	private = lappend(private, dependencies);
	private = lappend(private, list_copy(spec->dependencies->ancestors));
	private = lappend(private, makeInteger(spec->ahead));
	Assert(list_length(private) == PRIVATE_MEMBERS);
	return private;
}

/* -- wrapping ------------------------------------------------------------------------ */

static Node *create_state(CustomScan *node);

static const CustomScanMethods scan_methods = {
	.CustomName = NODE_NAME,
	.CreateCustomScanState = create_state
};

/*
 * Its rows are the plan's, column by column, so that what the client is told
 * of the columns stays as it was.
 */
void
arc_result_scan_wrap(PlannedStmt *statement, const ArcResultSpec *spec)
{
	Plan	   *below = statement->planTree;
	CustomScan *scan = makeNode(CustomScan);
	Plan	   *plan = &scan->scan.plan;
	ListCell   *lc;

	plan->startup_cost = below->startup_cost;
	plan->total_cost = below->total_cost;
	plan->plan_rows = below->plan_rows;
	plan->plan_width = below->plan_width;
	plan->plan_node_id = -1;
	plan->extParam = bms_copy(below->extParam);
	plan->allParam = bms_copy(below->allParam);
	plan->lefttree = below;
	foreach(lc, below->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Var		   *var = makeVarFromTargetEntry(OUTER_VAR, entry);
		Var		   *own = copyObject(var);

		scan->custom_scan_tlist = lappend(scan->custom_scan_tlist,
										  makeTargetEntry((Expr *) var, entry->resno, NULL, false));
		own->varno = INDEX_VAR;
		entry = flatCopyTargetEntry(entry);
		entry->expr = (Expr *) own;
		plan->targetlist = lappend(plan->targetlist, entry);
	}
	scan->custom_private = write_private(spec);

	/* So that a plan that is kept is made anew when their tracking changes. */
	statement->relationOids = list_concat_unique_oid(statement->relationOids,
													 spec->dependencies->ancestors);
	scan->methods = &scan_methods;
	statement->planTree = plan;
}

/* -- the state ------------------------------------------------------------------------- */

typedef enum Outcome
{
	OUTCOME_PENDING,			/* not asked for a row yet */
	OUTCOME_HIT,
	OUTCOME_FILL,				/* keeping what the plan gives */
	OUTCOME_REPLAY,				/* giving what was kept */
	OUTCOME_BYPASS				/* passing on what the plan gives */
} Outcome;

typedef struct ResultScan
{
	CustomScanState css;
	List	   *private;
	int			eflags;
	Outcome		outcome;
	const char *bypass;			/* why */
	bool		was_miss;
	bool		was_stored;

	/* of a lookup */
	MemoryContext context;		/* of all that follows */
	Oid			opened_by;		/* the user when the executor was started */
	Oid			user;			/* when it was made, as the environment */
	ArcAsker	asker;
	ArcRequest	request;
	ArcRead		read;
	ArcAssessment assessment;
	ArcDependencies dependencies;

	/* of a hit */
	ArcSharedEntry *entry;		/* pinned */
	const char *image;
	const char *at;				/* the next row */
	uint64		left;			/* rows */
	TupleTableSlot *slot;
	Size		size;

	/* rows given so far; the executor counts those of one run only */
	uint64		given;

	/* of a fill */
	StringInfoData settings;	/* that the query names, as they were */
	ArcFill		fill;
	ArcFlight	flight;
	ArcImage	capture;
	MemoryContext per_row;
	instr_time	spent;
} ResultScan;

static void begin(CustomScanState *node, EState *estate, int eflags);
static TupleTableSlot *next_row(CustomScanState *node);
static void end(CustomScanState *node);
static void rescan(CustomScanState *node);
static void explain(CustomScanState *node, List *ancestors, ExplainState *es);

static const CustomExecMethods exec_methods = {
	.CustomName = NODE_NAME,
	.BeginCustomScan = begin,
	.ExecCustomScan = next_row,
	.EndCustomScan = end,
	.ReScanCustomScan = rescan,
	.ExplainCustomScan = explain
};

static Node *
create_state(CustomScan *node)
{
	ResultScan *scan = (ResultScan *) newNode(sizeof(ResultScan), T_CustomScanState);

	scan->css.methods = &exec_methods;
	scan->flight = ARC_FLIGHT_ALONE;
	scan->private = node->custom_private;
	return (Node *) scan;
}

static const char *
private_string(const ResultScan *scan, int member)
{
	return strVal(list_nth(scan->private, member));
}

static int
private_int(const ResultScan *scan, int member)
{
	return intVal(list_nth(scan->private, member));
}

/*
 * The plan below is started when it is needed, or to be shown.  Starting checks
 * the privileges on functions; that is the right of who opened the cursor, not
 * of who fetches.
 */
static void
start_plan(ResultScan *scan)
{
	EState	   *estate = scan->css.ss.ps.state;
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

static void
begin(CustomScanState *node, EState *estate, int eflags)
{
	ResultScan *scan = (ResultScan *) node;

	scan->eflags = eflags;
	scan->opened_by = GetUserId();
	scan->context = AllocSetContextCreate(estate->es_query_cxt, "arcache result",
										  ALLOCSET_DEFAULT_SIZES);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) || estate->es_instrument != 0)
		start_plan(scan);
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
append_params(ResultScan *scan, StringInfo image)
{
	ParamListInfo params = scan->css.ss.ps.state->es_param_list_info;
	ListCell   *lc;

	foreach(lc, (List *) list_nth(scan->private, PRIVATE_PARAMS))
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

static void
read_assessment(ResultScan *scan)
{
	ListCell   *lc;

	scan->assessment.settings = NIL;
	scan->assessment.cacheability = private_int(scan, PRIVATE_CACHEABILITY);
	foreach(lc, (List *) list_nth(scan->private, PRIVATE_SETTINGS))
		scan->assessment.settings = lappend(scan->assessment.settings, strVal(lfirst(lc)));
	initStringInfo(&scan->settings);
	arc_environment_capture(&scan->settings, scan->assessment.settings);
}

/*
 * The name holds all that the result depends on besides what it reads, so that
 * what differs in a setting lies side by side.  Returns false if the parameters
 * are too long to be kept.
 */
static bool
name_result(ResultScan *scan)
{
	StringInfoData params;
	StringInfoData all;
	const char *fingerprint = private_string(scan, PRIVATE_FINGERPRINT);
	const char *text = private_string(scan, PRIVATE_TEXT);
	char	   *name;

	initStringInfo(&params);
	appendStringInfoString(&params, fingerprint);
	if (!append_params(scan, &params))
		return false;
	read_assessment(scan);
	initStringInfo(&all);
	appendBinaryStringInfo(&all, params.data, params.len);
	appendBinaryStringInfo(&all, scan->asker.environment.data, scan->asker.environment.len);
	appendBinaryStringInfo(&all, scan->settings.data, scan->settings.len);

	/* Half of the digits are enough to name what the whole identifies. */
	name = arc_fingerprint_bytes(all.data, all.len);
	name[32] = '\0';
	scan->read = (ArcRead)
	{
		.asker = &scan->asker,
			.request = &scan->request,
			.key = arc_cache_key(ARC_SPACE_RESULT, name, strlen(name)),
			.identity = {
			.query = text,
			.query_size = strlen(text) + 1,
			.query_shown = true,
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
calls_functions(const ResultScan *scan)
{
	return *private_string(scan, PRIVATE_PLANNED_IN) != '\0';
}

static const char *
usability(const ResultScan *scan)
{
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
	if (arc_environment_has_temporary())
		return "temporary objects";
	if (!arc_debug_force &&
		(arc_auto == ARC_AUTO_OFF ||
		 (arc_auto == ARC_AUTO_HINT && private_int(scan, PRIVATE_HINTED) == 0)))
		return "disabled";
	if (GetUserId() != scan->opened_by)
		return "opened by another role";
	if (list_nth(scan->private, PRIVATE_PARAMS) != NIL &&
		scan->css.ss.ps.state->es_param_list_info == NULL)
		return "no parameters";
	if (calls_functions(scan) &&
		strcmp(private_string(scan, PRIVATE_PLANNED_IN),
			   arc_fingerprint_bytes(scan->asker.environment.data,
									 scan->asker.environment.len)) != 0)
		return "planned with other settings";
	return NULL;
}

/* The pinned entry of the result, or NULL and why not. */
static ArcSharedEntry *
find_entry(ResultScan *scan, ArcVerdict *verdict)
{
	EState	   *estate = scan->css.ss.ps.state;

	*verdict = ARC_VERDICT_MISS;
	PushActiveSnapshot(estate->es_snapshot);
	arc_asker_init(&scan->asker, false);
	PopActiveSnapshot();
	scan->request.ttl = (int64) private_int(scan, PRIVATE_TTL) * 1000;
	scan->bypass = usability(scan);
	if (scan->bypass == NULL && !name_result(scan))
		scan->bypass = "parameters too large";
	if (scan->bypass != NULL)
		return NULL;
	return arc_cache_find(&scan->asker.reader, &scan->read.key, &scan->read.identity, verdict);
}

/* -- hits ---------------------------------------------------------------------------------- */

/* The image in one piece: where it lies, or a copy. */
static const char *
image_of(const ArcSharedEntry *entry)
{
	ArcValueCursor cursor;
	char	   *copy;

	arc_value_first(entry, &cursor);
	if (cursor.length == entry->value_size)
		return cursor.data;
	copy = palloc(entry->value_size);
	arc_value_copy(entry, copy);
	return copy;
}

/* Run the plan as well and compare: the caller's rows come from the entry. */
static void
verify(ResultScan *scan)
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
	arc_image_start(&image, scan->css.ss.ps.ps_ResultTupleDesc, MaxAllocSize);
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
					arc_row_images_equal(computed.value, computed.size, scan->image,
										 scan->entry->value_size));
}

static void
start_image(ResultScan *scan, Outcome outcome)
{
	scan->outcome = outcome;
	scan->at = arc_image_first(scan->image, &scan->left);
	scan->slot = MakeSingleTupleTableSlot(scan->css.ss.ps.ps_ResultTupleDesc,
										  &TTSOpsMinimalTuple);
}

static void
start_hit(ResultScan *scan, ArcSharedEntry *entry)
{
	scan->entry = entry;
	scan->image = image_of(entry);
	scan->size = entry->value_size;
	verify(scan);
	start_image(scan, OUTCOME_HIT);
	arc_cache_count_hit(entry);
}

static TupleTableSlot *
next_of_image(ResultScan *scan)
{
	if (scan->left == 0)
		return ExecClearTuple(scan->slot);
	scan->left--;
	return ExecStoreMinimalTuple(arc_image_next(&scan->at), scan->slot, false);
}

/* -- fills --------------------------------------------------------------------------------- */

static uint64
hash_param(ResultScan *scan, List *value, char **words)
{
	List	   *numbers = linitial(value);
	ParamExternData space;
	const ParamExternData *param;
	ArcHasher	hasher;
	Oid			output;
	bool		varlena;

	*words = strVal(lthird(value));
	if (linitial_int(numbers) == 0)
		return int8_of(lsecond(value));
	if (scan->css.ss.ps.state->es_param_list_info == NULL)
		return 0;				/* EXPLAIN (GENERIC_PLAN) */

	param = fetch_param(scan->css.ss.ps.state->es_param_list_info,
						linitial_int(numbers), &space);
	fmgr_info((Oid) lsecond_int(numbers), &hasher.function);
	hasher.collation = (Oid) lthird_int(numbers);
	hasher.extended = lfourth_int(numbers) != 0;

	/* Nothing equals NULL: whatever stands for it here has no writers. */
	if (param->isnull)
		return 0;
	getTypeOutputInfo(param->ptype, &output, &varlena);
	*words = psprintf("%.*s= %s", (int) (strrchr(*words, '=') - *words), *words,
					  OidOutputFunctionCall(output, param->value));
	return arc_hasher_hash(&hasher, param->value, false);
}

static void
read_dependency(ResultScan *scan, List *list, ArcDependency *dependency, const char **words)
{
	List	   *ids = linitial(list);
	List	   *attnos;
	AttrNumber	columns[INDEX_MAX_KEYS];
	uint64		hashes[INDEX_MAX_KEYS];
	StringInfoData all;
	int			n = 0;

	dependency->kind = (uint32) linitial_int(ids);
	dependency->relid = (Oid) lsecond_int(ids);
	dependency->token = int8_of(lsecond(list));
	*words = NULL;
	if (dependency->kind != ARC_DEPENDS_ON_KEY)
		return;

	attnos = lthird(list);
	initStringInfo(&all);
	for (n = 0; n < list_length(attnos); n++)
	{
		char	   *one;

		columns[n] = list_nth_int(attnos, n);
		hashes[n] = hash_param(scan, list_nth(list, 3 + n), &one);
		appendStringInfo(&all, "%s%s", n > 0 ? ", " : "", one);
	}
	dependency->token = arc_token_row_key(MyDatabaseId, dependency->relid, n, columns, hashes);
	*words = all.data;
}

static void
read_dependencies(ResultScan *scan)
{
	List	   *lists = list_nth(scan->private, PRIVATE_DEPENDENCIES);
	ListCell   *lc;

	/* Room for tags, of which there are none. */
	scan->dependencies.array = palloc((list_length(lists) + 1) * sizeof(ArcDependency));
	scan->dependencies.words = palloc((list_length(lists) + 1) * sizeof(char *));
	scan->dependencies.ttl = private_int(scan, PRIVATE_TABLES_TTL);
	foreach(lc, lists)
	{
		int			n = scan->dependencies.n++;

		memset(&scan->dependencies.array[n], 0, sizeof(ArcDependency));
		read_dependency(scan, lfirst(lc), &scan->dependencies.array[n],
						&scan->dependencies.words[n]);
	}
}

/* Why what the plan gives cannot be kept; NULL if it may be. */
static const char *
obstacle(ResultScan *scan, ArcVerdict verdict)
{
	if (scan->bypass != NULL)
	{
		if (scan->asker.reader.use != ARC_USABLE)
			arc_reader_count_bypass(&scan->asker.reader);
		else
			arc_stats_count(ARC_BYPASS_UNCACHEABLE);
		return scan->bypass;
	}
	if (verdict == ARC_VERDICT_OWN_WRITES)
	{
		arc_stats_count(ARC_BYPASS_OWN_WRITES);
		return "own writes";
	}

	/* First, so that what it captures is older than all that we look at. */
	arc_fill_open(&scan->fill, &scan->asker.reader, &scan->read.key);
	read_dependencies(scan);
	if (is_outdated(scan->css.ss.ps.state->es_plannedstmt,
					list_nth(scan->private, PRIVATE_ANCESTORS),
					int8_of(list_nth(scan->private, PRIVATE_PLANNED_AT)),
					calls_functions(scan)))
	{
		arc_stats_count(ARC_REJECTED_STALE_FILL);
		return "definitions changed";
	}
	return NULL;
}

/* Concurrent misses compute once. */
static ArcSharedEntry *
wait_for_others(ResultScan *scan, ArcVerdict verdict)
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
leave_flight(ResultScan *scan)
{
	arc_flight_leave(&scan->read.key, scan->flight);
	scan->flight = ARC_FLIGHT_ALONE;
}

static void
start_fill(ResultScan *scan)
{
	if (!arc_read_count_miss(&scan->fill, &scan->assessment, &scan->dependencies))
	{
		scan->bypass = "own writes";
		return;
	}
	scan->was_miss = true;
	scan->outcome = OUTCOME_FILL;
	scan->per_row = AllocSetContextCreate(scan->context, "arcache capture",
										  ALLOCSET_DEFAULT_SIZES);
	arc_image_start(&scan->capture, scan->css.ss.ps.ps_ResultTupleDesc,
					arc_read_image_limit());
	INSTR_TIME_SET_ZERO(scan->spent);
}

static void
keep(ResultScan *scan, TupleTableSlot *slot)
{
	MemoryContext old;

	if (!scan->capture.keeping)
		return;
	old = MemoryContextSwitchTo(scan->per_row);
	arc_image_add(&scan->capture, slot);
	MemoryContextSwitchTo(old);
	MemoryContextReset(scan->per_row);
}

static void
publish(ResultScan *scan)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	ArcCapture	capture;

	arc_image_finish(&scan->capture, &capture);
	capture.cost = INSTR_TIME_GET_MICROSEC(scan->spent);
	scan->was_stored = arc_read_publish(&scan->read, &scan->fill, &capture,
										&scan->assessment, &scan->dependencies);
	scan->size = capture.size;
	leave_flight(scan);
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
next_of_plan(ResultScan *scan)
{
	instr_time	start;
	instr_time	duration;
	TupleTableSlot *slot;

	if (scan->outcome != OUTCOME_FILL)
		return ExecProcNode(outerPlanState(&scan->css.ss.ps));

	INSTR_TIME_SET_CURRENT(start);
	slot = ExecProcNode(outerPlanState(&scan->css.ss.ps));
	INSTR_TIME_SET_CURRENT(duration);
	INSTR_TIME_SUBTRACT(duration, start);
	INSTR_TIME_ADD(scan->spent, duration);
	if (!TupIsNull(slot))
	{
		keep(scan, slot);
		return slot;
	}

	/* The last row has been given, and the next call gives none either. */
	publish(scan);
	scan->outcome = OUTCOME_BYPASS;
	return slot;
}

/*
 * What such a fill gives has been through the cache: the plan runs to its end
 * before the first row is given, and the rows are those of the entry, or of
 * the image if that has not become an entry.
 */
static void
fill_ahead(ResultScan *scan)
{
	MemoryContext old;
	ArcVerdict	verdict;
	ArcSharedEntry *entry;

	while (scan->capture.keeping && scan->outcome == OUTCOME_FILL)
		(void) next_of_plan(scan);
	if (scan->outcome == OUTCOME_FILL)
	{
		/* Too large; or its types cannot be kept, and nothing has been run. */
		if (scan->capture.too_large)
			ExecReScan(outerPlanState(&scan->css.ss.ps));
		return;
	}

	old = MemoryContextSwitchTo(scan->context);
	scan->image = scan->capture.data.data;
	entry = scan->was_stored ? find_entry(scan, &verdict) : NULL;
	if (entry != NULL)
		start_hit(scan, entry);
	else
		start_image(scan, OUTCOME_REPLAY);
	MemoryContextSwitchTo(old);
}

/* -- running --------------------------------------------------------------------------------- */

/*
 * Who runs to the end without a pause may keep others waiting; a cursor that is
 * left open may not.
 */
static void
look(ResultScan *scan, bool to_end)
{
	MemoryContext old = MemoryContextSwitchTo(scan->context);
	ArcVerdict	verdict;
	ArcSharedEntry *entry = find_entry(scan, &verdict);

	scan->user = GetUserId();
	if (entry == NULL)
	{
		scan->outcome = OUTCOME_BYPASS;
		scan->bypass = obstacle(scan, verdict);

		/* PostgreSQL's own tests look at pg_locks. */
		if (scan->bypass == NULL && to_end && !arc_debug_force)
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
	if (scan->outcome != OUTCOME_HIT)
		start_plan(scan);
	if (scan->outcome == OUTCOME_FILL && private_int(scan, PRIVATE_AHEAD))
		fill_ahead(scan);
}

static bool
gives_image(const ResultScan *scan)
{
	return scan->outcome == OUTCOME_HIT || scan->outcome == OUTCOME_REPLAY;
}

/*
 * Between two runs of the executor, two FETCHes say, all may have been set
 * anew; within a run nothing can, for the query calls nothing volatile.  What a
 * plan gives before and after is a result of neither setting.  (What has been
 * found goes on as it was, as the rows of a plan that sorts them would.)
 */
static bool
is_elsewhere(const ResultScan *scan)
{
	return GetUserId() != scan->user ||
		!arc_environment_equals(scan->asker.environment.data,
								scan->asker.environment.len) ||
		!arc_environment_matches(scan->settings.data, scan->settings.len);
}

static void
resume(ResultScan *scan)
{
	MemoryContext old;

	if (scan->outcome != OUTCOME_FILL ||
		scan->given == scan->css.ss.ps.state->es_processed)
		return;
	old = MemoryContextSwitchTo(scan->context);
	if (is_elsewhere(scan))
	{
		scan->bypass = "settings changed between rows";
		scan->outcome = OUTCOME_BYPASS;
		arc_stats_count(ARC_BYPASS_UNCACHEABLE);
	}
	MemoryContextSwitchTo(old);
}

static TupleTableSlot *
next_row(CustomScanState *node)
{
	ResultScan *scan = (ResultScan *) node;
	TupleTableSlot *slot;

	if (scan->outcome == OUTCOME_PENDING)
		look(scan, false);
	else
		resume(scan);
	slot = gives_image(scan) ? next_of_image(scan) : next_of_plan(scan);
	if (!TupIsNull(slot))
		scan->given++;
	return slot;
}

static void
end(CustomScanState *node)
{
	ResultScan *scan = (ResultScan *) node;

	if (scan->slot != NULL)
		ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->entry != NULL)
		arc_pin_release(scan->entry);
	scan->entry = NULL;
	leave_flight(scan);
	if (outerPlanState(&node->ss.ps) != NULL)
		ExecEndNode(outerPlanState(&node->ss.ps));
}

/* Nothing is above us that would; but once begun anew it is not one result. */
static void
rescan(CustomScanState *node)
{
	ResultScan *scan = (ResultScan *) node;

	if (gives_image(scan))
		scan->at = arc_image_first(scan->image, &scan->left);
	else if (scan->outcome != OUTCOME_PENDING)
	{
		scan->outcome = OUTCOME_BYPASS;
		ExecReScan(outerPlanState(&node->ss.ps));
	}
}

/* -- EXPLAIN ---------------------------------------------------------------------------------- */

static const char *
outcome_words(ResultScan *scan)
{
	if (scan->outcome == OUTCOME_HIT)
		return "hit";
	if (scan->was_stored)
		return "fill";
	if (scan->bypass != NULL)
		return psprintf("bypass (%s)", scan->bypass);
	return "miss";
}

static void
explain_entry(const ArcSharedEntry *entry, ExplainState *es)
{
	TimestampTz expires = (TimestampTz) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &entry->expires));
	TimestampTz now = GetCurrentTimestamp();

	ExplainPropertyFloat("Age", "s", (now - entry->created) / 1000000.0, 3, es);
	if (expires != 0)
		ExplainPropertyFloat("TTL", "s", (expires - now) / 1000000.0, 3, es);
}

/* Without ANALYZE nothing has been looked for yet. */
static void
explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	ResultScan *scan = (ResultScan *) node;
	bool		only_looking = scan->outcome == OUTCOME_PENDING;
	List	   *words = NIL;
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	if (only_looking)
	{
		ArcVerdict	verdict;

		scan->entry = find_entry(scan, &verdict);
		if (scan->entry != NULL)
		{
			scan->outcome = OUTCOME_HIT;
			scan->size = scan->entry->value_size;
		}
		else if (verdict == ARC_VERDICT_OWN_WRITES)
			scan->bypass = "own writes";
		read_dependencies(scan);
	}
	ExplainPropertyText("Result Cache", outcome_words(scan), es);
	if (scan->read.key.length > 0)
		ExplainPropertyText("Key", psprintf("%.*s", (int) scan->read.key.length,
											scan->read.key.name), es);
	if (scan->outcome == OUTCOME_HIT && !only_looking)
		read_dependencies(scan);
	for (int i = 0; i < scan->dependencies.n; i++)
	{
		char	   *one = arc_dependency_words(scan->dependencies.array[i].relid,
											   scan->dependencies.array[i].kind,
											   scan->dependencies.words[i]);

		if (one != NULL)
			words = lappend(words, one);
	}
	ExplainPropertyList("Depends On", words, es);
	if (scan->size > 0)
		ExplainPropertyInteger("Size", "B", (int64) scan->size, es);
	if (scan->entry != NULL)
		explain_entry(scan->entry, es);
	MemoryContextSwitchTo(old);
}

/* -- the executor ------------------------------------------------------------------------------ */

/*
 * Look before the plan runs, if it is to run to the end: while it runs it may
 * be in parallel mode, in which one cannot wait.
 */
static void
run(QueryDesc *desc, ScanDirection direction, uint64 count ARC_COMPAT_EXECUTE_ONCE)
{
	ResultScan *scan = (ResultScan *) desc->planstate;

	if (count == 0 && scan != NULL && IsA(scan, CustomScanState) &&
		scan->css.methods == &exec_methods && scan->outcome == OUTCOME_PENDING &&
		ScanDirectionIsForward(direction))
		look(scan, true);
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
