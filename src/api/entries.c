/*-------------------------------------------------------------------------
 *
 * entries.c
 *	  Entries by key, as the SQL functions about values and rows see them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/entries.h"
#include "base/settings.h"
#include "base/stats.h"
#include "cache/glob.h"
#include "cache/pending.h"
#include "cache/pin.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "query/readthrough.h"
#include "utils/timestamp.h"

/* -- finding -------------------------------------------------------------------- */

ArcFound
arc_entries_find(const ArcReader *reader, const ArcKey *key)
{
	ArcFound	found = {0};
	ArcVerdict	verdict;

	if (reader->use != ARC_USABLE)
		return found;
	switch (arc_pending_find(key, &found.entry))
	{
		case ARC_PENDING_SET:
			if (arc_entry_expired(found.entry, GetCurrentTimestamp()) ||
				!arc_cache_is_current(reader, found.entry))
				found.entry = NULL;
			break;
		case ARC_PENDING_DELETED:
			found.entry = NULL;
			break;
		case ARC_PENDING_NOTHING:
			found.entry = arc_cache_find(reader, key, NULL, &verdict);
			found.pinned = found.entry != NULL;
			found.bypassed = verdict == ARC_VERDICT_OWN_WRITES;
			break;
	}
	return found;
}

void
arc_entries_count(const ArcReader *reader, const ArcFound *found)
{
	if (found->pinned)
	{
		if (reader->recovery)
			arc_check_entry_privileges(found->entry);
		arc_verify_hit(found->entry);
		arc_cache_count_hit(found->entry);
	}
	else if (found->entry != NULL)
		arc_stats_count(ARC_HITS);
	else if (reader->use == ARC_USABLE)
		arc_stats_count(found->bypassed ? ARC_BYPASS_OWN_WRITES : ARC_MISSES);
	else
		arc_reader_count_bypass(reader);
}

void
arc_entries_done(ArcFound *found)
{
	if (found->pinned)
		arc_pin_release(found->entry);
	found->entry = NULL;
}

bool
arc_entries_exist(const ArcReader *reader, const ArcKey *key)
{
	ArcFound	found = arc_entries_find(reader, key);
	bool		there = found.entry != NULL;

	arc_entries_done(&found);
	return there;
}

/* -- setting -------------------------------------------------------------------- */

bool
arc_entries_set(const ArcSetting *setting, const ArcKey *key, const void *value, Size size)
{
	ArcEntrySpec spec = {
		.key = *key,
		.value = value,
		.value_size = size,
		.flags = setting->reader.recovery ? ARC_ENTRY_IN_RECOVERY : 0,
		.expires = arc_cache_expiry(setting->ttl),
		.cost = ARC_SET_COST
	};
	Size		meta_size;

	if (!arc_preloaded)
		return false;
	if (!setting->possible || !arc_cache_size_allowed(spec.value_size))
	{
		arc_pending_delete(key);
		return false;
	}
	spec.meta = arc_meta_build(&setting->meta, &meta_size);
	spec.meta_size = meta_size;
	if (meta_size > ARC_META_MAX)
	{
		arc_stats_count(ARC_REJECTED_OVERSIZE);
		arc_pending_delete(key);
		return false;
	}
	return arc_pending_set(&spec);
}

/* -- patterns ---------------------------------------------------------------------- */

static void
visit_if_match(const ArcKeyWalk *walk, const ArcKey *key)
{
	if ((walk->spaces & ARC_SPACE_MASK(key->space)) != 0 &&
		arc_glob_match(walk->pattern, walk->length, key->name, key->length))
		walk->visit(key, walk->arg);
}

/* A key that names a value and rows as well is visited as that of the value. */
static bool
is_named_by_value(const ArcReader *reader, ArcKey key)
{
	if (key.space != ARC_SPACE_ROWS)
		return false;
	key.space = ARC_SPACE_VALUE;
	return arc_entries_exist(reader, &key);
}

static void
visit_pending(const ArcKey *key, ArcSharedEntry *entry, void *arg)
{
	if (key->role == GetUserId())
		visit_if_match(arg, key);
}

void
arc_entries_walk(const ArcReader *reader, const ArcKeyWalk *walk)
{
	ArcStoreScan *scan;
	ArcSharedEntry *entry;

	if (reader->use != ARC_USABLE)
		return;
	arc_pending_visit(visit_pending, unconstify(ArcKeyWalk *, walk));
	scan = arc_scan_open();
	while ((entry = arc_scan_next(scan)) != NULL)
	{
		ArcKey		key = arc_cache_key(entry->space, arc_entry_key(entry),
										entry->key_length);

		CHECK_FOR_INTERRUPTS();
		if (entry->database == key.database && entry->role == key.role &&
			!arc_pending_touches(&key) && arc_cache_may_serve(reader, entry) &&
			!is_named_by_value(reader, key))
			visit_if_match(walk, &key);
	}
	arc_scan_close(scan);
}

static void
count_key(const ArcKey *key, void *arg)
{
	(*(int64 *) arg)++;
}

int64
arc_entries_delete_pattern(uint32 spaces, const char *pattern, int length)
{
	int64		count = 0;
	ArcKeyWalk	walk = {
		.spaces = spaces,
		.pattern = pattern,
		.length = length,
		.visit = count_key,
		.arg = &count
	};
	ArcReader	reader;

	arc_reader_init_for_removal(&reader);
	if (!arc_preloaded)
		return 0;
	arc_entries_walk(&reader, &walk);
	arc_pending_delete_pattern(GetUserId(), spaces, pattern, length);
	return count;
}

int64
arc_entries_delete_prefix(uint32 spaces, const char *prefix)
{
	StringInfoData pattern;

	initStringInfo(&pattern);
	for (const char *at = prefix; *at != '\0'; at++)
	{
		if (strchr("*?[]\\", *at) != NULL)
			appendStringInfoChar(&pattern, '\\');
		appendStringInfoChar(&pattern, *at);
	}
	appendStringInfoChar(&pattern, '*');
	return arc_entries_delete_pattern(spaces, pattern.data, pattern.len);
}
