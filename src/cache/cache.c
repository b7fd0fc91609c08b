/*-------------------------------------------------------------------------
 *
 * cache.c
 *	  The one door: store and coherence composed.
 *
 * In recovery no transaction of this server writes, so slots say nothing and
 * snapshots are not judged: a result lives by its ttl alone, is marked as made
 * in recovery, and is not served once recovery has ended.  Only explicit
 * invalidations reach it, for those bump slots here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/relstats.h"
#include "base/settings.h"
#include "base/statements.h"
#include "base/stats.h"
#include "cache/cache.h"
#include "cache/environment.h"
#include "cache/pending.h"
#include "cache/pin.h"
#include "coherence/ddl.h"
#include "coherence/slots.h"
#include "coherence/writeset.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* -- who asks -------------------------------------------------------------- */

static void
warn_not_preloaded(void)
{
	static bool warned = false;

	if (warned)
		return;
	warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("arcache is not loaded, so nothing is cached"),
			 errhint("Add shared_preload_libraries = 'arcache' to postgresql.conf and restart the server.")));
}

void
arc_reader_init_for_removal(ArcReader *reader)
{
	reader->recovery = false;
	reader->serializable = IsolationIsSerializable();
	if (!arc_preloaded)
	{
		warn_not_preloaded();
		reader->use = ARC_UNUSABLE_NOT_PRELOADED;
	}
	else if (IsBinaryUpgrade)
		reader->use = ARC_UNUSABLE_DISABLED;
	else if (IsParallelWorker() || !ActiveSnapshotSet())
		reader->use = ARC_UNUSABLE_ISOLATION;
	else if (RecoveryInProgress())
	{
		reader->use = ARC_USABLE;
		reader->recovery = true;
	}
	else if (arc_view_init(&reader->view, GetActiveSnapshot()))
		reader->use = ARC_USABLE;
	else
		reader->use = ARC_UNUSABLE_ISOLATION;
}

void
arc_reader_init(ArcReader *reader)
{
	arc_reader_init_for_removal(reader);
	if (reader->use == ARC_USABLE && !arc_enabled)
		reader->use = ARC_UNUSABLE_DISABLED;

	/* The apply worker's own writes are not marked before it commits. */
	if (reader->use == ARC_USABLE && IsLogicalWorker())
		reader->use = ARC_UNUSABLE_ISOLATION;
}

void
arc_reader_count_bypass(const ArcReader *reader)
{
	if (reader->use == ARC_UNUSABLE_DISABLED)
		arc_stats_count(ARC_BYPASS_DISABLED);
	else if (reader->use == ARC_UNUSABLE_ISOLATION)
		arc_stats_count(ARC_BYPASS_ISOLATION);
}

ArcKey
arc_cache_key(ArcKeySpace space, const char *name, uint32 length)
{
	ArcKey		key = {
		.database = MyDatabaseId,
		.role = GetUserId(),
		.space = space,
		.length = length,
		.name = name
	};

	return key;
}

/* -- reading --------------------------------------------------------------- */

/*
 * Has a transaction that the reader sees deleted this entry?  Who rolls back
 * takes his fence away, but for ROLLBACK PREPARED, after which we do.
 */
static bool
is_fenced_off(const ArcReader *reader, const ArcSharedEntry *entry)
{
	pg_atomic_uint64 *field = unconstify(pg_atomic_uint64 *, &entry->fence);
	uint64		fence = pg_atomic_read_u64(field);

	if (fence == 0 || !arc_view_finished(&reader->view, fence))
		return false;
	if (!arc_compat_clog_has(fence) || TransactionIdDidCommit((TransactionId) fence))
		return true;
	(void) pg_atomic_compare_exchange_u64(field, &fence, 0);
	return false;
}

/*
 * Has the transaction written this, or may it have?  Of keys it is not known
 * until the statement that writes them has ended.
 */
static bool
is_own_write(const ArcDependency *dependency)
{
	return arc_writeset_has(dependency->token) ||
		(dependency->kind == ARC_DEPENDS_ON_BULK &&
		 arc_writeset_statement_is_open(dependency->relid));
}

