/*-------------------------------------------------------------------------
 *
 * environment.h
 *	  The session settings that the meaning of a query depends on.
 *
 * The environment is a string of the values of a fixed list of settings; two
 * sessions with equal environments (and roles) give a query the same meaning.
 * Settings that a query names itself, with current_setting('…'), are captured
 * by name beside it.
 *
 * Backend-local; appending may raise for want of memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_ENVIRONMENT_H
#define ARC_ENVIRONMENT_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

extern void arc_environment_append(StringInfo to);

/* Does this session's environment equal one that was appended before? */
extern bool arc_environment_equals(const char *environment, uint32 length);

/*
 * Are there temporary objects of this session?  They can hide what others see
 * in so many ways (tables, children, row types, names inside functions) that a
 * query's result is then this session's own.
 */
extern bool arc_environment_has_temporary(void);

/* Named settings: a list of names becomes names and values, to compare later. */
extern void arc_environment_capture(StringInfo to, List *names);
extern bool arc_environment_matches(const char *captured, uint32 length);

#endif							/* ARC_ENVIRONMENT_H */
