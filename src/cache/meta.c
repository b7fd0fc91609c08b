/*-------------------------------------------------------------------------
 *
 * meta.c
 *	  What the cache keeps with an entry beside key and value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "cache/meta.h"

static const ArcMeta empty_meta = {.coherence = ARC_COHERENCE_NONE};

static char *
put(char *at, const void *from, Size size)
{
	if (size > 0)
		memcpy(at, from, size);
	return at + size;
}

static uint32
words_size(const ArcMetaSpec *spec)
{
	uint32		size = 0;

	for (int i = 0; i < spec->ndependencies; i++)
	{
		if (spec->dependencies[i].kind == ARC_DEPENDS_ON_KEY)
			size += strlen(spec->words[i]) + 1;
	}
	return size;
}

static void
put_words(char *at, const ArcMetaSpec *spec)
{
	for (int i = 0; i < spec->ndependencies; i++)
	{
		if (spec->dependencies[i].kind == ARC_DEPENDS_ON_KEY)
			at = put(at, spec->words[i], strlen(spec->words[i]) + 1);
	}
}

void *
arc_meta_build(const ArcMetaSpec *spec, Size *size)
{
	static const ArcIdentity nobody = {0};
	const ArcIdentity *identity = spec->identity ? spec->identity : &nobody;
	ArcMeta    *meta;
	char	   *at;

	if (spec->ndependencies == 0 && spec->identity == NULL &&
		spec->coherence == ARC_COHERENCE_NONE && spec->tags_size == 0)
	{
		*size = 0;
		return NULL;
	}

	*size = sizeof(ArcMeta) + spec->ndependencies * sizeof(ArcDependency) +
		identity->query_size + identity->params_size +
		identity->environment_size + spec->settings_size + spec->tags_size +
		words_size(spec);
	meta = palloc0(*size);
	meta->coherence = spec->coherence;
	meta->ndependencies = spec->ndependencies;
	meta->query_size = identity->query_size;
	meta->params_size = identity->params_size;
	meta->environment_size = identity->environment_size;
	meta->settings_size = spec->settings_size;
	meta->tags_size = spec->tags_size;
	meta->words_size = words_size(spec);
	meta->query_id = identity->query_id;

	at = (char *) (meta + 1);
	at = put(at, spec->dependencies, spec->ndependencies * sizeof(ArcDependency));
	at = put(at, identity->query, identity->query_size);
	at = put(at, identity->params, identity->params_size);
	at = put(at, identity->environment, identity->environment_size);
	at = put(at, spec->settings, spec->settings_size);
	at = put(at, spec->tags, spec->tags_size);
	put_words(at, spec);
	return meta;
}

const ArcMeta *
arc_meta_of(const ArcSharedEntry *entry)
{
	return entry->meta_size > 0 ? arc_entry_meta(entry) : &empty_meta;
}

const ArcDependency *
arc_meta_dependencies(const ArcMeta *meta)
{
	return (const ArcDependency *) (meta + 1);
}

const char *
arc_meta_query(const ArcMeta *meta)
{
	return (const char *) (arc_meta_dependencies(meta) + meta->ndependencies);
}

const char *
arc_meta_params(const ArcMeta *meta)
{
	return arc_meta_query(meta) + meta->query_size;
}

const char *
arc_meta_environment(const ArcMeta *meta)
{
	return arc_meta_params(meta) + meta->params_size;
}

const char *
arc_meta_settings(const ArcMeta *meta)
{
	return arc_meta_environment(meta) + meta->environment_size;
}

const char *
arc_meta_tags(const ArcMeta *meta)
{
	return arc_meta_settings(meta) + meta->settings_size;
}

const char *
arc_meta_words(const ArcMeta *meta)
{
	return arc_meta_tags(meta) + meta->tags_size;
}

bool
arc_meta_identical(const ArcMeta *meta, const ArcIdentity *identity)
{
	return (identity->query_shown ||
			(meta->query_size == identity->query_size &&
			 memcmp(arc_meta_query(meta), identity->query, identity->query_size) == 0)) &&
		meta->params_size == identity->params_size &&
		meta->environment_size == identity->environment_size &&
		memcmp(arc_meta_params(meta), identity->params, identity->params_size) == 0 &&
		memcmp(arc_meta_environment(meta), identity->environment,
			   identity->environment_size) == 0;
}
