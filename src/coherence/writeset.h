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
 * A statement that writes a relation whose writes are told key by key is open
 * until the client's statement that it is part of has ended: only then have
 * the triggers of all rows run, and the marks say all that was written.
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

/* What a token says of its relation, for the statistics; or nothing. */
typedef enum ArcWriteKind
{
	ARC_WRITES_OTHER,
	ARC_WRITES_RELATION,
	ARC_WRITES_BULK,
	ARC_WRITES_KEY
} ArcWriteKind;

extern void arc_writeset_init(void);

extern void arc_writeset_mark(ArcToken token, int flags);
extern void arc_writeset_mark_relation(ArcToken token, int flags,
									   ArcWriteKind kind, Oid relid);
extern bool arc_writeset_has(ArcToken token);

/* How many keys are marked. */
extern int	arc_writeset_key_count(void);

/* Of all descendants of the relation, too, if it is a tree. */
extern void arc_writeset_open_statement(Oid relid, bool tree);
extern bool arc_writeset_statement_is_open(Oid relid);

/* Told of each token of a relation that is registered: before the commit. */
typedef void (*ArcWriteRegistered) (ArcWriteKind kind, Oid relid);
extern void arc_writeset_on_registered(ArcWriteRegistered callback);
extern bool arc_writeset_is_empty(void);

/* The moment, to ask later whether a token has been marked since. */
extern uint64 arc_writeset_moment(void);
extern bool arc_writeset_marked_since(ArcToken token, uint64 since);

/* This transaction's id, 64 bits wide, or 0 if it has none. */
extern uint64 arc_writeset_xid(void);

#endif							/* ARC_WRITESET_H */
