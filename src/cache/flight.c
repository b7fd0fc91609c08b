/*-------------------------------------------------------------------------
 *
 * flight.c
 *	  One fill for concurrent misses of a key.
 *
 * The wait must never make a statement fail that would have succeeded without
 * the cache.  If we are the victim of a deadlock, or our wait takes too long,
 * we compute for ourselves.  But the deadlock may strike the leader instead:
 * when its query needs a lock that we hold.  The query's own locks it has
 * taken before it entered; what is left are locks taken while it runs, by
 * functions say.  Such a query takes AccessShareLock only, so that can be only
 * if we hold AccessExclusiveLock on something, which gives a transaction an id
 * if locks are logged for standbys.  A transaction
 * with an id, or any if they are not logged, therefore gives up before the
 * leader's deadlock_timeout strikes.  (What remains are locks that functions
 * inside the query take for themselves, advisory ones for instance.)
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/flight.h"
#include "common/hashfn.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

static void
flight_tag(LOCKTAG *tag, const ArcKey *key)
{
	uint64		hash;
	uint32		ids[2] = {key->role, key->space};

	hash = DatumGetUInt64(hash_any_extended((const unsigned char *) key->name,
											key->length, 0));
	hash = DatumGetUInt64(hash_any_extended((unsigned char *) ids, sizeof(ids), hash));
	SET_LOCKTAG_ADVISORY(*tag, key->database, (uint32) (hash >> 32), (uint32) hash,
						 ARC_FLIGHT_CLASS);
}

static int
wait_limit(void)
{
	int			limit = arc_wait_timeout;

	if (LockTimeout > 0)
		limit = Min(limit, LockTimeout);
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()) || !XLogStandbyInfoActive())
		limit = Min(limit, DeadlockTimeout / 2);
	return limit;
}

/* Wait for the lock, at most so long. Returns whether we have it. */
static bool
wait_for(const LOCKTAG *tag, int limit)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			saved_timeout = LockTimeout;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		LockTimeout = limit;
		ARC_INJECT_POINT("flight-wait");
		(void) LockAcquire(tag, ExclusiveLock, false, false);
		ARC_INJECT_POINT("flight-waited");
		LockTimeout = saved_timeout;
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		LockTimeout = saved_timeout;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error == NULL)
		return true;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
		error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED &&
		error->sqlerrcode != ERRCODE_OUT_OF_MEMORY)
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/*
 * The lock belongs to the (sub)transaction, not to the portal that runs us:
 * there it is after a wait, because the subtransaction of the wait hands it
 * over, so there it must be looked for when it is released.
 */
static bool
lock_if_available(const LOCKTAG *tag)
{
	ResourceOwner owner = CurrentResourceOwner;
	LockAcquireResult result;

	CurrentResourceOwner = CurTransactionResourceOwner;
	result = arc_compat_lock_if_available(tag, ExclusiveLock);
	CurrentResourceOwner = owner;
	return result != LOCKACQUIRE_NOT_AVAIL;
}

ArcFlight
arc_flight_enter(const ArcKey *key)
{
	LOCKTAG		tag;
	int			limit;

	/* No subtransaction, hence no waiting, in parallel mode. */
	if (IsInParallelMode())
		return ARC_FLIGHT_ALONE;

	flight_tag(&tag, key);
	ARC_INJECT_POINT("flight-enter");
	if (!ARC_INJECT_FAILS("flight-lock") && lock_if_available(&tag))
	{
		ARC_INJECT_POINT("flight-leads");
		return ARC_FLIGHT_LEADS;
	}

	limit = wait_limit();
	if (limit == 0)
		return ARC_FLIGHT_ALONE;
	arc_stats_count(ARC_WAITS);
	if (wait_for(&tag, limit))
	{
		ARC_INJECT_POINT("flight-follows");
		return ARC_FLIGHT_FOLLOWS;
	}
	arc_stats_count(ARC_WAIT_TIMEOUTS);
	return ARC_FLIGHT_ALONE;
}

void
arc_flight_leave(const ArcKey *key, ArcFlight flight)
{
	LOCKTAG		tag;
	ResourceOwner owner = CurrentResourceOwner;

	if (flight == ARC_FLIGHT_ALONE)
		return;
	flight_tag(&tag, key);
	ARC_INJECT_POINT("flight-leave");
	CurrentResourceOwner = CurTransactionResourceOwner;
	(void) LockRelease(&tag, ExclusiveLock, false);
	CurrentResourceOwner = owner;
	ARC_INJECT_POINT("flight-left");
}
