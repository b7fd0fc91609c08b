/*-------------------------------------------------------------------------
 *
 * visibility.c
 *	  The one rule: may a result made under one snapshot be served under
 *	  another?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "coherence/slots.h"
#include "coherence/visibility.h"
#include "storage/procarray.h"
#include "utils/snapmgr.h"

/* The 64-bit id nearest to next whose low half is xid. */
static inline uint64
widen(TransactionId xid, uint64 next)
{
	return next + (int64) (int32) (xid - (TransactionId) next);
}

bool
arc_view_init(ArcView *view, Snapshot snapshot)
{
	uint64		next;

	if (snapshot == NULL || !IsMVCCSnapshot(snapshot) ||
		snapshot->takenDuringRecovery)
		return false;

	/* Read after the snapshot was taken, so within 2^31 of its bounds. */
	next = arc_compat_next_full_xid();
	view->snapshot = snapshot;
	view->xmin = widen(snapshot->xmin, next);
	view->xmax = widen(snapshot->xmax, next);
	return true;
}

/*
 * Writers are registered by their top-level ids, which a snapshot always
 * lists, however many subtransactions there are; so there is no need for
 * XidInMVCCSnapshot(), which may have to read pg_subtrans, and raise.
 */
bool
arc_view_finished(const ArcView *view, uint64 xid)
{
	Snapshot	snapshot = view->snapshot;

	if (xid < view->xmin)
		return true;
	if (xid >= view->xmax)
		return false;

	/* A snapshot's list leaves out the transaction that took it. */
	if ((TransactionId) xid == GetTopTransactionIdIfAny())
		return false;
	for (uint32 i = 0; i < snapshot->xcnt; i++)
	{
		if (snapshot->xip[i] == (TransactionId) xid)
			return false;
	}
	return true;
}

/*
 * Are all writers that the ring has forgotten finished in this view?  All but
 * the hard ones were finished when they were forgotten.  One of them that is
 * not finished in the view is in the snapshot's list, below floor, and not in
 * progress now; so if all of the list below floor are in progress, there is
 * none.  The slot was read before, the process array is read now.
 */
static bool
forgotten_finished(const ArcView *view, const ArcSlotState *state)
{
	Snapshot	snapshot = view->snapshot;

	if (state->hard >= view->xmin || state->unknown >= view->xmin)
		return false;
	if (state->floor < view->xmin)
		return true;
	if (state->floor >= view->xmax)
		return false;

	for (uint32 i = 0; i < snapshot->xcnt; i++)
	{
		if (widen(snapshot->xip[i], view->xmax) <= state->floor &&
			!TransactionIdIsInProgress(snapshot->xip[i]))
			return false;
	}
	return true;
}

bool
arc_view_may_serve(const ArcView *view, ArcToken token, uint64 seq)
{
	ArcSlotState state;
	uint64		newer;

	if (arc_slot_is_quiet(token, seq, view->xmin))
		return true;

	arc_slot_read(token, &state);
	newer = state.seq - seq;
	if (newer > ARC_RING_SIZE)
		return false;
	for (uint64 k = 0; k < ARC_RING_SIZE; k++)
	{
		if (state.ring[k] != ARC_OTHER_WRITER &&
			arc_view_finished(view, state.ring[k]) != (k >= newer))
			return false;
	}
	return forgotten_finished(view, &state);
}

bool
arc_view_may_publish(const ArcView *view, ArcToken token, uint64 seen, uint64 *seq)
{
	ArcSlotState state;

	/*
	 * Before the slot is read: a strict writer reopens only after its bump, so
	 * if it is open now, either we see the bump or it is yet to register.
	 */
	if (arc_slot_is_closed(token))
		return false;
	pg_read_barrier();

	arc_slot_read(token, &state);
	*seq = state.seq;
	for (int k = 0; k < ARC_RING_SIZE; k++)
	{
		if (state.ring[k] != ARC_OTHER_WRITER && state.ring[k] != seen &&
			!arc_view_finished(view, state.ring[k]))
			return false;
	}
	return forgotten_finished(view, &state);
}

bool
arc_token_is_dead(ArcToken token, uint64 seq, uint64 oldest)
{
	ArcSlotState state;
	uint64		newer;

	if (arc_slot_seq(token) == seq)
		return false;

	arc_slot_read(token, &state);
	newer = state.seq - seq;
	if (newer > ARC_RING_SIZE)
		return true;

	/* Dead once one of the newer writers is finished in every snapshot. */
	for (uint64 k = 0; k < newer; k++)
	{
		if (state.ring[k] < oldest)
			return true;
	}
	return false;
}

uint64
arc_oldest_xmin(void)
{
	TransactionId oldest = GetOldestNonRemovableTransactionId(NULL);

	return widen(oldest, arc_compat_next_full_xid());
}

uint64
arc_oldest_running(void)
{
	return widen(GetOldestActiveTransactionId(), arc_compat_next_full_xid());
}
