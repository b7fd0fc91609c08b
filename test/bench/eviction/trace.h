/*-------------------------------------------------------------------------
 *
 * trace.h
 *	  Made-up work for a cache: gets and invalidations of objects.
 *
 * A trace is a function of its parameters and its seed, so that all contenders
 * are given the same one, and tomorrow again.  Objects are numbered from 0.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_BENCH_TRACE_H
#define ARC_BENCH_TRACE_H

#include "postgres.h"

typedef struct TraceSpec
{
	uint64		seed;
	uint32		objects;		/* that are asked for again and again */
	uint32		ops;			/* gets and invalidations */
	double		zipf;			/* the chance of rank r is as r^-zipf */
	double		once;			/* so much of all objects is asked for only once */
	double		invalidations;	/* so much of all is an invalidation */
	double		life;			/* gets until another object takes a rank; 0 is never */
	double		size_median;	/* bytes */
	double		size_sigma;		/* of the logarithm */
	double		cost_median;	/* microseconds */
	double		cost_sigma;
} TraceSpec;

typedef struct TraceObject
{
	uint32		size;			/* bytes of its value */
	uint32		footprint;		/* bytes it takes in a cache */
	float		cost;			/* microseconds to make it */
} TraceObject;

typedef struct Trace
{
	TraceSpec	spec;
	uint32		nobjects;		/* those asked for once included */
	uint32		nops;
	TraceObject *objects;
	uint32	   *ops;			/* an object, | TRACE_INVALIDATE */
	uint64		footprint;		/* of all objects that are ever got */
} Trace;

#define TRACE_INVALIDATE	((uint32) 1 << 31)
#define TRACE_OBJECT(op)	((op) & ~TRACE_INVALIDATE)

/* What an object of this size takes is asked of the caller. */
extern Trace *trace_make(const TraceSpec *spec, uint32 (*footprint) (uint32 size));
extern void trace_free(Trace *trace);

#endif							/* ARC_BENCH_TRACE_H */
