/*-------------------------------------------------------------------------
 *
 * dependency.h
 *	  Which relations a planned query depends on, and are they tracked?
 *
 * A write through a parent fires the parent's trigger only, and a write to a
 * partition the partition's only.  So what reads a relation depends on that
 * relation and on all its ancestors; its descendants are in the plan.
 *
 * Results are palloc'd; raises what catalog lookups raise.  The relations are
 * locked by the analysis of the query; their ancestors are not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_DEPENDENCY_H
#define ARC_DEPENDENCY_H

#include "postgres.h"

#include "cache/meta.h"
#include "query/cacheability.h"
#include "query/keyscan.h"
#include "utils/array.h"

typedef struct ArcDependencies
{
	int			n;
	ArcDependency *array;		/* each with kind and token, seq unset */
	const char **words;			/* of each that is a key: "id = 1" */
	struct ArcPinnedKey **keys; /* of each that is a key: see keyscan.h */
	int			ttl;			/* seconds; the shortest of the relations', or 0 */
	List	   *ancestors;		/* oids of those that were looked at without a lock */
	struct HTAB *index;			/* of the tokens, if they are many; or NULL */
} ArcDependencies;

/* One that is known not to be there; dependencies so made have no index. */
extern void arc_dependencies_append(ArcDependencies *dependencies, ArcDependency one,
									const char *words);

/*
 * Restricts the assessment where a relation is not tracked.  Keys that
 * parameters are yet to say have no token.
 */
extern void arc_dependencies_find(const PlannedStmt *plan, ArcParamsKnown params,
								  ArcDependencies *dependencies,
								  ArcAssessment *assessment);

/*
 * Add relations that the caller named, with their descendants. Returns whether
 * all are tracked; 42809 for a view or the like, 42501 without SELECT on it.
 */
extern bool arc_dependencies_declare(ArcDependencies *dependencies,
									 const Oid *relids, int n);

/*
 * Add the current user's tags, of an array of text or NULL. Returns them as
 * bytes, each ended by a zero; 54000 if there are more than 1,000.
 */
extern char *arc_dependencies_add_tags(ArcDependencies *dependencies,
									   ArrayType *tags, uint32 *size);

/* "public.orders" or "public.orders (user_id = 42)"; NULL for other kinds. */
extern char *arc_dependency_words(Oid relid, ArcDependencyKind kind, const char *words);

#endif							/* ARC_DEPENDENCY_H */
