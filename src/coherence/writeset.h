/*-------------------------------------------------------------------------
 *
 * writeset.h
 *	  What the current transaction has written, as tokens.
 *
 * The set is local to the backend, lives in TopTransactionContext and follows
 * savepoints: a token first marked in a rolled-back subtransaction is gone.
 * At PRE_COMMIT and PRE_PREPARE each token is registered in its slot with the
 * transaction's id; a token marked later than that is registered at once.
 * Nothing is registered for a transaction that has no id, for it has changed
 * nothing; its explicit marks take effect by a bump when it has committed.
 *
 * Marking may raise for want of memory, as any statement may.  Nothing that
 * happens at or after COMMIT raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_WRITESET_H
#define ARC_WRITESET_H

#include "postgres.h"

#include "coherence/token.h"

/* Every older entry misses, whatever the snapshot: see slots.h. */
#define ARC_WRITE_STRICT	0x01

/* Asked for by name, so takes effect even without a transaction id. */
#define ARC_WRITE_EXPLICIT	0x02

extern void arc_writeset_init(void);

extern void arc_writeset_mark(ArcToken token, int flags);
extern bool arc_writeset_has(ArcToken token);
extern bool arc_writeset_is_empty(void);

/* The moment, to ask later whether a token has been marked since. */
extern uint64 arc_writeset_moment(void);
extern bool arc_writeset_marked_since(ArcToken token, uint64 moment);

/* This transaction's id, 64 bits wide, or 0 if it has none. */
extern uint64 arc_writeset_xid(void);

#endif							/* ARC_WRITESET_H */
