/*-------------------------------------------------------------------------
 *
 * foreign_key.c
 *	  By which columns one table refers to another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "nodes/bitmapset.h"
#include "query/foreign_key.h"
#include "query/lookup.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

static ArcForeignKey *
make_key(int n, const AttrNumber *referencing, const AttrNumber *referenced)
{
	ArcForeignKey *key = palloc(sizeof(ArcForeignKey));
	Size		size = n * sizeof(AttrNumber);

	key->n = n;
	key->referencing = memcpy(palloc(size), referencing, size);
	key->referenced = memcpy(palloc(size), referenced, size);
	return key;
}

static Bitmapset *
column_set(int n, const AttrNumber *columns)
{
	Bitmapset  *set = NULL;

	for (int i = 0; i < n; i++)
		set = bms_add_member(set, columns[i]);
	return set;
}

/* Do both say the same, in whatever order? */
static bool
same_key(const ArcForeignKey *a, const ArcForeignKey *b)
{
	if (a->n != b->n)
		return false;
	for (int i = 0; i < a->n; i++)
	{
		bool		found = false;

		for (int j = 0; j < b->n && !found; j++)
			found = a->referencing[i] == b->referencing[j] &&
				a->referenced[i] == b->referenced[j];
		if (!found)
			return false;
	}
	return true;
}

/* A foreign key with PERIOD asks one of its columns for more than equality. */
static bool
is_by_equality(const ForeignKeyCacheInfo *info)
{
	for (int i = 0; i < info->nkeys; i++)
	{
		if (get_mergejoin_opfamilies(info->conpfeqop[i]) == NIL)
			return false;
	}
	return true;
}

/* The foreign keys from one table to the other, of these columns or (NULL) any. */
static List *
declared_keys(Oid referencing, Oid referenced, const Bitmapset *columns)
{
	Relation	rel = table_open(referencing, AccessShareLock);
	List	   *infos = copyObject(RelationGetFKeyList(rel));
	List	   *keys = NIL;
	ListCell   *lc;

	foreach(lc, infos)
	{
		ForeignKeyCacheInfo *info = lfirst_node(ForeignKeyCacheInfo, lc);

		if (info->confrelid == referenced &&
			(columns == NULL || bms_equal(columns, column_set(info->nkeys, info->conkey))) &&
			is_by_equality(info))
			keys = lappend(keys, make_key(info->nkeys, info->conkey, info->confkey));
	}
	table_close(rel, NoLock);
	return keys;
}

/* The one that all agree on, or NULL if there is none. */
static ArcForeignKey *
sole_key(List *keys, Oid referencing, Oid referenced)
{
	ListCell   *lc;

	foreach(lc, keys)
	{
		if (!same_key(linitial(keys), lfirst(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_COLUMN),
					 errmsg("several foreign keys lead from table \"%s\" to table \"%s\"",
							get_rel_name(referencing), get_rel_name(referenced)),
					 errhint("Name the columns of one of them in foreign_key.")));
	}
	return keys != NIL ? linitial(keys) : NULL;
}

static AttrNumber *
column_numbers(Oid relid, List *names)
{
	AttrNumber *columns = palloc(list_length(names) * sizeof(AttrNumber));
	Bitmapset  *seen = NULL;
	ListCell   *lc;

	foreach(lc, names)
	{
		AttrNumber	column = get_attnum(relid, lfirst(lc));

		if (column <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of table \"%s\" does not exist",
							(char *) lfirst(lc), get_rel_name(relid))));
		if (bms_is_member(column, seen))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" is named more than once",
							(char *) lfirst(lc))));
		seen = bms_add_member(seen, column);
		columns[foreach_current_index(lc)] = column;
	}
	return columns;
}

/* Where no constraint says otherwise columns refer to the primary key. */
static ArcForeignKey *
assumed_key(int n, const AttrNumber *columns, Oid referenced)
{
	ArcLookup  *primary = arc_lookup_make(referenced, NULL, 0, ARC_SPACE_ROW, NULL, 0);

	if (primary == NULL)
		arc_lookup_raise_no_key(referenced);
	if (primary->ncolumns != n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FOREIGN_KEY),
				 errmsg("number of columns in foreign_key and in the primary key of table \"%s\" disagree",
						get_rel_name(referenced))));
	return make_key(n, columns, primary->columns);
}

ArcForeignKey *
arc_foreign_key_find(Oid referencing, Oid referenced, List *names)
{
	ArcForeignKey *key;

	if (names == NIL)
	{
		key = sole_key(declared_keys(referencing, referenced, NULL),
					   referencing, referenced);
		if (key == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("no foreign key leads from table \"%s\" to table \"%s\"",
							get_rel_name(referencing), get_rel_name(referenced)),
					 errhint("Name the columns that refer to it in foreign_key.")));
	}
	else
	{
		int			n = list_length(names);
		AttrNumber *columns = column_numbers(referencing, names);

		key = sole_key(declared_keys(referencing, referenced, column_set(n, columns)),
					   referencing, referenced);
		if (key == NULL)
			key = assumed_key(n, columns, referenced);
	}
	return key;
}
