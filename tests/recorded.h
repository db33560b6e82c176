/* recorded - recorded exchanges (JSONL, a line each) as calls, for tests and benches. */
#ifndef TESTS_RECORDED_H
#define TESTS_RECORDED_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "llm/call.h"

#define RECORDED_FILE_BYTES_MAX (256u << 20)
#define RECORDED_HEADERS_MAX    64

static inline struct str recorded_read(const char *path, struct buf *buf)
{
    struct err err;

    if (file_read(path, RECORDED_FILE_BYTES_MAX, buf, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return buf_str(buf);
}

static inline struct str recorded_body(const json_t *line, const char *name, struct arena *arena,
                                       bool *ret_missing)
{
    char key[64];
    struct err err;
    struct str plain = json_get_str(line, name);

    snprintf(key, sizeof(key), "%s_b64", name);
    struct str encoded = json_get_str(line, key);
    *ret_missing = !plain.ptr && !encoded.ptr;
    if (!encoded.ptr)
        return plain;
    CLEANUP(buf_release) struct buf bytes = { 0 };
    if (base64_decode(&bytes, encoded, &err) < 0)
        abort();
    return arena_str(arena, buf_str(&bytes));
}

static inline size_t recorded_headers(const json_t *headers, struct call_header *ret)
{
    const char *name;
    json_t *value;
    size_t count = 0;

    if (!headers)
        return 0;
    json_object_foreach((json_t *)(uintptr_t)headers, name,
                        value) if (count < RECORDED_HEADERS_MAX && json_is_string(value))
        ret[count++] = (struct call_header){ str_from(name), str_from(json_string_value(value)) };
    return count;
}

struct recorded_call {
    struct call call;
    struct call_header request_headers[RECORDED_HEADERS_MAX];
    struct call_header response_headers[RECORDED_HEADERS_MAX];
};

static inline void recorded_url(struct str url, struct call *ret)
{
    ptrdiff_t scheme = str_find(url, STR("://"), 0);
    struct str rest = scheme < 0 ? url : str_sub(url, (size_t)scheme + 3, url.len);
    ptrdiff_t query = str_find_char(rest, '?', 0);

    if (query >= 0) {
        ret->query = str_sub(rest, (size_t)query + 1, rest.len);
        rest.len = (size_t)query;
    }
    ptrdiff_t slash = str_find_char(rest, '/', 0);
    ret->host = slash < 0 ? rest : str_sub(rest, 0, (size_t)slash);
    ret->path = slash < 0 ? STR("/") : str_sub(rest, (size_t)slash, rest.len);
}

/* Borrows from line, which must outlive it. */
static inline void recorded_call_read(const json_t *line, struct arena *arena,
                                      struct recorded_call *ret)
{
    struct call *call = &ret->call;

    *call = (struct call){ .method = json_get_str(line, "method") };
    recorded_url(json_get_str(line, "url"), call);
    call->status = (int)json_integer_value(json_get(line, "status"));
    call->request_headers = ret->request_headers;
    call->request_header_count =
        recorded_headers(json_get(line, "req_headers"), ret->request_headers);
    call->response_headers = ret->response_headers;
    call->response_header_count =
        recorded_headers(json_get(line, "resp_headers"), ret->response_headers);
    call->request_body = recorded_body(line, "req_body", arena, &call->request_body_missing);
    call->response_body = recorded_body(line, "resp_body", arena, &call->response_body_missing);
}

/* A call of a file; all of it is gone when the next one comes. */
struct recorded_line {
    const struct call *call;
    struct arena *arena;
    const char *where; /* FILE:LINE, for messages */
};

/* Shows each call of a file; name is how where calls it. */
static inline void recorded_each(const char *path, const char *name,
                                 void (*each)(void *ctx, const struct recorded_line *l), void *ctx)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str rest = recorded_read(path, &text), line;
    char where[200];
    int number = 0;

    while (str_split(&rest, '\n', &line)) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        CLEANUP(json_decref) json_t *parsed = NULL;
        struct recorded_call recorded;
        struct err err;
        snprintf(where, sizeof(where), "%s:%d", name, ++number);
        if (!line.len)
            continue;
        if (json_parse(line, &parsed, &err) < 0) {
            fprintf(stderr, "%s: %s\n", where, err.text);
            abort();
        }
        recorded_call_read(parsed, &arena, &recorded);
        each(ctx, &(struct recorded_line){ &recorded.call, &arena, where });
    }
}

#endif
