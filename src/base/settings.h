/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The extension's settings (GUC variables), all prefixed "arcache.".
 *
 * The variables are owned by the GUC machinery of each backend and are read
 * without locks.  arc_settings_define() runs once, from _PG_init, and may
 * raise only as DefineCustom*Variable does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_SETTINGS_H
#define ARC_SETTINGS_H

#include "postgres.h"

/* Which statements take part in transparent mode. */
typedef enum ArcAuto
{
	ARC_AUTO_OFF,
	ARC_AUTO_HINT,				/* those that ask for it */
	ARC_AUTO_ON					/* and those over enabled tables */
} ArcAuto;

extern double arc_audit_rate;
extern int	arc_auto;			/* ArcAuto */
extern bool arc_debug_force;
extern bool arc_debug_verify;
extern int	arc_default_ttl;	/* seconds; 0 is no expiry */
extern bool arc_enabled;
extern int	arc_janitor_delay;	/* milliseconds */
extern int	arc_max_key_tokens;	/* of one transaction */
extern int	arc_max_value_size; /* kB; 0 is an eighth of the arena */
extern int	arc_memory;			/* MB */
extern double arc_min_cost;		/* of the planner */
extern double arc_min_time;		/* milliseconds */
extern bool arc_relation_cache;
extern int	arc_relation_ttl;	/* seconds; 0 is arc_default_ttl */
extern int	arc_wait_timeout;	/* milliseconds */

/* True when shared_preload_libraries loaded us, so that shared memory exists. */
extern bool arc_preloaded;

extern void arc_settings_define(void);

#endif							/* ARC_SETTINGS_H */
