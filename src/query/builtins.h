/*-------------------------------------------------------------------------
 *
 * builtins.h
 *	  What the server's own STABLE functions depend on.
 *
 * The list is by the name of the C function behind (pg_proc.prosrc), which
 * tells overloaded functions apart and does not change between versions.  A
 * function that is not listed counts as ARC_BUILTIN_UNKNOWN.
 *
 * Pure; nothing here locks or raises.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_BUILTINS_H
#define ARC_BUILTINS_H

#include "postgres.h"

typedef enum ArcBuiltin
{
	ARC_BUILTIN_UNKNOWN,		/* something that cannot be captured */
	ARC_BUILTIN_SETTINGS,		/* the environment and the definitions */
	ARC_BUILTIN_CLOCK,			/* the time */
	ARC_BUILTIN_NAMED_SETTING,	/* the setting that its argument names */
	ARC_BUILTIN_SESSION_USER,
	ARC_BUILTIN_CONVERTS		/* like SETTINGS, but reads texts as other types */
} ArcBuiltin;

extern ArcBuiltin arc_builtin_classify(const char *prosrc);

#endif							/* ARC_BUILTINS_H */
