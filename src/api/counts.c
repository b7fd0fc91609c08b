/*-------------------------------------------------------------------------
 *
 * counts.c
 *	  What was counted for each relation and for each statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/arguments.h"
#include "base/relstats.h"
#include "base/statements.h"
#include "cache/meta.h"
#include "cache/pin.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"

PG_FUNCTION_INFO_V1(arcache_relation_usage);
PG_FUNCTION_INFO_V1(arcache_relation_counts);
PG_FUNCTION_INFO_V1(arcache_statement_counts);

/* -- relations --------------------------------------------------------------------- */

typedef struct RelationUsage
{
	Oid			relid;			/* hash key */
	int64		entries;
	int64		bytes;
} RelationUsage;

static void
add_usage(HTAB *usages, ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);
	const ArcDependency *dependencies = arc_meta_dependencies(meta);

	for (uint32 i = 0; i < meta->ndependencies; i++)
	{
		RelationUsage *usage;
		bool		found;

		if (dependencies[i].kind != ARC_DEPENDS_ON_RELATION &&
			dependencies[i].kind != ARC_DEPENDS_ON_BULK)
			continue;
		usage = hash_search(usages, &dependencies[i].relid, HASH_ENTER, &found);
		if (!found)
			usage->entries = usage->bytes = 0;
		usage->entries++;
		usage->bytes += (int64) entry->footprint * 16;
	}
}

Datum
arcache_relation_usage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(RelationUsage),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *usages = hash_create("arcache relation usage", 64, &ctl,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ArcStoreScan *scan;
	ArcSharedEntry *entry;
	HASH_SEQ_STATUS all;
	RelationUsage *usage;

	arc_argument_need_preload();
	InitMaterializedSRF(fcinfo, 0);
	scan = arc_scan_open();
	while ((entry = arc_scan_next(scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (entry->database == MyDatabaseId)
			add_usage(usages, entry);
	}
	arc_scan_close(scan);

	hash_seq_init(&all, usages);
	while ((usage = hash_seq_search(&all)) != NULL)
	{
		Datum		values[3];
		bool		nulls[3] = {0};

		values[0] = ObjectIdGetDatum(usage->relid);
		values[1] = Int64GetDatum(usage->entries);
		values[2] = Int64GetDatum(usage->bytes);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static uint64 *
copied(const uint64 *counters)
{
	return memcpy(palloc(ARC_TALLY_COUNTERS * sizeof(uint64)), counters,
				  ARC_TALLY_COUNTERS * sizeof(uint64));
}

typedef struct Counts
{
	ArcTallyKey key;
	uint64	   *counters;
	char	   *note;
} Counts;

static void
add_counts(const ArcTallyKey *key, const uint64 *counters, const char *note, void *arg)
{
	List	  **rows = arg;
	Counts	   *row = palloc(sizeof(Counts));

	*row = (Counts)
	{
		*key, copied(counters), pstrdup(note)
	};
	*rows = lappend(*rows, row);
}

/* The columns are the relation, and the counters in their order. */
Datum
arcache_relation_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *rows = NIL;
	ListCell   *lc;

	arc_argument_need_preload();
	InitMaterializedSRF(fcinfo, 0);
	arc_relstats_read(MyDatabaseId, add_counts, &rows);
	foreach(lc, rows)
	{
		Counts	   *row = lfirst(lc);
		Datum		values[ARC_REL_NCOUNTERS + 1];
		bool		nulls[ARC_REL_NCOUNTERS + 1] = {0};

		values[0] = ObjectIdGetDatum((Oid) row->key.id);
		for (int i = 0; i < ARC_REL_NCOUNTERS; i++)
			values[i + 1] = Int64GetDatum((int64) row->counters[i]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* -- statements -------------------------------------------------------------------- */

typedef struct StatementUsage
{
	ArcTallyKey key;			/* hash key */
	int64		entries;
	int64		bytes;
} StatementUsage;

static HTAB *
statement_usages(void)
{
	HASHCTL		ctl = {
		.keysize = sizeof(ArcTallyKey),
		.entrysize = sizeof(StatementUsage),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *usages = hash_create("arcache statement usage", 64, &ctl,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	ArcStoreScan *scan = arc_scan_open();
	ArcSharedEntry *entry;

	while ((entry = arc_scan_next(scan)) != NULL)
	{
		ArcTallyKey key = {.database = entry->database, .role = entry->role};
		StatementUsage *usage;
		bool		found;

		CHECK_FOR_INTERRUPTS();
		key.id = arc_meta_of(entry)->query_id;
		if (entry->database != MyDatabaseId || key.id == 0)
			continue;
		usage = hash_search(usages, &key, HASH_ENTER, &found);
		if (!found)
			usage->entries = usage->bytes = 0;
		usage->entries++;
		usage->bytes += (int64) entry->footprint * 16;
	}
	arc_scan_close(scan);
	return usages;
}

#define STATEMENT_COLUMNS	(5 + ARC_STATEMENT_NCOUNTERS)

/* The columns are role and identifier, entries, bytes, the counters, the last bypass. */
Datum
arcache_statement_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
	List	   *rows = NIL;
	HTAB	   *usages;
	ListCell   *lc;

	arc_argument_need_preload();
	InitMaterializedSRF(fcinfo, 0);
	usages = statement_usages();
	arc_statements_read(MyDatabaseId, add_counts, &rows);
	foreach(lc, rows)
	{
		Counts	   *row = lfirst(lc);
		StatementUsage *usage = hash_search(usages, &row->key, HASH_FIND, NULL);
		bool		allowed = sees_all || row->key.role == GetUserId();
		Datum		values[STATEMENT_COLUMNS];
		bool		nulls[STATEMENT_COLUMNS] = {0};

		values[0] = ObjectIdGetDatum(row->key.role);
		values[1] = Int64GetDatum((int64) row->key.id);
		nulls[1] = !allowed;
		values[2] = Int64GetDatum(usage ? usage->entries : 0);
		values[3] = Int64GetDatum(usage ? usage->bytes : 0);
		for (int i = 0; i < ARC_STATEMENT_NCOUNTERS; i++)
		{
			if (i == ARC_STATEMENT_FILL_TIME || i == ARC_STATEMENT_TIME_SAVED)
				values[i + 4] = Float8GetDatum(row->counters[i] / 1000.0);
			else
				values[i + 4] = Int64GetDatum((int64) row->counters[i]);
		}
		nulls[STATEMENT_COLUMNS - 1] = !allowed || row->note[0] == '\0';
		values[STATEMENT_COLUMNS - 1] = CStringGetTextDatum(row->note);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
