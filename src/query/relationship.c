/*-------------------------------------------------------------------------
 *
 * relationship.c
 *	  Relationships between tables: their definitions.
 *
 * A definition in use may be flushed at any moment, so it is made unfindable
 * then, and freed when the last of its users is done.  Users are counted by
 * callbacks of their memory contexts, which run after an error as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "query/relationship.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define TABLE_NAME	"arcache_relationship"

/* With more definitions than this start anew: tables come and go. */
#define MAX_DEFINITIONS	500

/* Columns of the table. */
enum
{
	COLUMN_PARENT = 1,
	COLUMN_NAME,
	COLUMN_KIND,
	COLUMN_CHILD,
	COLUMN_PARENT_COLUMNS,
	COLUMN_CHILD_COLUMNS,
	COLUMN_ENABLED,
	COLUMN_TTL,
	NCOLUMNS = COLUMN_TTL
};

static const char *const kind_names[] = {"has_many", "has_one", "belongs_to"};

/* A definition of this backend's. */
typedef struct Definition
{
	ArcRelationship relationship;
	MemoryContext context;		/* which holds it all */
	uint64		read_at;		/* count of changes before it was read */
	bool		findable;
	int			users;
} Definition;

typedef struct DefinitionKey
{
	Oid			parent;
	char		name[NAMEDATALEN];
} DefinitionKey;

typedef struct DefinitionEntry
{
	DefinitionKey key;
	Definition *definition;
} DefinitionEntry;

static HTAB *definitions = NULL;
static Oid	definitions_table = InvalidOid; /* where they were read from */
static uint64 changes = 0;		/* of the table, so far */

/* -- forgetting ------------------------------------------------------------------ */

static void
free_if_unused(Definition *definition)
{
	if (definition->users == 0 && !definition->findable)
		MemoryContextDelete(definition->context);
}

static void
forget(const DefinitionKey *key)
{
	DefinitionEntry *entry = hash_search(definitions, key, HASH_REMOVE, NULL);

	entry->definition->findable = false;
	free_if_unused(entry->definition);
}

static void
forget_all(void)
{
	HASH_SEQ_STATUS all;
	DefinitionEntry *entry;

	hash_seq_init(&all, definitions);
	while ((entry = hash_seq_search(&all)) != NULL)
		forget(&entry->key);
}

static void
release(void *arg)
{
	Definition *definition = arg;

	definition->users--;
	free_if_unused(definition);
}

/* Keep it as long as the current memory context. */
static ArcRelationship *
keep(Definition *definition)
{
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	callback->func = release;
	callback->arg = definition;
	definition->users++;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return &definition->relationship;
}

/* (Lookups watch for themselves the tables that they are about.) */
static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == definitions_table)
		changes++;
}

