/*
 * ddl.pml
 *		Strict registrations: effects that are not read under a snapshot.
 *
 * One slot serves as a data token and as a strict token at once, as it does for
 * TRUNCATE and as it may by a collision; the entry is judged by both, with the
 * seq read at publication for the first and the seq captured at the start of
 * the fill for the second.  Each of W transactions writes data, or the catalog
 * ("DDL"), or data and then the catalog.
 *
 * A DDL becomes visible in snapshots, then its invalidations are sent, then it
 * bumps the slot.  In between a reader may find the old catalog or the new one;
 * once the invalidations are sent it finds the new one, whatever its snapshot.
 *
 * What must hold whenever a value is served to a lookup:
 *	1. the data part is what the snapshot sees;
 *	2. the catalog part includes every DDL that had bumped as the lookup began;
 *	3. a DDL whose invalidations were sent as the lookup began had been visible
 *	   when the value was published.
 * AFTER_BUMP_ONLY leaves out 3.  EXACT asks for more: the catalog part includes every DDL whose invalidations
 * were sent as the lookup began.  That needs CLOSED: nothing is published while
 * a strict registration of the slot is not followed by its bump (or abort).
 *
 * TRACKING=1 has one DDL that enables the tracking of the relation, and
 * TRACKING=0 one that disables it.  Its lock excludes writers, who look at the
 * catalog once they have theirs and register only if the relation is tracked;
 * fills publish only if they find it tracked.  LOCKS_FIRST releases the lock
 * before the bump, and not after.
 */
#ifndef K
#define K 1
#endif
#ifndef W
#define W 2
#endif
#ifndef R
#define R 2
#endif
#ifndef L
#define L 2
#endif
#include "slot.pml"

#define JUMP	(K + 1)

Slot	slot;
byte	comm;				/* committed writers of data */
byte	visible;			/* DDL: committed, */
byte	sent;				/* and its invalidations sent, */
byte	bumped;				/* and the slot bumped */
#ifdef CLOSED
byte	pending;			/* strict registrations that wait for their bump */
#endif
#ifdef TRACKING
bool	locked;				/* by the DDL */
byte	writing;			/* writers that hold their lock */
bool	ddl_taken;
#endif

bool	have;				/* the entry: published at */
byte	vers;				/* this seq, for the data, */
byte	svers;				/* and this one, for the catalog, */
byte	value;				/* holding this data */
byte	cat;				/* and this catalog, */
byte	pub;				/* while these DDL were visible */

inline register_strict(x)
{
#ifdef STRICT_NO_PUSH
	slot.seq = slot.seq + JUMP;
#else
#ifdef STRICT_NO_JUMP
	register_xid(slot, x);
#else
	split_ring(slot, K);
	if
	:: (new_ & BIT(x)) != 0
	:: else -> push(slot, x)
	fi;
	slot.seq = slot.seq + JUMP;
#endif
#endif
#ifdef CLOSED
	pending++
#endif
}

inline bump()
{
#ifdef NO_BUMP
	skip;
#else
#ifdef BUMP_BY_ONE
	slot.seq++;
#else
	slot.seq = slot.seq + JUMP;
#endif
#endif
#ifdef CLOSED
	pending--;
#endif
}

proctype writer(byte me)
{
	bool	data, ddl;
#ifdef TRACKING
	bool	registers;
#endif

	d_step { nxt == me -> nxt++; procs = procs | BIT(me) };
	if
	:: data = true
#ifdef TRACKING
	:: d_step { !ddl_taken -> ddl_taken = true; ddl = true }
#else
	:: ddl = true
#ifdef MIXED
	:: d_step { data = true; ddl = true }
#endif
#endif
	fi;

#ifdef TRACKING
	if
	:: d_step {
		data && !locked ->
		writing = writing | BIT(me);
		registers = (visible == 0 && TRACKING == 0) || (visible != 0 && TRACKING == 1)
	   }
	:: d_step { ddl && !locked && writing == 0 -> locked = true }
	fi;
	if
	:: data && registers -> d_step { register_xid(slot, me) }
	:: data && !registers
	:: ddl -> d_step { register_strict(me) }
	fi;
#else
	if :: data -> d_step { register_xid(slot, me) } :: else fi;
	if :: ddl -> d_step { register_strict(me) } :: else fi;
#endif

	if
	:: d_step {
		FINISH(me);				/* aborts */
#ifdef TRACKING
		writing = writing & ~BIT(me);
		if :: ddl -> locked = false :: else fi;
#endif
#ifdef CLOSED
		if :: ddl -> pending-- :: else fi
#endif
	   }
	:: d_step {
		FINISH(me);
		if :: data -> comm = comm | BIT(me) :: else fi;
		if :: ddl -> visible = visible | BIT(me) :: else fi;
#ifdef TRACKING
		writing = writing & ~BIT(me)
#endif
	   };
	   if
	   :: ddl ->
#ifdef BUMP_TOO_EARLY
		d_step { bump() };
#endif
		sent = sent | BIT(me);
#ifdef TRACKING
#ifdef LOCKS_FIRST
		locked = false;
#endif
#endif
		d_step {
#ifndef BUMP_TOO_EARLY
			bump();
#endif
			bumped = bumped | BIT(me)
		};
#ifdef TRACKING
#ifndef LOCKS_FIRST
		locked = false
#endif
#endif
	   :: else
	   fi
	fi;
	d_step {
		data = false; ddl = false;
#ifdef TRACKING
		registers = false
#endif
	}
}

