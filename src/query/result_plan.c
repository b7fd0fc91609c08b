/*-------------------------------------------------------------------------
 *
 * result_plan.c
 *	  The plan node that gives a query's result from the cache, as a plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/value.h"
#include "query/keyscan.h"
#include "query/result_plan.h"
#include "utils/builtins.h"

/* -- numbers and strings ------------------------------------------------------ */

static Const *
int8_node(uint64 number)
{
	return makeConst(INT8OID, -1, InvalidOid, sizeof(int64),
					 Int64GetDatum((int64) number), false, FLOAT8PASSBYVAL);
}

static uint64
int8_of(void *node)
{
	return (uint64) DatumGetInt64(castNode(Const, node)->constvalue);
}

/* Bytes, of which there may be none. */
static Const *
bytes_node(const char *bytes, Size size)
{
	if (bytes == NULL)
		return makeNullConst(BYTEAOID, -1, InvalidOid);
	return makeConst(BYTEAOID, -1, InvalidOid, -1,
					 PointerGetDatum(cstring_to_text_with_len(bytes, size)), false, false);
}

static const char *
bytes_of(void *node, uint32 *size)
{
	Const	   *constant = castNode(Const, node);
	bytea	   *bytes = (bytea *) DatumGetPointer(constant->constvalue);

	*size = constant->constisnull ? 0 : VARSIZE_ANY_EXHDR(bytes);
	return constant->constisnull ? NULL : VARDATA_ANY(bytes);
}

static String *
string_node(const char *string)
{
	return makeString(pstrdup(string));
}

static List *
string_nodes(const List *strings)
{
	List	   *nodes = NIL;
	ListCell   *lc;

	foreach(lc, strings)
		nodes = lappend(nodes, string_node(lfirst(lc)));
	return nodes;
}

static List *
strings_of(const List *nodes)
{
	List	   *strings = NIL;
	ListCell   *lc;

	foreach(lc, nodes)
		strings = lappend(strings, strVal(lfirst(lc)));
	return strings;
}

/* -- dependencies ------------------------------------------------------------- */

/*
 * A dependency is a list: kind, relid and token; of a key also the columns'
 * numbers and for each of them a list of what ArcPinnedValue has.
 */
static List *
write_value(const ArcPinnedValue *value)
{
	return list_make3(list_make4_int(value->param, (int) value->function,
									 (int) value->collation, value->extended),
					  int8_node(value->hash),
					  string_node(value->words));
}

static void
read_value(const List *list, ArcPinnedValue *value)
{
	const List *numbers = linitial(list);

	*value = (ArcPinnedValue)
	{
		.param = linitial_int(numbers),
			.function = (Oid) lsecond_int(numbers),
			.collation = (Oid) lthird_int(numbers),
			.extended = lfourth_int(numbers) != 0,
			.hash = int8_of(lsecond(list)),
			.words = strVal(lthird(list))
	};
}

static List *
write_dependency(const ArcDependency *dependency, const ArcPinnedKey *key)
{
	List	   *list = list_make2(list_make2_int((int) dependency->kind, (int) dependency->relid),
								  int8_node(dependency->token));
	List	   *attnos = NIL;

	if (key == NULL)
		return list;
	for (int i = 0; i < key->ncolumns; i++)
		attnos = lappend_int(attnos, key->attnos[i]);
	list = lappend(list, attnos);
	for (int i = 0; i < key->ncolumns; i++)
		list = lappend(list, write_value(&key->values[i]));
	return list;
}

List *
arc_result_plan_write_dependencies(const ArcDependencies *dependencies)
{
	List	   *list = NIL;

	for (int i = 0; i < dependencies->n; i++)
		list = lappend(list, write_dependency(&dependencies->array[i],
											  dependencies->keys[i]));
	return list;
}

static const char *
read_key(const List *list, ArcHashParam hash_param, void *arg, ArcDependency *dependency)
{
	const List *attnos = lthird(list);
	AttrNumber	columns[INDEX_MAX_KEYS];
	uint64		hashes[INDEX_MAX_KEYS];
	StringInfoData words;

	initStringInfo(&words);
	for (int i = 0; i < list_length(attnos); i++)
	{
		ArcPinnedValue value;
		const char *one;

		read_value(list_nth(list, 3 + i), &value);
		columns[i] = list_nth_int(attnos, i);
		one = value.words;
		hashes[i] = value.param == 0 ? value.hash : hash_param(arg, &value, &one);
		appendStringInfo(&words, "%s%s", i > 0 ? ", " : "", one);
	}
	dependency->token = arc_token_row_key(MyDatabaseId, dependency->relid,
										  list_length(attnos), columns, hashes);
	return words.data;
}

void
arc_result_plan_read_dependencies(const ArcResultPlan *result, ArcHashParam hash_param,
								  void *arg, ArcDependencies *dependencies)
{
	int			n = list_length(result->dependencies);
	ListCell   *lc;

	*dependencies = (ArcDependencies)
	{
		.array = palloc0((n + 1) * sizeof(ArcDependency)),
			.words = palloc0((n + 1) * sizeof(char *)),
			.ttl = result->tables_ttl
	};
	foreach(lc, result->dependencies)
	{
		const List *list = lfirst(lc);
		ArcDependency *dependency = &dependencies->array[dependencies->n];

		dependency->kind = (uint32) linitial_int(linitial(list));
		dependency->relid = (Oid) lsecond_int(linitial(list));
		dependency->token = int8_of(lsecond(list));
		if (dependency->kind == ARC_DEPENDS_ON_KEY)
			dependencies->words[dependencies->n] = read_key(list, hash_param, arg, dependency);
		dependencies->n++;
	}
}