/* May the reader be given this entry, as far as data and time are concerned? */
static ArcVerdict
judge(const ArcReader *reader, const ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);
	const ArcDependency *dependencies = arc_meta_dependencies(meta);

	if (pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &entry->expires)) != 0 &&
		arc_entry_expired(entry, GetCurrentTimestamp()))
		return ARC_VERDICT_MISS;

	if (meta->ndependencies > 0 &&
		(reader->serializable ||
		 ((entry->flags & ARC_ENTRY_IN_RECOVERY) != 0) != reader->recovery))
		return ARC_VERDICT_MISS;
	if (reader->recovery)
	{
		for (uint32 i = 0; i < meta->ndependencies; i++)
		{
			if (arc_slot_seq(dependencies[i].token) != dependencies[i].seq)
				return ARC_VERDICT_MISS;
		}
		return ARC_VERDICT_HIT;
	}

	if (is_fenced_off(reader, entry))
		return ARC_VERDICT_MISS;

	if (!arc_writeset_is_empty())
	{
		for (uint32 i = 0; i < meta->ndependencies; i++)
		{
			if (is_own_write(&dependencies[i]))
				return ARC_VERDICT_OWN_WRITES;
		}
	}
	for (uint32 i = 0; i < meta->ndependencies; i++)
	{
		uint64		seq;

		if (arc_view_may_serve(&reader->view, dependencies[i].token,
							   dependencies[i].seq))
			continue;
		return arc_view_may_publish(&reader->view, dependencies[i].token, 0, &seq) ?
			ARC_VERDICT_MISS : ARC_VERDICT_TOO_OLD;
	}
	return ARC_VERDICT_HIT;
}

static bool
is_same_question(const ArcMeta *meta, const ArcIdentity *identity)
{
	if (identity != NULL)
	{
		if (!arc_meta_identical(meta, identity))
			return false;
	}
	else if (meta->environment_size > 0 &&
			 !arc_environment_equals(arc_meta_environment(meta),
									 meta->environment_size))
		return false;
	return meta->settings_size == 0 ||
		arc_environment_matches(arc_meta_settings(meta), meta->settings_size);
}

bool
arc_cache_may_serve(const ArcReader *reader, const ArcSharedEntry *entry)
{
	return reader->use == ARC_USABLE &&
		judge(reader, entry) == ARC_VERDICT_HIT;
}

bool
arc_cache_is_current(const ArcReader *reader, const ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);
	const ArcDependency *dependencies = arc_meta_dependencies(meta);

	for (uint32 i = 0; i < meta->ndependencies; i++)
	{
		if (reader->recovery ?
			arc_slot_seq(dependencies[i].token) != dependencies[i].seq :
			!arc_view_may_serve(&reader->view, dependencies[i].token,
								dependencies[i].seq))
			return false;
	}
	return true;
}

ArcSharedEntry *
arc_cache_find(const ArcReader *reader, const ArcKey *key,
			   const ArcIdentity *identity, ArcVerdict *verdict)
{
	ArcSharedEntry *entry;

	*verdict = ARC_VERDICT_MISS;
	if (reader->use != ARC_USABLE)
		return NULL;

	arc_pin_reserve();
	entry = arc_store_find(key);
	if (entry == NULL)
		return NULL;
	arc_pin_remember(entry, ARC_HOLD_PIN);
	ARC_INJECT_POINT("cache-pinned");

	if (is_same_question(arc_meta_of(entry), identity))
	{
		*verdict = judge(reader, entry);
		if (*verdict == ARC_VERDICT_HIT)
			return entry;
	}
	arc_pin_release(entry);
	return NULL;
}

/* Each relation has one dependency that is not a key. */
void
arc_cache_count_relations(const ArcDependency *dependencies, int n,
						  ArcRelationCounter counter)
{
	for (int i = 0; i < n; i++)
	{
		if (dependencies[i].kind == ARC_DEPENDS_ON_RELATION ||
			dependencies[i].kind == ARC_DEPENDS_ON_BULK)
			arc_relstats_count(dependencies[i].relid, counter, 1);
	}
}

void
arc_cache_count_hit(ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);

	arc_store_touch(entry);
	ARC_INJECT_POINT("hit-count");
	arc_stats_count(ARC_HITS);
	arc_stats_add(ARC_TIME_SAVED, (uint64) entry->cost);
	arc_cache_count_relations(arc_meta_dependencies(meta), meta->ndependencies,
							  ARC_REL_HITS);
}

/* -- filling --------------------------------------------------------------- */

