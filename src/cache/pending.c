/*-------------------------------------------------------------------------
 *
 * pending.c
 *	  Sets and deletes of the current transaction.
 *
 * Operations are kept in the order of their coming, each with its nesting
 * level; those of a subtransaction are a tail of the array, which its rollback
 * cuts off.  A hash table leads from a key to its latest operation, and each
 * operation to the previous one of its key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/glob.h"
#include "cache/pending.h"
#include "cache/pin.h"
#include "coherence/slots.h"
#include "coherence/visibility.h"
#include "coherence/writeset.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/procarray.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* With more operations than this wait for all insertions, not for each key's. */
#define MANY_OPS	128

typedef struct PendingKey
{
	ArcKey		key;			/* hash key; name in our context */
	int			latest;			/* operation, or -1 */
} PendingKey;

typedef struct PendingOp
{
	int			level;
	int			previous;		/* of the same key, or -1 */
	PendingKey *target;			/* NULL for a pattern */
	ArcSharedEntry *entry;		/* set: not linked, ours; NULL: delete */
	uint64		moment;			/* of the set; see writeset.h */
	uint64		key_seq;		/* of its guards, when we had registered them */
	uint64		keys_seq;
	ArcKey		pattern;		/* if target is NULL */
	uint32		spaces;			/* that it covers */
} PendingOp;

static MemoryContext context = NULL;
static HTAB *keys = NULL;
static PendingOp *ops = NULL;
static int	nops = 0;
static int	ops_room = 0;
static List *patterns = NIL;	/* of operations, in their order */
static int	oldest_set = 0;		/* no operation before it holds an entry */
static uint64 bytes_held = 0;
static bool fenced = false;
static uint64 fence_xid = 0;

/* -- keys ------------------------------------------------------------------ */

static uint32
hash_key(const void *pointer, Size size)
{
	const ArcKey *key = pointer;
	uint32		ids[3] = {key->database, key->role, key->space};

	return hash_combine(hash_bytes((const unsigned char *) key->name, key->length),
						hash_bytes((unsigned char *) ids, sizeof(ids)));
}

static int
compare_keys(const void *a, const void *b, Size size)
{
	const ArcKey *x = a;
	const ArcKey *y = b;

	return !(x->database == y->database && x->role == y->role &&
			 x->space == y->space && x->length == y->length &&
			 memcmp(x->name, y->name, x->length) == 0);
}

