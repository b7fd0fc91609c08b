/*-------------------------------------------------------------------------
 *
 * clock.c
 *	  Where a query reads the clock without calling a function that says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/scansup.h"
#include "query/clock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static bool
composite_holds_moment(Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(type, -1);

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped &&
			arc_type_holds_moment(TupleDescAttr(desc, i)->atttypid))
			return true;
	}
	return false;
}

bool
arc_type_holds_moment(Oid type)
{
	Oid			element;

	check_stack_depth();
	type = getBaseType(type);
	switch (type)
	{
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return true;
		default:
			break;
	}
	if (OidIsValid(element = get_element_type(type)))
		return arc_type_holds_moment(element);
	switch (get_typtype(type))
	{
		case TYPTYPE_RANGE:
			return arc_type_holds_moment(get_range_subtype(type));
		case TYPTYPE_MULTIRANGE:
			return arc_type_holds_moment(get_multirange_range(type));
		case TYPTYPE_COMPOSITE:
			return composite_holds_moment(type);
		default:
			return false;
	}
}

static bool
is_word_character(char c)
{
	return IS_HIGHBIT_SET(c) || isalnum((unsigned char) c) || c == '_';
}

bool
arc_text_names_moment(const char *text, Size length)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};

	for (Size i = 0; i < length; i++)
	{
		if (i > 0 && is_word_character(text[i - 1]))
			continue;
		for (int w = 0; w < lengthof(words); w++)
		{
			Size		n = strlen(words[w]);

			if (length - i >= n && pg_strncasecmp(text + i, words[w], n) == 0 &&
				(length - i == n || !is_word_character(text[i + n])))
				return true;
		}
	}
	return false;
}

/* Where in the text the literals stand that name a moment. */
static bool
raw_walker(Node *node, void *context)
{
	List	  **locations = context;

	if (node == NULL)
		return false;
	if (IsA(node, A_Const))
	{
		A_Const    *literal = (A_Const *) node;

		if (!literal->isnull && IsA(&literal->val, String) &&
			arc_text_names_moment(strVal(&literal->val), strlen(strVal(&literal->val))))
			*locations = lappend_int(*locations, literal->location);
		return false;
	}
	return raw_expression_tree_walker(node, raw_walker, context);
}

List *
arc_literals_of_moments(const RawStmt *statement)
{
	List	   *locations = NIL;

	(void) raw_walker(statement->stmt, &locations);
	return locations;
}

static bool
constant_walker(Node *node, void *context)
{
	List	   *locations = context;

	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		Const	   *constant = (Const *) node;

		/*
		 * A constant keeps its literal's location.  A timetz without a zone
		 * of fixed offset takes the offset of today.  (A location in a view's
		 * text may mislead us; that costs an entry a ttl.)
		 */
		if (constant->constisnull || constant->location < 0)
			return false;
		return getBaseType(constant->consttype) == TIMETZOID ||
			(list_member_int(locations, constant->location) &&
			 arc_type_holds_moment(constant->consttype));
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, constant_walker, context, 0);
	return expression_tree_walker(node, constant_walker, context);
}

bool
arc_query_reads_clock(const Query *query, List *locations)
{
	return constant_walker((Node *) query, locations);
}

/* Is this function among those whose change invalidates the plan? */
static bool
is_in_plan(const PlannedStmt *plan, Oid function)
{
	uint32		hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));
	ListCell   *lc;

	foreach(lc, plan->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (item->cacheId == PROCOID && item->hashValue == hash)
			return true;
	}
	return false;
}

/* A literal that goes on in another line may name one across the lines. */
static bool
has_split_literal(const char *text)
{
	for (const char *quote = strchr(text, '\''); quote != NULL; quote = strchr(quote + 1, '\''))
	{
		const char *at = quote + 1;
		bool		newline = false;

		for (; scanner_isspace(*at); at++)
			newline |= *at == '\n' || *at == '\r';
		if (newline && *at == '\'')
			return true;
	}
	return false;
}

static bool
body_names_moment(Relation catalog, HeapTuple tuple)
{
	bool		isnull;
	Datum		prosrc = heap_getattr(tuple, Anum_pg_proc_prosrc,
									  RelationGetDescr(catalog), &isnull);
	char	   *body;

	if (isnull)
		return false;
	body = TextDatumGetCString(prosrc);
	return arc_text_names_moment(body, strlen(body)) || strchr(body, '\\') != NULL ||
		has_split_literal(body);
}

/*
 * A plan remembers the functions it used by a hash only, and of a function
 * that was inlined nothing else is left; so look through the SQL functions
 * there are.  That is for plans that use any function of the user's.
 */
bool
arc_plan_inlines_clock(const PlannedStmt *plan)
{
	Relation	catalog;
	TableScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;
	bool		any = false;
	ListCell   *lc;

	foreach(lc, plan->invalItems)
		any |= lfirst_node(PlanInvalItem, lc)->cacheId == PROCOID;
	if (!any)
		return false;

	catalog = table_open(ProcedureRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (!found && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);

		found = form->prolang == SQLlanguageId &&
			form->provolatile != PROVOLATILE_IMMUTABLE &&
			is_in_plan(plan, form->oid) &&
			body_names_moment(catalog, tuple);
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}
