/*-------------------------------------------------------------------------
 *
 * statements.h
 *	  Counters, per statement of transparent mode.
 *
 * A statement is what the server computes one query identifier for, as one
 * role runs it; without an identifier (compute_query_id = off) nothing is
 * counted.  See tally.h for locks, for what is lost and for what may raise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_STATEMENTS_H
#define ARC_STATEMENTS_H

#include "postgres.h"

#include "base/tally.h"

/* The order is that of the columns of arcache_statement_counts(). */
typedef enum ArcStatementCounter
{
	ARC_STATEMENT_HITS,
	ARC_STATEMENT_MISSES,
	ARC_STATEMENT_FILLS,
	ARC_STATEMENT_BYPASSES,
	ARC_STATEMENT_FILL_TIME,	/* microseconds */
	ARC_STATEMENT_TIME_SAVED,	/* microseconds */
	ARC_STATEMENT_NCOUNTERS
} ArcStatementCounter;

extern void arc_statements_shmem_register(void);

/* The role is the current one. */
extern void arc_statement_count(uint64 query_id, ArcStatementCounter counter, uint64 n);

/* Count a bypass, and remember why. */
extern void arc_statement_count_bypass(uint64 query_id, const char *reason);

/*
 * Was it quicker than arcache.min_time when it was last measured, some times?
 * Now and then the answer is no, so that it is measured again.
 */
extern bool arc_statement_is_cheap(uint64 query_id);

extern void arc_statements_read(Oid database, ArcTallyVisit visit, void *arg);
extern void arc_statements_reset(Oid database);

/* InvalidOid stands for any. */
extern void arc_statements_forget(Oid database, Oid role);

#endif							/* ARC_STATEMENTS_H */
