/*-------------------------------------------------------------------------
 *
 * related.c
 *	  Related rows, through the cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "base/settings.h"
#include "query/related.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

/* What the related rows are looked up by, for each parent. */
typedef struct Step
{
	const ArcRelationship *relationship;
	int			ncolumns;
	Datum	   *values;
	bool	   *nulls;
	int			latest;			/* parent whose row was read last, or -1 */
} Step;

static void
set_value(Step *step, int parent, int column, Datum value, bool isnull)
{
	int			at = parent * step->ncolumns + column;

	step->nulls[at] = isnull ||
		!arc_conversion_apply(&step->relationship->conversions[column], value,
							  &step->values[at]);
}

static void
values_from_keys(Step *step, int nparents, const Datum *values, const bool *nulls)
{
	const ArcRelationship *relationship = step->relationship;

	for (int parent = 0; parent < nparents; parent++)
	{
		for (int i = 0; i < step->ncolumns; i++)
		{
			int			from = parent * relationship->parents->ncolumns +
				relationship->positions[i];

			set_value(step, parent, i, values[from], nulls[from]);
		}
	}
}

/*
 * The row is gone once we return.  Children by inheritance are not bound by
 * their parent's primary key.
 */
static void
take_values(void *arg, int parent, HeapTuple row)
{
	Step	   *step = arg;
	TupleDesc	desc = step->relationship->parents->desc;

	if (parent == step->latest)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("more than one row of table \"%s\" has this key",
						get_rel_name(step->relationship->spec.parent))));
	step->latest = parent;
	for (int i = 0; i < step->ncolumns; i++)
	{
		AttrNumber	column = step->relationship->spec.parent_columns[i];
		Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);
		bool		isnull;
		Datum		value = heap_getattr(row, column, desc, &isnull);

		if (!isnull)
			value = datumCopy(value, attribute->attbyval, attribute->attlen);
		set_value(step, parent, i, value, isnull);
	}
}

/* Is the relationship to be computed each time? */
static bool
is_bypassed(const ArcRelationship *relationship)
{
	return !arc_relation_cache || !relationship->spec.enabled;
}

/* A parent without a row finds nothing: its values remain NULL. */
static bool
values_from_rows(Step *step, int nparents, const Datum *values, const bool *nulls)
{
	ArcLookupCall call = {
		.lookup = step->relationship->parents,
		.nkeys = nparents,
		.values = values,
		.nulls = nulls,
		.bypass = is_bypassed(step->relationship)
	};

	return arc_lookup_read(&call, take_values, step);
}

static bool
step_towards(Step *step, const ArcRelationship *relationship, int nparents,
			 const Datum *values, const bool *nulls)
{
	Size		n = (Size) nparents * relationship->spec.ncolumns;

	step->relationship = relationship;
	step->ncolumns = relationship->spec.ncolumns;
	step->latest = -1;
	step->values = palloc0(n * sizeof(Datum) + 1);
	step->nulls = memset(palloc(n + 1), true, n);
	if (relationship->positions == NULL)
		return values_from_rows(step, nparents, values, nulls);
	values_from_keys(step, nparents, values, nulls);
	return true;
}

bool
arc_related_read(const ArcRelationship *relationship, int nparents,
				 const Datum *values, const bool *nulls,
				 ArcLookupSink sink, void *arg)
{
	int64		ttl = relationship->spec.ttl;
	Step		step;
	ArcLookupCall call;

	if (!step_towards(&step, relationship, nparents, values, nulls))
		return false;
	call = (ArcLookupCall)
	{
		.lookup = relationship->children,
			.nkeys = nparents,
			.values = step.values,
			.nulls = step.nulls,
			.ttl = ttl > 0 ? ttl : (int64) arc_relation_ttl * 1000,
			.bypass = is_bypassed(relationship)
	};
	return arc_lookup_read(&call, sink, arg);
}

bool
arc_related_entry_key(const ArcRelationship *relationship, const Datum *values,
					  const bool *nulls, ArcKey *key, bool *found)
{
	Step		step;

	*found = false;
	if (!step_towards(&step, relationship, 1, values, nulls))
		return false;
	for (int i = 0; i < step.ncolumns; i++)
	{
		if (step.nulls[i])
			return true;
	}
	*found = arc_lookup_entry_key(relationship->children, step.values, key);
	return true;
}
