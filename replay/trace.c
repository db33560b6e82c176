#include "config.h"

#include "replay/trace.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/vec.h"
#include "capture/redact.h"
#include "capture/segment_read.h"

struct entry {
    struct uuid id;
    int64_t started_us, first_token_us, end_us;
    int64_t offset; /* of its bodies in the segment; -1 = it has none */
    uint64_t request_bytes, response_bytes;
    struct str path, query, head;
    uint32_t method, app, upstream, model; /* index in texts */
    uint32_t segment;
    uint16_t status;
    uint8_t api;
    bool stream;
};

struct trace {
    struct trace_filter filter;
    char *app; /* of the filter */
    VEC(struct entry) entries;
    VEC(char *) segments;
    struct map texts;
    struct segment_reader *open;
    uint32_t open_segment;
    struct trace_stats stats;
};

struct trace *trace_new(const struct trace_filter *filter)
{
    struct trace *t = mem_calloc(1, sizeof(*t));

    t->filter = *filter;
    t->app = mem_strndup(filter->app.len ? filter->app.ptr : "", filter->app.len);
    return t;
}

void trace_free(struct trace *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->segments.len; i++)
        free(t->segments.ptr[i]);
    vec_release(&t->segments);
    vec_release(&t->entries);
    map_release(&t->texts);
    segment_close(t->open);
    free(t->app);
    free(t);
}

/* --- indexing --- */

static uint32_t text_index(struct trace *t, struct str text)
{
    return (uint32_t)(map_put(&t->texts, text, NULL) - t->texts.entries);
}

static struct str text_at(const struct trace *t, uint32_t index)
{
    return t->texts.entries[index].key;
}

static struct str keep(struct trace *t, struct str text)
{
    return map_put(&t->texts, text, NULL)->key;
}

/* RFC 9110 7.6.1, what is written anew, and what was about the one who asked then. */
static bool is_sent_again(const struct exchange *x, struct call_header h)
{
    static const char *const dropped[] = {
        "connection",     "keep-alive",          "proxy-connection", "te",
        "trailer",        "transfer-encoding",   "upgrade",          "host",
        "content-length", "accept-encoding",     "expect",           "traceparent",
        "tracestate",     "x-forwarded-for",     "forwarded",        "x-amz-date",
        "cookie",         "proxy-authorization",
    };

    for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
        if (str_ieq(h.name, str_from(dropped[i])))
            return false;
    if (str_ieq(h.name, STR("content-encoding")))
        return x->request_body_encoded;
    if (str_istarts_with(h.name, STR("x-weir-")) && !str_ieq(h.name, STR("x-weir-app")))
        return false;
    return str_find(h.value, STR(REDACT_MARK), 0) < 0;
}

static struct str keep_head(struct trace *t, const struct exchange *x)
{
    CLEANUP(buf_release) struct buf head = { 0 };

    for (size_t i = 0; i < x->request_header_count; i++) {
        struct call_header h = x->request_headers[i];
        if (is_sent_again(x, h))
            buf_addf(&head, "%.*s: %.*s\n", STR_ARG(h.name), STR_ARG(h.value));
    }
    return keep(t, buf_str(&head));
}

/* Parameters without those that held a credential. */
static struct str keep_query(struct trace *t, struct str query)
{
    CLEANUP(buf_release) struct buf kept = { 0 };
    struct str parameter;

    while (str_split(&query, '&', &parameter))
        if (parameter.len && str_find(parameter, STR(REDACT_MARK), 0) < 0)
            buf_addf(&kept, "%s%.*s", kept.len ? "&" : "", STR_ARG(parameter));
    return keep(t, buf_str(&kept));
}

static bool is_wanted(const struct trace *t, const struct exchange *x)
{
    if (x->started_us < t->filter.from_us || x->started_us >= t->filter.to_us)
        return false;
    return !t->app[0] || str_glob(str_from(t->app), x->who.app);
}

