/*
 * keys.pml
 *		One relation that tells keys: two rows, each with key 1 or 2 or not there,
 *		W writers, a fill and a lookup, under every interleaving.  One cached
 *		entry, of the query for the rows of key 1 or, with WHOLE, for all rows.
 *
 * A wrong hit takes one fill and one lookup, and neither leaves a trace that
 * would change what another does; so one of each is as good as many.  Each has
 * a snapshot of any age.
 *
 * A writer inserts, deletes and updates rows and moves them from key to key, up
 * to WRITES times, partly inside a savepoint that may be rolled back to; it
 * tells at most LIMIT keys (without the macro: 0, 1 or 2 of them) and (R, bulk)
 * beyond; it registers its tokens in any order, and commits or aborts.  Rows
 * are locked as the server does it.  With TRUNCATES it may truncate instead, or
 * as well, once: nobody else then holds a lock, and the rows vanish from under
 * every snapshot.
 *
 * Tokens are told apart by tags in the ring, and spread over D slots: 1 is all
 * in one, 2 is (R) with (R, bulk) and the two keys together, 3 is the two keys
 * together and the others each apart (not for WHOLE), 4 is all apart.
 * SAME_TAG gives both keys one tag.
 *
 * A writer's transaction up to the registration is one step, for others see
 * nothing of it but its locks.  OWN takes it apart and lets the writer look up
 * and publish the entry itself: between its statements, and inside of one, when
 * rows are written and their triggers have not run.
 *
 * What a query returns under a snapshot is what was committed when that was
 * taken.  A row is its key and who wrote it, so any difference shows.
 */
#ifndef K
#define K 1
#endif
#ifndef W
#define W 2
#endif
#ifndef D
#define D 2
#endif
#ifndef WRITES
#define WRITES 2
#endif
#include "slot.pml"

#define N	2
#define JUMP	(K + 1)

/* the tokens */
#define REL	0
#define BULK	1
#define KEY1	2
#define KEY2	3
#define TOKEN_OF(key)	((key) + 1)
#define KEYS_IN(set)	((((set) >> KEY1) & 1) + (((set) >> KEY2) & 1))

#if D == 3
#define SLOT(t)		slot[((t) == KEY2 -> KEY1 : (t))]
#else
#define SLOT(t)		slot[(t) * D / 4]
#endif
#ifdef SAME_TAG
#define TAG_OF(t)	((t) == KEY2 -> KEY1 : (t))
#else
#define TAG_OF(t)	(t)
#endif

/* what the entry depends on, in the order it is judged; NONE ends it */
#define NONE	4
#ifdef WHOLE
#define FIRST	REL
#define NEXT(t)	NONE
#define IN_QUERY(row)	(row)
#else
#ifdef NO_BULK_DEPENDENCY
#define FIRST	KEY1
#else
#define FIRST	BULK
#endif
#define NEXT(t)	((t) == BULK -> KEY1 : NONE)
#define IN_QUERY(row)	(KEY(row) == 1 -> (row) : 0)
#endif

/* slots that the entry does not depend on are left out */
#if D < 3
#define MATTERS(set)	(set)
#elif D == 3
#define MATTERS(set)	((set) & ~BIT(REL))
#elif defined(WHOLE)
#define MATTERS(set)	((set) & BIT(REL))
#else
#define MATTERS(set)	((set) & (BIT(BULK) | BIT(KEY1)))
#endif

/* a row: 0 if it is not there, or its key and, if the query sees it, who wrote it */
#define KEY(row)	((row) & 3)
#ifdef WHOLE
#define ROW(key, x)	((key) == 0 -> 0 : (key) | (x) << 2)
#else
#define ROW(key, x)	((key) == 1 -> 1 | (x) << 2 : (key))
#endif

Slot	slot[D];
byte	row[N];				/* as committed */
byte	locked[N];			/* by this writer */
#ifdef TRUNCATES
byte	truncating;			/* this writer holds AccessExclusiveLock */
bool	filling;			/* the fill keeps it waiting */
bool	truncated;
#else
#define truncated	false
#endif

bool	have;				/* the entry: there is one, */
byte	vers[2];			/* published at these counts, of BULK and of the other, */
byte	value[N];			/* with these rows */
#define COUNT_OF(t)	((t) == BULK -> 0 : 1)