proctype reader(byte me)
{
	byte	left = L;
	byte	fin, xmax;
	byte	due, due2;		/* DDL bumped, and sent, as the lookup began */
	byte	captured;		/* seq at the start of the fill, plus 1; or 0 */
	byte	v, vs, val, c, p;	/* the entry as read, or about to be linked */
	bool	ok;

	do
	:: left == 0 -> break
	:: left > 0 ->
	if
	:: captured = slot.seq + 1; d_step { TAKE_SNAPSHOT(fin, xmax) }
	:: d_step { TAKE_SNAPSHOT(fin, xmax) }
	:: xmax != 0
	fi;

	if
	:: d_step {
		have ->
		v = vers; vs = svers; val = value; c = cat; p = pub;
		due = bumped; due2 = sent
	   };
	   d_step {
		ok_ = true; need_ = 0;
#ifdef ONE_SEQ
		judge_hit(slot, vs, fin, xmax);
#else
		judge_hit(slot, v, fin, xmax);
		judge_hit(slot, vs, fin, xmax);
#endif
		ok = ok_ && (need_ & ~procs) == 0;
		if
		:: ok ->
#ifdef PROBE_HIT
			assert(val == 0 || c == 0);
#endif
#ifdef PROBE_NEWER
			assert(new_ == 0);
#endif
			assert(val == (comm & fin));
#ifndef TRACKING
			assert((due & ~c) == 0);
#ifndef AFTER_BUMP_ONLY
			assert((due2 & ~p) == 0);
#endif
#ifdef EXACT
			assert((due2 & ~c) == 0);
#endif
#endif
		:: else
		fi;
		v = 0; vs = 0; val = 0; c = 0; p = 0; due = 0; due2 = 0
	   }
	:: d_step { !have -> ok = false }
	fi;

	if
	:: d_step {
		ok ->
		left--; captured = 0; ok = false;
		if :: left == 0 -> fin = 0; xmax = 0 :: else fi
	   }
	:: d_step {
		!ok ->
#ifndef CAPTURE_LATE
		if :: captured == 0 -> captured = slot.seq + 1 :: else fi
#endif
	   };
	   /* now it looks at the catalog */
	   if
	   :: c = visible
	   :: c = sent
	   fi;
	   d_step {
		ok_ = true; need_ = 0;
		v = slot.seq; p = visible;
#ifdef CAPTURE_LATE
		captured = slot.seq + 1;
#endif
		vs = captured - 1;
		judge_publish(slot, fin, xmax);
		ok = ok_ && (need_ & ~procs) == 0;
#ifdef CLOSED
		ok = ok && pending == 0;
#endif
#ifdef TRACKING
		ok = ok && ((c == 0 && TRACKING == 0) || (c != 0 && TRACKING == 1));
#endif
#ifdef SPLIT
	   };
	   d_step {
#endif
		if
		:: ok ->
			have = true; vers = v; svers = vs; value = comm & fin; cat = c; pub = p
		:: else
		fi;
		left--; captured = 0; ok = false;
		v = 0; vs = 0; c = 0; p = 0;
		if :: left == 0 -> fin = 0; xmax = 0 :: else fi
	   }
	fi

	od
}

init {
	byte	i;

	atomic {
		i = 0;
		do :: i < R -> run reader(i); i++ :: else -> break od;
		i = 1;
		do :: i <= W -> run writer(i); i++ :: else -> break od;
		i = 0
	}
}
