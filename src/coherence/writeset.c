/*-------------------------------------------------------------------------
 *
 * writeset.c
 *	  What the current transaction has written, as tokens.
 *
 * A strict token needs a second step.  Strict tokens stand for what is read
 * from the catalogs, through caches that learn of a change only when its
 * invalidation messages arrive; and the server sends those after the commit
 * has become visible in snapshots.  In between, another backend can compute
 * with the old definition under a snapshot that sees the new one, and publish
 * the result as current.  So the slot is bumped once more when our locks have
 * been released, which is after the messages were sent: such a result is then
 * dead.  (That is in addition to, not instead of, the registration before
 * commit.  COMMIT PREPARED does the same in ddl.c.)  From the registration to
 * the bump the slot is closed for publication: else such a result could be
 * served to a snapshot that sees a write which, the tracking gone, nobody
 * registered, in the instant between the release of our locks and the bump.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/settings.h"
#include "base/stats.h"
#include "coherence/slots.h"
#include "coherence/writeset.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

typedef struct WriteMark
{
	ArcToken	token;			/* hash key */
	int			level;			/* lowest nesting level that marked it */
	char		status;			/* of simplehash */
	uint8		flags;
	uint8		kind;			/* ArcWriteKind */
	Oid			relid;			/* unless kind is ARC_WRITES_OTHER */
	uint64		latest;			/* moment of the latest mark */
} WriteMark;

/* In flags, beside what writeset.h defines: we have closed the slot. */
#define WRITE_CLOSED		0x80

/* A token is as good as random. This table is part of every write, so inline. */
#define SH_PREFIX			markset
#define SH_ELEMENT_TYPE		WriteMark
#define SH_KEY_TYPE			ArcToken
#define SH_KEY				token
#define SH_HASH_KEY(table, key)	((uint32) (key))
#define SH_EQUAL(table, a, b)	((a) == (b))
#define SH_SCOPE			static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static markset_hash *marks = NULL;	/* or NULL */
static uint64 moment = 0;		/* counts all marks of this backend */
static int	deepest = 0;		/* no mark is of a higher level */
static bool registered = false; /* PRE_COMMIT or PRE_PREPARE is behind us */
static int	nkeys = 0;			/* marks of kind ARC_WRITES_KEY */
static int	all_flags = 0;		/* of all marks there were */
static ArcWriteRegistered on_registered = NULL;

/*
 * Relations that the client's present statement writes.  What does not fit
 * counts as all relations.
 */
#define MAX_OPEN	8

static TimestampTz open_since = 0;	/* start of that statement */
static Oid	open_relations[MAX_OPEN];
static int	nopen = 0;
static bool all_open = false;

/* Strict tokens of a transaction that is committing. */
static ArcToken *late_bumps = NULL;
static int	nlate_bumps = 0;
static bool late_bumps_closed = false;

uint64
arc_writeset_xid(void)
{
	return U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
}

static void
register_mark(WriteMark *mark, uint64 xid)
{
	if ((mark->flags & ARC_WRITE_STRICT) && !(mark->flags & WRITE_CLOSED))
	{
		arc_slot_close(mark->token);
		mark->flags |= WRITE_CLOSED;
	}
	ARC_INJECT_POINT("register");
	arc_slot_register(mark->token, xid, (mark->flags & ARC_WRITE_STRICT) != 0);
	ARC_INJECT_POINT("registered");
	arc_stats_count(ARC_INVALIDATIONS);
	if (mark->kind != ARC_WRITES_OTHER && on_registered)
		on_registered(mark->kind, mark->relid);
}

/* Room for what must happen when nothing may raise any more. */
static void
reserve_late_bumps(void)
{
	markset_iterator scan;
	WriteMark  *mark;
	bool		have_xid = arc_writeset_xid() != 0;

	int			wanted = have_xid ? ARC_WRITE_STRICT : ARC_WRITE_EXPLICIT;

	nlate_bumps = 0;
	late_bumps_closed = have_xid;
	if (marks == NULL || (all_flags & wanted) == 0)
		return;
	late_bumps = MemoryContextAlloc(TopTransactionContext,
									marks->members * sizeof(ArcToken));
	markset_start_iterate(marks, &scan);
	while ((mark = markset_iterate(marks, &scan)) != NULL)
	{
		if (mark->flags & wanted)
			late_bumps[nlate_bumps++] = mark->token;
	}
}

void
arc_writeset_mark(ArcToken token, int flags)
{
	arc_writeset_mark_relation(token, flags, ARC_WRITES_OTHER, InvalidOid);
}

void
arc_writeset_mark_relation(ArcToken token, int flags, ArcWriteKind kind, Oid relid)
{
	WriteMark  *mark;
	bool		found;
	int			level = GetCurrentTransactionNestLevel();

	if (!arc_preloaded || !IsTransactionState())
		return;

	if (marks == NULL)
	{
		marks = markset_create(TopTransactionContext, 12, NULL);
		deepest = 0;
	}

	ARC_INJECT_POINT("mark");
	mark = markset_insert(marks, token, &found);
	mark->latest = ++moment;
	all_flags |= flags;
	if (!found)
	{
		mark->level = level;
		mark->flags = flags;
		mark->kind = kind;
		mark->relid = relid;
		nkeys += kind == ARC_WRITES_KEY;
	}
	else if ((mark->flags | flags) != mark->flags)
	{
		/*
		 * Stronger than before.  The level stays: should this subtransaction
		 * be rolled back the mark is stronger than need be, which costs a
		 * false miss.
		 */
		mark->flags |= flags;
	}
	else
		return;
	deepest = Max(deepest, level);
	ARC_INJECT_POINT("marked");

	if (registered)
	{
		uint64		xid = arc_writeset_xid();

		if (xid != 0)
			register_mark(mark, xid);
		reserve_late_bumps();
	}
}

