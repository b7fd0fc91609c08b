/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  The newest writers of each token, in shared memory.
 *
 * A fixed array of slots, one cache line each; a token hashes to its slot.
 * Slots are never allocated or freed, so that a commit cannot fail for want
 * of one.  Tokens that share a slot are told apart, but for one in 65,536, as
 * long as the slot remembers the writer; of what it has forgotten they share
 * the fate.
 *
 * Writers of a slot hold the LWLock of its stripe exclusively, and may take
 * ProcArrayLock (shared) while holding it.  Readers take no lock: seq and
 * begun bracket every change, and a reader retries while they differ.
 *
 * Nothing here raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_SLOTS_H
#define ARC_SLOTS_H

#include "postgres.h"

#include "coherence/token.h"

/* How many writers a slot remembers one by one. */
#define ARC_RING_SIZE	4

/* In the place of a writer of another token that shares the slot. */
#define ARC_OTHER_WRITER	PG_UINT64_MAX

/*
 * A consistent copy of a slot, as one of its tokens sees it. Transaction ids
 * are 64-bit; 0 is none.
 */
typedef struct ArcSlotState
{
	uint64		seq;			/* count of registrations */
	uint64		ring[ARC_RING_SIZE];	/* newest writer first */
	uint64		floor;			/* largest id the ring has forgotten */
	uint64		hard;			/* largest id forgotten while in progress */
	uint64		unknown;		/* up to this id, perhaps unknown since a restart */
} ArcSlotState;

extern void arc_slots_shmem_register(void);

extern uint64 arc_slot_seq(ArcToken token);
extern void arc_slot_read(ArcToken token, ArcSlotState *state);

/*
 * Has nothing been registered since seq, and is every writer the slot ever
 * had older than xmin?  True is certain; false means: look closer.
 */
extern bool arc_slot_is_quiet(ArcToken token, uint64 seq, uint64 xmin);

/*
 * Both of the following return the count after them.
 *
 * Enter the running transaction xid as a writer.  A strict registration makes
 * every older entry a miss, whatever the reader's snapshot sees.
 */
extern uint64 arc_slot_register(ArcToken token, uint64 xid, bool strict);

/*
 * Make every older entry a miss, without a writer; and let nothing be published
 * by a snapshot that does not see all that has finished by now.
 */
extern uint64 arc_slot_bump(ArcToken token);

/*
 * Between a strict registration and its second step (see writeset.c) nothing
 * may be published on the slot.  Closings are counted, and shared by a few
 * slots; whoever closes reopens.
 */
extern void arc_slot_close(ArcToken token);
extern void arc_slot_reopen(ArcToken token);
extern bool arc_slot_is_closed(ArcToken token);

/*
 * Look now, once recovery has ended, which transactions may be unknown since
 * the restart; whoever looks first settles it.
 */
extern void arc_slots_settle_unknown(void);

#endif							/* ARC_SLOTS_H */
