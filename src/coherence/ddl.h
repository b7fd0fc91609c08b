/*-------------------------------------------------------------------------
 *
 * ddl.h
 *	  Definitions, privileges and roles as things that are written.
 *
 * Hooks on utility statements and on object access mark tokens in the write
 * set of the transaction that runs them: a relation's where only queries on
 * that relation can change their meaning, else the database's definitions, or
 * the cluster's roles.  Temporary objects, statistics, indexes and the like
 * mark nothing.  A statement that nobody has thought of marks the definitions.
 *
 * The hooks raise nothing of their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_DDL_H
#define ARC_DDL_H

#include "postgres.h"

extern void arc_ddl_init(void);

/*
 * Told when a database or a role (the other is InvalidOid) is gone for good.
 * May run in a COMMIT callback, so must not raise.
 */
typedef void (*ArcOwnerGone) (Oid database, Oid role);
extern void arc_ddl_on_owner_gone(ArcOwnerGone callback);

#endif							/* ARC_DDL_H */
