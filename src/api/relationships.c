/*-------------------------------------------------------------------------
 *
 * relationships.c
 *	  SQL functions about relationships between tables.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/arguments.h"
#include "api/entries.h"
#include "api/keys.h"
#include "api/sets.h"
#include "base/compat.h"
#include "base/settings.h"
#include "cache/pending.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "coherence/enable.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "query/foreign_key.h"
#include "query/related.h"
#include "query/relationship.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(arcache_has_many);
PG_FUNCTION_INFO_V1(arcache_has_one);
PG_FUNCTION_INFO_V1(arcache_belongs_to);
PG_FUNCTION_INFO_V1(arcache_drop_relationship);
PG_FUNCTION_INFO_V1(arcache_relationship_changed);
PG_FUNCTION_INFO_V1(arcache_related);
PG_FUNCTION_INFO_V1(arcache_related_many);
PG_FUNCTION_INFO_V1(arcache_clear_related);
PG_FUNCTION_INFO_V1(arcache_clear_related_key);

/* -- arguments ------------------------------------------------------------------- */

/* The schema that the extension is in. */
static Oid
extension_schema(FunctionCallInfo fcinfo)
{
	return get_func_namespace(fcinfo->flinfo->fn_oid);
}

static Oid
relation_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	Oid			relid;

	arc_argument_not_null(fcinfo, n, name);
	relid = PG_GETARG_OID(n);
	if (get_rel_relkind(relid) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return relid;
}

static char *
name_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *name;

	arc_argument_not_null(fcinfo, n, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(n));
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name must not be empty")));
	if (strlen(name) > ARC_RELATIONSHIP_NAME_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name of a relationship is too long"),
				 errdetail("The name has %zu bytes, the limit is %d.",
						   strlen(name), ARC_RELATIONSHIP_NAME_MAX)));
	return name;
}

/* -- defining -------------------------------------------------------------------- */

/* A table that a definition may outlive a session with, and will not change now. */
static Oid
table_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	Oid			relid = relation_argument(fcinfo, n, name);
	char		kind;

	LockRelationOid(relid, AccessShareLock);
	kind = get_rel_relkind(relid);
	if ((kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE) ||
		get_rel_persistence(relid) == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a permanent table", get_rel_name(relid))));
	return relid;
}

static List *
column_names_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	ArrayType  *array = arc_argument_array(fcinfo, n, name);
	List	   *names = NIL;
	Datum	   *values;
	int			nvalues;

	if (array == NULL)
		return NIL;
	deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &values, NULL, &nvalues);
	if (nvalues == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must name a column", name)));
	for (int i = 0; i < nvalues; i++)
		names = lappend(names, NameStr(*DatumGetName(values[i])));
	return names;
}

static void
define(FunctionCallInfo fcinfo, ArcRelationshipKind kind)
{
	ArcRelationshipSpec spec = {.kind = kind};
	ArcForeignKey *key;
	List	   *columns;

	arc_argument_need_preload();
	arc_tracking_check_owner(relation_argument(fcinfo, 0, "parent"));
	spec.parent = table_argument(fcinfo, 0, "parent");
	spec.name = name_argument(fcinfo, 1);
	spec.child = table_argument(fcinfo, 2, "child");
	columns = column_names_argument(fcinfo, 3, "foreign_key");
	spec.ttl = arc_argument_ttl(fcinfo, 4);
	spec.enabled = PG_ARGISNULL(5) || PG_GETARG_BOOL(5);

	if (kind == ARC_BELONGS_TO)
	{
		key = arc_foreign_key_find(spec.parent, spec.child, columns);
		spec.parent_columns = key->referencing;
		spec.child_columns = key->referenced;
	}
	else
	{
		key = arc_foreign_key_find(spec.child, spec.parent, columns);
		spec.parent_columns = key->referenced;
		spec.child_columns = key->referencing;
	}
	spec.ncolumns = key->n;
	arc_relationship_define(extension_schema(fcinfo), &spec);
}

Datum
arcache_has_many(PG_FUNCTION_ARGS)
{
	define(fcinfo, ARC_HAS_MANY);
	PG_RETURN_VOID();
}

Datum
arcache_has_one(PG_FUNCTION_ARGS)
{
	define(fcinfo, ARC_HAS_ONE);
	PG_RETURN_VOID();
}

Datum
arcache_belongs_to(PG_FUNCTION_ARGS)
{
	define(fcinfo, ARC_BELONGS_TO);
	PG_RETURN_VOID();
}

Datum
arcache_drop_relationship(PG_FUNCTION_ARGS)
{
	Oid			parent = relation_argument(fcinfo, 0, "parent");
	char	   *name = name_argument(fcinfo, 1);

	arc_argument_need_preload();
	arc_tracking_check_owner(parent);
	PG_RETURN_BOOL(arc_relationship_drop(extension_schema(fcinfo), parent, name));
}