/* -- the node's private data -------------------------------------------------- */

/* The members of the list, in their order. */
enum
{
	PRIVATE_FINGERPRINT,		/* String */
	PRIVATE_TEXT,				/* String */
	PRIVATE_PLANNED_IN,			/* Const of bytea */
	PRIVATE_PLANNED_AT,			/* Const of int8 */
	PRIVATE_NUMBERS,			/* list of int, below */
	PRIVATE_PARAMS,				/* list of int */
	PRIVATE_SETTINGS,			/* list of String */
	PRIVATE_ANCESTORS,			/* list of Oid */
	PRIVATE_DEPENDENCIES,		/* as above */
	PRIVATE_MEMBERS
};

enum
{
	NUMBER_TTL,
	NUMBER_TABLES_TTL,
	NUMBER_CACHEABILITY,
	NUMBER_HINTED,
	NUMBER_CURSOR,
	NUMBER_AHEAD,
	NUMBER_ONE_ROW,
	NUMBER_RESOLVES_NAMES,
	NUMBERS
};

static List *
write_private(const ArcResultPlan *result)
{
	List	   *numbers = list_make5_int(result->ttl, result->tables_ttl,
										 result->cacheability, result->hinted,
										 result->cursor);
	List	   *private;

	numbers = lappend_int(numbers, result->ahead);
	numbers = lappend_int(numbers, result->one_row);
	numbers = lappend_int(numbers, result->resolves_names);
	Assert(list_length(numbers) == NUMBERS);

	private = list_make5(string_node(result->fingerprint),
						 string_node(result->text),
						 bytes_node(result->planned_in, result->planned_in_size),
						 int8_node(result->planned_at),
						 numbers);
	private = lappend(private, list_copy(result->params));
	private = lappend(private, string_nodes(result->settings));
	private = lappend(private, list_copy(result->ancestors));
	private = lappend(private, result->dependencies);
	Assert(list_length(private) == PRIVATE_MEMBERS);
	return private;
}

void
arc_result_plan_read(const CustomScan *node, ArcResultPlan *result)
{
	const List *private = node->custom_private;
	const List *numbers = list_nth(private, PRIVATE_NUMBERS);

	*result = (ArcResultPlan)
	{
		.fingerprint = strVal(list_nth(private, PRIVATE_FINGERPRINT)),
			.text = strVal(list_nth(private, PRIVATE_TEXT)),
			.planned_at = int8_of(list_nth(private, PRIVATE_PLANNED_AT)),
			.ttl = list_nth_int(numbers, NUMBER_TTL),
			.tables_ttl = list_nth_int(numbers, NUMBER_TABLES_TTL),
			.cacheability = list_nth_int(numbers, NUMBER_CACHEABILITY),
			.hinted = list_nth_int(numbers, NUMBER_HINTED) != 0,
			.cursor = list_nth_int(numbers, NUMBER_CURSOR) != 0,
			.ahead = list_nth_int(numbers, NUMBER_AHEAD) != 0,
			.one_row = list_nth_int(numbers, NUMBER_ONE_ROW) != 0,
			.resolves_names = list_nth_int(numbers, NUMBER_RESOLVES_NAMES) != 0,
			.params = list_nth(private, PRIVATE_PARAMS),
			.settings = strings_of(list_nth(private, PRIVATE_SETTINGS)),
			.ancestors = list_nth(private, PRIVATE_ANCESTORS),
			.dependencies = list_nth(private, PRIVATE_DEPENDENCIES)
	};
	result->planned_in = bytes_of(list_nth(private, PRIVATE_PLANNED_IN),
								  &result->planned_in_size);
}

/* -- wrapping ----------------------------------------------------------------- */

/*
 * Its rows are the plan's, column by column, so that what the client is told
 * of the columns stays as it was.
 */
void
arc_result_plan_wrap(PlannedStmt *statement, const ArcResultPlan *result,
					 const CustomScanMethods *methods)
{
	Plan	   *below = statement->planTree;
	CustomScan *scan = makeNode(CustomScan);
	Plan	   *plan = &scan->scan.plan;
	ListCell   *lc;

	plan->startup_cost = below->startup_cost;
	plan->total_cost = below->total_cost;
	plan->plan_rows = below->plan_rows;
	plan->plan_width = below->plan_width;
	plan->plan_node_id = -1;
	plan->extParam = bms_copy(below->extParam);
	plan->allParam = bms_copy(below->allParam);
	plan->lefttree = below;
	foreach(lc, below->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Var		   *var = makeVarFromTargetEntry(OUTER_VAR, entry);
		Var		   *own = copyObject(var);

		scan->custom_scan_tlist = lappend(scan->custom_scan_tlist,
										  makeTargetEntry((Expr *) var, entry->resno, NULL, false));
		own->varno = INDEX_VAR;
		entry = flatCopyTargetEntry(entry);
		entry->expr = (Expr *) own;
		plan->targetlist = lappend(plan->targetlist, entry);
	}
	scan->custom_private = write_private(result);

	/* So that a plan that is kept is made anew when their tracking changes. */
	statement->relationOids = list_concat_unique_oid(statement->relationOids,
													 result->ancestors);
	scan->methods = methods;
	statement->planTree = plan;
}