#if defined(PROBE_APART) || defined(PROBE_SHARED) || defined(PROBE_BULK) || defined(PROBE_ROLLED_BACK)
#define PROBE
byte	comm;				/* writers that have committed a change of rows */
byte	pub;				/* those finished when the entry was published */
byte	subbed;				/* those that have rolled back a write of key 1 */
byte	bulked;				/* those that have escalated */
#endif

hidden byte	r_;
hidden byte	t_;
hidden int	told_;

/* -- the write set ---------------------------------------------------------------- */

/* The rules of the write set: a mark bears the level that first set it. */
inline mark(t__)
{
	if
	:: ((marks | inner) & BIT(t__)) != 0
	:: else ->
		if
		:: level == 1 -> inner = inner | BIT(t__)
		:: else -> marks = marks | BIT(t__)
		fi
	fi
}

/* a row trigger, for one of the row's two keys */
inline tell(key__)
{
	told_ = marks | inner;
	if
	:: (key__) == 0 || (told_ & BIT(BULK)) != 0 || (told_ & BIT(TOKEN_OF(key__))) != 0
	:: else ->
		if
		:: KEYS_IN(told_) < limit -> mark(TOKEN_OF(key__))
		:: else ->
#ifdef ESCALATE_FORGETS
			marks = marks & BIT(REL);
			inner = inner & BIT(REL);
#endif
#ifndef ESCALATE_NO_BULK
			mark(BULK)
#else
			skip
#endif
		fi
	fi
}

inline tell_row(r__)
{
#ifdef NO_OLD_KEY
	if :: own[r__] == 0 -> tell(KEY(old[r__])) :: else fi;		/* a delete only */
#else
	tell(KEY(old[r__]));
#endif
#ifdef NO_NEW_KEY
	if :: old[r__] == 0 -> tell(KEY(own[r__])) :: else fi;		/* an insert only */
#else
	tell(KEY(own[r__]));
#endif
	old[r__] = 0;
	untold = untold & ~BIT(r__)
}

/*
 * A writer that keeps its snapshot fails if the row has changed since; one that
 * does not takes another.
 */
#ifdef OWN
#define UNCHANGED(r)	(xmax == 0 || row[r] == seen[r])
#else
#define UNCHANGED(r)	true
#endif
#ifdef TRUNCATES
#define EXCLUDED	(truncating != 0 && truncating != me)
#else
#define EXCLUDED	false
#endif

#define MAY_WRITE(r, key) \
	(writes > 0 && !EXCLUDED && (untold & BIT(r)) == 0 && \
	 (locked[r] == me || (locked[r] == 0 && UNCHANGED(r))) && \
	 ((key) != 0 || (locked[r] == me -> own[r] : row[r]) != 0))

inline write(r__, key__)
{
	writes--;
	if
	:: locked[r__] == me -> old[r__] = own[r__]
	:: else -> old[r__] = row[r__]
	fi;
	locked[r__] = me;
	own[r__] = ROW(key__, me);
	untold = untold | BIT(r__);
#if !defined(OWN)
	mark(REL);
	tell_row(r__)
#elif defined(STATEMENT_LATE)
	open = true
#else
	mark(REL);
	open = true
#endif
}

inline set_savepoint()
{
	level = 1;
	r_ = 0;
	do
	:: r_ < N ->
		saved[r_] = own[r_];
		if :: locked[r_] == me -> held = held | BIT(r_) :: else fi;
		r_++
	:: else -> break
	od;
	r_ = 0
}

inline roll_back()
{
	level = 2;
	r_ = 0;
	do
	:: r_ < N ->
#ifdef PROBE
		if
		:: own[r_] != saved[r_] && (KEY(own[r_]) == 1 || KEY(row[r_]) == 1) ->
			subbed = subbed | BIT(me)
		:: else
		fi;
#endif
		own[r_] = saved[r_]; saved[r_] = 0;
		if
		:: locked[r_] == me && (held & BIT(r_)) == 0 -> locked[r_] = 0
		:: else
		fi;
		r_++
	:: else -> break
	od;
	held = 0;
	inner = 0;
#ifdef SAVEPOINT_TAKES_BULK
	marks = marks & ~BIT(BULK);
#endif
	r_ = 0
}

