/*-------------------------------------------------------------------------
 *
 * pending.h
 *	  Sets and deletes of the current transaction.
 *
 * They take effect when the transaction commits, are seen by the transaction
 * itself at once, and vanish with ROLLBACK or ROLLBACK TO SAVEPOINT.
 *
 * A set's value waits in the arena, in an entry that is not linked yet; one
 * transaction may hold half of the arena so, beyond which its oldest sets turn
 * into deletes.  At PRE_COMMIT the keys' guards are registered and the entries
 * to be removed are fenced with the transaction's id; at COMMIT entries are
 * removed and linked, which needs locks but no memory and cannot fail.  PREPARE
 * TRANSACTION keeps deletes and turns sets into deletes, for nobody is there
 * to link them at COMMIT PREPARED.
 *
 * Guards are tokens: of one key, and of all keys of a role.  A fill captures
 * both when it opens and is rejected if they changed or have a writer that its
 * snapshot does not see.  So a value computed before a delete is never stored
 * after it.  (Hits do not look at guards: a shared slot would make one key's
 * delete another key's miss.)
 *
 * Functions that add an operation may raise; nothing does at COMMIT or ABORT.
 * The callbacks must run after those of coherence/writeset.c, so
 * arc_pending_init() comes before arc_writeset_init(): the server calls
 * transaction callbacks in reverse order of their registration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_PENDING_H
#define ARC_PENDING_H

#include "postgres.h"

#include "cache/meta.h"
#include "store/store.h"

extern void arc_pending_init(void);

typedef enum ArcPendingState
{
	ARC_PENDING_NOTHING,		/* ask the store */
	ARC_PENDING_DELETED,
	ARC_PENDING_SET
} ArcPendingState;

/* With ARC_PENDING_SET, *entry is the unlinked entry; use it at once. */
extern ArcPendingState arc_pending_find(const ArcKey *key, ArcSharedEntry **entry);
extern bool arc_pending_touches(const ArcKey *key);

/*
 * Returns false if the value found no room; the key is then deleted, lest an
 * older value survive.  The spec's meta must be of arc_meta_build(), its
 * dependencies' counts those of this moment.
 */
extern bool arc_pending_set(const ArcEntrySpec *spec);
extern void arc_pending_delete(const ArcKey *key);

/*
 * All keys of these spaces (ARC_SPACE_MASK) that match, of a role or
 * (InvalidOid) of all in this database.
 */
extern void arc_pending_delete_pattern(Oid role, uint32 spaces,
									   const char *pattern, int length);

/*
 * For guards of insertions (store.h) that are no fills: a delete that another
 * transaction has registered and not finished is to remove the new entry too,
 * so it fences it.  False if that cannot be arranged: then do not link.
 */
extern bool arc_pending_fence_new(ArcSharedEntry *entry);

/* Visit the keys that are set and not deleted, in order of their setting. */
typedef void (*ArcPendingVisit) (const ArcKey *key, ArcSharedEntry *entry, void *arg);
extern void arc_pending_visit(ArcPendingVisit visit, void *arg);

#endif							/* ARC_PENDING_H */
