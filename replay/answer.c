#include "config.h"

#include "replay/answer.h"

#include <stdlib.h>

#include "capture/redact.h"

/* RFC 9110 7.6.1, what says how long a body is, and what only holds for the connection it was
 * recorded on. */
static const char *const dropped_headers[] = { "connection", "keep-alive", "proxy-connection",
                                               "te",         "trailer",    "transfer-encoding",
                                               "upgrade",    "alt-svc",    "content-length",
                                               "alt-used" };

#define PROMISED_MAX (UINT64_MAX / 20) /* before one more digit */

struct answer *answer_new(unsigned status)
{
    struct answer *a = mem_calloc(1, sizeof(*a));

    a->references = 1;
    a->status = status;
    return a;
}

struct answer *answer_ref(struct answer *a)
{
    a->references++;
    return a;
}

void answer_unref(struct answer *a)
{
    if (!a || --a->references)
        return;
    vec_release(&a->headers);
    buf_release(&a->body);
    buf_release(&a->repeated);
    free(a->chunks);
    arena_release(&a->arena);
    free(a);
}

void answer_add_header(struct answer *a, struct str name, struct str value)
{
    struct call_header h = { arena_str(&a->arena, name), arena_str(&a->arena, value) };

    vec_push(&a->headers, h);
}

void answer_add_chunk(struct answer *a, uint64_t at_us, struct str bytes)
{
    a->chunks = mem_realloc(a->chunks, (a->chunk_count + 1) * sizeof(*a->chunks));
    a->chunks[a->chunk_count++] = (struct answer_chunk){ at_us, bytes.len };
    buf_add_str(&a->body, bytes);
    a->end_us = at_us;
}

void answer_set_body(struct answer *a, struct str content_type, struct str body)
{
    answer_add_header(a, STR("content-type"), content_type);
    if (body.len)
        answer_add_chunk(a, 0, body);
}

bool answer_keeps_header(const struct exchange *x, struct call_header header)
{
    for (size_t i = 0; i < ARRAY_LEN(dropped_headers); i++)
        if (str_ieq(header.name, str_from(dropped_headers[i])))
            return false;
    if (str_ieq(header.name, STR("content-encoding")))
        return x->response_body_encoded;
    return !str_istarts_with(header.name, STR("x-weir-")) &&
           str_find(header.value, STR(REDACT_MARK), 0) < 0;
}

/* offset_us counts from the request's beginning and may be unknown; the answer, from its end. */
static uint64_t since_request(const struct exchange *x, int64_t offset_us, uint64_t at_least_us)
{
    int64_t request_us = x->request_us > 0 ? x->request_us : 0;

    if (offset_us < request_us || (uint64_t)(offset_us - request_us) < at_least_us)
        return at_least_us;
    return (uint64_t)(offset_us - request_us);
}

static void add_chunks(struct answer *a, const struct exchange *x)
{
    uint64_t at_us = a->head_us;
    size_t place = 0;

    if (!x->chunk_count && x->response_body.len) {
        answer_add_chunk(a, since_request(x, x->end_us, a->head_us), x->response_body);
        return;
    }
    a->chunks = mem_calloc(x->chunk_count + 1, sizeof(*a->chunks));
    for (size_t i = 0; i < x->chunk_count; i++) {
        size_t bytes = (size_t)x->chunks[i].bytes;
        at_us = since_request(x, (int64_t)x->chunks[i].offset_us, at_us);
        if (!bytes)
            continue;
        a->chunks[a->chunk_count++] = (struct answer_chunk){ at_us, bytes };
        place += bytes;
    }
    buf_add_str(&a->body, str_sub(x->response_body, 0, place));
    a->end_us = at_us;
}

uint64_t answer_promised(const struct exchange *x)
{
    struct str said =
        call_header_find(x->response_headers, x->response_header_count, "content-length");
    uint64_t bytes = 0;

    for (size_t i = 0; i < said.len; i++) {
        if (said.ptr[i] < '0' || said.ptr[i] > '9' || bytes > PROMISED_MAX)
            return 0;
        bytes = bytes * 10 + (uint64_t)(said.ptr[i] - '0');
    }
    return bytes;
}

struct answer *answer_of(const struct exchange *x)
{
    struct answer *a = answer_new((unsigned)x->status);

    a->is_chunked = true;
    for (size_t i = 0; i < x->response_header_count; i++) {
        struct call_header h = x->response_headers[i];
        if (str_ieq(h.name, STR("content-length")))
            a->is_chunked = false;
        if (answer_keeps_header(x, h))
            answer_add_header(a, h.name, h.value);
    }
    a->is_cut = x->truncated;
    a->promised = a->is_cut ? answer_promised(x) : 0;
    /* It was told of bytes with an encoding, which is undone here. */
    if (a->promised && a->promised <= x->response_body.len)
        a->promised = x->response_body.len + 1;
    a->is_chunked |= a->is_cut && !a->promised;
    a->end_us = a->head_us = since_request(x, x->head_us, 0);
    add_chunks(a, x);
    a->end_us = since_request(x, x->end_us, a->end_us);
    return a;
}

size_t answer_bytes(const struct answer *a)
{
    return sizeof(*a) + a->body.cap + a->chunk_count * sizeof(*a->chunks) + a->arena.total_bytes +
           a->headers.cap * sizeof(*a->headers.ptr);
}
