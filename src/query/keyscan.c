/*-------------------------------------------------------------------------
 *
 * keyscan.c
 *	  To which keys are a plan's scans of a relation restricted?
 *
 * A column is pinned by a condition that only a bounded number of values
 * satisfies: "col = value", "col = ANY (values)", "col IS NULL", a column of
 * type boolean by itself.  A key is pinned when all its columns are; and a
 * scan is when a key is, or in each arm of an OR some key.  Values are constants: parameters have become
 * constants when the plan was made (but for arc_why's, which stay).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "coherence/key.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "query/keyscan.h"
#include "query/plan_walker.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"

/* In words, a value is shortened to so many bytes. */
#define WORDS_MAX	64

/* One value that a column can have: its hash, and how it is said. */
typedef struct Value
{
	uint64		hash;
	char	   *words;			/* "= 42" */
} Value;

/* All scans of the plan that read one relation. */
typedef struct RelationScans
{
	Oid			relid;			/* hash key */
	bool		by_others;		/* another extension or a foreign server reads it */
	List	   *plans;
} RelationScans;

struct ArcScanIndex
{
	const PlannedStmt *plan;
	HTAB	   *relations;
};

/* The scan at hand. */
typedef struct KeyScan
{
	Relation	rel;
	const ArcTracking *tracking;
	bool		params_unknown;
	Index		scanrelid;
	List	   *index_columns;	/* what INDEX_VAR stands for, or NIL */
} KeyScan;

/* -- values ------------------------------------------------------------------ */

static char *
shorten(char *text)
{
	int			length = strlen(text);

	if (length > WORDS_MAX)
		strcpy(text + pg_mbcliplen(text, length, WORDS_MAX - 3), "...");
	return text;
}

static char *
describe(Datum value, Oid type)
{
	Oid			output;
	bool		varlena;

	getTypeOutputInfo(type, &output, &varlena);
	return psprintf("= %s", shorten(OidOutputFunctionCall(output, value)));
}

static List *
one_value(uint64 hash, char *words)
{
	Value	   *value = palloc(sizeof(Value));

	value->hash = hash;
	value->words = words;
	return list_make1(value);
}

static List *
values_of_array(Const *array, ArcHasher *hasher)
{
	ArrayType  *elements = DatumGetArrayTypeP(array->constvalue);
	Oid			type = ARR_ELEMTYPE(elements);
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *datums;
	bool	   *nulls;
	int			n;
	List	   *values = NIL;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(elements, type, length, by_value, align, &datums, &nulls, &n);
	if (n > ARC_PINNED_KEYS_MAX)
		return NIL;
	for (int i = 0; i < n; i++)
	{
		/* Nothing equals NULL. */
		if (!nulls[i])
			values = list_concat(values, one_value(arc_hasher_hash(hasher, datums[i], false),
												   describe(datums[i], type)));
	}
	return values;
}

/* -- conditions ---------------------------------------------------------------- */

/* The column's number if this is it, else 0. */
static AttrNumber
column_of(const KeyScan *scan, Node *node)
{
	Var		   *var;

	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node == NULL || !IsA(node, Var))
		return 0;
	var = (Var *) node;
	if (var->varlevelsup != 0)
		return 0;
	if (var->varno == INDEX_VAR && var->varattno > 0 &&
		var->varattno <= list_length(scan->index_columns))
		return column_of(scan, (Node *) list_nth_node(TargetEntry, scan->index_columns,
													  var->varattno - 1)->expr);
	return var->varno == scan->scanrelid ? var->varattno : 0;
}

