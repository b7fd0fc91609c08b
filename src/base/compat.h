/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The one home of tests of PG_VERSION_NUM.
 *
 * Everything that differs between the supported servers (15, 17, 18) gets a
 * name here, and the rest of the source uses that name.  Nothing in this file
 * owns state or takes locks.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_COMPAT_H
#define ARC_COMPAT_H

#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/syscache.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "arcache needs PostgreSQL 15 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if !defined(PG_HAVE_8BYTE_SINGLE_COPY_ATOMICITY)
#error "arcache needs a platform with atomic 64-bit loads and stores"
#endif

/*
 * Of pg_locale.h, which cannot be included without ICU's headers.  The server's
 * development package does not bring those.
 */
extern PGDLLIMPORT char *locale_monetary;
extern PGDLLIMPORT char *locale_numeric;
extern PGDLLIMPORT char *locale_time;

/* The next transaction id, read without XidGenLock: an aligned 64-bit load. */
#if PG_VERSION_NUM >= 170000
#define arc_compat_next_full_xid() \
	U64FromFullTransactionId(*(volatile FullTransactionId *) &TransamVariables->nextXid)
#else
#define arc_compat_next_full_xid() \
	U64FromFullTransactionId(*(volatile FullTransactionId *) &ShmemVariableCache->nextXid)
#endif

/* The latest transaction that snapshots see as finished, read likewise. */
#if PG_VERSION_NUM >= 170000
#define arc_compat_latest_completed_xid() \
	U64FromFullTransactionId(*(volatile FullTransactionId *) &TransamVariables->latestCompletedXid)
#else
#define arc_compat_latest_completed_xid() \
	U64FromFullTransactionId(*(volatile FullTransactionId *) &ShmemVariableCache->latestCompletedXid)
#endif

/* Can the status of this (64-bit) transaction id still be looked up? */
#if PG_VERSION_NUM >= 170000
#define arc_compat_oldest_clog_xid()	(TransamVariables->oldestClogXid)
#else
#define arc_compat_oldest_clog_xid()	(ShmemVariableCache->oldestClogXid)
#endif
#define arc_compat_clog_has(xid) \
	(arc_compat_next_full_xid() - (xid) < (UINT64CONST(1) << 31) && \
	 TransactionIdFollowsOrEquals((TransactionId) (xid), arc_compat_oldest_clog_xid()))

/* This process's place in ProcGlobal->allProcs. */
#if PG_VERSION_NUM >= 170000
#define arc_compat_proc_number()	MyProcNumber
#else
#define arc_compat_proc_number()	(MyProc->pgprocno)
#endif

/* Processes that may own a place in allProcs while not being prepared. */
#define arc_compat_max_procs()		(MaxBackends + NUM_AUXILIARY_PROCS)

/* Privilege checks of a planned statement's range table. */
#if PG_VERSION_NUM >= 160000
#define arc_compat_check_permissions(query) \
	ExecCheckPermissions((query)->rtable, (query)->rteperminfos, true)
#else
#define arc_compat_check_permissions(query) \
	ExecCheckRTPerms((query)->rtable, true)
#endif

#if PG_VERSION_NUM >= 180000
#define arc_compat_executor_run(desc) \
	ExecutorRun(desc, ForwardScanDirection, 0)
#else
#define arc_compat_executor_run(desc) \
	ExecutorRun(desc, ForwardScanDirection, 0, true)
#endif

/* What the hook around ExecutorRun() is given beyond what 18 gives it. */
#if PG_VERSION_NUM >= 180000
#define ARC_COMPAT_EXECUTE_ONCE
#define ARC_COMPAT_PASS_EXECUTE_ONCE
#else
#define ARC_COMPAT_EXECUTE_ONCE			, bool execute_once
#define ARC_COMPAT_PASS_EXECUTE_ONCE	, execute_once
#endif

/* JSON_VALUE() and its kin, since 17. */
#if PG_VERSION_NUM >= 170000
#define arc_compat_is_json_expr(node)	IsA(node, JsonExpr)
#else
#define arc_compat_is_json_expr(node)	false
#endif

/* Take a lock if that needs neither waiting nor memory that is not there. */
#if PG_VERSION_NUM >= 180000
#define arc_compat_lock_if_available(tag, mode) \
	LockAcquireExtended(tag, mode, false, true, false, NULL, false)
#else
#define arc_compat_lock_if_available(tag, mode) \
	LockAcquireExtended(tag, mode, false, true, false, NULL)
#endif

/* Wait events with names of their own exist since 17. */
#if PG_VERSION_NUM >= 170000
#define arc_compat_wait_event(name)	WaitEventExtensionNew(name)
#else
#define arc_compat_wait_event(name)	PG_WAIT_EXTENSION
#endif

/* The magic block carries a name and a version since 18. */
#if PG_VERSION_NUM >= 180000
#define ARC_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "arcache", .version = "1.0.0")
#else
#define ARC_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* An attribute of a system cache tuple that is never null. */
#if PG_VERSION_NUM < 160000
static inline Datum
arc_compat_syscache_attr(int cache, HeapTuple tuple, AttrNumber attribute)
{
	bool		isnull;
	Datum		value = SysCacheGetAttr(cache, tuple, attribute, &isnull);

	Assert(!isnull);
	return value;
}
#else
#define arc_compat_syscache_attr(cache, tuple, attribute) \
	SysCacheGetAttrNotNull(cache, tuple, attribute)
#endif

/* Hold a relation of the range table as the executor does when it scans it. */
#include "executor/executor.h"
#if PG_VERSION_NUM >= 180000
#define arc_compat_open_range_table_relation(estate, rti) \
	((void) (bms_is_member(rti, (estate)->es_unpruned_relids) ? \
			 ExecGetRangeTableRelation(estate, rti, false) : NULL))
#else
#define arc_compat_open_range_table_relation(estate, rti) \
	((void) ExecGetRangeTableRelation(estate, rti))
#endif

/* Before a function that does not return. */
#if PG_VERSION_NUM >= 180000
#define ARC_NORETURN	pg_noreturn
#else
#define ARC_NORETURN	pg_attribute_noreturn()
#endif

/* EnableQueryId() */
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#else
#include "utils/queryjumble.h"
#endif

/* What custom nodes show of themselves. */
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#else
#include "commands/explain.h"
#endif

/* Privilege checks by class, which 16 folded into one function. */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#define arc_compat_owns_relation(relid, role) \
	object_ownercheck(RelationRelationId, relid, role)
#define arc_compat_may_use_schema(schema, role) \
	(object_aclcheck(NamespaceRelationId, schema, role, ACL_USAGE) == ACLCHECK_OK)
#define arc_compat_may_execute(function, role) \
	(object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK)
#else
#define arc_compat_owns_relation(relid, role) \
	pg_class_ownercheck(relid, role)
#define arc_compat_may_use_schema(schema, role) \
	(pg_namespace_aclcheck(schema, role, ACL_USAGE) == ACLCHECK_OK)
#define arc_compat_may_execute(function, role) \
	(pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK)
#endif

#endif							/* ARC_COMPAT_H */
