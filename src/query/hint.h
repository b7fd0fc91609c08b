/*-------------------------------------------------------------------------
 *
 * hint.h
 *	  What a statement's first comment says to the cache.
 *
 *	  SELECT ...
 *
 * with, before or after its first word, a comment that begins with a plus sign
 * and holds the word arcache, arcache(ttl=SECONDS) or no_arcache.  Other words
 * in it are other extensions', with the parentheses that follow them.
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

/* The text is that of one statement. */
extern void arc_hint_read(const char *text, Size length, ArcHint *hint);

/*
 * Where the comments before a statement begin, which itself begins there: to a
 * newer server they are not part of it.
 */
extern Size arc_hint_comments_before(const char *text, Size begin);

#endif							/* ARC_HINT_H */
