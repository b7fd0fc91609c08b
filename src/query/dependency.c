/*-------------------------------------------------------------------------
 *
 * dependency.c
 *	  Which relations a planned query depends on, and are they tracked?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "coherence/tracking.h"
#include "miscadmin.h"
#include "catalog/objectaddress.h"
#include "query/dependency.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#define MAX_TAGS	1000

static void
add(ArcDependencies *dependencies, ArcDependency one)
{
	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < dependencies->n; i++)
	{
		if (dependencies->array[i].token == one.token)
			return;
	}

	/* Grow by powers of two. */
	if ((dependencies->n & (dependencies->n - 1)) == 0)
	{
		Size		room = Max(4, 2 * dependencies->n) * sizeof(ArcDependency);

		dependencies->array = dependencies->array ?
			repalloc(dependencies->array, room) : palloc(room);
	}
	dependencies->array[dependencies->n++] = one;
}

static void
add_relation(ArcDependencies *dependencies, Oid relid)
{
	ArcDependency one = {
		.token = arc_token_relation(MyDatabaseId, relid),
		.relid = relid,
		.kind = ARC_DEPENDS_ON_RELATION
	};

	add(dependencies, one);
}

char *
arc_dependencies_add_tags(ArcDependencies *dependencies, ArrayType *tags, uint32 *size)
{
	StringInfoData names;
	Datum	   *values;
	int			n = 0;

	initStringInfo(&names);
	if (tags != NULL && ArrayGetNItems(ARR_NDIM(tags), ARR_DIMS(tags)) > MAX_TAGS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an entry can have at most %d tags", MAX_TAGS)));
	if (tags != NULL)
		deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &values, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *tag = TextDatumGetCString(values[i]);
		ArcDependency one = {
			.token = arc_token_tag(MyDatabaseId, GetUserId(), tag, strlen(tag)),
			.kind = ARC_DEPENDS_ON_TAG
		};

		add(dependencies, one);
		appendBinaryStringInfo(&names, tag, strlen(tag) + 1);
	}
	*size = names.len;
	return names.data;
}

/* The relations this one is a child of, by inheritance or partitioning. */
static List *
parents_of(Oid relid)
{
	Relation	catalog = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *parents = NIL;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return parents;
}

static bool
may_have_parents(Relation rel)
{
	return (rel->rd_rel->relkind == RELKIND_RELATION ||
			rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE) &&
		!IsCatalogRelation(rel);
}

/* Why no trigger can tell us of this relation's writes. */
static const char *
untracked_reason(Relation rel)
{
	const char *name = RelationGetRelationName(rel);

	if (IsCatalogRelation(rel))
		return psprintf("Relation \"%s\" is a system catalog.", name);
	if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return psprintf("Relation \"%s\" is a foreign table.", name);
	if (rel->rd_rel->relkind == RELKIND_SEQUENCE)
		return psprintf("Relation \"%s\" is a sequence.", name);
	return psprintf("Relation \"%s\" is not tracked.", name);
}

/*
 * Add the relation and its ancestors.  An ancestor that is not in the plan is
 * opened without a lock: its oid is real as long as ours is locked, and if its
 * tracking changes the definitions change.
 */
static void
find_relation(Oid relid, ArcDependencies *dependencies, ArcAssessment *assessment)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	ArcTracking tracking;
	List	   *parents = NIL;
	ListCell   *lc;

	if (rel == NULL)
	{
		arc_assess_restrict(assessment, ARC_CACHE_NEVER, "A relation was dropped.");
		return;
	}
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		arc_assess_restrict(assessment, ARC_CACHE_NEVER,
							psprintf("Relation \"%s\" is temporary.",
									 RelationGetRelationName(rel)));
	else if (rel->rd_rel->relkind != RELKIND_VIEW)
	{
		add_relation(dependencies, relid);
		if (!arc_tracking_read(rel, &tracking))
			arc_assess_restrict(assessment, ARC_CACHE_BY_TTL, untracked_reason(rel));
		else if (tracking.ttl > 0 &&
				 (dependencies->ttl == 0 || tracking.ttl < dependencies->ttl))
			dependencies->ttl = tracking.ttl;
		if (may_have_parents(rel))
			parents = parents_of(relid);
	}
	relation_close(rel, NoLock);

	foreach(lc, parents)
		find_relation(lfirst_oid(lc), dependencies, assessment);
}

void
arc_dependencies_find(const PlannedStmt *plan, ArcDependencies *dependencies,
					  ArcAssessment *assessment)
{
	ListCell   *lc;

	foreach(lc, plan->relationOids)
		find_relation(lfirst_oid(lc), dependencies, assessment);
}

static void
check_declared(Oid relid)
{
	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
				aclcheck_error(ACLCHECK_NO_PRIV,
							   get_relkind_objtype(get_rel_relkind(relid)),
							   get_rel_name(relid));
			return;
		case '\0':
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("relation with OID %u does not exist", relid)));
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot depend on relation \"%s\"", get_rel_name(relid)),
					 errhint("Name the tables or materialized views whose writes matter.")));
	}
}

bool
arc_dependencies_declare(ArcDependencies *dependencies, const Oid *relids, int n)
{
	ArcAssessment assessment = {.cacheability = ARC_CACHE_EXACT};

	for (int i = 0; i < n; i++)
	{
		ListCell   *lc;

		check_declared(relids[i]);
		LockRelationOid(relids[i], AccessShareLock);
		foreach(lc, find_all_inheritors(relids[i], AccessShareLock, NULL))
			find_relation(lfirst_oid(lc), dependencies, &assessment);
	}
	return assessment.cacheability == ARC_CACHE_EXACT;
}