/* the transaction is over: leaves nothing that tells two ends apart */
inline forget_all()
{
	r_ = 0;
	do
	:: r_ < N ->
		if :: locked[r_] == me -> locked[r_] = 0 :: else fi;
		own[r_] = 0;
		r_++
	:: else -> break
	od;
	marks = 0;
#ifdef TRUNCATES
	strict = false;
	if :: truncating == me -> truncating = 0 :: else fi
#endif
}

inline register_token(t__)
{
	tag_ = TAG_OF(t__);
#ifdef TRUNCATES
	if
	:: strict && t__ <= BULK ->
		split_ring(SLOT(t__), K);
		if
		:: (new_ & BIT(me)) != 0
		:: else -> push(SLOT(t__), me)
		fi;
#ifdef STRICT_NO_JUMP
		SLOT(t__).seq++
#else
		SLOT(t__).seq = SLOT(t__).seq + JUMP
#endif
	:: else -> register_xid(SLOT(t__), me)
	fi;
#else
	register_xid(SLOT(t__), me);
#endif
	marks = marks & ~BIT(t__)
}

/* -- judging by token ------------------------------------------------------------ */

inline judge_token_hit(t__, seq__)
{
	tag_ = TAG_OF(t__);
	judge_hit(SLOT(t__), seq__, fin, xmax)
}

inline judge_token_publish(t__)
{
	tag_ = TAG_OF(t__);
	judge_publish(SLOT(t__), fin, xmax)
}

/* -- a writer that reads --------------------------------------------------------- */

#ifdef OWN
#define OUTSIDE		(!open)
#else
#define OUTSIDE		true
#endif

#define MARKED(t)	(((marks | inner) & BIT(t)) != 0)
#define OPEN(t)		((t) == BULK && open)

#if defined(OPEN_READ)
#define MAY_READ(t)	(!MARKED(t))
#elif defined(TOLD_READ)
#define MAY_READ(t)	(!OPEN(t))
#else
#define MAY_READ(t)	(!MARKED(t) && !OPEN(t))
#endif
#if defined(OPEN_PUBLISH)
#define MAY_PUBLISH(t)	(!MARKED(t))
#elif defined(TOLD_PUBLISH)
#define MAY_PUBLISH(t)	(!OPEN(t))
#else
#define MAY_PUBLISH(t)	(!MARKED(t) && !OPEN(t))
#endif

/* what the query returns of a row: the writer sees what it has written */
#define OWN_ROW(r)	IN_QUERY((locked[r] == me -> own[r] : seen[r]))

/* it looks, and if it is not served it computes and tries to publish */
inline read_own()
{
	ok_ = have; need_ = 0;
	t_ = FIRST;
	do
	:: t_ == NONE -> break
	:: else ->
		ok_ = ok_ && MAY_READ(t_);
		judge_token_hit(t_, vers[COUNT_OF(t_)]);
		t_ = NEXT(t_)
	od;
	if
	:: ok_ && (need_ & ~procs) == 0 ->
#ifdef PROBE_OWN_READ
		assert(!MARKED(KEY2));
#endif
		assert(value[0] == OWN_ROW(0) && value[1] == OWN_ROW(1))
	:: else ->
		ok_ = true; need_ = 0;
		t_ = FIRST;
		do
		:: t_ == NONE -> break
		:: else ->
			ok_ = ok_ && MAY_PUBLISH(t_);
			judge_token_publish(t_);
			t_ = NEXT(t_)
		od;
		if
		:: ok_ && !have && (need_ & ~procs) == 0 ->
#ifdef PROBE_OWN_PUBLISH
			assert(!MARKED(KEY2));
#endif
			have = true;
			vers[COUNT_OF(FIRST)] = SLOT(FIRST).seq;
			vers[1] = SLOT((FIRST == BULK -> KEY1 : FIRST)).seq;
			value[0] = OWN_ROW(0); value[1] = OWN_ROW(1)
		:: else
		fi
	fi
}

/* -- the processes ---------------------------------------------------------------- */

#ifdef OWN
#define STEPWISE
#else
#define STEPWISE	atomic
#endif

