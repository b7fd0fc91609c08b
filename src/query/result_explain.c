/*-------------------------------------------------------------------------
 *
 * result_explain.c
 *	  What EXPLAIN says of the plan node that gives a result from the cache.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "query/dependency.h"
#include "query/result_scan_internal.h"
#include "utils/timestamp.h"

static const char *
outcome_words(ArcResultScan *scan)
{
	if (scan->outcome == ARC_OUTCOME_HIT)
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
void
arc_result_scan_explain(CustomScanState *node, List *ancestors, ExplainState *es)
{
	ArcResultScan *scan = (ArcResultScan *) node;
	bool		only_looking = scan->outcome == ARC_OUTCOME_PENDING;
	List	   *words = NIL;
	MemoryContext old = MemoryContextSwitchTo(scan->context);

	if (only_looking)
	{
		ArcVerdict	verdict;

		scan->entry = arc_result_scan_find(scan, &verdict);
		if (scan->entry != NULL)
		{
			scan->outcome = ARC_OUTCOME_HIT;
			scan->size = scan->entry->value_size;
		}
		else if (verdict == ARC_VERDICT_OWN_WRITES)
			scan->bypass = "own writes";
		arc_result_scan_read_dependencies(scan);
	}
	ExplainPropertyText("Result Cache", outcome_words(scan), es);
	if (scan->read.key.length > 0)
		ExplainPropertyText("Key", psprintf("%.*s", (int) scan->read.key.length,
											scan->read.key.name), es);
	if (scan->outcome == ARC_OUTCOME_HIT && !only_looking)
		arc_result_scan_read_dependencies(scan);
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