static void
init_definitions(void)
{
	HASHCTL		control = {
		.keysize = sizeof(DefinitionKey),
		.entrysize = sizeof(DefinitionEntry),
		.hcxt = CacheMemoryContext
	};

	if (definitions != NULL)
		return;
	definitions = hash_create("arcache relationships", 32, &control,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/* -- the table ------------------------------------------------------------------- */

static Oid
table_oid(Oid extension)
{
	Oid			table = get_relname_relid(TABLE_NAME, extension);

	if (!OidIsValid(table))
		elog(ERROR, "table \"%s\" does not exist", TABLE_NAME);
	return table;
}

static const char *
qualified_table_name(Oid extension)
{
	return quote_qualified_identifier(get_namespace_name(extension), TABLE_NAME);
}

static ArcRelationshipKind
kind_by_name(const char *name)
{
	for (int i = 0; i < lengthof(kind_names); i++)
	{
		if (strcmp(kind_names[i], name) == 0)
			return (ArcRelationshipKind) i;
	}
	elog(ERROR, "unknown kind of relationship: \"%s\"", name);
	return ARC_HAS_MANY;
}

static int64
interval_to_milliseconds(const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;

	return Max(interval->time / 1000 + days * SECS_PER_DAY * 1000, 1);
}

static Datum
milliseconds_to_interval(int64 milliseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = milliseconds * 1000;
	return IntervalPGetDatum(interval);
}

static Datum
column_names(Oid relid, const AttrNumber *columns, int n)
{
	Datum	   *names = palloc(n * sizeof(Datum));

	for (int i = 0; i < n; i++)
	{
		Name		name = palloc0(NAMEDATALEN);

		namestrcpy(name, get_attname(relid, columns[i], false));
		names[i] = NameGetDatum(name);
	}
	return PointerGetDatum(construct_array(names, n, NAMEOID, NAMEDATALEN, false,
										   TYPALIGN_CHAR));
}

/* NULL if one is missing, and that may be. */
static AttrNumber *
column_numbers(Oid relid, Datum array, int *n, bool missing_ok)
{
	Datum	   *names;
	AttrNumber *columns;

	deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false,
					  TYPALIGN_CHAR, &names, NULL, n);
	columns = palloc(*n * sizeof(AttrNumber));
	for (int i = 0; i < *n; i++)
	{
		const char *name = NameStr(*DatumGetName(names[i]));

		columns[i] = get_attnum(relid, name);
		if (columns[i] > 0)
			continue;
		if (missing_ok)
			return NULL;
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist",
						name, get_rel_name(relid)),
				 errhint("The column was dropped or renamed. Define the relationship again.")));
	}
	return columns;
}

/*
 * The caller has set parent, name and child.  Raises if the row names columns
 * that are not there any more, or, if they may be missing, returns false.
 */
static bool
read_row(HeapTuple row, TupleDesc desc, ArcRelationshipSpec *spec, bool missing_ok)
{
	Datum		values[NCOLUMNS + 1];
	bool		nulls[NCOLUMNS + 1];
	int			nchild;

	heap_deform_tuple(row, desc, values + 1, nulls + 1);
	spec->kind = kind_by_name(TextDatumGetCString(values[COLUMN_KIND]));
	spec->enabled = DatumGetBool(values[COLUMN_ENABLED]);
	spec->ttl = nulls[COLUMN_TTL] ? 0 :
		interval_to_milliseconds(DatumGetIntervalP(values[COLUMN_TTL]));
	spec->parent_columns = column_numbers(spec->parent, values[COLUMN_PARENT_COLUMNS],
										  &spec->ncolumns, missing_ok);
	spec->child_columns = column_numbers(spec->child, values[COLUMN_CHILD_COLUMNS],
										 &nchild, missing_ok);
	if (spec->parent_columns == NULL || spec->child_columns == NULL)
		return false;
	if (spec->ncolumns != nchild)
		elog(ERROR, "relationship has %d columns of one table and %d of the other",
			 spec->ncolumns, nchild);
	return true;
}

/* The rows of one parent; those whose child was dropped are none. */
typedef struct RowScan
{
	Relation	rel;
	SysScanDesc scan;
	Oid			child;			/* of the row at hand, */
	char	   *name;			/* and its name */
} RowScan;

static void
open_rows(RowScan *scan, Oid table, Oid parent)
{
	ScanKeyData key;

	/* It is small, and read only once for each definition. */
	scan->rel = table_open(table, AccessShareLock);
	ScanKeyInit(&key, COLUMN_PARENT, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(parent));
	scan->scan = systable_beginscan(scan->rel, InvalidOid, false, NULL, 1, &key);
}

static HeapTuple
next_definition(RowScan *scan)
{
	TupleDesc	desc = RelationGetDescr(scan->rel);
	HeapTuple	row;
	bool		isnull;

	while (HeapTupleIsValid(row = systable_getnext(scan->scan)))
	{
		scan->child = DatumGetObjectId(heap_getattr(row, COLUMN_CHILD, desc, &isnull));
		scan->name = TextDatumGetCString(heap_getattr(row, COLUMN_NAME, desc, &isnull));
		if (get_rel_relkind(scan->child) != '\0')
			break;
	}
	return row;
}

