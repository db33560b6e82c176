/* http2_fields - the fields of one HTTP/2 head or trailer section, checked as they come.
 *
 * Only for base/http2.
 */
#ifndef BASE_HTTP2_FIELDS_H
#define BASE_HTTP2_FIELDS_H

#include "base/http1.h"
#include "base/vec.h"

enum http2_pseudo { HTTP2_METHOD, HTTP2_SCHEME, HTTP2_PATH, HTTP2_AUTHORITY, HTTP2_PSEUDO_COUNT };

struct http2_span {
    size_t at, len;
};

struct http2_field {
    struct http2_span name, value;
};

/* Zero-initialised is none. */
struct http2_fields {
    bool are_trailers;
    bool is_too_large; /* from here on nothing is kept */
    bool has_regular, has_host, has_length;
    uint64_t content_length;
    size_t bytes, count; /* as limits count them */
    struct buf raw;      /* what spans point into */
    bool has_pseudo[HTTP2_PSEUDO_COUNT];
    struct http2_span pseudo[HTTP2_PSEUDO_COUNT], host;
    VEC(struct http2_field) fields; /* but for host, content-length and cookie */
    struct buf cookie;              /* its crumbs, joined */
};

void http2_fields_release(struct http2_fields *f);
/* -1: the section is malformed (RFC 9113 8.1.1). */
int http2_fields_add(struct http2_fields *f, const struct http1_limits *limits, struct str name,
                     struct str value);
/* The request head that the fields say, as HTTP/1.1: 0, or -1 if it is malformed.  with_body: more
 * than the head follows. */
int http2_fields_write_request(const struct http2_fields *f, bool with_body, struct buf *out);
/* Bytes of raw. */
struct str http2_fields_str(const struct http2_fields *f, struct http2_span span);

#endif
