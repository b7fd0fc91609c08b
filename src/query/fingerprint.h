/*-------------------------------------------------------------------------
 *
 * fingerprint.h
 *	  What a query means, as a few bytes.
 *
 * Of the rewritten query tree, which holds what names, operators, views and
 * policies resolved to; where in the text things stood is left out.  Two
 * queries with the same fingerprint, parameters, environment and definitions
 * are the same query.
 *
 * Fingerprints are palloc'd; raises for want of memory only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_FINGERPRINT_H
#define ARC_FINGERPRINT_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"

/* A SHA-256 in hexadecimal digits. Planning scribbles on the tree: call before. */
extern char *arc_fingerprint_query(const Query *query);

/* The same of the query as it is planned: the rows will come in the same order. */
extern char *arc_fingerprint_plan(const char *fingerprint, const PlannedStmt *plan);

/* The same of any bytes. */
extern char *arc_fingerprint_bytes(const char *bytes, Size size);

/* The numbers of the parameters that the query uses, in ascending order. */
extern List *arc_fingerprint_params(Query *query);

#endif							/* ARC_FINGERPRINT_H */
