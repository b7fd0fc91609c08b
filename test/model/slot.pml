/*
 * slot.pml
 *		What the three models share: transaction ids, snapshots and slots.
 *
 * Transaction ids are the small integers 1..W, handed out in order.  A set of
 * them is a bit mask.  A snapshot is the pair (fin, xmax): fin is the set of
 * ids that it takes as finished, xmax the first id it takes as not yet
 * finished whatever its state.  Committed and aborted are both "finished":
 * telling them apart is the business of the commit log, that is of "comm".
 *
 * Variables marked hidden are scratch: they are set and read inside one
 * indivisible step and are no part of the state.
 */
#define BIT(x)		(1 << (x))
#define UPTO(x)		((1 << ((x) + 1)) - 2)		/* the ids 1..x */

byte	nxt = 1;			/* the next id to hand out */
byte	procs;				/* the process array: ids in progress */
byte	done;				/* the largest id that has finished */

#define TAKE_SNAPSHOT(fin, xmax) \
	xmax = done + 1; fin = UPTO(done) & ~procs

/* ids below xmax that the snapshot takes as in progress */
#define XIP(fin, xmax)		(UPTO((xmax) - 1) & ~(fin))

/* id < S.xmin */
#define BELOW_XMIN(id, fin, xmax) \
	((id) < (xmax) && (XIP(fin, xmax) & UPTO(id)) == 0)

#define FINISH(x) \
	procs = procs & ~BIT(x); \
	if :: done < (x) -> done = (x) :: else fi

typedef Slot {
	byte	seq;			/* registrations so far (and jumps) */
	byte	ring[K];		/* newest first; 0 is an empty place */
	byte	floor;			/* largest id forgotten */
	byte	hard			/* largest id forgotten in progress, or restart */
};

/*
 * The inlines below are for use inside d_step only.  Names that end in an
 * underscore are scratch or, with two, arguments.
 */
hidden byte	i_;
hidden int	n_;
hidden int	new_;
hidden int	old_;
hidden byte	ok_;
hidden int	need_;

/* the ring of s as two sets: the n newest, and the others */
inline split_ring(s__, n__)
{
	i_ = 0; new_ = 0; old_ = 0;
	do
	:: i_ < K ->
		if
		:: i_ < n__ -> new_ = new_ | BIT(s__.ring[i_])
		:: else -> old_ = old_ | BIT(s__.ring[i_])
		fi;
		i_++
	:: else -> break
	od;
	new_ = new_ & ~1; old_ = old_ & ~1
}

/* push x and forget the oldest; the caller moves seq */
inline push(s__, x__)
{
	i_ = s__.ring[K - 1];
#ifndef NO_HARD
	if
	:: i_ != 0 && (procs & BIT(i_)) != 0 && s__.hard < i_ -> s__.hard = i_
	:: else
	fi;
#endif
	if :: s__.floor < i_ -> s__.floor = i_ :: else fi;
	i_ = K - 1;
	do
	:: i_ > 0 -> s__.ring[i_] = s__.ring[i_ - 1]; i_--
	:: else -> break
	od;
	s__.ring[0] = x__
}

/* registration of data: skipped if x is in the ring already */
inline register_xid(s__, x__)
{
	split_ring(s__, K);
	if
	:: (new_ & BIT(x__)) != 0
	:: else -> push(s__, x__); s__.seq++
	fi
}

/*
 * The forgotten writers of s, as far as the slot tells: clears ok_ if some may
 * be unfinished in the snapshot, and adds to need_ the ids that must still be
 * in progress when the process array is read, which comes later.
 */
inline judge_forgotten(s__, fin__, xmax__)
{
	ok_ = ok_ && BELOW_XMIN(s__.hard, fin__, xmax__);
#ifndef NO_FLOOR
	ok_ = ok_ && s__.floor < (xmax__);
#ifndef NO_PROCARRAY
	need_ = need_ | (XIP(fin__, xmax__) & UPTO(s__.floor));
#endif
#endif
}

/* may a value be published under the snapshot? */
inline judge_publish(s__, fin__, xmax__)
{
#ifndef NO_PUBLISH_CHECK
	split_ring(s__, K);
	ok_ = ok_ && (new_ & ~(fin__)) == 0;
	judge_forgotten(s__, fin__, xmax__)
#else
	skip
#endif
}

/* may a value published at eseq be served under the snapshot? */
inline judge_hit(s__, eseq__, fin__, xmax__)
{
	n_ = s__.seq - eseq__;
#ifndef NO_GAP_LIMIT
	ok_ = ok_ && n_ <= K;
#endif
	split_ring(s__, n_);
#ifndef NO_NEWEST_CHECK
	ok_ = ok_ && (new_ & (fin__)) == 0;
#endif
#ifndef NO_OLD_CHECK
	ok_ = ok_ && (old_ & ~(fin__)) == 0;
#endif
	judge_forgotten(s__, fin__, xmax__)
}
