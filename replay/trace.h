/* trace - the requests of archives in the order in which they were made, to be made once more.
 *
 * An index of about 150 bytes for each request is held in memory, and of paths and heads that are
 * equal one copy; bodies stay in the segments and are read when a request is due.
 */
#ifndef REPLAY_TRACE_H
#define REPLAY_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "capture/archive.h"
#include "llm/call.h"

#define TRACE_REQUESTS_MAX 4000000 /* more is ERR_LIMIT: take a shorter time */

struct trace;

/* What of the archives is taken. */
struct trace_filter {
    int64_t from_us, to_us; /* started in [from, to); 0 and INT64_MAX for all */
    struct str app;         /* a shell pattern; "" = any */
};

struct trace_stats {
    uint64_t requests;
    uint64_t without_request;  /* body not recorded, or encoded in a way that cannot be sent */
    uint64_t segments_missing; /* of pruned exchanges */
};

/* One request.  Strings are the trace's; the body is valid until the next trace_body. */
struct trace_request {
    struct uuid id;     /* of the recorded exchange */
    int64_t started_us; /* Unix time */
    struct str method, path, query;
    struct str head; /* "name: value" lines of what is to be sent again: neither credentials nor
                        what belongs to a connection */
    struct str app, upstream, model;
    enum api api;
    bool stream;
    int status;                     /* that was recorded */
    int64_t first_token_us, end_us; /* recorded, since it started; -1 = not known */
    uint64_t body_bytes;
};

struct trace *trace_new(const struct trace_filter *filter);
void trace_free(struct trace *t);
DEFINE_CLEANUP(struct trace, trace_free)
/* Indexes the sealed exchanges of a, which may be closed after that. */
int trace_add(struct trace *t, const struct archive *a, struct err *err);
/* After the last archive: puts them in order. */
void trace_sort(struct trace *t);
void trace_stats(const struct trace *t, struct trace_stats *ret);
size_t trace_len(const struct trace *t);
void trace_at(const struct trace *t, size_t index, struct trace_request *ret);
int trace_body(struct trace *t, size_t index, struct str *ret, struct err *err);

#endif
