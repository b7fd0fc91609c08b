/*-------------------------------------------------------------------------
 *
 * readthrough_internal.h
 *	  The steps on the way to a result, for the files that take them.
 *
 * readthrough.c takes them for one result; lookup_batch.c looks for many, and
 * computes those that are not there by one query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ARC_READTHROUGH_INTERNAL_H
#define ARC_READTHROUGH_INTERNAL_H

#include "postgres.h"

#include "cache/cache.h"
#include "lib/stringinfo.h"
#include "query/capture.h"
#include "query/readthrough.h"
#include "query/source.h"

/* Who asks, and in which environment. */
typedef struct ArcAsker
{
	ArcReader	reader;
	StringInfoData environment;
} ArcAsker;

/* What differs between the forms of a result; each embeds this. */
typedef struct ArcResultForm ArcResultForm;

struct ArcResultForm
{
	/* Run the query, keep the result to return and one to store. */
	void		(*compute) (ArcResultForm *form, const ArcSource *source, ArcCapture *capture);

	/* Take the result from an entry. */
	void		(*deliver) (ArcResultForm *form, const ArcSharedEntry *entry);
};

/* A request with all that is made of it on the way. */
typedef struct ArcRead
{
	const ArcAsker *asker;
	const ArcRequest *request;
	ArcResultForm *form;
	ArcKey		key;
	ArcIdentity identity;
	ArcSource  *source;			/* or NULL, until it is needed */
} ArcRead;

/* With bypass the cache takes no part. */
extern void arc_asker_init(ArcAsker *asker, bool bypass);
extern void arc_read_prepare(ArcRead *read, const ArcAsker *asker,
							 const ArcRequest *request, ArcKeySpace space,
							 ArcResultForm *form);

/* Deliver from the cache; counts a hit, or nothing. */
extern bool arc_read_try_hit(ArcRead *read, ArcVerdict *verdict);

/*
 * Analyse and plan the query.  False if it is one of a lookup that is not
 * current any more.  Raises if the query cannot be cached for its own sake.
 */
extern bool arc_read_assess(ArcSource *source, const ArcRequest *request,
							ArcAssessment *assessment, ArcDependencies *dependencies);

/* Count the miss, or why it is none; returns whether there is a use in a fill. */
extern bool arc_read_count_miss(const ArcFill *fill, const ArcAssessment *assessment,
								const ArcDependencies *dependencies);

/* Store what was captured, or count why not; returns whether it was stored. */
extern bool arc_read_publish(ArcRead *read, ArcFill *fill, const ArcCapture *capture,
							 const ArcAssessment *assessment,
							 ArcDependencies *dependencies);

/*
 * Do the settings ask to compute this hit again?  If so, tell of the outcome:
 * counts it, and raises or logs a difference.
 */
extern bool arc_audit_wanted(const ArcSharedEntry *entry);
extern void arc_audit_judge(const ArcReader *reader, const ArcSharedEntry *entry, bool equal);

/* All the way; false, and nothing delivered, as arc_read_assess(). */
extern bool arc_read_through(ArcRead *read);

/* Rows that go to a target. */
typedef struct ArcRowsForm
{
	ArcResultForm base;
	ArcRowTarget target;
} ArcRowsForm;

extern void arc_rows_form_init(ArcRowsForm *form, const ArcRowTarget *target);

#endif							/* ARC_READTHROUGH_INTERNAL_H */
