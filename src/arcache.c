/*-------------------------------------------------------------------------
 *
 * arcache.c
 *	  Composes the parts, nothing else.
 *
 * Without preloading there is no shared memory: the functions compute and
 * return, and keep nothing.  Then no hook is set and no callback registered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/relstats.h"
#include "base/settings.h"
#include "base/shmem.h"
#include "base/statements.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/pending.h"
#include "cache/pin.h"
#include "coherence/ddl.h"
#include "coherence/force.h"
#include "coherence/slots.h"
#include "coherence/trigger.h"
#include "coherence/writeset.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "query/transparent.h"
#include "store/store.h"
#include "worker/janitor.h"

ARC_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	arc_settings_define();
	if (!process_shared_preload_libraries_in_progress)
		return;
	arc_preloaded = true;

	arc_slots_shmem_register();
	arc_store_shmem_register();
	arc_stats_shmem_register();
	arc_relstats_shmem_register();
	arc_statements_shmem_register();
	arc_janitor_shmem_register();
	arc_shmem_init();

	/*
	 * Transaction callbacks run in reverse order of registration: what others
	 * wrote is registered (writeset) before sets are judged (pending).
	 */
	arc_pin_init();
	arc_pending_init();
	arc_writeset_init();
	arc_trigger_init();
	arc_ddl_init();
	arc_force_init();
	arc_cache_init();
	arc_transparent_init();
	arc_janitor_register();
}
