/*-------------------------------------------------------------------------
 *
 * inject.h
 *	  Points at which tests make something go wrong.
 *
 * Only a library compiled with ARC_INJECT has them (make ARC_INJECT=yes, as
 * test/lib/build.sh does for the tests that need it); elsewhere nothing is
 * left of them.  There the setting arcache.debug_inject says what happens:
 * a list of POINT=ACTION[:N], for the Nth time (the first) that the point is
 * reached by the session after the setting was set, or for each time (:*).
 * "*" stands for any point but those in which one of our locks is held: there
 * one can only wait.
 *
 *	error		an error is raised
 *	cancel		what pg_cancel_backend() does to this session
 *	terminate	what pg_terminate_backend() does
 *	kill		what kill -9 does
 *	wait		wait while there is a file arcache.hold in the data folder
 *	fail		what is tried here fails
 *	log			a line in the server's log says that the point was reached
 *
 * Backend-local, takes no lock.  What raises is told by the kind of point.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_INJECT_H
#define ARC_INJECT_H

#include "postgres.h"

#ifdef ARC_INJECT

#include "miscadmin.h"

typedef enum ArcInjectKind
{
	ARC_INJECT_MAY_RAISE,
	ARC_INJECT_MUST_NOT_RAISE,	/* a cancel or termination comes later */
	ARC_INJECT_MAY_FAIL,		/* says so by what it returns */
	ARC_INJECT_ONLY_WAIT		/* a lock is held, for others to wait for */
} ArcInjectKind;

extern void arc_inject_define(void);
extern bool arc_inject_reach(const char *point, ArcInjectKind kind);

#define ARC_INJECT_DEFINE()			arc_inject_define()
#define ARC_INJECT_POINT(point)		((void) arc_inject_reach(point, ARC_INJECT_MAY_RAISE))
#define ARC_INJECT_HELD(point)		((void) arc_inject_reach(point, ARC_INJECT_MUST_NOT_RAISE))
#define ARC_INJECT_FAILS(point)		arc_inject_reach(point, ARC_INJECT_MAY_FAIL)
#define ARC_INJECT_LOCKED(point)	((void) arc_inject_reach(point, ARC_INJECT_ONLY_WAIT))

/*
 * Around what must not raise, because the transaction has ended: the server
 * turns an error there into a panic, and with assertions refuses to allocate.
 */
#define ARC_INJECT_FORBID_ERRORS()	START_CRIT_SECTION()
#define ARC_INJECT_ALLOW_ERRORS()	END_CRIT_SECTION()

#else

#define ARC_INJECT_DEFINE()			((void) 0)
#define ARC_INJECT_POINT(point)		((void) 0)
#define ARC_INJECT_HELD(point)		((void) 0)
#define ARC_INJECT_FAILS(point)		false
#define ARC_INJECT_LOCKED(point)	((void) 0)
#define ARC_INJECT_FORBID_ERRORS()	((void) 0)
#define ARC_INJECT_ALLOW_ERRORS()	((void) 0)

#endif							/* ARC_INJECT */

#endif							/* ARC_INJECT_H */
