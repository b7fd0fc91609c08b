/*-------------------------------------------------------------------------
 *
 * source.h
 *	  A query given as text with text parameters, analysed and planned.
 *
 * Everything is palloc'd in the context current at the call.  Errors are those
 * of the parser, analyser and planner, with the query as internal query, and:
 * 0A000 if it is not one SELECT, 22023 if parameters and placeholders differ
 * in number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_SOURCE_H
#define ARC_SOURCE_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "utils/array.h"

typedef struct ArcSource
{
	const char *text;
	int			nparams;
	char	  **param_texts;	/* NULL elements are SQL NULL */
	Query	   *query;			/* rewritten; scribbled on by planning */
	ParamListInfo params;		/* or NULL */
	bool		array_nulls;	/* parameters are read as with that setting on */
	bool		leave_params;	/* plan for parameters yet to come */
	const char *refusal;		/* why it is not one SELECT, or NULL */
	bool		row_security;	/* policies apply to what it reads */
	bool		reads_clock;	/* a literal such as 'today' did */
	PlannedStmt *plan;			/* once planned */
} ArcSource;

extern ArcSource *arc_source_make(const char *query, ArrayType *params);

/* From the parameters' image, below. */
extern ArcSource *arc_source_remake(const char *text, const char *params, uint32 size);

/* Sets refusal instead of query if it is not one SELECT. */
extern void arc_source_analyse(ArcSource *source);
extern void arc_source_plan(ArcSource *source);

/* Raises as running the query would, for want of a privilege. */
extern void arc_source_check_privileges(const ArcSource *source);

/* The parameters as bytes: each NULL or a text, never two ways the same. */
extern char *arc_source_params_image(const ArcSource *source, uint32 *size);

/* The next parameter to such an image. */
extern void arc_source_append_param(StringInfo image, const char *text);

#endif							/* ARC_SOURCE_H */
