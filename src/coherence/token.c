/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Names of what a result can depend on, as 64-bit hashes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "coherence/token.h"
#include "common/hashfn.h"

/* What a token names; part of what is hashed. */
typedef enum TokenKind
{
	TOKEN_RELATION,
	TOKEN_BULK,
	TOKEN_ROW_KEY,
	TOKEN_DEFINITIONS,
	TOKEN_ROLES,
	TOKEN_TAG,
	TOKEN_KEY,
	TOKEN_KEYS
} TokenKind;

static ArcToken
make_token(TokenKind kind, Oid database, Oid object, const char *name, int length)
{
	uint32		ids[3] = {kind, database, object};
	uint64		hash = DatumGetUInt64(hash_any_extended((unsigned char *) ids,
														sizeof(ids), 0));

	if (length > 0)
		hash = DatumGetUInt64(hash_any_extended((const unsigned char *) name,
												length, hash));
	if (kind == TOKEN_KEY)
		return hash | ARC_TOKEN_FINE;
	return hash & ~ARC_TOKEN_FINE;
}

ArcToken
arc_token_relation(Oid database, Oid relid)
{
	return make_token(TOKEN_RELATION, database, relid, NULL, 0);
}

ArcToken
arc_token_bulk(Oid database, Oid relid)
{
	return make_token(TOKEN_BULK, database, relid, NULL, 0);
}

/* Spread each bit of x over all of the result (the finalizer of SplitMix64). */
static inline uint64
mix(uint64 x)
{
	x = (x ^ (x >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

ArcToken
arc_token_row_key(Oid database, Oid relid, int n, const AttrNumber *columns,
				  const uint64 *hashes)
{
	uint64		hash = hash_combine64(((uint64) database << 32) | relid, TOKEN_ROW_KEY);

	for (int i = 0; i < n; i++)
		hash = hash_combine64(hash, mix(hashes[i] + (uint64) columns[i]));
	return mix(hash) | ARC_TOKEN_FINE;
}

ArcToken
arc_token_definitions(Oid database)
{
	return make_token(TOKEN_DEFINITIONS, database, InvalidOid, NULL, 0);
}

ArcToken
arc_token_roles(void)
{
	return make_token(TOKEN_ROLES, InvalidOid, InvalidOid, NULL, 0);
}

ArcToken
arc_token_tag(Oid database, Oid role, const char *tag, int length)
{
	return make_token(TOKEN_TAG, database, role, tag, length);
}

ArcToken
arc_token_key(Oid database, Oid role, const char *key, int length)
{
	return make_token(TOKEN_KEY, database, role, key, length);
}

ArcToken
arc_token_keys(Oid database, Oid role)
{
	return make_token(TOKEN_KEYS, database, role, NULL, 0);
}
