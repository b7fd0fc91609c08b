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
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "coherence/force.h"
#include "coherence/tracking.h"
#include "miscadmin.h"
#include "query/dependency.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#define MAX_TAGS	1000

/* So few are searched one by one. */
#define SEARCHED_MAX	32

/* Keys that parameters are yet to say have no token, and differ in words. */
static bool
is_known(const ArcDependencies *dependencies, ArcDependency one, const ArcPinnedKey *key)
{
	for (int i = 0; i < dependencies->n; i++)
	{
		const ArcDependency *known = &dependencies->array[i];

		if (known->token == one.token &&
			(one.token != 0 ||
			 (known->relid == one.relid && key != NULL &&
			  strcmp(dependencies->words[i], key->words) == 0)))
			return true;
	}
	return false;
}

static void
index_tokens(ArcDependencies *dependencies)
{
	HASHCTL		control = {
		.keysize = sizeof(ArcToken),
		.entrysize = sizeof(ArcToken),
		.hcxt = CurrentMemoryContext
	};

	dependencies->index = hash_create("arcache dependencies", 256, &control,
									  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = 0; i < dependencies->n; i++)
		(void) hash_search(dependencies->index, &dependencies->array[i].token,
						   HASH_ENTER, NULL);
}

static void
append(ArcDependencies *dependencies, ArcDependency one, const char *words, ArcPinnedKey *key)
{
	/* Grow by powers of two. */
	if ((dependencies->n & (dependencies->n - 1)) == 0)
	{
		int			room = Max(4, 2 * dependencies->n);

		dependencies->array = dependencies->array ?
			repalloc(dependencies->array, room * sizeof(ArcDependency)) :
			palloc(room * sizeof(ArcDependency));
		dependencies->words = dependencies->words ?
			repalloc(dependencies->words, room * sizeof(char *)) :
			palloc(room * sizeof(char *));
		dependencies->keys = dependencies->keys ?
			repalloc(dependencies->keys, room * sizeof(ArcPinnedKey *)) :
			palloc(room * sizeof(ArcPinnedKey *));
	}
	dependencies->words[dependencies->n] = words;
	dependencies->keys[dependencies->n] = key;
	dependencies->array[dependencies->n++] = one;
}

void
arc_dependencies_append(ArcDependencies *dependencies, ArcDependency one, const char *words)
{
	append(dependencies, one, words, NULL);
}

static void
add(ArcDependencies *dependencies, ArcDependency one, ArcPinnedKey *key)
{
	bool		found;

	CHECK_FOR_INTERRUPTS();
	if (dependencies->index == NULL && dependencies->n > SEARCHED_MAX)
		index_tokens(dependencies);
	if (dependencies->index == NULL || one.token == 0)
		found = is_known(dependencies, one, key);
	else
		(void) hash_search(dependencies->index, &one.token, HASH_ENTER, &found);
	if (!found)
		append(dependencies, one, key ? key->words : NULL, key);
}

static void
add_relation(ArcDependencies *dependencies, Oid relid)
{
	ArcDependency one = {
		.token = arc_token_relation(MyDatabaseId, relid),
		.relid = relid,
		.kind = ARC_DEPENDS_ON_RELATION
	};

	add(dependencies, one, NULL);
}

static void
add_keys(ArcDependencies *dependencies, Oid relid, List *keys)
{
	ArcDependency bulk = {
		.token = arc_token_bulk(MyDatabaseId, relid),
		.relid = relid,
		.kind = ARC_DEPENDS_ON_BULK
	};
	ListCell   *lc;

	add(dependencies, bulk, NULL);
	foreach(lc, keys)
	{
		ArcPinnedKey *key = lfirst(lc);
		ArcDependency one = {
			.token = key->token,
			.relid = relid,
			.kind = ARC_DEPENDS_ON_KEY
		};

		add(dependencies, one, key);
	}
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

		add(dependencies, one, NULL);
		appendBinaryStringInfo(&names, tag, strlen(tag) + 1);
	}
	*size = names.len;
	return names.data;
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

/* What find_relation() looks for, and where it puts what it finds. */
typedef struct Search
{
	const ArcScanIndex *index;	/* or NULL: all of each relation */
	ArcParamsKnown params;
	ArcDependencies *dependencies;
	ArcAssessment *assessment;
} Search;

/* How to depend on a relation. */
typedef enum Depth
{
	NOT_AT_ALL,					/* see only whether it is tracked */
	AS_READ,					/* on what the plan reads of it */
	AS_ANCESTOR					/* as a whole, for a descendant's sake */
} Depth;

