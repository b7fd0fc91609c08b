/*-------------------------------------------------------------------------
 *
 * policy.h
 *	  What contends: ways to choose what a cache keeps.
 *
 * A cache holds objects of a trace of so many bytes in all, as the trace says
 * what each takes.  A policy is a few functions over a state of its own;
 * it lives in the memory context it was created in, and ends with it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_BENCH_POLICY_H
#define ARC_BENCH_POLICY_H

#include "postgres.h"

#include "trace.h"

typedef struct Policy
{
	const char *name;
	void	   *(*create) (const Trace *trace, uint64 capacity);
	bool		(*get) (void *state, uint32 object);	/* is it there? counts as a use */
	void		(*put) (void *state, uint32 object);	/* it was not there, and has been made */
	void		(*drop) (void *state, uint32 object);	/* if it is there */
	bool		(*holds) (void *state, uint32 object);	/* as get, but no use */
	void		(*end) (void *state);	/* or NULL */
} Policy;

extern const Policy policy_lru;
extern const Policy policy_clock;
extern const Policy policy_sieve;
extern const Policy policy_s3fifo;
extern const Policy policy_gdsf;
extern const Policy policy_static;
extern const Policy policy_store;
extern const Policy policy_store_alone;

/* By name, or an error. */
extern const Policy *policy_find(const char *name);

/* -- queue.c: what the simple ones are made of -------------------------------- */

#define NO_OBJECT		PG_UINT32_MAX

/* An object's place in a queue.  The queues of a policy share one array of them. */
typedef struct Place
{
	uint32		newer;
	uint32		older;
	uint32		size;
	uint8		queue;			/* the policy's number of it; 0 is none */
	uint8		uses;			/* as the policy counts them */
} Place;

typedef struct Queue
{
	Place	   *places;
	uint8		number;
	uint32		newest;
	uint32		oldest;
	uint64		bytes;
} Queue;

extern Place *places_create(const Trace *trace);
extern void queue_init(Queue *queue, Place *places, uint8 number);
extern void queue_push(Queue *queue, uint32 object);	/* becomes the newest */
extern void queue_remove(Queue *queue, uint32 object);

#endif							/* ARC_BENCH_POLICY_H */