void
arc_fill_open(ArcFill *fill, const ArcReader *reader, const ArcKey *key)
{
	fill->reader = reader;
	fill->key = *key;
	fill->open = reader->use == ARC_USABLE;
	if (!fill->open)
		return;

	fill->key_seq = arc_slot_seq(arc_token_key(key->database, key->role,
											   key->name, key->length));
	fill->keys_seq = arc_slot_seq(arc_token_keys(key->database, key->role));
	fill->definitions_seq = arc_slot_seq(arc_token_definitions(key->database));
	fill->roles_seq = arc_slot_seq(arc_token_roles());
	ARC_INJECT_POINT("fill-open");

	/*
	 * What we captured belongs to the definitions as of now; see them so, even
	 * in a transaction that holds all the locks it needs.
	 */
	if (!reader->recovery)
		AcceptInvalidationMessages();
}

/* Is this strict or guard token unchanged, and is all of it in our snapshot? */
static bool
is_settled(const ArcFill *fill, ArcToken token, uint64 captured)
{
	uint64		seq;

	if (fill->reader->recovery)
		return arc_slot_seq(token) == captured;
	return arc_view_may_publish(&fill->reader->view, token, 0, &seq) &&
		seq == captured;
}

/* Runs under the partition's lock: a delete must not slip in between. */
static bool
guard_insert(void *arg, ArcSharedEntry *existing)
{
	ArcFill    *fill = arg;
	const ArcKey *key = &fill->key;

	ARC_INJECT_POINT("fill-guard");
	return is_settled(fill, arc_token_key(key->database, key->role, key->name,
										  key->length), fill->key_seq) &&
		is_settled(fill, arc_token_keys(key->database, key->role), fill->keys_seq);
}

bool
arc_fill_settle(const ArcFill *fill, ArcDependency *dependencies, int n)
{
	for (int i = 0; i < n; i++)
	{
		ArcDependency *d = &dependencies[i];

		switch (d->kind)
		{
			case ARC_DEPENDS_ON_DEFINITIONS:
				d->seq = fill->definitions_seq;
				if (!is_settled(fill, d->token, d->seq))
					return false;
				break;
			case ARC_DEPENDS_ON_ROLES:
				d->seq = fill->roles_seq;
				if (!is_settled(fill, d->token, d->seq))
					return false;
				break;
			default:
				if (fill->reader->recovery)
					d->seq = arc_slot_seq(d->token);
				else if (!arc_view_may_publish(&fill->reader->view, d->token, 0, &d->seq))
					return false;
		}
	}
	return true;
}

bool
arc_fill_own_writes(const ArcFill *fill, const ArcDependency *dependencies, int n)
{
	if (arc_pending_touches(&fill->key))
		return true;
	if (arc_writeset_is_empty())
		return false;
	if (arc_writeset_has(arc_token_definitions(MyDatabaseId)) ||
		arc_writeset_has(arc_token_roles()))
		return true;
	for (int i = 0; i < n; i++)
	{
		if (is_own_write(&dependencies[i]))
			return true;
	}
	return false;
}

bool
arc_fill_may_publish(const ArcFill *fill, const ArcDependency *dependencies, int n)
{
	uint64		seq;

	if (fill->reader->recovery)
		return true;
	if (arc_fill_own_writes(fill, dependencies, n))
		return false;
	for (int i = 0; i < n; i++)
	{
		if (!arc_view_may_publish(&fill->reader->view, dependencies[i].token, 0, &seq))
			return false;
	}
	return true;
}

