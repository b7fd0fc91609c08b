/*-------------------------------------------------------------------------
 *
 * statements.c
 *	  Counters, per statement of transparent mode.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/settings.h"
#include "base/statements.h"
#include "miscadmin.h"

/* So many fills tell how long a statement takes. */
#define FILLS_ENOUGH	4

/* Of so many runs of a cheap statement one is measured all the same. */
#define MEASURED_AGAIN	32

static ArcTally statements = ARC_TALLY("arcache statement counters");

void
arc_statement_count(uint64 query_id, ArcStatementCounter counter, uint64 n)
{
	if (query_id != 0)
		arc_tally_count(&statements, GetUserId(), query_id, counter, n);
}

void
arc_statement_count_bypass(uint64 query_id, const char *reason)
{
	if (query_id == 0)
		return;
	arc_tally_count(&statements, GetUserId(), query_id, ARC_STATEMENT_BYPASSES, 1);
	arc_tally_note(&statements, GetUserId(), query_id, reason);
}

/*
 * Who plans asks, and then who executes; a statement that is to be measured is
 * so for both.
 */
bool
arc_statement_is_cheap(uint64 query_id)
{
	static uint32 asked = 0;
	static uint64 measured = 0;
	uint64		counters[ARC_TALLY_COUNTERS];

	if (query_id == 0 || arc_min_time <= 0.0)
		return false;
	if (measured == query_id)
	{
		measured = 0;
		return false;
	}
	if (!arc_tally_read(&statements, GetUserId(), query_id, counters) ||
		counters[ARC_STATEMENT_FILLS] < FILLS_ENOUGH ||
		counters[ARC_STATEMENT_FILL_TIME] / 1000.0 >=
		arc_min_time * counters[ARC_STATEMENT_FILLS])
		return false;
	if (++asked % MEASURED_AGAIN != 0)
		return true;
	measured = query_id;
	return false;
}

void
arc_statements_read(Oid database, ArcTallyVisit visit, void *arg)
{
	if (database == MyDatabaseId)
		arc_tally_flush(&statements);
	arc_tally_visit(&statements, database, visit, arg);
}

void
arc_statements_reset(Oid database)
{
	arc_tally_reset(&statements, database);
}

void
arc_statements_forget(Oid database, Oid role)
{
	arc_tally_forget(&statements, database, role, 0);
}

static void
attach(void *address, LWLockPadded *locks)
{
	arc_tally_attach(&statements, address, locks);
}

void
arc_statements_shmem_register(void)
{
	static const ArcShmemPart part = {
		.name = "arcache statement stats",
		.tranche = "ArcacheStatementStats",
		.nlocks = 1,
		.size = arc_tally_size,
		.init = arc_tally_shmem_init,
		.attach = attach,
	};

	StaticAssertStmt(ARC_STATEMENT_NCOUNTERS <= ARC_TALLY_COUNTERS, "too many counters");
	arc_shmem_register(&part);
	arc_tally_start(&statements);
}
