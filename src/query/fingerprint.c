/*-------------------------------------------------------------------------
 *
 * fingerprint.c
 *	  What a query means, as a few bytes.
 *
 * The server's own query jumble leaves constants out, which is what we must
 * not do.  Its text form of a tree holds all; the fields that say where in the
 * source something stood are cut out of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/nodes.h"
#include "nodes/primnodes.h"
#include "query/fingerprint.h"
#include "utils/builtins.h"

/* In the text, names cannot be mistaken for these: their blanks are escaped. */
static const struct
{
	const char *name;
	Size		length;
}			position_fields[] =
{
#define FIELD(name)	{name, sizeof(name) - 1}
	FIELD(" :location "), FIELD(" :stmt_location "), FIELD(" :stmt_len "),
	FIELD(" :list_start "), FIELD(" :list_end ")
#undef FIELD
};

/* The length of the field that begins here, with its value; 0 if it says something else. */
static Size
position_length(const char *field)
{
	if (field[2] != 'l' && field[2] != 's')
		return 0;
	for (int i = 0; i < lengthof(position_fields); i++)
	{
		Size		length = position_fields[i].length;

		if (strncmp(field, position_fields[i].name, length) == 0)
			return length + strspn(field + length, "-0123456789");
	}
	return 0;
}

/* Take the fields out in place; returns the new length. */
static Size
cut_positions(char *text)
{
	char	   *to = text;
	const char *from = text;

	while (*from != '\0')
	{
		Size		length = from[0] == ' ' && from[1] == ':' ? position_length(from) : 0;

		if (length > 0)
			from += length;
		else
			*to++ = *from++;
	}
	*to = '\0';
	return to - text;
}

char *
arc_fingerprint_bytes(const char *bytes, Size size)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *digits = palloc(2 * PG_SHA256_DIGEST_LENGTH + 1);
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL ||
		pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) bytes, size) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256");
	pg_cryptohash_free(hash);
	digits[hex_encode((const char *) digest, sizeof(digest), digits)] = '\0';
	return digits;
}

char *
arc_fingerprint_query(const Query *query)
{
	char	   *text = nodeToString(query);
	Size		size = cut_positions(text);
	char	   *fingerprint = arc_fingerprint_bytes(text, size);

	pfree(text);
	return fingerprint;
}

/*
 * Results with rows in another order are the same to SQL, but not to one who
 * compares outputs.  Beside the plan there is the memory that it may use.
 */
char *
arc_fingerprint_plan(const char *fingerprint, const PlannedStmt *plan)
{
	char	   *tree = nodeToString(plan);
	char	   *all;

	(void) cut_positions(tree);
	all = psprintf("%s %d %g %s", fingerprint, work_mem, hash_mem_multiplier, tree);
	return arc_fingerprint_bytes(all, strlen(all));
}

static bool
params_walker(Node *node, void *context)
{
	List	  **params = context;

	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN)
		*params = list_append_unique_int(*params, ((Param *) node)->paramid);
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, params_walker, context, 0);
	return expression_tree_walker(node, params_walker, context);
}

List *
arc_fingerprint_params(Query *query)
{
	List	   *params = NIL;

	(void) params_walker((Node *) query, &params);
	list_sort(params, list_int_cmp);
	return params;
}
