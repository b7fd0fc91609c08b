/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  The registry of the extension's shared-memory parts.
 *
 * Each part that lives in shared memory describes itself with an
 * ArcShmemPart.  The registry requests the sum of their sizes and their lock
 * tranches from the server, and hands each part its piece, once, cache-line
 * aligned and of unknown content, while holding AddinShmemInitLock.  In every process
 * (EXEC_BACKEND included) attach() is called with the same address.  The
 * registry itself is written only in the postmaster, before any child exists.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_SHMEM_H
#define ARC_SHMEM_H

#include "postgres.h"

#include "storage/lwlock.h"

typedef struct ArcShmemPart
{
	const char *name;
	const char *tranche;		/* name of its LWLock tranche, or NULL */
	int			nlocks;			/* locks in that tranche */
	Size		(*size) (void);
	void		(*init) (void *address, LWLockPadded *locks);	/* once */
	void		(*attach) (void *address, LWLockPadded *locks); /* each process */
} ArcShmemPart;

extern void arc_shmem_register(const ArcShmemPart *part);
extern void arc_shmem_init(void);

#endif							/* ARC_SHMEM_H */
