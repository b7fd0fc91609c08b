/*-------------------------------------------------------------------------
 *
 * replay.c
 *	  SQL functions that let policies contend on a trace.
 *
 *	  eviction_trace(...)			make the session's trace
 *	  eviction_replay(policy, share)	replay it, with a cache of a share of all there is
 *	  eviction_walk(policy, capacity, steps)	step by step, on objects of one letter
 *
 * They are made by eviction.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "policy.h"
#include "portability/instr_time.h"
#include "store_host.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(eviction_trace);
PG_FUNCTION_INFO_V1(eviction_replay);
PG_FUNCTION_INFO_V1(eviction_walk);

/* The session's trace. */
static MemoryContext trace_context = NULL;
static Trace *current = NULL;

/* -- a cache without bounds: what no policy can do without -------------------- */

static void *
unbounded_create(const Trace *trace, uint64 capacity)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, trace->nobjects,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static bool
unbounded_get(void *state, uint32 object)
{
	return ((bool *) state)[object];
}

static void
unbounded_put(void *state, uint32 object)
{
	((bool *) state)[object] = true;
}

static void
unbounded_drop(void *state, uint32 object)
{
	((bool *) state)[object] = false;
}

static const Policy policy_unbounded = {
	.name = "unbounded",
	.create = unbounded_create,
	.get = unbounded_get,
	.put = unbounded_put,
	.drop = unbounded_drop,
	.holds = unbounded_get,
};

const Policy *
policy_find(const char *name)
{
	static const Policy *const policies[] = {
		&policy_lru, &policy_clock, &policy_sieve, &policy_s3fifo, &policy_gdsf,
		&policy_static, &policy_store, &policy_store_alone, &policy_unbounded
	};

	for (int i = 0; i < lengthof(policies); i++)
		if (strcmp(policies[i]->name, name) == 0)
			return policies[i];
	elog(ERROR, "no such policy: %s", name);
}

