/*-------------------------------------------------------------------------
 *
 * store_host.h
 *	  A place for the store of src/store: in this process's memory, one at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_BENCH_STORE_HOST_H
#define ARC_BENCH_STORE_HOST_H

#include "postgres.h"

/* As large as with arcache.memory of so many MB; does the same thing again with the same seed. */
extern void store_host_open(int megabytes, uint64 seed);
extern void store_host_close(void);

/* Bytes that entries may take in an empty store, tags of their blocks included. */
extern uint64 store_host_capacity(int megabytes);

/* Bytes an entry takes with a value of this size, in one piece, without meta. */
extern uint32 store_host_footprint(uint32 value_size);

extern uint64 store_host_evictions(void);

/* The name of an object as a key: always of this length. */
#define STORE_HOST_KEY_LENGTH	16

#endif							/* ARC_BENCH_STORE_HOST_H */
