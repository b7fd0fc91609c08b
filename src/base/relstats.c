/*-------------------------------------------------------------------------
 *
 * relstats.c
 *	  Counters, per relation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/relstats.h"
#include "miscadmin.h"

static ArcTally relations = ARC_TALLY("arcache relation counters");

void
arc_relstats_count(Oid relid, ArcRelationCounter counter, uint64 n)
{
	arc_tally_count(&relations, InvalidOid, relid, counter, n);
}

void
arc_relstats_read(Oid database, ArcTallyVisit visit, void *arg)
{
	if (database == MyDatabaseId)
		arc_tally_flush(&relations);
	arc_tally_visit(&relations, database, visit, arg);
}

void
arc_relstats_reset(Oid database)
{
	arc_tally_reset(&relations, database);
}

void
arc_relstats_forget(Oid database, Oid relid)
{
	arc_tally_forget(&relations, database, InvalidOid, relid);
}

void
arc_relstats_forget_database(Oid database)
{
	arc_tally_forget(&relations, database, InvalidOid, 0);
}

static void
attach(void *address, LWLockPadded *locks)
{
	arc_tally_attach(&relations, address, locks);
}

void
arc_relstats_shmem_register(void)
{
	static const ArcShmemPart part = {
		.name = "arcache relation stats",
		.tranche = "ArcacheRelationStats",
		.nlocks = 1,
		.size = arc_tally_size,
		.init = arc_tally_shmem_init,
		.attach = attach,
	};

	StaticAssertStmt(ARC_REL_NCOUNTERS <= ARC_TALLY_COUNTERS, "too many counters");
	arc_shmem_register(&part);
	arc_tally_start(&relations);
}
