/*-------------------------------------------------------------------------
 *
 * hint.h
 *	  What a statement's first comment says to the cache.
 *
 *	  SELECT ...
 *
 * with, before or after its first word, a comment that begins with a plus sign
 * and holds the word arcache, arcache(ttl=SECONDS) or no_arcache.  Other words
 * in it are other extensions'.
 *
 * Pure; nothing here raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_HINT_H
#define ARC_HINT_H

#include "postgres.h"

typedef struct ArcHint
{
	bool		wanted;
	bool		refused;
	int			ttl;			/* seconds; 0 if it says none */
} ArcHint;

/* location and length as in a Query: -1 and 0 if not known. */
extern void arc_hint_read(const char *text, int location, int length, ArcHint *hint);

#endif							/* ARC_HINT_H */