/*
 * Depend on what the plan reads of the relation: on keys, if that is all.  A
 * partitioned table has no rows of its own: if it tells keys its partitions
 * do, and they are in the plan as well.  Returns whether its ancestors are to
 * be depended on: a write through them tells their names, and the keys of the
 * rows.  So an ancestor counts as a whole, even if of its own rows only keys
 * are read.
 */
static bool
depend_on(const Search *search, Relation rel, const ArcTracking *tracking, Depth depth)
{
	Oid			relid = RelationGetRelid(rel);
	ArcScans	scans = {0};

	if (depth == NOT_AT_ALL)
		return false;
	if (depth == AS_READ && search->index != NULL && tracking->nkeys > 0)
	{
		arc_keyscan_find(search->index, rel, tracking, search->params, &scans);
		if (scans.pinned)
		{
			add_keys(search->dependencies, relid, scans.keys);
			return false;
		}
		if (!scans.read && rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
			return false;
	}
	add_relation(search->dependencies, relid);
	return true;
}

/*
 * The relations of the plan are locked, as what is declared is.  Ancestors are
 * not: the query itself needs no lock on them, so to take one would let it wait
 * for whom it need not, and even for who waits for it.  An ancestor's oid is
 * real as long as ours is locked, and if its tracking changes the definitions
 * change.
 */
static Relation
open_relation(const Search *search, Oid relid, bool ancestor)
{
	if (!ancestor)
		return try_relation_open(relid, AccessShareLock);
	search->dependencies->ancestors =
		list_append_unique_oid(search->dependencies->ancestors, relid);
	return RelationIdGetRelation(relid);
}

/* Add the relation and its ancestors; or see only whether it is tracked. */
static void
find_relation(const Search *search, Oid relid, Depth depth, bool ancestor)
{
	Relation	rel = open_relation(search, relid, ancestor);
	List	   *parents = NIL;
	Depth		above = NOT_AT_ALL;
	ListCell   *lc;

	if (rel == NULL)
	{
		arc_assess_restrict(search->assessment, ARC_CACHE_NEVER, "A relation was dropped.");
		return;
	}
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		arc_assess_restrict(search->assessment, ARC_CACHE_NEVER,
							psprintf("Relation \"%s\" is temporary.",
									 RelationGetRelationName(rel)));
	else if (rel->rd_rel->relkind != RELKIND_VIEW)
	{
		const ArcTracking *tracking = arc_force_tracking_of(rel);
		ArcDependencies *dependencies = search->dependencies;

		if (depend_on(search, rel, tracking, depth))
			above = AS_ANCESTOR;
		if (!tracking->tracked)
			arc_assess_restrict(search->assessment, ARC_CACHE_BY_TTL, untracked_reason(rel));
		else if (tracking->ttl > 0 &&
				 (dependencies->ttl == 0 || tracking->ttl < dependencies->ttl))
			dependencies->ttl = tracking->ttl;
		if (may_have_parents(rel))
			parents = arc_tracking_parents(relid);
	}
	relation_close(rel, NoLock);

	foreach(lc, parents)
		find_relation(search, lfirst_oid(lc), above, true);
}

void
arc_dependencies_find(const PlannedStmt *plan, ArcParamsKnown params,
					  ArcDependencies *dependencies, ArcAssessment *assessment)
{
	Search		search = {
		.index = arc_keyscan_index(plan),
		.params = params,
		.dependencies = dependencies,
		.assessment = assessment
	};
	ListCell   *lc;

	foreach(lc, plan->relationOids)
		find_relation(&search, lfirst_oid(lc), AS_READ, false);
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
	Search		search = {.dependencies = dependencies, .assessment = &assessment};

	for (int i = 0; i < n; i++)
	{
		ListCell   *lc;

		check_declared(relids[i]);
		LockRelationOid(relids[i], AccessShareLock);
		foreach(lc, find_all_inheritors(relids[i], AccessShareLock, NULL))
			find_relation(&search, lfirst_oid(lc), AS_READ, false);
	}
	return assessment.cacheability == ARC_CACHE_EXACT;
}

char *
arc_dependency_words(Oid relid, ArcDependencyKind kind, const char *words)
{
	char	   *name = get_rel_name(relid);

	/* That of keys names the relation. */
	if (kind != ARC_DEPENDS_ON_RELATION && kind != ARC_DEPENDS_ON_KEY)
		return NULL;
	name = name == NULL ? psprintf("%u", relid) :
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
	return words ? psprintf("%s (%s)", name, words) : name;
}