/* Strips what changes nothing about the value. */
static Node *
constant_of(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

/* A parameter that has no value yet has no hash either, but words. */
static List *
value_of_parameter(const KeyScan *scan, Node *node)
{
	if (!scan->params_unknown || !IsA(node, Param) ||
		((Param *) node)->paramkind != PARAM_EXTERN)
		return NIL;
	return one_value(0, psprintf("= $%d", ((Param *) node)->paramid));
}

static List *
values_of_operand(const KeyScan *scan, Node *operand, ArcHasher *hasher, bool is_array)
{
	Const	   *constant;

	operand = constant_of(operand);
	if (operand == NULL)
		return NIL;
	if (!IsA(operand, Const))
		return value_of_parameter(scan, operand);
	constant = (Const *) operand;
	if (constant->constisnull)
		return NIL;
	if (is_array)
		return values_of_array(constant, hasher);
	return one_value(arc_hasher_hash(hasher, constant->constvalue, false),
					 describe(constant->constvalue, constant->consttype));
}

/* column operator operand: the values that the operand admits, or NIL. */
static List *
values_of_comparison(const KeyScan *scan, const ArcKeyColumn *column,
					 Oid operator, Oid collation, Node *operand, bool right,
					 bool is_array)
{
	ArcHasher	hasher;

	if (!arc_hasher_make_for_operand(&hasher, &column->hasher, operator, right,
									 collation, CurrentMemoryContext))
		return NIL;
	return values_of_operand(scan, operand, &hasher, is_array);
}

static List *
values_of_boolean(const ArcKeyColumn *column, bool value)
{
	ArcHasher	hasher = column->hasher;

	return one_value(arc_hasher_hash(&hasher, BoolGetDatum(value), false),
					 value ? "= t" : "= f");
}

/* The values that this condition admits in the column; NIL if it is no such. */
static List *
values_of_condition(const KeyScan *scan, const ArcKeyColumn *column, Node *condition)
{
	AttrNumber	attno = column->attno;

	switch (nodeTag(condition))
	{
		case T_OpExpr:
			{
				OpExpr	   *op = (OpExpr *) condition;

				if (list_length(op->args) != 2)
					return NIL;
				if (column_of(scan, linitial(op->args)) == attno)
					return values_of_comparison(scan, column, op->opno, op->inputcollid,
												lsecond(op->args), true, false);
				if (column_of(scan, lsecond(op->args)) == attno)
					return values_of_comparison(scan, column, op->opno, op->inputcollid,
												linitial(op->args), false, false);
				return NIL;
			}
		case T_ScalarArrayOpExpr:
			{
				ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) condition;

				if (!op->useOr || column_of(scan, linitial(op->args)) != attno)
					return NIL;
				return values_of_comparison(scan, column, op->opno, op->inputcollid,
											lsecond(op->args), true, true);
			}
		case T_NullTest:
			{
				NullTest   *test = (NullTest *) condition;
				ArcHasher	hasher = column->hasher;

				if (test->nulltesttype != IS_NULL || test->argisrow ||
					column_of(scan, (Node *) test->arg) != attno)
					return NIL;
				return one_value(arc_hasher_hash(&hasher, (Datum) 0, true), "IS NULL");
			}
		case T_Var:
		case T_RelabelType:
			if (column_of(scan, condition) == attno && exprType(condition) == BOOLOID)
				return values_of_boolean(column, true);
			return NIL;
		case T_BoolExpr:
			{
				BoolExpr   *bool_expr = (BoolExpr *) condition;
				Node	   *arg = linitial(bool_expr->args);

				if (bool_expr->boolop == NOT_EXPR && column_of(scan, arg) == attno &&
					exprType(arg) == BOOLOID)
					return values_of_boolean(column, false);
				return NIL;
			}
		default:
			return NIL;
	}
}

/* -- keys ------------------------------------------------------------------------ */

static List *
pin_column(const KeyScan *scan, const ArcKeyColumn *column, List *conditions)
{
	List	   *fewest = NIL;
	ListCell   *lc;

	foreach(lc, conditions)
	{
		List	   *values = values_of_condition(scan, column, lfirst(lc));

		if (values != NIL &&
			(fewest == NIL || list_length(values) < list_length(fewest)))
			fewest = values;
	}
	return fewest;
}

