/*-------------------------------------------------------------------------
 *
 * glob.h
 *	  Patterns over keys: `*`, `?`, `[a-z]`, `[^a]` and `\` escapes.
 *
 * Patterns match bytes of `?` and classes character by character in the
 * database's encoding.  arc_glob_check() raises on a pattern that ends in its
 * escape (22025) or in an open class (22023); matching a checked pattern
 * neither raises nor allocates, and takes at most the product of both lengths.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_GLOB_H
#define ARC_GLOB_H

#include "postgres.h"

extern void arc_glob_check(const char *pattern, int length);
extern bool arc_glob_match(const char *pattern, int pattern_length,
						   const char *key, int key_length);

#endif							/* ARC_GLOB_H */
