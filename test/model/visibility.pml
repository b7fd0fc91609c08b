/*
 * visibility.pml
 *		One cached entry that depends on D slots of K-place rings, W writers,
 *		R readers with L lookups each, under every interleaving.
 *
 * Each reader's lookup is cut where the real one can be overtaken: snapshot,
 * entry, slot after slot, process array, and in a fill slot after slot,
 * process array, link.  A writer registers slot by slot.
 *
 * RESTART adds one crash, and lets writers be prepared.  OWN gives writers a
 * snapshot, so that they can (in mutants) read and publish, and lets them
 * publish their own value after their commit.  AGAIN lets a writer register
 * twice.  PROBE_x turns "x is possible" into a violation, to show that a model
 * that holds does not hold for want of hits.
 */
#ifndef K
#define K 1
#endif
#ifndef W
#define W 3
#endif
#ifndef R
#define R 2
#endif
#ifndef L
#define L 2
#endif
#ifndef D
#define D 1
#endif
#include "slot.pml"

Slot	slot[D];
byte	comm[D];			/* committed writers of each relation */

bool	have;				/* the entry: there is one, */
byte	vers[D];			/* published at these counts, */
byte	value[D];			/* with this value: the writers it has seen */

#ifdef RESTART
byte	prepared;			/* ids of prepared transactions */
byte	killed;				/* ids that the crash has ended */
byte	woken;				/* readers that have not yet noticed it */
bool	restarted;
#endif

/* what the query itself returns under a snapshot is comm[d] & fin */

proctype writer(byte me)
{
	byte	what;			/* the relations written */
#ifdef OWN
	byte	fin, xmax;
#endif
{
#ifdef OWN
	if
	:: d_step { nxt == me -> TAKE_SNAPSHOT(fin, xmax) }
	:: nxt == me
	fi;
#endif
	d_step { nxt == me -> nxt++; procs = procs | BIT(me) };
#ifdef OWN
	if
	:: xmax == 0 -> d_step { TAKE_SNAPSHOT(fin, xmax) }
	:: else
	fi;
#endif
	if
	:: what = 1
#if D > 1
	:: what = 2
	:: what = 3
#endif
	:: d_step { FINISH(me) }; goto finished		/* aborts, never registered */
	fi;

	/* it has written: from here on it neither reads nor publishes */
#ifdef OWN_READ
	if
	:: d_step {
		have ->
		ok_ = true; need_ = 0;
		judge_hit(slot[0], vers[0], fin, xmax);
		ok_ = ok_ && (need_ & ~procs) == 0;
		assert(!ok_ || value[0] == ((comm[0] & fin) | BIT(me)))
	   }
	:: skip
	fi;
#endif
#ifdef OWN_PUBLISH
	if
	:: d_step {
		ok_ = true; need_ = 0;
		judge_publish(slot[0], fin, xmax);
		if
		:: ok_ && (need_ & ~procs) == 0 ->
			have = true; vers[0] = slot[0].seq;
			value[0] = (comm[0] & fin) | BIT(me)
		:: else
		fi
	   }
	:: skip
	fi;
#endif

#ifndef REGISTER_LATE
	d_step { if :: what & 1 -> register_xid(slot[0], me) :: else fi };
#if D > 1
	d_step { if :: what & 2 -> register_xid(slot[1], me) :: else fi };
#endif
#ifdef AGAIN
	if
	:: d_step { register_xid(slot[0], me) }		/* wrote some more */
	:: skip
	fi;
#endif
#endif

#ifdef OWN_EARLY
	if
	:: d_step {
		ok_ = true; need_ = 0;
		judge_publish(slot[0], (fin | BIT(me)), xmax);
		if
		:: ok_ && (need_ & ~procs) == 0 ->
			have = true; vers[0] = slot[0].seq;
			value[0] = (comm[0] & fin) | BIT(me)
		:: else
		fi
	   }
	:: skip
	fi;
#endif

#ifdef RESTART
	if
	:: d_step { prepared = prepared | BIT(me) }
	:: skip
	fi;
#endif

	if
	:: d_step {
		FINISH(me);
		if :: what & 1 -> comm[0] = comm[0] | BIT(me) :: else fi;
#if D > 1
		if :: what & 2 -> comm[1] = comm[1] | BIT(me) :: else fi;
#endif
	   };
#ifdef REGISTER_LATE
	   d_step { register_xid(slot[0], me) };
#endif
#ifdef OWN
	   /* the commit callback: its own value, its own id counted as seen */
	   d_step {
		ok_ = true; need_ = 0;
		judge_publish(slot[0], (fin | BIT(me)), xmax);
		if
		:: ok_ && (need_ & ~procs) == 0 ->
#ifdef PROBE_OWN
			assert(false);
#endif
			have = true; vers[0] = slot[0].seq;
			value[0] = (comm[0] & fin) | BIT(me)
		:: else
		fi
	   }
#endif
	:: d_step { FINISH(me) }
	fi;
finished:
	skip
}
#ifdef RESTART
	unless { (killed & BIT(me)) != 0 };
#endif
	d_step {
		what = 0;
#ifdef OWN
		fin = 0; xmax = 0;
#endif
#ifdef RESTART
		prepared = prepared & ~BIT(me)
#endif
	}
}

