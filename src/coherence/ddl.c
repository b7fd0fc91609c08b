/*-------------------------------------------------------------------------
 *
 * ddl.c
 *	  Definitions, privileges and roles as things that are written.
 *
 * Two hooks complement each other.  The utility hook sees what the user said
 * and decides by the kind of statement; the object access hook sees relations
 * and triggers that are dropped or altered however that came about, by CASCADE
 * or by another extension's C code.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/compat.h"
#include "base/inject.h"
#include "base/relstats.h"
#include "base/settings.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "coherence/ddl.h"
#include "coherence/enable.h"
#include "coherence/force.h"
#include "coherence/slots.h"
#include "coherence/tracking.h"
#include "coherence/visibility.h"
#include "coherence/writeset.h"
#include "commands/dbcommands.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* What running a utility statement writes. */
typedef enum UtilityEffect
{
	WRITES_NOTHING,
	WRITES_RELATION,			/* and its descendants */
	WRITES_DEFINITIONS,
	WRITES_ROLES,
	WRITES_DEFINITIONS_AND_ROLES
} UtilityEffect;

static ProcessUtility_hook_type prev_ProcessUtility = NULL;
static object_access_hook_type prev_object_access = NULL;
static ArcOwnerGone owner_gone = NULL;

/* What the current transaction drops, in TopTransactionContext. */
static List *dropped_roles = NIL;
static List *dropped_relations = NIL;

void
arc_ddl_on_owner_gone(ArcOwnerGone callback)
{
	owner_gone = callback;
}

static void
mark_definitions(void)
{
	arc_writeset_mark(arc_token_definitions(MyDatabaseId), ARC_WRITE_STRICT);
}

static void
mark_roles(void)
{
	arc_writeset_mark(arc_token_roles(), ARC_WRITE_STRICT);
}

/* -- utility statements --------------------------------------------------- */

static bool
names_temporary(const RangeVar *rv)
{
	Oid			relid;

	if (rv == NULL)
		return false;
	if (rv->relpersistence == RELPERSISTENCE_TEMP)
		return true;
	if (rv->schemaname != NULL)
		return strncmp(rv->schemaname, "pg_temp", 7) == 0;
	relid = RangeVarGetRelid(rv, NoLock, true);
	return OidIsValid(relid) && get_rel_persistence(relid) == RELPERSISTENCE_TEMP;
}

/* A relation about to be created is temporary only if it is said to be. */
static bool
creates_temporary(const RangeVar *rv)
{
	return rv->relpersistence == RELPERSISTENCE_TEMP ||
		(rv->schemaname != NULL && strncmp(rv->schemaname, "pg_temp", 7) == 0);
}

static bool
drops_temporary_only(const DropStmt *stmt)
{
	ListCell   *lc;

	switch (stmt->removeType)
	{
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_SEQUENCE:
			if (stmt->behavior == DROP_CASCADE)
				return false;
			break;
		case OBJECT_INDEX:
		case OBJECT_STATISTIC_EXT:
		case OBJECT_PUBLICATION:
		case OBJECT_EVENT_TRIGGER:
			return stmt->behavior != DROP_CASCADE;
		default:
			return false;
	}
	foreach(lc, stmt->objects)
	{
		if (!names_temporary(makeRangeVarFromNameList(lfirst(lc))))
			return false;
	}
	return true;
}

/* Can this command change the meaning of no query but one on its relation? */
static bool
is_local_alter(const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_ColumnDefault:
		case AT_DropNotNull:
		case AT_SetNotNull:
		case AT_SetStatistics:
		case AT_SetOptions:
		case AT_ResetOptions:
		case AT_SetStorage:
		case AT_SetCompression:
		case AT_AddIndex:
		case AT_AddConstraint:
		case AT_ValidateConstraint:
		case AT_DropConstraint:
		case AT_AddIndexConstraint:
		case AT_ClusterOn:
		case AT_DropCluster:
		case AT_SetLogged:
		case AT_SetUnLogged:
		case AT_SetTableSpace:
		case AT_SetRelOptions:
		case AT_ResetRelOptions:
		case AT_ReplicaIdentity:
			return true;
		default:
			return false;
	}
}

