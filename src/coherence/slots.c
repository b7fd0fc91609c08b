/*-------------------------------------------------------------------------
 *
 * slots.c
 *	  The newest writers of each token, in shared memory.
 *
 * A reader needs a consistent picture only when it looks at more than one
 * field.  The bracket works as a sequence lock: a writer, alone under its
 * stripe's lock, first advances begun, then changes the fields, then sets seq
 * to begun; a reader reads seq, the fields and begun, in this order, and has a
 * consistent picture iff both counts are equal.
 *
 * Tokens share slots.  A writer in the ring bears, in the 16 bits above its id,
 * a tag of the token that it wrote; readers of other tokens take no notice of
 * it.  (Ids of 48 bits last for 280 trillion transactions.)
 *
 * A registration that is missed because it happens while we look is none we
 * would have to see: the writer registers before it commits, so it is in
 * progress in any snapshot taken before we looked.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "coherence/slots.h"
#include "port/atomics.h"
#include "storage/procarray.h"
#include "storage/s_lock.h"

#define SLOT_STRIPES		64
#define STRICT_STEP			(ARC_RING_SIZE + 1)

/* Transaction ids this far behind the next one cannot be in progress. */
#define XID_HORIZON			(UINT64CONST(1) << 31)

typedef struct ArcSharedSlot
{
	pg_atomic_uint64 seq;
	pg_atomic_uint64 begun;
	pg_atomic_uint64 floor;
	pg_atomic_uint64 hard;
	pg_atomic_uint64 ring[ARC_RING_SIZE];	/* tagged */
} ArcSharedSlot;

StaticAssertDecl(sizeof(ArcSharedSlot) == 64, "a slot is one cache line");

typedef struct ArcSharedSlots
{
	/*
	 * What the slots of a fresh server do not know: any transaction up to this
	 * id may have written before the restart and still be prepared.  Set by
	 * whoever looks first.
	 */
	pg_atomic_uint64 unknown_before;
	uint32		ncoarse;		/* constant */
	uint32		nfine;
	pg_atomic_uint32 closed[SLOT_STRIPES];	/* strict writers about to end */
	char		padding[PG_CACHE_LINE_SIZE - sizeof(uint64) - 2 * sizeof(uint32)];
	ArcSharedSlot slots[FLEXIBLE_ARRAY_MEMBER];
} ArcSharedSlots;

static ArcSharedSlots *shared = NULL;
static LWLockPadded *stripes = NULL;

/* The slots take a 32nd of the cache's memory; an eighth of them are coarse. */
static uint32
slot_count(void)
{
	Size		share = (Size) arc_memory * 1024 * 1024 / 32;

	return (share - PG_CACHE_LINE_SIZE - offsetof(ArcSharedSlots, slots)) /
		sizeof(ArcSharedSlot);
}

static Size
slots_size(void)
{
	return add_size(offsetof(ArcSharedSlots, slots),
					mul_size(slot_count(), sizeof(ArcSharedSlot)));
}

static void
slots_init(void *address, LWLockPadded *locks)
{
	ArcSharedSlots *s = address;
	uint32		n = slot_count();

	pg_atomic_init_u64(&s->unknown_before, 0);
	s->ncoarse = n / 8;
	s->nfine = n - s->ncoarse;
	for (int i = 0; i < SLOT_STRIPES; i++)
		pg_atomic_init_u32(&s->closed[i], 0);
	for (uint32 i = 0; i < n; i++)
	{
		ArcSharedSlot *slot = &s->slots[i];

		pg_atomic_init_u64(&slot->seq, 0);
		pg_atomic_init_u64(&slot->begun, 0);
		pg_atomic_init_u64(&slot->floor, 0);
		pg_atomic_init_u64(&slot->hard, 0);
		for (int k = 0; k < ARC_RING_SIZE; k++)
			pg_atomic_init_u64(&slot->ring[k], 0);
	}
}

static void
slots_attach(void *address, LWLockPadded *locks)
{
	shared = address;
	stripes = locks;
}