bool
arc_fill_publish(ArcFill *fill, const ArcResult *result)
{
	int			n = result->ndependencies;
	ArcDependency *dependencies;
	ArcEntrySpec entry_spec;
	ArcMetaSpec meta_spec;
	ArcSharedEntry *entry;
	void	   *meta;
	Size		meta_size;
	bool		linked;

	if (!fill->open || !arc_cache_size_allowed(result->size) ||
		arc_fill_own_writes(fill, result->dependencies, n))
		return false;

	dependencies = palloc((n + 2) * sizeof(ArcDependency));
	if (n > 0)
		memcpy(dependencies, result->dependencies, n * sizeof(ArcDependency));
	dependencies[n++] = (ArcDependency)
	{
		.token = arc_token_definitions(MyDatabaseId),
		.kind = ARC_DEPENDS_ON_DEFINITIONS
	};
	dependencies[n++] = (ArcDependency)
	{
		.token = arc_token_roles(), .kind = ARC_DEPENDS_ON_ROLES
	};

	ARC_INJECT_POINT("fill-settle");
	if (!arc_fill_settle(fill, dependencies, n))
	{
		arc_stats_count(ARC_REJECTED_STALE_FILL);
		return false;
	}

	meta_spec = (ArcMetaSpec)
	{
		.coherence = result->coherence,
			.ndependencies = n,
			.dependencies = dependencies,
			.words = result->words,
			.identity = result->identity,
			.settings = result->settings,
			.settings_size = result->settings_size,
			.tags = result->tags,
			.tags_size = result->tags_size,
	};
	meta = arc_meta_build(&meta_spec, &meta_size);
	pfree(dependencies);
	if (meta_size > ARC_META_MAX)
	{
		arc_stats_count(ARC_REJECTED_OVERSIZE);
		return false;
	}

	entry_spec = (ArcEntrySpec)
	{
		.key = fill->key,
			.meta = meta,
			.meta_size = meta_size,
			.value = result->value,
			.value_size = result->size,
			.draft = result->draft,
			.flags = fill->reader->recovery ? ARC_ENTRY_IN_RECOVERY : 0,
			.expires = result->expires,
			.cost = result->cost,
	};
	arc_pin_reserve();
	entry = arc_store_create(&entry_spec);
	pfree(meta);
	if (entry == NULL)
	{
		arc_stats_count(ARC_REJECTED_FULL);
		return false;
	}

	/* The guard may have to read the process array, which may allocate. */
	arc_pin_remember(entry, ARC_HOLD_OWNED);
	ARC_INJECT_POINT("fill-created");
	linked = arc_store_insert(entry, guard_insert, fill);
	ARC_INJECT_HELD("fill-linked");
	arc_pin_forget(entry, ARC_HOLD_OWNED);
	if (!linked)
	{
		arc_store_discard(entry);
		arc_stats_count(ARC_REJECTED_STALE_FILL);
		return false;
	}
	ARC_INJECT_POINT("fill-count");
	arc_stats_count(ARC_FILLS);
	arc_cache_count_relations(result->dependencies, result->ndependencies, ARC_REL_FILLS);
	return true;
}

/* -- limits ---------------------------------------------------------------- */

Size
arc_cache_size_limit(void)
{
	Size		limit = arc_max_value_size > 0 ?
		(Size) arc_max_value_size * 1024 :
		(Size) arc_memory * 1024 * 1024 / 8;

	/* Half the arena at most, whatever the setting says. */
	return Min(limit, (Size) arc_memory * 1024 * 1024 / 2);
}

bool
arc_cache_size_allowed(Size size)
{
	if (size <= arc_cache_size_limit())
		return true;
	arc_stats_count(ARC_REJECTED_OVERSIZE);
	return false;
}

TimestampTz
arc_cache_expiry(int64 ttl)
{
	if (ttl == 0)
		ttl = (int64) arc_default_ttl * 1000;
	if (ttl == 0)
		return 0;
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ttl);
}

/* -- keeping house --------------------------------------------------------- */

/* The oldest xmin of any snapshot, as of the last refresh; 0 is unknown. */
static uint64 horizon = 0;

void
arc_cache_refresh_horizon(void)
{
	if (RecoveryInProgress())
		return;
	arc_slots_settle_unknown();
	horizon = arc_oldest_xmin();
}

/* Asked under a partition's lock. */
static bool
is_dead(const ArcSharedEntry *entry)
{
	const ArcMeta *meta = arc_meta_of(entry);
	const ArcDependency *dependencies = arc_meta_dependencies(meta);

	if (entry->flags & ARC_ENTRY_IN_RECOVERY)
		return meta->ndependencies > 0 && !RecoveryInProgress();
	for (uint32 i = 0; i < meta->ndependencies; i++)
	{
		if (arc_token_is_dead(dependencies[i].token, dependencies[i].seq, horizon))
			return true;
	}
	return false;
}

/* Free what a dropped database or role owned. */
static void
forget_owner(Oid database, Oid role)
{
	ArcStoreScan scan;
	ArcSharedEntry *entry;

	if (!arc_preloaded)
		return;
	arc_store_scan_start(&scan);
	while ((entry = arc_store_scan_next(&scan)) != NULL)
	{
		if (entry->database == database ||
			(OidIsValid(role) && entry->role == role))
			arc_store_remove_entry(entry);
	}
	arc_store_scan_end(&scan);
	if (OidIsValid(database))
	{
		arc_stats_forget_database(database);
		arc_relstats_forget_database(database);
	}
	arc_statements_forget(database, role);
}

void
arc_cache_init(void)
{
	arc_store_set_dead_check(is_dead);
	arc_ddl_on_owner_gone(forget_owner);
}
