/*
 * guard.pml
 *		Explicit deletes and sets of one key whose value comes from data that is
 *		not tracked: the key's guard slot, fences and removal.
 *
 * The value of a fill has two parts: what its snapshot has seen (the ids
 * finished in it), and what it read of a datum outside any snapshot ("outside":
 * a file, another server), which a deleting transaction changes before it asks
 * for the delete.
 *
 * W transactions with an id delete the key (with SETS: or set it; with NOXID:
 * or only update the data and commit).  NOXID adds one delete by a transaction
 * without an id.  PREPARED lets the end come from elsewhere, so that nobody
 * removes the entry after the commit.  RESTART adds one crash.
 *
 * What must hold whenever a value is served under a snapshot S:
 *	1. a committed delete or set that S sees has been seen by the value;
 *	2. once a delete without an id has returned, the value has read the outside
 *	   datum as it was before that delete, or later, and has seen what had
 *	   committed before it, as far as S sees it.
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

#define NOID	(W + 1)			/* stands for the delete without an id */

Slot	guard;
byte	comm;				/* committed deletes and sets */
byte	outside;			/* whose change the outside datum shows */
byte	seen_by_delete;		/* committed when the id-less delete committed */
byte	due;				/* what it owes to readers, once it has returned */
#ifdef NOXID
byte	updated;			/* committed updates that delete nothing */
#define COMMITTED	(comm | updated)
#else
#define COMMITTED	comm
#endif

bool	have;				/* the entry */
byte	saw;				/* the ids its snapshot took as finished */
byte	read;				/* the outside datum as it was read */
byte	fence;				/* not for snapshots that see this id as finished */

#ifdef RESTART
byte	prepared;
byte	killed;
byte	woken;
bool	restarted;
#endif

inline unlink_entry()
{
	have = false; saw = 0; read = 0; fence = 0
}

inline set_fence(x)
{
	if
	:: have && (fence == 0 || fence == x) -> fence = x
	:: have && fence != 0 && fence != x ->
#ifdef FENCE_OVERWRITE
		fence = x
#else
#ifdef FENCE_KEEP
		skip
#else
		unlink_entry()		/* one fence cannot speak for two */
#endif
#endif
	:: else
	fi
}

/* the check when a value is linked: seq as captured, and the snapshot */
inline judge_link(captured, fin, xmax)
{
	ok_ = true; need_ = 0;
#ifndef GUARD_UNCHECKED
#ifndef GUARD_AT_PUBLICATION
	ok_ = guard.seq == captured;
#endif
#ifndef GUARD_NO_RING
	split_ring(guard, K);
	ok_ = ok_ && (new_ & ~(fin)) == 0;
#endif
#ifndef GUARD_NO_FORGOTTEN
	judge_forgotten(guard, fin, xmax);
#endif
#endif
	ok_ = ok_ && (need_ & ~procs) == 0
}

proctype writer(byte me)
{
	bool	removes = true;
#ifdef SETS
	bool	sets;
	byte	fin, xmax, captured, mine;
#endif
{
#ifdef SETS
	if
	:: d_step { nxt == me -> TAKE_SNAPSHOT(fin, xmax) }
	:: nxt == me
	fi;
#endif
	d_step { nxt == me -> nxt++; procs = procs | BIT(me) };
#ifdef SETS
	if
	:: xmax == 0 -> d_step { TAKE_SNAPSHOT(fin, xmax) }
	:: else
	fi;
#endif
	if
#ifdef NOXID
	:: d_step { FINISH(me); updated = updated | BIT(me) }; goto finished
#endif
	:: d_step { FINISH(me) }; goto finished
	:: d_step { outside = outside | BIT(me) }
#ifdef SETS
	:: d_step { outside = outside | BIT(me); sets = true }
#endif
	fi;

	/* PRE_COMMIT */
#ifdef FENCE_FIRST
	d_step { set_fence(me) };
#endif
#ifndef REGISTER_LATE
	d_step {
		register_xid(guard, me);
#ifdef SETS
		mine = outside
#endif
	};
#ifdef SETS
	/* when all guards have been registered: some may share a slot */
	d_step { captured = guard.seq };
#endif
#endif
#ifdef REMOVE_EARLY
	d_step { unlink_entry() };
	removes = false;
#else
#ifndef FENCE_FIRST
#ifndef NO_FENCE
	d_step { set_fence(me) };
#endif
#endif
#endif
#ifdef PREPARED
	if
	:: d_step {
		removes = false;
#ifdef RESTART
		prepared = prepared | BIT(me)
#endif
	   }
	:: skip
	fi;
#endif

	if
	:: d_step { FINISH(me) }; goto finished
	:: d_step { FINISH(me); comm = comm | BIT(me) }
	fi;

	/* the commit callback */
#ifdef REGISTER_LATE
	d_step { register_xid(guard, me) };
#endif
	if
#ifdef SETS
	:: sets && removes -> d_step {
#ifdef SET_UNCHECKED
		ok_ = true;
#else
		judge_link(captured, (fin | BIT(me)), xmax);
#endif
		if
		:: ok_ ->
#ifdef PROBE_SET
			assert(false);
#endif
			have = true; saw = fin | BIT(me); read = mine; fence = 0
		:: else -> unlink_entry()
		fi
	   }
	:: !sets && removes -> d_step { unlink_entry() }
#else
	:: removes -> d_step { unlink_entry() }
#endif
	:: !removes
	fi;
finished:
	skip
}
#ifdef RESTART
	unless { (killed & BIT(me)) != 0 };
#endif
	d_step {
		removes = false;
#ifdef SETS
		sets = false; fin = 0; xmax = 0; captured = 0; mine = 0;
#endif
#ifdef RESTART
		prepared = prepared & ~BIT(me)
#endif
	}
}

