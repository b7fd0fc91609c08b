/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  SQL functions for administrators: they concern all roles.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/arguments.h"
#include "base/relstats.h"
#include "base/statements.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/pending.h"
#include "cache/pin.h"
#include "coherence/writeset.h"
#include "fmgr.h"
#include "miscadmin.h"

PG_FUNCTION_INFO_V1(arcache_clear_all);
PG_FUNCTION_INFO_V1(arcache_stats_reset);

/* The entries of this database, of all roles. */
static int64
count_entries(void)
{
	ArcStoreScan *scan;
	ArcSharedEntry *entry;
	int64		count = 0;

	scan = arc_scan_open();
	while ((entry = arc_scan_next(scan)) != NULL)
	{
		if (entry->database == MyDatabaseId)
			count++;
	}
	arc_scan_close(scan);
	return count;
}

Datum
arcache_clear_all(PG_FUNCTION_ARGS)
{
	int64		count;

	arc_argument_need_preload();
	count = count_entries();
	arc_pending_delete_pattern(InvalidOid, ARC_SPACES_ALL, "*", 1);

	/* Fills under way in any role are to be rejected too. */
	arc_writeset_mark(arc_token_definitions(MyDatabaseId),
					  ARC_WRITE_STRICT | ARC_WRITE_EXPLICIT);
	PG_RETURN_INT64(count);
}

Datum
arcache_stats_reset(PG_FUNCTION_ARGS)
{
	arc_argument_need_preload();
	arc_stats_reset(MyDatabaseId);
	arc_relstats_reset(MyDatabaseId);
	arc_statements_reset(MyDatabaseId);
	PG_RETURN_VOID();
}