static void
close_rows(RowScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->rel, AccessShareLock);
}

/* Read the row of a name; the caller has set parent and name. */
static bool
find_row(Oid table, ArcRelationshipSpec *spec)
{
	RowScan		scan;
	HeapTuple	row;

	open_rows(&scan, table, spec->parent);
	do
		row = next_definition(&scan);
	while (HeapTupleIsValid(row) && strcmp(scan.name, spec->name) != 0);
	if (HeapTupleIsValid(row))
	{
		spec->child = scan.child;
		(void) read_row(row, RelationGetDescr(scan.rel), spec, false);
	}
	close_rows(&scan);
	return HeapTupleIsValid(row);
}

static bool
relate(const ArcRelationshipSpec *spec, int i, ArcConversion *conversion)
{
	return arc_conversion_make(conversion,
							   get_atttype(spec->parent, spec->parent_columns[i]),
							   get_atttype(spec->child, spec->child_columns[i]));
}

/* Would the child and its columns do for a relationship? */
static bool
is_usable(const ArcRelationshipSpec *spec)
{
	ArcConversion conversion;

	for (int i = 0; i < spec->ncolumns; i++)
	{
		if (!relate(spec, i, &conversion))
			return false;
	}
	return spec->kind != ARC_HAS_ONE ||
		arc_lookup_make(spec->child, NULL, 0, ARC_SPACE_ROW, NULL, 0) != NULL;
}

List *
arc_relationship_names(Oid extension, Oid parent)
{
	ArcRelationshipSpec spec = {.parent = parent};
	RowScan		scan;
	HeapTuple	row;
	List	   *names = NIL;

	open_rows(&scan, table_oid(extension), parent);
	while (HeapTupleIsValid(row = next_definition(&scan)))
	{
		spec.child = scan.child;
		if (read_row(row, RelationGetDescr(scan.rel), &spec, true) && is_usable(&spec))
			names = lappend(names, scan.name);
	}
	close_rows(&scan);
	return names;
}

/* -- making ---------------------------------------------------------------------- */

static void
error_callback(void *arg)
{
	const ArcRelationshipSpec *spec = arg;

	errcontext("relationship \"%s\" of table \"%s\"", spec->name,
			   get_rel_name(spec->parent));
}

static void
push_error_context(ErrorContextCallback *callback, ArcRelationshipSpec *spec)
{
	callback->callback = error_callback;
	callback->arg = spec;
	callback->previous = error_context_stack;
	error_context_stack = callback;
}

/* The name, and behind it the values, must not run into each other. */
char *
arc_relationship_prefix(Oid parent, const char *name)
{
	StringInfoData prefix;

	initStringInfo(&prefix);
	appendStringInfo(&prefix, "%u:", parent);
	if (name == NULL)
		return prefix.data;
	for (; *name != '\0'; name++)
	{
		if (*name == ':' || *name == '\\')
			appendStringInfoChar(&prefix, '\\');
		appendStringInfoChar(&prefix, *name);
	}
	appendStringInfoChar(&prefix, ':');
	return prefix.data;
}

/* Where in the primary key these columns are, if they are all of it. */
static int *
positions_in_key(const ArcLookup *by_key, const ArcRelationshipSpec *spec)
{
	int		   *positions = palloc(spec->ncolumns * sizeof(int));

	if (by_key->ncolumns != spec->ncolumns)
		return NULL;
	for (int i = 0; i < spec->ncolumns; i++)
	{
		int			at = 0;

		while (at < by_key->ncolumns && by_key->columns[at] != spec->parent_columns[i])
			at++;
		if (at == by_key->ncolumns)
			return NULL;
		positions[i] = at;
	}
	return positions;
}