#ifdef NOXID
proctype deleter()			/* without an id */
{
	d_step {
		outside = outside | BIT(NOID);
		seen_by_delete = COMMITTED		/* it commits */
	};
#ifdef REMOVE_FIRST
	d_step { unlink_entry() };
#endif
#ifndef NO_BUMP
	d_step {
		guard.seq++;
#ifndef BUMP_NO_FLOOR
		/* nobody may link who has not seen what had finished by now */
		if :: guard.floor < done -> guard.floor = done :: else fi
#endif
	};
#endif
#ifndef REMOVE_FIRST
	d_step { unlink_entry() };
#endif
	d_step { due = seen_by_delete | BIT(NOID); seen_by_delete = 0 }
}
#endif

proctype reader(byte me)
{
	byte	left = L;
	byte	fin, xmax;
	byte	captured;		/* the guard's seq at lookup */
	byte	found;			/* the outside datum as found */

	do
	:: left == 0 -> break
	:: left > 0 ->
{
	if
	:: d_step { TAKE_SNAPSHOT(fin, xmax) }
	:: xmax != 0
	fi;

	if
	:: d_step {
		have && (fence == 0 || (fin & BIT(fence)) == 0) ->
#ifdef PROBE_HIT
		assert(saw == 0);
#endif
#ifdef PROBE_FENCED
		assert(fence == 0);
#endif
#ifdef PROBE_RESTART
		assert(!(restarted && saw != 0));
#endif
		assert((comm & fin & ~saw) == 0);
		assert((comm & fin & ~read) == 0);
		assert((due & fin & ~saw) == 0);
		assert((due & BIT(NOID) & ~read) == 0)
	   }
	:: d_step {
		!have || (fence != 0 && (fin & BIT(fence)) != 0) ->
		captured = guard.seq
	   };
	   d_step { found = outside };
	   d_step {
		judge_link(captured, fin, xmax);
		if
		:: ok_ -> have = true; saw = fin; read = found; fence = 0
		:: else
		fi
	   }
	fi;
	d_step {
		left--; captured = 0; found = 0;
		if :: left == 0 -> fin = 0; xmax = 0 :: else fi
	}
}
#ifdef RESTART
	unless {
		d_step {
			(woken & BIT(me)) != 0 ->
			woken = woken & ~BIT(me);
			fin = 0; xmax = 0; captured = 0; found = 0
		}
	}
#endif
	od
}

#ifdef RESTART
proctype crash()
{
	d_step {
		restarted = true;
		killed = procs & ~prepared;
		procs = procs & prepared;
		done = nxt - 1;
		woken = BIT(R) - 1;
		unlink_entry();
		guard.seq = 0; guard.floor = 0;
#ifdef NO_RESTART_MARK
		guard.hard = 0;
#else
		guard.hard = nxt - 1;
#endif
		n_ = 0;
		do
		:: n_ < K -> guard.ring[n_] = 0; n_++
		:: else -> break
		od
	}
}
#endif

init {
	byte	i;

	atomic {
		i = 0;
		do :: i < R -> run reader(i); i++ :: else -> break od;
		i = 1;
		do :: i <= W -> run writer(i); i++ :: else -> break od;
		i = 0;
#ifdef NOXID
		run deleter();
#endif
#ifdef RESTART
		run crash()
#endif
	}
}