proctype reader(byte me)
{
	byte	left = L;
	byte	fin, xmax;		/* the snapshot; none if xmax = 0 */
	byte	vseq[D], val[D];	/* the entry as read, or about to be linked */
	byte	need;			/* ids that must still be in progress */
#ifdef PROCARRAY_FIRST
	byte	early;
#endif
#ifdef SLOT_FIRST
	Slot	copy;			/* read before the entry; for K = 1 */
#define JUDGED	copy
#else
#define JUDGED	slot[0]
#endif

	do
	:: left == 0 -> break
	:: left > 0 ->
{
	if
	:: d_step { TAKE_SNAPSHOT(fin, xmax) }		/* a new one */
	:: xmax != 0					/* the one at hand */
	fi;

	/* lookup: the entry, each slot, and then the process array */
#ifdef PROCARRAY_FIRST
	early = procs;
#define NOW early
#else
#define NOW procs
#endif
#ifdef SLOT_FIRST
	d_step {
		copy.seq = slot[0].seq; copy.ring[0] = slot[0].ring[0];
		copy.floor = slot[0].floor; copy.hard = slot[0].hard
	};
#endif
	if
	:: d_step {
		have ->
		vseq[0] = vers[0]; val[0] = value[0];
#if D > 1
		vseq[1] = vers[1]; val[1] = value[1];
#endif
	   };
	   d_step {
		ok_ = true; need_ = 0;
		judge_hit(JUDGED, vseq[0], fin, xmax);
#ifdef PROBE_NEWER
		assert(!(ok_ && new_ != 0));
#endif
		need = need_;
		if :: !ok_ -> need = 1 :: else fi
	   };
#if D > 1 && !defined(ONE_SLOT_HIT)
	   d_step {
		ok_ = true; need_ = 0;
		judge_hit(slot[1], vseq[1], fin, xmax);
		need = need | need_;
		if :: !ok_ -> need = need | 1 :: else fi
	   }
#endif
	:: d_step { !have -> need = 1 }
	fi;

	/* need holds the impossible id 0 if the slots have made it a miss already */
	if
	:: d_step {
		(need & ~NOW) == 0 ->
#ifdef PROBE_PROCARRAY
		assert(need == 0);
#endif
#ifdef PROBE_RESTART
		assert(!(restarted && val[0] != 0));
#endif
#if D > 1
#ifdef PROBE_BOTH
		assert(val[0] == val[1] || val[0] == 0 || val[1] == 0);
#endif
		assert(val[1] == (comm[1] & fin));
#endif
		assert(val[0] == (comm[0] & fin))
	   }

	:: d_step {
		(need & ~NOW) != 0 ->
		/* a miss; computed, and now each slot is read to publish it */
		ok_ = true; need_ = 0;
		vseq[0] = slot[0].seq; val[0] = 0;
		judge_publish(slot[0], fin, xmax);
		need = need_;
		if :: !ok_ -> need = 1 :: else fi;
#if D > 1
		val[1] = 0
#endif
	   };
#if D > 1
	   d_step {
		ok_ = true; need_ = 0;
		vseq[1] = slot[1].seq;
#ifndef ONE_SLOT_PUBLISH
		judge_publish(slot[1], fin, xmax);
#endif
		need = need | need_;
		if :: !ok_ -> need = need | 1 :: else fi
	   };
#endif
	   d_step {
		if
		:: (need & ~procs) == 0 ->
			have = true;
			vers[0] = vseq[0]; value[0] = comm[0] & fin;
#if D > 1
			vers[1] = vseq[1]; value[1] = comm[1] & fin;
#endif
		:: else
		fi
	   }
	fi;
	d_step {
		left--;
		vseq[0] = 0; val[0] = 0; need = 0;
#if D > 1
		vseq[1] = 0; val[1] = 0;
#endif
#ifdef PROCARRAY_FIRST
		early = 0;
#endif
		if :: left == 0 -> fin = 0; xmax = 0 :: else fi
	}
}
#ifdef RESTART
	unless {
		d_step {
			(woken & BIT(me)) != 0 ->
			woken = woken & ~BIT(me);
			fin = 0; xmax = 0; vseq[0] = 0; val[0] = 0; need = 0;
#if D > 1
			vseq[1] = 0; val[1] = 0;
#endif
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
		have = false;
		i_ = 0;
		do
		:: i_ < D ->
			vers[i_] = 0; value[i_] = 0;
			slot[i_].seq = 0; slot[i_].floor = 0;
#ifdef NO_RESTART_MARK
			slot[i_].hard = 0;
#else
			slot[i_].hard = nxt - 1;
#endif
			n_ = 0;
			do
			:: n_ < K -> slot[i_].ring[n_] = 0; n_++
			:: else -> break
			od;
			i_++
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
#ifdef RESTART
		run crash()
#endif
	}
}