proctype writer(byte me)
{
	byte	writes = WRITES;	/* so many more */
	byte	limit;			/* arcache.max_key_tokens */
	byte	level;			/* 0 before the savepoint, 1 inside, 2 rolled back to it */
	byte	own[N];			/* the rows it has locked, as it has left them */
	byte	old[N];			/* as they were before the statement, */
	byte	untold;			/* for the rows whose triggers have not run */
	byte	saved[N];		/* the rows at the savepoint, */
	byte	held;			/* and which were locked by then */
	byte	marks;			/* tokens marked outside of the savepoint; later, to register */
	byte	inner;			/* and those marked inside only */
#ifdef TRUNCATES
	bool	strict;
#endif
#ifdef OWN
	bool	open;			/* inside a statement */
	byte	fin, xmax;
	byte	seen[N];
#endif

	d_step { nxt == me -> nxt++; procs = procs | BIT(me) };

	STEPWISE {
	if
#ifdef LIMIT
	:: limit = LIMIT
#else
	:: limit = 0
	:: limit = 1
	:: limit = 2
#endif
	fi;
	do
	:: d_step { MAY_WRITE(0, 0) -> write(0, 0) }
	:: d_step { MAY_WRITE(0, 1) -> write(0, 1) }
	:: d_step { MAY_WRITE(0, 2) -> write(0, 2) }
	:: d_step { MAY_WRITE(1, 0) -> write(1, 0) }
	:: d_step { MAY_WRITE(1, 1) -> write(1, 1) }
	:: d_step { MAY_WRITE(1, 2) -> write(1, 2) }
	:: d_step { level == 0 && OUTSIDE -> set_savepoint() }
	:: d_step { level == 1 && OUTSIDE -> roll_back() }
#ifdef TRUNCATES
	:: d_step {
		!truncated && truncating == 0 && !filling && level != 1 &&
		(locked[0] == 0 || locked[0] == me) && (locked[1] == 0 || locked[1] == me) ->
		truncating = me; strict = true;
		locked[0] = me; own[0] = 0;
		locked[1] = me; own[1] = 0;
		mark(REL);
#ifndef TRUNCATE_NO_BULK
		mark(BULK)
#endif
	   }
#endif
#ifdef OWN
	/* triggers of the rows, and the end of the statement */
	:: d_step { (untold & 1) != 0 -> tell_row(0) }
	:: d_step { (untold & 2) != 0 -> tell_row(1) }
	:: d_step {
		open && untold == 0 -> open = false;
#ifdef STATEMENT_LATE
		mark(REL)
#endif
	   }
	/* a function, or a statement of its own, that reads */
	:: d_step {
		true ->
		TAKE_SNAPSHOT(fin, xmax);
		seen[0] = row[0]; seen[1] = row[1]
	   }
	:: d_step { xmax != 0 -> read_own() }
#endif
	:: d_step {
		/* what is left of the savepoint is released */
		OUTSIDE ->
#ifdef PROBE
		if :: ((marks | inner) & BIT(BULK)) != 0 -> bulked = bulked | BIT(me) :: else fi;
#endif
		marks = MATTERS(marks | inner); inner = 0; level = 0;
		held = 0; saved[0] = 0; saved[1] = 0;
#ifdef OWN
		fin = 0; xmax = 0; seen[0] = 0; seen[1] = 0;
#endif
		writes = 0; limit = 0
	   };
	   break
	od
	};

	/* PRE_COMMIT, and what follows */
	do
	:: d_step { (marks & BIT(REL)) != 0 -> register_token(REL) }
	:: d_step { (marks & BIT(BULK)) != 0 -> register_token(BULK) }
	:: d_step { (marks & BIT(KEY1)) != 0 -> register_token(KEY1) }
	:: d_step { (marks & BIT(KEY2)) != 0 -> register_token(KEY2) }
	:: d_step {
		marks == 0 ->
		FINISH(me);
#ifdef PROBE
		if :: locked[0] == me || locked[1] == me -> comm = comm | BIT(me) :: else fi;
#endif
#ifdef TRUNCATES
		truncated = truncated || truncating == me;
#endif
		if :: locked[0] == me -> row[0] = own[0] :: else fi;
		if :: locked[1] == me -> row[1] = own[1] :: else fi;
		forget_all()
	   };
	   break
	:: d_step { FINISH(me); forget_all() }; break
	od
}