bool
arc_writeset_has(ArcToken token)
{
	return marks != NULL && markset_lookup(marks, token) != NULL;
}

int
arc_writeset_key_count(void)
{
	return nkeys;
}

void
arc_writeset_on_registered(ArcWriteRegistered callback)
{
	on_registered = callback;
}

/* -- open statements -------------------------------------------------------- */

/*
 * The time at which the client's statement started tells statements apart:
 * whatever runs inside it, functions and triggers included, shares it.  What
 * writes runs to its end within one statement of the client.  Should two
 * statements share the time, the earlier counts as open still.
 */
void
arc_writeset_open_statement(Oid relid, bool tree)
{
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (nopen == 0 || open_since != now)
	{
		open_since = now;
		nopen = 0;
		all_open = false;
	}
	for (int i = 0; i < nopen; i++)
	{
		if (open_relations[i] == relid)
			return;
	}
	if (nopen < MAX_OPEN)
		open_relations[nopen++] = relid;
	else
		all_open = true;
	all_open |= tree;
}

bool
arc_writeset_statement_is_open(Oid relid)
{
	if (nopen == 0 || open_since != GetCurrentStatementStartTimestamp())
		return false;
	for (int i = 0; i < nopen; i++)
	{
		if (open_relations[i] == relid)
			return true;
	}
	return all_open;
}

/* -- the moment ------------------------------------------------------------- */

uint64
arc_writeset_moment(void)
{
	return moment;
}

bool
arc_writeset_marked_since(ArcToken token, uint64 since)
{
	WriteMark  *mark = marks ? markset_lookup(marks, token) : NULL;

	return mark != NULL && mark->latest > since;
}

bool
arc_writeset_is_empty(void)
{
	return marks == NULL || marks->members == 0;
}

static void
register_all(void)
{
	uint64		xid = arc_writeset_xid();
	markset_iterator scan;
	WriteMark  *mark;

	registered = true;
	if (marks == NULL || xid == 0)
		return;
	markset_start_iterate(marks, &scan);
	while ((mark = markset_iterate(marks, &scan)) != NULL)
		register_mark(mark, xid);
}

/* The transaction ends without the second step: it aborts, or is prepared. */
static void
reopen_all(void)
{
	markset_iterator scan;
	WriteMark  *mark;

	nlate_bumps = 0;
	if (marks == NULL)
		return;
	markset_start_iterate(marks, &scan);
	while ((mark = markset_iterate(marks, &scan)) != NULL)
	{
		if (mark->flags & WRITE_CLOSED)
			arc_slot_reopen(mark->token);
	}
}

static void
forget_all(void)
{
	marks = NULL;
	registered = false;
	deepest = 0;
	nkeys = 0;
	all_flags = 0;
	nopen = 0;
	all_open = false;
}

static void
xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			reserve_late_bumps();
			register_all();
			if (marks != NULL)
				ARC_INJECT_POINT("writes-precommit");
			break;
		case XACT_EVENT_PRE_PREPARE:
			register_all();
			if (marks != NULL)
				ARC_INJECT_POINT("writes-preprepare");
			break;
		case XACT_EVENT_COMMIT:
			/* late_bumps stay until our locks have been released */
			if (marks != NULL)
				ARC_INJECT_HELD("writes-commit");
			forget_all();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			if (marks != NULL)
				ARC_INJECT_HELD(event == XACT_EVENT_ABORT ? "writes-abort" : "writes-prepared");
			ARC_INJECT_FORBID_ERRORS();
			reopen_all();
			forget_all();
			ARC_INJECT_ALLOW_ERRORS();
			break;
		default:
			break;
	}
}

static void
release_callback(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !isTopLevel || nlate_bumps == 0)
		return;
	ARC_INJECT_HELD("writes-bump");
	ARC_INJECT_FORBID_ERRORS();
	if (isCommit)
	{
		for (int i = 0; i < nlate_bumps; i++)
		{
			arc_slot_bump(late_bumps[i]);
			if (late_bumps_closed)
				arc_slot_reopen(late_bumps[i]);
		}
	}
	ARC_INJECT_ALLOW_ERRORS();
	nlate_bumps = 0;
	late_bumps = NULL;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid,
				 SubTransactionId parent, void *arg)
{
	markset_iterator scan;
	WriteMark  *mark;
	int			level = GetCurrentTransactionNestLevel();

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (marks == NULL || deepest < level)
		return;

	ARC_INJECT_HELD("writes-subxact");
	ARC_INJECT_FORBID_ERRORS();
	markset_start_iterate(marks, &scan);
	while ((mark = markset_iterate(marks, &scan)) != NULL)
	{
		if (mark->level < level)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
		{
			mark->level = level - 1;
			continue;
		}
		nkeys -= mark->kind == ARC_WRITES_KEY;
		markset_delete_item(marks, mark);
	}
	ARC_INJECT_ALLOW_ERRORS();
	deepest = level - 1;
}

void
arc_writeset_init(void)
{
	RegisterXactCallback(xact_callback, NULL);
	RegisterSubXactCallback(subxact_callback, NULL);
	RegisterResourceReleaseCallback(release_callback, NULL);
}
