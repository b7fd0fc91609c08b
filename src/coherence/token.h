/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Names of what a result can depend on, as 64-bit hashes.
 *
 * A token is computed, never stored or allocated.  Two things whose tokens
 * meet cost a false miss and nothing else.  The class in the top bit decides
 * in which part of the slot array the token lives, so that the many tokens of
 * single keys never crowd out the few that every entry depends on.
 *
 * Pure functions; nothing here locks or raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_TOKEN_H
#define ARC_TOKEN_H

#include "postgres.h"

typedef uint64 ArcToken;

/* Set on tokens of single keys, clear on tokens of relations and the like. */
#define ARC_TOKEN_FINE	(UINT64CONST(1) << 63)

/* All rows of a relation. */
extern ArcToken arc_token_relation(Oid database, Oid relid);

/* The meaning of queries in a database: definitions, privileges, tracking. */
extern ArcToken arc_token_definitions(Oid database);

/* Roles, their memberships and attributes: of the whole cluster. */
extern ArcToken arc_token_roles(void);

/* A tag that a role gave to its entries. */
extern ArcToken arc_token_tag(Oid database, Oid role, const char *tag, int length);

/* Guards: what a fill must not race with; see cache/pending.h. */
extern ArcToken arc_token_key(Oid database, Oid role, const char *key, int length);
extern ArcToken arc_token_keys(Oid database, Oid role);

#endif							/* ARC_TOKEN_H */