static void
make_conversion(ArcConversion *conversion, const ArcRelationshipSpec *spec, int i)
{
	if (relate(spec, i, conversion))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("columns \"%s\" of table \"%s\" and \"%s\" of table \"%s\" cannot be related",
					get_attname(spec->parent, spec->parent_columns[i], false),
					get_rel_name(spec->parent),
					get_attname(spec->child, spec->child_columns[i], false),
					get_rel_name(spec->child)),
			 errdetail("Types %s and %s must be the same, or both integers, or compared by the same operator without a conversion.",
					   format_type_be(get_atttype(spec->parent, spec->parent_columns[i])),
					   format_type_be(get_atttype(spec->child, spec->child_columns[i])))));
}

/* All in the current memory context, but for the spec's own pointers. */
static void
make_relationship(ArcRelationship *relationship, const ArcRelationshipSpec *spec)
{
	ErrorContextCallback callback;

	relationship->spec = *spec;
	push_error_context(&callback, &relationship->spec);
	relationship->parents = arc_lookup_make(spec->parent, NULL, 0, ARC_SPACE_ROW, NULL, 0);
	if (relationship->parents == NULL)
		arc_lookup_raise_no_key(spec->parent);
	relationship->positions = positions_in_key(relationship->parents, spec);
	relationship->conversions = palloc(spec->ncolumns * sizeof(ArcConversion));
	for (int i = 0; i < spec->ncolumns; i++)
		make_conversion(&relationship->conversions[i], spec, i);
	relationship->children =
		arc_lookup_make(spec->child, spec->child_columns, spec->ncolumns,
						ARC_SPACE_RELATED,
						arc_relationship_prefix(spec->parent, spec->name),
						spec->kind == ARC_HAS_ONE ? 1 : 0);
	if (relationship->children == NULL)
		arc_lookup_raise_no_key(spec->child);
	error_context_stack = callback.previous;
}

/* -- finding --------------------------------------------------------------------- */

/* What changes while it is made makes it outdated at once. */
static Definition *
make_definition(Oid parent, const char *name)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "arcache relationship",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Definition *definition = palloc0(sizeof(Definition));
	ErrorContextCallback callback;
	ArcRelationshipSpec spec = {.parent = parent, .name = pstrdup(name)};
	bool		found;

	definition->read_at = changes;
	push_error_context(&callback, &spec);
	found = find_row(definitions_table, &spec);
	error_context_stack = callback.previous;
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relationship \"%s\" of table \"%s\" does not exist",
						name, get_rel_name(parent))));

	make_relationship(&definition->relationship, &spec);
	definition->context = context;
	MemoryContextSwitchTo(caller);
	return definition;
}

static bool
is_current(const Definition *definition)
{
	return definition->read_at == changes &&
		arc_lookup_is_current(definition->relationship.parents) &&
		arc_lookup_is_current(definition->relationship.children);
}

ArcRelationship *
arc_relationship_find(Oid extension, Oid parent, const char *name)
{
	DefinitionKey key = {.parent = parent};
	DefinitionEntry *entry;
	Definition *definition;

	strlcpy(key.name, name, sizeof(key.name));
	init_definitions();

	/* What others have committed counts, though we have not locked anything. */
	AcceptInvalidationMessages();
	definitions_table = table_oid(extension);
	entry = hash_search(definitions, &key, HASH_FIND, NULL);
	if (entry != NULL && is_current(entry->definition))
		return keep(entry->definition);
	if (entry != NULL)
		forget(&key);
	else if (hash_get_num_entries(definitions) >= MAX_DEFINITIONS)
		forget_all();

	definition = make_definition(parent, name);
	MemoryContextSetParent(definition->context, CacheMemoryContext);
	entry = hash_search(definitions, &key, HASH_ENTER, NULL);
	entry->definition = definition;
	definition->findable = true;
	return keep(definition);
}