/* what the query returns of a row, under a reader's snapshot */
#define ROW_NOW(r)	(truncated && !after -> 0 : seen[r])

inline take_view()
{
	TAKE_SNAPSHOT(fin, xmax);
	seen[0] = IN_QUERY(row[0]); seen[1] = IN_QUERY(row[1]);
#ifdef TRUNCATES
	after = truncated
#endif
}

/* of a token the process array is read after the slot, and then the next slot */
#define READY		(!miss && need == 0 && t != NONE)
#define DECIDED		(need == 0 && (miss || t == NONE))

inline note_judgement()
{
	miss = !ok_;
	need = (miss -> 0 : need_);
	t = NEXT(t)
}

inline read_procs()
{
	miss = (need & ~procs) != 0;
	need = 0
}

inline forget_view()
{
	fin = 0; xmax = 0; seen[0] = 0; seen[1] = 0; after = false;
	miss = false; t = 0
}

proctype fill()
{
	byte	fin, xmax;		/* the snapshot */
	byte	seen[N];		/* what the query returned when it was taken */
	bool	after;			/* it was taken after the truncation */
	byte	t = FIRST;		/* the token to be judged next */
	byte	need;			/* ids that must be in progress still for the last one */
	bool	miss;
	byte	vseq[2];		/* what is to be linked */

	d_step { take_view() };
#ifdef TRUNCATES
	d_step { truncating == 0 -> filling = true };
#endif
	do
	:: d_step {
		READY ->
		ok_ = true; need_ = 0;
		judge_token_publish(t);
		vseq[COUNT_OF(t)] = SLOT(t).seq;
		note_judgement()
	   }
	:: d_step { need != 0 -> read_procs() }
	:: d_step {
		DECIDED ->
		if
		:: !miss && !have ->
			have = true;
			vers[0] = vseq[0]; vers[1] = vseq[1];
			value[0] = ROW_NOW(0); value[1] = ROW_NOW(1);
#ifdef PROBE
			pub = fin;
#endif
		:: else
		fi;
#ifdef TRUNCATES
		filling = false;
#endif
		vseq[0] = 0; vseq[1] = 0;
		forget_view()
	   };
	   break
	od
}

proctype lookup()
{
	byte	fin, xmax;
	byte	seen[N];
	bool	after;
	byte	t;
	byte	need;
	bool	miss;
#ifdef TRUNCATES
	bool	before;			/* the lookup began before the truncation */
#endif

	d_step { take_view() };
end_without_entry:
	d_step {
		have ->
#ifdef TRUNCATES
		before = !truncated;
#endif
		t = FIRST
	};
	do
	:: d_step {
		READY ->
		ok_ = true; need_ = 0;
		judge_token_hit(t, vers[COUNT_OF(t)]);
#ifdef PROBE_SHARED
		assert(!(ok_ && need_ == 0 && t == KEY1 && (other_ & fin & comm) != 0));
#endif
		note_judgement()
	   }
	:: d_step { need != 0 -> read_procs() }
	:: d_step {
		DECIDED ->
		if
		:: miss
		:: else ->
#ifdef PROBE_APART
			assert((comm & fin & ~pub) == 0);
#endif
#ifdef PROBE_BULK
			assert((bulked & comm & fin) == 0);
#endif
#ifdef PROBE_ROLLED_BACK
			assert((subbed & comm & fin & ~pub) == 0);
#endif
#ifdef PROBE_TRUNCATED
			assert(!truncated || value[1] == 0);
#endif
#ifdef TRUNCATES
			assert((before && value[0] == seen[0] && value[1] == seen[1]) ||
				   (value[0] == ROW_NOW(0) && value[1] == ROW_NOW(1)))
#else
			assert(value[0] == ROW_NOW(0) && value[1] == ROW_NOW(1))
#endif
		fi;
#ifdef TRUNCATES
		before = false;
#endif
		forget_view()
	   };
	   break
	od
}

init {
	byte	i;

	atomic {
		row[0] = 1;			/* a row of key 1, and room for another */
		run fill();
		run lookup();
		i = 1;
		do :: i <= W -> run writer(i); i++ :: else -> break od;
		i = 0
	}
}
