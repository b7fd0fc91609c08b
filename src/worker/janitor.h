/*-------------------------------------------------------------------------
 *
 * janitor.h
 *	  The background worker "arcache janitor".
 *
 * It removes expired and dead entries, a part of the index each round, and
 * evicts ahead when free memory falls short, so that backends need not.  Its
 * state in shared memory is written by the worker alone and read without a
 * lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_JANITOR_H
#define ARC_JANITOR_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct ArcJanitorState
{
	int			pid;			/* 0 if not running */
	uint64		rounds;
	TimestampTz last_round;		/* 0 if none */
} ArcJanitorState;

extern void arc_janitor_shmem_register(void);
extern void arc_janitor_register(void);
extern void arc_janitor_read(ArcJanitorState *state);

extern PGDLLEXPORT void arc_janitor_main(Datum arg);

#endif							/* ARC_JANITOR_H */