/* All combinations of the columns' values. */
static List *
combine(const KeyScan *scan, const ArcTrackedKey *key, List **values)
{
	List	   *pinned = NIL;
	int			total = 1;

	for (int i = 0; i < key->ncolumns; i++)
	{
		total *= list_length(values[i]);
		if (total > ARC_PINNED_KEYS_MAX)
			return NIL;
	}
	for (int n = 0; n < total; n++)
	{
		ArcPinnedKey *one = palloc(sizeof(ArcPinnedKey));
		uint64		hashes[INDEX_MAX_KEYS];
		StringInfoData words;
		int			rest = n;

		initStringInfo(&words);
		for (int i = 0; i < key->ncolumns; i++)
		{
			Value	   *value = list_nth(values[i], rest % list_length(values[i]));
			Form_pg_attribute column = TupleDescAttr(RelationGetDescr(scan->rel),
													 key->attnos[i] - 1);

			rest /= list_length(values[i]);
			hashes[i] = value->hash;
			appendStringInfo(&words, "%s%s %s", i > 0 ? ", " : "",
							 quote_identifier(NameStr(column->attname)), value->words);
		}
		one->token = scan->params_unknown ? 0 :
			arc_token_row_key(MyDatabaseId, RelationGetRelid(scan->rel),
							  key->ncolumns, key->attnos, hashes);
		one->words = words.data;
		pinned = lappend(pinned, one);
	}
	return pinned;
}

static List *
conjuncts(Node *node)
{
	if (node != NULL && IsA(node, BoolExpr) && ((BoolExpr *) node)->boolop == AND_EXPR)
		return ((BoolExpr *) node)->args;
	return list_make1(node);
}

/* The keys to which conditions, AND-ed together, restrict by this one. */
static List *
pin_key(const KeyScan *scan, const ArcTrackedKey *key, List *conditions)
{
	List	   *values[INDEX_MAX_KEYS];

	for (int i = 0; i < key->ncolumns; i++)
	{
		values[i] = pin_column(scan, &scan->tracking->columns[key->columns[i]], conditions);
		if (values[i] == NIL)
			return NIL;
	}
	return combine(scan, key, values);
}

static List *pin(const KeyScan *scan, List *conditions);

static bool
is_or(Node *condition)
{
	return IsA(condition, BoolExpr) && ((BoolExpr *) condition)->boolop == OR_EXPR;
}

static List *
without_ors(List *conditions)
{
	List	   *rest = NIL;
	ListCell   *lc;

	foreach(lc, conditions)
	{
		if (!is_or(lfirst(lc)))
			rest = lappend(rest, lfirst(lc));
	}
	return rest;
}

/*
 * Each arm, with what is AND-ed to it, must restrict to keys.  (Other ORs are
 * left out, lest the work grow with the product of their arms.)
 */
static List *
pin_by_arms(const KeyScan *scan, BoolExpr *arms, List *others)
{
	List	   *pinned = NIL;
	ListCell   *lc;

	foreach(lc, arms->args)
	{
		List	   *arm = pin(scan, list_concat_copy(conjuncts(lfirst(lc)), others));

		if (arm == NIL || list_length(pinned) + list_length(arm) > ARC_PINNED_KEYS_MAX)
			return NIL;
		pinned = list_concat(pinned, arm);
	}
	return pinned;
}

/*
 * The keys to which conditions restrict; NIL if to none.  If several keys do,
 * the one with the fewest values is taken, the first of those.
 */
static List *
pin(const KeyScan *scan, List *conditions)
{
	List	   *fewest = NIL;
	ListCell   *lc;

	check_stack_depth();
	for (int i = 0; i < scan->tracking->nkeys; i++)
	{
		List	   *pinned = pin_key(scan, &scan->tracking->keys[i], conditions);

		if (pinned != NIL &&
			(fewest == NIL || list_length(pinned) < list_length(fewest)))
			fewest = pinned;
	}
	foreach(lc, conditions)
	{
		if (fewest == NIL && is_or(lfirst(lc)))
			fewest = pin_by_arms(scan, lfirst(lc), without_ors(conditions));
	}
	return fewest;
}

