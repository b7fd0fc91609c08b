/*-------------------------------------------------------------------------
 *
 * trigger.h
 *	  The trigger function of tracked relations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_TRIGGER_H
#define ARC_TRIGGER_H

#include "postgres.h"

#include "fmgr.h"

extern PGDLLEXPORT Datum arcache_track(PG_FUNCTION_ARGS);

extern void arc_trigger_init(void);

#endif							/* ARC_TRIGGER_H */