void
arc_slots_shmem_register(void)
{
	static const ArcShmemPart part = {
		.name = "arcache slots",
		.tranche = "ArcacheSlots",
		.nlocks = SLOT_STRIPES,
		.size = slots_size,
		.init = slots_init,
		.attach = slots_attach,
	};

	arc_shmem_register(&part);
}

static inline ArcSharedSlot *
slot_of(ArcToken token)
{
	uint64		hash = (uint32) token;

	/* Multiply and shift maps 32 bits evenly onto any count of slots. */
	if (token & ARC_TOKEN_FINE)
		return &shared->slots[shared->ncoarse + ((hash * shared->nfine) >> 32)];
	return &shared->slots[(hash * shared->ncoarse) >> 32];
}

#define XID_BITS			48
#define XID_MASK			((UINT64CONST(1) << XID_BITS) - 1)

/* This id as a writer of token. */
static inline uint64
tagged(ArcToken token, uint64 xid)
{
	return ((token >> 32) << XID_BITS) | xid;
}

/* The writer in the ring as token sees it. */
static inline uint64
untagged(ArcToken token, uint64 writer)
{
	uint64		xid = writer & XID_MASK;

	return xid == 0 || writer == tagged(token, xid) ? xid : ARC_OTHER_WRITER;
}

static inline int
stripe_number(const ArcSharedSlot *slot)
{
	return (slot - shared->slots) % SLOT_STRIPES;
}

static inline LWLock *
stripe_of(const ArcSharedSlot *slot)
{
	return &stripes[stripe_number(slot)].lock;
}

static inline uint64
unknown_before(void)
{
	uint64		unknown = pg_atomic_read_u64(&shared->unknown_before);

	if (unlikely(unknown == 0))
	{
		uint64		last;

		/*
		 * In recovery the writers are another server's and register nothing;
		 * so until it has ended everything is unknown, and that is not yet
		 * the time to say up to where.
		 */
		if (RecoveryInProgress())
			return PG_UINT64_MAX;
		last = arc_compat_next_full_xid() - 1;

		if (pg_atomic_compare_exchange_u64(&shared->unknown_before, &unknown, last))
			unknown = last;
	}
	return unknown;
}

void
arc_slots_settle_unknown(void)
{
	(void) unknown_before();
}

uint64
arc_slot_seq(ArcToken token)
{
	return pg_atomic_read_u64(&slot_of(token)->seq);
}

bool
arc_slot_is_quiet(ArcToken token, uint64 seq, uint64 xmin)
{
	ArcSharedSlot *slot = slot_of(token);

	/*
	 * Whatever order these loads happen in, a writer that slips in between can
	 * only make us say no: the ids it leaves behind are not below xmin, nor is
	 * seq what it was.  hard never exceeds floor, but for the restart mark.
	 */
	if (pg_atomic_read_u64(&slot->seq) != seq)
		return false;
	pg_read_barrier();
	for (int k = 0; k < ARC_RING_SIZE; k++)
	{
		if ((pg_atomic_read_u64(&slot->ring[k]) & XID_MASK) >= xmin)
			return false;
	}
	return pg_atomic_read_u64(&slot->floor) < xmin && unknown_before() < xmin;
}

void
arc_slot_read(ArcToken token, ArcSlotState *state)
{
	ArcSharedSlot *slot = slot_of(token);
	SpinDelayStatus delay;
	bool		delayed = false;

	for (;;)
	{
		state->seq = pg_atomic_read_u64(&slot->seq);
		pg_read_barrier();
		for (int k = 0; k < ARC_RING_SIZE; k++)
			state->ring[k] = untagged(token, pg_atomic_read_u64(&slot->ring[k]));
		state->floor = pg_atomic_read_u64(&slot->floor);
		state->hard = pg_atomic_read_u64(&slot->hard);
		pg_read_barrier();
		if (pg_atomic_read_u64(&slot->begun) == state->seq)
		{
			state->unknown = unknown_before();
			break;
		}

		/* A writer is at work; it holds an LWLock, so may take a while. */
		if (!delayed)
		{
			init_local_spin_delay(&delay);
			delayed = true;
		}
		perform_spin_delay(&delay);
	}
	if (delayed)
		finish_spin_delay(&delay);
}