/* -- defining -------------------------------------------------------------------- */

/*
 * Run a statement on the table as its owner, who has granted nobody to write
 * it.  All names in it are qualified.
 */
static uint64
run_as_owner(Oid table, const char *sql, int n, Oid *types, Datum *values, const char *nulls)
{
	Relation	rel = table_open(table, AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;
	Oid			user;
	int			security;
	uint64		processed;
	int			rc;

	table_close(rel, NoLock);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(owner, security | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	rc = SPI_execute_with_args(sql, n, types, values, nulls, false, 0);
	if (rc != SPI_OK_INSERT && rc != SPI_OK_DELETE)
		elog(ERROR, "unexpected result %d of \"%s\"", rc, sql);
	processed = SPI_processed;
	SPI_finish();
	SetUserIdAndSecContext(user, security);
	return processed;
}

/* Rows about tables that are gone; their oids may come to mean others. */
static void
delete_dangling(Oid extension)
{
	char	   *sql = psprintf("DELETE FROM %s r"
							   " WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c"
							   " WHERE c.oid OPERATOR(pg_catalog.=) r.parent)"
							   " OR NOT EXISTS (SELECT FROM pg_catalog.pg_class c"
							   " WHERE c.oid OPERATOR(pg_catalog.=) r.child)",
							   qualified_table_name(extension));

	(void) run_as_owner(table_oid(extension), sql, 0, NULL, NULL, NULL);
}

static void
write_row(Oid extension, const ArcRelationshipSpec *spec)
{
	Oid			types[NCOLUMNS] = {
		REGCLASSOID, TEXTOID, TEXTOID, REGCLASSOID,
		NAMEARRAYOID, NAMEARRAYOID, BOOLOID, INTERVALOID
	};
	Datum		values[NCOLUMNS] = {
		ObjectIdGetDatum(spec->parent),
		CStringGetTextDatum(spec->name),
		CStringGetTextDatum(kind_names[spec->kind]),
		ObjectIdGetDatum(spec->child),
		column_names(spec->parent, spec->parent_columns, spec->ncolumns),
		column_names(spec->child, spec->child_columns, spec->ncolumns),
		BoolGetDatum(spec->enabled),
		milliseconds_to_interval(spec->ttl)
	};
	char		nulls[NCOLUMNS + 1] = "        ";

	if (spec->ttl == 0)
		nulls[COLUMN_TTL - 1] = 'n';
	(void) run_as_owner(table_oid(extension),
						psprintf("INSERT INTO %s (parent, name, kind, child,"
								 " parent_columns, child_columns, enabled, ttl)"
								 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
								 " ON CONFLICT (parent, name) DO UPDATE SET"
								 " kind = EXCLUDED.kind, child = EXCLUDED.child,"
								 " parent_columns = EXCLUDED.parent_columns,"
								 " child_columns = EXCLUDED.child_columns,"
								 " enabled = EXCLUDED.enabled, ttl = EXCLUDED.ttl",
								 qualified_table_name(extension)),
						NCOLUMNS, types, values, nulls);
}

void
arc_relationship_define(Oid extension, const ArcRelationshipSpec *spec)
{
	ArcRelationship trial;

	make_relationship(&trial, spec);
	delete_dangling(extension);
	write_row(extension, spec);
}

bool
arc_relationship_drop(Oid extension, Oid parent, const char *name)
{
	Oid			types[2] = {REGCLASSOID, TEXTOID};
	Datum		values[2] = {ObjectIdGetDatum(parent), CStringGetTextDatum(name)};

	return run_as_owner(table_oid(extension),
						psprintf("DELETE FROM %s"
								 " WHERE parent OPERATOR(pg_catalog.=) $1"
								 " AND name OPERATOR(pg_catalog.=) $2",
								 qualified_table_name(extension)),
						2, types, values, NULL) > 0;
}