static void
start(void)
{
	HASHCTL		ctl;

	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot change the cache during a parallel operation")));
	if (context != NULL)
		return;

	/* What allocates memory the first time may be needed after COMMIT. */
	arc_stats_add(ARC_SETS, 0);
	(void) TransactionIdIsInProgress(ReadNextTransactionId());
	context = AllocSetContextCreate(TopTransactionContext, "arcache pending",
									ALLOCSET_DEFAULT_SIZES);
	ctl.keysize = sizeof(ArcKey);
	ctl.entrysize = sizeof(PendingKey);
	ctl.hash = hash_key;
	ctl.match = compare_keys;
	ctl.hcxt = context;
	keys = hash_create("arcache pending keys", 64, &ctl,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	ops_room = 64;
	ops = MemoryContextAlloc(context, ops_room * sizeof(PendingOp));
}

static PendingKey *
find_key(const ArcKey *key)
{
	return keys ? hash_search(keys, key, HASH_FIND, NULL) : NULL;
}

static PendingKey *
enter_key(const ArcKey *key)
{
	PendingKey *target = find_key(key);
	ArcKey		copy = *key;
	char	   *name;

	if (target != NULL)
		return target;
	name = MemoryContextAlloc(context, key->length + 1);
	memcpy(name, key->name, key->length);
	copy.name = name;
	target = hash_search(keys, &copy, HASH_ENTER, NULL);
	target->latest = -1;
	return target;
}

/* -- operations ------------------------------------------------------------ */

static void
drop_entry(PendingOp *op)
{
	if (op->entry == NULL)
		return;
	bytes_held -= (uint64) op->entry->footprint * 16;
	arc_store_discard(op->entry);
	op->entry = NULL;
}

static PendingOp *
new_op(void)
{
	if (nops == ops_room)
	{
		ops = repalloc_huge(ops, 2 * ops_room * sizeof(PendingOp));
		ops_room *= 2;
	}
	return &ops[nops];
}

static void
add_key_op(PendingKey *target, ArcSharedEntry *entry)
{
	PendingOp  *op = &ops[nops];

	op->level = GetCurrentTransactionNestLevel();
	op->previous = target->latest;
	op->target = target;
	op->entry = entry;
	op->moment = arc_writeset_moment();
	target->latest = nops++;
	if (entry != NULL)
		bytes_held += (uint64) entry->footprint * 16;
}

/* Does a pattern that came after operation `since` cover this key? */
static bool
covered(const ArcKey *key, int since)
{
	for (int i = list_length(patterns) - 1; i >= 0; i--)
	{
		int			op = list_nth_int(patterns, i);
		const ArcKey *pattern = &ops[op].pattern;

		if (op < since)
			break;
		if ((ops[op].spaces & ARC_SPACE_MASK(key->space)) != 0 &&
			(!OidIsValid(pattern->role) || pattern->role == key->role) &&
			arc_glob_match(pattern->name, pattern->length, key->name, key->length))
			return true;
	}
	return false;
}

/* Has this transaction written what a value depends on since it set it? */
static bool
overtaken(const PendingOp *op)
{
	const ArcMeta *meta = arc_meta_of(op->entry);
	const ArcDependency *dependencies = arc_meta_dependencies(meta);

	for (uint32 i = 0; i < meta->ndependencies; i++)
	{
		if (arc_writeset_marked_since(dependencies[i].token, op->moment))
			return true;
	}
	return false;
}

/* Turn the oldest set that still holds an entry into a delete. */
static bool
give_up_oldest(void)
{
	for (; oldest_set < nops; oldest_set++)
	{
		if (ops[oldest_set].entry != NULL)
		{
			drop_entry(&ops[oldest_set]);
			arc_stats_count(ARC_REJECTED_FULL);
			return true;
		}
	}
	return false;
}

ArcPendingState
arc_pending_find(const ArcKey *key, ArcSharedEntry **entry)
{
	PendingKey *target = find_key(key);

	if (nops == 0)
		return ARC_PENDING_NOTHING;
	if (target == NULL || target->latest < 0)
		return covered(key, -1) ? ARC_PENDING_DELETED : ARC_PENDING_NOTHING;
	*entry = ops[target->latest].entry;
	if (*entry == NULL || covered(key, target->latest) ||
		overtaken(&ops[target->latest]))
	{
		*entry = NULL;
		return ARC_PENDING_DELETED;
	}
	return ARC_PENDING_SET;
}

bool
arc_pending_touches(const ArcKey *key)
{
	ArcSharedEntry *entry;

	return arc_pending_find(key, &entry) != ARC_PENDING_NOTHING;
}

bool
arc_pending_set(const ArcEntrySpec *spec)
{
	uint64		budget = (uint64) arc_memory * 1024 * 1024 / 2;
	PendingKey *target;
	ArcSharedEntry *entry;

	start();
	(void) new_op();
	target = enter_key(&spec->key);

	/* From here on nothing raises. */
	while (bytes_held + spec->value_size > budget && give_up_oldest())
		continue;
	while ((entry = arc_store_create(spec)) == NULL && give_up_oldest())
		continue;
	ARC_INJECT_HELD("set-created");
	add_key_op(target, entry);
	arc_stats_count(entry ? ARC_SETS : ARC_REJECTED_FULL);
	return entry != NULL;
}

/*
 * A delete is an event that snapshots must be able to tell from before and
 * after, so it needs a transaction id.
 */
static void
need_xid(void)
{
	if (!RecoveryInProgress())
		(void) GetTopTransactionId();
}

void
arc_pending_delete(const ArcKey *key)
{
	start();
	(void) new_op();
	need_xid();
	ARC_INJECT_POINT("delete");
	add_key_op(enter_key(key), NULL);
}

void
arc_pending_delete_pattern(Oid role, uint32 spaces, const char *pattern, int length)
{
	PendingOp  *op;
	char	   *copy;
	MemoryContext old;

	start();
	op = new_op();
	copy = MemoryContextAlloc(context, length + 1);
	memcpy(copy, pattern, length);
	need_xid();
	old = MemoryContextSwitchTo(context);
	ARC_INJECT_POINT("delete-pattern");
	patterns = lappend_int(patterns, nops);
	MemoryContextSwitchTo(old);

	op->level = GetCurrentTransactionNestLevel();
	op->previous = -1;
	op->target = NULL;
	op->entry = NULL;
	op->spaces = spaces;
	op->pattern = (ArcKey)
	{
		.database = MyDatabaseId, .role = role, .length = length, .name = copy
	};
	nops++;
}

static bool
is_final_set(int i)
{
	return ops[i].entry != NULL && ops[i].target->latest == i &&
		!covered(&ops[i].target->key, i) && !overtaken(&ops[i]);
}

void
arc_pending_visit(ArcPendingVisit visit, void *arg)
{
	for (int i = 0; i < nops; i++)
	{
		if (is_final_set(i))
			visit(&ops[i].target->key, ops[i].entry, arg);
	}
}

/* -- the end of the transaction --------------------------------------------- */

static void
forget_all(void)
{
	for (int i = 0; i < nops; i++)
		drop_entry(&ops[i]);
	if (context != NULL)
		MemoryContextDelete(context);
	context = NULL;
	keys = NULL;
	ops = NULL;
	patterns = NIL;
	nops = oldest_set = 0;
	bytes_held = 0;
	fenced = false;
	fence_xid = 0;
}

static ArcKey
key_of(const ArcSharedEntry *entry)
{
	ArcKey		key = {
		.database = entry->database,
		.role = entry->role,
		.space = entry->space,
		.length = entry->key_length,
		.name = arc_entry_key(entry)
	};

	return key;
}

/* Is this linked entry covered by a pattern of this transaction? */
static bool
is_covered(const ArcSharedEntry *entry)
{
	ArcKey		key = key_of(entry);

	return entry->database == MyDatabaseId && covered(&key, -1);
}

/*
 * Apply to all linked entries that a pattern of this transaction covers: at
 * PRE_COMMIT, when it may still be interrupted.
 */
static void
for_each_covered(void (*apply) (ArcSharedEntry *entry))
{
	ArcStoreScan *scan;
	ArcSharedEntry *entry;

	if (patterns == NIL)
		return;
	scan = arc_scan_open();
	while ((entry = arc_scan_next(scan)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		ARC_INJECT_POINT("sets-scan");
		if (is_covered(entry))
			apply(entry);
	}
	arc_scan_close(scan);
}

/*
 * The same when nothing may interrupt or raise.  What is fenced by us was
 * covered at PRE_COMMIT, or stored since by somebody who saw us at work (see
 * arc_pending_fence_new()); without an id to fence with, match again.
 */
static void
for_each_doomed(void (*apply) (ArcSharedEntry *entry))
{
	ArcStoreScan scan;
	ArcSharedEntry *entry;

	if (patterns == NIL)
		return;
	arc_store_scan_start(&scan);
	while ((entry = arc_store_scan_next(&scan)) != NULL)
	{
		if (fenced ? pg_atomic_read_u64(&entry->fence) == fence_xid :
			is_covered(entry))
			apply(entry);
	}
	arc_store_scan_end(&scan);
}

static void
for_each_named(void (*apply) (ArcSharedEntry *entry))
{
	for (int i = 0; i < nops; i++)
	{
		ArcSharedEntry *entry;

		if (ops[i].target == NULL || ops[i].target->latest != i)
			continue;
		entry = arc_store_find(&ops[i].target->key);
		if (entry != NULL)
		{
			apply(entry);
			arc_store_unpin(entry);
		}
	}
}

/*
 * An entry that another unfinished transaction has fenced is removed at once:
 * should we then abort, it is only computed again.
 */
static void
fence(ArcSharedEntry *entry)
{
	uint64		expected = 0;

	if (!pg_atomic_compare_exchange_u64(&entry->fence, &expected, fence_xid) &&
		expected != fence_xid)
		arc_store_remove_entry(entry);
}

static void
unfence(ArcSharedEntry *entry)
{
	uint64		expected = fence_xid;

	(void) pg_atomic_compare_exchange_u64(&entry->fence, &expected, 0);
}

static void
remove_linked(ArcSharedEntry *entry)
{
	if (arc_store_remove_entry(entry))
		arc_stats_count(ARC_DELETES);
}

static ArcToken
guard_of(const ArcKey *key)
{
	return arc_token_key(key->database, key->role, key->name, key->length);
}

/*
 * The writer of this guard that is still in progress, and is not us: 0 if
 * there is none, PG_UINT64_MAX if there is more than one or it is unknown.
 */
static uint64
unfinished_writer(ArcToken guard)
{
	ArcSlotState state;
	uint64		found = 0;

	arc_slot_read(guard, &state);
	for (int k = 0; k < ARC_RING_SIZE; k++)
	{
		uint64		xid = state.ring[k];

		if (xid == 0 || xid == ARC_OTHER_WRITER || xid == fence_xid ||
			!TransactionIdIsInProgress((TransactionId) xid))
			continue;
		if (found != 0 && found != xid)
			return PG_UINT64_MAX;
		found = xid;
	}

	/*
	 * (A transaction prepared before a restart may have deleted the key, too.
	 * What it deleted is gone; what is set anew is not meant.)
	 */
	if (state.hard >= arc_oldest_running())
		return PG_UINT64_MAX;
	return found;
}

bool
arc_pending_fence_new(ArcSharedEntry *entry)
{
	ArcKey		key = key_of(entry);
	uint64		one;
	uint64		all;

	if (RecoveryInProgress())
		return true;
	one = unfinished_writer(guard_of(&key));
	all = unfinished_writer(arc_token_keys(key.database, key.role));
	if (one == PG_UINT64_MAX || all == PG_UINT64_MAX ||
		(one != 0 && all != 0 && one != all))
		return false;
	pg_atomic_write_u64(&entry->fence, Max(one, all));
	return true;
}

/*
 * COMMIT callbacks run after the commit, and not in the order of commits: who
 * saw us and deleted the key may have been here already.  His registration
 * tells; then the set is dropped.  (Without an id nobody can have seen us.)
 */
static bool
guard_set(void *arg, ArcSharedEntry *existing)
{
	const PendingOp *op = arg;
	const ArcKey *key = &op->target->key;

	if (fence_xid != 0 &&
		(arc_slot_seq(guard_of(key)) != op->key_seq ||
		 arc_slot_seq(arc_token_keys(key->database, key->role)) != op->keys_seq))
		return false;
	return arc_pending_fence_new(op->entry);
}

static uint64
touch(ArcToken token, uint64 xid)
{
	return xid != 0 ? arc_slot_register(token, xid, false) : arc_slot_bump(token);
}

/*
 * Register or bump the guards of all that is set or deleted, and wait for the
 * insertions that did not see it.  Keys may share a slot, so where it stands is
 * read when all are registered.
 */
static void
touch_guards(uint64 xid)
{
	ListCell   *lc;

	foreach(lc, patterns)
	{
		const ArcKey *pattern = &ops[lfirst_int(lc)].pattern;

		(void) touch(arc_token_keys(pattern->database, pattern->role), xid);
	}
	for (int i = 0; i < nops; i++)
	{
		const ArcKey *key;

		if (ops[i].target == NULL || ops[i].target->latest != i)
			continue;
		key = &ops[i].target->key;
		(void) touch(guard_of(key), xid);
		if (nops <= MANY_OPS)
			arc_store_settle_inserts(key);
	}
	for (int i = 0; i < nops; i++)
	{
		const ArcKey *key;

		if (ops[i].target == NULL || ops[i].target->latest != i)
			continue;
		key = &ops[i].target->key;
		ops[i].key_seq = arc_slot_seq(guard_of(key));
		ops[i].keys_seq = arc_slot_seq(arc_token_keys(key->database, key->role));
	}
	if (nops > MANY_OPS || patterns != NIL)
		arc_store_settle_inserts(NULL);
}

/*
 * Are the newer ones among the registrations all ours, or of no concern?  Of
 * more than the ring holds nobody knows; that includes a strict one of ours.
 */
static bool
are_own_registrations(const ArcSlotState *state, uint64 newer, uint64 xid)
{
	if (newer > ARC_RING_SIZE || (newer > 0 && xid == 0))
		return false;
	for (uint64 k = 0; k < newer; k++)
	{
		if (state->ring[k] != xid && state->ring[k] != ARC_OTHER_WRITER)
			return false;
	}
	return true;
}

/*
 * Count our own registrations as seen: what we wrote we wrote before the set
 * (see overtaken()).  The set was judged when it was made; if anybody else has
 * written what it depends on since, it is dropped.
 */
static bool
settle(ArcSharedEntry *entry, uint64 xid)
{
	const ArcMeta *meta = arc_meta_of(entry);
	ArcDependency *dependencies = unconstify(ArcDependency *, arc_meta_dependencies(meta));

	for (uint32 i = 0; i < meta->ndependencies; i++)
	{
		ArcSlotState state;

		arc_slot_read(dependencies[i].token, &state);
		if (!are_own_registrations(&state, state.seq - dependencies[i].seq, xid))
			return false;
		dependencies[i].seq = state.seq;
	}
	return true;
}

static void
before_commit(bool keep_sets)
{
	uint64		xid;

	if (nops == 0)
		return;
	ARC_INJECT_POINT("sets-precommit");
	if (!keep_sets)
		need_xid();
	xid = arc_writeset_xid();
	for (int i = 0; i < nops; i++)
	{
		if (ops[i].entry == NULL)
			continue;
		if (!keep_sets || !is_final_set(i))
			drop_entry(&ops[i]);
		else if (!settle(ops[i].entry, xid))
		{
			drop_entry(&ops[i]);
			arc_stats_count(ARC_REJECTED_STALE_FILL);
		}
	}
	ARC_INJECT_POINT("sets-settled");
	if (xid != 0)
	{
		touch_guards(xid);
		ARC_INJECT_POINT("sets-touched");
		fence_xid = xid;
		fenced = true;
		for_each_named(fence);
		ARC_INJECT_POINT("sets-fenced");
		for_each_covered(fence);
	}
	ARC_INJECT_POINT("sets-ready");
}

static void
at_commit(void)
{
	if (nops == 0)
	{
		/* Savepoints may have taken all operations, but left our memory. */
		forget_all();
		return;
	}
	ARC_INJECT_HELD("sets-commit");
	if (!fenced)
		touch_guards(0);
	for_each_doomed(remove_linked);
	for (int i = 0; i < nops; i++)
	{
		PendingOp  *op = &ops[i];

		if (op->target == NULL || op->target->latest != i)
			continue;
		if (op->entry == NULL)
		{
			if (arc_store_remove(&op->target->key))
				arc_stats_count(ARC_DELETES);
		}
		else
		{
			if (arc_store_insert(op->entry, guard_set, op))
				op->entry = NULL;
			else
				(void) arc_store_remove(&op->target->key);
		}
		ARC_INJECT_HELD("sets-applied");
	}
	forget_all();
}

static void
at_abort(void)
{
	if (nops > 0)
		ARC_INJECT_HELD("sets-abort");
	if (nops > 0 && fenced)
	{
		for_each_named(unfence);
		for_each_doomed(unfence);
	}
	forget_all();
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			before_commit(true);
			break;
		case XACT_EVENT_PRE_PREPARE:
			before_commit(false);
			break;
		case XACT_EVENT_COMMIT:
			ARC_INJECT_FORBID_ERRORS();
			at_commit();
			ARC_INJECT_ALLOW_ERRORS();
			break;
		case XACT_EVENT_ABORT:
			ARC_INJECT_FORBID_ERRORS();
			at_abort();
			ARC_INJECT_ALLOW_ERRORS();
			break;
		case XACT_EVENT_PREPARE:
			if (nops > 0)
				ARC_INJECT_HELD("sets-prepared");
			ARC_INJECT_FORBID_ERRORS();
			forget_all();
			ARC_INJECT_ALLOW_ERRORS();
			break;
		default:
			break;
	}
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (nops > 0 && ops[nops - 1].level >= level)
		ARC_INJECT_HELD("sets-subxact");
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (int i = nops - 1; i >= 0 && ops[i].level >= level; i--)
			ops[i].level = level - 1;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (nops > 0 && ops[nops - 1].level >= level)
		{
			PendingOp  *op = &ops[--nops];

			drop_entry(op);
			if (op->target != NULL)
				op->target->latest = op->previous;
			else
				patterns = list_delete_last(patterns);
		}
		oldest_set = Min(oldest_set, nops);
	}
}

void
arc_pending_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
}