static void add_exchange(struct trace *t, const struct exchange *x, int64_t offset)
{
    if (x->request_body_missing || !x->method.len || !x->path.len) {
        t->stats.without_request++;
        return;
    }
    struct entry e = {
        .id = x->id,
        .started_us = x->started_us,
        .first_token_us = x->first_token_us,
        .end_us = x->end_us,
        .offset = offset,
        .request_bytes = x->request_stored_bytes,
        .response_bytes = x->response_stored_bytes,
        .path = keep(t, x->path),
        .query = keep_query(t, x->query),
        .head = keep_head(t, x),
        .method = text_index(t, x->method),
        .app = text_index(t, x->who.app),
        .upstream = text_index(t, x->upstream),
        .model = text_index(t, x->facts.model_requested),
        .segment = (uint32_t)t->segments.len - 1,
        .status = (uint16_t)x->status,
        .api = (uint8_t)x->facts.api,
        .stream = x->facts.stream,
    };
    vec_push(&t->entries, e);
    t->stats.requests++;
}

static int add_segment(void *ctx, const char *path, struct err *err)
{
    struct trace *t = ctx;
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    struct exchange x;
    int got;

    if (segment_open(path, &r, err) < 0)
        return -1;
    vec_push(&t->segments, mem_strdup(path));
    while ((got = segment_next(r, true, &x, err)) > 0) {
        if (x.facts.api == API_USAGE_ROW || !is_wanted(t, &x))
            continue;
        if (t->entries.len == TRACE_REQUESTS_MAX)
            return err_set(err, ERR_LIMIT,
                           "more than %d requests: take a shorter time with --from and --to",
                           TRACE_REQUESTS_MAX);
        add_exchange(t, &x, segment_offset(r));
    }
    return got;
}

int trace_add(struct trace *t, const struct archive *a, struct err *err)
{
    uint64_t missing;
    int r = archive_segments_walk(a, add_segment, t, &missing, err);

    t->stats.segments_missing += missing;
    return r;
}

/* By time; the id decides between equals, so that the order is one. */
static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->started_us != b->started_us)
        return a->started_us < b->started_us ? -1 : 1;
    return memcmp(&a->id, &b->id, sizeof(a->id));
}

void trace_sort(struct trace *t)
{
    if (t->entries.len)
        qsort(t->entries.ptr, t->entries.len, sizeof(*t->entries.ptr), compare);
}

void trace_stats(const struct trace *t, struct trace_stats *ret)
{
    *ret = t->stats;
}

/* --- reading --- */

size_t trace_len(const struct trace *t)
{
    return t->entries.len;
}

void trace_at(const struct trace *t, size_t index, struct trace_request *ret)
{
    const struct entry *e = &t->entries.ptr[index];

    *ret = (struct trace_request){
        .id = e->id,
        .started_us = e->started_us,
        .method = text_at(t, e->method),
        .path = e->path,
        .query = e->query,
        .head = e->head,
        .app = text_at(t, e->app),
        .upstream = text_at(t, e->upstream),
        .model = text_at(t, e->model),
        .api = (enum api)e->api,
        .stream = e->stream,
        .status = e->status,
        .first_token_us = e->first_token_us,
        .end_us = e->end_us,
        .body_bytes = e->request_bytes,
    };
}

int trace_body(struct trace *t, size_t index, struct str *ret, struct err *err)
{
    const struct entry *e = &t->entries.ptr[index];
    struct exchange x = {
        .id = e->id,
        .request_stored_bytes = e->request_bytes,
        .response_stored_bytes = e->response_bytes,
    };

    *ret = STR("");
    if (!e->request_bytes)
        return 0;
    if (!t->open || t->open_segment != e->segment) {
        segment_close(TAKE(t->open));
        t->open_segment = e->segment;
        if (segment_open(t->segments.ptr[e->segment], &t->open, err) < 0)
            return err_wrap(err, "segment '%s'", t->segments.ptr[e->segment]);
    }
    if (segment_bodies(t->open, e->offset, &x, err) < 0)
        return err_wrap(err, "segment '%s'", t->segments.ptr[e->segment]);
    *ret = x.request_body;
    return 0;
}