/* Tell all backends that the table of definitions is not what it was. */
Datum
arcache_relationship_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager",
						"arcache_relationship_changed")));
	CacheInvalidateRelcache(data->tg_relation);
	return PointerGetDatum(NULL);
}

/* -- reading --------------------------------------------------------------------- */

static void
check_base(FunctionCallInfo fcinfo, const ArcRelationship *relationship)
{
	Oid			child = relationship->spec.child;

	if (get_fn_expr_argtype(fcinfo->flinfo, 0) != get_rel_type_id(child))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("base must be of the row type of table \"%s\"",
						get_rel_name(child)),
				 errhint("Relationship \"%s\" of table \"%s\" gives rows of that table: write NULL::%s.",
						 relationship->spec.name,
						 get_rel_name(relationship->spec.parent),
						 quote_identifier(get_rel_name(child)))));
}

/* The relationship of arguments 0 to 2: base, parent, name. */
static ArcRelationship *
relationship_arguments(FunctionCallInfo fcinfo)
{
	Oid			parent = relation_argument(fcinfo, 1, "parent");
	char	   *name = name_argument(fcinfo, 2);
	ArcRelationship *relationship =
		arc_relationship_find(extension_schema(fcinfo), parent, name);

	check_base(fcinfo, relationship);
	return relationship;
}

/* Values for one parent, of arguments from `first` on. */
static void
key_arguments(FunctionCallInfo fcinfo, int first, const ArcRelationship *relationship,
			  Datum **values, bool **nulls)
{
	const ArcLookup *parents = relationship->parents;

	*values = palloc(parents->ncolumns * sizeof(Datum));
	*nulls = palloc(parents->ncolumns * sizeof(bool));
	arc_keys_from_arguments(fcinfo, first, parents->ncolumns, parents->types,
							*values, *nulls);
}

Datum
arcache_related(PG_FUNCTION_ARGS)
{
	ArcRelationship *relationship;
	Datum	   *values;
	bool	   *nulls;

	(void) relationship_arguments(fcinfo);
	arc_set_begin(fcinfo);
	do
	{
		relationship = relationship_arguments(fcinfo);
		key_arguments(fcinfo, 3, relationship, &values, &nulls);
	} while (!arc_related_read(relationship, 1, values, nulls, arc_set_add,
							   fcinfo->resultinfo));
	arc_set_end(fcinfo, relationship->children->desc);
	return (Datum) 0;
}

Datum
arcache_related_many(PG_FUNCTION_ARGS)
{
	ArcRelationship *relationship;
	Datum	   *values;
	bool	   *nulls;
	int			nkeys;

	(void) relationship_arguments(fcinfo);
	arc_set_begin(fcinfo);
	do
	{
		relationship = relationship_arguments(fcinfo);
		nkeys = arc_keys_from_array(fcinfo, 3, relationship->parents->ncolumns,
									relationship->parents->types, &values, &nulls);
	} while (!arc_related_read(relationship, nkeys, values, nulls, arc_set_add,
							   fcinfo->resultinfo));
	arc_set_end(fcinfo, relationship->children->desc);
	return (Datum) 0;
}

/* -- clearing -------------------------------------------------------------------- */

Datum
arcache_clear_related(PG_FUNCTION_ARGS)
{
	Oid			parent = relation_argument(fcinfo, 0, "parent");
	char	   *name = PG_ARGISNULL(1) ? NULL : name_argument(fcinfo, 1);

	PG_RETURN_INT64(arc_entries_delete_prefix(ARC_SPACE_MASK(ARC_SPACE_RELATED),
											  arc_relationship_prefix(parent, name)));
}

/* The entry of one relationship of one row; returns whether there was one. */
static bool
clear_one(FunctionCallInfo fcinfo, Oid parent, const char *name)
{
	ArcRelationship *relationship;
	Datum	   *values;
	bool	   *nulls;
	ArcKey		key;
	bool		found;
	ArcReader	reader;
	bool		there;

	do
	{
		relationship = arc_relationship_find(extension_schema(fcinfo), parent, name);
		key_arguments(fcinfo, 2, relationship, &values, &nulls);
	} while (!arc_related_entry_key(relationship, values, nulls, &key, &found));
	if (!found)
		return false;

	arc_reader_init_for_removal(&reader);
	there = arc_entries_exist(&reader, &key);
	arc_pending_delete(&key);
	return there;
}

Datum
arcache_clear_related_key(PG_FUNCTION_ARGS)
{
	Oid			parent = relation_argument(fcinfo, 0, "parent");
	List	   *names;
	ListCell   *lc;
	int64		count = 0;

	if (!arc_preloaded)
		PG_RETURN_INT64(0);
	names = PG_ARGISNULL(1) ? arc_relationship_names(extension_schema(fcinfo), parent) :
		list_make1(name_argument(fcinfo, 1));
	foreach(lc, names)
	{
		if (clear_one(fcinfo, parent, lfirst(lc)))
			count++;
	}
	PG_RETURN_INT64(count);
}
