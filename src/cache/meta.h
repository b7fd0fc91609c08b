/*-------------------------------------------------------------------------
 *
 * meta.h
 *	  What the cache keeps with an entry beside key and value.
 *
 * The store carries it as opaque bytes.  An ArcMeta is followed by its
 * dependencies and then by its texts, in the order of the sizes.  An entry set
 * by hand without dependencies has no meta at all; arc_meta_of() then returns
 * an empty one.
 *
 * Read under a pin; never changed once the entry is linked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_META_H
#define ARC_META_H

#include "postgres.h"

#include "coherence/token.h"
#include "nodes/pg_list.h"
#include "store/store.h"

/* How an entry is kept from going stale; see arcache_entries. */
typedef enum ArcCoherence
{
	ARC_COHERENCE_NONE,			/* set by hand: what it says is what was set */
	ARC_COHERENCE_TTL,			/* by its ttl alone */
	ARC_COHERENCE_DECLARED,		/* the caller named what it depends on */
	ARC_COHERENCE_EXACT			/* all it depends on is known and tracked */
} ArcCoherence;

typedef enum ArcDependencyKind
{
	ARC_DEPENDS_ON_RELATION,	/* all rows */
	ARC_DEPENDS_ON_BULK,		/* with keys: writes that do not tell keys */
	ARC_DEPENDS_ON_KEY,			/* the rows that have these values */
	ARC_DEPENDS_ON_DEFINITIONS,
	ARC_DEPENDS_ON_ROLES,
	ARC_DEPENDS_ON_TAG
} ArcDependencyKind;

typedef struct ArcDependency
{
	ArcToken	token;
	uint64		seq;			/* of its slot, at publication */
	Oid			relid;
	uint32		kind;			/* ArcDependencyKind */
} ArcDependency;

typedef struct ArcMeta
{
	uint32		coherence;		/* ArcCoherence */
	uint32		ndependencies;
	uint32		query_size;
	uint32		params_size;
	uint32		environment_size;
	uint32		settings_size;
	uint32		tags_size;		/* each tag ends in a zero byte */
	uint32		words_size;		/* of the keys, in their order; likewise */
	uint64		query_id;		/* of the statement, in transparent mode; or 0 */
} ArcMeta;

/* What made a result, to be compared byte by byte when it is looked up. */
typedef struct ArcIdentity
{
	const char *query;
	uint32		query_size;
	bool		query_shown;	/* only: the parameters say which query it is */
	uint64		query_id;		/* is not compared */
	const char *params;
	uint32		params_size;
	const char *environment;
	uint32		environment_size;
} ArcIdentity;

typedef struct ArcMetaSpec
{
	ArcCoherence coherence;
	int			ndependencies;
	const ArcDependency *dependencies;
	const char *const *words;	/* at the place of each that is a key: "id = 1" */
	const ArcIdentity *identity;	/* or NULL */
	const char *settings;		/* captured by name, or NULL */
	uint32		settings_size;
	const char *tags;
	uint32		tags_size;
} ArcMetaSpec;

/* Palloc'd; *size is 0 when there is nothing to keep. */
extern void *arc_meta_build(const ArcMetaSpec *spec, Size *size);

extern const ArcMeta *arc_meta_of(const ArcSharedEntry *entry);
extern const ArcDependency *arc_meta_dependencies(const ArcMeta *meta);
extern const char *arc_meta_query(const ArcMeta *meta);
extern const char *arc_meta_params(const ArcMeta *meta);
extern const char *arc_meta_environment(const ArcMeta *meta);
extern const char *arc_meta_settings(const ArcMeta *meta);
extern const char *arc_meta_tags(const ArcMeta *meta);
extern const char *arc_meta_words(const ArcMeta *meta);

/* Was it made by this query, these parameters, in this environment? */
extern bool arc_meta_identical(const ArcMeta *meta, const ArcIdentity *identity);

#endif							/* ARC_META_H */
