/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Names of what a result can depend on, as 64-bit hashes.
 *
 * A token is computed, never stored or allocated.  Two things whose tokens
 * meet cost a false miss and nothing else.  The class in the top bit decides
 * in which part of the slot array the token lives, so that the many tokens of
 * single keys never crowd out the few that every entry depends on.  The low
 * half chooses the slot, and 16 bits above it tell apart the tokens that share
 * one (slots.c).
 *
 * Pure functions; nothing here locks or raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_TOKEN_H
#define ARC_TOKEN_H

#include "postgres.h"

#include "access/attnum.h"

typedef uint64 ArcToken;

/* Set on tokens of single keys, clear on tokens of relations and the like. */
#define ARC_TOKEN_FINE	(UINT64CONST(1) << 63)

/* All rows of a relation: registered by each transaction that wrote to it. */
extern ArcToken arc_token_relation(Oid database, Oid relid);

/*
 * The same, registered only by those whose writes are not told key by key; and
 * one key of a relation, by hashes of its values in the order of the columns.
 */
extern ArcToken arc_token_bulk(Oid database, Oid relid);
extern ArcToken arc_token_row_key(Oid database, Oid relid, int n,
								  const AttrNumber *columns, const uint64 *hashes);

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
