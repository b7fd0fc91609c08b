/*-------------------------------------------------------------------------
 *
 * cache.h
 *	  The one door: store and coherence composed.
 *
 * Whoever wants a result asks here, and gets it only if the one rule (see
 * coherence/README.md) allows it under his snapshot.  Whoever has computed one
 * opens a fill before he computes and publishes through it afterwards.
 *
 * Entries are returned pinned, the pin held as pin.h says.  Lookup may raise
 * for want of backend memory; publishing never fails a statement: it returns
 * whether it published and counts why not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_CACHE_H
#define ARC_CACHE_H

#include "postgres.h"

#include "base/relstats.h"
#include "cache/meta.h"
#include "coherence/visibility.h"
#include "store/store.h"

/* Flag of an entry: made while the server was in recovery. */
#define ARC_ENTRY_IN_RECOVERY	0x01

extern void arc_cache_init(void);

/* -- who asks -------------------------------------------------------------- */

/* Why the cache takes no part in a read; ARC_USABLE if it does. */
typedef enum ArcUse
{
	ARC_USABLE,
	ARC_UNUSABLE_NOT_PRELOADED,
	ARC_UNUSABLE_DISABLED,
	ARC_UNUSABLE_ISOLATION
} ArcUse;

typedef struct ArcReader
{
	ArcUse		use;
	bool		recovery;		/* no snapshot rule: ttl alone */
	bool		serializable;	/* no results of queries: they leave no trace */
	ArcView		view;			/* if usable and not in recovery */
} ArcReader;

/* The reader is this backend with its active snapshot. Warns, once a session,
 * when the library is not preloaded. */
extern void arc_reader_init(ArcReader *reader);

/* The same for who wants to remove: arcache.enabled does not keep him. */
extern void arc_reader_init_for_removal(ArcReader *reader);

/* Count a read in which the cache takes no part. */
extern void arc_reader_count_bypass(const ArcReader *reader);

/* A key of the current user in the current database. */
extern ArcKey arc_cache_key(ArcKeySpace space, const char *name, uint32 length);

/* -- reading --------------------------------------------------------------- */

typedef enum ArcVerdict
{
	ARC_VERDICT_HIT,
	ARC_VERDICT_MISS,
	ARC_VERDICT_TOO_OLD,		/* a miss, and this snapshot could not publish */
	ARC_VERDICT_OWN_WRITES		/* the transaction has written what it reads */
} ArcVerdict;

/*
 * Find the entry of this key that may be served to this reader.  With an
 * identity it must also come from that query, parameters and environment;
 * without, an entry made by a query must come from an equal environment.
 * Nothing is counted.
 */
extern ArcSharedEntry *arc_cache_find(const ArcReader *reader, const ArcKey *key,
									  const ArcIdentity *identity,
									  ArcVerdict *verdict);

/* The same judgement for an entry at hand, of whatever key. */
extern bool arc_cache_may_serve(const ArcReader *reader, const ArcSharedEntry *entry);

/*
 * Are all that others have written of its dependencies as they were? For an
 * entry of the transaction's own, which is not linked yet.
 */
extern bool arc_cache_is_current(const ArcReader *reader, const ArcSharedEntry *entry);

extern void arc_cache_count_hit(ArcSharedEntry *entry);

/* Count for each relation among the dependencies. */
extern void arc_cache_count_relations(const ArcDependency *dependencies, int n,
									  ArcRelationCounter counter);

/* -- filling --------------------------------------------------------------- */

/*
 * An open fill remembers what must not change between looking and publishing.
 * It is opened before the query is analysed, while the reader's snapshot is
 * active.
 */
typedef struct ArcFill
{
	const ArcReader *reader;
	ArcKey		key;
	uint64		key_seq;		/* guards; see pending.h */
	uint64		keys_seq;
	uint64		definitions_seq;	/* strict tokens */
	uint64		roles_seq;
	bool		open;			/* may still be published */
} ArcFill;

typedef struct ArcResult
{
	const void *value;
	ArcSharedEntry *draft;		/* or NULL: has the value in value's place */
	Size		size;
	float		cost;			/* microseconds */
	TimestampTz expires;		/* 0 is never */
	ArcCoherence coherence;
	const ArcDependency *dependencies;	/* relations and tags; seq unset */
	int			ndependencies;
	const char *const *words;	/* of each that is a key: see meta.h */
	const ArcIdentity *identity;
	const char *settings;
	uint32		settings_size;
	const char *tags;
	uint32		tags_size;
} ArcResult;

extern void arc_fill_open(ArcFill *fill, const ArcReader *reader, const ArcKey *key);

/* Has this transaction written any of it? Then nothing can be published. */
extern bool arc_fill_own_writes(const ArcFill *fill,
								const ArcDependency *dependencies, int n);

/* Could it be published now, as far as the snapshot goes? */
extern bool arc_fill_may_publish(const ArcFill *fill,
								 const ArcDependency *dependencies, int n);

/* Judge each dependency and set its count; false if one forbids publishing. */
extern bool arc_fill_settle(const ArcFill *fill, ArcDependency *dependencies, int n);
extern bool arc_fill_publish(ArcFill *fill, const ArcResult *result);

/* -- limits ---------------------------------------------------------------- */

/* The largest value that is stored. */
extern Size arc_cache_size_limit(void);

/* Is a value of this size stored at all? Counts if not. */
extern bool arc_cache_size_allowed(Size size);

/* The moment a ttl of so many milliseconds ends; 0 stands for the default. */
extern TimestampTz arc_cache_expiry(int64 ttl);

/* Before sweeping: learn which entries no snapshot can be served any more. */
extern void arc_cache_refresh_horizon(void);

#endif							/* ARC_CACHE_H */
