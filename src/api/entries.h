/*-------------------------------------------------------------------------
 *
 * entries.h
 *	  Entries by key, as the SQL functions about values and rows see them.
 *
 * A key is looked for first among what the transaction itself has set and
 * deleted (cache/pending.h), then in the cache.  What is set and deleted here
 * takes effect when the transaction commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_ENTRIES_H
#define ARC_ENTRIES_H

#include "postgres.h"

#include "cache/cache.h"

/* Cost of what is set by hand, which the cache cannot measure: a millisecond. */
#define ARC_SET_COST	1000.0f

/* -- finding -------------------------------------------------------------------- */

/* An entry of the transaction's own or of the cache, pinned in the latter case. */
typedef struct ArcFound
{
	ArcSharedEntry *entry;		/* or NULL */
	bool		pinned;
	bool		bypassed;		/* none, because the transaction wrote something */
} ArcFound;

extern ArcFound arc_entries_find(const ArcReader *reader, const ArcKey *key);

/* Count the hit or miss; what was hit is checked as any hit is. */
extern void arc_entries_count(const ArcReader *reader, const ArcFound *found);
extern void arc_entries_done(ArcFound *found);
extern bool arc_entries_exist(const ArcReader *reader, const ArcKey *key);

/* -- setting -------------------------------------------------------------------- */

/* What the sets of one call have in common. */
typedef struct ArcSetting
{
	ArcReader	reader;
	int64		ttl;			/* milliseconds; 0 is the default */
	ArcMetaSpec meta;
	bool		possible;		/* false: nothing can be stored */
} ArcSetting;

/*
 * Returns whether it is set.  A value that is not stored must not leave an
 * older one in its place, so the key is deleted then.
 */
extern bool arc_entries_set(const ArcSetting *setting, const ArcKey *key,
							const void *value, Size size);

/* -- patterns ------------------------------------------------------------------- */

typedef void (*ArcKeyVisit) (const ArcKey *key, void *arg);

typedef struct ArcKeyWalk
{
	uint32		spaces;			/* ARC_SPACE_MASK, of the keys to visit */
	const char *pattern;		/* a checked one; see glob.h */
	int			length;
	ArcKeyVisit visit;
	void	   *arg;
} ArcKeyWalk;

/* Visit the keys of this role that match, as this transaction sees them. */
extern void arc_entries_walk(const ArcReader *reader, const ArcKeyWalk *walk);

/* Delete the keys of this role that match; returns how many there are. */
extern int64 arc_entries_delete_pattern(uint32 spaces, const char *pattern, int length);

/* The same for keys that begin with a prefix. */
extern int64 arc_entries_delete_prefix(uint32 spaces, const char *prefix);

#endif							/* ARC_ENTRIES_H */