static UtilityEffect
alter_table_effect(const AlterTableStmt *stmt)
{
	ListCell   *lc;
	Oid			relid;

	if (stmt->objtype == OBJECT_INDEX || stmt->objtype == OBJECT_SEQUENCE ||
		names_temporary(stmt->relation))
		return WRITES_NOTHING;

	/* Results do not depend on the views that they were read through. */
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (!OidIsValid(relid) || get_rel_relkind(relid) == RELKIND_VIEW)
		return WRITES_DEFINITIONS;
	foreach(lc, stmt->cmds)
	{
		if (!is_local_alter(lfirst_node(AlterTableCmd, lc)))
			return WRITES_DEFINITIONS;
	}
	return WRITES_RELATION;
}

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		if (strcmp(name, *names) == 0)
			return true;
	}
	return false;
}

/* Nobody has run a query as a role that is new; but it may take members. */
static UtilityEffect
create_role_effect(const CreateRoleStmt *stmt)
{
	static const char *const memberships[] = {
		"rolemembers", "adminmembers", "addroleto", NULL
	};
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		if (is_one_of(lfirst_node(DefElem, lc)->defname, memberships))
			return WRITES_ROLES;
	}
	return WRITES_NOTHING;
}

static UtilityEffect
alter_role_effect(const AlterRoleStmt *stmt)
{
	static const char *const harmless[] = {
		"password", "validUntil", "connectionlimit", NULL
	};
	ListCell   *lc;

	foreach(lc, stmt->options)
	{
		if (!is_one_of(lfirst_node(DefElem, lc)->defname, harmless))
			return WRITES_ROLES;
	}
	return WRITES_NOTHING;
}

