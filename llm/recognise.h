/* recognise - which provider's which API a call is, from host, path, headers and shape.
 *
 * Rows bid the number of bits they verified, as libarchive's formats do; the highest bid wins.  A
 * host names the provider; a path names the API, with any prefix before it, since gateways put one
 * there.  Where the host says nothing, the first segment of that prefix that is a provider's name
 * does, or what only one provider's answers carry.
 */
#ifndef LLM_RECOGNISE_H
#define LLM_RECOGNISE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/call.h"
#include "llm/provider.h"

#define HOST_TAIL_BYTES   8u /* at the end of each host pattern without '*' */
#define PATH_SEGMENTS_MAX 32 /* of longer paths the last ones are looked at */

struct wire;

enum api_flag {
    ROW_FREE = 1 << 0,   /* never billed: counting, lists, storage */
    ROW_POLL = 1 << 1,   /* asks for what an earlier call made */
    ROW_STREAM = 1 << 2, /* the path itself asks for a stream */
    ROW_WEAK = 1 << 3,   /* common words: an unknown host needs a version or provider before them */
    ROW_IMPLIES = 1 << 4, /* nobody but `provider` has such a path */
    ROW_BATCH = 1 << 5,   /* priced as batch */
};

struct api_row {
    struct str pattern;     /* path template, matched from its end; see recognise_table.c */
    const char *method;     /* NULL = any */
    enum provider provider; /* UNKNOWN = any */
    enum api api;
    const struct wire *wire;
    uint32_t flags;
    const char *note; /* why it is not billed */
};

enum host_geo {
    HOST_GEO_NONE,
    HOST_GEO_REGION, /* a label like eu-west-1 */
    HOST_GEO_FIRST,  /* the label before the suffix, "eu" in eu.api.openai.com */
    HOST_GEO_DASH,   /* what precedes the dash, "us-central1" in us-central1-aiplatform... */
};

struct host_row {
    struct str pattern; /* str_glob, lower case, without port */
    enum provider provider;
    enum host_geo geo;
};

struct shape_row {
    const char *member; /* top-level, or an event's name if value is "@" */
    const char *value;  /* string it must equal; NULL = any; ending in '*' = prefix */
    enum api api;
    const struct wire *wire;
    unsigned bits;
};

/* A response header only one provider sends. */
struct header_row {
    struct str name;
    bool is_prefix; /* others begin with it */
    enum provider provider;
};

/* How response ids of one provider begin. */
struct id_row {
    const char *prefix;
    enum provider provider;
};

struct recognition {
    enum provider provider;
    enum api api;
    const struct api_row *row; /* NULL = by shape, or not at all */
    const struct wire *wire;
    const char *by;
    bool host_known;
    struct str model; /* from the path, decoded; empty = none there */
    struct str geo;
};

void recognise(const struct call *call, struct arena *arena, struct recognition *ret);
/* call_read, for who has recognised the call already, or one with the same method, host and path:
 * that takes longer than reading a short answer. */
void call_read_as(const struct call *call, const struct recognition *known, struct arena *arena,
                  struct call_facts *ret);
/* What tokens and money depend on, of a plain answer: whole, one JSON object, billed, and reporting
 * its usage.  A fraction of call_read_as, which it agrees with in: provider, api, model,
 * service_tier, geo, variant, billable, usage_source, parts, reported cost.  False: it is not
 * plain, and call_read_as must be asked.  The request's body is not looked at, as if it were
 * missing. */
bool call_read_cost(const struct call *call, const struct recognition *known, struct arena *arena,
                    struct call_facts *ret);
/* Called while the API is unknown, with the first events of the answer: true if it names one. */
bool recognise_shape(struct recognition *rec, struct str event_name, struct str json);
/* Called at the end: what the answer itself says of its provider. */
void recognise_provider(struct recognition *rec, const struct call *call, struct str response_id);
/* Whether a header of that name says something of its provider. */
bool recognise_header_tells(struct str name);
/* "gemini-x" of "models/gemini-x": Google's SDKs send both. */
struct str recognise_without_collection(struct str model);
void recognise_mark(struct recognition *rec, enum provider provider);

extern const struct api_row recognise_apis[];
extern const size_t recognise_api_count;
extern const struct host_row recognise_hosts[];
extern const size_t recognise_host_count;
extern const struct shape_row recognise_shapes[];
extern const size_t recognise_shape_count;
extern const struct header_row recognise_headers[];
extern const size_t recognise_header_count;
extern const struct id_row recognise_ids[];
extern const size_t recognise_id_count;

#endif