static Datum
make_record(FunctionCallInfo fcinfo, Datum *values)
{
	TupleDesc	desc;
	bool		nulls[16] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts > lengthof(nulls))
		elog(ERROR, "unexpected result type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

Datum
eviction_trace(PG_FUNCTION_ARGS)
{
	TraceSpec	spec = {
		.seed = (uint64) PG_GETARG_INT64(0),
		.objects = (uint32) PG_GETARG_INT32(1),
		.ops = (uint32) PG_GETARG_INT32(2),
		.zipf = PG_GETARG_FLOAT8(3),
		.once = PG_GETARG_FLOAT8(4),
		.invalidations = PG_GETARG_FLOAT8(5),
		.life = PG_GETARG_FLOAT8(6),
		.size_median = PG_GETARG_FLOAT8(7),
		.size_sigma = PG_GETARG_FLOAT8(8),
		.cost_median = PG_GETARG_FLOAT8(9),
		.cost_sigma = PG_GETARG_FLOAT8(10),
	};
	MemoryContext old;
	Datum		values[3];

	current = NULL;
	if (trace_context != NULL)
		MemoryContextDelete(trace_context);
	trace_context = AllocSetContextCreate(TopMemoryContext, "arcache bench trace", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(trace_context);
	current = trace_make(&spec, store_host_footprint);
	MemoryContextSwitchTo(old);

	values[0] = Int32GetDatum(current->nops);
	values[1] = Int32GetDatum(current->nobjects);
	values[2] = Int64GetDatum(current->footprint);
	PG_RETURN_DATUM(make_record(fcinfo, values));
}

typedef struct Sums
{
	int64		gets;
	int64		misses;
	double		bytes;
	double		missed_bytes;
	double		cost;
	double		missed_cost;
} Sums;

/* Gets and misses from an operation on; before, the cache is getting warm. */
static void
run(const Policy *policy, void *state, uint32 warm, Sums *sums)
{
	memset(sums, 0, sizeof(*sums));
	for (uint32 i = 0; i < current->nops; i++)
	{
		uint32		object = TRACE_OBJECT(current->ops[i]);
		const TraceObject *o = &current->objects[object];
		bool		hit;

		if (i % 65536 == 0)
			CHECK_FOR_INTERRUPTS();
		if (current->ops[i] & TRACE_INVALIDATE)
		{
			policy->drop(state, object);
			continue;
		}
		hit = policy->get(state, object);
		if (!hit)
			policy->put(state, object);
		if (i < warm)
			continue;
		sums->gets++;
		sums->bytes += o->size;
		sums->cost += o->cost;
		if (!hit)
		{
			sums->misses++;
			sums->missed_bytes += o->size;
			sums->missed_cost += o->cost;
		}
	}
}

Datum
eviction_replay(PG_FUNCTION_ARGS)
{
	const Policy *policy = policy_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	double		share = PG_GETARG_FLOAT8(1);
	double		warm = PG_GETARG_FLOAT8(2);
	int			megabytes;
	uint64		capacity;
	MemoryContext context;
	MemoryContext old;
	void	   *state;
	Sums		sums;
	instr_time	start;
	instr_time	took;
	Datum		values[9];

	if (current == NULL)
		elog(ERROR, "no trace: call eviction_trace() first");

	/* The store comes in whole megabytes; all are given what it has for entries. */
	megabytes = (int) Max(rint(share * current->footprint / (1024 * 1024)), 1);
	capacity = store_host_capacity(megabytes);

	context = AllocSetContextCreate(CurrentMemoryContext, "arcache bench policy", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	store_host_open(megabytes, current->spec.seed);
	state = policy->create(current, capacity);
	INSTR_TIME_SET_CURRENT(start);
	run(policy, state, (uint32) (warm * current->nops), &sums);
	INSTR_TIME_SET_CURRENT(took);
	INSTR_TIME_SUBTRACT(took, start);
	if (policy->end != NULL)
		policy->end(state);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);

	values[0] = Int32GetDatum(megabytes);
	values[1] = Int64GetDatum(sums.gets);
	values[2] = Int64GetDatum(sums.misses);
	values[3] = Float8GetDatum(sums.bytes);
	values[4] = Float8GetDatum(sums.missed_bytes);
	values[5] = Float8GetDatum(sums.cost);
	values[6] = Float8GetDatum(sums.missed_cost);
	values[7] = Int64GetDatum(store_host_evictions());
	values[8] = Float8GetDatum(INSTR_TIME_GET_DOUBLE(took) * 1e9 / current->nops);
	store_host_close();
	PG_RETURN_DATUM(make_record(fcinfo, values));
}

/* -- step by step ---------------------------------------------------------------- */

#define LETTERS		26

/* "b" gets and puts, "-b" drops; "b3" says that b takes three bytes. */
static uint32
parse_step(const char *step, bool *drop, uint32 *size)
{
	*drop = *step == '-';
	if (*drop)
		step++;
	if (*step < 'a' || *step > 'z')
		elog(ERROR, "not a step: %s", step);
	*size = step[1] == '\0' ? 1 : (uint32) atoi(step + 1);
	return (uint32) (*step - 'a');
}

/* What came of each step: "+" a hit, "." a miss, and the letters that went for it. */
Datum
eviction_walk(PG_FUNCTION_ARGS)
{
	const Policy *policy = policy_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	uint64		capacity = (uint64) PG_GETARG_INT32(1);
	char	   *steps = text_to_cstring(PG_GETARG_TEXT_PP(2));
	TraceObject objects[LETTERS];
	Trace		letters = {.nobjects = LETTERS,.objects = objects};
	StringInfoData out;
	void	   *state;
	bool		drop;
	uint32		size;

	for (int i = 0; i < LETTERS; i++)
		objects[i] = (TraceObject) {.size = 1,.footprint = 1,.cost = 1};
	for (char *step = strtok(pstrdup(steps), " "); step != NULL; step = strtok(NULL, " "))
	{
		uint32		object = parse_step(step, &drop, &size);

		if (size > 1)
			objects[object].size = objects[object].footprint = size;
	}

	state = policy->create(&letters, capacity);
	initStringInfo(&out);
	for (char *step = strtok(steps, " "); step != NULL; step = strtok(NULL, " "))
	{
		uint32		object = parse_step(step, &drop, &size);
		bool		held[LETTERS];

		for (uint32 i = 0; i < LETTERS; i++)
			held[i] = policy->holds(state, i);
		if (out.len > 0)
			appendStringInfoChar(&out, ' ');
		if (drop)
		{
			policy->drop(state, object);
			appendStringInfoChar(&out, '-');
		}
		else if (policy->get(state, object))
			appendStringInfoChar(&out, '+');
		else
		{
			policy->put(state, object);
			appendStringInfoChar(&out, '.');
		}
		for (uint32 i = 0; i < LETTERS; i++)
			if (held[i] && !policy->holds(state, i))
				appendStringInfoChar(&out, (char) ('a' + i));
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(out.data, out.len));
}
