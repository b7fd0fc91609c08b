/*-------------------------------------------------------------------------
 *
 * pin.h
 *	  What this backend holds of the store, released on error.
 *
 * A hold is a pin on an entry or the ownership of an unlinked one.  Each
 * belongs to the ResourceOwner that was current when it was taken, and is
 * given back when that owner is released: at the end of the statement, of the
 * subtransaction or of the transaction, whether by error or not.  A hold with
 * no owner belongs to the transaction (cache/pending.c gives those back).
 *
 * arc_pin_reserve() may raise; the others may not.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_PIN_H
#define ARC_PIN_H

#include "postgres.h"

#include "store/store.h"

typedef enum ArcHold
{
	ARC_HOLD_PIN,				/* given back by arc_store_unpin */
	ARC_HOLD_OWNED,				/* given back by arc_store_discard */
	ARC_HOLD_SCAN				/* of pin.c alone */
} ArcHold;

extern void arc_pin_init(void);

/* Make room for one more hold; call before taking it. */
extern void arc_pin_reserve(void);
extern void arc_pin_remember(ArcSharedEntry *entry, ArcHold hold);

/* The hold passes to the caller, who gives it back. */
extern void arc_pin_forget(ArcSharedEntry *entry, ArcHold hold);

/* Forget a pin and give it back. */
extern void arc_pin_release(ArcSharedEntry *entry);

/* A walk over the store whose pins are held so too. */
extern ArcStoreScan *arc_scan_open(void);
extern ArcSharedEntry *arc_scan_next(ArcStoreScan *scan);
extern void arc_scan_close(ArcStoreScan *scan);

#endif							/* ARC_PIN_H */