/* What the statement writes, and of which relation if that is known. */
static UtilityEffect
effect_of(Node *stmt, RangeVar **relation)
{
	*relation = NULL;
	switch (nodeTag(stmt))
	{
			/* Not DDL; tables they write tell so by their triggers. */
		case T_TransactionStmt:
		case T_PlannedStmt:
		case T_DeclareCursorStmt:
		case T_ClosePortalStmt:
		case T_FetchStmt:
		case T_CopyStmt:
		case T_PrepareStmt:
		case T_ExecuteStmt:
		case T_DeallocateStmt:
		case T_DoStmt:
		case T_CallStmt:
		case T_TruncateStmt:
		case T_VariableSetStmt:
		case T_VariableShowStmt:
		case T_ConstraintsSetStmt:
		case T_DiscardStmt:
		case T_ListenStmt:
		case T_UnlistenStmt:
		case T_NotifyStmt:
		case T_LockStmt:
		case T_LoadStmt:
		case T_CheckPointStmt:

			/*
			 * Change how data is stored or found, not what it says.  (A
			 * rewrite reaches the relation through the other hook.)
			 */
		case T_VacuumStmt:
		case T_ClusterStmt:
		case T_ReindexStmt:
		case T_IndexStmt:
		case T_CreateStatsStmt:
		case T_AlterStatsStmt:
		case T_CommentStmt:
			/* Of no concern to queries. */
		case T_AlterDefaultPrivilegesStmt:
		case T_AlterSystemStmt:
		case T_CreateEventTrigStmt:
		case T_AlterEventTrigStmt:
		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
		case T_CreateSubscriptionStmt:
		case T_AlterSubscriptionStmt:
		case T_DropSubscriptionStmt:
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_AlterDatabaseSetStmt:
		case T_AlterRoleSetStmt:
		case T_CreateTableSpaceStmt:
		case T_DropTableSpaceStmt:
		case T_AlterTableSpaceOptionsStmt:
		case T_AlterTableMoveAllStmt:
		case T_AlterSeqStmt:
			return WRITES_NOTHING;

		case T_CreateRoleStmt:
			return create_role_effect((CreateRoleStmt *) stmt);
		case T_AlterRoleStmt:
			return alter_role_effect((AlterRoleStmt *) stmt);
		case T_DropRoleStmt:
		case T_GrantRoleStmt:
			return WRITES_ROLES;

			/* The owner of a database is a member of pg_database_owner there. */
		case T_ReassignOwnedStmt:
		case T_DropOwnedStmt:
			return WRITES_DEFINITIONS_AND_ROLES;
		case T_AlterOwnerStmt:
			return ((AlterOwnerStmt *) stmt)->objectType == OBJECT_DATABASE ?
				WRITES_ROLES : WRITES_DEFINITIONS;

			/* With ANALYZE it runs it: CREATE TABLE AS, say. */
		case T_ExplainStmt:
			stmt = castNode(Query, ((ExplainStmt *) stmt)->query)->utilityStmt;
			return stmt != NULL ? effect_of(stmt, relation) : WRITES_NOTHING;

		case T_RefreshMatViewStmt:
			*relation = ((RefreshMatViewStmt *) stmt)->relation;
			return WRITES_RELATION;
		case T_AlterTableStmt:
			*relation = ((AlterTableStmt *) stmt)->relation;
			return alter_table_effect((AlterTableStmt *) stmt);
		case T_CreateTrigStmt:
			*relation = ((CreateTrigStmt *) stmt)->relation;
			return names_temporary(*relation) ? WRITES_NOTHING : WRITES_DEFINITIONS;
		case T_CreateStmt:
			return creates_temporary(((CreateStmt *) stmt)->relation) ?
				WRITES_NOTHING : WRITES_DEFINITIONS;
		case T_CreateSeqStmt:
			return creates_temporary(((CreateSeqStmt *) stmt)->sequence) ?
				WRITES_NOTHING : WRITES_DEFINITIONS;
		case T_CreateTableAsStmt:
			return creates_temporary(((CreateTableAsStmt *) stmt)->into->rel) ?
				WRITES_NOTHING : WRITES_DEFINITIONS;
		case T_ViewStmt:
			return creates_temporary(((ViewStmt *) stmt)->view) ?
				WRITES_NOTHING : WRITES_DEFINITIONS;
		case T_DropStmt:
			return drops_temporary_only((DropStmt *) stmt) ?
				WRITES_NOTHING : WRITES_DEFINITIONS;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_ROLE)
				return WRITES_ROLES;
			if (((RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
				return WRITES_NOTHING;	/* here: see process_utility() */
			return names_temporary(((RenameStmt *) stmt)->relation) ?
				WRITES_NOTHING : WRITES_DEFINITIONS;

		default:
			return WRITES_DEFINITIONS;
	}
}

static void
mark_relation_tree(RangeVar *rv)
{
	Oid			relid = RangeVarGetRelid(rv, NoLock, true);
	ListCell   *lc;

	if (!OidIsValid(relid))
		return;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		arc_tracking_mark(lfirst_oid(lc), ARC_WRITE_STRICT);
}

static void
mark_effect(UtilityEffect effect, RangeVar *relation)
{
	if (relation != NULL && effect != WRITES_NOTHING)
		mark_relation_tree(relation);
	if (effect == WRITES_DEFINITIONS || effect == WRITES_DEFINITIONS_AND_ROLES)
		mark_definitions();
	if (effect == WRITES_ROLES || effect == WRITES_DEFINITIONS_AND_ROLES)
		mark_roles();
}

/* -- dropped owners -------------------------------------------------------- */

static void
remember_dropped_roles(const DropRoleStmt *stmt)
{
	ListCell   *lc;
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

	foreach(lc, stmt->roles)
	{
		RoleSpec   *role = lfirst_node(RoleSpec, lc);

		if (role->roletype == ROLESPEC_CSTRING)
		{
			Oid			oid = get_role_oid(role->rolename, true);

			if (OidIsValid(oid))
				dropped_roles = lappend_oid(dropped_roles, oid);
		}
	}
	MemoryContextSwitchTo(old);
}

static void
xact_callback(XactEvent event, void *arg)
{
	ListCell   *lc;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (dropped_roles != NIL || dropped_relations != NIL)
				ARC_INJECT_HELD("dropped-commit");
			ARC_INJECT_FORBID_ERRORS();
			foreach(lc, dropped_roles)
			{
				/* A rolled-back savepoint may have kept the role: ask nothing,
				 * its entries are only computed again. */
				if (owner_gone)
					owner_gone(InvalidOid, lfirst_oid(lc));
			}
			foreach(lc, dropped_relations)
				arc_relstats_forget(MyDatabaseId, lfirst_oid(lc));
			ARC_INJECT_ALLOW_ERRORS();
			dropped_roles = dropped_relations = NIL;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			dropped_roles = dropped_relations = NIL;
			break;
		default:
			break;
	}
}

/* -- COMMIT PREPARED ------------------------------------------------------- */

/*
 * A strict token's second step (see writeset.c) for transactions that another
 * session prepared.  We do not know which tokens they registered, but see who
 * in the two slots that matter was in progress before and is not afterwards.
 * While we find out, nothing is published on them.
 */
typedef struct PreparedWatch
{
	ArcToken	token;
	bool		closed;			/* a writer may be one that now commits */
	bool		unknown;		/* and it may be one we cannot name */
	ArcSlotState before;		/* only writers in progress */
} PreparedWatch;

static bool
still_in_progress(uint64 xid)
{
	return xid != 0 && xid != ARC_OTHER_WRITER &&
		arc_compat_next_full_xid() - xid < (UINT64CONST(1) << 31) &&
		TransactionIdIsInProgress((TransactionId) xid);
}

static void
watch_start(PreparedWatch *watch, ArcToken token)
{
	bool		close;

	watch->token = token;
	arc_slot_read(token, &watch->before);
	watch->unknown = Max(watch->before.hard, watch->before.unknown) >=
		arc_oldest_running();
	close = watch->unknown;
	for (int k = 0; k < ARC_RING_SIZE; k++)
	{
		if (still_in_progress(watch->before.ring[k]))
			close = true;
		else
			watch->before.ring[k] = 0;
	}
	if (close)
	{
		arc_slot_close(token);
		watch->closed = true;
	}
}

static void
watch_end(PreparedWatch *watch)
{
	bool		ended = watch->unknown;

	if (!watch->closed)
		return;
	for (int k = 0; k < ARC_RING_SIZE; k++)
		ended |= watch->before.ring[k] != 0 &&
			!still_in_progress(watch->before.ring[k]);
	if (ended)
		arc_slot_bump(watch->token);
	arc_slot_reopen(watch->token);
	watch->closed = false;
}

static PreparedWatch watches[2];

static void
watches_end(void)
{
	for (int i = 0; i < lengthof(watches); i++)
		watch_end(&watches[i]);
}

static void
watches_end_at_exit(int code, Datum arg)
{
	watches_end();
}

/*
 * A session that is terminated meanwhile must reopen the slots, too.  (The
 * server registers a callback of its own meanwhile, so this one has to stay.)
 */
static void
watches_start(void)
{
	static bool registered = false;

	if (!registered)
		before_shmem_exit(watches_end_at_exit, (Datum) 0);
	registered = true;
	watch_start(&watches[0], arc_token_definitions(MyDatabaseId));
	watch_start(&watches[1], arc_token_roles());
}

/* -- hooks ----------------------------------------------------------------- */

/* current_database() changes its answer there. */
static void
mark_renamed_database(const char *name)
{
	Oid			database = get_database_oid(name, true);

	if (OidIsValid(database))
		arc_writeset_mark(arc_token_definitions(database), ARC_WRITE_STRICT);
}

/*
 * The table that CREATE TABLE of a child has made, or would make: other
 * relations of its name may come before it in the search path.
 */
static Oid
created_child(Node *stmt)
{
	RangeVar   *rv;

	if (!IsA(stmt, CreateStmt) || ((CreateStmt *) stmt)->inhRelations == NIL)
		return InvalidOid;
	rv = ((CreateStmt *) stmt)->relation;
	return get_relname_relid(rv->relname, RangeVarGetCreationNamespace(rv));
}

static void
adopt(Oid relid)
{
	if (get_rel_relkind(relid) == RELKIND_RELATION ||
		get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		arc_tracking_adopt(relid);
}

/*
 * What has become somebody's child is tracked as its parent is.  With IF NOT
 * EXISTS it may have been there before.
 */
static void
adopt_children(Node *stmt, Oid before)
{
	ListCell   *lc;

	if (IsA(stmt, CreateStmt) && created_child(stmt) != before)
		adopt(created_child(stmt));
	if (!IsA(stmt, AlterTableStmt))
		return;
	foreach(lc, ((AlterTableStmt *) stmt)->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AttachPartition)
			adopt(RangeVarGetRelid(((PartitionCmd *) cmd->def)->name, NoLock, true));
		else if (cmd->subtype == AT_AddInherit)
			adopt(RangeVarGetRelid(((AlterTableStmt *) stmt)->relation, NoLock, true));
	}
}

static void
run_utility(PlannedStmt *pstmt, const char *source, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params,
			QueryEnvironment *environment, DestReceiver *dest,
			QueryCompletion *completion)
{
	if (prev_ProcessUtility)
		prev_ProcessUtility(pstmt, source, read_only_tree, context, params,
							environment, dest, completion);
	else
		standard_ProcessUtility(pstmt, source, read_only_tree, context, params,
								environment, dest, completion);
}

static bool
commits_prepared(Node *stmt)
{
	return IsA(stmt, TransactionStmt) &&
		((TransactionStmt *) stmt)->kind == TRANS_STMT_COMMIT_PREPARED &&
		!RecoveryInProgress();
}

static void
process_utility(PlannedStmt *pstmt, const char *source, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *dest,
				QueryCompletion *completion)
{
	Node	   *stmt = pstmt->utilityStmt;
	RangeVar   *relation = NULL;
	UtilityEffect effect = WRITES_NOTHING;
	Oid			dropped_database = InvalidOid;
	Oid			existing = InvalidOid;

	if (IsTransactionState() && !IsBinaryUpgrade)
		effect = effect_of(stmt, &relation);

	/* Before, while names still mean what they did. */
	mark_effect(effect, relation);
	arc_force_mark_utility(stmt);
	if (effect != WRITES_NOTHING)
	{
		ARC_INJECT_POINT("utility-before");
		existing = created_child(stmt);
	}

	if (commits_prepared(stmt))
	{
		PG_TRY();
		{
			watches_start();
			ARC_INJECT_POINT("commit-prepared");
			run_utility(pstmt, source, read_only_tree, context, params,
						environment, dest, completion);
		}
		PG_FINALLY();
		{
			watches_end();
		}
		PG_END_TRY();
		return;
	}

	if (IsA(stmt, DropdbStmt))
		dropped_database = get_database_oid(((DropdbStmt *) stmt)->dbname, true);
	else if (IsA(stmt, RenameStmt) &&
			 ((RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
		mark_renamed_database(((RenameStmt *) stmt)->subname);
	else if (IsA(stmt, DropRoleStmt))
		remember_dropped_roles((DropRoleStmt *) stmt);

	run_utility(pstmt, source, read_only_tree, context, params, environment,
				dest, completion);

	/*
	 * Some statements run more than one transaction, of which this is the
	 * last; and the name may have come to mean another relation before the
	 * statement locked it.
	 */
	if (effect != WRITES_NOTHING && IsTransactionState())
	{
		mark_effect(effect, relation);
		adopt_children(stmt, existing);
		ARC_INJECT_POINT("utility-after");
	}
	arc_force_mark_utility(stmt);
	if (OidIsValid(dropped_database) && owner_gone)
		owner_gone(dropped_database, InvalidOid);
}

static Oid
trigger_relation(Oid trigger)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!form->tgisinternal)
			relid = form->tgrelid;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return relid;
}

static bool
is_cacheable_relation(Oid relid)
{
	switch (get_rel_relkind(relid))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			return get_rel_persistence(relid) != RELPERSISTENCE_TEMP;
		default:
			return false;
	}
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class, object, sub, arg);

	if (access == OAT_TRUNCATE)
		arc_force_mark_truncated(object);
	if ((access != OAT_DROP && access != OAT_POST_ALTER) ||
		!IsTransactionState() || IsBinaryUpgrade)
		return;

	if (class == TriggerRelationId || class == RelationRelationId)
		ARC_INJECT_POINT("object-access");
	if (class == TriggerRelationId)
	{
		Oid			relid = trigger_relation(object);

		if (OidIsValid(relid) && is_cacheable_relation(relid))
		{
			arc_tracking_mark(relid, ARC_WRITE_STRICT);
			mark_definitions();
		}
	}
	else if (class == RelationRelationId && is_cacheable_relation(object))
	{
		arc_tracking_mark(object, ARC_WRITE_STRICT);
		if (access == OAT_DROP && sub == 0)
		{
			MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);

			dropped_relations = lappend_oid(dropped_relations, object);
			MemoryContextSwitchTo(old);
		}
	}
}

void
arc_ddl_init(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	prev_object_access = object_access_hook;
	object_access_hook = object_access;
	RegisterXactCallback(xact_callback, NULL);
}