/* Is this forgotten writer still in progress? When in doubt, yes. */
static bool
in_progress(uint64 xid)
{
	if (arc_compat_next_full_xid() - xid >= XID_HORIZON)
		return false;
	return TransactionIdIsInProgress((TransactionId) xid);
}

static inline void
begin_change(ArcSharedSlot *slot, uint64 step)
{
	pg_atomic_write_u64(&slot->begun, pg_atomic_read_u64(&slot->seq) + step);
	pg_write_barrier();
}

static inline void
end_change(ArcSharedSlot *slot)
{
	pg_write_barrier();
	pg_atomic_write_u64(&slot->seq, pg_atomic_read_u64(&slot->begun));
}

uint64
arc_slot_register(ArcToken token, uint64 xid, bool strict)
{
	ArcSharedSlot *slot = slot_of(token);
	LWLock	   *lock = stripe_of(slot);
	uint64		writer = tagged(token, xid);
	uint64		forgotten;
	uint64		seq;
	bool		hard;
	bool		known = false;

	LWLockAcquire(lock, LW_EXCLUSIVE);

	for (int k = 0; k < ARC_RING_SIZE; k++)
		known |= pg_atomic_read_u64(&slot->ring[k]) == writer;

	/*
	 * Once in the ring a writer keeps others from publishing, so its second
	 * registration could add nothing; unless it is the first strict one.
	 */
	if (known)
	{
		if (strict)
		{
			begin_change(slot, STRICT_STEP);
			end_change(slot);
		}
		seq = pg_atomic_read_u64(&slot->seq);
		LWLockRelease(lock);
		return seq;
	}

	/* Ask the process array before the bracket opens: readers spin on it. */
	forgotten = pg_atomic_read_u64(&slot->ring[ARC_RING_SIZE - 1]) & XID_MASK;
	hard = forgotten != 0 && in_progress(forgotten);

	ARC_INJECT_LOCKED("slot-locked");
	begin_change(slot, strict ? STRICT_STEP : 1);
	ARC_INJECT_LOCKED("slot-changing");
	if (forgotten > pg_atomic_read_u64(&slot->floor))
		pg_atomic_write_u64(&slot->floor, forgotten);
	if (hard && forgotten > pg_atomic_read_u64(&slot->hard))
		pg_atomic_write_u64(&slot->hard, forgotten);
	for (int k = ARC_RING_SIZE - 1; k > 0; k--)
		pg_atomic_write_u64(&slot->ring[k], pg_atomic_read_u64(&slot->ring[k - 1]));
	pg_atomic_write_u64(&slot->ring[0], writer);
	end_change(slot);
	seq = pg_atomic_read_u64(&slot->seq);

	LWLockRelease(lock);
	return seq;
}

uint64
arc_slot_bump(ArcToken token)
{
	ArcSharedSlot *slot = slot_of(token);
	LWLock	   *lock = stripe_of(slot);
	uint64		seen = arc_compat_latest_completed_xid();
	uint64		seq;

	/*
	 * Who bumps may have been told, by other ways than ours, of a commit; an
	 * older snapshot must not bring back what was before it.  As if that
	 * commit were a forgotten writer.
	 */
	LWLockAcquire(lock, LW_EXCLUSIVE);
	begin_change(slot, STRICT_STEP);
	if (seen > pg_atomic_read_u64(&slot->floor))
		pg_atomic_write_u64(&slot->floor, seen);
	end_change(slot);
	seq = pg_atomic_read_u64(&slot->seq);
	LWLockRelease(lock);
	return seq;
}

/* Both are full barriers, so that the closing is seen before what follows. */
void
arc_slot_close(ArcToken token)
{
	pg_atomic_fetch_add_u32(&shared->closed[stripe_number(slot_of(token))], 1);
}

void
arc_slot_reopen(ArcToken token)
{
	pg_atomic_fetch_sub_u32(&shared->closed[stripe_number(slot_of(token))], 1);
}

bool
arc_slot_is_closed(ArcToken token)
{
	return pg_atomic_read_u32(&shared->closed[stripe_number(slot_of(token))]) != 0;
}
