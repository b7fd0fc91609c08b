/*-------------------------------------------------------------------------
 *
 * pin.c
 *	  What this backend holds of the store, released on error.
 *
 * A backend holds few entries at a time, so an array searched from its end
 * does.  The release callback is the mechanism that all supported servers
 * have; it runs with CurrentResourceOwner set to the owner being released.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/inject.h"
#include "cache/pin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

typedef struct HeldEntry
{
	void	   *what;			/* ArcSharedEntry, or ArcStoreScan */
	ResourceOwner owner;
	ArcHold		hold;
} HeldEntry;

static HeldEntry *held = NULL;	/* in TopMemoryContext */
static int	nheld = 0;
static int	held_room = 0;

void
arc_pin_reserve(void)
{
	if (nheld < held_room)
		return;
	if (held == NULL)
	{
		held = MemoryContextAlloc(TopMemoryContext, 16 * sizeof(HeldEntry));
		held_room = 16;
	}
	else
	{
		held = repalloc(held, 2 * held_room * sizeof(HeldEntry));
		held_room *= 2;
	}
}

static void
remember(void *what, ArcHold hold)
{
	Assert(nheld < held_room);
	held[nheld].what = what;
	held[nheld].owner = CurrentResourceOwner;
	held[nheld].hold = hold;
	nheld++;
}

/*
 * Two portals may hold the same entry: each must forget its own hold, or the
 * other's is released with the wrong owner.
 */
static void
forget(void *what, ArcHold hold)
{
	int			found = -1;

	for (int i = nheld - 1; i >= 0; i--)
	{
		if (held[i].what != what || held[i].hold != hold)
			continue;
		if (found < 0 || held[i].owner == CurrentResourceOwner)
			found = i;
		if (held[i].owner == CurrentResourceOwner)
			break;
	}
	Assert(found >= 0);
	if (found >= 0)
		held[found] = held[--nheld];
}

void
arc_pin_remember(ArcSharedEntry *entry, ArcHold hold)
{
	remember(entry, hold);
}

void
arc_pin_forget(ArcSharedEntry *entry, ArcHold hold)
{
	forget(entry, hold);
}

void
arc_pin_release(ArcSharedEntry *entry)
{
	ARC_INJECT_POINT("pin-release");
	forget(entry, ARC_HOLD_PIN);
	arc_store_unpin(entry);
}

/* The scan outlives the stack frame that an error leaves. */
ArcStoreScan *
arc_scan_open(void)
{
	ArcStoreScan *scan;

	arc_pin_reserve();
	scan = MemoryContextAlloc(TopMemoryContext, sizeof(ArcStoreScan));
	arc_store_scan_start(scan);
	remember(scan, ARC_HOLD_SCAN);
	return scan;
}

ArcSharedEntry *
arc_scan_next(ArcStoreScan *scan)
{
	return arc_store_scan_next(scan);
}

void
arc_scan_close(ArcStoreScan *scan)
{
	forget(scan, ARC_HOLD_SCAN);
	arc_store_scan_end(scan);
	pfree(scan);
}

static void
give_back(const HeldEntry *gone)
{
	switch (gone->hold)
	{
		case ARC_HOLD_PIN:
			arc_store_unpin(gone->what);
			break;
		case ARC_HOLD_OWNED:
			arc_store_discard(gone->what);
			break;
		case ARC_HOLD_SCAN:
			arc_store_scan_end(gone->what);
			pfree(gone->what);
			break;
	}
}

static void
release_callback(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	if (phase != RESOURCE_RELEASE_BEFORE_LOCKS)
		return;
	for (int i = nheld - 1; i >= 0; i--)
	{
		HeldEntry	gone = held[i];

		if (gone.owner != CurrentResourceOwner)
			continue;
		held[i] = held[--nheld];
		ARC_INJECT_HELD("pin-give-back");
		give_back(&gone);
	}
}

void
arc_pin_init(void)
{
	RegisterResourceReleaseCallback(release_callback, NULL);
}
