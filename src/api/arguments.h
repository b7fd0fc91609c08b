/*-------------------------------------------------------------------------
 *
 * arguments.h
 *	  What the SQL functions have in common: reading and checking arguments.
 *
 * All raise: 22004 for a NULL where there must be a value, 22023 for a value
 * that makes no sense, 54000 for one that is too long, 55000 if the library is
 * not preloaded.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_ARGUMENTS_H
#define ARC_ARGUMENTS_H

#include "postgres.h"

#include "cache/cache.h"
#include "fmgr.h"
#include "utils/array.h"

/* Raise unless the library is preloaded. */
extern void arc_argument_need_preload(void);

extern void arc_argument_not_null(FunctionCallInfo fcinfo, int n, const char *name);

/* Argument n as a ttl in milliseconds; 0 if NULL. */
extern int64 arc_argument_ttl(FunctionCallInfo fcinfo, int n);

/* A key of the current role; raises if it is empty or too long. */
extern ArcKey arc_argument_key(const char *name, int length);
extern ArcKey arc_argument_text_key(text *name);

/* An array argument, or NULL if it is NULL; its elements must not be. */
extern ArrayType *arc_argument_array(FunctionCallInfo fcinfo, int n, const char *name);

/* The texts of an array without NULLs. */
extern text **arc_argument_texts(ArrayType *array, int *n);

#endif							/* ARC_ARGUMENTS_H */
