/*-------------------------------------------------------------------------
 *
 * settings.c
 *	  Definition of the extension's settings.
 *
 * Settings are sorted by name.  Each has the narrowest context that still
 * lets a connection pooler use SET LOCAL, ALTER ROLE or ALTER DATABASE.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <float.h>
#include <limits.h>

#include "base/inject.h"
#include "base/settings.h"
#include "miscadmin.h"
#include "utils/guc.h"

double		arc_audit_rate = 0.0;
int			arc_auto = ARC_AUTO_ON;
bool		arc_debug_force = false;
bool		arc_debug_verify = false;
int			arc_default_ttl = 0;
bool		arc_enabled = true;
int			arc_janitor_delay = 1000;
int			arc_max_key_tokens = 1024;
int			arc_max_value_size = 0;
int			arc_memory = 128;
double		arc_min_cost = 100.0;
double		arc_min_time = 0.1;
bool		arc_relation_cache = true;
int			arc_relation_ttl = 0;
int			arc_wait_timeout = 10000;
bool		arc_preloaded = false;

static const struct config_enum_entry auto_options[] = {
	{"off", ARC_AUTO_OFF, false},
	{"hint", ARC_AUTO_HINT, false},
	{"on", ARC_AUTO_ON, false},
	{NULL, 0, false}
};

void
arc_settings_define(void)
{
	/* A fraction of hits is recomputed; a difference is counted and logged. */
	DefineCustomRealVariable("arcache.audit_rate",
							 "Sets the fraction of exact hits that are recomputed and compared.",
							 "A difference is counted in arcache_stats and logged, never raised.",
							 &arc_audit_rate, 0.0, 0.0, 1.0,
							 PGC_SUSET, 0, NULL, NULL, NULL);

	/* Queries that name no function of ours: the same SQL, from the cache. */
	DefineCustomEnumVariable("arcache.auto",
							 "Selects the statements whose results are cached without a change of their text.",
							 "\"hint\" are those with a comment that says so, \"on\" also those over enabled tables.",
							 &arc_auto, ARC_AUTO_ON, auto_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	/* For tests, see coherence/force.h: of no use but for a whole server. */
	DefineCustomBoolVariable("arcache.debug_force",
							 "Caches every statement that can be cached, over whatever tables and at whatever cost.",
							 "Sessions in which it is off write unseen. EXPLAIN shows plans as if nothing were cached.",
							 &arc_debug_force, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);

	/* For tests: every exact hit is recomputed; a difference is an error. */
	DefineCustomBoolVariable("arcache.debug_verify",
							 "Recomputes every exact hit in the same snapshot and raises on a difference.",
							 NULL,
							 &arc_debug_verify, false,
							 PGC_SUSET, GUC_NOT_IN_SAMPLE, NULL, NULL, NULL);

	/* What a NULL ttl means; with 0 only tracked results live without a ttl. */
	DefineCustomIntVariable("arcache.default_ttl",
							"Sets the time to live of entries stored without one.",
							"0 means no expiry.",
							&arc_default_ttl, 0, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	/* Off: every call computes, nothing is read from or put into the cache. */
	DefineCustomBoolVariable("arcache.enabled",
							 "Enables the cache.",
							 "When off, every call computes its result and touches no entry.",
							 &arc_enabled, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	DefineCustomIntVariable("arcache.janitor_delay",
							"Sets the time the janitor sleeps between two rounds.",
							NULL,
							&arc_janitor_delay, 1000, 10, 600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);

	/* Bounds what a transaction remembers of its writes, and its commit's work. */
	DefineCustomIntVariable("arcache.max_key_tokens",
							"Sets how many distinct keys a transaction may write before it invalidates whole relations instead.",
							"0 always invalidates whole relations.",
							&arc_max_key_tokens, 1024, 0, 1000000,
							PGC_USERSET, 0, NULL, NULL, NULL);

	/* A larger value is computed and returned, but not stored. */
	DefineCustomIntVariable("arcache.max_value_size",
							"Sets the size of the largest value that is stored.",
							"0 means an eighth of arcache.memory.",
							&arc_max_value_size, 0, 0, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);

	/*
	 * The fixed size of all the extension's entries, index and slots.  The
	 * server refuses to define such a setting once it has started.
	 */
	if (process_shared_preload_libraries_in_progress)
		DefineCustomIntVariable("arcache.memory",
								"Sets the amount of shared memory used by the cache.",
								NULL,
								&arc_memory, 128, 1, 65536,
								PGC_POSTMASTER, GUC_UNIT_MB, NULL, NULL, NULL);

	/* Off: arcache_related() and its kin compute, whatever the relationship says. */
	DefineCustomBoolVariable("arcache.relation_cache",
							 "Enables the cache for relationships.",
							 "When off, related rows are computed each time.",
							 &arc_relation_cache, true,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	/* Goes before arcache.default_ttl. */
	DefineCustomIntVariable("arcache.relation_ttl",
							"Sets the time to live of related rows whose relationship has none.",
							"0 leaves it to arcache.default_ttl.",
							&arc_relation_ttl, 0, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_S, NULL, NULL, NULL);

	/* A hit costs something too; what is cheap need not be kept. */
	DefineCustomRealVariable("arcache.min_cost",
							 "Sets the planner's cost below which a statement is not cached unless a hint asks for it.",
							 NULL,
							 &arc_min_cost, 100.0, 0.0, DBL_MAX,
							 PGC_USERSET, 0, NULL, NULL, NULL);

	/* The planner can be wrong; what was measured goes before what it thinks. */
	DefineCustomRealVariable("arcache.min_time",
							 "Sets the time of computing below which a statement is not cached any more unless a hint asks for it.",
							 "The time is the mean of what arcache_statements shows.",
							 &arc_min_time, 0.1, 0.0, DBL_MAX,
							 PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	/* How long a call waits for another that computes the same key. */
	DefineCustomIntVariable("arcache.wait_timeout",
							"Sets how long to wait for another session that computes the same key.",
							"After that the session computes for itself. 0 does not wait.",
							&arc_wait_timeout, 10000, 0, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);

	ARC_INJECT_DEFINE();

	/* Without arcache.memory defined, a line for it would look like an error. */
	if (process_shared_preload_libraries_in_progress)
		MarkGUCPrefixReserved("arcache");
}