/* -- scans ----------------------------------------------------------------------- */

/* What a row must satisfy, all of it, to come out of this scan. */
static List *
conditions_of(Plan *plan)
{
	List	   *conditions = plan->qual;

	if (IsA(plan, IndexScan))
		conditions = list_concat_copy(conditions, ((IndexScan *) plan)->indexqualorig);
	else if (IsA(plan, IndexOnlyScan))
		conditions = list_concat_copy(conditions, ((IndexOnlyScan *) plan)->recheckqual);
	else if (IsA(plan, BitmapHeapScan))
		conditions = list_concat_copy(conditions, ((BitmapHeapScan *) plan)->bitmapqualorig);
	return conditions;
}

/* Scans that read the rows of a table. (A bitmap index scan returns none.) */
static bool
reads_table(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			return true;
		default:
			return false;
	}
}

static void
add_scan(ArcScanIndex *index, Index rti, Plan *plan)
{
	RangeTblEntry *rte = rti > 0 ? rt_fetch(rti, index->plan->rtable) : NULL;
	RelationScans *scans;
	bool		found;

	if (rte == NULL || rte->rtekind != RTE_RELATION)
		return;
	scans = hash_search(index->relations, &rte->relid, HASH_ENTER, &found);
	if (!found)
	{
		scans->by_others = false;
		scans->plans = NIL;
	}
	if (plan == NULL)
		scans->by_others = true;
	else
		scans->plans = lappend(scans->plans, plan);
}

static bool
visit_plan(Plan *plan, void *context)
{
	ArcScanIndex *index = context;
	int			rti = -1;

	if (reads_table(plan))
		add_scan(index, ((Scan *) plan)->scanrelid, plan);
	else if (IsA(plan, ForeignScan))
		add_scan(index, ((Scan *) plan)->scanrelid, NULL);
	else if (IsA(plan, CustomScan))
	{
		add_scan(index, ((Scan *) plan)->scanrelid, NULL);
		while ((rti = bms_next_member(((CustomScan *) plan)->custom_relids, rti)) >= 0)
			add_scan(index, rti, NULL);
	}
	return false;
}

static bool
visit_expression(Node *node, void *context)
{
	return false;
}

ArcScanIndex *
arc_keyscan_index(const PlannedStmt *plan)
{
	ArcScanIndex *index = palloc(sizeof(ArcScanIndex));
	HASHCTL		ctl = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(RelationScans),
		.hcxt = CurrentMemoryContext
	};

	index->plan = plan;
	index->relations = hash_create("arcache scans of a plan", 32, &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	(void) arc_plan_walk(plan, visit_plan, visit_expression, index);
	return index;
}

void
arc_keyscan_find(const ArcScanIndex *index, Relation rel, const ArcTracking *tracking,
				 bool params_unknown, ArcScans *scans)
{
	Oid			relid = RelationGetRelid(rel);
	RelationScans *all = hash_search(index->relations, &relid, HASH_FIND, NULL);
	KeyScan		scan = {
		.rel = rel,
		.tracking = tracking,
		.params_unknown = params_unknown
	};
	ListCell   *lc;

	*scans = (ArcScans)
	{
		0
	};
	if (all == NULL)
		return;
	scans->read = true;
	if (all->by_others)
		return;
	foreach(lc, all->plans)
	{
		Plan	   *plan = lfirst(lc);
		List	   *keys;

		scan.scanrelid = ((Scan *) plan)->scanrelid;
		scan.index_columns = IsA(plan, IndexOnlyScan) ?
			((IndexOnlyScan *) plan)->indextlist : NIL;
		keys = pin(&scan, conditions_of(plan));
		if (keys == NIL ||
			list_length(keys) + list_length(scans->keys) > ARC_PINNED_KEYS_MAX)
			return;
		scans->keys = list_concat(scans->keys, keys);
	}
	scans->pinned = true;
}
