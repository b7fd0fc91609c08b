/*-------------------------------------------------------------------------
 *
 * tally.h
 *	  Counters, per thing: relation, statement.
 *
 * A backend counts in memory of its own and adds that to the thing's record in
 * shared memory now and then: at the end of a transaction, if a second has
 * passed, and when it exits.  The tally's only lock protects which record is
 * whose and what it notes; in shared mode one adds, atomically.
 *
 * The number of records is fixed.  When there is none for a new thing, one of
 * those that were counted for longest ago is taken; nothing else is lost.
 *
 * Counting may raise for want of memory, but for things that this transaction
 * has counted for before.  Without shared memory it does nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_TALLY_H
#define ARC_TALLY_H

#include "postgres.h"

#include "base/shmem.h"

#define ARC_TALLY_COUNTERS	8
#define ARC_TALLY_NOTE		80	/* bytes, with the zero */

typedef struct ArcTallyKey
{
	Oid			database;		/* InvalidOid if the record is free */
	Oid			role;			/* or InvalidOid, where that does not matter */
	uint64		id;
} ArcTallyKey;

/* What one file counts; its own and static, made with ARC_TALLY(). */
typedef struct ArcTally
{
	const char *name;			/* of the memory context */
	struct ArcSharedTally *shared;
	LWLock	   *lock;
	struct HTAB *local;
	struct LocalCounts *latest; /* of the thing counted last */
	bool		pending;		/* something is not added yet */
} ArcTally;

#define ARC_TALLY(name)	{name, NULL, NULL, NULL, NULL, false}

/* For the file's ArcShmemPart. */
extern Size arc_tally_size(void);
extern void arc_tally_shmem_init(void *address, LWLockPadded *locks);
extern void arc_tally_attach(ArcTally *tally, void *address, LWLockPadded *locks);

/* Once in the postmaster. */
extern void arc_tally_start(ArcTally *tally);

/* Count for a thing of this database. */
extern void arc_tally_count(ArcTally *tally, Oid role, uint64 id, int counter, uint64 n);

/* Leave a word with it, cut to its room; the latest stays. */
extern void arc_tally_note(ArcTally *tally, Oid role, uint64 id, const char *note);

/* Make what this backend has counted seen by all. */
extern void arc_tally_flush(ArcTally *tally);

/* The counters of a thing of this database as all see them; false if there are none. */
extern bool arc_tally_read(ArcTally *tally, Oid role, uint64 id, uint64 *counters);

/* Visit what there is of a database; the lock is held, so be quick. */
typedef void (*ArcTallyVisit) (const ArcTallyKey *key, const uint64 *counters,
							   const char *note, void *arg);
extern void arc_tally_visit(ArcTally *tally, Oid database, ArcTallyVisit visit, void *arg);

extern void arc_tally_reset(ArcTally *tally, Oid database);

/* Of the things of a database; each InvalidOid or 0 stands for any. */
extern void arc_tally_forget(ArcTally *tally, Oid database, Oid role, uint64 id);

#endif							/* ARC_TALLY_H */
