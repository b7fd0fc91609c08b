/*
 * slot.pml
 *		What the models share: transaction ids, snapshots and slots.
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

/* A writer in the ring is an id with, in the bits above, the tag of its token. */
#define ID(w)		((w) & 7)
#define TAG(w)		((w) >> 3)
#define TAGGED(x, tag)	((x) | (tag) << 3)

typedef Slot {
	byte	seq;			/* registrations so far (and jumps) */
	byte	ring[K];		/* writers, newest first; 0 is an empty place */
	byte	floor;			/* largest id forgotten */
	byte	hard			/* largest id forgotten in progress, or restart */
};

/*
 * The inlines below are for use inside d_step only.  Names that end in an
 * underscore are scratch or, with two, arguments.
 */
hidden byte	i_;
hidden int	n_;
hidden byte	tag_;			/* of the token in question; 0 where none share a slot */
hidden int	new_;
hidden int	old_;
hidden int	other_;
hidden byte	ok_;
hidden int	need_;

#if defined(OWN_IS_OTHER)
#define NOT_OURS(w)	true
#elif defined(IGNORE_OLDER)
#define NOT_OURS(w)	(TAG(w) != tag_ || i_ > 0)
#else
#define NOT_OURS(w)	(TAG(w) != tag_)
#endif

/*
 * The token's writers in the ring of s as two sets, the n newest and the
 * others; and which of the n newest wrote another token, and are none of its.
 */
inline split_ring(s__, n__)
{
	i_ = 0; new_ = 0; old_ = 0; other_ = 0;
	do
	:: i_ < K ->
		if
		:: NOT_OURS(s__.ring[i_]) && i_ < n__ -> other_ = other_ | BIT(ID(s__.ring[i_]))
		:: NOT_OURS(s__.ring[i_]) && i_ >= n__
		:: else ->
			if
			:: i_ < n__ -> new_ = new_ | BIT(ID(s__.ring[i_]))
			:: else -> old_ = old_ | BIT(ID(s__.ring[i_]))
			fi
		fi;
		i_++
	:: else -> break
	od;
	new_ = new_ & ~1; old_ = old_ & ~1; other_ = other_ & ~1
}

#ifdef OTHERS_NOT_HARD
#define MARKS_HARD(w)	(TAG(w) == tag_)
#else
#define MARKS_HARD(w)	true
#endif
#ifdef OTHERS_NO_FLOOR
#define RAISES_FLOOR(w)	(TAG(w) == tag_)
#else
#define RAISES_FLOOR(w)	true
#endif

/* push x and forget the oldest; the caller moves seq */
inline push(s__, x__)
{
	i_ = ID(s__.ring[K - 1]);
#ifndef NO_HARD
	if
	:: i_ != 0 && (procs & BIT(i_)) != 0 && s__.hard < i_ && MARKS_HARD(s__.ring[K - 1]) ->
		s__.hard = i_
	:: else
	fi;
#endif
	if
	:: s__.floor < i_ && RAISES_FLOOR(s__.ring[K - 1]) -> s__.floor = i_
	:: else
	fi;
	i_ = K - 1;
	do
	:: i_ > 0 -> s__.ring[i_] = s__.ring[i_ - 1]; i_--
	:: else -> break
	od;
	s__.ring[0] = TAGGED(x__, tag_)
}

/* registration of data: skipped if x is in the ring already, for this token */
inline register_xid(s__, x__)
{
	split_ring(s__, K);
#ifdef KNOWN_BY_ID
	new_ = new_ | other_;
#endif
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
