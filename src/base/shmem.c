/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  The registry of the extension's shared-memory parts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/shmem.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#define ARC_SHMEM_MAX_PARTS 8

static const ArcShmemPart *parts[ARC_SHMEM_MAX_PARTS];
static int	nparts = 0;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

void
arc_shmem_register(const ArcShmemPart *part)
{
	if (nparts >= ARC_SHMEM_MAX_PARTS)
		elog(ERROR, "too many shared-memory parts");
	parts[nparts++] = part;
}

static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();

	for (int i = 0; i < nparts; i++)
	{
		RequestAddinShmemSpace(add_size(parts[i]->size(), PG_CACHE_LINE_SIZE));
		if (parts[i]->tranche)
			RequestNamedLWLockTranche(parts[i]->tranche, parts[i]->nlocks);
	}
}

static void
shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < nparts; i++)
	{
		const ArcShmemPart *part = parts[i];
		Size		size = part->size();
		bool		found;
		void	   *raw = ShmemInitStruct(part->name,
										  add_size(size, PG_CACHE_LINE_SIZE),
										  &found);
		void	   *address = (void *) TYPEALIGN(PG_CACHE_LINE_SIZE, raw);
		LWLockPadded *locks = part->tranche ?
			GetNamedLWLockTranche(part->tranche) : NULL;

		if (!found)
			part->init(address, locks);
		part->attach(address, locks);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
arc_shmem_init(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}
